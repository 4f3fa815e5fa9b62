//! The index over real logs: written by [`Log`], bent on disk, compared with what a plain reading finds.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::audit::{Disk, Draft, Filter, Kind, Log, Options, show};
use crate::clock::SystemClock;
use crate::seal::Key;
use crate::secret::Secret;

/// A folder with one log.
struct Place {
    dir: TempDir,
}

/// The key under which these tests keep signing keys.
fn seal() -> Key {
    Key::new(Secret::new(vec![7; 32])).unwrap()
}

impl Place {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("audit/gw.example/r1")
    }

    fn segment(&self, first: u64) -> PathBuf {
        self.log().join(format!("seg/{first:013}.jsonl"))
    }

    /// Appends records, in segments that are sealed early.
    async fn write(&self, drafts: impl IntoIterator<Item = Draft>) {
        let options =
            Options { segment_bytes: 8 * 1024, ..Options::new(self.dir.path().join("audit"), "gw.example", "r1", seal()) };
        let (log, _) = Log::open(options, Arc::new(Disk), Arc::new(SystemClock)).unwrap();
        for draft in drafts {
            log.append(draft).durable().await.unwrap();
        }
        log.append(Draft::new(Kind::Stop)).durable().await.unwrap();
        log.close();
    }

    async fn index(&self) -> Index {
        let mut index = Index::open(&self.log(), None).await.unwrap();
        while index.take_in().await.unwrap().more {}
        index
    }

    async fn search(&self, query: &Query) -> Page {
        let mut index = self.index().await;
        let page = index.search(query).await.unwrap();
        index.close().await;
        page
    }

    async fn all(&self) -> Vec<Value> {
        self.search(&Query { order: Order::Oldest, limit: Some(LIMIT_MAX), ..Query::default() }).await.records
    }

    /// What a plain reading of the segments finds.
    fn lines(&self) -> Vec<Value> {
        let mut lines = Vec::new();
        show(&self.log(), &Filter::default(), &mut |shown| {
            lines.push(shown.value().clone());
            ControlFlow::Continue(())
        })
        .unwrap();
        lines
    }
}

/// A decision and its outcome; what they hold depends on `number`.
fn call(number: usize) -> [Draft; 2] {
    let id = format!("call-{number}");
    let (denied, server) = (number.is_multiple_of(3), ["crm", "mail"][number % 2]);
    let mut decision = Draft::new(Kind::CallDecision);
    decision.text("call", &id).text("trace", &format!("trace-{}", number / 4)).text("sess", &format!("sess-{}", number / 8));
    decision.object("dec", |dec| {
        dec.text("effect", if denied { "deny" } else { "allow" });
        if number.is_multiple_of(5) {
            dec.list("findings", |list| {
                list.object(|finding| {
                    finding.text("action", "masked").integer("count", 2).text("kind", "us_ssn");
                    finding.text("layer", "dlp").text("rule", "us-ssn").text("side", "request");
                });
            });
        }
        dec.text("rule", ["role:a", "role:b", "role:c"][number % 3]);
    });
    decision.object("what", |what| {
        what.text("method", "tools/call").text("name", ["get", "put", "list", "drop"][number % 4]).text("server", server);
    });
    decision.object("who", |who| {
        who.text("iss", "corp").text("sub", &format!("pseudonym-{}", number % 7));
    });
    let mut outcome = Draft::new(Kind::CallOutcome);
    outcome.text("call", &id).object("out", |out| {
        out.text("status", "ok").integer("us", 1_500);
    });
    [decision, outcome]
}

fn calls(numbers: std::ops::Range<usize>) -> impl Iterator<Item = Draft> {
    numbers.flat_map(call)
}

fn indices(records: &[Value]) -> Vec<u64> {
    records.iter().map(|record| record["index"].as_u64().unwrap()).collect()
}

fn of(set: &[(&str, &str)]) -> Query {
    let mut query = Query { order: Order::Oldest, limit: Some(LIMIT_MAX), ..Query::default() };
    for (name, value) in set {
        query.set(name, value, Timestamp::now()).unwrap();
    }
    query
}

#[tokio::test]
async fn every_filter_selects_what_a_plain_reading_selects() {
    let place = Place::new();
    place.write(calls(0..60)).await;
    let lines = place.lines();
    assert!(fs::read_dir(place.log().join("seg")).unwrap().count() > 2, "one segment shows no rotation");
    let decided = |record: &Value, path: &str, wanted: &str| record.pointer(path).and_then(Value::as_str) == Some(wanted);
    let of_calls = |path: &str, wanted: &str| -> Vec<u64> {
        let named = lines.iter().filter(|record| decided(record, path, wanted)).map(|record| &record["call"]).collect::<Vec<_>>();
        lines.iter().filter(|record| named.contains(&&record["call"])).map(|record| record["i"].as_u64().unwrap()).collect()
    };
    let own = |path: &str, wanted: &str| -> Vec<u64> {
        lines.iter().filter(|record| decided(record, path, wanted)).map(|record| record["i"].as_u64().unwrap()).collect()
    };
    for (set, expected) in [
        (vec![("server", "crm")], own("/what/server", "crm")),
        (vec![("tool", "drop")], own("/what/name", "drop")),
        (vec![("effect", "deny")], own("/dec/effect", "deny")),
        (vec![("rule", "role:b")], own("/dec/rule", "role:b")),
        (vec![("principal", "pseudonym-3")], own("/who/sub", "pseudonym-3")),
        (vec![("kind", "stop")], own("/kind", "stop")),
        (vec![("finding", "us-ssn")], own("/dec/findings/0/rule", "us-ssn")),
        (vec![("finding", "us_ssn")], own("/dec/findings/0/rule", "us-ssn")),
        (vec![("finding", "dlp")], own("/dec/findings/0/rule", "us-ssn")),
        (vec![("call", "call-7")], own("/call", "call-7")),
        (vec![("trace", "trace-2")], of_calls("/trace", "trace-2")),
        (vec![("session", "sess-1")], of_calls("/sess", "sess-1")),
        (vec![("kind", "call")], own("/kind", "call.decision").into_iter().chain(own("/kind", "call.outcome")).collect()),
    ] {
        let mut expected = expected;
        expected.sort_unstable();
        assert!(!expected.is_empty(), "{set:?} selects nothing here");
        let page = place.search(&of(&set)).await;
        assert_eq!(indices(&page.records), expected, "{set:?}");
        let all = lines.len() as u64;
        assert_eq!((page.indexed, page.log, page.damaged), (all, Some(all), None));
        let mut index = place.index().await;
        assert_eq!(index.count(&of(&set)).await.unwrap().records, expected.len() as u64, "{set:?}");
    }
    let both = place.search(&of(&[("server", "crm"), ("effect", "deny"), ("kind", "call.decision")])).await;
    assert_eq!(both.records.len(), 10);
    let middle = lines[61]["t"].as_str().unwrap();
    let (before, after) = (place.search(&of(&[("until", middle)])).await, place.search(&of(&[("since", middle)])).await);
    assert_eq!(before.records.len() + after.records.len(), lines.len());
    assert!(indices(&after.records).contains(&61) && !indices(&before.records).contains(&61));
    assert_eq!(place.search(&of(&[("since", "2h")])).await.records.len(), lines.len());
    assert_eq!(place.search(&of(&[("until", "2h")])).await.records.len(), 0);
}

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
async fn pages_stay_the_same_while_the_log_grows() {
    let place = Place::new();
    place.write(calls(0..25)).await;
    for order in [Order::Newest, Order::Oldest] {
        let whole = Query { order, limit: Some(LIMIT_MAX), ..of(&[("kind", "call.decision")]) };
        let mut expected = indices(&place.search(&whole).await.records);
        let (mut seen, mut after, mut number) = (Vec::new(), None, 1_000);
        loop {
            let page = place.search(&Query { limit: Some(7), after, ..whole.clone() }).await;
            seen.extend(indices(&page.records));
            let Some(next) = page.next else { break };
            after = Some(next);
            if number < 1_003 {
                place.write(call(number)).await;
                number += 1;
            }
        }
        if order == Order::Oldest {
            expected = indices(&place.search(&whole).await.records);
        }
        assert_eq!(seen, expected, "{order:?}");
    }
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
async fn text_of_a_question_is_never_sql() {
    let place = Place::new();
    place.write(calls(0..3)).await;
    let all = place.all().await;
    let names = ["kind", "principal", "server", "tool", "effect", "rule", "finding", "call", "session", "trace"];
    for name in names {
        for text in ["' OR 1=1 --", "\" OR \"\"=\"", "crm'; DROP TABLE record; --", "?1", "crm\0", "%", "*", "\u{202e}"] {
            assert_eq!(place.search(&of(&[(name, text)])).await.records.len(), 0, "{name}={text:?}");
        }
    }
    assert_eq!(place.all().await, all);
}

#[tokio::test]
async fn nothing_of_a_record_reaches_a_terminal_unescaped() {
    const HOSTILE: &str = "\u{1b}[2J\u{7}\r\n\u{202e}\u{9b}31m";
    let place = Place::new();
    let mut draft = Draft::new(Kind::CallDecision);
    draft.text("call", HOSTILE).text("peer", HOSTILE).text("sess", HOSTILE).text("trace", HOSTILE);
    draft.object("dec", |dec| {
        dec.text("detail", HOSTILE).text("effect", HOSTILE);
        dec.list("findings", |list| {
            list.object(|finding| {
                finding.text("action", HOSTILE).text("layer", HOSTILE).text("rule", HOSTILE).text("side", HOSTILE);
            });
        });
        dec.text("reason", HOSTILE).text("rule", HOSTILE);
    });
    draft.object("what", |what| {
        what.text("method", HOSTILE).text("name", HOSTILE).text("server", HOSTILE);
    });
    draft.object("who", |who| {
        who.text("client", HOSTILE).text("iss", HOSTILE).text("sub", HOSTILE).text("tenant", HOSTILE);
    });
    place.write([draft]).await;
    let records = place.search(&of(&[("call", HOSTILE)])).await.records;
    assert_eq!(records.len(), 1);
    for line in records.iter().map(summary).chain(timeline(&records)) {
        assert!(!line.contains(|character: char| character.is_control() || character == '\u{202e}'), "{line:?}");
    }
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let now = Timestamp::now();
    let refused = |set: &[(&str, &str)]| {
        let mut query = Query::default();
        set.iter().find_map(|(name, value)| query.set(name, value, now).err())
    };
    for set in [[("since", "1h"), ("since", "2h")], [("server", "a"), ("server", "a")], [("limit", "1"), ("limit", "2")]] {
        assert!(matches!(refused(&set), Some(BadQuery::Twice(_))), "{set:?}");
    }
    assert_eq!(refused(&[("who", "x")]), Some(BadQuery::Unknown("who".to_owned())));
    assert_eq!(refused(&[("server", "")]), Some(BadQuery::Length("server")));
    assert_eq!(refused(&[("server", &"x".repeat(1_025))]), Some(BadQuery::Length("server")));
    assert_eq!(refused(&[("since", "yesterday")]), Some(BadQuery::Time("since")));
    assert_eq!(refused(&[("order", "best")]), Some(BadQuery::Order));
    for limit in ["0", "1001", "-1", "x"] {
        assert_eq!(refused(&[("limit", limit)]), Some(BadQuery::Limit), "{limit}");
    }
    assert_eq!(refused(&[("after", "-1")]), Some(BadQuery::After));
    assert_eq!(refused(&[("kind", "x"); 33]), Some(BadQuery::Kinds));
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
