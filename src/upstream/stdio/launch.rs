//! The last moments before a server's program runs: this program, started anew, takes from itself what the server is not to have, looks
//! at the server's file, and becomes it.
//!
//! A process of its own does that, since limits and rights can only be given up for the whole process that has them. Between its start
//! and the server's there is no moment in which the server runs without its limits.
//!
//! SECURITY: with a checksum, the file that was read is the file that is executed: it is opened once, and stays open. Who takes its name
//! for another file meanwhile gains nothing. Who may write into that very file does; so may nobody but its owner. What the program loads
//! later, such as libraries, or the script that an interpreter is given, is not looked at.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use aws_lc_rs::digest::{Context, SHA256};
use rustix::io::FdFlags;
use rustix::process::{Resource, Rlimit, Signal};

use crate::config::{ProcessLimits, Stdio};
use crate::master_key::hex;

/// The hidden command of this program that does it.
const COMMAND: &str = "launch";

/// What stands for nothing among the arguments.
const NONE: &str = "-";

/// A program that is about to run.
#[derive(Debug)]
pub struct Launch {
    /// With what a failure is told: the program cannot know it, and so cannot tell one itself.
    token: String,
    /// Who started it.
    parent: i32,
    sha256: Option<String>,
    directory: PathBuf,
    limits: ProcessLimits,
    program: PathBuf,
    arguments: Vec<OsString>,
}

/// Why it does not run.
#[derive(Debug)]
struct NotLaunched {
    word: &'static str,
    source: io::Error,
}

/// Every word of [`NotLaunched`].
const WORDS: [&str; 7] = ["arguments", "checksum", "directory", "execute", "limits", "parent", "unreadable"];

impl Launch {
    /// The arguments by which this program launches that one.
    pub(super) fn arguments(stdio: &Stdio, token: &str) -> Vec<OsString> {
        let number = |number: Option<u64>| OsString::from(number.map_or_else(|| NONE.to_owned(), |number| number.to_string()));
        let limits = &stdio.limits;
        let mut arguments: Vec<OsString> = vec![COMMAND.into(), "--".into(), token.into(), std::process::id().to_string().into()];
        arguments.push(stdio.sha256.as_deref().unwrap_or(NONE).into());
        arguments.push(stdio.directory.clone().into());
        arguments.push(number(Some(limits.open_files)));
        arguments.push(number(limits.memory));
        arguments.push(number(limits.processes));
        arguments.push(number(limits.cpu_time.map(|time| time.as_secs().max(1))));
        arguments.push(stdio.program.clone().into());
        arguments.extend(stdio.arguments.iter().map(OsString::from));
        arguments
    }

    /// Reads them.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut arguments = arguments.into_iter();
        let mut text = || arguments.next()?.into_string().ok();
        let (token, parent, sha256) = (text()?, text()?.parse().ok()?, text()?);
        let sha256 = (sha256 != NONE).then_some(sha256);
        let directory = arguments.next()?.into();
        let mut number = || {
            let text = arguments.next()?.into_string().ok()?;
            if text == NONE { Some(None) } else { text.parse().ok().map(Some) }
        };
        let (open_files, memory, processes, cpu_time): (Option<u64>, _, _, Option<u64>) =
            (number()?, number()?, number()?, number()?);
        let cpu_time = cpu_time.map(std::time::Duration::from_secs);
        let limits = ProcessLimits { open_files: open_files?, memory, processes, cpu_time };
        let program = arguments.next()?.into();
        Some(Self { token, parent, sha256, directory, limits, program, arguments: arguments.collect() })
    }

    /// Becomes the program. Returns only if that fails, with what is to be said on standard error.
    pub fn run(&self) -> String {
        let failed = self.become_it();
        // In one line: whoever reads it takes the rest for what the program says.
        let cause = failed.source.to_string().replace(|c: char| c.is_control(), " ");
        format!("{} {} {cause}", self.token, failed.word)
    }

    fn become_it(&self) -> NotLaunched {
        let file = match self.prepare() {
            Ok(file) => file,
            Err(failed) => return failed,
        };
        let mut command = match &file {
            Some(file) => Command::new(format!("/proc/self/fd/{}", file.as_raw_fd())),
            None => Command::new(&self.program),
        };
        NotLaunched { word: "execute", source: command.arg0(&self.program).args(&self.arguments).exec() }
    }

    /// Gives up what the program is not to have, and gives its file if there is a checksum to hold it to.
    fn prepare(&self) -> Result<Option<File>, NotLaunched> {
        let failed = |word| move |source: rustix::io::Errno| NotLaunched { word, source: source.into() };
        // Whatever becomes of the gateway, the program does not outlive it.
        #[cfg(target_os = "linux")]
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed("parent"))?;
        if rustix::process::getppid().map(|parent| parent.as_raw_nonzero().get()) != Some(self.parent) {
            return Err(NotLaunched { word: "parent", source: io::Error::other("the gateway is gone") });
        }
        // No program that it starts gets rights by its own file, as `sudo` does.
        #[cfg(target_os = "linux")]
        rustix::thread::set_no_new_privs(true).map_err(failed("limits"))?;
        let ProcessLimits { open_files, memory, processes, cpu_time } = self.limits;
        let limits = [
            // A dump would hold whatever the server had in memory.
            (Resource::Core, Some(0)),
            (Resource::Nofile, Some(open_files)),
            (Resource::As, memory),
            (Resource::Nproc, processes),
            (Resource::Cpu, cpu_time.map(|time| time.as_secs())),
        ];
        for (resource, limit) in limits {
            if let Some(limit) = limit {
                // Never more than there was: that is not ours to give.
                let most = rustix::process::getrlimit(resource).maximum.map_or(limit, |most| most.min(limit));
                let limit = Rlimit { current: Some(most), maximum: Some(most) };
                rustix::process::setrlimit(resource, limit).map_err(failed("limits"))?;
            }
        }
        std::env::set_current_dir(&self.directory).map_err(|source| NotLaunched { word: "directory", source })?;
        self.sha256.as_deref().map(|expected| self.checked(expected)).transpose()
    }

    /// The program's file, open, if it is what it should be.
    fn checked(&self, expected: &str) -> Result<File, NotLaunched> {
        let unreadable = |source| NotLaunched { word: "unreadable", source };
        let mut file = File::open(&self.program).map_err(unreadable)?;
        let mut digest = Context::new(&SHA256);
        let mut begin = [0; 2];
        let mut buffer = vec![0; 256 << 10];
        let mut first = true;
        loop {
            let read = file.read(&mut buffer).map_err(unreadable)?;
            let part = buffer.get(..read).unwrap_or_default();
            if std::mem::take(&mut first) {
                begin.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
            }
            if part.is_empty() {
                break;
            }
            digest.update(part);
        }
        let found = hex(digest.finish().as_ref());
        if found != expected {
            return Err(NotLaunched { word: "checksum", source: io::Error::other(format!("its SHA-256 is {found}")) });
        }
        if begin == *b"#!" {
            // Its interpreter reads it by the same open file.
            let kept = rustix::io::fcntl_setfd(&file, FdFlags::empty());
            kept.map_err(|source| NotLaunched { word: "limits", source: source.into() })?;
        }
        Ok(file)
    }
}

/// The failure that a line on standard error tells, if it tells one: its word, and the cause.
pub(super) fn failure_in<'l>(line: &'l str, token: &str) -> Option<(&'static str, &'l str)> {
    let (word, cause) = line.strip_prefix(token)?.strip_prefix(' ')?.split_once(' ')?;
    WORDS.into_iter().find(|known| *known == word).map(|word| (word, cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_as_arguments_is_read_again() {
        let limits = ProcessLimits { memory: Some(1 << 30), ..ProcessLimits::default() };
        let stdio = Stdio {
            program: "/usr/bin/server".into(),
            arguments: vec!["--".to_owned(), "-".to_owned(), String::new()],
            environment: Vec::new(),
            per: crate::config::Per::Server,
            sha256: Some("ab".repeat(32)),
            directory: "/srv".into(),
            user: None,
            limits,
            processes: 1,
            idle_timeout: std::time::Duration::ZERO,
            stop_timeout: std::time::Duration::ZERO,
        };
        let mut arguments = Launch::arguments(&stdio, "token").into_iter().skip(2);
        let launch = Launch::read(&mut arguments).unwrap();
        assert_eq!((launch.token.as_str(), launch.sha256.clone()), ("token", stdio.sha256));
        assert_eq!((launch.limits, launch.directory), (limits, stdio.directory));
        assert_eq!((launch.program, launch.arguments), (stdio.program, vec!["--".into(), "-".into(), OsString::new()]));
        assert!(Launch::read(["token".into()]).is_none());
    }

    #[test]
    fn only_who_knows_the_token_can_tell_a_failure() {
        assert_eq!(failure_in("t0k3n checksum it is another", "t0k3n"), Some(("checksum", "it is another")));
        for line in ["checksum it is another", "t0k3nchecksum x", "t0k3n other x", "other checksum x", ""] {
            assert_eq!(failure_in(line, "t0k3n"), None, "{line}");
        }
    }
}
