//! How a server on a network is known to be the right one, and what it is shown to let the gateway in.

use std::fmt;
use std::sync::Arc;

use http::{HeaderName, Uri};
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;

use crate::secrets::Live;

/// `servers.*.tls`, read and checked.
#[derive(Clone, Default)]
pub struct UpstreamTls {
    /// CAs that are trusted in place of the system's; none means the system's.
    pub authorities: Vec<CertificateDer<'static>>,
    /// The gateway's own certificate there, whose key is its own.
    pub identity: Option<Arc<CertifiedKey>>,
    /// SHA-256 of public keys, of which one must be in the verified chain; none means any.
    pub pins: Vec<[u8; 32]>,
}

impl fmt::Debug for UpstreamTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamTls")
            .field("authorities", &self.authorities.len())
            .field("identity", &self.identity.is_some())
            .field("pins", &self.pins.len())
            .finish()
    }
}

/// `servers.*.auth`: the gateway's own credential for a server.
#[derive(Clone, Debug)]
pub enum Auth {
    /// User and password, RFC 7617.
    Basic(String, Live),
    /// A bearer token, RFC 6750.
    Bearer(Live),
    /// A token that an authorization server gives the gateway, RFC 6749, section 4.4.
    ClientCredentials(Grant),
    /// A header of the server's choice.
    Header(HeaderName, Live),
    /// A token that an authorization server gives in exchange for a caller's, RFC 8693.
    TokenExchange(Grant),
    /// A token of the account that a caller has connected, RFC 6749, section 4.1.
    UserOauth(UserOauth),
}

/// How callers connect accounts of theirs at a server.
#[derive(Clone, Debug)]
pub struct UserOauth {
    /// Where the accounts are.
    pub client: OauthClient,
    /// What its tokens are to be for.
    pub resource: Resource,
}

/// What an authorization server is told that tokens are for (RFC 8707).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The server, by this URI.
    Named(String),
    /// Nothing: it knows no resources.
    Unsaid,
    /// The server, by its URL.
    Url,
}

/// The gateway as a client of an authorization server that users' browsers are sent to.
#[derive(Clone, Debug)]
pub struct OauthClient {
    /// Where it is.
    pub endpoints: Endpoints,
    /// What it calls the gateway.
    pub client_id: String,
    /// By what it knows the gateway; `None` for a public client.
    pub client_secret: Option<Live>,
    /// What the gateway asks for.
    pub scopes: Vec<String>,
    /// CAs that it is believed by, in PEM form; `None`: the system's.
    pub authorities: Option<Vec<u8>>,
}

/// Where an authorization server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoints {
    /// Where the metadata of this issuer says.
    Discovered(String),
    /// Where an operator says.
    Written(Box<WrittenEndpoints>),
}

/// What an operator says of an authorization server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenEndpoints {
    /// Browsers are sent here.
    pub authorization: Uri,
    /// Codes are shown here.
    pub token: Uri,
    /// Tokens are given back here, if they are.
    pub revocation: Option<Uri>,
}

/// How an authorization server is asked for tokens.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Where; `https`, or on this machine.
    pub token_url: Uri,
    /// What it calls the gateway.
    pub client_id: String,
    /// By what it knows the gateway.
    pub client_secret: Live,
    /// What the token is to be good for; empty leaves it to the authorization server.
    pub scopes: Vec<String>,
    /// The server that it is for, as a URI (RFC 8707).
    pub resource: Option<String>,
    /// The same by a name of the authorization server's.
    pub audience: Option<String>,
}

/// `servers.*.identity_jwt`: what a server is told of who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityJwt {
    /// What the server takes for itself in `aud`; its URL unless it is written.
    pub audience: Option<String>,
    /// Whether it is told the caller's groups.
    pub groups: bool,
}
