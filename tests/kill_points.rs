//! A build that is killed at any moment leaves nothing behind that the next build would believe: no half-written output,
//! no process, and files that builds did not make stay where they are.
//!
//! `cargo test --test kill_points` kills at ten moments. `docs/soak.md` has what two hundred gave:
//! `cargo test --test kill_points -- --ignored --nocapture`, with `KILL_POINTS` for another number and `KILL_SEED` for
//! other moments.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "a test that runs and kills builds")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

#[test]
fn ten_kill_points() {
    let soak = soak(10, 7);
    assert!(soak.is_fine(), "{soak}");
}

#[test]
#[ignore = "takes many minutes; see docs/soak.md"]
fn two_hundred_kill_points() {
    let number =
        |name: &str, otherwise: u64| std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"));
    let soak = soak(number("KILL_POINTS", 200), number("KILL_SEED", 1));
    eprintln!("{soak}");
    assert!(soak.is_fine(), "see above");
}

/// How many producers fill the shared opaque directory.
const PRODUCERS: usize = 10;

/// How many sets of inputs there are.
const VERSIONS: u64 = 3;

/// Files that no build made, in shared opaque directories: one beside the folders of pips, one among files of a pip.
const FOREIGN: [&str; 2] = ["Out/Objects/shared/foreign.keep", "Out/Objects/shared/producer3/deep/foreign.keep"];

/// How long processes of a build that was killed may take to be gone.
const LINGER: Duration = Duration::from_secs(3);

/// How long one build may take.
const LIMIT: Duration = Duration::from_secs(120);

/// Makes as many kill points as are asked for.
fn soak(points: u64, seed: u64) -> Soak {
    let start = Instant::now();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().canonicalize().expect("the temporary folder");
    let mut soak = Soak { seed, ..Soak::default() };
    // What each set of inputs gives when nobody disturbs it, each in a workspace of its own.
    let mut expected = Vec::new();
    for version in 0..VERSIONS {
        let reference = root.join(format!("reference{version}"));
        write_workspace(&reference).expect("a workspace");
        write_inputs(&reference, version).expect("inputs");
        let begun = Instant::now();
        let built = Build::start(&reference).expect("a build").finish();
        soak.undisturbed = soak.undisturbed.max(begun.elapsed());
        built.expect("an undisturbed build is fine");
        expected.push(outputs(&reference).expect("outputs"));
    }
    assert!(expected[0] != expected[1] && expected[0].len() > 40, "the inputs matter: {:#?}", expected[0]);
    assert!(expected[0].values().any(|what| what.starts_with("link ")), "links are made: {:#?}", expected[0]);
    soak.outputs = expected[0].len();

    let workspace = root.join("workspace");
    write_workspace(&workspace).expect("a workspace");
    let mut random = Random::new(seed);
    for point in 0..points {
        soak.points += 1;
        if let Err(error) = one(&workspace, &expected, &mut random, &mut soak, point) {
            soak.troubles.push(format!("point {point}: {error}"));
            // One bad end must not make all that follow it bad.
            let _ = fs::remove_dir_all(&workspace);
            write_workspace(&workspace).expect("a workspace");
        }
    }
    soak.total = start.elapsed();
    soak
}

/// One kill point: a state of the workspace, a build, its end, and the build after it.
fn one(
    workspace: &Path,
    expected: &[BTreeMap<String, String>],
    random: &mut Random,
    soak: &mut Soak,
    point: u64,
) -> Result<(), String> {
    let failed = |error: io::Error| error.to_string();
    let version = random.below(VERSIONS);
    write_inputs(workspace, version).map_err(failed)?;
    let state = match random.below(5) {
        0 => {
            remove(&workspace.join("Out")).map_err(failed)?;
            "outputs removed"
        }
        1 => {
            remove(&workspace.join("Out")).map_err(failed)?;
            remove(&workspace.join(".dscript")).map_err(failed)?;
            "nothing there"
        }
        2 => {
            let all: Vec<String> = outputs(workspace).map_err(failed)?.into_keys().collect();
            for path in all.iter().filter(|path| !FOREIGN.contains(&path.as_str())) {
                if random.below(3) == 0 {
                    let _ = fs::remove_file(workspace.join(path));
                }
            }
            "some outputs removed"
        }
        3 => {
            remove(&workspace.join(".dscript/cache")).map_err(failed)?;
            "cache removed"
        }
        _ => "as the build before left it",
    };
    *soak.states.entry(state).or_default() += 1;
    for foreign in FOREIGN {
        write(&workspace.join(foreign), FOREIGN_TEXT).map_err(failed)?;
    }

    // Sometimes the build after a kill is killed too.
    let mut ends = Vec::new();
    for _ in 0..1 + random.below(4) / 3 {
        ends.push(start_and_kill(workspace, state, random, soak, point).map_err(failed)?);
    }
    foreign_files(workspace, soak, point, "killed");

    let begun = Instant::now();
    let again = Build::start(workspace).map_err(failed)?;
    let pid = again.pid;
    let again = again.finish();
    soak.reruns.push(begun.elapsed());
    let longest = soak.longest.as_ref().is_none_or(|(longest, _)| begun.elapsed() > *longest);
    if longest {
        soak.longest = Some((begun.elapsed(), format!("point {point}: {state}, {}", ends.join(", "))));
    }
    let context = format!("{state}, inputs {version}, {}", ends.join(", "));
    again.map_err(|error| format!("{context}: the build after it fails: {error}"))?;
    let left = lingering(workspace, pid);
    if !left.is_empty() {
        soak.leftovers += left.len();
        soak.troubles.push(format!("point {point}: {context}: processes are left after the next build: {left:?}"));
    }
    foreign_files(workspace, soak, point, "built again");
    let found = outputs(workspace).map_err(failed)?;
    let differences = differences(&expected[version as usize], &found);
    if !differences.is_empty() {
        soak.differences += differences.len();
        return Err(format!("{context}: outputs differ:\n    {}", differences.join("\n    ")));
    }
    if point.is_multiple_of(4) {
        let third = Build::start(workspace).map_err(failed)?.finish().map_err(|error| format!("{context}: {error}"))?;
        if third.executed != 0 {
            soak.restless += 1;
            return Err(format!("{context}: a third build ran {} pips: {}", third.executed, third.said));
        }
        if outputs(workspace).map_err(failed)? != expected[version as usize] {
            soak.differences += 1;
            return Err(format!("{context}: a third build changed outputs"));
        }
    }
    Ok(())
}

/// Starts a build and kills it. Gives what was done, in words.
fn start_and_kill(
    workspace: &Path,
    state: &'static str,
    random: &mut Random,
    soak: &mut Soak,
    point: u64,
) -> io::Result<String> {
    let build = Build::start(workspace)?;
    let begun = Instant::now();
    // Where results are known, a build does not take long. Some moments fall into the first steps.
    let is_cold = state == "nothing there" || state == "cache removed";
    let span = soak.undisturbed.as_micros() as u64 / if is_cold { 1 } else { 3 };
    let moment = if random.below(6) == 0 { random.below(span / 10) } else { random.below(span) };
    while begun.elapsed() < Duration::from_micros(moment) && !build.is_over() {
        sleep(Duration::from_micros(500));
    }
    let over = build.is_over();
    let killed = match random.below(4) {
        _ if over => "ended before",
        0 => {
            build.kill_main();
            "the program"
        }
        1 => {
            build.kill_worker(random);
            "one worker"
        }
        _ => {
            build.kill_all();
            "everything"
        }
    };
    *soak.kills.entry(killed).or_default() += 1;
    let pid = build.pid;
    // A build that lost a worker goes on or fails by itself; of the others nothing is to be heard again.
    let _ = build.finish();
    let what = format!("killed {killed} after {} ms", moment / 1000);
    // Sometimes the next build begins at once.
    if killed == "the program" && random.below(2) == 0 {
        return Ok(what);
    }
    let left = lingering(workspace, pid);
    if !left.is_empty() {
        soak.leftovers += left.len();
        soak.troubles.push(format!("point {point}: {state}, {what}: processes are left: {left:?}"));
        for (pid, _) in left {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
    Ok(what)
}

const FOREIGN_TEXT: &str = "nobody's\n";

fn foreign_files(workspace: &Path, soak: &mut Soak, point: u64, when: &str) {
    for foreign in FOREIGN {
        if fs::read_to_string(workspace.join(foreign)).ok().as_deref() != Some(FOREIGN_TEXT) {
            soak.foreign_removed += 1;
            soak.troubles.push(format!("point {point}: {foreign} is not as it was, {when}"));
            let _ = write(&workspace.join(foreign), FOREIGN_TEXT);
        }
    }
}

/// What a soak found.
#[derive(Default)]
struct Soak {
    seed: u64,
    points: u64,
    outputs: usize,
    states: BTreeMap<&'static str, u64>,
    kills: BTreeMap<&'static str, u64>,
    differences: usize,
    leftovers: usize,
    foreign_removed: usize,
    restless: usize,
    troubles: Vec<String>,
    undisturbed: Duration,
    reruns: Vec<Duration>,
    longest: Option<(Duration, String)>,
    total: Duration,
}

impl Soak {
    fn is_fine(&self) -> bool {
        self.troubles.is_empty() && self.differences + self.leftovers + self.foreign_removed + self.restless == 0
    }
}

impl std::fmt::Display for Soak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |counts: &BTreeMap<&str, u64>| {
            counts.iter().map(|(what, count)| format!("{what} {count}")).collect::<Vec<_>>().join(", ")
        };
        let mut reruns = self.reruns.clone();
        reruns.sort_unstable();
        let median = reruns.get(reruns.len() / 2).copied().unwrap_or_default();
        writeln!(f, "kill points          {} (seed {}, {} outputs)", self.points, self.seed, self.outputs)?;
        writeln!(f, "before               {}", list(&self.states))?;
        writeln!(f, "killed               {}", list(&self.kills))?;
        writeln!(f, "outputs that differ  {}", self.differences)?;
        writeln!(f, "processes left       {}", self.leftovers)?;
        writeln!(f, "foreign files lost   {}", self.foreign_removed)?;
        writeln!(f, "third builds at work {}", self.restless)?;
        writeln!(f, "other troubles       {}", self.troubles.len())?;
        writeln!(f, "undisturbed build    {:.2} s", self.undisturbed.as_secs_f64())?;
        writeln!(
            f,
            "build after a kill   {:.2} s median, {:.2} s longest ({})",
            median.as_secs_f64(),
            reruns.last().copied().unwrap_or_default().as_secs_f64(),
            self.longest.as_ref().map_or("", |(_, what)| what)
        )?;
        writeln!(f, "altogether           {:.0} s", self.total.as_secs_f64())?;
        for trouble in &self.troubles {
            writeln!(f, "{trouble}")?;
        }
        Ok(())
    }
}

/// Numbers that are the same for the same seed (xorshift).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit.max(1)
    }
}

/// A build that runs.
struct Build {
    pid: i32,
    child: std::cell::RefCell<Child>,
    stderr: PathBuf,
    stdout: PathBuf,
}

/// What a build said at its end.
struct Summary {
    executed: u64,
    said: String,
}

impl Build {
    /// Starts a build in a process group of its own.
    fn start(workspace: &Path) -> io::Result<Self> {
        // Not pipes: a process that is left over would keep them open.
        let (stdout, stderr) = (workspace.with_extension("stdout"), workspace.with_extension("stderr"));
        let mut command = support::program(workspace);
        command.args(["build", "-j2", "--explain", "--format", "json"]).process_group(0).stdin(Stdio::null());
        let child = command.stdout(fs::File::create(&stdout)?).stderr(fs::File::create(&stderr)?).spawn()?;
        Ok(Self { pid: child.id() as i32, child: child.into(), stderr, stdout })
    }

    fn is_over(&self) -> bool {
        !matches!(self.child.borrow_mut().try_wait(), Ok(None))
    }

    /// Waits for the end. A build that was killed, failed or took too long is an error.
    fn finish(self) -> Result<Summary, String> {
        let start = Instant::now();
        while !self.is_over() {
            if start.elapsed() > LIMIT {
                self.kill_all();
                return Err(format!("it took longer than {} s", LIMIT.as_secs()));
            }
            sleep(Duration::from_millis(2));
        }
        let status = self.child.borrow_mut().wait().map_err(|error| error.to_string())?;
        let said = fs::read_to_string(&self.stderr).unwrap_or_default();
        if !status.success() {
            return Err(format!("{status}: {said}"));
        }
        let stdout = fs::read_to_string(&self.stdout).map_err(|error| error.to_string())?;
        let summary: serde_json::Value = serde_json::from_str(&stdout).map_err(|error| error.to_string())?;
        summary["executed"]
            .as_u64()
            .map(|executed| Summary { executed, said })
            .ok_or_else(|| format!("no count: {stdout}"))
    }

    fn kill_main(&self) {
        let _ = kill(Pid::from_raw(self.pid), Signal::SIGKILL);
    }

    /// Kills one of the processes that the build itself started: a worker, or the program if there is none yet.
    fn kill_worker(&self, random: &mut Random) {
        let processes = processes();
        let mut workers = processes.iter().filter(|process| process.parent == self.pid).map(|process| process.pid);
        let count = workers.clone().count() as u64;
        let victim = workers.nth(random.below(count) as usize).unwrap_or(self.pid);
        let _ = kill(Pid::from_raw(victim), Signal::SIGKILL);
    }

    /// Kills the program, its group and all that descends from it, until nothing is found.
    fn kill_all(&self) {
        let mut known = BTreeSet::from([self.pid]);
        for _ in 0..20 {
            let processes = processes();
            let before = known.len();
            loop {
                let size = known.len();
                let more = processes.iter().filter(|it| known.contains(&it.parent) || it.group == self.pid);
                known.extend(more.map(|it| it.pid).collect::<Vec<_>>());
                if known.len() == size {
                    break;
                }
            }
            let _ = killpg(Pid::from_raw(self.pid), Signal::SIGKILL);
            for pid in &known {
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
            if before == known.len() && !processes.iter().any(|it| known.contains(&it.pid) && it.state != 'Z') {
                break;
            }
        }
    }
}

/// A process of this machine.
struct Process {
    pid: i32,
    parent: i32,
    group: i32,
    state: char,
    name: String,
}

/// All processes.
fn processes() -> Vec<Process> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name stands in parentheses and may hold anything.
        let (Some(open), Some(close)) = (stat.find('('), stat.rfind(')')) else { continue };
        let mut fields = stat[close + 1..].split_whitespace();
        let state = fields.next().and_then(|text| text.chars().next()).unwrap_or('?');
        let mut number = || fields.next().and_then(|text| text.parse().ok()).unwrap_or(0);
        let (parent, group) = (number(), number());
        found.push(Process { pid, parent, group, state, name: stat[open + 1..close].to_owned() });
    }
    found
}

/// Processes of a build that are still there after a while: those of its group, and those that work in its folder.
fn lingering(workspace: &Path, group: i32) -> Vec<(i32, String)> {
    let start = Instant::now();
    loop {
        let mut left = Vec::new();
        for process in processes().into_iter().filter(|process| process.state != 'Z') {
            let folder = fs::read_link(format!("/proc/{}/cwd", process.pid));
            if process.group == group || folder.is_ok_and(|folder| folder.starts_with(workspace)) {
                left.push((process.pid, process.name));
            }
        }
        if left.is_empty() || start.elapsed() > LINGER {
            return left;
        }
        sleep(Duration::from_millis(5));
    }
}

/// Everything below the outputs but temporary folders: what it is, with its content.
fn outputs(workspace: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut open = vec![workspace.join("Out/Objects")];
    while let Some(folder) = open.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            let metadata = fs::symlink_metadata(&path)?;
            let what = if metadata.is_dir() {
                open.push(path.clone());
                continue;
            } else if metadata.is_symlink() {
                format!("link {}", fs::read_link(&path)?.display())
            } else {
                let mut hash = String::new();
                for byte in <sha2::Sha256 as sha2::Digest>::digest(fs::read(&path)?) {
                    let _ = write!(hash, "{byte:02x}");
                }
                format!("{hash}{}", if metadata.permissions().mode() & 0o100 == 0 { "" } else { " x" })
            };
            found.insert(path.strip_prefix(workspace).unwrap_or(&path).to_string_lossy().into_owned(), what);
        }
    }
    Ok(found)
}

fn differences(expected: &BTreeMap<String, String>, found: &BTreeMap<String, String>) -> Vec<String> {
    let paths: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let differs = paths.into_iter().filter(|path| expected.get(*path) != found.get(*path));
    differs.map(|path| format!("{path}: {:?} and not {:?}", found.get(path), expected.get(path))).collect()
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, text)
}

/// Writes one of the sets of inputs. Some inputs are the same in all sets, and producers then have nothing to do.
fn write_inputs(workspace: &Path, version: u64) -> io::Result<()> {
    for producer in 0..PRODUCERS {
        let text = match producer % 3 {
            0 => format!("input {producer}\n"),
            _ => format!("input {producer} of set {version}\n").repeat(1 + (version as usize + producer) % 4),
        };
        let path = workspace.join(format!("inputs/{producer}.txt"));
        if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
            write(&path, &text)?;
        }
    }
    Ok(())
}

/// The workspace, without inputs.
fn write_workspace(workspace: &Path) -> io::Result<()> {
    for (path, text) in support::files(include_str!("cases/kill_points.fixture")) {
        write(&workspace.join(path), &text.replace("PRODUCERS", &PRODUCERS.to_string()))?;
    }
    for foreign in FOREIGN {
        write(&workspace.join(foreign), FOREIGN_TEXT)?;
    }
    Ok(())
}
