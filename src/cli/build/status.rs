//! The lines of the live status, and how long a build may still take.

use std::collections::VecDeque;
use std::time::Duration;

use super::words::{paint, span};
use crate::cli::figures::grouped;

/// How many running pips are named.
pub(super) const NAMED: usize = 8;

/// What is known of a build at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    pub(super) total: usize,
    pub(super) executed: usize,
    pub(super) hits: usize,
    pub(super) failed: usize,
    pub(super) elapsed: Duration,
    /// What runs, and for how long already; the longest first. At most [`NAMED`] of them.
    pub(super) running: Vec<(String, Duration)>,
    /// How many more run.
    pub(super) more: usize,
    /// How long the rest may take.
    pub(super) left: Option<Duration>,
    /// How many results are on their way to the remote cache, when nothing else is left.
    pub(super) giving: usize,
    /// Whether somebody asked for the end.
    pub(super) stopping: bool,
}

impl Snapshot {
    /// The lines to show: counts, then one for each process that runs.
    pub(super) fn lines(&self, color: bool) -> Vec<String> {
        let number = |count: usize| grouped(count as u64);
        let done = self.executed + self.hits + self.failed;
        let mut parts = Vec::new();
        if self.executed > 0 {
            parts.push(format!("{} executed", number(self.executed)));
        }
        if self.hits > 0 {
            parts.push(format!("{} up to date", number(self.hits)));
        }
        if self.failed > 0 {
            parts.push(paint(color, "31", &format!("{} failed", number(self.failed))));
        }
        parts.push(span(self.elapsed.max(Duration::from_millis(100))));
        if self.giving > 0 && !self.stopping {
            parts.push(uploading(self.giving));
        } else if self.stopping {
            parts.push(paint(color, "33", "stopping"));
        } else if let Some(left) = self.left {
            parts.push(format!("about {} left", rough(left)));
        }
        let counts = format!("[{}/{}]", number(done), number(self.total));
        let mut lines = vec![format!("{} {}", paint(color, "1", &counts), parts.join(", "))];
        for (name, time) in &self.running {
            // A time that changes ten times a second cannot be read.
            lines.push(format!("{:>5}  {name}", span_running(*time)));
        }
        if self.more > 0 {
            lines.push(format!("       and {} more", number(self.more)));
        }
        lines
    }
}

/// That results are on their way to the remote cache.
pub(super) fn uploading(results: usize) -> String {
    match results {
        1 => "uploading 1 result".to_owned(),
        count => format!("uploading {} results", grouped(count as u64)),
    }
}

fn span_running(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

/// A time that nobody should take for exact.
fn rough(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..20 => format!("{seconds} s"),
        20..90 => format!("{} s", (seconds + 5) / 10 * 10),
        90..5400 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h", (seconds + 1800) / 3600),
    }
}

/// Guesses how long the rest takes, from how many pips were done lately.
///
/// Pips are very unequal: thousands come from the cache in the time in which one is compiled. So the rate of the last
/// half minute counts, and only when that of the last few seconds agrees with it.
#[derive(Debug, Default)]
pub(super) struct Estimate {
    /// When so many pips were done, oldest first, about one a second.
    samples: VecDeque<(Duration, usize)>,
}

impl Estimate {
    const WINDOW: Duration = Duration::from_secs(30);
    const RECENT: Duration = Duration::from_secs(5);
    /// Fewer than these tell nothing.
    const FEWEST: usize = 5;

    /// How long the rest takes; none where nobody can know.
    pub(super) fn left(&mut self, now: Duration, done: usize, total: usize) -> Option<Duration> {
        if self.samples.back().is_none_or(|(last, _)| now.saturating_sub(*last) >= Duration::from_secs(1)) {
            self.samples.push_back((now, done));
        }
        while self.samples.front().is_some_and(|(first, _)| now.saturating_sub(*first) > Self::WINDOW) {
            self.samples.pop_front();
        }
        let oldest = *self.samples.front()?;
        let recent = *self.samples.iter().rev().find(|(at, _)| now.saturating_sub(*at) >= Self::RECENT)?;
        // With one sample for both the two rates would agree by themselves.
        if recent.0.saturating_sub(oldest.0) < Duration::from_secs(2) || done - oldest.1 < Self::FEWEST {
            return None;
        }
        let rest = |(at, before): (Duration, usize)| {
            let rate = (done - before) as f64 / now.saturating_sub(at).as_secs_f64();
            (total.saturating_sub(done)) as f64 / rate
        };
        let (long, short) = (rest(oldest), rest(recent));
        let agree = short.is_finite() && long <= 2.0 * short && short <= 2.0 * long;
        (agree && (2.0..360_000.0).contains(&long)).then(|| Duration::from_secs_f64(long))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn the_status_has_counts_and_what_runs() {
        let mut snapshot = Snapshot {
            total: 30_000,
            executed: 24,
            hits: 1_180,
            elapsed: seconds(12.3),
            running: vec![("Link app".into(), seconds(75.9)), ("Compile a.c".into(), seconds(3.9))],
            more: 2,
            left: Some(seconds(161.0)),
            ..Snapshot::default()
        };
        assert_eq!(
            snapshot.lines(false),
            [
                "[1,204/30,000] 24 executed, 1,180 up to date, 12 s, about 3 min left",
                "1 min  Link app",
                "  3 s  Compile a.c",
                "       and 2 more",
            ]
        );
        snapshot = Snapshot { failed: 1, stopping: true, running: Vec::new(), more: 0, ..snapshot };
        assert_eq!(snapshot.lines(false), ["[1,205/30,000] 24 executed, 1,180 up to date, 1 failed, 12 s, stopping"]);
        assert!(snapshot.lines(true)[0].contains("\x1b[31m1 failed\x1b[0m"));
    }

    /// The estimates of a build of which `done` tells how many pips are done after so many seconds.
    fn estimates(total: usize, until: u32, done: impl Fn(f64) -> usize) -> Vec<Option<Duration>> {
        let mut estimate = Estimate::default();
        (0..=until * 10)
            .map(|tick| f64::from(tick) / 10.0)
            .map(|at| estimate.left(seconds(at), done(at), total))
            .collect()
    }

    #[test]
    fn a_steady_build_is_estimated() {
        let all = estimates(1000, 60, |at| (at * 2.0) as usize);
        assert!(all[..60].iter().all(Option::is_none), "too early");
        let late = all[600].expect("there is an estimate").as_secs_f64();
        assert!((late - 440.0).abs() < 10.0, "{late}");
    }

    #[test]
    fn what_nobody_can_know_is_not_told() {
        // Thousands of hits, then a few long compilations: the rate of the hits says nothing about these.
        let burst = estimates(30_000, 20, |at| if at < 2.0 { (at * 14_000.0) as usize } else { 28_000 + at as usize });
        assert!(burst.iter().all(Option::is_none), "{burst:?}");
        // One long process.
        assert!(estimates(2, 60, |_| 1).iter().all(Option::is_none));
        // The end is near.
        assert!(estimates(100, 49, |at| (at * 2.0) as usize)[490].is_none());
    }
}
