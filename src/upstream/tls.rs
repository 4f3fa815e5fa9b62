//! TLS to servers: whom they must be vouched for by, which keys they must have, and what is shown to them.
//!
//! SECURITY: a pin is an addition to normal verification and never in its place (RFC 7469, section 2.6). It is compared with the path that
//! was verified, leaf, intermediates and root: a certificate that a server merely sends along proves nothing.

use std::fmt;
use std::io;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};

use super::connect::ConnectError;
use crate::config::UpstreamTls;

/// The system's CAs, and nothing shown.
pub(super) fn system() -> Result<ClientConfig, ConnectError> {
    client(system_roots()?, &UpstreamTls::default())
}

/// The CAs in this PEM text in their place.
pub(super) fn trusting(pem: &[u8]) -> Result<ClientConfig, ConnectError> {
    let authorities: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    client(named_roots(&authorities.map_err(|_unreadable| ConnectError::NoCertificates)?)?, &UpstreamTls::default())
}

/// As an operator has written it.
pub(super) fn of(settings: &UpstreamTls) -> Result<ClientConfig, ConnectError> {
    let roots = if settings.authorities.is_empty() { system_roots()? } else { named_roots(&settings.authorities)? };
    client(roots, settings)
}

fn client(roots: RootCertStore, settings: &UpstreamTls) -> Result<ClientConfig, ConnectError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = if settings.pins.is_empty() {
        builder.with_root_certificates(roots)
    } else {
        let pinned = Pinned::new(roots, settings.pins.clone(), provider)?;
        builder.dangerous().with_custom_certificate_verifier(Arc::new(pinned))
    };
    let mut config = match &settings.identity {
        Some(identity) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(identity)))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn system_roots() -> Result<RootCertStore, ConnectError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(native.certs);
    if roots.is_empty() { Err(ConnectError::NoRoots) } else { Ok(roots) }
}

/// All of them, or none: a CA that is left out silently is found out by a handshake that fails for another reason.
fn named_roots(authorities: &[CertificateDer<'static>]) -> Result<RootCertStore, ConnectError> {
    let mut roots = RootCertStore::empty();
    for certificate in authorities {
        roots.add(certificate.clone())?;
    }
    if roots.is_empty() { Err(ConnectError::NoCertificates) } else { Ok(roots) }
}

/// A verified chain in which none of the keys is that was asked for.
#[derive(Debug, thiserror::Error)]
#[error("no key of the verified chain is pinned")]
struct NotPinned;

/// Normal verification, then pins.
struct Pinned {
    normal: Arc<WebPkiServerVerifier>,
    roots: Arc<RootCertStore>,
    pins: Vec<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    fn new(roots: RootCertStore, pins: Vec<[u8; 32]>, provider: Arc<CryptoProvider>) -> Result<Self, ConnectError> {
        let roots = Arc::new(roots);
        let normal = WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider)).build();
        let normal = normal.map_err(|_no_roots| ConnectError::NoCertificates)?;
        Ok(Self { normal, roots, pins, provider })
    }

    /// Whether a key of this path is pinned.
    fn holds(&self, path: &VerifiedPath<'_>) -> bool {
        let leaf = path.end_entity().subject_public_key_info();
        let between = path.intermediate_certificates().map(webpki::Cert::subject_public_key_info);
        let is_pinned =
            |key: &[u8]| digest(&SHA256, key).as_ref().try_into().is_ok_and(|hash: [u8; 32]| self.pins.contains(&hash));
        is_pinned(&leaf)
            || between.into_iter().any(|key| is_pinned(&key))
            || is_pinned(&sequence(&path.anchor().subject_public_key_info))
    }

    /// Whether one of the paths that can be verified has such a key.
    fn is_pinned(&self, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>], now: UnixTime) -> bool {
        let Ok(leaf) = EndEntityCert::try_from(leaf) else { return false };
        let judge = |path: &VerifiedPath<'_>| if self.holds(path) { Ok(()) } else { Err(webpki::Error::UnknownIssuer) };
        let algorithms = self.provider.signature_verification_algorithms.all;
        leaf.verify_for_usage(algorithms, &self.roots.roots, others, now, KeyUsage::server_auth(), None, Some(&judge)).is_ok()
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.normal.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        if self.is_pinned(end_entity, intermediates, now) {
            Ok(verified)
        } else {
            Err(CertificateError::Other(OtherError(Arc::new(NotPinned))).into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.normal.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.normal.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.normal.supported_verify_schemes()
    }
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinned").field("pins", &self.pins.len()).finish_non_exhaustive()
    }
}

/// A DER `SEQUENCE` of this content: a trust anchor holds its key without the frame that is hashed with it. X.690, section 8.1.3.
fn sequence(content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits = length.get(length.iter().take_while(|byte| **byte == 0).count()..).unwrap_or_default();
    let mut der = vec![0x30];
    match digits {
        [] => der.push(0),
        [short] if *short < 0x80 => der.push(*short),
        long => {
            // INVARIANT: a length has eight bytes at most.
            der.push(0x80 | u8::try_from(long.len()).unwrap_or(8));
            der.extend_from_slice(long);
        }
    }
    der.extend_from_slice(content);
    der
}

/// What TLS found wrong, as a word for records; `None` where something else failed.
pub(super) fn fault(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<Error>() {
            return Some(word(error));
        }
        // What an `io::Error` was made of is not its source, but its inside.
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = inside.map(|inside| inside as &(dyn std::error::Error + 'static)).or_else(|| error.source());
    }
    None
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the enum is open, and what is not told apart is a handshake that failed")]
fn word(error: &Error) -> &'static str {
    match error {
        Error::InvalidCertificate(problem) => certificate(problem),
        Error::AlertReceived(_) => "tls_refused",
        _ => "tls_handshake",
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enum is open, and what is not told apart is a certificate that is not good"
)]
fn certificate(problem: &CertificateError) -> &'static str {
    match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "tls_expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "tls_not_yet_valid",
        CertificateError::UnknownIssuer => "tls_unknown_ca",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => "tls_name",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => "tls_purpose",
        CertificateError::BadSignature => "tls_signature",
        CertificateError::Other(other) if other.0.is::<NotPinned>() => "tls_pin",
        // What `openssl req -x509` makes: a CA that vouches for itself, and serves.
        CertificateError::Other(other) if matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)) => {
            "tls_ca_as_server"
        }
        _ => "tls_certificate",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_has_the_shortest_length() {
        assert_eq!(sequence(&[]), [0x30, 0]);
        assert_eq!(sequence(&[7; 3]), [0x30, 3, 7, 7, 7]);
        assert_eq!(sequence(&[7; 127]).get(..2).unwrap(), [0x30, 127]);
        assert_eq!(sequence(&[7; 128]).get(..3).unwrap(), [0x30, 0x81, 128]);
        assert_eq!(sequence(&[7; 294]).get(..4).unwrap(), [0x30, 0x82, 1, 38]);
    }
}
