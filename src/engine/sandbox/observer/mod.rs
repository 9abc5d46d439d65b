//! The supervisor's mind: what each watched system call means, whether it may go on, and what is remembered of it.
//!
//! It does not know how processes are stopped; [`super::notify`] and [`super::trace`] do.

use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use libc::c_long;
use nix::errno::Errno;
use rustc_hash::FxHashMap;

use super::decode::{Call, Place, decode};
use super::effects::Effects;
use super::interpreters::{LONGEST_CHAIN, interpreter};
use super::ledger::{Ledger, kind_of};
use super::memory;
use super::resolve::{Found, Resolver, What, as_path, is_proc, join};
use super::rules::Rules;
use super::{Access, Denied, Job, Kind, ProcessInfo, Reads};

mod rename;
mod writes;

/// What becomes of a stopped call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Continue,
    /// It fails with this error.
    Fail(i32),
}

/// Watches the accesses of one job.
pub struct Observer {
    rules: Rules,
    ledger: Ledger,
    resolver: Resolver,
    effects: Effects,
    processes: Vec<ProcessInfo>,
    /// From threads to their processes.
    threads: FxHashMap<i32, u32>,
    denied: Vec<Denied>,
    /// Whether forbidden writes happen all the same.
    lenient: bool,
    incomplete: Option<String>,
    /// Interpreters that were found, by real path of the program.
    interpreters: FxHashMap<Vec<u8>, Interpreter>,
    /// Where the job's own output goes: never judged.
    streams: [Vec<u8>; 2],
    links: Vec<Vec<u8>>,
}

/// Everything that an observer knows in the end.
pub struct Observed {
    /// See [`super::Report`].
    pub processes: Vec<ProcessInfo>,
    /// See there.
    pub accesses: Vec<Access>,
    /// See there.
    pub denied: Vec<Denied>,
    /// See there.
    pub incomplete: Option<String>,
}

/// What a program names as its interpreter.
struct Interpreter {
    /// When the program was changed last.
    changed: (i64, i64),
    name: Option<Vec<u8>>,
}

/// A stopped call.
struct Stop<'a> {
    thread: i32,
    process: u32,
    /// Whether the thread still is where it was stopped: its number may belong to another by now.
    valid: &'a dyn Fn() -> bool,
}

/// A call of which nothing is to be remembered: it will fail, it is not about a file, or its process is gone.
struct Pass;

/// Why a call does not simply go on.
type Outcome = Result<Verdict, Pass>;

const NONE: Reads = Reads { content: false, file: false, directory: false, absent: false, link: false, listing: false };
const CONTENT: Reads = Reads { content: true, ..NONE };
const LISTING: Reads = Reads { listing: true, ..NONE };
const LINK: Reads = Reads { link: true, ..NONE };
const ABSENT: Reads = Reads { absent: true, ..NONE };

impl Observer {
    /// An observer for a job whose first process is `pid`.
    ///
    /// # Errors
    /// When the journal cannot be opened.
    pub fn new(job: &Job) -> std::io::Result<Self> {
        Ok(Self {
            rules: Rules::new(&job.rules),
            ledger: Ledger::default(),
            resolver: Resolver::default(),
            effects: Effects::new(job.journal.as_deref(), &job.backup)?,
            processes: Vec::new(),
            threads: FxHashMap::default(),
            denied: Vec::new(),
            lenient: job.lenient,
            incomplete: None,
            interpreters: FxHashMap::default(),
            streams: [&job.stdout, &job.stderr].map(|path| path.as_os_str().as_bytes().to_vec()),
            links: Vec::new(),
        })
    }

    /// Names the first process.
    pub fn begin(&mut self, pid: i32, program: PathBuf) {
        self.threads.insert(pid, 0);
        self.processes.push(ProcessInfo { pid, program });
    }

    /// Says that something was not seen, the first time it happens.
    pub fn is_incomplete(&mut self, why: impl FnOnce() -> String) {
        self.incomplete.get_or_insert_with(why);
    }

    /// What is known in the end. Looks at every path that was written.
    pub fn finish(self) -> Observed {
        let mut denied = self.denied;
        denied.sort_by(|a, b| (a.path.as_os_str(), a.operation).cmp(&(b.path.as_os_str(), b.operation)));
        denied.dedup_by(|a, b| a.path == b.path && a.operation == b.operation);
        Observed {
            processes: self.processes,
            accesses: self.ledger.accesses(&self.rules),
            denied,
            incomplete: self.incomplete,
        }
    }

    /// Judges and remembers a stopped call.
    pub fn handle(&mut self, thread: i32, number: c_long, arguments: [u64; 6], valid: &dyn Fn() -> bool) -> Verdict {
        let Some(call) = decode(number, arguments) else { return Verdict::Continue };
        let process = self.process_of(thread);
        let stop = Stop { thread, process, valid };
        self.apply(&stop, call).unwrap_or(Verdict::Continue)
    }

    fn apply(&mut self, stop: &Stop<'_>, call: Call) -> Outcome {
        match call {
            Call::Open { at, flags } => self.open(stop, at, flags),
            Call::OpenWith { at, how } => {
                const RESOLVE_IN_ROOT: u64 = 0x10;
                let how: [u8; 24] = self.checked(stop, memory::bytes(stop.thread, how))?;
                let field = |at: usize| u64::from_ne_bytes(how[at..at + 8].try_into().unwrap_or_default());
                if field(16) & RESOLVE_IN_ROOT != 0 {
                    // Programs must do without this call on older kernels, so they can here.
                    return Ok(Verdict::Fail(libc::ENOSYS));
                }
                self.open(stop, at, field(0) as i32)
            }
            Call::Probe { at, follow } => {
                let found = self.locate(stop, at, follow)?;
                self.probe(stop, &found)
            }
            Call::ReadLink { at } => {
                let found = self.locate(stop, at, false)?;
                self.probe(stop, &found)
            }
            Call::Execute { at, follow } => self.execute(stop, at, follow),
            Call::List { descriptor } => {
                let path = self.descriptor(stop, descriptor)?;
                self.ledger.read(&path, stop.process, LISTING);
                Ok(Verdict::Continue)
            }
            Call::MakeFolder { at } => self.make_folder(stop, at),
            Call::MakeNode { at } | Call::MakeLink { at } => {
                let found = self.locate(stop, at, false)?;
                self.make(stop, &found)
            }
            Call::Remove { at, folder } => self.remove(stop, at, folder),
            Call::Rename { from, to, flags } => self.rename(stop, from, to, flags),
            Call::HardLink { from, to, follow } => self.hard_link(stop, from, to, follow),
            Call::Truncate { at, length } => {
                let found = self.locate(stop, at, true)?;
                match &found.what {
                    What::There(metadata) if metadata.is_file() => {
                        let metadata = metadata.clone();
                        self.overwrite(stop, &found, &metadata, length > 0)
                    }
                    _ => self.probe(stop, &found),
                }
            }
            Call::Change { at, follow } => {
                let found = self.locate(stop, at, follow)?;
                self.change(stop, &found, false)
            }
            Call::ChangeOpen { descriptor } => {
                let path = self.descriptor(stop, descriptor)?;
                match fs::symlink_metadata(as_path(&path)) {
                    Ok(metadata) => self.change(stop, &Found { path, what: What::There(metadata) }, true),
                    Err(_) => Err(Pass),
                }
            }
            Call::Bind { address, length } => {
                let found = self.socket(stop, address, length)?;
                self.make(stop, &found)
            }
            Call::Connect { address, length } => {
                let found = self.socket(stop, address, length)?;
                self.probe(stop, &found)
            }
        }
    }

    fn open(&mut self, stop: &Stop<'_>, at: Place, flags: i32) -> Outcome {
        let has = |flag| flags & flag == flag;
        let exclusive = has(libc::O_CREAT | libc::O_EXCL);
        let found = self.locate(stop, at, !has(libc::O_NOFOLLOW) && !exclusive)?;
        let writes = flags & libc::O_ACCMODE != libc::O_RDONLY || has(libc::O_TRUNC);
        // Such a file has no name yet: it gets one with `linkat`.
        if has(libc::O_PATH) || has(libc::O_TMPFILE) {
            return self.probe(stop, &found);
        }
        match &found.what {
            What::Absent if has(libc::O_CREAT) => self.make(stop, &found),
            What::There(metadata) if metadata.is_file() && !exclusive => {
                if !writes {
                    self.ledger.read(&found.path, stop.process, CONTENT);
                    return Ok(Verdict::Continue);
                }
                let metadata = metadata.clone();
                self.overwrite(stop, &found, &metadata, !has(libc::O_TRUNC))
            }
            // A device, a pipe, a socket: what it gives is no content of a file.
            What::There(metadata) if kind_of(metadata) == Kind::Other => Err(Pass),
            _ => self.probe(stop, &found),
        }
    }

    /// Remembers what a look at a path tells.
    fn probe(&mut self, stop: &Stop<'_>, found: &Found) -> Outcome {
        let reads = match &found.what {
            What::There(metadata) => match kind_of(metadata) {
                Kind::Directory => Reads { directory: true, ..NONE },
                Kind::Symlink => LINK,
                Kind::File | Kind::Other => Reads { file: true, ..NONE },
            },
            What::Absent | What::NoFolder => ABSENT,
            What::Special | What::Loop => return Err(Pass),
        };
        self.ledger.read(&found.path, stop.process, reads);
        Ok(Verdict::Continue)
    }

    fn execute(&mut self, stop: &Stop<'_>, at: Place, follow: bool) -> Outcome {
        let mut found = self.locate(stop, at, follow)?;
        if let What::There(metadata) = &found.what
            && metadata.is_file()
            && metadata.mode() & 0o111 != 0
            && let Some(info) = self.processes.get_mut(stop.process as usize)
        {
            info.program = PathBuf::from(std::ffi::OsString::from_vec(found.path.clone()));
        }
        for _ in 0..=LONGEST_CHAIN {
            let What::There(metadata) = &found.what else { return self.probe(stop, &found) };
            if !metadata.is_file() {
                return self.probe(stop, &found);
            }
            self.ledger.read(&found.path, stop.process, CONTENT);
            let changed = (metadata.ctime(), metadata.ctime_nsec());
            let next = match self.interpreters.get(&found.path) {
                Some(known) if known.changed == changed => known.name.clone(),
                _ => {
                    let name = interpreter(as_path(&found.path));
                    self.interpreters.insert(found.path.clone(), Interpreter { changed, name: name.clone() });
                    name
                }
            };
            let Some(next) = next else { break };
            let whole = if next.starts_with(b"/") { next } else { join(&self.working_folder(stop)?, &next) };
            found = self.follow(stop, &whole, true)?;
        }
        Ok(Verdict::Continue)
    }

    /// Reads a path argument and finds what it leads to. Remembers the links on the way.
    fn locate(&mut self, stop: &Stop<'_>, at: Place, follow: bool) -> Result<Found, Pass> {
        let text = match (at.text, at.or_descriptor) {
            (0, true) => Vec::new(),
            _ => self.checked(stop, memory::text(stop.thread, at.text))?,
        };
        let whole = if text.starts_with(b"/") {
            text
        } else if text.is_empty() {
            if !at.or_descriptor {
                return Err(Pass);
            }
            let path = if at.folder == libc::AT_FDCWD {
                self.working_folder(stop)?
            } else {
                self.descriptor(stop, at.folder)?
            };
            // The descriptor is the thing itself, also where it is a link.
            return self.follow(stop, &path, false);
        } else if at.folder == libc::AT_FDCWD {
            join(&self.working_folder(stop)?, &text)
        } else {
            join(&self.descriptor(stop, at.folder)?, &text)
        };
        self.follow(stop, &whole, follow)
    }

    /// Finds what an absolute path leads to.
    fn follow(&mut self, stop: &Stop<'_>, path: &[u8], follow: bool) -> Result<Found, Pass> {
        let mut links = std::mem::take(&mut self.links);
        let found = self.resolver.find(stop.thread, path, follow, &mut links);
        let valid = (stop.valid)();
        for link in links.drain(..) {
            if valid {
                self.ledger.read(&link, stop.process, LINK);
            }
        }
        self.links = links;
        if !valid || matches!(found.what, What::Special) || self.streams.contains(&found.path) {
            return Err(Pass);
        }
        Ok(found)
    }

    fn working_folder(&self, stop: &Stop<'_>) -> Result<Vec<u8>, Pass> {
        let path = fs::read_link(format!("/proc/{}/cwd", stop.thread)).map_err(|_| Pass)?;
        Ok(path.into_os_string().into_vec())
    }

    /// The path behind a descriptor.
    fn descriptor(&self, stop: &Stop<'_>, descriptor: i32) -> Result<Vec<u8>, Pass> {
        let path = fs::read_link(format!("/proc/{}/fd/{descriptor}", stop.thread)).map_err(|_| Pass)?;
        let path = path.into_os_string().into_vec();
        // Pipes and the like have no path; a file that was deleted has none any more.
        if !path.starts_with(b"/") || is_proc(&path) || path.ends_with(b" (deleted)") || self.streams.contains(&path) {
            return Err(Pass);
        }
        Ok(path)
    }

    fn socket(&mut self, stop: &Stop<'_>, address: u64, length: u64) -> Result<Found, Pass> {
        const FAMILY: usize = 2;
        let family: [u8; FAMILY] = self.checked(stop, memory::bytes(stop.thread, address))?;
        if u16::from_ne_bytes(family) != libc::AF_UNIX as u16 {
            return Err(Pass);
        }
        // The path may fill its field without a NUL at the end.
        let room = usize::try_from(length).unwrap_or(0).saturating_sub(FAMILY).min(108);
        let mut text = self.checked(stop, memory::up_to(stop.thread, address + FAMILY as u64, room))?;
        text.truncate(memchr::memchr(0, &text).unwrap_or(text.len()));
        // Abstract and unnamed addresses are not in the file system.
        if text.is_empty() {
            return Err(Pass);
        }
        let whole = if text.starts_with(b"/") { text } else { join(&self.working_folder(stop)?, &text) };
        self.follow(stop, &whole, true)
    }

    /// What was read from memory. A bad address makes the call fail by itself; a process that cannot be read makes the
    /// observation incomplete.
    fn checked<T>(&mut self, stop: &Stop<'_>, read: Result<T, Errno>) -> Result<T, Pass> {
        read.map_err(|error| {
            if matches!(error, Errno::EPERM | Errno::ENOSYS) {
                let process = stop.process as usize;
                let name = self.processes.get(process).map(|info| info.program.display().to_string());
                self.is_incomplete(|| {
                    format!("the memory of {} could not be read: {}", name.unwrap_or_default(), error.desc())
                });
            }
            Pass
        })
    }

    /// The place of a thread's process in the list.
    fn process_of(&mut self, thread: i32) -> u32 {
        if let Some(index) = self.threads.get(&thread) {
            return *index;
        }
        let pid = process_id(thread).unwrap_or(thread);
        let index = match self.threads.get(&pid) {
            Some(index) => *index,
            None => {
                let program = fs::read_link(format!("/proc/{thread}/exe")).unwrap_or_default();
                // A build with four thousand million processes is not one that ends.
                let index = u32::try_from(self.processes.len()).unwrap_or(u32::MAX);
                self.processes.push(ProcessInfo { pid, program });
                self.threads.insert(pid, index);
                index
            }
        };
        self.threads.insert(thread, index);
        index
    }
}

/// The process that a thread belongs to.
fn process_id(thread: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()
}
