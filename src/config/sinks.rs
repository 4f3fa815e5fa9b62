//! What the configuration says of where copies of the log's records go.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use super::UpstreamTls;
use crate::secrets::Live;

/// One system that gets a copy of every record.
#[derive(Clone, Debug)]
pub struct Sink {
    /// The operator's name for it; how far it has come is remembered under it.
    pub name: String,
    /// How records are written for it.
    pub format: SinkFormat,
    /// Whether it is told who stands behind a pseudonym, while that is known.
    pub identities: bool,
    /// Whether it gets alerts alone: no other record, and no heads.
    pub alerts_only: bool,
    /// Where it is.
    pub to: SinkTo,
}

/// How records are written for a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkFormat {
    /// `ArcSight` Common Event Format, revision 25.
    Cef,
    /// Elastic Common Schema 9.4.
    Ecs,
    /// The lines of the log, byte for byte.
    Native,
    /// Open Cybersecurity Schema Framework 1.8.0.
    Ocsf,
}

/// See [`Sink::to`].
#[derive(Clone, Debug)]
pub enum SinkTo {
    /// A file of lines on this host, for an agent that ships files.
    File {
        /// The file that grows.
        path: PathBuf,
        /// Bytes after which another one is begun (100 MiB).
        rotate: u64,
        /// How many of the former ones stay (10).
        keep: u32,
    },
    /// A collector that takes lines by POST, signed where there is a key.
    Http {
        /// Where: `https`, or `http` on loopback.
        url: Uri,
        /// Sent with each request.
        bearer: Option<Live>,
        /// Key of the signature (HMAC-SHA256).
        sign: Option<Live>,
        /// Whom it must be vouched for by, and what is shown to it.
        tls: UpstreamTls,
    },
    /// A collector that takes OTLP logs over HTTP.
    Otlp {
        /// Where, path included: `https`, or `http` on loopback.
        url: Uri,
        /// Sent with each request.
        bearer: Option<Live>,
        /// Whom it must be vouched for by, and what is shown to it.
        tls: UpstreamTls,
    },
    /// A table in Postgres.
    Postgres {
        /// Its URL, as `state.url`.
        database: Live,
        /// Made of letters, digits and `_`, with the schema's name before it where there is one (`yett_audit`).
        table: String,
    },
    /// Object storage with the API of S3.
    S3 {
        /// Where, with the bucket as the first part of the path, and a prefix behind it.
        url: Uri,
        /// How objects are put.
        store: ObjectStore,
        /// Whom it must be vouched for by, and what is shown to it.
        tls: UpstreamTls,
    },
    /// Splunk's HTTP Event Collector.
    Splunk {
        /// Where: `https`, or `http` on loopback; without a path.
        url: Uri,
        /// The collector's token.
        token: Live,
        /// Whether the collector says when events are indexed (yes).
        acknowledge: bool,
        /// Whom it must be vouched for by, and what is shown to it.
        tls: UpstreamTls,
    },
    /// Syslog of RFC 5424 over TLS (RFC 5425), or TCP on loopback.
    Syslog {
        /// Where, as `https` or `http`.
        url: Uri,
        /// Whom it must be vouched for by, and what is shown to it.
        tls: UpstreamTls,
    },
}

/// How objects are put into a store.
#[derive(Clone, Debug)]
pub struct ObjectStore {
    /// That signatures are for.
    pub region: String,
    /// Of the key pair, its public part.
    pub access_key: Live,
    /// And its secret one.
    pub secret_key: Live,
    /// How long nobody can remove an object.
    pub lock: Option<ObjectLock>,
    /// How long records wait for others to make an object with.
    pub every: Duration,
    /// Bytes of lines that are enough for one.
    pub size: usize,
}

/// See [`ObjectStore::lock`].
#[derive(Clone, Copy, Debug)]
pub struct ObjectLock {
    /// `COMPLIANCE`: nobody; `GOVERNANCE`: nobody but who may by a right of their own.
    pub mode: &'static str,
    /// From when it is put.
    pub keep: Duration,
}

impl SinkFormat {
    /// Its name in configuration and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cef => "cef",
            Self::Ecs => "ecs",
            Self::Native => "native",
            Self::Ocsf => "ocsf",
        }
    }
}

impl SinkTo {
    /// What it is called in configuration and records.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Http { .. } => "http",
            Self::Otlp { .. } => "otlp",
            Self::Postgres { .. } => "postgres",
            Self::S3 { .. } => "s3",
            Self::Splunk { .. } => "splunk",
            Self::Syslog { .. } => "syslog",
        }
    }
}
