//! `identity.issuers[]`: who makes tokens, and how they are checked.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use super::Context;
use super::claims::{claims, default_claims};
use super::locations::{is_link_local_url, key_set_url};
use super::oauth::sign_in;
use crate::config::units::{duration, within};
use crate::config::{Introspection, Issuer, KeySource, OauthClient};
use crate::secrets::Form;
use crate::yaml::{Fields, Invalid, Node, Place, Report, choice, name, parsed, scalar};

/// Names that bindings use for callers without a token issuer.
const RESERVED: [&str; 3] = ["api-key", "mtls", "anonymous"];

/// Asymmetric, and verified by the library: whoever can check a token must not be able to make one.
const ALGORITHMS: [&str; 10] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "Ed25519"];

/// How a certificate begins in PEM form.
const PEM: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// The word among `token_types` that stands for no `typ` at all.
const UNTYPED: &str = "none";

/// Largest key set, SECURITY.md section 5.
const MAX_KEY_SET: u64 = 1 << 20;

/// Name and `iss` of an issuer, for the check that both are unique.
pub(super) struct Seen {
    name: Option<(String, Place)>,
    issuer: Option<(String, Place)>,
    /// What its opaque tokens begin with, if it is asked about them.
    introspection: Option<(Option<String>, Place)>,
}

pub(super) fn issuer(node: &Node, context: &Context<'_>, seen: &mut Vec<Seen>, report: &mut Report) -> Option<Issuer> {
    let mut fields = Fields::of(node, "identity.issuers[]", report)?;
    let name = fields.required("name", issuer_name);
    let issuer = fields.required("issuer", parsed(exact_issuer));
    let keys = keys(&mut fields, context);
    if let (Some(KeySource::Discovered), Some(text)) = (&keys, &issuer) {
        check_discoverable(text, &mut fields);
    }
    let authorities = fields.optional("ca", |node, report| certificates(node, context, report));
    let timing = fields.optional("jwks", timing).unwrap_or_default();
    let algorithms = fields.required_list("algorithms", parsed(algorithm));
    let token_types = fields.list("token_types", parsed(token_type));
    let clients = fields.list("clients", parsed(client));
    let max_lifetime = fields
        .optional("max_lifetime", within(duration, Duration::from_secs(1)..=Duration::from_hours(365 * 24), "from 1s to 365d"))
        .unwrap_or(Duration::from_hours(24));
    let claims = fields.optional("claims", claims);
    let discovered = matches!(keys, Some(KeySource::Discovered));
    let introspection = fields.optional("introspection", |node, report| introspection(node, discovered, context, report));
    let sign_in = fields.optional("sign_in", |node, report| sign_in(node, issuer.as_deref(), context, report));
    let untyped = token_types.iter().any(|written| written == UNTYPED);
    if untyped {
        let place = fields.place("token_types");
        fields
            .report()
            .warning(place, "tokens that do not say what they are are accepted: an ID token may be taken for an access token")
            .hint("leave `none` out if the issuer writes a `typ`; else give this route's audience to access tokens alone");
    }
    if max_lifetime > Duration::from_hours(24) {
        let place = fields.place("max_lifetime");
        fields
            .report()
            .warning(place, "a token that leaks works for longer than a day")
            .hint("ask the issuer for shorter ones; `24h` is the default");
    }
    let found = Seen {
        name: name.clone().map(|name| (name, fields.place("name"))),
        issuer: issuer.clone().map(|issuer| (issuer, fields.place("issuer"))),
        introspection: introspection.as_ref().map(|asked| (asked.prefix.clone(), fields.place("introspection"))),
    };
    fields.finish(&[]);

    for earlier in seen.iter() {
        twice("the name", earlier.name.as_ref(), found.name.as_ref(), report);
        twice("the issuer", earlier.issuer.as_ref(), found.issuer.as_ref(), report);
    }
    seen.push(found);
    let keys = keys?;
    let usual = if matches!(keys, KeySource::File(_)) { Duration::from_mins(1) } else { Duration::from_mins(5) };
    let stale = timing.stale.unwrap_or(Duration::from_hours(24));
    let refresh = timing.refresh.unwrap_or(usual).min(stale);
    Some(Issuer {
        name: name?,
        issuer: issuer?,
        keys,
        refresh,
        stale,
        cooldown: timing.cooldown.unwrap_or(Duration::from_secs(10)).min(refresh),
        clients,
        algorithms,
        token_types: if token_types.is_empty() {
            vec!["at+jwt".to_owned(), "jwt".to_owned()]
        } else {
            token_types.into_iter().filter(|written| written != UNTYPED).collect()
        },
        untyped,
        max_lifetime,
        claims: claims.unwrap_or_else(default_claims),
        introspection,
        sign_in: sign_in.map(|client| OauthClient { authorities: authorities.clone(), ..client }),
        authorities,
    })
}

/// At most one place; none means that the issuer's metadata says.
fn keys(fields: &mut Fields<'_, '_>, context: &Context<'_>) -> Option<KeySource> {
    if fields.has("jwks_url") {
        if fields.has("jwks_file") {
            let place = fields.place("jwks_url");
            fields.report().error(place, "an issuer has one key set, and two are named").hint("keep `jwks_url` or `jwks_file`");
            fields.optional("jwks_file", |_, _| Some(()));
        }
        return fields.required("jwks_url", parsed(key_set_url)).map(KeySource::Url);
    }
    if fields.has("jwks_file") {
        return fields.required("jwks_file", |node, report| key_set(node, context, report)).map(KeySource::File);
    }
    // Asked for, so that they are known keys.
    fields.optional("jwks_url", |_, _| Some(()));
    fields.optional("jwks_file", |_, _| Some(()));
    Some(KeySource::Discovered)
}

/// The metadata of an issuer stands at its own URL.
fn check_discoverable(issuer: &str, fields: &mut Fields<'_, '_>) {
    let problem = match key_set_url(issuer) {
        Err(problem) => problem,
        Ok(url) if url.query().is_some() => Invalid::new("has a query", "an issuer is a URL without one (RFC 8414)"),
        Ok(_) => return,
    };
    let place = fields.place("issuer");
    fields
        .report()
        .error(place, format!("the issuer {}, so its keys cannot be found by discovery", problem.problem))
        .hint("write the issuer's URL, or name its keys by `jwks_url` or `jwks_file`");
}

/// How an issuer is asked about tokens.
fn introspection(node: &Node, discovered: bool, context: &Context<'_>, report: &mut Report) -> Option<Introspection> {
    let mut fields = Fields::of(node, "identity.issuers[].introspection", report)?;
    let url = fields.optional("url", parsed(key_set_url));
    let client_id = fields.required("client_id", parsed(client));
    let client_secret = fields.required("client_secret", context.secret(Form::Text, "this secret is empty"));
    let cache = fields.optional(
        "cache",
        within(
            duration,
            Duration::from_secs(1)..=Duration::from_secs(30),
            "from 1s to 30s: a token that is taken back works as long",
        ),
    );
    let signed = fields.optional("tokens", choice(&[("opaque", false), ("all", true)], &[])).unwrap_or(false);
    let prefix = fields.optional("prefix", parsed(prefix));
    if !discovered && !fields.has("url") {
        let place = fields.place("introspection");
        fields
            .report()
            .error(place, "the key `url` is missing: an issuer whose keys are named is not asked for its metadata")
            .hint("write the introspection endpoint, or leave out `jwks_url` and `jwks_file`");
    }
    fields.finish(&[]);
    Some(Introspection {
        url,
        client_id: client_id?,
        client_secret: client_secret?,
        cache: cache.unwrap_or(Duration::from_secs(30)),
        signed,
        prefix,
    })
}

/// What opaque tokens begin with: enough of it that nothing else does.
fn prefix(text: &str) -> Result<String, Invalid> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    if !(3..=64).contains(&text.len()) || !text.bytes().all(is_token) {
        return Err(Invalid::new("is not the beginning of a token", "write its first 3 to 64 characters, such as `ory_at_`"));
    }
    if text.starts_with("eyJ") || text.starts_with("yett_") {
        return Err(Invalid::new("is how other tokens begin", "`eyJ` begins signed tokens, `yett_` the gateway's own keys"));
    }
    Ok(text.to_owned())
}

/// An opaque token says nothing of its issuer: only one is asked about each.
pub(super) fn check_introspection(seen: &[Seen], report: &mut Report) {
    let asked: Vec<_> = seen.iter().filter_map(|seen| seen.introspection.as_ref()).collect();
    for (index, (prefix, place)) in asked.iter().enumerate() {
        let clash = asked.iter().take(index).find(|(earlier, _)| match (earlier, prefix) {
            (None, None) => true,
            (Some(earlier), Some(prefix)) => earlier.starts_with(prefix) || prefix.starts_with(earlier),
            (None, Some(_)) | (Some(_), None) => false,
        });
        if let Some((_, earlier)) = clash {
            let earlier = report.locate(*earlier);
            report
                .error(*place, "two issuers would be asked about the same opaque tokens")
                .hint(format!("give each a `prefix` that the other's does not begin with; the other one stands at {earlier}"));
        }
    }
}

/// CA certificates in PEM form.
pub(super) fn certificates(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<Vec<u8>> {
    let written = scalar(node, report)?;
    let path = context.base.join(written.text.as_str());
    let problem = match crate::yaml::read_file(&path) {
        Err(error) => format!("cannot be read: {error}"),
        Ok(bytes) if !bytes.windows(PEM.len()).any(|window| window == PEM) => "holds no certificate in PEM form".to_owned(),
        Ok(bytes) => return Some(bytes),
    };
    report
        .error(node.place, format!("the CA file {} {problem}", written.shown()))
        .hint("relative paths start at the file that names them");
    None
}

/// When keys are read.
#[derive(Default)]
struct Timing {
    refresh: Option<Duration>,
    stale: Option<Duration>,
    cooldown: Option<Duration>,
}

fn timing(node: &Node, report: &mut Report) -> Option<Timing> {
    let second = Duration::from_secs(1);
    let mut fields = Fields::of(node, "identity.issuers[].jwks", report)?;
    let refresh = fields.optional("refresh", within(duration, second..=Duration::from_hours(24), "from 1s to 24h"));
    let stale = fields.optional("stale", within(duration, second..=Duration::from_hours(24), "from 1s to 24h"));
    let cooldown = fields.optional("cooldown", within(duration, second..=Duration::from_hours(1), "from 1s to 1h"));
    for (shorter, longer, names) in [(refresh, stale, ["refresh", "stale"]), (cooldown, refresh, ["cooldown", "refresh"])] {
        if let (Some(shorter), Some(longer)) = (shorter, longer)
            && shorter > longer
        {
            let place = fields.place(names[0]);
            let [shorter, longer] = names;
            fields.report().error(place, format!("`{shorter}` is longer than `{longer}`")).hint("cooldown <= refresh <= stale");
        }
    }
    fields.finish(&[]);
    Some(Timing { refresh, stale, cooldown })
}

fn client(text: &str) -> Result<String, Invalid> {
    if text.is_empty() || text.len() > 512 || text.chars().any(char::is_control) {
        return Err(Invalid::new("is not a client", "write the exact `client_id` or `azp` of its tokens"));
    }
    Ok(text.to_owned())
}

fn twice(what: &str, earlier: Option<&(String, Place)>, later: Option<&(String, Place)>, report: &mut Report) {
    if let (Some((first, first_place)), Some((second, place))) = (earlier, later)
        && first == second
    {
        let first_place = report.locate(*first_place);
        report.error(*place, format!("{what} stands here a second time")).hint(format!("first at {first_place}"));
    }
}

fn issuer_name(node: &Node, report: &mut Report) -> Option<String> {
    let name = name(node, report)?;
    if RESERVED.contains(&name.as_str()) {
        report
            .error(node.place, format!("the name `{name}` is reserved"))
            .hint("bindings use `api-key`, `mtls` and `anonymous` for callers without a token issuer");
        return None;
    }
    Some(name)
}

fn exact_issuer(text: &str) -> Result<String, Invalid> {
    if text.is_empty() || text.len() > 512 || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Invalid::new("is not an issuer", "write the exact `iss` of its tokens, without spaces"));
    }
    if is_link_local_url(text) {
        return Err(Invalid::new("is a link-local address", "that is where cloud metadata lives, never an issuer"));
    }
    Ok(text.to_owned())
}

fn algorithm(text: &str) -> Result<String, Invalid> {
    if ALGORITHMS.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(match text {
        "HS256" | "HS384" | "HS512" => {
            Invalid::new("is symmetric: whoever can check a token could make one", "use RS256, PS256, ES256 or EdDSA")
        }
        "none" => Invalid::new("accepts forged tokens", "use RS256, PS256, ES256 or EdDSA"),
        _ => Invalid::new(
            "is not an accepted algorithm",
            "accepted: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, Ed25519",
        ),
    })
}

fn token_type(text: &str) -> Result<String, Invalid> {
    let lower = text.to_ascii_lowercase();
    let short = lower.strip_prefix("application/").unwrap_or(&lower);
    if short.is_empty() || !short.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.' | b'_')) {
        return Err(Invalid::new("is not a token type", "write the `typ` of the token's header, such as `at+jwt`"));
    }
    Ok(short.to_owned())
}

fn key_set(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<PathBuf> {
    let written = scalar(node, report)?;
    let path = context.base.join(written.text.as_str());
    let problem = match std::fs::metadata(&path) {
        Err(error) => error.to_string(),
        Ok(meta) if !meta.is_file() => "not a regular file".to_owned(),
        Ok(meta) if meta.len() > MAX_KEY_SET => format!("larger than {MAX_KEY_SET} bytes"),
        Ok(_) => match File::open(&path) {
            Ok(_) => return Some(path),
            Err(error) => error.to_string(),
        },
    };
    report
        .error(node.place, format!("the key set {} cannot be read: {problem}", written.shown()))
        .hint("relative paths start at the file that names them");
    None
}
