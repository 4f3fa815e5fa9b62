//! The chain by itself: what happens when a station fails, and what never reaches the upstream.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use std::net::{IpAddr, Ipv4Addr};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::stream;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use tokio::time::Instant;
use tower::Service;
use yett::audit::{Disk, Filter, Log, Options, Storage, Verdict};
use yett::chain::{
    Anonymous, Arrival, CallId, Chain, Incoming, McpRequest, McpResponse, Parts, Peer, Probe, Reason, Rejection, Reply,
    RequestContext, ResponseBody, Route, ServerMessage, Trail,
};
use yett::clock::SystemClock;
use yett::config::{self, Durability};
use yett::decide::Engine;
use yett::endpoint::{BodyMemory, Endpoint, Routes};
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

const CONFIG: &str = "version: 1\nlisteners: [ { name: t, address: '127.0.0.1:1' } ]\npolicies: policies\n\
                      servers: { crm: { url: 'http://127.0.0.1:2/mcp' } }\n";
const POLICY: &str =
    "version: 1\nroles: { r: { allow: [ { servers: [crm], tools: [get_*] } ] } }\nbindings: [ { role: r, groups: [g] } ]\n";

/// Refusals that stand alone: as many as these tests can cause.
const ALONE: Alone = Alone { per_peer: 1_000, total: 1_000 };

/// Notifications in the stream of `get_long`.
pub(crate) const NOTES: usize = 200;

/// An upstream that counts. `get_panic` panics, `get_stream` and `get_long` answer with a stream, `get_broken` with one that panics in
/// the middle.
#[derive(Clone, Default)]
pub(crate) struct Upstream(pub(crate) Arc<AtomicUsize>);

impl Service<McpRequest<Recorded>> for Upstream {
    type Response = McpResponse;
    type Error = Rejection;
    type Future = Reply;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: McpRequest<Recorded>) -> Reply {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            assert_ne!(request.access.mirrored_name(), Some("get_panic"), "asked to");
            let reply = message(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#);
            let note = |_| message(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}"#);
            let (notes, broken) = match request.access.mirrored_name() {
                Some("get_broken") => (1, true),
                Some("get_stream") => (1, false),
                Some("get_long") => (NOTES, false),
                _ => return Ok(McpResponse::json(reply)),
            };
            let messages =
                (0..notes).map(note).chain([reply]).map(ServerMessage::new).enumerate().map(move |(index, message)| {
                    assert!(index == 0 || !broken, "asked to");
                    Ok(message)
                });
            Ok(McpResponse { body: ResponseBody::Stream(Box::pin(stream::iter(messages))), session: None, polling: None })
        })
    }
}

fn message(text: &'static str) -> Message {
    Message::parse(Bytes::from_static(text.as_bytes()), Limits::default(), Side::Server).unwrap()
}

pub(crate) struct Fixture {
    chain: Chain,
    pub(crate) log: Arc<Log>,
    flood: Arc<Flood>,
    pub(crate) upstream: Upstream,
    tokens: Vec<String>,
    route: Arc<Route>,
    config: config::Config,
    pub(crate) folder: tempfile::TempDir,
}

impl Fixture {
    async fn new() -> Self {
        Self::watched(&(), 64).await
    }

    /// With a probe at every station, and room for so many records.
    pub(crate) async fn watched<P: Probe>(probe: &P, records: usize) -> Self {
        Self::with(probe, records, ALONE, Arc::new(Disk)).await
    }

    /// With a log on this disk.
    pub(crate) async fn on(disk: Arc<dyn Storage>) -> Self {
        Self::with(&(), 64, ALONE, disk).await
    }

    async fn with<P: Probe>(probe: &P, records: usize, alone: Alone, disk: Arc<dyn Storage>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("policies")).unwrap();
        std::fs::write(folder.path().join("policies/p.yaml"), POLICY).unwrap();
        let config = config::load_str(CONFIG, folder.path()).unwrap().config;
        let master = MasterKey::open(None, folder.path()).unwrap();
        let (keys, switches) = ApiKeys::open(folder.path(), &master).await.unwrap();
        let mut tokens = Vec::new();
        for subject in ["ada", "bob"] {
            let new = NewKey { subject: subject.into(), groups: vec!["g".into()], ..NewKey::default() };
            tokens.push(keys.create(new, jiff::Timestamp::now()).await.unwrap().1.expose().clone());
        }
        let mut options = Options::new(folder.path().join("audit"), "test", "r1", master.sealing("audit epoch keys").unwrap());
        options.queue = records;
        let (log, _) = Log::open(options, disk, Arc::new(SystemClock)).unwrap();
        let (log, upstream) = (Arc::new(log), Upstream::default());
        let metrics = Arc::new(Metrics::new());
        let flood = Arc::new(Flood::new(alone));
        let book = Arc::new(Rulebook::new(Engine::new(&config.policy), &config.policy.hash, &config.servers));
        let parts = Parts {
            log: Arc::clone(&log),
            metrics: Arc::clone(&metrics),
            flood: Arc::clone(&flood),
            durability: Durability::Strict,
            issuers: Issuers::default(),
            api_keys: Some(Arc::new(keys)),
            callers: Settings::default(),
            vault: Arc::new(Vault::open(folder.path(), &master).await.unwrap()),
            switches: Arc::new(switches),
            sessions: Arc::new(Sessions::default()),
            limits: config.listeners[0].limits.clone(),
            ledger: Ledger::in_memory(HostTime::new(Arc::new(SystemClock))),
            policy: Arc::clone(&config.policy),
            book: Arc::clone(&book),
            in_force: InForce::new(book),
            scanner: Arc::new(Scanner::new().unwrap()),
            dlp: Arc::new(Rules::new(config.policy.dlp.as_ref()).unwrap()),
            quarantine: Arc::new(Quarantine::default()),
            memory: BodyMemory::new(1 << 20, 1 << 20, &metrics),
            shares: FairShare::new(64),
            admission: Admission::new(&config.servers, &metrics),
            vigil: Arc::default(),
            upstream: upstream.clone(),
        };
        let chain = Chain::build_watched(parts, probe);
        let resource = "http://127.0.0.1:1/mcp/crm".to_owned();
        let server = Some(Arc::clone(&config.servers[0]));
        let audiences = vec![resource.clone()];
        let route = Arc::new(Route { metadata_url: resource.clone(), audiences, resource, server, legacy_sse: false });
        Self { chain, log, flood, upstream, tokens, route, config, folder }
    }

    /// The endpoint in front of this chain, and a call as it would come to it.
    pub(crate) fn into_endpoint(self) -> (Endpoint, impl Fn(&str) -> Request<Full<Bytes>>) {
        let listener = self.config.listeners[0].clone();
        let routes = Routes::new(&listener, &self.config.servers, Vec::new());
        let chain = Arc::new(ArcSwap::from_pointee(self.chain));
        let token = self.tokens[0].clone();
        let call = move |tool: &str| request(&token, tool).map(Full::new);
        (Endpoint::new(listener, routes, chain, Arc::new(SystemClock)), call)
    }

    pub(crate) fn call(&self, tool: &str) -> Reply {
        self.call_as(0, tool)
    }

    /// By one of two callers.
    pub(crate) fn call_as(&self, caller: usize, tool: &str) -> Reply {
        let (head, body) = request(&self.tokens[caller], tool).into_parts();
        let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
        let context = self.context();
        self.chain.run(Arrival::Request(Incoming { head: Box::new(head), body, context, evidence: Anonymous }))
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

    /// All but the one that announces the log's keys.
    pub(crate) fn records(&self) -> Vec<Value> {
        records(self.folder.path())
    }
}

fn request(token: &str, tool: &str) -> Request<Bytes> {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    );
    Request::post("/mcp/crm")
        .header("host", "127.0.0.1:1")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("authorization", format!("Bearer {token}"))
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", tool)
        .body(Bytes::from(body))
        .unwrap()
}

fn records(folder: &Path) -> Vec<Value> {
    let mut found = Vec::new();
    let mut keep = |record: &yett::audit::Shown| {
        if record.value()["kind"] != "key.rotate" {
            found.push(record.value().clone());
        }
        ControlFlow::Continue(())
    };
    yett::audit::show(&folder.join("audit"), &Filter::default(), &mut keep).unwrap();
    found
}

#[tokio::test]
async fn a_panic_inside_refuses_that_call_alone_and_is_its_outcome() {
    let fixture = Fixture::new().await;
    let refused = fixture.call("get_panic").await.unwrap_err();
    assert_eq!(refused.reason(), &Reason::Internal("panic"));
    assert!(fixture.call("get_fine").await.is_ok(), "the next call was refused as well");

    let records = fixture.records();
    let statuses: Vec<_> = records.iter().filter_map(|record| record.pointer("/out/status")).collect();
    assert_eq!(statuses, ["internal", "ok"], "{records:#?}");
    fixture.log.close();
    assert_eq!(yett::audit::verify(fixture.folder.path()).unwrap().verdict(), Verdict::Unanchored);
}

#[tokio::test]
async fn a_refused_call_never_reaches_the_upstream() {
    let fixture = Fixture::new().await;
    assert!(matches!(fixture.call("delete_all").await.unwrap_err().reason(), Reason::UnknownTarget(..)));
    assert_eq!(fixture.upstream.0.load(Ordering::SeqCst), 0);
    let records = fixture.records();
    assert_eq!(records.len(), 1, "{records:#?}");
    assert_eq!(records[0].pointer("/dec/effect").unwrap(), "deny");
}

#[tokio::test]
async fn without_a_log_nothing_reaches_the_upstream() {
    let fixture = Fixture::new().await;
    fixture.log.close();
    let reason = fixture.call("get_fine").await.unwrap_err().reason().clone();
    assert!(matches!(reason, Reason::Overloaded | Reason::NotRecorded), "{reason:?}");
    assert_eq!(fixture.upstream.0.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_is_refused_for_want_of_room_is_counted() {
    let fixture = Fixture::new().await;
    let mut slots: Vec<_> = std::iter::from_fn(|| fixture.log.try_reserve().ok()).collect();
    for _ in 0..3 {
        assert_eq!(fixture.call("get_fine").await.unwrap_err().reason(), &Reason::Overloaded);
        // The edge has made up its mind; for that there is always room.
        let refused = Arrival::Refused(fixture.context(), Reason::HostNotAllowed.into());
        assert_eq!(fixture.chain.run(refused).await.unwrap_err().reason(), &Reason::HostNotAllowed);
    }
    assert_eq!(fixture.upstream.0.load(Ordering::SeqCst), 0);
    assert!(fixture.records().is_empty());
    fixture.flood.flush(&fixture.log).await.unwrap();
    let records = fixture.records();
    assert_eq!((records.len(), &records[0]["kind"], &records[0]["n"]), (1, &"auth.failure".into(), &6.into()), "{records:#?}");
    let mut counted: Vec<_> =
        records[0]["refused"].as_array().unwrap().iter().map(|item| (item["reason"].as_str(), item["n"].as_u64())).collect();
    counted.sort_unstable();
    assert_eq!(counted, [(Some("host_not_allowed"), Some(3)), (Some("overloaded"), Some(3))]);
    slots.truncate(1);
    assert!(fixture.call("get_fine").await.is_ok(), "there is room again");
}

#[tokio::test]
async fn a_caller_who_leaves_is_an_outcome_too() {
    let fixture = Fixture::new().await;
    {
        let mut reply = fixture.call("get_fine");
        // Polled once: the decision is queued, the call is under way; then its caller is gone.
        assert!(futures_util::poll!(&mut reply).is_pending());
    }
    fixture.log.close();
    let records = fixture.records();
    let last = records.last().expect("a record");
    let ends = [last.pointer("/out/status"), last.pointer("/dec/reason")];
    assert!(ends.contains(&Some(&Value::from("client_gone"))), "{records:#?}");
}

#[tokio::test]
async fn callers_nobody_knows_yet_who_leave_are_counted_like_those_who_are_refused() {
    const LEFT: u64 = 30;
    let fixture = Fixture::with(&(), 64, Alone { per_peer: 10, total: 10 }, Arc::new(Disk)).await;
    for _ in 0..LEFT {
        let mut reply = fixture.call("get_fine");
        // The vault is asked for the name of this caller, who is gone before it has one.
        assert!(futures_util::poll!(&mut reply).is_pending());
    }
    fixture.flood.flush(&fixture.log).await.unwrap();
    fixture.log.close();
    let records = fixture.records();
    let together: u64 = records.iter().filter_map(|record| record["n"].as_u64()).sum();
    let alone = records.iter().filter(|record| record["kind"] == "call.decision").count() as u64;
    assert_eq!(alone + together, LEFT, "{records:#?}");
    // Where a second began meanwhile, there are ten more.
    assert!((10..=20).contains(&alone), "{alone} have a record of their own: {records:#?}");
}
