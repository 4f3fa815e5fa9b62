//! What the section `secrets:` says.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use super::Live;

/// How secrets are kept fresh, and where remote ones are.
#[derive(Debug)]
pub struct Settings {
    /// How often they are read again (1 min).
    pub refresh: Duration,
    /// How long the last value is used while no other can be read (24 h).
    pub stale: Duration,
    /// How old any of them may become before its rotation is due; `None`: as old as it likes.
    pub max_age: Option<Duration>,
    /// The same for single settings, by their names.
    pub max_ages: BTreeMap<String, Duration>,
    /// `OpenBao` or Vault.
    pub bao: Option<Bao>,
    /// AWS.
    pub aws: Option<Aws>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            refresh: Duration::from_mins(1),
            stale: Duration::from_hours(24),
            max_age: None,
            max_ages: BTreeMap::new(),
            bao: None,
            aws: None,
        }
    }
}

impl Settings {
    /// How old the secret of a setting may become.
    pub fn max_age_of(&self, setting: &str) -> Option<Duration> {
        self.max_ages.get(setting).copied().or(self.max_age)
    }
}

/// A server of `OpenBao` or Vault.
#[derive(Debug)]
pub struct Bao {
    /// `https`, or `http` on loopback; without a path.
    pub address: Uri,
    /// PEM text of the CAs that are trusted in place of the system's.
    pub authorities: Option<Vec<u8>>,
    /// Sent as `X-Vault-Namespace`.
    pub namespace: Option<String>,
    /// How we prove who we are.
    pub login: Login,
}

/// How we prove to `OpenBao` who we are.
#[derive(Debug)]
pub enum Login {
    /// A token that somebody else renews, or that we renew as long as it can be.
    Token(Live),
    /// The `AppRole` method.
    AppRole {
        /// Where the method is mounted (`approle`).
        mount: String,
        /// The role.
        role_id: Live,
        /// Its secret.
        secret_id: Live,
    },
    /// The Kubernetes method.
    Kubernetes {
        /// Where the method is mounted (`kubernetes`).
        mount: String,
        /// The role.
        role: String,
        /// The service account's token, read anew at each login.
        token_file: PathBuf,
    },
}

/// A region of AWS.
#[derive(Debug)]
pub struct Aws {
    /// Its name, such as `eu-central-1`.
    pub region: String,
    /// In place of the services' public endpoints, one for all.
    pub endpoint: Option<Uri>,
    /// PEM text of the CAs that are trusted in place of the system's.
    pub authorities: Option<Vec<u8>>,
    /// How we prove who we are.
    pub identity: AwsIdentity,
}

/// How we prove to AWS who we are.
#[derive(Debug)]
pub enum AwsIdentity {
    /// An access key.
    Key {
        /// Its id.
        id: Live,
        /// Its secret.
        secret: Live,
        /// Of temporary keys.
        session: Option<Live>,
    },
    /// A web identity, as service accounts of Kubernetes have it (IRSA): exchanged at STS for temporary keys.
    WebIdentity {
        /// The role to take.
        role: String,
        /// The token, read anew at each exchange.
        token_file: PathBuf,
    },
}
