//! Load generator for an MCP streamable-HTTP endpoint: one keep-alive connection per worker, each
//! with a session of its own, one request in flight per connection. Prints one JSON line.
//!
//! Closed loop by default (as fast as answers come). With `--rate` it is an open loop: requests
//! are due at fixed times and latency counts from the due time, so a stall is not hidden.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use loadgen::{Args, children, cpu_seconds, rss_kib};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Barrier;

const USAGE: &str = "mcp-load --url http://127.0.0.1:9001/mcp [--label direct]
         [--connections 64] [--seconds 20] [--warmup 3] [--threads 1] [--rate 0]
         [--method call|list] [--tool tool_07] [--era session|modern|bare] [--request-bytes 0]
         [--bearer-file PATH] [--cpu NAME=PID ...]
  --era session  initialize, keep the Mcp-Session-Id, then requests (2025-06-18)
  --era modern   no session; per-request _meta and routing headers (2026-07-28)
  --era bare     requests with no initialize before them (a stateless gateway)
  --request-bytes  pad the call's arguments so that its body has about so many bytes
  --cpu          report CPU and memory of these processes (children included)
Only loopback targets are accepted.";

type BoxError = Box<dyn std::error::Error + Send + Sync>;

struct Plan {
    addr: SocketAddr,
    uri: Uri,
    host: HeaderValue,
    bearer: Option<HeaderValue>,
    era: Era,
    method: &'static str,
    tool: String,
    expect: &'static [u8],
    connections: usize,
    warmup: Duration,
    seconds: Duration,
    rate: f64,
    request_bytes: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Era {
    Session,
    Modern,
    Bare,
}

impl Plan {
    fn from_args(a: &Args) -> Result<Self, BoxError> {
        let uri: Uri = a.str("url", "http://127.0.0.1:9001/mcp").parse()?;
        let authority = uri.authority().ok_or("--url needs a host")?.clone();
        let addr: SocketAddr =
            format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80)).parse()?;
        if !addr.ip().is_loopback() {
            return Err("only loopback targets are accepted".into());
        }
        let bearer = match a.get("bearer-file") {
            None => None,
            Some(p) => {
                let token = std::fs::read_to_string(p)?;
                Some(HeaderValue::from_str(&format!("Bearer {}", token.trim()))?)
            }
        };
        let (method, expect): (_, &[u8]) = match a.str("method", "call").as_str() {
            "call" => ("tools/call", b"warehouse"),
            "list" => ("tools/list", b"inputSchema"),
            m => return Err(format!("--method {m}: call or list").into()),
        };
        let era = match a.str("era", "session").as_str() {
            "session" => Era::Session,
            "modern" => Era::Modern,
            "bare" => Era::Bare,
            e => return Err(format!("--era {e}: session, modern or bare").into()),
        };
        Ok(Self {
            addr,
            host: HeaderValue::from_str(authority.as_str())?,
            uri: uri.path().parse()?,
            bearer,
            era,
            method,
            tool: a.str("tool", "tool_07"),
            expect,
            connections: a.num("connections", 64),
            warmup: Duration::from_secs_f64(a.num("warmup", 3.0)),
            seconds: Duration::from_secs_f64(a.num("seconds", 20.0)),
            rate: a.num("rate", 0.0),
            request_bytes: a.num("request-bytes", 0),
        })
    }

    fn request(&self, session: Option<&HeaderValue>, method: &str, body: Bytes)
    -> Result<Request<Full<Bytes>>, BoxError> {
        let mut r = Request::post(self.uri.clone())
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .header("mcp-protocol-version", self.version());
        if let Some(b) = &self.bearer {
            r = r.header(AUTHORIZATION, b);
        }
        if let Some(s) = session {
            r = r.header("mcp-session-id", s);
        }
        if self.era == Era::Modern {
            r = r.header("mcp-method", method);
            if method == "tools/call" {
                r = r.header("mcp-name", &self.tool);
            }
        }
        Ok(r.body(Full::new(body))?)
    }

    fn version(&self) -> &'static str {
        if self.era == Era::Modern { "2026-07-28" } else { "2025-06-18" }
    }

    /// The load message up to the request id, and after it.
    fn template(&self) -> (String, String) {
        let mut params = json!({});
        if self.method == "tools/call" {
            params = json!({
                "name": self.tool,
                "arguments": {"sku": "AB-10007", "warehouse": "north", "limit": 10}});
        }
        if self.era == Era::Modern {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": self.version(),
                "io.modelcontextprotocol/clientInfo": {"name": "mcp-load", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {}});
        }
        let short = params.to_string().len() + 60;
        if self.method == "tools/call" && self.request_bytes > short {
            let row = "one plain stock row, nothing secret in it; ";
            let note = row.repeat((self.request_bytes - short) / row.len() + 1);
            params["arguments"]["note"] = note[..self.request_bytes - short].into();
        }
        let head = "{\"jsonrpc\":\"2.0\",\"id\":".to_string();
        (head, format!(",\"method\":\"{}\",\"params\":{params}}}", self.method))
    }
}

struct Worker {
    sender: SendRequest<Full<Bytes>>,
    session: Option<HeaderValue>,
}

impl Worker {
    async fn connect(plan: &Plan) -> Result<Self, BoxError> {
        let stream = TcpStream::connect(plan.addr).await?;
        stream.set_nodelay(true)?;
        let (sender, conn) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(conn);
        let mut w = Self { sender, session: None };
        if plan.era == Era::Session {
            w.initialize(plan).await?;
        }
        Ok(w)
    }

    async fn initialize(&mut self, plan: &Plan) -> Result<(), BoxError> {
        let init = json!({
            "jsonrpc": "2.0", "id": 0, "method": "initialize",
            "params": {
                "protocolVersion": plan.version(), "capabilities": {},
                "clientInfo": {"name": "mcp-load", "version": "1"}}});
        let (res, body) = self.send(plan, "initialize", init.to_string().into()).await?;
        if !res.status().is_success() {
            return Err(format!("initialize: {} {}", res.status(), text(&body)).into());
        }
        self.session = res.headers().get("mcp-session-id").cloned();
        let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let (res, body) =
            self.send(plan, "notifications/initialized", note.to_string().into()).await?;
        if !res.status().is_success() {
            return Err(format!("initialized: {} {}", res.status(), text(&body)).into());
        }
        Ok(())
    }

    async fn send(&mut self, plan: &Plan, method: &str, body: Bytes)
    -> Result<(Response<()>, Bytes), BoxError> {
        let req = plan.request(self.session.as_ref(), method, body)?;
        self.sender.ready().await?;
        let (parts, body) = self.sender.send_request(req).await?.into_parts();
        let bytes = body.collect().await?.to_bytes();
        Ok((Response::from_parts(parts, ()), bytes))
    }
}

fn text(b: &[u8]) -> String {
    String::from_utf8_lossy(&b[..b.len().min(300)]).into_owned()
}

struct Tally {
    latency: Histogram<u64>,
    ok: u64,
    errors: u64,
    first_error: Option<String>,
}

impl Tally {
    fn new() -> Self {
        // One microsecond to one minute, three significant digits.
        let latency = Histogram::new_with_bounds(1, 60_000_000, 3).expect("bounds");
        Self { latency, ok: 0, errors: 0, first_error: None }
    }

    fn error(&mut self, e: String) {
        self.errors += 1;
        self.first_error.get_or_insert(e);
    }
}

/// Runs one connection until the end of the window; only what finishes inside it is counted.
async fn drive(plan: Arc<Plan>, index: usize, ready: Arc<Barrier>) -> Tally {
    let mut tally = Tally::new();
    let mut worker = Worker::connect(&plan).await;
    ready.wait().await;
    let begin = Instant::now();
    let (from, to) = (begin + plan.warmup, begin + plan.warmup + plan.seconds);
    let (head, tail) = plan.template();
    let step = if plan.rate > 0.0 { plan.connections as f64 / plan.rate } else { 0.0 };
    let offset = step * index as f64 / plan.connections as f64;
    let mut id = (index as u64) << 32;
    let mut due = begin;
    for n in 0u64.. {
        if step > 0.0 {
            due = begin + Duration::from_secs_f64(offset + step * n as f64);
            tokio::time::sleep_until(due.into()).await;
        }
        if Instant::now() >= to {
            break;
        }
        let w = match &mut worker {
            Ok(w) => w,
            Err(e) => {
                tally.error(e.to_string());
                tokio::time::sleep(Duration::from_millis(50)).await;
                worker = Worker::connect(&plan).await;
                continue;
            }
        };
        id += 1;
        let start = if step > 0.0 { due } else { Instant::now() };
        let out = w.send(&plan, plan.method, format!("{head}{id}{tail}").into()).await;
        let end = Instant::now();
        let failed = match out {
            Ok((res, body)) if res.status().is_success() => {
                let hit = memchr::memmem::find(&body, plan.expect).is_some();
                (!hit).then(|| format!("unexpected body: {}", text(&body)))
            }
            Ok((res, body)) => Some(format!("{} {}", res.status(), text(&body))),
            Err(e) => {
                let e = e.to_string();
                worker = Worker::connect(&plan).await;
                Some(e)
            }
        };
        if end < from || end >= to {
            continue;
        }
        match failed {
            Some(e) => tally.error(e),
            None => {
                tally.ok += 1;
                tally.latency.saturating_record((end - start).as_micros() as u64);
            }
        }
    }
    tally
}

/// A process named on the command line, with its children.
struct Watched {
    name: String,
    pids: Vec<u32>,
}

impl Watched {
    fn parse(spec: &str) -> Result<Self, BoxError> {
        let (name, pid) = spec.split_once('=').ok_or("--cpu NAME=PID")?;
        let pid: u32 = pid.parse()?;
        let mut pids = vec![pid];
        pids.extend(children(pid));
        Ok(Self { name: name.to_string(), pids })
    }

    fn cpu(&self) -> (f64, f64) {
        self.pids.iter().filter_map(|p| cpu_seconds(*p)).fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1))
    }

    fn rss(&self) -> (u64, u64) {
        self.pids.iter().filter_map(|p| rss_kib(*p)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
    }
}

async fn run(plan: Arc<Plan>, watched: &[Watched]) -> (Tally, Vec<Value>) {
    let ready = Arc::new(Barrier::new(plan.connections + 1));
    let tasks: Vec<_> = (0..plan.connections)
        .map(|i| tokio::spawn(drive(plan.clone(), i, ready.clone())))
        .collect();
    ready.wait().await;
    tokio::time::sleep(plan.warmup).await;
    let before: Vec<_> = watched.iter().map(Watched::cpu).collect();
    tokio::time::sleep(plan.seconds).await;
    let after: Vec<_> = watched.iter().map(|w| (w.cpu(), w.rss())).collect();
    let mut all = Tally::new();
    for t in tasks {
        let Ok(t) = t.await else { continue };
        all.ok += t.ok;
        all.errors += t.errors;
        let _ = all.latency.add(&t.latency);
        all.first_error = all.first_error.or(t.first_error);
    }
    let procs = watched
        .iter()
        .zip(before.iter().zip(&after))
        .map(|(w, (b, (a, rss)))| {
            let (user, sys) = (a.0 - b.0, a.1 - b.1);
            json!({
                "name": w.name, "user_s": round(user), "sys_s": round(sys),
                "cpu_us_per_request": round((user + sys) * 1e6 / all.ok.max(1) as f64),
                "rss_mib": round(rss.0 as f64 / 1024.0), "peak_rss_mib": round(rss.1 as f64 / 1024.0)})
        })
        .collect();
    (all, procs)
}

fn round(v: f64) -> f64 {
    (v * 100.0).round() / 100.0
}

fn main() {
    let a = Args::from_env(USAGE);
    let parsed = Plan::from_args(&a).and_then(|p| {
        let w: Result<Vec<_>, _> = a.all("cpu").iter().map(|s| Watched::parse(s)).collect();
        Ok((Arc::new(p), w?))
    });
    let (plan, watched) = match parsed {
        Ok(v) => v,
        Err(e) => {
            eprintln!("{e}\n{USAGE}");
            std::process::exit(2);
        }
    };
    let rt = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(a.num("threads", 1))
        .enable_all()
        .build()
        .expect("runtime");
    let (t, procs) = rt.block_on(run(plan.clone(), &watched));
    let q = |p: f64| round(t.latency.value_at_quantile(p) as f64 / 1000.0);
    let out = json!({
        "label": a.str("label", ""), "method": plan.method, "era": a.str("era", "session"),
        "connections": plan.connections, "seconds": plan.seconds.as_secs_f64(), "rate": plan.rate,
        "ok": t.ok, "errors": t.errors, "rps": round(t.ok as f64 / plan.seconds.as_secs_f64()),
        "p50_ms": q(0.5), "p90_ms": q(0.9), "p99_ms": q(0.99), "p999_ms": q(0.999),
        "max_ms": round(t.latency.max() as f64 / 1000.0),
        "processes": procs, "first_error": t.first_error});
    println!("{out}");
    if t.ok == 0 || t.errors > 0 {
        std::process::exit(1);
    }
}
