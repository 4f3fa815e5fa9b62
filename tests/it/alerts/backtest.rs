//! `yett alerts test`: what rules would have told, and that a day of ordinary traffic is nothing to tell.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::{Value, json};
use uuid::Uuid;
use yett::audit::{Disk, Draft, Kind, Log, Options};
use yett::clock::Clock;
use yett::master_key::MasterKey;

use super::{alerted, denied, watched};
use crate::support::server::Upstream;

const BINARY: &str = env!("CARGO_BIN_EXE_yett");

fn backtest(arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.env_clear().current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["alerts", "test"]).args(arguments).output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(parse).collect()
}

#[tokio::test]
async fn what_is_told_of_a_log_is_what_the_gateway_has_told() {
    let crm = Upstream::start().await;
    let gateway = watched(&crm, "  - { name: probing, denials: 3/5m, quarantine: principal, mode: shadow }\n").await;
    let ada = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
    denied(&ada, 6).await;
    let live = alerted(&gateway, "probing", 1).await.remove(0);
    let folder = gateway.stop_and_verify().await;
    let (config, audit) = (folder.path().join("yett.yaml"), folder.data().join("audit"));
    let (config, audit) = (config.to_str().unwrap(), audit.to_str().unwrap());
    let output = backtest(&["--config", config, "--audit", audit, "--json"]);
    let told = lines(&output);
    assert_eq!((output.status.code(), told.len()), (Some(1), 2), "{told:?}");
    for key in ["rule", "about", "n", "most", "seconds", "record", "sub", "severity"] {
        assert_eq!(told[0][key], live[key], "{key}");
    }
    assert_eq!(told[1]["rules"], json!({ "probing": 1 }));
    // A draft, and nothing of what was before.
    let draft = folder.path().join("draft");
    fs::create_dir(&draft).unwrap();
    let policy = fs::read_to_string(folder.path().join("policies/0.yaml")).unwrap().replace("3/5m", "30/5m");
    fs::write(draft.join("0.yaml"), policy).unwrap();
    let quiet = backtest(&["--config", config, "--audit", audit, "--policies", draft.to_str().unwrap()]);
    assert_eq!(quiet.status.code(), Some(0), "{}", String::from_utf8_lossy(&quiet.stdout));
    let late = backtest(&["--config", config, "--audit", audit, "--from", "2100-01-01T00:00:00Z"]);
    assert_eq!(late.status.code(), Some(0));
    let nowhere = backtest(&["--config", config, "--audit", draft.to_str().unwrap()]);
    assert_eq!(nowhere.status.code(), Some(2));
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
struct HandClock(Mutex<Timestamp>);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }
}

/// Numbers that look like chance, and are the same each time (Marsaglia's xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Forty agents over two days: busy hours and idle ones, a job at night, a refusal now and then, personal data that is masked, and a page with an
/// order in it three times a day.
fn ordinary_days(folder: &Path) -> u64 {
    let clock = Arc::new(HandClock(Mutex::new("2026-03-02T00:00:00Z".parse().unwrap())));
    let master = MasterKey::open(None, folder).unwrap();
    let options = Options::new(folder.join("audit"), "test.localhost", "r1", master.sealing("audit epoch keys").unwrap());
    let time: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
    let (log, _) = Log::open(options, Arc::new(Disk), time).unwrap();
    let (mut chance, mut calls) = (Chance(0x5EED_CAFE), 0);
    for minute in 0..2 * 24 * 60_u64 {
        let hour = minute / 60 % 24;
        let mut last = None;
        for agent in 0..40_u64 {
            let is_at_it = match hour {
                9..=17 => chance.below(6) == 0,
                6..=8 | 18..=21 => chance.below(30) == 0,
                _ => agent == 0 && minute % 60 == 0,
            };
            if !is_at_it {
                continue;
            }
            for _ in 0..=chance.below(6) {
                calls += 1;
                last = Some(call(&log, agent, &mut chance));
            }
        }
        if let Some(receipt) = last {
            receipt.wait().unwrap();
        }
        *clock.0.lock() += SignedDuration::from_mins(1);
    }
    log.close();
    calls
}

fn call(log: &Log, agent: u64, chance: &mut Chance) -> yett::audit::Receipt {
    const TOOLS: [(&str, u64); 8] = [
        ("search", 60),
        ("get_customer", 40),
        ("list_orders", 50),
        ("get_order", 40),
        ("summarize", 900),
        ("send_mail", 700),
        ("read_page", 80),
        ("add_note", 300),
    ];
    let id = Uuid::now_v7().to_string();
    let (name, usual) = TOOLS[usize::try_from((agent + chance.below(4)) % 8).unwrap()];
    let is_refused = chance.below(60) == 0;
    let mut decision = Draft::new(Kind::CallDecision);
    decision.text("call", &id).text("peer", &format!("10.0.0.{agent}"));
    if !is_refused {
        decision.expects_outcome();
    }
    decision.object("dec", |dec| {
        dec.text("effect", if is_refused { "deny" } else { "allow" });
        if is_refused {
            dec.text("reason", ["denied", "rate_limited", "unknown_target"][usize::try_from(chance.below(3)).unwrap()]);
        } else {
            dec.text("rule", "role:analyst");
        }
    });
    let size = i128::from(usual + chance.below(usual) + chance.below(usual) * chance.below(4));
    decision.object("what", |what| {
        what.integer("args_n", size).text("method", "tools/call").text("name", name).text("server", "everything");
    });
    decision.object("who", |who| {
        who.text("client", &format!("agent-{agent}")).text("iss", "corp").text("sub", &format!("p{agent:031}"));
    });
    let receipt = log.append(decision);
    if is_refused {
        return receipt;
    }
    let (masked, ordered) = (name == "get_customer" && chance.below(5) == 0, name == "read_page" && chance.below(400) == 0);
    let mut outcome = Draft::new(Kind::CallOutcome);
    outcome.text("call", &id).object("out", |out| {
        if masked || ordered {
            out.list("findings", |list| {
                list.object(|found| {
                    found.text("action", if masked { "mask" } else { "label" }).integer("count", 1);
                    found.text("kind", "x").text("layer", if masked { "dlp" } else { "inj" });
                });
            });
        }
        out.integer("res_n", i128::from(200 + chance.below(20_000))).text("status", "ok");
    });
    log.append(outcome)
}

#[test]
fn days_of_ordinary_traffic_are_nothing_to_tell_for_the_rules_that_are_shipped() {
    let folder = tempfile::tempdir().unwrap();
    let calls = ordinary_days(folder.path());
    assert!(calls > 10_000, "{calls} calls are no two days");
    let audit = folder.path().join("audit");
    let output = backtest(&["--config", "config/yett.yaml", "--audit", audit.to_str().unwrap(), "--json"]);
    let told = lines(&output);
    assert_eq!(output.status.code(), Some(0), "{told:?} {}", String::from_utf8_lossy(&output.stderr));
    let summary = told.last().unwrap();
    assert!(summary["records"].as_u64().unwrap() > 2 * calls - calls / 20, "{summary}");
    assert_eq!((&summary["alerts"], summary["rules"].as_object().unwrap().len()), (&json!(0), 13));
}
