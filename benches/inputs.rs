//! What recording the inputs of an evaluation costs, and what asking whether they changed: `cargo bench --bench inputs`.
//!
//! Each row is one generated workspace. Evaluation with and without recording takes turns, so that both see the same state
//! of the machine; the ratios are of neighbours.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark prints its table and measures time")]

#[path = "generate.rs"]
mod generate;

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use dscript::workspace::{EvaluationInputs, OpenOptions, Workspace};
use generate::{Size, generate};

const RUNS: usize = 11;

fn main() {
    println!(
        "{:>6} {:>7} {:>10} {:>10} {:>6} {:>11} {:>11}",
        "specs", "threads", "plain", "recorded", "ratio", "unchanged", "all touched"
    );
    for (modules, threads) in [(10, 1), (10, 2), (100, 1), (100, 2), (1000, 1), (1000, 2)] {
        let size = Size { modules, specs: 10, pips: 10 };
        let folder = tempfile::tempdir().expect("a temporary folder");
        generate(folder.path(), size).expect("the workspace can be written");
        // What was written a moment ago is read again to be sure.
        std::thread::sleep(std::time::Duration::from_millis(200));
        let (mut plain, mut recorded, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        let (mut unchanged, mut touched) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            plain.push(evaluate(folder.path(), threads, false).0);
            let (seconds, inputs) = evaluate(folder.path(), threads, true);
            recorded.push(seconds);
            ratios.push(recorded[recorded.len() - 1] / plain[plain.len() - 1]);
            let mut inputs = inputs.expect("they were recorded");
            unchanged.push(check(&mut inputs, folder.path()));
            for state in inputs.read.files.values_mut() {
                if let dscript::source::system::FileState::Read { signature, .. } = state {
                    *signature = None;
                }
            }
            touched.push(check(&mut inputs, folder.path()));
        }
        println!(
            "{:>6} {threads:>7} {:>7.1} ms {:>7.1} ms {:>6.2} {:>8.2} ms {:>8.2} ms",
            size.modules * size.specs,
            median(&mut plain) * 1e3,
            median(&mut recorded) * 1e3,
            median(&mut ratios),
            median(&mut unchanged) * 1e3,
            median(&mut touched) * 1e3,
        );
    }
}

/// Seconds of opening and evaluating, and what was read.
fn evaluate(folder: &Path, threads: usize, record: bool) -> (f64, Option<EvaluationInputs>) {
    let start = Instant::now();
    let options = OpenOptions { threads: NonZeroUsize::new(threads), record_inputs: record, ..OpenOptions::default() };
    let workspace = Workspace::open(folder, options).expect("it is there");
    let evaluation = workspace.evaluate(&[]);
    let inputs = workspace.inputs();
    let seconds = start.elapsed().as_secs_f64();
    assert!(!evaluation.has_errors());
    (seconds, inputs)
}

fn check(inputs: &mut EvaluationInputs, folder: &Path) -> f64 {
    let start = Instant::now();
    inputs.unchanged(folder, &OpenOptions::default()).expect("nothing changed");
    start.elapsed().as_secs_f64()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
