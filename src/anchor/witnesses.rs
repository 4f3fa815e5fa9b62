//! Sends the newest head to every witness, and keeps what they cosign.
//!
//! All witnesses are asked for the same head at the same time, so that one note gets the whole quorum. A witness that fails is left
//! alone for some seconds; the others are not kept waiting for longer than one request takes.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::board::Board;
use super::follower::{Follower, Stumble, Target};
use super::{FreezeReason, Frozen};
use crate::audit::{Log, Witnessed};
use crate::config::{self, WitnessMode};
use crate::telemetry::Metrics;
use crate::tlog::{Note, Policy};
use crate::upstream::ConnectError;

/// How often witnesses that answer are asked, when there is something new.
const EVERY: Duration = Duration::from_secs(5);

/// How often it is looked whether something is due, and how far behind the quorum is.
const TICK: Duration = Duration::from_millis(500);

/// Longest time for one witness in one go, over all changes of keys; what is left is done in the next.
const GO: Duration = Duration::from_secs(8);

/// For the last head, while the process ends.
const FAREWELL: Duration = Duration::from_millis(1_500);

/// The witnesses of a log.
#[derive(Debug)]
pub struct Witnesses {
    policy: Arc<Policy>,
    followers: Vec<Follower>,
    log: Arc<Log>,
    metrics: Arc<Metrics>,
    board: Arc<Board>,
    witnessed: Arc<Mutex<Witnessed>>,
    /// The newest note that somebody cosigned, with all its cosignatures.
    note: Option<(u64, Note)>,
    asked: Option<Instant>,
    /// Whether a witness has ever cosigned a head of the log that is on disk.
    known: bool,
    claims: watch::Sender<Vec<String>>,
}

impl Witnesses {
    /// Of an open log. Nothing is asked yet; in strict mode no call begins before a quorum has answered.
    pub async fn new(settings: &config::Witnesses, log: Arc<Log>, metrics: Arc<Metrics>) -> Result<Self, ConnectError> {
        let (mut followers, mut known) = (Vec::with_capacity(settings.urls.len()), false);
        for (witness, url) in settings.policy.witnesses().zip(&settings.urls) {
            let mut follower = Follower::new(&witness.name, witness.key.clone(), url, log.directory())?;
            let (directory, key) = (log.directory().to_owned(), witness.key.clone());
            // Where it stood when it was last heard of: a guess, so that what cannot be read costs requests only.
            let remembered = tokio::task::spawn_blocking(move || Witnessed::newest_by(&directory, &key));
            match remembered.await {
                Ok(Ok(Some(size))) => {
                    known = true;
                    follower.assume(size);
                }
                Ok(Ok(None)) => {}
                // What cannot be read may have been there.
                Ok(Err(_)) | Err(_) => known = true,
            }
            metrics.witness_cosigned(&witness.name, 0);
            followers.push(follower);
        }
        let board = Board::new(Arc::clone(&log), Arc::clone(&metrics), settings.mode, settings.max_lag);
        let witnessed = Witnessed::new(log.directory());
        log.set_lagging(settings.mode == WitnessMode::Strict);
        Ok(Self {
            policy: Arc::clone(&settings.policy),
            followers,
            log,
            metrics,
            board: Arc::new(board),
            witnessed: Arc::new(Mutex::new(witnessed)),
            note: None,
            asked: None,
            known,
            claims: watch::Sender::default(),
        })
    }

    /// Asks each witness once, before anything is served: whether one knows more of this log than we do.
    pub async fn check(&mut self) -> Result<(), Frozen> {
        self.round().await?;
        // Of a log that was never cosigned nothing is lost: that its name is taken needs no proof, and there can be none.
        let taken = self.followers.iter().find(|follower| follower.claim == Some(FreezeReason::AnotherLog));
        match taken.filter(|_| !self.known) {
            Some(follower) => Err(follower.frozen(FreezeReason::AnotherLog)),
            None => Ok(()),
        }
    }

    /// What single witnesses claim without proof, in words for operators.
    pub fn claims(&self) -> watch::Receiver<Vec<String>> {
        self.claims.subscribe()
    }

    /// Follows the log until it is closed; the lag is watched until `stop`.
    pub fn run(self, tasks: &TaskTracker, stop: &CancellationToken) {
        let (board, stop) = (Arc::clone(&self.board), stop.clone());
        tasks.spawn(async move {
            while timeout(TICK, stop.cancelled()).await.is_err() {
                board.judge();
            }
        });
        tasks.spawn(self.follow());
    }

    async fn follow(mut self) {
        let mut heads = self.log.heads();
        loop {
            if let Err(frozen) = self.round().await {
                return frozen.freeze(&self.log);
            }
            if timeout(TICK, heads.wait_for(|_any| false)).await.is_ok() {
                // The log is closed, and its last head is there.
                self.asked = None;
                if let Ok(Err(frozen)) = timeout(FAREWELL, self.round()).await {
                    frozen.freeze(&self.log);
                }
                return;
            }
        }
    }

    /// Asks every witness that is due for its cosignature of the newest head.
    async fn round(&mut self) -> Result<(), Frozen> {
        let now = Instant::now();
        let Some(target) = self.target() else { return Ok(()) };
        let size = target.head.size;
        // One that has failed is asked again when its own pause is over; news for all wait for their turn.
        let is_new = self.note.as_ref().is_none_or(|(cosigned, _)| *cosigned < size);
        if is_new && self.asked.is_some_and(|asked| asked.elapsed() < EVERY) && !self.is_somebody_back(size) {
            return Ok(());
        }
        self.asked = Some(now);
        let log = &self.log;
        let newest = || log.heads().borrow().as_ref().map_or(0, |signed| signed.head.size);
        let due = self.followers.iter_mut().filter(|follower| follower.is_due(size));
        let target = &target;
        let answers = join_all(due.map(async |follower| {
            let answer = timeout(GO, follower.bring_to(target, newest)).await.ok();
            (follower, answer)
        }));
        let mut cosignatures = Vec::new();
        for (follower, answer) in answers.await {
            match answer {
                Some(Ok(cosignature)) => {
                    self.metrics.witness_cosigned(&follower.name, size);
                    cosignatures.push(cosignature);
                }
                Some(Err(Stumble::Frozen(frozen))) => return Err(frozen),
                Some(Err(stumble)) => {
                    self.metrics.witness_failed(&follower.name);
                    if let Stumble::Claims(_) = stumble {
                        tracing::error!(witness = follower.name, "{stumble}; it counts as one that does not answer");
                    } else if follower.has_just_failed() {
                        let error: &dyn std::error::Error = &stumble;
                        tracing::warn!(witness = follower.name, error, "a witness did not cosign; it is asked again and again");
                    }
                }
                // It has many changes of keys to catch up with, and goes on in the next round.
                None => {}
            }
        }
        self.tell_claims()?;
        if !cosignatures.is_empty() {
            let same = self.note.take().filter(|(cosigned, _)| *cosigned == size);
            let mut note = same.map_or_else(|| target.note.clone(), |(_, note)| note);
            let keys: Vec<_> = self.policy.witnesses().map(|witness| &witness.key).collect();
            // Each was checked when it came.
            let _ = note.adopt(cosignatures, &keys);
            self.keep(size, note, now).await;
        }
        Ok(())
    }

    /// Shows who claims something without proof. That no single witness has to prove what many say: those that make a quorum, are more than
    /// half of all and not one alone, are believed.
    fn tell_claims(&self) -> Result<(), Frozen> {
        let mut claims = Vec::new();
        let mut reason = None;
        for follower in &self.followers {
            self.metrics.witness_claims(&follower.name, follower.claim.is_some());
            if let Some(claim) = follower.claim {
                claims.push(format!("witness `{}` claims, without proof, that {claim}", follower.name));
                reason.get_or_insert(claim);
            }
        }
        let many = claims.len() > 1 && claims.len() * 2 > self.followers.len();
        let claimed = |key: &_| self.followers.iter().any(|follower| follower.claim.is_some() && follower.key == *key);
        self.claims.send_if_modified(|shown| {
            let changed = *shown != claims;
            *shown = claims;
            changed
        });
        match reason {
            Some(reason) if many && self.policy.is_quorum(claimed) => {
                Err(Frozen { keeper: "a quorum of the witnesses".to_owned(), reason })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Makes a cosigned note durable; then it counts.
    async fn keep(&mut self, size: u64, note: Note, as_of: Instant) {
        let (witnessed, kept) = (Arc::clone(&self.witnessed), note.clone());
        let kept = tokio::task::spawn_blocking(move || witnessed.lock().append(size, &kept)).await;
        match kept.unwrap_or_else(|panicked| Err(std::io::Error::other(panicked))) {
            Ok(()) => {
                let has_signed = |key: &_| note.signatures().iter().any(|signature| signature.is_by(key));
                if self.policy.is_quorum(has_signed) {
                    self.board.anchored(size, as_of);
                }
            }
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "a cosigned head could not be stored"),
        }
        self.note = Some((size, note));
    }

    /// The head to be cosigned: the newest, unless a quorum has it.
    fn target(&self) -> Option<Target> {
        let newest = self.log.heads().borrow().clone()?;
        let head = newest.head;
        if head.size <= self.board.size() {
            return None;
        }
        Note::parse(newest.note.as_bytes()).ok().map(|note| Target { head, note })
    }

    fn is_somebody_back(&self, size: u64) -> bool {
        self.followers.iter().any(|follower| follower.is_failing() && follower.is_due(size))
    }
}
