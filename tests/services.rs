//! Services of the public repository microsoft/BuildXL: the example `BlobDaemon` evaluates unchanged with the SDK of its
//! daemon, and the unit test of `ipcSend` makes the pips of its golden file. Runs when `BUILDXL_SRC` names a checkout,
//! and says that it was skipped otherwise.

#![allow(clippy::disallowed_methods, reason = "tests read their data")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use regex::Regex;
use serde_json::{Value, json};

fn main() -> ExitCode {
    let mut trials = Vec::new();
    match std::env::var_os("BUILDXL_SRC").map(PathBuf::from) {
        Some(root) => {
            let from = root.clone();
            trials.push(Trial::test("Examples/BlobDaemon", move || blob_daemon(&from)));
            trials.push(Trial::test("Transformers/Test.ipcSend", move || ipc_send(&root)));
        }
        None => {
            let name = "skipped: BUILDXL_SRC does not name a checkout of microsoft/BuildXL";
            trials.push(Trial::test(name, || Ok(())).with_ignored_flag(true));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The pips of a workspace, as the program prints them.
fn pips(workspace: &Path, sdk: Option<&Path>) -> Result<Vec<Value>, Failed> {
    let mut args = vec!["graph".into(), "--format".into(), "json".into()];
    args.extend(sdk.into_iter().flat_map(|sdk| [PathBuf::from("--sdk"), sdk.to_owned()]));
    let ran = support::run(workspace, &args)?.fine()?;
    let graph: Value = serde_json::from_str(&ran.stdout)?;
    Ok(graph["pips"].as_array().ok_or("there are no pips")?.clone())
}

fn equal(what: &str, found: &Value, expected: &Value) -> Result<(), Failed> {
    if found == expected { Ok(()) } else { Err(format!("{what} is {found}, expected {expected}").into()) }
}

/// The SDK of the daemon as a deployment has it: two specs of the repository, and two that are only made there.
fn blob_daemon(root: &Path) -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let workspace = place.path();
    support::copy_folder(&root.join("Examples/BlobDaemon"), workspace)?;
    // The example looks for it beside the engine.
    let sdk = workspace.join("Out/Engine/Sdk");
    support::copy_folder(&root.join("Public/Sdk/Public/Transformers"), &sdk.join("Sdk.Transformers"))?;
    let daemon = sdk.join("Sdk.BlobDaemon");
    fs::create_dir_all(&daemon)?;
    for spec in ["Tool.BlobDaemonRunner.dsc", "Tool.BlobDaemonInterfaces.dsc"] {
        fs::copy(root.join("Public/Src/Tools/BlobDaemon").join(spec), daemon.join(spec))?;
    }
    fs::write(daemon.join("module.config.dsc"), "module({name: \"Sdk.BlobDaemon\"});\n")?;
    fs::write(
        daemon.join("tool.dsc"),
        "import {Transformer} from \"Sdk.Transformers\";\n\
         @@public\n\
         export const tool: Transformer.ToolDefinition = {exe: f`../Daemon.Bin/BlobDaemon`};\n",
    )?;

    let pips = pips(workspace, None)?;
    let kinds: Vec<_> = pips.iter().map(|pip| pip["kind"].as_str().unwrap_or_default()).collect();
    equal("the list of kinds", &json!(kinds), &json!(["process", "process", "ipc", "process", "ipc"]))?;
    let [produce, stop, finalize, service, upload] = &pips[..] else { return Err("there are five pips".into()) };
    equal("the part of `stop`", &stop["service"]["kind"], &json!("shutdown"))?;
    equal("the part of `finalize`", &finalize["isServiceFinalization"], &json!(true))?;
    equal("the part of the daemon", &service["service"]["kind"], &json!("service"))?;
    equal("the tag", &service["service"]["trackableTag"], &json!("blob-daemon-pip"))?;
    equal("the end of the daemon", &service["service"]["shutdown"], &stop["id"])?;
    equal("the finalization", &service["service"]["finalization"], &json!([finalize["id"]]))?;
    equal("the channel", &service["service"]["moniker"], &upload["moniker"])?;
    equal("the service of the message", &upload["services"], &json!([service["id"]]))?;
    // The daemon fetches the file when it gets to it, but cannot before it is made.
    equal("what is uploaded", &upload["inputs"]["files"], &produce["outputs"]["files"])?;
    equal("what waits for all clients", &finalize["dependencies"], &json!([upload["id"]]))?;
    let lazily = upload["lazilyMaterializedFiles"].as_array().ok_or("nothing is fetched lazily")?;
    for file in [&service["outputs"]["files"][0], &produce["outputs"]["files"][0]] {
        if !lazily.contains(file) {
            return Err(format!("{file} is not fetched lazily: {lazily:?}").into());
        }
    }
    Ok(())
}

/// The one function of the unit test, called from a spec beside it.
fn ipc_send(root: &Path) -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let workspace = place.path().join("test");
    let sdk = root.join("Public/Sdk/Public");
    let tests = root.join("Public/Sdk/UnitTests/Transformers");
    fs::create_dir_all(&workspace)?;
    fs::copy(tests.join("Test.ipcSend.dsc"), workspace.join("test.dsc"))?;
    fs::write(workspace.join("main.dsc"), "@@public\nexport const main = Sdk.Tests.fullIpcSend();\n")?;
    fs::write(
        workspace.join("config.dsc"),
        "config({\n\
             modules: [{moduleName: \"TestPackage\", projects: [f`main.dsc`, f`test.dsc`]}],\n\
             mounts: [{name: a`out`, path: p`out`, isReadable: true, isWritable: true}],\n\
         });\n",
    )?;
    let sdks = place.path().join("sdk");
    for (from, to) in [("Transformers", "Transformers"), ("DScript/Testing", "Testing")] {
        support::copy_folder(&sdk.join(from), &sdks.join(to))?;
    }
    let golden = fs::read_to_string(tests.join("Test.ipcSend/fullIpcSend.lkg"))?;
    let expected: Vec<Value> = golden.split("\nTransformer.").skip(1).map(read_golden).collect();
    let found: Vec<Value> = pips(&workspace, Some(&sdks))?.iter().map(as_golden).collect();
    if expected.is_empty() {
        return Err("the golden file has no pips".into());
    }
    equal("the list of pips", &json!(found), &json!(expected))
}

/// What a golden file says of one pip.
fn read_golden(text: &str) -> Value {
    let paths = |field: &str| -> Vec<String> {
        let list = Regex::new(&format!(r"\b{field}: (\[[^\]]*\]|.`[^`]*`)")).expect("a field is a word");
        let list = list.captures(text).map_or("", |found| found.get(1).map_or("", |list| list.as_str()));
        let path = Regex::new(r"`\./([^`]*)`").expect("the pattern is fixed");
        path.captures_iter(list).map(|found| found[1].to_lowercase()).collect()
    };
    let word = |field: &str| -> Value {
        let value = Regex::new(&format!(r"\b{field}: (\w+)")).expect("a field is a word");
        value.captures(text).map_or(Value::Null, |found| serde_json::from_str(&found[1]).unwrap_or(Value::Null))
    };
    match text.split('(').next() {
        Some("ipcSend") => json!({
            "kind": "ipcSend",
            "retries": word("maxConnectRetries"),
            "delay": word("connectRetryDelayMillis"),
            "inputs": paths("fileDependencies"),
            "lazy": paths("lazilyMaterializedDependencies"),
            "outputs": paths("outputFile"),
            "finalization": word("isServiceFinalization"),
            "orchestrator": word("mustRunOnOrchestrator"),
        }),
        Some(kind @ ("execute" | "createService")) => json!({
            "kind": kind,
            "inputs": paths("dependencies"),
            "outputs": paths("implicitOutputs"),
            "folder": paths("workingDirectory"),
            "console": paths("consoleOutput"),
        }),
        kind => json!({"kind": kind, "root": paths("root"), "files": paths("files")}),
    }
}

/// The same of a pip of ours.
fn as_golden(pip: &Value) -> Value {
    let list = |value: &Value| -> Vec<Value> {
        value
            .as_array()
            .cloned()
            .unwrap_or_default()
            .into_iter()
            .chain(value.as_str().map(|text| json!(text)))
            .collect()
    };
    let folders = list(&pip["lazilyMaterializedDirectories"]).into_iter().map(|folder| folder["path"].clone());
    match pip["kind"].as_str() {
        Some("ipc") => json!({
            "kind": "ipcSend",
            "retries": pip["maxConnectRetries"],
            "delay": pip["connectRetryDelayMillis"],
            "inputs": list(&pip["inputs"]["files"]),
            "lazy": list(&pip["lazilyMaterializedFiles"]).into_iter().chain(folders).collect::<Vec<_>>(),
            "outputs": list(&pip["outputs"]["files"]),
            "finalization": pip["isServiceFinalization"] == true,
            "orchestrator": pip["mustRunOnOrchestrator"] == true,
        }),
        Some("process") => json!({
            "kind": if pip["service"]["kind"] == "service" { "createService" } else { "execute" },
            "inputs": list(&pip["inputs"]["files"]),
            "outputs": list(&pip["outputs"]["files"]),
            "folder": list(&pip["workingDirectory"]),
            "console": list(&pip["consoleOutput"]),
        }),
        kind => json!({"kind": kind, "root": list(&pip["root"]), "files": list(&pip["contents"])}),
    }
}
