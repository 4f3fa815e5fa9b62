//! What an intact log says about itself: silence, restarts, modes, calls without outcome. Never a reason to call it
//! tampered, since whoever could write these records could write others.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::line::Line;
use super::report::{LogReport, ModeChange};
use super::stamp::Stamp;

/// Ticks come every 60 s; one may be late.
const SILENCE_MAX: i64 = 120_000_000;

/// Open calls, kinds and modes that are followed; what a hostile log has more of is counted together.
const OPEN_MAX: usize = 1_000_000;
const KINDS_MAX: usize = 64;
const MODES_MAX: usize = 100;

/// Follows one log from record to record.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    last: Option<(Stamp, LastKind)>,
    /// Hash of the call id to the index of its decision; hashes keep memory bounded whatever the ids look like.
    open: HashMap<u64, u64>,
    hasher: RandomState,
    overflowed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LastKind {
    Stop,
    Other,
}

impl Observer {
    pub(crate) fn record(&mut self, line: &Line<'_>, report: &mut LogReport) {
        if let Some(count) = report.kinds.get_mut(line.kind) {
            *count += 1;
        } else {
            let kind = if report.kinds.len() < KINDS_MAX { line.kind } else { "others" };
            *report.kinds.entry(kind.to_owned()).or_default() += 1;
        }
        self.silence(line, report);
        self.pair(line, report);
        match line.kind {
            "clock.step" => {
                report.warnings.add(line.index, || "the wall clock was moved; times before and after differ".to_owned());
            }
            "recovery" if line.quarantined > 0 => report.gaps.add(line.index, || {
                format!("a start moved {} bytes of a line that was never acknowledged to quarantine", line.quarantined)
            }),
            "recovery" => report.warnings.add(line.index, || "the run before ended without a stop record".to_owned()),
            _ => {}
        }
        if let Some(mode) = line.mode.filter(|_| matches!(line.kind, "start" | "config.change"))
            && report.modes.last().is_none_or(|last| last.mode != mode)
            && report.modes.len() < MODES_MAX
        {
            report.modes.push(ModeChange { index: line.index, time: line.time.text(), mode: mode.to_owned() });
        }
        let kind = if line.kind == "stop" { LastKind::Stop } else { LastKind::Other };
        self.last = Some((line.time, kind));
    }

    /// Called behind the last record.
    pub(crate) fn end(&mut self, report: &mut LogReport) {
        report.open_calls = u64::try_from(self.open.len()).unwrap_or(u64::MAX);
        if self.last.is_some_and(|(_, kind)| kind == LastKind::Stop) {
            self.unanswered(report);
        }
    }

    fn silence(&self, line: &Line<'_>, report: &mut LogReport) {
        let Some((before, kind)) = self.last else { return };
        let silent = line.time.micros_since(before);
        // Between two runs nobody is there to speak; a clock that was moved looks like silence.
        let explained = kind == LastKind::Stop || matches!(line.kind, "start" | "recovery" | "clock.step");
        if silent > SILENCE_MAX && !explained {
            report.gaps.add(line.index, || format!("no record in the {} seconds before it, not even a tick", silent / 1_000_000));
        }
    }

    fn pair(&mut self, line: &Line<'_>, report: &mut LogReport) {
        if line.kind == "start" {
            self.unanswered(report);
        }
        let Some(call) = line.call else { return };
        let id = self.hasher.hash_one(call);
        if line.open {
            if self.open.len() >= OPEN_MAX {
                self.overflowed = true;
            } else if self.open.insert(id, line.index).is_some() {
                report.warnings.add(line.index, || "a second open decision for the same call".to_owned());
            }
        } else if line.kind == "call.outcome" && self.open.remove(&id).is_none() && !self.overflowed && report.first == 0 {
            report.warnings.add(line.index, || "an outcome without an open decision".to_owned());
        }
    }

    /// A run is over: nobody will write the outcomes that are missing.
    fn unanswered(&mut self, report: &mut LogReport) {
        let mut indices: Vec<u64> = self.open.drain().map(|(_, index)| index).collect();
        indices.sort_unstable();
        for index in indices {
            report.gaps.add(index, || "the outcome of this call was never written".to_owned());
        }
    }
}
