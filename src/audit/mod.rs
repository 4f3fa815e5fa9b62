//! The audit log: every decision and every outcome, in one chain of lines, durable before anyone is told.
//!
//! What passes through: [`Draft`]s of the layers and the gateway, on their way to stable storage. What it guarantees: a
//! [`Receipt`] that resolves means that the record and all before it survive a power cut; what was written cannot be
//! changed, removed, reordered or cut without [`verify`] naming the first record concerned, as long as the head or any
//! later record is known; memory stays bounded on a slow disk ([`Log::try_reserve`]); after one failed write or sync
//! nothing is acknowledged any more. What it does not guarantee yet: without signatures and anchors whoever can write the
//! whole directory can write another history into it.
//!
//! ```text
//! Log::append ─ queue ─┐                         (any thread, one short lock)
//! Log::append ─ queue ─┼─ writer thread: number, chain, one write, one sync, head ─ receipts
//! Log::append ─ queue ─┘
//! ```
//!
//! The format, complete enough to write another verifier from, is in `docs/audit-format.md`. Tree, signed checkpoints,
//! keys, compressed segments and pruned logs are described there too.

mod canonical;
mod chain;
mod epoch;
mod evidence;
mod fault;
mod follow;
mod frame;
mod fs;
mod gather;
mod heads;
mod layout;
mod line;
mod lines;
mod lock;
mod log;
mod notes;
mod observe;
mod pace;
mod queue;
mod record;
mod records;
mod recovery;
mod report;
mod reserve;
mod retention;
mod segment;
mod show;
mod stamp;
mod tree;
mod value;
mod verify;
mod witnessed;
mod writer;

#[cfg(test)]
mod tests;

pub use canonical::{LINE_MAX, NotCanonical, canonical_members};
pub use chain::Broken;
pub use epoch::{Announcement, BadHead, EpochError, reseal};
pub use evidence::{
    BundleError, Bundled, CompareError, Compared, EPOCHS_MAX, Epochs, EpochsError, Fork, NotOneLog, ReceiptError, Trust, at_once,
    bundle, check_head, check_receipt, compare, count_about, epochs, export, head_after, only_log,
};
pub use fault::{Fault, FaultReason};
pub use follow::{Cursor, FollowError, Followed, Follower, durable, logs};
pub use frame::BadFrame;
pub use fs::{Disk, LogFile, Space, Storage};
pub use heads::{KnownHead, SignedHead};
pub use layout::BadName;
pub use line::NotRecord;
pub(crate) use lock::Lock;
pub use lock::LockError;
pub use log::{Full, Load, Log, OpenError, Opened, Options, Receipt, Slot, Unfinished};
pub use queue::{AppendError, Condition, Position, Tempo};
pub use record::{Draft, FORMAT_VERSION, Kind};
pub use records::{Found, Records, logs_below, records_from};
pub use recovery::RecoveryError;
pub use report::{Anchored, LogReport, ModeChange, Note, Notes, Report, Verdict};
pub use retention::{
    Plan, PlanError, PruneError, PruneReason, Question, Removal, Stock, Stopped, carry_out, look_after, plan, resume, settle,
    thin, unhurried,
};
pub use show::{Filter, Shown, show};
pub use tree::{
    Evidence, HandOver, ProveError, Prover, RepairError, Tiles, catch_up, next_hand_over, prove_consistency, prove_inclusion,
    repair, root_before, weigh_heads,
};
pub use value::{ListWriter, ObjectWriter};
pub use verify::{Known, Progress, VerifyIo, verify, verify_with};
pub use witnessed::Witnessed;
pub use writer::WriteError;
