//! `identity:`, who may be a caller.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use super::Context;
use super::locations::{is_link_local_url, key_set_url};
use super::tls::mtls;
use crate::config::units::{duration, within};
use crate::config::{ClaimPath, Claims, Identity, Issuer, KeyRules, KeySource};
use crate::yaml::{Fields, Invalid, Later, Node, Place, Report, boolean, entries, later, name, parsed, scalar};

const LATER: &[Later] = &[later("anonymous")];

/// Names that bindings use for callers without a token issuer.
const RESERVED: [&str; 3] = ["api-key", "mtls", "anonymous"];

/// Asymmetric, and verified by the library: whoever can check a token must not be able to make one.
const ALGORITHMS: [&str; 9] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// Largest key set, SECURITY.md section 5.
const MAX_KEY_SET: u64 = 1 << 20;

/// Reads the section.
pub(super) fn identity(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<Identity> {
    let mut fields = Fields::of(node, "identity", report)?;
    let mut seen = Vec::new();
    let issuers = fields.list_or_empty("issuers", |node, report| issuer(node, context, &mut seen, report));
    let api_keys = fields.optional("api_keys", api_keys).unwrap_or_default();
    let mtls = fields.optional("mtls", mtls);
    if mtls.is_some() && !context.asks_for_certificates {
        let place = fields.place("mtls");
        fields
            .report()
            .error(place, "no listener asks its clients for certificates")
            .hint("write `tls.client_auth` at one, or leave `mtls` out");
    }
    if seen.is_empty() && !api_keys.enabled && mtls.is_none() {
        fields
            .report()
            .error(node.place, "nobody could ever call: there is no issuer, and API keys are off")
            .hint("add an issuer, enable API keys, or write `mtls`");
    }
    fields.finish(LATER);
    Some(Identity { issuers, api_keys, mtls })
}

/// Name and `iss` of an issuer, for the check that both are unique.
struct Seen {
    name: Option<(String, Place)>,
    issuer: Option<(String, Place)>,
}

fn issuer(node: &Node, context: &Context<'_>, seen: &mut Vec<Seen>, report: &mut Report) -> Option<Issuer> {
    let mut fields = Fields::of(node, "identity.issuers[]", report)?;
    let name = fields.required("name", issuer_name);
    let issuer = fields.required("issuer", parsed(exact_issuer));
    let keys = keys(&mut fields, context);
    let timing = fields.optional("jwks", timing).unwrap_or_default();
    let algorithms = fields.required_list("algorithms", parsed(algorithm));
    let token_types = fields.list("token_types", parsed(token_type));
    let clients = fields.list("clients", parsed(client));
    let max_lifetime = fields
        .optional("max_lifetime", within(duration, Duration::from_secs(1)..=Duration::from_hours(365 * 24), "from 1s to 365d"))
        .unwrap_or(Duration::from_hours(24));
    let claims = fields.optional("claims", claims);
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
        token_types: if token_types.is_empty() { vec!["at+jwt".to_owned(), "jwt".to_owned()] } else { token_types },
        max_lifetime,
        claims: claims.unwrap_or_else(default_claims),
    })
}

/// Exactly one place.
fn keys(fields: &mut Fields<'_, '_>, context: &Context<'_>) -> Option<KeySource> {
    if fields.has("jwks_url") {
        if fields.has("jwks_file") {
            let place = fields.place("jwks_url");
            fields.report().error(place, "an issuer has one key set, and two are named").hint("keep `jwks_url` or `jwks_file`");
            fields.optional("jwks_file", |_, _| Some(()));
        }
        return fields.required("jwks_url", parsed(key_set_url)).map(KeySource::Url);
    }
    fields.required("jwks_file", |node, report| key_set(node, context, report)).map(KeySource::File)
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
            "accepted: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA",
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

fn api_keys(node: &Node, report: &mut Report) -> Option<KeyRules> {
    const LONGEST: Duration = Duration::from_hours(36_525 * 24);
    let mut fields = Fields::of(node, "identity.api_keys", report)?;
    let default = KeyRules::default();
    let enabled = fields.optional("enabled", boolean).unwrap_or(default.enabled);
    let max_age = within(duration, Duration::from_hours(1)..=LONGEST, "from 1h to 36525d");
    let max_age = fields.optional("max_age", max_age).unwrap_or(default.max_age);
    let warn_before = fields.optional("warn_before", within(duration, Duration::ZERO..=LONGEST, "from 0s to 36525d"));
    if warn_before.is_some_and(|warn_before| warn_before >= max_age) {
        let place = fields.place("warn_before");
        fields
            .report()
            .error(place, "a key would be warned of from its first day on")
            .hint("make `warn_before` shorter than `max_age`, which is 90d by default");
    }
    if max_age > Duration::from_hours(366 * 24) {
        let place = fields.place("max_age");
        fields
            .report()
            .warning(place, "an API key that leaks works for longer than a year")
            .hint("rotate keys more often; `90d` is the default");
    }
    fields.finish(&[]);
    // Who wants keys to live for a week does not want to hear of each of them all the time.
    let warn_before = warn_before.unwrap_or_else(|| default.warn_before.min(max_age / 2));
    Some(KeyRules { enabled, max_age, warn_before })
}

fn claims(node: &Node, report: &mut Report) -> Option<Claims> {
    let mut fields = Fields::of(node, "identity.issuers[].claims", report)?;
    let subject = fields.optional("subject", parsed(claim_path));
    let groups = fields.optional("groups", parsed(claim_path));
    let roles = fields.optional("roles", parsed(claim_path));
    let tenant = fields.optional("tenant", parsed(claim_path));
    let attributes = fields.optional("attributes", attributes).unwrap_or_default();
    fields.finish(&[]);
    let subject = subject.unwrap_or_else(|| default_claims().subject);
    Some(Claims { subject, groups, roles, tenant, attributes })
}

fn default_claims() -> Claims {
    Claims { subject: ClaimPath(vec!["sub".to_owned()]), groups: None, roles: None, tenant: None, attributes: Vec::new() }
}

fn attributes(node: &Node, report: &mut Report) -> Option<Vec<(String, ClaimPath)>> {
    let read = entries(node, report)?.iter().filter_map(|entry| {
        let name = &entry.key.text;
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !starts || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            report
                .error(entry.key.place, format!("{} is not a name for an attribute", crate::yaml::quoted(name)))
                .hint("use letters, digits and `_`, as conditions write `principal.attributes.<name>`");
            return None;
        }
        Some((name.clone(), parsed(claim_path)(&entry.value, report)?))
    });
    Some(read.collect())
}

/// One literal claim, or with a leading `/` a JSON Pointer (RFC 6901).
fn claim_path(text: &str) -> Result<ClaimPath, Invalid> {
    const HINT: &str = "write a top-level claim such as `groups`, or a JSON Pointer such as `/realm_access/roles`";
    if text.is_empty() || text == "/" || text.chars().any(char::is_control) {
        return Err(Invalid::new("is not the path of a claim", HINT));
    }
    let Some(pointer) = text.strip_prefix('/') else {
        return Ok(ClaimPath(vec![text.to_owned()]));
    };
    let unescaped = pointer.split('/').map(|step| {
        let bad_escape = step.split('~').skip(1).any(|after| !after.starts_with(['0', '1']));
        // RFC 6901, section 4: `~1` first, or `~01` would become `/`.
        if bad_escape { None } else { Some(step.replace("~1", "/").replace("~0", "~")) }
    });
    unescaped
        .collect::<Option<Vec<_>>>()
        .map(ClaimPath)
        .ok_or(Invalid::new("has a `~` that is no escape", "in a JSON Pointer `~0` is `~` and `~1` is `/`"))
}
