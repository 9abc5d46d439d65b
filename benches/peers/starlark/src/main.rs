//! Runs the programs whose files are named on the command line; prints the milliseconds of the best of several runs of
//! each.

use std::time::Instant;

use starlark::environment::{Globals, Module};
use starlark::eval::Evaluator;
use starlark::syntax::{AstModule, Dialect};

const ROUNDS: usize = 3;

fn main() {
    for path in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&path).expect("a program");
        let best = (0..ROUNDS).map(|_| seconds(&path, &text)).fold(f64::INFINITY, f64::min);
        let name = std::path::Path::new(&path).file_stem().expect("a name").to_string_lossy();
        println!("{name} {}", best * 1e3);
    }
}

/// How long the program's function `run` takes; defining it does not count.
fn seconds(path: &str, text: &str) -> f64 {
    let ast = AstModule::parse(path, text.to_owned(), &Dialect::Standard).expect("the program parses");
    Module::with_temp_heap(|module| {
        let mut evaluator = Evaluator::new(&module);
        evaluator.eval_module(ast, &Globals::standard()).expect("the program is defined");
        let run = module.get("run").expect("a function `run`");
        let start = Instant::now();
        let result = evaluator.eval_function(run, &[], &[]).expect("the program runs");
        let seconds = start.elapsed().as_secs_f64();
        assert!(module.get("expected").expect("a result").equals(result).expect("two numbers"), "{path}: {result}");
        seconds
    })
}
