//! What an evaluation has read is known, and a change of any of it is noticed.

#![allow(clippy::disallowed_methods, reason = "tests write what they look at")]
// Links and the times of files are those of Unix.
#![cfg(unix)]

mod support;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dscript::source::system::{
    Changed, DirEntry, DiskFileSystem, EntryKind, Environment, FileState, FileSystem, FolderState, Host,
    MapEnvironment, Signature,
};
use dscript::workspace::{EvaluationInputs, OpenOptions, Workspace};

fn environment() -> MapEnvironment {
    MapEnvironment::new().with("PATH", "/usr/bin").with_home("/home/me")
}

fn options() -> OpenOptions {
    OpenOptions { environment: Arc::new(environment()), ..OpenOptions::default() }.recording()
}

fn evaluated(path: &Path, options: OpenOptions) -> EvaluationInputs {
    let workspace = Workspace::open(path, options).unwrap();
    let evaluation = workspace.evaluate(&[]);
    let errors: Vec<_> = evaluation.diagnostics.iter().filter(|one| one.is_error()).collect();
    assert!(errors.is_empty(), "{}: {errors:?}", path.display());
    workspace.inputs().unwrap()
}

/// A disk on which one thing is different.
struct Other {
    path: PathBuf,
    what: What,
}

#[derive(Clone, Copy, PartialEq)]
enum What {
    Content,
    Names,
    Kind,
    Link,
}

impl Other {
    fn is(&self, what: What, path: &Path) -> bool {
        self.what == what && self.path == path
    }
}

impl FileSystem for Other {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if self.is(What::Content, path) { Ok(b"another content".to_vec()) } else { DiskFileSystem.read(path) }
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        if !self.is(What::Names, path) {
            return DiskFileSystem.read_dir(path);
        }
        let mut entries = DiskFileSystem.read_dir(path).unwrap_or_default();
        entries.push(DirEntry { name: "zzz".to_owned(), kind: EntryKind::File });
        Ok(entries)
    }

    fn kind(&self, path: &Path) -> Option<EntryKind> {
        match DiskFileSystem.kind(path) {
            Some(EntryKind::File) if self.is(What::Kind, path) => Some(EntryKind::Directory),
            Some(_) if self.is(What::Kind, path) => None,
            None if self.is(What::Kind, path) => Some(EntryKind::File),
            kind => kind,
        }
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        if self.is(What::Link, path) { Ok("/elsewhere".into()) } else { DiskFileSystem.canonicalize(path) }
    }

    fn signature(&self, path: &Path) -> Option<Signature> {
        if self.path == path { None } else { DiskFileSystem.signature(path) }
    }
}

/// Evaluates a workspace and makes each of its inputs another one, one after the other. Gives how many there were of each
/// kind.
fn every_input_matters(root: &Path) -> [usize; 4] {
    let mut counts = [0; 4];
    let mut inputs = evaluated(root, options());
    assert!(inputs.read.files.contains_key(&root.join("config.dsc")));
    let text = serde_json::to_string(&inputs).unwrap();
    assert_eq!(serde_json::from_str::<EvaluationInputs>(&text).unwrap(), inputs);
    assert_eq!(inputs.unchanged(root, &options()), Ok(()), "{}", root.display());
    // What a build leaves behind is no reason to evaluate again.
    std::fs::create_dir_all(root.join("Out/Objects/x")).unwrap();
    std::fs::create_dir_all(root.join(".dscript/cache")).unwrap();
    assert_eq!(inputs.unchanged(root, &options()), Ok(()), "{}", root.display());

    let read = inputs.read.clone();
    let mut other = |what, path: &PathBuf| {
        counts[what as usize] += 1;
        let options = OpenOptions { file_system: Arc::new(Other { path: path.clone(), what }), ..options() };
        let changed = inputs.clone().unchanged(root, &options);
        changed.expect_err(&path.display().to_string())
    };
    for (path, state) in &read.files {
        let read = matches!(state, FileState::Read { .. });
        let expected = if read { Changed::Content(path.clone()) } else { Changed::Readable(path.clone()) };
        assert_eq!(other(What::Content, path), expected);
    }
    for (path, state) in &read.folders {
        let listed = matches!(state, FolderState::Listed(_));
        let expected = if listed { Changed::Appeared(path.join("zzz")) } else { Changed::Readable(path.clone()) };
        assert_eq!(other(What::Names, path), expected);
    }
    for (path, kind) in &read.probes {
        let expected = match kind {
            None => Changed::Appeared(path.clone()),
            Some(EntryKind::File) => Changed::Kind(path.clone()),
            Some(_) => Changed::Gone(path.clone()),
        };
        assert_eq!(other(What::Kind, path), expected);
    }
    for path in read.links.keys() {
        assert_eq!(other(What::Link, path), Changed::Link(path.clone()));
    }
    for variable in &read.variables {
        let other = OpenOptions { environment: Arc::new(environment().with(&variable.name, "?")), ..options() };
        assert_eq!(inputs.clone().unchanged(root, &other), Err(Changed::Variable(variable.name.clone())));
    }
    let home = OpenOptions { environment: Arc::new(environment().with_home("/root")), ..options() };
    assert_eq!(inputs.clone().unchanged(root, &home), Err(Changed::UserHome));
    let host = Host { architecture: "pdp11".to_owned(), ..environment().host() };
    let host = OpenOptions { environment: Arc::new(environment().with_host(host)), ..options() };
    assert_eq!(inputs.clone().unchanged(root, &host), Err(Changed::Host));
    counts
}

#[test]
fn every_input_of_the_examples_matters() {
    let mut examples = 0;
    for example in support::examples() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        support::copy_folder(&example, &root).unwrap();
        let [files, folders, ..] = every_input_matters(&root);
        assert!(files > 1 && folders > 0);
        examples += 1;
    }
    assert!(examples > 3);
}

/// Files that count how often they are read and listed.
struct Counting(AtomicUsize);

impl FileSystem for Counting {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        DiskFileSystem.read(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        DiskFileSystem.read_dir(path)
    }

    fn kind(&self, path: &Path) -> Option<EntryKind> {
        DiskFileSystem.kind(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        DiskFileSystem.canonicalize(path)
    }

    fn signature(&self, path: &Path) -> Option<Signature> {
        DiskFileSystem.signature(path)
    }
}

fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

const SPEC: &str = "
    export const sources = glob(d`src`, \"*.c\");
    export const all = globR(d`deep`, \"*.c\");
    export const text = File.exists(f`local.txt`) ? File.readAllText(f`local.txt`) : \"\";
    export const readme = File.readAllText(f`read.me`);
    export const missing = glob(d`later`, \"*\");
    export const label = Environment.getStringValue(\"LABEL\");
    export const folder = Environment.getPathValue(\"FOLDER\");
    export const flag = Environment.hasVariable(\"FLAG\");
    export const os = Context.getCurrentHost().os;
    export const home = Context.getUserHomeDirectory();
";

#[test]
fn changes_on_disk_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    write(
        &root,
        &[
            ("config.dsc", "config({modules: [f`module.config.dsc`]});"),
            ("module.config.dsc", "module({name: \"M\"});"),
            ("build.dsc", SPEC),
            ("src/a.c", ""),
            ("deep/er/b.c", ""),
            ("real/c.c", ""),
            ("fake/c.c", ""),
            ("read.me", "read me"),
        ],
    );
    std::os::unix::fs::symlink("../real", root.join("deep/link")).unwrap();
    assert!(every_input_matters(&root).iter().all(|count| *count > 0));
    std::thread::sleep(Duration::from_millis(150));
    let inputs = evaluated(&root, options());
    let read: Vec<&str> = inputs.read.variables.iter().map(|variable| &*variable.name).collect();
    for name in ["FLAG", "FOLDER", "LABEL"] {
        assert!(read.contains(&name), "{read:?}");
    }

    // While nothing is touched, nothing is read, and only the folder that is not there is tried.
    let counting = Arc::new(Counting(AtomicUsize::new(0)));
    let counted = OpenOptions { file_system: counting.clone(), ..options() };
    assert_eq!(inputs.clone().unchanged(&root, &counted), Ok(()));
    assert_eq!(counting.0.swap(0, Ordering::Relaxed), 1);

    // What was only touched is read once.
    write(&root, &[("src/a.c", "no content is read"), ("read.me", "read me")]);
    std::thread::sleep(Duration::from_millis(150));
    let mut renewed = inputs.clone();
    assert_eq!(renewed.unchanged(&root, &counted), Ok(()));
    assert_eq!(counting.0.swap(0, Ordering::Relaxed), 2);
    assert_ne!(renewed, inputs);
    assert_eq!(renewed.unchanged(&root, &counted), Ok(()));
    assert_eq!(counting.0.load(Ordering::Relaxed), 1);

    let changed =
        |options: OpenOptions| inputs.clone().unchanged(&root, &options).map_err(|changed| changed.to_string());
    let said = |path: &str, what: &str| Err(format!("`{}` {what}", root.join(path).display()));
    write(&root, &[("read.me", "me read")]);
    assert_eq!(changed(options()), said("read.me", "changed"));
    write(&root, &[("read.me", "read me"), ("src/new.c", "")]);
    assert_eq!(changed(options()), said("src/new.c", "is new"));
    std::fs::rename(root.join("src/new.c"), root.join("local.txt")).unwrap();
    assert_eq!(changed(options()), said("local.txt", "is new"));
    std::fs::remove_file(root.join("local.txt")).unwrap();
    write(&root, &[("later/x", "")]);
    assert_eq!(changed(options()), said("later", "is new"));
    std::fs::remove_dir_all(root.join("later")).unwrap();
    assert_eq!(changed(options()), Ok(()));
    std::fs::rename(root.join("src/a.c"), root.join("real/a.c")).unwrap();
    assert_eq!(changed(options()), said("deep/link/a.c", "is new"));
    std::fs::rename(root.join("real/a.c"), root.join("src/a.c")).unwrap();
    std::fs::remove_file(root.join("read.me")).unwrap();
    assert_eq!(changed(options()), said("read.me", "is gone"));
    write(&root, &[("read.me", "read me")]);
    // The same names behind another link are other files.
    std::fs::remove_file(root.join("deep/link")).unwrap();
    std::os::unix::fs::symlink("../src/../real/.", root.join("deep/link")).unwrap();
    assert_eq!(changed(options()), Ok(()));
    std::fs::remove_file(root.join("deep/link")).unwrap();
    std::os::unix::fs::symlink("../fake", root.join("deep/link")).unwrap();
    assert_eq!(changed(options()), said("deep/link", "leads elsewhere"));
}

#[test]
fn what_was_asked_for_counts_too() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    write(&root, &[("config.dsc", "config({});"), ("build.dsc", "export const x = Environment.hasVariable(\"X\");")]);
    let with = |environment: MapEnvironment| OpenOptions { environment: Arc::new(environment), ..options() };
    let inputs = evaluated(&root, with(environment().with("X", "1")));
    let changed = |options: OpenOptions| inputs.clone().unchanged(&root, &options);
    assert_eq!(changed(with(environment().with("X", "1").with("Y", "2"))), Ok(()));
    assert_eq!(changed(options()), Err(Changed::Variable("X".to_owned())));
    let same = || with(environment().with("X", "1"));
    let mac = dscript::source::system::OperatingSystem::MacOs;
    assert_eq!(changed(OpenOptions { host: Some(mac), ..same() }), Err(Changed::Setting("host".to_owned())));
    let sdk = OpenOptions { sdk: vec![root.clone()], ..same() };
    assert_eq!(changed(sdk), Err(Changed::Setting("SDK folders".to_owned())));
    let spec = inputs.clone().unchanged(root.join("build.dsc"), &same());
    assert_eq!(spec, Err(Changed::Setting("path".to_owned())));
    let mut older = inputs.clone();
    older.settings.insert("version of the program".to_owned(), "0.0.1".to_owned());
    assert_eq!(older.unchanged(&root, &same()), Err(Changed::Setting("version of the program".to_owned())));
    // Seen from Windows, letter case in names of variables does not matter.
    let windows = |environment| OpenOptions {
        host: Some(dscript::source::system::OperatingSystem::Windows),
        ..with(environment)
    };
    let mut inputs = evaluated(&root, windows(environment().with("x", "1")));
    assert_eq!(inputs.unchanged(&root, &windows(environment().with("x", "1"))), Ok(()));
    assert_eq!(inputs.unchanged(&root, &windows(environment())), Err(Changed::Variable("X".to_owned())));
}
