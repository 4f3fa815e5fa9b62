//! Log lines, on standard error.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt as _, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt, registry};

use crate::config::{LogFormat, LogLevel, Logs};

/// SECURITY: what other crates tell at debug and trace may be headers, bodies, statements and keys. They are never heard
/// above this level, whatever `RUST_LOG` says.
const FOREIGN: LevelFilter = LevelFilter::INFO;

/// Sends logs to standard error: text on a terminal, JSON lines otherwise, unless one of them is asked for.
pub fn init_logs(logs: &Logs, terminal: bool) {
    let level = EnvFilter::new(level(logs.level));
    let (chosen, misread) = match logs.directives.as_deref().map(EnvFilter::try_new) {
        Some(Ok(filter)) => (filter, false),
        Some(Err(_)) => (level, true),
        None => (level, false),
    };
    let ours = Targets::new().with_default(FOREIGN).with_target("yett", LevelFilter::TRACE);
    let text = match logs.format {
        LogFormat::Auto => terminal,
        LogFormat::Json => false,
        LogFormat::Text => true,
    };
    let lines = fmt::layer().with_writer(std::io::stderr);
    // A second call in one process (tests) changes nothing.
    let _ = if text {
        let lines = lines.with_target(false).with_ansi(terminal);
        registry().with(lines.with_filter(ours.and(chosen))).try_init()
    } else {
        registry().with(lines.json().flatten_event(true).with_filter(ours.and(chosen))).try_init()
    };
    if misread {
        tracing::warn!("RUST_LOG cannot be read, and `telemetry.logs.level` holds; write it like `yett=debug`");
    }
}

fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}

/// Makes a panic one log line that says where, and nothing of the values it was about: those may be a caller's.
pub fn hide_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic was caught; the call it happened in is refused");
    }));
}
