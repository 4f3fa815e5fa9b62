//! One text, and what is found in it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Class;
use crate::commands::detectors::InForce;
use crate::scan::injection::{self, ModelMode, SurfaceKind, score};
use crate::scan::readings::{Origin, Room, Way, values};
use crate::scan::{self, Effort, Set};

/// What a finding of a detector adds to the score: its check digits or its form leave little doubt.
const SURE: f64 = 0.9;

/// One line of the input, or all of it.
#[derive(Debug)]
pub(super) enum Line {
    /// To be scanned as it is.
    Text(Vec<u8>),
    /// Tells what is to be scanned.
    Json(Vec<u8>),
    /// Not kept.
    TooLong,
}

impl Line {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Text(bytes) | Self::Json(bytes) => bytes.len(),
            Self::TooLong => 0,
        }
    }

    pub(super) fn is_blank(&self) -> bool {
        match self {
            Self::Text(bytes) | Self::Json(bytes) => bytes.trim_ascii().is_empty(),
            Self::TooLong => false,
        }
    }
}

/// What a line asks. Members that are not known are somebody else's.
#[derive(Deserialize)]
struct Asked<'l> {
    #[serde(default)]
    id: Value,
    #[serde(borrow)]
    text: Cow<'l, str>,
    #[serde(default)]
    direction: Direction,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Direction {
    Request,
    #[default]
    Response,
    Definition,
}

impl Direction {
    fn surface(self) -> SurfaceKind {
        match self {
            Self::Request => SurfaceKind::Argument,
            Self::Response => SurfaceKind::Result,
            Self::Definition => SurfaceKind::Definition,
        }
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a Value,
    flagged: bool,
    score: f64,
    findings: Vec<Finding<'a>>,
}

#[derive(Serialize)]
struct Finding<'a> {
    kind: &'a str,
    rule: &'a str,
    start: usize,
    end: usize,
}

#[derive(Serialize)]
struct Unanswered<'a> {
    id: Option<()>,
    error: &'a str,
}

/// The detectors in force.
pub(super) struct Judge {
    injection: Option<injection::Scanner>,
    detectors: scan::Scanner,
    all: Set,
    secrets: Set,
}

impl Judge {
    pub(super) fn new(in_force: &InForce, wants: &dyn Fn(Class) -> bool, model: ModelMode) -> anyhow::Result<Self> {
        let classes = [(Class::Secrets, scan::Class::Secrets), (Class::Pii, scan::Class::Pii)];
        let wanted = classes.iter().filter(|(class, _)| wants(*class)).map(|(_, class)| class.name());
        let detectors = in_force.catalogue.scanner(wanted, [])?;
        detectors.compile()?;
        let injection = wants(Class::Injection).then(|| injection::Scanner::of(Some(&in_force.rules))).transpose()?;
        Ok(Self {
            injection: injection.map(|scanner| scanner.with_model(model)),
            all: detectors.set(|_| true),
            secrets: detectors.set(|row| row.class() == scan::Class::Secrets),
            detectors,
        })
    }

    /// Appends the answer to a line. Whether the line could be read.
    pub(super) fn answer(&self, line: &Line, out: &mut Vec<u8>) -> bool {
        let error = match line {
            Line::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => return self.told(&Value::Null, text, Direction::default(), out),
                Err(error) => format!("not UTF-8: {error}"),
            },
            Line::Json(bytes) => match serde_json::from_slice::<Asked<'_>>(bytes) {
                Ok(asked) => return self.told(&asked.id, &asked.text, asked.direction, out),
                Err(error) => error.to_string(),
            },
            Line::TooLong => "longer than 64 MiB".to_owned(),
        };
        put(out, &Unanswered { id: None, error: &error });
        false
    }

    fn told(&self, id: &Value, text: &str, direction: Direction, out: &mut Vec<u8>) -> bool {
        let mut findings = Vec::new();
        let (mut flagged, mut doubt) = (false, 1.0);
        if let Some(scanner) = &self.injection {
            let mut hits = Vec::new();
            scanner.scan(text, direction.surface(), &mut injection::Effort::default(), &mut hits);
            flagged = hits.iter().any(injection::Hit::is_flag);
            doubt = 1.0 - score(&hits);
            findings.extend(hits.iter().map(|hit| Finding { kind: "injection", rule: hit.rule, start: hit.start, end: hit.end }));
        }
        let mut found = |finding| {
            flagged = true;
            doubt *= 1.0 - SURE;
            findings.push(finding);
        };
        let mut effort = Effort::default();
        self.detect(&self.all, text, &|span| span, &mut effort, &mut found);
        if !self.all.is_empty() {
            let complete = values(text, &mut Room::default(), &mut |reading| {
                // A key may be split over strings; numbers of a list are no card.
                let wanted = if reading.origin == Origin::Joined { &self.secrets } else { &self.all };
                self.detect(wanted, reading.text, &|span| reading.original(span), &mut effort, &mut found);
            });
            if !complete {
                found(Finding { kind: "unread", rule: "unread", start: 0, end: text.len() });
            }
        }
        findings.sort_unstable_by_key(|finding| (finding.start, finding.end, finding.rule));
        findings.dedup_by_key(|finding| (finding.start, finding.end, finding.rule));
        // Three digits: more would be false precision.
        let score = ((1.0 - doubt) * 1000.0).round() / 1000.0;
        put(out, &Answer { id, flagged, score, findings });
        true
    }

    fn detect<'s>(&'s self, wanted: &Set, text: &str, way: &Way<'_>, effort: &mut Effort, found: &mut impl FnMut(Finding<'s>)) {
        let mut all = Vec::new();
        let read = self.detectors.find(text, wanted, effort, &mut all);
        for one in all {
            let (span, rule) = (way(one.start..one.end), self.detectors.row(one.by).map(|row| row.detector().id.as_str()));
            found(Finding { kind: one.kind, rule: rule.unwrap_or_default(), start: span.start, end: span.end });
        }
        if read.is_err() {
            let span = way(0..text.len());
            found(Finding { kind: "unread", rule: "unread", start: span.start, end: span.end });
        }
    }
}

fn put(out: &mut Vec<u8>, answer: &impl Serialize) {
    // Nothing of an answer can fail to be written into memory.
    if serde_json::to_writer(&mut *out, answer).is_ok() {
        out.push(b'\n');
    }
}
