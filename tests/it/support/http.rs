//! HTTP/1.1 by hand: every byte that is sent is the test's, every byte that comes back is seen.

use std::fmt::{self, Write as _};
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::within;

/// One connection to the gateway.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    unread: Vec<u8>,
}

/// What bytes travel on.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A whole answer. `body` is without chunk framing.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.status, self.headers, String::from_utf8_lossy(&self.body))
    }
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(address)).await.expect("the gateway accepts connections");
        Self::on(stream)
    }

    /// On a connection that was made elsewhere.
    pub(crate) fn on(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), unread: Vec::new() }
    }

    /// Sends bytes. That the other side has closed already is not an error here: what it answered before is still to be read.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = within("room to send", self.stream.write_all(bytes)).await;
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn half_close(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Reads one answer. `None`: the connection ended before one.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        let mut answer = self.head().await?;
        if answer.header("transfer-encoding").is_some() {
            while let Some(chunk) = self.chunk().await {
                answer.body.extend_from_slice(&chunk);
            }
        } else if let Some(length) = answer.header("content-length") {
            answer.body = self.exactly(length.parse().expect("a content length")).await;
        } else if answer.status >= 200 && answer.status != 204 {
            answer.body = self.rest().await;
        }
        Some(answer)
    }

    /// Reads status line and headers only.
    pub(crate) async fn head(&mut self) -> Option<Answer> {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n\r\n") {
                let head: Vec<u8> = self.unread.drain(..end + 4).collect();
                return Some(parse_head(&String::from_utf8_lossy(&head)));
            }
            if !self.fill().await {
                assert!(self.unread.is_empty(), "half a head: {:?}", String::from_utf8_lossy(&self.unread));
                return None;
            }
        }
    }

    /// The next chunk of a chunked body; `None` at its end, or when the connection ends before.
    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n") {
                let size = String::from_utf8_lossy(&self.unread[..end]).into_owned();
                let size = usize::from_str_radix(size.trim(), 16).expect("a chunk size");
                if self.unread.len() >= end + 2 + size + 2 {
                    let chunk = self.unread[end + 2..end + 2 + size].to_vec();
                    self.unread.drain(..end + 2 + size + 2);
                    return (size > 0).then_some(chunk);
                }
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// The next `length` bytes; fewer if the connection ends before.
    pub(crate) async fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.unread.len() < length && self.fill().await {}
        self.unread.drain(..length.min(self.unread.len())).collect()
    }

    /// Waits until the other side closes; gives what came until then.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.fill().await {}
        std::mem::take(&mut self.unread)
    }

    /// Whether more came.
    async fn fill(&mut self) -> bool {
        // A reset is an end too: it comes when bytes that nobody wanted were still on their way.
        let read = within("an answer, or the end of the connection", self.stream.read_buf(&mut self.unread)).await;
        read.is_ok_and(|count| count > 0)
    }
}

impl Answer {
    /// The one value of a header; panics if it came twice.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values =
            self.headers.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
        let first = values.next();
        assert!(values.next().is_none(), "`{name}` came twice: {self:?}");
        first
    }

    /// The body as JSON; null if it is not.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The code of a JSON-RPC error.
    pub(crate) fn code(&self) -> Option<i64> {
        self.json().pointer("/error/code").and_then(Value::as_i64)
    }

    /// The message of a JSON-RPC error.
    pub(crate) fn message(&self) -> String {
        self.json().pointer("/error/message").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// The result of a JSON-RPC response; null if it has none.
    pub(crate) fn result(&self) -> Value {
        self.json().get("result").cloned().unwrap_or_default()
    }

    /// The text of a tool's first content block; empty if there is none.
    pub(crate) fn text(&self) -> String {
        self.json().pointer("/result/content/0/text").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// The names of listed tools.
    pub(crate) fn tools(&self) -> Vec<String> {
        let tools = self.json().pointer("/result/tools").and_then(Value::as_array).cloned().unwrap_or_default();
        tools.iter().filter_map(|tool| tool.get("name")?.as_str().map(str::to_owned)).collect()
    }

    /// The id of the call's records.
    pub(crate) fn call(&self) -> String {
        self.header("yett-call").unwrap_or_default().to_owned()
    }

    /// The messages of an answer that came as an event stream, or the one of a JSON answer.
    pub(crate) fn messages(&self) -> Vec<Value> {
        if self.header("content-type") != Some("text/event-stream") {
            return vec![self.json()];
        }
        let text = String::from_utf8_lossy(&self.body).into_owned();
        let data = text.lines().filter_map(|line| line.strip_prefix("data:")).filter_map(|data| serde_json::from_str(data).ok());
        data.collect()
    }
}

/// A POST, well-formed unless told otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    address: SocketAddr,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Post {
    /// With `Host`, `Content-Type` and `Accept` as they should be.
    pub(crate) fn to(address: SocketAddr, target: &str) -> Self {
        let headers = [
            ("Host", address.to_string()),
            ("Content-Type", "application/json".to_owned()),
            ("Accept", "application/json, text/event-stream".to_owned()),
        ];
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { address, target: target.to_owned(), headers, body: Vec::new() }
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Sets a header in the place of any of that name.
    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        self.without(name).also(name, value)
    }

    /// Adds a header beside others of that name.
    pub(crate) fn also(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    pub(crate) fn target(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Head and body as sent; `Content-Length` is told unless a header says something about it already.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut head = format!("POST {} HTTP/1.1\r\n", self.target);
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let framed = |name: &str| name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding");
        if !self.headers.iter().any(|(name, _)| framed(name)) {
            let _ = write!(head, "Content-Length: {}\r\n", self.body.len());
        }
        let mut bytes = format!("{head}\r\n").into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    pub(crate) fn body_bytes(&self) -> &[u8] {
        &self.body
    }

    /// The same for HTTP/2: `Host` is the authority.
    pub(crate) fn over_http2(&self) -> http::Request<Full<Bytes>> {
        let mut request = http::Request::post(format!("https://{}{}", self.address, self.target));
        for (name, value) in self.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")) {
            request = request.header(name, value);
        }
        request.body(Full::from(self.body.clone())).expect("a request")
    }

    /// Sends it on a connection of its own, and reads the answer.
    pub(crate) async fn send(&self) -> Answer {
        let mut connection = self.open().await;
        connection.answer().await.unwrap_or_else(|| panic!("no answer to {:?}", self.target))
    }

    /// Sends it, and reads nothing.
    pub(crate) async fn open(&self) -> Connection {
        let mut connection = Connection::open(self.address).await;
        connection.send(&self.bytes()).await;
        connection
    }
}

pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn parse_head(text: &str) -> Answer {
    let mut lines = text.split("\r\n");
    let status =
        lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).and_then(|rest| rest.get(..3)).expect("a status line");
    let headers = lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    Answer { status: status.parse().expect("a status"), headers: headers.collect(), body: Vec::new() }
}
