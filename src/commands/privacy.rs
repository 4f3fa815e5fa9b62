//! `yett audit erase`, `hold`, `expire`: through the admin API of the running gateway; with `--offline` on a stopped one.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::offline::Offline;
use super::terminal::Terminal;
use super::{ConfigPath, Exit, load};
use crate::admin::{AdminClient, HeldToken, Operations, Order, exported_json, shown_content};
use crate::config::Config;
use crate::vault::Identity;

/// Most pseudonyms the admin API reveals at once.
const REVEALED: usize = 1_000;

/// Longest wait for an answer that takes reading all logs.
const READING: Duration = Duration::from_hours(1);

/// Where and how an operation is done.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    #[command(flatten)]
    pub(super) path: ConfigPath,
    /// Work on a stopped gateway
    #[arg(long)]
    offline: bool,
    /// Who asks for it, as the record is to name them; no name of the caller it is about
    #[arg(long, value_name = "NAME", default_value = "admin")]
    requester: String,
}

impl Place {
    pub(super) fn path(&self) -> &ConfigPath {
        &self.path
    }

    pub(super) fn is_offline(&self) -> bool {
        self.offline
    }

    pub(super) fn requester(&self) -> &str {
        &self.requester
    }
}

/// Whom an operation is about, and why.
#[derive(Debug, clap::Args)]
pub(super) struct About {
    /// The issuer's name (`api-key` for API keys) and the subject
    #[arg(long, num_args = 2, value_names = ["ISSUER", "SUBJECT"], required = true)]
    subject: Vec<String>,
    /// The legal ground, or a reference to it; stays in the log
    #[arg(long, value_name = "TEXT")]
    basis: String,
    /// Who has approved it; stays in the log
    #[arg(long, value_name = "NAME")]
    approver: String,
    #[command(flatten)]
    place: Place,
}

/// Arguments of `audit hold`.
#[derive(Debug, clap::Args)]
pub(super) struct Hold {
    /// Lift the hold
    #[arg(long)]
    release: bool,
    #[command(flatten)]
    about: About,
}

/// Arguments of `audit expire`.
#[derive(Debug, clap::Args)]
pub(super) struct Expire {
    /// The host's clock is right, though it has moved by more than time can have passed
    #[arg(long)]
    trust_clock: bool,
    #[command(flatten)]
    place: Place,
}

/// One operation, as it goes over the admin API and as it is done offline.
pub(super) enum Task {
    Erase(Order),
    Hold(Order, bool),
    Expire(bool),
    Reveal(Vec<String>),
    Find(Identity),
    Content(Uuid),
    Export(Identity),
    RevealToken(HeldToken),
    ForgetToken(HeldToken),
}

pub(super) async fn erase(about: About, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let (order, place) = about.order()?;
    let Some(answer) = carry_out(&place, Task::Erase(order), terminal).await? else { return Ok(Exit::Bad) };
    let names = texts(&answer, "pseudonyms");
    terminal
        .line(format_args!("erased; in the log remain: {}", if names.is_empty() { "none".to_owned() } else { names.join(" ") }));
    Ok(Exit::Done)
}

pub(super) async fn hold(hold: Hold, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let (order, place) = hold.about.order()?;
    let Some(answer) = carry_out(&place, Task::Hold(order, !hold.release), terminal).await? else { return Ok(Exit::Bad) };
    let done = if hold.release { "released" } else { "held" };
    terminal.line(format_args!("{done}: {}", texts(&answer, "pseudonyms").join(" ")));
    Ok(Exit::Done)
}

pub(super) async fn expire(expire: Expire, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let Some(answer) = carry_out(&expire.place, Task::Expire(expire.trust_clock), terminal).await? else { return Ok(Exit::Bad) };
    match answer.get("month").and_then(Value::as_str) {
        Some(month) => {
            let count = |of: &str| answer.get(of).and_then(Value::as_u64).unwrap_or(0);
            let (keys, tokens) = (count("keys"), count("tokens"));
            terminal.line(format_args!("destroyed: {keys} keys and {tokens} tokens, of {month} and before"));
        }
        None => terminal.line("nothing is old enough"),
    }
    Ok(Exit::Done)
}

/// Who is behind pseudonyms: `issuer` and `subject` of each that still has somebody.
pub(super) async fn reveal(
    place: &Place,
    names: Vec<String>,
    terminal: &mut Terminal,
) -> anyhow::Result<Option<BTreeMap<String, Value>>> {
    let mut known = BTreeMap::new();
    for names in names.chunks(REVEALED) {
        let Some(mut answer) = carry_out(place, Task::Reveal(names.to_vec()), terminal).await? else { return Ok(None) };
        let revealed = answer.get_mut("revealed").and_then(Value::as_object_mut).map(std::mem::take);
        known.extend(revealed.into_iter().flatten());
    }
    Ok(Some(known))
}

/// All pseudonyms of somebody.
pub(super) async fn find(place: &Place, who: Identity, terminal: &mut Terminal) -> anyhow::Result<Option<Vec<String>>> {
    let answer = carry_out(place, Task::Find(who), terminal).await?;
    Ok(answer.map(|answer| texts(&answer, "pseudonyms")))
}

/// What was captured of a call: `kind`, `sha256` and `text` of each text.
pub(super) async fn content(place: &Place, call: Uuid, terminal: &mut Terminal) -> anyhow::Result<Option<Vec<Value>>> {
    let answer = carry_out(place, Task::Content(call), terminal).await?;
    Ok(answer.map(|answer| answer.get("contents").and_then(Value::as_array).cloned().unwrap_or_default()))
}

/// Does it where `place` says. `None`: the configuration is bad, and the terminal says why.
pub(super) async fn carry_out(place: &Place, task: Task, terminal: &mut Terminal) -> anyhow::Result<Option<Value>> {
    let Some(config) = load(&place.path, terminal) else { return Ok(None) };
    answer_to(&config, place, &task).await.map(Some)
}

pub(super) async fn answer_to(config: &Config, place: &Place, task: &Task) -> anyhow::Result<Value> {
    if place.offline { offline(config, task, &place.requester).await } else { online(config, task, &place.requester).await }
}

async fn online(config: &Config, task: &Task, requester: &str) -> anyhow::Result<Value> {
    let order = |order: &Order| {
        let Identity { issuer, subject } = &order.who;
        json!({ "issuer": issuer, "subject": subject, "basis": order.basis, "approver": order.approver, "requester": requester })
    };
    let token = |HeldToken { issuer, tenant, purpose, token }: &HeldToken| json!({ "issuer": issuer, "tenant": tenant, "purpose": purpose, "token": token.expose(), "requester": requester });
    let (path, body) = match task {
        Task::Erase(about) => ("/v1/vault/erase", order(about)),
        Task::Hold(about, true) => ("/v1/vault/hold", order(about)),
        Task::Hold(about, false) => ("/v1/vault/release", order(about)),
        Task::Expire(trust) => ("/v1/vault/expire", json!({ "trust_clock": trust, "requester": requester })),
        Task::Reveal(names) => ("/v1/vault/reveal", json!({ "pseudonyms": names, "requester": requester })),
        Task::Find(Identity { issuer, subject }) => {
            ("/v1/vault/pseudonyms", json!({ "issuer": issuer, "subject": subject, "requester": requester }))
        }
        Task::Export(Identity { issuer, subject }) => {
            ("/v1/vault/export", json!({ "issuer": issuer, "subject": subject, "requester": requester }))
        }
        Task::Content(call) => ("/v1/vault/content", json!({ "call": call.to_string(), "requester": requester })),
        Task::RevealToken(held) => ("/v1/vault/token/reveal", token(held)),
        Task::ForgetToken(held) => ("/v1/vault/token/forget", token(held)),
    };
    let client = AdminClient::new(config.admin, &config.data_dir)?;
    let client = if matches!(task, Task::Export(_)) { client.patient(READING) } else { client };
    Ok(client.call(Method::POST, path, Some(body)).await?)
}

async fn offline(config: &Config, task: &Task, requester: &str) -> anyhow::Result<Value> {
    let offline = Offline::open(config).await?;
    let answer = apply(&offline.operations, task, requester).await;
    // An operation that was refused is no crash.
    offline.close().await;
    answer
}

async fn apply(operations: &Operations, task: &Task, requester: &str) -> anyhow::Result<Value> {
    let privacy = operations.privacy();
    Ok(match task {
        Task::Erase(order) => json!({ "pseudonyms": privacy.erase(order).await? }),
        Task::Hold(order, on) => json!({ "pseudonyms": privacy.hold(order, *on).await? }),
        Task::Expire(trust) => {
            let expired = privacy.expire(*trust, requester).await?;
            let month = expired.map(|expired| expired.month.to_string());
            let (keys, tokens) = expired.map_or((0, 0), |expired| (expired.keys, expired.tokens));
            json!({ "month": month, "keys": keys, "tokens": tokens })
        }
        Task::Reveal(names) => {
            let revealed = privacy.reveal(names, requester).await?.into_iter();
            let shown = revealed.map(|(name, who)| (name, json!({ "issuer": who.issuer, "subject": who.subject })));
            json!({ "revealed": shown.collect::<serde_json::Map<_, _>>() })
        }
        Task::Content(call) => json!({ "contents": shown_content(&privacy.content(*call, requester).await?) }),
        Task::Export(who) => exported_json(&privacy.export(who, requester).await?),
        Task::RevealToken(held) => json!({ "value": privacy.reveal_token(held, requester).await?.expose() }),
        Task::ForgetToken(held) => json!({ "row": privacy.forget_token(held, requester).await? }),
        Task::Find(who) => json!({ "pseudonyms": privacy.pseudonyms(who, requester).await? }),
    })
}

impl About {
    fn order(self) -> anyhow::Result<(Order, Place)> {
        let who = identity(self.subject)?;
        let requester = self.place.requester.clone();
        Ok((Order { who, basis: self.basis, approver: self.approver, requester }, self.place))
    }
}

/// `ISSUER SUBJECT`, as two values of one flag.
pub(super) fn identity(values: Vec<String>) -> anyhow::Result<Identity> {
    match <[String; 2]>::try_from(values) {
        Ok([issuer, subject]) => Ok(Identity { issuer, subject }),
        Err(_) => anyhow::bail!("`--subject` takes the issuer's name and the subject"),
    }
}

pub(super) fn texts(answer: &Value, key: &str) -> Vec<String> {
    let list = answer.get(key).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}
