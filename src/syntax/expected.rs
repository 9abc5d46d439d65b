//! Puts what the parser found and what it could have used into words.

use super::token::{Tok, Token};

/// What may stand at a place, by the names of the grammar's tokens.
pub struct Expected(Vec<String>);

impl Expected {
    /// From the list that the parser gives: names in quotes.
    pub fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| name.trim_matches('"').to_owned()).collect())
    }

    /// Whether a token may stand here, by its name in the grammar.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|known| known == name)
    }

    /// Whether an expression may begin here.
    pub fn expression(&self) -> bool {
        self.has("regular expression")
    }

    /// Whether a statement may begin here.
    pub fn statement(&self) -> bool {
        self.has("return") && self.has("broken statement")
    }

    /// Whether a type may begin here.
    pub fn a_type(&self) -> bool {
        self.has("void") && self.has("typeof") && !self.has("break") && !self.expression()
    }

    /// Whether an operator may stand here: an expression is complete.
    pub fn operator(&self) -> bool {
        self.has("||")
    }

    /// What may stand here, as a person would say it.
    pub fn words(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        if self.statement() {
            words.push("a statement".to_owned());
        } else if self.expression() {
            words.push("an expression".to_owned());
        } else if self.a_type() {
            words.push("a type".to_owned());
        } else if self.has("break") && self.has("case") && self.has("catch") {
            words.push("a name".to_owned());
        } else if self.has("template text") {
            words.push("the rest of the literal".to_owned());
        } else if self.has("function") && self.has("interface") {
            words.push("a declaration".to_owned());
        } else if self.has("identifier") {
            words.push("a name".to_owned());
        }
        let known = words.is_empty();
        let marks: [(&str, &str); 21] = [
            ("=>", "`=>`"),
            ("from", "`from`"),
            ("as", "`as`"),
            ("of", "`of`"),
            ("(", "`(`"),
            ("arrow (", "`(`"),
            ("body {", "`{`"),
            ("{", "`{`"),
            ("=", "`=`"),
            (":", "`:`"),
            ("while", "`while`"),
            ("catch", "`catch`"),
            ("string", "a string"),
            ("type >", "`>`"),
            (",", "`,`"),
            (")", "`)`"),
            ("]", "`]`"),
            ("hole }", "`}`"),
            ("}", "`}`"),
            (";", "`;`"),
            ("class body", "the body of the class"),
        ];
        for (name, text) in marks {
            // After an expression or a type much could follow: only what ends it is worth naming.
            let follows_operand = self.operator() || self.has("|");
            let closes = matches!(name, "," | ")" | "]" | "}" | ";" | "hole }" | "type >" | ":" | "=");
            let shown = if follows_operand {
                closes && name != ":" && !(name == "=" && self.operator())
            } else {
                known || closes
            };
            if shown && self.has(name) && !words.iter().any(|word| word == text) {
                words.push(text.to_owned());
            }
        }
        if words.is_empty() && self.has(":") {
            words.push("`:`".to_owned());
        }
        match words.as_slice() {
            [] => "something else".to_owned(),
            [one] => one.clone(),
            [first @ .., last] => format!("{} or {last}", first.join(", ")),
        }
    }
}

/// The token as a person would name it.
pub fn found(text: &str, token: Option<Token>) -> String {
    let Some(token) = token else { return "the end of the file".to_owned() };
    let raw = text.get(token.start as usize..token.end as usize).unwrap_or_default();
    let first_line = raw.lines().next().unwrap_or_default();
    let short: String = first_line.chars().take(40).collect();
    let more = if short.len() < raw.len() { "…" } else { "" };
    match token.tok {
        Tok::TemplateText | Tok::TemplateEnd => "the text of a back-tick literal".to_owned(),
        // Back ticks cannot stand in back ticks.
        Tok::Template | Tok::TemplateStart => format!("the literal {short}{more}"),
        Tok::String => format!("the string {short}{more}"),
        Tok::Pattern => format!("the pattern `{short}{more}`"),
        Tok::ClassBody => "the body of a class".to_owned(),
        _ => format!("`{short}{more}`"),
    }
}
