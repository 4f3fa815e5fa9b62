//! Authentication: who is calling, judged by the head alone.
//!
//! **Does**: turns exactly one bearer credential into a [`Principal`], or refuses with one neutral 401.
//!
//! **Request**: an API key (`yett_...`) is compared by keyed hash; a JWT passes the checks of SECURITY.md section 5 in their
//! order. No body is read or parsed for a caller without a good credential.
//!
//! **Reply**: passes.
//!
//! **Streams**: pass.
//!
//! **When it cannot decide**: closed. No key set, no vault: no caller.
//!
//! **Findings**: none; which check failed stands in the record's `detail`, never in the answer.
//!
//! **Cost**: one SHA-256 over the token and one map look-up for a token seen before; a signature check otherwise.
//!
//! **Limits**: key sets come from files until discovery comes with identity; revocation of a JWT before its `exp` is not seen.

mod bearer;
mod claims;
mod jwks;
mod layer;
mod principal;
mod token;

pub use jwks::{JwksError, KeySet};
pub use layer::Authn;
pub use principal::Principal;
pub use token::{Issuers, TokenError};
