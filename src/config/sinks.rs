//! What the configuration says of where copies of the log's records go.

use std::path::PathBuf;

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
    /// Elastic Common Schema 8.17.
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
            Self::Splunk { .. } => "splunk",
            Self::Syslog { .. } => "syslog",
        }
    }
}
