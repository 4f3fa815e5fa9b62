//! Parsing allocates a few buffers and not one per value; reading allocates nothing.
//!
//! A binary of its own: `allocation_counter` puts a counting allocator in place of the system's. It counts a buffer that grows
//! as one more allocation.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fmt::Write as _;

use allocation_counter::measure;
use bytes::Bytes;
use yett::protocol::json::{Document, Edits, Limits, Parser};

/// A list of tools with escapes in it.
fn tools(count: usize) -> Bytes {
    let mut text = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":["#.to_owned();
    for index in 0..count {
        let comma = if index == 0 { "" } else { "," };
        write!(
            text,
            r#"{comma}{{"name":"tool_{index}","title":"A \"tool\"\n","inputSchema":{{"type":"object","required":["a","b"]}}}}"#
        )
        .unwrap();
    }
    text.push_str("]}}");
    let bytes = Bytes::from(text);
    // The first clone of a `Bytes` allocates its counter; that is not ours to count.
    drop(bytes.clone());
    bytes
}

fn parse(bytes: &Bytes) -> Document {
    Document::parse(bytes.clone(), Limits::default()).unwrap()
}

#[test]
fn a_document_holds_the_same_number_of_buffers_whatever_its_size() {
    for count in [1, 10, 1_000, 7_000] {
        let bytes = tools(count);
        let mut document = None;
        let info = measure(|| document = Some(parse(&bytes)));
        assert_eq!(info.count_current, 3, "index, decoded strings, their ends");
        assert!(document.unwrap().len_nodes() > count * 10);
    }
}

#[test]
fn allocations_do_not_grow_with_the_number_of_values() {
    let total = |count| {
        let bytes = tools(count);
        measure(|| drop(parse(&bytes))).count_total
    };
    // The index, the decoded strings, their ends, the open keys; the index, reserved for
    // twelve bytes a value, grows once.
    assert_eq!(total(10), 5);
    // 700 times the values: the ends double from 64 to 8,192.
    assert_eq!(total(7_000), 5 + 7);
}

#[test]
fn a_parser_that_gets_its_buffers_back_does_not_allocate() {
    let bytes = tools(500);
    let mut parser = Parser::new();
    let document = parser.parse(bytes.clone(), Limits::default()).unwrap();
    parser.recycle(document);
    let info = measure(|| {
        for _ in 0..10 {
            let document = parser.parse(bytes.clone(), Limits::default()).unwrap();
            parser.recycle(document);
        }
    });
    assert_eq!(info.count_total, 0);
}

#[test]
fn reading_does_not_allocate() {
    let document = parse(&tools(500));
    let info = measure(|| {
        let tools = document.root().path(&["result", "tools"]).unwrap();
        assert_eq!(tools.items().filter(|tool| tool.get("title").unwrap().as_str() == Some("A \"tool\"\n")).count(), 500);
        assert!(document.root().texts().map(|text| text.text.len()).sum::<usize>() > 10_000);
        assert_eq!(Edits::default().apply(&document).len(), document.bytes().len());
    });
    assert_eq!(info.count_total, 0);
}

#[test]
fn text_without_escapes_is_not_copied() {
    let bytes = Bytes::from(format!(r#"{{"text":"{}"}}"#, "x".repeat(1 << 20)));
    drop(bytes.clone());
    let info = measure(|| drop(parse(&bytes)));
    // The index is reserved by the length of the input, which costs addresses and not memory; nothing holds the text again.
    assert!(info.count_total <= 2, "{info:?}");
}
