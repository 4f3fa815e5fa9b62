//! The evidence that authorization gives.

use std::sync::Arc;

use crate::config::Server;
use crate::decide::Engine;
use crate::layers::authn::Principal;

/// A caller, and the server they may ask this of. Made only by this layer.
#[derive(Clone, Debug)]
pub struct Permit {
    principal: Principal,
    server: Arc<Server>,
    /// `None` where it is kept for as long as a stream lasts.
    engine: Option<Arc<Engine>>,
}

impl Permit {
    pub(super) fn new(principal: Principal, server: Arc<Server>, engine: Arc<Engine>) -> Self {
        Self { principal, server, engine: Some(engine) }
    }

    /// Who.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The same without the policy, to be kept for as long as a stream lasts: it gives nobody a role.
    #[must_use]
    pub fn without_roles(&self) -> Self {
        Self { engine: None, ..self.clone() }
    }

    /// Whether a binding gives the caller this role. One that another role of theirs inherits from does not count.
    pub fn has_role(&self, role: &str) -> bool {
        self.engine.as_ref().is_some_and(|engine| engine.has_role(self.principal.caller(), role))
    }

    /// The roles that bindings give the caller. Those that they inherit from are not among them.
    pub fn roles(&self) -> Vec<&str> {
        self.engine.as_ref().map(|engine| engine.roles_of(self.principal.caller())).unwrap_or_default()
    }

    /// Of which server.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }
}
