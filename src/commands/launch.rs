//! `yett launch`, which nobody but the gateway calls: it becomes the program of a server.

use std::ffi::OsString;

use super::{Exit, Terminal};
use crate::upstream::Launch;

/// What to launch, as the gateway writes it.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Not for people
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    launch: Vec<OsString>,
}

pub(super) fn run(arguments: Arguments, terminal: &mut Terminal) -> Exit {
    let said =
        Launch::read(arguments.launch).map_or_else(|| "these are no arguments of the gateway".to_owned(), |launch| launch.run());
    terminal.note(&said);
    Exit::Failed
}
