//! Static rules over the syntax tree: what DScript refuses although the grammar can read it.
//!
//! One walk visits every node with its place ([`walk`]); each theme has its rules in a file of its own. The rules see
//! one file at a time: whatever needs names of other files belongs to the resolver.

mod any;
mod config;
mod declarations;
mod expressions;
mod imports;
mod linter;
mod literals;
mod paths;
mod policies;
mod qualifiers;
mod rules;
mod statements;
mod walk;

pub use policies::{Policies, unknown_policies};
pub use rules::{RULES, Rule};

use crate::diagnostics::Diagnostic;
use crate::syntax::ast::Ast;

/// What a file is for; decides which rules apply to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// An ordinary spec of a module with implicit reference semantics.
    Spec,
    /// A spec of a module with explicit reference semantics, whose files import each other by path.
    ExplicitSpec,
    /// A spec of the prelude: declares what the interpreter provides.
    Prelude,
    /// A project file (`.bp`): values only, no build logic.
    Project,
    /// The configuration of a workspace: `config.dsc`, `config.bc`.
    Config,
    /// A module configuration: `module.config.dsc`, `module.config.bm`, `package.config.dsc`.
    Module,
    /// A file that a configuration imports with `importFile`, a build list (`.bl`) for example.
    List,
}

impl FileKind {
    /// What the name of a file, without its folder, tells; [`FileKind::Spec`] where it tells nothing.
    pub fn of_name(name: &str) -> Self {
        match name {
            "config.dsc" | "config.bc" => Self::Config,
            "module.config.dsc" | "module.config.bm" | "package.config.dsc" => Self::Module,
            _ if name.ends_with(".bp") => Self::Project,
            _ if name.ends_with(".bl") => Self::List,
            _ => Self::Spec,
        }
    }
}

/// All violations in one file, in source order. At most 1,000 are returned.
pub fn lint(ast: &Ast, kind: FileKind, policies: &Policies) -> Vec<Diagnostic> {
    let mut linter = linter::Linter::new(ast, kind, policies);
    config::file(&mut linter);
    walk::walk(ast, &mut linter);
    linter.finish()
}

#[cfg(test)]
mod tests;
