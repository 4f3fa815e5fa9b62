//! A server of the 2024-11-05 transport that does what a test wants of its streams.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::support::eventually;

/// A running server. Ends when dropped.
pub(crate) struct SseServer {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    _stop: DropGuard,
}

/// A message as it was sent by POST.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    /// Which stream it belongs to, the first being 1.
    pub(crate) stream: usize,
    pub(crate) headers: HeaderMap,
    pub(crate) message: Value,
}

#[derive(Default)]
struct State {
    /// What is announced, where it is not the usual.
    announced: Mutex<Option<String>>,
    streams: Mutex<Vec<Stream>>,
    posted: Mutex<Vec<Posted>>,
    /// Tools whose calls are not answered.
    held: Mutex<Vec<String>>,
    refuses: Mutex<Option<StatusCode>>,
    /// Every request as it was written, but for its body.
    heads: Mutex<Vec<String>>,
}

/// `None` cuts it.
type Stream = UnboundedSender<Option<Bytes>>;
type Body = UnsyncBoxBody<Bytes, std::io::Error>;

impl SseServer {
    pub(crate) async fn start() -> Self {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = socket.local_addr().expect("an address");
        let (state, tasks, stop) = (Arc::<State>::default(), TaskTracker::new(), CancellationToken::new());
        let server = Self { address, state: Arc::clone(&state), _stop: stop.clone().drop_guard() };
        let connections = tasks.clone();
        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let state = Arc::clone(&state);
                let service = service_fn(move |request| {
                    let state = Arc::clone(&state);
                    async move { Ok::<_, Infallible>(state.answer(request).await) }
                });
                let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                connections.spawn(stop.clone().run_until_cancelled_owned(serving));
            }
        }));
        server
    }

    /// What streams announce from now on, in place of a path of their own.
    pub(crate) fn announces(&self, endpoint: &str) {
        *self.state.announced.lock() = Some(endpoint.to_owned());
    }

    /// Calls of this tool get no answer of themselves.
    pub(crate) fn holds(&self, tool: &str) {
        self.state.held.lock().push(tool.to_owned());
    }

    /// POSTs are refused so from now on, or taken again.
    pub(crate) fn refuses(&self, status: Option<StatusCode>) {
        *self.state.refuses.lock() = status;
    }

    /// Puts a message on a stream.
    pub(crate) fn says(&self, stream: usize, message: &Value) {
        self.writes(stream, &format!("event: message\ndata: {message}\n\n"));
    }

    /// Puts these bytes on a stream.
    pub(crate) fn writes(&self, stream: usize, text: &str) {
        self.state.write(stream, text);
    }

    /// Ends a stream in the middle.
    pub(crate) fn cuts(&self, stream: usize) {
        // It may be gone already.
        let _ = self.state.streams.lock()[stream - 1].send(None);
    }

    /// How many streams were opened.
    pub(crate) fn opened(&self) -> usize {
        self.state.streams.lock().len()
    }

    /// Waits until the other side has closed a stream.
    pub(crate) async fn closed(&self, stream: usize) {
        let stream = self.state.streams.lock()[stream - 1].clone();
        crate::support::within("the end of a stream", stream.closed()).await;
    }

    /// Everything that was sent to it, as text.
    pub(crate) fn heard(&self) -> String {
        let posted: Vec<_> = self.posted().into_iter().map(|posted| posted.message.to_string()).collect();
        format!("{}\n{}", self.state.heads.lock().join("\n"), posted.join("\n"))
    }

    pub(crate) fn posted(&self) -> Vec<Posted> {
        self.state.posted.lock().clone()
    }

    /// Waits for a message of that method, and gives the last; `response` for an answer.
    pub(crate) async fn wait_for(&self, method: &str) -> Posted {
        let last = || self.posted().into_iter().rfind(|posted| posted.method() == method);
        eventually(&format!("`{method}` at the server"), last).await
    }
}

impl Posted {
    pub(crate) fn method(&self) -> &str {
        self.message["method"].as_str().unwrap_or("response")
    }
}

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        self.heads.lock().push(format!("{} {} {:?}", head.method, head.uri, head.headers));
        if head.method == Method::GET {
            return self.open();
        }
        let body = body.collect().await.expect("a body").to_bytes();
        let message: Value = serde_json::from_slice(&body).expect("a message");
        let named = head.uri.query().and_then(|query| query.strip_prefix("session=")?.parse().ok());
        let stream = named.unwrap_or_else(|| self.streams.lock().len());
        let posted = Posted { stream, headers: head.headers, message };
        self.posted.lock().push(posted.clone());
        let refused = *self.refuses.lock();
        if refused.is_none()
            && let Some(result) = self.result(&posted)
        {
            let response = json!({ "jsonrpc": "2.0", "id": posted.message["id"], "result": result });
            self.write(stream, &format!("event: message\ndata: {response}\n\n"));
        }
        let empty = Empty::new().map_err(|never| match never {}).boxed_unsync();
        Response::builder().status(refused.unwrap_or(StatusCode::ACCEPTED)).body(empty).expect("a response")
    }

    fn open(&self) -> Response<Body> {
        let (sender, receiver) = unbounded_channel();
        let number = {
            let mut streams = self.streams.lock();
            streams.push(sender);
            streams.len()
        };
        let announced = self.announced.lock().clone().unwrap_or_else(|| format!("/message?session={number}"));
        self.write(number, &format!("event: endpoint\ndata: {announced}\n\n"));
        let body = StreamBody::new(stream::unfold(receiver, next)).boxed_unsync();
        Response::builder().header("content-type", "text/event-stream").body(body).expect("a response")
    }

    fn result(&self, posted: &Posted) -> Option<Value> {
        posted.message.get("id")?;
        let params = &posted.message["params"];
        match posted.method() {
            "initialize" => Some(json!({
                "protocolVersion": params["protocolVersion"], "capabilities": { "tools": {} },
                "serverInfo": { "name": "old", "version": "1.0.0" } })),
            "tools/list" => {
                let tool = |name: &str| json!({ "name": name, "description": "d", "inputSchema": { "type": "object" } });
                Some(json!({ "tools": [tool("echo"), tool("delete")] }))
            }
            "tools/call" => {
                let name = params["name"].as_str().unwrap_or_default();
                let held = self.held.lock().iter().any(|held| held == name);
                (!held).then(|| json!({ "content": [{ "type": "text", "text": format!("{name} was called") }] }))
            }
            "ping" => Some(json!({})),
            _ => None,
        }
    }

    fn write(&self, stream: usize, text: &str) {
        // Whoever has closed it is not told any more.
        let _ = self.streams.lock()[stream - 1].send(Some(Bytes::copy_from_slice(text.as_bytes())));
    }
}

/// The next piece of a stream; an error cuts it.
async fn next(
    mut receiver: UnboundedReceiver<Option<Bytes>>,
) -> Option<(Result<Frame<Bytes>, std::io::Error>, UnboundedReceiver<Option<Bytes>>)> {
    let piece = receiver.recv().await?;
    let frame = piece.map(Frame::data).ok_or_else(|| std::io::Error::other("cut"));
    Some((frame, receiver))
}
