//! How a server on a network is known to be the right one, and what it is shown to let the gateway in.

use std::fmt;
use std::sync::Arc;

use http::HeaderName;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;

use crate::secrets::Live;

/// `servers.*.tls`, read and checked.
#[derive(Clone, Default)]
pub struct UpstreamTls {
    /// CAs that are trusted in place of the system's; none means the system's.
    pub authorities: Vec<CertificateDer<'static>>,
    /// The gateway's own certificate there, whose key is its own.
    pub identity: Option<Arc<CertifiedKey>>,
    /// SHA-256 of public keys, of which one must be in the verified chain; none means any.
    pub pins: Vec<[u8; 32]>,
}

impl fmt::Debug for UpstreamTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamTls")
            .field("authorities", &self.authorities.len())
            .field("identity", &self.identity.is_some())
            .field("pins", &self.pins.len())
            .finish()
    }
}

/// `servers.*.auth`: the gateway's own credential for a server.
#[derive(Clone, Debug)]
pub enum Auth {
    /// User and password, RFC 7617.
    Basic(String, Live),
    /// A bearer token, RFC 6750.
    Bearer(Live),
    /// A header of the server's choice.
    Header(HeaderName, Live),
}
