//! Whole workspaces, cold start to JSON: `cargo bench --bench workspace`.
//!
//! Prints medians of several runs of the release binary, one and two threads in turn so that both see the same state
//! of the machine, and the peak memory that the program reports of itself.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark prints its table and measures time")]

#[path = "generate.rs"]
mod generate;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use generate::{Size, generate};

const RUNS: usize = 7;

fn main() {
    println!(
        "{:>7} {:>7} {:>10} {:>10} {:>8} {:>12}",
        "specs", "pips", "1 thread", "2 threads", "ratio", "bytes a pip"
    );
    for size in [
        Size { modules: 10, specs: 10, pips: 10 },
        Size { modules: 100, specs: 10, pips: 10 },
        Size { modules: 200, specs: 10, pips: 10 },
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        generate(folder.path(), size).expect("the workspace can be written");
        let (mut one, mut two, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..RUNS {
            one.push(run(folder.path(), 1));
            two.push(run(folder.path(), 2));
            ratios.push(one[one.len() - 1] / two[two.len() - 1]);
        }
        let memory = peak_memory(folder.path());
        println!(
            "{:>7} {:>7} {:>7.0} ms {:>7.0} ms {:>8.2} {:>12.0}",
            size.modules * size.specs,
            size.processes(),
            median(&mut one) * 1e3,
            median(&mut two) * 1e3,
            median(&mut ratios),
            memory / size.processes() as f64,
        );
    }
    let hello = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/hello");
    let mut times: Vec<f64> = (0..21).map(|_| run(&hello, 2)).collect();
    println!("\nexamples/hello: {:.1} ms", median(&mut times) * 1e3);
}

fn command(folder: &Path, threads: usize) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dscript"));
    command.arg("graph").arg(folder).args(["--format", "json", "--threads", &threads.to_string()]);
    command
}

/// Seconds of one run.
fn run(folder: &Path, threads: usize) -> f64 {
    let start = Instant::now();
    let status = command(folder, threads).stdout(Stdio::null()).status().expect("dscript starts");
    assert!(status.success(), "dscript failed on {}", folder.display());
    start.elapsed().as_secs_f64()
}

/// Bytes of memory at the peak, as `--stats` reports them.
fn peak_memory(folder: &Path) -> f64 {
    let output = command(folder, 2).arg("--stats").stdout(Stdio::null()).output().expect("dscript starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line =
        text.lines().find_map(|line| line.split_once("peak memory: ").map(|(_, rest)| rest)).expect("a line on memory");
    let kilobytes: f64 =
        line.split_whitespace().next().and_then(|number| number.replace(',', "").parse().ok()).expect("a number");
    kilobytes * 1024.0
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
