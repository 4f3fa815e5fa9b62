//! `yett tokens`: through the admin API of the running gateway; with `--offline` on a stopped one.

use std::io::{IsTerminal as _, Read as _};

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::Value;

use super::Exit;
use super::privacy::{Place, Task, carry_out};
use super::terminal::Terminal;
use crate::admin::HeldToken;
use crate::secret::Secret;

/// Longest text that is read as a token.
const LONGEST: u64 = 1024;

/// Arguments of `tokens`.
#[derive(Debug, clap::Args)]
pub(super) struct Tokens {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the value behind a token; recorded before it is shown
    Reveal(About),
    /// Destroy what leads from a token to its value; recorded before it is done
    Forget(About),
}

/// Which token.
#[derive(Debug, clap::Args)]
struct About {
    /// The token as it stands in a text; `-` reads it from standard input
    token: String,
    /// For what it was made
    #[arg(long, value_name = "NAME", default_value = "default")]
    purpose: String,
    /// The issuer of the callers who get it
    #[arg(long, value_name = "NAME", default_value = "api-key")]
    issuer: String,
    /// Their tenant
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(tokens: Tokens, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    match tokens.action {
        Action::Reveal(about) => {
            let (held, place) = about.read()?;
            let Some(answer) = carry_out(&place, Task::RevealToken(held), terminal).await? else { return Ok(Exit::Bad) };
            let value = answer.get("value").and_then(Value::as_str).unwrap_or_default();
            terminal.line(if std::io::stdout().is_terminal() { harmless(value) } else { value.to_owned() });
        }
        Action::Forget(about) => {
            let (held, place) = about.read()?;
            let Some(answer) = carry_out(&place, Task::ForgetToken(held), terminal).await? else { return Ok(Exit::Bad) };
            let row = answer.get("row").and_then(Value::as_str).unwrap_or_default();
            terminal.line(format_args!("forgotten; the log calls it {row}"));
        }
    }
    Ok(Exit::Done)
}

impl About {
    fn read(self) -> anyhow::Result<(HeldToken, Place)> {
        let token = if self.token == "-" { from_input()? } else { self.token };
        let held = HeldToken { issuer: self.issuer, tenant: self.tenant, purpose: self.purpose, token: Secret::new(token) };
        Ok((held, self.place))
    }
}

/// What a server wrote, without what a terminal would act on.
fn harmless(value: &str) -> String {
    value.chars().map(|letter| if letter.is_control() && letter != '\n' { char::REPLACEMENT_CHARACTER } else { letter }).collect()
}

/// For scripts, and for whoever wants it in no list of processes.
fn from_input() -> anyhow::Result<String> {
    let input = std::io::stdin();
    if input.is_terminal() {
        anyhow::bail!("`-` reads the token from standard input; pipe it in");
    }
    let mut text = String::new();
    input.take(LONGEST).read_to_string(&mut text).context("cannot read the token from standard input")?;
    Ok(text.trim().to_owned())
}
