//! What a stream stands on for as long as it lasts: the credential that it was opened with.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::certificate;
use super::token::{Issuers, Proof, Standing};
use crate::chain::Reason;
use crate::state::{ApiKeys, KeyRefusal, Presented};
use crate::tls::ClientCertificate;

/// A credential that was good, and where to look whether it still is.
#[derive(Clone)]
pub(super) enum Ground {
    /// A key of ours, and which of its secrets.
    ApiKey(Arc<ApiKeys>, Presented),
    /// The certificate of the connection.
    Certificate(Arc<ClientCertificate>),
    /// None was needed.
    Nothing,
    /// A token, by the key that it was signed with.
    Token(Issuers, Proof),
    /// Of a caller of a test.
    #[cfg(test)]
    Firm,
}

impl fmt::Debug for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ground")
    }
}

impl Ground {
    /// Refuses what a new request with the same credential would be refused for.
    pub(super) fn holds(&self, now: Timestamp) -> Result<(), Reason> {
        match self {
            Self::ApiKey(keys, presented) => match keys.judge(presented, now) {
                Ok(_) => Ok(()),
                Err(KeyRefusal::Expired | KeyRefusal::TooOld) => Err(Reason::CredentialExpired),
                Err(KeyRefusal::Replaced | KeyRefusal::Revoked) => Err(Reason::CredentialRevoked),
            },
            Self::Certificate(certificate) => certificate::holds(certificate, now),
            Self::Token(issuers, proof) => match issuers.standing(proof, now) {
                Standing::Good => Ok(()),
                Standing::Expired => Err(Reason::CredentialExpired),
                Standing::Revoked => Err(Reason::CredentialRevoked),
                Standing::Unknown => Err(Reason::StoreUnavailable),
            },
            Self::Nothing => Ok(()),
            #[cfg(test)]
            Self::Firm => Ok(()),
        }
    }

    /// The servers that it is good for, whatever a policy says; `None` for all.
    pub(super) fn servers(&self) -> Option<&[String]> {
        match self {
            Self::ApiKey(_, presented) => presented.key.servers.as_deref(),
            Self::Certificate(_) | Self::Nothing | Self::Token(..) => None,
            #[cfg(test)]
            Self::Firm => None,
        }
    }
}
