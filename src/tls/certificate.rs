//! What a client has shown of itself in a handshake, and whether that is good still.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, UnixTime};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::material::second;
use super::trust::InForce;

/// SHA-256 of a certificate's DER: RFC 8705, section 3.1.
pub type Thumbprint = [u8; 32];

/// A certificate that a handshake has found good. The connection lives on; ask [`standing`](Self::standing) before it is believed.
pub struct ClientCertificate {
    thumbprint: Thumbprint,
    from: Timestamp,
    until: Timestamp,
    names: Option<Names>,
    chain: Vec<CertificateDer<'static>>,
    trust: Arc<InForce>,
    /// The number of the trust that has judged it last, doubled; odd if it was found good.
    judged: AtomicU64,
}

/// Whom it names, each in the certificate's own spelling.
#[derive(Clone, Debug, Default)]
struct Names {
    common: Vec<String>,
    dns: Vec<String>,
    uris: Vec<String>,
}

/// How a certificate stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It would be let in again.
    Good,
    /// Its time is over.
    Expired,
    /// It is on a list, or nobody vouches for it any more.
    Revoked,
    /// The lists are too old to say.
    Unknown,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names of people and machines are not for logs.
        f.write_str("ClientCertificate")
    }
}

impl ClientCertificate {
    /// Of a handshake that trust `number` has let through.
    pub(super) fn new(chain: &[CertificateDer<'_>], trust: Arc<InForce>, number: u64) -> Option<Self> {
        let leaf = chain.first()?;
        let mut thumbprint = [0; 32];
        thumbprint.copy_from_slice(digest(&SHA256, leaf).as_ref());
        let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
        let validity = parsed.validity();
        let (from, until) = (second(validity.not_before.timestamp())?, second(validity.not_after.timestamp())?);
        let names = names(&parsed);
        let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
        Some(Self { thumbprint, from, until, names, chain, trust, judged: AtomicU64::new(number * 2 + 1) })
    }

    /// Its thumbprint.
    pub fn thumbprint(&self) -> &Thumbprint {
        &self.thumbprint
    }

    /// From when it is good.
    pub fn from(&self) -> Timestamp {
        self.from
    }

    /// Until when.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// The one URI among its alternative names; `None` where there is none, or another as well.
    pub fn uri(&self) -> Option<&str> {
        only(&self.names.as_ref()?.uris)
    }

    /// The same of DNS names.
    pub fn dns(&self) -> Option<&str> {
        only(&self.names.as_ref()?.dns)
    }

    /// The same of common names of its subject.
    pub fn common_name(&self) -> Option<&str> {
        only(&self.names.as_ref()?.common)
    }

    /// Whether it would be let in now. Costs a comparison, unless what is trusted has changed since it was asked last.
    pub fn standing(&self, now: Timestamp) -> Standing {
        if now > self.until {
            return Standing::Expired;
        }
        let trust = self.trust.load();
        if trust.lists_until.is_some_and(|until| now >= until) {
            return Standing::Unknown;
        }
        let judged = self.judged.load(Ordering::Relaxed);
        let good = if judged / 2 == trust.number {
            judged % 2 == 1
        } else {
            let good = self.is_let_in_by(&trust, now);
            self.judged.store(trust.number * 2 + u64::from(good), Ordering::Relaxed);
            good
        };
        if good { Standing::Good } else { Standing::Revoked }
    }

    fn is_let_in_by(&self, trust: &super::trust::Trust, now: Timestamp) -> bool {
        let since = u64::try_from(now.as_second()).unwrap_or(0);
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(since));
        let Some((leaf, others)) = self.chain.split_first() else { return false };
        trust.verifier.verify_client_cert(leaf, others, now).is_ok()
    }
}

/// `None` where a name cannot be read: another reader might, and then there would be two of them.
fn names(certificate: &X509Certificate<'_>) -> Option<Names> {
    let mut names = Names::default();
    for name in certificate.subject().iter_common_name() {
        names.common.push(name.as_str().ok()?.to_owned());
    }
    let Some(alternative) = certificate.subject_alternative_name().ok()? else { return Some(names) };
    for name in &alternative.value.general_names {
        match name {
            GeneralName::DNSName(name) => names.dns.push((*name).to_owned()),
            GeneralName::URI(name) => names.uris.push((*name).to_owned()),
            GeneralName::Invalid(..) => return None,
            GeneralName::DirectoryName(_)
            | GeneralName::EDIPartyName(_)
            | GeneralName::IPAddress(_)
            | GeneralName::OtherName(..)
            | GeneralName::RFC822Name(_)
            | GeneralName::RegisteredID(_)
            | GeneralName::X400Address(_) => {}
        }
    }
    Some(names)
}

fn only(names: &[String]) -> Option<&str> {
    match names {
        [name] => Some(name),
        _ => None,
    }
}
