//! Several requests at a time, each on a thread of its own that waits for it.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A lock that goes on after a panic elsewhere: what it protects is never left half changed.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does something when the thread panics on which it was made, while it lives: others may wait for what that thread had
/// under way.
pub(super) struct OnPanic<F: FnMut()>(pub(super) F);

impl<F: FnMut()> Drop for OnPanic<F> {
    fn drop(&mut self) {
        if thread::panicking() {
            (self.0)();
        }
    }
}

struct Jobs<J, E> {
    waiting: VecDeque<J>,
    running: usize,
    error: Option<E>,
    panicked: bool,
}

/// Does all jobs, on up to `threads` threads of which one is the caller's. A job may leave others to be done. The first
/// error ends it, and so does a panic.
pub(super) fn each<J: Send, E: Send>(
    jobs: impl IntoIterator<Item = J>,
    threads: usize,
    work: impl Fn(J) -> Result<Vec<J>, E> + Sync,
) -> Result<(), E> {
    let waiting: VecDeque<J> = jobs.into_iter().collect();
    let others = waiting.len().min(threads).saturating_sub(1);
    let jobs = Mutex::new(Jobs { waiting, running: 0, error: None, panicked: false });
    let changed = Condvar::new();
    let run = || {
        let _guard = OnPanic(|| {
            lock(&jobs).panicked = true;
            changed.notify_all();
        });
        while let Some(job) = next(&jobs, &changed) {
            let answer = work(job);
            let mut jobs = lock(&jobs);
            jobs.running -= 1;
            match answer {
                Ok(more) => jobs.waiting.extend(more),
                Err(error) => {
                    jobs.error.get_or_insert(error);
                }
            }
            changed.notify_all();
        }
    };
    thread::scope(|scope| {
        for _ in 0..others {
            // With fewer threads it takes longer, that is all.
            if thread::Builder::new().name("remote-job".to_owned()).spawn_scoped(scope, run).is_err() {
                break;
            }
        }
        run();
    });
    let jobs = jobs.into_inner().unwrap_or_else(PoisonError::into_inner);
    jobs.error.map_or(Ok(()), Err)
}

fn next<J, E>(jobs: &Mutex<Jobs<J, E>>, changed: &Condvar) -> Option<J> {
    let mut jobs = lock(jobs);
    loop {
        if jobs.error.is_some() || jobs.panicked {
            return None;
        }
        if let Some(job) = jobs.waiting.pop_front() {
            jobs.running += 1;
            return Some(job);
        }
        if jobs.running == 0 {
            return None;
        }
        jobs = changed.wait(jobs).unwrap_or_else(PoisonError::into_inner);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn jobs_leave_jobs_and_errors_end_it() {
        let sum = AtomicU32::new(0);
        let answer: Result<(), ()> = each([4_u32, 7], 3, |job| {
            sum.fetch_add(job, Ordering::Relaxed);
            Ok(if job > 1 { vec![job / 2, job - job / 2] } else { Vec::new() })
        });
        assert_eq!(answer, Ok(()));
        // Each level of the halving adds up to the same, and 4 and 7 go down to ones.
        assert_eq!(sum.into_inner(), 4 * 3 + 7 * 3 + 6);
        let answer = each(0..100, 4, |job| if job == 7 { Err(job) } else { Ok(Vec::new()) });
        assert_eq!(answer, Err(7));
        assert_eq!(each([0; 0], 4, |_| Err(())), Ok(()));
    }

    #[test]
    fn a_panic_ends_it_and_nobody_waits_for_ever() {
        let (tell, told) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let panics = |job| if job == 0 { panic!("as the test wants it") } else { Ok::<_, ()>(Vec::new()) };
            let answer = std::panic::catch_unwind(|| each([0, 1], 2, panics));
            tell.send(answer.is_err())
        });
        assert_eq!(told.recv_timeout(std::time::Duration::from_secs(60)), Ok(true));
    }
}
