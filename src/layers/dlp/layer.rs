//! The station: both directions, one engine.

use std::sync::Arc;

use jiff::Timestamp;

use super::carry::Carry;
use super::echo::Echo;
use super::formats;
use super::judge::{Deed, Hit};
use super::rules::{Applicable, Rules};
use super::survey::{Known, Survey};
use super::unread;
use crate::chain::{
    Action, Carried, Category, Direction, Finding, Flows, McpRequest, McpResponse, Middleware, Mirrored, Next, Reason, Rejection,
    ServerMessage, Trail,
};
use crate::layers::authn::Principal;
use crate::layers::authz::Permit;
use crate::master_key::random_bytes;
use crate::policy::{Classification, DlpAction, On, Unread};
use crate::protocol::{Message, Target};
use crate::vault::{Ask, Caller, Vault};

const LAYER: &str = "dlp";

/// Blocks, masks, tokenizes and records.
#[derive(Debug)]
pub struct DlpLayer {
    rules: Arc<Rules>,
    vault: Arc<Vault>,
}

impl DlpLayer {
    /// A station with these rules; tokens are in `vault`.
    pub fn new(rules: Arc<Rules>, vault: Arc<Vault>) -> Self {
        Self { rules, vault }
    }
}

impl Middleware for DlpLayer {
    type In = McpRequest<Permit>;
    type Out = McpRequest<Permit>;

    async fn handle(&self, mut request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        let echo = self.clean_request(&mut request).await?;
        let principal = request.evidence.principal();
        let attribute = self.rules.clearance_attribute().and_then(|name| principal.attribute(name));
        let way = Way {
            rules: Arc::clone(&self.rules),
            server: request.evidence.server().name.clone(),
            tool: request.access.tool().map(str::to_owned),
            on: if request.access.method.defines() { On::Definition } else { On::Response },
            clearance: self.rules.clearance(attribute),
        };
        let trail = request.context.trail.clone();
        let reply = ReplyCleaner { way, trail, tokens: self.tokens(&request), echo };
        let seams = reply.seams();
        let response = next.run(request).await?;
        if self.rules.purposes().is_empty() {
            return Ok(response.map_messages(move |message| reply.clean(message))?.holding(seams));
        }
        let reply = Arc::new(reply);
        let cleaned = response.then_messages(move |message| {
            let reply = Arc::clone(&reply);
            async move { reply.clean_asking(message).await }
        });
        Ok(Box::pin(cleaned).await?.holding(seams))
    }
}

impl DlpLayer {
    fn tokens(&self, request: &McpRequest<Permit>) -> Tokens {
        let (rules, vault) = (Arc::clone(&self.rules), Arc::clone(&self.vault));
        Tokens { rules, vault, permit: request.evidence.without_roles(), received: request.context.received }
    }

    /// What the server receives: rules above its classification, and values where they are restored; those are the result.
    async fn clean_request(&self, request: &mut McpRequest<Permit>) -> Result<Option<Echo>, Rejection> {
        let server = Arc::clone(request.evidence.server());
        let mut applicable = self.rules.applicable(&server.name, request.access.tool(), true, server.classification);
        applicable.hash_by(self.vault.digests(), caller(request.evidence.principal()));
        applicable.excuse(&server.name, request.access.tool(), On::Request, request.context.received);
        if let Target::Tool(tool) = &request.access.target {
            applicable.restore_in(&server.name, tool, |role| request.evidence.has_role(role));
        }
        let trail = request.context.trail.clone();
        if applicable.is_empty() || request.message.rpc().is_none() {
            // SECURITY: what nobody reads is refused where the policy says so, whether or not there is a rule for the rest.
            let unread = |message: &Message| opaque(&self.rules.unread, message, &Survey::default(), Direction::Request, &trail);
            if request.message.rpc().is_some_and(unread) {
                trail.with(|decision| decision.detail = Some("unread"));
                return Err(Reason::Blocked(Category::NotScanned).into());
            }
            trail.pass_with_findings(LAYER, 0);
            return Ok(None);
        }
        let survey = survey(&applicable, request)?;
        let asks = match request.message.rpc() {
            Some(message) => questions(message, &survey, &applicable, &trail).map_err(Reason::Blocked)?,
            None => Vec::new(),
        };
        let known = if asks.is_empty() { Known::default() } else { Box::pin(self.tokens(request).ask(asks)).await? };
        let Carried { message, access, exchange, .. } = &mut *request.carried;
        let Some(message) = message.rpc_mut() else { return Ok(None) };
        let is_opaque = opaque(&self.rules.unread, message, &survey, Direction::Request, &trail);
        let outcome = applicable.judge(message, &survey, &known);
        let applied = !outcome.blocked && !is_opaque && outcome.apply(message);
        let differs = applied && Mirrored::renew(&mut exchange.mirrored, message).is_err();
        let passes = applied && !differs;
        record(&outcome.findings, Direction::Request, passes, &trail, &applicable);
        if !passes {
            let detail = [
                (outcome.header_differs, "token_in_header"),
                (outcome.restores_too_much, "too_much_restored"),
                (differs, "header_differs"),
                (is_opaque, "unread"),
            ];
            if let Some((_, word)) = detail.iter().find(|(holds, _)| *holds) {
                trail.with(|decision| decision.detail = Some(word));
            }
            // The name may be what was found; the record repeats nothing that must not pass.
            let named = access.public_name().is_some_and(|name| applicable.finds(name));
            if named {
                trail.with(|decision| decision.what.iter_mut().for_each(|what| what.name = None));
            }
            let category = if is_opaque && !outcome.blocked { Category::NotScanned } else { Category::SensitiveData };
            return Err(Reason::Blocked(category).into());
        }
        trail.pass_with_findings(LAYER, u32::try_from(outcome.findings.len()).unwrap_or(u32::MAX));
        Ok(Echo::new(outcome.restored).map_err(|_too_large| Reason::Internal("restored values"))?)
    }
}

/// What is found in a request and in the headers that go with it.
fn survey(applicable: &Applicable<'_>, request: &McpRequest<Permit>) -> Result<Survey, Rejection> {
    let mut survey = request.message.rpc().map(|message| applicable.survey(message)).unwrap_or_default();
    for header in request.exchange.mirrored.iter().filter(|header| header.is_loose()) {
        applicable.survey_header(header.text().ok_or(Reason::Blocked(Category::NotScanned))?, &mut survey);
        applicable.survey_header(header.own_name().to_owned(), &mut survey);
    }
    if let Some(state) = &request.exchange.trace.state {
        applicable.survey_header(state.to_str().unwrap_or_default().to_owned(), &mut survey);
    }
    Ok(survey)
}

fn questions(message: &Message, survey: &Survey, applicable: &Applicable<'_>, trail: &Trail) -> Result<Vec<Ask>, Category> {
    let draw = |kind: &'static str, normal: &str| formats::draw(kind, normal, &mut || random_bytes().map(u64::from_le_bytes));
    survey.questions(message, applicable, draw).map_err(|_too_many| too_many(trail))
}

/// Notes why a message cannot be judged.
pub(super) fn too_many(trail: &Trail) -> Category {
    trail.with(|decision| decision.detail = Some("too_many_values"));
    Category::NotScanned
}

/// Asks the vault for the tokens of one caller.
struct Tokens {
    rules: Arc<Rules>,
    vault: Arc<Vault>,
    permit: Permit,
    received: Timestamp,
}

impl Tokens {
    /// Lets values be hashed as they are for this caller.
    fn hash_in<'a>(&'a self, applicable: &mut Applicable<'a>) {
        applicable.hash_by(self.vault.digests(), caller(self.permit.principal()));
    }

    /// What is known of everything that was asked. Fails closed: a message that may hold tokens cannot be judged without.
    async fn ask(&self, asks: Vec<Ask>) -> Result<Known, Rejection> {
        let answers = self
            .vault
            .tokens(caller(self.permit.principal()), self.rules.purposes(), &asks, self.received)
            .await
            .map_err(|error| {
                tracing::error!(error = &error as &dyn std::error::Error, "the vault gives no tokens; the message is withheld");
                Reason::StoreUnavailable
            })?;
        Ok(Known::new(asks, answers))
    }
}

fn caller(who: &Principal) -> Caller<'_> {
    Caller { issuer: who.issuer(), subject: who.subject(), tenant: who.tenant() }
}

/// Where replies come from, and to whom they go.
#[derive(Clone)]
pub(super) struct Way {
    rules: Arc<Rules>,
    server: String,
    tool: Option<String>,
    on: On,
    clearance: Classification,
}

impl Way {
    /// What holds now: an exception may end while a stream lies open.
    pub(super) fn applicable(&self) -> Applicable<'_> {
        let mut applicable = self.rules.applicable(&self.server, self.tool.as_deref(), false, self.clearance);
        applicable.excuse(&self.server, self.tool.as_deref(), self.on, Timestamp::now());
        applicable
    }
}

struct ReplyCleaner {
    way: Way,
    tokens: Tokens,
    /// What this call has restored, if anything.
    echo: Option<Echo>,
    trail: Trail,
}

impl ReplyCleaner {
    fn seams(&self) -> Flows<Carry> {
        Flows::new(Carry::new(self.way.clone(), self.trail.clone()))
    }

    /// What the caller receives: rules above their clearance. For policies without tokens.
    fn clean(&self, message: ServerMessage) -> Result<Option<ServerMessage>, Rejection> {
        let mut applicable = self.way.applicable();
        self.tokens.hash_in(&mut applicable);
        let survey = applicable.survey(&message.message);
        survey.complete().map_err(|_too_many| Reason::BlockedResult(too_many(&self.trail)))?;
        self.finish(&applicable, &survey, &Known::default(), message)
    }

    /// The same where something may be a token, or has to become one.
    async fn clean_asking(&self, message: ServerMessage) -> Result<Option<ServerMessage>, Rejection> {
        let mut applicable = self.way.applicable();
        applicable.return_to_tokens(self.echo.as_ref());
        self.tokens.hash_in(&mut applicable);
        let survey = applicable.survey(&message.message);
        let asks = questions(&message.message, &survey, &applicable, &self.trail).map_err(Reason::BlockedResult)?;
        let known = if asks.is_empty() { Known::default() } else { self.tokens.ask(asks).await? };
        self.finish(&applicable, &survey, &known, message)
    }

    fn finish(
        &self,
        applicable: &Applicable<'_>,
        survey: &Survey,
        known: &Known,
        mut message: ServerMessage,
    ) -> Result<Option<ServerMessage>, Rejection> {
        if opaque(&self.way.rules.unread, &message.message, survey, Direction::Response, &self.trail) {
            return Err(Reason::BlockedResult(Category::NotScanned).into());
        }
        let outcome = applicable.judge(&message.message, survey, known);
        let passes = !outcome.blocked && outcome.apply(&mut message.message);
        record(&outcome.findings, Direction::Response, passes, &self.trail, applicable);
        if passes { Ok(Some(message)) } else { Err(Reason::BlockedResult(Category::SensitiveData).into()) }
    }
}

/// Records what was not read. Whether the message must not pass.
fn opaque(policy: &Unread, message: &Message, survey: &Survey, side: Direction, trail: &Trail) -> bool {
    let mut blocks = false;
    for part in unread::parts(message, survey) {
        let is_blocked = unread::blocks(policy, &part);
        let action = if is_blocked { Action::Blocked } else { Action::Logged };
        let (rule, kind) = ("not-read".into(), part.kind);
        trail.find(Finding { layer: LAYER, rule, kind, action, side, count: 1, by: None, about: None });
        blocks |= is_blocked;
    }
    blocks
}

pub(super) fn record(hits: &[Hit], side: Direction, passes: bool, trail: &Trail, rules: &Applicable<'_>) {
    for Hit { rule, kind, deed, by } in hits {
        let action = match deed {
            Deed::Excused => Action::Excused,
            Deed::Shadowed => Action::Shadowed,
            Deed::Rule(DlpAction::Log) => Action::Logged,
            Deed::Rule(DlpAction::Mask) if passes => Action::Masked,
            Deed::Rule(DlpAction::Tokenize) if passes => Action::Tokenized,
            Deed::Rule(DlpAction::Hash) if passes => Action::Hashed,
            Deed::Rule(DlpAction::Partial) if passes => Action::Partial,
            Deed::Restored if passes => Action::Restored,
            // Of a message that does not pass nothing was restored.
            Deed::Restored => continue,
            Deed::Rule(DlpAction::Block | DlpAction::Hash | DlpAction::Mask | DlpAction::Partial | DlpAction::Tokenize) => {
                Action::Blocked
            }
        };
        let by = rules.detector(*by).map(Arc::from);
        trail.find(Finding { layer: LAYER, rule: Arc::clone(rule), kind, action, side, count: 1, by, about: None });
    }
}
