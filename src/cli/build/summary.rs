//! How a build ended: a sentence for people, an object for programs.

use std::time::Duration;

use serde_json::{Value, json};

use super::words::{paint, span};
use crate::cli::figures::grouped;
use crate::engine::{BuildOutcome, Violation};
use crate::graph::{PipGraph, PipId};

/// The line at the end.
pub(super) fn sentence(outcome: &BuildOutcome, time: Duration, color: bool) -> String {
    let pips = match outcome.pips {
        1 => "1 pip".to_owned(),
        count => format!("{} pips", grouped(count as u64)),
    };
    let time = span(time);
    if outcome.pips == 0 && !outcome.cancelled {
        return format!("there is nothing to build ({time})");
    }
    let is_plain = outcome.is_success();
    if is_plain && outcome.hits == outcome.pips {
        let verb = if outcome.pips == 1 { "is" } else { "are" };
        let remote = remote(outcome);
        let remote = if remote.is_empty() { time } else { format!("{}; {time}", remote.join("; ")) };
        return paint(color, "32", &format!("{pips} {verb} up to date ({remote})"));
    }
    let not_begun = if outcome.cancelled { "not done" } else { "skipped" };
    let remotely = format!("executed ({} remotely)", grouped(outcome.elsewhere as u64));
    let executed = if outcome.elsewhere > 0 { &remotely } else { "executed" };
    let remote_hits = format!("up to date ({} remotely)", grouped(outcome.hits_elsewhere as u64));
    let hits = if outcome.hits_elsewhere > 0 { &remote_hits } else { "up to date" };
    let counts =
        [(outcome.failed, "failed"), (outcome.executed, executed), (outcome.hits, hits), (outcome.skipped, not_begun)];
    let parts: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", grouped(count as u64)))
        .collect();
    let parts = parts.join(", ");
    if outcome.cancelled {
        return paint(color, "33", &format!("cancelled after {time}; {pips}: {parts}"));
    }
    let mut text = format!("{pips}: {parts} in {time}");
    let remote = remote(outcome);
    if !remote.is_empty() {
        text.push_str(&format!(" ({})", remote.join("; ")));
    }
    if is_plain { paint(color, "32", &text) } else { paint(color, "31", &format!("build failed; {text}")) }
}

/// What the remote cache did; nothing where there is none.
fn remote(outcome: &BuildOutcome) -> Vec<String> {
    let Some(traffic) = outcome.traffic else { return Vec::new() };
    let mut parts = vec![format!("{} from the remote cache", grouped(outcome.remote_hits as u64))];
    if traffic.bytes_down > 0 {
        parts.push(format!("{} down", size(traffic.bytes_down)));
    }
    if traffic.bytes_up > 0 {
        parts.push(format!("{} up", size(traffic.bytes_up)));
    }
    if outcome.left_away > 0 {
        parts.push(format!("{} outputs not downloaded", grouped(outcome.left_away as u64)));
    }
    parts
}

/// A number of bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{} bytes", grouped(bytes)),
        10_000..10_000_000 => format!("{} kB", grouped(bytes / 1000)),
        _ => format!("{} MB", grouped(bytes / 1_000_000)),
    }
}

/// The summary for programs. `warnings` counts lines that tools printed.
pub(super) fn object(outcome: &BuildOutcome, warnings: usize, violations: Vec<Value>, seconds: f64) -> Value {
    let remote = outcome.traffic.map(|traffic| {
        json!({
            "hits": outcome.remote_hits,
            "blobsDown": traffic.blobs_down,
            "bytesDown": traffic.bytes_down,
            "blobsUp": traffic.blobs_up,
            "bytesUp": traffic.bytes_up,
            "resultsUp": traffic.results_up,
            "outputsAway": outcome.left_away,
        })
    });
    json!({
        "pips": outcome.pips,
        "executed": outcome.executed,
        "hits": outcome.hits,
        "executedRemotely": outcome.elsewhere,
        "remoteHits": outcome.hits_elsewhere,
        "skipped": outcome.skipped,
        "failed": outcome.failed,
        "cancelled": outcome.cancelled,
        "scrubbed": outcome.scrubbed.removed,
        "warnings": warnings,
        "remote": remote,
        "seconds": seconds,
        "violations": violations,
    })
}

/// A violation for programs: the pips by their stable ids, and the places in specs that they come from.
pub(super) fn violation(violation: &Violation, graph: &PipGraph) -> Value {
    let id = |pip: PipId| graph.stable_id(pip).to_string();
    let place = |pip: PipId| {
        let made = graph.provenance(pip);
        json!({ "file": graph.display(made.spec), "line": made.line, "column": made.column })
    };
    let mut places = vec![place(violation.pip)];
    places.extend(violation.other.map(place));
    json!({
        "rule": violation.rule.name(),
        "code": violation.rule.code().to_string(),
        "path": graph.display(violation.path),
        "pip": id(violation.pip),
        "other": violation.other.map(id),
        "program": violation.program,
        "places": places,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_end_has_its_sentence() {
        let outcome = |pips, executed, hits, failed, skipped, cancelled| BuildOutcome {
            pips,
            executed,
            hits,
            failed,
            skipped,
            cancelled,
            ..BuildOutcome::default()
        };
        let cases = [
            (outcome(0, 0, 0, 0, 0, false), "there is nothing to build (1.2 s)"),
            (outcome(1, 0, 1, 0, 0, false), "1 pip is up to date (1.2 s)"),
            (outcome(4000, 0, 4000, 0, 0, false), "4,000 pips are up to date (1.2 s)"),
            (outcome(40, 3, 37, 0, 0, false), "40 pips: 3 executed, 37 up to date in 1.2 s"),
            (
                outcome(40, 3, 30, 1, 6, false),
                "build failed; 40 pips: 1 failed, 3 executed, 30 up to date, 6 skipped in 1.2 s",
            ),
            (outcome(40, 3, 30, 0, 7, true), "cancelled after 1.2 s; 40 pips: 3 executed, 30 up to date, 7 not done"),
        ];
        for (outcome, expected) in cases {
            assert_eq!(sentence(&outcome, Duration::from_millis(1234), false), expected);
        }
    }
}
