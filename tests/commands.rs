//! The commands that pips carry really work: the pips of an example are carried out one after the other, as its graph
//! in JSON says, with the programs of this machine, and what comes out is looked at.
//!
//! Needs a Unix machine with `/bin/sh`; for `examples/c-program` and `tests/cases/commands/cc.dsc` also a compiler, and
//! says so when there is none. The examples of an engine's work (a sandbox, a cache) are no concern of this test.

#![allow(clippy::disallowed_methods, reason = "tests read their data and run programs")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::{fs, io};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

/// What must be on the machine, and an example with text that one of its outputs must hold.
struct Ran {
    needs: &'static [&'static str],
    example: &'static str,
    arguments: &'static [&'static str],
    /// The end of the path of an output, and a line of it.
    expected: &'static [(&'static str, &'static str)],
}

const SHELL: &[&str] = &["/bin/sh"];
const COMPILER: &[&str] = &["/usr/bin/cc", "/usr/bin/ar"];
const BOTH_COMPILERS: &[&str] = &["/bin/sh", "/usr/bin/cc", "/usr/bin/c++", "/usr/bin/ar"];

const RUNS: &[Ran] = &[
    Ran {
        needs: COMPILER,
        example: "examples/c-program",
        arguments: &["-q", "debug", "-q", "release"],
        expected: &[("report/report.txt", "   2 and"), ("report/report.txt", "17 words in all")],
    },
    Ran {
        needs: SHELL,
        example: "examples/codegen",
        arguments: &[],
        expected: &[("report/report.txt", "== en/hello.txt"), ("report/report.txt", "   hello = \"Bonjour\"")],
    },
    Ran { needs: SHELL, example: "examples/shared-opaque", arguments: &[], expected: &[] },
    Ran { needs: SHELL, example: "examples/monorepo", arguments: &[], expected: &[] },
    Ran {
        needs: SHELL,
        example: "tests/cases/commands/shell.dsc",
        arguments: &[],
        expected: &[
            ("it's 1.txt", "b"),
            ("quoted.txt", "it's \"$HOME\" `id` \\ * ~"),
            ("ten.txt", "a b j"),
            ("script.txt", "a $b"),
            ("listed.txt", "one"),
            ("stopped.txt", "stopped"),
            ("hello.txt", "[a  b c][d]"),
        ],
    },
    Ran {
        needs: BOTH_COMPILERS,
        example: "tests/cases/commands/cc.dsc",
        arguments: &[],
        expected: &[("said.txt", "engine 42 a \"b\" c, list of 3"), ("moved.txt", "engine 42 a \"b\" c, list of 3")],
    },
];

fn main() -> ExitCode {
    let trials = RUNS.iter().map(|ran| {
        let missing: Vec<_> = ran.needs.iter().filter(|program| !Path::new(program).exists()).collect();
        if missing.is_empty() {
            Trial::test(ran.example, move || run(ran))
        } else {
            let name = format!("{} (skipped: this machine has no {missing:?})", ran.example);
            Trial::test(name, || Ok(())).with_ignored_flag(true)
        }
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn run(ran: &Ran) -> Result<(), Failed> {
    let from = support::project().join(ran.example);
    let workspace = if from.is_dir() {
        let workspace = tempfile::tempdir()?;
        support::copy_folder(&from, workspace.path())?;
        workspace
    } else {
        support::workspace(&fs::read_to_string(from)?)?
    };
    let folder = workspace.path();
    let mut arguments = vec!["graph", support::target(folder), "--format", "json"];
    arguments.extend(ran.arguments);
    let output = support::program(folder).args(arguments).output()?;
    if !output.status.success() {
        return Err(String::from_utf8(output.stderr)?.into());
    }
    let graph: Value = serde_json::from_slice(&output.stdout)?;
    let made = carry_out(&graph, folder)?;
    for (end, line) in ran.expected {
        let texts = made.iter().filter(|path| path.ends_with(end)).map(|path| fs::read_to_string(folder.join(path)));
        let texts = texts.collect::<io::Result<Vec<_>>>()?;
        if !texts.iter().any(|text| text.lines().any(|found| found == *line)) {
            return Err(format!("no `{end}` has the line `{line}`:\n{}", texts.join("\n")).into());
        }
    }
    Ok(())
}

/// Does what the pips say, each after those it depends on. Gives the output files of all.
fn carry_out(graph: &Value, folder: &Path) -> Result<BTreeSet<String>, Failed> {
    let mut waiting: Vec<&Value> = items(graph, "pips");
    let mut done = BTreeSet::new();
    let mut made = BTreeSet::new();
    while !waiting.is_empty() {
        let is_ready = |pip: &&Value| texts(pip, "dependencies").iter().all(|id| done.contains(id));
        let (ready, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_ready);
        if ready.is_empty() {
            return Err("the pips depend on one another in a circle".into());
        }
        for pip in &ready {
            one(pip, folder)?;
            let outputs = texts(&pip["outputs"], "files");
            let optional = [texts(pip, "optionalOutputs"), texts(pip, "temporaryOutputs")].concat();
            for file in outputs.iter().filter(|file| !optional.contains(file)) {
                if !folder.join(file).is_file() {
                    return Err(format!("`{file}` was not made by {pip:#}").into());
                }
            }
            made.extend(outputs);
        }
        done.extend(ready.iter().map(|pip| text(pip, "id").to_owned()));
        waiting = rest;
    }
    Ok(made)
}

fn one(pip: &Value, folder: &Path) -> Result<(), Failed> {
    for output in texts(&pip["outputs"], "files") {
        if let Some(parent) = folder.join(output).parent() {
            fs::create_dir_all(parent)?;
        }
    }
    match text(pip, "kind") {
        "process" => process(pip, folder),
        "copyFile" => {
            fs::copy(folder.join(text(pip, "source")), folder.join(text(pip, "destination")))?;
            Ok(())
        }
        "writeFile" => Ok(fs::write(folder.join(text(pip, "destination")), text(pip, "contents"))?),
        "sealDirectory" => Ok(()),
        kind => Err(format!("nobody here knows how to carry out a pip of kind `{kind}`").into()),
    }
}

fn process(pip: &Value, folder: &Path) -> Result<(), Failed> {
    for directory in items(&pip["outputs"], "directories") {
        fs::create_dir_all(folder.join(text(directory, "path")))?;
    }
    let executable = text(pip, "executable");
    let executable = if executable.starts_with('/') { executable.into() } else { folder.join(executable) };
    let mut command = Command::new(executable);
    let arguments = |value: &Value, key: &str| texts(value, key).into_iter().map(|text| absolute(pip, text, folder));
    command.current_dir(folder.join(text(pip, "workingDirectory"))).env_clear().stdin(Stdio::null());
    command.args(arguments(pip, "arguments"));
    if let Some(response) = pip.get("responseFile") {
        if response.get("force").is_some() {
            return Err(format!("a forced response file cannot be carried out here: {pip:#}").into());
        }
        command.args(arguments(response, "contents"));
    }
    for (name, value) in pip["environment"].as_object().into_iter().flatten() {
        command.env(name, value.as_str().unwrap_or_default());
    }
    if let Some(directory) = pip["tempDirectory"].as_str() {
        fs::create_dir_all(folder.join(directory))?;
        command.env("TMPDIR", folder.join(directory));
    }
    if let Some(file) = pip["consoleInput"].as_str() {
        command.stdin(fs::File::open(folder.join(file))?);
    }
    let output = command.output().map_err(|error| format!("{error}: {pip:#}"))?;
    for (key, bytes) in [("consoleOutput", &output.stdout), ("consoleError", &output.stderr)] {
        if let Some(file) = pip[key].as_str() {
            fs::write(folder.join(file), bytes)?;
        }
    }
    let code = output.status.code().unwrap_or(-1);
    let fine = items(pip, "successExitCodes");
    if code == 0 || fine.iter().any(|fine| fine.as_i64() == Some(code.into())) {
        return reads_only_inputs(pip, &command, folder);
    }
    Err(format!("exit code {code}, with `{}`, of {pip:#}", String::from_utf8_lossy(&output.stderr)).into())
}

/// Of a compilation: what it reads below the workspace is among its inputs. The compiler itself says what it reads.
fn reads_only_inputs(pip: &Value, compiled: &Command, folder: &Path) -> Result<(), Failed> {
    let arguments: Vec<_> = compiled.get_args().collect();
    if !text(pip, "description").starts_with("Compile ") || !arguments.contains(&"-c".as_ref()) {
        return Ok(());
    }
    let mut asked = Command::new(compiled.get_program());
    asked.current_dir(compiled.get_current_dir().unwrap_or(folder)).env_clear().arg("-M");
    let mut is_target = false;
    for argument in arguments {
        // Not `-c`, and not `-o` with its target.
        if !is_target && argument != "-c" && argument != "-o" {
            asked.arg(argument);
        }
        is_target = argument == "-o";
    }
    let rule = String::from_utf8(asked.output()?.stdout)?;
    let read: Vec<&str> = rule.split_whitespace().filter(|word| *word != "\\").skip(1).collect();
    let inputs = &pip["inputs"];
    let files = texts(inputs, "files");
    let folders: Vec<_> =
        items(inputs, "directories").into_iter().map(|found| folder.join(text(found, "path"))).collect();
    let is_input = |path: &Path| {
        folders.iter().any(|folder| path.starts_with(folder)) || files.iter().any(|file| folder.join(file) == path)
    };
    let workspace = folder.canonicalize()?;
    let mut seen = 0;
    for path in read.into_iter().map(|word| folder.join(word)) {
        let path = workspace.join(path.canonicalize()?.strip_prefix(&workspace).unwrap_or(&path));
        seen += 1;
        if path.starts_with(&workspace) && !is_input(&folder.join(path.strip_prefix(&workspace)?)) {
            return Err(format!("`{}` is read but is no input of {pip:#}", path.display()).into());
        }
    }
    if seen == 0 { Err(format!("the compiler does not say what it reads: {rule}").into()) } else { Ok(()) }
}

/// The JSON shows paths relative to the workspace, a run has absolute ones: for arguments that are an input or output.
fn absolute(pip: &Value, argument: String, folder: &Path) -> String {
    let is_path = |list: &Value| {
        let directories = items(list, "directories");
        texts(list, "files").contains(&argument) || directories.iter().any(|found| text(found, "path") == argument)
    };
    let known = is_path(&pip["inputs"]) || is_path(&pip["outputs"]);
    if known { folder.join(argument).to_string_lossy().into_owned() } else { argument }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn items<'v>(value: &'v Value, key: &str) -> Vec<&'v Value> {
    value[key].as_array().into_iter().flatten().collect()
}

fn texts(value: &Value, key: &str) -> Vec<String> {
    items(value, key).into_iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
