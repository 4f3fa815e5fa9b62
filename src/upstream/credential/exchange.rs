//! Tokens in the name of callers, in exchange for their own. RFC 8693.
//!
//! SECURITY: the caller's token goes to the token endpoint of the authorization server that the operator has named, and nowhere else. What comes
//! back is kept by the token that it was given for, not by who its holder is: of two tokens of one person one may be worth less.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;

use super::cached::Cached;
use super::endpoint::Endpoint;
use super::token::Token;
use crate::oauth::GrantError;
use crate::secret::Secret;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Callers' tokens that are remembered. Beyond it those are forgotten first whose time is over.
const REMEMBERED: usize = 10_000;

/// See the module.
pub(in crate::upstream) struct Exchange {
    endpoint: Endpoint,
    known: Mutex<HashMap<[u8; 32], Arc<Cached>>>,
}

/// What one caller's token was exchanged for.
#[derive(Clone)]
pub(in crate::upstream) struct Exchanged {
    exchange: Arc<Exchange>,
    subject: Arc<Secret<String>>,
    pub(super) cached: Arc<Cached>,
}

impl Exchange {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, known: Mutex::default() }
    }

    /// For a caller who holds `subject`.
    pub(super) fn of(self: &Arc<Self>, subject: &Arc<Secret<String>>) -> Exchanged {
        let mut place = [0; 32];
        place.copy_from_slice(digest(&SHA256, subject.expose().as_bytes()).as_ref());
        let mut known = self.known.lock();
        if known.len() >= REMEMBERED && !known.contains_key(&place) {
            known.retain(|_, cached| !cached.is_idle());
            if known.len() >= REMEMBERED {
                known.clear();
            }
        }
        let cached = Arc::clone(known.entry(place).or_default());
        Exchanged { exchange: Arc::clone(self), subject: Arc::clone(subject), cached }
    }
}

impl Exchanged {
    /// The token for the server.
    pub(super) async fn token(&self) -> Result<Arc<Token>, GrantError> {
        self.cached
            .token(|before| async move {
                let fields = [
                    ("grant_type", GRANT),
                    ("subject_token", self.subject.expose().as_str()),
                    ("subject_token_type", ACCESS_TOKEN),
                    ("requested_token_type", ACCESS_TOKEN),
                ];
                self.exchange.endpoint.ask(&fields, before.as_deref()).await
            })
            .await
    }
}
