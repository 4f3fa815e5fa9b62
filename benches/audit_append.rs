//! What does an acknowledged append cost: our own part (a disk that syncs for nothing), and with a real `fdatasync`?
//!
//! `cargo bench --bench audit_append`. The figures to defend: own cost at batch 64 below 6 us a record (PERFORMANCE.md,
//! audit budget of two records); on a real disk batch 64 within a few times the cost of one sync.

#![expect(clippy::expect_used, reason = "a bench that cannot start has nothing to say")]

use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use yett::audit::{Disk, Draft, Kind, Log, Options, Storage, canonical_members, verify};
use yett::clock::SystemClock;
use yett::seal::Key;
use yett::tlog::Hash;

#[path = "support/null_disk.rs"]
mod null_disk;

use null_disk::NullDisk;

/// A decision of the size measured for SECURITY.md 2.5: about 720 bytes as a line.
fn decision() -> Draft {
    let hash = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
    let mut draft = Draft::new(Kind::CallDecision);
    draft.text("call", "0199a3c4-7d1e-7c55-9d0e-0c6b3f1d2a4b");
    draft.object("dec", |dec| {
        dec.text("effect", "allow")
            .text("layers", "auth:ok,rbac:ok,dlp:0,inj:0,rate:ok")
            .text("policy", hash)
            .text("rule", "r15");
    });
    draft.text("trace", "4bf92f3577b34da6a3ce929d0e0e4736");
    draft.object("what", |what| {
        what.text("args", hash).integer("args_n", 79).text("method", "tools/call").text("name", "tool_15");
        what.text("rev", "2026-07-28").text("server", "srv7");
    });
    draft.object("who", |who| {
        who.text("authn", "oidc").text("client", "agent-0").text("iss", "idp1").text("sub", "p-48af").text("tenant", "t1");
    });
    draft
}

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append acknowledged");
    let disks: [(&str, Arc<dyn Storage>); 2] = [("null disk", Arc::new(NullDisk)), ("fdatasync", Arc::new(Disk))];
    for (name, disk) in disks {
        for batch in [1_u64, 64] {
            let Ok(directory) = tempfile::tempdir_in(std::env::current_dir().unwrap_or_default().join("target")) else {
                continue;
            };
            let options = Options::new(directory.path(), "bench.example", "r1", Key::generate().expect("a key"));
            let Ok((log, _)) = Log::open(options, Arc::clone(&disk), Arc::new(SystemClock)) else { continue };
            group.throughput(Throughput::Elements(batch));
            group.bench_function(BenchmarkId::new(name, format!("batch {batch}")), |bencher| {
                bencher.iter(|| {
                    let receipts: Vec<_> = (0..batch).map(|_| log.append(decision())).collect();
                    receipts.into_iter().filter_map(|receipt| receipt.wait().ok()).count()
                });
            });
            log.close();
        }
    }
    group.finish();
}

fn parts(criterion: &mut Criterion) {
    let Ok(directory) = tempfile::tempdir_in(std::env::current_dir().unwrap_or_default().join("target")) else { return };
    let options = Options::new(directory.path(), "bench.example", "r1", Key::generate().expect("a key"));
    let Ok((log, _)) = Log::open(options, Arc::new(Disk), Arc::new(SystemClock)) else { return };
    let records = 20_000_u64;
    let receipts: Vec<_> = (0..records).map(|_| log.append(decision())).collect();
    drop(receipts);
    log.close();
    let segment = directory.path().join("bench.example/r1/seg/0000000000000.jsonl");
    let text = std::fs::read_to_string(segment).unwrap_or_default();
    let line = text.lines().nth(10).unwrap_or_default();

    let mut group = criterion.benchmark_group("parts");
    group.bench_function("draft a decision", |bencher| bencher.iter(decision));
    group.bench_function(format!("hash a line of {} bytes", line.len()), |bencher| bencher.iter(|| Hash::leaf(line.as_bytes())));
    group.bench_function("check a line's form", |bencher| bencher.iter(|| canonical_members(line.as_bytes(), |_, _| ())));
    group.throughput(Throughput::Elements(records));
    group.bench_function("verify, per record", |bencher| {
        bencher.iter(|| verify(directory.path()).is_ok());
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(3));
    targets = append, parts
}
criterion_main!(benches);
