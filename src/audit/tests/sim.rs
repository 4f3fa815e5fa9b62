//! A disk in memory that knows what was synced. A power cut keeps of the rest what chance keeps: each sector of an unsynced write
//! for itself, in any order, lengths and names too.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::super::{LogFile, Space, Storage};

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// See the module. Clones share the disk.
#[derive(Clone, Debug, Default)]
pub(super) struct SimDisk(Arc<Mutex<State>>);

#[derive(Clone, Debug, Default)]
struct State {
    files: BTreeMap<PathBuf, Inode>,
    /// Removed, or replaced by another name, and not for sure.
    gone: BTreeMap<PathBuf, Inode>,
    operations: usize,
    /// The power fails at this operation: it and everything behind it do not happen.
    cut_at: Option<usize>,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    /// As the process sees it.
    current: Vec<u8>,
    /// What survives.
    durable: Vec<u8>,
    pending: Vec<Change>,
    /// Its name survives.
    named: bool,
    /// The name that survives instead.
    was: Option<PathBuf>,
}

#[derive(Clone, Debug)]
enum Change {
    Length(usize),
    Write(usize, Vec<u8>),
}

/// How much of what was not synced reaches the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Nothing,
    Everything,
    /// In the order of the writes, up to somewhere within one of them: a disk without a cache.
    Prefix,
    /// Any sector, or none.
    AnySectors,
}

impl SimDisk {
    /// A disk that holds these files, durably.
    pub(super) fn holding(files: impl IntoIterator<Item = (PathBuf, Vec<u8>)>) -> Self {
        let files = files.into_iter().map(|(path, bytes)| {
            let inode = Inode { current: bytes.clone(), durable: bytes, named: true, ..Inode::default() };
            (path, inode)
        });
        Self(Arc::new(Mutex::new(State { files: files.collect(), ..State::default() })))
    }

    pub(super) fn operations(&self) -> usize {
        self.0.lock().operations
    }

    pub(super) fn cut_power_at(&self, operation: usize) {
        self.0.lock().cut_at = Some(operation);
    }

    /// The disk as it is found when power is back.
    pub(super) fn after_power_cut(&self, kept: Kept, seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut chance = |of: u64| random.next_u64() % of;
        let state = self.0.lock();
        let mut files = BTreeMap::new();
        for (path, inode) in &state.gone {
            let is_back = match kept {
                Kept::Nothing => true,
                Kept::Everything => false,
                Kept::Prefix | Kept::AnySectors => chance(2) == 0,
            };
            if is_back {
                let content = inode.durable.clone();
                files.insert(path.clone(), Inode { current: content.clone(), durable: content, named: true, ..Inode::default() });
            }
        }
        for (path, inode) in &state.files {
            let named = match kept {
                Kept::Nothing => inode.named,
                Kept::Everything => true,
                Kept::Prefix | Kept::AnySectors => inode.named || chance(2) == 0,
            };
            // In the place of one of another name, or under the name it had before: never neither.
            let path = match (named, &inode.was) {
                (true, _) => path,
                (false, Some(before)) => {
                    if let Some(old) = state.gone.get(path) {
                        let content = old.durable.clone();
                        let old = Inode { current: content.clone(), durable: content, named: true, ..Inode::default() };
                        files.insert(path.clone(), old);
                    }
                    before
                }
                (false, None) => continue,
            };
            let mut content = inode.durable.clone();
            let total: usize = inode.pending.iter().map(Change::bytes).sum();
            let mut left = match kept {
                Kept::Nothing => 0,
                Kept::Everything | Kept::AnySectors => total,
                Kept::Prefix => usize::try_from(chance(total as u64 + 1)).unwrap(),
            };
            for change in &inode.pending {
                match change {
                    Change::Length(length) if kept == Kept::Everything || (kept != Kept::Nothing && chance(2) == 0) => {
                        content.resize(*length, 0);
                    }
                    Change::Length(_) => {}
                    Change::Write(offset, bytes) if kept == Kept::AnySectors => {
                        for (at, sector) in sectors(*offset, bytes) {
                            if chance(2) == 0 {
                                put(&mut content, at, sector);
                            }
                        }
                    }
                    // The head lies within one sector and relies on it.
                    Change::Write(offset, bytes) if offset / SECTOR == (offset + bytes.len()) / SECTOR && left < total => {
                        if left >= bytes.len() {
                            put(&mut content, *offset, bytes);
                        }
                        left = left.saturating_sub(bytes.len());
                    }
                    Change::Write(offset, bytes) => {
                        let length = bytes.len().min(left);
                        left -= length;
                        put(&mut content, *offset, &bytes[..length]);
                    }
                }
            }
            let inode = Inode { current: content.clone(), durable: content, named: true, ..Inode::default() };
            files.insert(path.clone(), inode);
        }
        Self(Arc::new(Mutex::new(State { files, ..State::default() })))
    }

    /// Every file, for programs that read a real directory.
    pub(super) fn copy_to(&self, root: &Path, directory: &Path) {
        for (path, inode) in &self.0.lock().files {
            let target = directory.join(path.strip_prefix(root).unwrap());
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::write(target, &inode.current).unwrap();
        }
    }

    /// Does one operation, unless the power fails before it.
    fn act<T>(&self, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.lock();
        if state.cut_at.is_some_and(|at| state.operations >= at) {
            return Err(io::Error::other("no power"));
        }
        state.operations += 1;
        act(&mut state)
    }

    fn file(&self, path: &Path) -> Box<dyn LogFile> {
        Box::new(SimFile { disk: self.clone(), path: path.to_owned() })
    }
}

impl Change {
    fn bytes(&self) -> usize {
        match self {
            Self::Length(_) => 0,
            Self::Write(_, bytes) => bytes.len(),
        }
    }
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    if content.len() < offset + bytes.len() {
        content.resize(offset + bytes.len(), 0);
    }
    content[offset..offset + bytes.len()].copy_from_slice(bytes);
}

/// Cuts a write where sectors end.
fn sectors(offset: usize, bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at;
        let length = (SECTOR - (offset + start) % SECTOR).min(bytes.len() - start);
        at += length;
        (length > 0).then(|| (offset + start, &bytes[start..start + length]))
    })
}

impl Storage for SimDisk {
    /// The log's own directories are taken for granted; its lock needs them on the real disk.
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<(String, u64)>> {
        let state = self.0.lock();
        let files = state.files.iter().filter(|(path, _)| path.parent() == Some(directory));
        Ok(files
            .map(|(path, inode)| (path.file_name().unwrap().to_string_lossy().into_owned(), inode.current.len() as u64))
            .collect())
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        let state = self.0.lock();
        let inode = state.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Cursor::new(inode.current.clone())))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        self.act(|state| match state.files.insert(path.to_owned(), Inode::default()) {
            Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
            None => Ok(()),
        })?;
        Ok(self.file(path))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        if self.0.lock().files.contains_key(path) { Ok(self.file(path)) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn open_or_create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        self.act(|state| {
            state.files.entry(path.to_owned()).or_default();
            Ok(())
        })?;
        Ok(self.file(path))
    }

    fn replace_tail(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.open(path)?;
        file.write_at(offset, bytes)?;
        file.truncate(offset + bytes.len() as u64)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.act(|state| {
            for (_, inode) in state.files.iter_mut().filter(|(path, _)| path.parent() == Some(directory)) {
                (inode.named, inode.was) = (true, None);
            }
            state.gone.retain(|path, _| path.parent() != Some(directory));
            Ok(())
        })
    }

    fn publish(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.act(|state| {
            let inode = state.files.entry(path.to_owned()).or_default();
            inode.current = bytes.to_vec();
            inode.pending = vec![Change::Length(0), Change::Write(0, bytes.to_vec())];
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.act(|state| {
            let mut inode = state.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
            if let Some(old) = state.files.remove(to).filter(|old| old.named) {
                state.gone.insert(to.to_owned(), old);
            }
            inode.was = inode.named.then(|| from.to_owned());
            inode.named = false;
            state.files.insert(to.to_owned(), inode);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.act(|state| {
            if let Some(inode) = state.files.remove(path).filter(|inode| inode.named) {
                state.gone.insert(path.to_owned(), inode);
            }
            Ok(())
        })
    }

    fn destroy(&self, path: &Path) -> io::Result<()> {
        self.act(|state| {
            state.files.remove(path);
            Ok(())
        })
    }

    fn occupy(&self, _path: &Path, _bytes: u64) -> io::Result<()> {
        Ok(())
    }

    fn space(&self, _directory: &Path) -> io::Result<Space> {
        Ok(Space { total: u64::MAX, free: u64::MAX })
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    path: PathBuf,
}

impl LogFile for SimFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        self.disk.act(|state| {
            let inode = state.files.get_mut(&self.path).unwrap();
            put(&mut inode.current, offset, bytes);
            inode.pending.push(Change::Write(offset, bytes.to_vec()));
            Ok(())
        })
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.disk.act(|state| {
            let inode = state.files.get_mut(&self.path).unwrap();
            inode.durable.clone_from(&inode.current);
            inode.pending.clear();
            Ok(())
        })
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).unwrap();
        self.disk.act(|state| {
            let inode = state.files.get_mut(&self.path).unwrap();
            inode.current.resize(length, 0);
            inode.pending.push(Change::Length(length));
            Ok(())
        })?;
        self.sync_data()
    }
}
