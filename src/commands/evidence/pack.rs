//! The form of a pack: files, a manifest that names each by its hash, and a signed note that names the manifest by its.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::tlog::{Checkpoint, Hash, Note, Signer};

/// First line of what is signed, and `form` of the manifest.
pub(super) const FORM: &str = "yett-evidence/v1";

pub(super) const MANIFEST: &str = "manifest.json";
/// The signature over it.
pub(super) const SIGNED: &str = "manifest.note";
/// The head that counts all records of the period, as the log has signed it.
pub(super) const HEAD: &str = "head";
/// What leads from the first key of the log to the one that signed the head.
pub(super) const EPOCHS: &str = "epochs";

/// What is in a pack, and about what.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) form: String,
    /// The release that made it.
    pub(super) yett: String,
    pub(super) period: Span,
    pub(super) log: AtHead,
    /// The verifier key that it is signed with: to be compared with the one that is known, not to be believed.
    pub(super) key: String,
    /// Hash of the policies that the access matrix is of.
    pub(super) policy: String,
    /// By name.
    pub(super) files: Vec<Entry>,
}

/// From one moment to before another.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Span {
    pub(super) from: String,
    pub(super) to: String,
}

/// The log as the period ends.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AtHead {
    pub(super) name: String,
    /// Records that the head counts: all of the period, and those up to it.
    pub(super) size: u64,
    pub(super) root: String,
    /// The first and the last record of the period, if it has any, and how many there are.
    pub(super) first: Option<u64>,
    pub(super) last: Option<u64>,
    pub(super) records: u64,
}

/// One file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl AtHead {
    /// Whether the head says the same.
    pub(super) fn is_of(&self, head: &Checkpoint) -> bool {
        self.name == head.origin && self.size == head.size && self.root == head.root.base64()
    }
}

impl Manifest {
    /// What is signed. Never a head of a log: it has a line more.
    pub(super) fn statement(&self, bytes: &[u8]) -> String {
        let (log, Span { from, to }) = (&self.log.name, &self.period);
        format!("{FORM}\n{log}\n{from} {to}\n{}\n", Hash::sha256(bytes))
    }
}

/// The entries of these files.
pub(super) fn entries(files: &BTreeMap<&'static str, String>) -> Vec<Entry> {
    let entry = |(name, text): (&&'static str, &String)| Entry {
        name: (*name).to_owned(),
        bytes: text.len() as u64,
        sha256: Hash::sha256(text.as_bytes()).to_string(),
    };
    files.iter().map(entry).collect()
}

/// Writes the files into a folder, and the signed manifest behind them.
pub(super) fn write(
    folder: &Path,
    files: &BTreeMap<&'static str, String>,
    manifest: &Manifest,
    signer: &Signer,
) -> anyhow::Result<()> {
    for (name, text) in files {
        put(folder, name, text)?;
    }
    let text = format!("{}\n", serde_json::to_string_pretty(manifest)?);
    let mut note = Note::new(manifest.statement(text.as_bytes()))?;
    // Ed25519 signs no time.
    note.sign(signer, 0)?;
    put(folder, MANIFEST, &text)?;
    put(folder, SIGNED, &note.to_string())
}

fn put(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))
}
