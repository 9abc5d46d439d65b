//! The hidden namespace behind module `Sdk.Graph`: what a process depends on.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Args, Eval, Inputs, Machine, NativeFn, Raised, SealHandle, SealKind, Value};
use crate::graph::FileArtifact;

/// `getDirectDependencies` and `getDependencyClosure`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = &[
    ("_PreludeAmbientHack_Graph.getDirectDependencies", direct),
    ("_PreludeAmbientHack_Graph.getDependencyClosure", closure),
];

/// `getDirectDependencies(result, options?)`
fn direct<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let (inputs, mut found) = question(m, args)?;
    found.add(m, args, &inputs)?;
    Ok(m.array(&found.values))
}

/// `getDependencyClosure(result, options?)`: breadth first, so that what is near stands before what is far.
fn closure<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let (inputs, mut found) = question(m, args)?;
    // Inputs stand for their pip. The outputs of one pip share them.
    let mut seen = FxHashSet::from_iter([Arc::as_ptr(&inputs)]);
    let mut work = VecDeque::from([inputs]);
    while let Some(inputs) = work.pop_front() {
        found.add(m, args, &inputs)?;
        let files = inputs.files.iter().map(|file| m.inputs_of_file(*file));
        let directories = inputs.directories.iter().map(|directory| m.inputs_of_directory(*directory));
        let services = inputs.services.iter().map(|service| m.inputs_of_process(*service));
        for makers in files.chain(directories).chain(services).flatten() {
            if seen.insert(Arc::as_ptr(&makers)) {
                work.push_back(makers);
            }
        }
    }
    Ok(m.array(&found.values))
}

/// What has been found so far, in order.
struct Found<'h> {
    values: Vec<Value<'h>>,
    files: FxHashSet<FileArtifact>,
    directories: FxHashSet<SealHandle>,
    without_sources: bool,
}

impl<'h> Found<'h> {
    fn add(&mut self, m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, inputs: &Inputs) -> Result<(), Raised> {
        for file in &inputs.files {
            m.count_step(args.site.location())?;
            if !(self.without_sources && file.rewrite == 0) && self.files.insert(*file) {
                self.values.push(Value::File(*file));
            }
        }
        for seal in &inputs.directories {
            m.count_step(args.site.location())?;
            if self.directories.contains(seal) {
                continue;
            }
            let Some(directory) = m.directory_of(*seal) else { continue };
            let is_output = matches!(directory.kind, SealKind::SharedOpaque | SealKind::ExclusiveOpaque);
            if is_output || !self.without_sources {
                self.directories.insert(*seal);
                self.values.push(Value::StaticDirectory(directory));
            }
        }
        Ok(())
    }
}

/// The process that is asked about, and an empty answer.
fn question<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Result<(Arc<Inputs>, Found<'h>), Raised> {
    let inputs = match args.get(0) {
        Value::ExecuteResult(result) => m.inputs_of_process(result.pip),
        _ => None,
    };
    let Some(inputs) = inputs else {
        let found = m.describe(args.get(0));
        let message = format!("`{}` needs what `Transformer.execute` gives, but got {found}", args.name);
        let error = Diagnostic::error(Code::Dx(9357), message).at(args.site.argument(0), "");
        return Err(m.fail(error.help("pass the whole result, not one of its outputs")));
    };
    let without_sources = match args.get(1) {
        Value::Undefined => false,
        Value::Object(options) => match options.get(m.symbols().intern("excludeSources")) {
            None | Some(Value::Undefined) => false,
            Some(Value::Bool(flag)) => flag,
            Some(other) => {
                let message = format!("`excludeSources` must be a boolean, but it is {}", m.describe(other));
                return Err(m.fail_at(args, 1, Code::Dx(9327), message));
            }
        },
        _ => return Err(m.wrong_type(args, 1, "an object")),
    };
    let found =
        Found { values: Vec::new(), files: FxHashSet::default(), directories: FxHashSet::default(), without_sources };
    Ok((inputs, found))
}
