//! A server's TLS in front of a fake server: what comes in goes on, and is counted.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::certs::{Authority, Issued};

/// The front. Ends when dropped.
pub(crate) struct TlsFront {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
    _stop: DropGuard,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    bytes: AtomicUsize,
    clients: Mutex<Vec<Vec<u8>>>,
}

impl TlsFront {
    /// Shows `chain` and has the key of `leaf`; takes only clients that `clients` vouches for, where it is given.
    pub(crate) async fn start(behind: SocketAddr, chain: &str, leaf: &Issued, clients: Option<&Authority>) -> Self {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = socket.local_addr().expect("an address");
        let (seen, stop, tasks) = (Arc::<Seen>::default(), CancellationToken::new(), TaskTracker::new());
        let front = Self { address, seen: Arc::clone(&seen), _stop: stop.clone().drop_guard() };
        let acceptor = TlsAcceptor::from(Arc::new(config(chain, leaf, clients)));
        let inner = tasks.clone();
        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let serve = serve(stream, acceptor.clone(), behind, Arc::clone(&seen));
                inner.spawn(stop.clone().run_until_cancelled_owned(serve));
            }
        }));
        front
    }

    /// How many connections were opened, whatever became of them.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// How many bytes came inside of TLS.
    pub(crate) fn bytes(&self) -> usize {
        self.seen.bytes.load(Ordering::SeqCst)
    }

    /// The certificates that clients have shown, in DER.
    pub(crate) fn clients(&self) -> Vec<Vec<u8>> {
        self.seen.clients.lock().clone()
    }
}

/// The provider that the product has.
fn config(chain: &str, leaf: &Issued, clients: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.expect("versions");
    let builder = match clients {
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(der(&authority.pem).remove(0)).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().expect("a verifier");
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).expect("a key");
    builder.with_single_cert(der(chain), key).expect("a certificate")
}

fn der(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).map(|one| one.expect("a certificate")).collect()
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, behind: SocketAddr, seen: Arc<Seen>) {
    seen.connections.fetch_add(1, Ordering::SeqCst);
    let Ok(stream) = acceptor.accept(stream).await else { return };
    if let Some(leaf) = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()) {
        seen.clients.lock().push(leaf.to_vec());
    }
    let Ok(server) = TcpStream::connect(behind).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (tokio::io::split(stream), server.into_split());
    tokio::join!(pipe(from_client, to_server, Some(&seen.bytes)), pipe(from_server, to_client, None));
}

async fn pipe(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, counted: Option<&AtomicUsize>) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if let Some(counter) = counted {
            counter.fetch_add(count, Ordering::SeqCst);
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
