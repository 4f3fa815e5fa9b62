//! API keys in their store. The secret is shown once (`key_text.rs`); a keyed hash of it is kept.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use jiff::Timestamp;
use parking_lot::Mutex;

use super::key::{Aging, ApiKey, Kept, KeyRefusal, KeyStatus, Moment, SecretHash, Shown};
use super::key_text::{mint, new_id, parse};
use super::store::{Place, Store, within};
use super::switches::Switches;
use super::{Accounts, Approvals, StoreError, key_rows, under_master};
use crate::master_key::MasterKey;
use crate::secret::Secret;

/// Between two warnings of one key, less a moment: whoever looks once a day sees one a day.
const WARN_AGAIN: Duration = Duration::from_secs(24 * 60 * 60 - 1);

/// What a key is made from.
#[derive(Clone, Debug, Default)]
pub struct NewKey {
    /// Who the caller is then.
    pub subject: String,
    /// Their groups.
    pub groups: Vec<String>,
    /// Roles they claim, for bindings.
    pub roles: Vec<String>,
    /// Their tenant.
    pub tenant: Option<String>,
    /// The servers that it is good for; `None` for all.
    pub servers: Option<Vec<String>>,
    /// From when on it is refused.
    pub expires: Option<Timestamp>,
}

/// How a key is rotated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// How long the old secret is good still.
    pub overlap: Duration,
    /// From when on the key is refused, in the place of what was said before.
    pub expires: Option<Timestamp>,
}

/// A key and which of its secrets was shown. That the secret is right is all it says: see [`ApiKeys::judge`].
#[derive(Clone, Debug)]
pub struct Presented {
    /// The key, as it was then.
    pub key: Arc<ApiKey>,
    secret: SecretHash,
}

/// How far keys have come.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ages {
    /// Keys that are accepted, and will not be for long.
    pub due: usize,
    /// Keys that were not rotated in time.
    pub too_old: usize,
    /// When the first key that is accepted stops to be; `None` without one.
    pub next: Option<Timestamp>,
}

/// Why a key operation failed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No key has that id.
    #[error("no key has the id `{0}`")]
    NotFound(String),
    /// A key that is refused must not come back with a new secret.
    #[error("the key `{0}` has run out or was revoked; create a new one")]
    NotActive(String),
    /// Somebody else was faster.
    #[error("the key `{0}` was changed meanwhile; look at it again")]
    Changed(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All keys, in memory and in the store.
#[derive(Debug)]
pub struct ApiKeys {
    pub(super) store: Store,
    hasher: hmac::Key,
    aging: Aging,
    pub(super) keys: ArcSwap<HashMap<Arc<str>, Arc<ApiKey>>>,
    /// Keys that are revoked here, which the store does not know.
    unsaid: Mutex<BTreeSet<Arc<str>>>,
    accounts: Arc<Accounts>,
    approvals: Arc<Approvals>,
}

impl ApiKeys {
    /// Opens a store, in a data directory or elsewhere, and loads keys, switches and approvals from it, and what seals
    /// [`ApiKeys::accounts`].
    pub async fn open(place: impl Into<Place>, master: &MasterKey) -> Result<(Self, Switches), StoreError> {
        let store = Store::open(&place.into()).await?;
        let hasher = hmac::Key::new(hmac::HMAC_SHA256, under_master::hasher(&store, master).await?.expose());
        let keys = key_rows::all(&store).await?;
        let keys = keys.into_iter().map(|key| (Arc::clone(&key.id), Arc::new(key))).collect();
        let switches = Switches::load(store.clone()).await?;
        let accounts = Arc::new(Accounts::open(store.clone(), master).await?);
        let approvals = Arc::new(Approvals::load(store.clone()).await?);
        let (aging, keys) = (Aging::default(), ArcSwap::from_pointee(keys));
        Ok((Self { store, hasher, aging, keys, unsaid: Mutex::default(), accounts, approvals }, switches))
    }

    /// Lets secrets grow so old, and no older.
    #[must_use]
    pub fn aging_by(self, aging: Aging) -> Self {
        Self { aging, ..self }
    }

    /// How old secrets may grow.
    pub fn aging(&self) -> Aging {
        self.aging
    }

    /// What callers have connected, in the same store.
    pub fn accounts(&self) -> &Arc<Accounts> {
        &self.accounts
    }

    /// The definitions that operators let pass, in the same store.
    pub fn approvals(&self) -> &Arc<Approvals> {
        &self.approvals
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Takes what other processes have changed. What this one knows better stays: revocations that could not be stored, and uses.
    pub(super) async fn reload(&self) -> Result<(), StoreError> {
        let reading = async {
            let rows = key_rows::all(&self.store).await?;
            self.keys.rcu(|known| {
                let merge = |row: &ApiKey| match known.get(&row.id) {
                    Some(known) => row.clone().after(known, self.unsaid.lock().contains(&row.id)),
                    None => row.clone(),
                };
                rows.iter().map(|row| (Arc::clone(&row.id), Arc::new(merge(row)))).collect::<HashMap<_, _>>()
            });
            Ok(())
        };
        self.store.in_turn(reading).await
    }

    /// Stores revocations that could not be stored when they were ordered: all that can be.
    pub(super) async fn store_rest(&self) -> Result<(), StoreError> {
        let ids: Vec<_> = self.unsaid.lock().iter().cloned().collect();
        let mut all = Ok(());
        for id in ids {
            all = all.and(self.store.in_turn(self.store_revocation(&id)).await);
        }
        all
    }

    async fn store_revocation(&self, id: &Arc<str>) -> Result<(), StoreError> {
        // What was erased meanwhile has nothing to store.
        if let Ok(key) = self.find(id) {
            let mut work = self.store.change().await?;
            key_rows::revoke(&mut work, &key).await?;
            work.commit().await?;
        }
        self.unsaid.lock().remove(id);
        Ok(())
    }

    /// The key that `token` is, if it is one of ours and one of its secrets, whether it is good still or not.
    ///
    /// An unknown id costs the same hash and the same comparisons as a known one, and those take the same time wherever they differ.
    pub fn verify(&self, token: &str) -> Option<Presented> {
        let id = parse(token)?;
        let keys = self.keys.load();
        let key = keys.get(id);
        let secret = self.hash(token);
        let has = ApiKey::has(key.map(|key| &**key), &secret);
        key.filter(|_| has).map(|key| Presented { key: Arc::clone(key), secret })
    }

    /// Whether a secret that was shown is good at `now`, by what is known of its key now.
    pub fn judge(&self, presented: &Presented, now: Timestamp) -> Result<Shown, KeyRefusal> {
        // What was erased is not known any more.
        let key = self.find(&presented.key.id).map_err(|_erased| KeyRefusal::Revoked)?;
        key.judge(&presented.secret, now, self.aging)
    }

    /// Until when a secret is good if nothing else happens.
    pub fn end_of(&self, presented: &Presented) -> Timestamp {
        presented.key.end_of(&presented.secret, self.aging)
    }

    /// Notes that a secret was used. In memory: [`ApiKeys::store_uses`] takes it to the store.
    pub fn note_use(&self, presented: &Presented, now: Timestamp) {
        if let Some(used) = presented.key.use_of(&presented.secret) {
            used.last.move_to(now);
        }
    }

    /// Stores when secrets were used last, as far as that is news.
    pub async fn store_uses(&self) -> Result<(), StoreError> {
        within(self.try_store_uses()).await
    }

    async fn try_store_uses(&self) -> Result<(), StoreError> {
        for key in self.list() {
            let former = key.former.as_ref().map(|(kept, _)| kept);
            for kept in [Some(&key.secret), former].into_iter().flatten() {
                if let Some(last) = kept.used.news() {
                    key_rows::store_use(&self.store, &key.id, kept, last).await?;
                    kept.used.stored.move_to(last);
                }
            }
        }
        Ok(())
    }

    /// How far keys have come at `now`.
    pub fn ages(&self, now: Timestamp) -> Ages {
        let mut ages = Ages::default();
        for key in self.keys.load().values() {
            match key.status(now, self.aging) {
                KeyStatus::TooOld => ages.too_old += 1,
                KeyStatus::Expired | KeyStatus::Revoked => {}
                status @ (KeyStatus::Active | KeyStatus::Due) => {
                    ages.due += usize::from(status == KeyStatus::Due);
                    let end = key.end(self.aging);
                    ages.next = Some(ages.next.map_or(end, |next| next.min(end)));
                }
            }
        }
        ages
    }

    /// The keys that are due, and of which nobody has warned for a day. They count as warned of from here on, in other processes and after
    /// a restart as well; where the store cannot say so, in this one alone.
    pub async fn warnings(&self, now: Timestamp) -> Result<Vec<Arc<ApiKey>>, StoreError> {
        let before = now.checked_sub(WARN_AGAIN).unwrap_or(Timestamp::MIN);
        let is_news = |key: &ApiKey| key.warned.time().is_none_or(|warned| warned <= before);
        let mut due = self.list();
        due.retain(|key| key.status(now, self.aging) == KeyStatus::Due && is_news(key));
        let mut claimed = Vec::new();
        for key in due {
            key.warned.move_to(now);
            if within(key_rows::claim_warning(&self.store, &key.id, now, before)).await? {
                claimed.push(key);
            }
        }
        Ok(claimed)
    }

    /// Makes a key and adds it. The returned secret is the only copy there will ever be.
    pub async fn create(&self, new: NewKey, now: Timestamp) -> Result<(Arc<ApiKey>, Secret<String>), StoreError> {
        let (key, secret) = self.make(new, now)?;
        self.add(&key).await?;
        Ok((key, secret))
    }

    /// Makes a key that nothing knows yet, so that it can be recorded before it is good for anything.
    pub fn make(&self, new: NewKey, now: Timestamp) -> Result<(Arc<ApiKey>, Secret<String>), StoreError> {
        let id = new_id().ok_or(StoreError::Random)?;
        let token = mint(&id).ok_or(StoreError::Random)?;
        let key = ApiKey {
            id: id.into(),
            subject: new.subject.into(),
            groups: new.groups,
            roles: new.roles,
            tenant: new.tenant.map(Into::into),
            servers: new.servers,
            created: now,
            expires: new.expires,
            revoked: None,
            secret: Kept::new(self.hash(&token), now),
            former: None,
            warned: Arc::new(Moment::default()),
        };
        Ok((Arc::new(key), Secret::new(token)))
    }

    /// Accepts a key from now on.
    pub async fn add(&self, key: &Arc<ApiKey>) -> Result<(), StoreError> {
        let adding = async {
            let mut work = self.store.change().await?;
            key_rows::insert(&mut work, key).await?;
            work.commit().await?;
            self.put(key);
            Ok(())
        };
        within(self.store.in_turn(adding)).await
    }

    /// A key with another secret, which nothing knows until [`ApiKeys::replace`] puts it in its place. The caller, the id and what else
    /// stands in it stay. Of older secrets the last one alone stays good, for the overlap.
    pub fn rotated(&self, id: &str, rotation: Rotation, now: Timestamp) -> Result<(Arc<ApiKey>, Secret<String>), KeyError> {
        let old = self.find(id)?;
        match old.status(now, self.aging) {
            KeyStatus::Active | KeyStatus::Due | KeyStatus::TooOld => {}
            KeyStatus::Expired | KeyStatus::Revoked => return Err(KeyError::NotActive(id.to_owned())),
        }
        let token = mint(id).ok_or(StoreError::Random)?;
        let until = now.checked_add(rotation.overlap).unwrap_or(Timestamp::MAX);
        let key = ApiKey {
            expires: rotation.expires.or(old.expires),
            secret: Kept::new(self.hash(&token), now),
            former: Some((old.secret.clone(), until)),
            warned: Arc::new(Moment::default()),
            ..ApiKey::clone(&old)
        };
        Ok((Arc::new(key), Secret::new(token)))
    }

    /// Puts a rotated key into its place.
    pub async fn replace(&self, key: &Arc<ApiKey>) -> Result<(), KeyError> {
        let before = key.former.as_ref().map_or(key.secret.hash, |(kept, _)| kept.hash);
        let rotating = async {
            let mut work = self.store.change().await?;
            let rotated = key_rows::rotate(&mut work, key, &before).await?;
            work.commit().await.map_err(StoreError::from)?;
            if !rotated {
                return Err(KeyError::Changed(key.id.to_string()));
            }
            self.put(key);
            Ok(())
        };
        within(self.store.in_turn(rotating)).await
    }

    /// Refuses both secrets of a key from now on. In memory first, so that it holds even if the store fails, which the error then says; it
    /// is stored once that works again.
    pub async fn revoke(&self, id: &str, now: Timestamp) -> Result<Arc<ApiKey>, KeyError> {
        let id = Arc::clone(&self.find(id)?.id);
        {
            // Both at once: who stores what is unsaid reads from the key when it was revoked.
            let mut unsaid = self.unsaid.lock();
            self.keys.rcu(|keys| {
                let mut keys = HashMap::clone(keys);
                keys.entry(Arc::clone(&id)).and_modify(|key| *key = Arc::new(key.revoked_at(now)));
                keys
            });
            unsaid.insert(Arc::clone(&id));
        }
        within(self.store.in_turn(self.store_revocation(&id))).await?;
        self.find(&id)
    }

    /// The ids of all keys of a caller.
    pub fn of_subject(&self, subject: &str) -> Vec<Arc<str>> {
        let keys = self.keys.load();
        let mut ids: Vec<_> = keys.values().filter(|key| &*key.subject == subject).map(|key| Arc::clone(&key.id)).collect();
        ids.sort();
        ids
    }

    /// All keys, oldest first.
    pub fn list(&self) -> Vec<Arc<ApiKey>> {
        let mut keys: Vec<_> = self.keys.load().values().cloned().collect();
        keys.sort_by(|a, b| a.created.cmp(&b.created).then_with(|| a.id.cmp(&b.id)));
        keys
    }

    /// Closes the database.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// The key with that id.
    pub fn find(&self, id: &str) -> Result<Arc<ApiKey>, KeyError> {
        self.keys.load().get(id).cloned().ok_or_else(|| KeyError::NotFound(id.to_owned()))
    }

    /// SECURITY: a key that is revoked stays so, whatever takes its place.
    fn put(&self, key: &Arc<ApiKey>) {
        self.keys.rcu(|keys| {
            let mut keys = HashMap::clone(keys);
            let revoked = keys.get(&key.id).and_then(|known| known.revoked).filter(|_| key.revoked.is_none());
            let key = revoked.map_or_else(|| Arc::clone(key), |at| Arc::new(key.revoked_at(at)));
            keys.insert(Arc::clone(&key.id), key);
            keys
        });
    }

    fn hash(&self, token: &str) -> SecretHash {
        let mut hash = [0; 32];
        hash.copy_from_slice(hmac::sign(&self.hasher, token.as_bytes()).as_ref());
        SecretHash(hash)
    }
}

#[cfg(test)]
#[path = "api_keys_tests.rs"]
mod tests;
