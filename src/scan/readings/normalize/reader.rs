//! Reads a text letter by letter.

use super::look_alikes;
use super::{Concealed, Means, Normalized, is_special};
use crate::scan::readings::way::Writer;

pub(super) fn read(text: &str) -> Normalized<'_> {
    let mut reader = Reader {
        source: text,
        at: 0,
        out: Writer::new(text, text.len()),
        concealed: Vec::new(),
        word_end: 0,
        mixed: false,
        hidden: None,
        flag: false,
        conceal: None,
        command_end: 0,
    };
    reader.run();
    Normalized { rewritten: reader.out.finish(), concealed: reader.concealed }
}

struct Reader<'a> {
    source: &'a str,
    at: usize,
    out: Writer<'a>,
    concealed: Vec<Concealed>,
    /// Where the word ends that was last looked at, and whether it mixes scripts.
    word_end: usize,
    mixed: bool,
    hidden: Option<Concealed>,
    /// Whether tag characters here belong to an emoji flag.
    flag: bool,
    /// Where the terminal began to conceal.
    conceal: Option<usize>,
    /// Where the command to the terminal ends that was last looked at.
    command_end: usize,
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
            '\u{1B}' | '\u{9B}' | '\u{9D}' => self.escape(letter, rest),
            '\u{202E}' => self.turn_round(rest),
            _ if is_without_width(letter) => self.bits(rest),
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
            self.mixed = self.out.text().bytes().next_back().is_some_and(|byte| byte.is_ascii_alphabetic());
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
            self.concealed.push(hidden);
            self.out.replace(self.at, " ");
        }
    }

    /// ECMA-48 control sequence. Of anything else only the escape itself goes: what a terminal swallows, a model reads.
    fn escape(&mut self, letter: char, rest: &str) {
        const LONGEST: usize = 32;
        let length = letter.len_utf8();
        let behind = rest.get(length..).unwrap_or_default();
        if letter == '\u{9D}' || behind.starts_with(']') {
            return self.command(rest);
        }
        let (mark, body) = match behind.strip_prefix('[') {
            Some(body) if letter == '\u{1B}' => (1, body),
            _ if letter == '\u{9B}' => (0, behind),
            _ => (0, ""),
        };
        let close = body.bytes().take(LONGEST).position(|byte| (0x40..0x7F).contains(&byte));
        let Some((parameters, command)) = close.and_then(|at| body.get(..at).zip(body.as_bytes().get(at))) else {
            self.at += length;
            return;
        };
        if *command == b'm' {
            let conceals = parameters.split(';').any(|part| part == "8");
            self.end_conceal();
            self.conceal = conceals.then_some(self.at);
        }
        self.at += length + mark + parameters.len() + 1;
    }

    /// An operating system command. What sets the clipboard (number 52) does so behind people's backs.
    fn command(&mut self, rest: &str) {
        let length = rest.chars().next().map_or(0, char::len_utf8);
        let body = rest.get(length..).unwrap_or_default();
        if self.at >= self.command_end && body.strip_prefix(']').unwrap_or(body).starts_with("52;") {
            let end = rest.find(['\u{7}', '\u{9C}', '\n']).unwrap_or(rest.len());
            self.concealed.push(Concealed { means: Means::Terminal, span: self.at..self.at + end, length: end });
            self.command_end = self.at + end;
        }
        self.at += length;
    }

    fn end_conceal(&mut self) {
        if let Some(start) = self.conceal.take() {
            self.concealed.push(Concealed { means: Means::Terminal, span: start..self.at, length: self.at - start });
        }
    }

    /// Reads the text under a right-to-left override from its end, as it shows.
    fn turn_round(&mut self, rest: &str) {
        let end = rest.find(['\u{202C}', '\u{2069}', '\n']).unwrap_or(rest.len());
        let inner = rest.get('\u{202E}'.len_utf8()..end).unwrap_or_default();
        // One stretch: every letter of it stands for the whole override.
        let turned: String = inner.chars().rev().filter_map(plain).collect();
        self.out.replace(self.at, &turned);
        // What ends it goes with it.
        let after = rest.get(end..).is_some_and(|rest| rest.starts_with('\u{202C}'));
        let closed = end + if after { '\u{202C}'.len_utf8() } else { 0 };
        self.concealed.push(Concealed { means: Means::Unicode, span: self.at..self.at + closed, length: turned.chars().count() });
        self.at += end;
    }

    /// A row of characters without width. One by one they join and part letters; so many of two kinds are the bits of a text.
    fn bits(&mut self, rest: &str) {
        let length = rest.find(|letter| !is_without_width(letter)).unwrap_or(rest.len());
        let row = rest.get(..length).unwrap_or_default();
        let count = row.chars().count();
        if count >= FEWEST_BITS && row.chars().any(|letter| !row.starts_with(letter)) {
            let text = from_bits(row).unwrap_or_default();
            self.out.replace(self.at, &format!(" {text} "));
            self.concealed.push(Concealed { means: Means::Unicode, span: self.at..self.at + length, length: count });
        }
        self.at += length;
    }
}

/// So many characters without width in a row, of two kinds, are no accident of layout.
const FEWEST_BITS: usize = 24;

fn is_without_width(letter: char) -> bool {
    matches!(letter, '\u{180E}' | '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}')
}

/// The text whose bits a row of two characters is, the highest first, whichever of the two stands for one.
fn from_bits(row: &str) -> Option<String> {
    let first = row.chars().next()?;
    let read = |one: bool| {
        let mut text = String::with_capacity(row.len() / 24);
        let (mut byte, mut count) = (0_u8, 0_u8);
        for letter in row.chars() {
            byte = (byte << 1) | u8::from((letter == first) == one);
            count += 1;
            if count == 8 {
                text.push(char::from(byte));
                (byte, count) = (0, 0);
            }
        }
        text.bytes().all(|byte| (b' '..0x7F).contains(&byte) || byte == b'\n').then_some(text)
    };
    read(true).or_else(|| read(false))
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
