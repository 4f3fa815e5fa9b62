//! A streamed reply with its record: the response waits for the outcome, and every other end is an outcome too.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::Stream;

use super::open::{OpenRecord, not_recorded, not_recorded_plain};
use crate::audit::{AppendError, Position, Receipt};
use crate::chain::{MessageStream, Rejection, ServerMessage};

type Wait = Pin<Box<dyn Future<Output = Result<Position, AppendError>> + Send>>;
type Item = Result<ServerMessage, Rejection>;

/// See the module.
pub(super) struct AuditedStream {
    inner: MessageStream,
    record: OpenRecord,
    /// What is released once its record is durable.
    held: Option<(Wait, Item)>,
    events: u64,
    ended: bool,
}

impl AuditedStream {
    pub(super) fn new(inner: MessageStream, record: OpenRecord) -> Self {
        Self { inner, record, held: None, events: 0, ended: false }
    }

    fn hold(&mut self, receipt: Receipt, item: Item) {
        self.ended = true;
        self.held = Some((Box::pin(receipt.durable()), item));
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
                return Poll::Ready(match (durable, item) {
                    (Ok(_), item) => item,
                    (Err(error), Some(Err(rejection))) => Some(Err(not_recorded(error, &rejection))),
                    (Err(error), _) => Some(Err(not_recorded_plain(error))),
                });
            }
            if this.ended {
                return Poll::Ready(None);
            }
            match ready!(this.poll_layers(cx)) {
                Some(Ok(message)) if message.is_final() => {
                    let receipt = this.record.append_outcome(&message, this.events);
                    this.hold(receipt, Ok(message));
                }
                Some(Ok(message)) => {
                    this.events += 1;
                    return Poll::Ready(Some(Ok(message)));
                }
                Some(Err(rejection)) => {
                    let receipt = this.record.append_refusal(rejection.reason(), this.events);
                    this.hold(receipt, Err(rejection));
                }
                None => {
                    this.ended = true;
                    if !this.record.is_closed() {
                        drop(this.record.append_end("incomplete", this.events));
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
            drop(self.record.append_end("client_gone", self.events));
        }
    }
}
