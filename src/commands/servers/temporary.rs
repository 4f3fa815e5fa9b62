//! A gateway for one server and one question: what it offers.
//!
//! So the server is spoken to by the code that speaks to it when it serves, with its credential, its limits and the strict parser, over
//! every transport; nothing is trusted here that is not trusted there. It listens on loopback, has a folder of its own that is removed
//! again, lets one caller see everything, and looks at nothing: what a list says is to be seen as it is.
//!
//! SECURITY: whatever runs on this machine reaches loopback, and the server is called with the operator's credential. So the one caller has a key
//! that nobody else knows, and not even that caller may call anything.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};

use crate::clock::SystemClock;
use crate::config::{
    Auth, Config, Durability, Identity, KeyRules, Listener, Server, ServerSelection, Shutdown, State, Telemetry,
};
use crate::gateway::Gateway;
use crate::policy::{Known, Policy, Tenants, read_folder};
use crate::secret::Secret;
use crate::secrets::{Form, Live};
use crate::state::NewKey;
use crate::yaml::Report;

/// The one role, whose holder sees whatever the server has.
const ROLE: &str = "scan";

/// That holder.
const CALLER: &str = "yett-scan";

/// It runs while the command does.
#[derive(Debug)]
pub(super) struct Temporary {
    gateway: Gateway,
    /// The route to the server.
    pub(super) url: String,
    /// What its caller has to show.
    pub(super) key: Secret<String>,
    _folder: Folder,
}

impl Temporary {
    /// `bearer`: what the server is shown in place of what it is configured with.
    pub(super) async fn start(mut config: Config, name: &str, bearer: Option<Secret<String>>) -> anyhow::Result<Self> {
        config.servers.retain(|server| server.name == name);
        let server = config.servers.first_mut();
        let server = server.with_context(|| format!("no server is called `{name}`; see `yett servers list`"))?;
        let server = Arc::get_mut(server).context("the configuration is in use")?;
        // The one caller is of no tenant, and is the operator, who is to see what tenants will.
        server.tenants = Tenants::default();
        match bearer {
            Some(token) => {
                let form = Form::Token { least: 1 };
                server.auth = Some(Auth::Bearer(Live::fixed("--bearer", form, token.expose().clone())));
            }
            None => refuse_callers_credentials(server)?,
        }
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
        (config.admin, config.health.address, config.health.metrics_token) = (loopback, loopback, None);
        config.auditors = Vec::new();
        config.data_dir = folder.0.join("data");
        (config.master_key, config.state) = (None, State::Sqlite);
        "scan.localhost".clone_into(&mut config.audit.origin);
        config.audit.durability = Durability::Response;
        (config.audit.witness, config.audit.copies, config.audit.index) = (None, Vec::new(), false);
        config.identity = Identity {
            issuers: Vec::new(),
            // Its own key is good whatever the operator says of keys.
            api_keys: KeyRules::default(),
            mtls: None,
            anonymous: false,
            regions: Arc::default(),
        };
        config.telemetry = Telemetry { traces: None, ..config.telemetry };
        config.shutdown = Shutdown { delay: Duration::ZERO, drain: Duration::from_secs(2) };
        config.policy = Arc::new(policy);
        config.file = None;
        let gateway = Gateway::start(config, Arc::new(SystemClock)).await?;
        let address = *gateway.addresses.first().context("the gateway has no listener")?;
        match own_key(&gateway, name).await {
            Ok(key) => Ok(Self { gateway, url: format!("http://{address}/mcp/{name}"), key, _folder: folder }),
            Err(error) => {
                gateway.stop().await;
                Err(error)
            }
        }
    }

    pub(super) async fn stop(self) {
        self.gateway.stop().await;
    }
}

/// A key that ends with the gateway, whose folder is where it is known.
async fn own_key(gateway: &Gateway, server: &str) -> anyhow::Result<Secret<String>> {
    let new = NewKey { subject: CALLER.to_owned(), servers: Some(vec![server.to_owned()]), ..NewKey::default() };
    let (_, key) = gateway.operations().create_key(new, "operator").await?;
    Ok(key)
}

/// There is no caller whose token or account could be used, unless somebody gives one.
fn refuse_callers_credentials(server: &Server) -> anyhow::Result<()> {
    match &server.auth {
        Some(Auth::TokenExchange(_) | Auth::UserOauth(_)) => bail!(
            "`{}` is called in the name of a caller, and a scan has none: give it a token of yours that the server takes, in a file, with `--bearer FILE`",
            server.name
        ),
        Some(Auth::Basic(..) | Auth::Bearer(_) | Auth::ClientCredentials(_) | Auth::Header(..)) | None => Ok(()),
    }
}

/// Every tool is seen, none can be called, and nothing is changed on its way. What a rule says of a method hides nothing from a list.
fn policy(server: &str, folder: &Folder) -> anyhow::Result<Policy> {
    let text = format!(
        "version: 1\nroles:\n  {ROLE}: {{ allow: [{{ servers: [{server}], tools: [\"**\"], prompts: [\"**\"] }}] }}\n\
         bindings: [{{ role: {ROLE}, issuers: [api-key], subjects: [{CALLER}] }}]\n\
         rules: [{{ name: lists-alone, deny: {{ servers: [\"*\"] }}, when: 'access.method != \"\"' }}]\n\
         injection: {{ requests: \"off\", results: \"off\", definitions: \"off\", forms: \"off\", terminal: \"off\" }}\n"
    );
    let policies = folder.0.join("policies");
    fs::create_dir(&policies)?;
    fs::write(policies.join("scan.yaml"), text)?;
    let mut report = Report::new();
    let known = Known { servers: vec![server.to_owned()], api_keys: true, ..Known::default() };
    let mut policy = read_folder(&policies, &known, &mut report);
    // A file says of which schemes; which there are is what is asked.
    policy.roles.iter_mut().flat_map(|role| &mut role.allow).for_each(|grant| grant.resources.push("**".to_owned()));
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    /// What a call of a tool is answered.
    async fn called(gateway: &Temporary, authorization: &str) -> String {
        let address = gateway.url.split('/').nth(2).unwrap();
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"drop","arguments":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}"#;
        let head = format!(
            "POST /mcp/crm HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
             MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: drop\r\n{authorization}Connection: close\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn nobody_is_let_in_without_the_key_and_nothing_is_called_with_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("policies")).unwrap();
        fs::write(folder.path().join("policies/none.yaml"), "version: 1\n").unwrap();
        let text = "version: 1\nlisteners: [{ name: main, address: \"127.0.0.1:0\" }]\nadmin: { address: \"127.0.0.1:0\" }\n\
                    health: { address: \"127.0.0.1:0\" }\naudit: { origin: test.localhost }\ndata_dir: data\n\
                    servers:\n  crm: { url: \"http://127.0.0.1:9/mcp\" }\npolicies: policies/\n";
        let config = crate::config::load_str(text, folder.path()).unwrap().config;
        let gateway = Temporary::start(config, "crm", None).await.unwrap();
        for authorization in ["", "Authorization: Bearer yett_x\r\n"] {
            let answer = called(&gateway, authorization).await;
            assert!(answer.starts_with("HTTP/1.1 401 "), "{authorization}: {answer}");
        }
        let answer = called(&gateway, &format!("Authorization: Bearer {}\r\n", gateway.key.expose())).await;
        assert!(answer.contains("-31403"), "{answer}");
        gateway.stop().await;
    }
}
