//! The processes that descend from this one.
//!
//! A worker adopts the orphans among its descendants, so whatever a job started is found below the worker.

use std::collections::BTreeMap;
use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A running process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descendant {
    /// Its number.
    pub pid: i32,
    /// The name of its program, as the system shortens it.
    pub name: String,
}

/// The running processes below one, those that have ended and wait for being reaped not among them.
pub fn below(ancestor: i32) -> Vec<Descendant> {
    let mut children: BTreeMap<i32, Vec<(Descendant, bool)>> = BTreeMap::new();
    for (pid, text) in statuses() {
        if let Some((name, state, parent, _)) = parse(&text) {
            let ended = matches!(state, 'Z' | 'X');
            children.entry(parent).or_default().push((Descendant { pid, name: name.to_owned() }, ended));
        }
    }
    let mut found = Vec::new();
    let mut waiting = vec![ancestor];
    while let Some(parent) = waiting.pop() {
        for (process, ended) in children.remove(&parent).unwrap_or_default() {
            waiting.push(process.pid);
            if !ended {
                found.push(process);
            }
        }
    }
    found
}

/// Ends the processes of a session whose worker is gone. One that has begun a session of its own is not found.
pub fn end_session(session: i32) {
    const ROUNDS: usize = 1000;
    if session <= 0 {
        return;
    }
    // As long as one is left, it may have started another one meanwhile.
    for _ in 0..ROUNDS {
        let mut any = false;
        for (pid, text) in statuses() {
            let belongs = parse(&text).is_some_and(|(_, state, _, of)| of == session && !matches!(state, 'Z' | 'X'));
            if belongs {
                any = true;
                end(pid);
            }
        }
        if !any {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Sends `SIGKILL`. A process that has ended meanwhile is as good as killed.
pub fn end(pid: i32) {
    // The only errors are that there is no such process, or that it belongs to someone else: then it is not ours.
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
}

fn statuses() -> impl Iterator<Item = (i32, String)> {
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let bytes = fs::read(entry.path().join("stat")).ok()?;
        Some((pid, String::from_utf8_lossy(&bytes).into_owned()))
    })
}

/// Name, state, parent and session. The name stands in brackets and may hold any character.
fn parse(text: &str) -> Option<(&str, char, i32, i32)> {
    let (open, close) = (text.find('(')?, text.rfind(')')?);
    let name = text.get(open + 1..close)?;
    let mut fields = text.get(close + 1..)?.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    Some((name, state, parent, session))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_line_is_parsed_whatever_the_name_is() {
        assert_eq!(parse("12 (a) b) S 1 12 7 0 -1"), Some(("a) b", 'S', 1, 7)));
        assert_eq!(parse("12 (a"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn grandchildren_are_found() {
        let mut child =
            Command::new("/bin/sh").args(["-c", "sleep 100 & read x"]).stdin(Stdio::piped()).spawn().unwrap();
        let me = std::process::id().cast_signed();
        let mut found = vec![];
        for _ in 0..500 {
            found = below(me).into_iter().filter(|process| process.name == "sleep").collect();
            if !found.is_empty() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert_eq!(found.len(), 1);
        end(found[0].pid);
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
