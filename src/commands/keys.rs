//! `yett keys`: through the admin API of the running gateway, so that it is a record; with `--offline` on a stopped one.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::offline::Offline;
use super::terminal::Terminal;
use super::{ConfigPath, Exit, load, master};
use crate::admin::{AdminClient, Operations};
use crate::config::Config;
use crate::secret::Secret;
use crate::state::{ApiKey, KeyStatus, NewKey};

/// Arguments of `keys`.
#[derive(Debug, clap::Args)]
pub(super) struct Keys {
    #[command(flatten)]
    path: ConfigPath,
    /// Work on a stopped gateway
    #[arg(long, global = true)]
    offline: bool,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    /// Who asks for it, as the record is to name them
    #[arg(long, global = true, value_name = "NAME", default_value = "admin")]
    requester: String,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key; its secret is shown once
    Create {
        /// Who the caller is then
        #[arg(long)]
        subject: String,
        /// A group of theirs, for bindings; may be given more than once
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
        /// Their tenant
        #[arg(long)]
        tenant: Option<String>,
        /// From when on it is refused: `90d`, `12h`, or a time such as 2027-01-01T00:00:00Z
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
    },
    /// List keys, without secrets
    List,
    /// Give a key a new secret; the old one stops at once
    Rotate {
        /// The key's id
        id: String,
    },
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

pub(super) async fn run(command: Keys, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let Some(config) = load(&command.path, terminal) else {
        return Ok(Exit::Bad);
    };
    if let Action::RotateMaster { new } = &command.action {
        if !command.offline {
            bail!("a running gateway holds the key that is to go: stop it, and say `--offline`");
        }
        return master::rotate(&config, new, &command.requester, terminal).await;
    }
    let answer = if command.offline { offline(&config, &command).await? } else { online(&config, &command).await? };
    if command.json {
        terminal.line(&answer);
    } else {
        show(&answer, terminal);
    }
    Ok(Exit::Done)
}

async fn online(config: &Config, command: &Keys) -> anyhow::Result<Value> {
    let client = AdminClient::new(config.admin, &config.data_dir)?;
    let requester = &command.requester;
    let by = asked_by(requester);
    let (method, path, body) = match &command.action {
        Action::Create { subject, groups, tenant, expires } => {
            let expires = expires.as_deref().map(|text| expiry(text, Timestamp::now())).transpose()?;
            let body = json!({
                "subject": subject, "groups": groups, "tenant": tenant, "expires": expires, "requester": requester,
            });
            (Method::POST, "/v1/keys".to_owned(), Some(body))
        }
        // Never asked: it needs a stopped gateway.
        Action::RotateMaster { .. } | Action::List => (Method::GET, "/v1/keys".to_owned(), None),
        Action::Rotate { id } => (Method::POST, format!("/v1/keys/{}/rotate?{by}", plain(id)?), None),
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
    let answer = apply(&offline.operations, &command.action, &command.requester).await;
    // An operation that failed is no crash either.
    offline.close().await;
    answer
}

async fn apply(operations: &Operations, action: &Action, requester: &str) -> anyhow::Result<Value> {
    Ok(match action {
        Action::Create { subject, groups, tenant, expires } => {
            let expires = expires.as_deref().map(|text| expiry(text, operations.now())).transpose()?;
            let new = NewKey { subject: subject.clone(), groups: groups.clone(), tenant: tenant.clone(), expires };
            made(&operations.create_key(new, requester).await?)
        }
        Action::RotateMaster { .. } | Action::List => {
            json!({ "keys": operations.keys().iter().map(|key| shown(key)).collect::<Vec<_>>() })
        }
        Action::Rotate { id } => made(&operations.rotate_key(id, requester).await?),
        Action::Revoke { id } => json!({ "key": shown(&*operations.revoke_key(id, requester).await?) }),
    })
}

fn made((key, secret): &(Arc<ApiKey>, Secret<String>)) -> Value {
    json!({ "key": shown(key), "secret": secret.expose() })
}

fn shown(key: &ApiKey) -> Value {
    let status = match key.status(Timestamp::now()) {
        KeyStatus::Active => "active",
        KeyStatus::Expired => "expired",
        KeyStatus::Revoked => "revoked",
    };
    json!({
        "id": &*key.id, "subject": &*key.subject, "groups": key.groups, "tenant": key.tenant.as_deref(),
        "created": key.created, "expires": key.expires, "status": status,
    })
}

fn show(answer: &Value, terminal: &mut Terminal) {
    if let Some(secret) = answer.get("secret").and_then(Value::as_str) {
        terminal.note("The secret is shown this once; only a keyed hash of it is kept.");
        terminal.line(secret);
        return;
    }
    if let Some(keys) = answer.get("keys").and_then(Value::as_array) {
        terminal.line(format_args!("{:<14} {:<9} {:<24} {:<20} EXPIRES", "ID", "STATUS", "SUBJECT", "GROUPS"));
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
    let text = |name: &str| key.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    let groups = key.get("groups").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let groups = groups.collect::<Vec<_>>().join(",");
    format!("{:<14} {:<9} {:<24} {groups:<20} {}", text("id"), text("status"), text("subject"), text("expires"))
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
fn plain(id: &str) -> anyhow::Result<&str> {
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        bail!("`{id}` is not a key id; see `yett keys list`");
    }
    Ok(id)
}
