//! Authentication: who is calling, judged by the head alone.
//!
//! **Does**: turns exactly one bearer credential, or else the connection's client certificate, into a [`Principal`], or refuses with one
//! neutral 401.
//!
//! **Request**: an API key (`yett_...`) is compared by keyed hash, and refused when it is too old, revoked or replaced; a JWT passes the checks of SECURITY.md section 5 in their
//! order. No body is read or parsed for a caller without a good credential. A token that names an unknown key waits at most a
//! second, in a small number of places, for an attempt to read the issuer's keys again; otherwise it is refused at once. An opaque
//! token waits until its issuer has said what it is; what it says passes the same checks. Where the
//! connection has shown a certificate it must be good still, whatever else is sent; a token bound to one (`cnf`, RFC 8705) is good on a
//! connection with that one alone. Who sends no token is who the certificate says, where `identity.mtls` says what of it. Who sends nothing
//! that could be meant as a credential is the one caller `anonymous`, where `identity.anonymous` gives that one roles.
//!
//! **Reply**: passes.
//!
//! **Streams**: end within a second of the moment from which the credential would be refused: run out, revoked, or its key withdrawn. What
//! was asked about is asked about again as its window runs out.
//!
//! **When it cannot decide**: closed. No key set, or one that is too old, an issuer that does not answer, no vault: 503.
//!
//! **Findings**: none; which check failed stands in the record's `detail`, never in the answer.
//!
//! **Cost**: one SHA-256 over the token and one map look-up for a token seen before; a signature check otherwise. For a stream one map
//! look-up a second. What a credential says is stored in the vault when it is seen first in a month, and found in memory after that.
//!
//! **Limits**: revocation of a JWT before its `exp` is seen only when its key is withdrawn, or where its issuer is asked about it. An
//! opaque token that was taken back works until the window of its answer is over.

mod anonymous;
mod api_key;
mod bearer;
mod bound;
mod certificate;
mod claims;
mod described;
mod ground;
mod id_token;
mod introspected;
mod jws;
mod layer;
mod principal;
mod remembered;
mod settings;
mod token;
mod verified;

pub use id_token::SignedIn;
pub use layer::Authn;
pub use principal::Principal;
pub use settings::Settings;
pub use token::{Issuers, TokenError};
