//! `yett kill` and `yett unkill`.

use http::Method;
use serde_json::Value;

use super::keys::asked_by;
use super::offline::Offline;
use super::terminal::Terminal;
use super::{ConfigPath, Exit, load};
use crate::admin::AdminClient;
use crate::state::Switch;

/// Arguments of `kill`.
#[derive(Debug, clap::Args)]
pub(super) struct Kill {
    #[command(flatten)]
    order: Order,
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
    /// Who asks for it, as the record is to name them
    #[arg(long, value_name = "NAME", default_value = "admin")]
    requester: String,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Target {
    /// Every call
    #[arg(long)]
    all: bool,
    /// Calls to this server
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
}

pub(super) async fn kill(command: Kill, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    run(command.order, true, terminal).await
}

pub(super) async fn unkill(command: Unkill, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    run(command.order, false, terminal).await
}

async fn run(order: Order, on: bool, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let Some(config) = load(&order.path, terminal) else {
        return Ok(Exit::Bad);
    };
    let switch = match order.target.server {
        Some(server) => Switch::Server(server),
        None => Switch::All,
    };
    if let Switch::Server(name) = &switch
        && !config.servers.iter().any(|server| server.name == *name)
    {
        anyhow::bail!("no server is named `{name}`");
    }
    let left = if order.offline {
        let offline = Offline::open(&config).await?;
        let set = offline.operations.set_switch(&switch, on, &order.requester).await;
        let left = offline.operations.switches();
        offline.close().await;
        set?;
        left
    } else {
        let client = AdminClient::new(config.admin, &config.data_dir)?;
        let method = if on { Method::PUT } else { Method::DELETE };
        let answer = client.call(method, &format!("/v1/switches/{}?{}", switch.name(), asked_by(&order.requester)), None).await?;
        let left = answer.get("on").and_then(Value::as_array).into_iter().flatten();
        left.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    terminal.line(if left.is_empty() { "nothing is stopped".to_owned() } else { format!("stopped: {}", left.join(", ")) });
    Ok(Exit::Done)
}
