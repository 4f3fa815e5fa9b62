//! Tokens that are good on one connection alone: bound to the client's certificate. RFC 8705, section 3: the token
//! itself says so, or its issuer does that is asked about it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;

use super::token::TokenError;
use crate::protocol::json::{Kind, Value};
use crate::tls::Thumbprint;

/// Refuses a token that is bound to something else than the certificate that was `shown`.
///
/// SECURITY: a sender-constrained token (RFC 7800) taken as a bearer token is a stolen token's best friend, so every way of binding that is
/// not checked here is refused, alone or beside the one that is.
pub(super) fn check(payload: Value<'_>, shown: Option<&Thumbprint>) -> Result<(), TokenError> {
    let Some(confirmation) = payload.get("cnf") else { return Ok(()) };
    let only = confirmation.kind() == Kind::Object && confirmation.members().count() == 1;
    let wanted = confirmation.get("x5t#S256").filter(|_| only).and_then(Value::as_str);
    let wanted = wanted.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let is_it = wanted.zip(shown).is_some_and(|(wanted, shown)| bool::from(wanted.as_slice().ct_eq(shown)));
    is_it.then_some(()).ok_or(TokenError::Bound)
}
