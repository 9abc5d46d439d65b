//! What a directory message refers to.

use prost::Message as _;
use rustc_hash::FxHashSet;

use crate::cas::Digest;
use crate::cas::api::reapi;

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
pub(super) fn children(bytes: &[u8]) -> Result<Children, String> {
    let directory = reapi::Directory::decode(bytes).map_err(|error| error.to_string())?;
    let names = directory.files.iter().map(|node| &node.name);
    let names = names.chain(directory.directories.iter().map(|node| &node.name));
    let mut seen = FxHashSet::default();
    for name in names.chain(directory.symlinks.iter().map(|node| &node.name)) {
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
            return Err(format!("`{}` cannot be the name of a file", name.escape_debug()));
        }
        if !seen.insert(name.as_str()) {
            return Err(format!("it has `{}` twice", name.escape_debug()));
        }
    }
    let digest = |digest: Option<&reapi::Digest>, name: &str| {
        digest.and_then(|digest| Digest::try_from(digest).ok()).ok_or_else(|| format!("`{name}` has no digest"))
    };
    let files = directory.files.iter().map(|node| {
        let digest = digest(node.digest.as_ref(), &node.name)?;
        Ok(File { name: node.name.as_str().into(), digest, executable: node.is_executable })
    });
    let directories = directory
        .directories
        .iter()
        .map(|node| Ok((node.name.as_str().into(), digest(node.digest.as_ref(), &node.name)?)));
    Ok(Children {
        files: files.collect::<Result<_, String>>()?,
        directories: directories.collect::<Result<_, String>>()?,
    })
}
