//! A gateway for one server and one question: what it offers.
//!
//! So the server is spoken to by the code that speaks to it when it serves, with its credential, its limits and the strict parser, over
//! every transport; nothing is trusted here that is not trusted there. It listens on loopback, has a folder of its own that is removed
//! again, lets one caller see everything, and looks at nothing: what a list says is to be seen as it is.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};

use crate::clock::SystemClock;
use crate::config::{Auth, Config, Durability, Identity, Listener, Server, ServerSelection, Shutdown, State, Telemetry};
use crate::gateway::Gateway;
use crate::policy::{Known, Policy, read_folder};
use crate::yaml::{Place, Report};

/// The one role, whose holder sees whatever the server has.
const ROLE: &str = "scan";

/// It runs while the command does.
#[derive(Debug)]
pub(super) struct Temporary {
    gateway: Gateway,
    /// The route to the server.
    pub(super) url: String,
    _folder: Folder,
}

impl Temporary {
    pub(super) async fn start(mut config: Config, name: &str) -> anyhow::Result<Self> {
        let server = config.servers.iter().find(|server| server.name == name).map(Arc::clone);
        let server = server.with_context(|| format!("no server is called `{name}`; see `yett servers list`"))?;
        refuse_callers_credentials(&server)?;
        let folder = Folder::new()?;
        let policy = policy(name, &folder)?;
        let setting = format!("servers.{name}.");
        config.secrets.live.retain(|live| live.setting().starts_with(&setting));
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let limits = config.listeners.first().map(|listener| listener.limits.clone()).unwrap_or_default();
        config.listeners = vec![Listener {
            name: "scan".to_owned(),
            address: loopback,
            public_url: format!("http://{loopback}"),
            allowed_origins: Vec::new(),
            allowed_hosts: vec![loopback.to_string()],
            servers: ServerSelection::All,
            legacy_sse: false,
            tls: None,
            trusted_proxies: Vec::new(),
            limits,
        }];
        config.servers = vec![server];
        (config.admin, config.health.address, config.health.metrics_token) = (loopback, loopback, None);
        config.data_dir = folder.0.join("data");
        (config.master_key, config.state) = (None, State::Sqlite);
        "scan.localhost".clone_into(&mut config.audit.origin);
        config.audit.durability = Durability::Response;
        (config.audit.witness, config.audit.copies, config.audit.index) = (None, Vec::new(), false);
        config.identity = Identity {
            issuers: Vec::new(),
            api_keys: config.identity.api_keys,
            mtls: None,
            anonymous: true,
            regions: Arc::default(),
        };
        config.telemetry = Telemetry { traces: None, ..config.telemetry };
        config.shutdown = Shutdown { delay: Duration::ZERO, drain: Duration::from_secs(2) };
        config.policy = Arc::new(policy);
        config.file = None;
        let gateway = Gateway::start(config, Arc::new(SystemClock)).await?;
        let address = *gateway.addresses.first().context("the gateway has no listener")?;
        Ok(Self { gateway, url: format!("http://{address}/mcp/{name}"), _folder: folder })
    }

    pub(super) async fn stop(self) {
        self.gateway.stop().await;
    }
}

/// There is no caller whose token or account could be used.
fn refuse_callers_credentials(server: &Server) -> anyhow::Result<()> {
    match &server.auth {
        Some(Auth::TokenExchange(_) | Auth::UserOauth(_)) => bail!(
            "`{}` is called in the name of a caller, and a scan has none: list its tools through the gateway, as somebody who may",
            server.name
        ),
        Some(Auth::Basic(..) | Auth::Bearer(_) | Auth::ClientCredentials(_) | Auth::Header(..)) | None => Ok(()),
    }
}

/// Everything is seen, and nothing is changed on its way.
fn policy(server: &str, folder: &Folder) -> anyhow::Result<Policy> {
    let text = format!(
        "version: 1\nroles:\n  {ROLE}: {{ allow: [{{ servers: [{server}], tools: [\"**\"], prompts: [\"**\"] }}] }}\n\
         injection: {{ requests: \"off\", results: \"off\", definitions: \"off\" }}\n"
    );
    let policies = folder.0.join("policies");
    fs::create_dir(&policies)?;
    fs::write(policies.join("scan.yaml"), text)?;
    let mut report = Report::new();
    let place = Place::whole(report.add_file("scan", ""));
    let known = Known { servers: vec![server.to_owned()], anonymous: vec![(ROLE.to_owned(), place)], ..Known::default() };
    let policy = read_folder(&policies, &known, &mut report);
    if report.has_errors() { Err(anyhow!("{report}")) } else { Ok(policy) }
}

/// A private folder, removed at the end.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("yett-scan-{}", uuid::Uuid::now_v7()));
        fs::DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("cannot make `{}`", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed lies in the system's folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}
