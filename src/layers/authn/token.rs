//! JWT access tokens: the checks of SECURITY.md section 5, in their order. RFC 9068, RFC 8725.
//!
//! The library checks the signature and nothing else. Everything around it is ours, because jsonwebtoken 11 accepts tokens
//! without `iss` or `aud`, with an array `iss`, with a future `nbf`, with unknown `crit`, and keeps the last of two equal claims.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::Algorithm;

use super::jws::{Parts, algorithm_named, check_header, split, strict_object};
use super::verified::Verified;
use super::{bound, claims};
use crate::config::{Claims, Issuer};
use crate::introspection::{self, Credential, Introspector};
use crate::jwks::{Keys, Stale};
use crate::protocol::json::{Document, Kind, Value};
use crate::tls::Thumbprint;

/// Clock skew that is forgiven.
pub(super) const LEEWAY: SignedDuration = SignedDuration::from_secs(30);

/// Why a token is not good. For the record; the caller reads one neutral text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three strict base64url parts of strict JSON objects.
    #[error("malformed")]
    Malformed,
    /// A header that asks for something we do not do.
    #[error("header `{0}`")]
    Header(&'static str),
    /// An issuer nobody configured.
    #[error("issuer")]
    Issuer,
    /// An algorithm that is not on the issuer's list, or not the key's.
    #[error("algorithm")]
    Algorithm,
    /// No name of a key at all.
    #[error("no key named")]
    NoKey,
    /// A key the issuer does not publish; which of the configured issuers that is.
    #[error("unknown key")]
    UnknownKey(usize),
    /// The issuer's keys are missing or too old: nobody can say whether the token is good.
    #[error("stale keys")]
    Stale,
    /// The signature does not fit.
    #[error("signature")]
    Signature,
    /// Not meant for this route.
    #[error("audience")]
    Audience,
    /// Run out.
    #[error("expired")]
    Expired,
    /// Not good yet.
    #[error("not yet valid")]
    NotYetValid,
    /// Good for longer than the operator allows.
    #[error("lifetime")]
    Lifetime,
    /// A claim that is missing or of the wrong type.
    #[error("claim `{0}`")]
    Claim(&'static str),
    /// A client that is not on the issuer's list, or two of them.
    #[error("client")]
    Client,
    /// Bound to a certificate or key that the caller did not show.
    #[error("bound token")]
    Bound,
    /// Its issuer says that it is not good.
    #[error("inactive")]
    Inactive,
    /// Its issuer was asked about it, and says nothing.
    #[error("unanswered")]
    Unanswered,
}

impl TokenError {
    /// Whether nobody can say if the token is good.
    pub(super) fn is_undecided(self) -> bool {
        matches!(self, Self::Stale | Self::Unanswered)
    }

    /// A word for the record.
    pub fn word(self) -> &'static str {
        match self {
            Self::Algorithm => "token_algorithm",
            Self::Audience => "token_audience",
            Self::Bound => "token_bound",
            Self::Claim(_) => "token_claim",
            Self::Client => "token_client",
            Self::Expired => "token_expired",
            Self::Header(_) => "token_header",
            Self::Inactive => "token_inactive",
            Self::Issuer => "token_issuer",
            Self::Lifetime => "token_lifetime",
            Self::Malformed => "token_malformed",
            Self::NotYetValid => "token_not_yet_valid",
            Self::Signature => "token_signature",
            Self::Stale => "keys_stale",
            Self::Unanswered => "issuer_silent",
            Self::NoKey | Self::UnknownKey(_) => "token_unknown_key",
        }
    }
}

/// By what a token was found good: holds until that changes, or becomes too old.
#[derive(Clone, Debug)]
pub(super) struct Proof {
    pub(super) issuer: usize,
    /// The keys, if it is signed.
    pub(super) signed: Option<Signed>,
    /// What its issuer has said of it, if it was asked.
    pub(super) asked: Option<Arc<Credential>>,
    /// The last moment at which the token is taken, leeway included.
    pub(super) until: Timestamp,
}

/// See [`Proof`].
#[derive(Clone, Debug)]
pub(super) struct Signed {
    generation: u64,
    kid: Arc<str>,
}

/// The claims of a token whose signature is good.
pub(super) struct SignedClaims<'a> {
    place: usize,
    pub(super) known: &'a KnownIssuer,
    pub(super) payload: Document,
    signed: Signed,
}

/// How a token stands that was good once, without another look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Good,
    Expired,
    /// Its issuer does not publish the key any more that it was signed with, or says that it is not good.
    Revoked,
    /// The issuer's keys are too old to say, or it does not answer.
    Unknown,
}

/// The configured issuers with their keys. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Issuers(pub(super) Arc<[KnownIssuer]>);

#[derive(Debug)]
pub(super) struct KnownIssuer {
    pub(super) name: Arc<str>,
    pub(super) issuer: String,
    algorithms: Vec<Algorithm>,
    token_types: Vec<String>,
    untyped: bool,
    max_lifetime: Duration,
    clients: Vec<String>,
    pub(super) claims: Claims,
    keys: Keys,
    pub(super) introspection: Option<Introspection>,
}

/// How an issuer is asked about its tokens.
#[derive(Debug)]
pub(super) struct Introspection {
    pub(super) introspector: Arc<Introspector>,
    /// Whether about signed ones too.
    pub(super) signed: bool,
    /// What the others begin with.
    pub(super) prefix: Option<String>,
}

impl Issuers {
    /// Each issuer with its keys, and with who asks it about tokens.
    pub fn new<'a>(issuers: impl IntoIterator<Item = (&'a Issuer, Keys, Option<Arc<Introspector>>)>) -> Self {
        let known = issuers.into_iter().map(|(issuer, keys, introspector)| KnownIssuer {
            name: issuer.name.as_str().into(),
            issuer: issuer.issuer.clone(),
            algorithms: issuer.algorithms.iter().filter_map(|name| algorithm_named(name)).collect(),
            token_types: issuer.token_types.clone(),
            untyped: issuer.untyped,
            max_lifetime: issuer.max_lifetime,
            clients: issuer.clients.clone(),
            claims: issuer.claims.clone(),
            keys,
            introspection: issuer.introspection.as_ref().zip(introspector).map(|(settings, introspector)| Introspection {
                introspector,
                signed: settings.signed,
                prefix: settings.prefix.clone(),
            }),
        });
        Self(known.collect())
    }

    /// Whether there is any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks a token for a route that accepts `audiences`, on a connection that has `shown` a certificate or none.
    pub(super) fn verify(
        &self,
        token: &str,
        audiences: &[String],
        shown: Option<&Thumbprint>,
        now: Timestamp,
    ) -> Result<Verified, TokenError> {
        let SignedClaims { place, known, payload, signed } = self.signed(token, KnownIssuer::check_type, now)?;
        let payload = payload.root();
        check_audience(payload, audiences)?;
        let expires = known.check_times(payload, now)?;
        let client = known.client(payload)?;
        bound::check(payload, shown)?;
        let until = later(expires, LEEWAY);
        let proof = Proof { issuer: place, signed: Some(signed), asked: None, until };
        known.read(payload, client, expires, proof)
    }

    /// What a token says that one of the issuers has signed, if its header passes `check_type` as well. Nothing of what it says is checked yet.
    pub(super) fn signed(
        &self,
        token: &str,
        check_type: impl FnOnce(&KnownIssuer, Value<'_>) -> Result<(), TokenError>,
        now: Timestamp,
    ) -> Result<SignedClaims<'_>, TokenError> {
        let Parts { header, payload, signature, signed } = split(token)?;
        let header = strict_object(header)?;
        let header = header.root();
        check_header(header)?;
        let payload = strict_object(payload)?;
        // Read before it is proven, only to choose whose keys to try; compared again below with what was configured.
        let issuer = payload.root().get("iss").and_then(Value::as_str).ok_or(TokenError::Issuer)?;
        let (place, known) = self.0.iter().enumerate().find(|(_, known)| known.issuer == issuer).ok_or(TokenError::Issuer)?;
        check_type(known, header)?;
        let algorithm = header.get("alg").and_then(Value::as_str).and_then(algorithm_named);
        let algorithm = algorithm.filter(|named| known.algorithms.contains(named)).ok_or(TokenError::Algorithm)?;
        let kid = header.get("kid").and_then(Value::as_str).filter(|kid| !kid.is_empty()).ok_or(TokenError::NoKey)?;
        let published = known.keys.current(now).map_err(|Stale| TokenError::Stale)?;
        let key = published.set.get(kid).ok_or(TokenError::UnknownKey(place))?;
        if !key.allows(algorithm) {
            return Err(TokenError::Algorithm);
        }
        if !key.verifies(algorithm, signed.as_bytes(), signature) {
            return Err(TokenError::Signature);
        }
        let signed = Signed { generation: published.generation, kid: kid.into() };
        Ok(SignedClaims { place, known, payload, signed })
    }

    /// Whether the keys that proved a token are the keys of its issuer still, and what the issuer said of it is what holds.
    pub(super) fn holds(&self, proof: &Proof, now: Timestamp) -> bool {
        let Some(known) = self.0.get(proof.issuer) else { return false };
        let by_keys = proof
            .signed
            .as_ref()
            .is_none_or(|signed| known.keys.current(now).is_ok_and(|published| published.generation == signed.generation));
        let asked = proof.asked.as_ref().zip(known.introspection.as_ref());
        by_keys && asked.is_none_or(|(credential, asked)| asked.introspector.is_current(credential, now))
    }

    /// How a token stands at `now` that was good by this proof. Another key beside the one that signed it changes nothing.
    pub(super) fn standing(&self, proof: &Proof, now: Timestamp) -> Standing {
        if now > proof.until {
            return Standing::Expired;
        }
        let Some(known) = self.0.get(proof.issuer) else { return Standing::Revoked };
        if let Some(signed) = &proof.signed {
            match known.keys.current(now) {
                Ok(published) if published.set.get(&signed.kid).is_some() => {}
                Ok(_) => return Standing::Revoked,
                Err(Stale) => return Standing::Unknown,
            }
        }
        match proof.asked.as_ref().zip(known.introspection.as_ref()) {
            Some((credential, asked)) => match asked.introspector.standing(credential, now) {
                introspection::Standing::Good => Standing::Good,
                introspection::Standing::Revoked => Standing::Revoked,
                introspection::Standing::Unknown => Standing::Unknown,
            },
            None => Standing::Good,
        }
    }

    /// See [`Keys::look_again`].
    pub(super) async fn look_again(&self, issuer: usize) -> bool {
        match self.0.get(issuer) {
            Some(known) => known.keys.look_again().await,
            None => false,
        }
    }
}

impl KnownIssuer {
    fn check_type(&self, header: Value<'_>) -> Result<(), TokenError> {
        let typ = match header.get("typ") {
            Some(typ) => typ.as_str().ok_or(TokenError::Header("typ"))?,
            None => return if self.untyped { Ok(()) } else { Err(TokenError::Header("typ")) },
        };
        let typ = typ.to_ascii_lowercase();
        let typ = typ.strip_prefix("application/").unwrap_or(&typ);
        let known = self.token_types.iter().any(|known| known.eq_ignore_ascii_case(typ));
        known.then_some(()).ok_or(TokenError::Header("typ"))
    }

    pub(super) fn check_times(&self, payload: Value<'_>, now: Timestamp) -> Result<Timestamp, TokenError> {
        let expires = claims::time(payload, "exp")?.ok_or(TokenError::Claim("exp"))?;
        if now > later(expires, LEEWAY) {
            return Err(TokenError::Expired);
        }
        let issued = check_start(payload, now)?;
        let lifetime = expires.duration_since(issued.unwrap_or(now));
        if lifetime > SignedDuration::try_from(self.max_lifetime).unwrap_or(SignedDuration::MAX) {
            return Err(TokenError::Lifetime);
        }
        Ok(expires)
    }

    /// Who got the token: `client_id` (RFC 9068) or `azp` (`OpenID` Connect). Where both stand they must be one.
    pub(super) fn client(&self, payload: Value<'_>) -> Result<Option<String>, TokenError> {
        let read = |name| payload.get(name).map(|value| claims::text(value, "client")).transpose();
        let (id, azp) = (read("client_id")?, read("azp")?);
        if let (Some(id), Some(azp)) = (&id, &azp)
            && id != azp
        {
            return Err(TokenError::Client);
        }
        let client = id.or(azp);
        let listed = self.clients.is_empty() || client.as_ref().is_some_and(|client| self.clients.contains(client));
        listed.then_some(client).ok_or(TokenError::Client)
    }
}

/// Good already; gives when it was issued.
pub(super) fn check_start(payload: Value<'_>, now: Timestamp) -> Result<Option<Timestamp>, TokenError> {
    let (start, issued) = (claims::time(payload, "nbf")?, claims::time(payload, "iat")?);
    let is_future = |time: Option<Timestamp>| time.is_some_and(|time| time > later(now, LEEWAY));
    if is_future(start) || is_future(issued) { Err(TokenError::NotYetValid) } else { Ok(issued) }
}

pub(super) fn check_audience(payload: Value<'_>, audiences: &[String]) -> Result<(), TokenError> {
    let audience = payload.get("aud").ok_or(TokenError::Audience)?;
    let ours = |text: &str| audiences.iter().any(|known| known == text);
    let found = match audience.kind() {
        Kind::String => audience.as_str().is_some_and(ours),
        Kind::Array => {
            if audience.items().any(|item| item.kind() != Kind::String) {
                return Err(TokenError::Audience);
            }
            audience.items().filter_map(Value::as_str).any(ours)
        }
        Kind::Bool | Kind::Null | Kind::Number | Kind::Object => false,
    };
    found.then_some(()).ok_or(TokenError::Audience)
}

pub(super) fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}
