//! A stream of which some messages are held for a while: what they begin may go on in the next.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use tokio::time::{Sleep, sleep};

use super::{MessageStream, Rejection, ServerMessage};

/// The longest that messages are held. Clients take progress as a sign of life, and wait for tens of seconds.
const LONGEST: Duration = Duration::from_secs(1);

/// Decides which messages of one stream have to wait.
pub trait Hold: Send + 'static {
    /// Takes the next message and adds what may go on to `out`, in order. The response and what waits for an answer is never held.
    ///
    /// # Errors
    /// The stream has to end.
    fn pass(&mut self, message: ServerMessage, out: &mut VecDeque<ServerMessage>) -> Result<(), Rejection>;

    /// Adds everything that is held to `out`.
    fn release(&mut self, out: &mut VecDeque<ServerMessage>);

    /// Whether anything is held.
    fn holds(&self) -> bool;
}

/// Whether more comes of the stream within.
enum Ended {
    No,
    Yes,
    /// By this, which is the last that is told.
    By(Rejection),
}

/// The stream. What is held leaves at its end too, and after [`LONGEST`] with something held.
pub(super) struct Holding<H> {
    inner: MessageStream,
    hold: H,
    ready: VecDeque<ServerMessage>,
    ended: Ended,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<H> Holding<H> {
    pub(super) fn new(inner: MessageStream, hold: H) -> Self {
        Self { inner, hold, ready: VecDeque::new(), ended: Ended::No, timer: None }
    }
}

// What decides is never pinned.
impl<H> Unpin for Holding<H> {}

impl<H: Hold> Stream for Holding<H> {
    type Item = Result<ServerMessage, Rejection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(message) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(message)));
            }
            match std::mem::replace(&mut this.ended, Ended::Yes) {
                Ended::No => this.ended = Ended::No,
                Ended::Yes => return Poll::Ready(None),
                Ended::By(rejection) => return Poll::Ready(Some(Err(rejection))),
            }
            match this.inner.as_mut().poll_next(cx) {
                Poll::Ready(Some(Ok(message))) => {
                    if let Err(rejection) = this.hold.pass(message, &mut this.ready) {
                        // What is held is a part of what must not pass.
                        this.ready.clear();
                        this.ended = Ended::By(rejection);
                    }
                    if !this.hold.holds() {
                        this.timer = None;
                    }
                }
                Poll::Ready(last) => {
                    this.hold.release(&mut this.ready);
                    this.ended = last.and_then(Result::err).map_or(Ended::Yes, Ended::By);
                }
                Poll::Pending if !this.hold.holds() => return Poll::Pending,
                Poll::Pending => {
                    let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(LONGEST)));
                    match timer.as_mut().poll(cx) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(()) => {
                            this.timer = None;
                            this.hold.release(&mut this.ready);
                        }
                    }
                }
            }
        }
    }
}
