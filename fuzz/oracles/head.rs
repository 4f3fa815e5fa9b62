//! What a client sends on a connection: the verdict on a head does not depend on how it was cut, and of a head that passes, httparse
//! and hyper read the method, target, headers and body that we framed.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use yett::listener::framing::{FilteredStream, FramingLimits};
use yett::listener::head::{BodyFraming, Head, HeadError, HeadLimits, HeadScan, MethodKind, check as check_head};

use super::cuts::ways;

/// Small, so that inputs reach them.
const SMALL: HeadLimits = HeadLimits { bytes: 512, headers: 4, uri: 64 };

/// The oracle.
pub fn check(input: &[u8]) {
    for limits in [HeadLimits::default(), SMALL] {
        let verdict = judge(&[input], &limits);
        let seen = serve(&[input], limits);
        for pieces in ways(input) {
            assert_eq!(judge(&pieces, &limits), verdict, "cut into {} pieces", pieces.len());
            assert_eq!(serve(&pieces, limits).whole(), seen.whole(), "cut into {} pieces", pieces.len());
        }
        match verdict {
            Ok(Some((end, head))) => check_reading(input, end, head, &limits, &seen),
            Ok(None) => assert_eq!(seen, Connection::default(), "half a head was served"),
            Err(error) => assert_eq!(seen, Connection { requests: Vec::new(), refusal: Some(error) }),
        }
    }
}

type Verdict = Result<Option<(usize, Head)>, HeadError>;

/// The first head of the pieces, as the listener reads it.
fn judge(pieces: &[&[u8]], limits: &HeadLimits) -> Verdict {
    let mut scan = HeadScan::default();
    let mut buffer = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        if let Some(end) = scan.advance(&buffer, limits)? {
            return check_head(&buffer[..end], limits).map(|head| Some((end, head)));
        }
    }
    Ok(None)
}

/// httparse reads the head that passed to its very end, and hyper serves what httparse read.
fn check_reading(input: &[u8], end: usize, head: Head, limits: &HeadLimits, seen: &Connection) {
    assert!(end <= limits.bytes);
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut theirs = httparse::Request::new(&mut fields);
    assert_eq!(theirs.parse(&input[..end]), Ok(httparse::Status::Complete(end)));
    let (method, target) = (theirs.method.unwrap(), theirs.path.unwrap());
    assert!(target.len() <= limits.uri && theirs.headers.len() <= limits.headers);
    let kind = match method {
        "GET" => MethodKind::Get,
        "HEAD" => MethodKind::Head,
        "POST" => MethodKind::Post,
        "DELETE" => MethodKind::Delete,
        "OPTIONS" => MethodKind::Options,
        _ => MethodKind::Other,
    };
    assert_eq!(head.method, kind);
    let values = |wanted: &str| -> Vec<&[u8]> {
        theirs.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(wanted)).map(|field| field.value).collect()
    };
    assert_eq!(values("host").len(), 1);
    match (head.body, &values("content-length")[..], &values("transfer-encoding")[..]) {
        (BodyFraming::None, [], []) => {}
        (BodyFraming::Length(length), [digits], []) => {
            assert_eq!(std::str::from_utf8(digits).unwrap().parse(), Ok(length));
        }
        (BodyFraming::Chunked, [], [encoding]) => assert!(encoding.eq_ignore_ascii_case(b"chunked")),
        (framing, lengths, encodings) => panic!("{framing:?} of {lengths:?} and {encodings:?}"),
    }
    let read = theirs.headers.iter().map(|field| (field.name.to_ascii_lowercase(), field.value.to_vec()));
    let expected = Served {
        method: method.to_owned(),
        target: target.to_owned(),
        version: theirs.version.unwrap(),
        headers: sorted(read),
        body: body(&input[end..], head.body),
    };
    match (seen.requests.first(), seen.refusal) {
        (Some(served), _) => assert_eq!(*served, expected),
        // What came with the head was refused before hyper was given the head.
        (None, Some(_)) => assert_eq!(expected.body, None),
        (None, None) => panic!("hyper did not serve {expected:?}"),
    }
}

/// The body behind a head once it is whole.
fn body(mut rest: &[u8], framing: BodyFraming) -> Option<Vec<u8>> {
    match framing {
        BodyFraming::None => Some(Vec::new()),
        BodyFraming::Length(length) => rest.get(..usize::try_from(length).ok()?).map(<[u8]>::to_vec),
        BodyFraming::Chunked => {
            let mut body = Vec::new();
            loop {
                let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(rest) else { return None };
                let size = usize::try_from(size).ok()?;
                let end = start.checked_add(size)?;
                if rest.get(end..end.checked_add(2)?)? != b"\r\n" {
                    return None;
                }
                if size == 0 {
                    return Some(body);
                }
                body.extend_from_slice(&rest[start..end]);
                rest = &rest[end + 2..];
            }
        }
    }
}

fn sorted(headers: impl Iterator<Item = (String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    let mut headers: Vec<_> = headers.collect();
    // Stable: of one name the order counts.
    headers.sort_by(|(one, _), (two, _)| one.cmp(two));
    headers
}

/// What came of a connection.
#[derive(Clone, Debug, Default, PartialEq)]
struct Connection {
    requests: Vec<Served>,
    refusal: Option<HeadError>,
}

impl Connection {
    /// The requests that came whole, and what was refused. Whether the service saw the head of one whose body was refused depends on
    /// whether it came before the body; no such request is ever whole.
    fn whole(&self) -> (Vec<&Served>, Option<HeadError>) {
        (self.requests.iter().filter(|request| request.body.is_some()).collect(), self.refusal)
    }
}

/// A request as the service behind hyper got it.
#[derive(Clone, Debug, PartialEq)]
struct Served {
    method: String,
    target: String,
    version: u8,
    headers: Vec<(String, Vec<u8>)>,
    /// `None` when it never became whole.
    body: Option<Vec<u8>>,
}

/// Feeds the pieces to hyper through the filter until nothing moves any more.
fn serve(pieces: &[&[u8]], head: HeadLimits) -> Connection {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    }
    let requests = Rc::new(RefCell::new(Vec::new()));
    let broken = Rc::new(Cell::new(None));
    let log = Rc::clone(&requests);
    let breaks = Rc::clone(&broken);
    let service = service_fn(move |request| answer(request, Rc::clone(&log), Rc::clone(&breaks)));
    let io = Pieces(pieces.iter().map(|piece| Bytes::copy_from_slice(piece)).collect());
    let filtered = FilteredStream::new(io, FramingLimits { head, ..FramingLimits::default() });
    let refusal = filtered.refusal_handle();
    let connection = http1::Builder::new().serve_connection(TokioIo::new(filtered), service);
    RUNTIME.with(|runtime| {
        let _inside = runtime.enter();
        let mut connection = pin!(connection);
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&woken));
        while woken.0.swap(false, Ordering::Relaxed) {
            if connection.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                break;
            }
        }
    });
    let requests = requests.borrow().clone();
    // One that the service has learned of from the body it read, and answered, is not left in the handle.
    Connection { requests, refusal: refusal.take().or(broken.get()) }
}

async fn answer(
    request: Request<Incoming>,
    log: Rc<RefCell<Vec<Served>>>,
    broken: Rc<Cell<Option<HeadError>>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let at = log.borrow().len();
    log.borrow_mut().push(Served {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        version: u8::from(head.version == http::Version::HTTP_11),
        headers: headers(&head.headers),
        body: None,
    });
    match body.collect().await {
        Ok(body) => log.borrow_mut()[at].body = Some(body.to_bytes().to_vec()),
        Err(error) => broken.set(HeadError::in_chain(&error)),
    }
    Ok(Response::new(Empty::new()))
}

fn headers(map: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    sorted(map.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())))
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A client that sends one piece after the other, then nothing, and stays.
struct Pieces(VecDeque<Bytes>);

impl AsyncRead for Pieces {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, reader: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let pieces = &mut self.get_mut().0;
        let Some(mut piece) = pieces.pop_front() else { return Poll::Pending };
        let part = piece.split_to(piece.len().min(reader.remaining()));
        reader.put_slice(&part);
        if !piece.is_empty() {
            pieces.push_front(piece);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
