//! A real syslog server: rsyslog over TLS, killed and started again under load.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tempfile::TempDir;

use super::{Stage, Sufferer, all, lines, log, times};
use crate::support::certs::{Authority, Leaf};
use crate::support::{eventually, within};

/// rsyslog, which writes the text of each message to a file. Ends when dropped.
struct Rsyslog {
    folder: TempDir,
    port: u16,
    child: Child,
}

impl Rsyslog {
    fn start(authority: &Authority) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let issued = authority.issue(&Leaf::server("127.0.0.1"));
        issued.write(folder.path(), "server");
        fs::write(folder.path().join("ca.pem"), &authority.pem).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let path = folder.path().display();
        let configuration = format!(
            "global(workDirectory=\"{path}\" maxMessageSize=\"64k\" defaultNetstreamDriver=\"gtls\"
              defaultNetstreamDriverCAFile=\"{path}/ca.pem\" defaultNetstreamDriverCertFile=\"{path}/server.pem\"
              defaultNetstreamDriverKeyFile=\"{path}/server.key\")
module(load=\"imtcp\" StreamDriver.Name=\"gtls\" StreamDriver.Mode=\"1\" StreamDriver.AuthMode=\"anon\")
template(name=\"text\" type=\"string\" string=\"%msg:::drop-last-lf%\\n\")
ruleset(name=\"yett\") {{ action(type=\"omfile\" file=\"{path}/received\" template=\"text\") }}
input(type=\"imtcp\" port=\"{port}\" ruleset=\"yett\")
"
        );
        fs::write(folder.path().join("rsyslog.conf"), configuration).unwrap();
        let child = spawn(folder.path());
        Self { folder, port, child }
    }

    fn received(&self) -> PathBuf {
        self.folder.path().join("received")
    }
}

impl Sufferer for Rsyslog {
    /// SIGKILL: what it has in memory is gone.
    async fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn restart(&mut self) {
        self.child = spawn(self.folder.path());
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(folder: &Path) -> Child {
    let program = ["/usr/sbin/rsyslogd", "/sbin/rsyslogd", "/usr/bin/rsyslogd"].into_iter().find(|path| Path::new(path).exists());
    let mut command =
        Command::new(program.unwrap_or_else(|| panic!("rsyslog is missing: run scripts/parts, then this test again")));
    command.arg("-n").arg("-f").arg(folder.join("rsyslog.conf")).arg("-i").arg(folder.join("pid"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// How long, in seconds. The case says ten minutes, for which there is no room in a suite: `docs/siem/README.md` says what they gave.
const SECONDS: u64 = 12;

#[tokio::test]
async fn aud_059_a_syslog_server_that_is_killed_again_and_again_has_every_record_in_the_end() {
    let authority = Authority::new("a house");
    let mut server = Rsyslog::start(&authority);
    let ca = server.folder.path().join("ca.pem");
    let sink =
        format!("{{ type: syslog, url: \"tls://127.0.0.1:{}\", format: native, tls: {{ ca: {} }} }}", server.port, ca.display());
    let stage = Stage::with(&sink).await;
    stage.call_while_it_suffers(&mut server, SECONDS).await;
    stage.delivered(&["syslog"]).await;
    assert!(stage.gateway.metric("yett_export_failures_total{sink=\"syslog\",reason=\"unreachable\"}").await > 1.0);
    assert!(stage.gateway.metric("yett_export_lost_records_total{sink=\"syslog\"}").await < 1.0);
    let records = log(&stage.gateway.records(&all()));
    let received = server.received();
    let found = eventually("every record to be written down", || {
        let found = times(&lines(&received));
        (found.len() == records.len()).then_some(found)
    })
    .await;
    assert_eq!(found.keys().collect::<Vec<_>>(), records.keys().collect::<Vec<_>>(), "no gap");
    // What came twice is the same twice, and told by its index.
    for line in lines(&received) {
        let said: serde_json::Value = serde_json::from_str(&line).unwrap();
        if let Some(index) = said["i"].as_u64() {
            assert_eq!(said, records[&index]);
        }
    }
    stage.gateway.stop().await;
}

#[tokio::test]
async fn a_syslog_server_that_nobody_vouches_for_gets_nothing() {
    let server = Rsyslog::start(&Authority::new("a house"));
    let other = server.folder.path().join("other.pem");
    fs::write(&other, Authority::new("another house").pem).unwrap();
    let sink = format!("{{ type: syslog, url: \"tls://127.0.0.1:{}\", tls: {{ ca: {} }} }}", server.port, other.display());
    let stage = Stage::with(&sink).await;
    stage.ordinary_day().await;
    let failing = async {
        while stage.gateway.metric("yett_export_failures_total{sink=\"syslog\",reason=\"unreachable\"}").await < 3.0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within("failures that are counted", failing).await;
    assert_eq!(lines(&server.received()).len(), 0);
    stage.gateway.stop().await;
}

/// What the second connection brought, once the first was closed with all that it had brought unread by anybody.
fn forgetful_server() -> (u16, Arc<Mutex<Vec<u8>>>) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, kept) = (socket.local_addr().unwrap().port(), Arc::<Mutex<Vec<u8>>>::default());
    let second = Arc::clone(&kept);
    std::thread::spawn(move || {
        let (mut first, _) = socket.accept().unwrap();
        let mut bytes = vec![0; 1 << 16];
        assert!(first.read(&mut bytes).unwrap() > 0);
        std::thread::sleep(Duration::from_millis(1_500));
        drop(first);
        let (mut stream, _) = socket.accept().unwrap();
        while let Ok(read @ 1..) = stream.read(&mut bytes) {
            second.lock().extend_from_slice(&bytes[..read]);
        }
    });
    (port, kept)
}

/// The texts of octet-counted messages.
fn texts(mut bytes: &[u8]) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(space) = bytes.iter().position(|byte| *byte == b' ') {
        let length: usize = std::str::from_utf8(&bytes[..space]).unwrap().parse().unwrap();
        let Some(message) = bytes.get(space + 1..space + 1 + length) else { break };
        let message = String::from_utf8(message.to_vec()).unwrap();
        let (_, text) = message.split_once("] ").unwrap();
        texts.push(text.to_owned());
        bytes = &bytes[space + 1 + length..];
    }
    texts
}

#[tokio::test]
async fn what_a_syslog_server_took_and_did_not_keep_is_sent_again() {
    let (port, kept) = forgetful_server();
    let stage = Stage::with(&format!("{{ type: syslog, url: \"tcp://127.0.0.1:{port}\", format: native }}")).await;
    stage.ordinary_day().await;
    // Some go over the first connection and count as sent.
    stage.delivered(&["syslog"]).await;
    let lost = log(&stage.gateway.records(&all()));
    let found = eventually("the second connection to bring what the first has lost", || {
        let found = times(&texts(&kept.lock()));
        lost.keys().all(|index| found.contains_key(index)).then_some(found)
    })
    .await;
    assert!(found.keys().zip(0..).all(|(index, place)| *index == place), "from the first on: {found:?}");
    stage.gateway.stop().await;
}
