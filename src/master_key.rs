//! The key under all keyed hashes, and the commitments made with it.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::constant_time;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand;

use crate::seal::{Key, SealError};
use crate::secret::Secret;

const LENGTH: usize = 32;

/// The use of the key that seals the signing keys of the audit log.
pub const EPOCH_KEYS: &str = "audit epoch keys";

/// What the key is for that seals what browsers keep between two pages.
pub const BROWSERS: &str = "browsers";

/// What the key is for that seals servers' states while clients hold them.
pub const REQUEST_STATES: &str = "request states";

/// The root of all keyed hashes. Never used itself: each use derives a key of its own by a label (RFC 5869's idea, one HMAC).
#[derive(Debug)]
pub struct MasterKey(Secret<Vec<u8>>);

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The setting is too short to be a key.
    #[error("`master_key` must hold at least 32 bytes; make one with `openssl rand -hex 32`")]
    TooShort,
    /// The file is there but not ours.
    #[error("`{}` does not hold a master key of 32 bytes", .0.display())]
    Damaged(PathBuf),
    /// It cannot be read or written.
    #[error("cannot open the master key `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system has no randomness.
    #[error("the system gives no random bytes")]
    Random,
}

impl MasterKey {
    /// The operator's key, or the one in `data_dir/master.key`, which is made at first start (mode 0600).
    pub fn open(configured: Option<&Secret<String>>, data_dir: &Path) -> Result<Self, MasterKeyError> {
        if let Some(secret) = configured {
            let bytes = secret.expose().trim().as_bytes();
            if bytes.len() < LENGTH {
                return Err(MasterKeyError::TooShort);
            }
            return Ok(Self(Secret::new(bytes.to_vec())));
        }
        let path = data_dir.join("master.key");
        match fs::read(&path) {
            Ok(bytes) if bytes.len() == LENGTH => Ok(Self(Secret::new(bytes))),
            Ok(_) => Err(MasterKeyError::Damaged(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let bytes = random_bytes::<LENGTH>().ok_or(MasterKeyError::Random)?;
                write_private(&path, &bytes).map_err(|source| MasterKeyError::Io { path, source })?;
                Ok(Self(Secret::new(bytes.to_vec())))
            }
            Err(source) => Err(MasterKeyError::Io { path, source }),
        }
    }

    /// The key for sealing what has one use.
    pub fn sealing(&self, label: &str) -> Result<Key, SealError> {
        Key::new(self.derive_bytes(label))
    }

    /// The key that a file holds: 32 bytes as they are, or text of at least 32 characters.
    pub fn read(path: &Path) -> Result<Self, MasterKeyError> {
        let bytes = fs::read(path).map_err(|source| MasterKeyError::Io { path: path.to_owned(), source })?;
        let bytes = if bytes.len() == LENGTH { bytes } else { bytes.trim_ascii().to_vec() };
        if bytes.len() < LENGTH {
            return Err(MasterKeyError::TooShort);
        }
        Ok(Self(Secret::new(bytes)))
    }

    /// Puts this key into `data_dir/master.key` in place of the one there, at once or not at all.
    pub fn install(&self, data_dir: &Path) -> Result<(), MasterKeyError> {
        let (path, new) = (data_dir.join("master.key"), data_dir.join("master.key.new"));
        let installed = || {
            match fs::remove_file(&new) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            write_private(&new, self.0.expose())?;
            fs::rename(&new, &path)?;
            fs::File::open(data_dir)?.sync_all()
        };
        installed().map_err(|source| MasterKeyError::Io { path, source })
    }

    /// Whether `data_dir/master.key` can hold it.
    pub fn is_installable(&self) -> bool {
        self.0.expose().len() == LENGTH
    }

    /// Names it in records; nothing that is made from it can be made from this.
    pub fn digest(&self) -> String {
        hex(digest(&SHA256, self.derive_bytes("name").expose()).as_ref())
    }

    /// Whether both are one key.
    pub fn is(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(self.0.expose(), other.0.expose()).is_ok()
    }

    /// The key for one use.
    pub fn derive(&self, label: &str) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.derive_bytes(label).expose())
    }

    /// The same as 32 bytes, for what is no HMAC key.
    pub fn derive_bytes(&self, label: &str) -> Secret<Vec<u8>> {
        let root = hmac::Key::new(hmac::HMAC_SHA256, self.0.expose());
        Secret::new(hmac::sign(&root, label.as_bytes()).as_ref().to_vec())
    }
}

/// Random bytes from the system; `None` when it has none.
pub fn random_bytes<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).ok()?;
    Some(bytes)
}

/// Makes a directory that only its owner can enter; one that is there keeps its mode.
pub fn make_private_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file that only its owner can read, durably, and never over another.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes keyed commitments for one subject: whoever holds the subject's key can test a guess, nobody else can. Destroying the key
/// makes every commitment of that subject meaningless, while the log keeps verifying (SECURITY.md 2.8).
#[derive(Clone)]
pub struct Committer(Arc<hmac::Key>);

impl Committer {
    /// From a subject's key.
    pub fn new(key: &[u8]) -> Self {
        Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }

    /// The commitment to `bytes` as `part` (`args`, `res`, `target`) of the call with that id: HMAC-SHA256 under a nonce that is
    /// itself HMAC-SHA256(subject key, call id || part), in lower-case hex.
    pub fn commit(&self, call: &[u8; 16], part: &str, bytes: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(call);
        context.update(part.as_bytes());
        let nonce = context.sign();
        hex(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, nonce.as_ref()), bytes).as_ref())
    }
}

impl fmt::Debug for Committer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Committer")
    }
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_kept_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let first = MasterKey::open(None, dir.path()).unwrap();
        let again = MasterKey::open(None, dir.path()).unwrap();
        assert_eq!(first.0.expose(), again.0.expose());
        let mode = fs::metadata(dir.path().join("master.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_short_or_damaged_key_stops_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let short = Secret::new("too short".to_owned());
        assert!(matches!(MasterKey::open(Some(&short), dir.path()), Err(MasterKeyError::TooShort)));
        fs::write(dir.path().join("master.key"), b"x").unwrap();
        assert!(matches!(MasterKey::open(None, dir.path()), Err(MasterKeyError::Damaged(_))));
    }

    #[test]
    fn a_commitment_depends_on_key_call_part_and_bytes() {
        let one = Committer::new(b"key one").commit(&[1; 16], "args", b"x");
        assert_eq!(one, Committer::new(b"key one").commit(&[1; 16], "args", b"x"));
        assert_ne!(one, Committer::new(b"key two").commit(&[1; 16], "args", b"x"));
        assert_ne!(one, Committer::new(b"key one").commit(&[2; 16], "args", b"x"));
        assert_ne!(one, Committer::new(b"key one").commit(&[1; 16], "res", b"x"));
        assert_ne!(one, Committer::new(b"key one").commit(&[1; 16], "args", b"y"));
    }
}
