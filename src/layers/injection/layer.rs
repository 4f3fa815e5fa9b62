//! The station.

use std::sync::Arc;

use super::heed::{Heed, Place};
use super::quarantine::Quarantine;
use super::reply::ReplyScan;
use super::told::Told;
use crate::chain::{
    About, Action, Category, Direction, Finding, Flows, McpRequest, McpResponse, Middleware, Next, Reason, Rejection, Thing,
    Trail,
};
use crate::decide::Glob;
use crate::layers::authz::Permit;
use crate::policy::{Injection, InjectionFor, On, Policy, Surface};
use crate::protocol::{Target, visit_texts};
use crate::scan::injection::{Effort, Hit, Scanner, SurfaceKind, percent};

pub(super) const LAYER: &str = "inj";

/// Scans both directions.
#[derive(Debug)]
pub struct InjectionLayer {
    scanner: Arc<Scanner>,
    quarantine: Arc<Quarantine>,
    policy: Injection,
    elsewhere: Vec<Elsewhere>,
    heed: Arc<Heed>,
}

/// What holds for some servers and tools.
#[derive(Debug)]
struct Elsewhere {
    tools: Vec<Glob>,
    says: InjectionFor,
}

impl Elsewhere {
    fn new(says: &InjectionFor) -> Self {
        Self { tools: says.tools.iter().map(|tool| Glob::new(tool)).collect(), says: says.clone() }
    }

    fn holds(&self, server: &str, tool: Option<&str>) -> bool {
        let for_tool = || tool.is_some_and(|tool| self.tools.iter().any(|glob| glob.matches(tool)));
        self.says.servers.iter().any(|name| name == server) && (self.tools.is_empty() || for_tool())
    }
}

impl InjectionLayer {
    /// A station that acts as a policy says.
    pub fn new(scanner: &Scanner, quarantine: Arc<Quarantine>, policy: &Policy) -> Self {
        let injection = policy.injection.unwrap_or(Injection::DEFAULT);
        Self {
            scanner: Arc::new(scanner.with_model(injection.model)),
            quarantine,
            policy: injection,
            elsewhere: policy.injection_for.iter().map(Elsewhere::new).collect(),
            heed: Arc::new(Heed::new(policy)),
        }
    }

    /// What holds for one call.
    fn policy_for(&self, server: &str, tool: Option<&str>) -> Injection {
        let mut policy = self.policy;
        for Elsewhere { says, .. } in self.elsewhere.iter().filter(|entry| entry.holds(server, tool)) {
            policy.requests = says.requests.unwrap_or(policy.requests);
            policy.results = says.results.unwrap_or(policy.results);
            policy.definitions = says.definitions.unwrap_or(policy.definitions);
        }
        policy
    }
}

impl Middleware for InjectionLayer {
    type In = McpRequest<Permit>;
    type Out = McpRequest<Permit>;

    async fn handle(&self, request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        let server = request.evidence.server().name.clone();
        let withheld = |name: &&str| {
            let place = Place { server: &server, tool: Some(name), on: On::Definition, at: request.context.received };
            // A rule that a policy has no longer is one that it lets go of.
            self.quarantine.holds(&server, name, |rule| !self.scanner.knows(rule) || self.heed.lets_go(rule, place))
        };
        if let Some(name) = request.access.tool().filter(withheld) {
            request.context.trail.with(|decision| decision.rule = Some("quarantine".into()));
            let is_task = matches!(request.access.target, Target::Task(_));
            let unknown = if is_task { Reason::UnknownTask } else { Reason::UnknownTarget(Thing::Tool, name.to_owned()) };
            return Err(unknown.into());
        }
        let policy = self.policy_for(&server, request.access.tool());
        let found = self.scan_arguments(&request, policy)?;
        request.context.trail.pass_with_findings(LAYER, found);
        let reply = Arc::new(ReplyScan {
            scanner: Arc::clone(&self.scanner),
            quarantine: Arc::clone(&self.quarantine),
            policy,
            heed: Arc::clone(&self.heed),
            tool: request.access.tool().map(str::to_owned),
            server,
            method: request.access.method,
            trail: request.context.trail.clone(),
        });
        let told = Flows::new(Told(Arc::clone(&reply)));
        Ok(next.run(request).await?.map_messages(move |message| reply.scan(message))?.holding(told))
    }
}

impl InjectionLayer {
    fn scan_arguments(&self, request: &McpRequest<Permit>, policy: Injection) -> Result<u32, Rejection> {
        let Some(message) = request.message.rpc().filter(|_| policy.requests != Surface::Off) else {
            return Ok(0);
        };
        let (mut hits, mut effort) = (Vec::new(), Effort::default());
        visit_texts(message, |text| self.scanner.scan(text.text, SurfaceKind::Argument, &mut effort, &mut hits));
        for header in request.exchange.mirrored.iter().filter(|header| header.is_loose()) {
            // What repeats an argument was scanned with it; this stands in the header alone, and is read there.
            let text = header.text().ok_or(Reason::Blocked(Category::NotScanned))?;
            self.scanner.scan(&text, SurfaceKind::Argument, &mut effort, &mut hits);
            self.scanner.scan(header.own_name(), SurfaceKind::Argument, &mut effort, &mut hits);
        }
        let server = &request.evidence.server().name;
        let place = Place { server, tool: request.access.tool(), on: On::Request, at: request.context.received };
        self.heed.weigh(&mut hits, 0, place, &request.context.trail);
        let blocks = policy.requests == Surface::Block && hits.iter().any(Hit::is_flag);
        let action = if blocks { Action::Blocked } else { Action::Logged };
        record(&hits, None, action, Direction::Request, &request.context.trail);
        request.context.trail.score(Direction::Request, percent(&hits));
        if blocks {
            return Err(Reason::Blocked(Category::Injection).into());
        }
        Ok(u32::try_from(hits.len()).unwrap_or(u32::MAX))
    }
}

/// Writes hits into the trail. What is no flag is logged, whatever happens to the others.
pub(super) fn record<'h>(
    hits: impl IntoIterator<Item = &'h Hit>,
    about: Option<&About>,
    action: Action,
    side: Direction,
    trail: &Trail,
) {
    for hit in hits {
        let action = if hit.is_flag() { action } else { Action::Logged };
        let (rule, about) = (hit.rule.into(), about.cloned());
        trail.find(Finding { layer: LAYER, rule, kind: "injection", action, side, count: 1, by: None, about });
    }
}
