//! ID tokens: who has signed in with a browser. `OpenID` Connect Core, section 3.1.3.7.
//!
//! SECURITY: never a credential. One is believed here alone, straight from the token endpoint and for a sign-in that this gateway has begun;
//! as a bearer token it is refused like any other token of a wrong type or audience.

use jiff::Timestamp;

use super::claims;
use super::token::{Issuers, KnownIssuer, LEEWAY, SignedClaims, TokenError, check_audience, check_start, later};
use crate::protocol::json::Value;

/// Whose browser it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The issuer's configured name.
    pub issuer: String,
    /// What the issuer calls them, at the same place as in access tokens.
    pub subject: String,
    /// Their tenant, if it stands there.
    pub tenant: Option<String>,
}

impl Issuers {
    /// Checks an ID token of the issuer that is configured as `issuer`, for a sign-in that was begun with `nonce` as `client_id`.
    pub async fn signed_in(
        &self,
        token: &str,
        (issuer, client_id, nonce): (&str, &str, &str),
        now: Timestamp,
    ) -> Result<SignedIn, TokenError> {
        let check = || self.check_id_token(token, (issuer, client_id, nonce), now);
        match check() {
            Err(TokenError::UnknownKey(place)) if self.look_again(place).await => check(),
            checked => checked,
        }
    }

    fn check_id_token(
        &self,
        token: &str,
        (issuer, client_id, nonce): (&str, &str, &str),
        now: Timestamp,
    ) -> Result<SignedIn, TokenError> {
        let SignedClaims { known, payload, .. } = self.signed(token, check_type, now)?;
        let payload = payload.root();
        if &*known.name != issuer {
            return Err(TokenError::Issuer);
        }
        let client = client_id.to_owned();
        check_audience(payload, std::slice::from_ref(&client))?;
        // Of several audiences one must be named as who has asked for it, and it is us.
        let party = payload.get("azp").map(|party| claims::text(party, "azp")).transpose()?;
        let alone = payload.get("aud").is_some_and(|audience| audience.as_str().is_some() || audience.items().count() == 1);
        if party.as_ref().map_or(!alone, |party| *party != client) {
            return Err(TokenError::Client);
        }
        // How long it is good does not matter: it is looked at once, and the nonce says that it is new.
        let expires = claims::time(payload, "exp")?.ok_or(TokenError::Claim("exp"))?;
        if now > later(expires, LEEWAY) {
            return Err(TokenError::Expired);
        }
        check_start(payload, now)?;
        if payload.get("nonce").and_then(Value::as_str) != Some(nonce) {
            return Err(TokenError::Claim("nonce"));
        }
        let paths = &known.claims;
        let subject = claims::at(payload, &paths.subject).ok_or(TokenError::Claim("subject"))?;
        let tenant = paths.tenant.as_ref().and_then(|path| claims::at(payload, path));
        Ok(SignedIn {
            issuer: issuer.to_owned(),
            subject: claims::text(subject, "subject")?,
            tenant: tenant.map(|value| claims::text(value, "tenant")).transpose()?,
        })
    }
}

/// An access token is not one.
fn check_type(_issuer: &KnownIssuer, header: Value<'_>) -> Result<(), TokenError> {
    match header.get("typ") {
        None => Ok(()),
        Some(typ) if typ.as_str().is_some_and(|typ| typ.eq_ignore_ascii_case("jwt")) => Ok(()),
        Some(_) => Err(TokenError::Header("typ")),
    }
}
