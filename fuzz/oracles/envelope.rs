//! Bytes as a message: what we accept another parser accepts too and reads the same, and what we refuse we refuse for a reason.

use bytes::Bytes;
use yett::protocol::json::{Document, Limits, ParseError, Parser};
use yett::protocol::{Access, EnvelopeError, Message, ProtocolVersion, Shape, Side, Target, Task, routing_fields, visit_texts};

use super::tree::{Tree, assert_same};

/// Ids of at most so many characters are within 256 bytes however they are escaped.
const SURELY_SHORT: usize = 20;
const SAFE: i64 = (1 << 53) - 1;

/// The oracle.
pub fn check(input: &[u8]) {
    let bytes = Bytes::copy_from_slice(input);
    let theirs: Result<Tree, _> = serde_json::from_slice(input);
    check_document(&bytes, theirs.as_ref().ok());
    for side in [Side::Client, Side::Server] {
        match (Message::parse(bytes.clone(), Limits::default(), side), &theirs) {
            (Ok(message), Ok(tree)) => {
                assert!(is_message(tree, side), "accepted, but no message: {tree:?}");
                check_message(&message, tree);
            }
            (Ok(_), Err(error)) => panic!("accepted what serde_json refuses: {error}"),
            (Err(EnvelopeError::Batch), _) => assert!(input.trim_ascii_start().starts_with(b"[")),
            (Err(EnvelopeError::Json(ParseError::TooDeep { .. })), Ok(tree)) => assert!(tree.depth() > 64, "not deep: {tree:?}"),
            (Err(EnvelopeError::Json(ParseError::PrototypeKey { .. })), Ok(tree)) => {
                assert!(tree.has_key("__proto__"), "{tree:?}");
            }
            (Err(EnvelopeError::Json(error)), Ok(tree)) => panic!("refused for {error}: {tree:?}"),
            (Err(EnvelopeError::Json(error)), Err(_)) => assert!(error.offset() <= input.len()),
            (Err(EnvelopeError::CaseVariant), Ok(tree)) => assert!(has_case_variant(tree), "no case variant: {tree:?}"),
            (Err(EnvelopeError::Id), Ok(tree)) if is_long_id(tree) => {}
            (Err(error), Ok(tree)) => assert!(!is_message(tree, side), "refused for `{error}`, but a message: {tree:?}"),
            (Err(error), Err(other)) => panic!("refused for `{error}`, so it was read; serde_json says {other}"),
        }
    }
}

/// The parser alone, whatever the text is, with fresh and with used buffers.
fn check_document(bytes: &Bytes, theirs: Option<&Tree>) {
    thread_local! {
        static USED: std::cell::RefCell<Parser> = std::cell::RefCell::default();
    }
    let fresh = Document::parse(bytes.clone(), Limits::default());
    let again = USED.with_borrow_mut(|parser| {
        let again = parser.parse(bytes.clone(), Limits::default());
        again.map(|document| {
            let nodes = document.len_nodes();
            if let Some(tree) = theirs {
                assert_same(document.root(), tree);
            }
            parser.recycle(document);
            nodes
        })
    });
    assert_eq!(fresh.as_ref().map(Document::len_nodes), again.as_ref().copied(), "used buffers change the verdict");
    if let (Ok(document), Some(tree)) = (&fresh, theirs) {
        assert_same(document.root(), tree);
        assert_eq!(document.bytes(), bytes);
        assert_eq!(document.root().texts().count(), tree.texts());
    }
}

fn check_message(message: &Message, tree: &Tree) {
    assert_eq!(message.method(), tree.get("method").and_then(Tree::as_str));
    let members = [("params", message.params()), ("result", message.result()), ("error", message.error())];
    for (key, value) in members {
        match (value, tree.get(key)) {
            (None, None) => {}
            (Some(value), Some(tree)) => assert_same(value, tree),
            (ours, theirs) => panic!("`{key}` is {ours:?} here and {theirs:?} there"),
        }
    }
    match (message.id(), tree.get("id")) {
        (None, None | Some(Tree::Null)) => {}
        (Some(id), Some(Tree::Signed(number))) => assert_eq!(id.as_json(), number.to_string()),
        (Some(id), Some(Tree::String(text))) => assert_eq!(serde_json::from_str::<String>(id.as_json()).unwrap(), *text),
        (ours, theirs) => panic!("the id is {ours:?} here and {theirs:?} there"),
    }
    assert_eq!(message.encode(), message.original(), "nothing was edited");
    let mut visited = 0;
    visit_texts(message, |_| visited += 1);
    let carried: usize = ["params", "result", "error"].into_iter().filter_map(|key| tree.get(key)).map(Tree::texts).sum();
    // The id of a request is shown where it is a text.
    let carried = carried + usize::from(message.shape() == Shape::Request && matches!(tree.get("id"), Some(Tree::String(_))));
    assert!(visited <= carried && visited + 2 >= carried, "{visited} of {carried} texts were shown");
    assert!(routing_fields(message).len() <= 8);
    check_access(message, tree.get("params"));
}

/// What access is decided on is what the other reader finds there.
fn check_access(message: &Message, params: Option<&Tree>) {
    for version in ProtocolVersion::ALL {
        check_access_in(version, message, params);
    }
}

fn check_access_in(version: ProtocolVersion, message: &Message, params: Option<&Tree>) {
    // Every id is one that was given.
    let given = |shown: &str| Some(Task { shown: shown.to_owned(), id: "t".to_owned(), tool: "x".to_owned() });
    let Ok(access) = Access::of(message, version, given) else { return };
    assert_eq!(access.shape, message.shape());
    assert_ne!(access.shape, Shape::Response);
    let text = |key: &str| params.and_then(|params| params.get(key)).and_then(Tree::as_str);
    let nested = |key: &str| params?.get("ref")?.get(key)?.as_str();
    match &access.target {
        Target::Tool(name) => assert_eq!(text("name"), Some(name.as_str())),
        Target::Prompt(name) => assert!(text("name") == Some(name) || nested("name") == Some(name)),
        Target::Resource(uri) => assert!(text("uri") == Some(uri) || nested("uri") == Some(uri)),
        Target::Method(name) => assert_eq!(message.method(), Some(name.as_str())),
        Target::Task(task) => assert_eq!(text("taskId"), Some(task.shown.as_str())),
        Target::Listen { .. } | Target::None => {}
        Target::Answer(_) => panic!("a message answered a question"),
        Target::Session => panic!("a message ended a session"),
    }
    let fold = |key: &str| key.to_lowercase().replace('\u{17f}', "s").replace('\u{212a}', "k");
    for (key, _) in params.map_or(&[][..], Tree::members) {
        for known in ["name", "arguments", "uri", "cursor", "_meta", "task", "ref"] {
            assert!(key == known || fold(key) != known, "`{key}` beside `{known}`");
        }
    }
}

/// The rules of an envelope, said again over the other reader's tree.
fn is_message(tree: &Tree, side: Side) -> bool {
    const KNOWN: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
    if !matches!(tree, Tree::Object(_)) || tree.members().iter().any(|(key, _)| !KNOWN.contains(&key.as_str())) {
        return false;
    }
    let [version, id, method, params, result, error] = KNOWN.map(|key| tree.get(key));
    let is_object = |value: Option<&Tree>| value.is_none_or(|value| matches!(value, Tree::Object(_)));
    if version.and_then(Tree::as_str) != Some("2.0") || !is_object(params) || !is_object(error) {
        return false;
    }
    let good_id = match id {
        Some(Tree::Signed(number)) => (-SAFE..=SAFE).contains(number),
        Some(Tree::String(text)) => !text.contains(char::is_control),
        _ => false,
    };
    let no_id = side == Side::Server && error.is_some() && matches!(id, None | Some(Tree::Null));
    if error.and_then(|error| error.get("code")).is_some_and(|code| !matches!(code, Tree::Signed(_))) {
        return false;
    }
    match (method, result, error) {
        (Some(method), None, None) => {
            let name = method.as_str().unwrap_or_default();
            (1..=128).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic()) && (id.is_none() || good_id)
        }
        (None, Some(_), None) | (None, None, Some(_)) => params.is_none() && (good_id || no_id),
        _ => false,
    }
}

/// Whether a key next to the envelope could be one of MCP's in another spelling.
fn has_case_variant(tree: &Tree) -> bool {
    const IN_LOWER_CASE: &[&str] = &[
        "cachescope",
        "clientinfo",
        "inputrequests",
        "inputresponses",
        "iserror",
        "nextcursor",
        "progresstoken",
        "protocolversion",
        "requeststate",
        "resourcetemplates",
        "resulttype",
        "serverinfo",
        "structuredcontent",
        "taskid",
        "ttlms",
        "uritemplate",
    ];
    let objects = ["params", "result", "error"].into_iter().filter_map(|key| tree.get(key));
    let mut keys = objects.flat_map(Tree::members).map(|(key, _)| key.as_str());
    keys.any(|key| {
        key.contains(|c: char| c.is_ascii_uppercase() || matches!(c, '\u{17f}' | '\u{212a}')) || IN_LOWER_CASE.contains(&key)
    })
}

fn is_long_id(tree: &Tree) -> bool {
    tree.get("id").and_then(Tree::as_str).is_some_and(|id| id.chars().count() > SURELY_SHORT)
}
