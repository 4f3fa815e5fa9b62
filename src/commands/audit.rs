//! `yett audit`: offline, read-only.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use jiff::Timestamp;

use super::Exit;
use super::terminal::Terminal;
use crate::audit::{self, Filter, Verdict};

/// Exit code of `audit verify` for usage and I/O (SECURITY.md 2.11).
const VERIFY_FAILED: u8 = 4;

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
pub(super) struct AuditCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check that nothing was changed, cut, inserted or put in another order.
    ///
    /// Exit codes: 0 verified and anchored, 1 tampered, 2 intact with declared gaps, 3 intact but unanchored, 4 usage or I/O,
    /// 5 incomplete.
    Verify {
        /// A log, the audit directory, or the data directory
        path: PathBuf,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
        /// Exit 0 on an intact log that nothing outside confirms
        #[arg(long)]
        accept_unanchored: bool,
    },
    /// Show records
    Show(Show),
}

#[derive(Debug, clap::Args)]
struct Show {
    /// A log, the audit directory, or the data directory
    path: PathBuf,
    /// Print records as they are stored, one JSON object a line
    #[arg(long)]
    json: bool,
    /// Not before this time
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
    /// Of this kind, e.g. `call.decision`; `call` selects decisions and outcomes. May be given more than once
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
    /// Of this call: the `Yett-Call` header of its answer
    #[arg(long, value_name = "ID")]
    call: Option<String>,
    /// About this server
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Decided so: `allow` or `deny`
    #[arg(long)]
    effect: Option<String>,
    /// At most so many, from the first on
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// The last so many
    #[arg(long, value_name = "N", conflicts_with = "limit")]
    tail: Option<usize>,
}

pub(super) fn run(command: AuditCommand, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    match command.action {
        Action::Verify { path, json, accept_unanchored } => {
            let report = match audit::verify(&path) {
                Ok(report) => report,
                Err(error) => {
                    terminal.error(&anyhow::Error::new(error));
                    return Ok(Exit::Code(VERIFY_FAILED));
                }
            };
            if json {
                terminal.line(report.to_json());
            } else {
                terminal.line(&report);
            }
            let excused = accept_unanchored && report.verdict() == Verdict::Unanchored;
            Ok(if excused { Exit::Done } else { Exit::Code(report.exit_code()) })
        }
        Action::Show(show) => {
            let filter = Filter {
                from: show.from,
                to: show.to,
                kinds: show.kinds,
                call: show.call,
                server: show.server,
                effect: show.effect,
                limit: show.limit,
                tail: show.tail,
            };
            let mut each = |record: &audit::Shown| {
                if show.json {
                    terminal.line(record.raw());
                } else {
                    terminal.line(record.summary());
                }
                ControlFlow::Continue(())
            };
            audit::show(&show.path, &filter, &mut each).with_context(|| format!("cannot read `{}`", show.path.display()))?;
            Ok(Exit::Done)
        }
    }
}
