//! The same against a server that others wrote: buildbox-casd, or whichever `PEER` names.

use dscript::cas::Digest;
use dscript::cas::api::reapi;
use dscript::cas::remote::{Blob, Remote, RemoteError};
use prost::Message as _;

use super::server::{assert_tidy, noise, options, store};
use super::support_peer::Peer;

#[test]
fn a_peer_gives_back_what_it_was_given() {
    let Some(peer) = Peer::start() else { return };
    let remote = Remote::connect(options(&peer.url)).unwrap();
    let (_folder, store) = store();
    let mut blobs = Vec::new();
    let mut below = Vec::new();
    for directory in 0..20 {
        let files = (0..10).map(|number| {
            let bytes = noise(500, directory * 10 + number);
            let digest = Digest::of(&bytes);
            blobs.push(Blob::Bytes(digest, bytes));
            reapi::FileNode { name: format!("f{number}"), digest: Some(digest.into()), ..reapi::FileNode::default() }
        });
        let message = reapi::Directory { files: files.collect(), ..reapi::Directory::default() }.encode_to_vec();
        let digest = Digest::of(&message);
        blobs.push(Blob::Bytes(digest, message));
        below.push(reapi::DirectoryNode { name: format!("d{directory:02}"), digest: Some(digest.into()) });
    }
    let large = store.add_bytes(&noise(6 << 20, 1000)).unwrap();
    blobs.push(Blob::Stored(large));
    let file = reapi::FileNode { name: "large".to_owned(), digest: Some(large.into()), ..reapi::FileNode::default() };
    let root = reapi::Directory { files: vec![file], directories: below, ..reapi::Directory::default() };
    let root = root.encode_to_vec();
    let digest = Digest::of(&root);
    blobs.push(Blob::Bytes(digest, root));

    let sent = remote.upload(&store, &blobs, &()).unwrap();
    assert_eq!((sent.blobs, sent.present), (222, 0));
    assert_eq!(remote.upload(&store, &blobs, &()).unwrap().blobs, 0);
    let (_folder, other) = super::server::store();
    let transfer = remote.fetch_tree(&other, &digest, &()).unwrap();
    assert_eq!(transfer.blobs, 222);
    assert_eq!(other.read(&large).unwrap(), noise(6 << 20, 1000));
    assert_tidy(&other);
    assert_eq!(remote.read(&large).unwrap().len(), 6 << 20);

    let unknown = Digest::of(b"never given");
    assert_eq!(remote.missing(&[digest, unknown]).unwrap(), [unknown]);
    assert!(matches!(remote.read(&unknown), Err(RemoteError::Missing { .. })));
}

#[test]
fn a_peer_keeps_results_of_actions() {
    let Some(peer) = Peer::start() else { return };
    let remote = Remote::connect(options(&peer.url)).unwrap();
    let (_folder, store) = store();
    let command = reapi::Command { arguments: vec!["true".to_owned()], ..reapi::Command::default() }.encode_to_vec();
    let action = reapi::Action {
        command_digest: Some(Digest::of(&command).into()),
        input_root_digest: Some(Digest::EMPTY.into()),
        ..reapi::Action::default()
    }
    .encode_to_vec();
    let digest = Digest::of(&action);
    remote.upload(&store, &[Blob::Bytes(Digest::of(&command), command), Blob::Bytes(digest, action)], &()).unwrap();
    assert_eq!(remote.action_result(&digest).unwrap(), None);
    let result = reapi::ActionResult { exit_code: 3, stdout_raw: b"said".to_vec(), ..reapi::ActionResult::default() };
    remote.update_action_result(&digest, result).unwrap();
    let found = remote.action_result(&digest).unwrap().unwrap();
    assert_eq!(found.exit_code, 3);
}
