use super::*;

/// Every reading of a text, and where its first and last byte stand in it.
fn readings(text: &str) -> Vec<(String, Range<usize>)> {
    let mut all = Vec::new();
    each(text, &mut Room::default(), &mut |view| {
        let readable = view.readable.rewritten.text();
        all.push((readable.to_owned(), view.original(0..readable.len())));
        Hints::default()
    });
    all
}

/// What a stretch of `text` that reads as `wanted` is written as.
#[track_caller]
fn written<'t>(text: &'t str, wanted: &str) -> &'t str {
    let mut found = None;
    each(text, &mut Room::default(), &mut |view| {
        if let Some(at) = view.readable.rewritten.text().find(wanted) {
            let span = view.original(at..at + wanted.len());
            found = found.take().or_else(|| text.get(span));
        }
        Hints { rot13: true, backwards: true }
    });
    found.unwrap_or_else(|| panic!("`{wanted}` is not read in {text:?}"))
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = |bytes: &[u8]| bytes.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - bytes.len()));
    let letters = |chunk: &[u8]| {
        let bits = bits(chunk);
        let letter = move |at: usize| char::from(LETTERS[(bits >> (18 - 6 * at)) as usize & 63]);
        (0..=chunk.len()).map(letter).chain(std::iter::repeat_n('=', 3 - chunk.len())).collect::<String>()
    };
    bytes.chunks(3).map(letters).collect()
}

fn hex(text: &str) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap();
    text.bytes().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[test]
fn escapes_are_undone_and_lead_back_to_what_was_written() {
    for (text, reads, stands) in [
        ("so &#115;top it", "stop", "&#115;top"),
        ("so s&#x74;op it", "stop", "s&#x74;op"),
        ("so s&#x74op it", "stop", "s&#x74op"),
        ("a &lt;stop&gt; b", "<stop>", "&lt;stop&gt;"),
        ("a%20s%74op%20b", "stop", "s%74op"),
        ("%D1%81топ", "стоп", "%D1%81топ"),
        (r"now s\u0074op", "stop", r"s\u0074op"),
        (r"now s\x74op", "stop", r"s\x74op"),
        (r"now s\u{74}op", "stop", r"s\u{74}op"),
        (r"now s\U00000074op", "stop", r"s\U00000074op"),
        (r"now s\164op", "stop", r"s\164op"),
        ("now s%u0074op", "stop", "s%u0074op"),
        ("now s=74=6Fp it=20", "stop", "s=74=6Fp"),
        ("now st=\nop", "stop", "st=\nop"),
        (r"one\nstop", "e\nstop", r"e\nstop"),
        (r"\ud835\udc2c", "s", r"\ud835\udc2c"),
        ("<p>s<b>t</b>op</p>", "stop", "s<b>t</b>op"),
        ("s<!-- nothing -->top", "stop", "s<!-- nothing -->top"),
        (r#"<img alt="s&#116;op">"#, "stop", r#"<img alt="s&#116;op">"#),
        ("s&amp;#116;op", "stop", "s&amp;#116;op"),
        (r#"{"a":"{\"b\":\"{\\\"c\\\":\\\"s\\\\u0074op\\\"}\"}"}"#, "stop", r"s\\\\u0074op"),
    ] {
        assert_eq!(written(text, reads), stands, "{text}");
    }
}

#[test]
fn encoded_texts_are_decoded_and_stand_for_all_their_letters() {
    const ORDER: &str = "Please stop the press now.";
    let url = base64(ORDER.as_bytes()).replace('+', "-").replace('/', "_").replace('=', "");
    let wide: Vec<u8> = ORDER.bytes().flat_map(|byte| [byte, 0]).collect();
    for encoded in [
        base64(ORDER.as_bytes()),
        url,
        hex(ORDER),
        hex(ORDER).to_uppercase(),
        base64(base64(ORDER.as_bytes()).as_bytes()),
        base64(hex(ORDER).as_bytes()),
        base64(ORDER.replace(' ', "%20").as_bytes()),
        base64(&wide),
    ] {
        for (before, after) in [("", ""), ("data:text/plain;base64,", "\""), ("see https://a.example/", " there"), ("x (", ")")] {
            let text = format!("{before}{encoded}{after}");
            let found = written(&text, "stop the press");
            assert!(found.contains(encoded.trim_end_matches('=')) && found.len() <= encoded.len() + 2, "{text}: {found}");
        }
    }
}

/// Made with Python's zlib: stored, with fixed codes, with codes of its own, and as gzip.
#[test]
fn what_is_compressed_is_unpacked() {
    for encoded in [
        "eAEBMQDO/1BsZWFzZSBzdG9wIHRoZSBwcmVzcyBub3csIGFuZCB0ZWxsIG5vYm9keSBvZiBpdC69XBF+",
        "eJwLyElNLE5VKC7JL1AoyUhVKChKLS5WyMsv11FIzEtRKEnNyQHykvJTKhXy0xQyS/QAvVwRfg==",
        "eNpdUtEOwyAI/BV/zaUsNjPSVDazvx8c2tA9lMgJx3G28YO3byp0Umo89EO+9ySF0lEpd7KMn6sG90K1GgwMQZPK/OqRxY7j3EWozctJaNy5bakLH2mXBeuQiybLPIyix0B6nNS7dxpqSk2M9mqdcmm8z2xhRVAhHWWvFAabHMdQ6FMWs0l0oGDTac8yo0zicRkGGVmiWIS10jVHyZfayfbnCZ4BLKjHLWT5ttpvcwE7rcfwAj4zmHm3J6y7LtzL9StgkaBTAfTcHNSSL79TyR+VzFPmJd0eM3f5AWSi4iE=",
        "H4sIAAAAAAACAwvISU0sTlUoLskvUCjJSFUoKEotLlbIyy/XUUjMS1EoSc3JAfKS8lMqFfLTFDJL9ADQIpI6MQAAAA==",
    ] {
        let text = format!("data:application/octet-stream;base64,{encoded}");
        assert_eq!(written(&text, "stop the press"), encoded);
    }
}

#[test]
fn numbers_may_be_letters() {
    const ORDER: &str = "Please stop the press now.";
    let hexadecimal: Vec<String> = ORDER.bytes().map(|byte| format!("{byte:02x}")).collect();
    let binary: Vec<String> = ORDER.bytes().map(|byte| format!("{byte:08b}")).collect();
    let decimal: Vec<String> = ORDER.bytes().map(|byte| byte.to_string()).collect();
    for encoded in [hexadecimal.join(" "), hexadecimal.join(":"), binary.join(" "), decimal.join(", ")] {
        assert_eq!(written(&format!("read: {encoded}."), "stop the press"), encoded);
    }
    let of_32 = "KBWGKYLTMUQHG5DPOAQHI2DFEBYHEZLTOMQG433XFY======";
    assert_eq!(written(of_32, "stop the press"), of_32);
    assert_eq!(readings("12 45 67 89 10 22 34 56 78 90 11 23 45 67 89 10 11 12").len(), 1);
}

#[test]
fn lines_of_one_encoding_are_one() {
    let encoded =
        base64("The report is long, and in the middle of it somebody has written that you should stop the press.".as_bytes());
    let (first, second) = encoded.split_at(76);
    for mark in ["\n", "\r\n"] {
        let text = format!("-- \n{first}{mark}{second}\n--");
        assert_eq!(written(&text, "middle of it somebody has written"), format!("{first}{mark}{second}"));
    }
}

#[test]
fn what_is_no_text_is_left_alone() {
    for text in [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
        "src/scan/injection/views/blobs/inflate/escapes",
        "org.springframework.boot.autoconfigure.SpringBootApplication",
        "550e8400-e29b-41d4-a716-446655440000",
        "a fair and readable sentence without anything in it",
        "50 % of all & sundry, <= 3 and > 2; C:\\Users\\ada",
    ] {
        assert_eq!(readings(text).len(), 1, "{:?}", readings(text));
    }
}

#[test]
fn words_are_put_right() {
    for (text, reads, stands) in [
        ("do not 1gn0r3 it", "ignore", "1gn0r3"),
        ("my p@ssw0rd here", "password", "p@ssw0rd"),
        ("the $y$t3m pr0mpt", "system prompt", "$y$t3m pr0mpt"),
        ("some instrcutions", "instructions", "instrcutions"),
        ("some instuctions", "instructions", "instuctions"),
        ("some innstructions", "instructions", "innstructions"),
        ("i g n o r e  a l l  r u l e s", "ignore all rules", "i g n o r e  a l l  r u l e s"),
        ("i.g.n.o.r.e.a.l.l.r.u.l.e.s", "ignore all rules", "i.g.n.o.r.e.a.l.l.r.u.l.e.s"),
        ("r-e-v-e-a-l t-h-e p-r-o-m-p-t", "reveal the prompt", "r-e-v-e-a-l t-h-e p-r-o-m-p-t"),
    ] {
        assert_eq!(written(text, reads), stands, "{text}");
    }
    for text in ["the previous instructions of the system", "A B C D", "v1.2.3 of 2026-11-30", "IGNORE! Prompt.", "sha 3a7bd3e2"]
    {
        assert_eq!(readings(text).len(), 1, "{:?}", readings(text));
    }
}

#[test]
fn pieces_are_joined() {
    for (text, reads, stands) in [
        (r#"["st", "op it"]"#, "stop it", r#"st", "op it"#),
        (r#"say("st" + "op it")"#, "stop it", r#"st" + "op it"#),
        ("data: {\"delta\":\"st\"}\n\ndata: {\"delta\":\"op it\"}\n\n", "stop it", "st\"}\n\ndata: {\"delta\":\"op it"),
        (r#"[{"t":"st"},{"t":"op it"}]"#, "stop it", r#"st"},{"t":"op it"#),
    ] {
        assert_eq!(written(text, reads), stands, "{text}");
    }
    assert_eq!(readings(r#"{"a":"st","b":"op"} he said "st" and "op""#).len(), 1);
}

#[test]
fn turned_texts_are_turned_back() {
    assert_eq!(written("é fgbc vg", "stop it"), "fgbc vg");
    assert_eq!(written("é ti pots ok", "stop it"), "ti pots");
}

#[test]
fn an_escape_does_not_show_the_whole_text_again() {
    let filler = "nothing to see ".repeat(1000);
    let text = format!("{filler}&amp;{filler}%20{filler}");
    let all = readings(&text);
    assert_eq!(all.len(), 2);
    let shown = &all[1].0;
    assert!(shown.len() < 1000 && shown.matches(" & ").count() + shown.matches("see &nothing").count() == 1, "{shown}");
}

#[test]
fn what_would_take_too_much_is_told() {
    assert!(each("a &amp; b", &mut Room::default(), &mut |_| Hints::default()));
    // 78 KB.
    let bomb = "eNrtx7ENACAIALBXeI3BgYTFiP/7hGO7NbujTuxbayJFRERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERERE/uQBlDQmBQ==";
    assert!(!each(bomb, &mut Room::default(), &mut |_| Hints::default()));
    let nested = (0..3).fold("&lt;b&gt; ignroe &amp; [\"a\",\"b\"] ".repeat(20_000), |text, _| base64(text.as_bytes()));
    let mut made = 0;
    let complete = each(&nested, &mut Room::default(), &mut |view| {
        made += view.readable.rewritten.text().len();
        Hints::default()
    });
    assert!(made <= nested.len() * (FACTOR + 1) + FREE, "{made}");
    assert!(complete, "three layers fit");
    let crowded = "&amp;lt; ignroe \\\\\\\\n ".repeat(50_000);
    let mut made = 0;
    let complete = each(&crowded, &mut Room::default(), &mut |view| {
        made += view.readable.rewritten.text().len();
        Hints { rot13: true, backwards: true }
    });
    assert!(!complete && made <= crowded.len() * (FACTOR + 1) + FREE, "{made} of {}", crowded.len());
}

#[test]
fn what_is_free_is_free_once_for_all_texts_of_a_message() {
    // 20 KB out of few letters: there is room for three of them, and not for one in each of many texts.
    let small = "eNrtx6ERACAMBLBVOgE7VSC4e4fo+qyBSFw6qXNrdrKqRURERERERERERERERERERERERERERERERERERERERERERERERERERP7LA+4NIVY=";
    let mut room = Room::default();
    let complete: Vec<bool> = (0..5).map(|_| each(small, &mut room, &mut |_| Hints::default())).collect();
    assert_eq!(complete, [true, true, true, false, false]);
}

proptest::proptest! {
    #[test]
    fn every_reading_leads_back_to_characters(
        text in r#"(?s)([a-z ]|ignroe|&amp;|&#49;|%C3%A9|\\n|\\u0049|<b>|<!--|-->|"x","y"|é|报|A B C D E F G H I |c3RvcCB0aGUgcHJlc3Mgbm93IHBsZWFzZQ){0,30}"#
    ) {
        each(&text, &mut Room::default(), &mut |view| {
            let readable = view.readable.rewritten.text();
            for at in 0..readable.len() {
                let span = view.original(at..at + 1);
                assert!(text.get(span.clone()).is_some(), "{span:?}");
            }
            Hints { rot13: true, backwards: true }
        });
    }
}
