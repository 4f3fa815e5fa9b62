//! The evidence that authorization gives.

use std::sync::Arc;

use super::decide::Authorizer;
use crate::config::Server;
use crate::layers::authn::Principal;

/// A caller, and the server they may ask this of. Made only by this layer.
#[derive(Clone, Debug)]
pub struct Permit {
    principal: Principal,
    server: Arc<Server>,
    authorizer: Arc<Authorizer>,
}

impl Permit {
    pub(super) fn new(principal: Principal, server: Arc<Server>, authorizer: Arc<Authorizer>) -> Self {
        Self { principal, server, authorizer }
    }

    /// Who.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Whether a binding gives the caller this role. One that another role of theirs inherits from does not count.
    pub fn has_role(&self, role: &str) -> bool {
        self.authorizer.held_by(&self.principal).has(role)
    }

    /// Of which server.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }
}
