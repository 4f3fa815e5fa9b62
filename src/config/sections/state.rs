//! `state:`, where keys, switches and heads are kept.

use std::net::IpAddr;

use crate::config::State;
use crate::secret::Secret;
use crate::yaml::{Fields, Node, Report, scalar};

/// What a URL may say, in the words of libpq. Anything else would be ignored, and a setting that is ignored is a hole.
const PARAMETERS: [&str; 12] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];

const MODES: [&str; 6] = ["allow", "disable", "prefer", "require", "verify-ca", "verify-full"];

/// Reads the section. `has_master_key`: whether one is configured.
pub(super) fn state(node: &Node, has_master_key: bool, report: &mut Report) -> Option<State> {
    // A Postgres URL may hold a password.
    node.conceal(report);
    let mut fields = Fields::of(node, "state", report)?;
    let state = fields.required("url", url);
    if matches!(state, Some(State::Postgres(_))) && !has_master_key {
        let place = fields.place("url");
        fields
            .report()
            .error(place, "replicas that share their state need one `master_key`, and none is set")
            .hint("set `master_key` to the same secret in all of them: 32 characters or more, such as `openssl rand -hex 32`");
    }
    fields.finish(&[]);
    state
}

fn url(node: &Node, report: &mut Report) -> Option<State> {
    let scalar = scalar(node, report)?;
    let written = scalar.text.as_str();
    if written == "sqlite" {
        return Some(State::Sqlite);
    }
    let (url, parts) = match checked(written) {
        Ok(checked) => checked,
        Err((problem, hint)) => {
            report.error(node.place, problem).hint(hint);
            return None;
        }
    };
    if parts.has_password && scalar.written.is_none() {
        report
            .warning(node.place, "a secret is written in this file")
            .hint("refer to it: `${file:/run/secrets/name}` or `${env:NAME}`");
    }
    let verified = parts.mode.as_deref().is_none_or(|mode| mode.starts_with("verify-"));
    if !parts.local && !verified {
        report
            .warning(node.place, "nobody checks whose database this is, and it is told the password and who has which key")
            .hint("write `sslmode=verify-full`, which is the default off loopback, and `sslrootcert=FILE` for a CA of your own");
    }
    Some(State::Postgres(Secret::new(url)))
}

/// The URL of a database as connections are made with it.
///
/// # Errors
/// What is wrong with it, without a word of it, and what to write.
pub(crate) fn postgres_url(written: &str) -> Result<Secret<String>, (&'static str, &'static str)> {
    let (url, parts) = checked(written)?;
    if !parts.local && parts.mode.is_some_and(|mode| !mode.starts_with("verify-")) {
        return Err(("nobody checks whose database this is", "write `sslmode=verify-full`, which is the default off loopback"));
    }
    Ok(Secret::new(url))
}

fn checked(written: &str) -> Result<(String, Parts), (&'static str, &'static str)> {
    let rest = written.strip_prefix("postgres://").or_else(|| written.strip_prefix("postgresql://"));
    let rest = rest.ok_or((
        "this is no store",
        "write `sqlite`, which is `state.db` in `data_dir`, or `postgres://USER:PASSWORD@HOST/DATABASE`",
    ))?;
    let parts = Parts::of(rest)?;
    let mut url = written.to_owned();
    if !parts.local && parts.mode.is_none() {
        // The usual default, `prefer`, talks in plain to whoever says that he knows no TLS.
        url.push(if rest.contains('?') { '&' } else { '?' });
        url.push_str("sslmode=verify-full");
    }
    Ok((url, parts))
}

/// What of a URL decides how it is judged.
struct Parts {
    local: bool,
    has_password: bool,
    mode: Option<String>,
}

impl Parts {
    fn of(rest: &str) -> Result<Self, (&'static str, &'static str)> {
        let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = before.split_once('/').unwrap_or((before, ""));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        let of = |name: &str| pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.to_string()).collect::<Vec<_>>();
        if !pairs.iter().all(|(key, _)| PARAMETERS.contains(&key.as_ref())) {
            return Err((
                "this URL has a parameter that is none",
                "known are: application_name, dbname, host, hostaddr, options, \
                        password, port, sslcert, sslkey, sslmode, sslrootcert, user",
            ));
        }
        if path.is_empty() && of("dbname").iter().all(String::is_empty) {
            return Err(("this URL names no database", "write `postgres://USER:PASSWORD@HOST/DATABASE`"));
        }
        if rest.contains('#') || host.contains(',') {
            return Err(("this URL cannot be read in one way", "name one host, and write `#` as `%23` in a password"));
        }
        let modes = of("sslmode");
        if modes.len() > 1 || !modes.iter().all(|mode| MODES.contains(&mode.as_str())) {
            return Err(("`sslmode` is none that there is", "write `sslmode=verify-full`"));
        }
        let hosts = [vec![host.to_owned()], of("host"), of("hostaddr")].concat();
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        Ok(Self {
            local: hosts.iter().all(|host| is_local(host)),
            has_password: user.contains(':') || !of("password").is_empty(),
            mode: modes.into_iter().next(),
        })
    }
}

/// Whether nothing crosses a network: a socket in a folder, or loopback. A host that is not named is this one.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        Some(_) | None => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.is_empty()
        || name.starts_with('/')
        || name.starts_with("%2F")
        || name.starts_with("%2f")
        || name == "localhost"
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_crosses_a_network_is_told_from_what_does_not() {
        for local in ["", "localhost", "localhost:5432", "127.0.0.1", "127.8.0.1:1", "[::1]", "[::1]:5432", "%2Frun%2Fpg", "/run"]
        {
            assert!(is_local(local), "{local}");
        }
        for remote in ["db", "db:5432", "10.0.0.1", "[fe80::1]", "localhost.example", "127.0.0.1.example"] {
            assert!(!is_local(remote), "{remote}");
        }
    }
}
