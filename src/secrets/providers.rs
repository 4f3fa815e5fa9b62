//! Reading one reference, whatever its kind.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::aws::AwsStore;
use super::file::{FileError, read_file};
use super::openbao::OpenBao;
use super::reference::{Piece, Reference, Template};
use super::settings::Settings;
use crate::outbound::{Bounds, Silence};
use crate::upstream::ConnectError;

/// What one request to a provider may cost.
pub(super) const BOUNDS: Bounds = Bounds {
    connect: Duration::from_secs(3),
    total: Duration::from_secs(5),
    // The largest secret of Secrets Manager has 64 KiB, of KV a megabyte by default.
    answer: 256 * 1024,
    at_once: 4,
};

/// Why a secret could not be read. Holds no part of one.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A file of this machine.
    #[error("the file cannot be used: {0}")]
    File(#[from] FileError),
    /// A variable that was there at the start is not.
    #[error("the environment variable is not set")]
    Unset,
    /// Nobody answered.
    #[error("the provider does not answer: {0}")]
    Silent(#[source] Silence),
    /// It answered that it cannot now.
    #[error("the provider failed with HTTP {0}")]
    Failed(u16),
    /// It does not take what we prove ourselves with.
    #[error("the provider refuses the login with HTTP {0}")]
    Login(u16),
    /// We may not read it.
    #[error("the provider does not let this gateway read it (HTTP {0})")]
    Forbidden(u16),
    /// There is none of that name.
    #[error("the provider has no secret of that name")]
    Missing,
    /// There is one, without that member.
    #[error("the secret has no member `{0}` that is text")]
    NoMember(String),
    /// Something came, but not what the provider's API says.
    #[error("the provider's answer cannot be read: {0}")]
    Malformed(&'static str),
    /// It is not fit for where it is to be used.
    #[error("the secret {0}")]
    Unfit(&'static str),
    /// A key to the provider is missing itself.
    #[error("the gateway's own key to the provider is missing")]
    NoKey,
}

impl Trouble {
    /// Whether trying again changes nothing unless somebody does something: what a start should stop at.
    pub(super) fn is_lasting(&self) -> bool {
        match self {
            Self::File(_)
            | Self::Unset
            | Self::Login(_)
            | Self::Forbidden(_)
            | Self::Missing
            | Self::NoMember(_)
            | Self::Malformed(_)
            | Self::Unfit(_)
            | Self::NoKey => true,
            Self::Silent(_) | Self::Failed(_) => false,
        }
    }

    /// What an answer's status means, when it is not one that brings something.
    pub(super) fn of_status(status: u16) -> Self {
        match status {
            404 => Self::Missing,
            400..=499 if status != 429 => Self::Forbidden(status),
            _ => Self::Failed(status),
        }
    }
}

impl From<Silence> for Trouble {
    fn from(silence: Silence) -> Self {
        Self::Silent(silence)
    }
}

/// What stands at one place of a provider.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// By member.
    pub(super) members: BTreeMap<String, Zeroizing<String>>,
    /// As one text, where it is one.
    pub(super) whole: Option<Zeroizing<String>>,
    /// When it was written.
    pub(super) made: Option<Timestamp>,
}

/// Where documents are read.
#[derive(Debug, Default)]
pub(super) struct Providers {
    bao: Option<OpenBao>,
    aws: Option<AwsStore>,
}

/// What has been read in one round: whoever needs two members of a secret reads it once, and sees both of one version.
#[derive(Default)]
pub(super) struct Round {
    read: HashMap<Reference, Result<Arc<Document>, Arc<Trouble>>>,
    /// Providers that did not answer. They are not asked again: twenty secrets of one that is down would take minutes.
    silent: HashMap<Kind, Arc<Trouble>>,
}

/// Whom a reference asks.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Aws,
    Bao,
    Local,
}

/// The value of a template, and when the oldest part of it was made.
pub(super) struct Value {
    pub(super) text: Zeroizing<String>,
    pub(super) made: Option<Timestamp>,
}

impl Providers {
    pub(super) fn new(settings: &mut Settings) -> Result<Self, ConnectError> {
        let bao = settings.bao.take().map(OpenBao::new).transpose()?;
        let aws = settings.aws.take().map(AwsStore::new).transpose()?;
        Ok(Self { bao, aws })
    }

    /// When a login ends, or must be renewed, if not read again before.
    pub(super) fn due_in(&self) -> Option<Duration> {
        self.bao.as_ref().and_then(OpenBao::due_in)
    }

    /// The value of `template` now. `variable` reads the environment.
    pub(super) async fn value(
        &self,
        template: &Template,
        round: &mut Round,
        variable: &(dyn Fn(&str) -> Option<String> + Sync),
        now: Timestamp,
    ) -> Result<Value, Arc<Trouble>> {
        let mut text = Zeroizing::new(String::new());
        let (mut made, mut all_known): (Option<Timestamp>, bool) = (None, true);
        for piece in template.pieces() {
            let reference = match piece {
                Piece::Text(plain) => {
                    text.push_str(plain);
                    continue;
                }
                Piece::Reference(reference) => reference,
            };
            let document = self.document(reference, round, variable, now).await?;
            let part = match reference {
                Reference::Vault { key, .. } | Reference::AwsSecret { key: Some(key), .. } => {
                    document.members.get(key).ok_or_else(|| Arc::new(Trouble::NoMember(key.clone())))?
                }
                Reference::Environment(_) | Reference::File(_) | Reference::AwsSecret { .. } | Reference::AwsParameter(_) => {
                    document.whole.as_ref().ok_or_else(|| Arc::new(Trouble::Malformed("it is no text")))?
                }
            };
            text.push_str(part);
            all_known &= document.made.is_some();
            made = [made, document.made].into_iter().flatten().min();
        }
        Ok(Value { text, made: made.filter(|_| all_known) })
    }

    async fn document(
        &self,
        reference: &Reference,
        round: &mut Round,
        variable: &(dyn Fn(&str) -> Option<String> + Sync),
        now: Timestamp,
    ) -> Result<Arc<Document>, Arc<Trouble>> {
        let place = place_of(reference);
        if let Some(read) = round.read.get(&place) {
            return read.clone();
        }
        let kind = kind_of(&place);
        if let Some(silent) = round.silent.get(&kind) {
            return Err(Arc::clone(silent));
        }
        let read = self.read(&place, variable, now).await.map(Arc::new).map_err(Arc::new);
        if let Err(trouble) = &read
            && matches!(**trouble, Trouble::Silent(_))
        {
            round.silent.insert(kind, Arc::clone(trouble));
        }
        round.read.insert(place, read.clone());
        read
    }

    async fn read(
        &self,
        place: &Reference,
        variable: &(dyn Fn(&str) -> Option<String> + Sync),
        now: Timestamp,
    ) -> Result<Document, Trouble> {
        match place {
            Reference::Environment(name) => {
                let value = variable(name).filter(|value| !value.is_empty()).ok_or(Trouble::Unset)?;
                Ok(Document { whole: Some(Zeroizing::new(value)), ..Document::default() })
            }
            Reference::File(path) => {
                let path = path.clone();
                // Off the workers: it may lie on a slow mount.
                let reading = tokio::task::spawn_blocking(move || read_file(Path::new(&path))).await;
                let (text, made) = reading.map_err(|_panicked| Trouble::Malformed("reading it panicked"))??;
                Ok(Document { whole: Some(text), made, ..Document::default() })
            }
            Reference::Vault { mount, path, .. } => self.bao.as_ref().ok_or(Trouble::NoKey)?.read(mount, path).await,
            Reference::AwsSecret { name, .. } => self.aws.as_ref().ok_or(Trouble::NoKey)?.secret(name, now).await,
            Reference::AwsParameter(name) => self.aws.as_ref().ok_or(Trouble::NoKey)?.parameter(name, now).await,
        }
    }
}

fn kind_of(reference: &Reference) -> Kind {
    match reference {
        Reference::Environment(_) | Reference::File(_) => Kind::Local,
        Reference::Vault { .. } => Kind::Bao,
        Reference::AwsParameter(_) | Reference::AwsSecret { .. } => Kind::Aws,
    }
}

/// The reference without the member that it wants.
fn place_of(reference: &Reference) -> Reference {
    match reference.clone() {
        Reference::Vault { mount, path, .. } => Reference::Vault { mount, path, key: String::new() },
        Reference::AwsSecret { name, .. } => Reference::AwsSecret { name, key: None },
        other @ (Reference::Environment(_) | Reference::File(_) | Reference::AwsParameter(_)) => other,
    }
}
