//! When the gateway served, by its own records: a run goes from `start` to `stop`, or to the last record before one that found it unfinished.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::gather::{Period, Record};
use super::tally::Listed;

/// The runs of a period.
#[derive(Debug)]
pub(super) struct Uptime {
    period: Period,
    /// Of the run that is going on.
    since: Option<Timestamp>,
    /// The last record that a run wrote.
    alive: Option<Timestamp>,
    /// When the run before ended, and whether in order.
    ended: Option<(Timestamp, bool)>,
    began: Option<Timestamp>,
    latest: Option<Timestamp>,
    up: i64,
    down: i64,
    starts: u64,
    stops: u64,
    crashes: u64,
    ticks: u64,
    outages: Listed,
}

impl Uptime {
    pub(super) fn new(period: Period) -> Self {
        Self {
            period,
            since: None,
            alive: None,
            ended: None,
            began: None,
            latest: None,
            up: 0,
            down: 0,
            starts: 0,
            stops: 0,
            crashes: 0,
            ticks: 0,
            outages: Listed::default(),
        }
    }

    pub(super) fn take(&mut self, record: Record<'_>) {
        self.began = self.began.or(Some(record.time));
        self.latest = Some(record.time);
        let counted = u64::from(record.counts);
        match record.kind() {
            "recovery" => self.crashed(counted),
            "start" => {
                self.crashed(counted);
                self.start(record);
                self.starts += counted;
            }
            "stop" => {
                self.end(record.time, true);
                self.stops += counted;
            }
            // The next run may write these before it says what it found.
            "clock.step" | "key.rotate" => {}
            kind => {
                self.alive = Some(record.time);
                self.ticks += u64::from(record.counts && kind == "tick");
            }
        }
    }

    fn start(&mut self, record: Record<'_>) {
        if let Some((ended, in_order)) = self.ended.take() {
            let lasted = self.period.overlap(ended, record.time);
            if lasted > 0 {
                self.down = self.down.saturating_add(lasted);
                self.outages.add(|| {
                    json!({
                        "from": ended.to_string(), "to": record.time.to_string(), "ms": lasted, "in_order": in_order,
                        "record": record.index,
                    })
                });
            }
        }
        (self.since, self.alive) = (Some(record.time), Some(record.time));
    }

    /// A run that wrote no `stop` ended with the last thing that it wrote.
    fn crashed(&mut self, counted: u64) {
        if let Some(since) = self.since {
            self.crashes += counted;
            self.end(self.alive.unwrap_or(since), false);
        }
    }

    fn end(&mut self, at: Timestamp, in_order: bool) {
        // What works on a stopped gateway writes a `stop` without having started.
        if let Some(since) = self.since.take() {
            self.up = self.up.saturating_add(self.period.overlap(since, at));
            self.ended = Some((at, in_order));
        }
    }

    pub(super) fn value(&self) -> Value {
        let running = self.since.zip(self.latest).map_or(0, |(since, latest)| self.period.overlap(since, latest));
        let observed = self.began.zip(self.latest).map_or(0, |(began, latest)| self.period.overlap(began, latest));
        json!({
            "observed_ms": observed,
            "up_ms": self.up.saturating_add(running),
            "down_ms": self.down,
            "starts": self.starts,
            "stops": self.stops,
            "crashes": self.crashes,
            "ticks": self.ticks,
            "outages": self.outages.value(),
        })
    }
}
