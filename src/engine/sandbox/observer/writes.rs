//! Writes: whether they are allowed, and what has to happen before they do.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat, geteuid};

use super::{CONTENT, LINK, Observer, Outcome, Pass, Stop, Verdict};
use crate::engine::sandbox::decode::Place;
use crate::engine::sandbox::ledger::{Write, kind_of};
use crate::engine::sandbox::resolve::{Found, What, as_path, parent};
use crate::engine::sandbox::rules::{Permission, Target};
use crate::engine::sandbox::{Denied, Kind, Operation, RuleKind};

impl Observer {
    /// Makes a file, node or link where nothing is.
    pub(super) fn make(&mut self, stop: &Stop<'_>, found: &Found) -> Outcome {
        if !matches!(found.what, What::Absent) {
            return self.probe(stop, found);
        }
        match self.allow(stop, &found.path, Operation::Write, None) {
            Ok(_) => self.ledger.write(&found.path, stop.process, None, Write::Make { foreign: false }),
            Err(verdict) => return Ok(verdict),
        }
        Ok(Verdict::Continue)
    }

    pub(super) fn make_folder(&mut self, stop: &Stop<'_>, at: Place) -> Outcome {
        let found = self.locate(stop, at, false)?;
        // The kernel says that it is there.
        if !matches!(found.what, What::Absent) {
            return self.probe(stop, &found);
        }
        match self.allow(stop, &found.path, Operation::MakeDirectory, None) {
            Ok(_) => self.ledger.make_folder(&found.path, stop.process, None, false),
            Err(verdict) => return Ok(verdict),
        }
        Ok(Verdict::Continue)
    }

    /// Writes a file that is there. With `keep` what is in it stays, at least in part: then the result depends on it.
    pub(super) fn overwrite(&mut self, stop: &Stop<'_>, found: &Found, metadata: &Metadata, keep: bool) -> Outcome {
        if let Err(verdict) = self.allow(stop, &found.path, Operation::Write, Some(metadata)) {
            if verdict == Verdict::Continue {
                return self.probe(stop, found);
            }
            return Ok(verdict);
        }
        if keep {
            self.ledger.read(&found.path, stop.process, CONTENT);
        }
        if let Err(verdict) = self.separate(&found.path, metadata, keep) {
            return Ok(verdict);
        }
        self.ledger.write(&found.path, stop.process, Some(metadata), Write::Change);
        Ok(Verdict::Continue)
    }

    pub(super) fn remove(&mut self, stop: &Stop<'_>, at: Place, folder: bool) -> Outcome {
        let found = self.locate(stop, at, false)?;
        let What::There(metadata) = &found.what else { return self.probe(stop, &found) };
        // The kernel refuses these by itself.
        if metadata.is_dir() != folder || (folder && !is_empty(&found.path)) {
            return self.probe(stop, &found);
        }
        if let Err(verdict) = self.allow(stop, &found.path, Operation::Delete, Some(metadata)) {
            return Ok(verdict);
        }
        self.ledger.write(&found.path, stop.process, Some(metadata), Write::Remove);
        if folder || metadata.is_symlink() {
            self.resolver.forget();
        }
        Ok(Verdict::Continue)
    }

    pub(super) fn hard_link(&mut self, stop: &Stop<'_>, from: Place, to: Place, follow: bool) -> Outcome {
        // A source without a path is a file that has no name yet.
        let source = self.locate(stop, from, follow).ok();
        let target = self.locate(stop, to, false)?;
        let mut foreign = false;
        if let Some(source) = &source {
            let What::There(metadata) = &source.what else { return self.probe(stop, source) };
            if metadata.is_dir() {
                return self.probe(stop, source);
            }
            if matches!(target.what, What::Absent) {
                let reads = if metadata.is_symlink() { LINK } else { CONTENT };
                self.ledger.read(&source.path, stop.process, reads);
            }
            foreign = self.ledger.is_foreign(&source.path);
        }
        if !matches!(target.what, What::Absent) {
            return self.probe(stop, &target);
        }
        match self.allow(stop, &target.path, Operation::Write, None) {
            Ok(_) => self.ledger.write(&target.path, stop.process, None, Write::Make { foreign }),
            Err(verdict) => return Ok(verdict),
        }
        Ok(Verdict::Continue)
    }

    /// Changes owner, mode, times or attributes, by path or by an open descriptor.
    pub(super) fn change(&mut self, stop: &Stop<'_>, found: &Found, open: bool) -> Outcome {
        let What::There(metadata) = &found.what else { return self.probe(stop, found) };
        match kind_of(metadata) {
            Kind::Other => return Err(Pass),
            // Shared output directories have folders in common, and what a folder is like is no content.
            Kind::Directory if matches!(self.rules.of(&found.path), Some(RuleKind::SharedDirectory { .. })) => {
                return self.probe(stop, found);
            }
            _ => {}
        }
        if let Err(verdict) = self.allow(stop, &found.path, Operation::Metadata, Some(metadata)) {
            return Ok(verdict);
        }
        if open && self.is_shared_content(&found.path, metadata) {
            // The descriptor would stay with the other names.
            return Ok(self.deny(stop, &found.path, Operation::Metadata, Some(metadata)));
        }
        if let Err(verdict) = self.separate(&found.path, metadata, true) {
            return Ok(verdict);
        }
        self.ledger.write(&found.path, stop.process, Some(metadata), Write::Change);
        Ok(Verdict::Continue)
    }

    /// Judges a write, and prepares it where it is allowed: notes it in the journal, moves old content aside.
    ///
    /// Fails with what becomes of the call where it may not happen.
    pub(super) fn allow(
        &mut self,
        stop: &Stop<'_>,
        path: &[u8],
        operation: Operation,
        there: Option<&Metadata>,
    ) -> Result<Permission, Verdict> {
        let permission = self.permission(path, there);
        match permission {
            Permission::Free => {}
            Permission::No if refused_anyway(path, operation, there) => return Err(Verdict::Continue),
            Permission::No => {
                let verdict = self.deny(stop, path, operation, there);
                return Err(if self.lenient { Verdict::Continue } else { verdict });
            }
            Permission::Yes { journal, backup } => {
                if journal && let Err(error) = self.effects.note(path) {
                    self.is_incomplete(|| format!("the journal could not be written: {error}"));
                    return Err(Verdict::Fail(libc::EIO));
                }
                if backup
                    && let Some(metadata) = there
                    && self.ledger.is_not_kept(path)
                {
                    match self.effects.back_up(as_path(path), metadata) {
                        Ok(Some(kept)) => self.ledger.backed_up(path, stop.process, kept),
                        Ok(None) => {}
                        Err(error) => {
                            let shown = as_path(path).display().to_string();
                            self.is_incomplete(|| format!("{shown} could not be moved aside: {error}"));
                            return Err(Verdict::Fail(libc::EIO));
                        }
                    }
                }
            }
        }
        Ok(permission)
    }

    /// What the rules say of a write.
    pub(super) fn permission(&self, path: &[u8], there: Option<&Metadata>) -> Permission {
        let target = match self.ledger.target(path, there.is_some()) {
            // Below a folder that was renamed here as a whole, everything is the job's.
            Target::Foreign if self.ledger.is_below_own_folder(path) => Target::Own,
            target => target,
        };
        self.rules.permission(path, target)
    }

    /// Lists a denied write.
    pub(super) fn deny(
        &mut self,
        stop: &Stop<'_>,
        path: &[u8],
        operation: Operation,
        there: Option<&Metadata>,
    ) -> Verdict {
        let before = there.map(kind_of);
        self.denied.push(Denied { path: as_path(path).to_owned(), operation, before, process: stop.process });
        Verdict::Fail(libc::EPERM)
    }

    /// Gives a file that is about to be changed in place its own content, if others may have a name for it.
    fn separate(&mut self, path: &[u8], metadata: &Metadata, keep: bool) -> Result<(), Verdict> {
        if !self.is_shared_content(path, metadata) {
            return Ok(());
        }
        if let Err(error) = self.effects.separate(as_path(path), metadata, keep) {
            let shown = as_path(path).display().to_string();
            self.is_incomplete(|| format!("{shown} has other names and could not be copied: {error}"));
            return Err(Verdict::Fail(libc::EIO));
        }
        self.ledger.separated(path);
        Ok(())
    }

    /// Whether a file has other names that the job did not give it, or is read-only, as it would be with other names. What
    /// is not judged is not touched either.
    fn is_shared_content(&self, path: &[u8], metadata: &Metadata) -> bool {
        metadata.is_file()
            && (metadata.nlink() > 1 || metadata.mode() & 0o200 == 0)
            && self.ledger.is_foreign(path)
            && !matches!(self.rules.of(path), Some(RuleKind::UntrackedPath | RuleKind::UntrackedScope))
    }
}

/// Whether the kernel refuses a write by itself: then it does no harm, and is no mistake of the job. An interpreter that
/// tries to cache its compiled modules beside them is the usual case. Files of one's own are another matter: builds make
/// outputs read-only, and whether a write is a mistake must not depend on who builds.
fn refused_anyway(path: &[u8], operation: Operation, there: Option<&Metadata>) -> bool {
    let (at, rights) = match (operation, there) {
        (Operation::Write, Some(metadata)) if metadata.uid() == geteuid().as_raw() => return false,
        (Operation::Write, Some(_)) => (path, AccessFlags::W_OK),
        (Operation::Metadata, Some(metadata)) => {
            let me = geteuid();
            return !me.is_root() && metadata.uid() != me.as_raw();
        }
        _ => (parent(path), AccessFlags::W_OK | AccessFlags::X_OK),
    };
    matches!(
        faccessat(AT_FDCWD, as_path(at), rights, AtFlags::AT_EACCESS),
        Err(Errno::EACCES | Errno::EROFS | Errno::EPERM)
    )
}

fn is_empty(folder: &[u8]) -> bool {
    fs::read_dir(as_path(folder)).is_ok_and(|mut entries| entries.next().is_none())
}
