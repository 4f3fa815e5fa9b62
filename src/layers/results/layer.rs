//! The station.

use std::sync::Arc;

use super::cut::{Bounds, Excess};
use crate::chain::{
    Action, Category, Direction, Finding, McpRequest, McpResponse, Middleware, Next, Reason, Rejection, ServerMessage, Trail,
};
use crate::decide::Glob;
use crate::layers::authz::Permit;
use crate::policy::{Over, ResultLimit};
use crate::protocol::{Message, Method, Side, told_result, withhold_told_result};

const LAYER: &str = "results";

/// Cuts and withholds.
#[derive(Debug)]
pub struct ResultLimits(Vec<Entry>);

#[derive(Clone, Debug)]
struct Entry {
    name: Arc<str>,
    servers: Vec<String>,
    tools: Vec<Glob>,
    bounds: Bounds,
    over: Over,
    shadow: bool,
}

impl ResultLimits {
    /// A station that holds results to `results:` of a policy.
    pub fn new(limits: &[ResultLimit]) -> Self {
        let entry = |limit: &ResultLimit| Entry {
            name: limit.name.as_str().into(),
            servers: limit.servers.clone(),
            tools: limit.tools.iter().map(|tool| Glob::new(tool)).collect(),
            bounds: Bounds { size: limit.size, items: limit.items, depth: limit.depth },
            over: limit.over,
            shadow: limit.shadow,
        };
        Self(limits.iter().map(entry).collect())
    }
}

impl Middleware for ResultLimits {
    type In = McpRequest<Permit>;
    type Out = McpRequest<Permit>;

    async fn handle(&self, request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        if request.access.method == Method::Listen && !self.0.is_empty() {
            return self.listen(request, next).await;
        }
        let answers = matches!(request.access.method, Method::TasksGet | Method::TasksResult | Method::ToolsCall);
        let held: Vec<Entry> = match request.access.tool().filter(|_| answers) {
            Some(tool) => self.0.iter().filter(|entry| entry.is_for(&request.evidence.server().name, tool)).cloned().collect(),
            None => Vec::new(),
        };
        if held.is_empty() {
            return next.run(request).await;
        }
        let trail = request.context.trail.clone();
        next.run(request).await?.map_messages(move |message| limited(&held, message, &trail).map(Some))
    }
}

impl ResultLimits {
    /// What tasks have come to is told on this stream, too.
    async fn listen(&self, request: McpRequest<Permit>, next: Next<McpRequest<Permit>>) -> Result<McpResponse, Rejection> {
        let Some(own) = request.exchange.tasks.own.clone() else { return next.run(request).await };
        let (entries, server) = (self.0.clone(), request.evidence.server().name.clone());
        let trail = request.context.trail.clone();
        next.run(request).await?.map_messages(move |mut message| {
            let held = |entry: &&Entry, tool: &str| entry.is_for(&server, tool);
            let over = told_result(&message.message).and_then(|(task, result)| {
                let tool = own.tool_of(task)?;
                let size = message.message.original().len();
                let mut over = entries.iter().filter(|entry| held(entry, &tool)).filter_map(|entry| {
                    let excess = entry.bounds.exceeded(result, size)?;
                    note(entry, excess, if entry.shadow { Action::Shadowed } else { Action::Blocked }, &trail);
                    (!entry.shadow).then_some(())
                });
                over.next()
            });
            if over.is_some() {
                withhold_told_result(&mut message.message);
            }
            Ok(Some(message))
        })
    }
}

impl Entry {
    fn is_for(&self, server: &str, tool: &str) -> bool {
        (self.servers.is_empty() || self.servers.iter().any(|name| name == server || name == "*"))
            && (self.tools.is_empty() || self.tools.iter().any(|glob| glob.matches(tool)))
    }

    fn exceeded(&self, message: &Message) -> Option<Excess> {
        let size = if message.edit_count() == 0 { message.original().len() } else { message.encode().len() };
        self.bounds.exceeded(message.result()?, size)
    }
}

fn limited(held: &[Entry], mut message: ServerMessage, trail: &Trail) -> Result<ServerMessage, Rejection> {
    if !message.is_final() {
        return Ok(message);
    }
    for entry in held {
        let Some(excess) = entry.exceeded(&message.message) else { continue };
        let note = |action| note(entry, excess, action, trail);
        if entry.shadow {
            note(Action::Shadowed);
            continue;
        }
        if entry.over == Over::Truncate && excess != Excess::Depth {
            // SECURITY: cut is what leaves, with what the scans have put in the place of values: of what stood there, a cut could show a part.
            message.message.settle(Side::Server).map_err(|_broken| Reason::BlockedResult(Category::ResultLimit))?;
            entry.bounds.cut(&mut message.message);
            message.message.settle(Side::Server).map_err(|_broken| Reason::BlockedResult(Category::ResultLimit))?;
            if entry.exceeded(&message.message).is_none() {
                note(Action::Truncated);
                continue;
            }
        }
        note(Action::Blocked);
        return Err(Reason::BlockedResult(Category::ResultLimit).into());
    }
    Ok(message)
}

fn note(entry: &Entry, excess: Excess, action: Action, trail: &Trail) {
    let (rule, kind, side) = (Arc::clone(&entry.name), excess.word(), Direction::Response);
    trail.find(Finding { layer: LAYER, rule, kind, action, side, count: 1, by: None, about: None });
}
