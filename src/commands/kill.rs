//! `yett kill` and `yett unkill`.

use std::collections::BTreeSet;

use http::Method;
use serde_json::Value;

use super::offline::Offline;
use super::terminal::Terminal;
use super::{ConfigPath, Exit, load};
use crate::admin::{AdminClient, shown_stops};
use crate::config::Config;
use crate::state::Switch;

/// Arguments of `kill`.
#[derive(Debug, clap::Args)]
pub(super) struct Kill {
    #[command(flatten)]
    order: Order,
    /// Why: one line, for operators and the record. Callers never see it
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Show what is stopped, and stop nothing
    #[arg(long, group = "what", conflicts_with = "reason")]
    list: bool,
}

/// Arguments of `unkill`.
#[derive(Debug, clap::Args)]
pub(super) struct Unkill {
    #[command(flatten)]
    order: Order,
}

#[derive(Debug, clap::Args)]
struct Order {
    #[command(flatten)]
    path: ConfigPath,
    #[command(flatten)]
    target: Target,
    /// Work on a stopped gateway
    #[arg(long)]
    offline: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Who asks for it, as the record is to name them
    #[arg(long, value_name = "NAME", default_value = "admin")]
    requester: String,
}

#[derive(Debug, clap::Args)]
#[group(id = "what", required = true, multiple = false)]
struct Target {
    /// Every call
    #[arg(long)]
    all: bool,
    /// Calls to this server
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Calls of this tool
    #[arg(long, value_name = "SERVER/TOOL")]
    tool: Option<String>,
    /// Everything that this caller does
    #[arg(long, value_name = "ISSUER/SUBJECT")]
    principal: Option<String>,
    /// Everything that callers of this tenant do
    #[arg(long, value_name = "ISSUER/TENANT")]
    tenant: Option<String>,
    /// Everything in this legacy session, as records name it (`sess`)
    #[arg(long, value_name = "DIGITS")]
    session: Option<String>,
    /// The name that `kill --list` shows
    #[arg(long, value_name = "NAME")]
    switch: Option<String>,
}

impl Target {
    fn switch(&self) -> anyhow::Result<Switch> {
        let Self { all: _, server, tool, principal, tenant, session, switch } = self;
        let pairs = [
            ("tool", tool, "SERVER/TOOL"),
            ("principal", principal, "ISSUER/SUBJECT"),
            ("tenant", tenant, "ISSUER/TENANT"),
            ("session", session, "16 hexadecimal digits"),
        ];
        for (kind, given, form) in pairs {
            let Some(given) = given else { continue };
            let switch = Switch::from_name(&format!("{kind}:{given}"));
            anyhow::ensure!(!matches!(switch, Switch::Unknown(_)), "`--{kind} {given}`: write it as {form}");
            return Ok(switch);
        }
        Ok(match (server, switch) {
            (Some(server), _) => Switch::Server(server.clone()),
            (None, Some(name)) => Switch::from_name(name),
            (None, None) => Switch::All,
        })
    }
}

pub(super) async fn kill(command: Kill, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    run(command.order, (!command.list).then_some((true, command.reason)), terminal).await
}

pub(super) async fn unkill(command: Unkill, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    run(command.order, Some((false, String::new())), terminal).await
}

/// `what` is whether to stop, and why; `None` only looks.
async fn run(order: Order, what: Option<(bool, String)>, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let Some(config) = load(&order.path, terminal) else {
        return Ok(Exit::Bad);
    };
    let set = match what {
        Some((on, reason)) => Some((named(&order.target, on, &config)?, on, reason)),
        None => None,
    };
    let answer = if order.offline {
        let offline = Offline::open(&config).await?;
        let done = match &set {
            Some((switch, on, reason)) => offline.operations.switch_for(switch, *on, reason, &order.requester).await,
            None => Ok(()),
        };
        let answer = shown_stops(&offline.operations);
        offline.close().await;
        done?;
        answer
    } else {
        let client = AdminClient::new(config.admin, &config.data_dir)?;
        match &set {
            None => client.call(Method::GET, "/v1/switches", None).await?,
            Some((switch, on, reason)) => {
                let method = if *on { Method::PUT } else { Method::DELETE };
                // In a path a `+` is one; what forms write so is a space.
                let name = form_urlencoded::byte_serialize(switch.name().as_bytes()).collect::<String>().replace('+', "%20");
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.append_pair("requester", &order.requester).append_pair("reason", reason);
                client.call(method, &format!("/v1/switches/{name}?{}", query.finish()), None).await?
            }
        }
    };
    show(&answer, order.json, set.is_none(), terminal);
    Ok(Exit::Done)
}

/// The switch that was asked for. One that is to be turned on must name what is configured; what is on can always be turned off.
fn named(target: &Target, on: bool, config: &Config) -> anyhow::Result<Switch> {
    let switch = target.switch()?;
    let servers = || config.servers.iter().map(|server| server.name.clone()).collect::<BTreeSet<_>>();
    let (what, name, known) = match &switch {
        Switch::Server(server) | Switch::Tool { server, .. } => ("server", server, servers()),
        Switch::Principal { issuer, .. } | Switch::Tenant { issuer, .. } => ("issuer", issuer, config.identity.names()),
        Switch::Unknown(name) if on => anyhow::bail!("no switch is named `{name}`; see `yett kill --list`"),
        Switch::All | Switch::Session(_) | Switch::Unknown(_) => return Ok(switch),
    };
    if on && !known.contains(name) {
        let known: Vec<_> = known.iter().map(String::as_str).collect();
        anyhow::bail!("no {what} is named `{name}`; there are: {}", known.join(", "));
    }
    Ok(switch)
}

fn show(answer: &Value, json: bool, with_reasons: bool, terminal: &mut Terminal) {
    if json {
        terminal.line(answer.to_string());
        return;
    }
    let list = |key: &str| answer.get(key).and_then(Value::as_array).into_iter().flatten();
    if with_reasons {
        for stop in list("switches") {
            let text = |key: &str| stop.get(key).and_then(Value::as_str).unwrap_or_default();
            terminal.line(format!("{}  {}", text("name"), text("reason")).trim_end().to_owned());
        }
    }
    let names: Vec<_> = list("on").filter_map(Value::as_str).collect();
    if names.is_empty() {
        terminal.line("nothing is stopped".to_owned());
    } else if !with_reasons {
        terminal.line(format!("stopped: {}", names.join(", ")));
    }
}
