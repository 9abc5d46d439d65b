//! The cache, from outside.
