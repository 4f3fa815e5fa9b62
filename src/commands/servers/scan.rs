//! `yett servers scan`: what a live server offers, looked at as hostile, and a role to start from.
//!
//! Exit codes: 0 read, and nothing is wrong with it; 1 something is, be it flagged or cut off; 2 it could not be asked.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::json;

use super::super::Exit;
use super::super::fresh_file::create;
use super::super::terminal::Terminal;
use super::classes::{Left, Thing};
use super::temporary::Temporary;
use super::wire::{Offer, Wire};
use super::written::{Reviewed, policy, snippet};
use crate::config::{Config, parse_duration};
use crate::scan::injection::Scanner;
use crate::secret::Secret;

/// Arguments of `servers scan`.
#[derive(Debug, clap::Args)]
pub(super) struct Scan {
    /// The server, as `servers` in the configuration calls it
    name: String,
    /// What to call the role [default: NAME-starter]
    #[arg(long)]
    role: Option<String>,
    /// Write the policy to this file, which must not be there, and print what belongs into the configuration
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Show the server the token in this file, in place of what it is configured with: of a server that is called in the name of callers
    #[arg(long, value_name = "FILE")]
    bearer: Option<PathBuf>,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
    /// How long all answers together may take
    #[arg(long, value_name = "DURATION", default_value = "1m")]
    patience: String,
}

pub(super) async fn run(scan: Scan, config: Config, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let patience =
        parse_duration(&scan.patience).filter(|patience| (Duration::from_secs(1)..=Duration::from_hours(1)).contains(patience));
    let patience = patience.context("`--patience` is a duration from 1s to 1h, such as `1m`")?;
    let role = scan.role.clone().unwrap_or_else(|| starter(&scan.name));
    if !is_name(&role) {
        bail!("`{role}` is no name for a role: 1 to 63 of a-z, 0-9, `_` and `-`, starting with a letter or a digit");
    }
    let bearer = scan.bearer.as_deref().map(token).transpose()?;
    let scanner = Scanner::of(config.policy.rules_of_scan.as_deref())?;
    let gateway = Temporary::start(config, &scan.name, bearer).await?;
    let offer = ask(&gateway, scanner, patience).await;
    gateway.stop().await;
    let offer = offer?;
    let reviewed = Reviewed::of(&offer);
    let document = policy(&scan.name, &role, &offer, &reviewed);
    if let Some(path) = &scan.out {
        create(path, &document).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    if scan.json {
        terminal.line(found(&scan.name, &role, &offer, &reviewed));
    } else if let Some(path) = &scan.out {
        terminal.line(format_args!("# {} is written. Into yett.yaml, once each class is right:", path.display()));
        terminal.line(snippet(&scan.name, &reviewed, "").trim_end());
    } else {
        terminal.line(document.trim_end());
    }
    Ok(report(&scan.name, &offer, &reviewed, terminal))
}

async fn ask(gateway: &Temporary, scanner: Scanner, patience: Duration) -> anyhow::Result<Offer> {
    let mut wire = Wire::open(&gateway.url, &gateway.key, scanner)?;
    let offer = wire.ask(patience).await;
    wire.close().await;
    offer
}

/// What an operator has to know before anything else.
fn report(name: &str, offer: &Offer, reviewed: &Reviewed<'_>, terminal: &mut Terminal) -> Exit {
    let flagged = reviewed.flagged().count();
    let things = offer.prompts.iter().chain(&offer.resources).filter(|thing| thing.left() == Some(Left::Flagged)).count();
    if let Some(cut) = offer.cut {
        terminal.note(format_args!("warning: {cut}; what is beyond is granted to nobody"));
    }
    if !offer.findings.is_empty() {
        terminal.note(format_args!(
            "warning: what `{name}` says of itself carries signs of injection: {}",
            offer.findings.join(", ")
        ));
    }
    if flagged > 0 {
        terminal.note(format_args!("warning: {flagged} tools of `{name}` carry signs of injection, and are not granted"));
    }
    if things > 0 {
        terminal.note(format_args!(
            "warning: {things} prompts and resources of `{name}` carry signs of injection, and are not granted"
        ));
    }
    if flagged + things == 0 && offer.cut.is_none() && offer.findings.is_empty() { Exit::Done } else { Exit::Bad }
}

fn found(name: &str, role: &str, offer: &Offer, reviewed: &Reviewed<'_>) -> serde_json::Value {
    let tools: Vec<_> = reviewed
        .tools
        .iter()
        .map(|(tool, left)| {
            json!({
                "name": tool.name, "about": tool.about, "class": tool.class().as_str(), "says_it_reads": tool.says_it_reads,
                "granted": Reviewed::grants(tool, *left), "left_out": left.map(Left::as_str), "findings": tool.findings,
            })
        })
        .collect();
    let things = |things: &[Thing]| -> Vec<_> {
        let shown = things.iter().map(|thing| {
            json!({ "name": thing.name, "about": thing.about, "granted": thing.left().is_none(), "left_out": thing.left().map(Left::as_str),
                    "findings": thing.findings })
        });
        shown.collect()
    };
    json!({ "server": name, "role": role, "revision": offer.revision, "findings": offer.findings, "cut": offer.cut, "tools": tools,
            "prompts": things(&offer.prompts), "resources": things(&offer.resources) })
}

/// A token as it is shown in a header: one word of visible ASCII.
fn token(path: &Path) -> anyhow::Result<Secret<String>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!("`{}` does not hold one token of visible ASCII characters", path.display());
    }
    Ok(Secret::new(token.to_owned()))
}

/// `crm-starter`, cut where it would be too long.
fn starter(name: &str) -> String {
    const END: &str = "-starter";
    let room = 63 - END.len();
    format!("{}{END}", name.get(..room).unwrap_or(name))
}

fn is_name(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && !text.starts_with(['_', '-'])
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'))
}
