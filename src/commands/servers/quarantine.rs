//! `yett servers quarantine`, `approve`, `revoke` and `forget`: definitions that the injection scan has withheld.

use std::collections::BTreeSet;
use std::fmt;

use http::Method;
use serde_json::Value;

use super::super::offline::Offline;
use super::super::terminal::Terminal;
use crate::admin::{AdminClient, approved_definition, shown_quarantine, withheld_definition};
use crate::config::Config;

/// Arguments of `servers quarantine`.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Only of this server
    server: Option<String>,
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

/// Arguments of `servers forget`.
#[derive(Debug, clap::Args)]
pub(super) struct Forget {
    /// The server
    server: String,
    /// The tool, as its server names it; without it everything of the server
    tool: Option<String>,
    /// Only one definition: its SHA-256, or eight or more of its first digits
    #[arg(long = "definition", value_name = "SHA256", requires = "tool")]
    hash: Option<String>,
    /// Who answers for it, as the record is to name them
    #[arg(long, value_name = "NAME")]
    by: String,
    /// Why: one line, for operators and the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
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
    let List { server, shown, texts } = list;
    let answer = if shown.offline {
        let offline = Offline::open(config).await?;
        let answer = shown_quarantine(None, &offline.operations, server.as_deref());
        offline.close().await;
        answer
    } else {
        let of = server.map(|server| query(&[("server", &server)])).unwrap_or_default();
        ask(Method::GET, &format!("/v1/quarantine{of}"), config).await?
    };
    show(&answer, (shown.json, texts), terminal);
    Ok(())
}

pub(super) async fn approve(command: Approve, config: &Config, terminal: &mut Terminal) -> anyhow::Result<()> {
    let Approve { definition, by, reason, shown } = command;
    anyhow::ensure!(!reason.is_empty(), "an approval needs a reason, for whoever looks at it later");
    run(Order { approve: true, definition, by, reason }, shown, config, terminal).await
}

pub(super) async fn revoke(command: Revoke, config: &Config, terminal: &mut Terminal) -> anyhow::Result<()> {
    let Revoke { definition, by, reason, shown } = command;
    run(Order { approve: false, definition, by, reason }, shown, config, terminal).await
}

pub(super) async fn forget(command: Forget, config: &Config, terminal: &mut Terminal) -> anyhow::Result<()> {
    let Forget { server, tool, hash, by, reason, json } = command;
    let tool = tool.map(|tool| format!("/{}", step(&tool))).unwrap_or_default();
    let mut parameters = vec![("requester", by.as_str()), ("reason", reason.as_str())];
    parameters.extend(hash.as_deref().map(|hash| ("definition", hash)));
    let path = format!("/v1/withheld/{}{tool}{}", step(&server), query(&parameters));
    show(&ask(Method::DELETE, &path, config).await?, (json, false), terminal);
    Ok(())
}

async fn run(order: Order, shown: Shown, config: &Config, terminal: &mut Terminal) -> anyhow::Result<()> {
    let answer = if shown.offline { offline(order, config).await? } else { online(order, config).await? };
    show(&answer, (shown.json, false), terminal);
    Ok(())
}

async fn ask(method: Method, path: &str, config: &Config) -> anyhow::Result<Value> {
    Ok(AdminClient::new(config.admin, &config.data_dir)?.call(method, path, None).await?)
}

/// A step of a path, where a `+` is one; what forms write so is a space.
fn step(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

fn query(parameters: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new("?".to_owned());
    query.extend_pairs(parameters).finish()
}

async fn online(order: Order, config: &Config) -> anyhow::Result<Value> {
    let Order { approve, definition: Definition { server, tool, hash }, by, reason } = order;
    let query = query(&[("definition", &hash), ("requester", &by), ("reason", &reason)]);
    let path = format!("/v1/quarantine/{}/{}{query}", step(&server), step(&tool));
    ask(if approve { Method::PUT } else { Method::DELETE }, &path, config).await
}

/// What a gateway has withheld it forgets when it stops: only whole hashes can be approved here.
async fn offline(order: Order, config: &Config) -> anyhow::Result<Value> {
    let Order { approve, definition: Definition { server, tool, hash }, by, reason } = order;
    if approve {
        let known = config.servers.iter().any(|known| known.name == server);
        anyhow::ensure!(known, "no server is named `{server}`; see `yett servers list`");
    }
    let offline = Offline::open(config).await?;
    let operations = &offline.operations;
    let definition = if approve {
        withheld_definition(&BTreeSet::new(), &server, &tool, &hash)
    } else {
        approved_definition(&operations.approvals(), &server, &tool, &hash)
    };
    let done = match definition {
        Ok(definition) if approve => operations.approve_definition(definition, &reason, &by).await.map_err(Into::into),
        Ok(definition) => operations.revoke_definition(&definition, &reason, &by).await.map_err(Into::into),
        Err(what) => Err(anyhow::anyhow!(what)),
    };
    let answer = shown_quarantine(None, operations, Some(&server));
    offline.close().await;
    done.map(|()| answer)
}

/// A text as people read it, without what moves a terminal's cursor, turns letters around or is not seen.
struct Read<'t>(&'t str);

impl fmt::Display for Read<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // These would be escaped too, for whoever reads it as source.
        const QUOTES: [char; 3] = ['"', '\'', '\\'];
        self.0.split_inclusive(QUOTES).try_for_each(|part| {
            let said = part.trim_end_matches(QUOTES);
            write!(f, "{}{}", said.escape_debug(), part.strip_prefix(said).unwrap_or_default())
        })
    }
}

fn show(answer: &Value, (json, texts): (bool, bool), terminal: &mut Terminal) {
    if json {
        return terminal.line(answer);
    }
    let list = |key: &str| answer.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    // SECURITY: a server has chosen the name of the tool, and what its definition says.
    let text = |of: &Value, key: &str| Some(Read(of.get(key)?.as_str()?).to_string());
    let said = |of: &Value, key: &str| text(of, key).unwrap_or_default();
    if answer.get("approvals_hold").and_then(Value::as_bool) == Some(false) {
        terminal.line("the state store cannot be reached: until it can, no approval is in force");
    }
    for held in list("withheld") {
        let server = said(held, "server");
        let Some(tool) = text(held, "tool") else {
            terminal.line(format_args!(
                "withheld  {server}/*  it has shown more than is remembered; every tool, until it is forgotten"
            ));
            continue;
        };
        let is_approved = held.get("approved").and_then(Value::as_bool) == Some(true);
        let rules: Vec<_> = held.get("rules").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        terminal.line(format_args!(
            "{}  {server}/{tool}  {}  since {}  last {}  {}",
            if is_approved { "approved" } else { "withheld" },
            text(held, "definition").as_deref().unwrap_or("further definitions"),
            said(held, "since"),
            said(held, "last"),
            rules.join(", ")
        ));
        if texts {
            terminal.line(format_args!("    {}", text(held, "text").as_deref().unwrap_or("(there was no room to keep it)")));
        }
    }
    for approval in list("approvals") {
        terminal.line(format_args!(
            "approval  {}/{}  {}  by {}, {}: {}",
            said(approval, "server"),
            said(approval, "tool"),
            said(approval, "definition"),
            said(approval, "by"),
            said(approval, "at"),
            said(approval, "reason")
        ));
    }
    if list("withheld").is_empty() && list("approvals").is_empty() {
        terminal.line("nothing is withheld, and nothing approved");
    }
}

#[cfg(test)]
mod tests {
    use super::Read;

    #[test]
    fn a_text_is_shown_as_people_read_it_and_does_nothing_to_a_terminal() {
        let read = |text: &str| Read(text).to_string();
        for same in [r#"{"a":"don't \n \"so\" \\ "}"#, "Grüße, 世界 🎉, नमस्ते"] {
            assert_eq!(read(same), same);
        }
        let odd = "a\u{1b}[2J\u{9b}\r\n\u{202e}\u{200b}\u{e0041}\u{ad}";
        assert_eq!(read(odd), r"a\u{1b}[2J\u{9b}\r\n\u{202e}\u{200b}\u{e0041}\u{ad}");
    }
}
