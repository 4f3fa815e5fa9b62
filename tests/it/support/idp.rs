//! The part of an identity provider that a gateway talks to: one URL with keys. Answers what the test says, counts who asks.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::eventually;
use super::http::find;

/// A running provider. Ends when dropped.
pub(crate) struct Idp {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    _stop: DropGuard,
}

#[derive(Default)]
struct State {
    /// The whole answer, head included; none: the request is never answered.
    answer: Mutex<Option<Vec<u8>>>,
    /// What is answered on single paths instead.
    elsewhere: Mutex<HashMap<String, Vec<u8>>>,
    asked: AtomicUsize,
    heads: Mutex<Vec<String>>,
}

impl Idp {
    pub(crate) async fn start(keys: &Value) -> Self {
        Self::at((Ipv4Addr::LOCALHOST, 0).into(), keys).await
    }

    /// On an address that was found to be free before.
    pub(crate) async fn at(address: SocketAddr, keys: &Value) -> Self {
        let socket = TcpListener::bind(address).await.expect("a port");
        let address = socket.local_addr().expect("an address");
        let (state, stop) = (Arc::new(State::default()), CancellationToken::new());
        let idp = Self { address, state: Arc::clone(&state), _stop: stop.clone().drop_guard() };
        idp.publish(keys);
        let tasks = TaskTracker::new();
        let inner = tasks.clone();
        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = socket.accept().await {
                inner.spawn(stop.clone().run_until_cancelled_owned(serve(stream, Arc::clone(&state))));
            }
        }));
        idp
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/jwks", self.address)
    }

    /// The key set from now on.
    pub(crate) fn publish(&self, keys: &Value) {
        self.answer_with("200 OK", "", keys.to_string().as_bytes());
    }

    /// What is answered from now on; `headers` are whole lines.
    pub(crate) fn answer_with(&self, status: &str, headers: &str, body: &[u8]) {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
        *self.state.answer.lock() = Some([head.as_bytes(), body].concat());
    }

    /// What is answered on this path from now on.
    pub(crate) fn answer_at(&self, path: &str, status: &str, body: &Value) {
        let body = body.to_string();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        self.state.elsewhere.lock().insert(path.to_owned(), answer.into_bytes());
    }

    /// How often a path was asked for.
    pub(crate) fn asked_at(&self, path: &str) -> usize {
        self.heads().iter().filter(|head| head.split(' ').nth(1) == Some(path)).count()
    }

    /// The whole answer from now on, byte for byte.
    pub(crate) fn answer_raw(&self, answer: Vec<u8>) {
        *self.state.answer.lock() = Some(answer);
    }

    /// Requests are taken and not answered from now on.
    pub(crate) fn fall_silent(&self) {
        *self.state.answer.lock() = None;
    }

    /// How often the keys were asked for.
    pub(crate) fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }

    /// Waits until the keys were asked for that often.
    pub(crate) async fn wait_for(&self, times: usize) {
        eventually("the gateway to ask for keys", || (self.asked() >= times).then_some(())).await;
    }

    /// The heads of all requests.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.state.heads.lock().clone()
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let mut head = Vec::new();
    while find(&head, b"\r\n\r\n").is_none() {
        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    state.heads.lock().push(String::from_utf8_lossy(&head).into_owned());
    state.asked.fetch_add(1, Ordering::SeqCst);
    let path = String::from_utf8_lossy(&head).split(' ').nth(1).unwrap_or_default().to_owned();
    let special = state.elsewhere.lock().get(&path).cloned();
    let answer = special.or_else(|| state.answer.lock().clone());
    match answer {
        Some(answer) => {
            // A reader that has enough closes early; that is its right.
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        }
        None => std::future::pending().await,
    }
}
