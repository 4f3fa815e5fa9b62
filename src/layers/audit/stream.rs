//! A streamed reply with its record: the response waits for the outcome, and every other end is an outcome too.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Stream, stream};

use super::open::{Handed, OpenRecord, not_recorded, not_recorded_plain};
use super::receipt::strip;
use super::released::Released;
use crate::audit::{AppendError, Position};
use crate::chain::{Alarm, Ended, MessageStream, Rejection, ServerMessage};

type Wait<T> = Pin<Box<dyn Future<Output = Result<T, AppendError>> + Send>>;
type Item = Result<ServerMessage, Rejection>;

/// Longest time that released events are in no record.
const SEGMENT_AGE: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct AuditedStream {
    inner: MessageStream,
    /// Goes before everything that comes from there.
    end: Ended,
    record: OpenRecord,
    released: Released,
    /// Rings when released events have waited long enough for a record.
    alarm: Alarm,
    /// The next event is the first of a call of which no record is known to be durable.
    first: bool,
    /// The last record about released events, until it is durable. There is one at most, so that a stream cannot fill the queue.
    segment: Option<Wait<Position>>,
    /// The next one is due.
    due: bool,
    /// What is released once its record is durable.
    held: Option<(Wait<Option<u64>>, Item)>,
    ended: bool,
}

impl AuditedStream {
    pub(super) fn new(inner: MessageStream, record: OpenRecord) -> Self {
        let (released, alarm, first) = (Released::default(), Alarm::default(), record.is_unwritten());
        Self { inner, end: record.end(), record, released, alarm, first, segment: None, due: false, held: None, ended: false }
    }

    /// Records what was released, once it is due. Pending only while an earlier record is on its way to a slow disk and the next
    /// is full: then the stream waits too.
    fn poll_segment(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), AppendError>> {
        self.due |= self.alarm.poll(cx).is_ready() || self.released.is_due();
        if let Some(wait) = &mut self.segment {
            match wait.as_mut().poll(cx) {
                Poll::Ready(Ok(_)) => self.segment = None,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if self.released.is_due() => return Poll::Pending,
                Poll::Pending => return Poll::Ready(Ok(())),
            }
        }
        // On a full volume the reserve is for outcomes, and they cover what was released; records go on when there is room again.
        if self.due && !self.released.is_empty() && !self.record.volume_is_full() {
            self.due = false;
            self.alarm.clear();
            self.segment = Some(Box::pin(self.record.append_segment(&self.released.take()).durable()));
        }
        Poll::Ready(Ok(()))
    }

    fn hold(&mut self, handed: Handed, item: Item) {
        self.ended = true;
        self.held = Some((Box::pin(handed.settled()), item));
    }

    fn refuse(&mut self, rejection: Rejection) {
        let rejection = self.record.answering(rejection);
        let handed = self.record.append_refusal(rejection.reason(), Some(&self.released));
        self.hold(handed, Err(rejection));
    }

    /// Polls the layers. A panic in one of them ends this stream alone.
    fn poll_layers(&mut self, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let inner = &mut self.inner;
        catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll_next(cx)))
            .unwrap_or_else(|_panic| Poll::Ready(Some(Err(Rejection::internal("panic")))))
    }
}

impl Stream for AuditedStream {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let this = &mut *self;
        loop {
            if let Some((wait, _)) = &mut this.held {
                let durable = ready!(wait.as_mut().poll(cx));
                let item = this.held.take().map(|(_, item)| item);
                this.ended |= durable.is_err();
                return Poll::Ready(match (durable, item) {
                    (Ok(index), Some(Ok(message))) => Some(Ok(this.record.with_receipt(message, index))),
                    (Ok(_), item) => item,
                    (Err(error), Some(Err(rejection))) => Some(Err(not_recorded(error, &rejection))),
                    (Err(error), _) => Some(Err(this.record.answering(not_recorded_plain(error)))),
                });
            }
            if this.ended {
                return Poll::Ready(None);
            }
            if let Poll::Ready(because) = this.end.as_mut().poll(cx) {
                // Whatever it comes from ends with it, and not only once the client has read why.
                this.inner = Box::pin(stream::empty());
                this.refuse(because.into());
                continue;
            }
            if let Err(error) = ready!(this.poll_segment(cx)) {
                this.ended = true;
                drop(this.record.append_end("not_recorded", &this.released));
                return Poll::Ready(Some(Err(this.record.answering(not_recorded_plain(error)))));
            }
            match ready!(this.poll_layers(cx)) {
                Some(Ok(mut message)) if message.is_final() => {
                    strip(&mut message.message);
                    let handed = this.record.append_outcome(&message, Some(&this.released));
                    this.hold(handed, Ok(message));
                }
                Some(Ok(message)) => {
                    this.released.add(&message.message.encode());
                    if mem::take(&mut this.first) {
                        // The log is ordered: with this record the decision is durable as well.
                        let receipt = this.record.append_segment(&this.released.take());
                        this.held = Some((Box::pin(async { receipt.durable().await.map(|_segment| None) }), Ok(message)));
                        continue;
                    }
                    this.alarm.set(SEGMENT_AGE);
                    return Poll::Ready(Some(Ok(message)));
                }
                Some(Err(rejection)) => this.refuse(rejection),
                None => {
                    this.ended = true;
                    if !this.record.is_closed() {
                        let status = if this.record.is_push() { "ended" } else { "incomplete" };
                        drop(this.record.append_end(status, &this.released));
                    }
                    return Poll::Ready(None);
                }
            }
        }
    }
}

impl Drop for AuditedStream {
    fn drop(&mut self) {
        if !self.record.is_closed() {
            drop(self.record.append_end("client_gone", &self.released));
        }
    }
}
