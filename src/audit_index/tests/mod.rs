//! The index over real logs: written by [`Log`], bent on disk, compared with what a plain reading finds.

mod upkeep;
mod view;

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
