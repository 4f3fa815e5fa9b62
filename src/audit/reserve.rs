//! Space on the volume that is kept for the outcomes of calls already sent: given up when the volume is full, taken again
//! once there is room.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::fs::Storage;
use super::layout::Layout;

/// How often to look whether space was freed.
pub(crate) const RETRY: Duration = Duration::from_secs(1);

/// On a small volume the reserve is at most this part of it.
const SHARE: u64 = 8;

/// See the module.
#[derive(Debug)]
pub(crate) struct Reserve {
    storage: Arc<dyn Storage>,
    path: PathBuf,
    directory: PathBuf,
    bytes: u64,
    /// What else has to be free before the reserve is taken again.
    slack: u64,
    held: bool,
    retry_at: Instant,
}

impl Reserve {
    /// Takes `bytes`, or an eighth of a volume on which that is less. It may not be to be had: see [`Reserve::is_held`].
    pub(crate) fn take(storage: Arc<dyn Storage>, layout: &Layout, bytes: u64, slack: u64) -> Self {
        let (path, directory) = (layout.reserve(), layout.directory.clone());
        let bytes = storage.space(&directory).map_or(bytes, |space| bytes.min(space.total / SHARE));
        let held = storage.occupy(&path, bytes).is_ok();
        Self { storage, path, directory, bytes, slack, held, retry_at: Instant::now() + RETRY }
    }

    /// Whether calls may begin: the records they will need have their space.
    pub(crate) fn is_held(&self) -> bool {
        self.held
    }

    /// Gives the space up to the records of calls that have begun. False if there was none to give.
    pub(crate) fn release(&mut self) -> bool {
        self.retry_at = Instant::now() + RETRY;
        std::mem::take(&mut self.held) && self.storage.occupy(&self.path, 0).is_ok()
    }

    /// Takes the space again if enough of it was freed, looking once a second at most.
    pub(crate) fn retake_if_due(&mut self) {
        if self.held || Instant::now() < self.retry_at {
            return;
        }
        self.retry_at = Instant::now() + RETRY;
        // With less than that the very next batch would give it up again.
        let enough = self.storage.space(&self.directory).is_ok_and(|space| space.free >= self.bytes + self.slack);
        self.held = enough && self.storage.occupy(&self.path, self.bytes).is_ok();
    }
}
