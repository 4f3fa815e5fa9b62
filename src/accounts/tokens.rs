//! The token for a caller and a server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::service::{Service, service};
use crate::audit::{AppendError, Draft, Kind, Log};
use crate::clock::Clock;
use crate::config::Config;
use crate::oauth::{AuthorizationServer, Denied, GrantError, Granted, Proof, digest_of};
use crate::secret::Secret;
use crate::state::{self, Account, StoreError, Tokens, Whose};
use crate::telemetry::{AccountEvent, Metrics};
use crate::upstream::ConnectError;
use crate::vault::{Caller, Vault};

/// A token is not shown shortly before its end: a request takes its time.
const MARGIN: SignedDuration = SignedDuration::from_secs(10);

/// However long an authorization server says that a token is good.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// How long newer tokens are tried to be kept: they and the way to them fit into the lease of `state/accounts.rs`.
const KEEPING: Duration = Duration::from_secs(15);

/// How long a call waits while another process renews the tokens, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(100);

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// The caller has no account there, or none that is good still: they have to connect one.
    #[error("no account is connected")]
    NotConnected,
    /// The authorization server gives none.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// Where tokens are kept does not answer.
    #[error("the store of accounts fails")]
    Store,
}

/// What accounts need of the rest.
#[derive(Debug)]
pub struct Parts {
    /// Where they are kept.
    pub store: Arc<state::Accounts>,
    /// Where what becomes of them is recorded.
    pub log: Arc<Log>,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
    /// Who callers are in records.
    pub vault: Arc<Vault>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where a renewal goes on whose call has ended.
    pub tasks: TaskTracker,
}

/// Accounts at all servers that have them.
#[derive(Debug)]
pub struct Accounts {
    services: BTreeMap<String, Service>,
    /// Issuers whose users can connect accounts, by name, with what they are.
    issuers: BTreeMap<String, String>,
    pub(super) parts: Parts,
}

/// Which tokens of which account: those of a later stamp are others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp(String, i64);

/// A token to be shown.
#[derive(Debug)]
pub struct Given {
    /// The token.
    pub access: Secret<String>,
    /// How long it is good, if anybody knows.
    pub lifetime: Option<Duration>,
    /// Which it is.
    pub stamp: Stamp,
}

impl Accounts {
    /// At the servers of this configuration; `None` where none of them has accounts.
    pub fn new(config: &Config, parts: Parts) -> Result<Option<Arc<Self>>, (String, ConnectError)> {
        let mut services = BTreeMap::new();
        for server in &config.servers {
            if let Some(service) = service(server).transpose().map_err(|error| (server.name.clone(), error))? {
                services.insert(server.name.clone(), service);
            }
        }
        if services.is_empty() {
            return Ok(None);
        }
        let signing_in = config.identity.issuers.iter().filter(|issuer| issuer.sign_in.is_some());
        let issuers = signing_in.map(|issuer| (issuer.name.clone(), issuer.issuer.clone())).collect();
        for server in services.keys() {
            parts.metrics.account_events_of(server);
        }
        Ok(Some(Arc::new(Self { services, issuers, parts })))
    }

    /// Whether callers of this issuer can connect accounts.
    pub fn are_for(&self, issuer: &str) -> bool {
        self.issuers.contains_key(issuer)
    }

    /// Changes whenever tokens that were given may be good no more.
    pub fn changes(&self) -> u64 {
        self.parts.store.changes()
    }

    fn service(&self, server: &str) -> Option<&AuthorizationServer> {
        self.services.get(server).map(|service| &service.authorization)
    }

    /// Where accounts at a server are, for a caller of this issuer and tenant, which is empty without one. SECURITY: to a caller of another
    /// tenant than the server's there is no such server.
    pub(super) fn service_for(&self, server: &str, issuer: &str, tenant: &str) -> Option<&AuthorizationServer> {
        let tenant = Some(tenant).filter(|tenant| !tenant.is_empty());
        let service = self.services.get(server).filter(|service| service.tenants.include(issuer, tenant));
        service.map(|service| &service.authorization)
    }

    /// What tokens of this caller and server are given for.
    fn bond(&self, whose: &Whose) -> Option<String> {
        let (service, issuer) = (self.services.get(&whose.server)?, self.issuers.get(&whose.issuer)?);
        Some(digest_of(&format!("{}\n{issuer}", service.terms)))
    }

    /// The account of a caller, if its tokens were given for what is there now.
    async fn find(&self, whose: &Whose) -> Result<Option<(Account, Tokens)>, StoreError> {
        let bond = self.bond(whose);
        Ok(self.parts.store.find(whose).await?.filter(|(account, _)| Some(&account.bond) == bond.as_ref()))
    }

    /// A token for this caller and server. `refused` are those that the server did not take.
    ///
    /// What has begun to be renewed is renewed to its end, whether anybody waits for it or not: a refresh token that was shown is spent, and
    /// what came for it must not be lost.
    pub async fn token(self: &Arc<Self>, whose: &Whose, refused: Option<Stamp>) -> Result<Given, AccountError> {
        let (accounts, whose) = (Arc::clone(self), whose.clone());
        let work = self.parts.tasks.spawn(async move { accounts.find_or_renew(&whose, refused).await });
        // A task that panicked has said so.
        work.await.unwrap_or(Err(AccountError::Store))
    }

    async fn find_or_renew(&self, whose: &Whose, refused: Option<Stamp>) -> Result<Given, AccountError> {
        let service = self.service(&whose.server).ok_or(AccountError::NotConnected)?;
        let started = Instant::now();
        loop {
            let found = self.find(whose).await.map_err(|error| store_down(&error))?;
            let (account, tokens) = found.ok_or(AccountError::NotConnected)?;
            let (now, stamp) = (self.parts.clock.now(), Stamp(account.id.clone(), account.version));
            let left = tokens.expires.map(|end| end.duration_since(now));
            if left.is_none_or(|left| left > MARGIN) && refused.as_ref() != Some(&stamp) {
                let lifetime = left.map(|left| left.unsigned_abs().min(LONGEST));
                return Ok(Given { access: tokens.access, lifetime, stamp });
            }
            // Without one the caller has to come again.
            let refresh = tokens.refresh.as_ref().ok_or(AccountError::NotConnected)?;
            // Before the lease, which is for what cannot be done twice.
            service.is_known().await?;
            if self.parts.store.lease(&account, now).await.map_err(|error| store_down(&error))?
                && let Some(given) = self.renew(service, &account, refresh).await?
            {
                return Ok(given);
            }
            if started.elapsed() > PATIENCE {
                return Err(AccountError::Grant(GrantError::Unreachable));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Newer tokens; `None` where somebody else has left some, or taken the account away: it has to be looked at again.
    async fn renew(
        &self,
        service: &AuthorizationServer,
        account: &Account,
        refresh: &Secret<String>,
    ) -> Result<Option<Given>, AccountError> {
        let server = &account.whose.server;
        let (store, metrics, now) = (&self.parts.store, &self.parts.metrics, self.parts.clock.now());
        match service.renew(refresh).await {
            Ok(granted) => {
                // RFC 6749, section 6: the old one stays good where no new one comes.
                let again = Secret::new(refresh.expose().clone());
                let (tokens, lifetime) = tokens_of(granted, Some(again), now);
                if !self.keep(account, &tokens).await {
                    let there = store.find(&account.whose).await.map_err(|error| store_down(&error))?;
                    if there.is_none() {
                        // It was taken away meanwhile, and so are these.
                        self.give_back(account, &tokens).await;
                    }
                    return Ok(None);
                }
                metrics.account(server, AccountEvent::Renewed);
                Ok(Some(Given { access: tokens.access, lifetime, stamp: Stamp(account.id.clone(), account.version + 1) }))
            }
            Err(GrantError::Spent) => {
                // What is spent is the grant of this version: another replica may have had the next one for it.
                let taken = store.take(&account.id, Some(account.version)).await.map_err(|error| store_down(&error))?;
                if taken.is_some() {
                    tracing::warn!(server, account = account.id, "an account is lost: its grant is taken no more");
                    metrics.account(server, AccountEvent::Lost);
                    if let Err(error) = self.record("account.lost", account, "gateway").await {
                        tracing::error!(error = &error as &dyn std::error::Error, "the loss of an account could not be recorded");
                    }
                }
                Ok(None)
            }
            Err(error) => {
                metrics.account(server, AccountEvent::NotRenewed);
                // Where this fails, the next one waits for the end of the lease.
                let _ = store.give_back(account).await;
                Err(error.into())
            }
        }
    }

    /// Keeps newer tokens. What they were got for is spent: a store that does not answer is asked again while the lease lasts. Whether they are
    /// kept; `true` too where nobody can say, since they are good in any case.
    async fn keep(&self, account: &Account, tokens: &Tokens) -> bool {
        let started = Instant::now();
        loop {
            match self.parts.store.renew(account, tokens, self.parts.clock.now()).await {
                Ok(kept) => return kept,
                Err(error) => {
                    store_down(&error);
                    if started.elapsed() > KEEPING {
                        return true;
                    }
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Connects an account: the code redeemed, that recorded, the tokens kept; to the end, whether the browser waits for it or not.
    pub(super) async fn connect(self: &Arc<Self>, whose: Whose, way: WayBack) -> Result<(), ConnectFailure> {
        let accounts = Arc::clone(self);
        let work = self.parts.tasks.spawn(async move {
            let service = accounts.service(&whose.server).ok_or(AccountFailure::Unknown)?;
            let issuer = way.issuer.as_deref();
            let granted = service.redeem((way.code.expose(), issuer), &way.redirect_uri, &way.proof).await?;
            let now = accounts.parts.clock.now();
            let scopes = granted.scopes.clone().unwrap_or_else(|| service.scope().to_vec());
            let (tokens, _) = tokens_of(granted, None, now);
            let bond = accounts.bond(&whose).ok_or(AccountFailure::Unknown)?;
            let account = accounts.parts.store.make((&whose, &bond), scopes, now).await.map_err(AccountFailure::from)?;
            let kept = async {
                accounts.record("account.connect", &account, "user").await?;
                Ok::<_, AccountFailure>(accounts.parts.store.put(&account, &tokens).await?)
            };
            if let Err(error) = kept.await {
                // Nobody else has them.
                accounts.give_back(&account, &tokens).await;
                return Err(error.into());
            }
            accounts.parts.metrics.account(&account.whose.server, AccountEvent::Connected);
            Ok(())
        });
        // A task that panicked has said so.
        work.await.unwrap_or(Err(ConnectFailure::Ours(AccountFailure::Unknown)))
    }

    /// Takes away what a caller has connected: recorded, removed, and told to the authorization server; to the end as well.
    pub(super) async fn disconnect(self: &Arc<Self>, whose: Whose) -> Result<(), AccountFailure> {
        let accounts = Arc::clone(self);
        let work = self.parts.tasks.spawn(async move {
            let Some((account, _)) = accounts.parts.store.find(&whose).await? else { return Ok(()) };
            accounts.record("account.revoke", &account, "user").await?;
            if let Some((account, tokens)) = accounts.parts.store.take(&account.id, None).await? {
                accounts.parts.metrics.account(&account.whose.server, AccountEvent::Revoked);
                accounts.give_back(&account, &tokens).await;
            }
            Ok(())
        });
        work.await.unwrap_or(Err(AccountFailure::Unknown))
    }

    /// What this caller has connected, and whether it can still be used.
    pub(super) async fn connected(&self, whose: &Whose) -> Result<Option<(Account, bool)>, StoreError> {
        let now = self.parts.clock.now();
        let usable = |tokens: &Tokens| tokens.refresh.is_some() || tokens.expires.is_none_or(|end| end > now);
        Ok(self.find(whose).await?.map(|(account, tokens)| (account, usable(&tokens))))
    }

    /// Tells the authorization server that tokens are used no more. As well as may be: they are gone here, whatever it says.
    pub async fn give_back(&self, account: &Account, tokens: &Tokens) {
        // What was given by another one is not shown to this one.
        let same = self.bond(&account.whose).is_some_and(|bond| bond == account.bond);
        let service = self.service(&account.whose.server).filter(|_| same);
        let told = match (service, &tokens.refresh) {
            // RFC 7009, section 2.1: what was given with it goes with it.
            (Some(service), Some(refresh)) => service.revoke(refresh, "refresh_token").await,
            (Some(service), None) => service.revoke(&tokens.access, "access_token").await,
            (None, _) => false,
        };
        if !told {
            tracing::warn!(server = account.whose.server, "tokens that are used no more could not be taken back at their issuer");
        }
    }

    /// Records that somebody has signed in to look at their account at a server. What it lets them do is good for minutes.
    pub(super) async fn signed_in(&self, whose: &Whose) -> Result<(), AccountFailure> {
        self.tell("account.sign_in", None, whose, "user").await
    }

    async fn record(&self, act: &str, account: &Account, by: &str) -> Result<(), AccountFailure> {
        self.tell(act, Some(&account.id), &account.whose, by).await
    }

    async fn tell(&self, act: &str, account: Option<&str>, whose: &Whose, by: &str) -> Result<(), AccountFailure> {
        let Whose { issuer, subject, tenant, server } = whose;
        let tenant = Some(tenant.as_str()).filter(|tenant| !tenant.is_empty());
        let subject = self.parts.vault.pseudonym(Caller { issuer, subject, tenant }, self.parts.clock.now()).await?;
        let mut draft = Draft::new(Kind::Admin);
        draft.object("what", |what| {
            if let Some(account) = account {
                what.text("account", account);
            }
            what.text("act", act).text("by", by).text("sub", &subject.name).text("target", server);
        });
        self.parts.log.append(draft).durable().await?;
        Ok(())
    }
}

/// Why nothing was connected or taken away.
#[derive(Debug, thiserror::Error)]
pub(super) enum AccountFailure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] crate::vault::VaultError),
    #[error("it could not be recorded; nothing was done")]
    NotRecorded(#[from] AppendError),
    #[error("no such server, or the work broke off")]
    Unknown,
}

/// Why nothing was connected.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectFailure {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Ours(#[from] AccountFailure),
}

/// What a browser has come back with.
#[derive(Debug)]
pub(super) struct WayBack {
    pub(super) code: Secret<String>,
    pub(super) issuer: Option<String>,
    pub(super) redirect_uri: String,
    pub(super) proof: Proof,
}

/// What is kept of what came, and how long it is good.
fn tokens_of(granted: Granted, before: Option<Secret<String>>, now: Timestamp) -> (Tokens, Option<Duration>) {
    let lifetime = granted.lifetime.map(|lifetime| lifetime.min(LONGEST));
    let expires = lifetime.and_then(|lifetime| now.checked_add(lifetime).ok());
    (Tokens { access: granted.access, refresh: granted.refresh.or(before), expires }, lifetime)
}

fn store_down(error: &StoreError) -> AccountError {
    tracing::error!(error = error as &dyn std::error::Error, "the store of accounts fails");
    AccountError::Store
}
