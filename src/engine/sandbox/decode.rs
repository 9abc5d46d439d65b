//! From the number and the arguments of a system call to what it means for files.

use libc::c_long;

use super::filter::{
    SYS_FACCESSAT2, SYS_FCHMODAT2, SYS_FILE_GETATTR, SYS_FILE_SETATTR, SYS_GETXATTRAT, SYS_LISTXATTRAT,
    SYS_REMOVEXATTRAT, SYS_SETXATTRAT,
};

/// A path argument, not yet read from the memory of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The descriptor of the folder that relative paths begin at, or `AT_FDCWD`.
    pub folder: i32,
    /// Where its text is in memory.
    pub text: u64,
    /// Whether an empty text, or none, means the descriptor itself.
    pub or_descriptor: bool,
}

/// What a watched system call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Opens or makes a file, with these flags.
    Open { at: Place, flags: i32 },
    /// The same, with the flags in a structure in memory.
    OpenWith { at: Place, how: u64 },
    /// Asks what is there.
    Probe { at: Place, follow: bool },
    /// Reads a symbolic link.
    ReadLink { at: Place },
    /// Runs a program.
    Execute { at: Place, follow: bool },
    /// Makes a folder.
    MakeFolder { at: Place },
    /// Makes an empty file, a pipe, a device.
    MakeNode { at: Place },
    /// Makes a symbolic link.
    MakeLink { at: Place },
    /// Removes a folder, or anything but a folder.
    Remove { at: Place, folder: bool },
    /// Renames, with the flags of `renameat2`.
    Rename { from: Place, to: Place, flags: u32 },
    /// Gives a file another name.
    HardLink { from: Place, to: Place, follow: bool },
    /// Cuts a file to a length.
    Truncate { at: Place, length: u64 },
    /// Changes owner, mode, times or attributes.
    Change { at: Place, follow: bool },
    /// The same for an open descriptor.
    ChangeOpen { descriptor: i32 },
    /// Lists a folder.
    List { descriptor: i32 },
    /// Makes a socket at the path in this address.
    Bind { address: u64, length: u64 },
    /// Connects to it.
    Connect { address: u64, length: u64 },
}

/// What a call does, or nothing if it is not one of those that are watched.
pub fn decode(number: c_long, arguments: [u64; 6]) -> Option<Call> {
    let [a, b, c, d, e, _] = arguments;
    // Descriptors and flags are 32 bits wide; the kernel ignores what stands above.
    let int = |value: u64| value as i32;
    let has = |flags: u64, flag: i32| int(flags) & flag != 0;
    let plain = |folder: u64, text| Place { folder: int(folder), text, or_descriptor: false };
    let maybe_empty =
        |folder: u64, text, flags| Place { folder: int(folder), text, or_descriptor: has(flags, libc::AT_EMPTY_PATH) };
    let follow = |flags| !has(flags, libc::AT_SYMLINK_NOFOLLOW);
    let here = |text| Place { folder: libc::AT_FDCWD, text, or_descriptor: false };
    if let Some(call) = decode_old(number, arguments) {
        return Some(call);
    }
    Some(match number {
        libc::SYS_openat => Call::Open { at: plain(a, b), flags: int(c) },
        libc::SYS_openat2 => Call::OpenWith { at: plain(a, b), how: c },
        libc::SYS_newfstatat => Call::Probe { at: maybe_empty(a, b, d), follow: follow(d) },
        libc::SYS_statx => Call::Probe { at: maybe_empty(a, b, c), follow: follow(c) },
        libc::SYS_faccessat => Call::Probe { at: plain(a, b), follow: true },
        SYS_FACCESSAT2 => Call::Probe { at: maybe_empty(a, b, d), follow: follow(d) },
        // An empty text means the descriptor here, without a flag.
        libc::SYS_readlinkat => Call::ReadLink { at: Place { or_descriptor: true, ..plain(a, b) } },
        libc::SYS_statfs | libc::SYS_chdir | libc::SYS_getxattr | libc::SYS_listxattr => {
            Call::Probe { at: here(a), follow: true }
        }
        libc::SYS_lgetxattr | libc::SYS_llistxattr => Call::Probe { at: here(a), follow: false },
        SYS_GETXATTRAT | SYS_LISTXATTRAT => Call::Probe { at: maybe_empty(a, b, c), follow: follow(c) },
        SYS_FILE_GETATTR => Call::Probe { at: maybe_empty(a, b, e), follow: follow(e) },
        libc::SYS_inotify_add_watch => Call::Probe { at: here(b), follow: !has(c, libc::IN_DONT_FOLLOW as i32) },
        libc::SYS_name_to_handle_at => {
            Call::Probe { at: maybe_empty(a, b, e), follow: has(e, libc::AT_SYMLINK_FOLLOW) }
        }
        libc::SYS_execve => Call::Execute { at: here(a), follow: true },
        libc::SYS_execveat => Call::Execute { at: maybe_empty(a, b, e), follow: follow(e) },
        libc::SYS_mkdirat => Call::MakeFolder { at: plain(a, b) },
        libc::SYS_mknodat => Call::MakeNode { at: plain(a, b) },
        libc::SYS_symlinkat => Call::MakeLink { at: plain(b, c) },
        libc::SYS_unlinkat => Call::Remove { at: plain(a, b), folder: has(c, libc::AT_REMOVEDIR) },
        libc::SYS_renameat => Call::Rename { from: plain(a, b), to: plain(c, d), flags: 0 },
        libc::SYS_renameat2 => Call::Rename { from: plain(a, b), to: plain(c, d), flags: e as u32 },
        libc::SYS_linkat => {
            Call::HardLink { from: maybe_empty(a, b, e), to: plain(c, d), follow: has(e, libc::AT_SYMLINK_FOLLOW) }
        }
        libc::SYS_truncate => Call::Truncate { at: here(a), length: b },
        libc::SYS_fchmod | libc::SYS_fchown | libc::SYS_fsetxattr | libc::SYS_fremovexattr => {
            Call::ChangeOpen { descriptor: int(a) }
        }
        libc::SYS_fchmodat => Call::Change { at: plain(a, b), follow: true },
        SYS_FCHMODAT2 => Call::Change { at: maybe_empty(a, b, d), follow: follow(d) },
        libc::SYS_fchownat => Call::Change { at: maybe_empty(a, b, e), follow: follow(e) },
        // Without a path it is about the descriptor.
        libc::SYS_utimensat if b == 0 => Call::ChangeOpen { descriptor: int(a) },
        libc::SYS_utimensat => Call::Change { at: maybe_empty(a, b, d), follow: follow(d) },
        libc::SYS_setxattr | libc::SYS_removexattr => Call::Change { at: here(a), follow: true },
        libc::SYS_lsetxattr | libc::SYS_lremovexattr => Call::Change { at: here(a), follow: false },
        SYS_SETXATTRAT | SYS_REMOVEXATTRAT => Call::Change { at: maybe_empty(a, b, c), follow: follow(c) },
        SYS_FILE_SETATTR => Call::Change { at: maybe_empty(a, b, e), follow: follow(e) },
        libc::SYS_getdents64 => Call::List { descriptor: int(a) },
        libc::SYS_bind => Call::Bind { address: b, length: c },
        libc::SYS_connect => Call::Connect { address: b, length: c },
        _ => return None,
    })
}

/// The calls without a folder argument, which newer architectures do not have.
#[cfg(target_arch = "x86_64")]
fn decode_old(number: c_long, [a, b, c, d, _, _]: [u64; 6]) -> Option<Call> {
    let here = |text| Place { folder: libc::AT_FDCWD, text, or_descriptor: false };
    Some(match number {
        libc::SYS_open => Call::Open { at: here(a), flags: b as i32 },
        libc::SYS_creat => Call::Open { at: here(a), flags: libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC },
        libc::SYS_stat | libc::SYS_access => Call::Probe { at: here(a), follow: true },
        libc::SYS_lstat => Call::Probe { at: here(a), follow: false },
        libc::SYS_readlink => Call::ReadLink { at: here(a) },
        libc::SYS_mkdir => Call::MakeFolder { at: here(a) },
        libc::SYS_rmdir => Call::Remove { at: here(a), folder: true },
        libc::SYS_unlink => Call::Remove { at: here(a), folder: false },
        libc::SYS_rename => Call::Rename { from: here(a), to: here(b), flags: 0 },
        libc::SYS_link => Call::HardLink { from: here(a), to: here(b), follow: false },
        libc::SYS_symlink => Call::MakeLink { at: here(b) },
        libc::SYS_mknod => Call::MakeNode { at: here(a) },
        libc::SYS_chmod | libc::SYS_chown | libc::SYS_utime | libc::SYS_utimes => {
            Call::Change { at: here(a), follow: true }
        }
        libc::SYS_lchown => Call::Change { at: here(a), follow: false },
        libc::SYS_futimesat if b == 0 => Call::ChangeOpen { descriptor: a as i32 },
        libc::SYS_futimesat => {
            Call::Change { at: Place { folder: a as i32, text: b, or_descriptor: false }, follow: true }
        }
        libc::SYS_getdents => Call::List { descriptor: a as i32 },
        _ => {
            let _ = (c, d);
            return None;
        }
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn decode_old(_: c_long, _: [u64; 6]) -> Option<Call> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sandbox::filter;

    #[test]
    fn every_watched_call_has_a_meaning_and_no_other() {
        for call in filter::watched() {
            assert!(decode(call, [1; 6]).is_some(), "{call}");
        }
        assert_eq!(decode(libc::SYS_read, [1; 6]), None);
    }

    #[test]
    fn arguments_are_where_the_kernel_has_them() {
        let at = |folder, text| Place { folder, text, or_descriptor: false };
        let flags = libc::O_CREAT | libc::O_WRONLY;
        assert_eq!(
            decode(libc::SYS_openat, [0xffff_ff9c, 7, flags as u64, 0o644, 0, 0]),
            Some(Call::Open { at: at(libc::AT_FDCWD, 7), flags })
        );
        assert_eq!(decode(libc::SYS_symlinkat, [1, 2, 3, 0, 0, 0]), Some(Call::MakeLink { at: at(2, 3) }));
        assert_eq!(
            decode(libc::SYS_renameat2, [1, 2, 3, 4, 2, 0]),
            Some(Call::Rename { from: at(1, 2), to: at(3, 4), flags: 2 })
        );
        assert_eq!(
            decode(libc::SYS_linkat, [1, 2, 3, 4, libc::AT_EMPTY_PATH as u64, 0]),
            Some(Call::HardLink {
                from: Place { folder: 1, text: 2, or_descriptor: true },
                to: at(3, 4),
                follow: false
            })
        );
        assert_eq!(decode(libc::SYS_utimensat, [5, 0, 0, 0, 0, 0]), Some(Call::ChangeOpen { descriptor: 5 }));
        assert_eq!(
            decode(libc::SYS_newfstatat, [3, 9, 0, libc::AT_SYMLINK_NOFOLLOW as u64, 0, 0]),
            Some(Call::Probe { at: at(3, 9), follow: false })
        );
        assert_eq!(
            decode(libc::SYS_unlinkat, [3, 9, libc::AT_REMOVEDIR as u64, 0, 0, 0]),
            Some(Call::Remove { at: at(3, 9), folder: true })
        );
    }
}
