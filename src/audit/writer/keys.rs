//! Changing the keys that heads are signed with, in a log that goes on.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use tokio::time::Instant;

use super::super::epoch::EpochError;
use super::super::layout::Layout;
use super::super::log::OpenError;
use super::super::queue::Entry;
use super::super::segment::is_passing;
use super::{WriteError, Writer};

/// When keys are tried again for which the volume had no room.
const EPOCH_RETRY: Duration = Duration::from_mins(1);

impl Writer {
    /// Announces new keys and hands over to them. Whoever takes the keys of today cannot sign yesterday again.
    pub(super) fn change_keys(&mut self) -> Result<(), EpochFailure> {
        self.next_epoch = Instant::now() + self.limits.epoch;
        if self.heads.hands_over() {
            // On a full volume the last ones are still waiting for their head.
            return Ok(());
        }
        let next = match self.heads.prepare(&self.seal, self.limits.second_signature) {
            // Old keys are better than none.
            Err(EpochError::Io { source, .. }) if is_passing(&source) => {
                self.next_epoch = Instant::now() + self.limits.epoch.min(EPOCH_RETRY);
                return Ok(());
            }
            next => next?,
        };
        // Crash point: keys that nobody has heard of. The next start destroys them.
        let mut announcement = VecDeque::from([Entry::own(next.keys.announcement())]);
        self.commit(&mut announcement)?;
        self.heads.announced(next);
        // Crash point: announced, and signed by nobody. The next start signs it with the old keys.
        Ok(self.make_head()?)
    }
}

/// Why keys could not be changed.
#[derive(Debug)]
pub(super) enum EpochFailure {
    Keys(EpochError),
    Write(WriteError),
}

impl EpochFailure {
    /// While the log is open it ends the log like any other failure to write.
    pub(super) fn into_write(self, layout: &Layout) -> WriteError {
        match self {
            Self::Write(failure) => failure,
            Self::Keys(error) => WriteError { action: "make keys in", path: layout.keys(), source: io::Error::other(error) },
        }
    }
}

impl From<EpochFailure> for OpenError {
    fn from(failure: EpochFailure) -> Self {
        match failure {
            EpochFailure::Keys(error) => Self::Key(error),
            EpochFailure::Write(failure) => Self::Write(failure),
        }
    }
}

impl From<EpochError> for EpochFailure {
    fn from(error: EpochError) -> Self {
        Self::Keys(error)
    }
}

impl From<WriteError> for EpochFailure {
    fn from(failure: WriteError) -> Self {
        Self::Write(failure)
    }
}
