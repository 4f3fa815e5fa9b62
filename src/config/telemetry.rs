//! What operators see of the process, and where it goes.

use std::time::Duration;

use crate::secrets::Live;
use crate::trace::Sampling;

/// What operators see of the process.
#[derive(Debug)]
pub struct Telemetry {
    /// Log lines.
    pub logs: Logs,
    /// Where spans go; `None`: nowhere.
    pub traces: Option<Traces>,
}

/// Log lines, on standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logs {
    /// The least that is told (info).
    pub level: LogLevel,
    /// How (JSON lines, but text on a terminal).
    pub format: LogFormat,
    /// `RUST_LOG`, which goes before `level`.
    pub directives: Option<String>,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// What needs somebody to act.
    Error,
    /// What may.
    Warn,
    /// Start, stop, and the like.
    Info,
    /// Connections that end oddly.
    Debug,
    /// Everything.
    Trace,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// A collector of spans, by OTLP over HTTP.
#[derive(Debug)]
pub struct Traces {
    /// Where batches are posted.
    pub endpoint: http::Uri,
    /// Sent with each; credentials, mostly.
    pub headers: Vec<(http::HeaderName, Live)>,
    /// Which calls (all that decide themselves; callers' own decisions go before).
    pub sampling: Sampling,
    /// For one batch (10 s).
    pub timeout: Duration,
    /// `service.name` (yett).
    pub service: String,
    /// More attributes of the resource.
    pub attributes: Vec<(String, String)>,
}
