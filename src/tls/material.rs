//! Certificates, keys and lists as they stand in files, read into what a handshake needs; or why they cannot be used.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{CertificateRevocationList, FromDer as _, X509Certificate};
use zeroize::Zeroizing;

use super::provider;

/// Largest file of certificates or keys.
const MAX_CERTIFICATES: u64 = 1 << 20;

/// Largest file of lists: a million serial numbers.
const MAX_LISTS: u64 = 32 << 20;

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: {problem}", path.display())]
pub struct Unusable {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub problem: Problem,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    /// There is no certificate in it.
    #[error("it holds no certificate in PEM form")]
    NoCertificate,
    /// What it calls a certificate is none.
    #[error("it holds a certificate that cannot be read")]
    BadCertificate,
    /// The certificate is not good yet.
    #[error("its certificate is good from {0} on, not before")]
    NotYetValid(Timestamp),
    /// The certificate is not good any more.
    #[error("its certificate has expired at {0}")]
    Expired(Timestamp),
    /// There is no key in it.
    #[error("it holds no private key in PEM form")]
    NoKey,
    /// The key asks for a passphrase.
    #[error("its private key is encrypted")]
    EncryptedKey,
    /// A kind of key that is not served.
    #[error("its private key is of a kind that cannot be used")]
    BadKey,
    /// The key is another certificate's.
    #[error("its private key does not belong to the certificate")]
    ForeignKey,
    /// There is no list in it.
    #[error("it holds no revocation list in PEM form")]
    NoList,
    /// What it calls a list is none.
    #[error("it holds a revocation list that cannot be read")]
    BadList,
    /// The next list is overdue: nobody can say who has been revoked since.
    #[error("its revocation list is out of date since {0}")]
    OldList(Timestamp),
}

impl Problem {
    /// In a word, for the record.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Read(_) => "unreadable",
            Self::NoCertificate => "no_certificate",
            Self::BadCertificate => "bad_certificate",
            Self::NotYetValid(_) => "certificate_not_yet_valid",
            Self::Expired(_) => "certificate_expired",
            Self::NoKey => "no_key",
            Self::EncryptedKey => "encrypted_key",
            Self::BadKey => "bad_key",
            Self::ForeignKey => "foreign_key",
            Self::NoList => "no_list",
            Self::BadList => "bad_list",
            Self::OldList(_) => "old_list",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Read(_) => "relative paths start at the file that names them",
            Self::NoCertificate | Self::BadCertificate => "PEM begins with `-----BEGIN CERTIFICATE-----`",
            Self::NotYetValid(_) => "is it the right one, and is the clock right?",
            Self::Expired(_) => "renew it: clients refuse it",
            Self::NoKey => "PEM begins with `-----BEGIN PRIVATE KEY-----`",
            Self::EncryptedKey => "decrypt it; its place is a file that Yett alone can read",
            Self::BadKey => "use an ECDSA (P-256, P-384), Ed25519 or RSA key of 2048 bits or more",
            Self::ForeignKey => "name the key that the certificate was made for, and the certificate first in its file",
            Self::NoList | Self::BadList => "PEM begins with `-----BEGIN X509 CRL-----`; DER has to be converted",
            Self::OldList(_) => "fetch the authority's newest list",
        }
    }
}

/// A certificate with the key that belongs to it.
#[derive(Clone, Debug)]
pub struct Pair {
    pub(super) key: Arc<CertifiedKey>,
    /// SHA-256 of the certificate, in hex.
    pub fingerprint: String,
    /// From when it is good.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

impl Pair {
    /// Reads both files. An expired certificate is read as well: its users will say so, and meanwhile the rest can be looked at.
    pub fn read(certificate: &Path, key: &Path, now: Timestamp) -> Result<Self, Unusable> {
        let of = |path: &Path, problem| Unusable { path: path.to_owned(), problem };
        let chain = certificates(certificate)?;
        let (from, until) = chain.first().and_then(validity).ok_or_else(|| of(certificate, Problem::BadCertificate))?;
        if from > now {
            return Err(of(certificate, Problem::NotYetValid(from)));
        }
        let fingerprint = chain.first().map(|leaf| hex(leaf)).unwrap_or_default();
        let private = private_key(key).map_err(|problem| of(key, problem))?;
        let made = CertifiedKey::from_der(chain, private, &provider());
        let made = made.map_err(|error| of(key, if is_foreign(&error) { Problem::ForeignKey } else { Problem::BadKey }))?;
        Ok(Self { key: Arc::new(made), fingerprint, from, until })
    }

    /// Whether clients that reach it as `host` (a name, or an address without brackets) can accept it.
    pub fn is_for(&self, host: &str) -> bool {
        let parsed = self.key.end_entity_cert().ok().and_then(|leaf| ParsedCertificate::try_from(leaf).ok());
        let name = ServerName::try_from(host).ok();
        parsed.zip(name).is_some_and(|(certificate, name)| verify_server_name(&certificate, &name).is_ok())
    }
}

fn is_foreign(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InconsistentKeys(_))
}

/// All certificates of a file, or none: one that is left out silently is found out by a handshake that fails for another reason.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let of = |problem| Unusable { path: path.to_owned(), problem };
    let text = contents(path, MAX_CERTIFICATES).map_err(|error| of(error.into()))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|_unreadable| of(Problem::BadCertificate))?;
    if found.is_empty() {
        return Err(of(Problem::NoCertificate));
    }
    if found.iter().any(|certificate| validity(certificate).is_none()) {
        return Err(of(Problem::BadCertificate));
    }
    Ok(found)
}

/// All lists of a file, and the moment from which one of them is too old.
pub(super) fn lists(path: &Path, now: Timestamp) -> Result<(Vec<CertificateRevocationListDer<'static>>, Timestamp), Unusable> {
    let of = |problem| Unusable { path: path.to_owned(), problem };
    let text = contents(path, MAX_LISTS).map_err(|error| of(error.into()))?;
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|_unreadable| of(Problem::BadList))?;
    let mut until = None;
    for list in &found {
        let next = next_update(list).ok_or_else(|| of(Problem::BadList))?;
        if next <= now {
            return Err(of(Problem::OldList(next)));
        }
        until = Some(until.map_or(next, |earlier: Timestamp| earlier.min(next)));
    }
    until.map(|until| (found, until)).ok_or_else(|| of(Problem::NoList))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Problem> {
    let text = contents(path, MAX_CERTIFICATES)?;
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(_unreadable) => {
            let encrypted = memchr::memmem::find(&text, b"ENCRYPTED").is_some();
            Err(if encrypted { Problem::EncryptedKey } else { Problem::NoKey })
        }
    }
}

/// The bytes of a regular file that is not larger than `most`; wiped when dropped, for they may be a key.
pub(super) fn contents(path: &Path, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    // Before opening: a pipe would wait for ever.
    let meta = std::fs::metadata(path)?;
    if !meta.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    if meta.len() > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {most} bytes")));
    }
    // At once as large as it will be: a buffer that grows leaves pieces of a key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0) + 1));
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// From when and until when a certificate is good.
pub(super) fn validity(certificate: &CertificateDer<'static>) -> Option<(Timestamp, Timestamp)> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let validity = certificate.validity();
    Some((second(validity.not_before.timestamp())?, second(validity.not_after.timestamp())?))
}

/// A list without one would be good for ever, and is none that can be trusted.
fn next_update(list: &CertificateRevocationListDer<'static>) -> Option<Timestamp> {
    let (_, list) = CertificateRevocationList::from_der(list).ok()?;
    second(list.next_update()?.timestamp())
}

pub(super) fn second(since_1970: i64) -> Option<Timestamp> {
    Timestamp::from_second(since_1970).ok()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    digest(&SHA256, bytes).as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
