//! The credential that the gateway is shown: from the environment, or from a file that is read again when it changes.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::HeaderValue;
use parking_lot::Mutex;

use crate::secret::Secret;

/// Longest token. An access token with many groups in it has some kilobytes.
const LONGEST: usize = 16 * 1024;

/// Where the token comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Nowhere: the gateway is called without one.
    None,
    /// The environment, once.
    Environment(Secret<String>),
    /// A file of the user's.
    File(PathBuf),
    /// Whoever runs the bridge, which is a part of the same program.
    Given(Secret<String>),
    /// The file in which `--login` has kept it.
    Kept(PathBuf),
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The file cannot be read.
    #[error("the token file `{}` cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder, a pipe, ...
    #[error("`{}` is no file", .0.display())]
    NoFile(PathBuf),
    /// Others than its owner get at it.
    #[error("the token file `{}` has mode {mode:03o}, so that others can read or change it: `chmod 600` it, and change the token", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It holds none, or more than one.
    #[error("{0} holds no token: one word of visible characters is expected")]
    NoToken(String),
}

/// The token as the gateway is shown it.
#[derive(Clone)]
pub struct Credential(Arc<Inner>);

struct Inner {
    source: Source,
    read: Mutex<Option<(Stamp, HeaderValue)>>,
}

/// Tells one state of a file from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    place: (u64, u64),
    changed: (i64, i64),
    size: u64,
    mode: u32,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Credential").field(&self.0.source).finish()
    }
}

impl Credential {
    /// Reads it for the first time, so that a mistake is told at the start.
    pub fn open(source: Source) -> Result<Self, CredentialError> {
        let credential = Self(Arc::new(Inner { source, read: Mutex::new(None) }));
        credential.0.read()?;
        Ok(credential)
    }

    /// The value of `Authorization` now; `None` where there is to be none.
    pub(super) async fn authorization(&self) -> Result<Option<HeaderValue>, CredentialError> {
        if matches!(self.0.source, Source::None) {
            return Ok(None);
        }
        let inner = Arc::clone(&self.0);
        // A file may lie on a disk that hangs.
        let read = tokio::task::spawn_blocking(move || inner.read()).await;
        read.unwrap_or_else(|ended| Err(CredentialError::Unreadable { path: PathBuf::new(), source: io::Error::other(ended) }))
    }

    /// What somebody does whose token the gateway does not take.
    pub(super) fn advice(&self) -> String {
        match &self.0.source {
            Source::None => {
                "no token was given: set YETT_TOKEN, name a file with --token-file, or keep one with `yett connect --login URL`"
                    .to_owned()
            }
            Source::Environment(_) => "put a new one into YETT_TOKEN and start this server again".to_owned(),
            Source::Given(_) => "it was made for this one conversation".to_owned(),
            Source::File(path) => format!("put a new one into `{}`; it is read again at the next request", path.display()),
            Source::Kept(_) => "give a new one to `yett connect --login URL`; it is read again at the next request".to_owned(),
        }
    }
}

impl Inner {
    fn read(&self) -> Result<Option<HeaderValue>, CredentialError> {
        match &self.source {
            Source::None => Ok(None),
            Source::Environment(token) => bearer(token.expose(), || "YETT_TOKEN".to_owned()).map(Some),
            Source::Given(token) => bearer(token.expose(), || "what was given".to_owned()).map(Some),
            Source::File(path) | Source::Kept(path) => self.read_file(path).map(Some),
        }
    }

    fn read_file(&self, path: &Path) -> Result<HeaderValue, CredentialError> {
        let unreadable = |source| CredentialError::Unreadable { path: path.to_owned(), source };
        // Asked before it is opened too: opening a pipe waits for its writer.
        if !fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(CredentialError::NoFile(path.to_owned()));
        }
        let file = File::open(path).map_err(unreadable)?;
        let found = file.metadata().map_err(unreadable)?;
        let stamp = Stamp::of(&found);
        let mode = found.permissions().mode() & 0o777;
        if mode & 0o026 != 0 {
            // SECURITY: whoever else can read it may be this caller, and whoever else can write it decides who this caller is.
            return Err(CredentialError::Open { path: path.to_owned(), mode });
        }
        if let Some((_, value)) = self.read.lock().as_ref().filter(|(known, _)| *known == stamp) {
            return Ok(value.clone());
        }
        let mut text = String::with_capacity(LONGEST + 1);
        let read = file.take(LONGEST as u64 + 1).read_to_string(&mut text);
        let text = Secret::new(text);
        read.map_err(unreadable)?;
        let value = bearer(text.expose(), || format!("`{}`", path.display()))?;
        *self.read.lock() = Some((stamp, value.clone()));
        Ok(value)
    }
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self {
            place: (found.dev(), found.ino()),
            changed: (found.ctime(), found.ctime_nsec()),
            size: found.size(),
            mode: found.permissions().mode(),
        }
    }
}

/// A token in the form in which it is sent.
fn bearer(token: &str, place: impl Fn() -> String) -> Result<HeaderValue, CredentialError> {
    let token = token.trim();
    let is_one = !token.is_empty() && token.len() <= LONGEST && token.bytes().all(|byte| byte.is_ascii_graphic());
    let text = Secret::new(format!("Bearer {token}"));
    let value = HeaderValue::from_str(text.expose()).ok().filter(|_| is_one);
    let mut value = value.ok_or_else(|| CredentialError::NoToken(place()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether a text is a token, before it is kept.
pub fn is_token(text: &str) -> bool {
    bearer(text, String::new).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[tokio::test]
    async fn a_file_is_read_again_when_it_changes() {
        let (_folder, path) = file("first\n", 0o600);
        let credential = Credential::open(Source::File(path.clone())).unwrap();
        assert_eq!(credential.authorization().await.unwrap().unwrap(), "Bearer first");
        let next = path.with_extension("next");
        fs::write(&next, "second").unwrap();
        fs::set_permissions(&next, fs::Permissions::from_mode(0o640)).unwrap();
        fs::rename(&next, &path).unwrap();
        let second = credential.authorization().await.unwrap().unwrap();
        assert_eq!(second, "Bearer second");
        assert!(second.is_sensitive() && !format!("{credential:?} {second:?}").contains("second"));
        fs::remove_file(&path).unwrap();
        assert!(matches!(credential.authorization().await, Err(CredentialError::Unreadable { .. })), "an old one is not used");
    }

    #[tokio::test]
    async fn a_file_that_others_can_read_or_change_is_refused() {
        for mode in [0o644, 0o604, 0o620, 0o602] {
            let (_folder, path) = file("token", mode);
            assert!(matches!(Credential::open(Source::File(path)), Err(CredentialError::Open { .. })), "{mode:o}");
        }
        let (_folder, path) = file("token", 0o400);
        let credential = Credential::open(Source::File(path.clone())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        assert!(matches!(credential.authorization().await, Err(CredentialError::Open { .. })), "opened later");
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", " \n", "two words", "line\nline", "naïve", "a\u{0}b"] {
            let (_folder, path) = file(text, 0o600);
            assert!(matches!(Credential::open(Source::File(path)), Err(CredentialError::NoToken(_))), "{text:?}");
            assert!(!is_token(text));
        }
        let (folder, _) = file(&"x".repeat(LONGEST + 1), 0o600);
        assert!(Credential::open(Source::File(folder.path().join("token"))).is_err(), "too long");
        assert!(matches!(Credential::open(Source::File(folder.path().to_owned())), Err(CredentialError::NoFile(_))));
        assert!(is_token("yett_1_secret\n"));
    }
}
