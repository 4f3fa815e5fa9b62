//! One pass over the records up to the end of the period; nothing of them is held but figures and bounded lists.

use std::ops::ControlFlow;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::terminal::Terminal;
use super::acts::Acts;
use super::calls::Calls;
use super::keys::Keys;
use super::uptime::Uptime;
use crate::audit::{self, Filter, Shown, VerifyIo};

/// Between two lines that tell how far it is.
const TELL: u64 = 250_000;

/// From one moment to before another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Period {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

impl Period {
    /// How many milliseconds between two moments lie in it.
    pub(super) fn overlap(self, begin: Timestamp, end: Timestamp) -> i64 {
        let (begin, end) = (begin.max(self.from), end.min(self.to));
        end.as_millisecond().saturating_sub(begin.as_millisecond()).max(0)
    }
}

/// A record, as far as figures look at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) index: u64,
    pub(super) time: Timestamp,
    /// Whether it is of the period; else it is from before.
    pub(super) counts: bool,
    value: &'a Value,
}

impl<'a> Record<'a> {
    fn of(shown: &'a Shown, period: Period) -> Option<Self> {
        let value = shown.value();
        let time: Timestamp = value.get("t")?.as_str()?.parse().ok()?;
        Some(Self { index: shown.index()?, time, counts: time >= period.from, value })
    }

    pub(super) fn kind(self) -> &'a str {
        self.text("/kind").unwrap_or_default()
    }

    /// A text, by its JSON pointer.
    pub(super) fn text(self, at: &str) -> Option<&'a str> {
        self.value.pointer(at)?.as_str()
    }

    pub(super) fn number(self, at: &str) -> Option<u64> {
        self.value.pointer(at)?.as_u64()
    }

    pub(super) fn flag(self, at: &str) -> bool {
        self.value.pointer(at).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(super) fn list(self, at: &str) -> &'a [Value] {
        self.value.pointer(at).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn member(self, at: &str) -> Option<&'a Value> {
        self.value.pointer(at)
    }

    /// Its time, as it stands in the log.
    pub(super) fn written(self) -> &'a str {
        self.text("/t").unwrap_or_default()
    }
}

/// What the records say.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) calls: Calls,
    pub(super) uptime: Uptime,
    pub(super) acts: Acts,
    pub(super) keys: Keys,
    /// The first and the last record of the period, and how many there are.
    pub(super) first: Option<u64>,
    pub(super) last: Option<u64>,
    pub(super) records: u64,
    /// The first record that was there to be read, and the last one before the end of the period.
    pub(super) begin: Option<u64>,
    pub(super) end: Option<(u64, Timestamp)>,
}

/// Reads the records of the log in `directory` that are under the head over `size` records and from before the end of the period.
pub(super) fn gather(directory: &Path, period: Period, size: u64, terminal: &mut Terminal) -> Result<Gathered, VerifyIo> {
    let mut gathered = Gathered {
        calls: Calls::default(),
        uptime: Uptime::new(period),
        acts: Acts::default(),
        keys: Keys::default(),
        first: None,
        last: None,
        records: 0,
        begin: None,
        end: None,
    };
    let filter = Filter { to: Some(period.to), ..Filter::default() };
    audit::show(directory, &filter, &mut |shown| {
        let Some(record) = Record::of(shown, period) else { return ControlFlow::Continue(()) };
        if record.index >= size {
            return ControlFlow::Break(());
        }
        if record.index > 0 && record.index.is_multiple_of(TELL) && terminal.is_watched() {
            terminal.note(format_args!("read: {} of at most {size} records", record.index));
        }
        gathered.take(record);
        ControlFlow::Continue(())
    })?;
    Ok(gathered)
}

impl Gathered {
    fn take(&mut self, record: Record<'_>) {
        self.begin = self.begin.or(Some(record.index));
        self.end = Some((record.index, record.time));
        if record.counts {
            self.records += 1;
            self.first = self.first.or(Some(record.index));
            self.last = Some(record.index);
        }
        self.calls.take(record);
        self.uptime.take(record);
        self.acts.take(record);
        self.keys.take(record);
    }

    /// `calls.json`.
    pub(super) fn calls(&self) -> Value {
        let mut value = self.calls.value();
        if let Some(members) = value.as_object_mut() {
            members.insert("records".to_owned(), json!(self.records));
            members.insert("uptime".to_owned(), self.uptime.value());
        }
        value
    }
}
