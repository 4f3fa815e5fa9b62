//! Removing what is older than it must be kept from the log, on the word of the policy or of an operator.
//!
//! Time is believed as for the keys of months ([`super::retention`]): a clock that jumps ahead has nothing removed.

use std::collections::HashSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::privacy::{Privacy, PrivacyError, words};
use crate::audit::{
    Disk, Kind, Plan, PruneError, PruneReason, Question, Removal, Stopped, carry_out, plan, resume, settle, thin, unhurried,
};

/// Most segments removed by one order: each is read before, which takes a second or so, and other operations wait meanwhile.
const SEGMENTS: usize = 4;

/// Younger heads are all kept: one a second (SECURITY.md 2.4).
const HEADS: SignedDuration = SignedDuration::from_hours(24 * 30);

/// How long a head over the record may take: one is made each second.
const HEAD: Duration = Duration::from_secs(30);

/// What an operator asks for.
#[derive(Clone, Debug)]
pub struct PruneOrder {
    /// Only what is older than this; what the policy allows, where it is not given.
    pub before: Option<Timestamp>,
    /// From this record on: for who asks what would be removed after what was told last.
    pub from: Option<u64>,
    /// Remove it, and not only tell what would be.
    pub apply: bool,
    /// The clock is right, though it has moved by more than time can have passed.
    pub trust_clock: bool,
    /// Who asks.
    pub requester: String,
}

/// What was removed, or would be.
#[derive(Clone, Debug)]
pub struct Pruned {
    /// `None`: nothing.
    pub removal: Option<Removal>,
    /// Why no more.
    pub stopped: Stopped,
    /// The record that says so, if it was removed.
    pub record: Option<u64>,
}

impl Privacy {
    /// Removes whole segments from the front of the log that are older than `audit.retention`, up to the first that somebody under a
    /// legal hold stands in; or tells what would be removed.
    pub async fn prune(&self, order: &PruneOrder) -> Result<Pruned, PrivacyError> {
        let _turn = self.begin().await?;
        words("requester", &order.requester)?;
        if order.trust_clock {
            self.trust_clock(&order.requester).await?;
        }
        let Some(now) = self.retention.believed().filter(|_| self.retention.is_steady()) else {
            if order.apply {
                self.refuse_to_prune("clock", None, &order.requester).await?;
            }
            return Err(PrivacyError::Clock);
        };
        let limit = self.oldest_kept(now);
        let before = order.before.unwrap_or(limit);
        if before > limit {
            return Err(PrivacyError::Kept(limit));
        }
        let reason = if order.before.is_some() { PruneReason::Operator } else { PruneReason::Policy };
        let plan = self.plan(order.from.filter(|_| !order.apply), before).await?;
        if !order.apply || plan.removal.is_none() {
            if let Stopped::Held { record, .. } = &plan.stopped
                && order.apply
            {
                self.refuse_to_prune("hold", Some(*record), &order.requester).await?;
            }
            return Ok(Pruned { removal: plan.removal, stopped: plan.stopped, record: None });
        }
        self.remove(plan, reason, &order.requester).await
    }

    /// The same without anybody asking: a clock that is in doubt makes it wait, and is no error. Gives whether there may be more.
    pub async fn prune_in_time(&self) -> Result<bool, PrivacyError> {
        let _turn = self.begin().await?;
        let Some(now) = self.retention.believed().filter(|_| self.retention.is_steady()) else {
            tracing::warn!(
                "the clock cannot be believed: the audit log is not pruned until `yett audit prune --apply --trust-clock`"
            );
            return Ok(false);
        };
        let plan = self.plan(None, self.oldest_kept(now)).await?;
        if plan.removal.is_none() {
            if let stopped @ Stopped::Held { .. } = &plan.stopped {
                tracing::info!(reason = %stopped, "records older than `audit.retention` stay in the audit log");
            }
            return Ok(false);
        }
        let pruned = self.remove(plan, PruneReason::Policy, "retention").await?;
        Ok(pruned.stopped == Stopped::More)
    }

    /// Goes on with what a crash has interrupted.
    pub async fn resume_pruning(&self) -> Result<u64, PrivacyError> {
        let _turn = self.begin().await?;
        let log = self.log.directory().to_owned();
        Ok(unhurriedly(move || resume(&Disk, &log)).await??)
    }

    /// Thins heads that are older than a month. Gives whether there may be more.
    pub async fn thin_heads(&self) -> Result<bool, PrivacyError> {
        let Some(now) = self.retention.believed().filter(|_| self.retention.is_steady()) else { return Ok(false) };
        let before = now.checked_sub(HEADS).unwrap_or(Timestamp::MIN);
        let log = self.log.directory().to_owned();
        let (_, more) = unhurriedly(move || thin(&Disk, &log, before)).await??;
        Ok(more)
    }

    /// Records of before this time need not be kept.
    fn oldest_kept(&self, now: Timestamp) -> Timestamp {
        let keep = SignedDuration::try_from(self.keep_log).unwrap_or(SignedDuration::MAX);
        now.checked_sub(keep).unwrap_or(Timestamp::MIN)
    }

    async fn plan(&self, from: Option<u64>, before: Timestamp) -> Result<Plan, PrivacyError> {
        let held: HashSet<String> = self.vault.held().await?.into_iter().collect();
        let log = self.log.directory().to_owned();
        let planned = move || plan(&log, &Question { from, before, held: &held, limit: SEGMENTS });
        Ok(unhurriedly(planned).await?.map_err(PruneError::from)?)
    }

    /// Records what is removed, waits for a head over the record, and removes it.
    async fn remove(&self, plan: Plan, reason: PruneReason, requester: &str) -> Result<Pruned, PrivacyError> {
        let Some(removal) = plan.removal.clone() else {
            return Ok(Pruned { removal: None, stopped: plan.stopped, record: None });
        };
        // Before the record: what it says can then be done.
        let log = self.log.directory().to_owned();
        let plan = unhurriedly(move || settle(&log, &plan).map(|()| plan)).await??;
        let record = self.log.append(removal.draft(reason, requester)).durable().await?.index;
        let mut heads = self.log.heads();
        let under_head = heads.wait_for(|head| head.as_ref().is_some_and(|head| head.head.size > record));
        match tokio::time::timeout(HEAD, under_head).await {
            Ok(Ok(_)) => {}
            // It stands there and nothing was removed: the next run records it anew.
            Ok(Err(_)) | Err(_) => return Err(PruneError::Unauthorised(record).into()),
        }
        let log = self.log.directory().to_owned();
        let stopped = plan.stopped.clone();
        let segments = unhurriedly(move || carry_out(&Disk, &log, &plan, record)).await??;
        tracing::info!(from = removal.from, to = removal.to, segments, record, "pruned the audit log");
        Ok(Pruned { removal: Some(removal), stopped, record: Some(record) })
    }

    async fn refuse_to_prune(&self, reason: &str, held: Option<u64>, requester: &str) -> Result<(), PrivacyError> {
        self.record(Kind::Prune, |what| {
            what.text("act", "refuse").text("reason", reason);
            if let Some(record) = held {
                what.integer("record", record);
            }
            what.text("requester", requester);
        })
        .await?;
        Ok(())
    }
}

/// Does something on a thread that takes what calls leave.
async fn unhurriedly<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, PrivacyError> {
    unhurried(work).map_err(PrivacyError::Thread)?.await.map_err(|_died| PrivacyError::Died)
}
