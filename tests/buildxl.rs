//! The public repository microsoft/BuildXL: its specs parse, and its examples evaluate unchanged against its own
//! `Sdk.Transformers`. Runs when `BUILDXL_SRC` names a checkout, and says that it was skipped otherwise.

#![allow(clippy::disallowed_methods, reason = "tests read their data")]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

/// Of the 825 specs of the repository, how many must parse.
const PARSED: usize = 820;

/// An example: its folder, and how many pips of which kind it makes.
struct Example {
    folder: &'static str,
    pips: &'static [(&'static str, usize)],
}

const EXAMPLES: [Example; 4] = [
    Example { folder: "HelloWorld", pips: &[("process", 2)] },
    Example { folder: "Walkthrough/HelloWorld", pips: &[("process", 2), ("writeFile", 1), ("copyFile", 1)] },
    // One sealed source directory, and the exclusive opaque directories of two processes.
    Example { folder: "Walkthrough/InputOutputDirectories", pips: &[("process", 3), ("sealDirectory", 3)] },
    Example { folder: "Walkthrough/SimpleSDK", pips: &[("process", 3), ("sealDirectory", 2)] },
];

/// Workspaces of `tests/cases/workspace` that use modules which the repository has too.
const MODULE_FIXTURES: [&str; 3] = ["sdk-json", "sdk-xml", "sdk-others"];

/// The modules of the repository that they use, and what those need.
const MODULES: [&str; 7] = [
    "Json/module.config.dsc",
    "Xml/module.config.dsc",
    "Hashing/module.config.dsc",
    "ValueCache/module.config.dsc",
    "Graph/module.config.dsc",
    "Deployment/module.config.dsc",
    "Transformers/package.config.dsc",
];

fn main() -> ExitCode {
    let mut trials = Vec::new();
    match std::env::var_os("BUILDXL_SRC").map(PathBuf::from) {
        Some(root) => {
            let from = root.clone();
            trials.push(Trial::test("the specs of the repository parse", move || specs_parse(&from)));
            for fixture in MODULE_FIXTURES {
                let from = root.clone();
                trials.push(Trial::test(format!("modules/{fixture}"), move || modules_agree(&from, fixture)));
            }
            for example in EXAMPLES {
                let from = root.clone();
                trials.push(Trial::test(example.folder, move || evaluates(&from, &example)));
            }
        }
        None => {
            let name = "skipped: BUILDXL_SRC does not name a checkout of microsoft/BuildXL";
            trials.push(Trial::test(name, || Ok(())).with_ignored_flag(true));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn specs_parse(root: &Path) -> Result<(), Failed> {
    let specs = support::files_below(root, ".dsc");
    let output = support::program(root).args(["parse", "--message-format", "json"]).args(&specs).output()?;
    let mut wrong = BTreeSet::new();
    for line in String::from_utf8(output.stderr)?.lines() {
        let diagnostic: Value = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
        wrong.insert(diagnostic["file"].as_str().unwrap_or_default().to_owned());
    }
    let parsed = specs.len() - wrong.len();
    if parsed >= PARSED { Ok(()) } else { Err(format!("{parsed} of {} parse; not: {wrong:#?}", specs.len()).into()) }
}

/// The same specs give the same graph with the modules of the repository, unchanged, as with our own.
fn modules_agree(root: &Path, fixture: &str) -> Result<(), Failed> {
    let path = support::project().join("tests/cases/workspace").join(fixture).with_extension("fixture");
    let text = std::fs::read_to_string(path)?;
    let place = tempfile::tempdir()?;
    for (name, text) in text.split("\n//// ").skip(1).filter_map(|file| file.split_once('\n')) {
        // There is no library that computes key forms.
        if name != "key.dsc" {
            std::fs::write(place.path().join(name), text)?;
        }
    }
    let graph = |config: &str| -> Result<String, Failed> {
        std::fs::write(place.path().join("config.dsc"), config)?;
        let output = support::program(place.path()).args(["graph", "--format", "json"]).output()?;
        let said = String::from_utf8(output.stderr)?;
        if output.status.success() { Ok(String::from_utf8(output.stdout)?) } else { Err(said.into()) }
    };
    let folder = root.join("Public/Sdk/Public");
    let files = MODULES.map(|module| format!("f`{}`", folder.join(module).display())).join(", ");
    let theirs = graph(&format!("config({{resolvers: [{{kind: \"DScript\", modules: [{files}]}}]}});"))?;
    let ours = graph("config({});")?;
    if ours == theirs {
        return Ok(());
    }
    let difference = similar::TextDiff::from_lines(&theirs, &ours);
    Err(difference.unified_diff().header("theirs", "ours").to_string().into())
}

fn evaluates(root: &Path, example: &Example) -> Result<(), Failed> {
    let from = root.join("Examples").join(example.folder);
    let transformers = root.join("Public/Sdk/Public/Transformers");
    let place = tempfile::tempdir()?;
    // A copy of the repository cannot be written to by accident, and the SDK may lie where this example looks for it.
    let workspace = place.path().join("example");
    support::copy_folder(&from, &workspace)?;
    support::copy_folder(&transformers, &place.path().join("bin/Sdk/Sdk.Transformers"))?;

    let graph = |sdk: Option<&Path>| -> Result<Value, Failed> {
        let mut command = support::program(&workspace);
        command.args(["graph", "--format", "json"]);
        command.env("BUILDXL_BIN", place.path().join("bin")).env("COMSPEC", "/bin/sh");
        if let Some(sdk) = sdk {
            command.arg("--sdk").arg(sdk);
        }
        let output = command.output()?;
        let said = String::from_utf8(output.stderr)?;
        if !output.status.success() || !said.is_empty() {
            return Err(format!("exit code {:?}:\n{said}", output.status.code()).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    };
    let theirs = graph(Some(&transformers))?;
    let pips = theirs["pips"].as_array().ok_or("there are no pips")?;
    let mut total = 0;
    for (kind, count) in example.pips {
        let found = pips.iter().filter(|pip| pip["kind"] == *kind).count();
        if found != *count {
            return Err(format!("{found} pips of kind {kind}, expected {count}").into());
        }
        total += count;
    }
    if pips.len() != total {
        return Err(format!("{} pips, expected {total}", pips.len()).into());
    }
    if example.folder == "HelloWorld" {
        rewrites_in_order(pips)?;
    }
    // Our own SDK means the same by the same calls.
    if graph(None)? == theirs { Ok(()) } else { Err("our own SDK gives another graph".into()) }
}

/// The second process of the first example rewrites what the first one wrote.
fn rewrites_in_order(pips: &[Value]) -> Result<(), Failed> {
    let [hello, world] = pips else { return Err("there are two pips".into()) };
    let file = "Out/Bin/file.out";
    if hello["outputs"]["files"][0] == file
        && world["outputs"]["versions"][file] == 2
        && world["dependencies"][0] == hello["id"]
    {
        return Ok(());
    }
    Err(format!("not a rewrite of {file}:\n{hello:#}\n{world:#}").into())
}
