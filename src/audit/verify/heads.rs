//! The heads of a log, beside its records: what each counts, and whose signature it has.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::chain::Chain;
use super::super::epoch::{BadHead, EpochKeys};
use super::super::fault::FaultReason;
use super::super::layout::heads_index;
use super::super::notes::{NoteReader, RawNote};
use super::pool::{Pool, Promise};
use super::{Opened, VerifyIo, list, regular_file, unreadable};
use crate::tlog::{Checkpoint, Frontier, Hash, Note};

/// Signatures in one job of a thread: some milliseconds.
const BATCH: usize = 64;

/// Most leaves that are remembered since a head: some minutes of a busy log, 32 MiB.
const SINCE_MAX: usize = 1_000_000;

/// A file of heads as it was when verification began: what is appended later is not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeadsFile {
    pub(super) segment: u64,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// The files of heads in a directory, in order.
pub(super) fn files(directory: &Path) -> Result<Vec<HeadsFile>, VerifyIo> {
    list(directory, heads_index, |segment, path, bytes| HeadsFile { segment, path, bytes })
}

/// How many records the heads of the newest file count at most, as far as they can be read: the judge of what a crash may have torn.
pub(super) fn newest_size(files: &[HeadsFile]) -> Result<u64, VerifyIo> {
    for file in files.iter().rev() {
        let Some(mut notes) = open(file)? else { continue };
        let mut largest = None;
        while let Some(RawNote::Whole(note)) = notes.next_note().map_err(unreadable(&file.path))? {
            let head = Note::parse(note).ok().and_then(|note| Checkpoint::parse(note.unverified_text()).ok());
            largest = largest.max(head.map(|head| head.size));
        }
        if let Some(size) = largest {
            return Ok(size);
        }
    }
    Ok(0)
}

/// The heads of a file, one after the other.
pub(super) type Notes = NoteReader<BufReader<io::Take<File>>>;

pub(super) fn open(file: &HeadsFile) -> Result<Option<Notes>, VerifyIo> {
    Ok(match regular_file(&file.path)? {
        Opened::File(opened) => Some(NoteReader::new(BufReader::new(opened.take(file.bytes)))),
        Opened::Missing | Opened::Other => None,
    })
}

/// Compares heads with the tree of the records, one file after the other.
pub(super) struct Heads<'p> {
    pool: &'p Pool,
    files: Vec<HeadsFile>,
    /// Whose heads they must be; `None` when no record says so.
    log: Option<String>,
    notes: Option<Notes>,
    path: PathBuf,
    /// Records that a head must count more than where it stands, and that it may count at most.
    above: u64,
    most: u64,
    /// The next one, not reached yet.
    ahead: Option<(Checkpoint, Note)>,
    /// The newest that was right: its tree, and the leaves behind it.
    good: Frontier,
    since: Vec<Hash>,
    /// Who signs, and the announcement that was handed over to last.
    in_force: Option<Arc<EpochKeys>>,
    handed: Option<u64>,
    batch: Vec<(u64, Note, Arc<EpochKeys>)>,
    jobs: Vec<Promise<Option<(u64, BadHead)>>>,
    unsigned: Option<(u64, BadHead)>,
    /// Heads that nobody here can check the signature of.
    pub(super) unchecked: u64,
    pub(super) count: u64,
    /// The key of epoch 0.
    pub(super) genesis: Option<String>,
}

impl<'p> Heads<'p> {
    pub(super) fn new(pool: &'p Pool, files: Vec<HeadsFile>, log: Option<String>) -> Self {
        Self {
            pool,
            files,
            log,
            notes: None,
            path: PathBuf::new(),
            above: 0,
            most: 0,
            ahead: None,
            good: Frontier::new(),
            since: Vec::new(),
            in_force: None,
            handed: None,
            batch: Vec::new(),
            jobs: Vec::new(),
            unsigned: None,
            unchecked: 0,
            count: 0,
            genesis: None,
        }
    }

    /// Goes on behind the records of this tree.
    pub(super) fn begin_behind(&mut self, tree: Frontier) {
        self.good = tree;
        self.since.clear();
    }

    /// Goes on from what was announced, and handed over to, before the first record that is here.
    pub(super) fn go_on(&mut self, genesis: Option<String>, handed: Option<(u64, &EpochKeys)>) {
        self.genesis = genesis;
        self.handed = handed.map(|(index, _)| index);
        self.in_force = handed.map(|(_, keys)| Arc::new(keys.clone()));
    }

    /// Records the newest head counts that was right.
    pub(super) fn size(&self) -> u64 {
        self.good.size()
    }

    /// The newest head that was right.
    pub(super) fn root(&self) -> Hash {
        self.good.root()
    }

    /// Files that belong to segments before record `first`.
    pub(super) fn files_before(&self, first: u64) -> Vec<u64> {
        self.files.iter().map(|file| file.segment).filter(|segment| *segment < first).collect()
    }

    /// Goes on to the heads of a segment, which count no more records than end with it.
    pub(super) fn begin(&mut self, segment: u64, most: u64) -> Result<Option<FaultReason>, VerifyIo> {
        self.notes = None;
        (self.above, self.most) = (self.above.max(segment), most);
        let Some(at) = self.files.iter().position(|file| file.segment == segment) else { return Ok(None) };
        let file = self.files.remove(at);
        self.path.clone_from(&file.path);
        self.notes = open(&file)?;
        self.advance()
    }

    /// The next head of the file.
    fn advance(&mut self) -> Result<Option<FaultReason>, VerifyIo> {
        self.ahead = None;
        let Some(notes) = &mut self.notes else { return Ok(None) };
        let (holed, note) = match notes.next_note().map_err(unreadable(&self.path))? {
            None => return Ok(None),
            Some(RawNote::Whole(note)) => (note.contains(&0), Note::parse(note).map_err(BadHead::from)),
            // Torn: no head, if it is the last of all.
            Some(RawNote::Torn) => return self.torn(),
        };
        let head = note.and_then(|note| Ok::<_, BadHead>((Checkpoint::parse(note.unverified_text())?, note)));
        match head {
            Ok((head, _)) if head.size <= self.above || head.size > self.most => {
                Ok(Some(FaultReason::HeadOrder { size: head.size }))
            }
            Ok((head, note)) => {
                self.above = head.size;
                self.ahead = Some((head, note));
                Ok(None)
            }
            // What a crash tore has holes where it may still be framed like a note.
            Err(_) if holed => self.torn(),
            Err(reason) => Ok(Some(FaultReason::HeadMalformed { reason: reason.to_string() })),
        }
    }

    fn torn(&mut self) -> Result<Option<FaultReason>, VerifyIo> {
        let Some(notes) = self.notes.take() else { return Ok(None) };
        let goes_on = notes.goes_on(self.log.as_deref().unwrap_or("\u{2014}")).map_err(unreadable(&self.path))?;
        let last = self.files.iter().all(|file| file.bytes == 0);
        let torn = FaultReason::HeadMalformed { reason: "it has no end".to_owned() };
        Ok((goes_on || !last).then_some(torn))
    }

    /// Takes a record: its leaf, and where the chain stands behind it.
    pub(super) fn record(&mut self, leaf: Hash, chain: &Chain) -> Result<Option<FaultReason>, VerifyIo> {
        if self.since.len() < SINCE_MAX {
            self.since.push(leaf);
        }
        while self.ahead.as_ref().is_some_and(|(head, _)| head.size == chain.next) {
            let Some((head, note)) = self.ahead.take() else { break };
            if self.log.as_deref().is_some_and(|log| log != head.origin) {
                return Ok(Some(FaultReason::HeadName));
            }
            if let Some(tree) = &chain.tree {
                if tree.root() != head.root {
                    return Ok(Some(FaultReason::HeadDiffers { from: self.good.size(), size: head.size }));
                }
                self.good = tree.clone();
                self.since.clear();
            }
            self.count += 1;
            self.signed(head.size, note, chain);
            if let Some(fault) = self.advance()? {
                return Ok(Some(fault));
            }
        }
        Ok(None)
    }

    /// Who must have signed the head over `size` records, and whether they did.
    fn signed(&mut self, size: u64, note: Note, chain: &Chain) {
        let mut signer = self.in_force.clone();
        if let Some((index, keys)) = chain.announced.as_ref().filter(|(index, _)| self.handed != Some(*index)) {
            let keys = Arc::new(keys.clone());
            // Nobody signed before the first.
            if *index == 0 {
                signer = Some(Arc::clone(&keys));
                self.genesis = Some(keys.ed25519.to_string());
            }
            self.in_force = Some(keys);
            self.handed = Some(*index);
        }
        let Some(keys) = signer else {
            self.unchecked += 1;
            return;
        };
        self.batch.push((size, note, keys));
        if self.batch.len() >= BATCH {
            self.submit();
        }
    }

    fn submit(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let check =
            move || batch.into_iter().find_map(|(size, note, keys)| keys.verify(&note).err().map(|reason| (size, reason)));
        self.jobs.push(self.pool.submit(check));
        // At most some are under way; the first bad one is enough.
        if self.jobs.len() > 4 * self.pool.width() {
            let found = self.jobs.remove(0).wait().flatten();
            self.unsigned = self.unsigned.take().or(found);
        }
    }

    /// The first head without the signatures that it must have.
    pub(super) fn first_unsigned(&mut self) -> Option<(u64, BadHead)> {
        self.submit();
        let mut rest = std::mem::take(&mut self.jobs).into_iter();
        self.unsigned.take().or_else(|| rest.find_map(|job| job.wait().flatten()))
    }

    /// The tree up to the newest head that was right, and the leaves of the records after it, as many as are remembered.
    pub(super) fn since(&self) -> (&Frontier, &[Hash]) {
        (&self.good, &self.since)
    }

    /// The head that is next.
    pub(super) fn ahead(&self) -> Option<&Checkpoint> {
        self.ahead.as_ref().map(|(head, _)| head)
    }

    /// Whether the head that is next is right if the last record had another leaf, and another one followed it.
    pub(super) fn clears(&self, last: Hash, next: Hash, size: u64) -> bool {
        let Some((head, _)) = self.ahead.as_ref().filter(|(head, _)| head.size == size) else { return false };
        let mut tree = self.good.clone();
        let Some((_, before)) = self.since.split_last() else { return false };
        if tree.size() + u64::try_from(before.len()).unwrap_or(u64::MAX) + 2 != size {
            return false;
        }
        for leaf in before.iter().chain([&last, &next]) {
            tree.push(*leaf);
        }
        tree.root() == head.root
    }
}
