//! What is refused and why, what is read, and what edits make of it.

mod edits;

use bytes::Bytes;

use super::*;

fn parse(text: impl AsRef<[u8]>) -> Result<Document, ParseError> {
    Document::parse(Bytes::copy_from_slice(text.as_ref()), Limits::default())
}

fn document(text: &str) -> Document {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// `text` after `edit`, which must still be strict JSON.
fn edited(text: &str, edit: impl FnOnce(&Document, &mut Edits)) -> String {
    let document = document(text);
    let mut edits = Edits::default();
    edit(&document, &mut edits);
    let bytes = edits.apply(&document);
    parse(&bytes).unwrap_or_else(|error| panic!("{text} became {bytes:?}: {error}"));
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The id of the value at `path` from the root.
fn at(document: &Document, path: &[&str]) -> NodeId {
    document.root().path(path).unwrap().id()
}

#[test]
fn input_that_readers_disagree_on_is_refused_with_its_reason_and_place() {
    use ParseError as E;
    let cases: &[(&[u8], E)] = &[
        // JSON-001, JSON-002: at any depth, once decoded, far apart or not.
        (br#"{"a":1,"a":2}"#, E::DuplicateKey { offset: 7 }),
        (br#"{"x":[{"p":{"name":1,"other":[],"name":2}}]}"#, E::DuplicateKey { offset: 32 }),
        (br#"{"name":1,"n\u0061me":2}"#, E::DuplicateKey { offset: 10 }),
        (br#"{"a/b":1,"a\/b":2}"#, E::DuplicateKey { offset: 9 }),
        (br#"{"":1,"":2}"#, E::DuplicateKey { offset: 6 }),
        (br#"{"a":[{"__proto__":{}}]}"#, E::PrototypeKey { offset: 7 }),
        (br#"{"\u005f_proto\u005f_":1}"#, E::PrototypeKey { offset: 1 }),
        ("{\"é\":1,\"\\u00e9\":2}".as_bytes(), E::DuplicateKey { offset: 8 }),
        // JSON-009, JSON-011: overlong slash, a cut character, an encoded surrogate, UTF-16, the mark.
        (b"\"\xC0\xAF\"", E::NotUtf8 { offset: 1 }),
        (b"\"\xE2\x82\"", E::NotUtf8 { offset: 1 }),
        (b"\"\xED\xA0\x80\"", E::NotUtf8 { offset: 1 }),
        (b"\xFF\xFE{\0}\0", E::NotUtf8 { offset: 0 }),
        (b"{\0}\0", E::UnexpectedByte { offset: 1 }),
        (b"\xEF\xBB\xBF{}", E::ByteOrderMark { offset: 0 }),
        (b"{}\xEF\xBB\xBF", E::TrailingBytes { offset: 2 }),
        // JSON-014
        (b"[NaN]", E::UnexpectedByte { offset: 1 }),
        (b"[Infinity]", E::UnexpectedByte { offset: 1 }),
        (b"[-Infinity]", E::BadNumber { offset: 2 }),
        (b"[nan]", E::UnexpectedByte { offset: 2 }),
        (b"[1e400]", E::NumberNotFinite { offset: 1 }),
        (b"[01]", E::BadNumber { offset: 2 }),
        (b"[+1]", E::UnexpectedByte { offset: 1 }),
        (b"[.5]", E::UnexpectedByte { offset: 1 }),
        (b"[5.]", E::BadNumber { offset: 3 }),
        (b"[0x10]", E::UnexpectedByte { offset: 2 }),
        (b"[1_000]", E::UnexpectedByte { offset: 2 }),
        // JSON-021
        (b"{/*c*/}", E::UnexpectedByte { offset: 1 }),
        (b"{\"a\":1,}", E::UnexpectedByte { offset: 7 }),
        (b"[1,]", E::UnexpectedByte { offset: 3 }),
        (b"[,1]", E::UnexpectedByte { offset: 1 }),
        (b"[1 2]", E::UnexpectedByte { offset: 3 }),
        (b"{'a':1}", E::UnexpectedByte { offset: 1 }),
        (b"{a:1}", E::UnexpectedByte { offset: 1 }),
        (b"{\"a\" 1}", E::UnexpectedByte { offset: 5 }),
        (b"{1:2}", E::UnexpectedByte { offset: 1 }),
        (b"[}", E::UnexpectedByte { offset: 1 }),
        (b"{\"a\":1]", E::UnexpectedByte { offset: 6 }),
        (b"{} {}", E::TrailingBytes { offset: 3 }),
        (b"{}\0", E::TrailingBytes { offset: 2 }),
        (b"1 1", E::TrailingBytes { offset: 2 }),
        (b"{}\x0C", E::TrailingBytes { offset: 2 }),
        (b"\xC2\xA01", E::UnexpectedByte { offset: 0 }),
        (b"[tru]", E::UnexpectedByte { offset: 4 }),
        (b"[TRUE]", E::UnexpectedByte { offset: 1 }),
        // Strings.
        (br#"["\ud800"]"#, E::LoneSurrogate { offset: 2 }),
        (br#"["\udc00"]"#, E::LoneSurrogate { offset: 2 }),
        (br#"["\ud800\u0041"]"#, E::LoneSurrogate { offset: 2 }),
        (br#"["\ud800\ud800"]"#, E::LoneSurrogate { offset: 2 }),
        (br#"["\ude00\ud83d"]"#, E::LoneSurrogate { offset: 2 }),
        (br#"{"\ud83d":1}"#, E::LoneSurrogate { offset: 2 }),
        (b"[\"a\nb\"]", E::ControlCharacter { offset: 3 }),
        (b"[\"0123456789abcdef\x00\"]", E::ControlCharacter { offset: 18 }),
        (b"[\"\\n0123456789abcdef\x1f\"]", E::ControlCharacter { offset: 20 }),
        (br#"["\x41"]"#, E::BadEscape { offset: 2 }),
        (br#"["\u00g0"]"#, E::BadEscape { offset: 2 }),
        (br#"["\u+041"]"#, E::BadEscape { offset: 2 }),
        (br#"["\'"]"#, E::BadEscape { offset: 2 }),
        // Ends.
        (b"", E::UnexpectedEnd { offset: 0 }),
        (b" \r\n\t", E::UnexpectedEnd { offset: 4 }),
        (b"[1", E::UnexpectedEnd { offset: 2 }),
        (b"{\"a\"", E::UnexpectedEnd { offset: 4 }),
        (b"{\"a\":", E::UnexpectedEnd { offset: 5 }),
        (b"{\"a\":1", E::UnexpectedEnd { offset: 6 }),
        (b"\"abc", E::UnexpectedEnd { offset: 4 }),
        (b"\"abc\\", E::UnexpectedEnd { offset: 5 }),
        (b"\"\\u12", E::UnexpectedEnd { offset: 5 }),
        (b"tr", E::UnexpectedEnd { offset: 2 }),
    ];
    for (text, reason) in cases {
        let error = parse(text).map(|_| ()).unwrap_err();
        assert_eq!(error, *reason, "{}", text.escape_ascii());
        assert!(error.offset() <= text.len());
    }
}

#[test]
fn limits_hold_at_their_edge() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(nested(64)).is_ok());
    assert_eq!(parse(nested(65)).unwrap_err(), ParseError::TooDeep { offset: 64 });
    let mixed = |depth: usize| format!("{}1{}", r#"{"a":["#.repeat(depth / 2), "]}".repeat(depth / 2));
    assert!(parse(mixed(64)).is_ok());
    assert!(matches!(parse(mixed(66)), Err(ParseError::TooDeep { .. })));
    assert_eq!(parse("[".repeat(1_000_000)).unwrap_err(), ParseError::TooDeep { offset: 64 });

    // Depth is how many are open at once, not how many there are.
    assert!(parse(format!("[{}[]]", "[],".repeat(500))).is_ok());

    let limits = Limits { depth: 2, nodes: 4, string: 3 };
    let parse = |text: &str| Document::parse(Bytes::copy_from_slice(text.as_bytes()), limits).map(|_| ());
    assert_eq!(parse(r#"{"a":[1]}"#), Ok(()));
    assert_eq!(parse(r#"{"a":[1,2]}"#), Err(ParseError::TooManyValues { offset: 8 }));
    assert_eq!(parse(r#""abc""#), Ok(()));
    assert_eq!(parse(r#""abcd""#), Err(ParseError::StringTooLong { offset: 0 }));
    assert_eq!(parse(r#""\u0061\u0062c""#), Ok(()));
    assert_eq!(parse(r#"["\u20ac","\u20acx"]"#), Err(ParseError::StringTooLong { offset: 10 }));
    assert_eq!(parse(r#"{"abcd":1}"#), Err(ParseError::StringTooLong { offset: 1 }));
}

#[test]
fn a_depth_limit_beyond_the_default_needs_no_stack() {
    let depth = 60_000;
    let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let limits = Limits { depth: u16::MAX, ..Limits::default() };
    let document = Document::parse(Bytes::from(text), limits).unwrap();
    assert_eq!(document.len_nodes(), depth);
}

#[test]
fn objects_with_many_keys_are_checked_too() {
    for count in [2, 15, 16, 17, 18, 5_000] {
        let members: Vec<String> = (0..count).map(|key| format!(r#""key-{key:09}-end":{{"key-{key:09}-end":[]}}"#)).collect();
        let text = format!("{{{}}}", members.join(","));
        assert!(parse(&text).is_ok());
        let offset = text.len();
        let repeated = format!(r#"{},"key-{:09}\u002dend":0}}"#, text.strip_suffix('}').unwrap(), count / 2);
        assert_eq!(parse(repeated).unwrap_err(), ParseError::DuplicateKey { offset }, "{count}");
    }
}

#[test]
fn keys_that_only_look_alike_are_told_apart() {
    // Equal in length and in their first and last eight bytes.
    for count in [2, 16, 17, 100] {
        let keys: Vec<String> = (0..count).map(|key| format!(r#""prefix--{key:03}--suffix":0"#)).collect();
        assert!(parse(format!("{{{}}}", keys.join(","))).is_ok());
        let twice = format!("{{{},{}}}", keys.join(","), keys.join(","));
        let offset = keys.join(",").len() + 2;
        assert_eq!(parse(twice).unwrap_err(), ParseError::DuplicateKey { offset }, "{count}");
    }
}

#[test]
fn strings_of_every_length_end_where_they_end() {
    for length in 0..200 {
        for (special, decoded) in [("", ""), ("\\n", "\n"), ("é", "é"), ("\\ud83d\\ude00", "😀")] {
            let plain = "x".repeat(length);
            let document = document(&format!(r#"["{plain}{special}","{special}{plain}"]"#));
            let texts: Vec<&str> = document.root().texts().map(|text| text.text).collect();
            assert_eq!(texts, [format!("{plain}{decoded}"), format!("{decoded}{plain}")]);
        }
        for control in ['\0', '\u{1}', '\n', '\u{1f}'] {
            let broken = format!("\"{}{control}{}\"", "x".repeat(length), "y".repeat(length));
            assert_eq!(parse(broken).unwrap_err(), ParseError::ControlCharacter { offset: length + 1 });
        }
        let allowed = "x".repeat(length) + " \u{7f}\u{80}\u{a0}\u{2028}!#[]";
        let allowed = format!("\"{allowed}{}\"", "y".repeat(length));
        assert_eq!(document(&allowed).root().raw(), allowed);
    }
}

#[test]
fn cursors_show_what_was_written() {
    let document = document(
        r#" {"a\u0062":[1, -0, 1.0, 12345678901234567890, true, null], "s":"\"\\\/\b\f\n\r\t\u00e9\u0000", "o":{"x":{"y":"z"}}} "#,
    );
    let root = document.root();
    assert_eq!(root.kind(), Kind::Object);
    let items: Vec<Value<'_>> = root.get("ab").unwrap().items().collect();
    assert_eq!(items.iter().map(|item| item.as_i64()).collect::<Vec<_>>(), [Some(1), None, None, None, None, None]);
    assert_eq!(
        items.iter().map(|item| item.raw()).collect::<Vec<_>>(),
        ["1", "-0", "1.0", "12345678901234567890", "true", "null"]
    );
    assert_eq!((items[4].as_bool(), items[5].is_null(), items[0].as_bool(), items[0].as_str()), (Some(true), true, None, None));
    assert_eq!(root.get("s").unwrap().as_str(), Some("\"\\/\u{8}\u{c}\n\r\t\u{e9}\0"));
    assert!(root.get("s").unwrap().is_escaped());
    let deep = root.path(&["o", "x", "y"]).unwrap();
    assert_eq!((deep.as_str(), deep.raw(), deep.is_escaped()), (Some("z"), r#""z""#, false));
    assert_eq!(&document.bytes()[deep.span()], br#""z""#);
    assert_eq!(deep.key().and_then(Value::as_str), Some("y"));
    assert!(root.path(&["o", "y"]).is_none() && items[0].key().is_none() && root.key().is_none());
    assert!(deep.get("y").is_none() && deep.items().next().is_none() && root.items().next().is_none());
    let keys: Vec<_> = root.members().filter_map(|(key, value)| Some((key.as_str()?, value.key()?.as_str()?))).collect();
    assert_eq!(keys, [("ab", "ab"), ("s", "s"), ("o", "o")]);
}

#[test]
fn texts_come_in_document_order_with_their_site() {
    let document = document(r#"{"k":["\u0061",{"n":-1.5e3}],"t":true}"#);
    let texts: Vec<_> = document.root().texts().map(|text| (text.site, text.text)).collect();
    let expected = [(Site::Key, "k"), (Site::String, "a"), (Site::Key, "n"), (Site::Number, "-1.5e3"), (Site::Key, "t")];
    assert_eq!(texts, expected);
    let below = document.root().get("k").unwrap().texts().count();
    assert_eq!(below, 3);
}

#[test]
fn an_id_of_another_document_reads_something_and_never_panics() {
    let large = document(r#"{"a":[1,{"b":"c"}],"d":"e"}"#);
    let small = document("[1]");
    for id in large.root().texts().map(|text| text.id) {
        let value = small.value(id);
        let _ = (value.raw(), value.as_str(), value.key(), value.texts().count(), value.get("a"), value.items().count());
        let mut edits = Edits::default();
        edits.replace_text(&small, id, 0..1, "x");
        edits.replace(&small, id, RawJson::null());
        let _ = edits.apply(&small);
    }
}

#[test]
fn debug_and_errors_show_no_content() {
    let document = document(r#"{"secret":"4111111111111111"}"#);
    let mut edits = Edits::default();
    edits.replace_text(&document, NodeId(2), 0..4, "secret");
    let value = document.root().get("secret").unwrap();
    let text = document.root().texts().next().unwrap();
    let shown = format!("{document:?}{value:?}{text:?}{edits:?}{:?}", RawJson::string("secret"));
    assert!(!shown.contains("secret") && !shown.contains("4111"), "{shown}");
    let error = parse(r#"{"secret":1,"secret":2}"#).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"));
}

#[test]
fn a_batch_is_told_by_its_first_byte() {
    assert_eq!(first_significant_byte(b" \t\r\n[{]"), Some(b'['));
    assert_eq!(first_significant_byte(b"\x0b["), Some(0x0b));
    assert_eq!(first_significant_byte(b"  "), None);
}

#[test]
fn a_parser_that_is_fed_its_documents_back_reads_as_a_new_one() {
    let mut parser = Parser::new();
    for text in [r#"{"a":"\n"}"#, r#"["\t\t","b"]"#, r#"{"a":1,"a":2}"#, r#"{"a":"x\\"}"#] {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let expected = Document::parse(bytes.clone(), Limits::default()).map(|document| texts(&document));
        let found = parser.parse(bytes, Limits::default()).map(|document| {
            let found = texts(&document);
            parser.recycle(document);
            found
        });
        assert_eq!(found, expected);
    }
}

fn texts(document: &Document) -> Vec<String> {
    document.root().texts().map(|text| text.text.to_owned()).collect()
}
