use super::*;
use crate::diagnostics::Code;

#[test]
fn rules_are_sorted_and_unique() {
    assert!(RULES.windows(2).all(|pair| pair[0].code < pair[1].code));
}

#[test]
fn policies_are_known_by_name() {
    let (policies, unknown) = Policies::from_names(["NoGlob", "NoGlobs"]);
    assert!(policies.no_glob && !policies.no_transformers);
    assert_eq!(unknown, ["NoGlobs"]);
    let warning = unknown_policies(&unknown).expect("one name is unknown");
    assert_eq!(warning.code, Code::Dx(9103));
    assert_eq!(warning.help.as_deref(), Some("did you mean `NoGlob`?"));
    assert!(unknown_policies(&[]).is_none());
}

#[test]
fn every_rule_has_a_page() {
    for rule in RULES {
        assert!(crate::diagnostics::catalogue::explain(rule.code).is_some(), "{} has no page", rule.code);
    }
}

fn numbers(text: &str) -> Vec<Code> {
    let files = crate::source::Files::new();
    let id = files.add("a.dsc", text);
    let (ast, _) = crate::syntax::parse(id, files.get(id).text().clone());
    lint(&ast, FileKind::Spec, &Policies::default()).iter().map(|diagnostic| diagnostic.code).collect()
}

#[test]
fn long_chains_are_checked_without_recursion_and_reports_are_capped() {
    let chain = format!("const x = a{};", " / b".repeat(50_000));
    assert_eq!(numbers(&chain), vec![Code::Dx(9229); 1_000]);
}

#[test]
fn deep_nesting_is_checked() {
    let deep = format!("const x = {}null{};", "[".repeat(900), "]".repeat(900));
    assert_eq!(numbers(&deep), [Code::Dx(9033)]);
}

#[test]
fn what_error_recovery_leaves_does_not_panic() {
    for text in
        ["const a = ;", "import {", "f`${", "export", "const x: = 1 == ", "namespace A { const", "for (", "$ = \u{0}"]
    {
        numbers(text);
    }
}

#[test]
fn names_tell_the_kind() {
    let kinds = ["a.dsc", "module.config.dsc", "config.bc", "a.bp", "a.bl"].map(FileKind::of_name);
    let expected = [FileKind::Spec, FileKind::Module, FileKind::Config, FileKind::Project, FileKind::List];
    assert_eq!(kinds, expected);
}
