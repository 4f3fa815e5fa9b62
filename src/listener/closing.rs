//! How a connection ends whose client takes nothing, or whose request was refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

/// Says, after the end, whether it came because the client took nothing.
#[derive(Clone, Debug, Default)]
pub struct StallHandle(pub(super) Arc<AtomicBool>);

impl StallHandle {
    /// Whether it did.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Writes the answer to a refused request and closes, so that the client can read it.
///
/// Closing at once while the client still sends would reset the connection, and the answer with it; so what comes is read and dropped,
/// for a second and 256 KiB at most. Errors are of no interest any more. Takes up to two seconds; cancel safe, the answer may be lost.
pub async fn close_refused<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, response: &[u8]) {
    const PATIENCE: Duration = Duration::from_secs(1);
    const DRAINED: usize = 256 * 1024;

    let answer = async {
        stream.write_all(response).await?;
        stream.flush().await?;
        stream.shutdown().await
    };
    if !matches!(timeout(PATIENCE, answer).await, Ok(Ok(()))) {
        return;
    }
    let drain = async {
        let mut scratch = [0; 4096];
        let mut left = DRAINED;
        while let Ok(read @ 1..) = stream.read(&mut scratch).await {
            left = left.saturating_sub(read);
            if left == 0 {
                break;
            }
        }
    };
    // Out of patience is as good an end as any.
    let _ = timeout(PATIENCE, drain).await;
}
