//! Logs as the gateway writes them, made through the library.

use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use yett::audit::{Disk, Draft, Kind, Log, Options, PruneReason, Question, carry_out, catch_up, plan, settle};
use yett::clock::Clock;
use yett::seal::Key;
use yett::secret::Secret;

use super::{files, log_in};

/// A clock that a log's maker moves.
#[derive(Debug)]
struct HandClock(Mutex<Timestamp>);

impl HandClock {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new("2026-03-01T12:00:00Z".parse().unwrap())))
    }

    fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock();
        *now += by;
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }
}

/// How a log is made.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing that happens to a log by itself")]
pub(super) struct Recipe {
    /// Runs after each other: as many epochs.
    pub(super) runs: u64,
    /// Records of calls in each.
    pub(super) calls: u64,
    pub(super) segment_bytes: u64,
    pub(super) second_signature: bool,
    /// Runs end without `stop`, and the next one has to recover.
    pub(super) crashes: bool,
    /// A crash leaves part of a batch behind.
    pub(super) torn: bool,
    /// Calls of the last run have no outcome.
    pub(super) unanswered: bool,
    /// A run is silent for minutes.
    pub(super) silent: bool,
    /// Old segments are removed.
    pub(super) pruned: bool,
    /// The oldest segment that is left is compressed.
    pub(super) compressed: bool,
}

impl Recipe {
    pub(super) fn all() -> Vec<Self> {
        let plain = Self { runs: 1, calls: 6, segment_bytes: 1 << 20, ..Self::default() };
        vec![
            plain,
            Self { calls: 0, ..plain },
            Self { runs: 3, ..plain },
            Self { calls: 20, segment_bytes: 3_000, ..plain },
            Self { runs: 3, calls: 8, segment_bytes: 4_000, ..plain },
            Self { runs: 2, calls: 10, segment_bytes: 3_000, crashes: true, ..plain },
            Self { runs: 3, calls: 4, segment_bytes: 6_000, crashes: true, torn: true, ..plain },
            Self { runs: 2, calls: 5, second_signature: true, segment_bytes: 9_000, ..plain },
            Self { runs: 2, calls: 3, segment_bytes: 600, crashes: true, ..plain },
            Self { runs: 2, unanswered: true, ..plain },
            Self { calls: 10, silent: true, segment_bytes: 2_500, ..plain },
            Self { calls: 300, segment_bytes: 40_000, ..plain },
            Self { runs: 2, calls: 12, segment_bytes: 4_000, compressed: true, ..plain },
            Self { runs: 2, calls: 200, segment_bytes: 30_000, pruned: true, compressed: true, ..plain },
        ]
    }

    /// Makes the log in `data`/audit/gw.example/r1.
    pub(super) fn make(self, data: &Path) {
        let clock = HandClock::new();
        let key = || Key::new(Secret::new(vec![7; 32])).unwrap();
        for run in 0..self.runs {
            let options = Options {
                segment_bytes: self.segment_bytes,
                room: 4_096,
                reserve: 0,
                second_signature: self.second_signature,
                ..Options::new(data.join("audit"), "gw.example", "r1", key())
            };
            let (log, _) = Log::open(options, Arc::new(Disk), Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
            let append = |draft| log.append(draft).wait().unwrap();
            let mut start = Draft::new(Kind::Start);
            start.text("mode", "strict");
            append(start);
            for call in 0..self.calls {
                clock.advance(SignedDuration::from_millis(400));
                if self.silent && call == self.calls / 2 {
                    clock.advance(SignedDuration::from_mins(5));
                }
                let id = format!("{run}-{call}");
                let mut decision = Draft::new(Kind::CallDecision);
                decision.text("call", &id).expects_outcome().object("dec", |dec| {
                    dec.text("effect", "allow").text("rule", "r1 \u{1}\"\\\u{e9}\u{10ffff}");
                });
                append(decision);
                if !(self.unanswered && call > 2) {
                    let mut outcome = Draft::new(Kind::CallOutcome);
                    outcome.text("call", &id).object("out", |out| {
                        out.integer("bytes", 0).text("status", "ok");
                    });
                    append(outcome);
                }
            }
            if !self.crashes {
                append(Draft::new(Kind::Stop));
            }
            log.close();
            clock.advance(SignedDuration::from_hours(1));
            if self.torn && run + 1 < self.runs {
                let newest = files(&log_in(data).join("seg")).pop().unwrap();
                let mut bytes = fs::read(&newest).unwrap();
                bytes.extend_from_slice(b"{\"call\":\"x\0\0\0");
                fs::write(newest, bytes).unwrap();
            }
        }
        catch_up(&log_in(data)).unwrap();
        if self.pruned {
            prune(data, &clock);
        }
        if self.compressed {
            compress_oldest(&log_in(data));
        }
    }
}

/// Has a run record what is removed, and removes it.
fn prune(data: &Path, clock: &Arc<HandClock>) {
    let (log, held) = (log_in(data), HashSet::new());
    let before = "2030-01-01T00:00:00Z".parse().unwrap();
    let plan = plan(&log, &Question { from: None, before, held: &held, limit: 100 }).unwrap();
    let key = Key::new(Secret::new(vec![7; 32])).unwrap();
    let options = Options { room: 4_096, reserve: 0, ..Options::new(data.join("audit"), "gw.example", "r1", key) };
    let (open, _) = Log::open(options, Arc::new(Disk), Arc::clone(clock) as Arc<dyn Clock>).unwrap();
    let mut start = Draft::new(Kind::Start);
    start.text("mode", "strict");
    open.append(start).wait().unwrap();
    let draft = plan.removal.as_ref().unwrap().draft(PruneReason::Policy, "retention");
    let index = open.append(draft).wait().unwrap().index;
    open.append(Draft::new(Kind::Stop)).wait().unwrap();
    open.close();
    catch_up(&log).unwrap();
    settle(&log, &plan).unwrap();
    carry_out(&Disk, &log, &plan, index).unwrap();
}

fn compress_oldest(log: &Path) {
    let oldest = files(&log.join("seg")).remove(0);
    let lines = fs::read(&oldest).unwrap();
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.set_pledged_src_size(Some(lines.len() as u64)).unwrap();
    encoder.write_all(&lines).unwrap();
    fs::write(oldest.with_extension("jsonl.zst"), encoder.finish().unwrap()).unwrap();
    fs::remove_file(oldest).unwrap();
}
