//! A real collector of OTLP logs: rotel, stopped and started again under load.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{Stage, Sufferer, all, log};
use crate::support::eventually;
use crate::telemetry::collector;

/// rotel, which prints what it is sent. Ends when dropped.
struct Rotel {
    address: SocketAddr,
    child: Child,
    reader: Option<JoinHandle<()>>,
    said: Arc<Mutex<String>>,
}

impl Rotel {
    async fn start() -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let said = Arc::<Mutex<String>>::default();
        let (child, reader) = spawn(address, &said);
        let rotel = Self { address, child, reader: Some(reader), said };
        rotel.listens().await;
        rotel
    }

    async fn listens(&self) {
        eventually("the collector listens", || TcpStream::connect(self.address).ok()).await;
    }

    /// What bodies of log records it has printed, by the index in them, with how often.
    fn bodies(&self) -> BTreeMap<u64, (Value, usize)> {
        let mut found: BTreeMap<u64, (Value, usize)> = BTreeMap::new();
        for line in self.said.lock().lines() {
            let Some(text) = line.trim().strip_prefix("Body: ") else { continue };
            let text = text.strip_prefix("Str(").and_then(|text| text.strip_suffix(')')).unwrap_or(text);
            let Ok(said) = serde_json::from_str::<Value>(text) else { continue };
            if let Some(index) = said["i"].as_u64() {
                found.entry(index).or_insert((said, 0)).1 += 1;
            }
        }
        found
    }
}

impl Sufferer for Rotel {
    /// It answers before it has printed: with SIGKILL it loses what it said it has, which no sender can know.
    async fn kill(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
    }

    async fn restart(&mut self) {
        let (child, reader) = spawn(self.address, &self.said);
        (self.child, self.reader) = (child, Some(reader));
        self.listens().await;
    }
}

impl Drop for Rotel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(address: SocketAddr, said: &Arc<Mutex<String>>) -> (Child, JoinHandle<()>) {
    let grpc = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let mut child = Command::new(collector::program())
        .env_clear()
        .args(["start", "--otlp-http-endpoint", &address.to_string(), "--exporter", "blackhole"])
        .args(["--otlp-grpc-endpoint", &grpc.to_string(), "--debug-log", "logs", "--debug-log-verbosity", "detailed"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (heard, lines) = (Arc::clone(said), BufReader::new(child.stdout.take().unwrap()));
    let reader = std::thread::spawn(move || {
        for line in lines.lines().map_while(Result::ok) {
            let mut heard = heard.lock();
            heard.push_str(&line);
            heard.push('\n');
        }
    });
    (child, reader)
}

#[tokio::test]
async fn a_collector_of_otlp_logs_that_is_stopped_again_and_again_has_every_record_in_the_end() {
    let mut rotel = Rotel::start().await;
    let stage = Stage::with(&format!("{{ type: otlp, url: \"http://{}/v1/logs\", format: native }}", rotel.address)).await;
    stage.ordinary_day().await;
    stage.call_while_it_suffers(&mut rotel, 8).await;
    stage.delivered(&["otlp"]).await;
    let records = log(&stage.gateway.records(&all()));
    let found = eventually("every record to be printed", || {
        let found = rotel.bodies();
        (found.len() == records.len()).then_some(found)
    })
    .await;
    for (index, record) in &records {
        assert_eq!(&found[index].0, record);
    }
    let said = rotel.said.lock().clone();
    for word in ["yett.uid", "yett.index", "service.name", "test.localhost/audit/r1/0"] {
        assert!(said.contains(word), "{word}");
    }
    stage.gateway.stop().await;
}

#[tokio::test]
async fn a_collector_that_rejects_some_records_of_a_success_is_told_of_and_nothing_is_passed_over() {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    let answers = Arc::new(Mutex::new(0_u32));
    let counted = Arc::clone(&answers);
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = socket.accept() {
            let (mut seen, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
            // Whole once as much has come as the head says.
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                seen.extend_from_slice(&buffer[..read]);
                let Some(head) = seen.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
                let text = String::from_utf8_lossy(&seen[..head]).to_lowercase();
                let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
                if seen.len() >= head + 4 + length.unwrap() {
                    break;
                }
            }
            // ExportLogsServiceResponse { partial_success { rejected_log_records: 2 } }
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 4\r\nConnection: close\r\n\r\n";
            *counted.lock() += 1;
            let _ = stream.write_all(&[head.as_bytes(), &[0x0a, 0x02, 0x08, 0x02]].concat());
        }
    });
    let stage = Stage::with(&format!("{{ type: otlp, url: \"http://{address}/v1/logs\" }}")).await;
    stage.ada.call("search", json!({ "q": "grace" })).await;
    eventually("three tries", || (*answers.lock() >= 3).then_some(())).await;
    assert!(stage.gateway.metric("yett_export_failures_total{sink=\"otlp\",reason=\"refused\"}").await >= 2.0);
    assert!(stage.gateway.metric("yett_export_records_total{sink=\"otlp\"}").await < 1.0);
    stage.gateway.stop().await;
}
