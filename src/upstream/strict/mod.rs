//! The filter between hyper and a server: the strictness of the listener's head filter, in the other direction.
//!
//! hyper reads replies as leniently as requests: two lengths, a length beside chunks, bare line feeds, interim replies without end.
//! What another reader would frame otherwise is one server's way to answer another caller's question, since connections are shared.
//! So hyper gets a reply's head only once it has passed whole, its body only as far as its framing goes, and nothing else: what comes
//! when nothing was asked, before the request or behind the reply, ends the connection. Interim replies (1xx) end here.
//!
//! INVARIANT: a connection on which anything was doubtful is never asked again. [`Reuse`] says so before the reply is handed on, for
//! hyper may notice the same later than the pool takes the connection back.

mod head;
mod request;
#[cfg(test)]
mod tests;

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use self::head::ReplyBody;
use self::request::RequestWatch;
use crate::listener::chunked::ChunkedBody;
use crate::listener::head::{HeadError, HeadLimits, HeadScan};

/// Sizes of a reply head, interim replies included.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReplyLimits {
    /// Bytes.
    pub(super) head: usize,
    /// Header lines.
    pub(super) headers: usize,
}

/// Interim replies before one final reply. Nobody asked for any; a server that hints early does it once.
const INTERIM: u8 = 4;

/// How much is read at once.
const READ: usize = 16 * 1024;

/// Why a connection is not asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Doubt {
    /// The server said that it closes, speaks HTTP/1.0, or ends its reply with the connection.
    #[error("the server closes the connection")]
    Closes,
    /// The reply ended before the request had been sent.
    #[error("the reply ended before the request was sent")]
    Early,
    /// More interim replies than anybody needs.
    #[error("the server sends interim replies without end")]
    Interim,
    /// 101: nobody asked for another protocol.
    #[error("the server switches protocols unasked")]
    Switching,
    /// Bytes before a request, or behind a reply.
    #[error("the server sends what nobody asked for")]
    Unasked,
    /// A head or a chunk that two readers may take differently.
    #[error(transparent)]
    Framing(#[from] HeadError),
}

impl Doubt {
    /// One word for logs.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Closes => "closes",
            Self::Early => "early_reply",
            Self::Framing(error) => error.reason(),
            Self::Interim => "interim_replies",
            Self::Switching => "switching_protocols",
            Self::Unasked => "unasked_bytes",
        }
    }
}

/// Whether a connection may be asked again. Said by the filter, read by whoever keeps connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Reuse(Arc<OnceLock<Doubt>>);

impl Reuse {
    /// What speaks against it; the first doubt holds.
    pub(super) fn doubt(&self) -> Option<Doubt> {
        self.0.get().copied()
    }

    fn forbid(&self, doubt: Doubt) {
        // Only the first one matters.
        let _ = self.0.set(doubt);
    }
}

/// A connection that gives its reader replies whose framing was checked. Writes pass through, and are followed.
///
/// Memory: one head, or one read.
#[derive(Debug)]
pub(crate) struct StrictLink<S> {
    inner: S,
    limits: ReplyLimits,
    /// What the server sent and the reader has not got.
    buffer: BytesMut,
    /// How much at the front of `buffer` the reader may have.
    cleared: usize,
    phase: Phase,
    request: RequestWatch,
    reuse: Reuse,
    /// Given back with the socket.
    _place: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Phase {
    /// Nothing was asked.
    Idle,
    Head {
        scan: HeadScan,
        interim: u8,
        spent: usize,
    },
    Length(u64),
    Chunked(ChunkedBody),
    UntilClose,
    /// The server has closed, or the reply is over and there will be no other.
    Ended,
    Failed(Doubt),
}

impl<S> StrictLink<S> {
    pub(super) fn new(inner: S, limits: ReplyLimits, place: OwnedSemaphorePermit) -> Self {
        Self {
            inner,
            limits,
            buffer: BytesMut::new(),
            cleared: 0,
            phase: Phase::Idle,
            request: RequestWatch::default(),
            reuse: Reuse::default(),
            _place: place,
        }
    }

    /// Where to ask whether the connection may be used again.
    pub(super) fn reuse(&self) -> Reuse {
        self.reuse.clone()
    }

    fn fail(&mut self, doubt: Doubt) {
        self.reuse.forbid(doubt);
        self.phase = Phase::Failed(doubt);
    }

    /// Moves `cleared` as far as the buffered bytes allow.
    fn judge(&mut self) -> Result<(), Doubt> {
        loop {
            let rest = self.buffer.get(self.cleared..).unwrap_or_default();
            match &mut self.phase {
                Phase::Idle if !rest.is_empty() => return Err(Doubt::Unasked),
                Phase::Idle | Phase::Ended | Phase::Failed(_) => return Ok(()),
                // A head is judged on its own: hyper has had all of the one before it.
                Phase::Head { .. } if self.cleared > 0 => return Ok(()),
                Phase::Head { scan, spent, .. } => {
                    let bytes = self.limits.head.saturating_sub(*spent);
                    let limits = HeadLimits { bytes, headers: self.limits.headers, uri: usize::MAX };
                    let Some(end) = scan.advance(rest, &limits).map_err(of_reply)? else { return Ok(()) };
                    self.take_head(end)?;
                }
                Phase::Length(left) => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= taken as u64;
                    self.cleared += taken;
                    if *left > 0 {
                        return Ok(());
                    }
                    self.end_reply();
                }
                Phase::Chunked(body) => {
                    self.cleared += body.advance(rest)?;
                    if !body.is_done() {
                        return Ok(());
                    }
                    self.end_reply();
                }
                Phase::UntilClose => {
                    self.cleared = self.buffer.len();
                    return Ok(());
                }
            }
        }
    }

    /// The head of `end` bytes at the front of the buffer.
    fn take_head(&mut self, end: usize) -> Result<(), Doubt> {
        let head = head::check(self.buffer.get(..end).unwrap_or_default(), self.limits.headers)?;
        if head.status == 101 {
            return Err(Doubt::Switching);
        }
        if let (100..=199, Phase::Head { scan, interim, spent }) = (head.status, &mut self.phase) {
            *scan = HeadScan::default();
            *interim += 1;
            *spent += end;
            if *interim > INTERIM {
                return Err(Doubt::Interim);
            }
            self.buffer.advance(end);
            return Ok(());
        }
        if !head.stays_open {
            self.reuse.forbid(Doubt::Closes);
        }
        self.cleared = end;
        self.phase = match head.body {
            ReplyBody::Length(length) => Phase::Length(length),
            ReplyBody::Chunked => Phase::Chunked(ChunkedBody::new()),
            ReplyBody::UntilClose => Phase::UntilClose,
        };
        Ok(())
    }

    /// The reply is whole. What stands behind it in the buffer was not asked for: the reply holds, the connection does not.
    fn end_reply(&mut self) {
        if !self.request.is_whole() {
            self.reuse.forbid(Doubt::Early);
        }
        if self.reuse.doubt().is_some() {
            // There is no other reply on this connection, so nobody looks at what comes instead of one.
            self.phase = Phase::Ended;
        } else if self.buffer.len() > self.cleared {
            self.fail(Doubt::Unasked);
        } else {
            self.phase = Phase::Idle;
        }
    }

    fn hand_over(&mut self, reader: &mut ReadBuf<'_>) {
        let part = self.cleared.min(reader.remaining());
        reader.put_slice(self.buffer.get(..part).unwrap_or_default());
        self.buffer.advance(part);
        self.cleared -= part;
        if self.buffer.is_empty() {
            // An idle connection holds no memory.
            self.buffer = BytesMut::new();
        }
    }
}

impl<S: AsyncRead + Unpin> StrictLink<S> {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let most = match self.phase {
            Phase::Head { spent, .. } => self.limits.head.saturating_sub(spent + self.buffer.len()).clamp(1, READ),
            Phase::Chunked(_) | Phase::Ended | Phase::Failed(_) | Phase::Idle | Phase::Length(_) | Phase::UntilClose => READ,
        };
        self.buffer.reserve(most.min(READ / 4));
        let mut room = (&mut self.buffer).limit(most);
        pin!(self.inner.read_buf(&mut room)).poll(cx)
    }

    /// Before the first byte of a request: nothing may have come for it yet.
    fn begin_request(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.poll_fill(cx) {
            Poll::Pending => {
                self.phase = Phase::Head { scan: HeadScan::default(), interim: 0, spent: 0 };
                self.request = RequestWatch::default();
                Ok(())
            }
            Poll::Ready(Ok(0)) => {
                self.reuse.forbid(Doubt::Closes);
                self.phase = Phase::Ended;
                Err(io::ErrorKind::BrokenPipe.into())
            }
            Poll::Ready(Ok(_)) => {
                self.fail(Doubt::Unasked);
                Err(broken(Doubt::Unasked))
            }
            Poll::Ready(Err(error)) => Err(error),
        }
    }

    fn before_write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.phase {
            Phase::Idle => self.begin_request(cx),
            Phase::Failed(doubt) => Err(broken(doubt)),
            Phase::Chunked(_) | Phase::Ended | Phase::Head { .. } | Phase::Length(_) | Phase::UntilClose => Ok(()),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for StrictLink<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, reader: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if reader.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if let Err(doubt) = this.judge() {
                this.cleared = 0;
                this.fail(doubt);
            }
            if this.cleared > 0 {
                this.hand_over(reader);
                return Poll::Ready(Ok(()));
            }
            match this.phase {
                Phase::Failed(doubt) => return Poll::Ready(Err(broken(doubt))),
                Phase::Ended => return Poll::Ready(Ok(())),
                Phase::Chunked(_) | Phase::Head { .. } | Phase::Idle | Phase::Length(_) | Phase::UntilClose => {}
            }
            if ready!(this.poll_fill(cx))? == 0 {
                // hyper knows what is missing: a head, a part of a body, or nothing.
                this.reuse.forbid(Doubt::Closes);
                this.phase = Phase::Ended;
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for StrictLink<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.before_write(cx)?;
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, bytes))?;
        this.request.observe(bytes.get(..written).unwrap_or_default());
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.before_write(cx)?;
        let written = ready!(Pin::new(&mut this.inner).poll_write_vectored(cx, slices))?;
        let mut left = written;
        for slice in slices {
            let part = left.min(slice.len());
            this.request.observe(slice.get(..part).unwrap_or_default());
            left -= part;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.get_mut().inner).poll_shutdown(cx) {
            // Saying goodbye is a courtesy: a server that takes nothing any more must not keep the socket and its place by it.
            Poll::Pending => Poll::Ready(Ok(())),
            ended @ Poll::Ready(_) => ended,
        }
    }
}

/// The scan speaks of requests; a reply has a status line, and no target.
fn of_reply(error: HeadError) -> HeadError {
    if error == HeadError::UriTooLong {
        HeadError::HeadTooLarge
    } else if error == HeadError::RequestLine {
        HeadError::StatusLine
    } else {
        error
    }
}

fn broken(doubt: Doubt) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, doubt)
}
