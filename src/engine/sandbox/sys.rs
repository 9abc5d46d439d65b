//! The system calls that have no safe face elsewhere, each behind a small safe function.
//!
//! This is the only module with unsafe code.

#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use libc::{c_int, c_long, c_ulong};
use nix::errno::Errno;
use nix::sys::signal::{SigHandler, Signal};
use nix::unistd::{AccessFlags, Pid};

/// A process stopped at a system call.
#[derive(Clone, Copy, Debug)]
pub struct Notification {
    /// Its cookie.
    pub id: u64,
    /// The thread.
    pub thread: i32,
    /// The number of the call.
    pub number: c_long,
    /// Its arguments.
    pub arguments: [u64; 6],
}

/// How a child ended.
#[derive(Clone, Copy, Debug)]
pub struct Waited {
    /// Which.
    pub pid: i32,
    /// As `wait` has it.
    pub status: c_int,
    /// The largest resident size of it and the children that it waited for, in bytes.
    pub peak: u64,
}

/// Which side of a fork this is.
pub enum Fork {
    /// The new process.
    Child,
    /// The old one, with the number of the new one.
    Parent(i32),
}

fn checked(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Installs a filter in this process for good. With `listener`, gives the descriptor that receives notifications.
///
/// # Errors
/// When the kernel refuses; `EBUSY` says that another listener is there already.
pub fn install_filter(program: &[libc::sock_filter], listener: bool) -> io::Result<Option<OwnedFd>> {
    let length = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let fprog = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    let install = |flags: c_ulong| {
        // SAFETY: the kernel only reads the program, which lives through the call, and `len` is its length.
        let result = unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER as c_ulong, flags, ptr::from_ref(&fprog))
        };
        checked(result as c_int)
    };
    let quick = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    if !listener {
        install(quick)?;
        return Ok(None);
    }
    let flags = quick | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    let descriptor = match install(flags | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) {
        // Kernels before 5.19 do not know that flag; signals may then interrupt a call more than once.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => install(flags)?,
        other => other?,
    };
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(descriptor) }))
}

/// Asks the kernel to run the supervisor on the processor of the stopped process: no time is lost on waking another
/// one. Older kernels cannot, which only costs time.
pub fn notify_on_same_processor(listener: BorrowedFd<'_>) {
    const SET_FLAGS: libc::Ioctl = 0x4008_2104;
    const SYNC_WAKE_UP: c_ulong = 1;
    // SAFETY: this request takes its argument by value.
    unsafe { libc::ioctl(listener.as_raw_fd(), SET_FLAGS, SYNC_WAKE_UP) };
}

/// The next notification. Blocks if there is none.
///
/// # Errors
/// `ENOENT` when the process has been killed meanwhile, `EINTR` at a signal.
pub fn notify_receive(listener: BorrowedFd<'_>) -> io::Result<Notification> {
    // SAFETY: the structure consists of integers; the kernel wants it zeroed.
    let mut raw: libc::seccomp_notif = unsafe { mem::zeroed() };
    // SAFETY: the request writes one such structure.
    checked(unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, ptr::from_mut(&mut raw)) })?;
    Ok(Notification { id: raw.id, thread: raw.pid as i32, number: c_long::from(raw.data.nr), arguments: raw.data.args })
}

/// Lets a stopped call go on, or makes it fail with `error`.
///
/// # Errors
/// `ENOENT` when the process has been killed meanwhile.
pub fn notify_answer(listener: BorrowedFd<'_>, id: u64, error: Option<i32>) -> io::Result<()> {
    let mut answer = libc::seccomp_notif_resp {
        id,
        val: 0,
        error: error.map_or(0, |error| -error),
        flags: if error.is_some() { 0 } else { libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32 },
    };
    // SAFETY: the request reads one such structure.
    checked(unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, ptr::from_mut(&mut answer)) })?;
    Ok(())
}

/// Whether the process of this notification is still stopped there: its number may belong to another by now.
pub fn notify_still_valid(listener: BorrowedFd<'_>, id: u64) -> bool {
    // SAFETY: the request reads one 64-bit number.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, ptr::from_ref(&id)) };
    result == 0
}

/// Makes a copy of this process.
///
/// # Errors
/// When the kernel refuses.
pub fn fork() -> io::Result<Fork> {
    // SAFETY: a worker has one thread, so no lock is held by another one in the copy. The only other caller, the probe
    // of `Method::detect`, makes nothing but system calls in the copy.
    match checked(unsafe { libc::fork() })? {
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid)),
    }
}

/// Ends this process at once, without running destructors: those belong to the process it is a copy of.
pub fn exit_now(code: c_int) -> ! {
    // SAFETY: it takes a number and does not return.
    unsafe { libc::_exit(code) }
}

/// Reaps one child that has ended, or reports one that has stopped under trace. Does not wait.
///
/// # Errors
/// `ECHILD` when there are no children at all.
pub fn reap() -> io::Result<Option<Waited>> {
    let mut status = 0;
    // SAFETY: the structure consists of integers.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: both pointers are valid for the call.
    let pid = checked(unsafe { libc::wait4(-1, &raw mut status, libc::WNOHANG | libc::__WALL, &raw mut usage) })?;
    if pid == 0 {
        return Ok(None);
    }
    let peak = u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024;
    Ok(Some(Waited { pid, status, peak }))
}

/// Ignores a signal, or gives it back its usual effect.
///
/// # Errors
/// For signals that cannot be changed.
pub fn set_signal(signal: Signal, ignore: bool) -> io::Result<()> {
    let handler = if ignore { SigHandler::SigIgn } else { SigHandler::SigDfl };
    // SAFETY: neither of the two is a function of ours.
    unsafe { nix::sys::signal::signal(signal, handler) }?;
    Ok(())
}

/// Closes every descriptor from `first` on: what a host program forgot to close on execution does not belong here.
///
/// # Errors
/// When the kernel has no such call (before 5.9).
pub fn close_from(first: RawFd) -> io::Result<()> {
    // SAFETY: called before this process owns any descriptor in that range.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first as c_ulong, c_ulong::from(u32::MAX), 0) };
    checked(result as c_int).map(drop)
}

/// Sends a few bytes and perhaps a descriptor over a socket.
///
/// # Errors
/// When sending fails.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
    let raw = descriptor.map(|descriptor| [descriptor.as_raw_fd()]);
    let control: Vec<_> = raw.iter().map(|raw| ControlMessage::ScmRights(raw)).collect();
    sendmsg::<()>(socket.as_raw_fd(), &[io::IoSlice::new(bytes)], &control, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// Receives what [`send`] sent, without waiting.
///
/// # Errors
/// `EAGAIN` when there is nothing.
pub fn receive(socket: BorrowedFd<'_>, bytes: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
    let mut space = nix::cmsg_space!(RawFd);
    let mut slices = [io::IoSliceMut::new(bytes)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut space), flags)?;
    let mut descriptor = None;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(received) = control {
            for raw in received {
                // SAFETY: the kernel has just made this descriptor for us.
                descriptor = Some(unsafe { OwnedFd::from_raw_fd(raw) });
            }
        }
    }
    Ok((message.bytes, descriptor))
}

/// Leaves a traced thread stopped until it is told to go on from elsewhere.
///
/// # Errors
/// `ESRCH` when it has been killed meanwhile.
pub fn keep_stopped(thread: i32) -> Result<(), Errno> {
    // SAFETY: this request has no pointers.
    let result = unsafe { libc::ptrace(libc::PTRACE_LISTEN, thread, 0, 0) };
    Errno::result(result).map(drop)
}

/// Lets a traced thread go on with a signal, whichever it is.
///
/// # Errors
/// `ESRCH` when it has been killed meanwhile.
pub fn continue_with(thread: i32, signal: c_int) -> Result<(), Errno> {
    // SAFETY: this request has no pointers.
    let result = unsafe { libc::ptrace(libc::PTRACE_CONT, thread, 0, c_long::from(signal)) };
    Errno::result(result).map(drop)
}

/// Makes the system call that a traced thread is about to do none.
///
/// # Errors
/// `ESRCH` when it has been killed meanwhile.
#[cfg(target_arch = "aarch64")]
pub fn skip_call(thread: i32) -> Result<(), Errno> {
    const NT_ARM_SYSTEM_CALL: c_long = 0x404;
    let mut none: c_int = -1;
    let part = libc::iovec { iov_base: ptr::from_mut(&mut none).cast(), iov_len: mem::size_of::<c_int>() };
    // SAFETY: the kernel reads one number through the vector, which lives through the call.
    let result = unsafe { libc::ptrace(libc::PTRACE_SETREGSET, thread, NT_ARM_SYSTEM_CALL, ptr::from_ref(&part)) };
    Errno::result(result).map(drop)
}

/// Whether this machine lets a process be watched by notifications, tried by a child that does nothing else.
pub fn try_notify(program: &[libc::sock_filter]) -> bool {
    try_in_child(|| {
        nix::sys::prctl::set_no_new_privs().is_ok() && install_filter(program, true).is_ok_and(|fd| fd.is_some())
    })
}

/// The same for tracing.
pub fn try_trace(program: &[libc::sock_filter]) -> bool {
    try_in_child(|| {
        nix::sys::prctl::set_no_new_privs().is_ok()
            && nix::sys::ptrace::traceme().is_ok()
            && install_filter(program, false).is_ok()
            // Without a tracer that asked for them, such calls do not exist. Inside another sandbox, which has its say
            // first, this one does: then tracing would see nothing.
            && nix::unistd::access(c"/", AccessFlags::F_OK) == Err(Errno::ENOSYS)
    })
}

/// Runs a few system calls in a child and says whether they worked.
fn try_in_child(work: impl FnOnce() -> bool) -> bool {
    match fork() {
        // Nothing in `work` takes a lock or memory: other threads of the host may hold them.
        Ok(Fork::Child) => exit_now(if work() { 0 } else { 1 }),
        Ok(Fork::Parent(pid)) => loop {
            match nix::sys::wait::waitpid(Pid::from_raw(pid), None) {
                Ok(nix::sys::wait::WaitStatus::Exited(_, code)) => return code == 0,
                Err(Errno::EINTR) => {}
                _ => return false,
            }
        },
        Err(_) => false,
    }
}
