//! The worker's side: a small process that runs one job after the other until the build closes the connection.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{dup2_stdin, dup2_stdout};

use super::launch::{IGNORED, Launchpad};
use super::message::{self, Answer, Request};
use super::supervise::{Ended, Supervisor};
use super::{Method, sys};

/// The environment variable that makes a program a worker; its value is the method.
pub const ASKED: &str = "DSCRIPT_SANDBOX_WORKER";

/// Becomes a worker if this process was started as one: then it serves until the build is gone, and ends.
///
/// A program that runs builds calls this first thing in its `main` function, before it starts a thread or opens a file:
/// workers are processes of the same program.
pub fn serve_if_asked() {
    let Some(method) = std::env::var_os(ASKED) else { return };
    let method = match method.to_str() {
        Some("notify") => Method::Notify,
        Some("trace") => Method::Trace,
        _ => sys::exit_now(2),
    };
    // The build sees that the connection is closed, and the exit code.
    let code = match serve(method) {
        Ok(()) => 0,
        Err(_) => 1,
    };
    sys::exit_now(code)
}

fn serve(method: Method) -> io::Result<()> {
    let mut supervisor = prepare(method)?;
    message::send(&mut supervisor.control, &Answer::Ready)?;
    loop {
        match message::receive(&mut supervisor.control)? {
            None => return Ok(()),
            // That job has ended by itself.
            Some(Request::Cancel(_)) => {}
            Some(Request::Run(number, job)) => {
                let answer = match supervisor.run(number, &job) {
                    Ok(Ended::Report(report)) => Answer::Done(report),
                    Ok(Ended::Closed) => return Ok(()),
                    Err(error) => Answer::Failed(error.to_string()),
                };
                message::send(&mut supervisor.control, &answer)?;
            }
        }
    }
}

/// The connection arrives as standard input, the board as standard output. What else the build had open is none of our business.
fn prepare(method: Method) -> io::Result<Supervisor> {
    for signal in IGNORED {
        sys::set_signal(signal, true)?;
    }
    if sys::close_from(3).is_err() {
        // Before Linux 5.9: they stay open, here and nowhere else, since programs close theirs on execution.
    }
    let board = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let null = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    drop(null);
    prctl::set_child_subreaper(true)?;
    // Only for those who look at a list of processes.
    prctl::set_name(c"dscript-worker")?;
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGCHLD);
    mask.thread_block()?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    Ok(Supervisor { launchpad: Launchpad::new(method)?, signals, control, board })
}
