//! A circuit breaker: a server that fails again and again is left alone for a while. Plain state; time and chance come from outside.
//!
//! Closed, until so many faults follow each other. Open, for a time that doubles with each failed probe and is stretched at random,
//! so that replicas do not come back in step. Half open, when that time is over: one call goes through, and its end decides.
//!
//! A fault is the server's: no connection, a broken or malformed reply, HTTP 5xx, no reply in time. Whatever it answers is a success,
//! errors of its tools included. A caller who leaves, a shutdown, a record that could not be written say nothing about it.

use std::time::Duration;

use tokio::time::Instant;

use crate::chain::Reason;
use crate::config::Breaker as Settings;

/// See the module.
#[derive(Debug)]
pub(super) struct Breaker {
    settings: Settings,
    state: State,
    /// Counts the times it opened: the end of a call that began before the last one says nothing any more.
    epoch: u64,
    /// The next time it stays open, before chance.
    cooldown: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed { faults: u32 },
    HalfOpen { probing: bool },
    Open { until: Instant },
}

/// What an operator sees of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// Calls pass.
    Closed,
    /// One call is to show whether the server is back.
    HalfOpen,
    /// Calls are refused.
    Open,
}

/// The right of one call to go through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    epoch: u64,
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

/// Time to wait before another look at a probe that is under way.
const PROBE: Duration = Duration::from_secs(1);

impl Breaker {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, state: State::Closed { faults: 0 }, epoch: 0, cooldown: settings.cooldown }
    }

    /// How long to wait, if calls are refused at `now`.
    pub(super) fn refuses(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Closed { .. } | State::HalfOpen { probing: false } => None,
            State::HalfOpen { probing: true } => Some(PROBE),
            State::Open { until } => Some(until.saturating_duration_since(now)).filter(|left| !left.is_zero()),
        }
    }

    /// Lets a call through, or says how long to wait.
    pub(super) fn enter(&mut self, now: Instant) -> Result<Pass, Duration> {
        if let Some(wait) = self.refuses(now) {
            return Err(wait);
        }
        let probe = !matches!(self.state, State::Closed { .. });
        if probe {
            self.state = State::HalfOpen { probing: true };
        }
        Ok(Pass { epoch: self.epoch, probe })
    }

    /// Takes note of a call's end. `chance`, from 0 to 1, stretches the time to come by up to a half.
    pub(super) fn ended(&mut self, pass: Pass, ending: Ending, now: Instant, chance: f64) {
        if pass.epoch != self.epoch {
            return;
        }
        match (self.state, ending) {
            (State::Closed { .. }, Ending::Answered) => self.state = State::Closed { faults: 0 },
            (State::Closed { faults }, Ending::Fault) => {
                let faults = faults.saturating_add(1);
                self.state = State::Closed { faults };
                if faults >= self.settings.failures {
                    self.open(now, chance);
                }
            }
            (State::HalfOpen { .. }, Ending::Answered) if pass.probe => {
                self.state = State::Closed { faults: 0 };
                self.cooldown = self.settings.cooldown;
            }
            (State::HalfOpen { .. }, Ending::Fault) if pass.probe => self.open(now, chance),
            (State::HalfOpen { .. }, Ending::Nothing) if pass.probe => self.state = State::HalfOpen { probing: false },
            (State::Closed { .. } | State::HalfOpen { .. } | State::Open { .. }, _) => {}
        }
    }

    pub(super) fn position(&self) -> Position {
        match self.state {
            State::Closed { .. } => Position::Closed,
            State::HalfOpen { .. } => Position::HalfOpen,
            State::Open { .. } => Position::Open,
        }
    }

    fn open(&mut self, now: Instant, chance: f64) {
        let stay = self.cooldown.mul_f64(1.0 + chance.clamp(0.0, 1.0) / 2.0);
        self.state = State::Open { until: now + stay };
        self.epoch += 1;
        self.cooldown = self.cooldown.saturating_mul(2).min(self.settings.max_cooldown);
    }
}

impl Pass {
    /// Whether its end decides about the server.
    pub(super) fn is_probe(self) -> bool {
        self.probe
    }

    /// What is left of it once it has decided.
    pub(super) fn after_probe(self) -> Self {
        Self { probe: false, ..self }
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
            // is larger than we take, the end of a session.
            Reason::UpstreamFailed("status" | "too_large") | Reason::SessionNotFound => Self::Answered,
            // Our own shortage.
            Reason::UpstreamFailed("no_socket") => Self::Nothing,
            Reason::UpstreamFailed(_) | Reason::UpstreamTimeout => Self::Fault,
            _ => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings { failures: 3, cooldown: Duration::from_secs(1), max_cooldown: Duration::from_secs(4) };

    struct Scene {
        breaker: Breaker,
        now: Instant,
    }

    impl Scene {
        fn new() -> Self {
            Self { breaker: Breaker::new(SETTINGS), now: Instant::now() }
        }

        fn call(&mut self, ending: Ending) {
            let pass = self.breaker.enter(self.now).unwrap();
            self.breaker.ended(pass, ending, self.now, 0.0);
        }

        fn open(&mut self) {
            for _ in 0..3 {
                self.call(Ending::Fault);
            }
            assert_eq!(self.breaker.position(), Position::Open);
        }

        fn pass(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
        }
    }

    #[test]
    fn it_opens_after_a_run_of_faults_and_not_before() {
        let mut scene = Scene::new();
        for _ in 0..10 {
            scene.call(Ending::Fault);
            scene.call(Ending::Fault);
            scene.call(Ending::Nothing);
            scene.call(Ending::Answered);
            assert_eq!(scene.breaker.position(), Position::Closed, "an answer ends the run");
        }
        scene.open();
        assert_eq!(scene.breaker.enter(scene.now).unwrap_err(), SETTINGS.cooldown);
    }

    #[test]
    fn calls_that_say_nothing_neither_open_nor_end_a_run() {
        let mut scene = Scene::new();
        for _ in 0..100 {
            scene.call(Ending::Nothing);
        }
        scene.call(Ending::Fault);
        scene.call(Ending::Nothing);
        scene.call(Ending::Fault);
        scene.call(Ending::Nothing);
        assert_eq!(scene.breaker.position(), Position::Closed);
        scene.call(Ending::Fault);
        assert_eq!(scene.breaker.position(), Position::Open);
    }

    #[test]
    fn after_a_while_one_call_goes_through_and_its_end_decides() {
        let mut scene = Scene::new();
        scene.open();
        scene.pass(1);
        let probe = scene.breaker.enter(scene.now).unwrap();
        assert_eq!(scene.breaker.position(), Position::HalfOpen);
        assert_eq!(scene.breaker.enter(scene.now).unwrap_err(), PROBE, "a second one goes through beside the probe");
        scene.breaker.ended(probe, Ending::Answered, scene.now, 0.0);
        assert_eq!(scene.breaker.position(), Position::Closed);
        scene.call(Ending::Fault);
        assert_eq!(scene.breaker.position(), Position::Closed, "the run begins anew");
    }

    #[test]
    fn each_failed_probe_doubles_the_time_up_to_its_bound_and_an_answer_resets_it() {
        let mut scene = Scene::new();
        scene.open();
        for seconds in [1, 2, 4, 4, 4] {
            assert_eq!(scene.breaker.enter(scene.now).unwrap_err(), Duration::from_secs(seconds));
            scene.pass(seconds);
            scene.call(Ending::Fault);
        }
        scene.pass(4);
        scene.call(Ending::Answered);
        scene.open();
        assert_eq!(scene.breaker.enter(scene.now).unwrap_err(), SETTINGS.cooldown);
    }

    #[test]
    fn a_probe_that_says_nothing_makes_room_for_the_next() {
        let mut scene = Scene::new();
        scene.open();
        scene.pass(1);
        scene.call(Ending::Nothing);
        assert_eq!(scene.breaker.position(), Position::HalfOpen);
        scene.call(Ending::Answered);
        assert_eq!(scene.breaker.position(), Position::Closed);
    }

    #[test]
    fn calls_that_began_before_it_opened_decide_nothing() {
        let mut scene = Scene::new();
        let early: Vec<_> = (0..2).map(|_| scene.breaker.enter(scene.now).unwrap()).collect();
        scene.open();
        scene.breaker.ended(early[0], Ending::Answered, scene.now, 0.0);
        assert_eq!(scene.breaker.position(), Position::Open);
        scene.pass(1);
        let probe = scene.breaker.enter(scene.now).unwrap();
        scene.breaker.ended(early[1], Ending::Fault, scene.now, 0.0);
        scene.breaker.ended(probe, Ending::Answered, scene.now, 0.0);
        assert_eq!(scene.breaker.position(), Position::Closed);
    }

    #[test]
    fn chance_stretches_and_never_shortens() {
        for (chance, milliseconds) in [(0.0, 1_000), (1.0, 1_500), (0.5, 1_250), (9.0, 1_500), (-1.0, 1_000)] {
            let mut scene = Scene::new();
            for _ in 0..3 {
                let pass = scene.breaker.enter(scene.now).unwrap();
                scene.breaker.ended(pass, Ending::Fault, scene.now, chance);
            }
            assert_eq!(scene.breaker.refuses(scene.now), Some(Duration::from_millis(milliseconds)), "{chance}");
        }
    }
}
