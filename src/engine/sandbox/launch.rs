//! Starting the first process of a job.

use std::convert::Infallible;
use std::ffi::{CString, OsStr};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, socketpair};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, chdir, dup2_stderr, dup2_stdin, dup2_stdout, execve, getpid, getppid, setsid};

use super::filter::{self, Watch};
use super::sys::{self, Fork};
use super::{Job, Method, Stdin, descendants, trace};

/// The signals that a worker ignores. The build decides when a job ends; a terminal does not.
pub const IGNORED: [Signal; 6] =
    [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP, Signal::SIGTERM, Signal::SIGTSTP, Signal::SIGPIPE];

/// What a worker keeps ready for starting processes.
pub struct Launchpad {
    method: Method,
    filter: Vec<libc::sock_filter>,
    /// How the new process tells of itself: it keeps the second one until it runs its program.
    ours: OwnedFd,
    theirs: OwnedFd,
}

/// A process that was started.
pub struct Started {
    /// Its number.
    pub pid: i32,
    /// What receives its notifications, if it is watched that way.
    pub listener: Option<OwnedFd>,
}

/// A process that could not be started.
pub struct NotStarted(pub String);

/// A step that failed in the new process, in the byte that comes first in its message.
const CANNOT_START: u8 = 1;
const CANNOT_WATCH: u8 = 2;
const LISTENS: u8 = 0;

/// What a program is run with.
struct Image {
    program: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    streams: [File; 3],
}

impl Launchpad {
    /// Prepares what every start needs.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn new(method: Method) -> io::Result<Self> {
        let watch = match method {
            Method::Notify => Watch::Notify,
            Method::Trace => Watch::Trace,
        };
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        Ok(Self { method, filter: filter::program(watch), ours, theirs })
    }

    /// Starts the first process of a job.
    ///
    /// # Errors
    /// When a file for its streams cannot be opened, or the process cannot be made. A program that does not exist is
    /// found out later: see [`Launchpad::failure`].
    pub fn start(&self, job: &Job) -> Result<Started, NotStarted> {
        // Nothing may be left of the job before.
        while self.message().is_some() {}
        while sys::receive(self.theirs.as_fd(), &mut [0]).is_ok() {}
        let image = Image::new(job)?;
        let parent = getpid();
        let pid = match sys::fork().map_err(|error| NotStarted(text(&error)))? {
            Fork::Parent(pid) => pid,
            Fork::Child => {
                let Err(failed) = self.become_program(job, &image, parent);
                let mut message = [failed.0; 5];
                message[1..].copy_from_slice(&(failed.1 as i32).to_ne_bytes());
                // If even that fails, the exit code has to say it.
                let _ = sys::send(self.theirs.as_fd(), &message, None);
                sys::exit_now(127)
            }
        };
        if job.observe && self.method == Method::Trace {
            let go = || sys::send(self.ours.as_fd(), &[LISTENS], None);
            if let Err(error) = trace::seize(pid).and_then(|()| go()) {
                give_up(pid);
                return Err(NotStarted(format!("it cannot be observed: {}", text(&error))));
            }
        }
        let listener = if job.observe && self.method == Method::Notify {
            self.listener(pid).inspect_err(|_| give_up(pid))?
        } else {
            None
        };
        Ok(Started { pid, listener })
    }

    /// Why the process that was started did not get as far as its program, once it has ended.
    pub fn failure(&self) -> Option<String> {
        let (message, _) = self.message()?;
        let error = Errno::from_raw(i32::from_ne_bytes(message[1..].try_into().unwrap_or_default()));
        match message[0] {
            CANNOT_WATCH => Some(format!("it cannot be observed: {}", error.desc())),
            _ => Some(error.desc().to_owned()),
        }
    }

    /// Waits for the descriptor that the new process sends. If it dies before, there is none.
    fn listener(&self, pid: i32) -> Result<Option<OwnedFd>, NotStarted> {
        const MILLISECONDS: u8 = 20;
        loop {
            let mut ready = [PollFd::new(self.ours.as_fd(), PollFlags::POLLIN)];
            match poll(&mut ready, MILLISECONDS) {
                Ok(0) => {
                    let ended = waitid(
                        Id::Pid(Pid::from_raw(pid)),
                        WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT,
                    );
                    if !matches!(ended, Ok(WaitStatus::StillAlive)) {
                        return Ok(None);
                    }
                }
                Ok(_) => {
                    let mut byte = [0; 5];
                    // A failure stays where it is until it is asked for.
                    let peeked = recv(self.ours.as_raw_fd(), &mut byte, MsgFlags::MSG_PEEK);
                    if !matches!(peeked, Ok(1)) {
                        return Ok(None);
                    }
                    return Ok(self.message().and_then(|(_, listener)| listener));
                }
                Err(Errno::EINTR) => {}
                Err(error) => return Err(NotStarted(error.desc().to_owned())),
            }
        }
    }

    fn message(&self) -> Option<([u8; 5], Option<OwnedFd>)> {
        let mut bytes = [0; 5];
        sys::receive(self.ours.as_fd(), &mut bytes).ok().map(|(_, descriptor)| (bytes, descriptor))
    }

    /// Runs in the new process and, unless something fails, does not return.
    fn become_program(&self, job: &Job, image: &Image, parent: Pid) -> Result<Infallible, (u8, Errno)> {
        let start = |error: Errno| (CANNOT_START, error);
        let watch_errno = |error: Errno| (CANNOT_WATCH, error);
        let watch = |error: io::Error| (CANNOT_WATCH, Errno::from_raw(error.raw_os_error().unwrap_or(0)));
        // A session of its own: the keys of a terminal do not reach it.
        setsid().map_err(start)?;
        prctl::set_pdeathsig(Signal::SIGKILL).map_err(start)?;
        if getppid() != parent {
            return Err((CANNOT_START, Errno::ECANCELED));
        }
        let [stdin, stdout, stderr] = &image.streams;
        dup2_stdin(stdin).map_err(start)?;
        dup2_stdout(stdout).map_err(start)?;
        dup2_stderr(stderr).map_err(start)?;
        chdir(&job.working_directory).map_err(start)?;
        for signal in IGNORED {
            sys::set_signal(signal, false).map_err(|_| (CANNOT_START, Errno::EINVAL))?;
        }
        SigSet::empty().thread_set_mask().map_err(start)?;
        if job.observe && self.method == Method::Trace {
            // Until the worker traces this process.
            let mut go = [0];
            recv(self.theirs.as_raw_fd(), &mut go, MsgFlags::empty()).map_err(watch_errno)?;
        }
        if job.observe {
            prctl::set_no_new_privs().map_err(watch_errno)?;
            let listener = sys::install_filter(&self.filter, self.method == Method::Notify).map_err(watch)?;
            if let Some(listener) = listener {
                sys::send(self.theirs.as_fd(), &[LISTENS], Some(listener.as_fd())).map_err(watch)?;
            }
        }
        execve(&image.program, &image.arguments, &image.environment).map_err(start)
    }
}

/// Ends a process that has not become its program.
fn give_up(pid: i32) {
    descendants::end(pid);
    while waitpid(Pid::from_raw(pid), None) == Err(Errno::EINTR) {}
}

impl Image {
    fn new(job: &Job) -> Result<Self, NotStarted> {
        let plain = |text: &OsStr| {
            CString::new(text.as_bytes()).map_err(|_| NotStarted("a NUL byte in its command line".to_owned()))
        };
        let environment = job.environment.iter().map(|(name, value)| {
            let mut line = name.clone();
            line.push("=");
            line.push(value);
            plain(&line)
        });
        let stdout = fresh(&job.stdout)?;
        let stderr = if job.stderr == job.stdout {
            stdout.try_clone().map_err(|error| NotStarted(text(&error)))?
        } else {
            fresh(&job.stderr)?
        };
        Ok(Self {
            program: plain(job.program.as_os_str())?,
            arguments: job.arguments.iter().map(|argument| plain(argument)).collect::<Result<_, _>>()?,
            environment: environment.collect::<Result<_, _>>()?,
            streams: [stdin(&job.stdin)?, stdout, stderr],
        })
    }
}

fn stdin(stdin: &Stdin) -> Result<File, NotStarted> {
    let opened = |path: &Path| File::open(path).map_err(|error| NotStarted(named(path, &error)));
    match stdin {
        Stdin::Null => opened(Path::new("/dev/null")),
        Stdin::File(path) => opened(path),
        Stdin::Bytes(bytes) => {
            let made = || {
                let mut file = File::from(memfd_create(c"stdin", MFdFlags::MFD_CLOEXEC)?);
                file.write_all(bytes)?;
                file.seek(SeekFrom::Start(0))?;
                Ok::<_, io::Error>(file)
            };
            made().map_err(|error| NotStarted(text(&error)))
        }
    }
}

/// A new empty file. One that was there may be a name of something in a store: it is not written.
fn fresh(path: &Path) -> Result<File, NotStarted> {
    let made = || {
        if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()) {
            fs::remove_file(path)?;
        }
        OpenOptions::new().write(true).create(true).truncate(true).open(path)
    };
    made().map_err(|error| NotStarted(named(path, &error)))
}

fn named(path: &Path, error: &io::Error) -> String {
    format!("{}: {}", path.display(), text(error))
}

/// An error as the system words it.
fn text(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}
