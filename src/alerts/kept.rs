//! What the rules know, kept across a restart: `alerts.json` in the data directory. Derived: without it rules begin anew.
//!
//! It names callers by their pseudonyms, as the log does.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::groups::Groups;
use super::seen::Origin;
use crate::audit::Cursor;
use crate::master_key::{hex, write_private};
use crate::policy::AlertRule;
use crate::tlog::Hash;

/// Of another form than this one, it is not read.
const FORM: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Kept {
    form: u32,
    log: String,
    cursor: Place,
    now: i64,
    open: HashMap<String, Origin>,
    rules: Vec<KeptRule>,
}

/// A [`Cursor`].
#[derive(Serialize, Deserialize)]
struct Place {
    position: u64,
    segment: u64,
    start: u64,
    end: u64,
    leaf: String,
}

#[derive(Serialize, Deserialize)]
struct KeptRule {
    /// SHA-256 over all that it says.
    says: String,
    begun: Option<i64>,
    speaks: i64,
    groups: Groups,
}

/// Writes down what is known up to a record: whole, or not at all.
pub(super) fn write(path: &Path, log: &str, cursor: Cursor, engine: &Engine) -> io::Result<()> {
    let Cursor { position, segment, start, end, leaf } = cursor;
    let rules = engine.rules.iter().map(|rule| KeptRule {
        says: said(&rule.says),
        begun: rule.begun,
        speaks: rule.speaks,
        groups: rule.groups.clone(),
    });
    let kept = Kept {
        form: FORM,
        log: log.to_owned(),
        cursor: Place { position, segment, start, end, leaf: leaf.to_string() },
        now: engine.now,
        open: engine.open().map(|(call, origin)| (call.clone(), Origin::clone(origin))).collect(),
        rules: rules.collect(),
    };
    let bytes = serde_json::to_vec(&kept).map_err(io::Error::other)?;
    let new = path.with_extension("json.new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    write_private(&new, &bytes)?;
    fs::rename(&new, path)
}

/// Where it was of this log, and what these rules know; nothing if that is not there, or cannot be read. A rule that was not there says nothing
/// about records before `speaks`, in milliseconds.
pub(super) fn read(path: &Path, log: &str, rules: &[Arc<AlertRule>], speaks: i64) -> Option<(Cursor, Engine)> {
    let kept: Kept = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    if kept.form != FORM || kept.log != log {
        return None;
    }
    let Place { position, segment, start, end, leaf } = kept.cursor;
    let cursor = Cursor { position, segment, start, end, leaf: Hash::from_hex(leaf.as_bytes())? };
    let mut known: HashMap<String, KeptRule> = kept.rules.into_iter().map(|rule| (rule.says.clone(), rule)).collect();
    let mut engine = Engine::new(rules, speaks);
    for rule in &mut engine.rules {
        if let Some(KeptRule { begun, speaks, groups, .. }) = known.remove(&said(&rule.says)) {
            (rule.begun, rule.speaks, rule.groups) = (begun, speaks, groups);
        }
    }
    engine.now = kept.now;
    kept.open.into_iter().for_each(|(call, origin)| engine.remember(call, &Arc::new(origin)));
    Some((cursor, engine))
}

/// What tells rules apart: whichever word of one is changed makes another one.
fn said(rule: &AlertRule) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("{rule:?}").as_bytes()).as_ref())
}
