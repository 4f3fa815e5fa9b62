//! What is known of a log from outside its directory, compared with what its leaves make.
//!
//! A directory can only be consistent with itself. A pin (a head that somebody kept) or a head that enough witnesses have cosigned
//! says what it must be consistent with.

use std::collections::BTreeMap;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::super::chain::Chain;
use super::super::layout::heads_name;
use super::super::notes::{NoteReader, RawNote};
use super::super::report::{Anchored, FaultReason};
use super::super::stamp::Stamp;
use super::{Opened, VerifyIo, regular_file, unreadable};
use crate::tlog::{Checkpoint, Hash, Note, Policy, VerifierKey};

/// An anchor of before that counts for the end of a log no more: a witness sees a log that serves every minute.
const FRESH: i64 = 24 * 60 * 60 * 1_000_000;

/// What an auditor knows from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Verifier keys of epoch 0, witnesses, and how many of them it takes.
    pub policy: Option<Policy>,
    /// Heads that somebody kept.
    pub pins: Vec<Checkpoint>,
    /// The time of the verification; without it the last record's.
    pub now: Option<Timestamp>,
}

/// Why a root is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Pin,
    /// Cosigned; whether by enough.
    Witnessed {
        quorum: bool,
    },
}

/// Anchors of one log, in the order of their sizes.
pub(super) struct Anchors<'t> {
    directory: PathBuf,
    trust: &'t Known,
    ahead: BTreeMap<u64, Vec<(Hash, Source)>>,
    /// The largest that was right, and the time of its last record.
    newest: Option<(u64, Stamp)>,
}

impl<'t> Anchors<'t> {
    pub(super) fn new(directory: &Path, trust: &'t Known) -> Self {
        Self { directory: directory.to_owned(), trust, ahead: BTreeMap::new(), newest: None }
    }

    /// Goes on to the segment that begins at `segment`: pins once the log's name is known, and what witnesses have cosigned.
    pub(super) fn begin(&mut self, segment: u64) -> Result<Option<FaultReason>, VerifyIo> {
        let path = self.directory.join("witnessed").join(heads_name(segment));
        let Opened::File(file) = regular_file(&path)? else { return Ok(None) };
        // What is appended meanwhile is of records that come later.
        let length = file.metadata().map_err(unreadable(&path))?.len();
        let mut notes = NoteReader::new(BufReader::new(file.take(length)));
        while let Some(RawNote::Whole(note)) = notes.next_note().map_err(unreadable(&path))? {
            let torn = note.contains(&0);
            let note = Note::parse(note).map_err(|reason| reason.to_string());
            let head = note.and_then(|note| {
                let head = Checkpoint::parse(note.unverified_text()).map_err(|reason| reason.to_string())?;
                Ok((head, self.is_quorum(&note)))
            });
            match head {
                Ok((head, _)) if head.size <= segment => return Ok(Some(FaultReason::HeadOrder { size: head.size })),
                Ok((head, quorum)) => {
                    self.ahead.entry(head.size).or_default().push((head.root, Source::Witnessed { quorum }));
                }
                Err(_) if torn => break,
                Err(reason) => return Ok(Some(FaultReason::HeadMalformed { reason })),
            }
        }
        Ok(None)
    }

    fn is_quorum(&self, note: &Note) -> bool {
        let Some(policy) = self.trust.policy.as_ref().filter(|policy| policy.needs_witnesses()) else { return false };
        let keys: Vec<&VerifierKey> = policy.witnesses().map(|witness| &witness.key).collect();
        let Ok(verified) = note.verify(&keys) else { return false };
        policy.is_quorum(|key| verified.signatures.iter().any(|signed| signed.key == key))
    }

    /// Takes a record. At the first one the log's name is known, and with it which pins are of this log.
    pub(super) fn record(&mut self, chain: &Chain, is_first: bool) -> Option<FaultReason> {
        if is_first {
            for pin in self.trust.pins.iter().filter(|pin| chain.log.as_ref() == Some(&pin.origin)) {
                self.ahead.entry(pin.size).or_default().push((pin.root, Source::Pin));
            }
        }
        // SECURITY: all that are due, so that none can be put in front of another to have it passed by.
        while let Some(due) = self.ahead.first_entry().filter(|entry| *entry.key() <= chain.next) {
            let (size, anchors) = due.remove_entry();
            // Where reading began in the middle the tree may not be known yet, and pins may be of records that are not here.
            let Some(tree) = &chain.tree else { continue };
            for (expected, source) in anchors {
                let differs = tree.size() != size || tree.root() != expected;
                match source {
                    Source::Pin if size < chain.next => {}
                    Source::Pin if differs => return Some(FaultReason::PinDiffers { size }),
                    Source::Witnessed { .. } if differs => return Some(FaultReason::WitnessDiffers { size }),
                    Source::Witnessed { quorum: false } => {}
                    Source::Pin | Source::Witnessed { quorum: true } => self.newest = Some((size, chain.time)),
                }
            }
        }
        None
    }

    /// What stands against the log at its end, which has the verifier key `genesis` if its beginning is here.
    pub(super) fn judge(&self, chain: &Chain, genesis: Option<&str>) -> Option<(u64, FaultReason)> {
        let known = self.trust.policy.as_ref().map(Policy::logs).unwrap_or_default();
        if let Some(genesis) = genesis.filter(|_| !known.is_empty())
            && !known.iter().any(|log| log.key.to_string() == genesis)
        {
            return Some((0, FaultReason::UnknownKey));
        }
        let (size, anchors) = self.ahead.iter().find(|(size, _)| **size > chain.next)?;
        let pinned = anchors.iter().any(|(_, source)| *source == Source::Pin);
        Some((chain.next, if pinned { FaultReason::PinAhead { size: *size } } else { FaultReason::Cut { size: *size } }))
    }

    /// How far the log is confirmed.
    pub(super) fn anchored(&self, last: Stamp) -> Option<Anchored> {
        let (size, time) = self.newest?;
        let now = self.trust.now.map_or(last, Stamp::from_timestamp);
        Some(Anchored { size, time: time.text(), stale: now.micros_since(time) > FRESH })
    }
}
