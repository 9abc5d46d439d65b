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
