//! `secrets:`, how the secrets that this file refers to are kept fresh, and where remote ones are.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use super::Context;
use super::locations::key_set_url;
use crate::config::Secrets;
use crate::config::units::{duration, within};
use crate::secrets::{Aws, AwsIdentity, Bao, Form, Login, Reference, Settings, Template};
use crate::yaml::{Fields, Invalid, Node, Report, closest, entries, parsed, quoted, scalar, text};

const AGES: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(24 * 3_660);

const TOKEN: Form = Form::Token { least: 1 };

/// Where Kubernetes puts the token of a pod's service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// Reads the section.
pub(super) fn secrets(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<Settings> {
    let default = Settings::default();
    let mut fields = Fields::of(node, "secrets", report)?;
    let times = || within(duration, Duration::from_secs(1)..=Duration::from_hours(24), "from 1s to 24h");
    let refresh = fields.optional("refresh", times()).unwrap_or(default.refresh);
    let days = within(duration, Duration::from_secs(1)..=Duration::from_hours(24 * 30), "from 1s to 30d");
    let stale = fields.optional("stale", days).unwrap_or(default.stale);
    if stale < refresh {
        let place = fields.place(if fields.has("stale") { "stale" } else { "refresh" });
        fields.report().error(place, "`stale` is shorter than `refresh`").hint("a value would be gone before it is read again");
    }
    let max_age = fields.optional("max_age", age);
    let max_ages = fields.optional("max_ages", |node, report| ages(node, context, report)).unwrap_or_default();
    let bao = fields.optional("vault", |node, report| vault(node, context, report));
    let aws = fields.optional("aws", |node, report| aws(node, context, report));
    fields.finish(&[]);
    Some(Settings { refresh, stale, max_age, max_ages, bao, aws })
}

/// The section, there or not, once every other one has been read: references lead to providers that are configured.
pub(super) fn checked(settings: Option<Settings>, context: &Context<'_>, root: &Node, report: &mut Report) -> Secrets {
    let section = root.get("secrets");
    let has = |key: &str| section.is_some_and(|section| section.get(key).is_some());
    for (place, live) in context.live.borrow().iter() {
        for reference in live.source().into_iter().flat_map(Template::references) {
            let needed = match reference {
                Reference::Vault { .. } => "vault",
                Reference::AwsSecret { .. } | Reference::AwsParameter(_) => "aws",
                Reference::Environment(_) | Reference::File(_) => continue,
            };
            if live.setting().starts_with("secrets.") {
                report
                    .error(*place, format!("{reference} is the key to a provider of secrets, and would be read with itself"))
                    .hint("write `${file:/path}` or `${env:NAME}`");
            } else if !has(needed) {
                report
                    .error(*place, format!("{reference} refers to a provider that is not configured"))
                    .hint(format!("say how it is reached under `secrets.{needed}`; docs/secrets.md shows how"));
            }
        }
    }
    Secrets { settings: settings.unwrap_or_default(), live: Vec::new() }
}

fn age(node: &Node, report: &mut Report) -> Option<Duration> {
    within(duration, AGES, "from 1m to 3660d")(node, report)
}

/// `max_ages:`, by setting. The name of a setting that holds no reference is a mistake that would never be noticed.
fn ages(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<BTreeMap<String, Duration>> {
    let live = context.live.borrow();
    let known: Vec<&str> = live.iter().map(|(_, live)| live.setting()).collect();
    let mut ages = BTreeMap::new();
    for entry in entries(node, report)? {
        let name = entry.key.text.as_str();
        if !known.contains(&name) {
            let near = closest(name, known.iter().copied()).map(|near| format!("did you mean `{near}`? "));
            report.error(entry.key.place, format!("{} is no setting whose secret is kept fresh", quoted(name))).hint(format!(
                "{}write a setting that holds a reference, such as `servers.crm.auth.bearer`",
                near.unwrap_or_default()
            ));
            continue;
        }
        if let Some(age) = age(&entry.value, report) {
            ages.insert(name.to_owned(), age);
        }
    }
    Some(ages)
}

fn vault(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<Bao> {
    let mut fields = Fields::of(node, "secrets.vault", report)?;
    let address = fields.required("address", parsed(origin));
    let authorities = fields.optional("ca", |node, report| pem(node, context, report));
    let namespace = fields.optional("namespace", parsed(namespace));
    let login = fields.required("auth", |node, report| login(node, context, report));
    fields.finish(&[]);
    Some(Bao { address: address?, authorities, namespace, login: login? })
}

/// Exactly one way.
fn login(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<Login> {
    node.conceal(report);
    let mut fields = Fields::of(node, "secrets.vault.auth", report)?;
    let token = fields.optional("token", context.secret(TOKEN, "this token is empty"));
    let role = fields.optional("approle", |node, report| {
        let mut fields = Fields::of(node, "secrets.vault.auth.approle", report)?;
        let mount = fields.optional("mount", parsed(mount)).unwrap_or_else(|| "approle".to_owned());
        let role_id = fields.required("role_id", |node, report| context.live(node, TOKEN, "this id is empty", report));
        let secret_id = fields.required("secret_id", context.secret(TOKEN, "this secret is empty"));
        fields.finish(&[]);
        Some(Login::AppRole { mount, role_id: role_id?, secret_id: secret_id? })
    });
    let kubernetes = fields.optional("kubernetes", |node, report| {
        let mut fields = Fields::of(node, "secrets.vault.auth.kubernetes", report)?;
        let mount = fields.optional("mount", parsed(mount)).unwrap_or_else(|| "kubernetes".to_owned());
        let role = fields.required("role", text);
        let token_file = fields.optional("token_file", |node, report| path(node, context, report));
        fields.finish(&[]);
        let token_file = token_file.unwrap_or_else(|| SERVICE_ACCOUNT.into());
        Some(Login::Kubernetes { mount, role: role?, token_file })
    });
    let ways = ["token", "approle", "kubernetes"].into_iter().filter(|way| fields.has(way)).count();
    if ways != 1 {
        fields
            .report()
            .error(node.place, "there is one way to log in, and here are none or several")
            .hint("write one of `token`, `approle` and `kubernetes`");
    }
    fields.finish(&[]);
    token.map(Login::Token).or(role).or(kubernetes)
}

fn aws(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<Aws> {
    let mut fields = Fields::of(node, "secrets.aws", report)?;
    let region = fields.required("region", parsed(region));
    let endpoint = fields.optional("endpoint", parsed(origin));
    let authorities = fields.optional("ca", |node, report| pem(node, context, report));
    let id = fields.optional("access_key_id", |node, report| context.live(node, TOKEN, "this id is empty", report));
    let secret = fields.optional("secret_access_key", context.secret(TOKEN, "this key is empty"));
    let session = fields.optional("session_token", context.secret(TOKEN, "this token is empty"));
    let web = fields.optional("web_identity", |node, report| {
        let mut fields = Fields::of(node, "secrets.aws.web_identity", report)?;
        let role = fields.required("role_arn", text);
        let token_file = fields.required("token_file", |node, report| path(node, context, report));
        fields.finish(&[]);
        Some(AwsIdentity::WebIdentity { role: role?, token_file: token_file? })
    });
    let with_key = fields.has("access_key_id") && fields.has("secret_access_key");
    if with_key == fields.has("web_identity") || (fields.has("session_token") && !with_key) {
        fields
            .report()
            .error(node.place, "there is one way to prove who the gateway is, and here are none or several")
            .hint("write `access_key_id` and `secret_access_key`, or `web_identity`");
    }
    fields.finish(&[]);
    let key = id.zip(secret).map(|(id, secret)| AwsIdentity::Key { id, secret, session });
    Some(Aws { region: region?, endpoint, authorities, identity: key.or(web)? })
}

/// `https://host[:port]`, or `http` on this machine: tokens travel there.
fn origin(text: &str) -> Result<Uri, Invalid> {
    const HINT: &str = "write `https://host:port`; `http` is for this machine alone";
    let url = key_set_url(text).map_err(|_not_https| Invalid::new("is not an https URL", HINT))?;
    if url.query().is_some() || url.path() != "/" {
        return Err(Invalid::new("has a path or a query", HINT));
    }
    Ok(url)
}

fn mount(text: &str) -> Result<String, Invalid> {
    let good = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if good {
        Ok(text.to_owned())
    } else {
        Err(Invalid::new("is not a mount", "letters, digits, `-` and `_`, such as `approle`"))
    }
}

fn namespace(text: &str) -> Result<String, Invalid> {
    let good = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_/".contains(&b));
    if good { Ok(text.to_owned()) } else { Err(Invalid::new("is not a namespace", "letters, digits, `-`, `_` and `/`")) }
}

/// SECURITY: it becomes a part of a host's name.
fn region(text: &str) -> Result<String, Invalid> {
    let good = (3..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if good { Ok(text.to_owned()) } else { Err(Invalid::new("is not a region", "such as `eu-central-1`")) }
}

/// A file that may come and go: it is read when it is needed.
fn path(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<PathBuf> {
    Some(context.base.join(scalar(node, report)?.text.as_str()))
}

fn pem(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<Vec<u8>> {
    let path = path(node, context, report)?;
    match std::fs::read(&path) {
        Ok(bytes) if bytes.windows(11).any(|window| window == b"-----BEGIN ") => Some(bytes),
        Ok(_) => {
            report.error(node.place, "there is no certificate in PEM form in this file").hint("is it the right one?");
            None
        }
        Err(error) => {
            report
                .error(node.place, format!("the CA certificates cannot be read: {error}"))
                .hint("relative paths start at the file that names them");
            None
        }
    }
}
