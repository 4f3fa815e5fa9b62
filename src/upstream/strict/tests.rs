//! The filter on a pipe, driven as hyper drives it: a request is written, a reply is read.

use std::future::poll_fn;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;

const REQUEST: &[u8] = b"POST /mcp HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";

fn pair() -> (StrictLink<DuplexStream>, DuplexStream) {
    let (near, far) = duplex(1 << 20);
    let place = Arc::new(tokio::sync::Semaphore::new(1)).try_acquire_owned().unwrap();
    (StrictLink::new(near, ReplyLimits { head: 16 << 10, headers: 64 }, place), far)
}

/// Writes a request, and gives everything that is read until a reply could end, an error comes, or the server has closed.
async fn ask(link: &mut StrictLink<DuplexStream>, size: usize) -> (Vec<u8>, Option<io::Error>) {
    if let Err(error) = link.write_all(REQUEST).await {
        return (Vec::new(), Some(error));
    }
    let mut got = Vec::new();
    loop {
        let mut piece = vec![0; size];
        let mut buffer = ReadBuf::new(&mut piece);
        match poll_fn(|cx| Poll::Ready(Pin::new(&mut *link).poll_read(cx, &mut buffer))).await {
            Poll::Pending => return (got, None),
            Poll::Ready(Err(error)) => return (got, Some(error)),
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => return (got, None),
            Poll::Ready(Ok(())) => got.extend_from_slice(buffer.filled()),
        }
    }
}

fn doubt_in(error: Option<&io::Error>) -> Option<Doubt> {
    error?.get_ref()?.downcast_ref::<Doubt>().copied()
}

/// A socket whose goodbye never gets through, since its peer takes nothing any more.
#[derive(Debug)]
struct Stuck(DuplexStream);

impl AsyncRead for Stuck {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stuck {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn a_goodbye_is_passed_on_and_never_waited_for() {
    // With TLS, the shutdown is what sends `close_notify`.
    let (mut link, mut far) = pair();
    link.shutdown().await.unwrap();
    let mut rest = Vec::new();
    far.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty(), "the server hears no goodbye while the link is there");

    let (near, _far) = duplex(16);
    let place = Arc::new(tokio::sync::Semaphore::new(1)).try_acquire_owned().unwrap();
    let mut link = StrictLink::new(Stuck(near), ReplyLimits { head: 16 << 10, headers: 64 }, place);
    let ended = poll_fn(|cx| Poll::Ready(Pin::new(&mut link).poll_shutdown(cx))).await;
    assert!(matches!(ended, Poll::Ready(Ok(()))), "a server that takes nothing keeps its socket: {ended:?}");
}

/// What came of `reply`, in one piece and byte by byte.
fn outcome(reply: &[u8]) -> (Vec<u8>, Option<Doubt>, Option<Doubt>) {
    let run = |sent: usize, size: usize| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        // Byte by byte is many polls, and a task that has had its share of them would be told that nothing is there.
        runtime.block_on(tokio::task::unconstrained(async {
            let (mut link, mut far) = pair();
            if sent == reply.len() {
                // Only behind the request: before it the same bytes are unasked for.
                link.write_all(REQUEST).await.unwrap();
                far.write_all(reply).await.unwrap();
                let mut got = Vec::new();
                let error = drain(&mut link, size, &mut got).await;
                return (got, doubt_in(error.as_ref()), link.reuse().doubt());
            }
            link.write_all(REQUEST).await.unwrap();
            let (mut got, mut error) = (Vec::new(), None);
            for piece in reply.chunks(sent) {
                let _ = far.write_all(piece).await;
                if error.is_none() {
                    error = drain(&mut link, size, &mut got).await;
                }
            }
            (got, doubt_in(error.as_ref()), link.reuse().doubt())
        }))
    };
    let whole = run(reply.len(), 8192);
    for (sent, size) in [(1, 8192), (7, 3)] {
        let (got, error, doubt) = run(sent, size);
        // How much of a bad body has passed before it is known to be bad depends on how it came; that it is bad does not.
        assert_eq!((error, doubt), (whole.1, whole.2), "pieces of {sent}: {}", String::from_utf8_lossy(reply));
        assert!(whole.1.is_some() || got == whole.0, "pieces of {sent}: {}", String::from_utf8_lossy(reply));
    }
    whole
}

async fn drain(link: &mut StrictLink<DuplexStream>, size: usize, got: &mut Vec<u8>) -> Option<io::Error> {
    loop {
        let mut piece = vec![0; size];
        let mut buffer = ReadBuf::new(&mut piece);
        match poll_fn(|cx| Poll::Ready(Pin::new(&mut *link).poll_read(cx, &mut buffer))).await {
            Poll::Pending => return None,
            Poll::Ready(Err(error)) => return Some(error),
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => return None,
            Poll::Ready(Ok(())) => got.extend_from_slice(buffer.filled()),
        }
    }
}

#[test]
fn a_good_reply_passes_byte_for_byte_and_its_connection_may_be_used_again() {
    for reply in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n",
    ] {
        assert_eq!(outcome(reply.as_bytes()), (reply.as_bytes().to_vec(), None, None), "{reply:?}");
    }
    let hinted =
        "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    let shown = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    assert_eq!(outcome(hinted.as_bytes()), (shown.as_bytes().to_vec(), None, None), "interim replies end here");
}

#[test]
fn a_reply_without_an_end_of_its_own_passes_once() {
    for reply in [
        "HTTP/1.1 200 OK\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
    ] {
        assert_eq!(outcome(reply.as_bytes()), (reply.as_bytes().to_vec(), None, Some(Doubt::Closes)), "{reply:?}");
    }
}

#[test]
fn a_doubtful_reply_ends_its_connection() {
    let framing = |error| Some(Doubt::Framing(error));
    let interim = "HTTP/1.1 103 Early Hints\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let table = [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
            framing(HeadError::LengthAndEncoding),
        ),
        ("HTTP/1.1 200 OK\nContent-Length: 0\n\n".to_owned(), framing(HeadError::BareLineFeed)),
        ("HTTP/1.1 200 OK\r\nX: \0\r\n\r\n".to_owned(), framing(HeadError::ControlByte)),
        ("HTTP/1.1 200 OK\r\nX: \u{e9}\r\n\r\n".to_owned(), framing(HeadError::NonAscii)),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n".to_owned(), framing(HeadError::StatusLine)),
        ("hello, this is HTTP/0.9\r\n\r\n".to_owned(), framing(HeadError::StatusLine)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n".to_owned(), framing(HeadError::Chunk)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n".to_owned(), framing(HeadError::Chunk)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n".to_owned(), framing(HeadError::Trailers)),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n".to_owned(), Some(Doubt::Switching)),
        (format!("{}{last}", interim.repeat(5)), Some(Doubt::Interim)),
        (format!("HTTP/1.1 103 Early Hints\r\nX: {}\r\n\r\n", "a".repeat(16 << 10)), framing(HeadError::HeadTooLarge)),
        (format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(16 << 10)), framing(HeadError::HeadTooLarge)),
        (format!("HTTP/1.1 200 {}", "a".repeat(16 << 10)), framing(HeadError::HeadTooLarge)),
        (format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(65)), framing(HeadError::TooManyHeaders)),
    ];
    for (reply, doubt) in &table {
        let (got, error, standing) = outcome(reply.as_bytes());
        assert_eq!((error, standing), (*doubt, *doubt), "{reply:.200?}");
        assert!(!got.starts_with(b"HTTP/1.1 2") || reply.contains("chunked"), "{reply:.200?}: {}", String::from_utf8_lossy(&got));
    }
    assert_eq!(outcome(format!("{}{last}", interim.repeat(4)).as_bytes()).1, None, "four hints are borne");
}

#[test]
fn interim_replies_share_the_room_of_one_head() {
    let hint = |length: usize| format!("HTTP/1.1 103 Early Hints\r\nX: {}\r\n\r\n", "a".repeat(length - 33));
    assert_eq!(hint(100).len(), 100);
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let fits = format!("{}{last}", hint((16 << 10) - last.len() - 1));
    assert_eq!(outcome(fits.as_bytes()), (last.as_bytes().to_vec(), None, None));
    let beyond = format!("{}{last}", hint((16 << 10) - last.len() + 1));
    assert_eq!(outcome(beyond.as_bytes()).1, Some(Doubt::Framing(HeadError::HeadTooLarge)));
}

#[tokio::test]
async fn what_comes_behind_a_reply_ends_the_connection_and_not_the_reply() {
    let (mut link, mut far) = pair();
    let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    link.write_all(REQUEST).await.unwrap();
    far.write_all(&[&reply[..], b"HTTP/1.1 200 OK\r\n"].concat()).await.unwrap();
    let mut got = Vec::new();
    let error = drain(&mut link, 8192, &mut got).await;
    assert_eq!(got, reply, "the reply itself holds");
    assert_eq!((doubt_in(error.as_ref()), link.reuse().doubt()), (Some(Doubt::Unasked), Some(Doubt::Unasked)));
    let (_, error) = ask(&mut link, 8192).await;
    assert_eq!(doubt_in(error.as_ref()), Some(Doubt::Unasked), "nothing is written any more");
}

#[tokio::test]
async fn a_reply_before_its_request_is_nobodys() {
    let (mut link, mut far) = pair();
    far.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await.unwrap();
    let (got, error) = ask(&mut link, 8192).await;
    assert_eq!((got, doubt_in(error.as_ref())), (Vec::new(), Some(Doubt::Unasked)));
    let mut sent = Vec::new();
    drop(link);
    far.read_to_end(&mut sent).await.unwrap();
    assert_eq!(sent, b"", "the request stays unsent");
}

#[tokio::test]
async fn bytes_on_an_idle_connection_end_it() {
    let (mut link, mut far) = pair();
    link.write_all(REQUEST).await.unwrap();
    far.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    let mut got = Vec::new();
    assert!(drain(&mut link, 8192, &mut got).await.is_none());
    assert_eq!(link.reuse().doubt(), None);
    far.write_all(b"x").await.unwrap();
    let error = drain(&mut link, 8192, &mut got).await;
    assert_eq!((doubt_in(error.as_ref()), link.reuse().doubt()), (Some(Doubt::Unasked), Some(Doubt::Unasked)));
}

#[tokio::test]
async fn a_reply_that_ends_before_its_request_is_the_last() {
    let (mut link, mut far) = pair();
    let (first, second) = REQUEST.split_at(REQUEST.len() - 1);
    link.write_all(first).await.unwrap();
    far.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    let mut got = Vec::new();
    assert!(drain(&mut link, 8192, &mut got).await.is_none());
    assert!(!got.is_empty());
    assert_eq!(link.reuse().doubt(), Some(Doubt::Early));
    link.write_all(second).await.unwrap();
}

mod mutated {
    use bytes::Bytes;
    use http_body_util::{BodyExt as _, Full};
    use hyper::client::conn::http1;
    use hyper_util::rt::TokioIo;
    use proptest::collection::vec;
    use proptest::prelude::{Strategy, any, prop};
    use proptest::sample::select;

    use super::*;

    const GOOD: [&str; 5] = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello",
    ];
    const PIECES: [&str; 18] = [
        "\r\n",
        "\n",
        "\r",
        " ",
        "\t",
        "\0",
        "0",
        "1",
        "f",
        ":",
        ";",
        "x",
        "\u{e9}",
        "Content-Length: 5\r\n",
        "Content-Length: 6\r\n",
        "Transfer-Encoding: chunked\r\n",
        "HTTP/1.1 204 No\r\n\r\n",
        "0\r\n\r\n",
    ];

    /// A good reply with up to four pieces put in, taken out or put in the place of what was there.
    fn reply() -> impl Strategy<Value = Vec<u8>> {
        let change = (any::<prop::sample::Index>(), select(PIECES.to_vec()), 0_usize..4);
        (select(GOOD.to_vec()), vec(change, 0..4)).prop_map(|(good, changes)| {
            let mut bytes = good.as_bytes().to_vec();
            for (at, piece, taken) in changes {
                let at = at.index(bytes.len() + 1);
                let end = (at + taken).min(bytes.len());
                bytes.splice(at..end, piece.bytes());
            }
            bytes
        })
    }

    /// What hyper makes of it, with the filter and without: status and body, if there is a whole reply.
    async fn hyper_reads(reply: &[u8], filtered: bool) -> Option<(u16, Bytes)> {
        let (near, mut far) = duplex(1 << 16);
        let place = Arc::new(tokio::sync::Semaphore::new(1)).try_acquire_owned().unwrap();
        let strict = StrictLink::new(near, ReplyLimits { head: 16 << 10, headers: 64 }, place);
        let request =
            hyper::Request::post("/mcp").header("content-length", "2").body(Full::new(Bytes::from_static(b"{}"))).unwrap();
        let server = async {
            let mut seen = Vec::new();
            while !seen.ends_with(b"{}") {
                far.read_buf(&mut seen).await.unwrap();
            }
            let _ = far.write_all(reply).await;
            let _ = far.shutdown().await;
        };
        let asked = async {
            let (mut sender, answer) = if filtered {
                let (sender, connection) = http1::handshake(TokioIo::new(strict)).await.unwrap();
                (sender, futures_util::future::Either::Left(connection))
            } else {
                let (sender, connection) = http1::handshake(TokioIo::new(strict.inner)).await.unwrap();
                (sender, futures_util::future::Either::Right(connection))
            };
            let exchange = async {
                let response = sender.send_request(request).await.ok()?;
                let status = response.status().as_u16();
                let body = response.into_body().collect().await.ok()?.to_bytes();
                Some((status, body))
            };
            tokio::join!(exchange, answer).0
        };
        tokio::join!(server, asked).1
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(600))]

        #[test]
        fn a_reply_is_judged_alike_however_it_arrives(reply in reply()) {
            outcome(&reply);
        }

        /// The filter only takes away: what passes it whole is what hyper would have read, but for interim replies.
        #[test]
        fn what_passes_is_what_hyper_reads(reply in reply()) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (strict, plain) = runtime.block_on(async { (hyper_reads(&reply, true).await, hyper_reads(&reply, false).await) });
            if let Some(strict) = strict {
                assert_eq!(Some(strict), plain, "{}", String::from_utf8_lossy(&reply));
            }
        }
    }
}
