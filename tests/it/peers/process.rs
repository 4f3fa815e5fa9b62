//! Children that do not outlive their test.

use std::io::{self, BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// A server takes a second to start; on a busy machine, many.
const PATIENCE: Duration = Duration::from_mins(1);

/// A child process that ends with its owner.
pub(crate) struct Running(Child);

impl Running {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Self {
        match command.stdin(Stdio::null()).spawn() {
            Ok(child) => Self(child),
            Err(error) => panic!("cannot start {command:?}: {error}; run scripts/parts, which says what is needed"),
        }
    }

    /// Starts a server and waits for the first line, on standard output or on standard error, in which `find` finds its address.
    pub(crate) fn announcing<T>(command: &mut Command, on: Announces, find: impl Fn(&str) -> Option<T>) -> (Self, T) {
        match on {
            Announces::Stderr => command.stderr(Stdio::piped()),
            Announces::Stdout => command.stdout(Stdio::piped()),
        };
        let mut running = Self::start(command);
        let lines = match on {
            Announces::Stderr => read_lines(running.0.stderr.take().unwrap()),
            Announces::Stdout => read_lines(running.0.stdout.take().unwrap()),
        };
        let mut said = Vec::new();
        while let Ok(line) = lines.recv_timeout(PATIENCE) {
            if let Some(found) = find(&line) {
                return (running, found);
            }
            said.push(line);
        }
        panic!("{command:?} ended, or hangs, before it said where it listens:\n{}", said.join("\n"));
    }

    /// Waits for its own end: how that was, and what it wrote on standard output and on standard error, both of which are pipes.
    pub(crate) fn finish(mut self) -> (ExitStatus, String, String) {
        let complaints = self.0.stderr.take().unwrap();
        let complaints = thread::spawn(move || io::read_to_string(complaints));
        let said = io::read_to_string(self.0.stdout.take().unwrap()).unwrap();
        (self.0.wait().unwrap(), said, complaints.join().unwrap().unwrap())
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let asked = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &self.0.id().to_string()]).status().unwrap();
        assert!(asked.success(), "cannot signal process {}", self.0.id());
        self.0.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where a server says that it listens.
#[derive(Clone, Copy)]
pub(crate) enum Announces {
    Stderr,
    Stdout,
}

/// Reads for as long as there is something, so that the child never waits for a reader.
fn read_lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (to, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            // After the announcement nobody listens.
            let _ = to.send(line);
        }
    });
    lines
}
