//! A server that writes what it is told, byte for byte, and counts connections: what is done with a connection after a bad reply.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::http::find;

/// A running server. Ends when dropped.
pub(crate) struct RawServer {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    _stop: DropGuard,
}

/// What is written for a request, whichever it is: tests ask with id 1.
#[derive(Clone, Debug)]
pub(crate) enum Script {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The first part once, the second again and again, as long as anybody takes it.
    Endless(Vec<u8>, Vec<u8>),
    /// Nothing, until the other side goes away.
    Silence,
}

struct State {
    script: Mutex<Script>,
    connections: AtomicUsize,
    requests: AtomicUsize,
    closed: AtomicUsize,
    written: AtomicUsize,
}

impl RawServer {
    pub(crate) fn start() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        // What this side's kernel takes is not what the gateway takes.
        socket.set_send_buffer_size(32 * 1024).expect("a small buffer");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
        let socket = socket.listen(1024).expect("a listener");
        let address = socket.local_addr().expect("an address");
        let state = Arc::new(State {
            script: Mutex::new(Script::Silence),
            connections: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
            written: AtomicUsize::new(0),
        });
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let server = Self { address, state: Arc::clone(&state), _stop: stop.clone().drop_guard() };
        let inner = tasks.clone();
        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = socket.accept().await {
                state.connections.fetch_add(1, Ordering::SeqCst);
                let state = Arc::clone(&state);
                inner.spawn(stop.clone().run_until_cancelled_owned(async move {
                    // Either way the connection is over.
                    let _ = serve(stream, &state).await;
                    state.closed.fetch_add(1, Ordering::SeqCst);
                }));
            }
        }));
        server
    }

    /// Answers with these bytes from now on; the connection stays open.
    pub(crate) fn answers(&self, bytes: impl Into<Vec<u8>>) {
        self.plays(Script::Bytes(bytes.into()));
    }

    pub(crate) fn plays(&self, script: Script) {
        *self.state.script.lock() = script;
    }

    /// Connections that were made.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Requests that arrived whole.
    pub(crate) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// Connections that the other side has closed.
    pub(crate) fn closed(&self) -> usize {
        self.state.closed.load(Ordering::SeqCst)
    }

    /// Bytes that the other side's kernel, or this one's, has taken.
    pub(crate) fn written(&self) -> usize {
        self.state.written.load(Ordering::SeqCst)
    }
}

/// A well-framed reply to request 1: a tool's result of one text block.
pub(crate) fn good_reply(text: &str) -> String {
    let body = good_body(text);
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Its body.
pub(crate) fn good_body(text: &str) -> String {
    let result = super::reply::tool_result(text);
    format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#)
}

async fn serve(mut stream: TcpStream, state: &State) -> Option<()> {
    let mut unread = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = find(&unread, b"\r\n\r\n") {
                break end + 4;
            }
            fill(&mut stream, &mut unread).await?;
        };
        let head = String::from_utf8_lossy(&unread[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        while unread.len() < end + length {
            fill(&mut stream, &mut unread).await?;
        }
        unread.drain(..end + length);
        state.requests.fetch_add(1, Ordering::SeqCst);
        let script = state.script.lock().clone();
        match script {
            Script::Silence => fill(&mut stream, &mut unread).await?,
            Script::Bytes(bytes) => write(&mut stream, state, &bytes).await?,
            Script::Endless(first, again) => {
                write(&mut stream, state, &first).await?;
                loop {
                    write(&mut stream, state, &again).await?;
                }
            }
        }
    }
}

async fn fill(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<()> {
    let count = stream.read_buf(unread).await.ok()?;
    (count > 0).then_some(())
}

async fn write(stream: &mut TcpStream, state: &State, mut bytes: &[u8]) -> Option<()> {
    while !bytes.is_empty() {
        let count = stream.write(bytes).await.ok()?;
        state.written.fetch_add(count, Ordering::SeqCst);
        bytes = &bytes[count..];
    }
    Some(())
}
