//! An operator who hangs up while the record of what was ordered is on its way to the disk: the order is carried out, for the log says that
//! it was.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::{Condvar, Mutex};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use yett::admin::{Admin, NotReloaded, Operations, Reload, Reloaded, Stores, read_admin_token};
use yett::audit::{Disk, Log, LogFile, Options, Space, Storage};
use yett::clock::SystemClock;
use yett::master_key::{EPOCH_KEYS, MasterKey};
use yett::state::{ApiKeys, KeyStatus, NewKey};
use yett::vault::Vault;

use crate::support::eventually;

/// A disk whose syncs can be made to wait: what was written is not durable until they go on.
#[derive(Clone, Debug, Default)]
struct PausedDisk(Arc<Commits>);

#[derive(Debug, Default)]
struct Commits {
    /// Whether they wait, and how many do.
    paused: Mutex<(bool, usize)>,
    changed: Condvar,
}

#[derive(Debug)]
struct PausedFile(Box<dyn LogFile>, PausedDisk);

impl PausedDisk {
    fn pause(&self, paused: bool) {
        self.0.paused.lock().0 = paused;
        self.0.changed.notify_all();
    }

    fn is_waited_for(&self) -> bool {
        self.0.paused.lock().1 > 0
    }

    /// Of files of records, and of no others.
    fn wrap(&self, path: &Path, file: Box<dyn LogFile>) -> Box<dyn LogFile> {
        if path.parent().is_some_and(|parent| parent.ends_with("seg")) { Box::new(PausedFile(file, self.clone())) } else { file }
    }
}

impl LogFile for PausedFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, bytes)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let Commits { paused, changed } = &*self.1.0;
        let mut state = paused.lock();
        state.1 += 1;
        changed.wait_while(&mut state, |(is_paused, _)| *is_paused);
        state.1 -= 1;
        drop(state);
        self.0.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }
}

impl Storage for PausedDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        Disk.create_dir_all(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<(String, u64)>> {
        Disk.list(directory)
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        Disk.read(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Disk.create(path).map(|file| self.wrap(path, file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Disk.open(path).map(|file| self.wrap(path, file))
    }

    fn open_or_create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Disk.open_or_create(path).map(|file| self.wrap(path, file))
    }

    fn replace_tail(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        Disk.replace_tail(path, offset, bytes)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        Disk.sync_dir(directory)
    }

    fn publish(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        Disk.publish(path, bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }

    fn destroy(&self, path: &Path) -> io::Result<()> {
        Disk.destroy(path)
    }

    fn occupy(&self, path: &Path, bytes: u64) -> io::Result<()> {
        Disk.occupy(path, bytes)
    }

    fn space(&self, directory: &Path) -> io::Result<Space> {
        Disk.space(directory)
    }
}

/// Nothing is read again here.
#[derive(Debug)]
struct Fixed;

impl Reload for Fixed {
    fn reload<'a>(&'a self, _by: &'static str) -> BoxFuture<'a, Result<Reloaded, NotReloaded>> {
        Box::pin(async { Err(NotReloaded::NoFile) })
    }
}

/// The admin API as it listens, over a log on a disk that can be paused.
struct Scene {
    dir: TempDir,
    disk: PausedDisk,
    log: Arc<Log>,
    operations: Arc<Operations>,
    address: SocketAddr,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Scene {
    async fn new() -> Self {
        let (dir, disk) = (tempfile::tempdir().unwrap(), PausedDisk::default());
        let (logs, storage) = (dir.path().join("audit"), Arc::new(disk.clone()));
        let master = MasterKey::open(None, dir.path()).unwrap();
        let options = Options::new(logs.clone(), "test.localhost", "r1", master.sealing(EPOCH_KEYS).unwrap());
        // It waits for the disk, which a thread of the runtime must not.
        let opening = tokio::task::spawn_blocking(move || Log::open(options, storage, Arc::new(SystemClock)).unwrap().0);
        let log = Arc::new(opening.await.unwrap());
        let (keys, switches) = ApiKeys::open(dir.path(), &master).await.unwrap();
        let vault = Arc::new(Vault::open(dir.path(), &master).await.unwrap());
        let (keys, switches, keep) = (Arc::new(keys), Arc::new(switches), Duration::from_hours(24));
        let stores = Stores { log: Arc::clone(&log), keys, switches, vault, logs, keep, keep_log: keep };
        let operations = Arc::new(Operations::open(stores, Arc::new(SystemClock)).await.unwrap());
        let servers = ["crm".to_owned()].into();
        let local = ([127, 0, 0, 1], 0).into();
        let admin = Admin::bind(local, dir.path(), Arc::clone(&operations), servers, None, Arc::new(Fixed)).unwrap();
        let (address, tasks, stop) = (admin.address(), TaskTracker::new(), CancellationToken::new());
        tasks.spawn(admin.run(stop.clone()));
        Self { dir, disk, log, operations, address, tasks, stop }
    }

    /// A connection on which this was asked for.
    async fn ask(&self, line: &str, body: &str) -> TcpStream {
        let token = read_admin_token(self.dir.path()).unwrap();
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        let head = format!("{line} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n", self.address, token.expose());
        let kind = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        connection.write_all(format!("{head}{kind}").as_bytes()).await.unwrap();
        connection
    }

    /// Asks for this, hangs up while its record waits for the disk, and lets the disk go on once the gateway has hung up as well.
    async fn ask_and_hang_up(&self, line: &str, body: &str) {
        self.disk.pause(true);
        let mut connection = self.ask(line, body).await;
        eventually("nothing is recorded", || self.disk.is_waited_for().then_some(())).await;
        connection.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // Or it is reset: it has hung up either way.
        let _ended = connection.read_to_end(&mut answer).await;
        assert!(answer.is_empty(), "answered before it was recorded: {}", String::from_utf8_lossy(&answer));
        self.disk.pause(false);
        // One order at a time: this one comes behind it.
        let mut next = self.ask("DELETE /v1/switches/server:crm", "").await;
        let mut status = [0; 12];
        next.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
    }

    /// What operators did, as the log tells it.
    fn acts(&self) -> Vec<String> {
        let mut acts = Vec::new();
        yett::audit::show(&self.dir.path().join("audit"), &yett::audit::Filter::default(), &mut |shown| {
            acts.extend(shown.value()["what"]["act"].as_str().filter(|act| *act != "unkill").map(str::to_owned));
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
        acts
    }

    async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let log = self.log;
        tokio::task::spawn_blocking(move || log.close()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_an_operator_ordered_is_done_though_he_hangs_up_before_its_record_is_durable() {
    let scene = Scene::new().await;
    let new = |subject: &str| NewKey { subject: subject.to_owned(), ..NewKey::default() };
    let (ada, _) = scene.operations.create_key(new("ada"), "test").await.unwrap();
    let (bob, _) = scene.operations.create_key(new("bob"), "test").await.unwrap();
    let status = |id: &str| {
        let key = scene.operations.keys().into_iter().find(|key| *key.id == *id).unwrap();
        key.status(scene.operations.now(), scene.operations.aging())
    };

    scene.ask_and_hang_up(&format!("DELETE /v1/keys/{}", ada.id), "").await;
    assert_eq!(status(&ada.id), KeyStatus::Revoked, "the log says that the key is revoked: {:?}", scene.acts());
    scene.ask_and_hang_up("PUT /v1/switches/all", "").await;
    assert_eq!(scene.operations.switches(), ["all"], "the log says that all is stopped: {:?}", scene.acts());
    scene.ask_and_hang_up(&format!("POST /v1/keys/{}/rotate", bob.id), "{}").await;
    let rotated = scene.operations.keys().into_iter().any(|key| key.id == bob.id && key.former.is_some());
    assert!(rotated, "the log says that its secret is replaced: {:?}", scene.acts());
    scene.ask_and_hang_up("POST /v1/keys", r#"{"subject":"eve"}"#).await;
    let subjects: Vec<_> = scene.operations.keys().iter().map(|key| key.subject.to_string()).collect();
    assert!(subjects.iter().any(|subject| subject == "eve"), "the log says that the key is there: {subjects:?}");
    assert_eq!(scene.acts(), ["key.create", "key.create", "key.revoke", "kill", "key.rotate", "key.create"]);
    scene.end().await;
}
