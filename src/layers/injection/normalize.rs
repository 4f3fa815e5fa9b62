//! The text as a model reads it: what is invisible is gone, what is smuggled is spelt out, look-alikes are plain letters.
//!
//! Invisible and formatting characters are dropped; tag characters and runs of variation selectors are decoded to the ASCII they
//! carry; compatibility letters (full-width, mathematical, circled, small capitals) and accented Latin become ASCII; Cyrillic and Greek
//! letters become Latin only in words that mix scripts, so that prose in those scripts stays readable; text under a right-to-left override
//! is turned round; terminal escapes are dropped. Case is kept for ASCII (patterns ignore it) and lowered elsewhere.
//!
//! Plain ASCII without control characters, which is most traffic, is borrowed as it is. Misses: whole words of look-alikes,
//! leetspeak, letter spacing, encodings (base64, percent, entities), Latin letters beyond U+017F.

use std::borrow::Cow;
use std::ops::Range;

use super::look_alikes;

/// A text and its readable form, with the way back.
#[derive(Clone, Debug)]
pub struct Normalized<'a> {
    source: &'a str,
    text: Cow<'a, str>,
    /// In order of `at`; empty when nothing was changed.
    segments: Vec<Segment>,
    concealed: Vec<Concealed>,
}

/// A stretch that somebody took pains to hide from people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concealed {
    /// How.
    pub means: Means,
    /// Bytes of the original text.
    pub span: Range<usize>,
    /// How many characters were hidden.
    pub length: usize,
}

/// A way to hide text from people but not from a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// Tag characters (outside emoji flags) or runs of variation selectors.
    Unicode,
    /// The terminal's "conceal" attribute.
    Terminal,
}

/// From `at` on in the readable text until the next segment: bytes that stand for `source` and what follows it.
#[derive(Clone, Copy, Debug)]
struct Segment {
    at: u32,
    source: u32,
    /// Whether byte n of the segment is byte n of the source; else all of it stands for one stretch of the source.
    verbatim: bool,
}

impl Segment {
    /// Offsets are 32 bits wide to keep the way back small; a text beyond 4 GiB would be refused long before it comes here.
    fn new(at: usize, source: usize, verbatim: bool) -> Self {
        let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { at: narrow(at), source: narrow(source), verbatim }
    }

    fn source_of(&self, at: usize) -> usize {
        self.source as usize + at.saturating_sub(self.at as usize)
    }
}

/// Makes `text` readable. Linear in its length.
pub fn normalize(text: &str) -> Normalized<'_> {
    let plain = text.bytes().fold(true, |plain, byte| plain & !is_special(byte));
    if plain {
        return Normalized { source: text, text: Cow::Borrowed(text), segments: Vec::new(), concealed: Vec::new() };
    }
    let mut reader = Reader {
        source: text,
        at: 0,
        out: Writer::new(text.len()),
        word_end: 0,
        mixed: false,
        hidden: None,
        flag: false,
        conceal: None,
    };
    reader.run();
    let Reader { out, .. } = reader;
    Normalized { source: text, text: Cow::Owned(out.text), segments: out.segments, concealed: out.concealed }
}

impl Normalized<'_> {
    /// The readable text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What was hidden, in order.
    pub fn concealed(&self) -> &[Concealed] {
        &self.concealed
    }

    /// The bytes of the original text that `span` of the readable text stands for, widened to whole characters and whole
    /// replaced stretches.
    pub fn original(&self, span: Range<usize>) -> Range<usize> {
        if self.segments.is_empty() {
            return span;
        }
        let last = span.end.saturating_sub(1).max(span.start);
        let start = self.source_of(span.start).start;
        let end = self.source_of(last).end;
        self.source.floor_char_boundary(start)..self.source.ceil_char_boundary(end)
    }

    fn source_of(&self, at: usize) -> Range<usize> {
        let next = self.segments.partition_point(|segment| segment.at as usize <= at);
        let Some(segment) = next.checked_sub(1).and_then(|index| self.segments.get(index)) else {
            return at..at + 1;
        };
        if segment.verbatim {
            let source = segment.source_of(at);
            return source..source + 1;
        }
        segment.source as usize..self.segments.get(next).map_or(self.source.len(), |following| following.source as usize)
    }
}

fn is_special(byte: u8) -> bool {
    byte >= 0x7F || (byte < 0x20 && byte != b'\n' && byte != b'\t' && byte != b'\r')
}

struct Writer {
    text: String,
    segments: Vec<Segment>,
    concealed: Vec<Concealed>,
}

impl Writer {
    fn new(capacity: usize) -> Self {
        Self { text: String::with_capacity(capacity), segments: Vec::new(), concealed: Vec::new() }
    }

    fn keep(&mut self, source: usize, text: &str) {
        let at = self.text.len();
        let follows = self.segments.last().is_some_and(|last| last.verbatim && last.source_of(at) == source);
        if !follows && !text.is_empty() {
            self.segments.push(Segment::new(at, source, true));
        }
        self.text.push_str(text);
    }

    fn replace(&mut self, source: usize, text: &str) {
        if !text.is_empty() {
            self.segments.push(Segment::new(self.text.len(), source, false));
            self.text.push_str(text);
        }
    }
}

struct Reader<'a> {
    source: &'a str,
    at: usize,
    out: Writer,
    /// Where the word ends that was last looked at, and whether it mixes scripts.
    word_end: usize,
    mixed: bool,
    hidden: Option<Concealed>,
    /// Whether tag characters here belong to an emoji flag.
    flag: bool,
    /// Where the terminal began to conceal.
    conceal: Option<usize>,
}

impl Reader<'_> {
    fn run(&mut self) {
        while let Some(rest) = self.source.get(self.at..).filter(|rest| !rest.is_empty()) {
            let plain = rest.bytes().position(is_special).unwrap_or(rest.len());
            if let Some(text) = rest.get(..plain).filter(|text| !text.is_empty()) {
                self.end_hidden();
                self.flag = false;
                self.out.keep(self.at, text);
                self.at += plain;
            } else if let Some(letter) = rest.chars().next() {
                self.read(letter, rest);
            }
        }
        self.end_hidden();
        self.end_conceal();
    }

    fn read(&mut self, letter: char, rest: &str) {
        let length = letter.len_utf8();
        if let Some(byte) = smuggled(letter) {
            let alone = self.hidden.is_none() && is_selector(letter) && !rest.chars().nth(1).is_some_and(is_selector);
            if !alone && !self.flag {
                self.reveal(byte, length);
            }
            self.at += length;
            return;
        }
        self.end_hidden();
        self.flag = letter == '\u{1F3F4}';
        match letter {
            '\u{1B}' => self.escape(rest),
            '\u{202E}' => self.turn_round(rest),
            _ => {
                self.put(letter, rest, self.at);
                self.at += length;
            }
        }
    }

    fn put(&mut self, letter: char, rest: &str, source: usize) {
        let mut buffer = [0; 4];
        if letter.is_ascii() && !is_special(letter as u8) {
            self.out.keep(source, letter.encode_utf8(&mut buffer));
        } else if look_alikes::is_dropped(letter) {
            // Nothing stands for it.
        } else if let Some(plain) = look_alikes::plain(letter) {
            self.out.replace(source, plain);
        } else if let Some(latin) = self.cross_script(letter, rest) {
            self.out.replace(source, latin);
        } else if letter.is_uppercase() {
            self.out.replace(source, &letter.to_lowercase().collect::<String>());
        } else {
            self.out.keep(source, letter.encode_utf8(&mut buffer));
        }
    }

    /// What `letter` looks like, in a word that has Latin letters too.
    fn cross_script(&mut self, letter: char, rest: &str) -> Option<&'static str> {
        const WORD: usize = 32;
        if !look_alikes::is_cross_script(letter) {
            return None;
        }
        if self.at >= self.word_end {
            let within = |letter: &char| letter.is_alphanumeric() || look_alikes::is_dropped(*letter);
            self.mixed = self.out.text.bytes().next_back().is_some_and(|byte| byte.is_ascii_alphabetic());
            self.word_end = self.at;
            for letter in rest.chars().take(WORD).take_while(within) {
                self.mixed |= letter.is_ascii_alphabetic();
                self.word_end += letter.len_utf8();
            }
        }
        look_alikes::latin(letter).filter(|_| self.mixed)
    }

    fn reveal(&mut self, byte: u8, length: usize) {
        if self.hidden.is_none() {
            // What was hidden behind a word is a word of its own.
            self.out.replace(self.at, " ");
        }
        let hidden = self.hidden.get_or_insert(Concealed { means: Means::Unicode, span: self.at..self.at, length: 0 });
        hidden.span.end = self.at + length;
        hidden.length += 1;
        if (b' '..0x7F).contains(&byte) {
            self.out.replace(self.at, char::from(byte).encode_utf8(&mut [0; 4]));
        }
    }

    fn end_hidden(&mut self) {
        if let Some(hidden) = self.hidden.take() {
            self.out.concealed.push(hidden);
            self.out.replace(self.at, " ");
        }
    }

    /// ECMA-48 control sequence. Of anything else only the escape itself goes: what a terminal swallows, a model reads.
    fn escape(&mut self, rest: &str) {
        const LONGEST: usize = 32;
        let body = rest.strip_prefix("\u{1B}[").unwrap_or_default();
        let close = body.bytes().take(LONGEST).position(|byte| (0x40..0x7F).contains(&byte));
        let Some((parameters, command)) = close.and_then(|at| body.get(..at).zip(body.as_bytes().get(at))) else {
            self.at += 1;
            return;
        };
        if *command == b'm' {
            let conceals = parameters.split(';').any(|part| part == "8");
            self.end_conceal();
            self.conceal = conceals.then_some(self.at);
        }
        self.at += 2 + parameters.len() + 1;
    }

    fn end_conceal(&mut self) {
        if let Some(start) = self.conceal.take() {
            self.out.concealed.push(Concealed { means: Means::Terminal, span: start..self.at, length: self.at - start });
        }
    }

    /// Reads the text under a right-to-left override from its end, as it shows.
    fn turn_round(&mut self, rest: &str) {
        let end = rest.find(['\u{202C}', '\u{2069}', '\n']).unwrap_or(rest.len());
        let inner = rest.get('\u{202E}'.len_utf8()..end).unwrap_or_default();
        // One stretch: every letter of it stands for the whole override.
        let turned: String = inner.chars().rev().filter_map(plain).collect();
        self.out.replace(self.at, &turned);
        self.at += end;
    }
}

/// A letter of turned text; look-alikes of two letters are left as they are.
fn plain(letter: char) -> Option<char> {
    if let Some(byte) = smuggled(letter) {
        return (b' '..0x7F).contains(&byte).then(|| char::from(byte));
    }
    let plain = look_alikes::plain(letter).and_then(|plain| plain.chars().next());
    (!look_alikes::is_dropped(letter)).then(|| plain.unwrap_or(letter))
}

fn is_selector(letter: char) -> bool {
    matches!(letter, '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

/// The byte that a tag character or a variation selector can carry.
fn smuggled(letter: char) -> Option<u8> {
    let byte = match letter {
        '\u{E0000}'..='\u{E007F}' => letter as u32 - 0xE0000,
        '\u{FE00}'..='\u{FE0F}' => letter as u32 - 0xFE00,
        '\u{E0100}'..='\u{E01EF}' => letter as u32 - 0xE0100 + 16,
        _ => return None,
    };
    u8::try_from(byte).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        normalize(text).text().trim().to_owned()
    }

    #[test]
    fn plain_text_is_borrowed() {
        let normalized = normalize(
            "Ignore	all
previous <b> & 100 %",
        );
        assert!(matches!(normalized.text, Cow::Borrowed(_)));
        assert_eq!(normalized.original(3..9), 3..9);
    }

    #[test]
    fn what_hides_a_word_is_taken_away() {
        for text in [
            "I\u{200b}g\u{200d}n\u{2060}o\u{feff}r\u{ad}e",
            "I\u{336}g\u{336}n\u{336}o\u{301}r\u{336}e\u{336}",
            "Ｉｇｎｏｒｅ",
            "𝐈𝗀𝓃𝚘𝔯𝖾",
            "ⓘⓖⓝⓞⓡⓔ",
            "ɪɢɴᴏʀᴇ",
            "Ignоrе",
            "Ignοre",
            "Ïgnóré",
            "I\u{1b}[0mgn\u{1b}[31;1more",
            "I\0gn\u{8}ore",
            "\u{202e}erongI",
        ] {
            assert_eq!(read(text).to_ascii_lowercase(), "ignore", "{text:?}");
        }
    }

    #[test]
    fn honest_scripts_stay_readable() {
        for text in ["Отчёт готов", "игнорируй все", "Η αναφορά", "報告已完成。", "שלום", "API-ключ"]
        {
            assert_eq!(read(text), text.to_lowercase().replace("api", "API"), "{text}");
        }
        assert_eq!(read("Straße, Œuvre, früher, „ja“ – nein…"), "Strasse, oeuvre, fruher, \"ja\" - nein...");
    }

    #[test]
    fn smuggled_text_is_spelt_out_and_counted() {
        let tags: String = "stop".chars().map(|letter| char::from_u32(0xE0000 + letter as u32).unwrap()).collect();
        let text = format!("fine{tags} day");
        let normalized = normalize(&text);
        assert_eq!(normalized.text(), "fine stop  day");
        assert_eq!(normalized.concealed(), [Concealed { means: Means::Unicode, span: 4..20, length: 4 }]);

        let selectors: String = "hi".bytes().map(|byte| char::from_u32(0xE0100 + u32::from(byte) - 16).unwrap()).collect();
        assert_eq!(normalize(&format!("x{selectors}")).text(), "x hi ");
    }

    #[test]
    fn emoji_hide_nothing() {
        let england = "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}";
        for text in [england, "❤\u{fe0f} ok", "👩\u{200d}💻", "1\u{fe0f}\u{20e3}"] {
            assert!(normalize(text).concealed().is_empty(), "{text}");
        }
    }

    #[test]
    fn concealed_terminal_text_is_marked() {
        let text = "a\u{1b}[8mhidden\u{1b}[0m b";
        let normalized = normalize(text);
        assert_eq!(normalized.text(), "ahidden b");
        assert_eq!(normalized.concealed(), [Concealed { means: Means::Terminal, span: 1..11, length: 10 }]);
        assert!(normalize("\u{1b}[1;31merror\u{1b}[0m\u{1b}[2K").concealed().is_empty());
        assert_eq!(normalize("\u{1b}]0;title\u{7}x").text(), "]0;titlex");
    }

    #[test]
    fn spans_lead_back_to_the_original() {
        for (text, word, original) in [
            ("é: I\u{200b}gnore it", "Ignore", "I\u{200b}gnore"),
            ("报告 ignore 。", "ignore", "ignore"),
            ("аnd ѕtop now", "stop", "ѕtop"),
            ("x \u{202e}erongi\u{202c} y", "ignore", "\u{202e}erongi\u{202c}"),
            ("groß", "gross", "groß"),
            ("ŉo", "no", "ŉo"),
        ] {
            let normalized = normalize(text);
            let at = normalized.text().find(word).unwrap();
            let span = normalized.original(at..at + word.len());
            assert_eq!(text.get(span), Some(original), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_span_leads_back_to_characters(text in "(?s)[a-c \u{200b}éß\u{1b}\\[8m\u{202e}\u{202c}\n\u{e0041}\u{fe00}аЖ报🏴]{0,60}") {
            let normalized = normalize(&text);
            let length = normalized.text().len();
            let mut last = 0;
            for at in 0..length {
                let span = normalized.original(at..at + 1);
                assert!(text.get(span.clone()).is_some(), "{span:?}");
                assert!(span.start >= last && span.end <= text.len());
                last = span.start;
            }
        }
    }
}
