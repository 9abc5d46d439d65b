//! Every native is really called by the cases, and every native that refuses something is refused in one.
//!
//! The natives are replaced by one function that writes down who was called and how it ended, and then calls the
//! native itself by its name. So neither a list of natives nor a search for their names in texts is needed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{LazyLock, Mutex};

use dscript::builtins::natives;
use dscript::eval::{Args, Eval, Machine, Member, NativeFn, NativeTable};
use libtest_mimic::Failed;

/// What happened to a native so far.
#[derive(Clone, Copy, Default)]
pub struct Seen {
    /// It gave a value.
    pub fine: bool,
    /// It refused: because of its arguments, its receiver or the world.
    pub refused: bool,
}

/// The natives by the name under which they are called: `Context.getMount`, `Array.map`.
static REAL: LazyLock<BTreeMap<String, NativeFn>> = LazyLock::new(|| {
    let table = natives();
    let functions = table.functions.iter().map(|(name, function)| (shown(name).to_owned(), *function));
    let members = table.members.iter().flat_map(|(receiver, members)| {
        members.iter().map(|member| (format!("{}.{}", receiver.interface(), member.name), member.function))
    });
    functions.chain(members).collect()
});

/// Functions that never give a value.
const NEVER: &[&str] = &["Assert.fail", "Contract.fail", "KeyForm.getKeyForm", "Transformer.readPipGraphFragment"];

/// The name of a native in messages: without the prefix of the namespaces behind SDK modules.
pub fn shown(name: &str) -> &str {
    name.strip_prefix("_PreludeAmbientHack_").unwrap_or(name)
}

static SEEN: LazyLock<Mutex<BTreeMap<String, Seen>>> = LazyLock::new(Mutex::default);

fn spy<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let result = REAL[args.name](m, args);
    let mut all = SEEN.lock().unwrap();
    let seen = all.entry(args.name.to_owned()).or_default();
    match result {
        Ok(_) => seen.fine = true,
        Err(_) => seen.refused = true,
    }
    drop(all);
    result
}

/// The natives, each watched.
pub fn watched() -> NativeTable {
    let mut table = natives();
    #[expect(clippy::iter_over_hash_type, reason = "all get the same")]
    for function in table.functions.values_mut() {
        *function = spy;
    }
    for (_, members) in &mut table.members {
        let watched: Vec<Member> = members.iter().map(|member| Member { function: spy, ..*member }).collect();
        *members = watched.leak();
    }
    table
}

/// The names of all natives, sorted.
pub fn names() -> Vec<&'static str> {
    REAL.keys().map(String::as_str).collect()
}

/// Runs all cases and says which natives none of them calls, and which of `refusing` (those that can be made to refuse
/// something) none of them sees refusing.
pub fn check(cases: &[std::path::PathBuf], refusing: &[String]) -> Result<(), Failed> {
    let table = watched();
    for case in cases {
        // What else is wrong with a case is said by its own test.
        let _ = super::evaluate(&read(case), &table);
    }
    let seen = SEEN.lock().unwrap();
    let of = |name: &str| seen.get(name).copied().unwrap_or_default();
    let mut wrong = Vec::new();
    for name in names() {
        if !of(name).fine && !NEVER.contains(&name) {
            wrong.push(format!("no case shows what `{name}` gives"));
        }
    }
    for name in refusing.iter().filter(|name| !of(name).refused) {
        wrong.push(format!("no case shows how `{name}` fails"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}
