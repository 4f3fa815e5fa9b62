//! The system calls of a gateway, as strace saw them: what was written where, and what was synced before.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::process::{Home, Serving, command};

/// One system call of interest. Lines of a trace are in the order in which the tracer saw calls begin and end.
#[derive(Debug)]
pub(super) struct SysCall {
    pub(super) thread: u32,
    pub(super) name: String,
    /// Arguments as strace writes them, with the paths and addresses of descriptors.
    pub(super) arguments: String,
    /// Line at which it began, and at which it ended.
    pub(super) began: usize,
    pub(super) ended: usize,
    pub(super) succeeded: bool,
}

/// Where the trace of `home`'s gateway goes.
pub(super) fn file(home: &Home) -> PathBuf {
    home.path("trace")
}

/// `yett serve` under strace with more options, e.g. injected faults.
pub(super) fn serve(home: &Home, options: &[&str]) -> Serving {
    // -D: the gateway is our child, so that signals and its end are its own.
    let strace = ["-D", "-f", "-qq", "-yy", "-s", "65536", "-e", "signal=none"];
    let calls = "trace=pwrite64,fdatasync,fsync,openat,write,writev,sendto,sendmsg";
    Serving::start(under(home, "strace").args(strace).args(["-e", calls, "-o"]).arg(file(home)).args(options).args(BINARY))
}

const BINARY: [&str; 2] = [env!("CARGO_BIN_EXE_yett"), "serve"];

/// A command of this machine, run where the gateway would run.
pub(super) fn under(home: &Home, program: &str) -> Command {
    let mut outer = Command::new(program);
    let inner = command(&home.path(""));
    let folder = inner.get_current_dir().unwrap_or(Path::new("."));
    outer.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir(folder).stdin(std::process::Stdio::null());
    assert!(
        Command::new(program).arg("--version").output().is_ok(),
        "this test needs `{program}`: run scripts/parts, which installs it"
    );
    outer
}

/// Reads a trace. Calls that were not over when it ended are left out.
pub(super) fn read(home: &Home) -> Vec<SysCall> {
    let text = String::from_utf8_lossy(&fs::read(file(home)).unwrap()).into_owned();
    let mut open: Vec<SysCall> = Vec::new();
    let mut calls = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Ok(thread) = thread.parse() else { continue };
        let rest = rest.trim_start();
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let Some(found) = open.iter().rposition(|call| call.thread == thread) else { continue };
            let mut call = open.remove(found);
            call.arguments.push_str(resumed);
            call.ended = at;
            call.succeeded = succeeded(resumed);
            calls.push(call);
            continue;
        }
        let Some((name, arguments)) = rest.split_once('(') else { continue };
        let mut call =
            SysCall { thread, name: name.to_owned(), arguments: arguments.to_owned(), began: at, ended: at, succeeded: false };
        if arguments.ends_with("<unfinished ...>") {
            open.push(call);
        } else {
            call.succeeded = succeeded(arguments);
            calls.push(call);
        }
    }
    calls.sort_by_key(|call| call.began);
    calls
}

fn succeeded(rest: &str) -> bool {
    rest.rsplit_once("= ").is_some_and(|(_, result)| !result.starts_with('-') && !result.starts_with('?'))
}

impl SysCall {
    /// Writes lines of a segment.
    pub(super) fn writes_records(&self) -> bool {
        self.name == "pwrite64" && self.arguments.contains("/seg/") && self.arguments.contains("\\\"kind\\\"")
    }

    /// Writes something with this text to a socket whose own or other end is `port`.
    pub(super) fn sends(&self, port: u16, text: &str) -> bool {
        matches!(self.name.as_str(), "write" | "writev" | "sendto" | "sendmsg")
            && self.arguments.contains("TCP:[")
            && self.arguments.split(']').next().is_some_and(|socket| socket.contains(&format!(":{port}")))
            && self.arguments.to_ascii_lowercase().contains(text)
    }
}

/// The line at which everything that was written to segments before line `at` had been synced.
pub(super) fn synced_after(calls: &[SysCall], at: usize) -> Option<usize> {
    let syncs = calls.iter().filter(|call| call.name == "fdatasync" && call.arguments.contains("/seg/"));
    syncs.filter(|call| call.began > at && call.succeeded).map(|call| call.ended).min()
}
