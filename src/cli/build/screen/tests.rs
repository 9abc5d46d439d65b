//! What remains on a terminal, seen by a small one that keeps its lines.

use std::io;
use std::sync::Arc;

use indicatif::TermLike;

use super::*;

const WIDTH: u16 = 30;

/// A terminal: lines and a cursor. It knows only what the status needs.
#[derive(Clone, Debug, Default)]
struct Terminal {
    grid: Arc<Mutex<Grid>>,
}

#[derive(Debug, Default)]
struct Grid {
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

impl Grid {
    fn put(&mut self, text: &str) {
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '\n' => (self.row, self.column) = (self.row + 1, 0),
                '\r' => self.column = 0,
                // Colours.
                '\x1b' => drop(characters.by_ref().take_while(|c| !c.is_ascii_alphabetic()).count()),
                character => {
                    if self.column == usize::from(WIDTH) {
                        (self.row, self.column) = (self.row + 1, 0);
                    }
                    let column = self.column;
                    let line = self.line();
                    line.resize(line.len().max(column + 1), ' ');
                    line[column] = character;
                    self.column += 1;
                }
            }
        }
    }

    fn line(&mut self) -> &mut Vec<char> {
        let rows = self.lines.len().max(self.row + 1);
        self.lines.resize(rows, Vec::new());
        &mut self.lines[self.row]
    }
}

impl Terminal {
    fn grid(&self) -> MutexGuard<'_, Grid> {
        self.grid.lock().unwrap()
    }

    /// Its lines, without what is empty at the end.
    fn text(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.grid().lines.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned()).collect();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }
}

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.grid().put(std::str::from_utf8(bytes).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        WIDTH
    }

    fn height(&self) -> u16 {
        4
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        let mut grid = self.grid();
        grid.row = grid.row.saturating_sub(n);
        Ok(())
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.grid().row += n;
        Ok(())
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.grid().column += n;
        Ok(())
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        let mut grid = self.grid();
        grid.column = grid.column.saturating_sub(n);
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.grid().put(&format!("{text}\n"));
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.grid().put(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        let mut grid = self.grid();
        grid.line().clear();
        grid.column = 0;
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

fn live() -> (Terminal, Live<Terminal>) {
    let terminal = Terminal::default();
    let live = Live::new(ProgressDrawTarget::term_like(Box::new(terminal.clone())), terminal.clone());
    (terminal, live)
}

fn lines(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn lines_go_above_the_status_and_nothing_of_it_remains() {
    let (terminal, live) = live();
    live.write(b"before\n");
    live.show(&lines(&["[0/3]", "  1 s  a"]));
    assert_eq!(terminal.text(), ["before", "[0/3]", "  1 s  a"]);
    live.write(b"a line that is longer than the terminal is wide\nsecond\n");
    live.show(&lines(&["[1/3]", "  1 s  b", "  1 s  c"]));
    let above = ["before", "a line that is longer than the", " terminal is wide", "second"];
    assert_eq!(terminal.text(), [&above[..], &["[1/3]", "  1 s  b", "  1 s  c"]].concat());
    live.show(&lines(&["[2/3]"]));
    assert_eq!(terminal.text(), [&above[..], &["[2/3]"]].concat());
    live.show(&lines(&["[2/3]", "  2 s  c"]));
    live.write(b"the last words\n");
    live.clear();
    let above = [&above[..], &["the last words"]].concat();
    assert_eq!(terminal.text(), above);
    live.write(b"after\n");
    assert_eq!(terminal.text(), [&above[..], &["after"]].concat());
}

#[test]
fn the_status_fits_the_terminal() {
    let (terminal, live) = live();
    let long = "x".repeat(50);
    live.show(&lines(&["[0/9]", &long, "b", "c", "d", "e"]));
    let shown = terminal.text();
    assert_eq!(shown.len(), 4, "{shown:?}");
    assert_eq!(shown[0], "[0/9]");
    assert_eq!(shown[1].chars().count(), usize::from(WIDTH), "{shown:?}");
    assert!(shown[1].starts_with("xxxx"));
    live.clear();
    assert!(terminal.text().is_empty(), "{:?}", terminal.text());
}

#[test]
fn plain_lines_are_written_as_they_are() {
    let plain = Plain::new(Vec::new());
    plain.write(b"one\n");
    plain.write(b"two\n");
    assert_eq!(plain.into_inner(), b"one\ntwo\n");
}
