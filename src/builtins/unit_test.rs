//! What unit tests check with and how they change their world: behind `Assert` and `Testing` of module `Sdk.Testing`.
//! Outside of `dscript test` every call is refused (DS0704).

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Args, Eval, ExpectedMessage, Machine, NativeFn, Raised, TestWorld, Value, to_inline};
use crate::graph::Mount;

use super::support::{bool_arg, function_arg, optional_string};

/// Functions by dotted name.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = &[
    ("_PreludeAmbientHack_Assert.fail", fail),
    ("_PreludeAmbientHack_Assert.isTrue", is_true),
    ("_PreludeAmbientHack_Assert.isFalse", is_false),
    ("_PreludeAmbientHack_Assert.areEqual", are_equal),
    ("_PreludeAmbientHack_Assert.notEqual", not_equal),
    ("_PreludeAmbientHack_Testing.setBuildParameter", set_build_parameter),
    ("_PreludeAmbientHack_Testing.removeBuildParameter", remove_build_parameter),
    ("_PreludeAmbientHack_Testing.setMountPoint", set_mount_point),
    ("_PreludeAmbientHack_Testing.removeMountPoint", remove_mount_point),
    ("_PreludeAmbientHack_Testing.expectFailure", expect_failure),
    ("_PreludeAmbientHack_Testing.dontValidatePips", dont_validate_pips),
];

/// How much of a value a message shows, in characters.
const SHOWN: usize = 400;

/// The world of the running test.
fn world<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Result<&'h TestWorld, Raised> {
    match &m.host().test {
        Some(world) => Ok(world),
        None => {
            let message = format!("`{}` can only be called in a unit test", args.name);
            let diagnostic = Diagnostic::error(Code::Ds(704), message).at(m.call_outside_sdk(args.site.location()), "");
            Err(m.fail(
                diagnostic.help("mark the function that calls it with `@@Testing.unitTest()` and run `dscript test`"),
            ))
        }
    }
}

/// Stops the test: what does not hold, what its author says about it, and the values.
fn refuse<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    problem: &str,
    comment: Option<&str>,
    notes: &[String],
) -> Eval<'h> {
    let message = match comment.filter(|comment| !comment.is_empty()) {
        Some(comment) => format!("{problem}: {comment}"),
        None => problem.to_owned(),
    };
    let diagnostic = Diagnostic::error(Code::Ds(701), message).at(m.call_outside_sdk(args.site.location()), "");
    Err(m.fail(notes.iter().fold(diagnostic, |diagnostic, note| diagnostic.note(note.clone()))))
}

fn shown(m: &Machine<'_, '_>, value: Value<'_>) -> String {
    // Paths are shown relative to the folder of the spec, as they are written.
    let folder = m.paths().display(m.host().source_root);
    let text = to_inline(m.program(), value).replace(&format!("`{folder}/"), "`");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn fail<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    world(m, args)?;
    let comment = m.string_arg(args, 0)?;
    refuse(m, args, "the test failed", Some(comment), &[])
}

fn is_true<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    truth(m, args, true)
}

fn is_false<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    truth(m, args, false)
}

fn truth<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, expected: bool) -> Eval<'h> {
    world(m, args)?;
    let comment = optional_string(m, args, 1)?;
    if bool_arg(m, args, 0)? == expected {
        return Ok(Value::Undefined);
    }
    refuse(m, args, &format!("the condition is not {expected}"), comment, &[])
}

fn are_equal<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    world(m, args)?;
    let comment = optional_string(m, args, 2)?;
    let (left, right) = (args.get(0), args.get(1));
    if left.same(right) {
        return Ok(Value::Undefined);
    }
    let texts = [shown(m, left), shown(m, right)];
    let mut notes = vec![format!("the first is {}", texts[0]), format!("the second is {}", texts[1])];
    if texts[0] == texts[1] {
        notes.push(why_different(left, right).to_owned());
    }
    refuse(m, args, "the values are not equal", comment, &notes)
}

/// Why two values that look alike are not equal.
fn why_different(left: Value<'_>, right: Value<'_>) -> &'static str {
    match (left, right) {
        (Value::File(_), Value::File(_)) => "they are two versions of one file: one was written later than the other",
        _ => "arrays, objects, sets, maps and functions are equal only to themselves: compare their items",
    }
}

fn not_equal<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    world(m, args)?;
    let comment = optional_string(m, args, 2)?;
    let (left, right) = (args.get(0), args.get(1));
    if !left.same(right) {
        return Ok(Value::Undefined);
    }
    let note = format!("both are {}", shown(m, left));
    refuse(m, args, "the values are equal", comment, &[note])
}

fn set_build_parameter<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let world = world(m, args)?;
    let (name, value) = (m.string_arg(args, 0)?, m.string_arg(args, 1)?);
    world.set_variable(name, Some(value));
    Ok(Value::Undefined)
}

fn remove_build_parameter<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let world = world(m, args)?;
    world.set_variable(m.string_arg(args, 0)?, None);
    Ok(Value::Undefined)
}

fn set_mount_point<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let world = world(m, args)?;
    let Value::Object(mount) = args.get(0) else { return Err(m.wrong_type(args, 0, "an object")) };
    let symbols = m.symbols();
    let field = |name: &str| {
        let found = mount.entries().find(|(key, _)| symbols.text(*key) == name);
        found.map_or(Value::Undefined, |(_, value)| value)
    };
    let name = match field("name") {
        Value::Atom(name) => symbols.text(name),
        other => return Err(wrong_field(m, args, "name", "a path atom", other)),
    };
    let path = match field("path") {
        Value::Undefined => return Err(wrong_field(m, args, "path", "a path", Value::Undefined)),
        other => match other.as_path() {
            Some(path) => path,
            None => return Err(wrong_field(m, args, "path", "a path", other)),
        },
    };
    let mut rights = [("isReadable", false), ("isWritable", false), ("isScrubbable", false)];
    for (name, right) in &mut rights {
        *right = match field(name) {
            Value::Undefined => false,
            Value::Bool(set) => set,
            other => return Err(wrong_field(m, args, name, "true or false", other)),
        };
    }
    let [(_, readable), (_, writable), (_, scrubbable)] = rights;
    world.set_mount(Mount { name: name.into(), path, readable, writable, scrubbable, location: None });
    Ok(Value::Undefined)
}

fn wrong_field<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    name: &str,
    expected: &str,
    found: Value<'h>,
) -> Raised {
    let message = if found.is_undefined() {
        format!("the field `{name}` of the mount is missing: it must be {expected}")
    } else {
        format!("the field `{name}` of the mount must be {expected}, but it is {}", m.describe(found))
    };
    m.fail_at(args, 0, Code::Dx(9327), message)
}

fn remove_mount_point<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let world = world(m, args)?;
    world.remove_mount(m.string_arg(args, 0)?);
    Ok(Value::Undefined)
}

fn expect_failure<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    world(m, args)?;
    let function = function_arg(m, args, 0)?;
    let mut messages = Vec::new();
    for index in 1..args.len() {
        let message = expected_message(m, args, index)?;
        if message.text.is_empty() {
            return Err(m.fail_at(args, index, Code::Dx(9327), "the text that an error must hold is empty"));
        }
        messages.push(message);
    }
    m.expect_failure(function, messages, args.site)
}

/// A text, or `{code, content}`.
fn expected_message<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, index: usize) -> Result<ExpectedMessage, Raised> {
    const EXPECTED: &str = "a string or an object `{code, content}`";
    let symbols = m.symbols();
    match args.get(index) {
        Value::String(text) => Ok(ExpectedMessage { code: None, text: text.text.to_owned() }),
        Value::Object(object) => {
            let (mut code, mut content) = (None, None);
            for (key, value) in object.entries() {
                match (symbols.text(key), value) {
                    ("code", Value::Number(number)) => code = u32::try_from(number).ok(),
                    ("content", Value::String(text)) => content = Some(text.text),
                    _ => {}
                }
            }
            match (code, content) {
                (Some(code), Some(text)) => Ok(ExpectedMessage { code: Some(code), text: text.to_owned() }),
                _ => Err(m.wrong_type(args, index, EXPECTED)),
            }
        }
        _ => Err(m.wrong_type(args, index, EXPECTED)),
    }
}

fn dont_validate_pips<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    world(m, args)?.free_pips();
    Ok(Value::Undefined)
}
