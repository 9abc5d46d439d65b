//! Showing the diagnostics of a command on standard error.

use std::io::{self, BufWriter, Write};

use super::options::{ColorWhen, MessageArgs, MessageFormat};
use super::{Failure, Outcome, library};
use crate::diagnostics::render::{Charset, Format, Renderer};
use crate::diagnostics::{Diagnostic, Hidden, Levels, Severity, sort_and_cap};
use crate::source::Files;

/// Knows how the user wants to see diagnostics.
pub(super) struct Reporter {
    renderer: Renderer,
    levels: Levels,
    limit: usize,
    quiet: bool,
}

impl Reporter {
    /// From the options. Fails when `--deny`, `--warn` or `--allow` name something that cannot be turned.
    pub(super) fn new(args: &MessageArgs) -> Result<Self, Failure> {
        let mut levels = Levels::new();
        for (level, name) in &args.levels {
            levels.set(name, *level, library::severity_of).map_err(|error| Failure::Usage(error.to_string()))?;
            // A slip in a code would otherwise turn nothing, silently.
            if let Ok(code) = name.parse()
                && library::severity_of(code).is_none()
            {
                return Err(Failure::Usage(library::unknown_code(code)));
            }
        }
        Ok(Self {
            renderer: Renderer {
                format: match args.message_format {
                    MessageFormat::Human => Format::Human,
                    MessageFormat::Json => Format::Json,
                    MessageFormat::Sarif => Format::Sarif,
                },
                color: match args.color {
                    ColorWhen::Auto => anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never,
                    ColorWhen::Always => true,
                    ColorWhen::Never => false,
                },
                charset: if args.ascii { Charset::Ascii } else { Charset::Unicode },
                base: std::env::current_dir().unwrap_or_default(),
            },
            levels,
            limit: args.max_errors,
            quiet: args.quiet,
        })
    }

    /// What `--deny`, `--warn` and `--allow` say.
    pub(super) fn levels(&self) -> &Levels {
        &self.levels
    }

    /// Shows the diagnostics and tells whether one of them is an error.
    pub(super) fn report(&self, mut diagnostics: Vec<Diagnostic>, files: &Files) -> Outcome {
        let (outcome, hidden) = self.prepare(&mut diagnostics, files);
        // Nobody is left to tell when standard error cannot be written; the exit code still says it.
        let _ = self.write(&diagnostics, hidden, files);
        outcome
    }

    /// Shows the diagnostics of one input of a prompt, without a closing line, and tells whether one is an error.
    pub(super) fn show(&self, mut diagnostics: Vec<Diagnostic>, files: &Files) -> Result<Outcome, Failure> {
        let (outcome, _) = self.prepare(&mut diagnostics, files);
        let mut out = BufWriter::new(io::stderr().lock());
        self.renderer.render(&diagnostics, files, &mut out).and_then(|()| out.flush()).map_err(Failure::output)?;
        Ok(outcome)
    }

    /// Diagnostics as they are to be shown now, while the command goes on, sorted among themselves. Nothing where the
    /// format is one document for everything: they come with [`Self::close`] then.
    pub(super) fn render_now(&self, mut diagnostics: Vec<Diagnostic>, files: &Files, shown: &mut Shown) -> Vec<u8> {
        self.levels.apply(&mut diagnostics);
        if self.quiet {
            diagnostics.retain(Diagnostic::is_error);
        }
        shown.errors |= diagnostics.iter().any(Diagnostic::is_error);
        if self.renderer.format == Format::Sarif {
            shown.diagnostics.append(&mut diagnostics);
            return Vec::new();
        }
        sort_and_cap(&mut diagnostics, files, usize::MAX);
        diagnostics.retain(|one| shown.admit(one, self.limit));
        let mut text = Vec::new();
        // Writing to memory cannot fail.
        let _ = self.renderer.render(&diagnostics, files, &mut text);
        shown.diagnostics.append(&mut diagnostics);
        text
    }

    /// Ends what [`Self::render_now`] began, with the closing line, and tells whether one of them all was an error.
    pub(super) fn close(&self, mut shown: Shown, files: &Files) -> Outcome {
        let written = if self.renderer.format == Format::Sarif {
            let hidden = sort_and_cap(&mut shown.diagnostics, files, self.limit);
            self.write(&shown.diagnostics, hidden, files)
        } else if self.quiet {
            Ok(())
        } else {
            self.renderer.summary(&shown.diagnostics, shown.hidden, &mut io::stderr().lock())
        };
        // Nobody is left to tell when standard error cannot be written; the exit code still says it.
        let _ = written;
        if shown.errors { Outcome::Errors } else { Outcome::Fine }
    }

    /// Whether standard error has colours.
    pub(super) fn color(&self) -> bool {
        self.renderer.color
    }

    /// Whether people are to be told more than what is wrong.
    pub(super) fn chats(&self) -> bool {
        self.renderer.format == Format::Human && !self.quiet
    }

    /// Writes a remark about the command line, unless only errors are wanted.
    pub(super) fn note(&self, text: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr().lock(), "dscript: note: {text}");
        }
    }

    /// The line of a warning that has no place in a spec: a server is not as it should be, for one.
    #[expect(clippy::unused_self, reason = "how it is written is the reporter's to say")]
    pub(super) fn warning(&self, text: &str) -> String {
        format!("dscript: warning: {}\n", crate::diagnostics::render::shown_line(text))
    }

    /// Applies what the user wants to see, and sorts.
    fn prepare(&self, diagnostics: &mut Vec<Diagnostic>, files: &Files) -> (Outcome, Hidden) {
        self.levels.apply(diagnostics);
        if self.quiet {
            diagnostics.retain(Diagnostic::is_error);
        }
        let outcome =
            if diagnostics.iter().any(|one| one.severity == Severity::Error) { Outcome::Errors } else { Outcome::Fine };
        (outcome, sort_and_cap(diagnostics, files, self.limit))
    }

    fn write(&self, diagnostics: &[Diagnostic], hidden: Hidden, files: &Files) -> io::Result<()> {
        let mut out = BufWriter::new(io::stderr().lock());
        self.renderer.render(diagnostics, files, &mut out)?;
        if !self.quiet {
            self.renderer.summary(diagnostics, hidden, &mut out)?;
        }
        out.flush()
    }
}

/// The diagnostics of a command that shows them while it works.
#[derive(Default)]
pub(super) struct Shown {
    diagnostics: Vec<Diagnostic>,
    admitted: Hidden,
    hidden: Hidden,
    errors: bool,
}

impl Shown {
    /// Whether one more is shown. Those that are not are counted.
    fn admit(&mut self, diagnostic: &Diagnostic, limit: usize) -> bool {
        let (count, over) = match diagnostic.is_error() {
            true => (&mut self.admitted.errors, &mut self.hidden.errors),
            false => (&mut self.admitted.warnings, &mut self.hidden.warnings),
        };
        let fits = *count < limit;
        *if fits { count } else { over } += 1;
        fits
    }
}

/// Writes a line of statistics to standard error.
pub(super) fn statistics(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
