//! A real collector of spans: rotel, which `scripts/parts` installs, told to print what it is sent.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::{env, fs};

use parking_lot::Mutex;

use crate::support::eventually;
use crate::support::http::Post;

/// The trace of a span that only says that those before it are printed.
const LAST: &str = "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";

/// A running collector. Dropping it kills it.
pub(super) struct Collector {
    pub(super) address: SocketAddr,
    child: Child,
    said: Arc<Mutex<String>>,
}

/// A span as the collector has read it.
#[derive(Clone, Debug, Default)]
pub(super) struct Span {
    pub(super) trace: String,
    pub(super) id: String,
    pub(super) parent: String,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) events: Vec<String>,
    /// Trace and span ids.
    pub(super) links: Vec<String>,
}

impl Span {
    /// It prints no status where there is none, which is how OTLP says "unset".
    pub(super) fn failed(&self) -> bool {
        assert!(matches!(self.status.as_str(), "" | "STATUS_CODE_ERROR"), "{self:?}");
        !self.status.is_empty()
    }

    pub(super) fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }
}

impl Collector {
    pub(super) async fn start() -> Self {
        let (http, grpc) = (free_port(), free_port());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, http));
        let mut child = Command::new(program())
            .env_clear()
            .args(["start", "--otlp-http-endpoint", &address.to_string(), "--exporter", "blackhole"])
            .args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}")])
            .args(["--debug-log", "traces", "--debug-log-verbosity", "detailed"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a collector");
        let said: Arc<Mutex<String>> = Arc::default();
        let (heard, lines) = (Arc::clone(&said), BufReader::new(child.stdout.take().expect("a pipe")));
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let mut heard = heard.lock();
                heard.push_str(&line);
                heard.push('\n');
            }
        });
        eventually("the collector listens", || TcpStream::connect(address).ok()).await;
        Self { address, child, said }
    }

    /// Everything it has printed.
    pub(super) fn said(&self) -> String {
        self.said.lock().clone()
    }

    /// The spans of a trace, once there are so many.
    pub(super) async fn spans(&self, trace: &str, count: usize) -> Vec<Span> {
        let look = || {
            let spans: Vec<Span> = parse(&self.said()).into_iter().filter(|span| span.trace == trace).collect();
            (spans.len() >= count).then_some(spans)
        };
        eventually(&format!("{count} spans of {trace}"), look).await;
        self.catch_up().await;
        let spans: Vec<Span> = parse(&self.said()).into_iter().filter(|span| span.trace == trace).collect();
        assert_eq!(spans.len(), count, "{spans:#?}");
        spans
    }

    /// Every span it has printed so far.
    pub(super) fn all(&self) -> Vec<Span> {
        parse(&self.said()).into_iter().filter(|span| span.trace != LAST).collect()
    }

    /// It prints one batch after the other: once a span of our own is printed, all lines of those before are there.
    async fn catch_up(&self) {
        let printed = |said: &str| said.matches(LAST).count();
        let before = printed(&self.said());
        let span = [&[0x0a, 16][..], &[0xee; 16], &[0x12, 8], &[0xee; 8], &[0x2a, 4], b"last"].concat();
        let inside = [&[0x12, 34][..], &span].concat();
        let body = [&[0x0a, 38, 0x12, 36][..], &inside].concat();
        assert_eq!((span.len(), inside.len()), (34, 36), "the lengths in the bytes above");
        let post = Post::to(self.address, "/v1/traces").header("Content-Type", "application/x-protobuf").body(body);
        assert_eq!(post.send().await.status, 200);
        eventually("the last span", || (printed(&self.said()) > before).then_some(())).await;
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parse(text: &str) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    // "Trace ID" and "ID" stand in spans and in their links.
    let mut in_link = false;
    for line in text.lines() {
        if line.starts_with("Span #") {
            spans.push(Span::default());
            in_link = false;
            continue;
        }
        let Some(span) = spans.last_mut() else { continue };
        let line = line.trim_start().trim_start_matches("-> ");
        let Some((key, value)) = line.split_once(':').map(|(key, value)| (key.trim(), value.trim())) else {
            in_link |= line.starts_with("SpanLink #");
            continue;
        };
        match key {
            "Trace ID" | "ID" if in_link => span.links.push(value.to_owned()),
            "Trace ID" => value.clone_into(&mut span.trace),
            "ID" => value.clone_into(&mut span.id),
            "Parent ID" => value.clone_into(&mut span.parent),
            "Name" if span.name.is_empty() => value.clone_into(&mut span.name),
            "Name" => span.events.push(value.to_owned()),
            "Kind" => value.clone_into(&mut span.kind),
            "Status code" => value.clone_into(&mut span.status),
            "Start time" => span.start = value.parse().expect("nanoseconds"),
            "End time" => span.end = value.parse().expect("nanoseconds"),
            _ => {
                let typed = value.split_once('(').and_then(|(_, value)| value.strip_suffix(')'));
                span.attributes.extend(typed.map(|value| (key.to_owned(), value.to_owned())));
            }
        }
    }
    // The last one may still be on its way through the pipe.
    if !text.ends_with('\n') {
        spans.pop();
    }
    spans
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr()).expect("a port").port()
}

pub(crate) fn program() -> PathBuf {
    let parts = env::var_os("YETT_PARTS").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".parts"), PathBuf::from);
    let lib = parts.join("tools/lib");
    let pythons = fs::read_dir(&lib).into_iter().flatten().filter_map(Result::ok);
    let mut programs = pythons.map(|python| python.path().join("site-packages/rotel/rotel-agent"));
    programs
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("rotel is missing in {}: run scripts/parts, then this test again", lib.display()))
}
