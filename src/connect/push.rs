//! The stream on which a session's server says what belongs to no request. MCP 2025-11-25, "Listening for Messages from the Server".

use std::time::Duration;

use http::StatusCode;

use super::failure::Failure;
use super::gateway::Media;
use super::reply::{Events, Place, resumption};
use super::session::Session;
use crate::protocol::Shape;

/// Longest pause after tries that have failed.
const LONGEST: Duration = Duration::from_secs(30);

/// How an attempt ended.
enum Ended {
    /// The gateway has closed it; another may be opened.
    Closed,
    /// This server pushes nothing.
    Never,
    /// The session is over.
    Gone,
    /// It could not be opened, or broke.
    Failed(Failure),
}

/// Keeps the stream of whatever session there is open, for as long as it is polled.
pub(super) async fn keep_open(session: &Session) {
    let mut ready = session.ready();
    let mut number = 0;
    loop {
        let Ok(next) = ready.wait_for(|next| *next > number).await.map(|next| *next) else { return };
        number = next;
        let mut another = ready.clone();
        tokio::select! {
            () = keep_one_open(session, number) => {}
            _ = another.wait_for(|next| *next > number) => {}
        }
    }
}

async fn keep_one_open(session: &Session, number: u64) {
    let (mut place, mut failures) = (Place::default(), 0_u32);
    while session.number() == number {
        match attempt(session, number, &mut place).await {
            Ended::Never => return,
            Ended::Closed => failures = 0,
            Ended::Gone => {
                match session.renew(number).await {
                    Ok(()) => return,
                    Err(failure) => tracing::warn!("no new session: {}", failure.to_string_with_causes()),
                }
                failures += 1;
            }
            Ended::Failed(failure) => {
                tracing::info!("the push stream broke: {}", failure.to_string_with_causes());
                failures += 1;
            }
        }
        let pause = place.pause.saturating_mul(1 << failures.min(8)).min(LONGEST.max(place.pause));
        tokio::time::sleep(pause).await;
    }
}

async fn attempt(session: &Session, number: u64, place: &mut Place) -> Ended {
    let headers = session.headers();
    let last = place.last.clone();
    let answer = match session.gateway.send(&resumption(&headers, last.clone())).await {
        Ok(answer) => answer,
        Err(failure) => return Ended::Failed(failure),
    };
    match (answer.status, answer.media()) {
        (StatusCode::OK, Media::EventStream) => {}
        (StatusCode::NOT_FOUND, _) => return Ended::Gone,
        (StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS, _) => {
            return Ended::Failed(session.gateway.refusal(answer).await);
        }
        (status, _) if status.is_client_error() && last.is_some() => {
            // What came after that event is not known any more; what comes now is.
            place.last = None;
            return Ended::Closed;
        }
        (status, _) if status.is_server_error() => return Ended::Failed(session.gateway.refusal(answer).await),
        _ => return Ended::Never,
    }
    let reader = session.reader(&headers, number);
    let mut events = Events::of(answer, &session.gateway);
    loop {
        let event = match events.next().await {
            Ok(Some(event)) => event,
            Ok(None) => return Ended::Closed,
            Err(failure) => return Ended::Failed(failure),
        };
        place.note(&event);
        let relayed = match reader.message_in(event) {
            // What answers no request of this stream is nobody's.
            Ok(Some(message)) if message.shape() == Shape::Response => Err(Failure::Unexpected("a response to no request")),
            Ok(Some(message)) => reader.relay(message).await,
            Ok(None) => Ok(()),
            Err(failure) => Err(failure),
        };
        if let Err(failure) = relayed {
            return Ended::Failed(failure);
        }
    }
}
