//! Paths of a listener, and what they lead to.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::metadata;
use crate::chain::Route;
use crate::config::{Listener, Server, ServerSelection};

const ENDPOINT: &str = "/mcp";
const KEY_SET: &str = "/.well-known/jwks.json";
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The routes of one listener.
#[derive(Debug)]
pub struct Routes {
    public_url: String,
    issuers: Vec<String>,
    known: HashMap<String, Arc<Route>>,
    /// By which servers check what they are told of callers; `None` where none is told anything.
    key_set: Option<Bytes>,
    /// Whether one is.
    tells: bool,
}

impl Routes {
    /// A route `/mcp/<server>` for each server that `listener` offers, and `/mcp/<server>/sse` where it offers HTTP+SSE too, which is the
    /// same resource; `issuers` are named in their metadata.
    pub fn new(listener: &Listener, servers: &[Arc<Server>], issuers: Vec<String>) -> Self {
        let offered = |server: &&Arc<Server>| match &listener.servers {
            ServerSelection::All => true,
            ServerSelection::Only(names) => names.contains(&server.name),
        };
        let mut known = HashMap::new();
        for server in servers.iter().filter(&offered) {
            let path = format!("{ENDPOINT}/{}", server.name);
            let route = || route(&listener.public_url, &path, Some(Arc::clone(server)));
            if listener.legacy_sse {
                known.insert(format!("{path}/sse"), Arc::new(Route { legacy_sse: true, ..route() }));
            }
            known.insert(path.clone(), Arc::new(route()));
        }
        let tells = servers.iter().filter(offered).any(|server| server.identity_jwt.is_some());
        Self { public_url: listener.public_url.clone(), issuers, known, key_set: None, tells }
    }

    /// The same, with the keys by which servers check what they are told of callers, where there are such servers.
    #[must_use]
    pub fn publishing(self, key_set: Bytes) -> Self {
        Self { key_set: Some(key_set).filter(|_| self.tells), ..self }
    }

    /// Where `path` leads. A path that leads nowhere has a route as well, so that its caller is authenticated and recorded alike.
    pub fn resolve(&self, path: &str) -> Arc<Route> {
        match self.known.get(path) {
            Some(route) => Arc::clone(route),
            None => Arc::new(route(&self.public_url, if is_plain(path) { path } else { ENDPOINT }, None)),
        }
    }

    /// Whether the path is part of the MCP endpoint.
    pub(super) fn is_endpoint(path: &str) -> bool {
        path == ENDPOINT || path.strip_prefix(ENDPOINT).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The open document at `path`, if it is one's place: metadata, or keys. Every well-formed name has one: which servers exist is not told here.
    pub(super) fn metadata(&self, path: &str) -> Option<Bytes> {
        if path == KEY_SET {
            return self.key_set.clone();
        }
        let resource = path.strip_prefix(WELL_KNOWN)?;
        let valid = Self::is_endpoint(resource) && is_plain(resource);
        valid.then(|| metadata::document(&format!("{}{resource}", self.public_url), &self.issuers))
    }
}

fn route(public_url: &str, path: &str, server: Option<Arc<Server>>) -> Route {
    let resource = format!("{public_url}{path}");
    // RFC 9728, section 3.1: the well-known part goes between host and path, and `public_url` may have a path of its own.
    let authority_end = public_url.find("://").map_or(0, |scheme| scheme + 3);
    let path_start =
        public_url.get(authority_end..).and_then(|rest| rest.find('/')).map_or(public_url.len(), |slash| authority_end + slash);
    let (base, prefix) = public_url.split_at_checked(path_start).unwrap_or((public_url, ""));
    let metadata_url = format!("{base}{WELL_KNOWN}{prefix}{path}");
    let audiences = match &server {
        Some(server) if !server.audiences.is_empty() => server.audiences.clone(),
        _ => vec![resource.clone()],
    };
    Route { resource, metadata_url, server, audiences, legacy_sse: false }
}

/// Whether a path can stand in a header and a document as it is.
fn is_plain(path: &str) -> bool {
    path.len() <= 128 && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'.'))
}
