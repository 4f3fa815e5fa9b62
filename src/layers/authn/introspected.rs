//! Tokens whose issuer is asked about them: opaque ones, and signed ones where that is configured. RFC 7662.

use std::sync::Arc;

use jiff::Timestamp;

use super::token::{Issuers, LEEWAY, Proof, TokenError, check_audience, check_start, later};
use super::verified::Verified;
use super::{bound, claims};
use crate::introspection::{Credential, Introspector, Told, Verdict};
use crate::protocol::json::Value;
use crate::tls::Thumbprint;

impl Issuers {
    /// Who is asked about this token: it is none that says something itself.
    ///
    /// An opaque token does not say whose it is. Issuers tell theirs apart by how they begin; at most one is asked about all others.
    pub(super) fn asked_about(&self, token: &str) -> Option<(usize, Arc<Introspector>)> {
        let asking = || self.0.iter().enumerate().filter_map(|(place, known)| Some((place, known.introspection.as_ref()?)));
        let by_prefix = asking().find(|(_, asked)| asked.prefix.as_ref().is_some_and(|prefix| token.starts_with(prefix)));
        // Three parts are a JWT, or nothing.
        let any =
            || asking().find(|(_, asked)| asked.prefix.is_none() && token.bytes().filter(|byte| *byte == b'.').count() != 2);
        by_prefix.or_else(any).map(|(place, asked)| (place, Arc::clone(&asked.introspector)))
    }

    /// Who is asked about a token that was found good by its signature.
    pub(super) fn asked_about_signed(&self, proof: &Proof) -> Option<Arc<Introspector>> {
        let asked = self.0.get(proof.issuer)?.introspection.as_ref()?;
        asked.signed.then(|| Arc::clone(&asked.introspector))
    }

    /// What the issuer says of an opaque token, for a route that accepts `audiences`, on a connection that has `shown` a certificate or none.
    pub(super) fn read_told(
        &self,
        place: usize,
        token: &str,
        told: &Arc<Told>,
        audiences: &[String],
        shown: Option<&Thumbprint>,
        now: Timestamp,
    ) -> Result<Verified, TokenError> {
        let known = self.0.get(place).ok_or(TokenError::Issuer)?;
        let said = active(told)?;
        // "Active" says that the issuer would take it; whether it is meant for this route, for whom and by whom is checked here.
        match said.get("iss") {
            Some(issuer) if issuer.as_str() != Some(&known.issuer) => return Err(TokenError::Issuer),
            Some(_) | None => {}
        }
        // RFC 6749, section 7.1. A refresh token is active as well, and has none.
        match said.get("token_type").map(|kind| kind.as_str().unwrap_or_default()) {
            Some(kind) if !kind.eq_ignore_ascii_case("bearer") => return Err(TokenError::Header("token_type")),
            Some(_) | None => {}
        }
        check_audience(said, audiences)?;
        let expires = match claims::time(said, "exp")? {
            Some(_) => Some(known.check_times(said, now)?),
            // As long as its issuer says so, again and again.
            None => check_start(said, now).map(|_issued| None)?,
        };
        let client = known.client(said)?;
        bound::check(said, shown)?;
        let until = expires.map_or(Timestamp::MAX, |expires| later(expires, LEEWAY));
        let proof = Proof::asked(place, Introspector::credential(token, Arc::clone(told)), until);
        known.read(said, client, expires.unwrap_or(Timestamp::MAX), proof)
    }
}

impl Proof {
    /// The same, where its issuer has said that the token is good as well. It may know of a certificate that the token does not name.
    pub(super) fn and_told(self, token: &str, told: Arc<Told>, shown: Option<&Thumbprint>) -> Result<Self, TokenError> {
        bound::check(active(&told)?, shown)?;
        Ok(Self { asked: Some(Arc::new(Introspector::credential(token, told))), ..self })
    }

    fn asked(issuer: usize, credential: Credential, until: Timestamp) -> Self {
        Self { issuer, signed: None, asked: Some(Arc::new(credential)), until }
    }
}

/// What is known of a token that is good.
fn active(told: &Told) -> Result<Value<'_>, TokenError> {
    match &told.verdict {
        Verdict::Active(document) => Ok(document.root()),
        Verdict::Inactive => Err(TokenError::Inactive),
        Verdict::Failed | Verdict::Overloaded => Err(TokenError::Unanswered),
    }
}
