//! The servers, as processes of their own or as programs that whoever speaks to them starts.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::clients::Place;
use crate::peers::parts;
use crate::peers::process::{Announces, Running};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Server {
    EverythingHttp,
    EverythingSse,
    EverythingStdio,
    Fixture,
    Filesystem,
    Time,
}

/// All of them, for as long as this lives.
pub(super) struct Servers {
    http: (Running, String),
    sse: (Running, String),
    fixture: (Running, String),
    /// What the file system's server shows.
    folder: TempDir,
}

impl Server {
    pub(super) const ALL: [Self; 6] =
        [Self::EverythingHttp, Self::EverythingSse, Self::EverythingStdio, Self::Fixture, Self::Filesystem, Self::Time];

    /// In the configuration.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::EverythingHttp => "everything-http",
            Self::EverythingSse => "everything-sse",
            Self::EverythingStdio => "everything-stdio",
            Self::Fixture => "fixture",
            Self::Filesystem => "filesystem",
            Self::Time => "time",
        }
    }

    /// In `walks.json`.
    pub(super) fn walk(self) -> &'static str {
        match self {
            Self::EverythingHttp | Self::EverythingSse | Self::EverythingStdio => "everything",
            Self::Fixture => "fixture",
            Self::Filesystem => "filesystem",
            Self::Time => "time",
        }
    }

    /// In the table.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::EverythingHttp => "server-everything, Streamable HTTP",
            Self::EverythingSse => "server-everything, HTTP+SSE",
            Self::EverythingStdio => "server-everything, stdio",
            Self::Fixture => "fixture of both eras, Streamable HTTP",
            Self::Filesystem => "server-filesystem, stdio",
            Self::Time => "mcp-server-time (PyPI), stdio",
        }
    }

    /// What starts it, where it is a program on standard streams.
    fn command(self, folder: &Path) -> Option<Vec<String>> {
        let npm = |package, argument: &Path| parts::npm_server(package).into_iter().chain([argument.to_owned()]).collect();
        let command: Vec<PathBuf> = match self {
            Self::EverythingHttp | Self::EverythingSse | Self::Fixture => return None,
            Self::EverythingStdio => npm("server-everything", Path::new("stdio")),
            Self::Filesystem => npm("server-filesystem", folder),
            Self::Time => {
                let arguments = ["-B", "-m", "mcp_server_time", "--local-timezone", "UTC"].map(PathBuf::from);
                [parts::interpreter()].into_iter().chain(arguments).collect()
            }
        };
        Some(command.into_iter().map(|part| part.into_os_string().into_string().unwrap()).collect())
    }
}

impl Servers {
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.txt"), "The contents of a.\n").unwrap();
        let mut fixture = Command::new(parts::interpreter());
        fixture.arg("-B").arg(parts::conformance("server.py"));
        Self {
            http: listening(&mut parts::node("everything.mjs")),
            sse: listening(parts::node("everything.mjs").args(["--transport", "sse"])),
            fixture: listening(&mut fixture),
            folder,
        }
    }

    /// The folder that the file system's server shows, by the name that the server gives it.
    pub(super) fn folder(&self) -> PathBuf {
        fs::canonicalize(self.folder.path()).unwrap()
    }

    /// Where a client finds it without a gateway.
    pub(super) fn place(&self, server: Server) -> Place {
        match server.command(&self.folder()) {
            Some(command) => Place::Program(command),
            None => Place::Url(self.url(server).to_owned()),
        }
    }

    /// As an operator writes them.
    pub(super) fn configuration(&self) -> String {
        Server::ALL.iter().fold(String::new(), |mut yaml, &server| {
            let place = match server.command(&self.folder()) {
                // A process for each caller, which is how a client has one that it starts itself.
                Some(command) => format!("stdio: {{ command: {command:?}, per: principal }}"),
                None if server == Server::EverythingSse => format!("url: \"{}\", transport: sse", self.url(server)),
                None => format!("url: \"{}\"", self.url(server)),
            };
            writeln!(yaml, "  {}: {{ {place} }}", server.name()).unwrap();
            yaml
        })
    }

    fn url(&self, server: Server) -> &str {
        match server {
            Server::EverythingHttp => &self.http.1,
            Server::EverythingSse => &self.sse.1,
            Server::Fixture => &self.fixture.1,
            Server::EverythingStdio | Server::Filesystem | Server::Time => panic!("{} has no URL", server.name()),
        }
    }
}

fn listening(command: &mut Command) -> (Running, String) {
    // They tell of each request.
    let command = command.stderr(Stdio::null());
    Running::announcing(command, Announces::Stdout, |line| line.strip_prefix("listening on ").map(str::to_owned))
}
