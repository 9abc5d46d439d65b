//! Names to slots and declarations: scopes, merged namespaces, imports, visibility; the lowered form.

pub mod ir;
