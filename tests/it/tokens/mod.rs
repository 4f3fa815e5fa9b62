//! Tokens through the gateway: the caller works with stand-ins, servers that may have the values get them.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test stops at the first surprise"
)]

mod failing;
mod restoring;
mod vault;

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::gateway::{Folder, Gateway};
use crate::support::http::Answer;
use crate::support::reply::{Gate, Reply, Step, tool_result};
use crate::support::server::Upstream;

const SSN: &str = "536-22-1234";
const CARD: &str = "4111 1111 1111 1111";
const IBAN: &str = "DE89 3704 0044 0532 0130 00";
const EMAIL: &str = "Ada.Lovelace@corp.example.com";
const SECRET: &str = "AKIAIOSFODNN7EXAMPLE";

/// `staff` may do everything; `support` and `update_*` of `crm` get the values behind tokens, `audited` only in the argument `who`.
const POLICY: &str = "version: 1
roles:
  all: { allow: [{ servers: [\"*\"], tools: [\"*\"] }] }
  support: { allow: [{ servers: [crm], tools: [\"update_*\"] }] }
  senior: { inherits: [support] }
bindings:
  - { role: all, groups: [staff] }
  - { role: support, groups: [support] }
  - { role: senior, groups: [senior] }
dlp:
  rules:
    - { name: ids, detect: [us_ssn, card, iban, email, secrets], direction: [response], servers: [crm, hr], action: tokenize, purpose: care }
    - { name: lab-ids, detect: [us_ssn], direction: [response], servers: [lab], action: tokenize, purpose: study }
    - { name: out, detect: [us_ssn, card, iban, email, secrets], direction: [request], action: mask }
  restore:
    - { purpose: care, servers: [crm], tools: [update_*], roles: [support] }
    - { purpose: care, servers: [crm], tools: [find], roles: [support], arguments: [who] }
";

struct Stage {
    gateway: Gateway,
    crm: Upstream,
    hr: Upstream,
    lab: Upstream,
    ada: String,
}

impl Stage {
    async fn new() -> Self {
        Self::with("").await
    }

    /// With more of the configuration of `crm`.
    async fn with(crm_settings: &str) -> Self {
        let (crm, hr, lab) = (Upstream::start().await, Upstream::start().await, Upstream::start().await);
        let gateway =
            Gateway::start().policy(POLICY).server("crm", &crm, crm_settings).servers([("hr", &hr), ("lab", &lab)]).await;
        let ada = gateway.key("ada", &["staff", "support"]).await;
        Self { gateway, crm, hr, lab, ada }
    }

    fn at(&self, server: &str) -> Client {
        self.gateway.modern(server, &self.ada)
    }

    /// What a caller reads when `crm` says `text`.
    async fn reads(&self, text: &str) -> String {
        self.crm.on_tool("read", Reply::text(text));
        self.at("crm").call("read", json!({})).await.text()
    }

    /// The arguments of the last call that `crm` got.
    fn heard(&self) -> Value {
        self.crm.calls().last().unwrap().json()["params"]["arguments"].clone()
    }

    /// `rule action side count` of every finding of a call.
    async fn findings(&self, answer: &Answer) -> Vec<String> {
        let records = self.gateway.ended(&answer.call()).await;
        let lists = records.iter().flat_map(|record| [&record["dec"]["findings"], &record["out"]["findings"]]);
        let mut told: Vec<_> = lists
            .filter_map(Value::as_array)
            .flatten()
            .map(|found| {
                let word = |key: &str| found[key].as_str().unwrap_or("-");
                format!("{} {} {} {}", word("rule"), word("action"), word("side"), found["count"])
            })
            .collect();
        told.sort_unstable();
        told
    }

    /// No file of the gateway holds a value or any of these tokens.
    async fn ends(self, tokens: &[&str]) -> Folder {
        let folder = self.gateway.stop_and_verify().await;
        let bare = ["536221234", "4111111111111111", "DE89370400440532013000", "Lovelace"];
        for wanted in [SSN, CARD, IBAN, EMAIL, SECRET].iter().chain(&bare).chain(tokens) {
            assert_eq!(file_with(folder.data(), wanted), None, "`{wanted}`");
        }
        folder
    }
}

fn file_with(below: PathBuf, wanted: &str) -> Option<PathBuf> {
    let mut open = vec![below];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if memchr::memmem::find(&std::fs::read(&path).unwrap(), wanted.as_bytes()).is_some() {
            return Some(path);
        }
    }
    None
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

#[tokio::test]
async fn a_token_has_the_form_of_its_value_and_is_another() {
    let stage = Stage::new().await;
    let text = stage.reads(&format!("{SSN}|{CARD}|{IBAN}|{EMAIL}|{SECRET}|all else stays")).await;
    let [ssn, card, iban, email, secret, rest] = text.split('|').collect::<Vec<_>>().try_into().unwrap();
    let shape = |text: &str| text.replace(|letter: char| letter.is_ascii_digit(), "9");
    for (token, value) in [(ssn, SSN), (card, CARD), (iban, IBAN)] {
        assert_eq!(shape(token), shape(value), "{text}");
        assert_ne!(token, value);
    }
    assert!(iban.starts_with("DE") && email.ends_with("@token.invalid"), "{text}");
    assert!(secret.starts_with("tok_aws_access_key_"), "{text}");
    assert_eq!(rest, "all else stays");
    stage.ends(&[ssn, card, iban, email, secret]).await;
}

#[tokio::test]
async fn joins_survive_tools_servers_callers_layouts_and_a_restart() {
    let stage = Stage::new().await;
    let first = stage.reads(&format!("SSN {SSN}, mail {EMAIL}")).await;
    let (ssn, mail) = (first[4..15].to_owned(), first.rsplit(' ').next().unwrap().to_owned());
    stage.hr.on_tool("list", Reply::text(&format!("social security no. {} of {}", digits(SSN), EMAIL.to_uppercase())));
    let bob = stage.gateway.key("bob", &["staff"]).await;
    let second = stage.gateway.modern("hr", &bob).call("list", json!({})).await.text();
    assert_eq!(second, format!("social security no. {} of {mail}", digits(&ssn)), "another server, caller and layout");
    let answer = stage.at("hr").call("list", json!({})).await;
    assert_eq!(stage.findings(&answer).await, ["ids tokenize response 1", "ids tokenize response 1"], "one of each kind");
    let (ada, crm) = (stage.ada.clone(), stage.crm);
    let gateway = stage.gateway.stop_and_verify().await.start().await;
    let again = gateway.modern("crm", &ada).call("read", json!({})).await.text();
    assert_eq!(again, first, "after a restart");
    drop(crm);
    let folder = gateway.stop_and_verify().await;
    for wanted in [SSN, &digits(SSN), "Lovelace", &ssn, &digits(&ssn), &mail] {
        assert_eq!(file_with(folder.data(), wanted), None, "`{wanted}`");
    }
}

#[tokio::test]
async fn another_tenant_or_purpose_is_another_token() {
    let stage = Stage::new().await;
    let care = stage.reads(SSN).await;
    stage.lab.on_tool("read", Reply::text(SSN));
    let study = stage.at("lab").call("read", json!({})).await.text();
    let key = stage.gateway.tenant_key("eve", "acme").await;
    let acme = stage.gateway.modern("crm", &key).call("read", json!({})).await.text();
    let key = stage.gateway.tenant_key("ada", "globex").await;
    let globex = stage.gateway.modern("crm", &key).call("read", json!({})).await.text();
    let mut all = [&care, &study, &acme, &globex, &SSN.to_owned()];
    all.sort_unstable();
    assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{all:?}");
    // What is a token in one tenant is a number like any other in the next.
    stage.crm.on_tool("read", Reply::text(&care));
    let key = stage.gateway.tenant_key("eve", "acme").await;
    let foreign = stage.gateway.modern("crm", &key).call("read", json!({})).await.text();
    assert!(foreign != care && foreign != acme, "{foreign}");
    stage.ends(&[&care, &study, &acme, &globex]).await;
}

#[tokio::test]
async fn a_token_in_a_reply_stays_the_same_token() {
    let stage = Stage::new().await;
    let token = stage.reads(SSN).await;
    let secret = stage.reads(SECRET).await;
    let text = format!("{token} is {SSN}, and {secret}");
    stage.crm.on_tool("read", Reply::text(&text));
    let answer = stage.at("crm").call("read", json!({})).await;
    assert_eq!(answer.text(), format!("{token} is {token}, and {secret}"));
    assert_eq!(stage.findings(&answer).await, ["ids tokenize response 1"], "as many as replacements");
    stage.ends(&[&token, &secret]).await;
}

#[tokio::test]
async fn structured_content_its_text_keys_and_numbers_agree() {
    let stage = Stage::new().await;
    let number: u64 = digits(CARD).parse().unwrap();
    let mut result = tool_result(&format!("{{\"ssn\":\"{SSN}\",\"card\":{number}}}"));
    result["structuredContent"] = json!({ "ssn": SSN, "card": number, "by": { (SSN): [EMAIL, EMAIL] }, "none": 12.5 });
    stage.crm.on_tool("read", Reply::result(&result));
    let answer = stage.at("crm").call("read", json!({})).await;
    let content = answer.result()["structuredContent"].clone();
    let (ssn, card) = (content["ssn"].as_str().unwrap(), content["card"].as_u64().expect("still a number"));
    assert!(ssn != SSN && card != number && card.to_string().len() == 16, "{content}");
    assert_eq!(answer.text(), format!("{{\"ssn\":\"{ssn}\",\"card\":{card}}}"));
    let emails = content["by"][ssn].as_array().unwrap();
    assert_eq!(emails[0], emails[1]);
    assert_eq!(content["none"], json!(12.5));
    stage.ends(&[ssn, &card.to_string()]).await;
}

#[tokio::test]
async fn two_keys_that_are_one_value_in_two_layouts_withhold_the_result() {
    let stage = Stage::new().await;
    let mut result = tool_result("x");
    let (one, other) = ("ada@corp.example.com", "ADA@corp.example.com");
    result["structuredContent"] = json!({ (one): 1, (other): 2 });
    stage.crm.on_tool("read", Reply::result(&result));
    let answer = stage.at("crm").call("read", json!({})).await;
    assert_eq!(answer.result()["isError"], true, "{answer:?}");
    assert_eq!(stage.findings(&answer).await, ["ids block response 2"]);
    stage.ends(&[]).await;
}

#[tokio::test]
async fn messages_of_a_stream_get_tokens_as_they_pass() {
    let stage = Stage::new().await;
    let note =
        |text: &str| json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": text } });
    let gate = Gate::default();
    stage.crm.on_tool(
        "read",
        Reply::stream([Step::message(&note(SSN)), Step::Wait(gate.clone()), Step::text(&format!("{SSN} {EMAIL}"))]),
    );
    let params = json!({ "name": "read", "arguments": {} });
    let mut events = stage.at("crm").stream("tools/call", params).await;
    let first = events.next().await.unwrap()["params"]["data"].as_str().unwrap().to_owned();
    assert_ne!(first, SSN);
    gate.open();
    let last = events.next().await.unwrap()["result"]["content"][0]["text"].as_str().unwrap().to_owned();
    assert!(last.starts_with(&format!("{first} ")) && last.ends_with("@token.invalid"), "{last}");
    assert_eq!(events.next().await, None);
    stage.ends(&[&first]).await;
}

#[tokio::test]
async fn a_rule_in_shadow_mode_makes_no_token() {
    let (crm, policy) = (
        Upstream::start().await,
        POLICY.replace("purpose: care }\n    - { name: lab", "purpose: care, mode: shadow }\n    - { name: lab"),
    );
    let gateway = Gateway::start().policy(&policy).servers([("crm", &crm), ("hr", &crm), ("lab", &crm)]).await;
    crm.on_tool("read", Reply::text(SSN));
    let ada = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
    let answer = ada.call("read", json!({})).await;
    assert_eq!(answer.text(), SSN);
    assert_eq!(gateway.ended(&answer.call()).await[1]["out"]["findings"][0]["action"], "shadow");
    gateway.stop_and_verify().await;
}
