//! `yett schema`: what an editor checks a file against while it is written.

use super::Exit;
use super::terminal::Terminal;

/// Made from docs/configuration.md by tests/it/schema, which holds them against the reader.
const CONFIG: &str = include_str!("../../config/schema/yett.schema.json");
const POLICY: &str = include_str!("../../config/schema/policy.schema.json");

/// Arguments of `schema`.
#[derive(Debug, clap::Args)]
pub(super) struct Schema {
    /// Of which file
    of: File,
}

/// A file that an operator writes.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum File {
    /// yett.yaml
    Config,
    /// A file of the policy folder
    Policy,
}

pub(super) fn run(command: &Schema, terminal: &mut Terminal) -> Exit {
    let text = match command.of {
        File::Config => CONFIG,
        File::Policy => POLICY,
    };
    terminal.line(text.trim_end());
    Exit::Done
}
