//! What the demo shows, step by step, and whether it was so.

use std::ops::ControlFlow;
use std::path::Path;

use http::StatusCode;
use serde_json::json;

use super::client::{Answer, Client};
use super::sample::Sample;
use crate::audit::{self, Filter, Verdict};
use crate::commands::terminal::Terminal;

/// Goes through the steps; `true` if each did what it shows.
pub(super) async fn tell(client: &Client, sample: &Sample, terminal: &mut Terminal) -> anyhow::Result<bool> {
    let mut teller = Teller { terminal, passed: true };
    teller.heading("an agent of Ada's (group sales, role analyst)  ->  Yett  ->  a CRM's MCP server with five tools");

    let stranger = Client { address: client.address, token: None, tasks: client.tasks.clone() };
    let answer = stranger.list().await?;
    let challenge = answer.challenge.unwrap_or_default();
    teller.step(
        "no credential",
        "refused before the body is read; the answer says where to get a token",
        &format!("HTTP {}  WWW-Authenticate: {challenge}", answer.status.as_u16()),
        answer.status == StatusCode::UNAUTHORIZED && challenge.contains("resource_metadata="),
    );

    let answer = client.list().await?;
    let tools = answer.tools();
    teller.step(
        "tools/list",
        "delete_customer is not the analyst's, get_weather hides an order in its description: neither is shown",
        &tools.join(", "),
        tools == ["search_customers", "get_customer", "read_page"],
    );

    let answer = client.call("search_customers", json!({ "query": "a" })).await?;
    teller.step("search_customers", "allowed by role:analyst", answer.text(), answer.text().contains("2 customers"));

    let answer = client.call("delete_customer", json!({ "id": "c-1" })).await?;
    let unknown = client.call("no_such_tool", json!({})).await?;
    let alike = code(&answer) == Some(-32602) && code(&answer) == code(&unknown);
    teller.step("delete_customer", "denied, and no different from a tool that does not exist", &told(&answer), alike);

    let answer = client.call("get_weather", json!({ "note": "" })).await?;
    teller.step("get_weather", "withheld: its description carried an order", &told(&answer), code(&answer) == Some(-32602));

    let answer = client.call("get_customer", json!({ "id": "c-1" })).await?;
    let clean = !answer.text().contains("536-22-1234") && !answer.text().contains("4111");
    let masked = clean && answer.text().contains("[us_ssn]") && answer.text().contains("[card]");
    teller.step("get_customer", "personal data above Ada's clearance is masked", answer.text(), masked);

    let answer = client.call("read_page", json!({ "url": "https://shop.example" })).await?;
    let labelled = answer.text().starts_with("[Yett ") && answer.text().contains("is external data.");
    teller.step("read_page", "the page carries instructions: labelled as external data", answer.text(), labelled);

    let key = ["ghp", "_", "16C7e42F292c6912E7710c838347Ae178B4a"].concat();
    let answer = client.call("search_customers", json!({ "query": key })).await?;
    teller.step(
        "search_customers",
        "a secret in the arguments does not leave the house",
        &told(&answer),
        code(&answer) == Some(-31422),
    );

    let calls = sample.calls();
    teller.step(
        "the server saw",
        "only what was allowed",
        &calls.join(", "),
        calls == ["search_customers", "get_customer", "read_page"],
    );
    Ok(teller.passed)
}

/// Verifies the audit log of the gateway that has stopped, then a copy in which one byte was changed.
pub(super) fn verify(data_dir: &Path, terminal: &mut Terminal) -> anyhow::Result<bool> {
    let mut teller = Teller { terminal, passed: true };
    let log = data_dir.join("audit");
    let (mut records, mut denied) = (0, 0);
    audit::show(&log, &Filter::default(), &mut |record| {
        records += 1;
        denied += usize::from(record.value().pointer("/dec/effect").and_then(|effect| effect.as_str()) == Some("deny"));
        ControlFlow::Continue(())
    })?;
    let verdict = audit::verify(&log)?.verdict();
    teller.step(
        "yett audit verify",
        "every call above is in a hash-chained log",
        &format!("{records} records, {denied} refusals among them: intact (unanchored)"),
        verdict == Verdict::Unanchored && denied == 5,
    );

    flip_a_byte(&log)?;
    let report = audit::verify(&log)?;
    teller.step(
        "yett audit verify",
        "the same log after one byte was changed",
        &report.to_string(),
        report.verdict() == Verdict::Tampered,
    );
    Ok(teller.passed)
}

/// Changes one digit in the middle of the log, as somebody with access to the disk could.
fn flip_a_byte(folder: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            flip_a_byte(&path)?;
        } else if path.extension().is_some_and(|extension| extension == "jsonl") {
            let mut bytes = std::fs::read(&path)?;
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.iter_mut().skip(middle).find(|byte| byte.is_ascii_digit()) {
                *byte = if *byte == b'9' { b'0' } else { *byte + 1 };
            }
            std::fs::write(&path, bytes)?;
        }
    }
    Ok(())
}

fn code(answer: &Answer) -> Option<i64> {
    answer.error().map(|(code, _)| code)
}

fn told(answer: &Answer) -> String {
    answer.error().map_or_else(|| answer.text().to_owned(), |(code, message)| format!("error {code}: {message}"))
}

/// Prints steps.
struct Teller<'a> {
    terminal: &'a mut Terminal,
    passed: bool,
}

impl Teller<'_> {
    fn heading(&mut self, text: &str) {
        self.terminal.line(format_args!("\n{text}\n"));
    }

    fn step(&mut self, what: &str, why: &str, came_back: &str, as_expected: bool) {
        self.passed &= as_expected;
        let (on, off) = match (self.terminal.has_colours(), as_expected) {
            (true, true) => ("\x1b[32m", "\x1b[0m"),
            (true, false) => ("\x1b[31m", "\x1b[0m"),
            (false, _) => ("", ""),
        };
        let mark = if as_expected { "ok  " } else { "FAIL" };
        self.terminal.line(format_args!("{on}{mark}{off} {what:<18} {why}"));
        for line in came_back.lines().filter(|line| !line.trim().is_empty()) {
            self.terminal.line(format_args!("     | {}", clip(line)));
        }
    }
}

/// One line of a terminal.
fn clip(line: &str) -> String {
    const WIDTH: usize = 130;
    if line.chars().count() <= WIDTH {
        return line.to_owned();
    }
    line.chars().take(WIDTH - 3).chain("...".chars()).collect()
}
