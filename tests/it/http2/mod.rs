//! HTTP/2 on the TLS listener: honest clients by hyper, everybody else by hand.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise, and says what it measured"
)]

mod calls;
mod floods;
mod heads;
mod limits;
mod raw;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinHandle;

use crate::support::http::{Answer, Post};
use crate::support::tls::TlsClient;
use crate::support::within;
use crate::tls::Secure;

/// A connection of an honest client.
struct Honest {
    sender: SendRequest<Full<Bytes>>,
    /// Ends with the connection.
    connection: JoinHandle<Result<(), hyper::Error>>,
}

impl Honest {
    async fn connect(secure: &Secure) -> Self {
        Self::of(secure, &secure.client).await
    }

    async fn of(secure: &Secure, client: &TlsClient) -> Self {
        let stream = client.offering(&["h2", "http/1.1"]).shake(secure.address).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
        let tasks = tokio_util::task::TaskTracker::new();
        Self { sender, connection: tasks.spawn(connection) }
    }

    /// Head and body of the answer, which may still come.
    async fn begin(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, hyper::Error> {
        let mut sender = self.sender.clone();
        within("a place for a stream", sender.ready()).await?;
        within("an answer", sender.send_request(request)).await
    }

    async fn send(&self, post: &Post) -> Answer {
        whole(self.begin(post.over_http2()).await.expect("an answer")).await
    }
}

/// A whole answer.
async fn whole(response: Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let body = within("a body", body.collect()).await.expect("a whole body").to_bytes();
    Answer { status: head.status.as_u16(), headers, body: body.to_vec() }
}
