//! The stations of the chain, one folder each; none calls another. Their order is in `chain/mod.rs`.

pub mod audit;
pub mod authn;
pub mod authz;
pub mod dlp;
pub mod fair_share;
pub mod injection;
pub mod kill_switch;
pub mod mirrors;
pub mod quota;
pub mod rate_limit;
pub mod results;
pub mod terminal;
