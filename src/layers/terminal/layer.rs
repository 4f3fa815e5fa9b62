//! The station.

use std::collections::HashSet;

use super::sequences::{each, may_stand_in, without};
use crate::chain::{
    Action, Category, Direction, Finding, McpRequest, McpResponse, Middleware, Next, Reason, Rejection, ServerMessage, Trail,
};
use crate::layers::authz::Permit;
use crate::policy::Surface;
use crate::protocol::json::{NodeId, RawJson, Value};
use crate::protocol::{ListKind, Message, Method, Shape, Side, code, visit_texts};

const LAYER: &str = "terminal";
const RULE: &str = "terminal-control";

/// Where a list goes on, which its client has to give back as it is.
const CURSOR: &str = "nextCursor";

/// Takes terminal control out of what servers say.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    policy: Surface,
}

impl Terminal {
    /// A station that acts as `policy` says: strip, log or off.
    pub fn new(policy: Surface) -> Self {
        Self { policy }
    }
}

impl Middleware for Terminal {
    type In = McpRequest<Permit>;
    type Out = McpRequest<Permit>;

    async fn handle(&self, request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        if self.policy == Surface::Off {
            return next.run(request).await;
        }
        let reply = Replies {
            strips: self.policy == Surface::Strip,
            method: request.access.method,
            trail: request.context.trail.clone(),
        };
        next.run(request).await?.map_messages(move |message| reply.clean(message))
    }
}

/// What comes back of one request.
struct Replies {
    strips: bool,
    method: Method,
    trail: Trail,
}

impl Replies {
    fn clean(&self, mut message: ServerMessage) -> Result<Option<ServerMessage>, Rejection> {
        if !may_stand_in(message.message.original()) {
            return Ok(Some(message));
        }
        let found = Found::of(&message.message);
        if found.count == 0 {
            return Ok(Some(message));
        }
        if !self.strips {
            self.note(found.count, Action::Logged);
            return Ok(Some(message));
        }
        if found.fixed || !found.strip(&mut message.message, self.method) {
            self.note(found.count, Action::Blocked);
            if message.message.shape() == Shape::Request {
                // The question is refused, and the call goes on.
                message.refuse(code::BLOCKED, "the request was withheld by policy");
                return Ok(None);
            }
            return Err(Reason::BlockedResult(Category::NotScanned).into());
        }
        self.note(found.count, Action::Stripped);
        Ok(Some(message))
    }

    fn note(&self, count: u32, action: Action) {
        let (kind, side) = ("terminal_control", Direction::Response);
        self.trail.find(Finding { layer: LAYER, rule: RULE.into(), kind, action, side, count, by: None, about: None });
    }
}

/// What a message holds of it.
struct Found {
    count: u32,
    /// Whether any stands where nothing can be changed.
    fixed: bool,
    /// The texts that have some, and what is left of each.
    texts: Vec<(NodeId, String)>,
}

impl Found {
    fn of(message: &Message) -> Self {
        let mut found = Self { count: 0, fixed: false, texts: Vec::new() };
        let cursor = message.result().and_then(|result| result.get(CURSOR));
        // The id of a question is for its server, which gets it back; a client has another in its place.
        let id = message.id_place();
        visit_texts(message, |text| {
            let here = count(text.text);
            if here > 0 && Some(text.id) != id {
                found.count = found.count.saturating_add(here);
                found.texts.push((text.id, without(text.text)));
            }
        });
        // The walk leaves it out where it is the server's own mark.
        if let Some(cursor) = cursor.filter(|cursor| found.texts.iter().all(|(place, _)| *place != cursor.id())) {
            let here = count(cursor.as_str().unwrap_or_default());
            found.count = found.count.saturating_add(here);
            found.fixed = here > 0;
        }
        found
    }

    /// Writes what is left into the message, which is read again then. `false` when it would be none.
    fn strip(&self, message: &mut Message, method: Method) -> bool {
        let misnamed = method.list().map(|list| misnamed(message, list)).unwrap_or_default();
        let items = method.list().and_then(|list| message.result()?.get(list.member())).map(Value::id);
        let (document, edits) = message.split();
        for (place, left) in &self.texts {
            edits.replace(document, *place, RawJson::string(left));
        }
        if let Some(items) = items.filter(|_| !misnamed.is_empty()) {
            edits.retain(document, items, |item| !misnamed.contains(&item.id()));
        }
        message.settle(Side::Server).is_ok()
    }
}

fn count(text: &str) -> u32 {
    let mut count = 0_u32;
    each(text, &mut |_, _| count = count.saturating_add(1));
    count
}

/// The items of a list by whose own name or URI nobody could ask for them.
fn misnamed(message: &Message, list: ListKind) -> HashSet<NodeId> {
    let items = message.result().and_then(|result| result.get(list.member()));
    let odd = |item: &Value<'_>| count(item.get(list.key()).and_then(Value::as_str).unwrap_or_default()) > 0;
    items.into_iter().flat_map(Value::items).filter(odd).map(Value::id).collect()
}
