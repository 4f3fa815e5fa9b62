//! The folder of a witness: its key, and a small file for each log.
//!
//! ```text
//! witness.key                 its private key (0600)
//! lock                        held by the process that serves
//! logs/<32 hex digits>.log    first key, key in force, last head cosigned; the name is the beginning of SHA-256(origin)
//! logs/<the same>.former      keys that it had before, one a line
//! logs/<the same>.<epoch>     the last head cosigned under the key of that epoch, once its time is over; for whoever has lost the log
//! forks/*.notes               two heads of one size that a log has signed
//! ```

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::WitnessError;
use crate::audit::Announcement;
use crate::master_key::{hex, make_private_dir, random_bytes, write_private};
use crate::secret::Secret;
use crate::tlog::{Checkpoint, Hash, KeyError, NOTE_MAX, Note, Scheme, Signer, VerifierKey};

/// First lines of the files.
const KEY: &str = "yett witness key 1";
const LOG: &str = "yett witness log 1";

/// What cannot be: a head that was cosigned without having been signed.
const UNSIGNED: &str = "its head is not signed with the key in force";

/// Files of evidence that are kept; one is enough to convict, and a log that forks on and on must not fill the disk.
const EVIDENCE: usize = 100;

/// What a witness knows of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// The key it was introduced with: that of epoch 0.
    pub(super) first: VerifierKey,
    /// Number of the epoch whose key is in force.
    pub(super) epoch: u64,
    /// That key.
    pub(super) key: VerifierKey,
    /// Keys whose time is over. They say that a head is the log's own, and an old one.
    pub(super) former: Vec<VerifierKey>,
    /// The last note cosigned, as the log signed it, and what it says.
    pub(super) note: Option<Note>,
    head: Option<Checkpoint>,
}

impl Known {
    pub(super) fn new(first: VerifierKey) -> Self {
        Self { key: first.clone(), first, epoch: 0, former: Vec::new(), note: None, head: None }
    }

    pub(super) fn origin(&self) -> &str {
        self.first.name()
    }

    /// The last head cosigned.
    pub(super) fn head(&self) -> Option<&Checkpoint> {
        self.head.as_ref()
    }

    /// The same after another head.
    pub(super) fn with_head(&self, note: Note) -> Self {
        let head = Checkpoint::parse(note.unverified_text()).ok();
        Self { note: Some(note), head, ..self.clone() }
    }

    /// The same after another key.
    pub(super) fn with_key(&self, announced: Announcement) -> Self {
        let mut next = Self { epoch: announced.epoch, key: announced.key, ..self.clone() };
        next.former.push(self.key.clone());
        next
    }

    fn text(&self) -> String {
        let note = self.note.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{LOG}\n{}\n{}\n{}\n\n{note}", self.first, self.epoch, self.key)
    }

    fn parse(text: &str) -> Option<Self> {
        let (head, note) = text.split_once("\n\n")?;
        let mut lines = head.split('\n');
        (lines.next()? == LOG).then_some(())?;
        let first: VerifierKey = lines.next()?.parse().ok()?;
        let known = Self { epoch: lines.next()?.parse().ok()?, key: lines.next()?.parse().ok()?, ..Self::new(first) };
        lines.next().is_none().then_some(())?;
        if note.is_empty() {
            return Some(known);
        }
        let known = known.with_head(Note::parse(note.as_bytes()).ok()?);
        let fits = known.head()?.origin == known.origin() && known.key.name() == known.origin();
        fits.then_some(known)
    }
}

/// The files.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
}

impl Store {
    pub(super) fn open(folder: &Path) -> Result<Self, WitnessError> {
        let store = Self { folder: folder.to_owned() };
        for path in [store.folder.clone(), store.logs_folder()] {
            make_private_dir(&path).map_err(failed("make", &path))?;
        }
        Ok(store)
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.folder.join("lock")
    }

    /// The key of the witness, made if there is none.
    pub(super) fn signer(&self, name: Option<&str>) -> Result<Signer, WitnessError> {
        let path = self.folder.join("witness.key");
        let damaged = |reason| WitnessError::Damaged { path: path.clone(), reason };
        match read(&path) {
            Ok(text) => {
                let text = Secret::new(text);
                let signer = parse_key(text.expose()).ok_or_else(|| damaged("it holds no key"))?;
                if name.is_some_and(|name| name != signer.key().name()) {
                    return Err(damaged("its key has another name than the one asked for"));
                }
                Ok(signer)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A witness that has lost its key must not go on as another one.
                if !self.logs()?.is_empty() {
                    return Err(failed("read", &path)(error));
                }
                let random = || random_bytes::<4>().map(|bytes| format!("witness-{}", hex(&bytes))).ok_or(KeyError::Crypto);
                let name = name.map_or_else(random, |name| Ok(name.to_owned()))?;
                let signer = Signer::generate(&name, Scheme::CosignatureV1)?;
                let text = Secret::new(format!("{KEY}\n{name}\n{}\n", hex(&signer.secret())));
                write_private(&path, text.expose().as_bytes()).map_err(failed("write", &path))?;
                sync_dir(&self.folder)?;
                Ok(signer)
            }
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    /// Everything it knows. A file that is damaged is an error: to leave it out would be to forget.
    pub(super) fn logs(&self) -> Result<Vec<Known>, WitnessError> {
        let folder = self.logs_folder();
        let mut logs = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed("list", &folder))? {
            let path = entry.map_err(failed("list", &folder))?.path();
            if path.extension() != Some(OsStr::new("log")) {
                continue;
            }
            let text = read(&path).map_err(failed("read", &path))?;
            let known = Known::parse(&text).filter(|known| self.log(known.origin()) == path);
            let mut known = known.ok_or(WitnessError::Damaged { path, reason: "it is not what a witness knows of a log" })?;
            known.former = self.former_keys(known.origin())?;
            logs.push(known);
        }
        Ok(logs)
    }

    /// Makes it durable what is known of a log.
    pub(super) fn save(&self, known: &Known) -> Result<(), WitnessError> {
        self.replace(&self.log(known.origin()), &known.text())
    }

    /// The same when its key has changed.
    pub(super) fn save_with_former(&self, known: &Known) -> Result<(), WitnessError> {
        let lines: String = known.former.iter().flat_map(|key| [key.to_string(), "\n".to_owned()]).collect();
        // First, so that a key that is no longer in force is known to have been: a key that is both is of no harm.
        self.replace(&self.former(known.origin()), &lines)?;
        if let (Some(last), Some(key), Some(epoch)) = (&known.note, known.former.last(), known.epoch.checked_sub(1)) {
            let last = signed_by(last, key).ok_or(WitnessError::Damaged { path: self.log(known.origin()), reason: UNSIGNED })?;
            self.replace(&self.last_of(known.origin(), epoch), &last.to_string())?;
        }
        self.save(known)
    }

    /// The last heads that were cosigned under the keys of the epochs below `before`, newest first, as many as fit in `room` bytes;
    /// and the number of the first one's epoch.
    pub(super) fn last_heads(&self, known: &Known, before: u64, room: usize) -> Result<(u64, Vec<Note>), WitnessError> {
        // None yet where nothing was cosigned since the key changed.
        let in_force = known.note.as_ref().and_then(|note| signed_by(note, &known.key));
        let before = before.min(known.epoch.saturating_add(u64::from(in_force.is_some())));
        let (mut notes, mut left) = (Vec::new(), room);
        for epoch in (0..before).rev() {
            let note = if epoch == known.epoch { in_force.clone() } else { self.read_last(known.origin(), epoch)? };
            let Some(note) = note else { break };
            // Its empty line counts too.
            match left.checked_sub(note.to_string().len() + 1) {
                Some(rest) => left = rest,
                None => break,
            }
            notes.push(note);
        }
        Ok((before.saturating_sub(1), notes))
    }

    fn read_last(&self, origin: &str, epoch: u64) -> Result<Option<Note>, WitnessError> {
        let path = self.last_of(origin, epoch);
        let text = match read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(failed("read", &path))?,
        };
        let note = Note::parse(text.as_bytes());
        note.map(Some).map_err(|_reason| WitnessError::Damaged { path, reason: "it is no head" })
    }

    /// At every crash the file holds the old text or the new one.
    fn replace(&self, path: &Path, text: &str) -> Result<(), WitnessError> {
        let new = path.with_extension("new");
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let written = options.open(&new).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(failed("write", &new))?;
        fs::rename(&new, path).map_err(failed("replace", path))?;
        sync_dir(&self.logs_folder())
    }

    fn former_keys(&self, origin: &str) -> Result<Vec<VerifierKey>, WitnessError> {
        let path = self.former(origin);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            text => text.map_err(failed("read", &path))?,
        };
        let keys: Result<Vec<_>, _> = text.lines().map(str::parse).collect();
        keys.map_err(|_reason| WitnessError::Damaged { path, reason: "it holds something else than keys" })
    }

    /// Keeps two heads of one size. The refusal stands whether or not this succeeds.
    pub(super) fn keep_evidence(&self, origin: &str, one: &Note, other: &Note) {
        let folder = self.folder.join("forks");
        let keep = || -> io::Result<()> {
            make_private_dir(&folder)?;
            if fs::read_dir(&folder)?.count() >= EVIDENCE {
                return Ok(());
            }
            let text = format!("{one}\n{other}\n");
            let name = format!("{}-{}.notes", short(origin.as_bytes()), short(other.unverified_text().as_bytes()));
            match write_private(&folder.join(name), text.as_bytes()) {
                // The same fork, shown again.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                written => written,
            }
        };
        if let Err(error) = keep() {
            tracing::error!(error = &error as &dyn std::error::Error, %one, %other, "the evidence of a fork could not be stored");
        }
    }

    fn logs_folder(&self) -> PathBuf {
        self.folder.join("logs")
    }

    fn former(&self, origin: &str) -> PathBuf {
        self.log(origin).with_extension("former")
    }

    fn last_of(&self, origin: &str, epoch: u64) -> PathBuf {
        self.log(origin).with_extension(epoch.to_string())
    }

    fn log(&self, origin: &str) -> PathBuf {
        self.logs_folder().join(format!("{}.log", short(origin.as_bytes())))
    }
}

/// The note with no other signature than the one by `key`: what others have signed is of no use later, and may be large.
fn signed_by(note: &Note, key: &VerifierKey) -> Option<Note> {
    let mut alone = Note::new(note.unverified_text()).ok()?;
    let by_key = note.signatures().iter().filter(|signature| signature.is_by(key)).cloned().collect();
    alone.adopt(by_key, &[key]).is_ok_and(|count| count > 0).then_some(alone)
}

fn parse_key(text: &str) -> Option<Signer> {
    let lines: Vec<&str> = text.split('\n').collect();
    let [KEY, name, secret, ""] = lines.as_slice() else { return None };
    let (pairs, rest) = secret.as_bytes().as_chunks::<2>();
    let digit = |letter: u8| char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect::<Option<Vec<u8>>>()?;
    let bytes = Zeroizing::new(bytes);
    let signer = Signer::from_secret(name, &bytes).ok()?;
    (rest.is_empty() && signer.key().scheme() == Scheme::CosignatureV1).then_some(signer)
}

/// The beginning of a hash, for names of files.
fn short(bytes: &[u8]) -> String {
    let mut name = hex(Hash::sha256(bytes).as_bytes());
    name.truncate(32);
    name
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    // Twice the largest note: whatever is larger is not ours.
    File::open(path)?.take(2 * NOTE_MAX as u64).read_to_string(&mut text)?;
    Ok(text)
}

fn sync_dir(path: &Path) -> Result<(), WitnessError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(failed("sync", path))
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> WitnessError + use<> {
    let path = path.to_owned();
    move |source| WitnessError::Io { action, path, source }
}
