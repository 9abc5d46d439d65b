//! The messages and services of the Remote Execution API and what it builds on, under short names.

pub use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;
pub use bazel_remote_apis::build::bazel::semver;
pub use bazel_remote_apis::google::{bytestream, longrunning, protobuf, rpc};

use super::Digest;
use super::digest::{NotADigest, hash_of_hex};

impl From<Digest> for reapi::Digest {
    fn from(digest: Digest) -> Self {
        Self { hash: digest.hex(), size_bytes: digest.size.cast_signed() }
    }
}

impl TryFrom<&reapi::Digest> for Digest {
    type Error = NotADigest;

    fn try_from(digest: &reapi::Digest) -> Result<Self, NotADigest> {
        let size = u64::try_from(digest.size_bytes).map_err(|_| NotADigest)?;
        Ok(Self { hash: hash_of_hex(&digest.hash)?, size })
    }
}
