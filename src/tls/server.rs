//! Handshakes of one listener, and the renewal of what it shows and trusts.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use parking_lot::Mutex;
use rustls::pki_types::UnixTime;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, Error, ServerConfig, SupportedProtocolVersion, version};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::certificate::ClientCertificate;
use super::material::{Pair, Problem, Unusable};
use super::trust::{InForce, Trust};
use super::{HTTP2, Settings, Version, provider};
use crate::clock::Clock;

/// A connection whose handshake is over.
pub type Stream = tokio_rustls::server::TlsStream<TcpStream>;

/// What the TLS library keeps of an answer that the client does not take.
const UNTAKEN: usize = 16 * 1024;

/// One listener's end of TLS.
#[derive(Debug)]
pub struct Server {
    settings: Settings,
    clock: Arc<dyn Clock>,
    current: ArcSwap<Current>,
    trust: Option<Arc<InForce>>,
    files: Mutex<Files>,
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    pair: Pair,
    trust: u64,
}

/// What is known of the files without reading them.
#[derive(Debug)]
struct Files {
    /// When they were read last, whatever came of it.
    read: Stamps,
    /// When they were looked at last.
    seen: Stamps,
}

/// Which files these are, and when they were changed.
type Stamps = Vec<Option<[u64; 5]>>;

/// Why there is no connection: a word for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// The client went away, or said nothing at all: nothing to tell.
    Silent,
    /// It said something that is no good handshake.
    Refused(&'static str),
}

/// What was read anew and is not in force yet.
#[derive(Debug)]
pub struct Renewal {
    config: Arc<ServerConfig>,
    pair: Pair,
    trust: Option<Trust>,
}

impl Server {
    /// Reads everything for the first time.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, Unusable> {
        let stamps = stamps(&settings);
        let read = read(&settings, &clock)?;
        let number = read.trust.as_ref().map_or(0, |trust| trust.number);
        let current = ArcSwap::from_pointee(Current { config: read.config, pair: read.pair, trust: number });
        let trust = read.trust.map(|trust| Arc::new(InForce::new(trust)));
        let files = Mutex::new(Files { read: stamps.clone(), seen: stamps });
        Ok(Self { settings, clock, current, trust, files })
    }

    /// Shakes hands. Whoever calls bounds the time.
    pub async fn accept(&self, stream: TcpStream) -> Result<(Stream, Option<Arc<ClientCertificate>>), Failed> {
        // Balancers knock to see whether somebody is there; that is no handshake that failed.
        if !matches!(stream.peek(&mut [0]).await, Ok(1..)) {
            return Err(Failed::Silent);
        }
        let current = self.current.load_full();
        let acceptor = TlsAcceptor::from(Arc::clone(&current.config));
        let mut stream = acceptor.accept(stream).await.map_err(|error| {
            let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
            Failed::Refused(cause.map_or("tls_handshake", word))
        })?;
        let session = stream.get_mut().1;
        session.set_buffer_limit(Some(UNTAKEN));
        let shown = session.peer_certificates().filter(|chain| !chain.is_empty());
        let certificate = match (shown, &self.trust) {
            (Some(chain), Some(trust)) => {
                let read = ClientCertificate::new(chain, Arc::clone(trust), current.trust);
                Some(Arc::new(read.ok_or(Failed::Refused("certificate_invalid"))?))
            }
            _ => None,
        };
        Ok((stream, certificate))
    }

    /// SHA-256 of the certificate that is shown, and until when it is good.
    pub fn shown(&self) -> (String, Timestamp) {
        let current = self.current.load();
        (current.pair.fingerprint.clone(), current.pair.until)
    }

    /// SHA-256 over what is trusted, and until when its lists are good.
    pub fn trusted(&self) -> Option<(String, Option<Timestamp>)> {
        let trust = self.trust.as_ref()?.load();
        Some((trust.fingerprint.clone(), trust.lists_until))
    }

    /// Whether a file is another than when all were read last, and all are as they were at the last look. Reads no content.
    pub fn has_settled(&self) -> bool {
        let now = stamps(&self.settings);
        let mut files = self.files.lock();
        let settled = now == files.seen && now != files.read;
        files.seen = now;
        settled
    }

    /// Reads all files again; what is in force stays so. `None`: they say what they said.
    pub fn read_again(&self) -> Result<Option<Renewal>, Unusable> {
        self.files.lock().read = stamps(&self.settings);
        let read = read(&self.settings, &self.clock)?;
        if read.pair.key.cert == self.current.load().pair.key.cert {
            if read.trust.as_ref().map(|trust| &trust.fingerprint) == self.trusted().as_ref().map(|(trusted, _)| trusted) {
                return Ok(None);
            }
        } else if read.pair.until < self.clock.now() {
            // Nobody renews into the past; the one that is shown may still be good.
            return Err(Unusable { path: self.settings.certificate.clone(), problem: Problem::Expired(read.pair.until) });
        }
        Ok(Some(read))
    }

    /// Shows and trusts what was read: every handshake from now on, and every client that is connected by what it has shown.
    pub fn put_into_force(&self, renewal: Renewal) {
        let number = renewal.trust.as_ref().map_or(0, |trust| trust.number);
        // Trust first: a handshake under the new one must not be judged by the old one later.
        if let (Some(place), Some(trust)) = (&self.trust, renewal.trust) {
            place.store(trust);
        }
        self.current.store(Arc::new(Current { config: renewal.config, pair: renewal.pair, trust: number }));
    }
}

impl Renewal {
    /// SHA-256 of the certificate, in hex.
    pub fn certificate(&self) -> &str {
        &self.pair.fingerprint
    }

    /// SHA-256 over what is trusted, in hex.
    pub fn trusted(&self) -> Option<&str> {
        self.trust.as_ref().map(|trust| trust.fingerprint.as_str())
    }
}

fn read(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Renewal, Unusable> {
    let now = clock.now();
    let pair = Pair::read(&settings.certificate, &settings.key, now)?;
    let trust = settings.clients.as_ref().map(|clients| Trust::read(clients, now)).transpose()?;
    let unusable = |_error| Unusable { path: settings.certificate.clone(), problem: Problem::BadCertificate };
    let config = config(settings, &pair, trust.as_ref(), Arc::new(Time(Arc::clone(clock)))).map_err(unusable)?;
    Ok(Renewal { config: Arc::new(config), pair, trust })
}

fn config(settings: &Settings, pair: &Pair, trust: Option<&Trust>, time: Arc<Time>) -> Result<ServerConfig, Error> {
    const ONE: &[&SupportedProtocolVersion] = &[&version::TLS13];
    const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
    let versions = match settings.oldest {
        Version::Tls12 => BOTH,
        Version::Tls13 => ONE,
    };
    let verifier = trust.map_or_else(WebPkiClientVerifier::no_client_auth, |trust| Arc::clone(&trust.verifier));
    let mut config = ServerConfig::builder_with_details(provider(), time)
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&pair.key))));
    // The first that the client has too.
    let spoken = [settings.http2.then_some(HTTP2), Some(b"http/1.1".as_slice())];
    config.alpn_protocols = spoken.into_iter().flatten().map(<[u8]>::to_vec).collect();
    // See the module: nothing is resumed. Tickets are off unless somebody sets a ticketer.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.require_ems = true;
    Ok(config)
}

fn stamps(settings: &Settings) -> Stamps {
    let clients = settings.clients.iter();
    let clients = clients.flat_map(|clients| [Some(&clients.authorities), clients.revoked.as_ref()]).flatten();
    [&settings.certificate, &settings.key].into_iter().chain(clients).map(|path| stamp(path)).collect()
}

/// A link is followed to what it leads to: that is how a folder of Kubernetes changes.
fn stamp(path: &Path) -> Option<[u64; 5]> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = std::fs::metadata(path).ok()?;
    let bits = i64::cast_unsigned;
    Some([meta.dev(), meta.ino(), meta.len(), bits(meta.mtime()), bits(meta.mtime_nsec())])
}

/// A word for the record; part of its format, never reworded.
fn word(error: &Error) -> &'static str {
    if let Error::InvalidCertificate(problem) = error {
        return certificate_word(problem);
    }
    if matches!(error, Error::NoCertificatesPresented) {
        return "certificate_missing";
    }
    let differs = matches!(error, Error::PeerIncompatible(_) | Error::NoApplicationProtocol);
    if differs { "tls_incompatible" } else { "tls_handshake" }
}

fn certificate_word(problem: &CertificateError) -> &'static str {
    use CertificateError as Is;
    if matches!(problem, Is::Expired | Is::ExpiredContext { .. }) {
        "certificate_expired"
    } else if matches!(problem, Is::NotValidYet | Is::NotValidYetContext { .. }) {
        "certificate_not_yet_valid"
    } else if matches!(problem, Is::Revoked) {
        "certificate_revoked"
    } else if matches!(problem, Is::UnknownIssuer) {
        "certificate_unknown_ca"
    } else if matches!(problem, Is::UnknownRevocationStatus | Is::ExpiredRevocationList | Is::ExpiredRevocationListContext { .. })
    {
        "certificate_revocation_unknown"
    } else if matches!(problem, Is::InvalidPurpose | Is::InvalidPurposeContext { .. }) {
        "certificate_purpose"
    } else {
        "certificate_invalid"
    }
}

/// The gateway's clock, as rustls asks for it.
#[derive(Debug)]
struct Time(Arc<dyn Clock>);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let since = u64::try_from(self.0.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(since)))
    }
}
