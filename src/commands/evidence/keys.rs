//! How old API keys, secrets and signing keys are, as far as records tell: what was made before the first record is not known.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::gather::Record;
use super::tally::TOLD;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// What is known of keys and secrets at the end of the period.
#[derive(Debug, Default)]
pub(super) struct Keys {
    api: BTreeMap<String, Life>,
    secrets: BTreeMap<String, Life>,
    /// Keys and secrets that are too many to be told.
    untold: u64,
    /// Number of the newest epoch of the log's signing keys, and since when.
    epoch: Option<(u64, Timestamp)>,
    epochs: u64,
    master: Option<Timestamp>,
}

/// One key, or one secret.
#[derive(Clone, Debug, Default)]
struct Life {
    made: Option<Timestamp>,
    /// When its secret was made that is in force.
    secret: Option<Timestamp>,
    /// From when on it is good no more.
    over: Option<Timestamp>,
    /// When somebody was told that it is too old.
    due: Option<Timestamp>,
}

impl Keys {
    pub(super) fn take(&mut self, record: Record<'_>) {
        match record.kind() {
            "key.rotate" => {
                self.epoch = record.number("/epoch/n").map(|number| (number, record.time));
                self.epochs += u64::from(record.counts);
            }
            "admin" => self.act(record),
            _ => {}
        }
    }

    fn act(&mut self, record: Record<'_>) {
        let (Some(act), Some(target), now) = (record.text("/what/act"), record.text("/what/target"), Some(record.time)) else {
            return;
        };
        match act {
            "master.rotate" => self.master = now,
            "key.create" => self.change(target, true, |life| *life = Life { made: now, secret: now, ..Life::default() }),
            "key.rotate" => self.change(target, true, |life| (life.secret, life.due) = (now, None)),
            "key.revoke" => self.change(target, true, |life| life.over = now),
            "key.rotation_due" => self.change(target, true, |life| life.due = now),
            "secret.changed" => {
                self.change(target, false, |life| (life.secret, life.over, life.due) = (now, None, None));
            }
            "secret.withdrawn" => self.change(target, false, |life| life.over = now),
            "secret.rotation_due" => self.change(target, false, |life| life.due = now),
            _ => {}
        }
    }

    fn change(&mut self, name: &str, is_key: bool, change: impl FnOnce(&mut Life)) {
        let lives = if is_key { &mut self.api } else { &mut self.secrets };
        if lives.len() >= TOLD && !lives.contains_key(name) {
            self.untold += 1;
            return;
        }
        change(lives.entry(name.to_owned()).or_default());
    }

    /// `keys.json`, with ages at `end`; `first` is the first record that was there to be read.
    pub(super) fn value(&self, first: Option<u64>, end: Timestamp) -> Value {
        let told = |lives: &BTreeMap<String, Life>| lives.iter().map(|(name, life)| life.value(name, end)).collect::<Vec<_>>();
        let in_use = || self.api.values().filter(|life| life.over.is_none());
        let oldest = in_use().filter_map(|life| Some(days(life.secret?, end))).max();
        json!({
            "at": end.to_string(),
            "since_record": first,
            "api_keys": told(&self.api),
            "api_keys_in_use": in_use().count(),
            "oldest_secret_in_use_days": oldest,
            "secrets": told(&self.secrets),
            "untold": self.untold,
            "signing": {
                "epoch": self.epoch.map(|(number, _)| number),
                "since": self.epoch.map(|(_, since)| since.to_string()),
                "changes": self.epochs,
            },
            "master_rotated": self.master.map(|time| time.to_string()),
        })
    }
}

impl Life {
    fn value(&self, name: &str, end: Timestamp) -> Value {
        let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
        json!({
            "name": name,
            "made": text(self.made),
            "age_days": self.made.map(|made| days(made, end)),
            "secret_since": text(self.secret),
            "secret_age_days": self.secret.map(|secret| days(secret, end)),
            "over": text(self.over),
            "rotation_due": text(self.due),
        })
    }
}

/// Whole days between two moments.
fn days(from: Timestamp, to: Timestamp) -> i64 {
    to.as_second().saturating_sub(from.as_second()).max(0) / DAY
}
