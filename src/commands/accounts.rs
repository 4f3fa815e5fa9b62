//! `yett accounts`: what callers have connected at servers. Through the admin API of the running gateway, so that it is a record; with
//! `--offline` on a stopped one.

use clap::Subcommand;
use http::Method;
use serde_json::{Value, json};

use super::keys::{asked_by, plain};
use super::offline::{Offline, Order};
use super::terminal::Terminal;
use super::{Exit, load};
use crate::admin::{AdminClient, Operations, shown_account};
use crate::config::Config;

/// Arguments of `accounts`.
#[derive(Debug, clap::Args)]
pub(super) struct Accounts {
    #[command(flatten)]
    order: Order,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List accounts, without tokens
    List,
    /// Take an account away: its caller has to connect it again; with `--offline` its authorization server is not told
    Revoke {
        /// The account's id
        id: String,
    },
}

pub(super) async fn run(command: Accounts, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let Some(config) = load(&command.order.path, terminal) else {
        return Ok(Exit::Bad);
    };
    let answer = if command.order.offline { offline(&config, &command).await? } else { online(&config, &command).await? };
    if command.order.json {
        terminal.line(&answer);
    } else {
        show(&answer, terminal);
    }
    Ok(Exit::Done)
}

async fn online(config: &Config, command: &Accounts) -> anyhow::Result<Value> {
    let client = AdminClient::new(config.admin, &config.data_dir)?;
    let (method, path) = match &command.action {
        Action::List => (Method::GET, "/v1/accounts".to_owned()),
        Action::Revoke { id } => (Method::DELETE, format!("/v1/accounts/{}?{}", plain(id)?, asked_by(&command.order.requester))),
    };
    Ok(client.call(method, &path, None).await?)
}

async fn offline(config: &Config, command: &Accounts) -> anyhow::Result<Value> {
    let offline = Offline::open(config).await?;
    let answer = apply(&offline.operations, command).await;
    offline.close().await;
    answer
}

async fn apply(operations: &Operations, command: &Accounts) -> anyhow::Result<Value> {
    Ok(match &command.action {
        Action::List => json!({ "accounts": operations.accounts().await?.iter().map(shown_account).collect::<Vec<_>>() }),
        Action::Revoke { id } => {
            let (account, _tokens) = operations.revoke_account(id, &command.order.requester).await?;
            json!({ "account": shown_account(&account) })
        }
    })
}

fn show(answer: &Value, terminal: &mut Terminal) {
    if let Some(accounts) = answer.get("accounts").and_then(Value::as_array) {
        let [id, server, subject, issuer, connected, renewed] = ["ID", "SERVER", "SUBJECT", "ISSUER", "CONNECTED", "RENEWED"];
        terminal.line(format_args!("{id:<16} {server:<16} {subject:<24} {issuer:<12} {connected:<20} {renewed}"));
        for account in accounts {
            terminal.line(row(account));
        }
    } else if let Some(account) = answer.get("account") {
        terminal.line(row(account));
    }
}

fn row(account: &Value) -> String {
    let text = |name: &str| account.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    let time = |name: &str| text(name).split('.').next().unwrap_or("-").trim_end_matches('Z').to_owned();
    let (id, server, subject, issuer) = (text("id"), text("server"), text("subject"), text("issuer"));
    format!("{id:<16} {server:<16} {subject:<24} {issuer:<12} {:<20} {}", time("connected"), time("renewed"))
}
