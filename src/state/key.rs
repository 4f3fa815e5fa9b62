//! What an API key is, and whether it is good: plain data, and functions of the time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;

use crate::master_key::hex;

const DAY: Duration = Duration::from_hours(24);

/// How old secrets may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aging {
    /// From this age on a secret is refused (90 days).
    pub max_age: Duration,
    /// How long before a key stops to work there are warnings (14 days).
    pub warn_before: Duration,
}

/// A key as it is kept. No secret is in it, but keyed hashes of those that are good.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// The public part of the key. It stays when the secret is rotated.
    pub id: Arc<str>,
    /// Who the caller is then.
    pub subject: Arc<str>,
    /// Their groups, for bindings.
    pub groups: Vec<String>,
    /// Roles they claim: matched by bindings, never a grant by themselves.
    pub roles: Vec<String>,
    /// Their tenant.
    pub tenant: Option<Arc<str>>,
    /// The servers that it is good for; `None` for all.
    pub servers: Option<Vec<String>>,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is refused.
    pub expires: Option<Timestamp>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// The secret that was made last.
    pub secret: Kept,
    /// The one before it, until when it is good as well.
    pub former: Option<(Kept, Timestamp)>,
    /// When a record has warned last that it is due.
    pub(super) warned: Arc<Moment>,
}

/// What is kept of a secret.
#[derive(Clone, Debug)]
pub struct Kept {
    /// When it was made.
    pub made: Timestamp,
    pub(super) hash: SecretHash,
    pub(super) used: Arc<Use>,
}

/// The keyed hash of a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash(pub(super) [u8; 32]);

/// When a secret was used last, in this process and in the store.
#[derive(Debug, Default)]
pub(super) struct Use {
    pub(super) last: Moment,
    pub(super) stored: Moment,
}

/// A second that only moves forward.
#[derive(Debug)]
pub(super) struct Moment(AtomicI64);

/// Whether a key is good, as operators see it. For callers see [`ApiKey::judge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStatus {
    /// It is accepted.
    Active,
    /// It is accepted, and will not be for long.
    Due,
    /// It has run out.
    Expired,
    /// It was revoked.
    Revoked,
    /// It was not rotated in time.
    TooOld,
}

/// Which of a key's two secrets was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The one that was made last.
    Current,
    /// The one before it, which is good for a while.
    Former,
}

/// Why a secret is refused that was good once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRefusal {
    /// Its key has run out.
    Expired,
    /// Another secret has taken its place.
    Replaced,
    /// Its key was revoked.
    Revoked,
    /// It was not rotated in time.
    TooOld,
}

impl Default for Aging {
    fn default() -> Self {
        Self { max_age: 90 * DAY, warn_before: 14 * DAY }
    }
}

impl Aging {
    /// From when on a secret is refused that was made then.
    fn end_of(self, made: Timestamp) -> Timestamp {
        made.checked_add(self.max_age).unwrap_or(Timestamp::MAX)
    }
}

impl ApiKey {
    /// Names the state that it is in, for records: SHA-256 of everything that is kept of it. The hashes of its secrets are a part of that,
    /// so nobody can guess from it whose key it is.
    pub fn digest(&self) -> String {
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
        let former = self.former.as_ref();
        let parts = [
            self.id.to_string(),
            self.subject.to_string(),
            self.groups.join("\n"),
            self.roles.join("\n"),
            self.tenant.as_deref().unwrap_or_default().to_owned(),
            self.servers.as_ref().map(|servers| servers.join("\n")).unwrap_or_default(),
            self.created.to_string(),
            time(self.expires),
            time(self.revoked),
            self.secret.made.to_string(),
            time(former.map(|(kept, _)| kept.made)),
            time(former.map(|(_, until)| *until)),
        ];
        let hashes = [Some(&self.secret), former.map(|(kept, _)| kept)];
        let hashes = hashes.into_iter().flatten().map(|kept| kept.hash.0.as_slice());
        let mut all = Vec::new();
        for part in parts.iter().map(String::as_bytes).chain(hashes) {
            // With their lengths, so that no two states are one text.
            all.extend_from_slice(&(part.len() as u64).to_be_bytes());
            all.extend_from_slice(part);
        }
        hex(digest(&SHA256, &all).as_ref())
    }

    /// The same key, refused from `now` on if it is not already.
    #[must_use]
    pub fn revoked_at(&self, now: Timestamp) -> Self {
        Self { revoked: self.revoked.or(Some(now)), ..self.clone() }
    }

    /// Whether a secret of it is good at `now`, and which of the two it is.
    pub fn judge(&self, secret: &SecretHash, now: Timestamp, aging: Aging) -> Result<Shown, KeyRefusal> {
        if self.revoked.is_some() {
            return Err(KeyRefusal::Revoked);
        }
        let former = self.former.as_ref().filter(|(kept, until)| kept.hash == *secret && now < *until);
        let (kept, shown) = match former {
            _ if self.secret.hash == *secret => (&self.secret, Shown::Current),
            Some((kept, _)) => (kept, Shown::Former),
            None => return Err(KeyRefusal::Replaced),
        };
        if self.expires.is_some_and(|expires| now >= expires) {
            Err(KeyRefusal::Expired)
        } else if now >= aging.end_of(kept.made) {
            Err(KeyRefusal::TooOld)
        } else {
            Ok(shown)
        }
    }

    /// As the store has it, with what memory knows of the same key besides: when its secrets were used, and where it is `revoked` and the
    /// store could not be told, that it is.
    pub(super) fn after(self, known: &Self, revoked: bool) -> Self {
        let old = [Some(&known.secret), known.former.as_ref().map(|(kept, _)| kept)];
        let used = |kept: Kept| match old.iter().flatten().find(|old| old.hash == kept.hash) {
            // What another replica has seen of it is in the row.
            Some(old) => {
                if let Some(last) = kept.used.last.time() {
                    old.used.last.move_to(last);
                    old.used.stored.move_to(last);
                }
                Kept { used: Arc::clone(&old.used), ..kept }
            }
            None => kept,
        };
        Self {
            revoked: if revoked { known.revoked } else { self.revoked },
            secret: used(self.secret),
            former: self.former.map(|(kept, until)| (used(kept), until)),
            ..self
        }
    }

    /// Whether it is good at `now`.
    pub fn status(&self, now: Timestamp, aging: Aging) -> KeyStatus {
        match self.judge(&self.secret.hash, now, aging) {
            Ok(_) if self.end(aging).duration_since(now).unsigned_abs() <= aging.warn_before => KeyStatus::Due,
            Ok(_) => KeyStatus::Active,
            Err(KeyRefusal::Expired) => KeyStatus::Expired,
            Err(KeyRefusal::Revoked) => KeyStatus::Revoked,
            // Its newest secret is replaced by none.
            Err(KeyRefusal::Replaced | KeyRefusal::TooOld) => KeyStatus::TooOld,
        }
    }

    /// From when on it is refused if nobody rotates it.
    pub fn end(&self, aging: Aging) -> Timestamp {
        let old = aging.end_of(self.secret.made);
        self.expires.map_or(old, |expires| expires.min(old))
    }

    /// From when on this secret of it is refused if nothing else happens.
    pub(super) fn end_of(&self, secret: &SecretHash, aging: Aging) -> Timestamp {
        let end = self.end(aging);
        match &self.former {
            Some((kept, until)) if kept.hash == *secret => end.min(*until).min(aging.end_of(kept.made)),
            Some(_) | None => end,
        }
    }

    /// Which of its secrets has this hash. All comparisons are made, whichever is equal.
    pub(super) fn has(key: Option<&Self>, hash: &SecretHash) -> bool {
        // SECURITY: an id that does not exist costs what one with two secrets costs.
        const NOBODY: [u8; 32] = [0; 32];
        let current = key.map_or(&NOBODY, |key| &key.secret.hash.0);
        let former = key.and_then(|key| key.former.as_ref()).map_or(&NOBODY, |(kept, _)| &kept.hash.0);
        let equal = [current, former].map(|kept| verify_slices_are_equal(&hash.0, kept).is_ok());
        let [current, former] = equal;
        current | former
    }

    /// Notes that a secret of it was used.
    pub(super) fn use_of(&self, secret: &SecretHash) -> Option<&Use> {
        let former = self.former.as_ref().map(|(kept, _)| kept);
        [Some(&self.secret), former].into_iter().flatten().find(|kept| kept.hash == *secret).map(|kept| &*kept.used)
    }
}

impl Kept {
    /// Of a secret that nobody has used yet.
    pub(super) fn new(hash: SecretHash, made: Timestamp) -> Self {
        Self { made, hash, used: Arc::default() }
    }

    /// When it was used last, to the second.
    pub fn last_use(&self) -> Option<Timestamp> {
        self.used.last.time()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash")
    }
}

impl Use {
    /// As the store has it.
    pub(super) fn stored(time: Option<Timestamp>) -> Self {
        Self { last: Moment::of(time), stored: Moment::of(time) }
    }

    /// The last use, if the store does not know of it.
    pub(super) fn news(&self) -> Option<Timestamp> {
        self.last.time().filter(|last| self.stored.time() < Some(*last))
    }
}

impl Default for Moment {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl Moment {
    pub(super) fn of(time: Option<Timestamp>) -> Self {
        Self(AtomicI64::new(time.map_or(i64::MIN, Timestamp::as_second)))
    }

    /// `None`: never.
    pub(super) fn time(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).ok()
    }

    pub(super) fn move_to(&self, time: Timestamp) {
        let second = time.as_second();
        // Mostly there already: then the cache line is not taken from the other cores.
        if self.0.load(Ordering::Relaxed) < second {
            self.0.fetch_max(second, Ordering::Relaxed);
        }
    }
}
