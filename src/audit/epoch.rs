//! The keys of one epoch: made at each start and each day, sealed on disk while they are in use, destroyed once others took over.

use std::io::{self, Read as _};
use std::path::Path;

use zeroize::Zeroizing;

use super::fs::{Disk, Storage};
use super::layout::{Layout, epoch_number};
use super::line::{Line, nested};
use super::log::OpenError;
use super::record::{Draft, Kind};
use crate::master_key::{hex, write_private};
use crate::seal::{Key, Label, SealError};
use crate::secret::Secret;
use crate::tlog::{Checkpoint, CheckpointError, KeyError, Note, NoteError, Scheme, SignatureError, Signer, VerifierKey};

/// First line of a key file before it is sealed.
const FORMAT: &str = "yett epoch key 1";

/// Longest key file that is looked at.
const FILE_MAX: u64 = 16 * 1024;

/// Characters of one string in a record; the key of a second signature is longer.
const PART: usize = 1_000;

/// Why there are no keys to sign heads with.
#[derive(Debug, thiserror::Error)]
pub enum EpochError {
    /// The file is not there.
    #[error("the signing key `{0}` of the audit log is missing")]
    Missing(String),
    /// The file opens under another master key, or is damaged.
    #[error(
        "the signing key `{file}` of the audit log cannot be used: {reason}. If `yett keys rotate-master` broke off, run it again"
    )]
    Closed {
        /// Which file.
        file: String,
        /// Why.
        #[source]
        reason: SealError,
    },
    /// No key to seal them with.
    #[error("the signing keys of the audit log cannot be sealed")]
    Seal(#[from] SealError),
    /// No key can be made.
    #[error("no signing key can be made")]
    Make(#[from] KeyError),
    /// The disk failed.
    #[error("cannot {action} the signing key `{file}` of the audit log")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Which file.
        file: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// Why a note is no head of an epoch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHead {
    /// It says nothing that a head says.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// It is no note, or not signed with the keys of the epoch.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// The public half: what heads of an epoch are verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EpochKeys {
    pub(crate) number: u64,
    pub(crate) ed25519: VerifierKey,
    pub(crate) ml_dsa: Option<VerifierKey>,
}

/// Why a head cannot be signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadSign {
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error(transparent)]
    Key(#[from] SignatureError),
}

/// Both halves.
#[derive(Debug)]
pub(crate) struct Epoch {
    pub(crate) keys: EpochKeys,
    ed25519: Signer,
    ml_dsa: Option<Signer>,
    /// Who signed before: the hand-over to this epoch is theirs.
    pub(crate) before: Option<EpochKeys>,
}

impl EpochKeys {
    /// Reads the `epoch` member of a `key.rotate` record of the log of that name.
    pub(crate) fn read(raw: &str, log: &str) -> Option<Self> {
        let (mut number, mut ed25519, mut ml_dsa) = (None, None, None);
        nested(raw, |key, raw| match key {
            "ed25519" => ed25519 = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')),
            "ml_dsa_44" => ml_dsa = Some(raw),
            "n" => number = raw.parse().ok(),
            _ => {}
        })?;
        let ed25519 = read_key(ed25519?, Scheme::Ed25519, log)?;
        let ml_dsa = match ml_dsa {
            None => None,
            Some(raw) => {
                let parts = raw.strip_prefix("[\"")?.strip_suffix("\"]")?;
                Some(read_key(&parts.replace("\",\"", ""), Scheme::MlDsa44, log)?)
            }
        };
        Some(Self { number: number?, ed25519, ml_dsa })
    }

    /// The head, if it is one of this epoch: signed with each of its keys.
    pub(crate) fn verify(&self, note: &Note) -> Result<Checkpoint, BadHead> {
        let keys: Vec<&VerifierKey> = [Some(&self.ed25519), self.ml_dsa.as_ref()].into_iter().flatten().collect();
        let verified = note.verify(&keys)?;
        if keys.iter().any(|key| !verified.signatures.iter().any(|signed| signed.key == *key)) {
            return Err(NoteError::NoKnownSignature.into());
        }
        Ok(Checkpoint::parse(verified.text)?)
    }

    /// The record that announces them.
    pub(crate) fn announcement(&self) -> Draft {
        let mut draft = Draft::new(Kind::KeyRotate);
        draft.object("epoch", |epoch| {
            epoch.text("ed25519", &self.ed25519.to_string());
            if let Some(key) = &self.ml_dsa {
                let key = key.to_string();
                epoch.list("ml_dsa_44", |parts| {
                    let mut rest = key.as_str();
                    while !rest.is_empty() {
                        let (part, tail) = rest.split_at_checked(PART).unwrap_or((rest, ""));
                        parts.text(part);
                        rest = tail;
                    }
                });
            }
            epoch.integer("n", self.number);
        });
        draft
    }

    fn lines(&self) -> String {
        let second = self.ml_dsa.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        format!("{}\n{}\n{second}\n", self.number, self.ed25519)
    }
}

impl Epoch {
    /// New keys, durable in their file before anything names them.
    pub(crate) fn create(
        storage: &dyn Storage,
        layout: &Layout,
        seal: &Key,
        before: Option<EpochKeys>,
        second: bool,
    ) -> Result<Self, EpochError> {
        let number = before.as_ref().map_or(0, |before| before.number + 1);
        let ed25519 = Signer::generate(&layout.name, Scheme::Ed25519)?;
        let ml_dsa = if second { Some(Signer::generate(&layout.name, Scheme::MlDsa44)?) } else { None };
        let keys =
            EpochKeys { number, ed25519: ed25519.key().clone(), ml_dsa: ml_dsa.as_ref().map(|signer| signer.key().clone()) };
        let epoch = Self { keys, ed25519, ml_dsa, before };
        epoch.store(storage, layout, seal)?;
        Ok(epoch)
    }

    /// The keys of epoch `number`.
    pub(crate) fn load(storage: &dyn Storage, layout: &Layout, seal: &Key, number: u64) -> Result<Self, EpochError> {
        let text = Self::open(storage, layout, seal, number)?;
        let damaged =
            || EpochError::Closed { file: layout.epoch_key(number).display().to_string(), reason: SealError::Broken("its text") };
        Self::parse(&text, &layout.name).ok_or_else(damaged)
    }

    /// What its file holds.
    fn open(storage: &dyn Storage, layout: &Layout, seal: &Key, number: u64) -> Result<Secret<Vec<u8>>, EpochError> {
        let path = layout.epoch_key(number);
        let file = path.display().to_string();
        let reader = match storage.read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(EpochError::Missing(file)),
            reader => reader.map_err(failed("open", &path))?,
        };
        let mut sealed = Vec::new();
        reader.take(FILE_MAX).read_to_end(&mut sealed).map_err(failed("read", &path))?;
        seal.open(&label(&layout.name, number), &sealed).map_err(|reason| EpochError::Closed { file, reason })
    }

    /// Overwrites and removes the private keys of an epoch.
    pub(crate) fn destroy(storage: &dyn Storage, layout: &Layout, number: u64) -> Result<(), EpochError> {
        let path = layout.epoch_key(number);
        storage.destroy(&path).map_err(failed("destroy", &path))
    }

    /// Signs a head.
    pub(crate) fn sign(&self, head: &Checkpoint, seconds: u64) -> Result<Note, BadSign> {
        let mut note = Note::new(head.to_string())?;
        for signer in [Some(&self.ed25519), self.ml_dsa.as_ref()].into_iter().flatten() {
            note.sign(signer, seconds)?;
        }
        Ok(note)
    }

    fn store(&self, storage: &dyn Storage, layout: &Layout, seal: &Key) -> Result<(), EpochError> {
        let secret = |signer: &Signer| hex(&signer.secret());
        let second = self.ml_dsa.as_ref().map_or_else(|| "-".to_owned(), secret);
        let before = self.before.as_ref().map_or_else(|| "-\n".to_owned(), EpochKeys::lines);
        let text = Secret::new(format!("{FORMAT}\n{}\n{}\n{second}\n{before}", self.keys.number, secret(&self.ed25519)));
        let path = layout.epoch_key(self.keys.number);
        let sealed = seal.seal(&label(&layout.name, self.keys.number), text.expose().as_bytes());
        let sealed = sealed.map_err(|reason| EpochError::Closed { file: path.display().to_string(), reason })?;
        // What is there by this name was never announced: it belongs to a start that died.
        storage.destroy(&path).map_err(failed("replace", &path))?;
        let mut file = storage.create(&path).map_err(failed("create", &path))?;
        file.write_at(0, &sealed).map_err(failed("write", &path))?;
        file.sync_data().map_err(failed("sync", &path))?;
        let directory = layout.keys();
        storage.sync_dir(&directory).map_err(failed("sync", &directory))
    }

    fn parse(text: &Secret<Vec<u8>>, log: &str) -> Option<Self> {
        let text = str::from_utf8(text.expose()).ok()?;
        let mut lines = text.split('\n');
        (lines.next()? == FORMAT).then_some(())?;
        let number: u64 = lines.next()?.parse().ok()?;
        let signer = |text: &str| Signer::from_secret(log, &unhex(text)?).ok();
        let ed25519 = signer(lines.next()?)?;
        let ml_dsa = match lines.next()? {
            "-" => None,
            text => Some(signer(text)?),
        };
        let before = match lines.next()? {
            "-" => None,
            number => {
                let ed25519 = read_key(lines.next()?, Scheme::Ed25519, log)?;
                let ml_dsa = match lines.next()? {
                    "-" => None,
                    key => Some(read_key(key, Scheme::MlDsa44, log)?),
                };
                Some(EpochKeys { number: number.parse().ok()?, ed25519, ml_dsa })
            }
        };
        let keys =
            EpochKeys { number, ed25519: ed25519.key().clone(), ml_dsa: ml_dsa.as_ref().map(|signer| signer.key().clone()) };
        Some(Self { keys, ed25519, ml_dsa, before })
    }
}

/// Seals the signing keys of a log under another key. Each file changes at once or not at all, and one that opens under `new` is left
/// alone: an interrupted run can be repeated.
pub fn reseal(dir: &Path, origin: &str, replica: &str, old: &Key, new: &Key) -> Result<(), OpenError> {
    let layout = Layout::new(dir, origin, replica)?;
    let directory = layout.keys();
    for (name, _) in Disk.list(&directory).map_err(failed("list", &directory))? {
        if Path::new(&name).extension().is_some_and(|extension| extension == "new") {
            // A run that broke off has left it, perhaps with keys of an epoch that is over.
            let path = directory.join(&name);
            Disk.destroy(&path).map_err(failed("destroy", &path))?;
        }
        let Some(number) = epoch_number(&name) else { continue };
        if Epoch::load(&Disk, &layout, new, number).is_ok() {
            continue;
        }
        let path = layout.epoch_key(number);
        let text = Epoch::open(&Disk, &layout, old, number)?;
        let closed = |reason| EpochError::Closed { file: path.display().to_string(), reason };
        let sealed = new.seal(&label(&layout.name, number), text.expose()).map_err(closed)?;
        let beside = path.with_extension("new");
        Disk.destroy(&beside).map_err(failed("replace", &beside))?;
        write_private(&beside, &sealed).map_err(failed("write", &beside))?;
        std::fs::rename(&beside, &path).map_err(failed("replace", &path))?;
        Disk.sync_dir(&directory).map_err(failed("sync", &directory))?;
    }
    Ok(())
}

/// What a `key.rotate` record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Index of the record.
    pub index: u64,
    /// Number of the epoch that begins.
    pub epoch: u64,
    /// Its Ed25519 key.
    pub key: VerifierKey,
}

impl Announcement {
    /// Reads a line, without its newline, that is a record of the log of that name; `None` if it is not, or announces nothing.
    pub fn read(line: &[u8], log: &str) -> Option<Self> {
        let line = Line::parse(line).ok().filter(|line| line.log == log)?;
        let keys = EpochKeys::read(line.epoch?, log)?;
        Some(Self { index: line.index, epoch: keys.number, key: keys.ed25519 })
    }
}

/// A key of that scheme under the log's own name.
fn read_key(text: &str, scheme: Scheme, log: &str) -> Option<VerifierKey> {
    text.parse().ok().filter(|key: &VerifierKey| key.scheme() == scheme && key.name() == log)
}

fn unhex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |letter: u8| char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect::<Option<Vec<u8>>>()?;
    rest.is_empty().then(|| Zeroizing::new(bytes))
}

/// What is sealed: the keys of that epoch of that log.
fn label(log: &str, number: u64) -> Label {
    Label::new("audit epoch key", &[log.as_bytes(), &number.to_be_bytes()])
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EpochError {
    let file = path.display().to_string();
    move |source| EpochError::Io { action, file, source }
}
