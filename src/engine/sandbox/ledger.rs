//! What happened to each path, so that in the end only what matters is told.

use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use rustc_hash::FxHashMap;

use super::resolve::{as_path, parent};
use super::rules::{Rules, Target};
use super::{Access, Kind, Reads};

/// All paths of a job.
#[derive(Default)]
pub struct Ledger {
    places: FxHashMap<Box<[u8]>, usize>,
    entries: Vec<Entry>,
    /// How many folders were made or taken away. While there are none, no path can lie below one.
    folders: usize,
}

/// What happened to a path.
struct Entry {
    process: u32,
    reads: Reads,
    /// What was there before the first write, if there was one.
    before: Option<Option<Before>>,
    state: State,
    backup: Option<PathBuf>,
}

/// What was there before the first write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    kind: Kind,
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What a path is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// As it was.
    Untouched,
    /// What was there was changed in place.
    Changed,
    /// Made by the job. `foreign`: by giving a new name to what was there before.
    Made { foreign: bool },
    /// Taken away by the job.
    Gone,
}

/// A write, as it is about to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// Something is made. `foreign`: its content was there before the job, under another name.
    Make {
        /// See above.
        foreign: bool,
    },
    /// What is there is changed in place.
    Change,
    /// What is there is taken away.
    Remove,
}

impl Before {
    /// What `lstat` says.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            kind: kind_of(metadata),
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether it is still the same. A folder is the same however its content changes: that is told of the content.
    fn is_still(&self, now: &Self) -> bool {
        match (self.kind, now.kind) {
            (Kind::Directory, Kind::Directory) => (self.device, self.inode) == (now.device, now.inode),
            _ => self == now,
        }
    }
}

/// What something is.
pub fn kind_of(metadata: &Metadata) -> Kind {
    let kind = metadata.file_type();
    if kind.is_file() {
        Kind::File
    } else if kind.is_dir() {
        Kind::Directory
    } else if kind.is_symlink() {
        Kind::Symlink
    } else {
        Kind::Other
    }
}

impl Ledger {
    /// Notes a read. It does not count where the job itself decided what is there.
    pub fn read(&mut self, path: &[u8], process: u32, reads: Reads) {
        let folders = self.folders;
        if let Some(entry) = self.get_mut(path) {
            let all = entry.reads.with(reads);
            if entry.state != State::Untouched || entry.reads == all {
                return;
            }
            if folders == 0 {
                entry.reads = all;
                return;
            }
        }
        if self.is_below_own_folder(path) {
            return;
        }
        let entry = self.entry(path, process);
        entry.reads = entry.reads.with(reads);
    }

    /// Notes a write that is about to happen, with what is there now.
    pub fn write(&mut self, path: &[u8], process: u32, there: Option<&Metadata>, write: Write) {
        let before = there.map(Before::of);
        let folder_goes = write == Write::Remove && before.is_some_and(|before| before.kind == Kind::Directory);
        // Below a folder that the job made nothing was there before, whatever is there now.
        let own_ground = self.is_below_own_folder(path);
        let entry = self.entry(path, process);
        entry.before.get_or_insert(if own_ground { None } else { before });
        entry.state = match (write, entry.state) {
            (Write::Make { foreign }, _) => State::Made { foreign },
            (Write::Remove, _) => State::Gone,
            (Write::Change, State::Untouched) => State::Changed,
            (Write::Change, state) => state,
        };
        self.folders += usize::from(folder_goes);
    }

    /// Notes that a folder is about to be made: what lies below it is the job's from then on.
    pub fn make_folder(&mut self, path: &[u8], process: u32, there: Option<&Metadata>, foreign: bool) {
        self.write(path, process, there, Write::Make { foreign });
        self.folders += 1;
    }

    /// Who made what is at a path; `there` says whether something is.
    pub fn target(&self, path: &[u8], there: bool) -> Target {
        match self.get(path).map(|entry| entry.state) {
            _ if !there => Target::Absent,
            Some(State::Made { .. }) => Target::Own,
            Some(State::Changed | State::Gone | State::Untouched) | None => Target::Foreign,
        }
    }

    /// Whether the content at a path may be shared with names that the job knows nothing of.
    pub fn is_foreign(&self, path: &[u8]) -> bool {
        match self.get(path).map(|entry| entry.state) {
            Some(State::Made { foreign }) => foreign,
            _ => true,
        }
    }

    /// Notes that the content at a path is now the job's own.
    pub fn separated(&mut self, path: &[u8]) {
        if let Some(Entry { state: State::Made { foreign }, .. }) = self.get_mut(path) {
            *foreign = false;
        }
    }

    /// Whether there is old content at a path that has not been moved aside yet.
    pub fn is_not_kept(&self, path: &[u8]) -> bool {
        self.get(path)
            .is_none_or(|entry| entry.backup.is_none() && matches!(entry.state, State::Untouched | State::Changed))
    }

    /// Notes where the old content was moved to.
    pub fn backed_up(&mut self, path: &[u8], process: u32, backup: PathBuf) {
        self.entry(path, process).backup.get_or_insert(backup);
    }

    /// What is to be told in the end, sorted by path.
    pub fn accesses(self, rules: &Rules) -> Vec<Access> {
        let mut paths: Vec<_> = self.places.into_iter().collect();
        paths.sort_unstable_by_key(|(_, place)| *place);
        let mut accesses: Vec<Access> = paths
            .into_iter()
            .zip(self.entries)
            .filter_map(|((path, _), entry)| entry.access(path.into(), rules))
            .collect();
        accesses.sort_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
        accesses
    }

    fn entry(&mut self, path: &[u8], process: u32) -> &mut Entry {
        let place = match self.places.get(path) {
            Some(place) => *place,
            None => {
                let place = self.entries.len();
                self.places.insert(path.into(), place);
                let reads = Reads::default();
                self.entries.push(Entry { process, reads, before: None, state: State::Untouched, backup: None });
                place
            }
        };
        &mut self.entries[place]
    }

    fn get(&self, path: &[u8]) -> Option<&Entry> {
        self.places.get(path).map(|place| &self.entries[*place])
    }

    fn get_mut(&mut self, path: &[u8]) -> Option<&mut Entry> {
        self.places.get(path).map(|place| &mut self.entries[*place])
    }

    /// Whether a folder above was made, or taken away, by the job.
    pub fn is_below_own_folder(&self, path: &[u8]) -> bool {
        if self.folders == 0 {
            return false;
        }
        let mut at = path;
        while at.len() > 1 {
            at = parent(at);
            if let Some(Entry { state: State::Made { .. } | State::Gone, .. }) = self.get(at) {
                return true;
            }
        }
        false
    }
}

impl Entry {
    fn access(self, path: Vec<u8>, rules: &Rules) -> Option<Access> {
        if !rules.reports(&path) {
            return None;
        }
        let mut access = Access {
            process: self.process,
            reads: self.reads,
            before: self.before.flatten().map(|before| before.kind),
            written: false,
            after: None,
            backup: self.backup,
            path: PathBuf::new(),
        };
        if let Some(before) = self.before {
            let now = fs::symlink_metadata(as_path(&path)).ok().map(|metadata| Before::of(&metadata));
            access.after = now.map(|now| now.kind);
            access.written = match (before, now) {
                (None, None) => false,
                (Some(before), Some(now)) => !before.is_still(&now),
                _ => true,
            };
        }
        access.path = PathBuf::from(std::ffi::OsString::from_vec(path));
        (access.written || access.reads.any()).then_some(access)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: Reads = Reads { content: true, ..NONE };
    const ABSENT: Reads = Reads { absent: true, ..NONE };
    const NONE: Reads =
        Reads { content: false, file: false, directory: false, absent: false, link: false, listing: false };
    const MAKE: Write = Write::Make { foreign: false };

    struct Place(tempfile::TempDir, Ledger);

    impl Place {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap(), Ledger::default())
        }

        fn path(&self, name: &str) -> Vec<u8> {
            self.0.path().join(name).into_os_string().into_vec()
        }

        fn file(&self, name: &str) -> Metadata {
            fs::write(self.0.path().join(name), name).unwrap();
            fs::symlink_metadata(self.0.path().join(name)).unwrap()
        }

        fn told(self) -> Vec<Access> {
            self.1.accesses(&Rules::new(&[]))
        }
    }

    #[test]
    fn a_file_that_came_and_went_is_not_told_unless_it_was_read() {
        let mut place = Place::new();
        let (gone, probed) = (place.path("gone"), place.path("probed"));
        let metadata = place.file("x");
        place.1.read(&probed, 0, ABSENT);
        for path in [&gone, &probed] {
            place.1.write(path, 0, None, MAKE);
            place.1.write(path, 0, Some(&metadata), Write::Remove);
            // What the job left is no input.
            place.1.read(path, 0, CONTENT);
        }
        let told = place.told();
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].reads, told[0].written), (ABSENT, false));
    }

    #[test]
    fn own_files_are_no_inputs_and_foreign_ones_are() {
        let mut place = Place::new();
        let (own, foreign) = (place.path("own"), place.path("foreign"));
        place.1.write(&own, 3, None, MAKE);
        place.file("own");
        place.1.read(&own, 4, CONTENT);
        place.1.read(&foreign, 4, CONTENT);
        let told = place.told();
        assert_eq!((told[0].reads, told[0].written, told[0].process), (CONTENT, false, 4));
        assert_eq!((told[1].reads, told[1].written, told[1].process), (NONE, true, 3));
        assert_eq!((told[1].before, told[1].after), (None, Some(Kind::File)));
    }

    #[test]
    fn what_was_opened_for_writing_and_not_written_is_only_read() {
        let mut place = Place::new();
        let path = place.path("same");
        let metadata = place.file("same");
        place.1.read(&path, 0, CONTENT);
        place.1.write(&path, 0, Some(&metadata), Write::Change);
        let told = place.told();
        assert_eq!((told[0].reads, told[0].written), (CONTENT, false));
    }

    #[test]
    fn what_was_deleted_is_written() {
        let mut place = Place::new();
        let path = place.path("old");
        let metadata = place.file("old");
        place.1.write(&path, 0, Some(&metadata), Write::Remove);
        fs::remove_file(as_path(&path)).unwrap();
        let told = place.told();
        assert_eq!((told[0].before, told[0].written, told[0].after), (Some(Kind::File), true, None));
    }

    #[test]
    fn below_a_folder_of_the_job_nothing_is_an_input() {
        let mut place = Place::new();
        let (folder, below) = (place.path("folder"), place.path("folder/a/b"));
        place.1.make_folder(&folder, 0, None, false);
        fs::create_dir(as_path(&folder)).unwrap();
        place.1.read(&below, 0, ABSENT);
        let told = place.told();
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].written, told[0].after), (true, Some(Kind::Directory)));
    }

    #[test]
    fn ownership_follows_what_was_done() {
        let mut place = Place::new();
        let path = place.path("f");
        let metadata = place.file("f");
        assert_eq!(place.1.target(&path, true), Target::Foreign);
        place.1.write(&path, 0, Some(&metadata), Write::Change);
        assert_eq!(place.1.target(&path, true), Target::Foreign);
        place.1.write(&path, 0, Some(&metadata), Write::Remove);
        assert_eq!(place.1.target(&path, false), Target::Absent);
        place.1.write(&path, 0, None, Write::Make { foreign: true });
        assert_eq!(place.1.target(&path, true), Target::Own);
        assert!(place.1.is_foreign(&path));
        place.1.separated(&path);
        assert!(!place.1.is_foreign(&path));
    }
}
