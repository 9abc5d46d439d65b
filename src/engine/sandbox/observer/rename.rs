//! Renaming: everything below the old name goes, and comes at the new one.

use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;

use super::{CONTENT, LINK, NONE, Observer, Outcome, Stop, Verdict};
use crate::engine::sandbox::decode::Place;
use crate::engine::sandbox::ledger::{Write, kind_of};
use crate::engine::sandbox::resolve::{What, as_path, join};
use crate::engine::sandbox::{Kind, Operation, Reads};

/// Something that gets another name.
struct Moved {
    from: Vec<u8>,
    to: Vec<u8>,
    metadata: Metadata,
    foreign: bool,
}

impl Observer {
    pub(super) fn rename(&mut self, stop: &Stop<'_>, from: Place, to: Place, flags: u32) -> Outcome {
        let source = self.locate(stop, from, false)?;
        let target = self.locate(stop, to, false)?;
        let exchange = flags & libc::RENAME_EXCHANGE != 0;
        let What::There(metadata) = &source.what else { return self.probe(stop, &source) };
        let there = match &target.what {
            What::There(there) if exchange => Some(there),
            What::There(there) => {
                let fails = flags & libc::RENAME_NOREPLACE != 0
                    || there.is_dir() != metadata.is_dir()
                    || (there.is_dir()
                        && fs::read_dir(as_path(&target.path)).is_ok_and(|mut all| all.next().is_some()));
                if fails || source.path == target.path {
                    self.probe(stop, &source)?;
                    return self.probe(stop, &target);
                }
                Some(there)
            }
            What::Absent if !exchange => None,
            _ => {
                self.probe(stop, &source)?;
                return self.probe(stop, &target);
            }
        };

        let mut moved = Vec::new();
        self.collect(&source.path, &target.path, metadata, &mut moved);
        if exchange && let Some(there) = there {
            self.collect(&target.path, &source.path, there, &mut moved);
        }
        for item in &moved {
            let overwritten = match &item.to {
                to if *to == target.path => there,
                to if *to == source.path => Some(metadata),
                _ => None,
            };
            if let Err(verdict) = self.allow_move(stop, item, overwritten) {
                return Ok(verdict);
            }
        }

        for item in &moved {
            let reads = match kind_of(&item.metadata) {
                Kind::File => CONTENT,
                Kind::Symlink => LINK,
                Kind::Directory => Reads { directory: true, ..NONE },
                Kind::Other => Reads { file: true, ..NONE },
            };
            self.ledger.read(&item.from, stop.process, reads);
        }
        // What lies below a folder comes before it: once the folder is gone, nothing below it was there before.
        for item in moved.iter().rev() {
            self.ledger.write(&item.from, stop.process, Some(&item.metadata), Write::Remove);
        }
        for item in &moved {
            let overwritten = there.filter(|_| item.to == target.path);
            if item.metadata.is_dir() {
                self.ledger.make_folder(&item.to, stop.process, overwritten, item.foreign);
            } else {
                self.ledger.write(&item.to, stop.process, overwritten, Write::Make { foreign: item.foreign });
            }
        }
        let matters = |metadata: &Metadata| metadata.is_dir() || metadata.is_symlink();
        if matters(metadata) || there.is_some_and(matters) {
            self.resolver.forget();
        }
        Ok(Verdict::Continue)
    }

    /// Judges both ends of a move.
    fn allow_move(&mut self, stop: &Stop<'_>, item: &Moved, overwritten: Option<&Metadata>) -> Result<(), Verdict> {
        self.allow(stop, &item.from, Operation::Delete, Some(&item.metadata))?;
        let operation = if item.metadata.is_dir() { Operation::MakeDirectory } else { Operation::Write };
        self.allow(stop, &item.to, operation, overwritten)?;
        Ok(())
    }

    /// A file, or a folder with all that lies below it; folders come before their content.
    fn collect(&mut self, from: &[u8], to: &[u8], metadata: &Metadata, moved: &mut Vec<Moved>) {
        let mut waiting = vec![(from.to_vec(), to.to_vec(), metadata.clone())];
        while let Some((from, to, metadata)) = waiting.pop() {
            if metadata.is_dir() {
                let entries = fs::read_dir(as_path(&from)).and_then(Iterator::collect::<Result<Vec<_>, _>>);
                match entries {
                    Ok(entries) => {
                        for entry in entries {
                            // What is gone by now is not moved.
                            let Ok(metadata) = entry.metadata() else { continue };
                            let name = entry.file_name();
                            waiting.push((join(&from, name.as_bytes()), join(&to, name.as_bytes()), metadata));
                        }
                    }
                    Err(error) => {
                        let shown = as_path(&from).display().to_string();
                        self.is_incomplete(|| format!("{shown} was renamed and could not be listed: {error}"));
                    }
                }
            }
            let foreign = self.ledger.is_foreign(&from);
            moved.push(Moved { from, to, metadata, foreign });
        }
    }
}
