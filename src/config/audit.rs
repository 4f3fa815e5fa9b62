//! What the configuration says of the audit log.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Sink;
use crate::secrets::Live;
use crate::tlog;

/// The audit log.
#[derive(Clone, Debug)]
pub struct Audit {
    /// Name of the log; default the host of the first listener's `public_url`.
    pub origin: String,
    /// Name of this replica (`r1`).
    pub replica: String,
    /// When an answer waits for the disk.
    pub durability: Durability,
    /// In `async` mode, the longest time that a record is in memory only (100 ms).
    pub loss_window: Duration,
    /// Bytes of disk kept for the outcomes of calls that have begun (64 MiB; at most an eighth of the volume).
    pub reserve: u64,
    /// How long the vault keeps a month's keys after its end (2557 days, seven years).
    pub vault_keep: Duration,
    /// How long records are kept (2557 days, seven years).
    pub retention: Duration,
    /// Whether sealed segments are compressed (yes: a quarter of the space, by a thread of the lowest priority).
    pub compress: bool,
    /// How many refusals of unknown callers in a second get a record of their own; the others are counted exactly.
    pub refusals: Refusals,
    /// Whether the gateway keeps a search index beside the log (no: it costs 19 us a record, on a thread of its own).
    pub index: bool,
    /// Who confirms it from outside.
    pub witness: Option<Witnesses>,
    /// Who keeps its heads.
    pub copies: Vec<HeadCopy>,
    /// Who gets a copy of its records.
    pub sinks: Vec<Sink>,
    /// How heads of the log are signed.
    pub signing: Signing,
}

/// How heads of the log are signed, beside Ed25519.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signing {
    /// How long keys are used, within a run (24 h).
    pub rotate: Duration,
    /// Whether heads carry a second signature, ML-DSA-44 (no): for evidence that has to outlast Ed25519. 3.3 KiB a head.
    pub ml_dsa: bool,
}

/// The witnesses of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnesses {
    /// Their keys, and how many it takes.
    pub policy: Arc<tlog::Policy>,
    /// Where each is, in the order of the policy: `https`, or `http` on loopback.
    pub urls: Vec<http::Uri>,
    /// What their silence means (async).
    pub mode: WitnessMode,
    /// In strict mode, how long a quorum may be behind before calls are refused (30 s).
    pub max_lag: Duration,
}

/// A place of somebody else, where heads of the log are kept.
#[derive(Clone, Debug)]
pub struct HeadCopy {
    /// The operator's name for it.
    pub name: String,
    /// Where it is.
    pub to: CopyTo,
    /// How often at most a head is copied (1 min).
    pub every: Duration,
}

/// See [`HeadCopy::to`].
#[derive(Clone, Debug)]
pub enum CopyTo {
    /// A folder, mounted here.
    Folder(PathBuf),
    /// A collector that takes notes by POST.
    Url {
        /// Where: `https`, or `http` on loopback.
        url: http::Uri,
        /// Sent with each.
        bearer: Option<Live>,
    },
}

/// What it means that witnesses are silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WitnessMode {
    /// Calls go on; operators are told.
    Async,
    /// Calls are refused once a quorum is behind for [`Witnesses::max_lag`].
    Strict,
}

/// See [`Audit::refusals`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusals {
    /// Of one peer address, or network of 64 bits (20).
    pub per_peer: u32,
    /// Of all (200).
    pub total: u32,
}

/// When a call waits for its records to be on stable storage (SECURITY.md 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Decision before dispatch, outcome before release.
    Strict,
    /// Both before release.
    Response,
    /// Neither: a crash loses the records of the last [`Audit::loss_window`].
    Async,
}

impl Durability {
    /// Its name in configuration and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Response => "response",
            Self::Async => "async",
        }
    }
}
