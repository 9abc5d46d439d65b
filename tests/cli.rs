//! The command line as users meet it: the built program, its exit codes and its streams.
//!
//! Each file under `tests/cases/cli/` is one run: words about it, then sections that start with `===`:
//! `file NAME` (any number), `stdin`, `run` with the command line, then what is expected: `exit N`, `stdout`, `stderr`.
//! `UPDATE=1 cargo test --test cli` writes the expected sections anew.

#![allow(clippy::disallowed_methods, reason = "tests read their own cases")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};

const PROGRAM: &str = env!("CARGO_BIN_EXE_dscript");

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/cli");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).expect("the cases are there").filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let mut trials: Vec<Trial> = paths
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            Trial::test(name, move || run_case(&path))
        })
        .collect();
    trials.push(Trial::test("completions_for_every_shell", completions_for_every_shell));
    trials.push(Trial::test("a_reader_that_leaves_is_no_error", a_reader_that_leaves_is_no_error));
    trials.push(Trial::test("colour_follows_the_options", colour_follows_the_options));
    trials.push(Trial::test("json_messages_are_objects", json_messages_are_objects));
    trials.push(Trial::test("statistics_go_to_standard_error", statistics_go_to_standard_error));
    trials.push(Trial::test("standard_input_is_a_file", standard_input_is_a_file));
    trials.push(Trial::test("sarif_is_one_document", sarif_is_one_document));
    #[cfg(target_os = "linux")]
    {
        trials.push(Trial::test("a_full_disk_is_told", a_full_disk_is_told));
        trials.push(Trial::test("arguments_that_are_not_utf8", arguments_that_are_not_utf8));
        trials.push(Trial::test("files_that_may_not_be_read", files_that_may_not_be_read));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// The program in a folder, with nothing of the developer's environment that changes its output.
fn program(folder: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.current_dir(folder).stdin(Stdio::null());
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI", "RUST_BACKTRACE", "COLUMNS"] {
        command.env_remove(name);
    }
    command
}

fn run(folder: &Path, args: &[&str]) -> Result<Output, Failed> {
    Ok(program(folder).args(args).output()?)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn check(condition: bool, message: impl FnOnce() -> String) -> Result<(), Failed> {
    if condition { Ok(()) } else { Err(message().into()) }
}

/// One data file.
fn run_case(path: &Path) -> Result<(), Failed> {
    let text = fs::read_to_string(path)?;
    let folder = tempfile::tempdir()?;
    let mut kept = String::new();
    let mut words = None;
    let mut input = "";
    // Sections begin at the beginning of a line: specs hold `===` too.
    let mut sections: Vec<&str> = text.split_inclusive("\n=== ").collect();
    let count = sections.len();
    for section in &mut sections[..count - 1] {
        *section = section.strip_suffix("=== ").unwrap_or(section);
    }
    for section in sections {
        let (title, body) = section.split_once('\n').unwrap_or((section, ""));
        if let Some(name) = title.strip_prefix("file ") {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().ok_or("a file needs a name")?)?;
            fs::write(file, body)?;
        } else if title == "stdin" {
            input = body;
        } else if title == "run" {
            words = Some(split_words(body.trim()));
        }
        let expected = title.starts_with("exit ") || title == "stdout" || title == "stderr";
        if !expected {
            if !kept.is_empty() {
                kept.push_str("=== ");
            }
            kept.push_str(section);
        }
    }
    let words = words.ok_or("there is no `=== run` section")?;
    let [name, args @ ..] = words.as_slice() else { return Err("the command line is empty".into()) };
    check(name == "dscript", || "the command line starts with `dscript`".to_owned())?;
    let mut child = program(folder.path())
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // A program that does not read its input has closed it.
    let _ = child.stdin.take().ok_or("standard input is piped")?.write_all(input.as_bytes());
    let output = child.wait_with_output()?;

    let shown = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).replace(&*folder.path().to_string_lossy(), "$DIR");
        if text.is_empty() || text.ends_with('\n') { text } else { text + "\n" }
    };
    let code = output.status.code().map_or("signal".to_owned(), |code| code.to_string());
    let actual =
        format!("{kept}=== exit {code}\n=== stdout\n{}=== stderr\n{}", shown(&output.stdout), shown(&output.stderr));
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, &actual)?;
        return Ok(());
    }
    check(actual == text, || {
        let difference = similar::TextDiff::from_lines(&text, &actual);
        format!("not as expected:\n{}", difference.unified_diff().header("expected", "actual"))
    })
}

/// Splits at spaces; single and double quotes keep what is between them.
fn split_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = None;
    for character in line.chars() {
        match character {
            '\'' | '"' if quoted.is_none_or(|mark| mark == character) => {
                quoted = if quoted.is_none() { Some(character) } else { None };
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && quoted.is_none() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

fn completions_for_every_shell() -> Result<(), Failed> {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(Path::new("."), &["completions", shell])?;
        let script = String::from_utf8_lossy(&output.stdout).into_owned();
        check(output.status.success() && output.stderr.is_empty(), || format!("{shell}: {output:?}"))?;
        for word in ["graph", "explain", "message-format"] {
            check(script.contains(word), || format!("the script for {shell} does not know `{word}`"))?;
        }
    }
    Ok(())
}

/// A folder with one spec that has a mistake.
fn folder_with_mistake() -> Result<tempfile::TempDir, Failed> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("a.dsc"), "const x = ;\n")?;
    Ok(folder)
}

fn a_reader_that_leaves_is_no_error() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    // More than any pipe holds.
    let spec: String = (0..20_000).map(|n| format!("const value{n} = {n};\n")).collect();
    fs::write(folder.path().join("a.dsc"), spec)?;
    let mut child = program(folder.path())
        .args(["parse", "--format", "json", "a.dsc"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut start = [0; 10];
    child.stdout.take().ok_or("no pipe")?.read_exact(&mut start)?;
    let output = child.wait_with_output()?;
    check(output.stderr.is_empty(), || stderr(&output))?;
    check(output.status.code() == Some(0), || format!("{:?}", output.status))
}

fn colour_follows_the_options() -> Result<(), Failed> {
    let folder = folder_with_mistake()?;
    let coloured = |args: &[&str], no_color: bool| -> Result<bool, Failed> {
        let mut command = program(folder.path());
        if no_color {
            command.env("NO_COLOR", "1");
        }
        let output = command.arg("parse").args(args).arg("a.dsc").output()?;
        check(output.status.code() == Some(1), || stderr(&output))?;
        Ok(output.stderr.contains(&0x1b))
    };
    check(!coloured(&[], false)?, || "colour although standard error is no terminal".to_owned())?;
    check(coloured(&["--color", "always"], false)?, || "no colour although asked for".to_owned())?;
    check(coloured(&["--color", "always"], true)?, || "the option must win over NO_COLOR".to_owned())?;
    check(!coloured(&["--color=never"], false)?, || "colour although refused".to_owned())
}

fn json_messages_are_objects() -> Result<(), Failed> {
    let folder = folder_with_mistake()?;
    let output = run(folder.path(), &["parse", "--message-format", "json", "a.dsc"])?;
    check(output.status.code() == Some(1) && output.stdout.is_empty(), || format!("{output:?}"))?;
    let text = stderr(&output);
    check(!text.is_empty(), || "nothing was said".to_owned())?;
    for line in text.lines() {
        let object: serde_json::Value = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
        check(object["severity"] == "error" && object["file"] == "a.dsc" && object["line"] == 1, || line.to_owned())?;
        for key in ["code", "message", "column", "end_line", "end_column", "labels", "notes", "help", "trace"] {
            check(object.get(key).is_some(), || format!("`{key}` is missing: {line}"))?;
        }
    }
    Ok(())
}

fn statistics_go_to_standard_error() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("a.dsc"), "const x = 1;\n")?;
    let output = run(folder.path(), &["parse", "--stats", "a.dsc"])?;
    check(output.status.success() && output.stdout.is_empty(), || format!("{output:?}"))?;
    check(stderr(&output).starts_with("1 file, 13 bytes in "), || stderr(&output))
}

fn standard_input_is_a_file() -> Result<(), Failed> {
    let mut child = program(Path::new("."))
        .args(["parse", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().ok_or("no pipe")?.write_all(b"const x = ;")?;
    let output = child.wait_with_output()?;
    check(output.status.code() == Some(1) && stderr(&output).contains("[ -:1:11 ]"), || format!("{output:?}"))
}

fn sarif_is_one_document() -> Result<(), Failed> {
    let folder = folder_with_mistake()?;
    fs::write(folder.path().join("b.dsc"), "const y = ;\n")?;
    let output = run(folder.path(), &["parse", "--message-format", "sarif", "a.dsc", "b.dsc"])?;
    let document: serde_json::Value = serde_json::from_slice(&output.stderr).map_err(|error| error.to_string())?;
    check(document["version"] == "2.1.0", || document.to_string())?;
    let results = document["runs"][0]["results"].as_array().ok_or("no results")?;
    check(results.len() >= 2, || document.to_string())
}

#[cfg(target_os = "linux")]
fn a_full_disk_is_told() -> Result<(), Failed> {
    let full = File::options().write(true).open("/dev/full")?;
    let output = program(Path::new(".")).args(["completions", "bash"]).stdout(full).output()?;
    check(output.status.code() == Some(2), || format!("{output:?}"))?;
    check(stderr(&output).starts_with("dscript: error: cannot write to standard output: "), || stderr(&output))
}

#[cfg(target_os = "linux")]
fn arguments_that_are_not_utf8() -> Result<(), Failed> {
    use std::os::unix::ffi::OsStrExt;
    let odd = std::ffi::OsStr::from_bytes(b"a\xFF");
    let output = program(Path::new(".")).arg("explain").arg(odd).output()?;
    check(output.status.code() == Some(2) && stderr(&output).lines().count() == 1, || format!("{output:?}"))?;
    check(stderr(&output).contains("UTF-8"), || stderr(&output))?;
    // A path may be anything.
    let folder = tempfile::tempdir()?;
    File::create(folder.path().join(odd))?.write_all(b"const x = 1;\n")?;
    let output = program(folder.path()).arg("parse").arg(odd).output()?;
    check(output.status.success(), || format!("{output:?}"))
}

#[cfg(target_os = "linux")]
fn files_that_may_not_be_read() -> Result<(), Failed> {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a.dsc");
    fs::write(&path, "")?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000))?;
    if fs::read(&path).is_ok() {
        // The superuser may read everything.
        let _ = writeln!(std::io::stderr(), "skipped: this user may read every file");
        return Ok(());
    }
    let output = run(folder.path(), &["parse", "a.dsc"])?;
    check(output.status.code() == Some(2), || format!("{output:?}"))?;
    check(stderr(&output) == "dscript: error: cannot read `a.dsc`: permission denied\n", || stderr(&output))
}
