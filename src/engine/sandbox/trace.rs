//! The other method of observation: the worker is the tracer of every process of the job, and the filter stops them at
//! watched calls. For machines whose kernel, or whose container, has no notifications.

use std::io;

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::observer::{Observer, Verdict};
use super::sys::{self, Waited};

/// Becomes the tracer of a process that waits, and of all that descend from it. They end with the tracer.
///
/// # Errors
/// When the machine does not allow it.
pub fn seize(pid: i32) -> io::Result<()> {
    let options = Options::PTRACE_O_TRACESECCOMP
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    Ok(ptrace::seize(Pid::from_raw(pid), options)?)
}

/// Handles a thread that has stopped, and lets it go on.
///
/// # Errors
/// When the kernel does not let itself be talked to about it.
pub fn stopped(waited: &Waited, observer: Option<&mut Observer>) -> io::Result<()> {
    const STOP: i32 = libc::PTRACE_EVENT_STOP;
    let thread = Pid::from_raw(waited.pid);
    let signal = Signal::try_from(libc::WSTOPSIG(waited.status)).ok();
    let done = match waited.status >> 16 {
        libc::PTRACE_EVENT_SECCOMP => watched(thread, observer),
        // The whole process was told to stop: it stays so until it is told to go on.
        STOP if signal.is_some_and(|signal| {
            matches!(signal, Signal::SIGSTOP | Signal::SIGTSTP | Signal::SIGTTIN | Signal::SIGTTOU)
        }) =>
        {
            sys::keep_stopped(waited.pid)
        }
        // A signal is on its way to the thread.
        0 => match signal {
            Some(signal) => ptrace::cont(thread, signal),
            // A real-time signal has no name.
            None => sys::continue_with(waited.pid, libc::WSTOPSIG(waited.status)),
        },
        _ => ptrace::cont(thread, None),
    };
    match done {
        // It was killed meanwhile.
        Err(Errno::ESRCH) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn watched(thread: Pid, observer: Option<&mut Observer>) -> Result<(), Errno> {
    let mut registers = ptrace::getregs(thread)?;
    let (number, arguments) = call(&registers);
    // A stopped thread cannot become another one.
    let verdict = match observer {
        Some(observer) => observer.handle(thread.as_raw(), number, arguments, &|| true),
        None => Verdict::Continue,
    };
    if let Verdict::Fail(error) = verdict {
        refuse(thread, &mut registers, error)?;
    }
    ptrace::cont(thread, None)
}

#[cfg(target_arch = "x86_64")]
fn call(registers: &libc::user_regs_struct) -> (libc::c_long, [u64; 6]) {
    let r = registers;
    (r.orig_rax.cast_signed(), [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9])
}

#[cfg(target_arch = "aarch64")]
fn call(registers: &libc::user_regs_struct) -> (libc::c_long, [u64; 6]) {
    let [a, b, c, d, e, f, _, _, number, ..] = registers.regs;
    (number.cast_signed(), [a, b, c, d, e, f])
}

/// Makes the kernel skip the call, and the thread see an error.
#[cfg(target_arch = "x86_64")]
fn refuse(thread: Pid, registers: &mut libc::user_regs_struct, error: i32) -> Result<(), Errno> {
    registers.orig_rax = u64::MAX;
    registers.rax = i64::from(-error).cast_unsigned();
    ptrace::setregs(thread, *registers)
}

#[cfg(target_arch = "aarch64")]
fn refuse(thread: Pid, registers: &mut libc::user_regs_struct, error: i32) -> Result<(), Errno> {
    registers.regs[0] = i64::from(-error).cast_unsigned();
    ptrace::setregs(thread, *registers)?;
    sys::skip_call(thread.as_raw())
}
