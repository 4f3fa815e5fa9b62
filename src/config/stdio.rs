//! A server that is a process of ours, as configured.

use std::path::PathBuf;
use std::time::Duration;

use crate::secrets::Live;

/// What is started, and what it may have.
#[derive(Debug)]
pub struct Stdio {
    /// The program, by its absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: Vec<(String, Live)>,
    /// Who shares a process.
    pub per: Per,
    /// What the program's file must be, in lower-case hex; looked at before each start.
    pub sha256: Option<String>,
    /// Where it starts (`/`).
    pub directory: PathBuf,
    /// As whom, by numbers; `None`: as the gateway.
    pub user: Option<User>,
    /// What each process may take.
    pub limits: ProcessLimits,
    /// Processes at once (16), where callers have their own.
    pub processes: usize,
    /// How long a caller's process may be idle (10 min).
    pub idle_timeout: Duration,
    /// Between being asked to end and being ended (5 s).
    pub stop_timeout: Duration,
}

/// Who shares a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Per {
    /// Nobody: each caller has one.
    Principal,
    /// All callers.
    #[default]
    Server,
    /// The callers of one tenant; who has none shares with nobody.
    Tenant,
}

/// A user of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// User id; not 0.
    pub uid: u32,
    /// Group id; not 0.
    pub gid: u32,
}

/// What the kernel holds a process to. Whatever it starts has the same limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessLimits {
    /// Open files (1,024).
    pub open_files: u64,
    /// Address space in bytes. Programs with a garbage collector reserve much more than they use.
    pub memory: Option<u64>,
    /// Processes and threads of its user, in all.
    pub processes: Option<u64>,
    /// CPU time; at its end the process is killed.
    pub cpu_time: Option<Duration>,
}
