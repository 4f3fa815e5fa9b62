//! Operations on definitions that were withheld.

use super::{OperationError, Operations};
use crate::admin::privacy::{is_fit, is_fit_reason};
use crate::audit::Kind;
use crate::state::{Approval, Definition};

impl Operations {
    /// Lets a definition pass, once that is recorded and stored. `reason` is one line.
    pub async fn approve_definition(&self, definition: Definition, reason: &str, requester: &str) -> Result<(), OperationError> {
        let _turn = self.turn.lock().await;
        self.record_definition("definition.approve", &definition, reason, requester).await?;
        let approval = Approval { by: requester.to_owned(), reason: reason.to_owned(), at: self.now() };
        Ok(self.keys.approvals().approve(definition, approval).await?)
    }

    /// Lets it pass no more, once that is recorded; it holds even if the store fails, which the error then says.
    pub async fn revoke_definition(&self, definition: &Definition, reason: &str, requester: &str) -> Result<(), OperationError> {
        let _turn = self.turn.lock().await;
        self.record_definition("definition.revoke", definition, reason, requester).await?;
        Ok(self.keys.approvals().revoke(definition).await?)
    }

    /// What is approved.
    pub fn approvals(&self) -> Vec<(Definition, Approval)> {
        self.keys.approvals().list()
    }

    async fn record_definition(
        &self,
        act: &str,
        Definition { server, tool, hash }: &Definition,
        reason: &str,
        requester: &str,
    ) -> Result<(), OperationError> {
        is_fit(requester, None)?;
        is_fit_reason(reason, None)?;
        self.record(Kind::Admin, act, &format!("{server}/{tool}"), |what| {
            what.text("definition", hash);
            if !reason.is_empty() {
                what.text("reason", reason);
            }
            what.text("requester", requester);
        })
        .await
    }
}
