//! Tokens of accounts that callers have connected. What they are, and how they are renewed, is settled in `crate::accounts`; here each is
//! remembered until the next one is due, or any account was taken away.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::cached::Cached;
use super::shown::Shown;
use super::token::Token;
use crate::accounts::{AccountError, Accounts, Given, Stamp};
use crate::oauth::GrantError;
use crate::state::Whose;

/// Callers that are remembered. Beyond it all are asked for again.
const REMEMBERED: usize = 10_000;

/// See the module. Of one server.
pub(in crate::upstream) struct Connections {
    accounts: Arc<Accounts>,
    known: Mutex<HashMap<Whose, Known>>,
}

#[derive(Clone)]
struct Known {
    /// Since the last change of accounts that this one has seen.
    changes: u64,
    account: Arc<Kept>,
}

/// What is kept of an account.
#[derive(Default)]
struct Kept {
    cached: Cached<AccountError>,
    /// Which tokens were given last.
    given: Mutex<Option<Stamp>>,
}

/// The account of one caller.
#[derive(Clone)]
pub(in crate::upstream) struct Connected {
    accounts: Arc<Accounts>,
    whose: Arc<Whose>,
    account: Arc<Kept>,
    /// Where the caller can connect one.
    pub(super) page: Arc<str>,
}

impl Connections {
    pub(super) fn new(accounts: Arc<Accounts>) -> Self {
        Self { accounts, known: Mutex::default() }
    }

    /// Whether callers of this issuer can have one.
    pub(super) fn are_for(&self, issuer: &str) -> bool {
        self.accounts.are_for(issuer)
    }

    /// Of this caller, who can connect one on that page.
    pub(super) fn of(&self, whose: Whose, page: String) -> Connected {
        let changes = self.accounts.changes();
        let mut known = self.known.lock();
        if known.len() >= REMEMBERED && !known.contains_key(&whose) {
            known.clear();
        }
        let entry = known.entry(whose.clone()).or_insert_with(|| Known { changes, account: Arc::default() });
        if entry.changes != changes {
            // It may be this one that is gone.
            *entry = Known { changes, account: Arc::default() };
        }
        let account = Arc::clone(&entry.account);
        Connected { accounts: Arc::clone(&self.accounts), whose: Arc::new(whose), account, page: page.into() }
    }
}

impl Connected {
    /// The token for the server.
    pub(super) async fn token(&self) -> Result<Arc<Token>, AccountError> {
        let ask = |before: Option<Arc<Token>>| async move {
            let refused = before.as_ref().filter(|token| token.is_refused()).and_then(|_| self.account.given.lock().clone());
            let made = Instant::now();
            let Given { access, lifetime, stamp } = self.accounts.token(&self.whose, refused).await?;
            let shown = Shown::bearer(access.expose()).ok_or(AccountError::Grant(GrantError::Unusable))?;
            *self.account.given.lock() = Some(stamp);
            Ok(Token::new(shown, made, lifetime, before.as_deref()))
        };
        self.account.cached.token(ask).await
    }

    pub(super) fn echoes(&self) -> [Option<Arc<crate::upstream::echo::Echo>>; 2] {
        self.account.cached.echoes()
    }
}
