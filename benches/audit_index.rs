//! What does the search index take: to make it anew, on the disk, and to answer?
//!
//! `cargo bench --bench audit_index`. The figures to defend: 20,000 records/s taken in by one core, so that the index keeps up with what the
//! log itself is asked to do; a page of a hundred within 20 ms.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use uuid::Uuid;
use yett::audit::{Disk, Draft, Kind, Log, Options};
use yett::audit_index::{FILE, Index, IndexError, Page, Query};
use yett::clock::SystemClock;
use yett::seal::Key;

/// Decisions with their outcomes.
const CALLS: u32 = 25_000;

/// A decision and its outcome as a busy gateway writes them: ids of their own, names that come again.
fn call(number: u32) -> [Draft; 2] {
    let hash = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
    let id = Uuid::now_v7().to_string();
    let mut decision = Draft::new(Kind::CallDecision);
    decision.text("call", &id).text("trace", &Uuid::new_v4().simple().to_string()).text("peer", "10.0.0.7");
    decision.object("dec", |dec| {
        dec.text("effect", "allow")
            .text("layers", "authn:ok,decode:ok,kill:ok,rate:ok,authz:ok,inj:0,dlp:0")
            .text("policy", hash);
        dec.text("rule", &format!("role:r{}", number % 20));
    });
    decision.object("what", |what| {
        what.text("args", hash)
            .integer("args_n", 79)
            .text("method", "tools/call")
            .text("name", &format!("tool_{}", number % 200));
        what.text("rev", "2026-07-28").text("server", &format!("srv{}", number % 10));
    });
    decision.object("who", |who| {
        who.text("authn", "jwt").text("client", "agent-0").text("iss", "idp1").text("sub", &format!("p{:015}", number % 5_000));
    });
    let mut outcome = Draft::new(Kind::CallOutcome);
    outcome.text("call", &id).object("out", |out| {
        out.text("res", hash).integer("res_n", 120).text("status", "ok").integer("us", 4_321);
    });
    [decision, outcome]
}

async fn made_anew(log: &Path) -> Result<Index, IndexError> {
    for name in [FILE, "index.db-wal", "index.db-shm"] {
        let _ = std::fs::remove_file(log.join(name));
    }
    let mut index = Index::open(log, None).await?;
    while index.take_in().await?.more {}
    Ok(index)
}

async fn page(log: &Path, query: &Query) -> Result<Page, IndexError> {
    let mut index = Index::open(log, None).await?;
    let page = index.search(query).await;
    index.close().await;
    page
}

fn index(criterion: &mut Criterion) {
    let Ok(directory) = tempfile::tempdir_in(std::env::current_dir().unwrap_or_default().join("target")) else { return };
    let Ok(seal) = Key::generate() else { return };
    let options = Options::new(directory.path(), "bench.example", "r1", seal);
    let Ok((log, _)) = Log::open(options, Arc::new(Disk), Arc::new(SystemClock)) else {
        return;
    };
    for number in 0..CALLS {
        for draft in call(number) {
            log.append_unhurried(draft);
        }
        if number.is_multiple_of(500) {
            let _ = log.append(Draft::new(Kind::Tick)).wait();
        }
    }
    let _ = log.append(Draft::new(Kind::Stop)).wait();
    log.close();
    let log = directory.path().join("bench.example/r1");
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() else { return };
    let Ok(made) = runtime.block_on(made_anew(&log)) else { return };
    runtime.block_on(made.close());
    let bytes = std::fs::metadata(log.join(FILE)).map_or(0, |metadata| metadata.len());

    let mut group = criterion.benchmark_group(format!("index, {} bytes a record", bytes / u64::from(2 * CALLS)));
    group.throughput(Throughput::Elements(u64::from(2 * CALLS)));
    group.bench_function("make anew", |bencher| bencher.iter(|| runtime.block_on(made_anew(&log)).is_ok()));
    group.throughput(Throughput::Elements(1));
    let queries = [
        ("newest hundred", Query::default()),
        ("a caller's", Query { principal: Some("p000000000000007".to_owned()), ..Query::default() }),
        (
            "a server's and a tool's",
            Query { server: Some("srv3".to_owned()), tool: Some("tool_43".to_owned()), ..Query::default() },
        ),
        ("nothing", Query { trace: Some("none".to_owned()), ..Query::default() }),
    ];
    for (name, query) in queries {
        group.bench_function(name, |bencher| bencher.iter(|| runtime.block_on(page(&log, &query)).is_ok()));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(3));
    targets = index
}
criterion_main!(benches);
