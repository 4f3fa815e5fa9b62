//! `yett policy test`: the `tests:` of the policies.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use super::super::Exit;
use super::super::terminal::Terminal;
use super::{access, junit, server};
use crate::config::Judged;
use crate::decide::{Arguments, Engine, Hints, Ruling, Scene};
use crate::policy::Case;

/// Arguments of `policy test`.
#[derive(Debug, clap::Args)]
pub(super) struct Test {
    /// Print findings as JSON
    #[arg(long)]
    json: bool,
    /// Write a report in the format of `JUnit`, for CI servers
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// A test that has run.
pub(super) struct Ran<'p> {
    pub(super) case: &'p Case,
    /// What was decided; of what could not even be asked, why.
    pub(super) ruling: Result<Ruling, String>,
    pub(super) took: Duration,
}

pub(super) fn run(test: &Test, judged: &Judged, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let engine = Engine::new(&judged.policy);
    let now = Timestamp::now();
    let ran: Vec<Ran<'_>> = judged
        .policy
        .cases
        .iter()
        .map(|case| {
            let began = Instant::now();
            let ruling = decide(case, &engine, judged, now).map_err(|error| format!("{error:#}"));
            Ran { case, ruling, took: began.elapsed() }
        })
        .collect();
    if let Some(file) = &test.junit {
        fs::write(file, junit::report(&ran)).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    let failed = ran.iter().filter(|ran| ran.problem().is_some()).count();
    if test.json {
        terminal.line(as_json(&ran));
    } else {
        tell(&ran, failed, terminal);
    }
    // A folder of policies without a test has shown nothing.
    Ok(if failed == 0 && !ran.is_empty() { Exit::Done } else { Exit::Bad })
}

fn decide(case: &Case, engine: &Engine, judged: &Judged, now: Timestamp) -> anyhow::Result<Ruling> {
    let (name, asked) = access::of(&case.asks);
    let scene = Scene { server: server(judged, name)?, now: case.at.unwrap_or(now), peer: case.peer, hints: Hints::none() };
    let document = case.arguments.as_deref().map(access::arguments).transpose()?;
    let arguments = document.as_ref().map_or(Arguments::Unknown, |document| Arguments::Known(Some(document.root())));
    Ok(engine.held_by(access::caller(&case.caller), scene).decide(&asked, arguments))
}

impl Ran<'_> {
    /// What is wrong, if anything is.
    pub(super) fn problem(&self) -> Option<String> {
        let ruling = match &self.ruling {
            Ok(ruling) => ruling,
            Err(error) => return Some(error.clone()),
        };
        let (effect, rule) = (ruling.verdict.effect(), ruling.verdict.rule().map(|rule| &**rule));
        let expect = &self.case.expect;
        let by = rule.map(|rule| format!(" by {rule}")).unwrap_or_default();
        if effect != expect.effect {
            let because = ruling.verdict.because();
            return Some(format!("expected {}, got {}{by}: {because}", expect.effect.as_str(), effect.as_str()));
        }
        // A test may name a rule or a role as the files do, or as records do.
        let is_it = |wanted: &str| {
            rule.is_some_and(|rule| rule == wanted || rule.split_once(':').is_some_and(|(_, name)| name == wanted))
        };
        let wanted = expect.rule.as_deref().filter(|wanted| !is_it(wanted))?;
        Some(format!(
            "expected {} by {wanted}, got {}{}",
            expect.effect.as_str(),
            effect.as_str(),
            if by.is_empty() { " by no rule" } else { &by }
        ))
    }
}

fn tell(ran: &[Ran<'_>], failed: usize, terminal: &mut Terminal) {
    for test in ran {
        match test.problem() {
            None => terminal.line(format_args!("ok    {}", test.case.name)),
            Some(problem) => {
                terminal.line(format_args!("FAIL  {}", test.case.name));
                terminal.line(format_args!("      {} ({})", problem, access::shown(&test.case.asks)));
                terminal.line(format_args!("      at {}", test.case.origin));
            }
        }
    }
    if ran.is_empty() {
        terminal.note("there are no tests: add `tests:` to a policy file");
    } else {
        terminal.line(format_args!("{} tests, {failed} failed", ran.len()));
    }
}

fn as_json(ran: &[Ran<'_>]) -> serde_json::Value {
    let tests: Vec<_> = ran
        .iter()
        .map(|test| {
            let verdict = test.ruling.as_ref().ok().map(|ruling| &ruling.verdict);
            json!({
                "name": test.case.name,
                "at": test.case.origin.to_string(),
                "access": access::shown(&test.case.asks),
                "expected": test.case.expect.effect.as_str(),
                "effect": verdict.map(|verdict| verdict.effect().as_str()),
                "rule": verdict.and_then(|verdict| verdict.rule()).map(|rule| &**rule),
                "problem": test.problem(),
            })
        })
        .collect();
    json!({ "tests": tests })
}
