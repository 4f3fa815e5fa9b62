//! Two verifiers that share nothing but the document: `yett audit verify` and `tests/reference/verify_log.py`.
//!
//! Logs of several kinds are made through the library, copied, changed in every way that comes to mind, and both must say the same
//! of each: exit code, root of the newest good head, first bad record.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use yett::audit::{Disk, Draft, Kind, Log, Options, verify};
use yett::clock::Clock;
use yett::seal::Key;
use yett::secret::Secret;
use yett::tlog::{Checkpoint, Hash, Note, Scheme, Signer};

use crate::peers::parts;

mod mutate;

use mutate::Chance;

/// Bundles of a test run, of which every second one is changed; `YETT_BUNDLES` asks for more.
const BUNDLES: u64 = 500;

/// Where chance begins: a failure names the bundle, and the bundle comes again.
const SEED: u64 = 0x5eed_0a0d_058a_0d17;

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
struct Recipe {
    /// Runs after each other: as many epochs.
    runs: u64,
    /// Records of calls in each.
    calls: u64,
    segment_bytes: u64,
    second_signature: bool,
    /// Runs end without `stop`, and the next one has to recover.
    crashes: bool,
    /// A crash leaves part of a batch behind.
    torn: bool,
    /// Calls of the last run have no outcome.
    unanswered: bool,
    /// A run is silent for minutes.
    silent: bool,
}

impl Recipe {
    fn all() -> Vec<Self> {
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
        ]
    }

    /// Makes the log in `data`/audit/gw.example/r1.
    fn make(self, data: &Path) {
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
    }
}

fn log_in(data: &Path) -> PathBuf {
    data.join("audit/gw.example/r1")
}

/// The files of a directory, by name.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// What is verified of a log, without locks, keys and reserve.
fn copy_log(from: &Path, to: &Path) {
    for part in ["seg", "checkpoints"] {
        fs::create_dir_all(log_in(to).join(part)).unwrap();
        for file in files(&log_in(from).join(part)) {
            fs::copy(&file, log_in(to).join(part).join(file.file_name().unwrap())).unwrap();
        }
    }
}

/// What a verifier says of a directory, as far as both must say the same.
#[derive(Debug, PartialEq)]
struct Said {
    exit: Value,
    root: Value,
    bad: Value,
}

impl Said {
    fn read(answer: &Value) -> Self {
        let log = &answer["logs"][0];
        // How far a verifier goes on in a log that is tampered with is its own affair.
        let root = if answer["exit"] == 1 { Value::Null } else { log["root"].clone() };
        Self { exit: answer["exit"].clone(), root, bad: log["fault"]["index"].clone() }
    }
}

/// What the second verifier says of each directory.
fn second_opinions(paths: &[PathBuf]) -> Vec<Value> {
    let mut child = parts::reference("verify_log.py").arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut list = String::new();
    for path in paths {
        writeln!(list, "{}", path.display()).unwrap();
    }
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(list.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A copy of a log, changed or not.
struct Bundle {
    /// How it came to be.
    what: String,
    path: PathBuf,
    /// What it was before.
    made: PathBuf,
}

/// The lines of all segments.
fn lines(data: &Path) -> Vec<Vec<u8>> {
    let bytes: Vec<_> = files(&log_in(data).join("seg")).iter().flat_map(|path| fs::read(path).unwrap()).collect();
    bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// Whether the records that a head counts are those that were written: all that a verdict but "tampered" may promise.
fn is_as_it_was(bundle: &Bundle, said: &Value) -> bool {
    let [first, head] = ["first", "head"].map(|key| usize::try_from(said["logs"][0][key].as_u64().unwrap_or(0)).unwrap());
    let counted = head.saturating_sub(first);
    lines(&bundle.path).iter().take(counted).eq(lines(&bundle.made).iter().skip(first).take(counted))
}

/// Verifies every directory twice, and says where the two differ or both are wrong.
fn differences(bundles: &[Bundle]) -> (Vec<String>, Vec<i64>) {
    let paths: Vec<_> = bundles.iter().map(|bundle| bundle.path.clone()).collect();
    let second = second_opinions(&paths);
    assert_eq!(second.len(), bundles.len());
    let (mut different, mut exits) = (Vec::new(), Vec::new());
    for (bundle, second) in bundles.iter().zip(&second) {
        let what = &bundle.what;
        let first =
            verify(&bundle.path).map_or_else(|_| json!({"exit": 4}), |report| serde_json::from_str(&report.to_json()).unwrap());
        exits.push(first["exit"].as_i64().unwrap());
        if Said::read(&first) != Said::read(second) {
            different.push(format!("{what}\n  first:  {first}\n  second: {second}"));
        } else if first["exit"] != 1 && !is_as_it_was(bundle, &first) {
            different.push(format!("{what}\n  neither finds what was changed: {first}"));
        }
    }
    (different, exits)
}

#[expect(clippy::disallowed_methods, reason = "a knob of this test")]
fn bundles_wanted() -> u64 {
    std::env::var("YETT_BUNDLES").map_or(BUNDLES, |bundles| bundles.parse().unwrap())
}

#[test]
fn aud_058_two_verifiers_say_the_same_of_500_bundles() {
    let folder = TempDir::new().unwrap();
    let recipes = Recipe::all();
    for (at, recipe) in recipes.iter().enumerate() {
        recipe.make(&folder.path().join(format!("made-{at}")));
    }
    let mut bundles = Vec::new();
    for number in 0..bundles_wanted() {
        let mut chance = Chance::new(SEED ^ number);
        let at = chance.below(recipes.len());
        let path = folder.path().join(number.to_string());
        let made = folder.path().join(format!("made-{at}"));
        copy_log(&made, &path);
        let mut what = format!("bundle {number} of {:?}", recipes[at]);
        if number % 2 == 1 {
            let log = log_in(&path);
            write!(what, ": {}", mutate::mutate(&log, &mut chance)).unwrap();
        }
        bundles.push(Bundle { what, path, made });
    }
    let (different, exits) = differences(&bundles);
    let kept = if different.is_empty() { None } else { Some(folder.keep()) };
    let (count, of) = (different.len(), bundles.len());
    assert!(different.is_empty(), "{count} of {of} bundles differ, see {kept:?}:\n{}", different.join("\n"));
    for exit in [1, 2, 3, 5] {
        assert!(exits.contains(&exit), "no bundle ends in {exit}");
    }
}

/// What the second verifier says with these options: its exit code, and the first bad record.
fn asked(data: &Path, options: &[(&str, &str)]) -> (i32, Option<u64>) {
    let mut command = parts::reference("verify_log.py");
    for (at, (option, content)) in options.iter().enumerate() {
        let file = data.join(format!("option-{at}"));
        fs::write(&file, content).unwrap();
        // A time is no file.
        let value = if *option == "--now" { Path::new(content) } else { file.as_path() };
        command.arg(option).arg(value);
    }
    let output = command.arg("--json").arg(data).output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), answer["logs"][0]["fault"]["index"].as_u64())
}

#[test]
fn aud_058_the_second_verifier_believes_pins_and_witnesses_it_was_given() {
    let folder = TempDir::new().unwrap();
    let data = folder.path();
    Recipe { runs: 2, calls: 6, segment_bytes: 1 << 20, ..Recipe::default() }.make(data);
    let report = verify(data).unwrap().logs.remove(0);
    let (size, name, key) = (report.head.unwrap(), report.log, report.key.unwrap());
    let root = Hash::from_base64(&report.root.unwrap()).unwrap();
    let head = |origin: &str, size, root| Checkpoint { origin: origin.to_owned(), size, root }.to_string();
    let right = head(&name, size, root);

    assert_eq!(asked(data, &[]), (3, None));
    assert_eq!(asked(data, &[("--pin", &right)]), (0, None));
    assert_eq!(asked(data, &[("--pin", &right), ("--now", "2026-03-02T12:00:00Z")]), (0, None));
    assert_eq!(asked(data, &[("--pin", &right), ("--now", "2026-03-02T14:00:00Z")]), (3, None), "older than a day");
    assert_eq!(asked(data, &[("--pin", &head(&name, size, Hash::ZERO))]), (1, Some(size - 1)));
    assert_eq!(asked(data, &[("--pin", &head(&name, size + 1, root))]), (1, Some(size)));
    assert_eq!(asked(data, &[("--pin", &head("other/audit/r1", size, Hash::ZERO))]), (3, None), "of another log");
    assert_eq!(asked(data, &[("--pin", "no head")]), (4, None));

    let signer = |name: &str, scheme, seed| Signer::from_seed(name, scheme, &[seed; 32]).unwrap();
    let [one, two] = [1, 2].map(|seed| signer(&format!("witness/{seed}"), Scheme::CosignatureV1, seed));
    let stranger = signer(&name, Scheme::Ed25519, 9);
    let policy = |log: &str, quorum: &str| {
        format!(
            "# Ours.\nlog {log}\nwitness w1 {}\nwitness w2 {} https://w2/\ngroup both all w1 w2\nquorum {quorum}\n",
            one.key(),
            two.key()
        )
    };
    assert_eq!(asked(data, &[("--policy", &policy(&stranger.key().to_string(), "w1"))]), (1, Some(0)));
    assert_eq!(asked(data, &[("--policy", &policy(&key, "w1"))]), (3, None), "nobody has witnessed it");

    let witnessed = log_in(data).join("witnessed");
    fs::create_dir(&witnessed).unwrap();
    let put = |text: &str| {
        let mut note = Note::new(text).unwrap();
        note.sign(&one, 1_772_366_400).unwrap();
        fs::write(witnessed.join("0000000000000.notes"), format!("{note}\n")).unwrap();
    };
    put(&right);
    for (quorum, exit) in [("w1", 0), ("w2", 3), ("both", 3), ("none", 3), ("w3", 4)] {
        assert_eq!(asked(data, &[("--policy", &policy(&key, quorum))]), (exit, None), "{quorum}");
    }
    assert_eq!(asked(data, &[]), (3, None), "witnesses that nobody named");
    put(&head(&name, size, Hash::ZERO));
    assert_eq!(asked(data, &[]), (1, Some(size - 1)), "a witnessed head has the root of its leaves");
}
