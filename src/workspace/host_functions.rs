//! Functions that a host program gives to its specs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::FxHashMap;
use thiserror::Error;

use super::Workspace;
use super::loader::{Wanted, parse_text};
use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{HostFunction, Machine, Value};
use crate::paths::RelativePath;
use crate::program::SpecKind;

/// A value as host functions take and give it.
#[derive(Clone, Debug, PartialEq)]
pub enum HostValue {
    /// `undefined`
    Undefined,
    /// `true`, `false`
    Bool(bool),
    /// A number.
    Number(i32),
    /// A string.
    String(String),
    /// A `Path`, absolute.
    Path(PathBuf),
    /// A `File`: a source file when a host function gives it.
    File(PathBuf),
    /// A `Directory`.
    Directory(PathBuf),
    /// An array.
    Array(Vec<HostValue>),
    /// An object with its keys in order.
    Object(IndexMap<String, HostValue>),
}

/// Why a function cannot be registered.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum HostFunctionError {
    /// The name is not made of identifiers with dots between them.
    #[error("`{0}` is not a name; write `name` or `Namespace.name`")]
    IllegalName(String),
    /// A function of this name exists.
    #[error("there is a function `{0}` already")]
    Exists(String),
}

/// What a host program does when its function is called; the error is shown at the call.
type Behaviour = Arc<dyn Fn(&[HostValue]) -> Result<HostValue, String> + Send + Sync>;

/// The functions of a host program, by dotted name.
#[derive(Default)]
pub(super) struct HostFunctions {
    functions: BTreeMap<String, (usize, Behaviour)>,
}

impl Workspace {
    /// Gives a function of `arity` parameters to all specs, under a dotted name such as `Host.compute`. It must give
    /// the same result for the same arguments, and may be called from any thread. Arguments may be plain data only: no
    /// functions, no sealed directories, no results of pips but their files. An `Err` is shown at the call.
    ///
    /// ```
    /// use dscript::{HostValue, Workspace};
    ///
    /// let mut workspace = Workspace::from_memory([("build.dsc", "export const x = Host.double(21);")]);
    /// workspace.register("Host.double", 1, |arguments| match arguments {
    ///     [HostValue::Number(n)] => Ok(HostValue::Number(n * 2)),
    ///     _ => Err("a number is wanted".to_owned()),
    /// })?;
    /// assert!(workspace.evaluate(&[]).diagnostics.is_empty());
    /// # Ok::<(), dscript::HostFunctionError>(())
    /// ```
    ///
    /// # Errors
    /// When the name is not one, or is taken.
    pub fn register(
        &mut self,
        name: &str,
        arity: usize,
        function: impl Fn(&[HostValue]) -> Result<HostValue, String> + Send + Sync + 'static,
    ) -> Result<(), HostFunctionError> {
        let is_name = |part: &str| {
            let mut letters = part.chars();
            letters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
                && letters.all(|letter| letter.is_alphanumeric() || letter == '_')
        };
        if !name.split('.').all(is_name) {
            return Err(HostFunctionError::IllegalName(name.to_owned()));
        }
        if self.natives.functions.contains_key(name) || self.host_functions.functions.contains_key(name) {
            return Err(HostFunctionError::Exists(name.to_owned()));
        }
        self.host_functions.functions.insert(name.to_owned(), (arity, Arc::new(function)));
        let path = self.session.paths.child_named(self.prelude.folder, "<host>.dsc");
        let wanted = Wanted { prelude: true, ..Wanted::new(path, SpecKind::Spec) };
        let parsed = parse_text(&self.session, &wanted, self.host_functions.declarations());
        self.prelude.add(parsed);
        // What was resolved before does not know the function.
        self.resolved.take();
        Ok(())
    }
}

impl HostFunctions {
    /// Their declarations, as a spec of the prelude.
    fn declarations(&self) -> String {
        let mut text = String::new();
        for (name, (arity, _)) in &self.functions {
            let parameters: Vec<String> = (0..*arity).map(|index| format!("argument{index}: any")).collect();
            let parameters = parameters.join(", ");
            // Writing to a string cannot fail.
            let _ = match name.rsplit_once('.') {
                Some((namespace, name)) => writeln!(
                    text,
                    "export namespace {namespace} {{ export declare function {name}({parameters}): any; }}"
                ),
                None => writeln!(text, "export declare function {name}({parameters}): any;"),
            };
        }
        text
    }

    /// The functions as the evaluator wants them.
    pub fn table(&self) -> FxHashMap<String, HostFunction> {
        self.functions.iter().map(|(name, (_, function))| (name.clone(), wrap(function.clone()))).collect()
    }
}

fn wrap(function: Behaviour) -> HostFunction {
    Arc::new(move |machine, args| {
        let mut arguments = Vec::with_capacity(args.len());
        for (index, value) in args.values.iter().enumerate() {
            match to_host(machine, *value, 0) {
                Some(value) => arguments.push(value),
                None => return Err(machine.wrong_type(args, index, "plain data")),
            }
        }
        match function(&arguments).and_then(|result| from_host(machine, &result)) {
            Ok(result) => Ok(result),
            Err(message) => {
                let message = format!("`{}` failed: {message}", args.name);
                let diagnostic = Diagnostic::error(Code::Ds(401), message).at(args.site.location(), "");
                Err(machine.fail(diagnostic))
            }
        }
    })
}

/// Arguments nested deeper than this are refused.
const MAX_DEPTH: u32 = 100;

fn to_host(machine: &Machine<'_, '_>, value: Value<'_>, depth: u32) -> Option<HostValue> {
    if depth > MAX_DEPTH {
        return None;
    }
    let path = |path| PathBuf::from(machine.paths().display(path));
    Some(match value {
        Value::Undefined => HostValue::Undefined,
        Value::Bool(flag) => HostValue::Bool(flag),
        Value::Number(number) | Value::Enum(_, number) => HostValue::Number(number),
        Value::String(text) => HostValue::String(text.text.to_owned()),
        Value::Atom(atom) => HostValue::String(machine.symbols().text(atom).to_owned()),
        Value::Relative(path) => {
            HostValue::String(RelativePath::from_atoms(path.atoms.to_vec()).display(machine.symbols()))
        }
        Value::Path(at) => HostValue::Path(path(at)),
        Value::Directory(at) => HostValue::Directory(path(at)),
        Value::File(file) => HostValue::File(path(file.path)),
        Value::Array(array) => {
            let items = array.items.iter().map(|item| to_host(machine, *item, depth + 1));
            HostValue::Array(items.collect::<Option<_>>()?)
        }
        Value::Object(object) => {
            let field =
                |(key, value)| Some((machine.symbols().text(key).to_owned(), to_host(machine, value, depth + 1)?));
            HostValue::Object(object.entries().map(field).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn from_host<'h>(machine: &Machine<'_, 'h>, value: &HostValue) -> Result<Value<'h>, String> {
    let path = |path: &PathBuf| {
        let parsed = path.to_str().and_then(|text| machine.paths().parse_absolute(text).ok());
        parsed.ok_or_else(|| format!("it gave the path `{}`, which is not absolute", path.display()))
    };
    Ok(match value {
        HostValue::Undefined => Value::Undefined,
        HostValue::Bool(flag) => Value::Bool(*flag),
        HostValue::Number(number) => Value::Number(*number),
        HostValue::String(text) => machine.string(text),
        HostValue::Path(at) => Value::Path(path(at)?),
        HostValue::Directory(at) => Value::Directory(path(at)?),
        HostValue::File(at) => machine.source_file(path(at)?),
        HostValue::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| from_host(machine, item)).collect::<Result<_, _>>()?;
            machine.array(&items)
        }
        HostValue::Object(fields) => {
            let field = |(key, value)| Ok((String::as_str(key), from_host(machine, value)?));
            let fields: Vec<_> = fields.iter().map(field).collect::<Result<_, String>>()?;
            machine.object_of(&fields)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(function: impl Fn(&[HostValue]) -> Result<HostValue, String> + Send + Sync + 'static) -> Vec<String> {
        let mut workspace = Workspace::from_memory([("a.dsc", "export const a = Host.f(d`b`);")]);
        workspace.register("Host.f", 1, function).expect("the name is free");
        workspace.evaluate(&[]).diagnostics.into_iter().map(|found| found.message).collect()
    }

    #[test]
    fn what_goes_in_may_come_out() {
        assert_eq!(messages(|arguments| Ok(arguments[0].clone())), Vec::<String>::new());
    }

    #[test]
    fn failures_are_shown_at_the_call() {
        assert_eq!(messages(|_| Err("no luck".to_owned())), ["`Host.f` failed: no luck"]);
        let relative = messages(|_| Ok(HostValue::Array(vec![HostValue::File("a/b".into())])));
        assert_eq!(relative, ["`Host.f` failed: it gave the path `a/b`, which is not absolute"]);
    }

    #[test]
    fn names_are_checked() {
        let mut workspace = Workspace::from_memory([("a.dsc", "export const a = 1;")]);
        let mut register = |name: &str| workspace.register(name, 0, |_| Ok(HostValue::Undefined));
        assert!(matches!(register("Host..f"), Err(HostFunctionError::IllegalName(_))));
        assert_eq!(register("Host.f"), Ok(()));
        assert!(matches!(register("Host.f"), Err(HostFunctionError::Exists(_))));
        assert!(matches!(register("Math.div"), Err(HostFunctionError::Exists(_))));
    }
}
