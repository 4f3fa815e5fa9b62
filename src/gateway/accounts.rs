//! What callers connect at servers, and the pages on which they do.

use std::sync::Arc;

use tokio_util::task::TaskTracker;

use super::StartError;
use crate::accounts::{Accounts, Desk, Parts};
use crate::audit::Log;
use crate::clock::Clock;
use crate::config::{Config, Issuer, Listener};
use crate::layers::authn::Issuers;
use crate::master_key::{BROWSERS, MasterKey};
use crate::seal::Key;
use crate::secret::Secret;
use crate::state::{self, Switches};
use crate::telemetry::Metrics;
use crate::vault::Vault;

/// Makes the pages of each listener.
pub(super) struct Pages {
    accounts: Arc<Accounts>,
    issuers: Issuers,
    configured: Vec<Issuer>,
    /// Seals what browsers keep.
    key: Secret<Vec<u8>>,
    switches: Arc<Switches>,
}

impl Pages {
    /// Of the accounts that there are, if there are any.
    pub(super) fn new(
        (accounts, switches): (Option<&Arc<Accounts>>, &Arc<Switches>),
        issuers: &Issuers,
        config: &Config,
        master: &MasterKey,
    ) -> Option<Self> {
        Some(Self {
            accounts: Arc::clone(accounts?),
            issuers: issuers.clone(),
            configured: config.identity.issuers.clone(),
            key: master.derive_bytes(BROWSERS),
            switches: Arc::clone(switches),
        })
    }

    /// Those of this listener, whose URL is known.
    pub(super) fn of(&self, listener: &Listener) -> Result<Desk, StartError> {
        let key = Key::new(Secret::new(self.key.expose().clone()))?;
        let known = (self.issuers.clone(), self.configured.as_slice());
        let (url, offered) = (listener.public_url.as_str(), listener.servers.clone());
        let desk = Desk::new(Arc::clone(&self.accounts), known, key, (url, offered, Arc::clone(&self.switches)));
        desk.map_err(|source| StartError::SignIn { url: url.to_owned(), source })
    }
}

/// What callers connect at servers, if there are such servers.
pub(super) fn open_accounts(
    config: &Config,
    store: Arc<state::Accounts>,
    (log, metrics, vault, clock): (Arc<Log>, Arc<Metrics>, Arc<Vault>, Arc<dyn Clock>),
    tasks: &TaskTracker,
) -> Result<Option<Arc<Accounts>>, StartError> {
    let parts = Parts { store, log, metrics, vault, clock, tasks: tasks.clone() };
    Accounts::new(config, parts).map_err(|(server, source)| StartError::Upstream { server, source })
}
