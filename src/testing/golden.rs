//! Golden files: read, and compared with the pips of a test after what differs between machines is taken out.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use indexmap::IndexMap;
use regex::{Captures, Regex};

use super::dump::TEST_FOLDER;
use super::node::{Node, print};
use crate::source::Files;
use crate::syntax::ast::{Ast, Expr, ExprId, MemberKind, PropertyName, Stmt};
use crate::syntax::parse;

/// Where the golden file of a test lies: in a folder beside the spec that is called as the spec.
///
/// `Tests.dsc` and `Parsing.emptyLine` give `Tests/emptyLine.lkg`.
pub(super) fn path_of(spec: &Path, test: &str) -> PathBuf {
    let folder = spec.with_extension("");
    folder.join(format!("{test}.lkg"))
}

/// How a golden file and the pips of a test differ, as a unified diff; none when they are the same.
///
/// # Errors
/// When the golden file is not made of calls with literals.
pub(super) fn difference(golden: &str, pips: &[Node], ignore_case: bool) -> Result<Option<String>, String> {
    let expected = print(&normal(read(golden)?, ignore_case));
    // What was printed is read again, so that both sides went the same way.
    let actual = print(&normal(read(&print(pips))?, ignore_case));
    if expected == actual {
        return Ok(None);
    }
    let difference = similar::TextDiff::from_lines(&expected, &actual);
    Ok(Some(difference.unified_diff().header("golden", "pips").to_string()))
}

/// The statements of a golden file.
fn read(text: &str) -> Result<Vec<Node>, String> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let files = Files::new();
    let file = files.add("golden", text);
    let (ast, diagnostics) = parse(file, files.get(file).text().clone());
    if let Some(error) = diagnostics.iter().find(|one| one.is_error()) {
        let line = error.primary().map_or(1, |label| files.get(file).line_column(label.location.span.start).line);
        return Err(format!("line {line}: {}", error.message));
    }
    let place = |id: ExprId| files.get(file).line_column(ast.expr_span(id).start).line;
    let mut statements = Vec::new();
    for id in ast.list(ast.body) {
        let expr = match ast.stmt(*id) {
            Stmt::Expr(expr) if matches!(ast.expr(expr), Expr::Call { .. }) => expr,
            Stmt::Empty => continue,
            _ => {
                let line = files.get(file).line_column(ast.stmt_span(*id).start).line;
                return Err(format!("line {line}: {ODD}"));
            }
        };
        statements.push(node(&ast, expr).map_err(|odd| format!("line {}: {ODD}", place(odd)))?);
    }
    Ok(statements)
}

const ODD: &str = "only calls with literals can stand here";

/// An expression; an error names the part that is no literal.
fn node(ast: &Ast, id: ExprId) -> Result<Node, ExprId> {
    Ok(match ast.expr(id) {
        Expr::Array { items } => {
            Node::Array(ast.list(items).iter().map(|item| node(ast, *item)).collect::<Result<_, _>>()?)
        }
        Expr::Object { members } => {
            let mut fields = Vec::new();
            for member in ast.list(members) {
                let MemberKind::Property { key, value } = member.kind else { return Err(id) };
                let name = match key {
                    PropertyName::Ident(name) => name.span,
                    PropertyName::String(span) | PropertyName::Number(span) => span,
                    PropertyName::Computed(_) => return Err(id),
                };
                fields.push((ast.text_of(name).to_owned(), node(ast, value)?));
            }
            Node::Object(fields)
        }
        Expr::Call { callee, arguments, .. } => {
            let arguments = ast.list(arguments).iter().map(|argument| node(ast, *argument));
            Node::Call(ast.text_of(ast.expr_span(callee)).to_owned(), arguments.collect::<Result<_, _>>()?)
        }
        Expr::Name
        | Expr::True
        | Expr::False
        | Expr::Number
        | Expr::String
        | Expr::Template { .. }
        | Expr::Unary { .. } => Node::Plain(ast.text_of(ast.expr_span(id)).to_owned()),
        _ => return Err(id),
    })
}

/// Takes out what depends on the machine: separators in text, letter case of paths, digests in folder names, and the
/// folders of the system.
fn normal(mut statements: Vec<Node>, ignore_case: bool) -> Vec<Node> {
    let mut places = IndexMap::new();
    for statement in &mut statements {
        walk(statement, &mut |node| match node {
            Node::Plain(text) => *text = plain(text, ignore_case, &mut places),
            Node::Array(items) => items.retain(|item| *item != Node::Plain("undefined".to_owned()) && !is_tmpdir(item)),
            Node::Object(fields) => fields.retain_mut(|(name, value)| match value {
                Node::Array(items) if name.starts_with("untracked") => {
                    items.retain(|item| !is_of_host(item));
                    !items.is_empty()
                }
                Node::Object(fields) => name != "unsafe" || !fields.is_empty(),
                _ => true,
            }),
            Node::Call(..) => {}
        });
    }
    statements
}

/// Visits what is inside before what is around it.
fn walk(node: &mut Node, visit: &mut impl FnMut(&mut Node)) {
    match node {
        Node::Plain(_) => {}
        Node::Array(items) | Node::Call(_, items) => items.iter_mut().for_each(|item| walk(item, visit)),
        Node::Object(fields) => fields.iter_mut().for_each(|(_, value)| walk(value, visit)),
    }
    visit(node);
}

/// The unique folders of BuildXL (`k/w/` and 24 characters) and ours (the module, the value and eight digits), each
/// with the name that was asked for. BuildXL counts names that repeat, and calls all temporary folders `t`.
static UNIQUE: LazyLock<Regex> = LazyLock::new(|| {
    let pattern =
        r#"(`\.|\{testFolder\})/(obj_test|tmp_test)/(?:k/w/[0-9a-z]{24}|[^/`"]+/[^/`"]+-[0-9a-f]{8})/([^/`"\\; ]+)"#;
    Regex::new(pattern).expect("the pattern is sound")
});

/// The folder of a test on a machine that BuildXL's golden files were written on.
static RECORDED: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"[A-Za-z]:/(?:[^/"';= ]+/)*k/b/[0-9a-z]{24}/t(?:_[0-9]+)?/[^/"';= ]+/[^/"';= \\]+"#;
    Regex::new(pattern).expect("the pattern is sound")
});

fn plain(text: &str, ignore_case: bool, places: &mut IndexMap<String, usize>) -> String {
    let is_path = text.starts_with(['p', 'f', 'd']) && text[1..].starts_with('`');
    if !is_path {
        let text = text.replace(r"\\\\", "/").replace(r"\\", "/").replace(r"\r\n", r"\n");
        return unique(&RECORDED.replace_all(&text, TEST_FOLDER), places);
    }
    let text = unique(text, places);
    if ignore_case {
        return text.to_lowercase();
    }
    // The layout names these folders with capitals, tests usually do not: BuildXL's own files have them either way.
    let (tag, path) = text.split_at(2);
    let below = |path: &str, folder: &str| {
        let rest = path.strip_prefix(folder).filter(|rest| rest.starts_with(['/', '`']));
        rest.map(str::to_owned)
    };
    match (below(path, "./Out/Temp"), below(path, "./Out")) {
        (Some(rest), _) => format!("{tag}./out/temp{rest}"),
        (None, Some(rest)) => format!("{tag}./out{rest}"),
        (None, None) => text,
    }
}

/// Unique folders by numbers in the order in which they are named first.
fn unique(text: &str, places: &mut IndexMap<String, usize>) -> String {
    let replaced = UNIQUE.replace_all(text, |found: &Captures<'_>| {
        let next = places.len() + 1;
        let number = *places.entry(found[0][found[1].len()..].to_owned()).or_insert(next);
        let name = found[3].rsplit_once('_').filter(|(_, count)| count.bytes().all(|c| c.is_ascii_digit()));
        let name = if &found[2] == "tmp_test" { "t" } else { name.map_or(&found[3], |(name, _)| name) };
        format!("{}/{}/{number}/{name}", &found[1], &found[2])
    });
    replaced.into_owned()
}

/// Whether an item is the variable that only Unix has for temporary files.
fn is_tmpdir(item: &Node) -> bool {
    let name = ("name".to_owned(), Node::string("TMPDIR"));
    matches!(item, Node::Object(fields) if fields.first() == Some(&name))
}

/// Whether an untracked path is one of the system.
fn is_of_host(item: &Node) -> bool {
    let Node::Plain(text) = item else { return false };
    HOST.iter().any(|known| text.eq_ignore_ascii_case(known))
}

/// What `dependsOnWindowsDirectories`, `dependsOnAppDataDirectory` and `dependsOnCurrentHostOSDirectories` add to the
/// untracked paths and scopes of a process.
const HOST: [&str; 33] = [
    r"p`\${Context.getMount('Windows').path}`",
    r"p`\${Context.getMount('InternetCache').path}`",
    r"p`\${Context.getMount('InternetHistory').path}`",
    r"p`\${Context.getMount('ProgramFiles').path}/Windows Defender`",
    r"p`\${Context.getMount('ProgramFilesX86').path}/Windows Defender`",
    r"p`\${Context.getMount('ProgramData').path}/Microsoft/Windows Defender`",
    r"p`\${Context.getMount('AppData').path}`",
    r"p`\${Context.getMount('LocalAppData').path}`",
    "p`/etc/hosts`",
    "p`/etc/ld.so.cache`",
    "p`/etc/localtime`",
    "p`/etc/nsswitch.conf`",
    "p`/etc/passwd`",
    "p`/tmp`",
    "p`/bin`",
    "p`/dev`",
    "p`/etc`",
    "p`/lib`",
    "p`/lib64`",
    "p`/private`",
    "p`/proc`",
    "p`/run`",
    "p`/sbin`",
    "p`/sys`",
    "p`/usr/bin`",
    "p`/usr/include`",
    "p`/usr/lib`",
    "p`/usr/lib64`",
    "p`/usr/libexec`",
    "p`/usr/local`",
    "p`/usr/sbin`",
    "p`/usr/share`",
    "p`/usr`",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn same(golden: &str, pips: &str) -> bool {
        agree(golden, pips, false)
    }

    fn agree(golden: &str, pips: &str, ignore_case: bool) -> bool {
        let pips = read(pips).unwrap();
        difference(golden, &pips, ignore_case).unwrap().is_none()
    }

    #[test]
    fn layout_does_not_matter_and_content_does() {
        assert!(same("\r\n\r\nf({a: 1,\r\n  b: [2,\r\n 3,],});", "f({a: 1, b: [2, 3]});"));
        assert!(!same("f({a: 1});", "f({a: 2});"));
        assert!(!same("f({a: 1, b: 2});", "f({b: 2, a: 1});"));
        assert!(!same("f();", "f(); f();"));
        assert!(!same("f();", "g();"));
    }

    #[test]
    fn separators_and_case() {
        assert!(same(r#"f("a\\b\r\n");"#, r#"f("a/b\n");"#));
        assert!(same(r#"f("{'r': 'a\\\\b'}");"#, r#"f("{'r': 'a/b'}");"#));
        assert!(same("f(f`./Out/a`, d`./Out/Temp`, d`./Out`);", "f(f`./out/a`, d`./out/temp`, d`./out`);"));
        assert!(!same("f(f`./Outer/a`);", "f(f`./outer/a`);"));
        assert!(!same("f(p`./A`);", "f(p`./a`);"));
        assert!(agree("f(p`./A`);", "f(p`./a`);", true));
        assert!(!agree("f(\"A\");", "f(\"a\");", true));
    }

    #[test]
    fn unique_folders_are_the_same_where_they_were() {
        let golden =
            "f(p`./obj_test/k/w/6k5ykzrovlnle3hdbgx4lv7q/x/y`, p`./obj_test/k/w/6k5ykzrovlnle3hdbgx4lv7q/x_1`);";
        let ours = |first: &str, second: &str| format!("f(p`./obj_test/M/{first}/x/y`, p`./obj_test/M/{second}/x`);");
        assert!(same(golden, &ours("v-00000000", "v-00000001")));
        assert!(!same(golden, &ours("v-00000000", "v-00000000")));
        assert!(!same(golden, &ours("v-00000000", "v-00000001").replace("/x/y", "/z/y")));
        assert!(same("f(p`./tmp_test/k/w/6k5ykzrovlnle3hdbgx4lv7q/t`);", "f(p`./tmp_test/M/v-00000000/name`);"));
    }

    #[test]
    fn what_belongs_to_the_host() {
        let scopes = |items: &str| format!("f({{unsafe: {{untrackedScopes: [{items}]}}}});");
        let windows = r"p`\${Context.getMount('Windows').path}`, p`./a`";
        assert!(same(&scopes(windows), &scopes("p`/usr/bin`, p`./a`")));
        assert!(same(&scopes(r"p`\${Context.getMount('Windows').path}`"), "f({});"));
        assert!(!same(&scopes("p`./a`"), "f({});"));
        assert!(!same("f([p`/usr/bin`]);", "f([]);"));
        let variables = "f({environmentVariables: [{name: \"TMP\", value: 1}, {name: \"TMPDIR\", value: 1}]});";
        assert!(same(variables, "f({environmentVariables: [{name: \"TMP\", value: 1}]});"));
        assert!(same("f([a, undefined]);", "f([a]);"));
    }

    #[test]
    fn what_is_no_golden_file() {
        assert_eq!(read("f(;").unwrap_err().split(':').next(), Some("line 1"));
        assert_eq!(read("f(1);\nf(a + b);").unwrap_err(), "line 2: only calls with literals can stand here");
        assert_eq!(read("f(1);\nconst x = 1;").unwrap_err(), "line 2: only calls with literals can stand here");
    }
}
