//! The namespace `Debug`: messages for whoever writes the spec.

use crate::diagnostics::{Code, Diagnostic, Severity};
use crate::eval::{Args, Eval, Machine, NativeFn, Object, Raised, Value, to_display};
use crate::paths::{PathId, RelativePath};

use super::support::{optional_string, relative_error};

/// Functions of the namespace `Debug`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = &[
    ("Debug.writeLine", write_line),
    ("Debug.dumpArgs", dump_args),
    ("Debug.dumpData", dump_data),
    ("Debug.dumpCallStack", dump_call_stack),
    ("Debug.expandPaths", expand_paths),
    ("Debug.launch", launch),
    ("Debug.sleep", sleep),
];

/// How much stack one level of nested data may need, and how much is added when that is not there.
const STACK_NEEDED: usize = 64 * 1024;
const STACK_ADDED: usize = 1024 * 1024;

fn info(code: Code, message: String) -> Diagnostic {
    let mut diagnostic = Diagnostic::warning(code, message);
    diagnostic.severity = Severity::Info;
    diagnostic
}

fn write_line<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let message: String = args.values.iter().map(|value| to_display(m, *value)).collect();
    m.report(info(Code::Dx(7500), message).at(args.site.location(), ""));
    Ok(Value::Undefined)
}

fn dump_call_stack<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let message = optional_string(m, args, 0)?.unwrap_or("call stack");
    let mut stack = info(Code::Dx(9323), message.to_owned()).at(args.site.location(), "");
    stack.trace = m.call_stack();
    m.report(stack);
    Ok(Value::Undefined)
}

/// There is no debugger to start.
fn launch<'h>(_: &mut Machine<'_, 'h>, _: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Undefined)
}

/// An evaluation does not depend on time, so nothing waits.
fn sleep<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    m.number_arg(args, 0)?;
    Ok(Value::Undefined)
}

fn field<'h>(m: &Machine<'_, 'h>, object: &Object<'h>, name: &str) -> Value<'h> {
    m.symbols().lookup(name).and_then(|key| object.get(key)).unwrap_or(Value::Undefined)
}

/// A scalar or path-like value as it stands in a written file; none for everything else.
fn plain<'h>(m: &Machine<'_, 'h>, value: Value<'h>) -> Option<String> {
    match value {
        Value::String(text) => Some(text.text.to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Atom(atom) => Some(m.symbols().text(atom).to_owned()),
        Value::Relative(relative) => Some(RelativePath::from_atoms(relative.atoms.to_vec()).native(m.paths())),
        _ => value.as_path().map(|path| m.paths().native(path)),
    }
}

fn dump_data<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let mut out = String::new();
    push_data(m, args, args.get(0), &mut out)?;
    Ok(m.string(&out))
}

/// Data is a scalar, a path, or `{separator, contents}` with data as contents.
fn push_data<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    data: Value<'h>,
    out: &mut String,
) -> Result<(), Raised> {
    // Parts may be shared, so a small value can have an endless text.
    m.count_step(args.site.location())?;
    m.room(out.len(), args.site.location())?;
    if let Some(text) = plain(m, data) {
        out.push_str(&text);
        return Ok(());
    }
    let Value::Object(object) = data else { return Err(no_data(m, args, data)) };
    let separator = match field(m, object, "separator") {
        Value::Undefined => String::new(),
        separator => match plain(m, separator) {
            Some(separator) => separator,
            None => return Err(no_data(m, args, separator)),
        },
    };
    let contents = field(m, object, "contents");
    let Some(contents) = contents.as_array() else { return Err(no_data(m, args, contents)) };
    for (index, item) in contents.iter().enumerate() {
        if index > 0 {
            out.push_str(&separator);
        }
        stacker::maybe_grow(STACK_NEEDED, STACK_ADDED, || push_data(m, args, *item, out))?;
    }
    Ok(())
}

fn no_data<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, found: Value<'h>) -> Raised {
    let found = m.describe(found);
    let message = format!("`{}` takes text, numbers, paths or `{{separator, contents}}`, but got {found}", args.name);
    m.fail_at(args, 0, Code::Dx(9325), message)
}

/// The arguments of a command line, separated by blanks, without quoting.
fn dump_args<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let arguments = m.array_arg(args, 0)?;
    let mut words = Vec::new();
    for argument in arguments {
        let Value::Object(argument) = argument else {
            // `Cmd` gives undefined for options that do not apply.
            continue;
        };
        let name = plain(m, field(m, argument, "name")).unwrap_or_default();
        let value = field(m, argument, "value");
        match value {
            Value::Undefined => words.push(name),
            _ => {
                for word in argument_words(m, args, value)? {
                    words.push(format!("{name}{word}"));
                }
            }
        }
    }
    words.retain(|word| !word.is_empty());
    Ok(m.string(&words.join(" ")))
}

/// The words that one value of an argument becomes.
fn argument_words<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, value: Value<'h>) -> Result<Vec<String>, Raised> {
    m.count_step(args.site.location())?;
    if let Some(text) = plain(m, value) {
        return Ok(vec![text]);
    }
    stacker::maybe_grow(STACK_NEEDED, STACK_ADDED, || match value {
        Value::Undefined => Ok(Vec::new()),
        Value::Array(array) => {
            let mut words = Vec::new();
            for item in array.items {
                words.extend(argument_words(m, args, *item)?);
            }
            Ok(words)
        }
        Value::Object(object) => {
            let (path, values) = (field(m, object, "path"), field(m, object, "values"));
            if !path.is_undefined() {
                return argument_words(m, args, path);
            }
            if values.is_undefined() {
                let value = field(m, object, "value");
                // `ArgumentKind.flag`: the name of the argument stands alone.
                if value.is_undefined() && matches!(field(m, object, "kind"), Value::Enum(_, 3)) {
                    return Ok(vec![String::new()]);
                }
                return argument_words(m, args, value);
            }
            let separator = plain(m, field(m, object, "separator")).unwrap_or_default();
            Ok(vec![argument_words(m, args, values)?.join(&separator)])
        }
        other => Err(no_data(m, args, other)),
    })
}

/// Replaces `{relative/path}` by the absolute path, seen from the folder of the spec.
fn expand_paths<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let text = m.string_arg(args, 0)?;
    let program = m.program();
    let spec = m.current_value().map(|(decl, _)| program.specs[program.decls[decl.index()].spec.index()].path);
    let folder = spec.and_then(|spec| m.paths().parent(spec)).unwrap_or(PathId::ROOT);
    let mut out = String::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        // The innermost pair counts: a text may hold braces that mean nothing.
        let Some(close) = rest[open..].find('}').map(|at| open + at) else { break };
        let open = rest[..close].rfind('{').unwrap_or(open);
        out.push_str(&rest[..open]);
        let inner = &rest[open + 1..close];
        if inner.is_empty() {
            out.push_str("{}");
        } else {
            match RelativePath::parse(inner, m.symbols()) {
                Ok(relative) => out.push_str(&m.paths().native(m.paths().join(folder, &relative))),
                Err(error) => return Err(relative_error(m, args, 0, &error)),
            }
        }
        rest = &rest[close + 1..];
    }
    out.push_str(rest);
    Ok(m.string(&out))
}
