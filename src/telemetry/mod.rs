//! What operators see of the running gateway: logs and metrics, named and set up here.
//!
//! A log line holds ids, sizes, words and times; never a body, a header or a token. Labels are bounded: configured names and the
//! words of enums, nothing a peer can choose. All of it are copies: losing them stops nothing.

mod exposition;
mod logs;
mod metrics;
mod process;
mod servers;

pub use exposition::Exposition;
pub use logs::{hide_panics, init_logs};
pub use metrics::{Level, Metrics, Reading};
