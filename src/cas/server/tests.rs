//! What the storage promises, without a network.
