//! What does a reload of a large policy cost, and what do calls that are served meanwhile feel of it?
//!
//! `cargo bench --bench reload [-- RELOADS]`: a gateway with 1,000 roles, 10,000 rules and a server of 500 tools in one process with
//! clients that call as fast as answers come, and with others whose streams lie open; so many reloads (20), each of a policy that says
//! something else. The figure to defend: under 500 ms each, while serving, and no call fails.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench that cannot start has nothing to say, and measures real time"
)]

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use yett::clock::SystemClock;
use yett::gateway::Gateway;
use yett::state::NewKey;

const ROLES: usize = 1_000;
const RULES: usize = 10_000;
const TOOLS: usize = 500;
const CALLERS: usize = 8;
const LISTENERS: usize = 200;

/// Every call is allowed, whatever `number` is: of the tools that rules take away nobody asks for one.
fn write_policy(folder: &Path, number: usize) {
    let mut access = "version: 1\nroles:\n".to_owned();
    for role in 0..ROLES {
        writeln!(
            access,
            "  r{role}: {{ allow: [{{ servers: [crm], tools: [tool_{}, \"tool_{}*\"] }}] }}",
            role % TOOLS,
            role % 10
        )
        .unwrap();
    }
    access.push_str("bindings:\n");
    for role in 0..ROLES {
        writeln!(access, "  - {{ role: r{role}, groups: [g{role}] }}").unwrap();
    }
    fs::write(folder.join("access.yaml"), access).unwrap();
    for file in 0..RULES / 1_000 {
        let mut rules = "version: 1\nrules:\n".to_owned();
        for rule in (file * 1_000)..((file + 1) * 1_000) {
            let tool = if rule.is_multiple_of(5) { format!("\"drop_{rule}_*\"") } else { format!("tool_{}", 101 + rule % 399) };
            let when = if rule.is_multiple_of(10) { ", when: 'arguments.amount > 1000'" } else { "" };
            writeln!(rules, "  - {{ name: n{rule}_{number}, deny: {{ servers: [crm], tools: [{tool}] }}{when} }}").unwrap();
        }
        fs::write(folder.join(format!("rules{file}.yaml")), rules).unwrap();
    }
}

/// Answers every request with a small result, and leaves listeners open.
async fn serve(socket: TcpListener) {
    loop {
        let (stream, _) = socket.accept().await.unwrap();
        tokio::spawn(async move {
            let mut stream = stream;
            while let Some(body) = read(&mut stream).await {
                if body.contains("subscriptions/listen") {
                    let event = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{\"notifications\":{\"toolsListChanged\":true}}}\n\n";
                    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
                    let chunk = format!("{head}{:x}\r\n{event}\r\n", event.len());
                    if stream.write_all(chunk.as_bytes()).await.is_err() {
                        return;
                    }
                    continue;
                }
                let reply = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[{"type":"text","text":"done"}],"isError":false}}"#;
                let head =
                    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", reply.len());
                if stream.write_all(format!("{head}{reply}").as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// The next message with its head, by its length.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
            if body.len() >= length || (head.contains("chunked") && body.contains("\n\n")) {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn request(address: SocketAddr, key: &str, method: &str, name: Option<&str>, params: &str) -> String {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params},{meta}}}}}"#);
    let name = name.map(|name| format!("Mcp-Name: {name}\r\n")).unwrap_or_default();
    format!(
        "POST /mcp/crm HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n{name}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn percentile(sorted: &[Duration], hundredths: usize) -> Duration {
    sorted[(sorted.len() - 1) * hundredths / 100]
}

fn show(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let [p50, p99, worst] = [50, 99, 100].map(|hundredths| percentile(&times, hundredths));
    println!("{what}: {} of them, p50 {p50:.2?}, p99 {p99:.2?}, worst {worst:.2?}", times.len());
}

/// Calls as fast as answers come until `over`; how long each took, and when it began.
async fn call(address: SocketAddr, key: String, over: Arc<AtomicBool>) -> Vec<(Instant, Duration)> {
    let call = request(address, &key, "tools/call", Some("tool_20"), r#""name":"tool_20","arguments":{"amount":7}"#);
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut times = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let sent = stream.write_all(call.as_bytes()).await;
        let answer = if sent.is_ok() { read(&mut stream).await } else { None };
        // A connection takes so many requests, and is closed in order.
        let Some(answer) = answer else {
            assert!(!times.is_empty(), "the gateway takes no connection");
            stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            continue;
        };
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("done"), "{answer}");
        times.push((begun, begun.elapsed()));
    }
    times
}

/// Listens until it ends, which nobody expects.
async fn listen(address: SocketAddr, key: String, open: Arc<AtomicUsize>) {
    let wanted = r#""notifications":{"toolsListChanged":true}"#;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request(address, &key, "subscriptions/listen", None, wanted).as_bytes()).await.unwrap();
    let answer = read(&mut stream).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    open.fetch_add(1, Ordering::Relaxed);
    let mut rest = [0; 4096];
    while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
    open.fetch_sub(1, Ordering::Relaxed);
}

#[tokio::main]
async fn main() {
    let reloads = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(20);
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = upstream.local_addr().unwrap();
    tokio::spawn(serve(upstream));
    let folder = TempDir::new().unwrap();
    let policies = folder.path().join("policies");
    fs::create_dir(&policies).unwrap();
    write_policy(&policies, 0);
    let config = format!(
        "version: 1\nlisteners: [{{ name: local, address: \"127.0.0.1:0\", limits: {{ connections_per_peer: 1000 }} }}]\nadmin: {{ address: \"127.0.0.1:0\" }}\n\
         health: {{ address: \"127.0.0.1:0\" }}\naudit: {{ origin: bench.localhost, durability: response }}\ndata_dir: data\n\
         policies: policies\nservers: {{ crm: {{ url: \"http://{server}/mcp\" }} }}\n"
    );
    fs::write(folder.path().join("yett.yaml"), config).unwrap();
    let loaded = yett::config::load(&folder.path().join("yett.yaml")).unwrap_or_else(|report| panic_with(&report.to_string()));
    let gateway = Gateway::start(loaded.config, Arc::new(SystemClock)).await.unwrap();
    let new = NewKey { subject: "bench".into(), groups: vec!["g20".into(), "g40".into()], ..NewKey::default() };
    let key = gateway.operations().create_key(new, "admin").await.unwrap().1.expose().clone();
    let address = gateway.addresses[0];

    let open = Arc::new(AtomicUsize::new(0));
    for _ in 0..LISTENERS {
        tokio::spawn(listen(address, key.clone(), Arc::clone(&open)));
    }
    while open.load(Ordering::Relaxed) < LISTENERS {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let over = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..CALLERS).map(|_| tokio::spawn(call(address, key.clone(), Arc::clone(&over)))).collect();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut spans = Vec::new();
    for number in 1..=reloads {
        write_policy(&policies, number);
        let begun = Instant::now();
        assert!(gateway.reload("signal").await.unwrap().changed);
        spans.push((begun, Instant::now()));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    over.store(true, Ordering::Relaxed);
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for caller in callers {
        for (begun, took) in caller.await.unwrap() {
            let meets = spans.iter().any(|(from, to)| begun < *to && begun + took > *from);
            if meets { with.push(took) } else { without.push(took) }
        }
    }
    println!("{ROLES} roles, {RULES} rules, {TOOLS} tools; {CALLERS} callers, {LISTENERS} listeners");
    show("reloads", spans.iter().map(|(from, to)| *to - *from).collect());
    show("calls during a reload", with);
    show("calls besides", without);
    assert_eq!(open.load(Ordering::Relaxed), LISTENERS, "listeners have lost their streams");
    gateway.stop().await;
}

#[expect(clippy::panic, reason = "a bench that cannot start has nothing to say")]
fn panic_with(report: &str) -> ! {
    panic!("{report}")
}
