//! Under which names results and path sets stand on a server.
//!
//! The action cache of a server knows results of actions, by the digest of a message that says what the action is. Nothing
//! ever executes ours: the command says which kind of fingerprint it stands for, and which. Servers that look at the
//! messages find them whole, with an empty input root.

use prost::Message as _;

use super::super::cache::Fingerprint;
use crate::cas::Digest;
use crate::cas::api::reapi;
use crate::cas::remote::Blob;

/// What the first word of the command is. The number changes when records of earlier versions must not be read.
const PROGRAM: &str = "dscript/two-phase/1";

/// What stands under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Path sets of a weak fingerprint.
    PathSets,
    /// The result of a strong fingerprint.
    Result,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::PathSets => "path-sets",
            Self::Result => "result",
        }
    }

    /// Its number in records.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::PathSets => 1,
            Self::Result => 2,
        }
    }
}

/// A name in the action cache, and the messages behind it.
pub(super) struct Key {
    /// The name.
    pub(super) digest: Digest,
    action: Vec<u8>,
    command: (Digest, Vec<u8>),
}

impl Key {
    /// The name of what belongs to a fingerprint.
    pub(super) fn of(kind: Kind, fingerprint: Fingerprint) -> Self {
        let command = reapi::Command {
            arguments: vec![PROGRAM.to_owned(), kind.word().to_owned(), fingerprint.to_string()],
            ..reapi::Command::default()
        };
        let command = command.encode_to_vec();
        let command_digest = Digest::of(&command);
        let action = reapi::Action {
            command_digest: Some(command_digest.into()),
            input_root_digest: Some(Digest::EMPTY.into()),
            ..reapi::Action::default()
        };
        let action = action.encode_to_vec();
        Self { digest: Digest::of(&action), action, command: (command_digest, command) }
    }

    /// The messages, for servers that want to have them. The input root is the empty content.
    pub(super) fn blobs(self) -> [Blob; 3] {
        [
            Blob::Bytes(self.digest, self.action),
            Blob::Bytes(self.command.0, self.command.1),
            Blob::Bytes(Digest::EMPTY, Vec::new()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_by_kind_and_fingerprint_and_are_whole_messages() {
        let one = Fingerprint([1; 32]);
        let key = |kind, fingerprint| Key::of(kind, fingerprint).digest;
        assert_eq!(key(Kind::Result, one), key(Kind::Result, one));
        assert_ne!(key(Kind::Result, one), key(Kind::PathSets, one));
        assert_ne!(key(Kind::Result, one), key(Kind::Result, Fingerprint([2; 32])));
        let [Blob::Bytes(name, action), Blob::Bytes(digest, command), _] = Key::of(Kind::Result, one).blobs() else {
            panic!("all are bytes");
        };
        assert_eq!((name, digest), (Digest::of(&action), Digest::of(&command)));
        let action = reapi::Action::decode(&action[..]).unwrap();
        assert_eq!(action.command_digest, Some(digest.into()));
        let command = reapi::Command::decode(&command[..]).unwrap();
        assert_eq!(command.arguments[2], "01".repeat(32));
    }
}
