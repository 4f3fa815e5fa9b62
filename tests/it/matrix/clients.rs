//! The clients: how each is started before a server, or before the gateway, and what it tells of a walk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::servers::Server;
use crate::peers::parts;
use crate::peers::process::Running;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Client {
    /// SDK 2.x; probes for the stateless revision.
    Python,
    /// SDK 1.30.
    PythonV1,
    TypeScriptV1,
    /// SDK v2; probes for the stateless revision.
    TypeScript,
    /// One process for each step.
    Inspector,
    /// A program that speaks standard streams to TypeScript SDK v1.
    McpRemote,
    /// The same to Python SDK 2.x, which probes.
    Connect,
    /// Python SDK 2.x over the transport of 2024-11-05.
    HttpSse,
}

/// Where a client finds a server.
pub(super) enum Place {
    /// A program that the client starts.
    Program(Vec<String>),
    /// The server's own endpoint; one of HTTP+SSE ends in `/sse`.
    Url(String),
    /// The gateway's.
    Route { url: String, key: String },
}

/// What is asked of each server, in files.
pub(super) struct Walks {
    files: BTreeMap<String, PathBuf>,
    folder: TempDir,
}

impl Client {
    pub(super) const ALL: [Self; 8] = [
        Self::Python,
        Self::PythonV1,
        Self::TypeScriptV1,
        Self::TypeScript,
        Self::Inspector,
        Self::McpRemote,
        Self::Connect,
        Self::HttpSse,
    ];

    /// Who it is to the gateway.
    pub(super) fn subject(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::PythonV1 => "python-v1",
            Self::TypeScriptV1 => "typescript-v1",
            Self::TypeScript => "typescript",
            Self::Inspector => "inspector",
            Self::McpRemote => "mcp-remote",
            Self::Connect => "connect",
            Self::HttpSse => "http-sse",
        }
    }

    /// In the table.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Python => "Python SDK 2, auto",
            Self::PythonV1 => "Python SDK 1.30",
            Self::TypeScriptV1 => "TypeScript SDK v1",
            Self::TypeScript => "TypeScript SDK v2, auto",
            Self::Inspector => "Inspector CLI",
            Self::McpRemote => "mcp-remote",
            Self::Connect => "`yett connect`",
            Self::HttpSse => "HTTP+SSE client",
        }
    }

    /// Whether what it sees directly is seen by the same SDK without the program, or the transport, that is between it and a gateway.
    pub(super) fn stands_in(self, server: Server) -> bool {
        match self {
            Self::Connect => true,
            Self::McpRemote => matches!(server, Server::EverythingStdio | Server::Filesystem | Server::Time),
            Self::HttpSse => server != Server::EverythingSse,
            Self::Python | Self::PythonV1 | Self::TypeScriptV1 | Self::TypeScript | Self::Inspector => false,
        }
    }

    fn command(self, place: &Place, folder: &Path) -> Command {
        match self {
            Self::Python => sdk(parts::python("client.py"), "auto", place),
            Self::PythonV1 => finding(parts::python_v1("client_v1.py"), place),
            Self::TypeScriptV1 => sdk(parts::node("client.mjs"), "legacy", place),
            Self::TypeScript => sdk(parts::node("client.mjs"), "auto", place),
            Self::Inspector => finding(parts::node_22("inspector.mjs"), place),
            Self::McpRemote => {
                let program = remote(place, folder);
                sdk(parts::node("client.mjs"), "legacy", program.as_ref().unwrap_or(place))
            }
            Self::Connect => match place {
                Place::Route { url, key } => {
                    let program = Place::Program(vec![env!("CARGO_BIN_EXE_yett").into(), "connect".into(), url.clone()]);
                    let mut command = sdk(parts::python("client.py"), "auto", &program);
                    command.args(["--bearer", key]);
                    command
                }
                Place::Program(_) | Place::Url(_) => sdk(parts::python("client.py"), "auto", place),
            },
            Self::HttpSse => sdk(parts::python("client.py"), "legacy", place),
        }
    }
}

impl Walks {
    /// With the folder that the file system's server shows.
    pub(super) fn read(shown: &Path) -> Self {
        let text = fs::read_to_string(parts::matrix("walks.json")).unwrap();
        let walks: BTreeMap<String, Value> = serde_json::from_str(&text.replace("FOLDER", shown.to_str().unwrap())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |(name, walk): (String, Value)| {
            let file = folder.path().join(&name).with_extension("json");
            fs::write(&file, walk.to_string()).unwrap();
            (name, file)
        };
        Self { files: walks.into_iter().map(write).collect(), folder }
    }

    /// What the client sees, step by step; one step that failed where it tells nothing.
    pub(super) fn take(&self, client: Client, server: Server, place: &Place) -> Vec<Value> {
        // What a program keeps of its own, it keeps for one walk.
        let home = tempfile::tempdir_in(self.folder.path()).unwrap();
        let mut command = client.command(place, home.path());
        command.arg("--calls").arg(&self.files[server.walk()]).env("HOME", home.path());
        let running = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        let (status, said, complaints) = running.finish();
        match serde_json::from_str(&said) {
            Ok(transcript) if status.success() => transcript,
            // Is never as directly, and never a walk that began.
            _ => vec![json!({ "step": "connect", "ok": false, "error": format!("ended with {status}:\n{complaints}\n{said}") })],
        }
    }
}

/// One of the clients of `tests/peers`.
fn sdk(mut command: Command, era: &str, place: &Place) -> Command {
    command.args(["--era", era]);
    finding(command, place)
}

fn finding(mut command: Command, place: &Place) -> Command {
    match place {
        Place::Program(program) => command.arg("--stdio").arg(json!(program).to_string()),
        Place::Url(url) => command.arg(url),
        Place::Route { url, key } => command.args([url, "--bearer", key]),
    };
    let (Place::Url(url) | Place::Route { url, .. }) = place else { return command };
    if url.ends_with("/sse") {
        command.args(["--transport", "sse"]);
    }
    command
}

/// mcp-remote before a URL. It finds out for itself which transport that is.
fn remote(place: &Place, home: &Path) -> Option<Place> {
    let (url, key) = match place {
        Place::Program(_) => return None,
        Place::Url(url) => (url, None),
        Place::Route { url, key } => (url, Some(key)),
    };
    let mut program = parts::npm_program("mcp-remote/dist/proxy.js").map(|part| part.display().to_string()).to_vec();
    program.extend([url.clone(), "--allow-http".to_owned()]);
    if let Some(key) = key {
        let headers = home.join("headers.txt");
        fs::write(&headers, format!("Authorization: Bearer {key}\n")).unwrap();
        program.extend(["--header-file".to_owned(), headers.display().to_string()]);
    }
    Some(Place::Program(program))
}
