//! Fair share: no caller takes all the room there is for calls under way.
//!
//! **Does**: takes a place among the calls under way, or refuses with 503 and `Retry-After` when the caller holds its share of them
//! and others need the rest.
//!
//! **Request**: counted per tenant, or per caller without one, from authentication on: an unread body holds a place as well.
//!
//! **Reply**: passes; with its last message the place is given back.
//!
//! **Streams**: hold their place until their response, but for `subscriptions/listen` and what a session is pushed, whose streams have a
//! bound of their own at the server (`upstream/admission.rs`, `authz/telling.rs`) and would otherwise sit on places for days.
//!
//! **When it cannot decide**: it always can.
//!
//! **Findings**: none; the refusal is the record.
//!
//! **Cost**: one short lock and one look-up in a hash map on the way in, and on the way out.
//!
//! **Limits**: within one tenant, callers are not told apart. Replicas count for themselves.

use crate::chain::{Incoming, McpResponse, Middleware, Next, Reason, Rejection, ResponseBody};
use crate::layers::authn::Principal;
use crate::places::{Room, Share};

/// The station. Clones count together.
#[derive(Clone, Debug)]
pub struct FairShare(Room);

impl FairShare {
    /// For so many calls under way.
    pub fn new(calls: usize) -> Self {
        Self(Room::new(calls))
    }
}

impl Middleware for FairShare {
    type In = Incoming<Principal>;
    type Out = Incoming<Principal>;

    async fn handle(&self, request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        let trail = request.context.trail.clone();
        let Some(place) = self.0.enter(Share::of(&request.evidence)) else {
            trail.with(|decision| decision.detail = Some("caller_share"));
            return Err(Reason::Overloaded.into());
        };
        let response = next.run(request).await?;
        let listens = trail.with(|decision| decision.what.as_ref().is_some_and(|what| what.method.is_subscription()));
        if listens || !matches!(response.body, ResponseBody::Stream(_)) {
            return Ok(response);
        }
        let mut place = Some(place);
        response.map_messages(move |message| {
            if message.is_final() {
                drop(place.take());
            }
            Ok(Some(message))
        })
    }
}
