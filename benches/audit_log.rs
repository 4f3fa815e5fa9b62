//! How fast is the whole log: appended by 64 callers, verified, opened again after a crash, with tree, heads and keys in play?
//!
//! `cargo bench --bench audit_log [-- GIB]`: a log of so many GiB (1); 10 GiB are more than 10 million records (AUD-056: verified within
//! a minute). The figures to defend (SECURITY.md 2.10, 2.11): 20,000 records/s from 64 callers, 8 us of CPU a record, 170,000 records/s
//! verified within 512 MiB, plain and compressed, a start within 5 s however long the log is. What depends on the disk stands beside the
//! time of one of its syncs. Needs twice the space in `target/`.

#![expect(
    clippy::cast_precision_loss,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a bench that cannot start has nothing to say, and measures real time"
)]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use yett::audit::{Condition, Disk, Draft, Kind, Log, Options, Stock, look_after, verify};
use yett::clock::SystemClock;
use yett::seal::Key;
use yett::secret::Secret;

const CALLERS: usize = 64;
const MIB: u64 = 1024 * 1024;

/// A decision and an outcome of the sizes measured for SECURITY.md 2.5.
fn call(number: u64) -> [Draft; 2] {
    let id = format!("0199a3c4-7d1e-7c55-9d0e-{number:012x}");
    let hash = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
    let mut decision = Draft::new(Kind::CallDecision);
    decision.text("call", &id).expects_outcome();
    decision.object("dec", |dec| {
        dec.text("effect", "allow").text("layers", "authn:ok,decode:ok,kill:ok,rate:ok,authz:ok,inj:0,dlp:0");
        dec.text("policy", hash).text("rule", "role:analyst");
    });
    decision.text("peer", "10.0.0.7").text("trace", "4bf92f3577b34da6a3ce929d0e0e4736");
    decision.object("what", |what| {
        what.text("args", hash).integer("args_n", 79).text("method", "tools/call").text("name", "search_customers");
        what.text("rev", "2026-07-28").text("server", "crm");
    });
    decision.object("who", |who| {
        who.text("authn", "jwt").text("client", "agent-0").text("iss", "corp").text("sub", "0e7648b5bb7a9bab");
    });
    let mut outcome = Draft::new(Kind::CallOutcome);
    outcome.text("call", &id).object("out", |out| {
        out.text("res", hash).integer("res_n", 1_300).text("status", "ok").integer("us", 1_234);
    });
    [decision, outcome]
}

fn options(directory: &Path) -> Options {
    let seal = Key::new(Secret::new(vec![7; 32])).expect("a key");
    Options::new(directory, "bench.example", "r1", seal)
}

fn open(directory: &Path) -> Log {
    Log::open(options(directory), Arc::new(Disk), Arc::new(SystemClock)).expect("a log").0
}

/// CPU time of the process so far: its own code, and the kernel's for it.
fn cpu() -> [Duration; 2] {
    let stat = fs::read_to_string("/proc/self/stat").expect("/proc");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    [11, 12].map(|field| Duration::from_millis(fields[field].parse::<u64>().unwrap_or(0) * 10))
}

/// What was spent since.
fn cpu_since(before: [Duration; 2]) -> [Duration; 2] {
    let now = cpu();
    [now[0].saturating_sub(before[0]), now[1].saturating_sub(before[1])]
}

/// A number of `/proc/self/status`, in MiB.
fn memory(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// The median of writing a block and asking the disk for it.
fn sync_time(directory: &Path) -> Duration {
    let mut file = fs::File::create(directory.join("probe")).expect("a file");
    let mut times: Vec<Duration> = (0..200)
        .map(|_| {
            let began = Instant::now();
            file.write_all(&[1; 4096]).expect("a write");
            file.sync_data().expect("a sync");
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// Appends until the log has so many bytes; gives the number of records and how long it took.
fn fill(log: &Log, directory: &Path, bytes: u64) -> (u64, Duration) {
    let (began, written) = (Instant::now(), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for caller in 0..CALLERS as u64 {
            let (log, written) = (log.clone(), &written);
            scope.spawn(move || {
                for number in 0.. {
                    if number % 64 == 0 && length(directory) >= bytes {
                        return;
                    }
                    let [decision, outcome] = call(caller << 32 | number);
                    let (first, second) = (log.append(decision), log.append(outcome));
                    first.wait().expect("durable");
                    second.wait().expect("durable");
                    written.fetch_add(2, Ordering::Relaxed);
                }
            });
        }
    });
    (written.into_inner(), began.elapsed())
}

fn length(directory: &Path) -> u64 {
    let segments = fs::read_dir(directory.join("bench.example/r1/seg")).expect("segments");
    segments.filter_map(|entry| entry.ok()?.metadata().ok()).map(|metadata| metadata.len()).sum()
}

#[expect(clippy::print_stdout, reason = "it is what the bench is for")]
fn main() {
    let gib = std::env::args().skip(1).find_map(|argument| argument.parse::<u64>().ok()).unwrap_or(1);
    let folder = tempfile::tempdir_in(std::env::current_dir().expect("a directory").join("target")).expect("a directory");
    let directory = folder.path();
    println!("one sync of this disk: {:?}", sync_time(directory));

    let log = open(directory);
    let (before, (records, took)) = (cpu(), fill(&log, directory, gib * 1024 * MIB));
    let spent = cpu_since(before).map(|spent| spent.as_secs_f64() * 1e6 / records as f64);
    let rate = records as f64 / took.as_secs_f64();
    println!("append: {records} records by {CALLERS} callers in {took:.1?}: {rate:.0} records/s");
    println!("append: {:.1} us of CPU a record, the callers' part included; the kernel's besides: {:.1} us", spent[0], spent[1]);

    // As a kill leaves it: nothing is closed in order.
    let crashed = directory.join("crashed");
    copy(&directory.join("bench.example"), &crashed.join("bench.example"));
    log.close();
    let began = Instant::now();
    let again = open(&crashed);
    println!("start after a crash with {} MiB of log: {:?}", length(&crashed) / MIB, began.elapsed());
    again.close();

    let plain = directory.join("bench.example");
    check("verify", &plain);
    let bytes = length(directory);
    compress(&plain.join("r1"));
    println!("compressed: {} MiB of {} MiB", length(directory) / MIB, bytes / MIB);
    check("verify, compressed", &plain);
}

/// Verifies the log in that directory, and says how fast and in how much memory.
#[expect(clippy::print_stdout, reason = "it is what the bench is for")]
fn check(what: &str, directory: &Path) {
    // So that the peak is that of the verification, not of what filled the log.
    fs::write("/proc/self/clear_refs", "5").expect("/proc");
    let (began, before, resident) = (Instant::now(), cpu(), memory("VmRSS"));
    let report = verify(directory).expect("a report");
    let took = began.elapsed();
    let [found] = &report.logs[..] else { panic!("one log") };
    let rate = found.records as f64 / took.as_secs_f64();
    println!("{what}: {} records and {} heads in {took:.1?}: {rate:.0} records/s", found.records, found.heads);
    println!(
        "{what}: {:.1} cores, resident {resident} MiB before and {} MiB at its peak, verdict {}",
        cpu_since(before).iter().sum::<Duration>().as_secs_f64() / took.as_secs_f64(),
        memory("VmHWM"),
        report.verdict().as_str()
    );
}

/// Compresses every sealed segment of a log, as a running gateway does beside its work.
fn compress(log: &Path) {
    let busy = Arc::new(AtomicBool::new(true));
    let go_on = Arc::clone(&busy);
    let (_condition, seen) = tokio::sync::watch::channel(Condition::Writing);
    let (stock, goes) = (Arc::new(Stock::default()), Arc::new(move || go_on.load(Ordering::Relaxed)));
    let keeper =
        look_after(Arc::new(Disk), log, true, stock, seen, goes, Box::new(|failure| panic!("{failure}"))).expect("a thread");
    let plain = || {
        let files = fs::read_dir(log.join("seg")).expect("segments").filter_map(Result::ok);
        files.filter(|file| file.path().extension().is_some_and(|extension| extension == "jsonl")).count()
    };
    while plain() > 1 {
        assert!(!keeper.is_finished(), "the keeper gave up");
        std::thread::sleep(Duration::from_millis(200));
    }
    busy.store(false, Ordering::Relaxed);
    keeper.join().expect("no panic");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory").filter_map(Result::ok) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_name() != "lock" {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
