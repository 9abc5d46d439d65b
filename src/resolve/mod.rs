//! Names to slots and declarations: scopes, merged namespaces, imports, visibility; the lowered form.

pub mod ir;

/// tmp
#[derive(Debug)]
pub struct Resolved {
    /// p
    pub program: crate::program::Program,
    /// c
    pub code: Vec<ir::Code>,
}
