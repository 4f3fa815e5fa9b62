//! The real chain in memory: all its stations, a log on a disk that syncs for nothing, and an upstream that answers at once.

#![expect(clippy::expect_used, reason = "a bench that cannot start has nothing to say")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use tokio::runtime::Runtime;
use tokio::time::Instant;
use tower::Service;
use yett::audit::{Log, Options};
use yett::chain::{
    Anonymous, Arrival, CallId, Chain, Incoming, McpRequest, McpResponse, Parts, Peer, Rejection, Reply, RequestContext, Route,
    Trail,
};
use yett::clock::SystemClock;
use yett::config::{self, Durability, Server};
use yett::decide::Engine;
use yett::endpoint::BodyMemory;
use yett::layers::audit::{Alone, Flood, Recorded};
use yett::layers::authn::{Issuers, Settings};
use yett::layers::authz::{InForce, Rulebook};
use yett::layers::dlp::Rules;
use yett::layers::fair_share::FairShare;
use yett::layers::injection::Quarantine;
use yett::limits::{HostTime, Ledger};
use yett::master_key::MasterKey;
use yett::protocol::json::Limits;
use yett::protocol::{Message, Side};
use yett::scan::injection::Scanner;
use yett::session::Sessions;
use yett::state::{ApiKeys, NewKey};
use yett::telemetry::Metrics;
use yett::upstream::Admission;
use yett::vault::Vault;

use crate::null_disk::NullDisk;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Calls in flight at a time, so that the log's writer answers in batches as it does under load.
const IN_FLIGHT: usize = 256;

/// Nothing is looked for.
pub(crate) const NOTHING: &str = "version: 1
roles: { all: { allow: [ { servers: [crm], tools: ['**'], prompts: ['**'] } ] } }
bindings: [ { role: all, groups: [bench] } ]
dlp: { clearance: { default: internal } }
injection: { requests: 'off', results: 'off', definitions: 'off', terminal: 'off', forms: 'off' }
";

/// An upstream that answers at once, with each of these in turn.
#[derive(Clone)]
struct Echo {
    replies: Arc<[Bytes]>,
    next: Arc<AtomicUsize>,
}

impl Service<McpRequest<Recorded>> for Echo {
    type Response = McpResponse;
    type Error = Rejection;
    type Future = Reply;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: McpRequest<Recorded>) -> Reply {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let bytes = self.replies.get(next % self.replies.len()).cloned().expect("a reply");
        Box::pin(async move {
            // What is sent upstream is spliced together too.
            black_box(request.message.rpc().map(Message::encode));
            Ok(McpResponse::json(Message::parse(bytes, Limits::default(), Side::Server).expect("a reply")))
        })
    }
}

/// A chain and who calls through it.
pub(crate) struct Gateway {
    pub(crate) runtime: Runtime,
    chain: Chain,
    route: Arc<Route>,
    token: String,
    _folder: tempfile::TempDir,
}

impl Gateway {
    pub(crate) fn new(policy: &str, replies: &[String]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let policies = folder.path().join("policies");
        std::fs::create_dir(&policies).expect("a folder");
        std::fs::write(policies.join("bench.yaml"), policy).expect("a policy");
        let config = "version: 1\nlisteners: [ { name: b, address: '127.0.0.1:1' } ]\npolicies: policies\nservers: { crm: { url: 'http://127.0.0.1:2/mcp' } }\n";
        let loaded = config::load_str(config, folder.path()).unwrap_or_else(|report| panic_with(&report.to_string()));
        let config = loaded.config;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (chain, token) = runtime.block_on(build(&config, folder.path(), replies));
        let server: Arc<Server> = Arc::clone(config.servers.first().expect("a server"));
        let resource = "http://127.0.0.1:1/mcp/crm".to_owned();
        let audiences = vec![resource.clone()];
        let route = Route { metadata_url: resource.clone(), audiences, resource, server: Some(server), legacy_sse: false };
        Self { runtime, chain, route: Arc::new(route), token, _folder: folder }
    }

    fn arrival(&self, body: &Bytes, name: &str) -> Arrival {
        let request = Request::post("/mcp/crm")
            .header("host", "127.0.0.1:1")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("authorization", format!("Bearer {}", self.token))
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", name)
            .body(())
            .expect("a request");
        let (head, ()) = request.into_parts();
        let body = Full::new(body.clone()).map_err(|never| match never {}).boxed_unsync();
        Arrival::Request(Incoming { head: Box::new(head), body, context: self.context(), evidence: Anonymous })
    }

    pub(crate) fn context(&self) -> RequestContext {
        RequestContext {
            call: CallId::new(),
            received: jiff::Timestamp::now(),
            started: Instant::now(),
            peer: Peer::at(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            route: Arc::clone(&self.route),
            trail: Trail::default(),
        }
    }

    /// What so many calls take, with each of these bodies in turn.
    pub(crate) fn run(&self, bodies: &[Bytes], rounds: u64) -> Duration {
        self.runtime.block_on(async {
            let mut spent = Duration::ZERO;
            let mut bodies = bodies.iter().cycle();
            let mut left = rounds;
            while left > 0 {
                let now = usize::try_from(left).unwrap_or(IN_FLIGHT).min(IN_FLIGHT);
                let arrivals: Vec<_> = bodies.by_ref().take(now).map(|body| self.arrival(body, "get_customer")).collect();
                let start = Instant::now();
                let replies = join_all(arrivals.into_iter().map(|arrival| self.chain.run(arrival))).await;
                spent += start.elapsed();
                assert!(replies.iter().all(Result::is_ok), "a call was refused");
                left -= now as u64;
            }
            spent
        })
    }
}

#[expect(clippy::panic, reason = "a bench that cannot start has nothing to say")]
fn panic_with(report: &str) -> ! {
    panic!("{report}")
}

async fn build(config: &config::Config, folder: &Path, replies: &[String]) -> (Chain, String) {
    let master = MasterKey::open(None, folder).expect("a key");
    let (keys, switches) = ApiKeys::open(folder, &master).await.expect("state");
    let new = NewKey { subject: "bench".into(), groups: vec!["bench".into()], ..NewKey::default() };
    let (_, secret) = keys.create(new, jiff::Timestamp::now()).await.expect("a key");
    let mut options = Options::new(folder.join("audit"), "bench", "r1", master.sealing("audit epoch keys").expect("a key"));
    options.queue = 4096;
    let (log, _) = Log::open(options, Arc::new(NullDisk), Arc::new(SystemClock)).expect("a log");
    let metrics = Arc::new(Metrics::new());
    let book = Arc::new(Rulebook::new(Engine::new(&config.policy), &config.policy.hash, &config.servers));
    let chain = Chain::build(Parts {
        log: Arc::new(log),
        metrics: Arc::clone(&metrics),
        flood: Arc::new(Flood::new(Alone { per_peer: 1_000, total: 1_000 })),
        durability: Durability::Response,
        issuers: Issuers::default(),
        api_keys: Some(Arc::new(keys)),
        callers: Settings::default(),
        vault: Arc::new(Vault::open(folder, &master).await.expect("a vault")),
        switches: Arc::new(switches),
        sessions: Arc::new(Sessions::default()),
        limits: config.listeners.first().expect("a listener").limits.clone(),
        ledger: Ledger::in_memory(HostTime::new(Arc::new(SystemClock))),
        policy: Arc::clone(&config.policy),
        book: Arc::clone(&book),
        in_force: InForce::new(book),
        scanner: Arc::new(Scanner::new().expect("rules")),
        dlp: Arc::new(Rules::new(config.policy.dlp.as_ref()).expect("rules")),
        quarantine: Arc::new(Quarantine::default()),
        memory: BodyMemory::new(1 << 20, 1 << 20, &metrics),
        shares: FairShare::new(4096),
        admission: Admission::new(&config.servers, &metrics),
        vigil: Arc::default(),
        upstream: Echo {
            replies: replies.iter().map(|reply| Bytes::copy_from_slice(reply.as_bytes())).collect(),
            next: Arc::default(),
        },
    });
    (chain, secret.expose().clone())
}

/// A call with this as an argument.
pub(crate) fn call(note: &str) -> Bytes {
    let note = serde_json::to_string(note).expect("a string");
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"get_customer","arguments":{{"id":"c-1","note":{note}}},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{{"name":"bench","version":"1"}},"io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    ))
}

/// A result of this text.
pub(crate) fn result(text: &str) -> String {
    let text = serde_json::to_string(text).expect("a string");
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"resultType":"complete","content":[{{"type":"text","text":{text}}}],"isError":false}}}}"#
    )
}
