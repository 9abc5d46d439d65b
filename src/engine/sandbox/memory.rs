//! Reading what a stopped process points at.

use std::io::IoSliceMut;

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

const PAGE: u64 = 4096;
/// What the kernel takes for a path, with its final NUL.
const LONGEST: usize = 4096;

/// The text at an address, without its final NUL.
///
/// # Errors
/// `EFAULT` when there is none (the system call will fail as well), `ENAMETOOLONG` likewise, `EPERM` or `ESRCH` when the
/// process does not let itself be read or is gone.
pub fn text(thread: i32, address: u64) -> Result<Vec<u8>, Errno> {
    let mut text = Vec::new();
    let mut buffer = [0; PAGE as usize];
    loop {
        let at = address.wrapping_add(text.len() as u64);
        // Never across the end of a page: the next one may not be there.
        let count = (PAGE - at % PAGE) as usize;
        // Most paths are short; copying less is quicker.
        let count = if text.is_empty() { count.min(256) } else { count };
        let got = read(thread, at, &mut buffer[..count])?;
        match memchr::memchr(0, &buffer[..got]) {
            Some(end) => {
                text.extend_from_slice(&buffer[..end]);
                return Ok(text);
            }
            None => text.extend_from_slice(&buffer[..got]),
        }
        if text.len() >= LONGEST {
            return Err(Errno::ENAMETOOLONG);
        }
    }
}

/// Exactly so many bytes.
///
/// # Errors
/// As [`text`].
pub fn bytes<const COUNT: usize>(thread: i32, address: u64) -> Result<[u8; COUNT], Errno> {
    let mut bytes = [0; COUNT];
    if read(thread, address, &mut bytes)? < COUNT {
        return Err(Errno::EFAULT);
    }
    Ok(bytes)
}

/// At most so many bytes.
///
/// # Errors
/// As [`text`].
pub fn up_to(thread: i32, address: u64, count: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; count];
    if count > 0 {
        let got = read(thread, address, &mut bytes)?;
        bytes.truncate(got);
    }
    Ok(bytes)
}

fn read(thread: i32, address: u64, into: &mut [u8]) -> Result<usize, Errno> {
    let length = into.len();
    let base = usize::try_from(address).map_err(|_| Errno::EFAULT)?;
    let remote = [RemoteIoVec { base, len: length }];
    match process_vm_readv(Pid::from_raw(thread), &mut [IoSliceMut::new(into)], &remote)? {
        0 => Err(Errno::EFAULT),
        got => Ok(got),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_across_pages_and_bad_addresses_are_errors() {
        let me = Pid::this().as_raw();
        let long = [vec![b'x'; 3000], vec![0]].concat();
        let twice = [long.clone(), long].concat();
        assert_eq!(text(me, twice.as_ptr() as u64), Ok(vec![b'x'; 3000]));
        assert_eq!(text(me, 8), Err(Errno::EFAULT));
        assert_eq!(text(me, u64::MAX - 3), Err(Errno::EFAULT));
        let endless = vec![b'x'; 10_000];
        assert_eq!(text(me, endless.as_ptr() as u64), Err(Errno::ENAMETOOLONG));
        assert_eq!(bytes::<2>(me, twice.as_ptr() as u64), Ok(*b"xx"));
    }
}
