//! What a directory message refers to.

use crate::cas::Digest;
use crate::cas::tree::decode::digest_of;
use crate::cas::tree::{TreeError, decode_directory};

/// What a directory refers to.
#[derive(Debug)]
pub(super) struct Children {
    pub(super) files: Vec<File>,
    pub(super) directories: Vec<(Box<str>, Digest)>,
}

#[derive(Debug)]
pub(super) struct File {
    pub(super) name: Box<str>,
    pub(super) digest: Digest,
    pub(super) executable: bool,
}

/// Reads a directory, and refuses what no file system could hold.
pub(super) fn children(bytes: &[u8]) -> Result<Children, TreeError> {
    let directory = decode_directory(bytes)?;
    let files = directory.files.into_iter().map(|node| {
        let digest = digest_of(node.digest.as_ref(), &node.name)?;
        Ok(File { name: node.name.into(), digest, executable: node.is_executable })
    });
    let directories = directory.directories.into_iter().map(|node| {
        let digest = digest_of(node.digest.as_ref(), &node.name)?;
        Ok((node.name.into(), digest))
    });
    Ok(Children {
        files: files.collect::<Result<_, TreeError>>()?,
        directories: directories.collect::<Result<_, TreeError>>()?,
    })
}
