//! Log lines, on standard error.

use tracing_subscriber::EnvFilter;

/// Sends logs to standard error: text on a terminal, JSON lines otherwise. `RUST_LOG` chooses what; `info` by default.
pub fn init_logs(terminal: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call in one process (tests) changes nothing.
    let _ = if terminal { builder.with_target(false).try_init() } else { builder.json().flatten_event(true).try_init() };
}

/// Makes a panic one log line that says where, and nothing of the values it was about: those may be a caller's.
pub fn hide_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic was caught; the call it happened in is refused");
    }));
}
