//! Work that no call may wait for: a thread of its own, of low priority, with a runtime of its own. What is slow there, the disk too, is nobody else's.

use std::future::Future;
use std::io;
use std::thread::Builder;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Runs it until it ends by itself; `tasks` waits for that. A gateway that is dropped before it was stopped takes it along.
pub(crate) fn run_apart<W: Future<Output = ()>>(
    thread: &str,
    what: String,
    work: impl FnOnce() -> W + Send + 'static,
    tasks: &TaskTracker,
) -> io::Result<()> {
    let dropped = CancellationToken::new();
    let (guard, (ended, end)) = (dropped.clone().drop_guard(), oneshot::channel());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Builder::new().name(thread.to_owned()).spawn(move || {
        // Of the thread alone, on Linux; elsewhere it would be the process. Calls come first; but where they take all there is, a tenth of a core
        // stays for each such thread, so that it does not fall behind for as long as the load lasts.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::nice(10);
        runtime.block_on(async {
            tokio::select! {
                () = work() => {}
                () = dropped.cancelled() => {}
            }
        });
        // Whoever waits may be gone.
        let _ = ended.send(());
    })?;
    tasks.spawn(async move {
        let _guard = guard;
        if end.await.is_err() {
            tracing::error!("{what} has ended by a fault of its own; it goes on at the next start");
        }
    });
    Ok(())
}
