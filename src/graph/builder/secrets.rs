//! Does a text look like a secret? Only shapes that are hardly ever anything else.

/// What a text looks like, in words; none for ordinary text.
pub(super) fn looks_like(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let after = |prefix: &str, least: usize, allowed: fn(char) -> bool| {
        text.strip_prefix(prefix).is_some_and(|rest| rest.len() >= least && rest.chars().all(allowed))
    };
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.contains("PRIVATE KEY-----") {
        return Some("a private key");
    }
    if ["ghp_", "gho_", "ghs_", "ghr_", "github_pat_"].iter().any(|prefix| after(prefix, 30, word)) {
        return Some("a GitHub token");
    }
    if after("AKIA", 16, |c| c.is_ascii_uppercase() || c.is_ascii_digit()) {
        return Some("an AWS access key");
    }
    if ["xoxb-", "xoxp-", "xoxa-"].iter().any(|prefix| after(prefix, 20, |c| c.is_ascii_alphanumeric() || c == '-')) {
        return Some("a Slack token");
    }
    let parts: Vec<&str> = text.split('.').collect();
    let base64 = |part: &&str| part.len() > 10 && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_=".contains(c));
    if let [header, ..] = parts[..]
        && parts.len() == 3
        && header.starts_with("eyJ")
        && parts.iter().all(base64)
    {
        return Some("a signed token");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::looks_like;

    #[test]
    fn secrets_are_known_and_ordinary_values_are_not() {
        assert_eq!(looks_like(&format!("ghp_{}", "a1".repeat(18))), Some("a GitHub token"));
        assert_eq!(looks_like("AKIAABCDEFGHIJKLMNOP"), Some("an AWS access key"));
        assert_eq!(looks_like("-----BEGIN RSA PRIVATE KEY-----"), Some("a private key"));
        for plain in ["", "1", "/usr/bin:/bin", "AKIA", "ghp_short", "a.b.c", "eyJ.a.b"] {
            assert_eq!(looks_like(plain), None, "{plain}");
        }
    }
}
