//! The index beside a log that is damaged, pruned or replaced, and a file that is broken itself.

use super::*;

#[tokio::test]
async fn a_deleted_or_broken_index_is_made_again_with_the_same_answers() {
    let place = Place::new();
    place.write(calls(0..40)).await;
    let all = place.all().await;
    assert_eq!(all.len(), place.lines().len());
    let file = place.log().join(FILE);
    fs::remove_file(&file).unwrap();
    assert_eq!(place.all().await, all);
    fs::write(&file, "not a database, and longer than the head of one".repeat(100)).unwrap();
    assert_eq!(place.all().await, all);
    // Broken behind its first page, which is found out when it is opened, or later.
    let mut bytes = fs::read(&file).unwrap();
    bytes[4096..].fill(0xa5);
    fs::write(&file, &bytes).unwrap();
    assert_eq!(place.all().await, all);
    let mut index = Index::open(&place.log(), None).await.unwrap();
    fs::write(&file, bytes).unwrap();
    let error = index.search(&of(&[])).await.unwrap_err();
    assert!(error.is_broken(), "{error:?}");
    index.discard().await.unwrap();
    assert_eq!(place.all().await, all);
}

#[tokio::test]
async fn an_index_of_another_version_is_thrown_away() {
    let place = Place::new();
    place.write(calls(0..3)).await;
    let all = place.all().await;
    let mut index = place.index().await;
    sqlx::raw_sql("DELETE FROM record; PRAGMA user_version = 99").execute(&mut index.connection).await.unwrap();
    index.close().await;
    assert_eq!(place.all().await, all);
}

#[tokio::test]
async fn an_index_that_a_power_cut_may_have_broken_is_thrown_away() {
    let place = Place::new();
    place.write(calls(0..3)).await;
    let all = place.all().await;
    for (boot, kept) in [("'another boot'", false), ("NULL", true)] {
        let mut index = place.index().await;
        let cut = format!("DELETE FROM record; UPDATE place SET boot = {boot}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(cut)).execute(&mut index.connection).await.unwrap();
        drop(index);
        let expected: &[Value] = if kept { &[] } else { &all };
        assert_eq!(place.all().await, expected, "written under boot {boot}");
    }
    // Killed, and not cut: what was written is there.
    fs::remove_file(place.log().join(FILE)).unwrap();
    let mut index = place.index().await;
    let boot: Option<String> = sqlx::query_scalar("SELECT boot FROM place").fetch_one(&mut index.connection).await.unwrap();
    assert!(boot.is_some(), "an index at work must not look closed in order");
    drop(index);
    assert_eq!(place.all().await, all);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(place.log().join(FILE));
    let mut closed = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let boot: Option<String> = sqlx::query_scalar("SELECT boot FROM place").fetch_one(&mut closed).await.unwrap();
    assert_eq!(boot, None, "closed in order");
}

#[tokio::test]
async fn a_file_that_is_no_index_is_left_alone_when_it_is_named() {
    let place = Place::new();
    place.write(calls(0..3)).await;
    let (notes, store) = (place.dir.path().join("notes.txt"), place.dir.path().join("vault.db"));
    fs::write(&notes, "what I must not forget: ".repeat(300)).unwrap();
    crate::vault::Vault::open(place.dir.path(), &crate::master_key::MasterKey::open(None, place.dir.path()).unwrap())
        .await
        .unwrap()
        .close()
        .await;
    for file in [&notes, &store] {
        let before = fs::read(file).unwrap();
        let refused = Index::open(&place.log(), Some(file)).await.unwrap_err();
        assert!(matches!(refused, IndexError::Foreign(_)), "{refused:?}");
        assert_eq!(fs::read(file).unwrap(), before, "{}", file.display());
    }
}

#[tokio::test]
async fn an_empty_log_that_replaced_another_leaves_nothing() {
    let place = Place::new();
    place.write(calls(0..3)).await;
    assert_eq!(place.all().await.len(), 8);
    fs::remove_dir_all(place.log().join("seg")).unwrap();
    fs::remove_file(place.log().join("checkpoint")).unwrap();
    fs::create_dir(place.log().join("seg")).unwrap();
    let page = place.search(&of(&[])).await;
    assert_eq!((page.records.len(), page.indexed), (0, 0));
}

#[tokio::test]
async fn a_log_that_was_replaced_is_indexed_anew() {
    let (one, other) = (Place::new(), Place::new());
    one.write(calls(0..40)).await;
    other.write(calls(100..150)).await;
    one.all().await;
    fs::remove_dir_all(one.log().join("seg")).unwrap();
    fs::rename(other.log().join("seg"), one.log().join("seg")).unwrap();
    fs::copy(other.log().join("checkpoint"), one.log().join("checkpoint")).unwrap();
    let page = one.search(&of(&[("kind", "call.decision")])).await;
    assert_eq!(page.records.len(), 50);
    assert!(page.records.iter().all(|record| record["call"].as_str().unwrap() >= "call-100"), "a record of the log before");
    assert_eq!(page.damaged, None);
}

#[tokio::test]
async fn what_is_torn_is_not_taken_in() {
    let place = Place::new();
    place.write(calls(0..2)).await;
    let segment = place.segment(0);
    let good = fs::read(&segment).unwrap();
    // Room, half a line, half a line with a hole.
    for tail in [&b"\0\0\0\0"[..], b"{\"call\":\"torn", b"{\"call\":\"torn\0\0\0}\n\0\0"] {
        fs::write(&segment, [&good, tail].concat()).unwrap();
        let page = place.search(&of(&[])).await;
        assert_eq!((page.records.len(), page.indexed, page.damaged), (6, 6, None), "{}", tail.escape_ascii());
    }
    fs::write(&segment, &good).unwrap();
    place.write(calls(2..3)).await;
    assert_eq!(place.all().await.len(), 10, "it goes on where the torn tail was");
}

#[tokio::test]
async fn a_damaged_log_is_read_to_its_end_and_the_damage_told() {
    let place = Place::new();
    place.write(calls(0..30)).await;
    let segment = place.segment(0);
    let text = fs::read_to_string(&segment).unwrap();
    fs::write(&segment, text.replacen("call-2\"", "call-X\"", 1)).unwrap();
    let page = place.search(&of(&[])).await;
    let all = place.lines().len();
    assert_eq!(page.records.len(), all);
    assert_eq!(page.damaged, Some(6), "the record behind the changed one does not follow it");
    fs::write(&segment, text.replacen("{\"epoch\"", "\"epoch\"", 1)).unwrap();
    fs::remove_file(place.log().join(FILE)).unwrap();
    let page = place.search(&of(&[])).await;
    assert_eq!((page.records.len(), page.damaged), (all, Some(0)));
    assert_eq!(page.records[0]["kind"], "unreadable");
}

#[tokio::test]
async fn pruned_segments_leave_the_index() {
    let place = Place::new();
    place.write(calls(0..60)).await;
    assert_eq!(place.all().await.len(), place.lines().len());
    fs::remove_file(place.segment(0)).unwrap();
    let kept = place.lines();
    let page = place.search(&of(&[])).await;
    assert_eq!(indices(&page.records), kept.iter().map(|line| line["i"].as_u64().unwrap()).collect::<Vec<_>>());
    fs::remove_file(place.log().join(FILE)).unwrap();
    assert_eq!(place.search(&of(&[])).await.records, page.records);
}

#[tokio::test]
async fn no_byte_of_the_index_holds_what_was_pruned() {
    let place = Place::new();
    let of_somebody = |number: usize| {
        let mut decision = Draft::new(Kind::CallDecision);
        decision.text("call", &format!("gone-{number}")).object("who", |who| {
            who.text("sub", "pseudonym-of-somebody");
        });
        decision
    };
    place.write((0..20).map(of_somebody).chain(calls(0..60))).await;
    let held = || {
        let files = fs::read_dir(place.log()).unwrap().map(|entry| entry.unwrap().path());
        let bytes: Vec<u8> =
            files.filter(|path| path.to_string_lossy().contains(FILE)).flat_map(|path| fs::read(path).unwrap()).collect();
        ["gone-3", "pseudonym-of-somebody", "pseudonym-1"].map(|text| memchr::memmem::find(&bytes, text.as_bytes()).is_some())
    };
    assert_eq!(place.all().await.len(), place.lines().len());
    assert_eq!(held(), [true; 3]);
    let text = fs::read_to_string(place.segment(0)).unwrap();
    assert!(text.contains("gone-19"), "all of them are in the first segment");
    fs::remove_file(place.segment(0)).unwrap();
    assert_eq!(place.all().await.len(), place.lines().len());
    assert_eq!(held(), [false, false, true]);
}

#[tokio::test]
async fn two_keepers_of_one_file_take_in_each_line_once() {
    let place = Place::new();
    place.write(calls(0..20)).await;
    let (mut one, mut other) = (place.index().await, Index::open(&place.log(), None).await.unwrap());
    for round in 0..10 {
        place.write(calls(20 + round..21 + round)).await;
        let (first, second) = tokio::join!(one.take_in(), other.take_in());
        assert_eq!(first.unwrap().position.max(second.unwrap().position), place.lines().len() as u64);
    }
    let lines = place.lines();
    assert_eq!(indices(&other.search(&of(&[])).await.unwrap().records), (0..lines.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_index_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    place.write(calls(0..1)).await;
    let index = place.index().await;
    for name in [FILE, "index.db-wal", "index.db-shm"] {
        let mode = fs::metadata(place.log().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    index.close().await;
    assert!(!Path::new(&place.log().join("index.db-wal")).exists());
}
