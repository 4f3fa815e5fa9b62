//! Compressed segments: what is read and proven of them, and what no crash may do to them.

use std::io;
use std::ops::ControlFlow;

use super::super::layout::{compressed_index, segment_index};
use super::super::retention::Compressor;
use super::sim::{Kept, SimDisk};
use super::*;

pub(super) const KEPT: [Kept; 4] = [Kept::Nothing, Kept::Everything, Kept::Prefix, Kept::AnySectors];

/// A log of some runs in 2018, with erasures and a caller `p-2`, whose segments are small. `calls` a run.
pub(super) fn old_log(fixture: &Fixture, runs: usize, calls: usize) {
    let clock = FakeClock::at("2018-03-01T12:00:00Z");
    for run in 0..runs {
        let options = Options { segment_bytes: 6_000, ..fixture.options() };
        let (log, _) = open_with(options, Arc::new(Disk), Arc::clone(&clock) as Arc<_>).unwrap();
        put(&log, start());
        for call in 0..calls {
            drop(log.append(decision(&format!("c{run}.{call}"))));
            drop(log.append(outcome(&format!("c{run}.{call}"))));
            if call % 20 == 19 {
                put(&log, erasure(&format!("e-{run}-{call}")));
            }
        }
        put(&log, Draft::new(Kind::Stop));
        log.close();
        clock.advance(3_600);
    }
    catch_up(&fixture.log_dir()).unwrap();
}

fn erasure(name: &str) -> Draft {
    let mut draft = Draft::new(Kind::Erasure);
    draft.object("what", |what| {
        what.text("act", "erase").list("subs", |subs| {
            subs.text(name);
        });
    });
    draft
}

pub(super) fn shown(log: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    show(log, &Filter::default(), &mut |record| {
        lines.push(record.raw().to_owned());
        ControlFlow::Continue(())
    })
    .unwrap();
    lines
}

pub(super) fn segments_of(log: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(log.join("seg")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Compresses all that can be on a disk.
pub(super) fn compress(storage: Arc<dyn Storage>, log: &Path) -> Result<usize, WriteError> {
    let mut compressor = Compressor::new(storage, Layout::of(log));
    let mut done = 0;
    while compressor.next(&mut || true)?.is_some() {
        done += 1;
    }
    Ok(done)
}

/// Everything that can be read and proven of a log.
fn answers(log: &Path) -> Vec<String> {
    let mut answers = vec![verify(log).unwrap().to_json()];
    let mut prover = Prover::newest(log).unwrap();
    let size = prover.head().size;
    answers.extend((0..size).step_by(41).map(|index| prover.inclusion(index).unwrap().to_string()));
    answers.extend((0..size).step_by(97).map(|old| format!("{:?}", prover.consistency(old).unwrap())));
    answers.push(epochs(log, size).unwrap());
    answers.push(format!("{:?}", next_hand_over(log, 1)));
    let mut orders = records_from(log, 0, &[Kind::Erasure]).unwrap();
    answers.extend(std::iter::from_fn(|| orders.next_record().unwrap()).map(|found| found.line));
    let mut follower = Follower::resume(log, Cursor::BEGIN).unwrap();
    while let Some(followed) = follower.next_line().unwrap() {
        answers.push(format!("{} {:?}", followed.position, followed.broken));
    }
    answers.push(format!("{:?}", follower.cursor()));
    answers.extend(shown(log));
    answers
}

#[test]
fn all_that_is_read_and_proven_of_a_log_is_the_same_once_it_is_compressed() {
    for (runs, calls) in [(1, 40), (3, 60), (2, 200)] {
        let fixture = Fixture::new();
        old_log(&fixture, runs, calls);
        let log = fixture.log_dir();
        let before = answers(&log);
        let cursors: Vec<Cursor> = cursors(&log);
        let plain = segments_of(&log);
        assert_eq!(compress(Arc::new(Disk), &log).unwrap(), plain.len() - 1);
        let names = segments_of(&log);
        assert!(names[..names.len() - 1].iter().all(|name| compressed_index(name).is_some()), "{names:?}");
        assert!(segment_index(&names[names.len() - 1]).is_some(), "the last one grows: {names:?}");
        assert_eq!(answers(&log), before, "{runs} runs of {calls} calls");
        for cursor in cursors {
            assert_eq!(Follower::resume(&log, cursor).unwrap().cursor(), cursor, "who followed the log goes on");
        }
        let tiles = fs::remove_dir_all(log.join("tile")).is_ok();
        assert_eq!(answers(&log), before, "out of segments alone");
        assert_eq!(repair(&log).unwrap() > 0, tiles);
        assert_eq!(answers(&log), before, "with tiles that were made of compressed segments");
        // The next start reads the compressed segment before the last.
        let (opened, found) = fixture.open();
        assert!(!found.unclean);
        put(&opened, Draft::new(Kind::Stop));
        opened.close();
        assert_eq!(fixture.verify().verdict(), Verdict::Unanchored);
    }
}

/// Where readers may have stopped.
fn cursors(log: &Path) -> Vec<Cursor> {
    let mut follower = Follower::resume(log, Cursor::BEGIN).unwrap();
    let mut cursors = Vec::new();
    while follower.next_line().unwrap().is_some() {
        cursors.push(follower.cursor());
    }
    cursors.into_iter().step_by(13).collect()
}

#[test]
fn every_change_to_a_compressed_segment_is_found_and_names_its_first_record() {
    let fixture = Fixture::new();
    old_log(&fixture, 2, 60);
    let log = fixture.log_dir();
    compress(Arc::new(Disk), &log).unwrap();
    let name = segments_of(&log)[1].clone();
    let (first, path) = (compressed_index(&name).unwrap(), log.join("seg").join(&name));
    let good = fs::read(&path).unwrap();
    let fault = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        fixture.verify().fault.map(|fault| fault.index)
    };
    let (content, mut meaningless) = (zstd::decode_all(&good[..]).unwrap(), 0);
    for at in (0..good.len()).step_by(3) {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        // Some bits of a frame have no meaning: what gives the same lines is the same segment.
        let lines = zstd::decode_all(&bytes[..]).ok().filter(|_| frame::check(&bytes[..], bytes.len() as u64).unwrap().is_ok());
        let is_same = lines.is_some_and(|lines| lines == content);
        meaningless += usize::from(is_same);
        assert_eq!(fault(&bytes), (!is_same).then_some(first), "byte {at}");
    }
    assert!(meaningless < good.len() / 300, "{meaningless} of {} bytes", good.len() / 3);
    assert_eq!(fault(&good[..good.len() - 1]), Some(first));
    assert_eq!(fault(&[&good[..], b"x"].concat()), Some(first));
    assert_eq!(fault(b""), Some(first));
    // A frame in the best of orders around other lines is judged by them.
    let lines = zstd::decode_all(&good[..]).unwrap();
    let text = String::from_utf8(lines).unwrap();
    let changed = text.replacen("\"allow\"", "\"alloy\"", 1);
    let record = first + changed.lines().position(|line| line.contains("alloy")).unwrap() as u64;
    assert_eq!(fault(&framed(changed.as_bytes())), Some(record));
    // The same lines, compressed by somebody else.
    assert_eq!(fault(&framed(text.as_bytes())), None);
    // Beside the plain segment the compressed one does not count.
    fs::write(log.join(format!("seg/{first:013}.jsonl")), &text).unwrap();
    assert_eq!(fault(b"anything"), None);
}

fn framed(content: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 9).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.set_pledged_src_size(Some(content.len() as u64)).unwrap();
    std::io::Write::write_all(&mut encoder, content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_segment_that_is_not_whole_lines_is_left_as_it_is_and_the_others_are_compressed() {
    let fixture = Fixture::new();
    old_log(&fixture, 2, 60);
    let log = fixture.log_dir();
    let damaged = log.join("seg").join(&segments_of(&log)[1]);
    let bytes = [fs::read(&damaged).unwrap(), vec![0; 9]].concat();
    fs::write(&damaged, &bytes).unwrap();
    let mut compressor = Compressor::new(Arc::new(Disk), Layout::of(&log));
    assert!(compressor.next(&mut || true).unwrap().is_some());
    let refused = compressor.next(&mut || true).unwrap_err();
    assert_eq!(refused.source.kind(), std::io::ErrorKind::InvalidData, "{refused:?}");
    while compressor.next(&mut || true).unwrap().is_some() {}
    assert_eq!(fs::read(&damaged).unwrap(), bytes, "evidence is left alone");
    let plain = segments_of(&log).into_iter().filter(|name| segment_index(name).is_some());
    assert_eq!(plain.count(), 2, "it, and the last one: {:?}", segments_of(&log));
    assert!(segments_of(&log).iter().all(|name| !name.contains("tmp")));
}

#[test]
fn who_is_told_to_stop_leaves_nothing_behind() {
    let fixture = Fixture::new();
    old_log(&fixture, 2, 60);
    let log = fixture.log_dir();
    let before = segments_of(&log);
    let mut compressor = Compressor::new(Arc::new(Disk), Layout::of(&log));
    assert_eq!(compressor.next(&mut || false).unwrap(), None);
    assert_eq!(segments_of(&log), before);
}

/// A disk from which the oldest segment is removed, as retention does, when its copy is looked at for the last time.
#[derive(Debug)]
struct Pruned(PathBuf);

impl Storage for Pruned {
    fn read(&self, path: &Path) -> io::Result<Box<dyn io::Read>> {
        let opened = Disk.read(path);
        if path.extension().is_some_and(|ending| ending == "tmp") {
            fs::remove_file(&self.0)?;
        }
        opened
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        Disk.create_dir_all(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<(String, u64)>> {
        Disk.list(directory)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Disk.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Disk.open(path)
    }

    fn open_or_create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Disk.open_or_create(path)
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

#[test]
fn a_segment_that_is_pruned_while_it_is_compressed_does_not_come_back() {
    let fixture = Fixture::new();
    old_log(&fixture, 2, 60);
    let log = fixture.log_dir();
    let before = segments_of(&log);
    let disk = Pruned(log.join("seg").join(&before[0]));
    assert_eq!(Compressor::new(Arc::new(disk), Layout::of(&log)).next(&mut || true).unwrap(), None);
    assert_eq!(segments_of(&log), before[1..], "neither the segment, nor its copy, nor a part of one");
}

#[test]
fn a_segment_that_is_pruned_while_it_is_read_is_no_failure() {
    let fixture = Fixture::new();
    old_log(&fixture, 2, 60);
    let log = fixture.log_dir();
    let before = segments_of(&log);
    let oldest = log.join("seg").join(&before[0]);
    let mut compressor = Compressor::new(Arc::new(Disk), Layout::of(&log));
    assert_eq!(compressor.next(&mut || fs::remove_file(&oldest).is_ok()).unwrap(), None);
    assert_eq!(segments_of(&log), before[1..]);
}

/// The files of a log on a disk whose power can be cut.
pub(super) fn on_sim(log: &Path) -> SimDisk {
    fn walk(directory: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push((path.clone(), fs::read(&path).unwrap())) }
        }
    }
    let mut files = Vec::new();
    walk(log, &mut files);
    SimDisk::holding(files)
}

pub(super) fn on_real_disk(fixture: &Fixture, disk: &SimDisk) -> Fixture {
    let copy = Fixture::new();
    disk.copy_to(fixture.dir.path(), copy.dir.path());
    copy
}

#[test]
fn no_power_cut_while_segments_are_compressed_loses_a_record() {
    let fixture = Fixture::new();
    old_log(&fixture, 1, 40);
    let log = fixture.log_dir();
    let before = shown(&log);
    let whole = on_sim(&log);
    let segments = compress(Arc::new(whole.clone()), &log).unwrap();
    assert!(segments > 1);
    for cut in 0..whole.operations() {
        for (round, kept) in KEPT.into_iter().enumerate() {
            let disk = on_sim(&log);
            disk.cut_power_at(cut);
            compress(Arc::new(disk.clone()), &log).unwrap_err();
            let disk = disk.after_power_cut(kept, (cut * 4 + round) as u64);
            let found = on_real_disk(&fixture, &disk);
            let what = format!("cut {cut}, {kept:?}: {:?}", segments_of(&found.log_dir()));
            assert_eq!(shown(&found.log_dir()), before, "{what}");
            assert_eq!(found.verify().verdict(), Verdict::Unanchored, "{what}: {}", found.verify());
            // The next run finishes, and leaves nothing of the last one behind.
            compress(Arc::new(Disk), &found.log_dir()).unwrap();
            let names = segments_of(&found.log_dir());
            assert_eq!(names.len(), segments + 1, "{what}, then {names:?}");
            assert!(names[..segments].iter().all(|name| compressed_index(name).is_some()), "{what}, then {names:?}");
            assert_eq!((shown(&found.log_dir()), found.verify().verdict()), (before.clone(), Verdict::Unanchored), "{what}");
        }
    }
}
