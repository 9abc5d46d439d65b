//! The files that the kernel opens by itself when a program starts: what stands behind `#!`, and the dynamic linker.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// As many as the kernel follows.
pub const LONGEST_CHAIN: usize = 5;

/// The interpreter that a program names, as it is written there; nothing if it needs none or is not readable.
pub fn interpreter(program: &Path) -> Option<Vec<u8>> {
    let mut file = File::open(program).ok()?;
    let mut head = [0; 256];
    let mut length = 0;
    while let Ok(count @ 1..) = file.read(&mut head[length..]) {
        length += count;
    }
    let head = &head[..length];
    if let Some(line) = head.strip_prefix(b"#!") {
        return of_script(line);
    }
    of_elf(&file, head)
}

fn of_script(line: &[u8]) -> Option<Vec<u8>> {
    let line = line.split(|byte| matches!(byte, b'\n' | 0)).next()?;
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let name = line.split(blank).find(|part| !part.is_empty())?;
    Some(name.to_vec())
}

fn of_elf(file: &File, head: &[u8]) -> Option<Vec<u8>> {
    const PT_INTERP: u64 = 3;
    if !head.starts_with(b"\x7fELF") {
        return None;
    }
    let wide = *head.get(4)? == 2;
    let big = *head.get(5)? == 2;
    let number = |bytes: &[u8], at: usize, size: usize| -> Option<u64> {
        let bytes = bytes.get(at..at.checked_add(size)?)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if big { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) })
    };
    let word = if wide { 8 } else { 4 };
    let table = number(head, if wide { 32 } else { 28 }, word)?;
    let size = number(head, if wide { 54 } else { 42 }, 2)?;
    let count = number(head, if wide { 56 } else { 44 }, 2)?;
    for index in 0..count {
        let mut entry = [0; 56];
        let entry = &mut entry[..if wide { 56 } else { 32 }];
        file.read_exact_at(entry, table.checked_add(index * size)?).ok()?;
        if number(entry, 0, 4)? != PT_INTERP {
            continue;
        }
        let offset = number(entry, if wide { 8 } else { 4 }, word)?;
        let length = number(entry, if wide { 32 } else { 16 }, word)?;
        let mut name = vec![0; usize::try_from(length).ok().filter(|length| *length <= 4096)?];
        file.read_exact_at(&mut name, offset).ok()?;
        let end = memchr::memchr(0, &name).unwrap_or(name.len());
        name.truncate(end);
        return Some(name);
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn scripts_and_programs_name_their_interpreters() {
        let folder = tempfile::tempdir().unwrap();
        let of = |content: &[u8]| {
            let path = folder.path().join("program");
            fs::write(&path, content).unwrap();
            interpreter(&path).map(|name| String::from_utf8(name).unwrap())
        };
        assert_eq!(of(b"#! /bin/sh -e\necho"), Some("/bin/sh".to_owned()));
        assert_eq!(of(b"#!/usr/bin/env"), Some("/usr/bin/env".to_owned()));
        assert_eq!(of(b"#!"), None);
        assert_eq!(of(b"#! \n/bin/sh"), None);
        assert_eq!(of(b"\x7fELF"), None);
        assert_eq!(of(&[b"\x7fELF\x02\x01".as_slice(), &[0xff; 200]].concat()), None);
        assert_eq!(of(b"echo"), None);
        assert_eq!(interpreter(&folder.path().join("none")), None);
        let own = interpreter(&std::env::current_exe().unwrap());
        assert!(own.is_none_or(|name| name.starts_with(b"/")));
    }
}
