//! The stream between a client's TLS connection and the HTTP library.
//!
//! The library gets the client's bytes as they are, one head of a new stream at a time (`meeting`). What the library writes passes as it is
//! too; but a frame that refuses a request, or ends the connection for cause, leaves only once its record is durable. Where the ledger has
//! had enough the connection is taken from the library: it is recorded, told by GOAWAY, and closed.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::fragment::HeaderBlock;
use super::frames::{CONTINUATION, Event, FrameHead, HEADERS, Splitter, code, goaway};
use super::ledger::{Due, Gate, Ledger};
use super::meeting::Meeting;
use super::wary::Wary;
use crate::listener::closing::{StallHandle, close_refused};
use crate::listener::framing::FramingLimits;
use crate::listener::pace::Alarm;
use crate::listener::patience::Patience;
use crate::listener::refusal::HeadError;
use crate::listener::secure::Wire;
use crate::places::Untaken;
use crate::telemetry::Metrics;

/// How long a client that is sent away may take to read why.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Makes the record of a refusal; done when it is durable.
pub(super) type Recorder = Arc<dyn Fn(HeadError) -> BoxFuture<'static, ()> + Send + Sync>;

/// Whom a watched stream works with.
#[derive(Clone)]
pub(super) struct Company {
    pub(super) meeting: Meeting,
    pub(super) record: Recorder,
    pub(super) metrics: Arc<Metrics>,
    pub(super) untaken: Untaken,
    /// Cancelled when no more streams are to be opened.
    pub(super) leave: CancellationToken,
    /// Who floods is remembered.
    pub(super) wary: Arc<Wary>,
    pub(super) peer: IpAddr,
}

/// See the module.
pub(super) struct WatchedStream<S: Wire> {
    /// `None` once a farewell has it.
    inner: Option<S>,
    ledger: Ledger,
    inbound: Splitter,
    outbound: Splitter,
    block: HeaderBlock,
    /// What has come behind the head of a new stream.
    held: BytesMut,
    /// A new stream that the library has, and whether it has had its time to say what becomes of it.
    arriving: Option<(u32, bool)>,
    alarm: Alarm,
    armed: Option<Instant>,
    patience: Patience,
    company: Company,
    /// Of the frame that the library wants to write next.
    recording: Option<BoxFuture<'static, ()>>,
    recorded: bool,
    farewell: Option<BoxFuture<'static, ()>>,
}

impl<S: Wire + Send + 'static> WatchedStream<S> {
    /// Watches `inner`. Time starts now.
    pub(super) fn new(inner: S, limits: FramingLimits, company: Company) -> Self {
        Self {
            inner: Some(inner),
            ledger: Ledger::new(limits, company.wary.remembers(company.peer, Instant::now()), Instant::now()),
            inbound: Splitter::inbound(),
            outbound: Splitter::outbound(),
            block: HeaderBlock::default(),
            held: BytesMut::new(),
            arriving: None,
            alarm: Alarm::default(),
            armed: None,
            patience: Patience::new(limits.stall_timeout),
            company,
            recording: None,
            recorded: false,
            farewell: None,
        }
    }

    /// Where to ask whether the client took nothing, and to say that it has to go for that.
    pub(super) fn stall_handle(&self) -> StallHandle {
        self.patience.handle()
    }

    /// How much of this the library may have now: up to the end of the head of a new stream.
    fn clear(&mut self, bytes: &[u8]) -> Result<usize, HeadError> {
        let (now, mut used) = (Instant::now(), 0);
        loop {
            let (more, event) = self.inbound.advance(bytes.get(used..).unwrap_or_default());
            used += more;
            if self.inbound.is_astray() {
                return Err(HeadError::Frames);
            }
            let Some(event) = event else { return Ok(bytes.len()) };
            if let Event::Part(FrameHead { kind: HEADERS | CONTINUATION, .. }, part) = event {
                self.block.extend(bytes.get(used.saturating_sub(part)..used).unwrap_or_default());
            }
            let opened = self.ledger.came(event, now)?;
            if let Event::End(head) = event {
                self.block.frame_ended(head);
                if head.ends_headers() && self.block.take_fragment() {
                    return Err(HeadError::Target);
                }
            }
            if let Some((stream, arrived)) = opened {
                self.company.meeting.offer(arrived);
                self.arriving = Some((stream, false));
                if self.ledger.take_leave() {
                    self.company.leave.cancel();
                }
                return Ok(used);
            }
        }
    }

    /// Ready when it is known what became of the newest stream.
    fn poll_arrived(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some((stream, asked)) = &mut self.arriving else { return Poll::Ready(()) };
        if self.company.meeting.is_waiting() && !*asked {
            // The library reads on before it calls the endpoint. Once it finds nothing to read it does.
            *asked = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let reached = self.company.meeting.close();
        self.ledger.resolved(*stream, reached, Instant::now());
        self.arriving = None;
        Poll::Ready(())
    }

    /// How much of this may leave before something has to be done, and what.
    fn look_ahead(&self, bytes: &[u8]) -> (usize, Option<Gate>) {
        let (mut ahead, mut used) = (self.outbound, 0);
        let mut begin = 0;
        loop {
            let between = ahead.is_between();
            let start = used;
            let (more, event) = ahead.advance(bytes.get(used..).unwrap_or_default());
            used += more;
            let Some(event) = event else { return (bytes.len(), None) };
            if let (true, Event::Begin(_)) = (between, event) {
                begin = start;
            }
            let known = self.recorded && begin == 0;
            if let Some(gate) = self.ledger.judge(event).filter(|_| !known) {
                return (begin, Some(gate));
            }
        }
    }

    /// These have been written.
    fn wrote(&mut self, bytes: &[u8], cx: &Context<'_>) {
        let (now, mut used) = (Instant::now(), 0);
        loop {
            let (more, event) = self.outbound.advance(bytes.get(used..).unwrap_or_default());
            used += more;
            let Some(event) = event else { break };
            self.ledger.sent(event, now);
            if matches!(event, Event::End(_)) {
                self.recorded = false;
            }
        }
        self.company.untaken.took(bytes.len());
        self.company.metrics.http2_refused.inc_by(self.ledger.take_refused());
        if self.ledger.take_leave() {
            self.company.leave.cancel();
        }
        if let Some(error) = self.ledger.take_over() {
            self.dismiss(Some(error), self.ledger.highest(), code::ENHANCE_YOUR_CALM);
        }
        // Only a read sets the alarm.
        if self.farewell.is_some() || self.ledger.due(self.inbound.is_greeted()).map(|(at, _)| at) != self.armed {
            cx.waker().wake_by_ref();
        }
    }

    /// Takes the connection from the library: recorded, told and closed.
    fn dismiss(&mut self, error: Option<HeadError>, last: u32, reason: u64) {
        let Some(stream) = self.inner.take() else { return };
        // Within a frame of the library's nothing can be said.
        let word = if self.outbound.is_between() { goaway(last, reason) } else { Vec::new() };
        if reason == code::ENHANCE_YOUR_CALM {
            self.company.metrics.http2_calmed.inc();
        }
        if error == Some(HeadError::Flood) {
            self.company.wary.note(self.company.peer, Instant::now());
        }
        let record = error.map(|error| (self.company.record)(error));
        self.farewell = Some(Box::pin(async move {
            if let Some(record) = record {
                record.await;
            }
            let _ = tokio::time::timeout(LAST_WORD, close_refused(stream, &word)).await;
        }));
    }

    /// Ready when the connection is the library's to use, or not any more at all.
    fn poll_ours(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut S>> {
        if let Some(farewell) = &mut self.farewell {
            ready!(farewell.as_mut().poll(cx));
            self.farewell = None;
        }
        Poll::Ready(self.inner.as_mut().ok_or_else(|| io::ErrorKind::ConnectionAborted.into()))
    }

    /// Ready when the client has had its time, and it has been seen to.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let due = self.ledger.due(self.inbound.is_greeted());
        self.armed = due.map(|(at, _)| at);
        let Some((at, due)) = due else { return Poll::Pending };
        ready!(self.alarm.poll(at, cx));
        match due {
            Due::Idle => self.dismiss(None, self.ledger.highest(), code::NO_ERROR),
            Due::SlowHead => self.dismiss(Some(HeadError::SlowHead), self.ledger.highest(), code::ENHANCE_YOUR_CALM),
            Due::Stalled => return Poll::Ready(Err(self.patience.is_over())),
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Wire + Send + 'static> AsyncRead for WatchedStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, reader: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            ready!(this.poll_ours(cx))?;
            ready!(this.poll_arrived(cx));
            let before = reader.filled().len();
            let cleared = if this.held.is_empty() {
                match Pin::new(ready!(this.poll_ours(cx))?).poll_read(cx, reader) {
                    Poll::Ready(read) => read?,
                    Poll::Pending => {
                        ready!(this.poll_overdue(cx))?;
                        continue;
                    }
                }
                let fresh = reader.filled().get(before..).unwrap_or_default();
                this.clear(fresh).inspect(|cleared| {
                    this.held.extend_from_slice(fresh.get(*cleared..).unwrap_or_default());
                })
            } else {
                let mut held = std::mem::take(&mut this.held);
                let part = held.get(..reader.remaining()).unwrap_or(&held);
                let cleared = this.clear(part);
                if let Ok(cleared) = cleared {
                    reader.put_slice(&held.split_to(cleared));
                    this.held = held;
                }
                cleared
            };
            match cleared {
                Ok(cleared) => {
                    reader.set_filled(before + cleared);
                    return Poll::Ready(Ok(()));
                }
                Err(error) => {
                    reader.set_filled(before);
                    let wrong = matches!(error, HeadError::Target | HeadError::Frames);
                    let reason = if wrong { code::PROTOCOL_ERROR } else { code::ENHANCE_YOUR_CALM };
                    this.dismiss(Some(error), this.ledger.highest(), reason);
                }
            }
        }
    }
}

impl<S: Wire + Send + 'static> AsyncWrite for WatchedStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        loop {
            ready!(this.poll_ours(cx))?;
            if let Some(recording) = &mut this.recording {
                ready!(recording.as_mut().poll(cx));
                (this.recording, this.recorded) = (None, true);
            }
            let bytes = match this.look_ahead(bytes) {
                (0, Some(Gate::Record(error))) => {
                    this.recording = Some((this.company.record)(error));
                    continue;
                }
                (0, Some(Gate::End(error, last, reason))) => {
                    this.dismiss(Some(error), last, reason);
                    continue;
                }
                (free, _) => bytes.get(..free).unwrap_or_default(),
            };
            let written = Pin::new(ready!(this.poll_ours(cx))?).poll_write(cx, bytes);
            let written = ready!(this.patience.poll_written(written, cx))?;
            this.wrote(bytes.get(..written).unwrap_or_default(), cx);
            return Poll::Ready(Ok(written));
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(ready!(this.poll_ours(cx))?).poll_flush(cx);
        this.patience.poll_flushed(flushed, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let closed = Pin::new(ready!(this.poll_ours(cx))?).poll_shutdown(cx);
        this.patience.poll_flushed(closed, cx)
    }
}

impl<S: Wire> Drop for WatchedStream<S> {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.as_ref().filter(|_| self.patience.handle().0.load(Ordering::Acquire)) {
            // What the kernel still holds for this client would otherwise be offered to it for minutes.
            let _ = inner.tcp().set_zero_linger();
        }
    }
}
