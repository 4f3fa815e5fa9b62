//! `audit.sinks:`, where copies of the log's records go.

use http::Uri;

use super::Context;
use super::locations::key_set_url;
use super::upstream_tls::upstream_tls;
use crate::config::units::{size, within};
use crate::config::{Sink, SinkFormat, SinkTo, UpstreamTls};
use crate::reach::is_loopback;
use crate::secrets::Form;
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
    Splunk,
    Syslog,
}

const TYPES: &[(&str, Type)] = &[("file", Type::File), ("http", Type::Http), ("splunk", Type::Splunk), ("syslog", Type::Syslog)];

const OF_SOME: [&str; 8] = ["acknowledge", "bearer", "keep", "path", "rotate", "sign", "tls", "url"];

const ROTATE: u64 = 100 << 20;
const KEEP: u32 = 10;

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
            Self::Splunk => &["url", "tls", "bearer", "acknowledge"],
            Self::Syslog => &["url", "tls"],
        }
    }
}

pub(super) fn sink(node: &Node, context: &Context<'_>, names: &mut Vec<String>, report: &mut Report) -> Option<Sink> {
    let mut fields = Fields::of(node, "audit.sinks", report)?;
    let kind = fields.required("type", choice(TYPES, &["kafka", "nats", "otlp", "postgres", "s3"]));
    let name = fields.optional("name", name).or_else(|| Some(kind?.word().to_owned()));
    let format = fields.optional("format", choice(FORMATS, &[])).unwrap_or(SinkFormat::Ocsf);
    let identities = fields.optional("identities", boolean);
    let alerts_only = fields.optional("records", choice(RECORDS, &[])).unwrap_or(false);
    let path = fields.optional("path", text);
    let rotate = fields.optional("rotate", within(size, 1 << 20..=1 << 40, "from 1MiB to 1024GiB"));
    let keep = fields.optional("keep", number(0..=10_000));
    let place = match kind {
        Some(Type::Syslog) => fields.optional("url", parsed(syslog)),
        Some(Type::File | Type::Http | Type::Splunk) | None => fields.optional("url", parsed(collector)),
    };
    let tls = fields.optional("tls", |node, report| upstream_tls(node, "audit.sinks.tls", context.base, report));
    let bearer = fields.optional("bearer", context.secret(Form::Token { least: 1 }, "this secret is empty"));
    let sign = fields.optional("sign", context.secret(Form::Text, "this secret is empty"));
    let acknowledge = fields.optional("acknowledge", boolean);
    if let Some(kind) = kind {
        check_keys(&mut fields, kind);
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
        Type::Splunk => SinkTo::Splunk { url: place?, token: bearer?, acknowledge: acknowledge.unwrap_or(true), tls },
        Type::Syslog => SinkTo::Syslog { url: place?, tls },
    };
    let identities = identities.unwrap_or(format != SinkFormat::Native);
    Some(Sink { name: name?, format, identities, alerts_only, to })
}

/// What a sink of that type must say, and what means nothing to it.
fn check_keys(fields: &mut Fields<'_, '_>, kind: Type) {
    let word = kind.word();
    let missing = match kind {
        Type::File => &["path"][..],
        Type::Http | Type::Syslog => &["url"],
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
