//! The walk over the last segments: each line verified, the newest head compared, the end taken apart.

use std::collections::HashMap;
use std::io::{BufReader, Read};
use std::path::Path;

use super::super::chain::{Broken, Chain};
use super::super::line::{Line, carried, is_one_batch};
use super::super::lines::{LineReader, RawLine};
use super::super::stamp::Stamp;
use super::{RecoveryError, failed, may_follow_stop};
use crate::tlog::Checkpoint;

/// Walks the last segments.
pub(super) struct Scan {
    pub(super) chain: Chain,
    pub(super) head: Option<Checkpoint>,
    pub(super) open: HashMap<Box<str>, u64>,
    pub(super) last_kind_stop: bool,
    /// The last record under a head is a `stop`; and behind the head is what does not begin a run.
    pub(super) counted_stop: bool,
    pub(super) foreign: bool,
    pub(super) tail: Tail,
}

/// What is known of the last segment.
#[derive(Default)]
pub(super) struct Tail {
    /// Of the file.
    pub(super) length: u64,
    /// Of its lines.
    pub(super) bytes: u64,
    pub(super) started: Option<Stamp>,
    /// Bytes of the lines that the head counts.
    pub(super) counted: u64,
    /// Whole lines that it does not count.
    pub(super) uncounted: Vec<u8>,
    /// Behind the last newline.
    pub(super) torn: Vec<u8>,
}

impl Scan {
    pub(super) fn segment(&mut self, source: Box<dyn Read>, path: &Path, first: u64, last: bool) -> Result<(), RecoveryError> {
        let broken = |index, reason| RecoveryError::Broken { segment: path.to_owned(), index, reason };
        if first != self.chain.next {
            return Err(broken(self.chain.next.min(first), Broken::Index { found: first, follows: false }));
        }
        self.compare_head()?;
        let mut lines = LineReader::new(BufReader::with_capacity(256 * 1024, source));
        while let Some(raw) = lines.next_line().map_err(failed("read", path))? {
            let index = self.chain.next;
            let bytes = match raw {
                RawLine::Whole(bytes) => bytes,
                // Never acknowledged: a batch is acknowledged only after all its bytes, newlines included, were synced.
                RawLine::Torn(bytes) if last && is_one_batch(bytes) => {
                    self.tail.torn = bytes.to_vec();
                    break;
                }
                RawLine::Room if last => break,
                RawLine::Room | RawLine::Torn(_) => return Err(broken(index, Broken::Torn)),
                RawLine::Endless => return Err(broken(index, Broken::Endless)),
            };
            let line = self.chain.accept(bytes).map_err(|reason| broken(index, reason))?;
            if self.head.as_ref().is_none_or(|head| line.index < head.size) {
                self.counted_stop = line.kind == "stop";
            } else {
                self.foreign |= !may_follow_stop(line.kind);
            }
            if last {
                self.tail.take(bytes, &line, self.head.as_ref().is_some_and(|head| line.index < head.size));
            }
            follow(&mut self.open, &line);
            self.last_kind_stop = line.kind == "stop";
            self.compare_head()?;
        }
        Ok(())
    }

    /// Does the head agree, if it speaks of all up to the record just read?
    pub(super) fn compare_head(&self) -> Result<(), RecoveryError> {
        let Some(head) = self.head.as_ref().filter(|head| head.size == self.chain.next) else { return Ok(()) };
        // A segment without the tree it begins with has failed before.
        match &self.chain.tree {
            Some(tree) if tree.root() != head.root => Err(RecoveryError::HeadDiffers { size: head.size }),
            Some(_) | None => Ok(()),
        }
    }
}

impl Tail {
    fn take(&mut self, bytes: &[u8], line: &Line<'_>, counted: bool) {
        self.started.get_or_insert(line.time);
        let length = u64::try_from(bytes.len() + 1).unwrap_or(u64::MAX);
        self.bytes += length;
        if counted {
            self.counted += length;
        } else {
            self.uncounted.extend_from_slice(bytes);
            self.uncounted.push(b'\n');
        }
    }
}

fn follow(open: &mut HashMap<Box<str>, u64>, line: &Line<'_>) {
    for (call, index) in line.carry.map(carried).unwrap_or_default() {
        open.insert(call.into(), index);
    }
    if let Some(call) = line.call {
        if line.open {
            open.insert(call.into(), line.index);
        } else if line.kind == "call.outcome" {
            open.remove(call);
        }
    }
}
