//! Operations on definitions that were withheld.

use super::{OperationError, Operations};
use crate::admin::privacy::{is_fit, is_fit_reason};
use crate::audit::Kind;
use crate::layers::injection::Quarantine;
use crate::state::{Approval, Definition};

impl Operations {
    /// Lets a definition pass, once that is recorded and stored. `reason` is one line.
    pub async fn approve_definition(&self, definition: Definition, reason: &str, requester: &str) -> Result<(), OperationError> {
        let _turn = self.turn.lock().await;
        let Definition { server, tool, hash } = &definition;
        self.record_definition("definition.approve", (&format!("{server}/{tool}"), Some(hash)), reason, requester).await?;
        let approval = Approval { by: requester.to_owned(), reason: reason.to_owned(), at: self.now() };
        Ok(self.keys.approvals().approve(definition, approval).await?)
    }

    /// Lets it pass no more, once that is recorded; it holds even if the store fails, which the error then says.
    pub async fn revoke_definition(&self, definition: &Definition, reason: &str, requester: &str) -> Result<(), OperationError> {
        let _turn = self.turn.lock().await;
        let Definition { server, tool, hash } = definition;
        self.record_definition("definition.revoke", (&format!("{server}/{tool}"), Some(hash)), reason, requester).await?;
        Ok(self.keys.approvals().revoke(definition).await?)
    }

    /// Forgets what was withheld of a server, of one of its tools, or one definition of that, once that is recorded. Whether there was any.
    pub async fn forget_definitions(
        &self,
        quarantine: &Quarantine,
        (server, what): (&str, Option<(&str, Option<&str>)>),
        reason: &str,
        requester: &str,
    ) -> Result<bool, OperationError> {
        let _turn = self.turn.lock().await;
        let (target, hash) = match what {
            Some((tool, hash)) => (format!("{server}/{tool}"), hash),
            None => (server.to_owned(), None),
        };
        self.record_definition("definition.forget", (&target, hash), reason, requester).await?;
        Ok(quarantine.forget(server, what))
    }

    /// Whether this definition passes.
    pub fn approves(&self, definition: &Definition) -> bool {
        self.keys.approvals().approves(definition)
    }

    /// Whether what is approved is in force. It is not while the store is out of reach that replicas share.
    pub fn approvals_hold(&self) -> bool {
        self.keys.approvals().are_known()
    }

    /// What is approved.
    pub fn approvals(&self) -> Vec<(Definition, Approval)> {
        self.keys.approvals().list()
    }

    async fn record_definition(
        &self,
        act: &str,
        (target, hash): (&str, Option<&str>),
        reason: &str,
        requester: &str,
    ) -> Result<(), OperationError> {
        is_fit(requester, None)?;
        is_fit_reason(reason, None)?;
        self.record(Kind::Admin, act, target, |what| {
            if let Some(hash) = hash {
                what.text("definition", hash);
            }
            if !reason.is_empty() {
                what.text("reason", reason);
            }
            what.text("requester", requester);
        })
        .await
    }
}
