//! The seccomp filter: which system calls stop a process, which are refused, and which pass.
//!
//! Reading and writing descriptors is not watched: what a process may do with a file is decided where it opens it.

use libc::{c_long, sock_filter};

/// What happens at a system call that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// The supervisor gets a notification.
    Notify,
    /// The tracer gets an event.
    Trace,
}

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

// Newer than the crate of constants; these numbers are the same on every architecture.
pub(super) const SYS_SETXATTRAT: c_long = 463;
pub(super) const SYS_GETXATTRAT: c_long = 464;
pub(super) const SYS_LISTXATTRAT: c_long = 465;
pub(super) const SYS_REMOVEXATTRAT: c_long = 466;
const SYS_OPEN_TREE_ATTR: c_long = 467;
pub(super) const SYS_FILE_GETATTR: c_long = 468;
pub(super) const SYS_FILE_SETATTR: c_long = 469;
pub(super) const SYS_FACCESSAT2: c_long = 439;
pub(super) const SYS_FCHMODAT2: c_long = 452;

/// The watched calls of every architecture.
const WATCHED: &[c_long] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    SYS_FACCESSAT2,
    libc::SYS_readlinkat,
    libc::SYS_statfs,
    libc::SYS_chdir,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_mknodat,
    libc::SYS_truncate,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    SYS_FCHMODAT2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_getxattr,
    libc::SYS_lgetxattr,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    SYS_SETXATTRAT,
    SYS_GETXATTRAT,
    SYS_LISTXATTRAT,
    SYS_REMOVEXATTRAT,
    SYS_FILE_GETATTR,
    SYS_FILE_SETATTR,
    libc::SYS_getdents64,
    libc::SYS_inotify_add_watch,
    libc::SYS_name_to_handle_at,
    libc::SYS_bind,
    libc::SYS_connect,
];

/// The watched calls that only the older architecture has.
#[cfg(target_arch = "x86_64")]
const WATCHED_OLD: &[c_long] = &[
    libc::SYS_open,
    libc::SYS_creat,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_mknod,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_getdents,
];
#[cfg(not(target_arch = "x86_64"))]
const WATCHED_OLD: &[c_long] = &[];

/// Calls that a machine need not have: programs do without. They would open files past the filter.
const ABSENT: &[c_long] = &[libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];

/// Calls that would change what paths mean, or open files without one.
const FORBIDDEN: &[c_long] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_open_tree,
    SYS_OPEN_TREE_ATTR,
    libc::SYS_move_mount,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
];

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

/// Every watched call.
pub fn watched() -> impl Iterator<Item = c_long> {
    // Those that are called most come first: the filter compares in order.
    WATCHED_OLD.iter().chain(WATCHED).copied()
}

/// The filter. Its length is far below the kernel's limit of 4096 instructions.
pub fn program(watch: Watch) -> Vec<sock_filter> {
    let trap = match watch {
        Watch::Notify => libc::SECCOMP_RET_USER_NOTIF,
        Watch::Trace => libc::SECCOMP_RET_TRACE,
    };
    // Offsets in the structure that the kernel shows: the number, the architecture, then six arguments of 64 bits,
    // whose lower half comes first on both architectures.
    let mut code = vec![load(4), if_equal(ARCHITECTURE, 1, 0), give(errno(libc::ENOSYS)), load(0)];
    if cfg!(target_arch = "x86_64") {
        // The calls of x32 have this bit.
        code.extend([if_bits(0x4000_0000, 0, 1), give(errno(libc::ENOSYS))]);
    }
    // The status of an open descriptor: what it is was seen where it was opened.
    for (call, flags) in [(libc::SYS_newfstatat, 3), (libc::SYS_statx, 2)] {
        code.extend([
            if_equal(number(call), 0, 6),
            load(argument(flags)),
            if_equal(libc::AT_EMPTY_PATH as u32, 0, 3),
            load(argument(0)),
            if_bits(0x8000_0000, 1, 0),
            give(ALLOW),
            give(trap),
        ]);
    }
    // A filter of notifications inside would hide calls from tracing, and from notifications the kernel itself refuses it.
    code.extend([
        if_equal(number(libc::SYS_seccomp), 0, 4),
        load(argument(1)),
        if_bits(libc::SECCOMP_FILTER_FLAG_NEW_LISTENER as u32, 0, 1),
        give(errno(libc::EBUSY)),
        give(ALLOW),
    ]);
    let plain = watched().filter(|call| ![libc::SYS_newfstatat, libc::SYS_statx].contains(call));
    for (calls, answer) in [
        (plain.collect::<Vec<_>>(), trap),
        (ABSENT.to_vec(), errno(libc::ENOSYS)),
        (FORBIDDEN.to_vec(), errno(libc::EPERM)),
    ] {
        for call in calls {
            code.extend([if_equal(number(call), 0, 1), give(answer)]);
        }
    }
    code.push(give(ALLOW));
    code
}

/// Numbers of system calls are small and not negative.
fn number(call: c_long) -> u32 {
    call as u32
}

fn argument(index: u32) -> u32 {
    16 + 8 * index
}

fn errno(error: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | error as u32
}

fn load(offset: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: offset }
}

fn if_equal(value: u32, skip_if: u8, skip_else: u8) -> sock_filter {
    sock_filter { code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, jt: skip_if, jf: skip_else, k: value }
}

fn if_bits(bits: u32, skip_if: u8, skip_else: u8) -> sock_filter {
    sock_filter { code: (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16, jt: skip_if, jf: skip_else, k: bits }
}

fn give(answer: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: answer }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the filter answers, as the kernel would compute it.
    fn answer(code: &[sock_filter], architecture: u32, call: c_long, arguments: [u64; 6]) -> u32 {
        let (mut at, mut loaded) = (0, 0);
        loop {
            let step = code[at];
            at += 1;
            match u32::from(step.code) & 0x07 {
                libc::BPF_LD => {
                    loaded = match step.k {
                        0 => call as u32,
                        4 => architecture,
                        offset => arguments[(offset as usize - 16) / 8] as u32,
                    }
                }
                libc::BPF_JMP => {
                    let holds = if u32::from(step.code) & 0xf0 == libc::BPF_JEQ {
                        loaded == step.k
                    } else {
                        loaded & step.k != 0
                    };
                    at += usize::from(if holds { step.jt } else { step.jf });
                }
                libc::BPF_RET => return step.k,
                other => panic!("an instruction of class {other}"),
            }
        }
    }

    #[test]
    fn calls_are_watched_refused_or_let_through() {
        let code = program(Watch::Notify);
        let ask = |call, arguments| answer(&code, ARCHITECTURE, call, arguments);
        let trap = libc::SECCOMP_RET_USER_NOTIF;
        for call in watched() {
            assert_eq!(ask(call, [0; 6]), trap, "{call}");
        }
        for call in [libc::SYS_read, libc::SYS_write, libc::SYS_mmap, libc::SYS_close, libc::SYS_fstat] {
            assert_eq!(ask(call, [0; 6]), ALLOW, "{call}");
        }
        assert_eq!(ask(libc::SYS_io_uring_setup, [0; 6]), errno(libc::ENOSYS));
        assert_eq!(ask(libc::SYS_mount, [0; 6]), errno(libc::EPERM));
        assert_eq!(ask(libc::SYS_seccomp, [1, 8, 0, 0, 0, 0]), errno(libc::EBUSY));
        assert_eq!(ask(libc::SYS_seccomp, [1, 1, 0, 0, 0, 0]), ALLOW);
        assert_eq!(answer(&program(Watch::Trace), ARCHITECTURE, libc::SYS_openat, [0; 6]), libc::SECCOMP_RET_TRACE);
    }

    #[test]
    fn the_status_of_a_descriptor_passes() {
        let code = program(Watch::Notify);
        let ask = |call, arguments| answer(&code, ARCHITECTURE, call, arguments);
        let here = libc::AT_FDCWD as u32;
        let empty = libc::AT_EMPTY_PATH as u64;
        assert_eq!(ask(libc::SYS_newfstatat, [3, 1, 1, empty, 0, 0]), ALLOW);
        assert_eq!(ask(libc::SYS_statx, [3, 1, empty, 0, 0, 0]), ALLOW);
        assert_eq!(ask(libc::SYS_newfstatat, [u64::from(here), 1, 1, empty, 0, 0]), libc::SECCOMP_RET_USER_NOTIF);
        assert_eq!(ask(libc::SYS_newfstatat, [3, 1, 1, 0, 0, 0]), libc::SECCOMP_RET_USER_NOTIF);
        assert_eq!(ask(libc::SYS_statx, [3, 1, 0, empty, 0, 0]), libc::SECCOMP_RET_USER_NOTIF);
    }

    #[test]
    fn calls_of_other_architectures_do_not_exist() {
        let code = program(Watch::Notify);
        assert_eq!(answer(&code, 0x4000_0003, libc::SYS_openat, [0; 6]), errno(libc::ENOSYS));
        if cfg!(target_arch = "x86_64") {
            assert_eq!(answer(&code, ARCHITECTURE, 0x4000_0000 | 2, [0; 6]), errno(libc::ENOSYS));
        }
    }
}
