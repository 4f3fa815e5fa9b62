//! Whose certificates bring a client in, as the files say now.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::material::{Problem, Unusable, certificates, hex, lists};
use super::{Clients, provider};

/// Authorities, and what they have revoked.
#[derive(Clone, Debug)]
pub(super) struct Trust {
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
    /// From here on nobody can say who is revoked; `None` where nobody asks.
    pub(super) lists_until: Option<Timestamp>,
    /// SHA-256 over both files, in hex.
    pub(super) fingerprint: String,
    pub(super) number: u64,
}

/// What is in force. Connections outlive what they were made under, and ask here whether they would still be made.
#[derive(Debug)]
pub(super) struct InForce(ArcSwap<Trust>);

impl InForce {
    pub(super) fn new(trust: Trust) -> Self {
        Self(ArcSwap::from_pointee(trust))
    }

    pub(super) fn load(&self) -> arc_swap::Guard<Arc<Trust>> {
        self.0.load()
    }

    pub(super) fn store(&self, trust: Trust) {
        self.0.store(Arc::new(trust));
    }
}

impl Trust {
    /// Reads the files. A certificate is good when every authority of its chain has a list here and none of them names it.
    pub(super) fn read(clients: &Clients, now: Timestamp) -> Result<Self, Unusable> {
        /// Tells what one trust has judged from what the next will.
        static NUMBER: AtomicU64 = AtomicU64::new(1);

        let of = |problem| Unusable { path: clients.authorities.clone(), problem };
        let mut roots = RootCertStore::empty();
        let mut seen = Vec::new();
        for certificate in certificates(&clients.authorities)? {
            seen.extend_from_slice(&certificate);
            roots.add(certificate).map_err(|_unusable| of(Problem::BadCertificate))?;
        }
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        if !clients.required {
            builder = builder.allow_unauthenticated();
        }
        let mut lists_until = None;
        if let Some(path) = &clients.revoked {
            let (found, until) = lists(path, now)?;
            for list in &found {
                seen.extend_from_slice(list);
            }
            // SECURITY: the whole chain is looked at, a certificate whose authority has no list here is refused, and so is every one
            // once a list is out of date: whoever can keep the next list from us must not keep their key by it.
            builder = builder.with_crls(found).enforce_revocation_expiration();
            lists_until = Some(until);
        }
        let unusable = |_invalid| match &clients.revoked {
            Some(path) => Unusable { path: path.clone(), problem: Problem::BadList },
            None => of(Problem::NoCertificate),
        };
        let verifier = builder.build().map_err(unusable)?;
        Ok(Self { verifier, lists_until, fingerprint: hex(&seen), number: NUMBER.fetch_add(1, Ordering::Relaxed) })
    }
}

impl Clients {
    /// Whether these can be used, as `yett check` asks: every mistake, not the first one.
    pub fn check(&self, now: Timestamp) -> Vec<Unusable> {
        let alone = Self { revoked: None, ..self.clone() };
        let authorities = Trust::read(&alone, now).map(drop);
        let revoked = self.revoked.as_ref().map_or(Ok(()), |path| lists(path, now).map(drop));
        let mistakes: Vec<_> = [authorities, revoked].into_iter().filter_map(Result::err).collect();
        if mistakes.is_empty() { Trust::read(self, now).err().into_iter().collect() } else { mistakes }
    }
}
