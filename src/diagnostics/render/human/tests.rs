//! What people see, without colour, kept as one text beside this file. `UPDATE=1 cargo test` writes it anew.

#![allow(clippy::disallowed_methods, reason = "tests read their own snapshot")]

use crate::diagnostics::render::{Charset, Renderer};
use crate::diagnostics::{Code, Diagnostic, Hidden, TraceFrame};
use crate::source::{FileId, Files, Location, Span};

/// The location of the first `needle` in a file.
fn find(files: &Files, file: FileId, needle: &str) -> Location {
    let start = files.get(file).text().find(needle).unwrap() as u32;
    Span::new(start, start + needle.len() as u32).in_file(file)
}

fn show(renderer: &Renderer, diagnostic: &Diagnostic, files: &Files) -> String {
    let mut out = Vec::new();
    renderer.render(std::slice::from_ref(diagnostic), files, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn error(message: &str) -> Diagnostic {
    Diagnostic::error(Code::Dx(9041), message)
}

/// One file, one label.
fn single(text: &str, needle: &str, label: &str) -> String {
    let files = Files::new();
    let file = files.add("/w/a.dsc", text);
    let renderer = Renderer { base: "/w".into(), ..Renderer::default() };
    show(&renderer, &error("`x` is wrong").at(find(&files, file, needle), label), &files)
}

fn at_offsets(text: &str, start: u32, end: u32) -> String {
    let files = Files::new();
    let file = files.add("a.dsc", text);
    show(&Renderer::default(), &error("`x` is wrong").at(Span::new(start, end).in_file(file), "here"), &files)
}

#[test]
fn rendering_matches_the_snapshot() {
    let mut shown = String::new();
    let mut case = |name: &str, text: String| {
        shown.push_str(&format!("=== {name}\n{text}"));
    };
    case("one label", single("const a = 1;\nconst x = y;\n", "y", "not found"));
    case("label without message", single("const x = y + z;\n", "y + z", ""));
    case("multi-byte characters", single("const é = \"日本\" + x;\n", "x", "this"));
    case("inside a character", at_offsets("é = 1;", 1, 1));
    case("tabs", single("\t\tconst x = y;\n", "y", "after two tabs"));
    case("windows line ends", single("const a = 1;\r\nconst x = y;\r\n", "y;", "here"));
    case("span over a windows line end", at_offsets("ab\r\ncd\r\n", 0, 4));
    case("empty file", at_offsets("", 0, 0));
    case("past the end", at_offsets("const x = 1;\n", 500, 600));
    case("end of file after a line break", at_offsets("const x = 1;\n", 13, 13));
    case("end of file without a line break", at_offsets("const x = 1", 11, 11));
    case("backwards span", at_offsets("const x = 1", 6, 2));
    case(
        "several lines",
        single("const x = {\n  a: 1,\n  b: 2,\n  c: 3,\n};\n", "{\n  a: 1,\n  b: 2,\n  c: 3,\n}", "all of it"),
    );
    case("control characters", single("const \u{1b}[31mx = \0\u{2028}y;\n", "y", "here"));
    let long =
        format!("const a = \"{}\"; const x = y; const b = \"{}\";\nconst c = 1;\n", "a".repeat(9000), "b".repeat(9000));
    case("long line", single(&long, "y", "here"));
    case("long span in a long line", single(&long, &"a".repeat(9000), "this text"));

    let files = Files::new();
    let a = files.add("/w/a.dsc", "const out = d`obj`;\nconst same = out;\n");
    let b = files.add("/w/lib/b.dsc", "// far\n\n\nexport const other = d`obj`;\nconst again = other;\n");
    let c = files.add("/elsewhere/c.dsc", "x");
    let renderer = Renderer { base: "/w".into(), ..Renderer::default() };
    let mut two = error("the directory `obj` is produced twice")
        .and_at(find(&files, b, "d`obj`"), "first produced here")
        .at(find(&files, a, "d`obj`"), "produced again here")
        .and_at(find(&files, a, "same"), "used here")
        .and_at(find(&files, c, "x"), "outside")
        .note("a file has one producer")
        .note("two\nlines")
        .help("give one of them\nanother name");
    case("two files, notes, help", show(&renderer, &two, &files));
    let ascii = Renderer { charset: Charset::Ascii, ..renderer.clone() };
    case("ascii", show(&ascii, &two, &files));
    two.labels.truncate(1);
    two.notes.clear();
    two.help = None;
    for n in 0..40 {
        two.trace.push(TraceFrame { value: format!("f{n}"), location: find(&files, b, "again") });
    }
    case("long call chain", show(&renderer, &two, &files));
    two.labels.clear();
    two.trace.truncate(1);
    case("no place", show(&renderer, &two.clone().note("n").help("h"), &files));

    let far = format!("{}const x = y;\n", "\n".repeat(300_000));
    case("far down", single(&far, "y", "here"));
    let output = "output:\n\x1b[01m\x1b[Ka.c:3:1:\x1b[m\x1b[K \x1b[31merror:\x1b[m no `;`\n\n\tint a\r\n 10%\r 20%\r100% done\n\
                  bell\x07, mark \u{202E}";
    case("output of a tool", show(&renderer, &error("`cc` failed").note(output).note("next"), &files));

    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/diagnostics/render/human/expected.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &shown).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap();
    assert_eq!(shown, expected);
}

#[test]
fn a_huge_line_stays_small() {
    let files = Files::new();
    let file = files.add("a.dsc", "x".repeat(50_000_000));
    let at = Span::new(25_000_000, 25_000_010).in_file(file);
    let text = show(&Renderer::default(), &error("wrong").at(at, "here"), &files);
    assert!(text.len() < 2000, "{}", text.len());
    assert!(text.contains("a.dsc:1:"), "{text}");
}

#[test]
fn every_span_of_a_difficult_text_renders() {
    let text = "é\t\r\nab\n\u{2028}x\r\n\n日本";
    let files = Files::new();
    let file = files.add("a.dsc", text);
    let other = files.add("b.dsc", format!("日本{text}"));
    for start in 0..=text.len() as u32 + 2 {
        for end in 0..=text.len() as u32 + 2 {
            let one = error("m")
                .at(Span::new(start, end).in_file(file), "l")
                .and_at(Span::new(end, start).in_file(file), "m")
                .and_at(Span::new(start, end).in_file(other), "o");
            let shown = show(&Renderer::default(), &one, &files);
            assert!(shown.contains("error[DX9041]: m"), "{shown}");
        }
    }
}

#[test]
fn colour_is_only_there_when_asked_for() {
    let files = Files::new();
    let file = files.add("a.dsc", "x");
    let one = error("m").at(Span::new(0, 1).in_file(file), "l").note("n");
    assert!(!show(&Renderer::default(), &one, &files).contains('\x1b'));
    assert!(show(&Renderer { color: true, ..Renderer::default() }, &one, &files).contains('\x1b'));
}

#[test]
fn the_summary_counts_what_is_hidden() {
    let sum = |all: &[Diagnostic], hidden| {
        let mut out = Vec::new();
        Renderer::default().summary(all, hidden, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let warning = Diagnostic::warning(Code::Ds(1), "w");
    assert_eq!(sum(&[], Hidden::default()), "");
    assert_eq!(sum(&[error("a"), error("b"), warning], Hidden::default()), "2 errors, 1 warning\n");
    assert_eq!(sum(&[error("a")], Hidden { errors: 4, warnings: 0 }), "5 errors (4 of them not shown)\n");
}
