//! Client certificates as credentials: the connection shows one, and no header ever does.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::described::Described;
use super::ground::Ground;
use super::layer::store_down;
use super::principal::{Facts, Principal};
use crate::chain::{Challenge, Reason, Rejection, RequestContext};
use crate::config::{CertificateSubject, Mtls};
use crate::tls::{ClientCertificate, Standing};
use crate::vault::{Caller, Vault};

/// The issuer name of client certificates.
const MTLS: &str = "mtls";

/// Longest subject: the bound of SPIFFE for its ids.
const MAX_SUBJECT: usize = 2048;

/// Whose certificate it is.
pub(super) async fn principal(
    certificate: &Arc<ClientCertificate>,
    settings: &Mtls,
    (vault, described): (&Vault, &Described),
    context: &RequestContext,
) -> Result<Principal, Rejection> {
    let refused = |word| {
        context.trail.with(|decision| decision.detail = Some(word));
        Reason::Unauthenticated(Challenge::InvalidToken)
    };
    let lifetime = certificate.until().duration_since(certificate.from());
    let longest = settings.max_lifetime.map(|longest| SignedDuration::try_from(longest).unwrap_or(SignedDuration::MAX));
    if longest.is_some_and(|longest| lifetime > longest) {
        return Err(refused("certificate_lifetime").into());
    }
    let subject = subject(certificate, settings).ok_or_else(|| refused("certificate_subject"))?;
    let caller = Caller { issuer: MTLS, subject: &subject, tenant: None };
    let pseudonym = vault.pseudonym(caller, context.received).await.map_err(|error| store_down(&error))?;
    let principal = Principal::new(Facts {
        authn: "mtls",
        issuer: MTLS.into(),
        subject: subject.into(),
        client: None,
        groups: Vec::new(),
        claimed_roles: Vec::new(),
        tenant: None,
        region: described.regions.of(MTLS),
        attributes: Vec::new(),
        expires: Some(certificate.until()),
        pseudonym,
        ground: Ground::Certificate(Arc::clone(certificate)),
        profile: None,
    });
    described.of(principal, None, vault).await
}

/// Whether the certificate of a connection would still let it be made. A connection can be older than the newest list.
pub(super) fn holds(certificate: &ClientCertificate, now: Timestamp) -> Result<(), Reason> {
    match certificate.standing(now) {
        Standing::Good => Ok(()),
        Standing::Expired => Err(Reason::CredentialExpired),
        Standing::Revoked => Err(Reason::CredentialRevoked),
        Standing::Unknown => Err(Reason::StoreUnavailable),
    }
}

/// The same for a request that comes on it.
pub(super) fn check(context: &RequestContext) -> Result<(), Reason> {
    let Some(certificate) = &context.peer.certificate else { return Ok(()) };
    let (word, reason) = match certificate.standing(context.received) {
        Standing::Good => return Ok(()),
        Standing::Expired => ("certificate_expired", Reason::Unauthenticated(Challenge::InvalidToken)),
        Standing::Revoked => ("certificate_revoked", Reason::Unauthenticated(Challenge::InvalidToken)),
        Standing::Unknown => ("certificate_revocation_unknown", Reason::StoreUnavailable),
    };
    context.trail.with(|decision| decision.detail = Some(word));
    Err(reason)
}

/// The one name that the operator has chosen to be the subject.
fn subject(certificate: &ClientCertificate, settings: &Mtls) -> Option<String> {
    match settings.subject {
        CertificateSubject::CommonName => certificate.common_name().filter(|name| is_name(name)).map(str::to_owned),
        CertificateSubject::SanDns => certificate.dns().filter(|name| is_host(name)).map(str::to_ascii_lowercase),
        CertificateSubject::SanUri => certificate.uri().filter(|uri| is_caller(uri, &settings.trust_domains)).map(str::to_owned),
    }
}

fn is_name(name: &str) -> bool {
    let trimmed = name.trim();
    !trimmed.is_empty() && trimmed.len() == name.len() && name.len() <= MAX_SUBJECT && !name.chars().any(char::is_control)
}

/// A host by its name. A pattern stands for many, and a caller is one.
fn is_host(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// SECURITY: what begins like a SPIFFE id in any spelling has to be one in its only spelling, or two texts would be one caller.
fn is_caller(uri: &str, trust_domains: &[String]) -> bool {
    let looks_like_spiffe = uri.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("spiffe:"));
    if !looks_like_spiffe {
        let visible = !uri.is_empty() && uri.len() <= MAX_SUBJECT && uri.bytes().all(|b| b.is_ascii_graphic());
        return visible && uri.contains(':') && trust_domains.is_empty();
    }
    spiffe_domain(uri).is_some_and(|domain| trust_domains.is_empty() || trust_domains.iter().any(|known| known == domain))
}

/// The trust domain of a workload's id: SPIFFE ID, sections 2.1 to 2.4; a certificate of the domain itself is no caller's.
fn spiffe_domain(uri: &str) -> Option<&str> {
    if uri.len() > MAX_SUBJECT {
        return None;
    }
    let (domain, path) = uri.strip_prefix("spiffe://")?.split_once('/')?;
    let in_domain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_');
    let in_path = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let good_domain = (1..=255).contains(&domain.len()) && domain.bytes().all(in_domain);
    let good_path = path.split('/').all(|step| !matches!(step, "" | "." | "..") && step.bytes().all(in_path));
    (good_domain && good_path).then_some(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spiffe_id_has_one_spelling() {
        for good in ["spiffe://example.org/ns/prod/sa/agent", "spiffe://a_b-1.example/X.y-Z_0"] {
            assert!(is_caller(good, &[]), "{good}");
        }
        for bad in [
            "spiffe://example.org",
            "spiffe://example.org/",
            "spiffe://example.org/a/",
            "spiffe://example.org//a",
            "spiffe://example.org/a/../b",
            "spiffe://example.org/./a",
            "spiffe://Example.org/a",
            "SPIFFE://example.org/a",
            "Spiffe:example.org/a",
            "spiffe:///a",
            "spiffe://user@example.org/a",
            "spiffe://example.org:8443/a",
            "spiffe://example.org/a?b",
            "spiffe://example.org/a#b",
            "spiffe://example.org/%61",
            "spiffe://example.org/a b",
        ] {
            assert!(!is_caller(bad, &[]), "{bad}");
        }
        assert!(!is_caller(&format!("spiffe://example.org/{}", "a".repeat(2048)), &[]));
    }

    #[test]
    fn a_trust_domain_keeps_all_others_out() {
        let only = ["example.org".to_owned()];
        assert!(is_caller("spiffe://example.org/a", &only));
        for other in
            ["spiffe://example.com/a", "spiffe://evil.example.org/a", "spiffe://example.org.evil/a", "https://example.org/a"]
        {
            assert!(!is_caller(other, &only), "{other}");
        }
        assert!(is_caller("https://example.org/a", &[]) && is_caller("urn:agent:7", &[]));
        assert!(!is_caller("no-scheme", &[]) && !is_caller("https://a b", &[]) && !is_caller("", &[]));
    }

    #[test]
    fn names_are_of_one_thing() {
        assert!(is_host("agent.example.org") && is_host("AGENT-1"));
        for bad in ["", "*.example.org", "a..b", "a.", "-a", "a b", "a/b"] {
            assert!(!is_host(bad), "{bad}");
        }
        assert!(is_name("Ada Lovelace") && !is_name(" ada") && !is_name("") && !is_name("a\r\nX: y"));
    }
}
