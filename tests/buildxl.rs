//! The public repository microsoft/BuildXL: its examples evaluate unchanged against its own
//! `Sdk.Transformers`. Runs when `BUILDXL_SRC` names a checkout, and says that it was skipped otherwise.

#![allow(clippy::disallowed_methods, reason = "tests read their data")]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

/// An example: its folder, what it is evaluated with, and how many pips of which kind it makes.
struct Example {
    folder: &'static str,
    /// The folder of SDK modules, below the repository.
    sdk: &'static str,
    /// Whether what the specs import is in our own SDK too.
    in_own_sdk: bool,
    /// A configuration that stands for one that the example has not.
    config: Option<&'static str>,
    pips: &'static [(&'static str, usize)],
}

const TRANSFORMERS: &str = "Public/Sdk/Public/Transformers";

const fn example(folder: &'static str, pips: &'static [(&'static str, usize)]) -> Example {
    Example { folder, sdk: TRANSFORMERS, in_own_sdk: true, config: None, pips }
}

const EXAMPLES: &[Example] = &[
    example("HelloWorld", &[("process", 2)]),
    example("Walkthrough/HelloWorld", &[("process", 2), ("writeFile", 1), ("copyFile", 1)]),
    // One sealed source directory, and the exclusive opaque directories of two processes.
    example("Walkthrough/InputOutputDirectories", &[("process", 3), ("sealDirectory", 3)]),
    example("Walkthrough/SimpleSDK", &[("process", 3), ("sealDirectory", 2)]),
    example("BinaryGraphFragments/OriginalGraph", &[("process", 3), ("sealDirectory", 1)]),
    example("BinaryGraphFragments/GraphFragments", &[("process", 3), ("sealDirectory", 3)]),
    example("BinaryGraphFragments/GraphFragments/fragments/fragment1", &[("process", 1)]),
    // The other fragments read what no pip of theirs makes, which BuildXL allows only while it writes fragments. Here
    // the three are one workspace, so the outputs have makers.
    Example {
        config: Some(FRAGMENTS),
        ..example("BinaryGraphFragments/GraphFragments/fragments", &[("process", 3), ("sealDirectory", 1)])
    },
    // On macOS it makes more.
    example("DotNetCoreBuild", &[("process", 1), ("writeFile", 1), ("sealDirectory", 5)]),
    Example {
        sdk: "Public/Sdk/Public",
        in_own_sdk: false,
        ..example("WorkflowSdkHelloWorld", &[("process", 4), ("writeFile", 2), ("sealDirectory", 2)])
    },
];

const FRAGMENTS: &str = r#"config({
    frontEnd: { allowUnsafeAmbient: true },
    resolvers: [{
        kind: "DScript",
        modules: [
            { moduleName: "fragment1", projects: [f`fragment1/fragment1.dsc`] },
            { moduleName: "fragment2", projects: [f`fragment2/fragment2.dsc`] },
            { moduleName: "fragment3", projects: [f`fragment3/fragment3.dsc`] },
        ],
    }],
    mounts: [{ name: a`Out`, path: p`Out/Bin`, isReadable: true, isWritable: true, trackSourceFileChanges: true }],
});
"#;

/// Examples that need what is not there: each says so, with these codes and with this text, and with nothing else.
const REFUSED: &[(&str, &[&str], &str)] = &[
    (
        "NinjaHelloWorld",
        &["DS0309"],
        "resolvers of kind `Ninja` are not supported: the pips of its module `HelloWorld`",
    ),
    ("CMakeNinjaHelloWorld", &["DS0309"], "resolvers of kind `Ninja` are not supported"),
    ("MsBuildHelloWorld/HelloWorldCPP", &["DS0309"], "resolvers of kind `MsBuild` are not supported"),
    ("MsBuildHelloWorld/HelloWorldCS", &["DS0309"], "resolvers of kind `MsBuild` are not supported"),
    (
        "MsBuildHelloWorld/HelloWorldCSHybrid",
        &["DS0309", "DX11230"],
        "module `HelloWorldCS` comes from a resolver of kind `MsBuild`, which is not supported",
    ),
    // These look for modules beside BuildXL's own program as well, and are not part of the repository (DX9302).
    (
        "CloudTest",
        &["DS0309", "DX11230", "DX9302"],
        "module `test-build` comes from a resolver of kind `Lage`, which is not supported",
    ),
    (
        "CloudTest-1JS",
        &["DS0309", "DX11230", "DX9302"],
        "module `test-build` comes from a resolver of kind `Lage`, which is not supported",
    ),
    (
        "MsGuardian",
        &["DX11230"],
        "module `Microsoft.Guardian.Cli` comes from a resolver of kind `Nuget`, which is not supported",
    ),
    ("BinaryGraphFragments/ComposedGraph", &["DX14418"], "graph fragments cannot be read"),
    // Outputs without a maker; the configuration would have to allow them.
    ("BinaryGraphFragments/GraphFragments/fragments/fragment2", &["DX9355"], "`Unsafe.outputFile` is not allowed here"),
    (
        "BinaryGraphFragments/GraphFragments/fragments/fragment3",
        &["DX9355"],
        "`Unsafe.exOutputDirectory` is not allowed",
    ),
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
            for fixture in MODULE_FIXTURES {
                let from = root.clone();
                trials.push(Trial::test(format!("modules/{fixture}"), move || modules_agree(&from, fixture)));
            }
            for example in EXAMPLES {
                let from = root.clone();
                trials.push(Trial::test(example.folder, move || evaluates(&from, example)));
            }
            for (folder, codes, text) in REFUSED {
                let from = root.clone();
                let name = format!("{folder} (refused)");
                trials.push(Trial::test(name, move || says_what_is_missing(&from, folder, codes, text)));
            }
            let from = root.clone();
            trials.push(Trial::test("no example is left out", move || none_is_left_out(&from)));
        }
        None => {
            let name = "skipped: BUILDXL_SRC does not name a checkout of microsoft/BuildXL";
            trials.push(Trial::test(name, || Ok(())).with_ignored_flag(true));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
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

/// A copy of an example, which cannot be harmed, with `Sdk.Transformers` where some examples look for it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(root: &Path, example: &str) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        support::copy_folder(&root.join("Examples").join(example), &folder.path().join("example"))?;
        support::copy_folder(&root.join(TRANSFORMERS), &folder.path().join("bin/Sdk/Sdk.Transformers"))?;
        Ok(Self { folder })
    }

    fn workspace(&self) -> PathBuf {
        self.folder.path().join("example")
    }

    /// `dscript graph` with the variables that the examples ask for.
    fn graph(&self) -> Command {
        let mut command = support::program(&self.workspace());
        command.args(["graph", "--format", "json", "--message-format", "json"]);
        command.env("BUILDXL_BIN", self.folder.path().join("bin")).env("COMSPEC", "/bin/sh");
        command.env("ComSpec", "/bin/sh").env("SystemRoot", "/").env_remove("HELLOWORLD_OUT");
        command.env("OUTPUT_DIR", self.folder.path().join("out"));
        command.env("GRAPH_FRAGMENTS_LOCATION", self.folder.path().join("fragments"));
        command
    }
}

fn evaluates(root: &Path, example: &Example) -> Result<(), Failed> {
    let place = Place::new(root, example.folder)?;
    if let Some(config) = example.config {
        std::fs::write(place.workspace().join("config.dsc"), config)?;
    }
    let graph = |sdk: Option<&Path>| -> Result<Value, Failed> {
        let mut command = place.graph();
        if let Some(sdk) = sdk {
            command.arg("--sdk").arg(sdk);
        }
        let output = command.output()?;
        // Some examples write to the log.
        let said: Vec<Value> =
            messages(&output.stderr)?.into_iter().filter(|found| found["code"] != "DX7500").collect();
        if !output.status.success() || !said.is_empty() {
            return Err(format!("exit code {:?}:\n{said:#?}", output.status.code()).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    };
    let theirs = graph(Some(&root.join(example.sdk)))?;
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
    if !example.in_own_sdk || graph(None)? == theirs { Ok(()) } else { Err("our own SDK gives another graph".into()) }
}

/// Every folder with a configuration is evaluated or refused here, or evaluated by another test.
fn none_is_left_out(root: &Path) -> Result<(), Failed> {
    // `tests/services.rs`
    let elsewhere = ["BlobDaemon"];
    let examples = root.join("Examples");
    let configs = support::files_below(&examples, "config.dsc");
    let folders = configs.iter().filter(|path| path.ends_with("config.dsc")).filter_map(|path| path.parent());
    let known = |folder: &str| {
        EXAMPLES.iter().any(|example| example.folder == folder)
            || REFUSED.iter().any(|(refused, ..)| *refused == folder)
            || elsewhere.contains(&folder)
    };
    let names = folders.filter_map(|folder| folder.strip_prefix(&examples).ok()).map(|name| name.to_string_lossy());
    let missing: Vec<_> = names.filter(|name| !known(name)).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("nobody evaluates {missing:?}").into()) }
}

fn says_what_is_missing(root: &Path, folder: &str, codes: &[&str], text: &str) -> Result<(), Failed> {
    let place = Place::new(root, folder)?;
    let output = place.graph().arg("--sdk").arg(root.join("Public/Sdk/Public")).output()?;
    let said = messages(&output.stderr)?;
    let errors = said.iter().any(|found| found["severity"] == "error");
    if output.status.code() != Some(i32::from(errors)) {
        return Err(format!("exit code {:?}:\n{said:#?}", output.status.code()).into());
    }
    let found: BTreeSet<&str> = said.iter().filter_map(|found| found["code"].as_str()).collect();
    if found != codes.iter().copied().collect() {
        return Err(format!("other codes than {codes:?}:\n{said:#?}").into());
    }
    let is_said = said.iter().filter_map(|found| found["message"].as_str()).any(|message| message.contains(text));
    if is_said { Ok(()) } else { Err(format!("nothing says `{text}`:\n{said:#?}").into()) }
}

/// Diagnostics, one a line.
fn messages(stderr: &[u8]) -> Result<Vec<Value>, Failed> {
    let lines = std::str::from_utf8(stderr)?.lines();
    lines.map(|line| serde_json::from_str(line).map_err(|error| format!("{error}: {line}").into())).collect()
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
