//! What operators see of the running gateway: logs, metrics and traces, named and set up here.
//!
//! None of them holds a body, a header or a token: lines and spans hold ids, sizes, words and times. Labels are bounded: configured
//! names and the words of enums, nothing a peer can choose. All of it are copies: losing them stops nothing.

mod accounts;
mod alerts;
mod copies;
mod exports;
mod exposition;
mod issuers;
mod limits;
mod logs;
mod metrics;
mod process;
mod reloads;
mod secrets;
mod servers;
mod tls;
mod traces;
mod witnesses;

pub use accounts::AccountEvent;
pub use exposition::Exposition;
pub use issuers::Asked;
pub use logs::{hide_panics, init_logs};
pub use metrics::{Level, Metrics, Reading};
pub use reloads::Reload;
pub use secrets::SecretRead;
pub use tls::TlsReload;
pub use traces::Exporter;
