//! How the lines about a build name things.

use std::time::Duration;

use crate::diagnostics::render::shown_line;
use crate::engine;
use crate::graph::{PipGraph, PipId};

/// What a pip is called in a line of its own.
pub(in crate::cli) fn title(graph: &PipGraph, pip: PipId) -> String {
    let name = engine::pip_name(graph, pip);
    let bare = name.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')).filter(|name| !name.contains('`'));
    shown_line(bare.unwrap_or(&name))
}

/// A length of time: `0.05 s`, `1.2 s`, `34 s`, `2 min 5 s`, `1 h 10 min`.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match time.as_secs() {
        0 if seconds < 0.095 => format!("{seconds:.2} s"),
        0..10 => format!("{seconds:.1} s"),
        whole @ 10..60 => format!("{whole} s"),
        whole @ 60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        whole => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

/// Text in a colour of the terminal, where there are colours.
pub(super) fn paint(color: bool, style: &str, text: &str) -> String {
    if color { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Lines that somebody else wrote, under a line of ours.
pub(super) fn indented<'t>(lines: impl IntoIterator<Item = &'t str>) -> String {
    let mut text = String::new();
    for line in lines {
        let line = shown_line(line);
        if !line.is_empty() {
            text.push_str("   ");
            text.push_str(&line);
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_precise_as_people_want() {
        let shown = |milliseconds| span(Duration::from_millis(milliseconds));
        let times = [0, 50, 100, 1_234, 9_999, 34_567, 125_000, 4_200_000].map(shown);
        assert_eq!(times, ["0.00 s", "0.05 s", "0.1 s", "1.2 s", "10.0 s", "34 s", "2 min 5 s", "1 h 10 min"]);
    }

    #[test]
    fn lines_of_others_cannot_steer_the_terminal() {
        assert_eq!(indented(["\x1b[1mbold\x1b[0m", "", "a\rb", "\u{202E}x"]), "   bold\n\n   b\n   \u{FFFD}x\n");
    }
}
