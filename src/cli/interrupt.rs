//! Being told to end: by SIGINT, which Ctrl-C sends, or by SIGTERM, which comes from whoever manages jobs and services.

use std::future::Future;
use std::io;
use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// Done when this process is told to end, with the number of the signal: from this call on, which is to be made within a
/// runtime. Neither signal ends the process by itself any more.
///
/// # Errors
/// When the signals cannot be listened to.
pub(super) fn told_to_end() -> io::Result<impl Future<Output = i32>> {
    let kinds = (SignalKind::interrupt(), SignalKind::terminate());
    let (mut interrupt, mut terminate) = (signal(kinds.0)?, signal(kinds.1)?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => kinds.0.as_raw_value(),
            _ = terminate.recv() => kinds.1.as_raw_value(),
        }
    })
}

/// Does something when this process is told to end, once, on a thread of its own. It gets the number of the signal.
///
/// # Errors
/// When the signals cannot be listened to.
pub(super) fn when_told_to_end(act: impl FnOnce(i32) + Send + 'static) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let told = {
        let _within = runtime.enter();
        told_to_end()?
    };
    thread::Builder::new().name("signals".to_owned()).spawn(move || act(runtime.block_on(told)))?;
    Ok(())
}
