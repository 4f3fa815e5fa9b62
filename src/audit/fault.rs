//! What can be wrong with a log.

use super::chain::Broken;
use super::epoch::BadHead;
use super::evidence::EpochsError;
use super::frame::BadFrame;

/// The first thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Index of the first bad record.
    pub index: u64,
    /// What is wrong with it.
    pub reason: FaultReason,
}

/// Why a record, or what vouches for it, is bad.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultReason {
    /// Successor or head vouch for other bytes.
    #[error("its bytes are not those that were written: the leaf does not match the chain")]
    Changed,
    /// Two records claim the index.
    #[error("a second record claims this index: one was inserted")]
    Duplicate,
    /// The head counts more records than there are.
    #[error("it is missing: a head counts {size} records, so the end was cut off")]
    Cut {
        /// Records the head counts.
        size: u64,
    },
    /// A bundle says something impossible about the keys before it.
    #[error("the epochs before it do not hold: {0}")]
    Epochs(EpochsError),
    /// A head vouches for other bytes.
    #[error(
        "the head over {size} records vouches for other bytes: this record, or that head, was changed, or all from record {from} on was \
         written anew"
    )]
    HeadDiffers {
        /// Records the last head counts that was right.
        from: u64,
        /// Records this one counts.
        size: u64,
    },
    /// A head is not in its one form.
    #[error("a head behind it cannot be read: {reason}")]
    HeadMalformed {
        /// What is wrong.
        reason: String,
    },
    /// A head names another log.
    #[error("a head behind it names another log")]
    HeadName,
    /// A head stands where it cannot.
    #[error("the head over {size} records is not in its place")]
    HeadOrder {
        /// Records it counts.
        size: u64,
    },
    /// A head is not signed by who must have signed it.
    #[error("the head over {size} records does not have the signatures of the keys that were in force: {reason}")]
    HeadUnsigned {
        /// Records it counts.
        size: u64,
        /// What is wrong.
        reason: BadHead,
    },
    /// A head that was kept elsewhere counts more records.
    #[error(
        "it is missing: a head that was kept elsewhere counts {size} records, so the end was cut off or an old copy put back"
    )]
    PinAhead {
        /// Records that head counts.
        size: u64,
    },
    /// A head that was kept elsewhere vouches for other bytes.
    #[error("a head over {size} records that was kept elsewhere vouches for other bytes: this is another history")]
    PinDiffers {
        /// Records that head counts.
        size: u64,
    },
    /// The keys of the log are not those an auditor knows.
    #[error("the log was begun with a key that is not in the policy: it may be another log under the same name")]
    UnknownKey,
    /// A line that was kept of a pruned record is not what it was.
    #[error("its line in `kept.jsonl` is not the record that was written")]
    Kept,
    /// Segments are gone that nobody was told to remove.
    #[error("records {index} to {last} are missing, and no `prune` record under a head covers them")]
    NotPruned {
        /// First missing record.
        index: u64,
        /// Last missing record.
        last: u64,
    },
    /// A compressed segment cannot be read.
    #[error("its compressed segment cannot be read: {0}")]
    Frame(BadFrame),
    /// The hash of a pruned record is gone.
    #[error("it was removed, and the tile with its hash is not here either, or has another length")]
    TileMissing,
    /// Witnesses have cosigned other bytes.
    #[error("witnesses have cosigned a head over {size} records that vouches for other bytes: this is another history")]
    WitnessDiffers {
        /// Records that head counts.
        size: u64,
    },
    /// More records behind the last head than a writer leaves there.
    #[error("more than 10000 records from here on are under no head: they were not written by this log's writer")]
    Uncovered,
    /// Records behind the orderly end of a run that no run has begun with.
    #[error(
        "it stands behind the end of a run, under no head, and no run begins like this: it was not written by this log's writer"
    )]
    BehindStop,
    /// There are records and no head.
    #[error("there is no head, so nobody can tell whether the end was cut off")]
    HeadMissing,
    /// Records or a segment before the one that is here.
    #[error("records {index} to {last} are missing")]
    Missing {
        /// First missing record.
        index: u64,
        /// Last missing record.
        last: u64,
    },
    /// The segment is a link to something that is not a file.
    #[error("its segment is not a regular file")]
    NotAFile,
    /// The line itself is bad.
    #[error("{0}")]
    Line(#[from] Broken),
    /// A segment's name does not agree with the records before it.
    #[error("a second segment begins inside the records before it, at {first}")]
    Overlap {
        /// The index in the segment's name.
        first: u64,
    },
}
