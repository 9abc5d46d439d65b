//! Running tests side by side.

use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use indexmap::IndexSet;
use rayon::prelude::*;

use super::node::print;
use super::{Repair, Status, Suite, TestError, TestOptions, TestReport, TestResult, dump, find, golden};
use crate::diagnostics::Diagnostic;
use crate::workspace::{OpenOptions, UnitTests, Workspace};

/// Bytes of stack of each thread: specs nested up to the parser's limit are walked by recursion.
const STACK: usize = 8 << 20;

/// Finds the tests of workspaces and specs, and runs those that the filter lets through.
///
/// # Errors
/// When a path cannot be read. What is wrong in the specs is part of the report.
pub fn run(paths: &[PathBuf], options: &TestOptions) -> Result<TestReport, TestError> {
    let mut targets = IndexSet::new();
    for path in paths {
        targets.extend(find::targets(path, options)?);
    }
    let targets: Vec<PathBuf> = targets.into_iter().collect();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads.map_or(0, NonZeroUsize::get))
        .stack_size(STACK)
        .build()
        .map_err(|error| TestError::Threads(error.to_string()))?;
    let open = |target: &PathBuf| {
        let options = OpenOptions {
            // Several workspaces are opened side by side, one alone uses all threads by itself.
            threads: if targets.len() > 1 { Some(NonZeroUsize::MIN) } else { options.threads },
            sdk: options.sdk.clone(),
            file_system: options.file_system.clone(),
            environment: options.environment.clone(),
            host: options.host,
            ..OpenOptions::default()
        };
        Workspace::open(target, options)
    };
    let workspaces: Vec<Workspace> = pool.install(|| targets.par_iter().map(open).collect::<Result<_, _>>())?;
    let prepared: Vec<UnitTests<'_>> = pool.install(|| workspaces.par_iter().map(Workspace::unit_tests).collect());
    let mut jobs = Vec::new();
    for (suite, tests) in prepared.iter().enumerate() {
        let broken = tests.diagnostics().iter().any(Diagnostic::is_error);
        jobs.extend((0..if broken { 0 } else { tests.tests().len() }).map(|index| Job { suite, tests, index }));
    }
    let results = pool.install(|| jobs.par_iter().map(|job| job.run(options)).collect());
    let diagnostics: Vec<Vec<Diagnostic>> = prepared.iter().map(|tests| tests.diagnostics().to_vec()).collect();
    drop(prepared);
    let suites = workspaces.into_iter().zip(diagnostics);
    let suites = suites.map(|(workspace, diagnostics)| Suite { diagnostics, workspace }).collect();
    Ok(TestReport { results, suites })
}

/// One test to run.
struct Job<'a, 'w> {
    suite: usize,
    tests: &'a UnitTests<'w>,
    index: usize,
}

impl Job<'_, '_> {
    fn run(&self, options: &TestOptions) -> TestResult {
        let test = &self.tests.tests()[self.index];
        let shown = test.spec.strip_prefix(&options.base).unwrap_or(&test.spec);
        let mut result = TestResult {
            id: format!("{}::{}", shown.display(), test.name),
            test: test.name.clone(),
            file: test.spec.clone(),
            golden: None,
            status: Status::Skip,
            diagnostics: Vec::new(),
            mismatch: None,
            repair: None,
            suite: self.suite,
        };
        if options.filter.as_ref().is_some_and(|filter| !result.id.contains(filter.as_str())) {
            return result;
        }
        let run = self.tests.run(self.index);
        let path = golden::path_of(&test.spec, self.golden_name());
        let golden = read(&path, options);
        result.golden = golden.is_some().then(|| path.clone());
        result.status = Status::Pass;
        if run.diagnostics.iter().any(Diagnostic::is_error) {
            result.status = Status::Fail;
        } else {
            let statements = dump::statements(&run.graph, &self.tests.known_folders());
            let pips = Pips { statements: &statements, are_free: run.pips_are_free };
            if let Some((mismatch, repair)) =
                pips.compare(golden, &path, options, run.graph.paths().os().has_case_blind_paths())
            {
                result.status = Status::Fail;
                result.mismatch = Some(mismatch);
                result.repair = repair;
            }
        }
        result.diagnostics = run.diagnostics;
        result
    }

    /// What the golden file is called: the name of the function, with its namespaces where another test of the spec
    /// has a function of that name.
    fn golden_name(&self) -> &str {
        let test = &self.tests.tests()[self.index];
        let short = |name: &str| name.rsplit('.').next().map(str::to_owned);
        let own = short(&test.name);
        let same = |other: &&crate::workspace::UnitTest| other.spec == test.spec && short(&other.name) == own;
        match self.tests.tests().iter().filter(same).count() {
            1 => test.name.rsplit('.').next().unwrap_or(&test.name),
            _ => &test.name,
        }
    }
}

/// The golden file; none where there is none.
fn read(path: &Path, options: &TestOptions) -> Option<io::Result<String>> {
    match options.file_system.read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => None,
        Err(error) => Some(Err(error)),
        Ok(bytes) => Some(String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8"))),
    }
}

/// The pips of a test, and whether they are compared with nothing.
struct Pips<'a> {
    statements: &'a [super::node::Node],
    are_free: bool,
}

impl Pips<'_> {
    /// What is wrong between the pips and the golden file, and what to do about it.
    fn compare(
        &self,
        golden: Option<io::Result<String>>,
        path: &Path,
        options: &TestOptions,
        ignore_case: bool,
    ) -> Option<(String, Option<Repair>)> {
        let shown = path.strip_prefix(&options.base).unwrap_or(path).display();
        let delete = || Some(Repair::Delete(path.to_owned()));
        let write = || Some(Repair::Write(path.to_owned(), print(self.statements)));
        if self.are_free {
            if self.statements.is_empty() {
                let problem = "the test calls `Testing.dontValidatePips`, but makes no pips: remove the call";
                return Some((problem.to_owned(), golden.and_then(|_| delete())));
            }
            golden.as_ref()?;
            let problem = "the test calls `Testing.dontValidatePips`: remove the call, or delete";
            return Some((format!("{problem} the golden file `{shown}`"), delete()));
        }
        match golden {
            None if self.statements.is_empty() => None,
            None => {
                let problem = format!("the test makes pips, but there is no golden file `{shown}`");
                Some((problem, write()))
            }
            Some(_) if self.statements.is_empty() => {
                Some((format!("the test makes no pips, but there is a golden file `{shown}`"), delete()))
            }
            Some(Err(error)) => Some((format!("cannot read the golden file `{shown}`: {error}"), None)),
            Some(Ok(text)) => match golden::difference(&text, self.statements, ignore_case) {
                Ok(None) => None,
                Ok(Some(difference)) => {
                    let problem = format!("the pips are not those of the golden file `{shown}`:");
                    Some((format!("{problem}\n{}", difference.trim_end()), write()))
                }
                Err(error) => Some((format!("the golden file `{shown}` cannot be read: {error}"), write())),
            },
        }
    }
}
