//! The filter in front of a real hyper over real sockets, driven as the accept loop drives it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::framing::{FilteredStream, FramingLimits, close_refused};
use super::head::{HeadLimits, HeadScan, check};
use super::refusal::{HeadError, refusal_response};

mod patience;

mod replay {
    include!("../../../fuzz/replay.rs");
}

/// A listener for one connection, and what it saw.
struct Gateway {
    client: TcpStream,
    calls: Arc<AtomicUsize>,
    /// Lets a request to `/held` be answered.
    release: Arc<Notify>,
    connection: JoinSet<Option<HeadError>>,
}

impl Gateway {
    async fn start(limits: FramingLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (tcp, _) = listener.accept().await.unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let release = Arc::new(Notify::new());
        let mut connection = JoinSet::new();
        connection.spawn(serve(tcp, limits, Arc::clone(&calls), Arc::clone(&release)));
        Self { client, calls, release, connection }
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.client.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads until `end` has come.
    async fn read_until(&mut self, end: &str) -> String {
        let mut answer = Vec::new();
        while !answer.ends_with(end.as_bytes()) {
            let byte = timeout(PATIENCE, self.client.read_u8()).await;
            answer.push(byte.unwrap_or_else(|_| panic!("no more after {:?}", String::from_utf8_lossy(&answer))).unwrap());
        }
        String::from_utf8(answer).unwrap()
    }

    /// Reads until the connection is closed: the answers, the refusal that was taken, the calls that reached the service.
    async fn finish(mut self) -> (String, Option<HeadError>, usize) {
        let mut answer = Vec::new();
        timeout(PATIENCE, self.client.read_to_end(&mut answer)).await.expect("the connection stays open").unwrap();
        drop(self.client);
        let refusal = timeout(PATIENCE, self.connection.join_next()).await.unwrap().unwrap().unwrap();
        (String::from_utf8(answer).unwrap(), refusal, self.calls.load(Ordering::SeqCst))
    }
}

const PATIENCE: Duration = Duration::from_secs(5);

async fn serve(tcp: TcpStream, limits: FramingLimits, calls: Arc<AtomicUsize>, release: Arc<Notify>) -> Option<HeadError> {
    let stream = FilteredStream::new(tcp, limits);
    let refusal = stream.refusal_handle();
    let service = service_fn(move |request| {
        calls.fetch_add(1, Ordering::SeqCst);
        answer(request, Arc::clone(&release))
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let _ = (&mut connection).await;
    let error = refusal.take()?;
    close_refused(connection.into_parts().io.into_inner().into_inner(), &refusal_response(error, "call-1")).await;
    Some(error)
}

type Reply = Response<BoxBody<Bytes, Infallible>>;

/// Echoes the body, or says why it broke off. `/stream` answers in chunks, `/held` when released, `/early` without reading the body.
async fn answer(request: Request<Incoming>, release: Arc<Notify>) -> Result<Reply, Infallible> {
    let path = request.uri().path().to_owned();
    if path == "/early" {
        return Ok(reply(StatusCode::UNAUTHORIZED, Bytes::new()));
    }
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            let status = HeadError::in_chain(&error).map_or(499, HeadError::status);
            return Ok(reply(StatusCode::from_u16(status).unwrap(), Bytes::new()));
        }
    };
    match path.as_str() {
        "/held" => release.notified().await,
        "/stream" => {
            let frames = [Bytes::from_static(b"one"), body].map(|data| Ok(Frame::data(data)));
            let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames));
            return Ok(Response::new(BodyExt::boxed(body)));
        }
        _ => {}
    }
    Ok(reply(StatusCode::OK, body))
}

fn reply(status: StatusCode, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body).boxed());
    *reply.status_mut() = status;
    reply
}

fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: gw\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn statuses(answers: &str) -> Vec<&str> {
    answers.split("HTTP/1.1 ").skip(1).map(|answer| answer.get(..3).unwrap_or_default()).collect()
}

/// Sends `bytes` in one piece and in single bytes; both must be refused in the same way and never reach the service.
async fn assert_refused(bytes: &[u8], status: u16) {
    for piece in [bytes.len(), 1] {
        let mut gateway = Gateway::start(FramingLimits::default()).await;
        gateway.client.set_nodelay(true).unwrap();
        let shown = String::from_utf8_lossy(bytes);
        for piece in bytes.chunks(piece) {
            if gateway.client.write_all(piece).await.is_err() {
                break;
            }
        }
        let (answer, refusal, calls) = gateway.finish().await;
        assert_eq!(refusal.map(HeadError::status), Some(status), "{shown:.200}");
        assert_eq!(answer.as_bytes(), refusal_response(refusal.unwrap(), "call-1"), "{shown:.200}");
        assert_eq!(calls, 0, "{shown:.200}");
    }
}

#[tokio::test]
async fn refused_heads_never_reach_the_service() {
    let table: &[(&str, u16)] = &[
        ("POST /mcp HTTP/1.1\r\nHost: gw\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", 400),
        ("POST /mcp HTTP/1.1\r\nHost: gw\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde", 400),
        ("POST /mcp HTTP/1.1\r\nHost: gw\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
        ("POST /mcp HTTP/1.1\r\nHost: gw\r\nContent-Length: 0x3\r\n\r\nabc", 400),
        ("POST /mcp HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST /mcp HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
        ("POST /mcp HTTP/1.0\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("GET /mcp HTTP/1.1\r\n\r\n", 400),
        ("GET /mcp HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET /mcp HTTP/1.1\nHost: gw\n\n", 400),
        ("GET /mcp HTTP/1.1\r\nHost: gw\r\nX: a\r\n b\r\n\r\n", 400),
        ("GET http://gw/mcp HTTP/1.1\r\nHost: gw\r\n\r\n", 400),
        ("CONNECT gw:443 HTTP/1.1\r\nHost: gw\r\n\r\n", 405),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("\x16\x03\x01\x02", 400),
    ];
    for (bytes, status) in table {
        assert_refused(bytes.as_bytes(), *status).await;
    }
    let head = |line: &str| format!("GET / HTTP/1.1\r\nHost: gw\r\n{line}\r\n");
    let large = [
        (head(&"X: y\r\n".repeat(100)), 431),
        (head(&format!("X: {}\r\n", "a".repeat(65_536))), 431),
        (format!("GET /{} HTTP/1.1\r\nHost: gw\r\n\r\n", "a".repeat(70_000)), 414),
    ];
    for (bytes, status) in large {
        let mut gateway = Gateway::start(FramingLimits::default()).await;
        gateway.send(bytes).await;
        let (answer, refusal, calls) = gateway.finish().await;
        assert_eq!((statuses(&answer), calls), (vec![status.to_string().as_str()], 0));
        assert_eq!(refusal.map(HeadError::status), Some(status));
    }
}

#[tokio::test]
async fn every_kind_of_request_is_answered_on_one_connection() {
    let mut gateway = Gateway::start(FramingLimits::default()).await;
    let long = "x".repeat(300_000);
    for turn in 0..3 {
        gateway.send("GET / HTTP/1.1\r\nHost: gw\r\n\r\n").await;
        assert!(gateway.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 200"), "turn {turn}");
        gateway.send("HEAD / HTTP/1.1\r\nHost: gw\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n").await;
        assert!(gateway.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 200"), "turn {turn}");
        gateway.send(post("/", "abc")).await;
        assert!(gateway.read_until("abc").await.starts_with("HTTP/1.1 200"), "turn {turn}");
        let chunked = "POST / HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\ndef\r\n1\r\ng\r\n0\r\n\r\n";
        for byte in chunked.as_bytes().chunks(7) {
            gateway.send(byte).await;
        }
        gateway.read_until("defg").await;
        gateway.send(post("/stream", "body")).await;
        gateway.read_until("0\r\n\r\n").await;
        gateway.send(post("/", &long)).await;
        gateway.read_until(&long).await;
        gateway.send("POST / HTTP/1.1\r\nHost: gw\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n").await;
        assert!(gateway.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 100"), "turn {turn}");
        gateway.send("hi").await;
        gateway.read_until("hi").await;
    }
    gateway.client.shutdown().await.unwrap();
    assert_eq!(gateway.finish().await, (String::new(), None, 21));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let mut gateway = Gateway::start(FramingLimits::default()).await;
    gateway.send([post("/", "first"), post("/stream", "second"), post("/early", ""), post("/", "last!")].concat()).await;
    let answers = gateway.read_until("last!").await;
    assert_eq!(statuses(&answers), ["200", "200", "401", "200"]);
    assert!(answers.find("first") < answers.find("second"));
}

#[tokio::test]
async fn a_bad_request_behind_a_good_one_does_not_disturb_it() {
    let mut gateway = Gateway::start(FramingLimits::default()).await;
    gateway.send(post("/held", "first") + "GET /mcp HTTP/1.1\nHost: gw\n\n").await;
    sleep(Duration::from_millis(100)).await;
    gateway.release.notify_one();
    let (answers, refusal, calls) = gateway.finish().await;
    assert_eq!(statuses(&answers), ["200", "400"]);
    assert_eq!((refusal, calls), (Some(HeadError::BareLineFeed), 1));
}

#[tokio::test]
async fn a_good_request_behind_a_bad_one_is_not_read() {
    assert_refused(format!("GET / HTTP/1.1\r\n\r\n{}", post("/", "x")).as_bytes(), 400).await;
}

#[tokio::test]
async fn a_bad_body_is_the_services_to_answer_once() {
    let head = "POST / HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n";
    for bad in ["3\r\nabc\r\n0\r\nX: y\r\n\r\n", "3\nabc", "3;\0", "xyz"] {
        let mut gateway = Gateway::start(FramingLimits::default()).await;
        gateway.send(format!("{head}1\r\na\r\n")).await;
        while gateway.calls.load(Ordering::SeqCst) == 0 {
            sleep(Duration::from_millis(5)).await;
        }
        gateway.send(bad).await;
        gateway.client.shutdown().await.unwrap();
        let (answers, refusal, calls) = gateway.finish().await;
        assert_eq!((statuses(&answers), refusal, calls), (vec!["400"], None, 1), "{bad:?}");
    }
    // In one piece with its head it is refused like one.
    assert_refused_whole(&format!("{head}3\nabc"), HeadError::Chunk).await;
}

async fn assert_refused_whole(bytes: &str, error: HeadError) {
    let mut gateway = Gateway::start(FramingLimits::default()).await;
    gateway.send(bytes).await;
    let (answers, refusal, calls) = gateway.finish().await;
    assert_eq!((statuses(&answers).len(), refusal, calls), (1, Some(error), 0));
}

#[tokio::test]
async fn a_connection_serves_so_many_requests() {
    let mut gateway = Gateway::start(FramingLimits { requests: 2, ..FramingLimits::default() }).await;
    gateway.send([post("/", "a"), post("/stream", "b"), post("/", "c")].concat()).await;
    let (answers, refusal, calls) = gateway.finish().await;
    assert_eq!((statuses(&answers), refusal, calls), (vec!["200", "200"], None, 2));
}

#[tokio::test]
async fn the_request_behind_a_long_body_is_no_part_of_it() {
    let mut gateway = Gateway::start(FramingLimits { requests: 2, ..FramingLimits::default() }).await;
    let long = "x".repeat(50_000);
    gateway.send([post("/", &long), post("/", "end")].concat()).await;
    let (answers, refusal, calls) = gateway.finish().await;
    assert_eq!((statuses(&answers), refusal, calls), (vec!["200", "200"], None, 2));
    assert!(
        answers.contains(&format!("\r\n\r\n{long}HTTP/1.1 200")) && answers.ends_with("\r\n\r\nend"),
        "a body is not what was sent"
    );
}

#[tokio::test]
async fn a_hang_up_is_noticed_while_a_reply_is_awaited() {
    let mut gateway = Gateway::start(FramingLimits::default()).await;
    gateway.send(post("/held", "abc")).await;
    sleep(Duration::from_millis(50)).await;
    drop(gateway.client);
    let ended: Option<HeadError> = timeout(PATIENCE, gateway.connection.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!((ended, gateway.calls.load(Ordering::SeqCst)), (None, 1));
}

#[tokio::test]
async fn an_unread_body_ends_with_the_early_answer() {
    let mut gateway = Gateway::start(FramingLimits::default()).await;
    gateway.send("POST /early HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    gateway.read_until("\r\n\r\n").await;
    let _ = gateway.client.write_all(b"3\nabc").await;
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, gateway.client.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"", "an answer after the answer");
}

#[test]
fn the_corpus_of_heads_is_judged_as_its_manifest_says() {
    replay::replay("head", |bytes| {
        let limits = HeadLimits::default();
        let outcome = match HeadScan::default().advance(bytes, &limits) {
            Ok(Some(end)) => check(&bytes[..end], &limits),
            Ok(None) => Err(HeadError::Unfinished),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(head) => format!("{:?} {:?}", head.method, head.body),
            Err(error) => format!("{} {}", error.status(), error.reason()),
        }
    });
}
