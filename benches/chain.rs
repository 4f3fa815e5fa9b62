//! What does the chain cost a message: its mechanics, the real layers with nothing to look for, and everything on?
//!
//! `cargo bench --bench chain`. The number to defend: at most 2 us a message for fourteen stations, as many as
//! the chain has, that hand it on, there and back. The
//! other cases are the real chain, with authentication, strict parsing of both messages, keyed commitments and two audit records: 256
//! calls are in flight at a time, so that the audit writer (a disk that syncs for nothing) answers in batches as it does under load;
//! what is measured is the time until all are answered, the writer's thread included. The upstream answers at once from memory.

#![expect(clippy::expect_used, reason = "a bench that cannot start has nothing to say")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use tokio::runtime::Runtime;
use tokio::time::Instant;
use tower::{Service, ServiceBuilder, ServiceExt as _};
use yett::audit::{Log, Options};
use yett::chain::{
    Anonymous, Arrival, CallId, Carried, Chain, Exchange, Incoming, McpRequest, McpResponse, Middleware, Next, Parts, Peer,
    Rejection, Reply, RequestContext, Route, Station, TaskIds, TraceHeaders, Trail,
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
use yett::protocol::{Access, Answerable, ClientMessage, ListSet, Message, ProtocolVersion, Side};
use yett::scan::injection::Scanner;
use yett::session::Sessions;
use yett::state::{ApiKeys, NewKey};
use yett::telemetry::Metrics;
use yett::upstream::Admission;
use yett::vault::Vault;

#[path = "support/null_disk.rs"]
mod null_disk;

use null_disk::NullDisk;

/// Calls in flight at a time.
const IN_FLIGHT: usize = 256;

const EMPTY_POLICY: &str = "version: 1
roles: { all: { allow: [ { servers: [crm], tools: ['**'], prompts: ['**'] } ] } }
bindings: [ { role: all, groups: [bench] } ]
dlp: { clearance: { default: internal } }
injection: { requests: 'off', results: 'off', definitions: 'off' }
";

const FULL_POLICY: &str = "version: 1
roles: { all: { allow: [ { servers: [crm], tools: ['get_*', 'search_*', 'tool_*'], prompts: ['*'] } ] } }
bindings: [ { role: all, groups: [bench] } ]
limits: [ { name: per-user, per: [subject], rate: 100000000/min, burst: 100000000 } ]
dlp:
  rules:
    - { name: personal, detect: [us_ssn, card, iban, email], sensitivity: restricted, action: mask }
    - { name: credentials, detect: [secrets], action: block }
injection: { requests: log, results: label, definitions: quarantine }
";

/// An upstream that answers at once, always the same.
#[derive(Clone)]
struct Echo(Bytes);

impl Service<McpRequest<Recorded>> for Echo {
    type Response = McpResponse;
    type Error = Rejection;
    type Future = Reply;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: McpRequest<Recorded>) -> Reply {
        let bytes = self.0.clone();
        Box::pin(async move {
            // What is sent upstream is spliced together too.
            black_box(request.message.rpc().map(Message::encode));
            Ok(McpResponse::json(Message::parse(bytes, Limits::default(), Side::Server).expect("a reply")))
        })
    }
}

struct Bench {
    runtime: Runtime,
    chain: Chain,
    route: Arc<Route>,
    token: String,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new(policy: &str, reply: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let policies = folder.path().join("policies");
        std::fs::create_dir(&policies).expect("a folder");
        std::fs::write(policies.join("bench.yaml"), policy).expect("a policy");
        let config = "version: 1\nlisteners: [ { name: b, address: '127.0.0.1:1' } ]\npolicies: policies\nservers: { crm: { url: 'http://127.0.0.1:2/mcp' } }\n";
        let loaded = config::load_str(config, folder.path()).unwrap_or_else(|report| panic_with(&report.to_string()));
        let config = loaded.config;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (chain, token) = runtime.block_on(build(&config, folder.path(), reply));
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

    fn context(&self) -> RequestContext {
        RequestContext {
            call: CallId::new(),
            received: jiff::Timestamp::now(),
            started: Instant::now(),
            peer: Peer::at(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            route: Arc::clone(&self.route),
            trail: Trail::default(),
        }
    }

    fn run(&self, body: &Bytes, rounds: u64) -> std::time::Duration {
        self.runtime.block_on(async {
            let mut spent = std::time::Duration::ZERO;
            let mut left = rounds;
            while left > 0 {
                let now = left.min(IN_FLIGHT as u64);
                let arrivals: Vec<_> = (0..now).map(|_| self.arrival(body, "get_customer")).collect();
                let start = Instant::now();
                let replies = join_all(arrivals.into_iter().map(|arrival| self.chain.run(arrival))).await;
                spent += start.elapsed();
                assert!(replies.iter().all(Result::is_ok), "a call was refused");
                left -= now;
            }
            spent
        })
    }
}

#[expect(clippy::panic, reason = "a bench that cannot start has nothing to say")]
fn panic_with(report: &str) -> ! {
    panic!("{report}")
}

async fn build(config: &config::Config, folder: &Path, reply: &str) -> (Chain, String) {
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
        upstream: Echo(Bytes::copy_from_slice(reply.as_bytes())),
    });
    (chain, secret.expose().clone())
}

/// Text of about `length` bytes, as a table in words.
fn filler(length: usize) -> String {
    (0..length / 32).map(|row| ["row ", &row.to_string(), " plain stock, nothing in it; "].concat()).collect()
}

fn call(padding: usize) -> Bytes {
    let filler = filler(padding);
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"get_customer","arguments":{{"id":"c-1","note":"{filler}"}},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{{"name":"bench","version":"1"}},"io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    ))
}

fn result(padding: usize) -> String {
    let filler = filler(padding);
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"resultType":"complete","content":[{{"type":"text","text":"{filler}"}}],"isError":false}}}}"#
    )
}

/// A station that has nothing to do.
struct Pass;

impl Middleware for Pass {
    type In = McpRequest<()>;
    type Out = McpRequest<()>;

    async fn handle(&self, request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        next.run(request).await?.map_messages(|message| Ok(Some(message)))
    }
}

/// The end of a chain of such stations.
#[derive(Clone)]
struct End;

impl Service<McpRequest<()>> for End {
    type Response = McpResponse;
    type Error = Rejection;
    type Future = Reply;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: McpRequest<()>) -> Reply {
        Box::pin(async move {
            match request.carried.message {
                ClientMessage::Rpc(message) => Ok(McpResponse::json(message)),
                ClientMessage::EndSession | ClientMessage::OpenStream => Ok(McpResponse::accepted()),
            }
        })
    }
}

/// Thirteen stations: as many as the chain has.
fn stations(criterion: &mut Criterion) {
    let station = || Station::new(Pass, &());
    let service = ServiceBuilder::new()
        .layer(station())
        .layer(station())
        .layer(station())
        .layer(station())
        .layer(station())
        .layer(station())
        .layer(station())
        .layer(station())
        .layer(station())
        .layer(station())
        .layer(station())
        .layer(station())
        .layer(station())
        .service(End);
    let bench = Bench::new(EMPTY_POLICY, &result(0));
    let body = call(0);
    let request = || {
        let message = Message::parse(body.clone(), Limits::default(), Side::Client).expect("a call");
        let access = Access::of(&message, ProtocolVersion::V2026_07_28, |_| None).expect("an access");
        let carried = Box::new(Carried {
            message: ClientMessage::Rpc(message),
            access,
            claim: None,
            opens: None,
            memory: None,
            exchange: Exchange {
                version: ProtocolVersion::V2026_07_28,
                session: None,
                answerable: Answerable::default(),
                lists: ListSet::default(),
                listed: None,
                question: None,
                progress: None,
                moot: false,
                state: None,
                tasks: TaskIds::default(),
                mirrored: Vec::new(),
                trace: TraceHeaders::default(),
            },
            context: bench.context(),
        });
        McpRequest { carried, evidence: () }
    };
    criterion.bench_function("chain/fourteen stations, nothing to do", |bencher| {
        bencher.to_async(&bench.runtime).iter_batched(
            request,
            |request| {
                let service = service.clone();
                async move { black_box(service.oneshot(request).await.is_ok()) }
            },
            BatchSize::SmallInput,
        );
    });
}

fn chain(criterion: &mut Criterion) {
    let cases = [
        ("real, nothing to look for, small call", EMPTY_POLICY, 0, 0),
        ("full, 1 KiB call, small result", FULL_POLICY, 800, 0),
        ("full, 1 KiB call, 16 KiB result", FULL_POLICY, 800, 16 * 1024),
    ];
    let mut group = criterion.benchmark_group("chain");
    for (name, policy, request, reply) in cases {
        let bench = Bench::new(policy, &result(reply));
        let body = call(request);
        group.throughput(Throughput::Elements(1));
        group.bench_function(name, |bencher| bencher.iter_custom(|rounds| bench.run(&body, rounds)));
    }
    group.finish();
}

criterion_group!(benches, stations, chain);
criterion_main!(benches);
