//! What a connection's bytes pass through: TCP alone, or TLS over it.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::tls::{self, ClientCertificate, Failed};

/// A byte stream to a client.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin {
    /// The socket below.
    fn tcp(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Wire for tls::Stream {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Whether the client asked for HTTP/2, and was told that it is spoken.
pub(super) fn wants_http2(stream: &tls::Stream) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(tls::HTTP2)
}

/// Shakes hands within the time that a client has for a head. What failed is a word for the record, or nothing worth one.
pub(super) async fn shake_hands(
    server: &tls::Server,
    stream: TcpStream,
    patience: Duration,
    stop: &CancellationToken,
) -> Result<(tls::Stream, Option<Arc<ClientCertificate>>), Option<&'static str>> {
    // Before the handshake: it is a dozen small writes each way.
    stream.set_nodelay(true).map_err(|_gone| None)?;
    let accepted = tokio::time::timeout(patience, server.accept(stream));
    match stop.run_until_cancelled(accepted).await {
        // It only knocked, or the gateway stops.
        None | Some(Ok(Err(Failed::Silent))) => Err(None),
        Some(Err(_slow)) => Err(Some("slow_handshake")),
        Some(Ok(Err(Failed::Refused(word)))) => Err(Some(word)),
        Some(Ok(Ok(accepted))) => Ok(accepted),
    }
}
