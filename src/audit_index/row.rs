//! From a line of the log to a row of the index. A line is anybody's bytes: what is not of the expected type is left out.

use jiff::Timestamp;
use serde_json::Value;

/// Columns of words that come again and again, with where they stand in a record: the first that is there counts. They are stored once
/// and named by number.
pub(super) const WORDS: [(&str, &[&str]); 13] = [
    ("kind", &["/kind"]),
    ("principal", &["/who/sub"]),
    ("issuer", &["/who/iss"]),
    ("client", &["/who/client"]),
    ("tenant", &["/who/tenant"]),
    ("server", &["/what/server"]),
    // Of an operator's action what was done, and to what.
    ("method", &["/what/method", "/what/act"]),
    ("name", &["/what/name", "/what/target"]),
    ("effect", &["/dec/effect"]),
    ("reason", &["/dec/reason", "/out/reason"]),
    ("detail", &["/dec/detail", "/out/detail"]),
    ("rule", &["/dec/rule"]),
    ("status", &["/out/status"]),
];

/// Columns of texts that are each their own.
pub(super) const TEXTS: [(&str, &str); 4] = [("call", "/call"), ("session", "/sess"), ("trace", "/trace"), ("peer", "/peer")];

/// Columns of numbers.
pub(super) const NUMBERS: [(&str, &[&str]); 4] =
    [("us", &["/out/us"]), ("events", &["/out/events", "/seg/events"]), ("bytes", &["/out/res_n", "/seg/bytes"]), ("n", &["/n"])];

/// Columns of words of a finding.
pub(super) const FINDING: [&str; 5] = ["layer", "kind", "rule", "action", "side"];

/// The kind of a line that is no record.
pub(super) const UNREADABLE: &str = "unreadable";

/// One record.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) position: i64,
    /// Microseconds since 1970.
    pub(super) t: i64,
    pub(super) words: [Option<String>; WORDS.len()],
    pub(super) texts: [Option<String>; TEXTS.len()],
    pub(super) numbers: [Option<i64>; NUMBERS.len()],
    pub(super) findings: Vec<Finding>,
}

/// What a layer saw.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) words: [Option<String>; FINDING.len()],
    pub(super) count: i64,
}

impl Row {
    /// Of a line, given without its newline. `before` is the time of the line before, for one that tells none.
    pub(super) fn of(position: i64, line: &[u8], before: i64) -> Self {
        let record: Value = serde_json::from_slice(line).unwrap_or_default();
        let text = |path: &str| record.pointer(path).and_then(Value::as_str).map(str::to_owned);
        let number = |path: &&str| record.pointer(path).and_then(Value::as_i64);
        let mut words = WORDS.map(|(_, paths)| paths.iter().find_map(|path| text(path)));
        if let [kind @ None, ..] = &mut words {
            *kind = Some(UNREADABLE.to_owned());
        }
        let time = text("/t").and_then(|text| text.parse::<Timestamp>().ok());
        let findings =
            ["/dec/findings", "/out/findings"].into_iter().filter_map(|path| record.pointer(path)?.as_array()).flatten();
        Self {
            position,
            t: time.map_or(before, Timestamp::as_microsecond),
            words,
            texts: TEXTS.map(|(_, path)| text(path)),
            numbers: NUMBERS.map(|(_, paths)| paths.iter().find_map(number)),
            findings: findings.map(Finding::of).collect(),
        }
    }

    /// The tenant that it names and whose word that is. It is nobody's where either is missing.
    pub(super) fn tenant(&self) -> (Option<&str>, Option<&str>) {
        // In the order of [`WORDS`].
        match &self.words {
            [_, _, Some(issuer), _, Some(tenant), ..] => (Some(tenant), Some(issuer)),
            _ => (None, None),
        }
    }

    /// Every word in it.
    pub(super) fn all_words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().chain(self.findings.iter().flat_map(|finding| &finding.words)).flatten().map(String::as_str)
    }
}

impl Finding {
    fn of(finding: &Value) -> Self {
        let words = FINDING.map(|key| finding.get(key).and_then(Value::as_str).map(str::to_owned));
        Self { words, count: finding.get("count").and_then(Value::as_i64).unwrap_or(1) }
    }
}
