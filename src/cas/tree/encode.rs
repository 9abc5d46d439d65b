//! What stands in the messages of directories. Whoever puts one together adds the children in the order of their names'
//! bytes.

use crate::cas::Digest;
use crate::cas::api::reapi;

pub(in crate::cas) fn file(name: String, digest: Digest, is_executable: bool) -> reapi::FileNode {
    reapi::FileNode { name, digest: Some(digest.into()), is_executable, node_properties: None }
}

pub(in crate::cas) fn link(name: String, target: String) -> reapi::SymlinkNode {
    reapi::SymlinkNode { name, target, node_properties: None }
}

pub(in crate::cas) fn directory(name: String, digest: Digest) -> reapi::DirectoryNode {
    reapi::DirectoryNode { name, digest: Some(digest.into()) }
}
