//! Places: who gets one when there are not enough, at a server, among the calls under way, in the memory for bodies.
//!
//! [`Fair`] decides, [`Lane`] waits, [`Room`] does not. Whoever holds places is a [`Share`].

mod fair;
mod held;
mod lane;
mod room;

use std::sync::Arc;

pub use fair::{Entry, Fair, Ticket};
pub use held::Untaken;
pub use lane::{Lane, Place, Refused};
pub use room::{Room, Taken};

use crate::layers::authn::Principal;

/// Whose share it is: issuer and tenant, or the caller where there is no tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Share {
    /// By pseudonym, which stands for issuer and subject.
    Caller(Arc<str>),
    /// By the issuer's name and the tenant's: two issuers may use the same word.
    Tenant(Box<str>, Box<str>),
}

impl Share {
    /// Of this caller.
    pub fn of(principal: &Principal) -> Self {
        match principal.tenant() {
            Some(tenant) => Self::Tenant(principal.issuer().into(), tenant.into()),
            None => Self::Caller(Arc::clone(&principal.pseudonym().name)),
        }
    }
}
