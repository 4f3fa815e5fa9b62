//! A credential as it is sent, and as it is recognised when it comes back.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use crate::config::Auth;
use crate::upstream::echo::Echo;

/// See the module.
pub(super) struct Shown {
    name: HeaderName,
    value: HeaderValue,
    pub(super) echo: Option<Arc<Echo>>,
}

impl Shown {
    /// What an operator has written, with this secret. `None` for one that no header can hold, which its form rules out.
    pub(super) fn of(auth: &Auth, secret: &str) -> Option<Self> {
        match auth {
            Auth::Basic(user, _) => {
                let pair = Zeroizing::new(format!("{user}:{secret}"));
                let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
                Self::new(AUTHORIZATION, &Zeroizing::new(format!("Basic {}", *encoded)), &[&encoded, secret])
            }
            Auth::Bearer(_) | Auth::ClientCredentials(_) | Auth::TokenExchange(_) | Auth::UserOauth(_) => Self::bearer(secret),
            Auth::Header(name, _) => {
                let value = secret.trim();
                // A server that is shown `Scheme secret` may give back the secret alone.
                let last = value.rsplit(' ').next().unwrap_or_default();
                Self::new(name.clone(), value, &[value, last])
            }
        }
    }

    /// A bearer token.
    pub(super) fn bearer(token: &str) -> Option<Self> {
        Self::new(AUTHORIZATION, &Zeroizing::new(format!("Bearer {token}")), &[token])
    }

    fn new(name: HeaderName, value: &str, secrets: &[&str]) -> Option<Self> {
        // Wiped when the last request that holds it is gone.
        let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(Zeroizing::new(value.as_bytes().to_vec()))).ok()?;
        value.set_sensitive(true);
        Some(Self { name, value, echo: Echo::of(secrets).ok()?.map(Arc::new) })
    }

    /// Puts it into the head of a request.
    pub(super) fn put(&self, headers: &mut HeaderMap) {
        headers.insert(self.name.clone(), self.value.clone());
    }
}
