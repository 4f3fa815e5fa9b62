//! Where commands write. Results go to standard output, everything else to standard error; a closed pipe is no failure.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use tokio::time::Instant;

/// Of so many bytes a person wants to know at once how far it is.
const LONG: u64 = 16 << 20;

/// The two streams of a command.
#[derive(Debug)]
pub(super) struct Terminal {
    out: io::Stdout,
    err: io::Stderr,
    /// When something long began, and whether a line about it stands on the terminal.
    began: Option<Instant>,
    told: bool,
}

impl Terminal {
    pub(super) fn new() -> Self {
        Self { out: io::stdout(), err: io::stderr(), began: None, told: false }
    }

    /// A line of the result.
    pub(super) fn line(&mut self, text: impl Display) {
        // Whoever has closed the pipe does not want to read more.
        let _ = writeln!(self.out, "{text}");
    }

    /// Something beside the result.
    pub(super) fn note(&mut self, text: impl Display) {
        let _ = writeln!(self.err, "{text}");
    }

    /// How far something is, for a person: where it is long, or has taken a second.
    pub(super) fn progress(&mut self, done: u64, total: u64) {
        let began = *self.began.get_or_insert_with(Instant::now);
        if !self.is_watched() || (!self.told && total < LONG && began.elapsed() < Duration::from_secs(1)) {
            return;
        }
        self.told = done < total;
        let _ = if self.told {
            write!(self.err, "\r{} of {} MiB\u{1b}[K", done >> 20, total >> 20)
        } else {
            write!(self.err, "\r\u{1b}[K")
        };
        let _ = self.err.flush();
    }

    /// Why the command failed, cause by cause.
    pub(super) fn error(&mut self, error: &anyhow::Error) {
        let _ = writeln!(self.err, "error: {error}");
        for cause in error.chain().skip(1) {
            let _ = writeln!(self.err, "  because: {cause}");
        }
    }

    /// Whether a person watches standard error.
    pub(super) fn is_watched(&self) -> bool {
        self.err.is_terminal()
    }

    /// Whether results may have colours.
    pub(super) fn has_colours(&self) -> bool {
        self.out.is_terminal() && std::env::var_os("NO_COLOR").is_none()
    }
}
