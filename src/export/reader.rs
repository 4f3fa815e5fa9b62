//! Reads what is durable of a log, batch by batch, on from where a sink stands.

use std::path::{Path, PathBuf};

use super::record::Record;
use crate::audit::{Cursor, FollowError, Follower};

/// Records of a batch at most, and bytes of their lines.
const RECORDS: usize = 512;
const BYTES: usize = 512 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Reader {
    log: PathBuf,
    cursor: Cursor,
    /// Whether the sink has begun, with nothing yet: what the log has lost since is lost to it.
    begun: bool,
    /// Kept while there is more: a compressed segment is read from its beginning by each new one.
    follower: Option<Follower>,
}

/// Some records in a row.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub records: Vec<Record>,
    /// Whether there was more when it was read.
    pub more: bool,
    /// Records that a cursor stood before and that are not there any more.
    pub lost: u64,
    /// Whether the line that the cursor named is not there, so that the log was read from its beginning.
    pub restarted: bool,
    /// How many lines do not follow the ones before them.
    pub broken: u64,
}

impl Reader {
    pub(super) fn new(log: &Path, cursor: Cursor, begun: bool) -> Self {
        Self { log: log.to_owned(), cursor, begun: begun && cursor.position == 0, follower: None }
    }

    /// Where the next batch begins.
    pub(super) fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Goes back, or forth.
    pub(super) fn seek(&mut self, cursor: Cursor) {
        (self.cursor, self.follower) = (cursor, None);
    }

    /// The next records, of the first `durable` of the log. Blocks on the disk.
    pub(super) fn next(&mut self, durable: u64) -> Result<Batch, FollowError> {
        match self.read(durable) {
            // SECURITY: what retention has removed before it was exported is told, and never passed over in silence.
            Err(FollowError::Replaced) => {
                let first = Follower::resume(&self.log, Cursor::BEGIN)?.first();
                let lost = first.saturating_sub(self.cursor.position);
                self.seek(Cursor::BEGIN);
                Ok(Batch { lost, restarted: true, ..self.read(durable)? })
            }
            read => read,
        }
    }

    fn read(&mut self, durable: u64) -> Result<Batch, FollowError> {
        let (mut batch, mut bytes) = (Batch::default(), 0);
        if self.cursor.position >= durable {
            return Ok(batch);
        }
        let mut follower = match self.follower.take() {
            Some(follower) => follower,
            None => Follower::resume(&self.log, self.cursor)?,
        };
        if std::mem::take(&mut self.begun) {
            batch.lost = follower.first();
            batch.restarted = batch.lost > 0;
        }
        while batch.records.len() < RECORDS && bytes < BYTES {
            let next = match follower.next_line() {
                Ok(Some(next)) => next,
                Ok(None) => return Ok(batch),
                // What was read before it is not passed over: the cursor stands behind it. The same comes again for whoever reads next.
                Err(_) if !batch.records.is_empty() => return Ok(batch),
                Err(error) => return Err(error),
            };
            // It is whoever reads next who reads it.
            if next.position >= durable {
                return Ok(batch);
            }
            bytes += next.line.len();
            batch.broken += u64::from(next.broken.is_some());
            batch.records.push(Record::new(next.line, next.position));
            self.cursor = follower.cursor();
        }
        batch.more = true;
        self.follower = Some(follower);
        Ok(batch)
    }
}
