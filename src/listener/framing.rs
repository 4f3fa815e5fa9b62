//! The filter between a client's connection and hyper.
//!
//! hyper gets exactly the client's bytes, but a request's head only once [`head::check`](super::head::check) has passed it whole, its body
//! only as far as the body's framing goes, and the next head only when the reply to the request before has been written. So hyper never
//! sees a byte that the filter frames otherwise, and a refused request never disturbs the one that is being answered.
//!
//! On a refusal reads fail and nothing more is read. The reason waits in the [`RefusalHandle`]; who drives the connection writes
//! [`refusal_response`] when hyper's future has ended:
//!
//! ```text
//! let stream = FilteredStream::new(tcp, FramingLimits::default());
//! let refusal = stream.refusal_handle();
//! let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
//! let ended = (&mut connection).await;      // or with graceful_shutdown
//! if let Some(error) = refusal.take() {     // whether `ended` is an error or not
//!     let tcp = connection.into_parts().io.into_inner().into_inner();
//!     close_refused(tcp, &refusal_response(error, call_id)).await;
//! }
//! ```

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::chunked::ChunkedBody;
pub use super::closing::{StallHandle, close_refused};
use super::head::{BodyFraming, HeadScan, check_scanned};
pub use super::limits::FramingLimits;
use super::pace::{Alarm, BodyPace, after};
use super::patience::Patience;
pub use super::refusal::{HeadError, RefusalHandle, refusal_response};
use super::replies::ReplyWatch;
use crate::places::Untaken;

/// A connection that gives its reader only requests whose framing was checked. Writes pass through.
///
/// Memory: at most one head, or 16 KiB of a body in chunks, is buffered; while a request is answered, at most one read of what follows it.
#[derive(Debug)]
pub struct FilteredStream<S> {
    inner: S,
    limits: FramingLimits,
    /// What the client sent and the reader has not got.
    buffer: BytesMut,
    /// How much at the front of `buffer` the reader may have.
    cleared: usize,
    phase: Phase,
    requests: u32,
    reply: ReplyWatch,
    wait: Option<(Wait, Instant)>,
    alarm: Alarm,
    refusal: RefusalHandle,
    /// Who reads while a request is answered, to be woken when it has been.
    reader: Option<Waker>,
    patience: Patience,
    untaken: Untaken,
}

#[derive(Debug)]
enum Phase {
    Head(HeadScan),
    Length(u64, BodyPace),
    Chunked(ChunkedBody, BodyPace),
    /// The client has closed, or is out of time or requests: end of stream.
    Ended,
    /// `owed`: nobody has answered yet.
    Refused {
        error: HeadError,
        owed: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    FirstByte,
    NextRequest,
    RestOfHead,
}

/// A call fits with its head, mostly; a connection that waits for one holds no more.
const HEAD_READ: usize = 4 * 1024;
/// One less than a step of hyper's, which would make its buffer twice as large the first time it is filled.
const BODY_READ: usize = 16 * 1024 - 1;

impl<S> FilteredStream<S> {
    /// Filters what `inner` reads. Time starts at the first read.
    pub fn new(inner: S, limits: FramingLimits) -> Self {
        Self {
            inner,
            limits,
            buffer: BytesMut::new(),
            cleared: 0,
            phase: Phase::Head(HeadScan::default()),
            requests: 0,
            reply: ReplyWatch::new(),
            wait: None,
            alarm: Alarm::default(),
            refusal: RefusalHandle::default(),
            reader: None,
            patience: Patience::new(limits.stall_timeout),
            untaken: Untaken::default(),
        }
    }

    /// Tells `untaken` what the client takes.
    #[must_use]
    pub fn counted_with(self, untaken: Untaken) -> Self {
        Self { untaken, ..self }
    }

    /// Where to ask, after the end, whether a refusal has to be answered.
    pub fn refusal_handle(&self) -> RefusalHandle {
        self.refusal.clone()
    }

    /// Where to ask, after the end, whether the client had stopped reading.
    pub fn stall_handle(&self) -> StallHandle {
        self.patience.handle()
    }

    /// The connection below.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The connection below; what was read and not handed out is lost.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// Moves `cleared` as far as the buffered bytes allow.
    fn judge(&mut self) -> Result<(), HeadError> {
        if let Phase::Head(scan) = &mut self.phase {
            let blocked = self.cleared > 0 || self.reply.in_flight();
            if blocked {
                return Ok(());
            }
            if self.requests >= self.limits.requests {
                self.phase = Phase::Ended;
                return Ok(());
            }
            let Some(end) = scan.advance(&self.buffer, &self.limits.head)? else {
                return Ok(());
            };
            let head = check_scanned(self.buffer.get(..end).unwrap_or_default(), &self.limits.head)?;
            self.requests += 1;
            self.cleared = end;
            self.wait = None;
            self.reply.expect(head.method);
            self.phase = match head.body {
                BodyFraming::None | BodyFraming::Length(0) => Phase::Head(HeadScan::default()),
                BodyFraming::Length(length) => Phase::Length(length, BodyPace::default()),
                BodyFraming::Chunked => Phase::Chunked(ChunkedBody::new(), BodyPace::default()),
            };
        }
        self.follow_body()
    }

    fn follow_body(&mut self) -> Result<(), HeadError> {
        let rest = self.buffer.get(self.cleared..).unwrap_or_default();
        let ended = match &mut self.phase {
            Phase::Length(left, _) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                *left -= taken as u64;
                self.cleared += taken;
                *left == 0
            }
            Phase::Chunked(body, _) => {
                self.cleared += body.advance(rest)?;
                body.is_done()
            }
            Phase::Head(_) | Phase::Ended | Phase::Refused { .. } => false,
        };
        if ended {
            self.phase = Phase::Head(HeadScan::default());
        }
        Ok(())
    }

    fn refuse(&mut self, error: HeadError) {
        // A request whose reply has begun is answered; one that came after it would not have been looked at.
        let owed = !self.reply.in_flight() || self.reply.unanswered();
        if owed {
            self.refusal.set(error);
        }
        self.buffer = BytesMut::new();
        self.cleared = 0;
        self.phase = Phase::Refused { error, owed };
    }

    /// Ready when the client has had its time; the phase says so then.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (deadline, wait) = match &mut self.phase {
            Phase::Length(_, pace) | Phase::Chunked(_, pace) => {
                let Some(deadline) = pace.next_deadline(&self.limits) else {
                    self.refuse(HeadError::SlowBody);
                    return Poll::Ready(());
                };
                (deadline, None)
            }
            Phase::Head(_) if self.reply.in_flight() => return Poll::Pending,
            Phase::Head(_) => {
                let (wait, allowed) = match (self.buffer.is_empty(), self.requests) {
                    (false, _) => (Wait::RestOfHead, self.limits.header_timeout),
                    (true, 0) => (Wait::FirstByte, self.limits.header_timeout),
                    (true, _) => (Wait::NextRequest, self.limits.idle_timeout),
                };
                let deadline = match self.wait {
                    Some((same, deadline)) if same == wait => deadline,
                    _ => after(Instant::now(), allowed),
                };
                self.wait = Some((wait, deadline));
                (deadline, Some(wait))
            }
            Phase::Ended | Phase::Refused { .. } => return Poll::Ready(()),
        };
        ready!(self.alarm.poll(deadline, cx));
        match wait {
            Some(Wait::FirstByte | Wait::NextRequest) => self.phase = Phase::Ended,
            Some(Wait::RestOfHead) => self.refuse(HeadError::SlowHead),
            // The pace is asked again, and knows whether this was the end of a window or of all patience.
            None => {}
        }
        Poll::Ready(())
    }

    fn hand_over(&mut self, reader: &mut ReadBuf<'_>) {
        let part = self.cleared.min(reader.remaining());
        reader.put_slice(self.buffer.get(..part).unwrap_or_default());
        self.buffer.advance(part);
        self.cleared -= part;
        if self.buffer.is_empty() && self.buffer.capacity() > 2 * HEAD_READ {
            self.buffer = BytesMut::new();
        }
    }

    fn wrote(&mut self, bytes: usize) {
        self.untaken.took(bytes);
        if let Phase::Refused { owed, .. } = &mut self.phase
            && *owed
            && !self.reply.unanswered()
        {
            // The service answers the request whose body was refused.
            *owed = false;
            self.refusal.take();
        }
        if !self.reply.in_flight()
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
    }
}

impl<S: AsyncRead + Unpin> FilteredStream<S> {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let (reserved, most) = match self.phase {
            Phase::Length(..) | Phase::Chunked(..) => (BODY_READ, BODY_READ),
            // INVARIANT: a scan that asks for more has less than `head.bytes`, so there is room.
            Phase::Head(_) | Phase::Ended | Phase::Refused { .. } => {
                let room = self.limits.head.bytes.saturating_sub(self.buffer.len());
                (HEAD_READ.min(room), room)
            }
        };
        self.buffer.reserve(reserved);
        let mut room = (&mut self.buffer).limit(most);
        let read = ready!(pin!(self.inner.read_buf(&mut room)).poll(cx))?;
        if let Phase::Length(_, pace) | Phase::Chunked(_, pace) = &mut self.phase {
            pace.arrived(read);
        }
        Poll::Ready(Ok(read))
    }
}

impl<S: AsyncRead + Unpin> FilteredStream<S> {
    /// Reads a body of known length past the buffer: who waits for the rest of one holds none.
    fn poll_body(&mut self, cx: &mut Context<'_>, reader: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        let Phase::Length(left, pace) = &mut self.phase else { return self.poll_fill(cx) };
        let before = reader.filled().len();
        let mut part = (&mut self.inner).take((*left).min(BODY_READ as u64));
        ready!(Pin::new(&mut part).poll_read(cx, reader))?;
        let read = reader.filled().len() - before;
        pace.arrived(read);
        *left -= read as u64;
        if *left == 0 {
            self.phase = Phase::Head(HeadScan::default());
        }
        Poll::Ready(Ok(read))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FilteredStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, reader: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if reader.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let before = reader.filled().len();
        loop {
            if let Err(error) = this.judge() {
                this.refuse(error);
            }
            match this.phase {
                Phase::Refused { error, .. } => return Poll::Ready(Err(error.into())),
                _ if this.cleared > 0 => {
                    this.hand_over(reader);
                    return Poll::Ready(Ok(()));
                }
                Phase::Ended => return Poll::Ready(Ok(())),
                Phase::Head(_) if this.reply.in_flight() => {
                    this.reader.get_or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
                    if !this.buffer.is_empty() {
                        // hyper does not watch for a hang-up either once it has bytes of a next request.
                        return Poll::Pending;
                    }
                }
                Phase::Head(_) | Phase::Length(..) | Phase::Chunked(..) => {}
            }
            // INVARIANT: nothing of a body of known length is buffered here, or it would have been cleared.
            match this.poll_body(cx, reader) {
                Poll::Ready(Ok(0)) => this.phase = Phase::Ended,
                Poll::Ready(Ok(_)) if reader.filled().len() > before => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => ready!(this.poll_overdue(cx)),
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FilteredStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(cx, bytes);
        let written = ready!(this.patience.poll_written(written, cx))?;
        this.reply.observe(bytes.get(..written).unwrap_or_default());
        this.wrote(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write_vectored(cx, slices);
        let written = ready!(this.patience.poll_written(written, cx))?;
        this.reply.observe_vectored(slices, written);
        this.wrote(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.inner).poll_flush(cx);
        this.patience.poll_flushed(flushed, cx)
    }

    /// Leaves the connection open while a refusal is owed an answer: hyper shuts down before its future ends.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if matches!(this.phase, Phase::Refused { owed: true, .. }) {
            return Poll::Ready(Ok(()));
        }
        let closed = Pin::new(&mut this.inner).poll_shutdown(cx);
        this.patience.poll_flushed(closed, cx)
    }
}

#[cfg(test)]
#[path = "framing_tests.rs"]
mod tests;
