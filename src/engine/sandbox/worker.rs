//! The build's side: starting workers and giving them jobs.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::memfd::{MFdFlags, memfd_create};
use thiserror::Error;

use super::filter::{self, Watch};
use super::message::{self, Answer, Request};
use super::serve::ASKED;
use super::{Job, Report, descendants, sys};

/// How the accesses of a process are observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The kernel notifies the worker of each access.
    Notify,
    /// The worker traces the process, as a debugger does. Slower; for machines without the other.
    Trace,
}

impl Method {
    /// The quicker of the methods that work on this machine, found out by trying. None where neither works, as in some
    /// containers.
    pub fn detect() -> Option<Self> {
        [Self::Notify, Self::Trace].into_iter().find(|method| method.works())
    }

    /// Whether this method works on this machine, found out by trying.
    pub fn works(self) -> bool {
        match self {
            Self::Notify => sys::try_notify(&filter::program(Watch::Notify)),
            Self::Trace => sys::try_trace(&filter::program(Watch::Trace)),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Notify => "notify",
            Self::Trace => "trace",
        }
    }
}

/// How workers are started.
#[derive(Clone, Debug)]
pub struct Launcher {
    program: PathBuf,
    method: Method,
}

impl Launcher {
    /// Workers are processes of `program`, which calls [`super::serve_if_asked`] first thing in its `main` function.
    pub fn new(program: PathBuf, method: Method) -> Self {
        Self { program, method }
    }

    /// Workers are processes of this program, also if its file has been replaced meanwhile.
    pub fn this_program(method: Method) -> Self {
        Self::new(PathBuf::from("/proc/self/exe"), method)
    }
}

/// A process that runs jobs, one at a time. It ends when this is dropped, with all that it runs.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    stream: UnixStream,
    canceller: Canceller,
    /// Where the worker notes the process that it runs.
    board: File,
    jobs: u64,
}

/// Ends the job that a worker is running, from any thread.
#[derive(Clone, Debug)]
pub struct Canceller {
    /// Requests are written by whoever has it.
    stream: Arc<Mutex<UnixStream>>,
    /// The number of the running job, or zero.
    running: Arc<AtomicU64>,
}

/// A worker that did not do its work.
#[derive(Debug, Error)]
pub enum WorkerError {
    /// It ended, or was killed, while it ran a job.
    #[error("the process that watches ended unexpectedly: {0}")]
    Died(String),
    /// It could not do what was asked.
    #[error("the process could not be watched: {0}")]
    Failed(String),
    /// What it says cannot be understood, or it cannot be reached.
    #[error("the process that watches cannot be talked to: {0}")]
    Connection(#[from] io::Error),
}

impl Worker {
    /// Starts a worker and waits until it is ready.
    ///
    /// # Errors
    /// When the program cannot be started, or does not become a worker.
    pub fn start(launcher: &Launcher) -> io::Result<Self> {
        if std::env::var_os(ASKED).is_some() {
            // Otherwise each worker would start workers.
            return Err(io::Error::other("this program does not call `serve_if_asked` first"));
        }
        let (ours, theirs) = UnixStream::pair()?;
        let board = File::from(memfd_create(c"board", MFdFlags::MFD_CLOEXEC)?);
        let child = Command::new(&launcher.program)
            .arg0("dscript-worker")
            .env(ASKED, launcher.method.name())
            .stdin(OwnedFd::from(theirs))
            .stdout(board.try_clone()?)
            .spawn()?;
        let running = Arc::new(AtomicU64::new(0));
        let canceller = Canceller { stream: Arc::new(Mutex::new(ours.try_clone()?)), running };
        let mut worker = Self { child, stream: ours, canceller, board, jobs: 0 };
        match message::receive(&mut worker.stream) {
            Ok(Some(Answer::Ready)) => Ok(worker),
            Ok(Some(_)) => Err(io::Error::from(io::ErrorKind::InvalidData)),
            Ok(None) => Err(io::Error::other(format!("it did not become a worker: {}", worker.obituary()))),
            Err(error) => Err(error),
        }
    }

    /// Runs a job to its end.
    ///
    /// # Errors
    /// When the worker does not do its work. After [`WorkerError::Failed`] it can be used again, otherwise not.
    pub fn run(&mut self, job: &Job) -> Result<Report, WorkerError> {
        self.jobs += 1;
        let number = self.jobs;
        {
            let mut stream = self.canceller.stream.lock().unwrap_or_else(PoisonError::into_inner);
            match message::send(&mut *stream, &Request::Run(number, Box::new(job.clone()))) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    drop(stream);
                    return Err(WorkerError::Died(self.obituary()));
                }
                other => other?,
            }
            self.canceller.running.store(number, Ordering::SeqCst);
        }
        let answer = message::receive(&mut self.stream);
        self.canceller.running.store(0, Ordering::SeqCst);
        match answer? {
            Some(Answer::Done(report)) => Ok(*report),
            Some(Answer::Failed(why)) => Err(WorkerError::Failed(why)),
            Some(Answer::Ready) => Err(WorkerError::Connection(io::ErrorKind::InvalidData.into())),
            None => Err(WorkerError::Died(self.obituary())),
        }
    }

    /// What ends the job that runs.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// The number of the worker's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How the worker ended, once it has closed its side. What it left behind is ended.
    fn obituary(&mut self) -> String {
        let status = self.child.wait();
        let mut session = [0; 4];
        if self.board.read_exact_at(&mut session, 0).is_ok() {
            descendants::end_session(i32::from_ne_bytes(session));
        }
        match status {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Both directions, whoever still has a canceller. It fails if the worker is gone already, which is as good.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        // A worker whose connection is closed ends by itself; waiting keeps it from staying as a zombie.
        let _ = self.child.wait();
    }
}

impl Canceller {
    /// Ends the running job: [`Worker::run`] then answers with [`super::Exit::Cancelled`], and no process of it is left.
    /// Without a running job nothing happens.
    pub fn cancel(&self) {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.running.load(Ordering::SeqCst);
        if number != 0 {
            // If the worker is gone, so is the job.
            let _ = message::send(&mut *stream, &Request::Cancel(number));
        }
    }
}
