//! `yett servers quarantine`, `approve` and `revoke`: definitions that the injection scan has withheld.

use http::Method;
use serde_json::Value;

use super::super::offline::Offline;
use super::super::terminal::Terminal;
use crate::admin::{AdminClient, approved_definition, shown_quarantine, withheld_definition};
use crate::config::Config;

/// Arguments of `servers quarantine`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    shown: Shown,
    /// Print what each withheld definition says
    #[arg(long)]
    texts: bool,
}

/// Arguments of `servers approve`.
#[derive(Debug, clap::Args)]
pub(super) struct Approve {
    #[command(flatten)]
    definition: Definition,
    /// Who answers for it, as the record is to name them
    #[arg(long, value_name = "NAME")]
    by: String,
    /// Why: one line, for operators and the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    shown: Shown,
}

/// Arguments of `servers revoke`.
#[derive(Debug, clap::Args)]
pub(super) struct Revoke {
    #[command(flatten)]
    definition: Definition,
    /// Who asks for it, as the record is to name them
    #[arg(long, value_name = "NAME", default_value = "admin")]
    by: String,
    /// Why: one line, for operators and the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Debug, clap::Args)]
struct Definition {
    /// The server
    server: String,
    /// The tool, as its server names it
    tool: String,
    /// The definition's SHA-256, or eight or more of its first digits
    #[arg(long = "definition", value_name = "SHA256")]
    hash: String,
}

#[derive(Clone, Copy, Debug, clap::Args)]
struct Shown {
    /// Work on a stopped gateway
    #[arg(long)]
    offline: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is asked of one definition.
struct Order {
    approve: bool,
    definition: Definition,
    by: String,
    reason: String,
}

pub(super) async fn list(list: List, config: &Config, terminal: &mut Terminal) -> anyhow::Result<()> {
    run(None, (list.shown, list.texts), config, terminal).await
}

pub(super) async fn approve(command: Approve, config: &Config, terminal: &mut Terminal) -> anyhow::Result<()> {
    let Approve { definition, by, reason, shown } = command;
    anyhow::ensure!(!reason.is_empty(), "an approval needs a reason, for whoever looks at it later");
    run(Some(Order { approve: true, definition, by, reason }), (shown, false), config, terminal).await
}

pub(super) async fn revoke(command: Revoke, config: &Config, terminal: &mut Terminal) -> anyhow::Result<()> {
    let Revoke { definition, by, reason, shown } = command;
    run(Some(Order { approve: false, definition, by, reason }), (shown, false), config, terminal).await
}

async fn run(
    order: Option<Order>,
    (shown, texts): (Shown, bool),
    config: &Config,
    terminal: &mut Terminal,
) -> anyhow::Result<()> {
    let answer = if shown.offline { offline(order, config).await? } else { online(order, config).await? };
    if shown.json {
        terminal.line(answer);
    } else {
        show(&answer, texts, terminal);
    }
    Ok(())
}

async fn online(order: Option<Order>, config: &Config) -> anyhow::Result<Value> {
    let client = AdminClient::new(config.admin, &config.data_dir)?;
    let Some(Order { approve, definition, by, reason }) = order else {
        return Ok(client.call(Method::GET, "/v1/quarantine", None).await?);
    };
    // In a path a `+` is one; what forms write so is a space.
    let step = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("definition", &definition.hash).append_pair("requester", &by).append_pair("reason", &reason);
    let path = format!("/v1/quarantine/{}/{}?{}", step(&definition.server), step(&definition.tool), query.finish());
    Ok(client.call(if approve { Method::PUT } else { Method::DELETE }, &path, None).await?)
}

/// What a gateway has withheld it forgets when it stops: only whole hashes can be approved here.
async fn offline(order: Option<Order>, config: &Config) -> anyhow::Result<Value> {
    if let Some(Order { approve: true, definition, .. }) = &order {
        let known = config.servers.iter().any(|server| server.name == definition.server);
        anyhow::ensure!(known, "no server is named `{}`; see `yett servers list`", definition.server);
    }
    let offline = Offline::open(config).await?;
    let operations = &offline.operations;
    let done = match &order {
        Some(Order { approve: true, definition: Definition { server, tool, hash }, by, reason }) => {
            match withheld_definition(&[], server, tool, hash) {
                Ok(definition) => operations.approve_definition(definition, reason, by).await.map_err(Into::into),
                Err(what) => Err(anyhow::anyhow!(what)),
            }
        }
        Some(Order { approve: false, definition: Definition { server, tool, hash }, by, reason }) => {
            match approved_definition(&operations.approvals(), server, tool, hash) {
                Ok(definition) => operations.revoke_definition(&definition, reason, by).await.map_err(Into::into),
                Err(what) => Err(anyhow::anyhow!(what)),
            }
        }
        None => Ok(()),
    };
    let answer = shown_quarantine(&[], operations);
    offline.close().await;
    done.map(|()| answer)
}

fn show(answer: &Value, texts: bool, terminal: &mut Terminal) {
    let list = |key: &str| answer.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    // SECURITY: a server has chosen the name of the tool.
    let text = |of: &Value, key: &str| of.get(key).and_then(Value::as_str).unwrap_or_default().escape_debug().to_string();
    for held in list("withheld") {
        let is_approved = held.get("approved").and_then(Value::as_bool) == Some(true);
        let rules: Vec<_> = held.get("rules").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let hash = Some(text(held, "definition")).filter(|hash| !hash.is_empty());
        terminal.line(format_args!(
            "{}  {}/{}  {}  since {}  {}",
            if is_approved { "approved" } else { "withheld" },
            text(held, "server"),
            text(held, "tool"),
            hash.as_deref().unwrap_or("further definitions, which only a restart forgets"),
            text(held, "since"),
            rules.join(", ")
        ));
        if texts {
            let said = text(held, "text");
            terminal.line(format_args!("    {}", if said.is_empty() { "(too long to be kept)" } else { &said }));
        }
    }
    for approval in list("approvals") {
        terminal.line(format_args!(
            "approval  {}/{}  {}  by {}, {}: {}",
            text(approval, "server"),
            text(approval, "tool"),
            text(approval, "definition"),
            text(approval, "by"),
            text(approval, "at"),
            text(approval, "reason")
        ));
    }
    if list("withheld").is_empty() && list("approvals").is_empty() {
        terminal.line("nothing is withheld, and nothing approved");
    }
}
