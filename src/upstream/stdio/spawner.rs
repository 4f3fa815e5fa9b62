//! Starts processes, all from one thread: a process that is to end with the gateway ends with the thread that has started it.

use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Stdio as Pipe;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

#[cfg(target_os = "linux")]
use rustix::fs::{Mode, OFlags};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::launch::Launch;
use crate::config::Stdio;

/// Starts processes of one server. The thread ends with it.
#[derive(Debug)]
pub(super) struct Spawner {
    launcher: Launcher,
    stdio: Arc<Stdio>,
    jobs: Sender<Job>,
}

/// This program, as the file that it is: a process that runs as another user may not be able to come to it by its path.
#[derive(Debug)]
struct Launcher(#[cfg(target_os = "linux")] OwnedFd, #[cfg(not(target_os = "linux"))] PathBuf);

impl Launcher {
    #[cfg(target_os = "linux")]
    fn open(path: &Path) -> io::Result<Self> {
        // Not to read it, which not everybody may who may execute it. Closed in the process by the execution itself.
        Ok(Self(rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?))
    }

    #[cfg(target_os = "linux")]
    fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }

    #[cfg(not(target_os = "linux"))]
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(path.to_owned()))
    }

    #[cfg(not(target_os = "linux"))]
    fn path(&self) -> PathBuf {
        self.0.clone()
    }
}

struct Job {
    command: Command,
    runtime: Handle,
    started: oneshot::Sender<io::Result<Child>>,
}

impl Spawner {
    pub(super) fn new(stdio: Arc<Stdio>, launcher: &Path) -> io::Result<Self> {
        let launcher = Launcher::open(launcher)?;
        let (jobs, waiting) = channel();
        std::thread::Builder::new().name("stdio-spawner".to_owned()).spawn(move || work(&waiting))?;
        Ok(Self { launcher, stdio, jobs })
    }

    /// A process on its way to be the server; see [`Launch`] for what happens in it first. `token` is what it tells a failure with.
    pub(super) async fn start(&self, token: &str) -> io::Result<Child> {
        let mut command = Command::new(self.launcher.path());
        command.args(Launch::arguments(&self.stdio, token));
        // SECURITY: nothing of our own environment, where the gateway's secrets are.
        command.env_clear();
        for (name, value) in &self.stdio.environment {
            // Another process may get another one: a secret that was rotated is used from the next start on.
            command.env(name, value.current().map_err(io::Error::other)?.secret.expose());
        }
        command.stdin(Pipe::piped()).stdout(Pipe::piped()).stderr(Pipe::piped());
        // Of its own, so that it ends with whatever it has started.
        command.process_group(0).kill_on_drop(true);
        if let Some(user) = self.stdio.user {
            // Supplementary groups are given up as well, where there are any to give up.
            command.uid(user.uid).gid(user.gid);
        }
        let (started, starting) = oneshot::channel();
        let job = Job { command, runtime: Handle::current(), started };
        let gone = || io::Error::other("the thread that starts processes is gone");
        self.jobs.send(job).map_err(|_gone| gone())?;
        starting.await.map_err(|_gone| gone())?
    }
}

fn work(jobs: &Receiver<Job>) {
    while let Ok(Job { mut command, runtime, started }) = jobs.recv() {
        let _runtime = runtime.enter();
        // Whoever has stopped waiting has no use for it: it is killed when it is dropped.
        let _ = started.send(command.spawn());
    }
}
