//! Where events go. Each kind takes some events in order, all or none, and says up to where they are safe there.

mod file;
mod http;
mod otlp;
mod postgres;
mod s3;
mod splunk;
mod syslog;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::event::Event;
use crate::audit::Cursor;
use crate::config::{Sink as Settings, SinkTo};
use crate::outbound::Silence;
use crate::upstream::ConnectError;

/// Why events were not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum SinkError {
    #[error("`{}` cannot be written", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the connection broke off")]
    Broken(#[from] io::Error),
    #[error("it cannot be reached")]
    Connect(#[from] ConnectError),
    #[error("it says nothing")]
    Silence(#[from] Silence),
    #[error("it refuses (HTTP {status}{})", code.map(|code| format!(", code {code}")).unwrap_or_default())]
    Refused { status: u16, code: Option<i64>, after: Option<Duration> },
    #[error("the store refuses (HTTP {status}, {code})")]
    Store { status: u16, code: String, after: Option<Duration> },
    #[error("its secret cannot be used now")]
    Secret,
    #[error("it rejects {0} of the records")]
    Rejected(u64),
    #[error("it says nothing for {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the database refuses")]
    Database(#[from] sqlx::Error),
    #[error("it has taken the events and does not say within {} s that they are indexed", .0.as_secs())]
    NotIndexed(Duration),
}

impl SinkError {
    /// How long it asks to be left alone.
    pub(super) fn after(&self) -> Option<Duration> {
        if let Self::Refused { after, .. } | Self::Store { after, .. } = self { *after } else { None }
    }

    /// A word for metrics.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Database(sqlx::Error::Database(_)) | Self::Refused { .. } | Self::Rejected(_) | Self::Store { .. } => "refused",
            Self::Broken(_) | Self::Connect(_) | Self::Database(_) | Self::Silence(_) | Self::Silent(_) => "unreachable",
            Self::Secret => "secret",
            Self::NotIndexed(_) => "not_indexed",
        }
    }
}

/// One of them.
#[derive(Debug)]
pub(super) enum Sink {
    File(file::File),
    Http(http::Http),
    Otlp(otlp::Otlp),
    Postgres(postgres::Postgres),
    S3(Box<s3::S3>),
    Splunk(splunk::Splunk),
    Syslog(syslog::Syslog),
}

impl Sink {
    /// As the configuration says; nothing is reached yet.
    pub(super) fn new(settings: &Settings) -> Result<Self, ConnectError> {
        Ok(match &settings.to {
            SinkTo::File { path, rotate, keep } => Self::File(file::File::new(path, *rotate, *keep)),
            SinkTo::Http { url, bearer, sign, tls } => {
                let each = settings.alerts_only;
                Self::Http(http::Http::new((url, tls), bearer.clone(), sign.clone(), each)?)
            }
            SinkTo::Otlp { url, bearer, tls } => Self::Otlp(otlp::Otlp::new(url, tls, bearer.clone())?),
            SinkTo::Postgres { database, table } => Self::Postgres(postgres::Postgres::new(database.clone(), table.clone())),
            SinkTo::S3 { url, store, tls } => Self::S3(Box::new(s3::S3::new(url, tls, store.clone())?)),
            SinkTo::Splunk { url, token, acknowledge, tls } => {
                Self::Splunk(splunk::Splunk::new(url, tls, token.clone(), *acknowledge)?)
            }
            SinkTo::Syslog { url, tls } => Self::Syslog(syslog::Syslog::new(url, tls)?),
        })
    }

    /// Gives it events, after which the log is read on at `cursor`. After an error `taken` says how many of them it has, from the first on, but for those
    /// that a broken connection may have carried.
    pub(super) async fn deliver(&mut self, events: &[Event], cursor: Cursor, taken: &mut usize) -> Result<(), SinkError> {
        let is_webhook = matches!(self, Self::Http(http) if http.is_webhook());
        let mut parts: Vec<&[Event]> = if is_webhook { events.chunks(1).rev().collect() } else { vec![events] };
        while let Some(part) = parts.pop() {
            match self.deliver_part(part, cursor).await {
                Ok(()) => *taken += part.len(),
                // Too much at once: the same in two halves, in order.
                Err(SinkError::Refused { status: 413, .. }) if part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn deliver_part(&mut self, events: &[Event], cursor: Cursor) -> Result<(), SinkError> {
        match self {
            Self::File(file) => file.deliver(events),
            Self::Http(http) => http.deliver(events).await,
            Self::Otlp(otlp) => otlp.deliver(events).await,
            Self::Postgres(postgres) => postgres.deliver(events).await,
            Self::S3(s3) => s3.deliver(events, cursor).await,
            Self::Splunk(splunk) => splunk.deliver(events).await,
            Self::Syslog(syslog) => syslog.deliver(events, cursor).await,
        }
    }

    /// Up to where it has everything for sure, `delivered` being where the last delivery ended. After an error that is where to go on.
    pub(super) async fn confirmed(&mut self, delivered: Cursor) -> Result<Option<Cursor>, SinkError> {
        match self {
            Self::File(_) | Self::Http(_) | Self::Otlp(_) | Self::Postgres(_) | Self::Splunk(_) => Ok(Some(delivered)),
            Self::S3(s3) => s3.confirmed().await,
            Self::Syslog(syslog) => syslog.confirmed().await,
        }
    }

    /// Whether what was delivered before an error may be lost, so that it has to be delivered again.
    pub(super) fn forgets(&self) -> bool {
        matches!(self, Self::S3(_) | Self::Syslog(_))
    }

    /// Whether what it was given waits here until there is more of it.
    pub(super) fn holds_back(&self) -> bool {
        matches!(self, Self::S3(_))
    }

    /// Whether something that it was given is not safe yet.
    pub(super) fn is_waiting(&self) -> bool {
        match self {
            Self::S3(s3) => s3.is_waiting(),
            Self::Syslog(syslog) => syslog.is_waiting(),
            Self::File(_) | Self::Http(_) | Self::Otlp(_) | Self::Postgres(_) | Self::Splunk(_) => false,
        }
    }

    /// Sends what it holds back: the log is closed.
    pub(super) async fn finish(&mut self) -> Result<(), SinkError> {
        if let Self::S3(s3) = self { s3.flush().await } else { Ok(()) }
    }
}

/// `HTTP` statuses and what they ask for: `Retry-After` in seconds, of at most an hour.
fn retry_after(headers: &::http::HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(::http::header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds.min(3_600)))
}
