//! `servers.*.tls:`, and what stands alike elsewhere. Its files are read here, so that what is wrong with them is known before the first call.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, RootCertStore};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

use crate::config::UpstreamTls;
use crate::yaml::{Fields, Invalid, Node, Place, Report, parsed, scalar};

/// Largest file; the CAs of all the world are a quarter of it.
const MAX_FILE: u64 = 1 << 20;

const NOT_A_PIN: Invalid = Invalid::new(
    "is not a pin",
    "write `sha256/` and the base64 of the SHA-256 of the public key: `openssl x509 -in cert.pem -pubkey -noout | openssl pkey -pubin \
     -outform der | openssl dgst -sha256 -binary | base64`",
);

/// Reads one that stands in `section`; relative paths start at `base`.
pub(super) fn upstream_tls(node: &Node, section: &'static str, base: &Path, report: &mut Report) -> Option<UpstreamTls> {
    let mut fields = Fields::of(node, section, report)?;
    let authorities = fields.optional("ca", |node, report| authorities(node, base, report));
    let chain = fields
        .optional("cert", |node, report| certificates(node, base, report).filter(|chain| current(chain, node.place, report)));
    let key = fields.optional("key", |node, report| private_key(node, base, report));
    let pins = fields.list("pins", parsed(pin));
    if fields.has("cert") != fields.has("key") {
        let place = fields.place(if fields.has("cert") { "cert" } else { "key" });
        fields.report().error(place, "`cert` and `key` belong together").hint("name both, or none");
    }
    let place = fields.place("key");
    let identity = chain.zip(key).and_then(|(chain, key)| identity(chain, key, place, fields.report()));
    fields.finish(&[]);
    Some(UpstreamTls { authorities: authorities.unwrap_or_default(), identity, pins })
}

/// CAs, all of which can be used: one that is left out silently is found out by a handshake that fails for another reason.
fn authorities(node: &Node, base: &Path, report: &mut Report) -> Option<Vec<CertificateDer<'static>>> {
    let found = certificates(node, base, report)?;
    let mut roots = RootCertStore::empty();
    for (number, certificate) in found.iter().enumerate() {
        if let Err(error) = roots.add(certificate.clone()) {
            let which = number + 1;
            report.error(node.place, format!("certificate {which} in this file cannot be a CA: {error}"));
            return None;
        }
    }
    for certificate in &found {
        current(std::slice::from_ref(certificate), node.place, report);
    }
    Some(found)
}

fn certificates(node: &Node, base: &Path, report: &mut Report) -> Option<Vec<CertificateDer<'static>>> {
    let (bytes, shown) = contents(node, base, report)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let problem = match read {
        Ok(found) if !found.is_empty() => return Some(found),
        Ok(_none) => "holds no certificate in PEM form",
        Err(_unreadable) => "holds PEM that cannot be read",
    };
    report.error(node.place, format!("{shown} {problem}")).hint("a certificate begins with `-----BEGIN CERTIFICATE-----`");
    None
}

/// Warns of a leaf whose time is over or has not begun; false where it cannot be read.
fn current(chain: &[CertificateDer<'_>], place: Place, report: &mut Report) -> bool {
    let leaf = chain.first().and_then(|leaf| X509Certificate::from_der(leaf).ok());
    let Some((_, leaf)) = leaf else {
        report.error(place, "this file holds a certificate that cannot be read").hint("is it X.509, and whole?");
        return false;
    };
    let (now, validity) = (Timestamp::now().as_second(), leaf.validity());
    if validity.not_after.timestamp() < now {
        report.warning(place, "this certificate has expired").hint("nobody who checks takes it: renew it");
    } else if validity.not_before.timestamp() > now {
        report.warning(place, "this certificate is not valid yet").hint("is the clock of this machine right?");
    }
    true
}

fn private_key(node: &Node, base: &Path, report: &mut Report) -> Option<PrivateKeyDer<'static>> {
    let (bytes, shown) = contents(node, base, report)?;
    if let Ok(key) = PrivateKeyDer::from_pem_slice(&bytes) {
        return Some(key);
    }
    let encrypted = memchr::memmem::find(&bytes, b"BEGIN ENCRYPTED PRIVATE KEY").is_some();
    let (problem, hint) = if encrypted {
        ("holds a private key that is encrypted", "decrypt it: `openssl pkey -in key.pem -out plain.pem`, mode 0600")
    } else {
        ("holds no private key in PEM form", "a key begins with `-----BEGIN PRIVATE KEY-----`")
    };
    report.error(node.place, format!("{shown} {problem}")).hint(hint);
    None
}

/// A certificate and its own key.
fn identity(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    place: Place,
    report: &mut Report,
) -> Option<Arc<CertifiedKey>> {
    match CertifiedKey::from_der(chain, key, &rustls::crypto::aws_lc_rs::default_provider()) {
        Ok(identity) => return Some(Arc::new(identity)),
        Err(Error::InconsistentKeys(_)) => report
            .error(place, "this key is not the one of the certificate")
            .hint("name the key that the certificate was made for"),
        Err(_unusable) => {
            report.error(place, "this key cannot be used").hint("use ECDSA (P-256, P-384), Ed25519 or RSA from 2048 bits")
        }
    };
    None
}

/// The bytes of a file, and how it is called in messages.
fn contents(node: &Node, base: &Path, report: &mut Report) -> Option<(Zeroizing<Vec<u8>>, String)> {
    let written = scalar(node, report)?;
    let (path, shown) = (base.join(written.text.as_str()), written.shown());
    let read = || {
        // Before opening: a pipe would wait for ever.
        if !std::fs::metadata(&path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let mut bytes = Zeroizing::new(Vec::new());
        File::open(&path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_FILE);
        if fits { Ok(bytes) } else { Err(io::Error::new(io::ErrorKind::InvalidData, "larger than 1 MiB")) }
    };
    match read() {
        Ok(bytes) => Some((bytes, shown)),
        Err(error) => {
            let found = report.error(node.place, format!("{shown} cannot be read: {error}"));
            found.hint("relative paths start at the file that names them");
            None
        }
    }
}

/// RFC 7469, section 2.4: the hash of the DER of a `SubjectPublicKeyInfo`.
fn pin(text: &str) -> Result<[u8; 32], Invalid> {
    let digest = text.strip_prefix("sha256/").and_then(|base64| STANDARD.decode(base64).ok());
    digest.and_then(|digest| digest.try_into().ok()).ok_or(NOT_A_PIN)
}
