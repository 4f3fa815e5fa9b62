//! A log that is long: verification takes no more memory for it than for a short one, and tells a person how far it is.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;
use yett::audit::{Disk, Draft, Kind, Log, Options};
use yett::clock::SystemClock;
use yett::seal::Key;
use yett::secret::Secret;

use crate::peers::parts;

/// What AUD-056 allows (KiB).
const ALLOWED: u64 = 512 << 10;

/// More than the allocator's mood, and less than a third of the lines that the log gets more.
const NOISE: u64 = 12 << 10;

/// Records of the log when it is short, and those that it gets more.
const SHORT: u64 = 40_000;
const MORE: u64 = 160_000;

/// `yett` on a terminal: its standard output goes to the file that comes first, and what the terminal shows comes back with its exit code
/// and the most memory that it had.
const ON_A_TERMINAL: &str = r#"
import json, os, pty, sys
out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
pid, terminal = pty.fork()
if pid == 0:
    os.dup2(out, 1)
    os.execv(sys.argv[2], sys.argv[2:])
shown = b""
while True:
    try: part = os.read(terminal, 65536)
    except OSError: break
    if not part: break
    shown += part
_, status, used = os.wait4(pid, 0)
print(json.dumps({"exit": os.waitstatus_to_exitcode(status), "kib": used.ru_maxrss, "shown": shown.decode()}))
"#;

/// A verification as a person sees it.
struct Seen {
    exit: i64,
    kib: u64,
    shown: String,
    said: Value,
}

fn verify(data: &Path) -> Seen {
    let out = data.join("out");
    let mut python = parts::in_reference(ON_A_TERMINAL);
    let program =
        python.arg(&out).arg(env!("CARGO_BIN_EXE_yett")).args(["audit", "verify", "--json"]).arg(data).output().unwrap();
    let seen: Value = serde_json::from_slice(&program.stdout).unwrap_or_else(|error| panic!("{error}: {program:?}"));
    let said = serde_json::from_slice(&std::fs::read(out).unwrap()).unwrap();
    Seen {
        exit: seen["exit"].as_i64().unwrap(),
        kib: seen["kib"].as_u64().unwrap(),
        shown: seen["shown"].as_str().unwrap().to_owned(),
        said,
    }
}

/// A run that writes that many records, and some more about keys and segments.
fn write(data: &Path, records: u64) {
    let key = Key::new(Secret::new(vec![7; 32])).unwrap();
    let options = Options { segment_bytes: 4 << 20, ..Options::new(data.join("audit"), "gw.example", "r1", key) };
    let (log, _) = Log::open(options, Arc::new(Disk), Arc::new(SystemClock)).unwrap();
    for number in 0..records {
        let mut decision = Draft::new(Kind::CallDecision);
        decision.text("call", &format!("{number:032x}"));
        let receipt = log.append(decision);
        if number % 1_000 == 999 {
            receipt.wait().unwrap();
        }
    }
    log.append_last(Draft::new(Kind::Stop)).wait().unwrap();
    log.close();
}

#[test]
fn aud_056_a_log_five_times_as_long_takes_no_more_memory_to_verify_and_a_person_is_told_how_far_it_is() {
    let data = TempDir::new().unwrap();
    write(data.path(), SHORT);
    let before = verify(data.path());
    write(data.path(), MORE);
    let seen = verify(data.path());
    // Nobody confirms it from outside.
    assert_eq!((before.exit, seen.exit), (3, 3), "{}{}", seen.shown, seen.said);
    let records = seen.said["logs"][0]["records"].as_u64().unwrap();
    assert!(records > SHORT + MORE && seen.said["logs"][0]["head"] == records, "{}", seen.said);
    assert!(seen.kib <= ALLOWED, "{} KiB", seen.kib);
    assert!(seen.kib <= before.kib + NOISE, "{} KiB for {SHORT} records, {} KiB for {records}", before.kib, seen.kib);
    let total = seen.shown.rsplit_once(" of ").and_then(|(_, rest)| rest.split_once(" MiB")).map(|(total, _)| total);
    let total: u64 = total.unwrap_or_else(|| panic!("nothing is told: {:?}", seen.shown)).parse().unwrap();
    let steps = seen.shown.matches(&format!(" of {total} MiB")).count();
    assert!(steps as u64 >= total / 5, "told {steps} times: {:?}", seen.shown);
    assert!(seen.shown.ends_with("\r\u{1b}[K"), "the line stays: {:?}", seen.shown);
}
