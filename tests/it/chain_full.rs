//! The chain on a volume that fills up while a stream is under way.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt as _;
use yett::audit::{Condition, Disk, Draft, Kind, LogFile, Space, Storage};
use yett::chain::ResponseBody;

use crate::chain::{Fixture, NOTES};

/// A disk on which, once it is full, no file grows unless the reserve was given up.
#[derive(Clone, Debug, Default)]
struct SmallDisk(Arc<Volume>);

#[derive(Debug, Default)]
struct Volume {
    full: AtomicBool,
    reserved: AtomicBool,
}

#[derive(Debug)]
struct SmallFile(Box<dyn LogFile>, SmallDisk);

impl SmallDisk {
    fn check(&self) -> io::Result<()> {
        let none_left = self.0.full.load(Ordering::SeqCst) && self.0.reserved.load(Ordering::SeqCst);
        if none_left { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn wrap(&self, file: Box<dyn LogFile>) -> Box<dyn LogFile> {
        Box::new(SmallFile(file, self.clone()))
    }
}

impl LogFile for SmallFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.1.check()?;
        self.0.write_at(offset, bytes)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }
}

impl Storage for SmallDisk {
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
        Disk.create(path).map(|file| self.wrap(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Disk.open(path).map(|file| self.wrap(file))
    }

    fn open_or_create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Disk.open_or_create(path).map(|file| self.wrap(file))
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

    fn occupy(&self, _path: &Path, bytes: u64) -> io::Result<()> {
        if bytes > 0 && self.0.full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.reserved.store(bytes > 0, Ordering::SeqCst);
        Ok(())
    }

    fn space(&self, _directory: &Path) -> io::Result<Space> {
        let free = if self.0.full.load(Ordering::SeqCst) { 0 } else { 1 << 30 };
        Ok(Space { total: 1 << 30, free })
    }
}

#[tokio::test]
async fn on_a_full_volume_what_a_stream_releases_is_in_its_outcome_alone() {
    let disk = SmallDisk::default();
    let fixture = Fixture::on(Arc::new(disk.clone())).await;
    let ResponseBody::Stream(mut events) = fixture.call("get_long").await.unwrap().body else {
        panic!("`get_long` answers with a stream")
    };
    assert!(events.next().await.unwrap().is_ok());
    disk.0.full.store(true, Ordering::SeqCst);
    // Somebody else's record is the first that finds no space.
    fixture.log.append(Draft::new(Kind::Tick)).durable().await.unwrap();
    fixture.log.condition().wait_for(|condition| *condition == Condition::Full).await.unwrap();
    let mut released = 1;
    while let Some(event) = events.next().await {
        event.unwrap();
        released += 1;
    }
    assert_eq!(released, NOTES + 1, "the stream does not go on");
    fixture.log.close();
    let records = fixture.records();
    let kinds: Vec<_> = records.iter().filter(|record| record["call"].is_string()).map(|record| &record["kind"]).collect();
    assert_eq!(kinds, ["call.decision", "call.outcome"], "the reserve is spent on what the outcome says: {records:#?}");
    assert_eq!(records.last().unwrap()["out"]["events"], NOTES);
}
