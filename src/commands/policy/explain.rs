//! `yett policy explain`: why one access is decided as it is.

use std::net::IpAddr;

use clap::ArgGroup;
use jiff::Timestamp;
use serde_json::json;

use super::super::Exit;
use super::super::terminal::Terminal;
use super::{access, server};
use crate::config::Judged;
use crate::decide::{Arguments, Engine, Explanation, GrantOutcome, Hints, RuleOutcome, Scene};
use crate::policy::{Asks, CaseCaller};

/// Arguments of `policy explain`.
#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("asks").required(true).args(["call", "read", "get", "method"])))]
pub(super) struct Explain {
    /// The caller's issuer, by its configured name; `api-key`, `mtls` or `anonymous`
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// What the issuer calls them
    #[arg(long, value_name = "NAME", default_value = "test")]
    subject: String,
    /// The OAuth client
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// A group of theirs
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// A role that their token claims
    #[arg(long = "claimed-role", value_name = "NAME")]
    claimed_roles: Vec<String>,
    /// Their tenant
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Their region; the one that yett.yaml gives their issuer when unsaid
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// An attribute of theirs
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = pair)]
    attributes: Vec<(String, String)>,
    /// A scope of their token
    #[arg(long = "scope", value_name = "NAME")]
    scopes: Vec<String>,
    /// Call this tool
    #[arg(long, value_name = "SERVER/TOOL", value_parser = slashed)]
    call: Option<(String, String)>,
    /// Get this prompt
    #[arg(long, value_name = "SERVER/PROMPT", value_parser = slashed)]
    get: Option<(String, String)>,
    /// Read this resource of a server
    #[arg(long, num_args = 2, value_names = ["SERVER", "URI"])]
    read: Option<Vec<String>>,
    /// Use this method of an extension of a server
    #[arg(long, num_args = 2, value_names = ["SERVER", "METHOD"])]
    method: Option<Vec<String>>,
    /// With these arguments; without, it is asked whether it could be done at all
    #[arg(long, value_name = "JSON")]
    arguments: Option<String>,
    /// At this moment
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// From this address
    #[arg(long, value_name = "ADDRESS")]
    peer: Option<IpAddr>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(explain: &Explain, judged: &Judged, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let asks = explain.asks()?;
    let (name, asked) = access::of(&asks);
    let caller = explain.caller(judged)?;
    let scene = Scene {
        server: server(judged, name)?,
        now: explain.at.unwrap_or_else(Timestamp::now),
        peer: explain.peer,
        hints: Hints::none(),
    };
    let document = explain.arguments.as_deref().map(access::arguments).transpose()?;
    let arguments = document.as_ref().map_or(Arguments::Unknown, |document| Arguments::Known(Some(document.root())));
    let engine = Engine::new(&judged.policy);
    let explanation = engine.held_by(access::caller(&caller), scene).explain(&asked, arguments);
    if explain.json {
        terminal.line(as_json(&explanation, &asks, &judged.policy.hash));
    } else {
        tell(&explanation, &asks, terminal);
    }
    Ok(Exit::Done)
}

impl Explain {
    fn asks(&self) -> anyhow::Result<Asks> {
        let two = |list: &Vec<String>| match list.as_slice() {
            [server, what] => Some((server.clone(), what.clone())),
            _ => None,
        };
        let asks = self.call.clone().map(Asks::Call);
        let asks = asks.or_else(|| self.get.clone().map(Asks::Get));
        let asks = asks.or_else(|| self.read.as_ref().and_then(two).map(Asks::Read));
        let asks = asks.or_else(|| self.method.as_ref().and_then(two).map(Asks::Method));
        asks.ok_or_else(|| anyhow::anyhow!("say what is asked: --call, --read, --get or --method"))
    }

    fn caller(&self, judged: &Judged) -> anyhow::Result<CaseCaller> {
        let known = &judged.known;
        let issuer = match &self.issuer {
            Some(issuer) => issuer.clone(),
            None if known.issuers.len() == 1 => known.issuers.first().cloned().unwrap_or_default(),
            None => anyhow::bail!("say whose caller it is: --issuer with one of {}", issuers(judged).join(", ")),
        };
        anyhow::ensure!(
            issuers(judged).contains(&issuer),
            "no issuer is called `{issuer}`; there are {}",
            issuers(judged).join(", ")
        );
        let is_token = known.issuers.contains(&issuer);
        let region = self.region.clone().or_else(|| known.region_of(&issuer));
        Ok(CaseCaller {
            issuer,
            subject: self.subject.clone(),
            client: self.client.clone(),
            groups: self.groups.clone(),
            claimed_roles: self.claimed_roles.clone(),
            tenant: self.tenant.clone(),
            region,
            attributes: self.attributes.clone(),
            scopes: is_token.then(|| self.scopes.clone()),
        })
    }
}

fn issuers(judged: &Judged) -> Vec<String> {
    let known = &judged.known;
    let others = [("api-key", known.api_keys), ("mtls", known.mtls), ("anonymous", !known.anonymous.is_empty())];
    let others = others.into_iter().filter(|(_, there)| *there).map(|(name, _)| name.to_owned());
    known.issuers.iter().cloned().chain(others).collect()
}

fn tell(explanation: &Explanation, asks: &Asks, terminal: &mut Terminal) {
    let verdict = &explanation.ruling.verdict;
    let by = verdict.rule().map(|rule| format!(" by {rule}")).unwrap_or_default();
    terminal.line(format_args!("{}: {}{by}", access::shown(asks), verdict.effect().as_str()));
    terminal.line(format_args!("  {}", verdict.because()));
    terminal.line("bindings");
    for binding in &explanation.bindings {
        let word = if binding.applies { "gives" } else { "is for others:" };
        terminal.line(format_args!("  {} {word} {}", binding.origin, binding.role));
    }
    terminal.line("grants");
    for grant in &explanation.grants {
        terminal.line(format_args!("  {} {} {}", grant.origin, grant.rule, grant.outcome));
    }
    terminal.line("rules");
    for rule in &explanation.rules {
        let shadow = if rule.shadow { " (shadow)" } else { "" };
        terminal.line(format_args!("  {} {} {}{shadow}", rule.origin, rule.rule, rule.outcome));
    }
}

fn as_json(explanation: &Explanation, asks: &Asks, hash: &str) -> serde_json::Value {
    let verdict = &explanation.ruling.verdict;
    let bindings: Vec<_> = explanation
        .bindings
        .iter()
        .map(|binding| json!({ "role": binding.role, "at": binding.origin.to_string(), "applies": binding.applies }))
        .collect();
    let grants: Vec<_> = explanation
        .grants
        .iter()
        .map(|grant| {
            json!({
                "rule": *grant.rule,
                "at": grant.origin.to_string(),
                "grants": grant.outcome == GrantOutcome::Grants,
                "outcome": grant.outcome.to_string(),
            })
        })
        .collect();
    let rules: Vec<_> = explanation
        .rules
        .iter()
        .map(|rule| {
            json!({
                "rule": *rule.rule,
                "at": rule.origin.to_string(),
                "shadow": rule.shadow,
                "reason": rule.reason.as_deref(),
                "denies": rule.outcome == RuleOutcome::Denies,
                "outcome": rule.outcome.to_string(),
            })
        })
        .collect();
    json!({
        "access": access::shown(asks),
        "effect": verdict.effect().as_str(),
        "rule": verdict.rule().map(|rule| &**rule),
        "because": verdict.because(),
        "policy": hash,
        "shadow": explanation.ruling.shadow.iter().map(|rule| &**rule).collect::<Vec<_>>(),
        "bindings": bindings,
        "grants": grants,
        "rules": rules,
    })
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(|| "write it as NAME=VALUE".to_owned())
}

fn slashed(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('/').filter(|(server, what)| !server.is_empty() && !what.is_empty());
    pair.map(|(server, what)| (server.to_owned(), what.to_owned()))
        .ok_or_else(|| "write the server before it: `crm/search`".to_owned())
}
