//! `yett.yaml` section by section: from the tree to the types of [`crate::config`].
//!
//! Every reader follows the pattern of [`crate::yaml`]: ask for every key, finish, then build. What one section must know of
//! another stands in [`Context`], filled from the tree before any section is read, so that a mistake in one section does not
//! cause false ones in the next.

mod auditors;
mod auth;
mod claims;
mod copies;
mod identity;
mod issuer;
mod listeners;
mod locations;
mod oauth;
mod process;
mod secrets;
mod servers;
mod sinks;
mod state;
mod stdio;
mod telemetry;
mod tls;
mod upstream_tls;
mod witness;

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::values::{Environment, template};
use super::{Audit, Config, Durability, Identity, KeyRules, Outline, ReloadBy, Replies, Risk, Server};
use crate::clock::{Clock as _, SystemClock};
use crate::policy::Known;
use crate::secret::Secret;
use crate::secrets::{Form, Live, Reference};
use crate::yaml::{Fields, Later, Node, Place, Report, Value, choice, known_or_not, later, scalar, text, version};

pub(crate) use locations::gateway_url;
pub(crate) use state::postgres_url;

const LATER: &[Later] = &[later("redis")];

const RELOADS: &[(&str, ReloadBy)] = &[("files", ReloadBy::Files), ("asked", ReloadBy::Asked)];

/// What sections know of each other and of the world.
pub(super) struct Context<'a> {
    /// Relative paths start here.
    pub(super) base: &'a Path,
    /// The process.
    pub(super) environment: &'a dyn Environment,
    /// Names that listeners and policies may refer to, well-formed or not.
    pub(super) known: Known,
    /// Weak choices that were named.
    risks: Vec<Risk>,
    /// How settings are called, by their places.
    settings: HashMap<Place, String>,
    /// Secrets that were read as handles so far, and where they stand.
    live: RefCell<Vec<(Place, Live)>>,
    /// Whether some listener asks its clients for certificates.
    asks_for_certificates: bool,
    /// Whether users of some issuer sign in with a browser.
    signs_in: bool,
}

/// The servers of a file of which nothing else is wanted.
pub(super) fn servers_alone(root: &Node, context: &Context<'_>, report: &mut Report) -> Vec<Arc<Server>> {
    root.get("servers").and_then(|node| servers::servers(node, context, &[], report)).unwrap_or_default()
}

impl<'a> Context<'a> {
    /// Looks through the whole tree for what sections may refer to.
    pub(super) fn of(root: &Node, base: &'a Path, environment: &'a dyn Environment) -> Self {
        let identity = root.get("identity");
        let issuers = identity.and_then(|node| node.get("issuers")).map(sequence).unwrap_or_default();
        let api_keys = identity.and_then(|node| node.get("api_keys")?.get("enabled")).and_then(plain);
        let anonymous = identity.and_then(|node| node.get("anonymous")?.get("roles")).map(sequence).unwrap_or_default();
        let risks = root.get("accept_risks").map(sequence).unwrap_or_default();
        Self {
            base,
            environment,
            known: Known {
                servers: root.get("servers").map(keys).unwrap_or_default(),
                issuers: issuers.iter().filter_map(|issuer| plain(issuer.get("name")?)).map(str::to_owned).collect(),
                api_keys: api_keys != Some("false"),
                mtls: identity.is_some_and(|node| node.get("mtls").is_some()),
                anonymous: anonymous.iter().filter_map(|role| Some((plain(role)?.to_owned(), role.place))).collect(),
                tenants: issuers.iter().any(|issuer| issuer.get("claims").is_some_and(|claims| claims.get("tenant").is_some()))
                    || root.get("servers").map(members).into_iter().flatten().any(|(_, server)| server.get("tenants").is_some()),
                regions: root.get("servers").map(regions).unwrap_or_default(),
                issuer_regions: identity.and_then(|node| node.get("regions")).map(texts).unwrap_or_default(),
                attributes: issuers.iter().filter_map(|issuer| issuer.get("claims")?.get("attributes")).flat_map(keys).collect(),
                today: Some(SystemClock.now().to_zoned(TimeZone::UTC).date()),
            },
            signs_in: issuers.iter().any(|issuer| issuer.get("sign_in").is_some()),
            asks_for_certificates: root.get("listeners").map(sequence).unwrap_or_default().iter().any(asks_for_certificates),
            risks: risks.iter().filter_map(|risk| process::risk_named(plain(risk)?)).collect(),
            settings: settings(root),
            live: RefCell::default(),
        }
    }

    fn accepts(&self, risk: Risk) -> bool {
        self.risks.contains(&risk)
    }

    /// Every secret that was read as a handle, with its place.
    pub(super) fn secrets(self) -> Vec<(Place, Live)> {
        self.live.into_inner()
    }

    /// A secret of `form` that is kept fresh, `short` being what is said of one that is too short. One that stands in the file itself is
    /// starred out of every snippet, and warned about.
    fn secret<'s>(&'s self, form: Form, short: &'static str) -> impl Fn(&Node, &mut Report) -> Option<Live> + use<'s, 'a> {
        move |node, report| {
            node.conceal(report);
            let scalar = known_or_not(node, report)?;
            if scalar.written.is_none() {
                report
                    .warning(node.place, "a secret is written in this file")
                    .hint("refer to it: `${file:/run/secrets/name}` or `${env:NAME}`");
            }
            self.live(node, form, short, report)
        }
    }

    /// The same without the warning: a value that need not be secret.
    fn live(&self, node: &Node, form: Form, short: &'static str, report: &mut Report) -> Option<Live> {
        let scalar = known_or_not(node, report)?;
        let setting = self.settings.get(&node.place).map_or("", String::as_str);
        if !scalar.unknown {
            check_form(node, &scalar.text, form, short, report)?;
        }
        let source = scalar.written.as_deref().and_then(|written| template(written, self.base));
        // Variables of this process do not change while it runs.
        let source = source.filter(|source| source.references().any(|to| !matches!(to, Reference::Environment(_))));
        let Some(source) = source else {
            return Some(Live::fixed(setting, form, scalar.text.to_string()));
        };
        let live = Live::referring(setting, form, source);
        if !scalar.unknown {
            live.publish(Secret::new(scalar.text.to_string()), None);
        }
        self.live.borrow_mut().push((node.place, live.clone()));
        Some(live)
    }
}

fn check_form(node: &Node, text: &str, form: Form, short: &'static str, report: &mut Report) -> Option<()> {
    let Err(problem) = form.check(text) else { return Some(()) };
    let is_short = matches!(form, Form::Token { least } if text.len() < least) || text.is_empty();
    if is_short {
        report.error(node.place, short).hint("make a longer one, such as `openssl rand -hex 32`");
    } else {
        report.error(node.place, format!("this secret {problem}")).hint("is it the right file?");
    }
    None
}

/// Every value's name: the keys that lead to it, and in a list the item's own name, or its number from 0.
fn settings(root: &Node) -> HashMap<Place, String> {
    fn walk(node: &Node, name: &str, names: &mut HashMap<Place, String>) {
        let below = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
        match &node.value {
            Value::Mapping(entries) => {
                for entry in entries {
                    walk(&entry.value, &below(&entry.key.text), names);
                }
            }
            Value::Scalar(_) => {
                names.insert(node.place, name.to_owned());
            }
            Value::Sequence(nodes) => {
                for (index, node) in nodes.iter().enumerate() {
                    let own = node.get("name").and_then(plain).map_or_else(|| index.to_string(), str::to_owned);
                    walk(node, &below(&own), names);
                }
            }
            Value::Refused => {}
        }
    }
    let mut names = HashMap::new();
    walk(root, "", &mut names);
    names
}

/// An address that something listens on, for the check that nothing else does.
#[derive(Clone, Copy)]
struct Bound {
    what: &'static str,
    address: SocketAddr,
    place: Place,
    /// Whether what passes there is encrypted.
    tls: bool,
}

/// Reads the whole file. Policy, hash, outline and file in the result are empty: [`super::load`] fills them.
pub(super) fn root(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<Config> {
    let mut fields = Fields::of(node, "", report)?;
    if fields.required("version", version).is_none() && fields.has("version") {
        // Another version has other keys: every further message would be a guess.
        return None;
    }
    let mut bound = Vec::new();
    let mut names = Vec::new();
    let listeners =
        fields.required_list("listeners", |node, report| listeners::listener(node, context, &mut bound, &mut names, report));
    let servers = fields.required("servers", |node, report| servers::servers(node, context, &listeners, report));
    let policies = fields.required("policies", |node, report| folder(node, context, report));
    let data_dir = fields.optional("data_dir", text).unwrap_or_else(|| "data".to_owned());
    let admin = fields.optional("admin", |node, report| process::admin(node, context, report));
    let (admin, auditors) = admin.unwrap_or_else(|| (process::default_admin(node.place), Vec::new()));
    let (health, health_bound) = fields
        .optional("health", |node, report| process::health(node, context, report))
        .unwrap_or_else(|| process::default_health(node.place));
    let has_master_key = fields.has("master_key");
    let state = fields.optional("state", |node, report| state::state(node, has_master_key, report)).unwrap_or_default();
    let master_key = fields.optional("master_key", secret(32, "this secret has fewer than 32 characters"));
    let audit = process::audit(&mut fields, &listeners, context);
    auditors::check_index(node, &auditors, audit.as_ref(), fields.report());
    check_receipts(&mut fields, audit.as_ref(), servers.as_deref().unwrap_or_default());
    let off_loopback = bound.iter().chain([&admin]).any(|bound| !bound.tls && !bound.address.ip().is_loopback());
    let accept_risks = fields.list_or_empty("accept_risks", |node, report| process::risk(node, off_loopback, report));
    let shutdown = fields.optional("shutdown", |node, report| process::shutdown(node, context, report));
    let shutdown = shutdown.unwrap_or_else(|| process::default_shutdown(context));
    let reload = fields.optional("reload", choice(RELOADS, &[])).unwrap_or_default();
    let identity = fields.optional("identity", |node, report| identity::identity(node, &listeners, context, report));
    let identity = identity.unwrap_or(Identity {
        issuers: Vec::new(),
        api_keys: KeyRules::default(),
        mtls: None,
        anonymous: false,
        regions: Arc::default(),
    });
    let telemetry = fields.optional("telemetry", |node, report| telemetry::telemetry(node, context, report));
    let telemetry = telemetry::effective(telemetry, context, node.place, fields.report());
    let secrets = fields.optional("secrets", |node, report| secrets::secrets(node, context, report));
    // Last, when every secret has been read.
    let secrets = secrets::checked(secrets, context, node, fields.report());
    // Listeners last: theirs are the addresses that somebody chose.
    bound.splice(0..0, [admin, health_bound]);
    check_addresses(&bound, fields.report());
    fields.finish(LATER);

    Some(Config {
        listeners,
        data_dir: context.base.join(data_dir),
        admin: admin.address,
        auditors,
        health,
        master_key,
        state,
        audit: audit?,
        accept_risks,
        shutdown,
        reload,
        identity,
        telemetry,
        servers: servers?,
        policies: policies?,
        policy: Arc::default(),
        hash: String::new(),
        outline: Outline::default(),
        secrets,
        // The file that runs, also when another one has taken its name since.
        launcher: "/proc/self/exe".into(),
        replies: Replies::default(),
        file: None,
    })
}

/// A secret of at least `least` visible ASCII characters that is read once. See [`Context::secret`].
fn secret(least: usize, short: &'static str) -> impl Fn(&Node, &mut Report) -> Option<Secret<String>> {
    move |node, report| {
        node.conceal(report);
        let scalar = scalar(node, report)?;
        if scalar.written.is_none() {
            report
                .warning(node.place, "a secret is written in this file")
                .hint("refer to it: `${file:/run/secrets/name}` or `${env:NAME}`");
        }
        check_form(node, &scalar.text, Form::Token { least }, short, report)?;
        Some(Secret::new(scalar.text.to_string()))
    }
}

/// A folder that exists.
fn folder(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<PathBuf> {
    let written = scalar(node, report)?;
    let path = context.base.join(written.text.as_str());
    if path.is_dir() {
        return Some(path);
    }
    report
        .error(node.place, format!("{} is not a folder that can be read", written.shown()))
        .hint("relative paths start at the file that names them");
    None
}

fn check_addresses(bound: &[Bound], report: &mut Report) {
    for (index, later) in bound.iter().enumerate() {
        if let Some(earlier) = bound.iter().take(index).find(|earlier| collide(earlier.address, later.address)) {
            let other = report.locate(earlier.place);
            report
                .error(later.place, format!("the address {} is taken", later.address))
                .hint(format!("by {} on {} ({other})", earlier.what, earlier.address));
        }
    }
}

/// Port 0 is a different port each time.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let same_family = one.is_ipv4() == other.is_ipv4();
    let covers = one.ip() == other.ip() || (same_family && (one.ip().is_unspecified() || other.ip().is_unspecified()));
    one.port() != 0 && one.port() == other.port() && covers
}

fn asks_for_certificates(listener: &Node) -> bool {
    listener.get("tls").is_some_and(|tls| tls.get("client_auth").is_some())
}

fn plain(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar(scalar) => Some(scalar.text.as_str()),
        Value::Mapping(_) | Value::Refused | Value::Sequence(_) => None,
    }
}

fn sequence(node: &Node) -> &[Node] {
    match &node.value {
        Value::Sequence(nodes) => nodes,
        Value::Mapping(_) | Value::Refused | Value::Scalar(_) => &[],
    }
}

/// The entries of a mapping that are texts.
fn texts(node: &Node) -> Vec<(String, String)> {
    let text = |(key, value): (String, &Node)| Some((key, plain(value)?.to_owned()));
    members(node).filter_map(text).collect()
}

/// Where servers say that they are.
fn regions(node: &Node) -> Vec<(String, String)> {
    let region = |(key, value): (String, &Node)| Some((key, plain(value.get("region")?)?.to_owned()));
    members(node).filter_map(region).collect()
}

fn members(node: &Node) -> impl Iterator<Item = (String, &Node)> {
    let entries = match &node.value {
        Value::Mapping(entries) => entries.as_slice(),
        Value::Refused | Value::Scalar(_) | Value::Sequence(_) => &[],
    };
    entries.iter().map(|entry| (entry.key.text.clone(), &entry.value))
}

fn keys(node: &Node) -> Vec<String> {
    match &node.value {
        Value::Mapping(entries) => entries.iter().map(|entry| entry.key.text.clone()).collect(),
        Value::Refused | Value::Scalar(_) | Value::Sequence(_) => Vec::new(),
    }
}

/// A receipt names a record that is on disk.
fn check_receipts(fields: &mut Fields<'_, '_>, audit: Option<&Audit>, servers: &[Arc<Server>]) {
    let waits = audit.is_none_or(|audit| audit.durability != Durability::Async);
    if !waits && servers.iter().any(|server| server.receipts) {
        let place = fields.place("servers");
        fields
            .report()
            .error(place, "`receipts` name records that are on disk, and with `durability: async` no answer waits for that")
            .hint("write `durability: strict` or `response`, or leave `receipts` out");
    }
}
