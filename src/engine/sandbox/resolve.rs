//! From the path that a process names to the real path, with every symbolic link on the way.
//!
//! The kernel does the same walk right after; this one happens before, to know what was there. Folders that were walked
//! are remembered, so that most paths cost one `lstat`.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;

/// What is at the end of a path.
#[derive(Debug)]
pub struct Found {
    /// The real path: no links in its folders. The root is `/`.
    pub path: Vec<u8>,
    /// What is there.
    pub what: What,
}

/// What a path leads to.
#[derive(Debug)]
pub enum What {
    /// This.
    There(Metadata),
    /// Nothing, in a folder that exists.
    Absent,
    /// Nothing: a folder on the way does not exist, or is none.
    NoFolder,
    /// Something that is not a file: a pipe behind `/proc/self/fd/1`, or anything below `/proc`.
    Special,
    /// Too many links.
    Loop,
}

/// Walks paths and remembers folders.
#[derive(Default)]
pub struct Resolver {
    /// From the text of a folder's path, as it was named, to its real path.
    folders: FxHashMap<Box<[u8]>, Rc<[u8]>>,
    /// Real folders.
    real: FxHashSet<Box<[u8]>>,
}

/// Where a walk ended.
enum Walk {
    /// In this real folder, written without a slash at the end: the root is the empty text.
    Folder(Rc<[u8]>),
    /// Early, with this outcome for the whole path.
    Ended(Found),
}

impl Resolver {
    /// Forgets every folder: one of them, or a link, is about to go.
    pub fn forget(&mut self) {
        self.folders.clear();
        self.real.clear();
    }

    /// Finds what an absolute path leads to for a thread. `links` receives the real path of each symbolic link that is
    /// crossed; with `follow` also a link at the end is.
    ///
    /// Links that were crossed on the way to a remembered folder are not given again.
    pub fn find(&mut self, thread: i32, path: &[u8], follow: bool, links: &mut Vec<Vec<u8>>) -> Found {
        let mut path = path.to_vec();
        let mut left = MOST_LINKS;
        loop {
            let end = path.len() - path.iter().rev().take_while(|byte| **byte == b'/').count();
            // A slash at the end asks for a folder, also through a link.
            let wants_folder = end < path.len();
            let cut = memchr::memrchr(b'/', &path[..end]).map_or(0, |at| at + 1);
            let (parent, name) = (&path[..cut], &path[cut..end]);
            if matches!(name, b"" | b"." | b"..") {
                return match self.folder(thread, &path, links, &mut left) {
                    Walk::Folder(real) => found_folder(&real),
                    Walk::Ended(found) => found,
                };
            }
            let folder = match self.folder(thread, parent, links, &mut left) {
                Walk::Folder(folder) => folder,
                Walk::Ended(Found { path: at, what: what @ (What::NoFolder | What::Absent) }) => {
                    return Found {
                        path: join(&at, name),
                        what: if matches!(what, What::Absent) { What::NoFolder } else { what },
                    };
                }
                Walk::Ended(found) => return found,
            };
            let real = join(&folder, name);
            let metadata = match fs::symlink_metadata(as_path(&real)) {
                Ok(metadata) => metadata,
                Err(error) => return Found { path: real, what: missing(&error) },
            };
            if !metadata.is_symlink() || !(follow || wants_folder) {
                let what = if is_proc(&real) { What::Special } else { What::There(metadata) };
                return Found { path: real, what };
            }
            match self.target(thread, &folder, name, &real, links, &mut left) {
                Ok(target) => path = target,
                Err(what) => return Found { path: real, what: *what },
            }
        }
    }

    /// The real path of a folder.
    fn folder(&mut self, thread: i32, path: &[u8], links: &mut Vec<Vec<u8>>, left: &mut usize) -> Walk {
        if let Some(real) = self.folders.get(path) {
            return Walk::Folder(Rc::clone(real));
        }
        let mut at: Vec<u8> = Vec::with_capacity(path.len());
        // What is still to be walked, last part first.
        let mut parts: Vec<Vec<u8>> = split(path).rev().map(<[u8]>::to_vec).collect();
        let mut lasting = true;
        while let Some(part) = parts.pop() {
            match &part[..] {
                b"." => continue,
                b".." => {
                    at.truncate(memchr::memrchr(b'/', &at).unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let next = join(&at, &part);
            if self.real.contains(&next[..]) {
                at = next;
                continue;
            }
            let rest = |parts: Vec<Vec<u8>>, mut path: Vec<u8>| {
                for part in parts.iter().rev().take_while(|part| part[..] != *b"..") {
                    if part[..] != *b"." {
                        path = join(&path, part);
                    }
                }
                path
            };
            let metadata = match fs::symlink_metadata(as_path(&next)) {
                Ok(metadata) => metadata,
                Err(error) => {
                    let what = match missing(&error) {
                        What::Absent => What::NoFolder,
                        other => other,
                    };
                    return Walk::Ended(Found { path: rest(parts, next), what });
                }
            };
            if metadata.is_symlink() {
                let folder: Rc<[u8]> = at.as_slice().into();
                lasting &= !is_proc(&next);
                match self.target(thread, &folder, &part, &next, links, left) {
                    Ok(target) => {
                        parts.extend(split(&target).rev().map(<[u8]>::to_vec));
                        at.clear();
                    }
                    Err(what) => return Walk::Ended(Found { path: next, what: *what }),
                }
            } else if metadata.is_dir() {
                if lasting && !is_proc(&next) {
                    self.real.insert(next.clone().into());
                } else {
                    lasting = false;
                }
                at = next;
            } else {
                return Walk::Ended(Found { path: rest(parts, next), what: What::NoFolder });
            }
        }
        let real: Rc<[u8]> = at.into();
        if lasting {
            self.folders.insert(path.into(), Rc::clone(&real));
        }
        Walk::Folder(real)
    }

    /// Where a link leads, as an absolute path. Links below `/proc` are not files: they are followed as they are for
    /// the process that asks, and not reported.
    fn target(
        &self,
        thread: i32,
        folder: &[u8],
        name: &[u8],
        real: &[u8],
        links: &mut Vec<Vec<u8>>,
        left: &mut usize,
    ) -> Result<Vec<u8>, Box<What>> {
        *left = left.checked_sub(1).ok_or(What::Loop)?;
        match (folder, name) {
            (b"/proc", b"self") => return Ok(format!("/proc/{thread}").into_bytes()),
            (b"/proc", b"thread-self") => return Ok(format!("/proc/{thread}/task/{thread}").into_bytes()),
            _ => {}
        }
        let text = match fs::read_link(as_path(real)) {
            Ok(text) => text.into_os_string().into_vec(),
            Err(error) => return Err(Box::new(missing(&error))),
        };
        if is_proc(real) {
            let magic = memchr::memmem::find(real, b"/fd/").is_some() || !text.starts_with(b"/");
            let nowhere = !text.starts_with(b"/") && !real.ends_with(b"/mounts") && !real.ends_with(b"/net");
            if nowhere || (magic && (text.starts_with(b"/memfd:") || text.ends_with(b" (deleted)"))) {
                return Err(Box::new(What::Special));
            }
        } else {
            links.push(real.to_vec());
        }
        Ok(if text.starts_with(b"/") { text } else { join(folder, &text) })
    }
}

/// The kind of a failed look.
fn missing(error: &io::Error) -> What {
    match error.raw_os_error() {
        Some(libc::ENOTDIR) => What::NoFolder,
        Some(libc::ELOOP) => What::Loop,
        _ => What::Absent,
    }
}

fn found_folder(real: &[u8]) -> Found {
    let path = if real.is_empty() { b"/".to_vec() } else { real.to_vec() };
    if is_proc(&path) {
        return Found { path, what: What::Special };
    }
    match fs::symlink_metadata(as_path(&path)) {
        Ok(metadata) => Found { path, what: What::There(metadata) },
        Err(error) => Found { path, what: missing(&error) },
    }
}

/// What lies below `/proc` is the state of the machine and its processes, no file.
pub fn is_proc(path: &[u8]) -> bool {
    path.strip_prefix(b"/proc").is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// Bytes as a path.
pub fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// A name in a folder.
pub fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    let folder = folder.strip_suffix(b"/").unwrap_or(folder);
    let mut path = Vec::with_capacity(folder.len() + 1 + name.len());
    path.extend_from_slice(folder);
    path.push(b'/');
    path.extend_from_slice(name);
    path
}

/// The folder that a real path is in; the root is in itself.
pub fn parent(path: &[u8]) -> &[u8] {
    match memchr::memrchr(b'/', path) {
        None | Some(0) => b"/",
        Some(at) => &path[..at],
    }
}

fn split(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Tree {
        folder: tempfile::TempDir,
        resolver: Resolver,
    }

    impl Tree {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let at = folder.path();
            fs::create_dir_all(at.join("real/deep")).unwrap();
            fs::write(at.join("real/deep/file"), "x").unwrap();
            symlink("real", at.join("short")).unwrap();
            symlink("deep/file", at.join("real/alias")).unwrap();
            symlink("nothing", at.join("dangling")).unwrap();
            symlink("loop", at.join("loop")).unwrap();
            Self { folder, resolver: Resolver::default() }
        }

        /// Path, links and state, all relative to the folder.
        fn find(&mut self, path: &str, follow: bool) -> (String, Vec<String>, &'static str) {
            let base = fs::canonicalize(self.folder.path()).unwrap();
            let mut links = Vec::new();
            let whole = join(base.as_os_str().as_bytes(), path.as_bytes());
            let found = self.resolver.find(1, &whole, follow, &mut links);
            let name = |path: &[u8]| {
                let path = as_path(path);
                path.strip_prefix(&base).unwrap_or(path).to_str().unwrap().to_owned()
            };
            let what = match found.what {
                What::There(metadata) if metadata.is_dir() => "folder",
                What::There(metadata) if metadata.is_symlink() => "link",
                What::There(_) => "file",
                What::Absent => "absent",
                What::NoFolder => "no folder",
                What::Special => "special",
                What::Loop => "loop",
            };
            (name(&found.path), links.iter().map(|link| name(link)).collect(), what)
        }
    }

    fn links(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn links_are_followed_and_given() {
        let mut tree = Tree::new();
        assert_eq!(tree.find("real/deep/file", true), ("real/deep/file".into(), vec![], "file"));
        assert_eq!(tree.find("short/alias", true), ("real/deep/file".into(), links(&["short", "real/alias"]), "file"));
        // The folder is remembered, its links are not given again.
        assert_eq!(tree.find("short/alias", false), ("real/alias".into(), vec![], "link"));
        tree.resolver.forget();
        assert_eq!(tree.find("short/alias", false), ("real/alias".into(), links(&["short"]), "link"));
        assert_eq!(tree.find("short", false), ("short".into(), vec![], "link"));
        assert_eq!(tree.find("short/", false), ("real".into(), links(&["short"]), "folder"));
        assert_eq!(tree.find("short/deep/../deep/.//file", true), ("real/deep/file".into(), links(&["short"]), "file"));
        assert_eq!(tree.find("dangling", true), ("nothing".into(), links(&["dangling"]), "absent"));
    }

    #[test]
    fn what_is_missing_has_its_whole_path() {
        let mut tree = Tree::new();
        assert_eq!(tree.find("real/none", true), ("real/none".into(), vec![], "absent"));
        assert_eq!(tree.find("none/a/./b", true), ("none/a/b".into(), vec![], "no folder"));
        assert_eq!(tree.find("real/deep/file/x", true), ("real/deep/file/x".into(), vec![], "no folder"));
        assert_eq!(tree.find("none/", true), ("none".into(), vec![], "absent"));
        assert_eq!(tree.find("loop", true).2, "loop");
        assert_eq!(tree.find("loop/x", true).2, "loop");
    }

    #[test]
    fn what_belongs_to_processes_is_special() {
        let mut resolver = Resolver::default();
        let me = std::process::id().cast_signed();
        let mut find = |path: &str| resolver.find(me, path.as_bytes(), true, &mut Vec::new());
        assert!(matches!(find("/proc/self/status").what, What::Special));
        assert!(matches!(find("/proc/cpuinfo").what, What::Special));
        let here = std::env::current_dir().unwrap();
        assert_eq!(find("/proc/self/cwd").path, here.as_os_str().as_bytes());
        let (pipe, _other) = nix::unistd::pipe().unwrap();
        use std::os::fd::AsRawFd;
        assert!(matches!(find(&format!("/proc/self/fd/{}", pipe.as_raw_fd())).what, What::Special));
        assert_eq!(find("/").path, b"/");
        assert_eq!(find("/..").path, b"/");
    }
}
