//! Why a gateway does not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::admin::{AdminError, PrivacyError};
use crate::anchor::{CopyError, Frozen, KeeperError};
use crate::audit;
use crate::export::ExportError;
use crate::jwks::JwksError;
use crate::master_key::MasterKeyError;
use crate::scan::NotCompiled;
use crate::seal::SealError;
use crate::secrets::SecretError;
use crate::state::StoreError;
use crate::tls::Unusable;
use crate::upstream::ConnectError;
use crate::vault::VaultError;

/// Why the gateway does not start. Each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be made.
    #[error("cannot make the data directory `{}`", path.display())]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no thread for what looks for alerts.
    #[error("there is no thread for what looks for alerts in the log")]
    Alerts(#[source] io::Error),
    /// The master key is missing or bad.
    #[error("no master key")]
    MasterKey(#[from] MasterKeyError),
    /// A listener's certificate, key or client authorities cannot be used.
    #[error("listener `{listener}` cannot speak TLS")]
    Tls {
        /// The listener.
        listener: String,
        /// Why.
        source: Unusable,
    },
    /// No key follows from the master key.
    #[error("the master key cannot be used")]
    Seal(#[from] SealError),
    /// No signing key follows from it.
    #[error("no key to sign identity tokens by follows from the master key")]
    Assertions,
    /// A database cannot be opened.
    #[error("no state")]
    Store(#[from] StoreError),
    /// The vault cannot be opened.
    #[error("no vault")]
    Vault(#[from] VaultError),
    /// What records have ordered about the vault cannot be done.
    #[error("the vault is behind the audit log, and cannot be brought up to it")]
    Privacy(#[from] PrivacyError),
    /// The audit log cannot be opened.
    #[error("the audit log cannot be opened")]
    Audit(#[from] audit::OpenError),
    /// Somebody outside knows another history of the log.
    #[error("the audit log cannot be continued")]
    Keeper(#[from] KeeperError),
    /// A witness knows another history of the log.
    #[error("the audit log cannot be continued")]
    Frozen(#[from] Frozen),
    /// A witness cannot be reached as configured.
    #[error("a witness cannot be used")]
    Witness(#[source] ConnectError),
    /// A collector of heads cannot be reached as configured.
    #[error("a collector in `audit.copies` cannot be used")]
    Collector(#[source] ConnectError),
    /// The heads that were copied are of another history of the log, or cannot be looked at.
    #[error("the copies of the audit log's heads forbid to continue it")]
    Copies(#[from] CopyError),
    /// A sink of the log cannot be used as configured.
    #[error("records cannot be exported")]
    Export(#[from] ExportError),
    /// The first record could not be written.
    #[error("the audit log cannot be written")]
    Append(#[from] audit::AppendError),
    /// Keys of an issuer are missing.
    #[error("an issuer has no keys")]
    Keys(#[from] JwksError),
    /// A secret that the configuration refers to is not there.
    #[error(transparent)]
    Secrets(#[from] SecretError),
    /// An issuer cannot be asked about tokens as configured.
    #[error("issuer `{issuer}` cannot be asked about tokens")]
    Introspection {
        /// The issuer.
        issuer: String,
        /// Why.
        source: ConnectError,
    },
    /// Users cannot sign in with a browser as configured.
    #[error("users cannot sign in at `{url}`")]
    SignIn {
        /// The listener.
        url: String,
        /// Why.
        source: ConnectError,
    },
    /// A server cannot be reached as configured.
    #[error("server `{server}` cannot be used")]
    Upstream {
        /// The server.
        server: String,
        /// Why.
        source: ConnectError,
    },
    /// Spans cannot be sent as configured.
    #[error("traces cannot be exported")]
    Traces(#[source] ConnectError),
    /// A policy has more detectors, or rules of the injection scan, than one scanner takes.
    #[error("the detectors cannot be compiled")]
    Detectors(#[from] NotCompiled),
    /// The admin token cannot be made.
    #[error("no admin API")]
    Admin(#[from] AdminError),
    /// A task of the start panicked.
    #[error("starting failed inside")]
    Internal(#[source] tokio::task::JoinError),
    /// A port is taken, or not ours to take.
    #[error("cannot listen on {address} ({what})")]
    Bind {
        /// What for.
        what: String,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}
