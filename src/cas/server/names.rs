//! The names of blobs in streams.
//!
//! ```text
//! [INSTANCE/]blobs/[sha256/]HASH/SIZE                                  to be read
//! [INSTANCE/]compressed-blobs/zstd/[sha256/]HASH/SIZE
//! [INSTANCE/]uploads/UUID/blobs/[sha256/]HASH/SIZE[/ANYTHING]          to be written
//! [INSTANCE/]uploads/UUID/compressed-blobs/zstd/[sha256/]HASH/SIZE[/ANYTHING]
//! ```

use tonic::Status;

use crate::cas::Digest;

const LONGEST: usize = 2048;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) digest: Digest,
    /// Whether the bytes of the stream are compressed.
    pub(super) zstd: bool,
}

/// The name of a blob to be read.
pub(super) fn to_read(name: &str) -> Result<Name, Status> {
    let parts = split(name)?;
    let at = parts.iter().position(|part| matches!(*part, "blobs" | "compressed-blobs"));
    match at.and_then(|at| blob(&parts[at..])) {
        Some((name, [])) => Ok(name),
        _ => Err(wrong(name)),
    }
}

/// The name of a blob to be written.
pub(super) fn to_write(name: &str) -> Result<Name, Status> {
    let parts = split(name)?;
    let at = parts.iter().position(|part| *part == "uploads");
    let rest = at.and_then(|at| parts.get(at + 1..)).unwrap_or_default();
    match rest.split_first() {
        Some((uuid, rest)) if !uuid.is_empty() => blob(rest).map(|(name, _)| name).ok_or_else(|| wrong(name)),
        _ => Err(wrong(name)),
    }
}

fn split(name: &str) -> Result<Vec<&str>, Status> {
    if name.len() > LONGEST {
        return Err(Status::invalid_argument("the resource name is too long"));
    }
    Ok(name.split('/').collect())
}

// A blob, and what comes after it.
fn blob<'a, 'b>(parts: &'b [&'a str]) -> Option<(Name, &'b [&'a str])> {
    let (zstd, rest) = match parts {
        ["blobs", rest @ ..] | ["compressed-blobs", "identity", rest @ ..] => (false, rest),
        ["compressed-blobs", "zstd", rest @ ..] => (true, rest),
        _ => return None,
    };
    let rest = rest.strip_prefix(&["sha256"]).unwrap_or(rest);
    let [hash, size, rest @ ..] = rest else { return None };
    if hash.bytes().any(|byte| byte.is_ascii_uppercase()) || !size.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digest: Digest = format!("{hash}/{size}").parse().ok()?;
    // Sizes are signed numbers elsewhere.
    i64::try_from(digest.size).ok()?;
    Some((Name { digest, zstd }, rest))
}

fn wrong(name: &str) -> Status {
    let shown: String = name.chars().take(200).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    Status::invalid_argument(format!("`{shown}` is no resource name that this server knows"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_with_and_without_an_instance() {
        let digest = Digest::of(b"text");
        let (plain, packed) = (Name { digest, zstd: false }, Name { digest, zstd: true });
        for instance in ["", "main/", "a/b/c/", "uploads-2/"] {
            assert_eq!(to_read(&format!("{instance}blobs/{digest}")).unwrap(), plain);
            assert_eq!(to_read(&format!("{instance}blobs/sha256/{digest}")).unwrap(), plain);
            assert_eq!(to_read(&format!("{instance}compressed-blobs/zstd/{digest}")).unwrap(), packed);
            for end in ["", "/", "/some/file.txt", "/blobs/x"] {
                assert_eq!(to_write(&format!("{instance}uploads/1-2/blobs/{digest}{end}")).unwrap(), plain);
                let name = format!("{instance}uploads/1-2/compressed-blobs/zstd/{digest}{end}");
                assert_eq!(to_write(&name).unwrap(), packed);
            }
        }
    }

    #[test]
    fn other_names_are_refused() {
        let digest = Digest::of(b"text");
        let hex = digest.hex();
        let upper = hex.to_uppercase();
        let names = [
            String::new(),
            "blobs".to_owned(),
            "/".repeat(5000),
            format!("{digest}"),
            format!("blobs/{hex}"),
            format!("blobs/{hex}/-1"),
            format!("blobs/{hex}/+1"),
            format!("blobs/{hex}/18446744073709551615"),
            format!("blobs/{upper}/4"),
            format!("blobs/{}/4", &hex[1..]),
            format!("blobs/sha1/{digest}"),
            format!("blobs/{digest}/more"),
            format!("compressed-blobs/brotli/{digest}"),
            format!("compressed-blobs/{digest}"),
        ];
        for name in names {
            assert_eq!(to_read(&name).unwrap_err().code(), tonic::Code::InvalidArgument, "{name}");
            assert_eq!(to_write(&name).unwrap_err().code(), tonic::Code::InvalidArgument, "{name}");
            assert!(to_write(&format!("uploads//{name}")).is_err());
        }
        assert!(to_write(&format!("uploads/{digest}")).is_err());
        assert!(to_read(&format!("uploads/u/{digest}")).is_err());
    }
}
