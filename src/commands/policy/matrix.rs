//! `yett policy matrix`: roles by tools, each cell what a list makes of the tool for whoever holds that role alone.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use clap::ValueEnum;
use jiff::Timestamp;

use super::super::Exit;
use super::super::terminal::Terminal;
use super::junit::escaped;
use crate::config::{Judged, Server};
use crate::decide::{Engine, Hints, Scene, Shown};

/// Arguments of `policy matrix`.
#[derive(Debug, clap::Args)]
pub(super) struct Matrix {
    /// As a table for a terminal, as CSV (RFC 4180), or as a page
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// A tool to ask for, beside those that the policies and the configuration name
    #[arg(long = "tool", value_name = "SERVER/TOOL")]
    tools: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    #[default]
    Table,
    Csv,
    Html,
}

pub(super) fn run(matrix: &Matrix, judged: &Judged, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let engine = Engine::new(&judged.policy);
    let tools = tools(&matrix.tools, judged)?;
    let roles: Vec<&str> = judged.policy.roles.iter().map(|role| role.name.as_str()).collect();
    let rows: Vec<Row<'_>> = tools
        .iter()
        .map(|(server, tool)| {
            let scene = Scene { server, now: Timestamp::now(), peer: None, hints: Hints::none() };
            Row {
                name: format!("{}/{tool}", server.name),
                cells: roles.iter().map(|role| engine.role_sees(role, scene, tool)).collect(),
                server,
            }
        })
        .collect();
    terminal.line(match matrix.format {
        Format::Table => table(&roles, &rows),
        Format::Csv => csv(&roles, &rows),
        Format::Html => page(&roles, &rows, &judged.policy.hash),
    });
    Ok(Exit::Done)
}

struct Row<'j> {
    name: String,
    server: &'j Server,
    cells: Vec<Shown>,
}

/// Every tool that is named without a wildcard, by server, and those `asked` for as `server/tool`.
pub(super) fn tools<'j>(asked: &[String], judged: &'j Judged) -> anyhow::Result<Vec<(&'j Server, String)>> {
    let mut named: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut add = |servers: &'j [String], tools: &'j [String]| {
        for server in servers.iter().filter(|server| *server != "*") {
            named.extend(tools.iter().filter(|tool| !tool.contains('*')).map(|tool| (server.as_str(), tool.as_str())));
        }
    };
    for grant in judged.policy.roles.iter().flat_map(|role| &role.allow) {
        add(&grant.servers, &grant.tools);
    }
    for rule in &judged.policy.rules {
        add(&rule.deny.servers, &rule.deny.tools);
    }
    let find = |name: &str| judged.servers.iter().map(|server| &**server).find(|server| server.name == name);
    let mut all: BTreeSet<(String, String)> =
        named.into_iter().map(|(server, tool)| (server.to_owned(), tool.to_owned())).collect();
    for server in &judged.servers {
        all.extend(server.operations.keys().map(|tool| (server.name.clone(), tool.clone())));
    }
    for tool in asked {
        let (server, tool) =
            tool.split_once('/').ok_or_else(|| anyhow::anyhow!("write the server before the tool: `crm/{tool}`"))?;
        anyhow::ensure!(find(server).is_some(), "no server is called `{server}`");
        all.insert((server.to_owned(), tool.to_owned()));
    }
    Ok(all.into_iter().filter_map(|(server, tool)| find(&server).map(|server| (server, tool))).collect())
}

fn word(shown: Shown) -> &'static str {
    match shown {
        Shown::Allow => "allow",
        Shown::Deny => "-",
        Shown::Depends => "depends",
    }
}

fn table(roles: &[&str], rows: &[Row<'_>]) -> String {
    let first = rows.iter().map(|row| row.name.chars().count()).chain([4]).max().unwrap_or(4);
    let widths: Vec<usize> = roles.iter().map(|role| role.chars().count().max("depends".len())).collect();
    let line = |name: &str, cells: &mut dyn Iterator<Item = &str>| {
        let mut line = format!("{name:first$}");
        for (cell, width) in cells.zip(&widths) {
            line.push_str("  ");
            let _infallible = write!(line, "{cell:width$}");
        }
        line.trim_end().to_owned()
    };
    let mut lines = vec![line("tool", &mut roles.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&row.name, &mut row.cells.iter().map(|cell| word(*cell)))));
    lines.join("\n")
}

fn csv(roles: &[&str], rows: &[Row<'_>]) -> String {
    let mut lines =
        vec![std::iter::once("tool").chain(["operation"]).chain(roles.iter().copied()).map(field).collect::<Vec<_>>().join(",")];
    for row in rows {
        let cells = row.cells.iter().map(|cell| if *cell == Shown::Deny { "deny" } else { word(*cell) });
        let operation = row.operation();
        lines.push(std::iter::once(row.name.as_str()).chain([operation]).chain(cells).map(field).collect::<Vec<_>>().join(","));
    }
    lines.join("\r\n")
}

impl Row<'_> {
    fn operation(&self) -> &'static str {
        let tool = self.name.split_once('/').map(|(_, tool)| tool).unwrap_or_default();
        self.server.operations.get(tool).copied().unwrap_or_default().as_str()
    }
}

/// RFC 4180; and nothing that a spreadsheet would take for a formula.
fn field(text: &str) -> String {
    let guarded = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() };
    if guarded.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", guarded.replace('"', "\"\"")) } else { guarded }
}

fn page(roles: &[&str], rows: &[Row<'_>], hash: &str) -> String {
    let mut head = String::new();
    for role in roles {
        let _infallible = write!(head, "<th scope=\"col\">{}</th>", escaped(role));
    }
    let mut body = String::new();
    for row in rows {
        let (name, operation) = (escaped(&row.name), row.operation());
        let _infallible = write!(body, "<tr><th scope=\"row\">{name}</th><td>{operation}</td>");
        for cell in &row.cells {
            let class = if *cell == Shown::Deny { "deny" } else { word(*cell) };
            let _infallible = write!(body, "<td class=\"{class}\">{class}</td>");
        }
        body.push_str("</tr>\n");
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Who may call what</title>\n<style>\n\
         body {{ font: 14px/1.4 system-ui, sans-serif; margin: 2rem; }}\n\
         table {{ border-collapse: collapse; }}\n\
         th, td {{ border: 1px solid #ccc; padding: .3rem .6rem; text-align: left; }}\n\
         .allow {{ background: #e2f3e2; }} .depends {{ background: #fff3d6; }} .deny {{ color: #767676; }}\n\
         </style>\n</head>\n<body>\n<h1>Who may call what</h1>\n<p>Policy {hash}. A cell is what a list makes of the tool for whoever holds\n\
         that role alone.</p>\n<table>\n<thead><tr><th scope=\"col\">tool</th><th scope=\"col\">operation</th>{head}</tr></thead>\n\
         <tbody>\n{body}</tbody>\n</table>\n</body>\n</html>"
    )
}
