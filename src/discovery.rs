//! Where an issuer's endpoints are, as it says itself: authorization server metadata (RFC 8414, `OpenID` Connect Discovery).
//!
//! SECURITY: whoever answers for the issuer's host is trusted with its keys, and with nothing else. The document names the issuer that was
//! asked for, letter by letter, or it is another's (RFC 8414, section 3.3); an endpoint in it is `https` and public, or on the issuer's own
//! host ([`crate::reach::discovered`]), so that a document leads into no network that its author could not reach.

use std::time::Duration;

use http::Uri;

use crate::config::ServerLimits;
use crate::outbound::{Ask, Bounds, Client, Silence};
use crate::protocol::json::{Document, Kind, Limits, Value};
use crate::reach::{self, Reach, Unreachable};
use crate::upstream::{ConnectError, Connector, Sockets};

/// What one look at a document may cost. Honest ones have a few kilobytes.
const BOUNDS: Bounds = Bounds { connect: Duration::from_secs(5), total: Duration::from_secs(10), answer: 256 * 1024, at_once: 1 };

/// Why an issuer could not be asked where its endpoints are, or what it says cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The issuer is no URL that can be asked.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It does not answer as it should.
    #[error("its metadata cannot be read")]
    Silence(#[from] Silence),
    /// Something came, but no metadata.
    #[error("its metadata is no strict JSON object")]
    Document,
    /// The metadata of somebody else.
    #[error("its metadata names another issuer, {0:?}")]
    Issuer(String),
    /// A member that is needed is missing or no URL.
    #[error("its metadata has no usable `{0}`")]
    Missing(&'static str),
    /// It leads where nothing of ours goes.
    #[error("the `{name}` of its metadata, `{url}`, {why}")]
    Unreachable {
        /// The member.
        name: &'static str,
        /// What it says.
        url: Box<str>,
        /// What is wrong with that.
        why: Unreachable,
    },
    /// It led to another host before.
    #[error("the `{name}` of its metadata has moved from the host `{from}` to `{to}`")]
    Moved {
        /// The member.
        name: &'static str,
        /// Where it was at first.
        from: Box<str>,
        /// Where it is now.
        to: Box<str>,
    },
}

/// Asks one issuer.
#[derive(Debug)]
pub struct Discovery {
    issuer: String,
    url: Uri,
    client: Client,
}

/// What it says of itself.
#[derive(Debug)]
pub struct Metadata {
    document: Document,
    issuer: Uri,
}

/// One of its endpoints, found to be a place that may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it is.
    pub url: Uri,
    reach: Reach,
}

impl Discovery {
    /// Of an issuer whose name is an `http` or `https` URL; the CAs in this PEM text are trusted in the place of the system's.
    pub fn new(issuer: &str, authorities: Option<&[u8]>) -> Result<Self, ConnectError> {
        let url: Uri = issuer.parse().map_err(|_unused| ConnectError::Host(issuer.to_owned()))?;
        Ok(Self { issuer: issuer.to_owned(), client: Client::new(&url, BOUNDS, authorities)?, url })
    }

    /// Reads its metadata: the first document that is its own, from the places in their order.
    pub async fn ask(&self) -> Result<Metadata, DiscoveryError> {
        let mut failed = None;
        for place in places(self.url.path()) {
            let told = match self.client.fetch(Ask::get().at(place).accept("application/json")).await {
                Ok(bytes) => Metadata::read(bytes, &self.issuer, &self.url),
                // Nothing is there, which is what the other places are for.
                Err(silence @ Silence::Status(_)) => Err(silence.into()),
                // It cannot be asked at all.
                Err(silence) => return Err(silence.into()),
            };
            match told {
                Ok(metadata) => return Ok(metadata),
                // What is wrong with a document says more than that there is none.
                Err(error) => {
                    let better = !matches!(error, DiscoveryError::Silence(_)) || failed.is_none();
                    failed = if better { Some(error) } else { failed };
                }
            }
        }
        Err(failed.unwrap_or(DiscoveryError::Document))
    }
}

impl Metadata {
    fn read(bytes: bytes::Bytes, issuer: &str, url: &Uri) -> Result<Self, DiscoveryError> {
        let document = Document::parse(bytes, Limits::default()).map_err(|_unused| DiscoveryError::Document)?;
        if document.root().kind() != Kind::Object {
            return Err(DiscoveryError::Document);
        }
        let named = document.root().get("issuer").and_then(Value::as_str).ok_or(DiscoveryError::Missing("issuer"))?;
        if named != issuer {
            return Err(DiscoveryError::Issuer(named.chars().take(200).collect()));
        }
        Ok(Self { document, issuer: url.clone() })
    }

    /// All that it says.
    pub fn root(&self) -> Value<'_> {
        self.document.root()
    }

    /// One of its endpoints; `None` if it has none.
    pub fn endpoint(&self, name: &'static str) -> Result<Option<Endpoint>, DiscoveryError> {
        let Some(value) = self.root().get(name) else { return Ok(None) };
        let text = value.as_str().filter(|text| !text.contains('#'));
        let url: Uri = text.and_then(|text| text.parse().ok()).ok_or(DiscoveryError::Missing(name))?;
        let unreachable = |why| DiscoveryError::Unreachable { name, url: url.to_string().into(), why };
        // An issuer of `https` does not lead back into clear text, not on this machine either.
        if url.scheme() != self.issuer.scheme() && url.scheme_str() != Some("https") {
            return Err(unreachable(Unreachable::NotHttps));
        }
        let reach = reach::discovered(&url, self.issuer.host().unwrap_or_default()).map_err(unreachable)?;
        Ok(Some(Endpoint { url, reach }))
    }
}

impl Endpoint {
    /// Refuses to have moved to another host than `first`, where it was seen first.
    ///
    /// SECURITY: an issuer changes its keys every few weeks, and the path to them now and then; the host never, but when somebody else
    /// answers for it.
    pub fn still_on(self, first: &Self, name: &'static str) -> Result<Self, DiscoveryError> {
        let host = |endpoint: &Self| endpoint.url.host().unwrap_or_default().to_ascii_lowercase();
        let (from, to) = (host(first), host(&self));
        if from == to { Ok(self) } else { Err(DiscoveryError::Moved { name, from: from.into(), to: to.into() }) }
    }

    /// Knows how to ask it.
    pub fn client(&self, bounds: Bounds, authorities: Option<&[u8]>) -> Result<Client, ConnectError> {
        let sockets = Sockets::new(bounds.at_once.saturating_add(1));
        let connector = Connector::trusting(&self.url, ServerLimits::default(), sockets, authorities)?.reaching(self.reach);
        Client::over(connector, &self.url, bounds)
    }
}

/// Where the metadata of an issuer with this path may be, in the order of the MCP specification: RFC 8414 and `OpenID` Connect with the
/// well-known part before the path, and `OpenID` Connect with it behind.
fn places(path: &str) -> Vec<String> {
    let path = path.trim_end_matches('/');
    let mut places =
        vec![format!("/.well-known/oauth-authorization-server{path}"), format!("/.well-known/openid-configuration{path}")];
    if !path.is_empty() {
        places.push(format!("{path}/.well-known/openid-configuration"));
    }
    places
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const ISSUER: &str = "https://login.example.com/realms/a";

    fn metadata(members: &str) -> Result<Metadata, DiscoveryError> {
        of(ISSUER, &format!("{{\"issuer\":\"{ISSUER}\"{members}}}"))
    }

    fn of(issuer: &str, text: &str) -> Result<Metadata, DiscoveryError> {
        Metadata::read(Bytes::from(text.to_owned()), issuer, &issuer.parse().unwrap())
    }

    #[test]
    fn the_places_come_in_the_order_of_the_specification() {
        let root = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];
        assert_eq!(places("/"), root);
        assert_eq!(places(""), root);
        for path in ["/realms/a", "/realms/a/"] {
            assert_eq!(
                places(path),
                [
                    "/.well-known/oauth-authorization-server/realms/a",
                    "/.well-known/openid-configuration/realms/a",
                    "/realms/a/.well-known/openid-configuration"
                ]
            );
        }
    }

    #[test]
    fn a_document_is_its_issuers_letter_by_letter() {
        assert!(metadata("").is_ok());
        for other in [
            "https://login.example.com/realms/a/",
            "https://LOGIN.example.com/realms/a",
            "https://login.example.com:443/realms/a",
        ] {
            let text = format!("{{\"issuer\":\"{other}\"}}");
            assert!(matches!(of(ISSUER, &text), Err(DiscoveryError::Issuer(named)) if named == other), "{other}");
        }
        assert!(matches!(of(ISSUER, "{}"), Err(DiscoveryError::Missing("issuer"))));
        assert!(matches!(of(ISSUER, "{\"issuer\":[\"x\"]}"), Err(DiscoveryError::Missing("issuer"))));
        for text in ["", "[]", "<html>", "{\"issuer\":\"a\",\"issuer\":\"b\"}"] {
            assert!(matches!(of(ISSUER, text), Err(DiscoveryError::Document)), "{text}");
        }
    }

    #[test]
    fn jwt_032_an_endpoint_is_https_and_public_or_on_the_issuers_host() {
        let found = |url: &str| metadata(&format!(",\"jwks_uri\":\"{url}\"")).unwrap().endpoint("jwks_uri");
        assert!(metadata("").unwrap().endpoint("jwks_uri").unwrap().is_none());
        for good in ["https://login.example.com/keys", "https://keys.example.net/a?b=c", "https://1.1.1.1/keys"] {
            assert_eq!(found(good).unwrap().unwrap().url, good, "{good}");
        }
        for bad in [
            "http://login.example.com/keys",
            "http://127.0.0.1/keys",
            "https://127.0.0.1/keys",
            "https://localhost/keys",
            "https://10.0.0.1/keys",
            "https://169.254.169.254/latest",
            "https://2130706433/keys",
            "https://user@login.example.com/keys",
            "ftp://login.example.com/keys",
        ] {
            assert!(matches!(found(bad), Err(DiscoveryError::Unreachable { name: "jwks_uri", .. })), "{bad}");
        }
        for none in ["", "keys", "/keys", "https://login.example.com/keys#1"] {
            assert!(found(none).is_err(), "{none}");
        }
        let number = metadata(",\"jwks_uri\":7").unwrap().endpoint("jwks_uri");
        assert!(matches!(number, Err(DiscoveryError::Missing("jwks_uri"))));
        // On this machine an issuer in clear text keeps its endpoints there; one of https does not go back to it.
        let local = |issuer: &str| {
            let text = format!("{{\"issuer\":\"{issuer}\",\"jwks_uri\":\"http://localhost:7/keys\"}}");
            of(issuer, &text).unwrap().endpoint("jwks_uri").is_ok()
        };
        assert!(local("http://localhost:7"));
        assert!(!local("https://localhost:7"));
    }

    #[test]
    fn jwt_032_an_endpoint_may_change_its_path_but_not_its_host() {
        let found = |url: &str| metadata(&format!(",\"jwks_uri\":\"{url}\"")).unwrap().endpoint("jwks_uri").unwrap().unwrap();
        let first = found("https://keys.example.net/1");
        assert!(found("https://KEYS.example.net/2").still_on(&first, "jwks_uri").is_ok());
        let moved = found("https://keys.example.org/1").still_on(&first, "jwks_uri");
        assert!(matches!(moved, Err(DiscoveryError::Moved { .. })), "{moved:?}");
    }
}
