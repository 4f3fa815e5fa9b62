//! The evidence that authorization gives.

use std::sync::Arc;

use crate::config::Server;
use crate::layers::authn::Principal;

/// A caller, and the server they may ask this of. Made only by this layer.
#[derive(Clone, Debug)]
pub struct Permit {
    principal: Principal,
    server: Arc<Server>,
}

impl Permit {
    pub(super) fn new(principal: Principal, server: Arc<Server>) -> Self {
        Self { principal, server }
    }

    /// Who.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Of which server.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }
}
