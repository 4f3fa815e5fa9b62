//! Quota: how much callers may do of what they may do at all.
//!
//! **Does**: takes from every `limits:` entry that selects servers, tools or roles, or that is no mere rate; all of them or none.
//! Otherwise it refuses with 429 and `Retry-After`, by the limit that takes longest.
//!
//! **Request**: counted once authorization has let it pass, so a refused call spends nothing, and a hidden tool cannot be told from an
//! unknown one. Rates and bytes count every message; `quota`, `concurrency`, `session_calls` and `repeats` count calls: `tools/call`,
//! `prompts/get`, `resources/read`, `completion/complete` and methods of extensions. The same call with the same arguments, too often, is
//! refused in words that a model understands.
//!
//! **Reply**: its bytes are counted as they pass. A single reply that goes beyond is delivered, and the next call refused.
//!
//! **Streams**: what is held at a time is held until the response, or until the stream is dropped. One that goes beyond its bytes ends.
//!
//! **When it cannot decide**: closed. Where a key is new and there is no room for it, 503.
//!
//! **Findings**: the name of the limit becomes the deciding rule; a limit in shadow leaves a finding and never refuses.
//!
//! **Cost**: for each limit that applies, two keyed hashes, one short lock and one look-up; SHA-256 over the arguments where repetitions
//! are limited.
//!
//! **Limits**: replicas each grant the whole of it until they share a store. Sessions exist in revisions up to 2025-11-25 only. A call that is
//! answered by a task is over with that answer.

mod layer;
mod plan;
mod repeats;

pub use layer::Quota;
