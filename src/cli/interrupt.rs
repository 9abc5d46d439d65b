//! Being told to end: by SIGINT, which Ctrl-C sends, or by SIGTERM, which comes from whoever manages jobs and services.

use std::future::Future;
use std::io;
use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// Done when this process is told to end: from this call on, which is to be made within a runtime. Neither signal ends
/// the process by itself any more.
///
/// # Errors
/// When the signals cannot be listened to.
pub(super) fn told_to_end() -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Does something when this process is told to end, once, on a thread of its own.
///
/// # Errors
/// When the signals cannot be listened to.
pub(super) fn when_told_to_end(act: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let told = {
        let _within = runtime.enter();
        told_to_end()?
    };
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(told);
        act();
    })?;
    Ok(())
}
