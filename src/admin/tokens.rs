//! Tokens by hand: what stands behind one, and that nothing stands behind it any more. The record comes first, as in all of
//! [`Privacy`]; it names the token's row, which says nothing about the token or its value.

use super::privacy::{NO_KEYS, Privacy, PrivacyError, words};
use crate::audit::Kind;
use crate::secret::Secret;
use crate::vault::{Caller, Change};

/// A token as somebody has it before them.
#[derive(Clone, Debug)]
pub struct Held {
    /// The issuer of the callers who get it; a tenant's name is its issuer's word.
    pub issuer: String,
    /// Their tenant.
    pub tenant: Option<String>,
    /// For what it was made.
    pub purpose: String,
    /// The token, in any layout that its kind has.
    pub token: Secret<String>,
}

impl Held {
    fn caller(&self) -> Caller<'_> {
        Caller { issuer: &self.issuer, subject: "", tenant: self.tenant.as_deref() }
    }
}

impl Privacy {
    /// The value behind a token. Recorded before it is told, and also when there is none.
    pub async fn reveal_token(&self, held: &Held, requester: &str) -> Result<Secret<String>, PrivacyError> {
        let _turn = self.begin().await?;
        words("requester", requester)?;
        words("purpose", &held.purpose)?;
        let token = self.vault.token(held.caller(), &held.purpose, held.token.expose()).await?;
        self.record(Kind::VaultRead, |what| {
            what.text("act", "token");
            if let Some(token) = &token {
                what.text("of", &token.id());
            }
            what.text("purpose", &held.purpose).text("requester", requester);
        })
        .await?;
        token.map(|token| token.value.clone()).ok_or(PrivacyError::UnknownToken)
    }

    /// Destroys what leads from a token to its value. The value gets another token when it is met again; this one stands for nothing.
    pub async fn forget_token(&self, held: &Held, requester: &str) -> Result<String, PrivacyError> {
        let _turn = self.begin().await?;
        words("requester", requester)?;
        words("purpose", &held.purpose)?;
        let token = self.vault.token(held.caller(), &held.purpose, held.token.expose()).await?;
        let id = token.ok_or(PrivacyError::UnknownToken)?.id();
        self.promise();
        let at = self
            .record(Kind::Erasure, |what| {
                what.text("act", "forget").text("purpose", &held.purpose).text("requester", requester);
                what.list("tokens", |list| {
                    list.text(&id);
                });
            })
            .await?;
        self.finish(at, NO_KEYS, &Change::Forget(vec![id.clone()])).await?;
        Ok(id)
    }
}
