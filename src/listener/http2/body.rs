//! The body of a request over HTTP/2: as slow as one over HTTP/1.1 may be, and without trailers.

use std::error::Error;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::ledger::Arrived;
use crate::listener::framing::FramingLimits;
use crate::listener::pace::{Alarm, BodyPace};
use crate::listener::refusal::HeadError;

/// A body that is watched while it is waited for.
#[derive(Debug)]
pub(super) struct PacedBody {
    inner: Incoming,
    limits: FramingLimits,
    pace: BodyPace,
    alarm: Alarm,
    /// What the library shows comes in whole frames; a slow client is at one for long.
    arrived: Arrived,
    counted: u64,
}

impl PacedBody {
    pub(super) fn new(inner: Incoming, limits: FramingLimits, arrived: Arrived) -> Self {
        Self { inner, limits, pace: BodyPace::default(), alarm: Alarm::default(), arrived, counted: 0 }
    }

    fn count(&mut self) {
        let arrived = self.arrived.load(Ordering::Relaxed);
        let fresh = arrived.saturating_sub(self.counted);
        if fresh > 0 {
            self.pace.arrived(usize::try_from(fresh).unwrap_or(usize::MAX));
            self.counted = arrived;
        }
    }
}

impl Body for PacedBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        loop {
            let polled = Pin::new(&mut this.inner).poll_frame(cx);
            this.count();
            match polled {
                Poll::Ready(Some(Ok(frame))) if frame.trailers_ref().is_some_and(|trailers| !trailers.is_empty()) => {
                    return Poll::Ready(Some(Err(HeadError::Trailers.into())));
                }
                Poll::Ready(frame) => return Poll::Ready(frame.map(|frame| frame.map_err(Into::into))),
                Poll::Pending => {
                    let Some(deadline) = this.pace.next_deadline(&this.limits) else {
                        return Poll::Ready(Some(Err(HeadError::SlowBody.into())));
                    };
                    ready!(this.alarm.poll(deadline, cx));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
