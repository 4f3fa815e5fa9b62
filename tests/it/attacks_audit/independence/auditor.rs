//! What an auditor knows of a log from elsewhere: a policy, heads that were kept, the time.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;
use yett::audit::{Known, bundle, verify};
use yett::tlog::{Checkpoint, Hash, Note, Policy, Scheme, Signer};

use super::bundle::{Bundle, heads_of};
use super::mutate::Chance;
use super::{Recipe, files, lines, log_in, parts};

/// Options of both verifiers.
#[derive(Clone, Debug, Default)]
pub(super) struct Auditor {
    policy: Option<String>,
    pins: Vec<String>,
    now: Option<&'static str>,
}

/// Somebody who cosigns.
fn witness(number: u8) -> Signer {
    Signer::from_seed(&format!("witness/{number}"), Scheme::CosignatureV1, &[number; 32]).unwrap()
}

/// A log of somebody else, or somebody else's log of the same name.
fn stranger() -> Signer {
    Signer::from_seed("gw.example/audit/r1", Scheme::Ed25519, &[9; 32]).unwrap()
}

impl Auditor {
    /// Learns some of what can be known of a log, and some that is wrong.
    pub(super) fn learn(&mut self, data: &Path, chance: &mut Chance) {
        let log = verify(data).unwrap().logs.remove(0);
        let lines: Vec<_> = lines(data).iter().map(|line| Hash::leaf(line.trim_ascii_end())).collect();
        for _ in 0..chance.below(3) {
            let size = chance.below(lines.len() + 2);
            let mut tree = yett::tlog::Frontier::new();
            lines.iter().take(size).for_each(|leaf| tree.push(*leaf));
            let root = if chance.below(6) == 0 { Hash::ZERO } else { tree.root() };
            let origin = if chance.below(12) == 0 { "other/audit/r1".to_owned() } else { log.log.clone() };
            self.pins.push(Checkpoint { origin, size: size as u64, root }.to_string());
        }
        if chance.below(12) == 0 {
            self.pins.push("no head".to_owned());
        }
        self.now = chance
            .pick(&[None, None, Some("2026-03-01T13:00:00Z"), Some("2026-03-02T12:00:00Z"), Some("2026-03-03T15:00:00Z")])
            .flatten();
        if chance.below(6) > 0 {
            self.policy = Some(policy(log.key.as_deref().unwrap_or_default(), chance));
        }
    }

    /// What the first verifier is told; nothing where it cannot be read.
    pub(super) fn known(&self) -> Option<Known> {
        let pin = |text: &String| {
            let text = Note::parse(text.as_bytes()).map_or_else(|_| text.clone(), |note| note.unverified_text().to_owned());
            Checkpoint::parse(&text).ok()
        };
        let policy = match &self.policy {
            None => None,
            Some(text) => Some(Policy::parse(text.as_bytes()).ok()?),
        };
        let pins = self.pins.iter().map(pin).collect::<Option<_>>()?;
        Some(Known { policy, pins, now: self.now.map(|now| now.parse::<Timestamp>().unwrap()) })
    }

    /// What the second verifier is told, in files beside `path`.
    pub(super) fn arguments(&self, path: &Path) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut put = |option: &str, name: String, text: &str| {
            let file = path.with_extension(name);
            fs::write(&file, text).unwrap();
            arguments.extend([option.to_owned(), file.to_str().unwrap().to_owned()]);
        };
        if let Some(policy) = &self.policy {
            put("--policy", "policy".to_owned(), policy);
        }
        for (at, pin) in self.pins.iter().enumerate() {
            put("--pin", format!("pin-{at}"), pin);
        }
        arguments.extend(self.now.into_iter().flat_map(|now| ["--now".to_owned(), now.to_owned()]));
        arguments
    }
}

/// A policy that may or may not name the log, of three witnesses; now and then one that is none.
fn policy(log: &str, chance: &mut Chance) -> String {
    let mut text = String::from("# Ours.\n\n");
    let strange = stranger().key().to_string();
    for key in chance.pick(&[vec![], vec![log], vec![log], vec![&strange, log], vec![&strange]]).unwrap_or_default() {
        writeln!(text, "log {key} https://log.example/").unwrap();
    }
    for number in 1..=3 {
        writeln!(text, "  witness\tw{number}  {} ", witness(number).key()).unwrap();
    }
    text += "group pair 2 w1 w2\ngroup most any pair w3\n";
    writeln!(text, "quorum {}", chance.pick(&["w1", "w2", "pair", "most", "none", "most"]).unwrap()).unwrap();
    let again = format!("witness w4 {}\n", witness(1).key());
    let spoiled = [
        "quorum w1\n",
        "group again any w1\n",
        "group none any most\n",
        "group w1 any most\n",
        "group more 2 most\n",
        "group more 0 most\n",
        "group more 01 most\n",
        "group more any\n",
        "witness w9\n",
        "log key\n",
        "Quorum none\n",
        "# \r\n",
        "no end",
        "quorum nobody\n",
        &again,
        "log witness/1+00000000+AAAA\n",
    ];
    if chance.below(6) == 0 {
        text += chance.pick(&spoiled).unwrap();
    }
    text
}

/// Has some witnesses cosign some heads of a log, some of them more than once.
pub(super) fn cosign(log: &Path, chance: &mut Chance) {
    let signers: Vec<_> = (1..=4).map(witness).collect();
    fs::create_dir_all(log.join("witnessed")).unwrap();
    for file in files(&log.join("checkpoints")) {
        let mut kept = Vec::new();
        for head in heads_of(&file) {
            for _ in 0..[0, 1, 1, 2][chance.below(4)] {
                let mut note = Note::parse(&head[..head.len() - 1]).unwrap();
                for signer in signers.iter().filter(|_| chance.below(2) == 0) {
                    note.sign(signer, 1_772_366_400).unwrap();
                }
                kept.extend(format!("{note}\n").into_bytes());
            }
        }
        if !kept.is_empty() {
            fs::write(log.join("witnessed").join(file.file_name().unwrap()), kept).unwrap();
        }
    }
}

/// What the second verifier says with these options, as a program: its exit code, and the first bad record.
fn asked(data: &Path, options: &[(&str, &str)]) -> (i32, Option<u64>) {
    let mut command: Command = parts::reference("verify_log.py");
    for (at, (option, content)) in options.iter().enumerate() {
        let file = data.join(format!("option-{at}"));
        fs::write(&file, content).unwrap();
        // A time is no file.
        let value = if *option == "--now" { Path::new(content) } else { file.as_path() };
        command.arg(option).arg(value);
    }
    let output = command.arg(data).output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), answer["logs"][0]["fault"]["index"].as_u64())
}

#[test]
fn of_several_logs_one_that_cannot_be_read_decides_unless_another_is_tampered_with() {
    let folder = TempDir::new().unwrap();
    let data = folder.path();
    Recipe { runs: 1, calls: 2, segment_bytes: 1 << 20, ..Recipe::default() }.make(data);
    let other = data.join("audit/gw.example/r2/seg");
    fs::create_dir_all(&other).unwrap();
    // A file as others are, but for the first byte: reading that is an error, whoever asks.
    symlink("/proc/self/mem", other.join("0000000000000.jsonl")).unwrap();
    let both = || (verify(data).unwrap().verdict().exit_code(), asked(data, &[]).0);
    assert_eq!(both(), (4, 4));
    let segment = log_in(data).join("seg/0000000000000.jsonl");
    let text = fs::read_to_string(&segment).unwrap();
    fs::write(segment, text.replacen("allow", "alloy", 1)).unwrap();
    assert_eq!(both(), (1, 1));
}

#[test]
fn keys_of_epoch_0_are_announced_by_record_0_and_by_no_other() {
    let (whole, range) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    Recipe { runs: 1, calls: 6, segment_bytes: 1 << 20, ..Recipe::default() }.make(whole.path());
    let directory = log_in(range.path());
    bundle(&log_in(whole.path()), 3, 5, &directory).unwrap();
    // With it both know that epoch 0 was before.
    fs::remove_file(directory.join("epochs")).unwrap();
    Bundle { directory, heads_in: "checkpoints" }.go_on(&["key.rotate"]);
    let last = lines(range.path()).len() as u64 + 2;
    let fault = verify(range.path()).unwrap().logs.remove(0).fault.map(|fault| fault.index);
    assert_eq!((fault, asked(range.path(), &[])), (Some(last), (1, Some(last))));
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
    assert_eq!(asked(data, &[("--pin", &head("other/audit/r1", size, Hash::ZERO))]), (4, None), "of another log");
    assert_eq!(asked(data, &[("--pin", "no head")]), (4, None));

    let (one, two, stranger) = (witness(1), witness(2), stranger());
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
