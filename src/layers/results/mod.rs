//! Limits of results: size, elements of lists, depth.
//!
//! **Does**: measures what a tool answers and cuts or withholds what is more than its policy lets through (`results:`), so that no answer fills a
//! model's context, or its memory.
//!
//! **Request**: passes.
//!
//! **Reply**: the result of a call, and that of a task, as it leaves: after what the scans have changed. `over: truncate` shortens lists and texts, says so in
//! the last text and in `_meta`; what cannot be cut (structured content, blobs, depth) and is too large still is withheld. Errors and
//! notifications have limits elsewhere (`servers.*.limits`).
//!
//! **Streams**: the response; on `subscriptions/listen` what a task has come to, which is taken out of the notification where it is too large: who asks
//! for the task then is told what is left, or why nothing is.
//!
//! **When it cannot decide**: closed: what was cut and is no message any more is withheld.
//!
//! **Findings**: rule, what was too much (`size`, `items`, `depth`) and what was done.
//!
//! **Cost**: a comparison for the size; one look through the values where lists or depth are limited.
//!
//! **Limits**: how much comes in a span of time is for `limits[].result_bytes`.

mod cut;
mod layer;

pub use layer::ResultLimits;
