//! Running one job from its start to the end of its last process.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use libc::c_int;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signalfd::SignalFd;
use nix::sys::time::TimeValLike;

use super::launch::{Launchpad, NotStarted, Started};
use super::message::{self, Request};
use super::observer::{Observed, Observer, Verdict};
use super::sys::{self, Waited};
use super::{Exit, Job, ProcessInfo, Report, descendants, trace};

/// How long processes may take to die of `SIGKILL`. Only one that hangs in a broken device does.
const LONGEST_DEATH: Duration = Duration::from_secs(30);

/// How long it waits for anything to happen before it looks by itself.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What a worker runs jobs with.
pub struct Supervisor {
    /// How processes are started.
    pub launchpad: Launchpad,
    /// Tells that a child has ended or stopped.
    pub signals: SignalFd,
    /// The connection with the build.
    pub control: UnixStream,
    /// A file in memory that the build has, too: it holds the number of the process that runs, which is that of its
    /// session. If the worker dies, the build knows what to end.
    pub board: File,
}

/// How a run ended.
pub enum Ended {
    /// With this to tell.
    Report(Box<Report>),
    /// The build is gone; no process of the job is left.
    Closed,
}

/// A job on its way.
struct Run<'a> {
    supervisor: &'a mut Supervisor,
    number: u64,
    job: &'a Job,
    observer: Option<Observer>,
    began: Instant,
    first: i32,
    listener: Option<OwnedFd>,
    /// How the first process ended, and when.
    status: Option<(c_int, Instant)>,
    /// Why everything was ended, if it was.
    ended: Option<Exit>,
    closed: bool,
    alone: bool,
    survivors: Vec<String>,
    peak: u64,
}

impl Supervisor {
    /// Runs a job.
    ///
    /// # Errors
    /// When the worker cannot do its work; no process of the job is left then either.
    pub fn run(&mut self, number: u64, job: &Job) -> io::Result<Ended> {
        let began = Instant::now();
        let before = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        let mut observer = if job.observe { Some(Observer::new(job)?) } else { None };
        let Started { pid, listener } = match self.launchpad.start(job) {
            Ok(started) => started,
            Err(NotStarted(why)) => return Ok(Ended::Report(Box::new(Report::not_started(why)))),
        };
        self.board.write_all_at(&pid.to_ne_bytes(), 0)?;
        if let Some(observer) = &mut observer {
            observer.begin(pid, job.program.clone());
        }
        if let Some(listener) = &listener {
            sys::notify_on_same_processor(listener.as_fd());
        }
        let mut run = Run {
            supervisor: self,
            number,
            job,
            observer,
            began,
            first: pid,
            listener,
            status: None,
            ended: None,
            closed: false,
            alone: false,
            survivors: Vec::new(),
            peak: 0,
        };
        let result = run.see_through();
        if result.is_err() {
            run.end_everything();
        }
        result?;
        if run.closed {
            return Ok(Ended::Closed);
        }
        let mut report = run.report();
        self.board.write_all_at(&0_i32.to_ne_bytes(), 0)?;
        let after = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        let spent = |after: i64, before: i64| Duration::from_micros(u64::try_from(after - before).unwrap_or(0));
        report.user = spent(after.user_time().num_microseconds(), before.user_time().num_microseconds());
        report.system = spent(after.system_time().num_microseconds(), before.system_time().num_microseconds());
        Ok(Ended::Report(Box::new(report)))
    }
}

impl Run<'_> {
    fn see_through(&mut self) -> io::Result<()> {
        loop {
            let now = Instant::now();
            if let Some(reason) = self.reason_to_end(now) {
                match reason {
                    Some(exit) => self.ended = Some(exit),
                    None => self.survivors = survivors(),
                }
                self.end_everything();
                return Ok(());
            }
            self.wait(now)?;
            if self.alone {
                return Ok(());
            }
            if self.closed {
                self.end_everything();
                return Ok(());
            }
        }
    }

    /// Whether all has to end now: with which outcome, or only because what is left was given time enough.
    fn reason_to_end(&self, now: Instant) -> Option<Option<Exit>> {
        if let Some(exit) = &self.ended {
            return Some(Some(exit.clone()));
        }
        match (self.status, self.job.timeout) {
            (Some((_, when)), _) if now >= when + self.job.grace => Some(None),
            (None, Some(timeout)) if now >= self.began + timeout => Some(Some(Exit::TimedOut)),
            _ => None,
        }
    }

    /// Waits until something happens, and handles it.
    fn wait(&mut self, now: Instant) -> io::Result<()> {
        let deadline = match (self.status, self.job.timeout) {
            (Some((_, when)), _) => Some(when + self.job.grace),
            (None, Some(timeout)) => Some(self.began + timeout),
            (None, None) => None,
        };
        let timeout = match deadline {
            None => LONGEST_WAIT,
            // A millisecond more than less: waking up too early is for nothing.
            Some(deadline) => (deadline.saturating_duration_since(now) + Duration::from_millis(1)).min(LONGEST_WAIT),
        };
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        let (control, signals, notified, hung_up) = {
            let supervisor = &*self.supervisor;
            let mut watched = vec![
                PollFd::new(supervisor.control.as_fd(), PollFlags::POLLIN),
                PollFd::new(supervisor.signals.as_fd(), PollFlags::POLLIN),
            ];
            if let Some(listener) = &self.listener {
                watched.push(PollFd::new(listener.as_fd(), PollFlags::POLLIN));
            }
            match poll(&mut watched, timeout) {
                Err(Errno::EINTR) => return Ok(()),
                // Signals do not get lost, but it costs nothing to look for children now and then.
                Ok(0) => return self.reap(),
                other => other?,
            };
            let has =
                |at: usize, flag| watched.get(at).and_then(PollFd::revents).is_some_and(|got| got.intersects(flag));
            let any = PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR;
            (has(0, any), has(1, any), has(2, PollFlags::POLLIN), has(2, PollFlags::POLLHUP | PollFlags::POLLERR))
        };
        if notified {
            self.notification()?;
        } else if hung_up {
            // Every watched process has ended.
            self.listener = None;
        }
        if signals {
            // However many have ended, it is one signal.
            self.supervisor.signals.read_signal()?;
            self.reap()?;
        }
        if control {
            self.request();
        }
        Ok(())
    }

    fn request(&mut self) {
        match message::receive(&mut self.supervisor.control) {
            Ok(Some(Request::Cancel(number))) if number == self.number => self.ended = Some(Exit::Cancelled),
            // A job that ended by itself.
            Ok(Some(Request::Cancel(_))) => {}
            // A build that sends a second job is broken, as is one that sends nonsense.
            Ok(Some(Request::Run(..)) | None) | Err(_) => self.closed = true,
        }
    }

    fn notification(&mut self) -> io::Result<()> {
        let Some(listener) = &self.listener else { return Ok(()) };
        let listener: BorrowedFd<'_> = listener.as_fd();
        let notification = match sys::notify_receive(listener) {
            Ok(notification) => notification,
            // It was killed meanwhile.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let valid = || sys::notify_still_valid(listener, notification.id);
        let verdict = match &mut self.observer {
            Some(observer) => observer.handle(notification.thread, notification.number, notification.arguments, &valid),
            None => Verdict::Continue,
        };
        let error = match verdict {
            Verdict::Continue => None,
            Verdict::Fail(error) => Some(error),
        };
        match sys::notify_answer(listener, notification.id, error) {
            // As above. It is in progress no more when a signal interrupted it.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINPROGRESS)) => Ok(()),
            other => other,
        }
    }

    /// Reaps children that have ended.
    fn reap(&mut self) -> io::Result<()> {
        loop {
            match sys::reap() {
                Ok(Some(waited)) if libc::WIFSTOPPED(waited.status) => trace::stopped(&waited, self.observer.as_mut())?,
                Ok(Some(waited)) => self.child_ended(waited),
                Ok(None) => return Ok(()),
                Err(error) if error.raw_os_error() == Some(libc::ECHILD) => {
                    self.alone = true;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn child_ended(&mut self, waited: Waited) {
        self.peak = self.peak.max(waited.peak);
        if waited.pid == self.first {
            self.status = Some((waited.status, Instant::now()));
        }
    }

    /// Kills and reaps until there is no descendant. A process may fork faster than it is found, so this is repeated.
    fn end_everything(&mut self) {
        let began = Instant::now();
        while !self.alone {
            for process in descendants::below(std::process::id().cast_signed()) {
                descendants::end(process.pid);
            }
            let mut watched = [PollFd::new(self.supervisor.signals.as_fd(), PollFlags::POLLIN)];
            // Whatever comes first: one of them has ended, or it is time to look again.
            let _ = poll(&mut watched, 5_u8);
            while let Ok(Some(_)) = self.supervisor.signals.read_signal() {}
            if self.reap().is_err() || began.elapsed() > LONGEST_DEATH {
                if let Some(observer) = &mut self.observer {
                    observer.is_incomplete(|| "a process could not be ended".to_owned());
                }
                return;
            }
        }
    }

    fn report(self) -> Report {
        let exit = match (self.ended, self.status) {
            (Some(exit), _) => exit,
            (None, Some((status, _))) => match self.supervisor.launchpad.failure() {
                Some(why) => Exit::NotStarted(why),
                None if libc::WIFSIGNALED(status) => Exit::Signal(libc::WTERMSIG(status)),
                None => Exit::Code(libc::WEXITSTATUS(status)),
            },
            // It is gone, so it was killed.
            (None, None) => Exit::Signal(libc::SIGKILL),
        };
        let wall = self.began.elapsed();
        let observed = match self.observer {
            Some(observer) => observer.finish(),
            None => Observed {
                processes: vec![ProcessInfo { pid: self.first, program: self.job.program.clone() }],
                accesses: Vec::new(),
                denied: Vec::new(),
                incomplete: None,
            },
        };
        Report {
            exit,
            processes: observed.processes,
            accesses: observed.accesses,
            denied: observed.denied,
            incomplete: observed.incomplete,
            survivors: self.survivors,
            wall,
            user: Duration::ZERO,
            system: Duration::ZERO,
            peak_memory: self.peak,
        }
    }
}

/// The names of the processes that are still there, sorted.
fn survivors() -> Vec<String> {
    let mut names: Vec<String> =
        descendants::below(std::process::id().cast_signed()).into_iter().map(|process| process.name).collect();
    names.sort();
    names.dedup();
    names
}

impl Report {
    /// Of a process that never ran.
    fn not_started(why: String) -> Self {
        Self {
            exit: Exit::NotStarted(why),
            processes: Vec::new(),
            accesses: Vec::new(),
            denied: Vec::new(),
            incomplete: None,
            survivors: Vec::new(),
            wall: Duration::ZERO,
            user: Duration::ZERO,
            system: Duration::ZERO,
            peak_memory: 0,
        }
    }
}
