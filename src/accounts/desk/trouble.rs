//! Why nothing was done for a browser, and what its user reads of it.

use http::StatusCode;

use super::Answer;
use super::page::Page;
use crate::accounts::tokens::{AccountFailure, ConnectFailure};
use crate::oauth::Denied;
use crate::seal::SealError;

/// Why nothing was done for a browser.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("refused by its user or the authorization server")]
    ConnectRefused,
    #[error("a form of another site, or of another browser")]
    ForeignForm,
    #[error("the way back of another browser")]
    ForeignState,
    #[error("no token")]
    Grant(#[from] Denied),
    #[error("the issuer does not answer")]
    IssuerSilent,
    #[error("no such method")]
    Method,
    #[error("no way back is open")]
    NoJourney,
    #[error("no such server")]
    NoServer,
    #[error("the issuer does not say who has signed in")]
    NobodyNamed,
    #[error("nobody has signed in")]
    NotSignedIn,
    #[error(transparent)]
    Ours(#[from] AccountFailure),
    #[error("the system gives no random bytes")]
    Random,
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("the authorization server does not answer")]
    ServerSilent,
    #[error("the issuer, or its user, has refused")]
    SignInRefused,
    #[error("stopped by an operator")]
    Stopped,
}

impl From<ConnectFailure> for Trouble {
    fn from(failure: ConnectFailure) -> Self {
        match failure {
            ConnectFailure::Denied(denied) => Self::Grant(denied),
            ConnectFailure::Ours(failure) => Self::Ours(failure),
        }
    }
}

impl Trouble {
    /// What a browser is told of it, and the word of the record. What was wrong exactly stays inside.
    pub(super) fn answer(self, cookies: Vec<String>) -> Answer {
        const AGAIN: &str = "Open the link once more, and stay in one window.";
        const LATER: &str = "Try again in a moment. If it stays so, tell whoever runs this gateway.";
        let (word, status, heading, why) = match self {
            Self::ConnectRefused => (
                "account_refused",
                StatusCode::OK,
                "Not connected",
                "The account was not connected: its server, or you, said no.",
            ),
            Self::SignInRefused => ("sign_in_refused", StatusCode::FORBIDDEN, "Not signed in", "Your sign-in was refused."),
            Self::ForeignForm => ("form", StatusCode::FORBIDDEN, "Nothing was done", AGAIN),
            Self::ForeignState | Self::Grant(Denied::Issuer) => ("state", StatusCode::BAD_REQUEST, "Nothing was done", AGAIN),
            Self::NoJourney => ("no_journey", StatusCode::BAD_REQUEST, "Nothing was done", AGAIN),
            Self::NotSignedIn => ("not_signed_in", StatusCode::FORBIDDEN, "You are not signed in any more", AGAIN),
            Self::NobodyNamed => ("id_token", StatusCode::BAD_GATEWAY, "Nobody could be recognised", LATER),
            Self::Grant(Denied::Grant(error)) => (error.word(), StatusCode::BAD_GATEWAY, "The account was not connected", LATER),
            Self::IssuerSilent | Self::ServerSilent => {
                ("authorization_server", StatusCode::BAD_GATEWAY, "The other side does not answer", LATER)
            }
            Self::Stopped => ("killed", StatusCode::SERVICE_UNAVAILABLE, "Stopped", "The operator has stopped this server."),
            Self::NoServer => ("no_server", StatusCode::NOT_FOUND, "Nothing to connect", "There is no account to connect here."),
            Self::Method => ("method", StatusCode::METHOD_NOT_ALLOWED, "Nothing was done", AGAIN),
            Self::Ours(_) | Self::Random | Self::Seal(_) => {
                tracing::error!(error = &self as &dyn std::error::Error, "a user could not be served");
                ("store", StatusCode::SERVICE_UNAVAILABLE, "Not now", LATER)
            }
        };
        Answer::Refuse(word, Page::refusal(status, heading, why), cookies)
    }
}
