//! The heads of a log: made from durable records, signed, durable themselves before anyone sees them.
//!
//! They lie in a file for each segment, one note after the other. The newest stands in `checkpoint` besides, for whoever follows.

use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::epoch::{Epoch, EpochError};
use super::fs::{LogFile, Storage};
use super::layout::{Layout, heads_index};
use super::notes::{NoteReader, RawNote};
use super::recovery::{RecoveryError, failed as unreadable};
use super::segment::is_passing;
use super::writer::{WriteError, failed};
use crate::seal::Key;
use crate::tlog::{Checkpoint, Frontier, Hash, Note};

/// Longest time and most records between two heads (SECURITY.md 2.6).
const AGE: Duration = Duration::from_secs(1);
const RECORDS: u64 = 1_000;

/// A head and the note that carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHead {
    /// What it says.
    pub head: Checkpoint,
    /// The signed note.
    pub note: Arc<str>,
}

/// What recovery found of them.
#[derive(Debug)]
pub(crate) struct FoundHeads {
    /// First index of the segment whose heads the newest file holds, and the bytes of whole notes in it.
    pub(crate) file: Option<(u64, u64)>,
    /// The newest.
    pub(crate) newest: Option<(Checkpoint, Note)>,
}

/// A head that somebody outside the log's directory remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownHead {
    /// Records it counts.
    pub size: u64,
    /// Root of their tree.
    pub root: Hash,
    /// Who remembers it, for the operator.
    pub keeper: &'static str,
}

impl KnownHead {
    /// Whether a log of `found` records, whose head of the same size has that root, can be the one that was remembered.
    pub(crate) fn check(&self, found: u64, root: Option<&Hash>) -> Result<(), RecoveryError> {
        let Self { size, keeper, .. } = *self;
        if size > found {
            return Err(RecoveryError::RolledBack { size, found, keeper });
        }
        if size > 0 && root != Some(&self.root) { Err(RecoveryError::Forked { size, keeper }) } else { Ok(()) }
    }
}

/// Makes heads.
pub(crate) struct Heads {
    storage: Arc<dyn Storage>,
    layout: Layout,
    epoch: Epoch,
    /// Announced, and waiting for the head that hands over.
    next: Option<Epoch>,
    /// Epochs whose private keys are to be destroyed.
    doomed: Vec<u64>,
    /// First index of the segment whose file is open.
    segment: u64,
    file: Option<Box<dyn LogFile>>,
    bytes: u64,
    /// Records the newest head counts, and when it was made.
    size: u64,
    made: Instant,
    newest: watch::Sender<Option<SignedHead>>,
}

impl Heads {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        layout: Layout,
        epoch: Epoch,
        next: Option<Epoch>,
        found: &FoundHeads,
        newest: watch::Sender<Option<SignedHead>>,
    ) -> Result<Self, WriteError> {
        let (segment, bytes) = found.file.unwrap_or((0, 0));
        let file = match found.file {
            Some((segment, bytes)) => {
                let path = layout.heads_file(segment);
                let mut file = storage.open(&path).map_err(failed("open", &path))?;
                // A head that was torn is none.
                file.truncate(bytes).map_err(failed("cut", &path))?;
                Some(file)
            }
            None => None,
        };
        if let Some((head, note)) = &found.newest {
            newest.send_replace(Some(SignedHead { head: head.clone(), note: note.to_string().into() }));
        }
        let size = found.newest.as_ref().map_or(0, |(head, _)| head.size);
        Ok(Self { storage, layout, epoch, next, doomed: Vec::new(), segment, file, bytes, size, made: Instant::now(), newest })
    }

    /// Records that the newest one counts.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// How long until one is due, when there are `next` records; `None` when there is nothing to say.
    pub(crate) fn due_in(&self, next: u64) -> Option<Duration> {
        match next - self.size {
            0 => None,
            RECORDS.. => Some(Duration::ZERO),
            _ => Some(AGE.saturating_sub(self.made.elapsed())),
        }
    }

    /// Whether announced keys wait for their hand-over.
    pub(crate) fn hands_over(&self) -> bool {
        self.next.is_some()
    }

    /// New keys for the record that announces them, and for what follows.
    pub(crate) fn prepare(&self, seal: &Key, second: bool) -> Result<Epoch, EpochError> {
        Epoch::create(&*self.storage, &self.layout, seal, Some(self.epoch.keys.clone()), second)
    }

    /// The record that announces `next` is durable: the next head hands over.
    pub(crate) fn announced(&mut self, next: Epoch) {
        self.next = Some(next);
    }

    /// Makes a head over all records, which are durable and the newest of which are in the segment that begins at `segment`.
    /// While there is no space or no descriptor for it there is none, and it is due again.
    pub(crate) fn make(&mut self, tree: &Frontier, segment: u64, seconds: u64) -> Result<(), WriteError> {
        if tree.size() == self.size {
            return Ok(());
        }
        let head = Checkpoint { origin: self.layout.name.clone(), size: tree.size(), root: tree.root() };
        // Only a fault of the library keeps a key from signing; then the log must not go on unsigned.
        let unsigned = |error| failed("sign", &self.layout.checkpoint())(std::io::Error::other(error));
        let note = self.epoch.sign(&head, seconds).map_err(unsigned)?.to_string();
        match self.write(&note, segment) {
            Err(failure) if is_passing(&failure.source) => {
                self.made = Instant::now();
                return Ok(());
            }
            written => written?,
        }
        self.size = head.size;
        self.made = Instant::now();
        // Crash point: the hand-over is durable, the old key still there. The next start destroys it.
        if let Some(next) = self.next.take() {
            let old = std::mem::replace(&mut self.epoch, next);
            self.doomed.push(old.keys.number);
        }
        self.destroy_doomed()?;
        // A copy: who follows it finds the one before while this one has no place.
        let _ = self.storage.publish(&self.layout.checkpoint(), note.as_bytes());
        self.newest.send_replace(Some(SignedHead { head, note: note.into() }));
        Ok(())
    }

    /// Private keys whose time is over.
    fn destroy_doomed(&mut self) -> Result<(), WriteError> {
        while let Some(number) = self.doomed.last() {
            let path = self.layout.epoch_key(*number);
            match self.storage.destroy(&path) {
                // With the next head, then.
                Err(failure) if is_passing(&failure) => return Ok(()),
                destroyed => destroyed.map_err(failed("destroy", &path))?,
            }
            self.doomed.pop();
        }
        Ok(())
    }

    fn write(&mut self, note: &str, segment: u64) -> Result<(), WriteError> {
        let path = self.layout.heads_file(segment);
        let mut file = if let Some(file) = self.file.take().filter(|_| self.segment == segment) {
            file
        } else {
            let file = self.storage.open_or_create(&path).map_err(failed("create", &path))?;
            let directory = self.layout.heads();
            self.storage.sync_dir(&directory).map_err(failed("sync", &directory))?;
            (self.segment, self.bytes) = (segment, 0);
            file
        };
        let framed = format!("{note}\n");
        let written = file.write_at(self.bytes, framed.as_bytes()).map_err(failed("write", &path));
        let synced = written.and_then(|()| file.sync_data().map_err(failed("sync", &path)));
        self.file = Some(file);
        synced?;
        self.bytes += u64::try_from(framed.len()).unwrap_or(u64::MAX);
        Ok(())
    }
}

/// The newest head on disk: of the newest file, or of the one before when a crash left nothing whole in that.
pub(crate) fn find(storage: &dyn Storage, layout: &Layout) -> Result<FoundHeads, RecoveryError> {
    let mut found = FoundHeads { file: None, newest: None };
    for segment in files(storage, layout)?.into_iter().rev().take(2) {
        let path = layout.heads_file(segment);
        let mut notes = open(storage, &path)?;
        let (mut whole, mut last, mut torn) = (0, None, None);
        while let Some(raw) = notes.next_note().map_err(unreadable("read", &path))? {
            let note = match raw {
                RawNote::Whole(note) => Note::parse(note).map_err(|reason| (note.contains(&0), reason.to_string())),
                RawNote::Torn => Err((true, "a head has no end".to_owned())),
            };
            match note {
                Ok(note) => (whole, last) = (notes.offset(), Some(note)),
                // What a crash tore has holes where it may still be framed like a note.
                Err((false, reason)) => return Err(RecoveryError::HeadUnreadable { path, reason }),
                Err((true, reason)) => {
                    torn = Some(reason);
                    break;
                }
            }
        }
        // Each head is durable before the next is written, so a crash tears the last one alone.
        if let Some(reason) = torn
            && notes.goes_on(&layout.name).map_err(unreadable("read", &path))?
        {
            return Err(RecoveryError::HeadUnreadable { path, reason });
        }
        found.file.get_or_insert((segment, whole));
        if let Some(note) = last {
            let head = Checkpoint::parse(note.unverified_text());
            let head = head.map_err(|reason| RecoveryError::HeadUnreadable { path, reason: reason.to_string() })?;
            found.newest = Some((head, note));
            break;
        }
    }
    Ok(found)
}

/// The root that the head over `size` records has.
pub(crate) fn root_at(storage: &dyn Storage, layout: &Layout, size: u64) -> Result<Option<Hash>, RecoveryError> {
    let Some(file) = files(storage, layout)?.into_iter().rfind(|first| *first < size) else { return Ok(None) };
    let path = layout.heads_file(file);
    let mut notes = open(storage, &path)?;
    while let Some(RawNote::Whole(note)) = notes.next_note().map_err(unreadable("read", &path))? {
        let head = Note::parse(note).ok().and_then(|note| Checkpoint::parse(note.unverified_text()).ok());
        if let Some(head) = head.filter(|head| head.size == size) {
            return Ok(Some(head.root));
        }
    }
    Ok(None)
}

/// Files of heads by the segment they belong to, in order.
fn files(storage: &dyn Storage, layout: &Layout) -> Result<Vec<u64>, RecoveryError> {
    let directory = layout.heads();
    let listed = storage.list(&directory).map_err(unreadable("list", &directory))?;
    let mut files: Vec<u64> = listed.iter().filter_map(|(name, _)| heads_index(name)).collect();
    files.sort_unstable();
    Ok(files)
}

fn open(storage: &dyn Storage, path: &Path) -> Result<NoteReader<BufReader<Box<dyn Read>>>, RecoveryError> {
    Ok(NoteReader::new(BufReader::new(storage.read(path).map_err(unreadable("open", path))?)))
}
