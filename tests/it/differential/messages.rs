//! Messages that readers could disagree on, most of them by combination: every value at every place, every key beside every other.

use std::fmt;

use super::values::{KEYS, VALUES};

/// One message.
pub(super) struct Case {
    /// What it is about.
    pub(super) class: &'static str,
    pub(super) body: Vec<u8>,
    /// What honest peers send: nobody may refuse it.
    pub(super) honest: bool,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.body.escape_ascii().to_string().chars().take(240).collect();
        write!(f, "{}: {shown}", self.class)
    }
}

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |class, bodies: Vec<Vec<u8>>| cases.extend(bodies.into_iter().map(|body| Case { class, body, honest: false }));
    for (class, values) in VALUES {
        add(class, PLACES.iter().flat_map(|place| values.iter().map(|value| fill(place, value))).collect());
    }
    for (class, keys) in KEYS {
        add(class, BESIDE.iter().flat_map(|place| keys.iter().map(|key| fill(place, key))).collect());
    }
    add("around", around());
    add("encoding", encodings());
    add("depth", depths());
    add("envelope", ENVELOPES.iter().map(|text| text.as_bytes().to_vec()).collect());
    cases.extend(HONEST.iter().map(|text| Case { class: "honest", body: text.as_bytes().to_vec(), honest: true }));
    cases
}

/// `place` with `what` where the `@` is.
fn fill(place: &str, what: &[u8]) -> Vec<u8> {
    let (before, after) = place.split_once('@').unwrap();
    [before.as_bytes(), what, after.as_bytes()].concat()
}

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hi"}}}"#;

/// Where a value may stand.
const PLACES: &[&str] = &[
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"x":@}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"x":[{"y":[1,@]}]}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":@,"arguments":{}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":@}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":@}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"progressToken":@}}}"#,
    r#"{"jsonrpc":"2.0","id":@,"method":"ping"}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":@}"#,
    r#"{"jsonrpc":@,"id":1,"method":"ping"}"#,
    r#"{"jsonrpc":"2.0","id":@,"result":{}}"#,
    r#"{"jsonrpc":"2.0","id":1,"result":@}"#,
    r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":@}]}}"#,
    r#"{"jsonrpc":"2.0","id":@,"error":{"code":-32600,"message":"no"}}"#,
    r#"{"jsonrpc":"2.0","id":1,"error":{"code":@,"message":"no"}}"#,
    r#"{"jsonrpc":"2.0","id":1,"error":@}"#,
    r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":@,"progress":1}}"#,
    "@",
];

/// Where a member may stand beside the others.
const BESIDE: &[&str] = &[
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{}},@}"#,
    r#"{@,"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{},@}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{@,"name":"echo","arguments":{}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a",@}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"name":"x",@}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],@}}"#,
];

/// What stands around a message, or between its tokens.
fn around() -> Vec<Vec<u8>> {
    let pieces: &[&[u8]] = &[
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf\xef\xbb\xbf",
        b"\xfe\xff",
        b"\xff\xfe",
        b"\x0b",
        b"\x0c",
        b"\0",
        b"\x1e",
        "\u{a0}".as_bytes(),
        "\u{85}".as_bytes(),
        "\u{2028}".as_bytes(),
        "\u{3000}".as_bytes(),
        "\u{200b}".as_bytes(),
        b"/*c*/",
        b"//c\n",
        b"#c\n",
        b"<!--c-->",
        b",",
        b";",
        b"\\",
        b"{}",
        b"null",
        b"1",
        b"[]",
        b"}",
        b"]",
        b"data: ",
        b")]}',\n",
        b" ",
        b"\t\r\n",
        b"\xff",
        b"\x7f",
    ];
    let mut bodies = Vec::new();
    for piece in pieces {
        for place in [
            format!("@{CALL}"),
            format!("{CALL}@"),
            CALL.replacen(":1,", ":@1,", 1),
            CALL.replacen(":1,", ":1@,", 1),
            CALL.replacen('{', "{@", 1),
            CALL.replacen("\"id\"", "\"id\"@", 1),
        ] {
            bodies.push(fill(&place, piece));
        }
    }
    bodies.push(format!("{CALL}{CALL}").into_bytes());
    bodies.push(format!("{CALL}\n{CALL}").into_bytes());
    bodies
}

/// The same message in other encodings.
fn encodings() -> Vec<Vec<u8>> {
    let call = CALL.replace("hi", "h\u{e9}\u{1f600}");
    let wide = |big: bool| {
        call.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect::<Vec<u8>>()
    };
    let wider = |big: bool| {
        let characters = call.chars().map(u32::from);
        characters.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect::<Vec<u8>>()
    };
    let latin: Vec<u8> =
        CALL.replace("hi", "h\u{e9}").chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect();
    vec![
        wide(true),
        wide(false),
        [b"\xfe\xff".to_vec(), wide(true)].concat(),
        [b"\xff\xfe".to_vec(), wide(false)].concat(),
        wider(true),
        wider(false),
        [b"\x00\x00\xfe\xff".to_vec(), wider(true)].concat(),
        [b"\xff\xfe\x00\x00".to_vec(), wider(false)].concat(),
        latin,
        call.clone().into_bytes(),
        call.replace("\"id\"", "\u{201c}id\u{201d}").into_bytes(),
        [&call.as_bytes()[..60], b"\xf0\x9f", &call.as_bytes()[60..]].concat(),
        call.into_bytes().split_last().unwrap().1.to_vec(),
    ]
}

/// Containers inside each other, around the limits of several readers. The envelope itself is three levels.
fn depths() -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    for levels in [1, 60, 61, 62, 63, 64, 65, 124, 125, 126, 127, 128, 200, 253, 512, 1000] {
        for (open, inner, close) in [("[", "", "]"), (r#"{"a":"#, "0", "}"), (r#"[{"a":"#, "0", "}]")] {
            let levels = if open.len() > 5 { levels / 2 } else { levels };
            let value = format!("{}{inner}{}", open.repeat(levels), close.repeat(levels));
            bodies.push(fill(PLACES[0], value.as_bytes()));
        }
    }
    bodies
}

/// Shapes of messages, and what only looks like one.
const ENVELOPES: &[&str] = &[
    r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
    r#"[[{"jsonrpc":"2.0","id":1,"method":"ping"}]]"#,
    r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"tools/list"}]"#,
    "[]",
    "{}",
    r#"{"jsonrpc":"2.0"}"#,
    r#"{"jsonrpc":"2.0","id":1}"#,
    r#"{"id":1,"method":"ping"}"#,
    r#"{"jsonrpc":"2.0","id":1,"params":{}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"ping","error":{"code":1,"message":"x"}}"#,
    r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}}"#,
    r#"{"jsonrpc":"2.0","id":1,"result":{},"params":{}}"#,
    r#"{"jsonrpc":"2.0","result":{}}"#,
    r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"x"}}"#,
    r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}"#,
    r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
    r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32700}}"#,
    r#"{"jsonrpc":"2.0","id":1,"error":{"message":"x"}}"#,
    r#"{"jsonrpc":"2.0","id":1,"error":{}}"#,
    r#"{"jsonrpc":"2.0","id":1,"error":"x"}"#,
    r#"{"jsonrpc":"2.0","id":1,"error":[]}"#,
    r#"{"jsonrpc":"2.0","id":1,"result":null}"#,
    r#"{"jsonrpc":"2.0","id":1,"result":"x"}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[{"name":"x"}]}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":""}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"no/such","params":{"name":"x","uri":"y"}}"#,
    r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"echo"}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"notifications/initialized"}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":null}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":[]}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","_meta":null}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"jsonrpc":"2.0","id":2,"method":"tools/list"}}}"#,
];

/// What peers do send.
const HONEST: &[&str] = &[
    r#"{"method":"ping","jsonrpc":"2.0","id":0}"#,
    r#"{"jsonrpc":"2.0","id":"req-1","method":"tools/list","params":{"cursor":"abc"}}"#,
    r#"{"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "get_customer", "arguments": {"id": "c-1", "n": 3, "x": 0.5, "on": true}}}"#,
    "\r\n{\"jsonrpc\":\"2.0\",\r\n\t\"id\":3,\r\n\t\"method\":\"resources/read\",\"params\":{\"uri\":\"file:///a/b%20c.txt\"}}\r\n",
    r#"{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"c\u0061fe","arguments":{"t":"\ud83d\ude00 \"q\" \\ \/ \n"}}}"#,
    r#"{"jsonrpc":"2.0","id":-5,"method":"prompts/get","params":{"name":"hello","arguments":{"who":"Zoë"}}}"#,
    r#"{"jsonrpc":"2.0","id":9007199254740991,"method":"ping"}"#,
];
