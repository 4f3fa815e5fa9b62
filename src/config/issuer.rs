//! Issuers of tokens, as they are configured.

use std::path::PathBuf;
use std::time::Duration;

use super::OauthClient;
use crate::secrets::Live;

/// A token issuer.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// The operator's name, as bindings use it.
    pub name: String,
    /// The exact `iss`.
    pub issuer: String,
    /// Where its keys are.
    pub keys: KeySource,
    /// CAs that its host is believed by, in PEM form; `None`: the system's.
    pub authorities: Option<Vec<u8>>,
    /// How often they are read again (5 min from a URL, 1 min from a file).
    pub refresh: Duration,
    /// How long the last good set is believed while no other can be read (24 h).
    pub stale: Duration,
    /// Shortest time between two attempts that failures or unknown keys cause (10 s).
    pub cooldown: Duration,
    /// Accepted signature algorithms, e.g. `RS256`; asymmetric only.
    pub algorithms: Vec<String>,
    /// Accepted header `typ`s, compared without case and without `application/`; default `at+jwt` and `jwt`.
    pub token_types: Vec<String>,
    /// Whether a header without `typ` is accepted too (no).
    pub untyped: bool,
    /// Longest accepted lifetime, `exp - iat` (24 h).
    pub max_lifetime: Duration,
    /// OAuth clients whose tokens are accepted, by `client_id` or `azp`; empty for all.
    pub clients: Vec<String>,
    /// Where the facts about a caller stand.
    pub claims: Claims,
    /// How it is asked about tokens; `None`: it is not.
    pub introspection: Option<Introspection>,
    /// How its users sign in with a browser, to connect accounts; `None`: they cannot.
    pub sign_in: Option<OauthClient>,
}

/// How an issuer is asked about tokens (RFC 7662).
#[derive(Clone, Debug)]
pub struct Introspection {
    /// Where; `None`: where its metadata says.
    pub url: Option<http::Uri>,
    /// Who asks.
    pub client_id: String,
    /// How that is proven.
    pub client_secret: Live,
    /// How long an answer is believed (30 s).
    pub cache: Duration,
    /// Whether it is asked about signed tokens too, after their signature was found good (no).
    pub signed: bool,
    /// What its opaque tokens begin with; `None`: it is asked about those that begin like no other issuer's.
    pub prefix: Option<String>,
}

/// Where a JWK set is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// Where the issuer's metadata says.
    Discovered,
    /// In a file of this machine.
    File(PathBuf),
    /// At a URL: `https`, or `http` on loopback.
    Url(http::Uri),
}

/// Where the facts about a caller stand in a token. A path without a leading `/` is one literal top-level claim; with one it
/// is a JSON Pointer (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// A string (default `sub`).
    pub subject: ClaimPath,
    /// A string or a list of strings.
    pub groups: Option<ClaimPath>,
    /// A string or a list of strings; matched by bindings only (`claimed_roles`).
    pub roles: Option<ClaimPath>,
    /// A string.
    pub tenant: Option<ClaimPath>,
    /// A string.
    pub region: Option<ClaimPath>,
    /// Named attributes for rules.
    pub attributes: Vec<(String, ClaimPath)>,
}

/// One place in a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath(pub Vec<String>);
