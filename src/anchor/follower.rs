//! Brings one witness to the newest head: over every change of keys in between, from wherever it stands.
//!
//! What the witness knows is its own business; what is remembered here is a guess that saves requests. A wrong guess costs an answer
//! 409 with the right size. A size that we never had, or another root than ours, is no guess but a claim, and is asked to be proven.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::client::{Client, Reply, Silence};
use super::{FreezeReason, Frozen, evidence};
use crate::audit::{HandOver, ProveError, next_hand_over, prove_consistency};
use crate::tlog::add_checkpoint::{Request, parse_cosignatures, parse_size};
use crate::tlog::{Checkpoint, Hash, KeyId, Note, NoteError, Signature, VerifierKey};
use crate::upstream::ConnectError;

/// Corrections of a guess in one go; more come from a witness that wavers.
const CORRECTIONS: u32 = 3;

/// Longest pause after failures: with the time of one request it is less than the ten seconds in which a witness that is back is
/// brought to the newest head.
const SLOWEST: Duration = Duration::from_secs(6);

/// Why a witness did not cosign.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stumble {
    /// It has proof of another history.
    #[error(transparent)]
    Frozen(#[from] Frozen),
    /// It says that there is one.
    #[error("the witness claims, without proof, that {0}")]
    Claims(FreezeReason),
    /// It says no.
    #[error("the witness refuses (HTTP {status}): {text}")]
    Refused { status: u16, text: String },
    /// It says nothing.
    #[error("the witness cannot be reached")]
    Silence(#[from] Silence),
    /// It answers with something else than a cosignature of its own.
    #[error("the witness's answer holds no cosignature of its key")]
    Answer(#[source] Option<NoteError>),
    /// It names one size, then another.
    #[error("the witness names one size after the other")]
    Wavers,
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Log(#[from] ProveError),
    /// A thread has panicked.
    #[error("reading the log failed inside")]
    Inside(#[from] tokio::task::JoinError),
}

/// A head to be cosigned.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) head: Checkpoint,
    pub(super) note: Note,
}

/// One witness.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) name: String,
    pub(super) key: VerifierKey,
    client: Client,
    log: PathBuf,
    /// Size of the head that it is believed to have cosigned last.
    at: u64,
    /// Hand-overs below this size are behind it.
    from: u64,
    /// The key of the log that it is believed to know.
    knows: Option<KeyId>,
    pub(super) cosigned: u64,
    /// What it claimed, without proof, when it answered last.
    pub(super) claim: Option<FreezeReason>,
    failures: u32,
    not_before: Instant,
}

/// What comes next.
enum Step {
    Newest,
    HandOver(Box<HandOver>),
    Key(Box<HandOver>),
}

impl Follower {
    pub(super) fn new(name: &str, key: VerifierKey, url: &http::Uri, log: &Path) -> Result<Self, ConnectError> {
        Ok(Self {
            name: name.to_owned(),
            key,
            client: Client::new(url)?,
            log: log.to_owned(),
            at: 0,
            from: 0,
            knows: None,
            cosigned: 0,
            claim: None,
            failures: 0,
            not_before: Instant::now(),
        })
    }

    /// Takes a size for the one that it cosigned last.
    pub(super) fn assume(&mut self, size: u64) {
        (self.at, self.from) = (size, size);
    }

    /// Whether it has not answered as it should.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Whether it should be asked for a cosignature over `size` records now.
    pub(super) fn is_due(&self, size: u64) -> bool {
        self.cosigned < size && Instant::now() >= self.not_before
    }

    /// Brings it to `target`; `newest` says how many records our newest head counts. Cancel safe.
    pub(super) async fn bring_to(&mut self, target: &Target, newest: impl Fn() -> u64) -> Result<Signature, Stumble> {
        let result = match self.advance(target, newest).await {
            Err(Stumble::Claims(reason)) => Err(self.weigh(reason, &target.head.origin).await),
            result => result,
        };
        self.claim = match &result {
            Err(Stumble::Claims(reason)) => Some(*reason),
            // Who says nothing takes nothing back.
            Err(Stumble::Silence(_) | Stumble::Log(_) | Stumble::Inside(_)) => self.claim,
            Ok(_) | Err(Stumble::Frozen(_) | Stumble::Refused { .. } | Stumble::Answer(_) | Stumble::Wavers) => None,
        };
        if result.is_ok() {
            self.failures = 0;
            self.cosigned = target.head.size;
        } else {
            self.failures = self.failures.saturating_add(1);
            let pause = Duration::from_secs(1 << self.failures.min(4).saturating_sub(1)).min(SLOWEST);
            // Down to three quarters, so that gateways do not come back all at once.
            self.not_before = Instant::now() + pause.mul_f64(1.0 - 0.25 * random());
        }
        result
    }

    /// Whether this failure follows a success, and so is news.
    pub(super) fn has_just_failed(&self) -> bool {
        self.failures == 1
    }

    async fn advance(&mut self, target: &Target, newest: impl Fn() -> u64) -> Result<Signature, Stumble> {
        let mut corrections = 0;
        loop {
            let (step, head, note) = match self.next_step(target).await? {
                Step::Key(hand_over) => {
                    if let Some(theirs) = self.hand_over(&hand_over).await? {
                        self.correct(theirs, newest(), &mut corrections)?;
                    }
                    continue;
                }
                Step::HandOver(hand_over) => {
                    let (head, note) = (hand_over.head.clone(), hand_over.note.clone());
                    (Step::HandOver(hand_over), head, note)
                }
                Step::Newest => (Step::Newest, target.head.clone(), target.note.clone()),
            };
            let reply = self.add_checkpoint(&head, &note).await?;
            match (reply.status, &step) {
                (200, _) => {
                    let cosignature = self.cosignature(&reply, &note)?;
                    (self.at, self.from, self.knows) = (head.size, head.size, None);
                    if matches!(step, Step::Newest) {
                        self.knows = first_key(&note);
                        return Ok(cosignature);
                    }
                }
                (409, _) => {
                    let theirs = parse_size(&reply.body).ok_or_else(|| refused(&reply))?;
                    self.correct(theirs, newest(), &mut corrections)?;
                }
                (422, _) => return Err(Stumble::Claims(FreezeReason::Forked { size: self.at })),
                // It may know a later key already: an answer was lost. Or it was given all keys by hand.
                (403, Step::HandOver(_)) => self.from = head.size + 1,
                (403, _) => return Err(self.unknown_key(&reply).await?),
                _ => return Err(refused(&reply)),
            }
        }
    }

    /// What a claim is worth: with proof, from whomever, it is the end of this log; without, the witness is one that does not cosign.
    async fn weigh(&self, claim: FreezeReason, origin: &str) -> Stumble {
        match evidence::ask(&self.client, &self.log, origin).await {
            Ok(Some(size)) if claim == FreezeReason::AnotherLog => self.frozen(FreezeReason::Forked { size }).into(),
            Ok(Some(_)) => self.frozen(claim).into(),
            Ok(None) => Stumble::Claims(claim),
            Err(error) => {
                let (witness, error) = (&self.name, &error as &dyn std::error::Error);
                tracing::warn!(witness, error, "a witness could not be asked for proof of what it claims");
                Stumble::Claims(claim)
            }
        }
    }

    /// Takes the size that the witness names in the place of the guess, unless nobody but another log can have it.
    fn correct(&mut self, theirs: u64, ours: u64, corrections: &mut u32) -> Result<(), Stumble> {
        if theirs > ours {
            return Err(Stumble::Claims(FreezeReason::RolledBack { size: theirs, found: ours }));
        }
        if theirs == self.at {
            return Err(Stumble::Claims(FreezeReason::Forked { size: theirs }));
        }
        *corrections += 1;
        if *corrections > CORRECTIONS {
            return Err(Stumble::Wavers);
        }
        if theirs < self.cosigned {
            tracing::error!(witness = self.name, theirs, cosigned = self.cosigned, "the witness has forgotten what it cosigned");
        }
        (self.at, self.from, self.knows) = (theirs, theirs, None);
        Ok(())
    }

    async fn next_step(&mut self, target: &Target) -> Result<Step, Stumble> {
        if self.knows.is_some() && self.knows == first_key(&target.note) {
            return Ok(Step::Newest);
        }
        let (log, from, at) = (self.log.clone(), self.from, self.at);
        let found = tokio::task::spawn_blocking(move || next_hand_over(&log, from)).await??;
        Ok(match found.map(Box::new) {
            Some(hand_over) if hand_over.head.size == at => Step::Key(hand_over),
            Some(hand_over) if hand_over.head.size < target.head.size => Step::HandOver(hand_over),
            Some(_) | None => Step::Newest,
        })
    }

    async fn add_checkpoint(&self, head: &Checkpoint, note: &Note) -> Result<Reply, Stumble> {
        let (log, old, new) = (self.log.clone(), self.at, head.size);
        let proof: Vec<Hash> = if old == 0 || old == new {
            Vec::new()
        } else {
            tokio::task::spawn_blocking(move || prove_consistency(&log, old, new)).await??
        };
        let request = Request { old, proof, checkpoint: note.clone() };
        Ok(self.client.post("/add-checkpoint", request.to_string()).await?)
    }

    /// Tells it the next key, under the hand-over that it has cosigned; gives the size it names if it has cosigned another head last.
    async fn hand_over(&mut self, hand_over: &HandOver) -> Result<Option<u64>, Stumble> {
        let body = [&hand_over.record, &b"\n"[..], hand_over.proof.to_string().as_bytes()].concat();
        let reply = self.client.post("/next-key", body).await?;
        match reply.status {
            // One that does not follow keys may have been given all of them.
            200 | 404 | 405 => {
                self.from = hand_over.head.size + 1;
                Ok(None)
            }
            409 => parse_size(&reply.body).map(Some).ok_or_else(|| refused(&reply)),
            _ => Err(refused(&reply)),
        }
    }

    /// What it means that the witness does not know the key which signs now, nor any that signed a head it could have.
    async fn unknown_key(&mut self, reply: &Reply) -> Result<Stumble, Stumble> {
        // The next time it is asked from the beginning.
        (self.at, self.from, self.knows) = (0, 0, None);
        // One that follows keys knows the key of every log that it knows: so it knows another log. An empty request tells.
        let follows = self.client.post("/next-key", "").await?.status == 400;
        Ok(if follows { Stumble::Claims(FreezeReason::AnotherLog) } else { refused(reply) })
    }

    fn cosignature(&self, reply: &Reply, note: &Note) -> Result<Signature, Stumble> {
        let lines = parse_cosignatures(&reply.body).map_err(|error| Stumble::Answer(Some(error)))?;
        let own = lines.into_iter().find(|line| line.is_by(&self.key)).ok_or(Stumble::Answer(None))?;
        let mut note = note.clone();
        match note.adopt(vec![own.clone()], &[&self.key]) {
            Ok(1..) => Ok(own),
            Ok(0) => Err(Stumble::Answer(None)),
            Err(error) => Err(Stumble::Answer(Some(error))),
        }
    }

    pub(super) fn frozen(&self, reason: FreezeReason) -> Frozen {
        Frozen { keeper: format!("witness `{}`", self.name), reason }
    }
}

/// The answer, shortened and without anything that a terminal would act on.
fn refused(reply: &Reply) -> Stumble {
    let text: String = String::from_utf8_lossy(&reply.body).trim().chars().take(200).collect();
    Stumble::Refused { status: reply.status, text: text.escape_debug().to_string() }
}

/// Which of the log's keys signed; Ed25519 signs first.
fn first_key(note: &Note) -> Option<KeyId> {
    note.signatures().first().map(Signature::id)
}

/// From 0 to 1; nothing secret depends on it.
fn random() -> f64 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    let random = RandomState::new().build_hasher().finish() % 1_000;
    f64::from(u16::try_from(random).unwrap_or_default()) / 1_000.0
}
