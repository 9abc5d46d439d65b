//! Unit tests written in DScript: found in workspaces and specs, run side by side, their pips compared with golden
//! files.
//!
//! A test is a function with the decorator `@@Testing.unitTest()`. It passes when it runs without an error and makes
//! the pips that its golden file lists: `Tests/name.lkg` beside the spec `Tests.dsc`. A test that makes no pips has no
//! golden file, and the other way round, unless it calls `Testing.dontValidatePips()`.
//!
//! Nothing is written here: what should become of golden files is part of the [`TestReport`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use dscript::source::system::MemoryFileSystem;
//! use dscript::testing::{Repair, Status, TestOptions, run};
//!
//! let spec = r#"
//!     import {Assert, Testing} from "Sdk.Testing";
//!     import {Transformer} from "Sdk.Transformers";
//!
//!     @@Testing.unitTest()
//!     export function adds() {
//!         Assert.areEqual(1 + 1, 2);
//!     }
//!
//!     @@Testing.unitTest()
//!     export function copies() {
//!         Transformer.copyFile(f`a.txt`, p`out/a.txt`);
//!     }
//! "#;
//! let files = MemoryFileSystem::from([("/w/config.dsc", "config({});"), ("/w/tests.dsc", spec)]);
//! let options = TestOptions { file_system: Arc::new(files), base: "/w".into(), ..TestOptions::default() };
//!
//! let report = run(&["/w".into()], &options)?;
//! let [adds, copies] = report.results.as_slice() else { panic!("two tests were expected") };
//! assert_eq!((&*adds.id, adds.status), ("tests.dsc::adds", Status::Pass));
//!
//! // It makes a pip, but there is no golden file yet.
//! assert_eq!(copies.status, Status::Fail);
//! let Some(Repair::Write(path, text)) = &copies.repair else { panic!("a file is missing") };
//! assert_eq!(path.to_str(), Some("/w/tests/copies.lkg"));
//! assert_eq!(text, "Transformer.copyFile(f`./a.txt`, f`./out/a.txt`);\n");
//! # Ok::<(), dscript::testing::TestError>(())
//! ```

mod dump;
mod find;
mod golden;
mod node;
mod run;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use crate::diagnostics::Diagnostic;
use crate::source::Files;
use crate::source::system::{DiskFileSystem, Environment, FileSystem, OperatingSystem, ProcessEnvironment};
use crate::workspace::Workspace;

pub use run::run;

/// How tests are run.
#[derive(Clone)]
pub struct TestOptions {
    /// Folders that stand for the SDK embedded in the program; a module of an earlier one wins.
    pub sdk: Vec<PathBuf>,
    /// Only tests whose id holds this text are run; the others are skipped.
    pub filter: Option<String>,
    /// How many tests run at a time; none: one for each processor. Results never depend on it.
    pub threads: Option<NonZeroUsize>,
    /// Ids name specs relative to this folder where they lie in it.
    pub base: PathBuf,
    /// Where files are read from.
    pub file_system: Arc<dyn FileSystem>,
    /// The variables that configurations see, and facts about the machine. Tests see no variables but their own.
    pub environment: Arc<dyn Environment>,
    /// The operating system that is built for; none: that of `environment`.
    pub host: Option<OperatingSystem>,
}

impl Default for TestOptions {
    /// The disk and the environment of this process.
    fn default() -> Self {
        Self {
            sdk: Vec::new(),
            filter: None,
            threads: None,
            base: PathBuf::new(),
            file_system: Arc::new(DiskFileSystem),
            environment: Arc::new(ProcessEnvironment::new()),
            host: None,
        }
    }
}

/// Why tests cannot be looked for.
#[derive(Debug, Error)]
pub enum TestError {
    /// A path cannot be opened.
    #[error(transparent)]
    Open(#[from] crate::workspace::OpenError),
    /// A folder or file cannot be read.
    #[error("cannot read `{}`: {}", .0.display(), .1)]
    Unreadable(PathBuf, std::io::Error),
    /// Threads cannot be started.
    #[error("cannot start threads: {0}")]
    Threads(String),
}

/// What running tests gave.
#[derive(Debug)]
pub struct TestReport {
    /// One for each test, in the order of the paths that were given, the specs below each, and the functions in those.
    pub results: Vec<TestResult>,
    /// The workspaces that hold the tests. A spec that no workspace was opened for is one by itself.
    pub suites: Vec<Suite>,
}

/// A workspace with tests.
#[derive(Debug)]
pub struct Suite {
    /// What was found in the workspace itself. With an error among it, none of its tests was run.
    pub diagnostics: Vec<Diagnostic>,
    workspace: Workspace,
}

impl Suite {
    /// The texts of all files that were read, for rendering diagnostics.
    pub fn files(&self) -> &Files {
        self.workspace.files()
    }

    /// Whether its tests could not be run.
    pub fn is_broken(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// What became of one test.
#[derive(Debug)]
pub struct TestResult {
    /// Spec and name: `src/tests.dsc::Tests.emptyLine`.
    pub id: String,
    /// The name with its namespaces.
    pub test: String,
    /// The spec, as an absolute path.
    pub file: PathBuf,
    /// The golden file, if there is one.
    pub golden: Option<PathBuf>,
    /// Whether it passed.
    pub status: Status,
    /// What was found while it ran.
    pub diagnostics: Vec<Diagnostic>,
    /// What is wrong between its pips and its golden file: a sentence, and a unified diff where both are there.
    pub mismatch: Option<String>,
    /// What would have to be done for its pips and its golden file to agree.
    pub repair: Option<Repair>,
    /// Its workspace: an index into [`TestReport::suites`].
    pub suite: usize,
}

/// Whether a test passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// It did.
    Pass,
    /// It did not.
    Fail,
    /// It was not run, because of the filter.
    Skip,
}

/// What is to be done with a golden file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// This text is to be written there.
    Write(PathBuf, String),
    /// It is to be deleted.
    Delete(PathBuf),
}

impl TestReport {
    /// How many tests have a status.
    pub fn count(&self, status: Status) -> usize {
        self.results.iter().filter(|result| result.status == status).count()
    }

    /// Whether a test failed, or could not be run.
    pub fn has_failed(&self) -> bool {
        self.count(Status::Fail) > 0 || self.suites.iter().any(Suite::is_broken)
    }
}
