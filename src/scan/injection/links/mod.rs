//! Links that carry something out: an image is fetched as soon as an answer is shown, a link once somebody follows it, and what stands in
//! its URL is told to whoever owns the host.
//!
//! A model is made to write data into such a link, or a server writes into it what it has. A link is flagged where its URL has a place
//! for data (`{{secret}}`, `<api_key>`, `SECRET`), data that was made fit for a URL (a readable text in base64 or hexadecimal), or a long
//! value under a name that says so (`?data=`). Ordinary queries of links and images have none of these. What a secret looks like is for other detectors.
//!
//! Misses: short values, data in names of hosts, URLs that are not part of a link; what a page at a harmless URL does with its visitors.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem;

/// The longest URL that is read, and how far before it the text of its link begins, or its tag.
const LONGEST: usize = 2048;
const TEXT: usize = 256;
const TAG: usize = 1024;

/// What fetches a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fetch {
    /// Whoever shows the text.
    Image,
    /// Whoever follows the link.
    Link,
}

impl Fetch {
    /// The rule that fits such a link.
    pub(super) fn rule(self) -> &'static str {
        match self {
            Self::Image => "image-exfiltration",
            Self::Link => "link-exfiltration",
        }
    }
}

/// Shows every link that carries something out to `visit`, by the place of its URL. Linear in the text.
pub(super) fn each(text: &str, visit: &mut dyn FnMut(Range<usize>, Fetch)) {
    let bytes = text.as_bytes();
    let (mut done, mut next) = (0, 0);
    for slashes in memchr::memchr_iter(b'/', bytes) {
        if slashes < next || bytes.get(slashes + 1) != Some(&b'/') {
            continue;
        }
        next = slashes + 2;
        if slashes < done {
            continue;
        }
        let Some((start, place)) = place(bytes, slashes) else { continue };
        let url = url(text, start, &place);
        done = start + url.len();
        let (fetch, shown) = match place {
            Place::Reference => (if memmem::find(bytes, b"![").is_some() { Fetch::Image } else { Fetch::Link }, url),
            Place::Attribute { fetch, .. } | Place::Inline { fetch, .. } => (fetch, url),
        };
        if carries_out(shown, fetch) {
            visit(start..done, fetch);
        }
    }
}

/// As part of what a URL stands.
enum Place {
    /// `[text](url)`, `![text](url)`, `[text](<url>)`, `url(...)`.
    Inline { fetch: Fetch, bracketed: bool },
    /// `[name]: url`
    Reference,
    /// `src="url"`
    Attribute { fetch: Fetch, quote: Option<u8> },
}

/// Where the URL begins whose two slashes stand there, and what it is part of; `None` where it is part of nothing that anybody follows.
fn place(bytes: &[u8], slashes: usize) -> Option<(usize, Place)> {
    let head = bytes.get(slashes.saturating_sub(TEXT)..slashes)?;
    let scheme = [&b"https:"[..], b"http:"].into_iter().find(|scheme| ends_with(head, scheme)).map_or(0, <[u8]>::len);
    let before = head.get(..head.len() - scheme)?;
    let start = slashes - scheme;
    let (before, bracketed) = match before.strip_suffix(b"<") {
        Some(before) => (before, true),
        None => (before, false),
    };
    let before = before.trim_ascii_end();
    if let Some(text) = before.strip_suffix(b"](") {
        return Some((start, Place::Inline { fetch: of_brackets(text), bracketed }));
    }
    if before.strip_suffix(b"]:").is_some_and(begins_line) {
        return Some((start, Place::Reference));
    }
    let (unquoted, quote) = match before.split_last() {
        Some((quote @ (b'"' | b'\'' | b'`'), rest)) => (rest.trim_ascii_end(), Some(*quote)),
        _ => (before, None),
    };
    if ends_with(unquoted, b"url(") {
        let fetch = Fetch::Image;
        let bare = Place::Inline { fetch, bracketed: false };
        return Some((start, quote.map_or(bare, |_| Place::Attribute { fetch, quote })));
    }
    let name = unquoted.strip_suffix(b"=")?.trim_ascii_end();
    let loads = [&b"src"[..], b"srcset", b"poster", b"data", b"background", b"action", b"formaction"];
    let is_loaded = loads.into_iter().any(|loads| ends_with(name, loads));
    if !is_loaded && !ends_with(name, b"href") {
        return None;
    }
    let tag = tag(bytes.get(start.saturating_sub(TAG)..start)?)?;
    // What is no anchor is fetched: style sheets, pictures in SVG.
    let fetch = if is_loaded || !tag.eq_ignore_ascii_case("a") { Fetch::Image } else { Fetch::Link };
    Some((start, Place::Attribute { fetch, quote }))
}

/// The last tag that opens there and can have a URL.
fn tag(head: &[u8]) -> Option<&'static str> {
    const TAGS: [&str; 22] = [
        "a", "area", "audio", "body", "button", "embed", "form", "frame", "iframe", "image", "img", "input", "link", "object",
        "script", "source", "svg", "table", "td", "track", "use", "video",
    ];
    memchr::memrchr_iter(b'<', head).find_map(|at| {
        let rest = head.get(at + 1..)?;
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let name = rest.get(..length)?;
        TAGS.into_iter().find(|tag| name.eq_ignore_ascii_case(tag.as_bytes()))
    })
}

/// Whether the text in brackets that ends there is an image's. So is one whose beginning is not to be seen.
fn of_brackets(text: &[u8]) -> Fetch {
    let mut inner = 0_usize;
    let opens = text.iter().rposition(|byte| match byte {
        b']' => {
            inner += 1;
            false
        }
        b'[' => inner.checked_sub(1).map(|left| inner = left).is_none(),
        _ => false,
    });
    match opens {
        Some(at) if at.checked_sub(1).and_then(|before| text.get(before)) != Some(&b'!') => Fetch::Link,
        _ => Fetch::Image,
    }
}

/// Whether `[name` is what a line begins with.
fn begins_line(before: &[u8]) -> bool {
    let line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    line.trim_ascii_start().starts_with(b"[")
}

fn url<'a>(text: &'a str, start: usize, place: &Place) -> &'a str {
    let end = text.floor_char_boundary((start + LONGEST).min(text.len()));
    let rest = text.get(start..end).unwrap_or_default();
    let length = match place {
        Place::Inline { bracketed: true, .. } => rest.find(['>', '\n']),
        Place::Inline { bracketed: false, .. } => inline(rest),
        Place::Reference => rest.find(char::is_whitespace),
        Place::Attribute { quote: Some(quote), .. } => rest.find([char::from(*quote), '\n']),
        Place::Attribute { quote: None, .. } => rest.find(|letter: char| letter.is_whitespace() || letter == '>'),
    };
    rest.get(..length.unwrap_or(rest.len())).unwrap_or_default()
}

/// Up to the bracket that closes the link, over those in pairs within it and over places that have spaces.
fn inline(rest: &str) -> Option<usize> {
    let (mut round, mut place) = (0_usize, 0_usize);
    rest.find(|letter: char| match letter {
        '(' => {
            round += 1;
            false
        }
        ')' => round.checked_sub(1).map(|left| round = left).is_none(),
        '{' | '[' | '<' => {
            place += 1;
            false
        }
        '}' | ']' | '>' => {
            place = place.saturating_sub(1);
            false
        }
        '\n' => true,
        _ => letter.is_whitespace() && place == 0,
    })
}

/// Hosts that draw what stands in the URL: they get nothing that whoever wrote the link could read there.
const DRAWING: [&str; 7] = [
    "chart.googleapis.com",
    "img.shields.io",
    "kroki.io",
    "latex.codecogs.com",
    "mermaid.ink",
    "quickchart.io",
    "www.plantuml.com",
];

fn carries_out(url: &str, fetch: Fetch) -> bool {
    let (_, rest) = url.split_once("//").unwrap_or_default();
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if DRAWING.iter().any(|drawing| host.eq_ignore_ascii_case(drawing)) {
        return false;
    }
    let (path, query) = match rest.find(['?', '#']) {
        Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at + 1..).unwrap_or_default()),
        None => (rest, ""),
    };
    let of_path = fetch == Fetch::Image && (has_place(path) || path.split('/').skip(1).any(is_wrapped_text));
    of_path || (fetch == Fetch::Image && has_place(query)) || query.split(['&', ';', '#', '?']).any(|pair| tells(pair, fetch))
}

/// Names of parameters that are for whatever there is, and those that have other uses as well.
const FOR_DATA: [&str; 19] = [
    "chat",
    "content",
    "conversation",
    "creds",
    "d",
    "data",
    "dump",
    "exfil",
    "history",
    "info",
    "keys",
    "leak",
    "msg",
    "payload",
    "prompt",
    "secret",
    "stolen",
    "token",
    "secrets",
];
const FOR_ANYTHING: [&str; 5] = ["c", "p", "q", "text", "x"];

/// Whether one parameter tells something.
fn tells(pair: &str, fetch: Fetch) -> bool {
    let (name, value) = pair.split_once('=').unwrap_or(("", pair));
    let named = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    let for_data = named(&FOR_DATA);
    let value = plain(value);
    // In a link only what is worth stealing counts, and where it is all of the value: pages of documentation link to URLs with places in
    // them, and buttons that install something have some within a value.
    let inner = value.trim_matches(['{', '}', '<', '>', '[', ']', '$', ' ']);
    let is_place = value.len() >= inner.len() + 2 && is_name(inner) && is_worth(inner);
    if is_place || names_data(&value) || (is_wrapped_text(&value) && (fetch == Fetch::Image || for_data)) {
        return true;
    }
    if fetch == Fetch::Link {
        return false;
    }
    let is_code = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'+' | b'/' | b'_' | b'-' | b'=');
    let coded = value.bytes().take_while(|letter| is_code(*letter)).count();
    let mixed = value.bytes().any(|letter| letter.is_ascii_digit()) && value.bytes().any(|letter| letter.is_ascii_alphabetic());
    let words = value.split([' ', '+', ',']).filter(|word| !word.is_empty()).count();
    (for_data && ((coded >= 16 && mixed) || coded >= 24 || words >= 6 || is_of_person(&value)))
        || (named(&FOR_ANYTHING) && coded >= 24)
}

/// Something like an address of mail, or a number as long as that of a card, an account or a person.
fn is_of_person(value: &str) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let others = value.bytes().filter(|byte| !byte.is_ascii_digit() && !matches!(byte, b' ' | b'-')).count();
    let mail = value.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    mail || (digits >= 9 && others == 0)
}

/// With percent escapes undone, where they stand for ASCII; the others stay as they are.
fn plain(value: &str) -> Cow<'_, str> {
    if !value.contains('%') {
        return Cow::Borrowed(value);
    }
    let mut plain = String::with_capacity(value.len());
    let mut parts = value.split('%');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let code = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(u8::is_ascii);
        if let Some((letter, rest)) = code.zip(part.get(2..)) {
            plain.push(char::from(letter));
            plain.push_str(rest);
        } else {
            plain.push('%');
            plain.push_str(part);
        }
    }
    Cow::Owned(plain)
}

/// Words for what is worth stealing, as a model is told to fill them in.
const WORTH: [&str; 26] = [
    "api",
    "apikey",
    "card",
    "chat",
    "content",
    "context",
    "conversation",
    "credential",
    "credentials",
    "data",
    "email",
    "history",
    "key",
    "keys",
    "message",
    "messages",
    "password",
    "passwords",
    "prompt",
    "result",
    "results",
    "secret",
    "secrets",
    "ssn",
    "token",
    "tokens",
];

fn is_worth(name: &str) -> bool {
    let mut words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.any(|word| WORTH.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

/// A value in capitals that names what is to take its place: `SECRET`, `YOUR_API_KEY`.
fn names_data(value: &str) -> bool {
    let capital = |byte: u8| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'-');
    value.len() >= 4 && value.bytes().all(capital) && is_worth(value)
}

/// Whether there is a place for something: `{name}`, `{{name}}`, `${name}`, `<name>`, `[name]`, also escaped.
fn has_place(part: &str) -> bool {
    let part = plain(part);
    for (opens, closes) in [('{', '}'), ('<', '>'), ('[', ']')] {
        let mut rest = &*part;
        while let Some((_, behind)) = rest.split_once(opens) {
            rest = behind;
            let Some((name, _)) = behind.split_once(closes) else { break };
            if is_name(name.trim_matches(|letter: char| letter == opens || letter == ' ')) {
                return true;
            }
        }
    }
    false
}

fn is_name(name: &str) -> bool {
    (2..=40).contains(&name.len())
        && name.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b' ' | b'-' | b'.'))
}

/// Whether it is a text that people read, in base64 or hexadecimal; that of a URL aside, which proxies of pictures carry.
fn is_wrapped_text(value: &str) -> bool {
    const SHORTEST: usize = 24;
    let letters = value.trim_end_matches('=').as_bytes();
    if letters.len() < SHORTEST {
        return false;
    }
    let made = if letters.len().is_multiple_of(2) && letters.iter().all(u8::is_ascii_hexdigit) {
        decoded(letters, 4, |letter| char::from(letter).to_digit(16))
    } else {
        decoded(letters, 6, sextet)
    };
    made.is_some_and(|text| {
        !text.starts_with(b"http") && text.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t'))
    })
}

fn decoded(letters: &[u8], width: u32, value: impl Fn(u8) -> Option<u32>) -> Option<Vec<u8>> {
    let (mut bits, mut count) = (0_u32, 0_u32);
    let mut out = Vec::with_capacity(letters.len());
    for letter in letters {
        bits = ((bits << width) | value(*letter)?) & 0xFFFF;
        count += width;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from((bits >> count) & 0xFF).ok()?);
        }
    }
    Some(out)
}

fn sextet(letter: u8) -> Option<u32> {
    Some(match letter {
        b'A'..=b'Z' => u32::from(letter - b'A'),
        b'a'..=b'z' => u32::from(letter - b'a') + 26,
        b'0'..=b'9' => u32::from(letter - b'0') + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

fn ends_with(text: &[u8], end: &[u8]) -> bool {
    text.len().checked_sub(end.len()).and_then(|at| text.get(at..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}
