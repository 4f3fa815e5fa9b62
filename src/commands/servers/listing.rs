//! `yett servers list`: the registry, as the configuration has it.

use serde_json::json;

use super::super::terminal::Terminal;
use crate::config::{Config, Server, Transport};

/// Arguments of `servers list`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct List {
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(list: List, config: &Config, terminal: &mut Terminal) {
    if list.json {
        let rows: Vec<_> = config.servers.iter().map(|server| row(server)).collect();
        return terminal.line(serde_json::Value::from(rows));
    }
    let widths = |of: fn(&Server) -> usize| config.servers.iter().map(|server| of(server)).max().unwrap_or_default();
    let (name, at) = (widths(|server| server.name.len()), widths(|server| place(server).len()));
    for server in &config.servers {
        let owner = server.owner.as_deref().unwrap_or("nobody named");
        let (class, tools) = (server.classification.as_str(), server.operations.len());
        terminal.line(format_args!(
            "{:name$}  {:at$}  {class}, {tools} tools classed, owner: {owner}",
            server.name,
            place(server)
        ));
    }
}

fn row(server: &Server) -> serde_json::Value {
    json!({
        "name": server.name,
        "transport": kind(server),
        "at": place(server),
        "classification": server.classification.as_str(),
        "owner": server.owner,
        "purpose": server.purpose,
        "tools": server.operations.iter().map(|(tool, operation)| (tool.clone(), operation.as_str())).collect::<std::collections::BTreeMap<_, _>>(),
    })
}

fn kind(server: &Server) -> &'static str {
    match &server.transport {
        Transport::Http(_) => "http",
        Transport::HttpSse(_) => "sse",
        Transport::Stdio(_) => "stdio",
    }
}

/// Where it is. Of a program only itself: arguments may hold what is nobody's business.
fn place(server: &Server) -> String {
    match &server.transport {
        Transport::Http(url) | Transport::HttpSse(url) => url.to_string(),
        Transport::Stdio(stdio) => stdio.program.display().to_string(),
    }
}
