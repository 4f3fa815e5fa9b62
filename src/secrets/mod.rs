//! Secrets that the configuration refers to: where they come from, and how they are kept fresh while the gateway serves.
//!
//! A setting that holds a secret is read as a [`Live`]: a handle whose value may be another one tomorrow. The value of
//! `${env:NAME}` and `${file:PATH}` is there as soon as the configuration is read; that of `${vault:MOUNT/PATH#KEY}`,
//! `${aws-sm:NAME#KEY}` and `${aws-ssm:NAME}` when the gateway starts, which is the first to need it: no other command asks a
//! provider. From then on [`Keeper`] reads all of them again, every `secrets.refresh` and at a reload.
//!
//! A provider that fails takes nothing away: the last value stays in force for `secrets.stale`, and readiness says so. After that it
//! is withdrawn, and what needs it is refused; a value nobody can vouch for is not used for ever.
//!
//! Values are wiped when dropped and stand in no log, error, record or metric. What is shown is the setting's name and the reference.

mod aws;
mod file;
mod keeper;
mod live;
mod openbao;
mod providers;
mod reference;
mod settings;
mod wiped;

pub use file::{FileError, MAX_FILE, read_file};
pub use keeper::{Aged, Finding, Keeper, SecretError};
pub use live::{Form, Live, Version, Withdrawn};
pub use providers::Trouble;
pub use reference::{BadTemplate, Piece, Reference, Template};
pub use settings::{Aws, AwsIdentity, Bao, Login, Settings};
