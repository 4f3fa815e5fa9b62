//! Follows a log, and tells what the rules find.

use std::collections::VecDeque;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use super::engine::{Came, Engine};
use super::{Alert, AlertRules, kept};
use crate::admin::{OperationError, Operations};
use crate::apart::run_apart;
use crate::audit::{AppendError, Cursor, FollowError, Follower, Log, SignedHead};
use crate::clock::Clock;
use crate::policy::{AlertRule, Quarantined};
use crate::state::Switch;
use crate::telemetry::Metrics;
use crate::vault::{Vault, VaultError};

/// Between two looks at the log.
const PAUSE: Duration = Duration::from_millis(250);

/// After a failure.
const AGAIN: Duration = Duration::from_secs(2);

/// Records at a time.
const BATCH: usize = 1_024;

/// How often it is written down what the rules know. After a crash so much is read again.
const KEEP: Duration = Duration::from_mins(1);

/// A log is read from its newest bytes on by rules that know nothing of it yet: what they learn from is in there.
const LEARN_FROM: u64 = 256 << 20;

/// For what is left when the log is closed.
const FAREWELL: Duration = Duration::from_millis(1_500);

/// How often it is tried to stop somebody before the alert is told without that: others wait behind it.
const TRIES: u32 = 3;

/// What a watcher works with.
#[derive(Debug)]
pub struct Parts {
    /// What is followed, and where alerts are recorded.
    pub log: Arc<Log>,
    /// Who is behind a pseudonym that is to be stopped.
    pub vault: Arc<Vault>,
    /// Stops them.
    pub operations: Arc<Operations>,
    /// Where alerts are counted.
    pub metrics: Arc<Metrics>,
    /// The rules in force, and those that follow.
    pub rules: watch::Receiver<AlertRules>,
    /// The time that records are written by.
    pub clock: Arc<dyn Clock>,
    /// Where it is written down what the rules know.
    pub data_dir: PathBuf,
}

/// See the module.
#[derive(Debug)]
pub struct Watcher {
    parts: Parts,
    engine: Engine,
    /// Behind the last record that the engine has seen.
    cursor: Cursor,
    follower: Option<Follower>,
    /// How many records there were when this run began: what was found in them may have been told before.
    caught_up_at: u64,
    untold: VecDeque<Alert>,
    /// How often it was tried in vain to stop whom the first of them is about.
    tries: u32,
    written: (Cursor, Option<Instant>),
    failing: bool,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the log cannot be read")]
    Log(#[from] FollowError),
    #[error("the alert cannot be recorded")]
    Record(#[from] AppendError),
    #[error("who is to be stopped cannot be")]
    Stop(#[from] OperationError),
    #[error("it is not known who is to be stopped")]
    Vault(#[from] VaultError),
}

impl Watcher {
    /// Of an open log.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            engine: Engine::default(),
            cursor: Cursor::BEGIN,
            follower: None,
            caught_up_at: 0,
            untold: VecDeque::new(),
            tries: 0,
            written: (Cursor::BEGIN, None),
            failing: false,
        }
    }

    /// Begins, on a thread of its own, which ends some time after the log is closed; `tasks` waits for that.
    pub fn run(self, tasks: &TaskTracker) -> std::io::Result<()> {
        run_apart("audit-alerts", "what looks for alerts".to_owned(), || self.follow(), tasks)
    }

    async fn follow(mut self) {
        let mut heads = self.parts.log.heads();
        self.begin();
        loop {
            let pause = match self.round().await {
                Ok(true) => {
                    // Whoever ends it must be heard.
                    tokio::task::yield_now().await;
                    continue;
                }
                Ok(false) => PAUSE,
                Err(failure) => self.failed(&failure),
            };
            if is_closed_within(pause, &mut heads).await {
                break;
            }
        }
        let rest = async { while let Ok(true) = self.round().await {} };
        let _ = timeout(FAREWELL, rest).await;
        self.keep(true);
    }

    /// Goes on where it was, or from the newest part of the log on.
    fn begin(&mut self) {
        let (log, rules) = (&self.parts.log, self.parts.rules.borrow_and_update().clone());
        let now = self.parts.clock.now().as_millisecond();
        let known = kept::read(&self.path(), log.name(), &rules, now);
        if let Some((cursor, engine)) = known.filter(|(cursor, _)| Follower::resume(log.directory(), *cursor).is_ok()) {
            (self.cursor, self.engine) = (cursor, engine);
            self.caught_up_at = self.parts.log.settled();
        } else {
            self.begin_anew(&rules, now);
        }
    }

    fn begin_anew(&mut self, rules: &[Arc<AlertRule>], now: i64) {
        self.caught_up_at = self.parts.log.settled();
        self.engine = Engine::new(rules, now);
        self.cursor = Cursor::BEGIN;
        self.follower = Follower::of_newest(self.parts.log.directory(), LEARN_FROM).ok();
    }

    /// Reads some records, and tells what they show; whether there is more at once.
    async fn round(&mut self) -> Result<bool, Failure> {
        if self.parts.rules.has_changed().unwrap_or(false) {
            let rules = self.parts.rules.borrow_and_update().clone();
            if self.engine.is_idle() {
                self.begin_anew(&rules, self.parts.clock.now().as_millisecond());
            } else {
                self.engine.rule_by(&rules);
            }
        }
        if self.engine.is_idle() {
            return Ok(false);
        }
        let more = self.read()?;
        if self.cursor.position >= self.caught_up_at {
            while let Some(alert) = self.untold.front().cloned() {
                self.tell(&alert).await?;
                self.untold.pop_front();
            }
            self.keep(false);
        }
        self.failing = false;
        Ok(more)
    }

    /// Reads up to a batch, and gives others the thread.
    fn read(&mut self) -> Result<bool, FollowError> {
        let settled = self.parts.log.settled();
        if self.cursor.position >= settled {
            return Ok(false);
        }
        let mut follower = match self.follower.take() {
            Some(follower) => follower,
            None => match Follower::resume(self.parts.log.directory(), self.cursor) {
                // Retention was faster: what is gone can no more be looked at.
                Err(FollowError::Replaced) => {
                    tracing::error!("the log does not go on where alerts have come to; their rules begin anew");
                    let rules = self.parts.rules.borrow().clone();
                    self.begin_anew(&rules, self.engine.now);
                    return Ok(true);
                }
                other => other?,
            },
        };
        for _ in 0..BATCH {
            let Some(next) = follower.next_line()? else { return Ok(false) };
            if next.position >= settled {
                return Ok(false);
            }
            let Came { alerts, told } = self.engine.record(next.line, next.position);
            if let Some((rule, about)) = told {
                // It was told before this run began.
                self.untold.retain(|alert| alert.rule.name != rule || alert.about != about);
            }
            self.untold.extend(alerts);
            self.cursor = follower.cursor();
        }
        self.follower = Some(follower);
        Ok(true)
    }

    /// Stops whom the rule says, then says so in the log. In this order: what is stopped twice is stopped, and what a crash leaves untold is found again.
    async fn tell(&mut self, alert: &Alert) -> Result<(), Failure> {
        let stopped = match self.stop(alert).await {
            Ok(stopped) => stopped,
            Err(failure) if self.tries < TRIES => {
                self.tries += 1;
                return Err(failure);
            }
            Err(failure) => {
                tracing::error!(
                    error = &failure as &dyn Error,
                    rule = alert.rule.name,
                    "whom an alert is to stop is not stopped"
                );
                Some("failed")
            }
        };
        self.parts.log.append(alert.draft(stopped)).durable().await?;
        self.tries = 0;
        let (rule, severity) = (&alert.rule.name, alert.rule.severity.as_str());
        self.parts.metrics.alerted(rule, severity);
        tracing::warn!(rule, severity, about = alert.about, value = alert.value, record = alert.record, "alert");
        Ok(())
    }

    async fn stop(&self, alert: &Alert) -> Result<Option<&'static str>, Failure> {
        let switch = match alert.rule.quarantine {
            None => return Ok(None),
            Some(_) if alert.rule.shadow => return Ok(Some("shadow")),
            Some(Quarantined::Session) => alert.session().map(|session| Switch::Session(session.to_owned())),
            Some(Quarantined::Principal) => match alert.subject() {
                Some(pseudonym) => {
                    let person = self.parts.vault.reveal(pseudonym).await?;
                    person.map(|person| Switch::Principal { issuer: person.issuer, subject: person.subject })
                }
                None => None,
            },
        };
        // Somebody who was erased meanwhile: nobody can say who that is, or stop them by name.
        let Some(switch) = switch else { return Ok(Some("nobody")) };
        match self.parts.operations.quarantine(&switch, &alert.rule.name).await {
            // It holds here; it is stored later.
            Ok(()) | Err(OperationError::Store(_)) => Ok(alert.rule.quarantine.map(Quarantined::as_str)),
            Err(error) => Err(error.into()),
        }
    }

    fn failed(&mut self, failure: &Failure) -> Duration {
        self.follower = None;
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(error = failure as &dyn Error, "alerts wait");
        }
        AGAIN
    }

    /// Writes down what the rules know, once in a while.
    fn keep(&mut self, now: bool) {
        let (written, at) = self.written;
        let is_early = !now && at.is_some_and(|at| at.elapsed() < KEEP);
        if written == self.cursor || is_early || !self.untold.is_empty() || self.engine.is_idle() {
            return;
        }
        self.written = (self.cursor, Some(Instant::now()));
        if let Err(error) = kept::write(&self.path(), self.parts.log.name(), self.cursor, &self.engine) {
            tracing::warn!(error = &error as &dyn Error, "what alert rules know cannot be written down");
        }
    }

    fn path(&self) -> PathBuf {
        file_in(&self.parts.data_dir)
    }
}

fn file_in(data_dir: &Path) -> PathBuf {
    data_dir.join("alerts.json")
}

/// Waits; true once the log is closed.
async fn is_closed_within(pause: Duration, heads: &mut watch::Receiver<Option<SignedHead>>) -> bool {
    let closed = async { while heads.changed().await.is_ok() {} };
    timeout(pause, closed).await.is_ok()
}
