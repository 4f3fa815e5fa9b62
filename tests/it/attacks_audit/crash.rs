//! Kills: whatever a client was told and whatever a server received is in the log, and what was captured of it in the vault; the next start
//! goes on from there.

use std::collections::HashMap;
use std::fs;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use uuid::Uuid;
use yett::master_key::MasterKey;
use yett::vault::Vault;

use super::trace;
use crate::cli::http::try_call;
use crate::cli::process::Home;
use crate::cli::upstream::Upstream;

/// Clients that call without a pause.
const CLIENTS: usize = 8;

/// Rounds of every test run; `YETT_KILL_ROUNDS` asks for more.
const ROUNDS: u64 = 8;

#[expect(clippy::disallowed_methods, reason = "a knob of this test")]
fn rounds() -> u64 {
    std::env::var("YETT_KILL_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

/// Decisions and outcomes by call.
#[derive(Default)]
struct Book {
    decisions: HashMap<String, u32>,
    outcomes: HashMap<String, Vec<String>>,
}

impl Book {
    fn of(records: &[Value]) -> Self {
        let mut book = Self::default();
        for record in records {
            let Some(call) = record["call"].as_str() else { continue };
            match record["kind"].as_str() {
                Some("call.decision") => *book.decisions.entry(call.to_owned()).or_default() += 1,
                Some("call.outcome") => {
                    let status = record["out"]["status"].as_str().unwrap_or_default().to_owned();
                    book.outcomes.entry(call.to_owned()).or_default().push(status);
                }
                _ => {}
            }
        }
        book
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "the figures are what docs/operations.md quotes")]
fn aud_015_killed_at_random_under_load_no_told_result_and_no_sent_call_is_without_its_record() {
    let upstream = Upstream::start();
    let home = Home::new(upstream.address);
    home.edit("/mcp\" }\n  mail", "/mcp\", capture: full }\n  mail");
    let (_, secret) = home.key_offline("ada");
    let told: Mutex<Vec<String>> = Mutex::default();
    let rounds = rounds();
    for round in 0..rounds {
        let serving = home.serve();
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    // Until the gateway is gone.
                    while let Some(reply) = try_call(serving.listener, "crm", &secret, "get_customer") {
                        if reply.status == 200 {
                            told.lock().push(reply.header("yett-call").unwrap().to_owned());
                        }
                    }
                });
            }
            // Another instant each round, spread over some hundred milliseconds of load.
            thread::sleep(Duration::from_millis(60 + round * 7_919 % 500));
            serving.signal("KILL");
        });
        drop(serving.wait());
    }
    let serving = home.serve();
    assert_eq!(serving.terminate().0, Some(0));

    let records = home.records();
    let book = Book::of(&records);
    let told = told.into_inner();
    for call in &told {
        let outcomes =
            book.outcomes.get(call).unwrap_or_else(|| panic!("a client was told the result of {call}, which has no outcome"));
        assert_eq!(outcomes.as_slice(), ["ok"], "{call}");
    }
    let received = upstream.calls();
    for call in &received {
        assert_eq!(book.decisions.get(call), Some(&1), "the server received {call}, which has no decision");
    }
    for call in book.decisions.keys() {
        assert_eq!(book.outcomes.get(call).map(Vec::len), Some(1), "{call} has no end, or two");
    }
    let recoveries = records.iter().filter(|record| record["kind"] == "recovery").count() as u64;
    assert_eq!(recoveries, rounds, "every kill is told in the log");
    let captured = captured(&home, &told);
    assert_eq!(captured, told.len(), "the vault has lost arguments of calls whose results were told");
    let tiles = fs::read_dir(home.path("data/audit/cli.localhost/r1/tile/0")).map_or(0, Iterator::count);
    // How many records there are is a matter of how busy the machine is.
    assert!(tiles > 0 || records.len() < 2 * 256, "{} records without a tile", records.len());
    let unknown = book.outcomes.values().filter(|outcomes| outcomes[0] == "unknown").count();
    let verified = home.run(&["audit", "verify", "data", "--accept-unanchored"]);
    assert!(matches!(verified.code, Some(0 | 2)), "{:?}\n{}", verified.code, verified.out);
    eprintln!(
        "{rounds} kills under load of {CLIENTS} clients: {} results told, {} calls received by the server, {} records, \
         {unknown} calls without a known end, {tiles} tiles; results without an outcome: 0, without captured arguments: 0, calls without \
         a decision: 0; verify ends {:?}",
        told.len(),
        received.len(),
        records.len(),
        verified.code.unwrap(),
    );
    assert!(told.len() as u64 > rounds, "the load did nothing");
}

/// How many of these calls the vault still holds the arguments of.
fn captured(home: &Home, calls: &[String]) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let data = home.path("data");
        let vault = Vault::open(&data, &MasterKey::open(None, &data).unwrap()).await.unwrap();
        let mut held = 0;
        for call in calls {
            let call: Uuid = call.parse().unwrap();
            held += usize::from(vault.content(call.as_bytes()).await.unwrap().len() == 1);
        }
        vault.close().await;
        held
    })
}

/// Calls before the one that is cut off: the thread that opens the log writes more often than that, and must not be the one that dies.
const BEFORE: usize = 40;

/// The file whose writes are counted: heads are written by the clock.
const SEGMENT: &str = "0000000000000.jsonl";

#[test]
fn aud_016_a_crash_between_the_servers_reply_and_the_outcome_ends_the_call_as_unknown() {
    // The kill comes with the same write of whichever thread is first to it: the index would be.
    let home_without_index = |address| {
        let home = Home::new(address);
        home.edit("origin: cli.localhost", "origin: cli.localhost, index: false");
        home
    };
    // Which of the writer's writes is the outcome's? A run in peace tells.
    let write_of_the_outcome = {
        let upstream = Upstream::start();
        let home = home_without_index(upstream.address);
        let (_, secret) = home.key_offline("ada");
        let serving = trace::serve(&home, &[]);
        let call = || try_call(serving.listener, "crm", &secret, "get_customer").unwrap();
        (0..BEFORE).for_each(|_| drop(call()));
        let reply = call();
        let call = reply.header("yett-call").unwrap().to_owned();
        assert_eq!(serving.terminate().0, Some(0));
        let calls = trace::read(&home);
        let outcome = calls.iter().filter(|entry| entry.writes_records() && entry.arguments.contains(&call)).nth(1).unwrap();
        let of_thread = |entry: &&trace::SysCall| {
            entry.name == "pwrite64" && entry.thread == outcome.thread && entry.arguments.contains(SEGMENT)
        };
        calls.iter().filter(of_thread).filter(|entry| entry.began <= outcome.began).count()
    };

    let upstream = Upstream::start();
    let home = home_without_index(upstream.address);
    let (_, secret) = home.key_offline("ada");
    // SIGKILL when the outcome is about to be written.
    let segment = home.path(&format!("data/audit/cli.localhost/r1/seg/{SEGMENT}"));
    let kill = format!("inject=pwrite64:signal=KILL:when={write_of_the_outcome}");
    let serving = trace::serve(&home, &["-P", segment.to_str().unwrap(), "-e", &kill]);
    let call = || try_call(serving.listener, "crm", &secret, "get_customer");
    (0..BEFORE).for_each(|at| assert!(call().is_some(), "killed in call {at} already"));
    let reply = call();
    assert!(reply.is_none(), "the client was told a result that is not recorded: {reply:?}");
    assert_eq!(serving.wait().0, None, "it was not killed");
    let received = upstream.calls();
    assert_eq!(received.len(), BEFORE + 1, "the server has answered the call");

    let serving = home.serve();
    assert_eq!(serving.terminate().0, Some(0));
    let records = home.records();
    let of_call: Vec<_> = records.iter().filter(|record| record["call"] == received[BEFORE].as_str()).collect();
    assert_eq!(of_call.len(), 2, "{of_call:#?}");
    assert_eq!(of_call[0]["dec"]["effect"], "allow");
    assert_eq!(of_call[1]["out"], serde_json::json!({ "reason": "restart", "status": "unknown" }));
    let verified = home.run(&["audit", "verify", "data", "--accept-unanchored"]);
    assert!(matches!(verified.code, Some(0 | 2)), "{}", verified.out);
}
