//! `yett keys`: through the admin API of the running gateway, so that it is a record; with `--offline` on a stopped one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::offline::{Offline, Order};
use super::terminal::Terminal;
use super::{Exit, load, master};
use crate::admin::{AdminClient, MAX_OVERLAP, Operations, check_key, shown_key};
use crate::config::Config;
use crate::secret::Secret;
use crate::state::{ApiKey, NewKey, Rotation};

/// Arguments of `keys`.
#[derive(Debug, clap::Args)]
pub(super) struct Keys {
    #[command(flatten)]
    order: Order,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key; its secret is shown once
    Create(Create),
    /// List keys, without secrets
    List,
    /// Give a key a new secret; the caller stays the same
    Rotate(Rotate),
    /// Put everything under another master key; with `--offline` only
    RotateMaster {
        /// The new key: 32 bytes, or text of at least 32 characters
        #[arg(long, value_name = "FILE")]
        new: PathBuf,
    },
    /// Refuse a key from now on
    Revoke {
        /// The key's id
        id: String,
    },
}

#[derive(Debug, clap::Args)]
struct Create {
    /// Who the caller is then
    #[arg(long)]
    subject: String,
    /// A group of theirs, for bindings; may be given more than once
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// A role that they claim: bindings may ask for it (`claimed_roles`), it grants nothing; may be given more than once
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// Their tenant
    #[arg(long)]
    tenant: Option<String>,
    /// A server that the key is good for, in the place of all; may be given more than once
    #[arg(long = "server", value_name = "SERVER")]
    servers: Vec<String>,
    /// From when on it is refused: `90d`, `12h`, or a time such as 2027-01-01T00:00:00Z
    ///
    /// Without it a key has no end of its own, but its secret grows too old (`identity.api_keys.max_age`).
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Rotate {
    /// The key's id
    id: String,
    /// How long the old secret is good still: `24h`, `7d`; without it, it stops at once
    #[arg(long, value_name = "TIME")]
    overlap: Option<String>,
    /// From when on the key is refused, in the place of what was said before
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
}

pub(super) async fn run(command: Keys, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let Some(config) = load(&command.order.path, terminal) else {
        return Ok(Exit::Bad);
    };
    if let Action::RotateMaster { new } = &command.action {
        if !command.order.offline {
            bail!("a running gateway holds the key that is to go: stop it, and say `--offline`");
        }
        return master::rotate(&config, new, &command.order.requester, terminal).await;
    }
    let answer = if command.order.offline { offline(&config, &command).await? } else { online(&config, &command).await? };
    if command.order.json {
        terminal.line(&answer);
    } else {
        show(&answer, terminal);
    }
    Ok(Exit::Done)
}

async fn online(config: &Config, command: &Keys) -> anyhow::Result<Value> {
    let client = AdminClient::new(config.admin, &config.data_dir)?;
    let requester = &command.order.requester;
    let by = asked_by(requester);
    let (method, path, body) = match &command.action {
        Action::Create(create) => {
            let NewKey { subject, groups, roles, tenant, servers, expires } = create.key(Timestamp::now())?;
            let body = json!({
                "subject": subject, "groups": groups, "roles": roles, "tenant": tenant, "servers": servers.unwrap_or_default(),
                "expires": expires, "requester": requester,
            });
            (Method::POST, "/v1/keys".to_owned(), Some(body))
        }
        // Never asked: it needs a stopped gateway.
        Action::RotateMaster { .. } | Action::List => (Method::GET, "/v1/keys".to_owned(), None),
        Action::Rotate(rotate) => {
            let Rotation { overlap, expires } = rotate.rotation(Timestamp::now())?;
            let body = json!({ "overlap": overlap.as_secs(), "expires": expires, "requester": requester });
            (Method::POST, format!("/v1/keys/{}/rotate", plain(&rotate.id)?), Some(body))
        }
        Action::Revoke { id } => (Method::DELETE, format!("/v1/keys/{}?{by}", plain(id)?), None),
    };
    Ok(client.call(method, &path, body).await?)
}

/// The query of a request without a body.
pub(super) fn asked_by(requester: &str) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair("requester", requester).finish()
}

async fn offline(config: &Config, command: &Keys) -> anyhow::Result<Value> {
    let offline = Offline::open(config).await?;
    let answer = apply(&offline.operations, command, config).await;
    // An operation that failed is no crash either.
    offline.close().await;
    answer
}

async fn apply(operations: &Operations, command: &Keys, config: &Config) -> anyhow::Result<Value> {
    let (aging, now, requester) = (operations.aging(), operations.now(), &command.order.requester);
    let shown = |key: &ApiKey| shown_key(key, aging, now);
    let made = |(key, secret): &(Arc<ApiKey>, Secret<String>)| json!({ "key": shown(key), "secret": secret.expose() });
    Ok(match &command.action {
        Action::Create(create) => {
            let new = create.key(now)?;
            check_key(&new, config.servers.iter().map(|server| &server.name)).map_err(anyhow::Error::msg)?;
            made(&operations.create_key(new, requester).await?)
        }
        Action::RotateMaster { .. } | Action::List => {
            json!({ "keys": operations.keys().iter().map(|key| shown(key)).collect::<Vec<_>>() })
        }
        Action::Rotate(rotate) => made(&operations.rotate_key(&rotate.id, rotate.rotation(now)?, requester).await?),
        Action::Revoke { id } => json!({ "key": shown(&*operations.revoke_key(id, requester).await?) }),
    })
}

impl Create {
    fn key(&self, now: Timestamp) -> anyhow::Result<NewKey> {
        let Self { subject, groups, roles, tenant, servers, expires } = self;
        Ok(NewKey {
            subject: subject.clone(),
            groups: groups.clone(),
            roles: roles.clone(),
            tenant: tenant.clone(),
            servers: (!servers.is_empty()).then(|| servers.clone()),
            expires: expires.as_deref().map(|text| expiry(text, now)).transpose()?,
        })
    }
}

impl Rotate {
    fn rotation(&self, now: Timestamp) -> anyhow::Result<Rotation> {
        let overlap = match self.overlap.as_deref() {
            None => Duration::ZERO,
            Some(text) => crate::config::parse_duration(text)
                .filter(|overlap| *overlap <= MAX_OVERLAP)
                .with_context(|| format!("`{text}` is no overlap: write a duration such as `24h`, up to `90d`"))?,
        };
        Ok(Rotation { overlap, expires: self.expires.as_deref().map(|text| expiry(text, now)).transpose()? })
    }
}

fn show(answer: &Value, terminal: &mut Terminal) {
    if let Some(secret) = answer.get("secret").and_then(Value::as_str) {
        terminal.note("The secret is shown this once; only a keyed hash of it is kept.");
        terminal.line(secret);
        return;
    }
    if let Some(keys) = answer.get("keys").and_then(Value::as_array) {
        let heads = ["ID", "STATUS", "SUBJECT", "GROUPS", "LAST USED", "REFUSED FROM"];
        let [id, status, subject, groups, used, end] = heads;
        terminal.line(format_args!("{id:<14} {status:<8} {subject:<24} {groups:<20} {used:<20} {end}"));
        for key in keys {
            terminal.line(row(key));
        }
        return;
    }
    if let Some(key) = answer.get("key") {
        terminal.line(row(key));
    }
}

fn row(key: &Value) -> String {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("-").to_owned();
    let member = |name: &str| text(key.get(name));
    let groups = key.get("groups").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let groups = groups.collect::<Vec<_>>().join(",");
    let [id, status, subject, used] = ["id", "status", "subject", "last_used"].map(member);
    let row = format!("{id:<14} {status:<8} {subject:<24} {groups:<20} {used:<20} {}", second(&member("end")));
    let Some(former) = key.get("former_secret").filter(|former| former.is_object()) else { return row };
    let (until, used) = (second(&text(former.get("until"))), text(former.get("last_used")));
    format!("{row}\n{:<14} its former secret is good until {until}, last used {used}", "")
}

/// A time without its fraction.
fn second(time: &str) -> String {
    time.split_once('.').map_or_else(|| time.to_owned(), |(whole, _)| format!("{whole}Z"))
}

/// A duration from now on, or a time.
fn expiry(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let duration = crate::config::parse_duration(text)
        .with_context(|| format!("`{text}` is neither a duration such as `90d` nor a time such as 2027-01-01T00:00:00Z"))?;
    Ok(now.checked_add(duration)?)
}

/// An id is put into a path: nothing else may be in it.
pub(super) fn plain(id: &str) -> anyhow::Result<&str> {
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        bail!("`{id}` is not a key id; see `yett keys list`");
    }
    Ok(id)
}
