//! `yett schema`: what an editor checks a file against while it is written; and what programs are told of the admin API.

use super::Exit;
use super::terminal::Terminal;
use crate::admin::{openapi, reference_page};

/// Made from docs/configuration.md by tests/it/schema, which holds them against the reader.
const CONFIG: &str = include_str!("../../config/schema/yett.schema.json");
const POLICY: &str = include_str!("../../config/schema/policy.schema.json");

/// Arguments of `schema`.
#[derive(Debug, clap::Args)]
pub(super) struct Schema {
    /// Of which file; or of the admin API
    of: File,
    /// With `admin`: as a page for people
    #[arg(long)]
    html: bool,
}

/// A file that an operator writes.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum File {
    /// The admin API
    Admin,
    /// yett.yaml
    Config,
    /// A file of the policy folder
    Policy,
}

pub(super) fn run(command: &Schema, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let text = match command.of {
        File::Admin if command.html => reference_page(),
        File::Admin => openapi(),
        File::Config | File::Policy if command.html => anyhow::bail!("`--html` is for `admin`: the others are read by editors"),
        File::Config => CONFIG,
        File::Policy => POLICY,
    };
    terminal.line(text.trim_end());
    Ok(Exit::Done)
}
