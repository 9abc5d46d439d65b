//! Being told to end.

use tokio::signal::unix::{SignalKind, signal};

/// Done when this process is told to end, with the number of the signal. Signals count from now on, so this is to be
/// called within a runtime.
pub(super) fn interrupted() -> impl Future<Output = i32> {
    let kinds = (SignalKind::interrupt(), SignalKind::terminate());
    let both = signal(kinds.0).and_then(|one| Ok((one, signal(kinds.1)?)));
    async move {
        let Ok((mut interrupt, mut terminate)) = both else {
            // Without them the process ends as any other does.
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => kinds.0.as_raw_value(),
            _ = terminate.recv() => kinds.1.as_raw_value(),
        }
    }
}
