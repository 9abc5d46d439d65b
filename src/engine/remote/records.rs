//! What stands on a server for a fingerprint, and how it is read without trust.
//!
//! A record goes where an action's standard output goes: into the answer itself where it is small, into a blob else. It
//! says what it is of and ends with a hash of itself, as nothing else tells that an answer of the action cache came
//! unharmed. What it needs stands among the output files, so that a server that checks its results for completeness keeps
//! these, or forgets the result with them.

use std::collections::BTreeMap;

use prost::Message as _;
use serde::{Deserialize, Serialize};

use super::super::cache::Fingerprint;
use super::super::content::Content;
use super::super::shared::Finding;
use super::keys::Kind;
use crate::cas::Digest;
use crate::cas::api::reapi;
use crate::cas::remote::{Blob, LARGEST_IN_MEMORY};

/// What every record begins with; the last byte is the version.
const MAGIC: [u8; 8] = *b"DSCTWO\0\x01";
const CHECKSUM: usize = 32;

/// The longest record that stands in the answer itself.
const INLINE: usize = 64 << 10;

/// The longest record that is read.
pub(super) const LONGEST: u64 = LARGEST_IN_MEMORY;

/// How many files are named one by one, so that the message stays below what servers take.
const NAMED: usize = 4_000;

/// The most path sets that stand under one weak fingerprint.
pub(super) const PATH_SETS: usize = 64;

/// How many bytes of path sets stand in the list itself.
const LISTED: usize = 32 << 10;

/// A path set in the list of a weak fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listed {
    pub(super) digest: Digest,
    /// The path set itself, where it is among the most recent and small.
    pub(super) bytes: Option<Vec<u8>>,
}

/// Puts a body into a record.
pub(super) fn seal(kind: Kind, fingerprint: Fingerprint, body: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(MAGIC.len() + 33 + body.len() + CHECKSUM);
    record.extend(MAGIC);
    record.push(kind.number());
    record.extend(fingerprint.0);
    record.extend(body);
    let hash = Digest::of(&record).hash;
    record.extend(hash);
    record
}

/// The body of a record; none where it is damaged or of something else.
pub(super) fn unseal(kind: Kind, fingerprint: Fingerprint, record: &[u8]) -> Option<&[u8]> {
    let (rest, hash) = record.split_at_checked(record.len().checked_sub(CHECKSUM)?)?;
    if Digest::of(rest).hash != hash {
        return None;
    }
    let rest = rest.strip_prefix(&MAGIC[..])?.strip_prefix(&[kind.number()])?;
    rest.strip_prefix(&fingerprint.0[..])
}

/// Where the record of an answer is.
pub(super) enum Place {
    /// In the answer.
    Here(Vec<u8>),
    /// In a blob.
    Blob(Digest),
}

/// The record of an answer, wherever the server keeps it: some move it to a blob on their own.
pub(super) fn place(answer: reapi::ActionResult) -> Option<Place> {
    if !answer.stdout_raw.is_empty() {
        return Some(Place::Here(answer.stdout_raw));
    }
    let digest = Digest::try_from(answer.stdout_digest.as_ref()?).ok()?;
    (digest.size <= LONGEST).then_some(Place::Blob(digest))
}

/// An answer with a record, and the blobs that must be there before.
fn answer(record: Vec<u8>, blobs: &mut Vec<Blob>) -> reapi::ActionResult {
    let mut answer = reapi::ActionResult::default();
    if record.len() <= INLINE {
        answer.stdout_raw = record;
    } else {
        let digest = Digest::of(&record);
        answer.stdout_digest = Some(digest.into());
        blobs.push(Blob::Bytes(digest, record));
    }
    answer
}

/// What is said of a result, and the blobs that must be there before.
pub(super) fn of_result(finding: &Finding) -> (reapi::ActionResult, Vec<Blob>) {
    let mut files: BTreeMap<String, (Digest, bool)> = BTreeMap::new();
    let mut links: BTreeMap<String, String> = BTreeMap::new();
    for (path, content) in &finding.outputs {
        match content {
            Content::File { digest, executable } => drop(files.insert(shown(path), (*digest, *executable))),
            Content::Link(target) => drop(links.insert(shown(path), target.to_string())),
            Content::Directory | Content::Absent | Content::Other => {}
        }
    }
    for (name, digest) in [("stdout", finding.stdout), ("stderr", finding.stderr)] {
        if digest.size > 0 {
            files.insert(format!(".dscript/{name}"), (digest, false));
        }
    }
    let mut blobs: Vec<Blob> = files.values().map(|(digest, _)| Blob::Stored(*digest)).collect();
    let mut result = answer(seal(Kind::Result, finding.strong, &finding.result), &mut blobs);
    result.exit_code = finding.exit_code;
    let many = files.len() > NAMED;
    if many {
        // One message that names them all, which servers look into too.
        let nodes = files.values().enumerate().map(|(number, (digest, executable))| reapi::FileNode {
            name: format!("{number:08}"),
            digest: Some((*digest).into()),
            is_executable: *executable,
            node_properties: None,
        });
        let root = reapi::Directory { files: nodes.collect(), ..reapi::Directory::default() };
        let tree = reapi::Tree { root: Some(root), children: Vec::new() }.encode_to_vec();
        let digest = Digest::of(&tree);
        blobs.push(Blob::Bytes(digest, tree));
        result.output_directories.push(reapi::OutputDirectory {
            path: ".dscript/outputs".to_owned(),
            tree_digest: Some(digest.into()),
            ..reapi::OutputDirectory::default()
        });
        return (result, blobs);
    }
    result.output_files = files
        .into_iter()
        .map(|(path, (digest, executable))| reapi::OutputFile {
            path,
            digest: Some(digest.into()),
            is_executable: executable,
            ..reapi::OutputFile::default()
        })
        .collect();
    result.output_symlinks = links
        .into_iter()
        .take(NAMED)
        .map(|(path, target)| reapi::OutputSymlink { path, target, node_properties: None })
        .collect();
    (result, blobs)
}

/// What is said of the path sets of a weak fingerprint, the most recent first, and the blobs that must be there before.
/// The bytes of the first are new; servers have the others.
pub(super) fn of_path_sets(weak: Fingerprint, listed: &[Listed]) -> Option<(reapi::ActionResult, Vec<Blob>)> {
    let body = postcard::to_stdvec(listed).ok()?;
    let mut blobs: Vec<Blob> =
        listed.iter().filter_map(|one| Some(Blob::Bytes(one.digest, one.bytes.clone()?))).collect();
    let mut result = answer(seal(Kind::PathSets, weak, &body), &mut blobs);
    result.output_files = listed
        .iter()
        .map(|one| reapi::OutputFile {
            path: format!("path-sets/{}", one.digest.hex()),
            digest: Some(one.digest.into()),
            ..reapi::OutputFile::default()
        })
        .collect();
    Some((result, blobs))
}

/// The list in a body; none where it is no list or too long.
pub(super) fn listed(body: &[u8]) -> Option<Vec<Listed>> {
    let list: Vec<Listed> = postcard::from_bytes(body).ok()?;
    let fits = |one: &Listed| one.bytes.as_ref().is_none_or(|bytes| Digest::of(bytes) == one.digest);
    (list.len() <= PATH_SETS && list.iter().all(fits)).then_some(list)
}

/// A list with one more path set, which becomes the most recent. The last ones go where there are too many, and only the
/// first ones stand in the list themselves.
pub(super) fn with(path_set: &[u8], before: Vec<Listed>) -> Vec<Listed> {
    let digest = Digest::of(path_set);
    let mut list = vec![Listed { digest, bytes: Some(path_set.to_vec()) }];
    list.extend(before.into_iter().filter(|one| one.digest != digest));
    list.truncate(PATH_SETS);
    let mut room = LISTED;
    for one in &mut list {
        let size = one.bytes.as_ref().map_or(0, Vec::len);
        match room.checked_sub(size) {
            Some(rest) => room = rest,
            None => one.bytes = None,
        }
    }
    list
}

/// A path as servers take it: never absolute.
fn shown(path: &str) -> String {
    path.strip_prefix('/').map_or_else(|| path.to_owned(), |rest| format!(".dscript/root/{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_only_whole_and_for_what_it_is_of() {
        let one = Fingerprint([1; 32]);
        let record = seal(Kind::Result, one, b"body");
        assert_eq!(unseal(Kind::Result, one, &record), Some(&b"body"[..]));
        assert_eq!(unseal(Kind::PathSets, one, &record), None);
        assert_eq!(unseal(Kind::Result, Fingerprint([2; 32]), &record), None);
        for at in 0..record.len() {
            let mut damaged = record.clone();
            damaged[at] ^= 1;
            assert_eq!(unseal(Kind::Result, one, &damaged), None, "byte {at}");
            assert_eq!(unseal(Kind::Result, one, &record[..at]), None, "cut at {at}");
        }
        assert_eq!(unseal(Kind::Result, one, &[]), None);
    }

    #[test]
    fn lists_of_path_sets_have_a_bound_and_the_newest_first() {
        let mut list = Vec::new();
        for number in 0..100_u32 {
            list = with(&number.to_le_bytes().repeat(1000), list);
        }
        assert_eq!(list.len(), PATH_SETS);
        assert_eq!(list[0].digest, Digest::of(&99_u32.to_le_bytes().repeat(1000)));
        assert!(list.iter().filter_map(|one| one.bytes.as_ref()).map(Vec::len).sum::<usize>() <= LISTED);
        // One that is there already moves to the front.
        let again = with(&98_u32.to_le_bytes().repeat(1000), list.clone());
        assert_eq!((again.len(), again[0].digest, again[1].digest), (PATH_SETS, list[1].digest, list[0].digest));
        let body = postcard::to_stdvec(&again).unwrap();
        assert_eq!(listed(&body), Some(again.clone()));
        let mut wrong = again;
        wrong[0].bytes = Some(vec![1]);
        assert_eq!(listed(&postcard::to_stdvec(&wrong).unwrap()), None);
        assert_eq!(listed(&[255; 9]), None);
    }

    #[test]
    fn a_result_names_all_that_it_needs() {
        let file = |text: &[u8]| Content::File { digest: Digest::of(text), executable: true };
        let mut finding = Finding {
            weak: Fingerprint([0; 32]),
            path_set: Vec::new(),
            strong: Fingerprint([1; 32]),
            result: b"result".to_vec(),
            outputs: vec![
                ("Out/b".to_owned(), file(b"b")),
                ("/abs/a".to_owned(), file(b"a")),
                ("Out/l".to_owned(), Content::Link("b".into())),
                ("Out".to_owned(), Content::Directory),
            ],
            stdout: Digest::of(b"said"),
            stderr: Digest::EMPTY,
            exit_code: 3,
        };
        let (result, blobs) = of_result(&finding);
        let paths: Vec<_> = result.output_files.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, [".dscript/root/abs/a", ".dscript/stdout", "Out/b"]);
        assert_eq!((result.output_symlinks.len(), result.exit_code, blobs.len()), (1, 3, 3));
        let Some(Place::Here(record)) = place(result) else { panic!("it is small") };
        assert_eq!(unseal(Kind::Result, finding.strong, &record), Some(&b"result"[..]));

        finding.result = vec![0; INLINE];
        finding.outputs = (0..5000_u32).map(|n| (format!("Out/{n}"), file(&n.to_le_bytes()))).collect();
        let (result, blobs) = of_result(&finding);
        assert!(result.encoded_len() < 1000 && blobs.len() == 5003);
        assert!(matches!(place(result), Some(Place::Blob(_))));
    }
}
