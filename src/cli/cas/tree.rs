//! `dscript cas tree`: what is in a directory.

use std::env;

use clap::Args;
use serde_json::json;

use super::failed;
use super::place::{Place, StoreArgs, connect};
use crate::cas::remote::{Remote, Wanted};
use crate::cas::tree::{Entry, EntryKind, decode_directory, list};
use crate::cas::{Digest, Store};
use crate::cli::options::RemoteArgs;
use crate::cli::output::{FormatArgs, Output};
use crate::cli::{Failure, Outcome};

/// Arguments of `cas tree`.
#[derive(Args, Debug)]
pub(super) struct TreeArgs {
    /// The directory, as `hash/size`
    #[arg(value_name = "DIGEST")]
    digest: Digest,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(super) fn run(args: &TreeArgs) -> Result<Outcome, Failure> {
    let place = match connect(&args.remote)? {
        // Directories without what is below them have no place in a store that stays.
        Some(remote) => {
            let place = Place::passing(&env::temp_dir())?;
            fetch_directories(&remote, &place.store, &args.digest)?;
            place
        }
        None => Place::existing(&args.store)?,
    };
    let mut text = String::new();
    list(&place.store, &args.digest, &mut |entry| {
        text.push_str(&if args.format.is_json() { object(&entry).to_string() } else { line(&entry) });
        text.push('\n');
    })
    .map_err(failed)?;
    Output::standard().write_all(text.as_bytes())?;
    Ok(Outcome::Fine)
}

// The directories of a tree, level by level, into a store that goes with this command.
fn fetch_directories(remote: &Remote, store: &Store, root: &Digest) -> Result<(), Failure> {
    let mut level = vec![Wanted { digest: *root, path: String::new(), executable: false }];
    while !level.is_empty() {
        level.retain(|wanted| wanted.digest != Digest::EMPTY);
        remote.fetch(store, &level, &()).map_err(failed)?;
        let mut next = Vec::new();
        for wanted in level {
            let bytes = store.read(&wanted.digest).map_err(failed)?;
            let directory = decode_directory(&bytes).map_err(failed)?;
            for below in directory.directories {
                let digest = below.digest.as_ref().map(Digest::try_from).transpose().map_err(failed)?;
                let Some(digest) = digest else { continue };
                if !store.contains(&digest).map_err(failed)? {
                    let path = format!("{}/{}", wanted.path, below.name).trim_start_matches('/').to_owned();
                    next.push(Wanted { digest, path, executable: false });
                }
            }
        }
        next.sort_by_key(|wanted| wanted.digest);
        next.dedup_by_key(|wanted| wanted.digest);
        level = next;
    }
    Ok(())
}

fn line(entry: &Entry) -> String {
    // No character of a name may steer the terminal or break the line.
    let path: String = entry.path.chars().flat_map(shown).collect();
    match &entry.kind {
        EntryKind::Directory { digest } => format!("d {digest} {path}"),
        EntryKind::File { digest, executable } => format!("{} {digest} {path}", if *executable { 'x' } else { 'f' }),
        EntryKind::Link { target } => {
            let target: String = target.chars().flat_map(shown).collect();
            format!("l - {path} -> {target}")
        }
    }
}

fn shown(character: char) -> Vec<char> {
    if character.is_control() { character.escape_default().collect() } else { vec![character] }
}

fn object(entry: &Entry) -> serde_json::Value {
    let path = &entry.path;
    match &entry.kind {
        EntryKind::Directory { digest } => json!({"path": path, "kind": "directory", "digest": digest.to_string()}),
        EntryKind::File { digest, executable } => {
            json!({"path": path, "kind": "file", "digest": digest.to_string(), "executable": executable})
        }
        EntryKind::Link { target } => json!({"path": path, "kind": "link", "target": target}),
    }
}
