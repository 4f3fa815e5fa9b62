//! Is a pack what was signed? Offline, from the folder and a key that one knows from elsewhere.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use anyhow::Context as _;
use aws_lc_rs::digest::{Context, SHA256};

use super::pack::{EPOCHS, Entry, FORM, HEAD, MANIFEST, Manifest, SIGNED};
use crate::audit::{EPOCHS_MAX, check_head};
use crate::tlog::{Checkpoint, Hash, NOTE_MAX, Note, VerifierKey};

/// Longest manifest: it names some files.
const MANIFEST_MAX: u64 = 1 << 20;

/// Bytes that are hashed at a time.
const BLOCK: usize = 64 << 10;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// What is wrong; nothing, if the pack is good.
    pub(super) problems: Vec<String>,
    /// What it says of itself; believed only where nothing is wrong.
    pub(super) manifest: Option<Manifest>,
}

/// Checks the pack in `folder` by the key of its maker, and with `log` (the log's key of epoch 0) whose log it is about.
pub(super) fn check(folder: &Path, key: &VerifierKey, log: Option<&VerifierKey>) -> anyhow::Result<Checked> {
    let mut checked = Checked::default();
    let present = listing(folder)?;
    for (name, _) in present.iter().filter(|(_, is_file)| !**is_file) {
        checked.problems.push(format!("`{}` is no file", name.escape_debug()));
    }
    let read = |name: &str, most: u64| read(folder, &present, name, most);
    let (Some(bytes), Some(note)) = (read(MANIFEST, MANIFEST_MAX)?, read(SIGNED, NOTE_MAX as u64)?) else {
        checked.problems.push(format!("`{MANIFEST}` or `{SIGNED}` is missing, or too long"));
        return Ok(checked);
    };
    let manifest = match signed(&bytes, &note, key) {
        Ok(manifest) => manifest,
        Err(problem) => {
            checked.problems.push(problem);
            return Ok(checked);
        }
    };
    checked.problems.extend(files(folder, &present, &manifest.files)?);
    match (read(HEAD, NOTE_MAX as u64)?, read(EPOCHS, EPOCHS_MAX as u64)?) {
        (Some(note), Some(epochs)) => checked.problems.extend(head(&note, &epochs, &manifest, log)),
        _ => checked.problems.push(format!("`{HEAD}` or `{EPOCHS}` is missing, or too long")),
    }
    checked.manifest = Some(manifest);
    Ok(checked)
}

/// What is in the folder, and whether it is a file; what a link leads to is not looked at.
fn listing(folder: &Path) -> anyhow::Result<BTreeMap<String, bool>> {
    let unreadable = || format!("cannot read `{}`", folder.display());
    let mut present = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let is_file = entry.file_type().with_context(unreadable)?.is_file();
        present.insert(entry.file_name().to_string_lossy().into_owned(), is_file);
    }
    Ok(present)
}

/// All of a file, if it is there and not longer than `most`.
fn read(folder: &Path, present: &BTreeMap<String, bool>, name: &str, most: u64) -> anyhow::Result<Option<Vec<u8>>> {
    // SECURITY: opening a pipe of a hostile pack would block for ever.
    if present.get(name) != Some(&true) {
        return Ok(None);
    }
    let path = folder.join(name);
    let mut bytes = Vec::new();
    let limited = |file: File| file.take(most.saturating_add(1)).read_to_end(&mut bytes);
    let length = File::open(&path).and_then(limited).with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok((length as u64 <= most).then_some(bytes))
}

/// The manifest, if the key has signed it.
fn signed(bytes: &[u8], note: &[u8], key: &VerifierKey) -> Result<Manifest, String> {
    let note = Note::parse(note).map_err(|error| format!("`{SIGNED}` is no signed note: {error}"))?;
    let verified = note.verify(&[key]).map_err(|error| format!("`{SIGNED}` is not signed with the key given: {error}"))?;
    let manifest: Manifest =
        serde_json::from_slice(bytes).map_err(|error| format!("`{MANIFEST}` is no manifest of a pack: {error}"))?;
    if manifest.form != FORM || verified.text != manifest.statement(bytes) {
        return Err(format!("`{MANIFEST}` is not what was signed"));
    }
    Ok(manifest)
}

/// Every file as it is listed, and no other.
fn files(folder: &Path, present: &BTreeMap<String, bool>, entries: &[Entry]) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    let mut listed: BTreeMap<&str, &Entry> = BTreeMap::new();
    for entry in entries {
        if listed.insert(&entry.name, entry).is_some() {
            problems.push(format!("`{}` is listed twice", entry.name.escape_debug()));
        }
    }
    let others = present.keys().filter(|name| !matches!(name.as_str(), MANIFEST | SIGNED));
    for name in others.filter(|name| !listed.contains_key(name.as_str())) {
        problems.push(format!("`{}` is not in the manifest", name.escape_debug()));
    }
    for (name, entry) in listed {
        // SECURITY: only names that the folder has are opened, so none leads out of it.
        if !present.contains_key(name) {
            problems.push(format!("`{}` is missing", name.escape_debug()));
        } else if present.get(name) == Some(&true) && !is_listed(folder, entry)? {
            problems.push(format!("`{}` was changed", name.escape_debug()));
        }
    }
    Ok(problems)
}

fn is_listed(folder: &Path, entry: &Entry) -> anyhow::Result<bool> {
    let path = folder.join(&entry.name);
    let found = File::open(&path).and_then(|file| sum(file, entry.bytes));
    let (bytes, sha256) = found.with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(bytes == entry.bytes && sha256.is_some_and(|sha256| sha256.to_string() == entry.sha256))
}

/// Length and SHA-256 of a file, of which not much more than `most` bytes are read.
fn sum(mut file: File, most: u64) -> io::Result<(u64, Option<Hash>)> {
    let (mut context, mut bytes, mut block) = (Context::new(&SHA256), 0_u64, vec![0_u8; BLOCK]);
    while bytes <= most {
        let read = match file.read(&mut block) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        context.update(block.get(..read).unwrap_or_default());
        bytes = bytes.saturating_add(read as u64);
    }
    Ok((bytes, Hash::from_slice(context.finish().as_ref())))
}

/// The head says of the log what the manifest says, and with the log's first key it is the log that says so.
fn head(note: &[u8], epochs: &[u8], manifest: &Manifest, log: Option<&VerifierKey>) -> Option<String> {
    let note = match Note::parse(note) {
        Ok(note) => note,
        Err(error) => return Some(format!("`{HEAD}` is no head of a log: {error}")),
    };
    let head = match log {
        Some(key) => check_head(&note, epochs, key).map_err(|error| error.to_string()),
        None => Checkpoint::parse(note.unverified_text()).map_err(|error| error.to_string()),
    };
    match head {
        Ok(head) if manifest.log.is_of(&head) => None,
        Ok(_) => Some(format!("`{HEAD}` is not the head that `{MANIFEST}` tells of")),
        Err(error) => Some(format!("`{HEAD}` is no head of the log: {error}")),
    }
}
