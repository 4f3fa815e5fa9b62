//! The gateway of a random world, and those who ask it.

use std::collections::HashMap;

use serde_json::{Value, json};
use uuid::Uuid;
use yett::audit::Filter;
use yett::protocol::{Access, Method, Target, encode_header};
use yett::state::NewKey;

use super::super::properties::{ARGUMENTS, Who, World, X, access};
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::server::{Upstream, tool};
use crate::support::token::Issuer;

/// The caller who looks at every list first, so that it is known what servers say of their tools.
pub(super) const ROOT: &str = "version: 1
roles: { root: { allow: [{ servers: [\"*\"], tools: [nothing-else] }] } }
bindings: [{ role: root, issuers: [corp], subjects: [root] }]
";

/// What a log says of a decision: effect, rule and rules in shadow.
pub(super) type OnRecord = (String, Option<String>, Vec<String>);

/// A gateway of a world.
pub(super) struct Stage {
    pub(super) gateway: Gateway,
    pub(super) issuers: Vec<Issuer>,
    /// The keys of callers who have one, by their number.
    pub(super) keys: HashMap<usize, String>,
    pub(super) servers: Vec<Upstream>,
}

/// Something that was asked.
pub(super) struct Asked {
    /// The caller's number, and the server's.
    pub(super) who: usize,
    pub(super) place: usize,
    pub(super) access: Access,
    pub(super) x: X,
    /// Whether the revision is the current one.
    pub(super) modern: bool,
    pub(super) call: Uuid,
}

impl Stage {
    pub(super) async fn set(world: &World, callers: &[Who]) -> Self {
        let issuers: Vec<_> = world.issuers.iter().map(|name| Issuer::new(name)).collect();
        let mut builder = Gateway::start();
        let mut servers = Vec::new();
        for place in &world.places {
            let upstream = Upstream::start().await;
            upstream.set_tools(place.hints.iter().map(|hint| {
                let mut tool = tool(hint);
                tool["annotations"] = json!({ "destructiveHint": true });
                tool
            }));
            let keys = [place.keys(), "capture: full".to_owned()];
            let keys: Vec<_> = keys.into_iter().filter(|keys| !keys.is_empty()).collect();
            builder = builder.server(place.name, &upstream, &keys.join(", "));
            servers.push(upstream);
        }
        for issuer in &issuers {
            builder = builder.issuer_with(issuer, Who::CLAIMS);
        }
        for (name, text) in world.policies() {
            let is_module = text.starts_with("package");
            builder = if is_module { builder.module(&name, &text) } else { builder.policy(&text) };
        }
        let gateway = builder.policy(ROOT).await;
        let mut keys = HashMap::new();
        for (at, who) in callers.iter().enumerate().filter(|(_, who)| who.issuer == "api-key") {
            let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
            let new = NewKey {
                subject: who.subject.to_owned(),
                groups: owned(&who.groups),
                roles: owned(&who.claimed_roles),
                tenant: who.tenant.map(str::to_owned),
                servers: who.only.map(|server| owned(&[server])),
                expires: None,
            };
            let (_, secret) = gateway.running.operations().create_key(new, "admin").await.unwrap();
            keys.insert(at, secret.expose().clone());
        }
        Self { gateway, issuers, keys, servers }
    }

    fn credential(&self, at: usize, who: &Who, server: &str) -> String {
        if let Some(key) = self.keys.get(&at) {
            return key.clone();
        }
        let issuer = self.issuers.iter().find(|issuer| issuer.name == who.issuer).unwrap();
        let mut token = issuer.token(&self.gateway, server, who.subject, &who.groups).claim("roles", json!(who.claimed_roles));
        for (claim, value) in [
            ("client_id", who.client),
            ("tenant", who.tenant),
            ("country", who.region),
            ("department", who.department),
            ("scope", (who.scoped == Some(true)).then_some("s")),
        ] {
            if let Some(value) = value {
                token = token.claim(claim, value);
            }
        }
        token.signed()
    }

    /// Has every list looked at by somebody who may; how often.
    pub(super) async fn look(&self, world: &World) -> usize {
        for place in &world.places {
            let tenant =
                place.tenants.iter().find(|(issuer, _)| issuer.is_none_or(|issuer| issuer == "corp")).map(|(_, name)| *name);
            let root = Who { issuer: "corp", subject: "root", tenant, ..Who::default() };
            let client = self.gateway.modern(place.name, &self.credential(usize::MAX, &root, place.name));
            assert_eq!(client.list_tools().await.status, 200);
        }
        world.places.len()
    }

    /// Asks everything of this, by each caller at each server.
    pub(super) async fn ask(&self, world: &World, callers: &[Who], wanted: &[(Access, usize)], legacy: bool) -> Vec<Asked> {
        let mut all = Vec::new();
        for ((at, who), (number, place)) in
            callers.iter().enumerate().flat_map(|who| world.places.iter().enumerate().map(move |place| (who, place)))
        {
            let credential = self.credential(at, who, place.name);
            let modern = self.gateway.modern(place.name, &credential);
            let mut told = |access: &Access, arguments: usize, is_modern: bool, call: &str| {
                let x = if matches!(access.target, Target::Tool(_) | Target::Prompt(_)) {
                    ARGUMENTS[arguments].1
                } else {
                    X::Missing
                };
                all.push(Asked {
                    who: at,
                    place: number,
                    access: access.clone(),
                    x,
                    modern: is_modern,
                    call: call.parse().unwrap(),
                });
            };
            for (access, arguments) in wanted.iter().filter(|(access, _)| is_modern(access)) {
                told(access, *arguments, true, &send(&modern, access, *arguments).await);
            }
            if !legacy {
                continue;
            }
            let mut client = Client::before_handshake(self.gateway.address, place.name, &credential, "2025-11-25");
            let info =
                json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
            let answer = client.request("initialize", info).await;
            told(&access(Method::Initialize, Target::None), 0, false, &answer.call());
            client.session = answer.header("mcp-session-id").map(str::to_owned);
            if client.session.is_none() {
                continue;
            }
            let answer = client.notify("notifications/initialized", json!({})).await;
            told(&access(Method::Initialized, Target::None), 0, false, &answer.call());
            for (access, arguments) in wanted.iter().filter(|(access, _)| is_legacy(access)) {
                told(access, *arguments, false, &send(&client, access, *arguments).await);
            }
        }
        all
    }

    /// What stands in the log of each call: effect, rule and rules in shadow.
    pub(super) fn decisions(&self) -> HashMap<Uuid, OnRecord> {
        let filter = Filter { kinds: vec!["call.decision".to_owned()], ..Filter::default() };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let records = self.gateway.records(&filter).into_iter().map(|record| {
            let dec = &record["dec"];
            let findings = dec["findings"].as_array().into_iter().flatten().filter(|finding| finding["action"] == "shadow");
            let shadow = findings.map(|finding| text(&finding["rule"]).unwrap()).collect();
            (text(&record["call"]).unwrap().parse().unwrap(), (text(&dec["effect"]).unwrap(), text(&dec["rule"]), shadow))
        });
        records.collect()
    }
}

/// Whether a client of the current revision can ask it in a request of its own.
pub(super) fn is_modern(access: &Access) -> bool {
    match access.target {
        Target::Answer(_) | Target::Listen { .. } | Target::Session | Target::Task(_) => false,
        Target::Method(_) | Target::None | Target::Prompt(_) | Target::Tool(_) => true,
        Target::Resource(_) => matches!(access.method, Method::Complete | Method::ResourcesRead),
    }
}

/// Whether it is one that a client of a session alone can ask.
pub(super) fn is_legacy(access: &Access) -> bool {
    matches!(access.method, Method::ResourcesSubscribe | Method::ResourcesUnsubscribe)
}

async fn send(client: &Client, access: &Access, arguments: usize) -> String {
    let argument = json!({ "name": "a", "value": "" });
    let (mut params, name) = match (&access.target, access.method) {
        (Target::Prompt(name), Method::Complete) => {
            (json!({ "ref": { "type": "ref/prompt", "name": name }, "argument": argument }), None)
        }
        (Target::Resource(uri), Method::Complete) => {
            (json!({ "ref": { "type": "ref/resource", "uri": uri }, "argument": argument }), None)
        }
        (Target::Prompt(name) | Target::Tool(name), _) => (json!({ "name": name }), Some(name)),
        (Target::Resource(uri), _) => (json!({ "uri": uri }), Some(uri)),
        _ => (json!({}), None),
    };
    if let (Method::ToolsCall | Method::PromptsGet, Some(text)) = (access.method, ARGUMENTS[arguments].0) {
        params["arguments"] = serde_json::from_str(text).unwrap();
    }
    let method = if let Target::Method(name) = &access.target { name } else { access.method.name() };
    let message = client.message(Some(&json!(1)), method, params);
    let post = client.post(&message);
    let post = match name.filter(|_| client.session.is_none()) {
        Some(name) => post.header("Mcp-Name", &encode_header(name)),
        None => post,
    };
    post.send().await.call()
}
