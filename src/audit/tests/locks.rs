//! Who may write a log, and who may look at it.

use super::*;

#[test]
fn whether_a_log_is_being_written_is_asked_of_its_lock() {
    use super::super::lock::may_be_held;
    let fixture = Fixture::new();
    let lock = fixture.log_dir().join("lock");
    assert!(!may_be_held(&lock), "there is no log");
    let (log, _) = fixture.open();
    assert!(may_be_held(&lock));
    log.close();
    assert!(!may_be_held(&lock));
    fs::remove_file(&lock).unwrap();
    assert!(!may_be_held(&lock) && !lock.exists(), "looking makes a file");
    fs::create_dir(&lock).unwrap();
    assert!(!may_be_held(&lock));
}

#[test]
fn who_only_looks_is_not_in_the_way_of_a_start() {
    use super::super::lock::Lock;
    let fixture = Fixture::new();
    fixture.open().0.close();
    let path = fixture.log_dir().join("lock");
    let look = || {
        let file = fs::File::open(&path).unwrap();
        file.lock_shared().unwrap();
        file
    };
    let mut looking = Some(look());
    assert!(Lock::take_after(&path, || drop(looking.take())).is_ok(), "a look has kept a start out");
    let _for_good = look();
    assert!(matches!(Lock::take(&path), Err(LockError::Held(_))));
}

#[test]
fn a_second_writer_is_refused_and_the_lock_goes_with_the_first() {
    let fixture = Fixture::new();
    let (log, _) = fixture.open();
    let refused = fixture.try_open().unwrap_err();
    assert!(matches!(&refused, OpenError::Lock(LockError::Held(path)) if path.ends_with("lock")), "{refused}");
    put(&log, start());
    log.close();
    let (second, opened) = fixture.open();
    assert_eq!(opened.next_index, 4, "key.rotate, start, recovery, key.rotate: the first run wrote no stop");
    drop(log);
    drop(second);
    fixture.open();
}
