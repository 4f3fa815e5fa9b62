//! `listeners[].tls:`, and `identity.mtls:` that stands on it. Every file is read and looked at here, so that a wrong one has a place.

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Context;
use crate::config::units::{duration, within};
use crate::config::{CertificateSubject, Mtls};
use crate::tls::{Clients, Pair, Problem, Settings, Unusable, Version};
use crate::yaml::{Fields, Invalid, Node, Place, Report, boolean, choice, parsed, scalar};

/// What is left of a certificate when `check` begins to say so.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

const VERSIONS: &[(&str, Version)] = &[("1.2", Version::Tls12), ("1.3", Version::Tls13)];

/// By whether one is required.
const MODES: &[(&str, bool)] = &[("optional", false), ("required", true)];

const SUBJECTS: &[(&str, CertificateSubject)] =
    &[("san_uri", CertificateSubject::SanUri), ("san_dns", CertificateSubject::SanDns), ("cn", CertificateSubject::CommonName)];

/// Reads `tls` of a listener that clients reach as `host`.
pub(super) fn tls(node: &Node, host: Option<&str>, context: &Context<'_>, report: &mut Report) -> Option<Settings> {
    let mut fields = Fields::of(node, "listeners[].tls", report)?;
    let certificate = fields.required("cert", path(context));
    let key = fields.required("key", path(context));
    let oldest = fields.optional("min_version", choice(VERSIONS, &[])).unwrap_or(Version::Tls13);
    let http2 = fields.optional("http2", boolean).unwrap_or(true);
    let clients = fields.optional("client_auth", |node, report| clients(node, context, report));
    if oldest == Version::Tls12 {
        let place = fields.place("min_version");
        fields
            .report()
            .warning(place, "TLS 1.2 shows certificates unencrypted, and has no post-quantum key exchange")
            .hint("leave it out once every client speaks TLS 1.3");
    }
    if let (Some(certificate), Some(key)) = (&certificate, &key) {
        let places = [fields.place("cert"), fields.place("key")];
        check_pair(Pair::read(certificate, key, Timestamp::now()), (certificate, places), host, fields.report());
    }
    fields.finish(&[]);
    Some(Settings { certificate: certificate?, key: key?, oldest, http2, clients })
}

fn check_pair(
    read: Result<Pair, Unusable>,
    (certificate, [at_certificate, at_key]): (&PathBuf, [Place; 2]),
    host: Option<&str>,
    report: &mut Report,
) {
    let pair = match read {
        Ok(pair) => pair,
        Err(unusable) => {
            let place = if unusable.path == *certificate { at_certificate } else { at_key };
            return tell(&unusable, place, report);
        }
    };
    let now = Timestamp::now();
    if pair.until < now {
        let expired = Problem::Expired(pair.until);
        report.warning(at_certificate, format!("{}: {expired}", shown(certificate))).hint(expired.hint());
    } else if pair.until.duration_since(now) < SOON {
        let message = format!("{}: its certificate expires at {}", shown(certificate), pair.until);
        report.warning(at_certificate, message).hint("renew it; the new one is taken without a restart");
    }
    let host = host.map(|host| host.trim_start_matches('[').trim_end_matches(']'));
    if let Some(host) = host.filter(|host| !pair.is_for(host)) {
        report
            .warning(at_certificate, format!("{}: its certificate is not for `{host}`", shown(certificate)))
            .hint("clients that reach it by `public_url` refuse it");
    }
}

fn clients(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<Clients> {
    let mut fields = Fields::of(node, "listeners[].tls.client_auth", report)?;
    let authorities = fields.required("ca", path(context));
    let required = fields.optional("mode", choice(MODES, &[])).unwrap_or(true);
    let revoked = fields.optional("crl", path(context));
    let places = [fields.place("ca"), fields.place("crl")];
    fields.finish(&[]);
    let clients = Clients { authorities: authorities?, revoked, required };
    for unusable in clients.check(Timestamp::now()) {
        let [at_authorities, at_lists] = places;
        tell(&unusable, if unusable.path == clients.authorities { at_authorities } else { at_lists }, report);
    }
    Some(clients)
}

/// Reads `mtls` of the identity section.
pub(super) fn mtls(node: &Node, report: &mut Report) -> Option<Mtls> {
    let mut fields = Fields::of(node, "identity.mtls", report)?;
    let subject = fields.required("subject", choice(SUBJECTS, &[]));
    let trust_domains = fields.list("trust_domains", parsed(trust_domain));
    let lifetimes = Duration::from_mins(1)..=Duration::from_hours(10 * 365 * 24);
    let max_lifetime = fields.optional("max_lifetime", within(duration, lifetimes, "from 1m to 3650d"));
    if !trust_domains.is_empty() && subject.is_some_and(|subject| subject != CertificateSubject::SanUri) {
        let place = fields.place("trust_domains");
        fields.report().error(place, "SPIFFE ids are URIs").hint("write `subject: san_uri`, or leave `trust_domains` out");
    }
    fields.finish(&[]);
    Some(Mtls { subject: subject?, trust_domains, max_lifetime })
}

/// SPIFFE ID, section 2.1.
fn trust_domain(text: &str) -> Result<String, Invalid> {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_');
    if text.is_empty() || text.len() > 255 || !text.bytes().all(good) {
        return Err(Invalid::new("is not a trust domain", "write what stands between `spiffe://` and the next `/`"));
    }
    Ok(text.to_owned())
}

fn path(context: &Context<'_>) -> impl FnOnce(&Node, &mut Report) -> Option<PathBuf> {
    |node, report| Some(context.base.join(scalar(node, report)?.text.as_str()))
}

fn tell(unusable: &Unusable, place: Place, report: &mut Report) {
    report.error(place, format!("{}: {}", shown(&unusable.path), unusable.problem)).hint(unusable.problem.hint());
}

fn shown(path: &std::path::Path) -> String {
    format!("`{}`", path.display())
}
