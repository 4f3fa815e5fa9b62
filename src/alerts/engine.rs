//! All rules over one log, record by record. Pure: a record in, alerts out; its time is the log's.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::Alert;
use super::rule::Rule;
use super::seen::{Event, Happened, Line, Origin, denied};
use crate::policy::AlertRule;

/// Calls that wait for an outcome. More are not under way at once.
const OPEN: usize = 16_384;

/// Silence is looked for so often, in milliseconds of the log.
const LOOK: i64 = 1_000;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    pub(super) rules: Vec<Rule>,
    open: HashMap<String, Arc<Origin>>,
    order: VecDeque<String>,
    /// The latest time that was seen, in milliseconds.
    pub(super) now: i64,
    looked: i64,
}

/// What one record made of it.
#[derive(Debug, Default)]
pub(crate) struct Came {
    pub alerts: Vec<Alert>,
    /// It is an alert itself: of this rule, about that.
    pub told: Option<(String, String)>,
}

impl Engine {
    /// Rules that begin with the first record, or say nothing about records before that time of the log, in milliseconds.
    pub(crate) fn new(rules: &[Arc<AlertRule>], speaks: i64) -> Self {
        Self { rules: rules.iter().map(|rule| Rule::new(Arc::clone(rule), speaks)).collect(), ..Self::default() }
    }

    /// Goes on with other rules. One that says the same as before goes on where it was; the rest begin now.
    pub(crate) fn rule_by(&mut self, rules: &[Arc<AlertRule>]) {
        let mut before = std::mem::take(&mut self.rules);
        let now = self.now;
        let go_on = |says: &Arc<AlertRule>| {
            let known = before.iter().position(|rule| rule.says == *says);
            known.map_or_else(|| Rule::new(Arc::clone(says), now), |at| before.swap_remove(at))
        };
        self.rules = rules.iter().map(go_on).collect();
    }

    /// The latest time it has seen, in milliseconds.
    pub(crate) fn now(&self) -> i64 {
        self.now
    }

    /// Whether there is anything to look for.
    pub(crate) fn is_idle(&self) -> bool {
        self.rules.is_empty()
    }

    /// Calls that wait for their outcome.
    pub(super) fn open(&self) -> impl Iterator<Item = (&String, &Arc<Origin>)> {
        self.open.iter()
    }

    /// Takes one record in.
    pub(crate) fn record(&mut self, line: &[u8], index: u64) -> Came {
        let Some(mut line) = Line::of(line) else { return Came::default() };
        // A clock that was put back does not begin anything anew.
        self.now = self.now.max(line.t.as_millisecond());
        let now = self.now;
        let mut came = Came::default();
        match line.kind.as_str() {
            "alert" => {
                let (rule, about) = (std::mem::take(&mut line.what.rule), std::mem::take(&mut line.what.about));
                self.rules.iter_mut().filter(|known| known.says.name == rule).for_each(|known| known.told(&about, now));
                came.told = Some((rule, about));
            }
            "start" => self.rules.iter_mut().for_each(|rule| rule.starts(now)),
            _ => {}
        }
        for happened in self.happened(&mut line) {
            came.alerts.extend(self.rules.iter_mut().filter_map(|rule| rule.take(&happened, now, index)));
        }
        if now - self.looked >= LOOK {
            self.looked = now;
            came.alerts.extend(self.rules.iter_mut().flat_map(|rule| rule.silence(now, index)));
        }
        came
    }

    fn happened(&mut self, line: &mut Line) -> Vec<Happened> {
        let all = |origin: Arc<Origin>, events: Vec<Event>| {
            let happened = |what| Happened { origin: Arc::clone(&origin), what };
            events.into_iter().map(happened).collect()
        };
        match line.kind.as_str() {
            "call.decision" => {
                let events = line.decided();
                let origin = Arc::new(line.origin());
                if let Some(call) = line.call.take().filter(|_| line.open) {
                    self.remember(call, &origin);
                }
                all(origin, events)
            }
            "call.outcome" => {
                let Some(origin) = line.call.as_ref().and_then(|call| self.open.remove(call)) else { return Vec::new() };
                all(origin, line.ended())
            }
            "stream.segment" => {
                let Some(origin) = line.call.as_ref().and_then(|call| self.open.get(call)) else { return Vec::new() };
                all(Arc::clone(origin), line.ended())
            }
            "auth.failure" => line
                .refused
                .drain(..)
                .filter_map(|refused| {
                    let origin = Origin { peer: refused.peer, server: refused.server, ..Origin::default() };
                    Some(Happened { origin: Arc::new(origin), what: denied(&refused.reason, refused.n)? })
                })
                .collect(),
            "admin" if line.what.act == "secret.rotation_due" => {
                let server = line.what.target.take();
                all(Arc::new(Origin { server, ..Origin::default() }), vec![Event::Due])
            }
            _ => Vec::new(),
        }
    }

    /// The oldest go first.
    pub(super) fn remember(&mut self, call: String, origin: &Arc<Origin>) {
        self.open.insert(call.clone(), Arc::clone(origin));
        self.order.push_back(call);
        while self.open.len() > OPEN {
            let Some(oldest) = self.order.pop_front() else { return };
            self.open.remove(&oldest);
        }
        // Most have their outcome long before.
        if self.order.len() > 2 * OPEN {
            let open = &self.open;
            self.order.retain(|call| open.contains_key(call));
        }
    }
}
