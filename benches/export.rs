//! What do exports take from a busy gateway?
//!
//! `cargo bench --bench export`. The figures to defend: 1,000 calls/s to two sinks cost at most a tenth of a core, and a dead sink costs
//! nothing. Each line is the processor time of the whole process (`/proc/self/stat`) while a log takes decisions and outcomes at that rate for ten seconds, and
//! how long the slowest hundredth of decisions took to be durable, which is what calls wait for. Printed, not judged: another machine has other figures.

#![expect(clippy::print_stdout, reason = "a bench prints what it has measured")]

use std::error::Error;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::task::TaskTracker;
use uuid::Uuid;
use yett::audit::{Disk, Draft, Kind, Log, Options};
use yett::clock::SystemClock;
use yett::config::{Sink, SinkFormat, SinkTo};
use yett::export::Exports;
use yett::master_key::MasterKey;
use yett::state::Place;
use yett::telemetry::Metrics;
use yett::vault::{Caller, Vault};

const CALLS_A_SECOND: u32 = 1_000;
const SECONDS: u32 = 10;

type Done<T> = Result<T, Box<dyn Error>>;

fn main() -> Done<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        println!("{CALLS_A_SECOND} calls/s for {SECONDS} s, two records each");
        // The first of all is slower: caches, and the allocator.
        measure("warming up", |_| Ok(Vec::new())).await?;
        measure("no sink", |_| Ok(Vec::new())).await?;
        measure("two files, OCSF and ECS", |folder| Ok(vec![file(folder, SinkFormat::Ocsf), file(folder, SinkFormat::Ecs)]))
            .await?;
        measure("two files, native and CEF", |folder| Ok(vec![file(folder, SinkFormat::Native), file(folder, SinkFormat::Cef)]))
            .await?;
        measure("a dead syslog server", |_| Ok(vec![dead()?])).await?;
        measure("no sink, again", |_| Ok(Vec::new())).await
    })
}

fn file(folder: &Path, format: SinkFormat) -> Sink {
    let (path, name) = (folder.join(format.as_str()), format.as_str().to_owned());
    Sink {
        name,
        format,
        identities: format != SinkFormat::Native,
        alerts_only: false,
        to: SinkTo::File { path, rotate: 1 << 30, keep: 1 },
    }
}

/// Nobody listens there.
fn dead() -> Done<Sink> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let to = SinkTo::Syslog { url: format!("http://127.0.0.1:{port}").parse()?, tls: yett::config::UpstreamTls::default() };
    Ok(Sink { name: "dead".to_owned(), format: SinkFormat::Ocsf, identities: true, alerts_only: false, to })
}

async fn measure(name: &str, sinks: impl FnOnce(&Path) -> Done<Vec<Sink>>) -> Done<()> {
    let folder = TempDir::new_in(std::env::current_dir()?.join("target"))?;
    let master = MasterKey::open(None, folder.path())?;
    let options = Options::new(folder.path().join("audit"), "bench.example", "r1", master.sealing("bench")?);
    let (log, _) = Log::open(options, Arc::new(Disk), Arc::new(SystemClock))?;
    let (log, tasks) = (Arc::new(log), TaskTracker::new());
    let vault = Arc::new(Vault::open(folder.path(), &master).await?);
    let caller = Caller { issuer: "corp", subject: "ada", tenant: None };
    let pseudonym = vault.pseudonym(caller, jiff::Timestamp::now()).await?;
    let place = Place::Sqlite(folder.path().to_owned());
    let sinks = sinks(folder.path())?;
    let metrics = Arc::new(Metrics::new());
    let count = u64::try_from(sinks.len())?;
    Exports::new(&sinks, &log, &place, &vault, &metrics)?.run(&log, &tasks)?;

    let (began, before) = (Instant::now(), processor()?);
    let mut tick = interval(Duration::from_millis(10));
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut waits = Vec::new();
    for round in 0..SECONDS * 100 {
        tick.tick().await;
        let at = Instant::now();
        let mut decided = None;
        for number in 0..CALLS_A_SECOND / 100 {
            let [decision, outcome] = call(round * 10 + number, &pseudonym.name);
            decided.get_or_insert(log.append(decision));
            drop(log.append(outcome));
        }
        if let Some(decided) = decided {
            decided.durable().await?;
        }
        waits.push(at.elapsed());
    }
    let (elapsed, used) = (began.elapsed(), processor()?.saturating_sub(before));
    waits.sort_unstable();
    let slowest = waits.get(waits.len() * 99 / 100).copied().unwrap_or_default();
    let share = used.as_secs_f64() / elapsed.as_secs_f64() * 100.0;
    // Everything is to have arrived, where it can.
    let rest = Instant::now();
    log.close();
    tasks.close();
    tasks.wait().await;
    println!(
        "{name:<28} {share:5.1} % of a core; durable within {:.1} ms (99 of 100); {count} sinks, {:.0} ms after the last",
        slowest.as_secs_f64() * 1e3,
        rest.elapsed().as_secs_f64() * 1e3,
    );
    Ok(())
}

/// Time that the process has had on processors, in user and kernel mode: fields 14 and 15, in hundredths of a second.
fn processor() -> Done<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no name")?;
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap_or(0)).sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// A decision and its outcome as a busy gateway writes them.
fn call(number: u32, pseudonym: &str) -> [Draft; 2] {
    let hash = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
    let id = Uuid::now_v7().to_string();
    let mut decision = Draft::new(Kind::CallDecision);
    decision.text("call", &id).text("trace", &Uuid::new_v4().simple().to_string()).text("peer", "10.0.0.7");
    decision.expects_outcome();
    decision.object("dec", |dec| {
        dec.text("effect", "allow").text("layers", "authn:ok,decode:ok,kill:ok,rate:ok,authz:ok,inj:0,dlp:0");
        dec.text("policy", hash).text("rule", "role:analyst");
    });
    decision.object("what", |what| {
        what.text("args", hash).integer("args_n", 79).text("method", "tools/call");
        what.text("name", &format!("tool_{}", number % 200)).text("rev", "2026-07-28").text("server", "crm");
    });
    decision.object("who", |who| {
        who.text("authn", "jwt").text("client", "agent-0").text("facts", "efe49fb9b98156bfaa48446a48f528bb");
        who.text("iss", "corp").text("sub", pseudonym);
    });
    let mut outcome = Draft::new(Kind::CallOutcome);
    outcome.text("call", &id).object("out", |out| {
        out.text("res", hash).integer("res_n", 120).text("status", "ok").integer("us", 4_321);
    });
    [decision, outcome]
}
