//! Whatever a stranger puts into a log's directory, `yett audit verify` comes to an end within its memory, with an exit code of its own,
//! and takes nothing for intact whose records were changed. (`fuzz/` does the same to one log for an hour.)

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use yett::audit::{bundle, verify};

use super::mutate::{self, Chance};
use super::{Auditor, SEED, Specimen, auditor, bundles_wanted, copy_log, files, log_in, made};

/// Address space of the program, and its time: an unoptimised build on a busy machine.
const MEMORY_KIB: u64 = 1 << 20;
const SECONDS: u64 = 60;

type Insult = fn(&Path, &mut Chance);

/// What no writer and no editor of records would leave in the place of a file.
const INSULTS: [(&str, Insult); 12] = [
    ("noise", |path, chance| {
        let noise: Vec<u8> = (0..chance.below(40_000)).map(|_| u8::try_from(chance.below(256)).unwrap()).collect();
        fs::write(path, noise).unwrap();
    }),
    ("noise in its middle", |path, chance| {
        let mut bytes = fs::read(path).unwrap();
        let (from, to) = (chance.below(bytes.len()), chance.below(bytes.len()));
        let range = from.min(to)..from.max(to);
        bytes[range].fill_with(|| u8::try_from(chance.below(256)).unwrap());
        fs::write(path, bytes).unwrap();
    }),
    ("a mebibyte of a byte behind it", |path, chance| {
        let byte = chance.pick(&[b'\n', 0, b'{', b'[', b' ', b'9', 0xff]).unwrap();
        append(path, &vec![byte; 1 << 20]);
    }),
    ("much room, and something behind it", |path, _| {
        let mut file = File::options().write(true).open(path).unwrap();
        file.seek(SeekFrom::End(64 << 20)).unwrap();
        file.write_all(b"x\n").unwrap();
    }),
    ("a line of 32 MiB", |path, _| append(path, &[vec![b'a'; 32 << 20], vec![b'\n']].concat())),
    ("arrays in arrays", |path, _| append(path, format!("{{\"a\":{}\n", "[".repeat(16_000)).as_bytes())),
    ("a hundred thousand heads that are none", |path, _| {
        append(path, "log\n1\nroot\n\n\u{2014} log AAAA\n\n".repeat(100_000).as_bytes());
    }),
    ("a head over 2^64 - 1 records", |path, _| {
        append(path, b"gw.example/audit/r1\n18446744073709551615\nAAAA\n\n\xe2\x80\x94 a AAAA\n\n");
    }),
    ("a directory", |path, _| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    }),
    ("a pipe", |path, _| {
        fs::remove_file(path).unwrap();
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }),
    ("a device without end", |path, _| {
        fs::remove_file(path).unwrap();
        symlink("/dev/zero", path).unwrap();
    }),
    ("a link to itself", |path, _| {
        fs::remove_file(path).unwrap();
        symlink(path, path).unwrap();
    }),
];

fn append(path: &Path, bytes: &[u8]) {
    File::options().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

/// All files of a log.
fn all_files(log: &Path) -> Vec<PathBuf> {
    let parts = ["", "seg", "checkpoints", "witnessed", "tile/0"];
    parts.iter().flat_map(|part| files(&log.join(part))).filter(|path| path.is_file()).collect()
}

/// What the program says of a specimen, or how it came to a bad end.
fn said(specimen: &Specimen) -> Result<Value, String> {
    let shell = format!("ulimit -v {MEMORY_KIB} && exec timeout -s KILL {SECONDS} \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &shell, "sh", env!("CARGO_BIN_EXE_yett"), "audit", "verify", "--json"]);
    let output = command.args(specimen.auditor.arguments(&specimen.path)).arg(&specimen.path).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(4) if !errors.contains("panicked") => Ok(serde_json::json!({"exit": 4})),
        Some(exit @ (0..=3 | 5)) => {
            let answer: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
            if answer["exit"] == exit { Ok(answer) } else { Err(format!("exits with {exit} and says {answer}")) }
        }
        other => Err(format!("ends with {other:?}: {errors}")),
    }
}

#[test]
fn aud_055_hostile_directories_and_bundles_are_verified_within_bounds_and_never_called_intact() {
    let folder = TempDir::new().unwrap();
    let made = made(&folder);
    let (mut wrong, mut exits) = (Vec::new(), Vec::new());
    for number in 0..bundles_wanted() {
        let mut chance = Chance::new(SEED.rotate_left(24) ^ number);
        let (recipe, made) = chance.pick(&made).unwrap();
        let path = folder.path().join(number.to_string());
        let log = log_in(&path);
        let mut auditor = Auditor::default();
        if !recipe.pruned && chance.below(3) == 0 {
            let size = usize::try_from(verify(&made).unwrap().logs[0].head.unwrap()).unwrap();
            let (one, other) = (chance.below(size) as u64, chance.below(size) as u64);
            bundle(&log_in(&made), one.min(other), one.max(other), &log).unwrap();
        } else {
            copy_log(&made, &path);
            auditor::cosign(&log, &mut chance);
            auditor.learn(&made, &mut chance);
        }
        let mut what = format!("{number} of {recipe:?} for {auditor:?}: {}", mutate::mutate(&log, &mut chance));
        for _ in 0..chance.below(3) {
            let (name, insult) = chance.pick(&INSULTS).unwrap();
            if let Some(path) = chance.pick(&all_files(&log)) {
                write!(what, ", {name} for {}", path.strip_prefix(&log).unwrap().display()).unwrap();
                insult(&path, &mut chance);
            }
        }
        let specimen = Specimen { what, path, made, auditor };
        match said(&specimen) {
            Ok(answer) => {
                let exit = answer["exit"].as_i64().unwrap();
                exits.push(exit);
                if !matches!(exit, 1 | 4) && !specimen.is_as_it_was(&answer) {
                    wrong.push(format!("{} is called {exit}", specimen.what));
                }
            }
            Err(reason) => wrong.push(format!("{} {reason}", specimen.what)),
        }
        fs::remove_dir_all(&specimen.path).unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for exit in [0, 1, 3, 5] {
        assert!(exits.contains(&exit), "none ends in {exit}: {exits:?}");
    }
}
