//! Is a line in the one form a record may have? Pure, no allocation, for bytes from anyone.
//!
//! RFC 8785 (JCS), narrowed until canonicalisation can no longer be a place to hide: keys are ASCII without escapes and
//! ascend, numbers are integers within 2^53-1, no null, strings escape exactly what RFC 8785 section 3.2.2.2 says. For
//! such a line the stored bytes *are* the canonical form, so nobody needs to re-serialise in order to hash.

/// Longest line, without its newline.
pub const LINE_MAX: usize = 16 * 1024;

/// Deepest nesting of objects and arrays; a record of ours needs four.
const DEPTH_MAX: u8 = 8;

/// 2^53-1, the largest integer every JSON reader keeps exact.
pub(crate) const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Why a line is not in canonical form. Offsets count bytes from the start of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCanonical {
    /// Nested too deep.
    #[error("nested deeper than 8 levels at byte {0}")]
    Depth(usize),
    /// A character that must be escaped is not, or one is escaped that must not be, or by the wrong form.
    #[error("a string is not escaped as RFC 8785 says at byte {0}")]
    Escape(usize),
    /// A key with characters outside printable ASCII, or with an escape.
    #[error("a key is not plain ASCII at byte {0}")]
    Key(usize),
    /// Keys do not ascend; a repeated key is one case.
    #[error("keys are not in ascending order, or one is repeated, at byte {0}")]
    KeyOrder(usize),
    /// Over 16 KiB.
    #[error("longer than 16 KiB")]
    Long,
    /// A null.
    #[error("null, which records do not use, at byte {0}")]
    Null(usize),
    /// A fraction, an exponent, a leading zero, minus zero, or an integer beyond 2^53-1.
    #[error("a number is not an integer within 2^53-1 in its shortest form at byte {0}")]
    Number(usize),
    /// Not JSON at all, or JSON with white space.
    #[error("not a JSON object without white space: byte {0}")]
    Syntax(usize),
    /// Not UTF-8.
    #[error("not UTF-8")]
    Utf8,
}

/// Checks one line, given without its newline, and calls `visit` with the key and the raw value (quotes and escapes
/// included) of each top-level member in order. What `visit` saw counts for nothing unless the result is `Ok`.
pub fn canonical_members<'a>(line: &'a [u8], visit: impl FnMut(&'a str, &'a str)) -> Result<(), NotCanonical> {
    if line.len() > LINE_MAX {
        return Err(NotCanonical::Long);
    }
    let Ok(text) = str::from_utf8(line) else {
        return Err(NotCanonical::Utf8);
    };
    let mut scanner = Scanner { text, at: 0 };
    scanner.object(1, visit)?;
    if scanner.at == line.len() { Ok(()) } else { Err(NotCanonical::Syntax(scanner.at)) }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn object(&mut self, depth: u8, mut visit: impl FnMut(&'a str, &'a str)) -> Result<(), NotCanonical> {
        self.expect(b'{')?;
        if self.take(b'}') {
            return Ok(());
        }
        let mut last: Option<&str> = None;
        loop {
            let key_at = self.at;
            let key = self.key()?;
            if last.is_some_and(|last| last >= key) {
                return Err(NotCanonical::KeyOrder(key_at));
            }
            last = Some(key);
            self.expect(b':')?;
            let value_at = self.at;
            self.value(depth)?;
            visit(key, self.text.get(value_at..self.at).unwrap_or_default());
            if self.take(b'}') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    fn array(&mut self, depth: u8) -> Result<(), NotCanonical> {
        self.expect(b'[')?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            self.value(depth)?;
            if self.take(b']') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    fn value(&mut self, depth: u8) -> Result<(), NotCanonical> {
        match self.peek() {
            Some(b'"') => self.string(),
            // Recursion is bounded by DEPTH_MAX.
            Some(b'{' | b'[') if depth >= DEPTH_MAX => Err(NotCanonical::Depth(self.at)),
            Some(b'{') => self.object(depth + 1, |_, _| ()),
            Some(b'[') => self.array(depth + 1),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => Err(NotCanonical::Null(self.at)),
            Some(_) | None => Err(NotCanonical::Syntax(self.at)),
        }
    }

    /// Without escapes the byte order of keys is the UTF-16 order that RFC 8785 sorts by.
    fn key(&mut self) -> Result<&'a str, NotCanonical> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => return Err(NotCanonical::Key(self.at)),
                Some(0x20..=0x7e) => self.at += 1,
                Some(_) => return Err(NotCanonical::Key(self.at)),
                None => return Err(NotCanonical::Syntax(self.at)),
            }
        }
        let key = self.text.get(start..self.at).unwrap_or_default();
        self.at += 1;
        Ok(key)
    }

    fn string(&mut self) -> Result<(), NotCanonical> {
        self.expect(b'"')?;
        loop {
            let Some(byte) = self.peek() else {
                return Err(NotCanonical::Syntax(self.at));
            };
            match byte {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => self.escape()?,
                0..0x20 => return Err(NotCanonical::Escape(self.at)),
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), NotCanonical> {
        let at = self.at;
        let rest = self.text.as_bytes().get(at + 1..).unwrap_or_default();
        let length = match rest {
            [b'"' | b'\\' | b'b' | b't' | b'n' | b'f' | b'r', ..] => 2,
            // The controls with a short form must use it.
            [b'u', b'0', b'0', b'0', b'0'..=b'7' | b'b' | b'e' | b'f', ..]
            | [b'u', b'0', b'0', b'1', b'0'..=b'9' | b'a'..=b'f', ..] => 6,
            _ => return Err(NotCanonical::Escape(at)),
        };
        self.at += length;
        Ok(())
    }

    fn number(&mut self) -> Result<(), NotCanonical> {
        let at = self.at;
        let negative = self.take(b'-');
        let first = self.at;
        let mut value: u64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            value = value.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        let digits = self.at - first;
        let leading_zero = digits > 1 && self.text.as_bytes().get(first) == Some(&b'0');
        let more = matches!(self.peek(), Some(b'.' | b'e' | b'E' | b'+' | b'-'));
        if digits == 0 || leading_zero || more || value > INTEGER_MAX || (negative && value == 0) {
            return Err(NotCanonical::Number(at));
        }
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), NotCanonical> {
        if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            self.at += word.len();
            Ok(())
        } else {
            Err(NotCanonical::Syntax(self.at))
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        self.at += usize::from(here);
        here
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotCanonical> {
        if self.take(byte) { Ok(()) } else { Err(NotCanonical::Syntax(self.at)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str) -> Result<(), NotCanonical> {
        canonical_members(line.as_bytes(), |_, _| ())
    }

    #[test]
    fn canonical_lines_pass() {
        for line in [
            "{}",
            r#"{"a":1,"b":-1,"c":0,"d":9007199254740991,"e":true,"f":false,"g":[],"h":{},"i":["x",{"y":[1]}]}"#,
            "{\"a\":\"\\b\\t\\n\\f\\r\\\"\\\\\\u0000\\u001f\\u000b/\u{7f}\u{e9}\u{1f600}\"}",
            r#"{"a":"","a.b":1,"ab":2}"#,
        ] {
            assert_eq!(check(line), Ok(()), "{line}");
        }
    }

    #[test]
    fn every_other_form_is_refused_for_its_reason() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(8), "]".repeat(8));
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(LINE_MAX));
        for (line, reason) in [
            ("", NotCanonical::Syntax(0)),
            ("[]", NotCanonical::Syntax(0)),
            (r#"{"a":1} "#, NotCanonical::Syntax(7)),
            (r#"{"a": 1}"#, NotCanonical::Syntax(5)),
            (r#"{"a":1,}"#, NotCanonical::Syntax(7)),
            (r#"{"a":1}{"a":1}"#, NotCanonical::Syntax(7)),
            (r#"{"a":tru}"#, NotCanonical::Syntax(5)),
            (r#"{"a":"x"#, NotCanonical::Syntax(7)),
            (r#"{"b":1,"a":1}"#, NotCanonical::KeyOrder(7)),
            (r#"{"a":1,"a":1}"#, NotCanonical::KeyOrder(7)),
            (r#"{"a":{"b":1,"b":2}}"#, NotCanonical::KeyOrder(12)),
            (r#"{"\u0061":1}"#, NotCanonical::Key(2)),
            ("{\"\u{e9}\":1}", NotCanonical::Key(2)),
            (r#"{"a":null}"#, NotCanonical::Null(5)),
            (r#"{"a":1.5}"#, NotCanonical::Number(5)),
            (r#"{"a":1e3}"#, NotCanonical::Number(5)),
            (r#"{"a":-0}"#, NotCanonical::Number(5)),
            (r#"{"a":01}"#, NotCanonical::Number(5)),
            (r#"{"a":-}"#, NotCanonical::Number(5)),
            (r#"{"a":9007199254740992}"#, NotCanonical::Number(5)),
            (r#"{"a":99999999999999999999999999}"#, NotCanonical::Number(5)),
            (r#"{"a":"\/"}"#, NotCanonical::Escape(6)),
            (r#"{"a":"\u0041"}"#, NotCanonical::Escape(6)),
            (r#"{"a":"\u000a"}"#, NotCanonical::Escape(6)),
            (r#"{"a":"\u001F"}"#, NotCanonical::Escape(6)),
            (r#"{"a":"\ud800"}"#, NotCanonical::Escape(6)),
            ("{\"a\":\"\t\"}", NotCanonical::Escape(6)),
            (deep.as_str(), NotCanonical::Depth(12)),
            (long.as_str(), NotCanonical::Long),
        ] {
            assert_eq!(check(line), Err(reason), "{line}");
        }
        assert_eq!(canonical_members(b"{\"a\":\"\xff\"}", |_, _| ()), Err(NotCanonical::Utf8));
    }

    #[test]
    fn members_are_given_raw() {
        let mut seen = Vec::new();
        canonical_members(br#"{"a":"x\n","b":{"c":[1]},"d":7}"#, |key, value| seen.push((key, value))).unwrap();
        assert_eq!(seen, [("a", r#""x\n""#), ("b", r#"{"c":[1]}"#), ("d", "7")]);
    }
}
