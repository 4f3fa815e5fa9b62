//! Clients that speak TLS, each trusting one authority and showing what the test wants.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certs::{Authority, Issued};
use super::http::{Answer, Connection, Post};
use super::within;

const NEW: &[&SupportedProtocolVersion] = &[&version::TLS13];
const OLD: &[&SupportedProtocolVersion] = &[&version::TLS12];

/// Everybody whom a client may trust, and what it shows.
#[derive(Clone)]
pub(crate) struct TlsClient {
    roots: Arc<RootCertStore>,
    shown: Option<Issued>,
    versions: &'static [&'static SupportedProtocolVersion],
    protocols: Vec<Vec<u8>>,
    resumption: Resumption,
}

impl TlsClient {
    pub(crate) fn trusting(authority: &Authority) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(authority.pem.as_bytes()) {
            roots.add(certificate.expect("a certificate")).expect("a root");
        }
        Self {
            roots: Arc::new(roots),
            shown: None,
            versions: NEW,
            protocols: vec![b"http/1.1".to_vec()],
            resumption: Resumption::in_memory_sessions(8),
        }
    }

    /// Shows this certificate.
    pub(crate) fn showing(&self, issued: &Issued) -> Self {
        Self { shown: Some(issued.clone()), ..self.clone() }
    }

    /// Speaks TLS 1.2 and nothing newer.
    pub(crate) fn old(&self) -> Self {
        Self { versions: OLD, ..self.clone() }
    }

    /// Offers these protocols.
    pub(crate) fn offering(&self, protocols: &[&str]) -> Self {
        Self { protocols: protocols.iter().map(|name| name.as_bytes().to_vec()).collect(), ..self.clone() }
    }

    /// Shakes hands. In TLS 1.3 a server that does not like what was shown says so later.
    pub(crate) async fn shake(&self, address: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        self.shake_on(within("a connection", TcpStream::connect(address)).await?, address).await
    }

    pub(crate) async fn shake_on(&self, stream: TcpStream, address: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(self.versions).expect("versions");
        let builder = builder.with_root_certificates(Arc::clone(&self.roots));
        let mut config = match &self.shown {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let chain =
                    CertificateDer::pem_slice_iter(issued.certificate.as_bytes()).map(|read| read.expect("a certificate"));
                let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).expect("a key");
                builder.with_client_auth_cert(chain.collect(), key).expect("a pair")
            }
        };
        config.alpn_protocols.clone_from(&self.protocols);
        config.resumption = self.resumption.clone();
        let connector = TlsConnector::from(Arc::new(config));
        within("a handshake", connector.connect(address.ip().into(), stream)).await
    }

    pub(crate) async fn connect(&self, address: SocketAddr) -> Connection {
        Connection::on(self.shake(address).await.expect("a handshake"))
    }

    /// Sends it on a connection of its own. `None`: the connection was refused, before or after the request.
    pub(crate) async fn send(&self, address: SocketAddr, post: &Post) -> Option<Answer> {
        let mut connection = Connection::on(self.shake(address).await.ok()?);
        connection.send(&post.bytes()).await;
        connection.answer().await
    }
}
