//! The accept loop that all listeners share: it never spins, and never ends for want of a descriptor.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connections::{Connections, Place};

/// Connections that the system holds for us while we are at others.
const BACKLOG: u32 = 1024;

/// Pause after the system refused a connection (no descriptors left): the first, and the longest.
const BREATH: Duration = Duration::from_millis(10);
const LONGEST_BREATH: Duration = Duration::from_secs(1);

/// How often the same trouble is told.
const TOLD: Duration = Duration::from_secs(10);

/// Binds. The kernel keeps at most `buffer` bytes for each direction of a connection; left alone it keeps megabytes for whoever
/// sends fast or reads slowly.
pub fn bind(address: SocketAddr, buffer: usize) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As `TcpListener::bind` does: a restart need not wait for connections of the last run.
    socket.set_reuseaddr(true)?;
    let buffer = u32::try_from(buffer).unwrap_or(u32::MAX);
    socket.set_send_buffer_size(buffer)?;
    socket.set_recv_buffer_size(buffer)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts until `stop`. What has a place goes to `serve`, what has none is closed and told to `refused`.
pub(super) async fn accept(
    socket: &TcpListener,
    connections: &Arc<Connections>,
    stop: &CancellationToken,
    serve: impl Fn(TcpStream, SocketAddr, Place),
    refused: impl Fn(),
) {
    let mut trouble = Trouble::default();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                trouble.is_over();
                match Connections::enter(connections, peer.ip()) {
                    Some(place) => serve(stream, peer, place),
                    // Closed without a word: the one who floods us is not worth a write.
                    None => refused(),
                }
            }
            // The client was gone before it was accepted; the next one need not wait for that.
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                let pause = trouble.pause(&error);
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = stop.cancelled() => return,
                }
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset)
}

/// The system refuses connections. The connection stays in the backlog, and so the socket stays ready: without a pause the loop would
/// spin on it.
#[derive(Debug, Default)]
struct Trouble {
    pause: Duration,
    told: Option<Instant>,
}

impl Trouble {
    fn pause(&mut self, error: &io::Error) -> Duration {
        self.pause = (self.pause * 2).clamp(BREATH, LONGEST_BREATH);
        if self.told.is_none_or(|told| told.elapsed() >= TOLD) {
            tracing::warn!(error = error as &dyn std::error::Error, "connections cannot be accepted; trying on");
            self.told = Some(Instant::now());
        }
        self.pause
    }

    fn is_over(&mut self) {
        self.pause = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_to_a_second_and_starts_anew() {
        let mut trouble = Trouble::default();
        let error = io::Error::from_raw_os_error(24);
        let pauses: Vec<_> = (0..9).map(|_| trouble.pause(&error).as_millis()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        trouble.is_over();
        assert_eq!(trouble.pause(&error), BREATH);
        assert!(!is_of_one_connection(&error));
    }
}
