//! `--trace`: the build as Chrome trace events, for Perfetto and `chrome://tracing`. `docs/build-log.md` says what is in
//! it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::log::{origin_name, result_name};
use super::words::title;
use crate::cli::Failure;
use crate::engine::PipResult;
use crate::graph::{PipGraph, PipId};

/// The number of the one process in the trace.
const PROCESS: u32 = 1;

/// Writes events as they come.
pub(super) struct Trace<W> {
    path: PathBuf,
    inner: Mutex<Inner<W>>,
}

struct Inner<W> {
    out: W,
    running: usize,
    /// Why nothing more is written.
    failed: Option<io::Error>,
}

impl<W: Write + Send> Trace<W> {
    /// A trace of a build with so many threads. `path` is for messages.
    pub(super) fn new(path: &Path, out: W, slots: usize) -> Self {
        let trace = Self { path: path.to_owned(), inner: Mutex::new(Inner { out, running: 0, failed: None }) };
        let mut inner = trace.lock();
        inner.first(&json!({
            "name": "process_name", "ph": "M", "pid": PROCESS, "tid": 0, "args": { "name": "dscript build" },
        }));
        for slot in 0..slots {
            let name = format!("slot {}", slot + 1);
            inner.event(&json!({
                "name": "thread_name", "ph": "M", "pid": PROCESS, "tid": slot + 1, "args": { "name": name },
            }));
        }
        drop(inner);
        trace
    }

    /// A process begins.
    pub(super) fn running(&self, now: Duration) {
        let mut inner = self.lock();
        inner.running += 1;
        inner.count(now);
    }

    /// A pip is done. `ran` tells whether a process was begun for it.
    pub(super) fn finished(
        &self,
        graph: &PipGraph,
        pip: PipId,
        slot: usize,
        result: &PipResult,
        (start, end): (Duration, Duration),
        ran: bool,
    ) {
        let provenance = graph.provenance(pip);
        let mut args = json!({
            "id": graph.stable_id(pip).to_string(),
            "result": result_name(result.done),
            "value": &*provenance.value,
            "spec": format!("{}:{}", graph.display(provenance.spec), provenance.line),
        });
        let mut add = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                args[name] = value;
            }
        };
        add("origin", result.origin.map(origin_name).map(Value::from));
        add("because", result.reason.as_deref().map(Value::from));
        add("command", result.command.as_deref().map(Value::from));
        add("exitCode", result.exit_code.map(Value::from));
        add("user", (!result.user.is_zero()).then(|| result.user.as_secs_f64().into()));
        add("system", (!result.system.is_zero()).then(|| result.system.as_secs_f64().into()));
        add("peakMemory", (result.peak_memory > 0).then(|| result.peak_memory.into()));
        let event = json!({
            "name": title(graph, pip),
            "cat": format!("{},{}", graph.pip(pip).kind_name(), result_name(result.done)),
            "ph": "X",
            "ts": microseconds(start),
            "dur": microseconds(end) - microseconds(start),
            "pid": PROCESS,
            "tid": slot + 1,
            "args": args,
        });
        let mut inner = self.lock();
        inner.event(&event);
        if ran {
            inner.running = inner.running.saturating_sub(1);
            inner.count(end);
        }
    }

    /// Ends the file.
    pub(super) fn close(self) -> Result<(), Failure> {
        let mut inner = self.inner.into_inner().unwrap_or_else(PoisonError::into_inner);
        let ended = match inner.failed.take() {
            Some(error) => Err(error),
            None => inner.out.write_all(b"\n]\n").and_then(|()| inner.out.flush()),
        };
        ended.map_err(|error| Failure::file("write", &self.path, error))
    }

    fn lock(&self) -> MutexGuard<'_, Inner<W>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write> Inner<W> {
    fn first(&mut self, event: &Value) {
        self.put("[\n", event);
    }

    fn event(&mut self, event: &Value) {
        self.put(",\n", event);
    }

    fn put(&mut self, before: &str, event: &Value) {
        if self.failed.is_none() {
            self.failed = write!(self.out, "{before}{event}").err();
        }
    }

    fn count(&mut self, now: Duration) {
        let event = json!({
            "name": "running processes", "ph": "C", "ts": microseconds(now), "pid": PROCESS,
            "args": { "processes": self.running },
        });
        self.event(&event);
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
