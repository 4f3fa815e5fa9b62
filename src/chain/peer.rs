//! Who is at the other end of a connection, before anything that it says is believed.

use std::net::IpAddr;
use std::sync::Arc;

use crate::tls::ClientCertificate;

/// What the socket and the handshake say, and proxies that the operator trusts; never a header of anybody else.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The client's address: the socket's, or the one that a trusted proxy names.
    pub address: IpAddr,
    /// The proxy, if it has named one.
    pub via: Option<IpAddr>,
    /// What the connection was let in by, where clients show certificates.
    pub certificate: Option<Arc<ClientCertificate>>,
}

impl Peer {
    /// At this address, and nothing more is known.
    pub fn at(address: IpAddr) -> Self {
        Self { address, via: None, certificate: None }
    }
}
