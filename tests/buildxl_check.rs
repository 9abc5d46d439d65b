//! The public repository microsoft/BuildXL: every file of the language parses and survives printing, and `check` finds
//! no mistake in the repository, its SDK and its examples. Runs when `BUILDXL_SRC` names a checkout, and says that it was
//! skipped otherwise.

#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "tests read their data and say what they did")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use dscript::diagnostics::decode;
use dscript::source::Files;
use dscript::syntax::{ast_equal, parse, print};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

/// How the files of the language end, and how many of each the repository had when this was written.
const SCRIPTS: [(&str, usize); 5] = [(".dsc", 825), (".bxt", 16), (".bm", 3), (".bc", 2), (".dsc.literal", 4)];

/// Modules that only a built BuildXL has beside it: tools with their specs.
const DEPLOYED: [&str; 3] = ["Sdk.BlobDaemon", "Sdk.CloudTestClient", "Sdk.Drop"];

type Check = fn(&Path) -> Result<(), Failed>;

const CHECKS: [(&str, Check); 4] = [
    ("every file of the repository parses and survives printing", specs_parse),
    ("the whole repository has no mistakes", repository_is_clean),
    ("the SDK of the repository has no mistakes", sdk_is_clean),
    ("the examples have no mistakes", examples_are_clean),
];

fn main() -> ExitCode {
    let trials = match std::env::var_os("BUILDXL_SRC").map(PathBuf::from) {
        Some(root) => CHECKS
            .into_iter()
            .map(|(name, check)| {
                let root = root.clone();
                Trial::test(name, move || check(&root))
            })
            .collect(),
        None => {
            let name = "skipped: BUILDXL_SRC does not name a checkout of microsoft/BuildXL";
            vec![Trial::test(name, || Ok(())).with_ignored_flag(true)]
        }
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn specs_parse(root: &Path) -> Result<(), Failed> {
    let mut wrong = String::new();
    let mut counts = Vec::new();
    for (ending, known) in SCRIPTS {
        let found = support::files_below(root, ending);
        if found.len() < known {
            return Err(format!("only {} files end in {ending}", found.len()).into());
        }
        for path in &found {
            if let Err(error) = survives(path) {
                let _ = writeln!(wrong, "{}: {}", path.display(), error.message().unwrap_or_default());
            }
        }
        counts.push(format!("{} {ending}", found.len()));
    }
    if !wrong.is_empty() {
        return Err(wrong.into());
    }
    eprintln!("parsed, printed and parsed again: {}", counts.join(", "));
    Ok(())
}

/// A file parses without a diagnostic, and its printed tree parses to the same tree.
fn survives(path: &Path) -> Result<(), Failed> {
    let files = Files::new();
    let bytes = std::fs::read(path)?;
    let (id, wrong) = decode(path, bytes, &files);
    let (ast, found) = parse(id, files.get(id).text().clone());
    if let Some(first) = wrong.iter().chain(&found).next() {
        return Err(first.message.clone().into());
    }
    let printed = files.add("printed.dsc", print(&ast));
    let (again, found) = parse(printed, files.get(printed).text().clone());
    match found.first() {
        Some(first) => Err(format!("the printed text does not parse: {}", first.message).into()),
        None if !ast_equal(&ast, &again) => Err("the printed text has another tree".into()),
        None => Ok(()),
    }
}

/// What `check` says about a folder, one object for each diagnostic, and how many specs it read; with `bin/Sdk` instead of
/// the SDK that comes with the program.
fn check(folder: &Path, bin: Option<&Path>) -> Result<(Vec<Value>, usize), Failed> {
    let mut command = support::program(folder);
    command.args(["check", "--stats", "--max-errors", "100000", "--message-format", "json"]);
    // A name that the mounts of the repository's configuration read.
    command.env("USER", "somebody").env("COMSPEC", "/bin/sh");
    if let Some(bin) = bin {
        command.env("BUILDXL_BIN", bin).arg("--sdk").arg(bin.join("Sdk"));
    }
    let said = String::from_utf8(command.output()?.stderr)?;
    let mut found = Vec::new();
    let mut specs = None;
    for line in said.lines() {
        match line.strip_prefix("checked ").and_then(|rest| rest.split(' ').next()) {
            Some(count) => specs = count.replace(',', "").parse().ok(),
            None => found.push(serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?),
        }
    }
    Ok((found, specs.ok_or("nothing says how many specs were checked")?))
}

/// The diagnostics that are mistakes, as lines; those that `is_true` justifies are left out.
fn mistakes(found: &[Value], is_true: impl Fn(&str, &str) -> bool) -> Result<(), Failed> {
    let mut wrong = String::new();
    for one in found {
        let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
        if !is_true(&text("code"), &text("message")) {
            let _ = writeln!(wrong, "{}:{}: {} {}", text("file"), one["line"], text("code"), text("message"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.into()) }
}

/// A module that a resolver of another build system or of the network would bring, or such a resolver itself.
fn is_unsupported(code: &str, message: &str) -> bool {
    code == "DS0309" || code == "DX11230" && message.ends_with("which is not supported")
}

/// With the repository's own configuration, which builds it.
fn repository_is_clean(root: &Path) -> Result<(), Failed> {
    let (found, specs) = check(root, None)?;
    mistakes(&found, is_unsupported)?;
    if specs >= 500 { Ok(()) } else { Err(format!("only {specs} specs were checked").into()) }
}

/// All modules of the public SDK together, as a resolver of a workspace that builds all of them.
fn sdk_is_clean(root: &Path) -> Result<(), Failed> {
    let sdk = root.join("Public/Sdk/Public");
    let place = tempfile::tempdir()?;
    let config = format!(
        "config({{resolvers: [{{kind: \"DScript\", root: d`{}`, definesBuildExtent: true}}]}});",
        sdk.display()
    );
    std::fs::write(place.path().join("config.dsc"), config)?;
    let (found, specs) = check(place.path(), None)?;
    let modules = module_folders(&sdk)?;
    let is_here = |message: &str| modules.keys().any(|name| message.ends_with(&format!("`{name}`")));
    // Packages and tools that lie elsewhere are missing, and that is all.
    mistakes(&found, |code, message| {
        code == "DX11230" && message.starts_with("there is no module called") && !is_here(message)
    })?;
    if specs >= 75 { Ok(()) } else { Err(format!("only {specs} specs were checked").into()) }
}

/// The folders of the modules below a folder, by their names.
fn module_folders(sdk: &Path) -> Result<BTreeMap<String, PathBuf>, Failed> {
    let mut modules = BTreeMap::new();
    for file in support::files_below(sdk, ".config.dsc") {
        let text = std::fs::read_to_string(&file)?;
        let folder = file.parent().ok_or("a file has a folder")?;
        for rest in text.split("name:").skip(1) {
            let name = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
            modules.extend(name.map(|name| (name.to_owned(), folder.to_owned())));
        }
    }
    if modules.len() < 20 { Err("the SDK has few modules".into()) } else { Ok(modules) }
}

/// Every example that has a configuration, beside a copy of the SDK.
fn examples_are_clean(root: &Path) -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let bin = place.path().join("bin");
    let mut modules = module_folders(&root.join("Public/Sdk/Public"))?;
    // Natives are those of the prelude that comes with the program; the .NET modules lie in one another.
    modules.retain(|name, _| name != "Sdk.Prelude" && !name.starts_with("Sdk.Managed"));
    for (name, folder) in modules {
        support::copy_folder(&folder, &bin.join("Sdk").join(name))?;
    }
    let mut count = 0;
    let mut wrong = String::new();
    for config in support::files_below(&root.join("Examples"), "config.dsc") {
        if support::name_of(&config) != "config.dsc" {
            continue;
        }
        let from = config.parent().ok_or("a file has a folder")?;
        let shown = from.strip_prefix(root)?.display().to_string();
        let example = place.path().join(format!("example{count}"));
        support::copy_folder(from, &example)?;
        // Where an engine that runs has its own copy.
        support::copy_folder(&bin, &example.join("Out/Engine"))?;
        let (found, _) = check(&example, Some(&bin))?;
        let is_true = |code: &str, message: &str| {
            let deployed = DEPLOYED.iter().any(|name| message.contains(name)) && matches!(code, "DX9302" | "DX11230");
            // Fragments of graphs are named by whoever runs the second half of that example.
            let fragment = code == "DX9325" && shown.contains("BinaryGraphFragments");
            is_unsupported(code, message) || deployed || fragment
        };
        if let Err(error) = mistakes(&found, is_true) {
            let _ = write!(wrong, "{shown}\n{}", error.message().unwrap_or_default());
        }
        count += 1;
    }
    if !wrong.is_empty() {
        return Err(wrong.into());
    }
    if count >= 20 { Ok(()) } else { Err(format!("only {count} examples").into()) }
}
