//! `yett reload`.

use http::Method;
use serde_json::Value;

use super::terminal::Terminal;
use super::{ConfigPath, Exit, load};
use crate::admin::{AdminClient, ClientError};

/// Asks the running gateway to read its configuration again. A mistake in it is told without asking.
pub(super) async fn run(path: ConfigPath, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let Some(config) = load(&path, terminal) else {
        return Ok(Exit::Bad);
    };
    let client = AdminClient::new(config.admin, &config.data_dir)?;
    match client.call(Method::POST, "/v1/reload", None).await {
        Ok(answer) => {
            let said = |name| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let changed = answer.get("changed").and_then(Value::as_bool).unwrap_or_default();
            terminal.line(if changed { "in force" } else { "nothing has changed" });
            terminal.line(format!("policy {}", said("policy")));
            terminal.line(format!("configuration {}", said("configuration")));
            terminal.line(format!("audit {}", said("mode")));
            Ok(Exit::Done)
        }
        Err(ClientError::Refused { message, .. }) => {
            terminal.note(&message);
            Ok(Exit::Bad)
        }
        Err(error) => Err(error.into()),
    }
}
