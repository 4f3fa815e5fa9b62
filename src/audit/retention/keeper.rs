//! The thread of a running gateway that compresses segments as they are sealed.
//!
//! Its own thread, since it reads and writes megabytes; of the lowest priority, and with a rest after each piece, so that the writer's
//! syncs do not wait behind it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::super::fs::Storage;
use super::super::layout::{Layout, compressed_index, segment_index};
use super::super::queue::Condition;
use super::super::writer::WriteError;
use super::compress::Compressor;

/// How often it looks for a segment that was sealed, and for the end.
const LOOK: Duration = Duration::from_mins(1);
const BLINK: Duration = Duration::from_millis(200);

/// How long it rests after a piece of 256 KiB: 64 MiB take some seconds, and a segment fills in no less at the highest rate.
const REST: Duration = Duration::from_millis(10);

/// What is known of the segments of a log, for operators.
#[derive(Debug, Default)]
pub struct Stock {
    segments: AtomicU64,
    bytes: AtomicU64,
    failures: AtomicU64,
}

impl Stock {
    /// Segment files.
    pub fn segments(&self) -> u64 {
        self.segments.load(Ordering::Relaxed)
    }

    /// Bytes of them.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How often compressing or pruning has failed since the start.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Something has failed.
    pub fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self, storage: &dyn Storage, layout: &Layout) {
        let Ok(files) = storage.list(&layout.segments()) else { return };
        let segments = files.iter().filter(|(name, _)| segment_index(name).or_else(|| compressed_index(name)).is_some());
        let (count, bytes) = segments.fold((0, 0), |(count, sum), (_, length)| (count + 1, sum + length));
        self.segments.store(count, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
    }
}

/// Who is told what became of a segment.
type Told = Box<dyn Fn(&WriteError) + Send>;

/// Does something that reads or writes megabytes on a thread of its own, of the lowest priority.
pub fn unhurried<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<oneshot::Receiver<T>> {
    let (answer, answered) = oneshot::channel();
    Builder::new().name("audit-retention".to_owned()).spawn(move || {
        yield_to_others();
        // Whoever has asked may be gone.
        let _ = answer.send(work());
    })?;
    Ok(answered)
}

/// Of the thread alone, on Linux; elsewhere it would be the process.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(19);
}

/// Looks after the segments of the log in that directory for as long as `go_on` says so, and compresses them where `compress` does; what
/// fails is told.
pub fn look_after(
    storage: Arc<dyn Storage>,
    log: &Path,
    compress: bool,
    stock: Arc<Stock>,
    condition: watch::Receiver<Condition>,
    go_on: Arc<dyn Fn() -> bool + Send + Sync>,
    told: Told,
) -> io::Result<JoinHandle<()>> {
    let layout = Layout::of(log);
    let mut compressor = Compressor::new(Arc::clone(&storage), layout.clone());
    Builder::new().name("audit-keeper".to_owned()).spawn(move || {
        yield_to_others();
        // What is left of a full volume is for the outcomes of calls.
        let may = || go_on() && *condition.borrow() == Condition::Writing;
        let mut rested = || {
            sleep(REST);
            may()
        };
        while go_on() {
            if compress && may() {
                match compressor.next(&mut rested) {
                    Ok(Some(_)) => continue,
                    Ok(None) => {}
                    Err(failure) => {
                        stock.failed();
                        told(&failure);
                    }
                }
            }
            stock.count(&*storage, &layout);
            let mut left = LOOK;
            while !left.is_zero() && go_on() {
                sleep(BLINK);
                left = left.saturating_sub(BLINK);
            }
        }
    })
}
