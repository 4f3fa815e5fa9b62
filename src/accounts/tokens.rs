//! The token for a caller and a server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::audit::{AppendError, Draft, Kind, Log};
use crate::clock::Clock;
use crate::config::{Config, Server};
use crate::oauth::{AuthorizationServer, GrantError, Granted};
use crate::secret::Secret;
use crate::state::{self, Account, StoreError, Tokens, Whose};
use crate::telemetry::{AccountEvent, Metrics};
use crate::upstream::ConnectError;
use crate::vault::{Caller, Vault};

/// A token is not shown shortly before its end: a request takes its time.
const MARGIN: SignedDuration = SignedDuration::from_secs(10);

/// However long an authorization server says that a token is good.
const LONGEST: Duration = Duration::from_hours(365 * 24);

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
    services: BTreeMap<String, AuthorizationServer>,
    /// Issuers whose users can connect accounts.
    issuers: Vec<String>,
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
        let issuers = signing_in.map(|issuer| issuer.name.clone()).collect();
        for server in services.keys() {
            parts.metrics.account_events_of(server);
        }
        Ok(Some(Arc::new(Self { services, issuers, parts })))
    }

    /// Whether callers of this issuer can connect accounts.
    pub fn are_for(&self, issuer: &str) -> bool {
        self.issuers.iter().any(|known| known == issuer)
    }

    /// Changes whenever tokens that were given may be good no more.
    pub fn changes(&self) -> u64 {
        self.parts.store.changes()
    }

    pub(super) fn service(&self, server: &str) -> Option<&AuthorizationServer> {
        self.services.get(server)
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
        let service = self.services.get(&whose.server).ok_or(AccountError::NotConnected)?;
        let started = Instant::now();
        loop {
            let found = self.parts.store.find(whose).await.map_err(|error| store_down(&error))?;
            let (account, tokens) = found.ok_or(AccountError::NotConnected)?;
            let (now, stamp) = (self.parts.clock.now(), Stamp(account.id.clone(), account.version));
            let left = tokens.expires.map(|end| end.duration_since(now));
            if left.is_none_or(|left| left > MARGIN) && refused.as_ref() != Some(&stamp) {
                let lifetime = left.map(|left| left.unsigned_abs().min(LONGEST));
                return Ok(Given { access: tokens.access, lifetime, stamp });
            }
            // Without one the caller has to come again.
            let refresh = tokens.refresh.as_ref().ok_or(AccountError::NotConnected)?;
            if self.parts.store.lease(&account, now).await.map_err(|error| store_down(&error))? {
                return self.renew(service, &account, refresh).await;
            }
            if started.elapsed() > PATIENCE {
                return Err(AccountError::Grant(GrantError::Unreachable));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn renew(
        &self,
        service: &AuthorizationServer,
        account: &Account,
        refresh: &Secret<String>,
    ) -> Result<Given, AccountError> {
        let server = &account.whose.server;
        let (store, metrics, now) = (&self.parts.store, &self.parts.metrics, self.parts.clock.now());
        match service.renew(refresh).await {
            Ok(granted) => {
                // RFC 6749, section 6: the old one stays good where no new one comes.
                let again = Secret::new(refresh.expose().clone());
                let (tokens, lifetime) = tokens_of(granted, Some(again), now);
                if !store.renew(account, &tokens, now).await.map_err(|error| store_down(&error))? {
                    // It was taken away meanwhile, and so are these.
                    self.give_back(account, &tokens).await;
                    return Err(AccountError::NotConnected);
                }
                metrics.account(server, AccountEvent::Renewed);
                Ok(Given { access: tokens.access, lifetime, stamp: Stamp(account.id.clone(), account.version + 1) })
            }
            Err(GrantError::Spent) => {
                tracing::warn!(
                    server,
                    account = account.id,
                    "an account is lost: its authorization server takes its grant no more"
                );
                metrics.account(server, AccountEvent::Lost);
                if let Err(error) = self.record("account.lost", account, "gateway").await {
                    tracing::error!(error = &error as &dyn std::error::Error, "the loss of an account could not be recorded");
                }
                store.remove(&account.id).await.map_err(|error| store_down(&error))?;
                Err(AccountError::NotConnected)
            }
            Err(error) => {
                metrics.account(server, AccountEvent::NotRenewed);
                // Where this fails, the next one waits for the end of the lease.
                let _ = store.give_back(account).await;
                Err(error.into())
            }
        }
    }

    /// Connects an account: recorded, then kept.
    pub(super) async fn connect(
        &self,
        whose: (Whose, Option<String>),
        granted: Granted,
        asked: &[String],
    ) -> Result<Account, AccountFailure> {
        let now = self.parts.clock.now();
        let scopes = granted.scopes.clone().unwrap_or_else(|| asked.to_vec());
        let account = self.parts.store.make(whose, scopes, now)?;
        let (tokens, _) = tokens_of(granted, None, now);
        self.record("account.connect", &account, "user").await?;
        self.parts.store.put(&account, &tokens).await?;
        self.parts.metrics.account(&account.whose.server, AccountEvent::Connected);
        Ok(account)
    }

    /// Takes away what a caller has connected: recorded, removed, and told to the authorization server. Whether anything was there.
    pub(super) async fn disconnect(&self, whose: &Whose) -> Result<bool, AccountFailure> {
        let Some((account, tokens)) = self.parts.store.find(whose).await? else { return Ok(false) };
        self.record("account.revoke", &account, "user").await?;
        self.parts.store.remove(&account.id).await?;
        self.parts.metrics.account(&account.whose.server, AccountEvent::Revoked);
        self.give_back(&account, &tokens).await;
        Ok(true)
    }

    /// Whether this caller has connected an account.
    pub(super) async fn connected(&self, whose: &Whose) -> Result<Option<Account>, StoreError> {
        Ok(self.parts.store.find(whose).await?.map(|(account, _)| account))
    }

    /// Tells the authorization server that tokens are used no more. As well as may be: they are gone here, whatever it says.
    pub async fn give_back(&self, account: &Account, tokens: &Tokens) {
        let Some(service) = self.services.get(&account.whose.server) else { return };
        let told = match &tokens.refresh {
            // RFC 7009, section 2.1: what was given with it goes with it.
            Some(refresh) => service.revoke(refresh, "refresh_token").await,
            None => service.revoke(&tokens.access, "access_token").await,
        };
        if !told {
            tracing::warn!(server = account.whose.server, "tokens that are used no more could not be taken back at their issuer");
        }
    }

    async fn record(&self, act: &str, account: &Account, by: &str) -> Result<(), AccountFailure> {
        let Whose { issuer, subject, server } = &account.whose;
        let caller = Caller { issuer, subject, tenant: account.tenant.as_deref() };
        let subject = self.parts.vault.pseudonym(caller, self.parts.clock.now()).await?;
        let mut draft = Draft::new(Kind::Admin);
        draft.object("what", |what| {
            what.text("account", &account.id).text("act", act).text("by", by).text("sub", &subject.name).text("target", server);
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
}

/// Where accounts at this server are, if it has any.
fn service(server: &Server) -> Option<Result<AuthorizationServer, ConnectError>> {
    let settings = server.connects_accounts()?;
    let url = server.url().map(ToString::to_string);
    let resource = settings.resource.clone().or(url).filter(|_| !settings.no_resource);
    Some(AuthorizationServer::new(&settings.client, resource))
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
