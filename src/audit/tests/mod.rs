//! The log as a whole, on a file system and on a disk that fails.

mod anchors;
mod attacks;
mod compression;
mod crash;
mod disk;
mod evidence;
mod failures;
mod format;
mod full;
mod locks;
mod power;
mod pruning;
mod sim;
mod tamper;
mod thinning;
mod tree;
mod writing;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tempfile::TempDir;

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::seal::Key;
use crate::secret::Secret;
use crate::tlog::{Checkpoint, Frontier, Hash};

use super::epoch::Epoch;
use super::layout::{Layout, epoch_number};

/// A clock that tests move.
#[derive(Debug)]
struct FakeClock(Mutex<Timestamp>);

impl FakeClock {
    fn at(text: &str) -> Arc<Self> {
        Arc::new(Self(Mutex::new(text.parse().unwrap())))
    }

    fn advance(&self, seconds: i64) {
        let mut now = self.0.lock();
        *now = Timestamp::from_microsecond(now.as_microsecond() + seconds * 1_000_000).unwrap();
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }
}

struct Fixture {
    dir: TempDir,
}

impl Fixture {
    /// In memory where there is room: these tests write and copy logs by the thousand, and none of them asks what a disk does (`sim.rs` and
    /// the tests that start a gateway do).
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let room = rustix::fs::statvfs(memory).is_ok_and(|found| found.f_bavail.saturating_mul(found.f_frsize) > 1 << 30);
        let dir = if room { TempDir::new_in(memory).ok() } else { None };
        Self { dir: dir.unwrap_or_else(|| TempDir::new().unwrap()) }
    }

    fn options(&self) -> Options {
        // Little room, since many of these tests open a log many times; the sizes themselves have tests of their own.
        Options { room: 32 * 1024, ..Options::new(self.dir.path().join("audit"), "gw.example", "r1", seal()) }
    }

    fn log_dir(&self) -> PathBuf {
        self.dir.path().join("audit/gw.example/r1")
    }

    /// The heads made while the first segment was the last.
    fn heads_file(&self) -> PathBuf {
        self.log_dir().join("checkpoints/0000000000000.notes")
    }

    fn segment(&self, first: u64) -> PathBuf {
        self.log_dir().join(format!("seg/{first:013}.jsonl"))
    }

    fn open(&self) -> (Log, Opened) {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<(Log, Opened), OpenError> {
        open_with(self.options(), Arc::new(Disk), Arc::new(SystemClock))
    }

    /// The lines of all segments.
    fn lines(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.log_dir().join("seg")).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        let lines = |path| {
            let text = fs::read_to_string(path).unwrap();
            text.trim_end_matches('\0').lines().map(str::to_owned).collect::<Vec<_>>()
        };
        names.iter().flat_map(lines).collect()
    }

    fn kinds(&self) -> Vec<String> {
        self.lines().iter().map(|line| json(line)["kind"].as_str().unwrap().to_owned()).collect()
    }

    fn verify(&self) -> LogReport {
        verify(self.dir.path()).unwrap().logs.remove(0)
    }
}

/// The key under which these tests keep signing keys.
fn seal() -> Key {
    Key::new(Secret::new(vec![7; 32])).unwrap()
}

fn open_with(options: Options, storage: Arc<dyn Storage>, clock: Arc<dyn Clock>) -> Result<(Log, Opened), OpenError> {
    Log::open(options, storage, clock)
}

/// Heads over the first so many of `lines`, signed with the keys that the log of the fixture has in force.
fn heads(fixture: &Fixture, lines: &[String], sizes: &[usize]) -> String {
    let layout = Layout::new(&fixture.dir.path().join("audit"), "gw.example", "r1").unwrap();
    let numbers = fs::read_dir(layout.keys()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let number = numbers.filter_map(|name| epoch_number(&name)).max().unwrap();
    let epoch = Epoch::load(&Disk, &layout, &seal(), number).unwrap();
    let mut text = String::new();
    for size in sizes {
        let mut tree = Frontier::new();
        lines[..*size].iter().for_each(|line| tree.push(Hash::leaf(line.as_bytes())));
        let head = Checkpoint { origin: layout.name.clone(), size: *size as u64, root: tree.root() };
        text = text + &epoch.sign(&head, 1_000).unwrap().to_string() + "\n";
    }
    text
}

fn json(line: &str) -> serde_json::Value {
    serde_json::from_str(line).unwrap()
}

fn start() -> Draft {
    let mut draft = Draft::new(Kind::Start);
    draft.text("mode", "strict");
    draft
}

fn decision(call: &str) -> Draft {
    let mut draft = Draft::new(Kind::CallDecision);
    draft.text("call", call).expects_outcome();
    draft.object("dec", |dec| {
        dec.text("effect", "allow").text("rule", "r15");
    });
    draft.object("what", |what| {
        what.text("method", "tools/call").text("name", "search").text("server", "crm");
    });
    draft.object("who", |who| {
        who.text("sub", "p-1");
    });
    draft
}

fn denial(call: &str) -> Draft {
    let mut draft = Draft::new(Kind::CallDecision);
    draft.text("call", call).object("dec", |dec| {
        dec.text("effect", "deny");
    });
    draft
}

fn outcome(call: &str) -> Draft {
    let mut draft = Draft::new(Kind::CallOutcome);
    draft.text("call", call).object("out", |out| {
        out.text("status", "ok");
    });
    draft
}

/// Appends and waits.
fn put(log: &Log, draft: Draft) -> u64 {
    log.append(draft).wait().unwrap().index
}

/// A log of one run with `calls` calls, closed in order.
fn finished(fixture: &Fixture, calls: usize) {
    let (log, _) = fixture.open();
    put(&log, start());
    for call in 0..calls {
        put(&log, decision(&format!("c{call}")));
        put(&log, outcome(&format!("c{call}")));
    }
    put(&log, Draft::new(Kind::Stop));
    log.close();
}

/// Waits for something the writer thread does on its own.
fn eventually(mut condition: impl FnMut() -> bool) {
    for _ in 0..500 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("did not happen within five seconds");
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
