//! TLS towards clients: what a listener shows, whom it lets in by certificate, and how both are renewed while it serves.
//!
//! All of rustls that listeners use is in this folder. Two decisions hold everywhere:
//!
//! - **Nothing is resumed**: no tickets, no session cache, no early data. A resumed session would bring a client in by what was checked
//!   when it first came, past a list of revoked certificates that is newer, or past what another listener asks for.
//! - **TLS 1.3, and 1.2 only where somebody has written so**; then with ECDHE, AEAD and extended master secrets alone, which is all that
//!   rustls has. There is no renegotiation and no compression in it.

mod certificate;
mod material;
mod server;
mod trust;

pub use certificate::{ClientCertificate, Standing, Thumbprint};
pub use material::{Pair, Problem, Unusable};
pub use server::{Failed, Renewal, Server, Stream};

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// The name of HTTP/2 in a handshake (RFC 7301).
pub const HTTP2: &[u8] = b"h2";

/// How one listener speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The certificate and the authorities between it and its root, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The oldest version that is spoken.
    pub oldest: Version,
    /// Whether HTTP/2 is spoken with clients that ask for it.
    pub http2: bool,
    /// Whether clients are asked for certificates, and which are good.
    pub clients: Option<Clients>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// TLS 1.2, RFC 5246 with RFC 7627 and AEAD suites.
    Tls12,
    /// TLS 1.3, RFC 8446.
    Tls13,
}

/// Which certificates of clients are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clients {
    /// The authorities whose certificates are, PEM.
    pub authorities: PathBuf,
    /// Lists of what they have revoked, PEM: one of each authority in a chain.
    pub revoked: Option<PathBuf>,
    /// Whether a client without one is sent away.
    pub required: bool,
}

/// The one crypto backend, with a post-quantum key exchange first.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
