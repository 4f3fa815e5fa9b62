//! A circuit breaker: a server that fails again and again is left alone for a while. Plain state; time and chance come from outside.
//!
//! It counts by caller, since what fails may be one caller's tool and not the server:
//!
//! - **A caller** whose calls fail so many times in a row is shut out alone. Nobody else notices.
//! - **The server** is suspected once so many faults of more than one caller follow each other, and nobody is answered between them.
//!   None of them counts for more than half. From then on whoever had a part in it is shut out, and one failed call is enough to join
//!   them. Callers whose calls have not failed still go through, one call each and few at once: a caller whose own calls succeed is
//!   not shut out by others, whatever these do. Any answer ends the suspicion.
//!
//! Who is shut out waits for a time that doubles with each failed probe and is stretched at random, so that replicas do not come back
//! in step. When it is over one call of theirs goes through, and its end decides. Each has a probe of their own: nobody can use up
//! those of others and fail them for ever.
//!
//! A fault is the server's: no connection, a broken or malformed reply, HTTP 5xx, no reply in time. Whatever it answers is a success,
//! errors of its tools included. A caller who leaves, a shutdown, a record that could not be written say nothing about it.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

use crate::chain::Reason;
use crate::config::Breaker as Settings;

/// Callers with faults that are remembered; with more of them the one not heard of for the longest is forgotten.
const MAX_CALLERS: usize = 1024;

/// Probes under way beyond which no further one begins at a suspected server.
const PROBES: usize = 8;

/// Time to wait before another look at a probe that is under way.
const PROBE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Breaker<K> {
    settings: Settings,
    /// Only those whose last call failed, or who try out a suspected server: empty while all is well.
    callers: HashMap<K, Caller>,
    run: Run,
    suspected: bool,
    /// Probes under way.
    probes: usize,
    /// Counts calls, so that a fault of one that began before somebody was shut out is known as such.
    calls: u64,
}

#[derive(Debug)]
struct Caller {
    /// Faults in a row.
    faults: u32,
    /// What of it belongs to which [`Run`].
    part: (u64, u32),
    shut: Option<Shut>,
    /// The next time it is shut out, before chance.
    cooldown: Duration,
    heard: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Shut {
    until: Instant,
    probing: bool,
    /// The last call that had begun then.
    after: u64,
}

/// Faults of all callers that follow each other: any answer begins a new one.
#[derive(Debug, Default)]
struct Run {
    number: u64,
    faults: u32,
    /// The same, with no more of each caller than half of what it takes.
    weighed: u32,
    callers: u32,
}

/// What an operator sees of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// Somebody was answered lately, or nobody has failed often enough.
    Closed,
    /// A call is to show whether the server is back.
    HalfOpen,
    /// Those who failed are refused, and nobody has been answered since.
    Open,
}

/// The right of one call to go through.
#[derive(Debug)]
pub(super) struct Pass<K> {
    caller: K,
    call: u64,
    probe: bool,
}

/// How a call ended, as far as the server is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It answered.
    Answered,
    /// It failed.
    Fault,
    /// Nothing is known.
    Nothing,
}

impl<K: Clone + Eq + Hash> Breaker<K> {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, callers: HashMap::new(), run: Run::default(), suspected: false, probes: 0, calls: 0 }
    }

    /// How long to wait, if calls of this caller are refused at `now`.
    pub(super) fn refuses(&self, caller: &K, now: Instant) -> Option<Duration> {
        if self.callers.is_empty() && !self.suspected {
            return None;
        }
        if let Some(shut) = self.callers.get(caller).and_then(|caller| caller.shut) {
            let left = shut.until.saturating_duration_since(now);
            if !left.is_zero() {
                return Some(left);
            }
            if shut.probing {
                return Some(PROBE);
            }
        }
        (self.suspected && self.probes >= PROBES).then_some(PROBE)
    }

    /// Lets a call through, or says how long to wait.
    pub(super) fn enter(&mut self, caller: &K, now: Instant) -> Result<Pass<K>, Duration> {
        if let Some(wait) = self.refuses(caller, now) {
            return Err(wait);
        }
        if self.suspected {
            // On trial like everybody else, from now on.
            let after = self.calls;
            self.remember(caller, now).shut.get_or_insert(Shut { until: now, probing: false, after });
        }
        let shut =
            if self.callers.is_empty() { None } else { self.callers.get_mut(caller).and_then(|known| known.shut.as_mut()) };
        let probe = shut.is_some();
        if let Some(shut) = shut {
            shut.probing = true;
            self.probes += 1;
        }
        self.calls += 1;
        Ok(Pass { caller: caller.clone(), call: self.calls, probe })
    }

    /// Takes note of a call's end, once for each pass: a probe is none any more afterwards. `chance`, from 0 to 1, stretches the time
    /// to come by up to a half.
    pub(super) fn ended(&mut self, pass: &mut Pass<K>, ending: Ending, now: Instant, chance: f64) {
        let probe = std::mem::replace(&mut pass.probe, false);
        if probe {
            self.probes = self.probes.saturating_sub(1);
            if let Some(shut) = self.callers.get_mut(&pass.caller).and_then(|caller| caller.shut.as_mut()) {
                shut.probing = false;
            }
        }
        match ending {
            Ending::Answered => self.answered(&pass.caller, now),
            Ending::Fault => self.failed(pass, probe, now, chance),
            Ending::Nothing => {}
        }
    }

    pub(super) fn position(&self) -> Position {
        if self.run.faults < self.settings.failures {
            Position::Closed
        } else if self.probes == 0 {
            Position::Open
        } else {
            Position::HalfOpen
        }
    }

    /// An answer is news of the server, whenever its call began.
    fn answered(&mut self, caller: &K, now: Instant) {
        if self.run.faults > 0 {
            self.run = Run { number: self.run.number + 1, ..Run::default() };
        }
        if !self.callers.is_empty() {
            self.callers.remove(caller);
        }
        if std::mem::replace(&mut self.suspected, false) {
            // The server is back: whoever was shut out may see for themselves at once, one call each.
            self.callers.retain(|_, caller| caller.faults > 0);
            for shut in self.callers.values_mut().filter_map(|caller| caller.shut.as_mut()) {
                shut.until = shut.until.min(now);
            }
        }
    }

    fn failed(&mut self, pass: &Pass<K>, probe: bool, now: Instant, chance: f64) {
        let (settings, calls, suspected, run) = (self.settings, self.calls, self.suspected, self.run.number);
        let shut = self.callers.get(&pass.caller).and_then(|caller| caller.shut);
        // It began when nobody knew yet: from a suspicion on every call is a probe.
        if !probe && (suspected || shut.is_some_and(|shut| pass.call <= shut.after)) {
            return;
        }
        let caller = self.remember(&pass.caller, now);
        caller.faults = caller.faults.saturating_add(1);
        let part = if caller.part.0 == run { caller.part.1 } else { 0 };
        caller.part = (run, part.saturating_add(1));
        if probe || caller.faults >= settings.failures {
            caller.shut_out(settings, now, chance, calls);
        }
        self.run.faults = self.run.faults.saturating_add(1);
        self.run.callers += u32::from(part == 0);
        self.run.weighed += u32::from(part < settings.failures.div_ceil(2));
        if !suspected && self.run.callers > 1 && self.run.weighed >= settings.failures {
            self.suspected = true;
            let part_of_it = self.callers.values_mut().filter(|caller| caller.part.0 == run && caller.shut.is_none());
            part_of_it.for_each(|caller| caller.shut_out(settings, now, chance, calls));
        }
    }

    /// The entry of this caller. Room for it is made by forgetting another, one without a probe under way if there is one.
    fn remember(&mut self, caller: &K, now: Instant) -> &mut Caller {
        if self.callers.len() >= MAX_CALLERS && !self.callers.contains_key(caller) {
            let oldest = self.callers.iter().min_by_key(|(_, known)| (known.shut.is_some_and(|shut| shut.probing), known.heard));
            if let Some(oldest) = oldest.map(|(oldest, _)| oldest.clone()) {
                self.callers.remove(&oldest);
            }
        }
        let cooldown = self.settings.cooldown;
        let new = || Caller { faults: 0, part: (0, 0), shut: None, cooldown, heard: now };
        let known = self.callers.entry(caller.clone()).or_insert_with(new);
        known.heard = now;
        known
    }
}

impl Caller {
    fn shut_out(&mut self, settings: Settings, now: Instant, chance: f64, calls: u64) {
        let stay = self.cooldown.mul_f64(1.0 + chance.clamp(0.0, 1.0) / 2.0);
        self.shut = Some(Shut { until: now + stay, probing: false, after: calls });
        self.cooldown = self.cooldown.saturating_mul(2).min(settings.max_cooldown);
    }
}

impl<K> Pass<K> {
    /// Whether its end decides about the server.
    pub(super) fn is_probe(&self) -> bool {
        self.probe
    }
}

impl Position {
    /// Its name in logs.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }

    /// Its value as a metric.
    pub(super) fn as_number(self) -> i64 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }
}

impl Ending {
    /// What a refusal behind admission says about the server.
    #[expect(clippy::wildcard_enum_match_arm, reason = "few reasons come from the server")]
    pub(super) fn of(reason: &Reason) -> Self {
        match reason {
            // SECURITY: what a caller can bring about at will must not close the server to others: a status below 500, a result that
            // is larger than we take or that nobody reads, a stream without end, the end of a session.
            Reason::UpstreamFailed("backlog" | "status" | "too_deep" | "too_large")
            | Reason::SessionNotFound
            | Reason::StreamLimit => Self::Answered,
            // Our own shortage, and our own patience; and no message has gone there: an authorization server, or one caller's grant, says
            // nothing of the server.
            Reason::UpstreamFailed(
                "no_credential" | "no_socket" | "restarting" | "token_endpoint" | "token_refused" | "token_unusable",
            ) => Self::Nothing,
            Reason::UpstreamFailed(_) | Reason::UpstreamTimeout => Self::Fault,
            _ => Self::Nothing,
        }
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
