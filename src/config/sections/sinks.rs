//! `audit.sinks:`, where copies of the log's records go.

use std::time::Duration;

use http::Uri;

use super::Context;
use super::locations::key_set_url;
use super::upstream_tls::upstream_tls;
use crate::config::units::{duration, size, within};
use crate::config::{ObjectLock, ObjectStore, Sink, SinkFormat, SinkTo, UpstreamTls, postgres_url};
use crate::reach::is_loopback;
use crate::secrets::{Form, Live};
use crate::yaml::{Fields, Invalid, Node, Report, boolean, choice, name, number, parsed, text};

const FORMATS: &[(&str, SinkFormat)] =
    &[("cef", SinkFormat::Cef), ("ecs", SinkFormat::Ecs), ("native", SinkFormat::Native), ("ocsf", SinkFormat::Ocsf)];

/// Whether it gets alerts alone.
const RECORDS: &[(&str, bool)] = &[("all", false), ("alerts", true)];

/// What a sink is, and the keys that have a meaning for it beside `name`, `type`, `format`, `records` and `identities`.
#[derive(Clone, Copy)]
enum Type {
    File,
    Http,
    Otlp,
    Postgres,
    S3,
    Splunk,
    Syslog,
}

const TYPES: &[(&str, Type)] = &[
    ("file", Type::File),
    ("http", Type::Http),
    ("otlp", Type::Otlp),
    ("postgres", Type::Postgres),
    ("s3", Type::S3),
    ("splunk", Type::Splunk),
    ("syslog", Type::Syslog),
];

const OF_SOME: [&str; 17] = [
    "access_key",
    "acknowledge",
    "bearer",
    "database",
    "every",
    "keep",
    "lock",
    "path",
    "region",
    "retain",
    "rotate",
    "secret_key",
    "sign",
    "size",
    "table",
    "tls",
    "url",
];

/// `x-amz-object-lock-mode`
const LOCKS: &[(&str, &str)] = &[("compliance", "COMPLIANCE"), ("governance", "GOVERNANCE")];

const ROTATE: u64 = 100 << 20;
const KEEP: u32 = 10;
const EVERY: Duration = Duration::from_mins(1);
const SIZE: usize = 8 << 20;
const TABLE: &str = "yett_audit";
const DAY: Duration = Duration::from_hours(24);

const NOT_A_TABLE: Invalid =
    Invalid::new("is not the name of a table", "write `audit`, or `security.audit`: lower-case letters, digits and `_`");

const NOT_HTTPS: Invalid = Invalid::new("is not an https URL", "write `https://host/path`; `http` is for this machine alone");
const NOT_SYSLOG: Invalid =
    Invalid::new("is not where a syslog server is", "write `tls://host:6514`; `tcp://127.0.0.1:514` is for this machine alone");

impl Type {
    fn word(self) -> &'static str {
        TYPES.iter().find(|(_, each)| std::mem::discriminant(each) == std::mem::discriminant(&self)).map_or("", |(word, _)| word)
    }

    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::File => &["path", "rotate", "keep"],
            Self::Http => &["url", "tls", "bearer", "sign"],
            Self::Otlp => &["url", "tls", "bearer"],
            Self::Postgres => &["database", "table"],
            Self::S3 => &["url", "tls", "region", "access_key", "secret_key", "lock", "retain", "every", "size"],
            Self::Splunk => &["url", "tls", "bearer", "acknowledge"],
            Self::Syslog => &["url", "tls"],
        }
    }
}

pub(super) fn sink(node: &Node, context: &Context<'_>, names: &mut Vec<String>, report: &mut Report) -> Option<Sink> {
    let mut fields = Fields::of(node, "audit.sinks", report)?;
    let kind = fields.required("type", choice(TYPES, &["kafka", "nats"]));
    let name = fields.optional("name", name).or_else(|| Some(kind?.word().to_owned()));
    let format = fields.optional("format", choice(FORMATS, &[])).unwrap_or(SinkFormat::Ocsf);
    let identities = fields.optional("identities", boolean);
    let alerts_only = fields.optional("records", choice(RECORDS, &[])).unwrap_or(false);
    let path = fields.optional("path", text);
    let rotate = fields.optional("rotate", within(size, 1 << 20..=1 << 40, "from 1MiB to 1024GiB"));
    let keep = fields.optional("keep", number(0..=10_000));
    let place = match kind {
        Some(Type::Syslog) => fields.optional("url", parsed(syslog)),
        Some(Type::File | Type::Http | Type::Otlp | Type::Postgres | Type::S3 | Type::Splunk) | None => {
            fields.optional("url", parsed(collector))
        }
    };
    let tls = fields.optional("tls", |node, report| upstream_tls(node, "audit.sinks.tls", context.base, report));
    let bearer = fields.optional("bearer", context.secret(Form::Token { least: 1 }, "this secret is empty"));
    let sign = fields.optional("sign", context.secret(Form::Text, "this secret is empty"));
    let acknowledge = fields.optional("acknowledge", boolean);
    let database = fields.optional("database", context.secret(Form::Text, "this secret is empty"));
    if let Some(Ok(known)) = database.as_ref().map(Live::current)
        && let Err((_, hint)) = postgres_url(known.secret.expose())
    {
        let place = fields.place("database");
        fields
            .report()
            .error(place, "this is no URL of a database")
            .hint(hint.replace("`sqlite`, which is `state.db` in `data_dir`, or ", ""));
    }
    let table = fields.optional("table", parsed(table));
    let store = store(&mut fields, context);
    if let Some(kind) = kind {
        check_keys(&mut fields, kind);
    }
    if let (SinkFormat::Cef, Some(Type::Postgres)) = (format, kind) {
        let place = fields.place("format");
        fields.report().error(place, "a table takes JSON").hint("choose `ocsf`, `ecs` or `native`");
    }
    if let (SinkFormat::Native, Some(true)) = (format, identities) {
        let place = fields.place("identities");
        fields.report().error(place, "the lines of the log hold no identities").hint("choose another `format`, or leave it out");
    }
    if let Some(name) = &name {
        if names.contains(name) {
            let place = if fields.has("name") { fields.place("name") } else { node.place };
            let hint = "give each a `name` of its own: how far it has come is remembered under it";
            fields.report().error(place, format!("two sinks are called `{name}`")).hint(hint);
        }
        names.push(name.clone());
    }
    if let Some(path) = &path {
        // No name has a space in it.
        let taken = format!("path {path}");
        if names.contains(&taken) {
            let place = fields.place("path");
            fields.report().error(place, "two sinks write this file").hint("give each a file of its own");
        }
        names.push(taken);
    }
    if place.as_ref().is_some_and(|url| url.scheme_str() == Some("http")) && fields.has("tls") {
        let place = fields.place("tls");
        fields.report().error(place, "`tls` is for a sink that is reached over TLS").hint("leave it out");
    }
    fields.finish(&[]);
    let tls: UpstreamTls = tls.unwrap_or_default();
    let to = match kind? {
        Type::File => SinkTo::File {
            path: context.base.join(path?),
            rotate: rotate.map_or(ROTATE, |bytes| u64::try_from(bytes).unwrap_or(u64::MAX)),
            keep: keep.unwrap_or(KEEP),
        },
        Type::Http => SinkTo::Http { url: place?, bearer, sign, tls },
        Type::Otlp => SinkTo::Otlp { url: place?, bearer, tls },
        Type::Postgres => SinkTo::Postgres { database: database?, table: table.unwrap_or_else(|| TABLE.to_owned()) },
        Type::S3 => SinkTo::S3 { url: place?, store: store?, tls },
        Type::Splunk => SinkTo::Splunk { url: place?, token: bearer?, acknowledge: acknowledge.unwrap_or(true), tls },
        Type::Syslog => SinkTo::Syslog { url: place?, tls },
    };
    let identities = identities.unwrap_or(format != SinkFormat::Native);
    Some(Sink { name: name?, format, identities, alerts_only, to })
}

/// How objects are put.
fn store(fields: &mut Fields<'_, '_>, context: &Context<'_>) -> Option<ObjectStore> {
    let region = fields.optional("region", name);
    let access_key = fields.optional("access_key", context.secret(Form::Line, "this secret is empty"));
    let secret_key = fields.optional("secret_key", context.secret(Form::Line, "this secret is empty"));
    let lock = fields.optional("lock", choice(LOCKS, &[]));
    let retain = fields.optional("retain", within(duration, DAY..=DAY * 36_500, "from 1d to 36500d"));
    let every = fields.optional("every", within(duration, Duration::from_secs(1)..=DAY, "from 1s to 1d"));
    let size = fields.optional("size", within(size, 64 << 10..=256 << 20, "from 64KiB to 256MiB"));
    if fields.has("lock") != fields.has("retain") {
        let (there, missing) = if fields.has("lock") { ("lock", "retain") } else { ("retain", "lock") };
        let place = fields.place(there);
        let found = fields.report().error(place, format!("`{there}` goes with `{missing}`, which is missing"));
        found.hint("write both: `lock: compliance, retain: 2190d`");
    }
    Some(ObjectStore {
        region: region?,
        access_key: access_key?,
        secret_key: secret_key?,
        lock: lock.zip(retain).map(|(mode, keep)| ObjectLock { mode, keep }),
        every: every.unwrap_or(EVERY),
        size: size.unwrap_or(SIZE),
    })
}

/// `audit`, `security.audit`: what stands in a statement as it is.
fn table(text: &str) -> Result<String, Invalid> {
    let is_name = |part: &str| {
        (1..=63).contains(&part.len())
            && !part.starts_with(|first: char| first.is_ascii_digit())
            && part.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    let parts: Vec<_> = text.split('.').collect();
    if parts.len() <= 2 && parts.iter().all(|part| is_name(part)) { Ok(text.to_owned()) } else { Err(NOT_A_TABLE) }
}

/// What a sink of that type must say, and what means nothing to it.
fn check_keys(fields: &mut Fields<'_, '_>, kind: Type) {
    let word = kind.word();
    let missing = match kind {
        Type::File => &["path"][..],
        Type::Http | Type::Otlp | Type::Syslog => &["url"],
        Type::Postgres => &["database"],
        Type::S3 => &["url", "region", "access_key", "secret_key"],
        Type::Splunk => &["url", "bearer"],
    };
    for key in missing.iter().filter(|key| !fields.has(key)).copied().collect::<Vec<_>>() {
        let place = fields.place("type");
        fields.report().error(place, format!("the key `{key}` is missing: a sink of type `{word}` needs it"));
    }
    for key in OF_SOME.iter().filter(|key| !kind.keys().contains(key) && fields.has(key)).copied().collect::<Vec<_>>() {
        let place = fields.place(key);
        let keys = kind.keys().iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        fields.report().error(place, format!("`{key}` means nothing to a sink of type `{word}`")).hint(format!("it has {keys}"));
    }
}

/// SECURITY: whoever can read or change records on their way learns who does what, or keeps them from their keeper.
fn collector(text: &str) -> Result<Uri, Invalid> {
    let url = key_set_url(text).map_err(|_not_https| NOT_HTTPS)?;
    if url.query().is_some() { Err(Invalid::new("has a query", "credentials belong under `bearer`")) } else { Ok(url) }
}

/// `tls://host:port`, or `tcp://` on this machine alone, as connections are made: `https` and `http`.
fn syslog(text: &str) -> Result<Uri, Invalid> {
    let (scheme, rest) = text.split_once("://").ok_or(NOT_SYSLOG)?;
    let scheme = match scheme {
        "tcp" => "http",
        "tls" => "https",
        _ => return Err(NOT_SYSLOG),
    };
    let url = key_set_url(&format!("{scheme}://{}", rest.trim_end_matches('/'))).map_err(|_not_tls| NOT_SYSLOG)?;
    let is_plain = url.path_and_query().is_none_or(|path| path.as_str() == "/");
    let may_be_clear = scheme == "https" || is_loopback(url.host().unwrap_or_default());
    if url.port_u16().is_some() && is_plain && may_be_clear { Ok(url) } else { Err(NOT_SYSLOG) }
}
