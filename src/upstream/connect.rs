//! Connections to a configured server: TCP, and TLS for `https`.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsConnector;

use super::pool::Parked;
use super::strict::{ReplyLimits, StrictLink};
use super::tls;
use crate::config::{Server, ServerLimits, UpstreamTls};
use crate::reach::{Reach, Unreachable};

/// Longest wait for a connection, handshake included.
const CONNECT: Duration = Duration::from_secs(10);

/// How long the socket of an idle connection that is closed for another server may take to be free.
const FREED: Duration = Duration::from_secs(1);

/// What the kernel keeps of a reply that is not read yet; left alone it grows to megabytes for every slow client.
const RECEIVE_BUFFER: u32 = 256 * 1024;

/// A byte stream to a server.
pub(crate) trait Link: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Link for T {}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL has no host, or one that is no TLS name.
    #[error("`{0}` is not a host that can be connected to")]
    Host(String),
    /// The system has no trusted roots.
    #[error("the system has no usable CA certificates; install `ca-certificates`")]
    NoRoots,
    /// A file that should hold CA certificates does not.
    #[error("no CA certificate in PEM form was found where one was expected")]
    NoCertificates,
    /// TLS settings do not fit together.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// Every socket that servers may have is in use.
    #[error("all {0} sockets that servers may have are in use; raise the limit of open files")]
    Sockets(usize),
    /// The connection failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// It took too long.
    #[error("the connection took too long")]
    Timeout,
    /// The name leads where nothing of ours may go.
    #[error("an address of `{0}` {1}")]
    Unreachable(String, Unreachable),
}

impl ConnectError {
    /// A word for records.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Io(error) => tls::fault(error).unwrap_or("connect"),
            Self::Sockets(_) => "no_socket",
            Self::Tls(error) => tls::fault(error).unwrap_or("connect"),
            Self::Unreachable(..) => "address",
            Self::Host(_) | Self::NoCertificates | Self::NoRoots | Self::Timeout => "connect",
        }
    }
}

/// Connects to one server.
#[derive(Clone)]
pub struct Connector {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    limits: ReplyLimits,
    sockets: Sockets,
    reach: Reach,
    /// For how many seconds a peer may leave what was sent unconfirmed; few bytes, since each request carries a copy.
    unconfirmed: Option<NonZeroU16>,
}

/// How many sockets all servers together may hold: the rest of the process's descriptors is the clients' and the log's.
#[derive(Clone, Debug)]
pub struct Sockets {
    places: Arc<Semaphore>,
    all: usize,
    /// The idle connections of each server.
    parked: Arc<Mutex<Vec<Weak<Mutex<Parked>>>>>,
}

impl Sockets {
    /// So many.
    pub fn new(all: usize) -> Self {
        let all = all.clamp(1, Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(all)), all, parked: Arc::default() }
    }

    /// Less than a quarter is left: whoever keeps a socket for later should not.
    pub(super) fn are_scarce(&self) -> bool {
        self.places.available_permits() < self.all.div_ceil(4)
    }

    async fn take(&self) -> Result<OwnedSemaphorePermit, ConnectError> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        // What another server keeps for later goes to the one that needs it now.
        let freed = if self.close_oldest_idle() {
            tokio::time::timeout(FREED, Arc::clone(&self.places).acquire_owned()).await.ok().and_then(Result::ok)
        } else {
            None
        };
        freed.ok_or(ConnectError::Sockets(self.all))
    }

    /// Closes the connection that has been idle for the longest, whosever it is. False if there is none.
    fn close_oldest_idle(&self) -> bool {
        let mut all = self.parked.lock();
        all.retain(|parked| parked.strong_count() > 0);
        let all: Vec<_> = all.iter().filter_map(Weak::upgrade).collect();
        let oldest = all.iter().filter_map(|parked| Some((parked.lock().oldest()?, parked)));
        // Taken in between it is in use, and there is nothing to close.
        oldest.min_by_key(|(since, _)| *since).is_some_and(|(_, parked)| parked.lock().close_oldest())
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Connector {
    /// For the host of `url`. System roots are read here, once, so that a missing one is a start-up error.
    pub fn new(url: &::http::Uri, limits: ServerLimits, sockets: Sockets) -> Result<Self, ConnectError> {
        Self::with(url, limits, sockets, tls::system)
    }

    /// The same, where the CAs in this PEM text are trusted in place of the system's.
    pub(crate) fn trusting(
        url: &::http::Uri,
        limits: ServerLimits,
        sockets: Sockets,
        authorities: Option<&[u8]>,
    ) -> Result<Self, ConnectError> {
        Self::with(url, limits, sockets, || authorities.map_or_else(tls::system, tls::trusting))
    }

    /// The same, by settings as servers have them.
    pub(crate) fn with_tls(
        url: &::http::Uri,
        limits: ServerLimits,
        sockets: Sockets,
        settings: &UpstreamTls,
    ) -> Result<Self, ConnectError> {
        Self::with(url, limits, sockets, || tls::of(settings))
    }

    /// For a server at `url`, by its own settings.
    pub(super) fn of(server: &Server, url: &::http::Uri, sockets: Sockets) -> Result<Self, ConnectError> {
        Self::with_tls(url, server.limits, sockets, &server.tls)
    }

    fn with(
        url: &::http::Uri,
        limits: ServerLimits,
        sockets: Sockets,
        client: impl FnOnce() -> Result<ClientConfig, ConnectError>,
    ) -> Result<Self, ConnectError> {
        let host = url.host().ok_or_else(|| ConnectError::Host(url.to_string()))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let secure = url.scheme() == Some(&::http::uri::Scheme::HTTPS);
        let port = url.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let tls = if secure {
            let name = ServerName::try_from(host.clone()).map_err(|_unused| ConnectError::Host(host.clone()))?;
            Some((TlsConnector::from(Arc::new(client()?)), name))
        } else {
            None
        };
        let limits = ReplyLimits { head: limits.head, headers: limits.headers };
        Ok(Self { host, port, tls, limits, sockets, reach: Reach::Configured, unconfirmed: None })
    }

    /// The same for a URL that was discovered, which leads to public addresses alone where [`crate::reach::discovered`] says so.
    #[must_use]
    pub fn reaching(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    /// The same, whose connections break when the peer has confirmed nothing of what was sent for so many seconds (RFC 5482; on Linux alone).
    #[must_use]
    pub(crate) fn breaking_after(mut self, seconds: NonZeroU16) -> Self {
        self.unconfirmed = Some(seconds);
        self
    }

    /// Opens a connection, on which nothing but well-framed replies comes.
    pub(crate) async fn connect(&self) -> Result<StrictLink<Box<dyn Link>>, ConnectError> {
        let place = self.sockets.take().await?;
        let link = tokio::time::timeout(CONNECT, self.open()).await.map_err(|_unused| ConnectError::Timeout)??;
        Ok(StrictLink::new(link, self.limits, place))
    }

    /// The same, for what is no MCP server.
    pub(crate) async fn link(&self) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static, ConnectError> {
        self.connect().await
    }

    /// The bytes alone, for what is no HTTP.
    pub(crate) async fn raw(&self) -> Result<Box<dyn Link>, ConnectError> {
        tokio::time::timeout(CONNECT, self.open()).await.map_err(|_unused| ConnectError::Timeout)?
    }

    /// Idle connections that may be closed when another server has no socket.
    pub(super) fn offer(&self, parked: &Arc<Mutex<Parked>>) {
        self.sockets.parked.lock().push(Arc::downgrade(parked));
    }

    /// See [`Sockets::are_scarce`].
    pub(super) fn is_short_of_sockets(&self) -> bool {
        self.sockets.are_scarce()
    }

    async fn open(&self) -> Result<Box<dyn Link>, ConnectError> {
        // The address that is checked is the address that is used: the name is not resolved a second time.
        let addresses: Vec<SocketAddr> = lookup_host((self.host.as_str(), self.port)).await?.collect();
        for address in &addresses {
            self.reach.check(address.ip()).map_err(|why| ConnectError::Unreachable(self.host.clone(), why))?;
        }
        let stream = dial(&addresses).await?;
        stream.set_nodelay(true)?;
        #[cfg(target_os = "linux")]
        if let Some(unconfirmed) = self.unconfirmed {
            let milliseconds = u32::from(unconfirmed.get()) * 1_000;
            rustix::net::sockopt::set_tcp_user_timeout(&stream, milliseconds).map_err(io::Error::from)?;
        }
        match &self.tls {
            Some((connector, name)) => Ok(Box::new(connector.connect(name.clone(), stream).await?)),
            None => Ok(Box::new(stream)),
        }
    }
}

/// Tries the addresses in turn.
async fn dial(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for &address in addresses {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A reply that its client does not take waits in the server's kernel, not in ours.
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        match socket.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn connecting(url: &str, reach: Reach) -> ConnectError {
        let connector = Connector::new(&url.parse().unwrap(), ServerLimits::default(), Sockets::new(1)).unwrap();
        connector.reaching(reach).connect().await.err().expect("nothing is reached")
    }

    #[tokio::test]
    async fn mcp_053_what_was_discovered_is_refused_by_what_it_resolves_to_before_a_packet() {
        let sink = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        sink.set_nonblocking(true).unwrap();
        let port = sink.local_addr().unwrap().port();
        // What a resolver makes of the spellings, should one ever come so far.
        for host in ["127.0.0.1", "localhost", "2130706433", "127.1", "0x7f000001", "[::ffff:127.0.0.1]", "localhost."] {
            let error = connecting(&format!("http://{host}:{port}/"), Reach::Discovered).await;
            assert!(
                matches!(error, ConnectError::Unreachable(_, Unreachable::NotPublic) | ConnectError::Io(_)),
                "{host}: {error}"
            );
        }
        for host in ["169.254.169.254", "[64:ff9b::a9fe:a9fe]", "2852039166", "[2001:0:a9fe:a9fe::1]"] {
            let error = connecting(&format!("http://{host}:{port}/"), Reach::Configured).await;
            assert!(matches!(error, ConnectError::Unreachable(_, Unreachable::LinkLocal)), "{host}: {error}");
        }
        for host in ["0", "[::ffff:0.0.0.0]"] {
            let error = connecting(&format!("http://{host}:{port}/"), Reach::Configured).await;
            assert!(matches!(error, ConnectError::Unreachable(_, Unreachable::NotOneMachine)), "{host}: {error}");
        }
        assert_eq!(sink.accept().err().map(|error| error.kind()), Some(io::ErrorKind::WouldBlock), "somebody was there");
    }
}
