//! The name of a content: its SHA-256 hash and its size, as the Remote Execution API has it.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// What a content is called: the SHA-256 hash of its bytes, and how many they are. Shown as `hash/size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Digest {
    /// SHA-256.
    pub hash: [u8; 32],
    /// The number of bytes.
    pub size: u64,
}

/// A text that is not a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a digest is written as 64 hexadecimal digits, `/` and a size in bytes")]
pub struct NotADigest;

impl Digest {
    /// The digest of no bytes. Every store has that content.
    pub const EMPTY: Self = Self {
        hash: [
            0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae,
            0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
        ],
        size: 0,
    };

    /// The digest of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self { hash: Sha256::digest(bytes).into(), size: bytes.len() as u64 }
    }

    /// The digest of everything that a reader gives.
    ///
    /// # Errors
    /// When reading fails.
    pub fn of_reader(mut reader: impl Read) -> io::Result<Self> {
        let mut hasher = Sha256::new();
        let mut size = 0;
        let mut buffer = vec![0; 1 << 16];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(Self { hash: hasher.finalize().into(), size }),
                Ok(count) => {
                    hasher.update(&buffer[..count]);
                    size += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The hash as 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
        // Each digest in a message is written so: formatting would take longer than hashing the message.
        let mut text = String::with_capacity(64);
        for byte in self.hash {
            text.extend([byte >> 4, byte & 0xf].map(|digit| DIGITS[usize::from(digit)]));
        }
        text
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.hex(), self.size)
    }
}

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let (hex, size) = text.split_once('/').ok_or(NotADigest)?;
        Ok(Self { hash: hash_of_hex(hex)?, size: size.parse().map_err(|_| NotADigest)? })
    }
}

/// The hash that 64 hexadecimal digits stand for.
pub(super) fn hash_of_hex(hex: &str) -> Result<[u8; 32], NotADigest> {
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(NotADigest);
    }
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).map_err(|_| NotADigest)?;
    }
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_sha_256_and_round_trip() {
        let empty = Digest::of(b"");
        assert_eq!(empty, Digest::EMPTY);
        assert_eq!(empty.to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855/0");
        let long = vec![7; 200_000];
        assert_eq!(Digest::of_reader(&long[..]).unwrap(), Digest::of(&long));
        assert_eq!(Digest::of(&long).to_string().parse(), Ok(Digest::of(&long)));
        for wrong in ["", "e3b0/0", &format!("{}/x", empty.hex()), &format!("{}é/0", &empty.hex()[2..])] {
            assert_eq!(wrong.parse::<Digest>(), Err(NotADigest), "{wrong}");
        }
    }
}
