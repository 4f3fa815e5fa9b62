//! Audit: every message ends in a record, and no record means no call.
//!
//! **Does**: the outer station opens a record before anything is judged and closes it with what happened; the inner one writes
//! the decision before the upstream can act on it; one before authorization keeps what that refuses, where the operator wants all kept.
//!
//! **Request**: a refusal by any layer, or by the edge, is one durable `call.decision` before the answer's first byte. An
//! allowed message is one `call.decision` before dispatch. Floods of refusals of callers nobody knows are counted instead, exactly,
//! and recorded together as `auth.failure` within a second (`flood.rs`).
//!
//! **Reply**: one `call.outcome` is durable before the result is released. In `strict` both are waited for, in `response` the
//! second wait covers the first, since the log is ordered; in `async` neither is waited for.
//! Where a server has `receipts: true`, its results carry the number of their outcome (`io.yett/receipt` in `_meta`).
//!
//! **Questions of servers**: stand in the records of the call or stream that they ride on. One that belongs to none, as of a process that
//! callers share, is refused by the transport and is a `call.decision` without a caller, floods of them counted alike (`unheard.rs`).
//!
//! **Streams**: messages pass as they come, in `response` the first once the decision is durable; the response waits for its outcome. Every 64 messages, 1 MiB or 5 s a
//! `stream.segment` record commits to what was released so far; a stream waits when two of its records are behind, in every mode. On a full
//! volume none is written: what space is left is for outcomes. A stream that
//! ends otherwise (the client left, the upstream broke off, a layer refused) is an outcome too.
//!
//! **When it cannot decide**: closed. Arguments to be captured that the vault does not take: 503. No room in the queue, no log: 503 before dispatch. A panic in any layer is caught here and
//! refuses that call alone.
//!
//! **Findings**: it writes everybody's, request side into the decision, reply side into the outcome.
//!
//! **Cost**: formatting and hashing two lines of some 400 bytes, and the wait for the disk.
//!
//! **Limits**: events of a stream that left within the last 5 s before a crash may be in no record. The `Yett-Call` of a refusal
//! that was only counted stands in no record.

mod capture;
mod entry;
mod flood;
mod kept;
mod layer;
mod open;
mod receipt;
mod refused;
mod released;
mod stream;
mod unheard;
mod write_ahead;

pub use flood::{Alone, Flood};
pub use layer::Audit;
pub use refused::KeepRefused;
pub use unheard::Unheard;
pub use write_ahead::{Recorded, WriteAhead};
