//! How fast functions run, beside other interpreters: `cargo bench --bench evaluate`.
//!
//! Each program stands in `peers/` once for every language. A round runs all of them, ours and each peer's, one after
//! the other, so that they see the same state of the machine; of several runs in a row the best counts. Starting up,
//! parsing and resolving do not count. The table shows the median times of all rounds, and in brackets the median of
//! the rounds' ratios: how many times longer the peer takes than we do.
//!
//! Peers run when they are installed: `node`, and the program made by
//! `cargo build --release --manifest-path benches/peers/starlark/Cargo.toml`.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark prints its table and measures time")]

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use dscript::{OpenOptions, Workspace};

const PROGRAMS: [&str; 3] = ["calls", "records", "strings"];
const ROUNDS: usize = 7;
/// How often each program runs in a row.
const RUNS: usize = 3;

/// Another interpreter: its name, and the command that runs all programs and prints a line for each.
struct Peer {
    name: &'static str,
    command: Vec<String>,
}

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
    let workspaces = PROGRAMS.map(|name| open(&folder, name));
    let peers = peers(&folder);
    let mut ours = [const { Vec::new() }; PROGRAMS.len()];
    let mut theirs: Vec<_> = peers.iter().map(|_| [const { Vec::new() }; PROGRAMS.len()]).collect();
    for _ in 0..ROUNDS {
        for (times, workspace) in ours.iter_mut().zip(&workspaces) {
            times.push((0..RUNS).map(|_| evaluate(workspace)).fold(f64::INFINITY, f64::min));
        }
        for (times, peer) in theirs.iter_mut().zip(&peers) {
            for (times, time) in times.iter_mut().zip(run(peer)) {
                times.push(time);
            }
        }
    }
    print!("{:<10}{:>10}", "ms", "dscript");
    for peer in &peers {
        print!("{:>22}", peer.name);
    }
    println!();
    for (row, name) in PROGRAMS.iter().enumerate() {
        print!("{name:<10}{:>10.0}", median(ours[row].clone()));
        for times in &theirs {
            let ratios = times[row].iter().zip(&ours[row]).map(|(theirs, ours)| theirs / ours);
            print!("{:>22}", format!("{:.0} ({:.2})", median(times[row].clone()), median(ratios.collect())));
        }
        println!();
    }
}

/// The program as a workspace, read and resolved.
fn open(folder: &Path, name: &str) -> Workspace {
    let text = std::fs::read_to_string(folder.join(format!("{name}.dsc"))).expect("a program");
    let config = "config({frontEnd: {maxLoopIterations: 20000000}});\n";
    let options = OpenOptions { threads: NonZeroUsize::new(1), ..OpenOptions::default() };
    let files = [("config.dsc", config), ("module.config.dsc", "module({name: \"Bench\"});\n"), ("program.dsc", &text)];
    let workspace = Workspace::from_memory_with(files, options);
    assert!(workspace.check().is_empty(), "{name}: {:?}", workspace.check());
    workspace
}

/// Milliseconds that evaluating the program takes.
fn evaluate(workspace: &Workspace) -> f64 {
    let start = Instant::now();
    let evaluation = workspace.evaluate(&[]);
    let seconds = start.elapsed().as_secs_f64();
    assert!(evaluation.diagnostics.is_empty(), "{:?}", evaluation.diagnostics);
    seconds * 1e3
}

/// The peers that are installed.
fn peers(folder: &Path) -> Vec<Peer> {
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let driver = text(folder.join("driver.js"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| folder.join("starlark/target"), PathBuf::from);
    let node = |flags: &[&str]| {
        let words = ["node"].iter().chain(flags).copied().chain([&*driver]).chain(PROGRAMS);
        words.map(str::to_owned).collect()
    };
    let files = PROGRAMS.iter().map(|name| text(folder.join(format!("{name}.star"))));
    let starlark = std::iter::once(text(target.join("release/starlark-peer"))).chain(files).collect();
    let mut all = vec![
        Peer { name: "starlark-rust", command: starlark },
        Peer { name: "node --jitless", command: node(&["--jitless", "--no-warnings"]) },
        Peer { name: "node", command: node(&[]) },
    ];
    all.retain(|peer| {
        let there = Command::new(&peer.command[0]).output().is_ok();
        if !there {
            println!("{} is not installed", peer.name);
        }
        there
    });
    all
}

/// The milliseconds that a peer's programs take.
fn run(peer: &Peer) -> Vec<f64> {
    let output = Command::new(&peer.command[0]).args(&peer.command[1..]).output().expect("the peer starts");
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let times = PROGRAMS.map(|name| {
        let line = said.lines().find_map(|line| line.strip_prefix(name)).map(|time| time.trim().parse());
        line.and_then(Result::ok).unwrap_or_else(|| panic!("{} gave no time for `{name}`: {wrong}", peer.name))
    });
    times.to_vec()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
