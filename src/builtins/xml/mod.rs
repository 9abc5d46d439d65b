//! The hidden namespace behind module `Sdk.Xml`: XML as a tree of nodes. A node is an object with a `kind`; what else
//! it has depends on that.

mod names;
mod read;
mod write;

use crate::eval::NativeFn;

/// `read` and `write`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] =
    &[("_PreludeAmbientHack_Xml.read", read::read), ("_PreludeAmbientHack_Xml.write", write::write)];

/// How much stack one level of nested nodes may need, and how much is added when that is not there.
const STACK_NEEDED: usize = 64 * 1024;
const STACK_ADDED: usize = 1024 * 1024;

/// What `kind` says.
mod kinds {
    pub const DOCUMENT: &str = "document";
    pub const ELEMENT: &str = "element";
    pub const ATTRIBUTE: &str = "attribute";
    pub const TEXT: &str = "text";
    pub const CDATA: &str = "cdata";
    pub const COMMENT: &str = "comment";
    pub const INSTRUCTION: &str = "processing-instruction";
}
