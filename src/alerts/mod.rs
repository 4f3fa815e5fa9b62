//! The log speaks up by itself: rules of `alerts:` over what it records.
//!
//! What passes through: every record, in order, once it is durable. What it guarantees: what a rule looks for in records that were written after it
//! came into force is told once, also across a crash: by a record of the kind `alert`, a metric, and whichever sinks of `audit.sinks` take alerts; and
//! whoever is to be stopped is stopped before it is told. What it costs calls: nothing, it reads the files of the log on a thread of its own. What it
//! does not do: decide about a call; by the time it has read of one, that is over.
//!
//! ```text
//! log files ─ follower ─ engine (rules, groups, windows) ─ alert ─┬▶ kill switch (quarantine)
//!     ▲                        │ once a minute                    ├▶ record ─▶ sinks
//!     │                   alerts.json                             └▶ metric
//!     └────────────── on from there after a restart
//! ```
//!
//! `yett alerts test` runs the same engine over a log that lies there.

mod engine;
mod groups;
mod kept;
mod rule;
mod seen;
mod watcher;
mod window;

use std::sync::Arc;

use jiff::Timestamp;

use crate::audit::{Draft, Kind};
use crate::policy::{AlertRule, Measure, Quarantined};
pub(crate) use engine::Engine;
use seen::Origin;
pub use watcher::{Parts, Watcher};

/// Rules of `alerts:`, as they are in force together.
pub type AlertRules = Arc<[Arc<AlertRule>]>;

/// What a rule has found.
#[derive(Clone, Debug)]
pub(crate) struct Alert {
    /// The rule.
    pub rule: Arc<AlertRule>,
    /// What it is about, as the rule tells it apart: `principal:<pseudonym>`, `server:crm`.
    pub about: String,
    /// How much there was.
    pub value: u64,
    /// How much there is usually, where that is known.
    pub usual: Option<u64>,
    /// Whose doing the last of it was.
    origin: Option<Arc<Origin>>,
    /// The index of the record by which it was too much.
    pub record: u64,
    /// Its time, in milliseconds.
    time: i64,
}

impl Alert {
    /// When it was too much.
    pub(crate) fn time(&self) -> Timestamp {
        Timestamp::from_millisecond(self.time).unwrap_or_default()
    }

    /// The pseudonym of whose doing it was.
    pub(crate) fn subject(&self) -> Option<&str> {
        Some(self.origin.as_ref()?.who.as_ref()?.sub.as_str())
    }

    /// The session it came in.
    pub(crate) fn session(&self) -> Option<&str> {
        self.origin.as_ref()?.session.as_deref()
    }

    /// Whom the rule stops, by its word.
    pub(crate) fn quarantine(&self) -> Option<&'static str> {
        self.rule.quarantine.map(Quarantined::as_str)
    }

    fn server(&self) -> Option<&str> {
        self.origin.as_ref()?.server.as_deref().filter(|_| self.rule.measure != Measure::DueCredentials)
    }

    fn tool(&self) -> Option<&str> {
        self.origin.as_ref()?.tool.as_deref()
    }

    /// How much would have been too little for it, and in how many seconds.
    pub(crate) fn bounds(&self) -> (Option<u64>, u64) {
        let most = if let Measure::ArgumentSize(times) = self.rule.measure {
            self.usual.map(|usual| usual.saturating_mul(u64::from(times)))
        } else {
            self.rule.measure.most().map(|most| most.most)
        };
        (most, self.rule.measure.span().as_secs())
    }

    /// Its record; `stopped` says what became of the quarantine, where the rule has one.
    fn draft(&self, stopped: Option<&str>) -> Draft {
        let (most, seconds) = self.bounds();
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let mut draft = Draft::new(Kind::Alert);
        if let Some(session) = self.session() {
            draft.text("sess", session);
        }
        draft.object("what", |what| {
            what.text("about", &self.about).text("act", self.rule.measure.as_str());
            if let Some(most) = most {
                what.integer("most", number(most));
            }
            what.integer("n", number(self.value));
            if let Some(tool) = self.tool() {
                what.text("name", tool);
            }
            if let Some(stopped) = stopped {
                what.text("quarantine", stopped);
            }
            what.integer("record", number(self.record)).text("rule", &self.rule.name);
            if seconds > 0 {
                what.integer("seconds", number(seconds));
            }
            if let Some(server) = self.server() {
                what.text("server", server);
            }
            what.text("severity", self.rule.severity.as_str());
            if let Some(subject) = self.subject() {
                what.text("sub", subject);
            }
            if let Some(usual) = self.usual {
                what.integer("usual", number(usual));
            }
        });
        draft
    }
}
