//! The admin API: what operators change, and what they read of the audit log, while the gateway runs; and what auditors of one tenant read
//! of it. Always with a token; every change is a record, and so is every search.

mod accounts_api;
mod api;
mod askers;
mod client;
mod export;
mod fit;
mod keys_api;
mod operations;
mod privacy;
mod privacy_api;
mod prune;
mod prune_api;
mod quarantine_api;
mod reference;
mod refused;
mod reload;
mod replay;
mod retention;
mod search;
mod switches_api;
mod token;
mod tokens;

pub use accounts_api::shown_account;
pub use api::{Admin, AdminError};
pub use askers::Auditor;
pub use client::{AdminClient, ClientError};
pub use export::{Exported, ExportedLog};
pub use keys_api::{MAX_OVERLAP, check_key, shown_key};
pub use operations::{OperationError, Operations, Stores};
pub(crate) use privacy::is_fit;
pub use privacy::{Order, Privacy, PrivacyError};
pub use privacy_api::{exported_json, shown as shown_content};
pub use prune::{PruneOrder, Pruned};
pub use prune_api::shown as shown_pruned;
pub use quarantine_api::{approved_definition, shown_quarantine, withheld_definition};
pub use reference::{openapi, reference_page};
pub use reload::{NotReloaded, Reload, Reloaded};
pub use retention::Expired;
pub use switches_api::shown_stops;
pub use token::{admin_token, read_admin_token};
pub use tokens::Held as HeldToken;
