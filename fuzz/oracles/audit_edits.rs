//! Changes to the files of a log that somebody makes who may have stolen the keys of its heads: verification finds them by what an
//! auditor has kept, whatever they are.

use serde_json::Value;
use yett::audit::{LogReport, Verdict};
use yett::tlog::{Checkpoint, Frontier, Hash, Note};

use super::audit_log::{Files, Specimen, compress, content, put_content, segments, signer};
use super::audit_verify::judged;

/// Which of the specimens is changed.
const KIND: u8 = 3;
/// The auditor does not know the newest head, or whose cosignatures count.
const WITHOUT_PIN: u8 = 4;
const WITHOUT_POLICY: u8 = 8;

/// More changes than this only take time.
const MAX_EDITS: usize = 24;
/// No file is made longer than that by repeating what is in it.
const MAX_BYTES: usize = 1 << 18;
const ACTS: u8 = 13;

/// One change: which file (of those there are then), what, where, how much, with what.
#[derive(Clone, Copy)]
struct Edit<'a> {
    file: u8,
    act: u8,
    at: usize,
    count: u8,
    bytes: &'a [u8],
}

/// The oracle for an input that is a byte of flags and then changes of five bytes each, some with bytes behind them.
pub fn check(flags: u8, mut rest: &[u8]) {
    thread_local! {
        static SPECIMENS: [Specimen; 4] = Specimen::all();
    }
    SPECIMENS.with(|specimens| {
        let specimen = &specimens[usize::from(flags & KIND)];
        let mut files = specimen.files.clone();
        for _ in 0..MAX_EDITS {
            let Some(edit) = next_edit(&mut rest) else { break };
            apply(edit, &mut files, specimen);
        }
        let (has_pin, has_policy) = (flags & WITHOUT_PIN == 0, flags & WITHOUT_POLICY == 0);
        let Some(found) = judged(&files, &specimen.known(has_pin, has_policy)) else { return };
        if !matches!(found.verdict(), Verdict::Tampered | Verdict::Unreadable) {
            assert_genuine(&found, &files, specimen, has_pin);
        }
    });
}

fn next_edit<'a>(rest: &mut &'a [u8]) -> Option<Edit<'a>> {
    let (&[file, act, low, high, count], behind) = rest.split_first_chunk()?;
    let act = act % ACTS;
    let (bytes, behind) = if act < 2 { behind.split_at(behind.len().min(count.into())) } else { (&[][..], behind) };
    *rest = behind;
    Some(Edit { file, act, at: u16::from_le_bytes([low, high]).into(), count, bytes })
}

fn apply(edit: Edit<'_>, files: &mut Files, specimen: &Specimen) {
    let names: Vec<_> = files.keys().cloned().collect();
    let Some(name) = names.get(usize::from(edit.file) % names.len().max(1)) else { return };
    match edit.act {
        7 => drop(files.remove(name)),
        8 => rename(name, edit.at, files),
        9 => {
            let other = files[&names[usize::from(edit.count) % names.len()]].clone();
            files.insert(name.clone(), other);
        }
        10 if name.ends_with(".jsonl") && name.starts_with("seg/") && !files.contains_key(&format!("{name}.zst")) => {
            compress(files, name);
        }
        11 => rechain(files),
        12 => sign_anew(files, specimen),
        _ if name.starts_with("seg/") && edit.count & 1 == 0 => {
            // What is in a frame, which is then made anew.
            if let Some(mut content) = content(files, name) {
                change(edit, &mut content);
                put_content(files, name, &content);
            }
        }
        _ => change(edit, files.get_mut(name).unwrap()),
    }
}

/// Changes the bytes of a file.
fn change(edit: Edit<'_>, bytes: &mut Vec<u8>) {
    let at = edit.at.min(bytes.len());
    let end = at.saturating_add(edit.count.into()).min(bytes.len());
    match edit.act {
        0 => drop(bytes.splice(at..at, edit.bytes.iter().copied())),
        1 => drop(bytes.splice(at..(at + edit.bytes.len()).min(bytes.len()), edit.bytes.iter().copied())),
        2 => bytes[at..end].fill(0),
        3 => drop(bytes.drain(at..end)),
        4 => bytes.truncate(at),
        _ => {
            let mut lines: Vec<_> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            let count = lines.len().max(1);
            let (line, to) = (edit.at % count, usize::from(edit.count) % count);
            if edit.act == 5 && line < lines.len() {
                lines.remove(line);
            } else if line < lines.len() && bytes.len() < MAX_BYTES {
                lines.insert(to, lines[line].clone());
            }
            *bytes = lines.concat();
        }
    }
}

/// Gives a file the name of another index.
fn rename(name: &str, index: usize, files: &mut Files) {
    let Some((folder, file)) = name.split_once('/').filter(|(folder, _)| *folder != "tile") else { return };
    let (_, ending) = file.split_once('.').unwrap();
    let bytes = files.remove(name).unwrap();
    files.insert(format!("{folder}/{index:013}.{ending}"), bytes);
}

/// Makes every record name the one before it.
fn rechain(files: &mut Files) {
    const MARK: &[u8] = br#""prev":""#;
    let mut previous: Option<[u8; 64]> = None;
    for name in segments(files) {
        let Some(content) = content(files, &name) else { return };
        let mut lines: Vec<_> = content.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        for line in lines.iter_mut().filter(|line| !line.is_empty()) {
            let value = line.windows(MARK.len()).position(|window| window == MARK).map(|at| at + MARK.len());
            if let (Some(previous), Some(hash)) = (previous, value.and_then(|at| line.get_mut(at..at + 64))) {
                hash.copy_from_slice(&previous);
            }
            previous = Some(Hash::leaf(line).hex());
        }
        put_content(files, &name, &lines.join(&b'\n'));
    }
}

/// Makes every head that of the records which are there, signed by the keys that have signed it.
fn sign_anew(files: &mut Files, specimen: &Specimen) {
    let (first, lines) = lines(files);
    let Some(missing) = specimen.lines.get(..first) else { return };
    let tile = files.get("tile/0/000").map_or(&[][..], |tile| tile.as_chunks().0);
    let gone =
        missing.iter().enumerate().map(|(at, line)| tile.get(at).map_or_else(|| Hash::leaf(line), |leaf| Hash::new(*leaf)));
    let leaves: Vec<_> = gone.chain(lines.iter().map(|line| Hash::leaf(line))).collect();
    for (_, notes) in files.iter_mut().filter(|(name, _)| name.starts_with("checkpoints/")) {
        let mut anew = Vec::new();
        for paragraphs in String::from_utf8_lossy(notes).split("\n\n").collect::<Vec<_>>().chunks_exact(2) {
            let Ok(old) = Note::parse(format!("{}\n", paragraphs.join("\n\n")).as_bytes()) else { return };
            let Ok(head) = Checkpoint::parse(old.unverified_text()) else { return };
            let Some(leaves) = usize::try_from(head.size).ok().and_then(|size| leaves.get(..size)) else { continue };
            let mut tree = Frontier::new();
            for leaf in leaves {
                tree.push(*leaf);
            }
            let mut note = Note::new(Checkpoint { root: tree.root(), ..head }.to_string()).unwrap();
            for signer in
                [signer(0), signer(1)].iter().filter(|signer| old.signatures().iter().any(|one| one.is_by(signer.key())))
            {
                note.sign(signer, 0).unwrap();
            }
            anew.extend(format!("{note}\n").into_bytes());
        }
        *notes = anew;
    }
}

/// The index of the first record that is here, and whole lines from it on.
fn lines(files: &Files) -> (usize, Vec<Vec<u8>>) {
    let names = segments(files);
    let first = names.first().and_then(|name| name[4..17].parse().ok()).unwrap_or(0);
    let bytes: Vec<_> = names.iter().filter_map(|name| content(files, name)).flatten().collect();
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    (first, bytes[..end].split_inclusive(|byte| *byte == b'\n').map(|line| line[..line.len() - 1].to_vec()).collect())
}

/// What is confirmed from outside is what was written.
fn assert_genuine(found: &LogReport, files: &Files, specimen: &Specimen, has_pin: bool) {
    let (first, lines) = lines(files);
    assert_eq!(found.first, first as u64);
    let is_whole = matches!(found.verdict(), Verdict::Verified | Verdict::Unanchored);
    assert!(!is_whole || first == 0, "a log without its beginning is whole");
    let confirmed = found.anchored.as_ref().map_or(0, |anchored| anchored.size);
    assert!(found.verdict() != Verdict::Verified || confirmed > 0, "nobody confirms it");
    let begins = first == 0 || found.pruned > 0;
    assert!(!has_pin || !begins || confirmed >= specimen.newest.size, "a head that was kept is passed by");
    let confirmed = usize::try_from(confirmed).unwrap();
    for index in first..confirmed {
        let written = specimen.lines.get(index).expect("more is confirmed than was written");
        let here = lines.get(index - first).map(|line| String::from_utf8_lossy(line));
        assert!(here.as_deref() == Some(&String::from_utf8_lossy(written)), "record {index} is {here:?}");
    }
    if found.pruned > 0 && confirmed >= first {
        let kept = &files["kept.jsonl"];
        for line in kept.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let index = serde_json::from_slice::<Value>(line).unwrap()["i"].as_u64().unwrap();
            let index = usize::try_from(index).unwrap();
            assert!(index >= first || specimen.lines[index] == line, "record {index} was kept, and changed");
        }
        let leaves = specimen.lines[..first].iter().flat_map(|line| Hash::leaf(line).as_bytes().to_vec());
        assert!(files["tile/0/000"] == leaves.collect::<Vec<_>>(), "hashes of pruned records were changed");
    }
}
