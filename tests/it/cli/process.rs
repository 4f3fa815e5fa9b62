//! A folder with a configuration, and the binary run in it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_yett");

/// Longest wait for anything a process does. Only a broken one comes near it.
const PATIENCE: Duration = Duration::from_mins(1);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// What the metrics of a [`Home`] ask for.
pub(crate) const METRICS_TOKEN: &str = "metrics-token-0123456789";

const POLICY: &str = "version: 1
roles:
  analyst: { allow: [{ servers: [crm], tools: [search_*, get_*] }] }
  clerk: { allow: [{ servers: [mail], tools: [read_*] }] }
bindings:
  - { role: analyst, groups: [sales] }
  - { role: clerk, groups: [sales] }
";

/// A folder with `yett.yaml` and `policies/`.
pub(crate) struct Home {
    dir: TempDir,
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A running `yett serve`. Dropping it kills it.
pub(crate) struct Serving {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
    pub(crate) listener: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) health: SocketAddr,
}

impl Home {
    /// Two servers, `crm` and `mail`, both at `upstream`; every port is the system's choice.
    pub(crate) fn new(upstream: SocketAddr) -> Self {
        let home = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(home.path("policies")).unwrap();
        home.write("metrics.token", METRICS_TOKEN);
        home.write("policies/access.yaml", POLICY);
        home.write("yett.yaml", &settings(upstream));
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Replaces `from` in `yett.yaml`, which must hold it.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.path("yett.yaml")).unwrap();
        assert!(text.contains(from), "yett.yaml holds no `{from}`:\n{text}");
        self.write("yett.yaml", &text.replace(from, to));
    }

    /// Writes `operator.yaml`: the same configuration with the admin address that the system chose.
    pub(crate) fn tell_operator(&self, serving: &Serving) {
        let text = fs::read_to_string(self.path("yett.yaml")).unwrap();
        let (before, after) = text.split_once("admin: { address: \"127.0.0.1:0\" }").expect("an admin address");
        let told = format!("{before}admin: {{ address: \"{}\" }}{after}", serving.admin);
        let (before, after) = told.split_once("health: { address: \"127.0.0.1:0\"").expect("a health address");
        self.write("operator.yaml", &format!("{before}health: {{ address: \"{}\"{after}", serving.health));
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        finish(command(self.dir.path()).args(arguments))
    }

    /// Runs a command that must end with 0; returns what it prints.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let finished = self.run(arguments);
        assert_eq!(finished.code, Some(0), "`yett {}`:\n{}\n{}", arguments.join(" "), finished.out, finished.err);
        finished.out
    }

    /// Starts `yett serve` and waits until it says that it serves. Logs at trace level: the most anybody can ask it to tell.
    pub(crate) fn serve(&self) -> Serving {
        Serving::start(command(self.dir.path()).arg("serve"))
    }

    /// The same with the log that an operator has.
    pub(crate) fn serve_quietly(&self) -> Serving {
        Serving::start_quietly(command(self.dir.path()).arg("serve"))
    }

    /// Makes an API key on a stopped gateway; returns id and secret.
    pub(crate) fn key_offline(&self, subject: &str) -> (String, String) {
        let out = self.done(&["keys", "--offline", "--json", "create", "--subject", subject, "--group", "sales"]);
        made(&out)
    }

    /// The log's lines as they stand on disk.
    pub(crate) fn records(&self) -> Vec<Value> {
        let seg = self.path("data/audit/cli.localhost/r1/seg");
        let mut names: Vec<_> = fs::read_dir(seg).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        let lines = names.iter().map(|path| fs::read_to_string(path).unwrap());
        // Behind the lines of a log that grows, or that was killed, is room for more.
        lines
            .flat_map(|text| {
                text.trim_end_matches('\0').lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>()
            })
            .collect()
    }

    /// Every file under `data_dir` with its bytes.
    pub(crate) fn data_files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let (mut files, mut open) = (Vec::new(), vec![self.path("data")]);
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    let bytes = fs::read(&path).unwrap();
                    files.push((path, bytes));
                }
            }
        }
        files
    }
}

impl Serving {
    /// Starts `command`, which is or becomes a `yett serve`.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_with("trace", command)
    }

    /// The same with the log that an operator has, where a trace would be most of the load.
    pub(crate) fn start_quietly(command: &mut Command) -> Self {
        Self::start_with("info", command)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn start_with(level: &str, command: &mut Command) -> Self {
        let mut child = command.env("RUST_LOG", level).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let (lines, stderr) = (Arc::clone(&log), BufReader::new(child.stderr.take().unwrap()));
        let reader = std::thread::spawn(move || stderr.lines().for_each(|line| lines.lock().push(line.unwrap())));
        let deadline = Instant::now() + PATIENCE;
        let said = loop {
            if let Some(said) = log.lock().iter().find_map(|line| serving_line(line)) {
                break said;
            }
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "it does not serve ({ended:?}):\n{}", log.lock().join("\n"));
            std::thread::sleep(PAUSE);
        };
        let address = |key: &str| said[key].as_str().unwrap().trim_matches(['[', ']']).parse().unwrap();
        let (listener, admin, health) = (address("listeners"), address("admin"), address("health"));
        Self { child, log, reader: Some(reader), listener, admin, health }
    }

    /// Its process, as long as it runs.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "the signal {name} was not sent");
    }

    /// Waits for its end; returns the exit code (`None` after a signal) and everything it logged.
    pub(crate) fn wait(mut self) -> (Option<i32>, String) {
        let status = wait(&mut self.child);
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        (status, self.log.lock().join("\n"))
    }

    /// Stops it in order: exit code and log.
    pub(crate) fn terminate(self) -> (Option<i32>, String) {
        self.signal("TERM");
        self.wait()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It has ended in most tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Id and secret out of `keys --json create` or `rotate`.
pub(crate) fn made(out: &str) -> (String, String) {
    let made: Value = serde_json::from_str(out).unwrap_or_else(|error| panic!("{error}: {out}"));
    (made["key"]["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
}

/// Polls `look` until it has something to show.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// The binary in `folder`, with nothing of this process's environment.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.env_clear().current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs to the end.
pub(crate) fn finish(command: &mut Command) -> Finished {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Finished { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn wait(child: &mut Child) -> Option<i32> {
    eventually("the process ends", || child.try_wait().unwrap()).code()
}

/// The line that names the addresses, in either format.
fn serving_line(line: &str) -> Option<Value> {
    if let Some((_, fields)) = line.split_once(" serving ") {
        return Some(fields.split(' ').filter_map(|field| field.split_once('=')).collect());
    }
    let line: Value = serde_json::from_str(line).ok()?;
    (line["message"] == "serving").then_some(line)
}

fn settings(upstream: SocketAddr) -> String {
    format!(
        "version: 1
listeners: [{{ name: local, address: \"127.0.0.1:0\" }}]
admin: {{ address: \"127.0.0.1:0\" }}
health: {{ address: \"127.0.0.1:0\", metrics_token: \"${{file:metrics.token}}\" }}
audit: {{ origin: cli.localhost }}
shutdown: {{ delay: 0s, drain: 20s }}
servers:
  crm: {{ url: \"http://{upstream}/mcp\" }}
  mail: {{ url: \"http://{upstream}/mcp\" }}
policies: policies/
"
    )
}
