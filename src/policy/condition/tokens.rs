//! The words and signs of a condition, each with its place in the text.

use std::fmt;

use super::Problem;

/// A stretch of a condition's text, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    pub(super) fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// One word or sign.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Double(f64),
    /// Behind the last one.
    End,
    /// Digits without a sign, so that `-9223372036854775808` can be read.
    Int(u64),
    Name(String),
    Sign(&'static str),
    Text(String),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Double(_) | Self::Int(_) => f.write_str("a number"),
            Self::End => f.write_str("the end"),
            Self::Name(name) => f.write_str(&crate::yaml::quoted(name)),
            Self::Sign(sign) => write!(f, "`{sign}`"),
            Self::Text(_) => f.write_str("a text"),
        }
    }
}

/// Longer signs before those they begin with.
const SIGNS: [&str; 22] =
    ["&&", "||", "==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", "{", "}", ".", ",", "?", ":", "+", "-", "*", "%"];

/// Cuts a condition into tokens; the last is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, Span)>, Problem> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_space();
        let start = lexer.at;
        let token = lexer.next()?;
        let last = token == Token::End;
        tokens.push((token, Span { start, end: lexer.at }));
        if last {
            return Ok(tokens);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// As CEL has it: other spaces of Unicode look the same and are not.
    fn skip_space(&mut self) {
        self.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}'));
    }

    fn take_while(&mut self, mut good: impl FnMut(char) -> bool) -> &'t str {
        let rest = self.rest();
        let len = rest.find(|c| !good(c)).unwrap_or(rest.len());
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    fn next(&mut self) -> Result<Token, Problem> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Ok(Token::End);
        };
        if let Some((raw, bytes, quote)) = opening(rest) {
            return self.text_token(raw, bytes, quote);
        }
        if first.is_ascii_alphabetic() || first == '_' {
            return Ok(Token::Name(self.take_while(|c| c.is_ascii_alphanumeric() || c == '_').to_owned()));
        }
        let digit_behind_point = first == '.' && rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit());
        if first.is_ascii_digit() || digit_behind_point {
            return self.number();
        }
        if rest.starts_with("//") {
            // In a folded scalar the lines are one, and a comment would silently swallow all that follows it.
            return Err(self.problem(2, "a comment stands in this condition", "write it as a YAML comment, above the condition"));
        }
        if let Some(sign) = SIGNS.iter().chain(&["/", "!"]).find(|sign| rest.starts_with(**sign)) {
            self.at += sign.len();
            return Ok(Token::Sign(sign));
        }
        Err(self.stranger(first))
    }

    fn problem(&self, len: usize, message: impl Into<String>, hint: impl Into<String>) -> Problem {
        Problem { at: Span { start: self.at, end: self.at + len }, message: message.into(), hint: hint.into() }
    }

    fn stranger(&self, found: char) -> Problem {
        let hint = match found {
            '=' => "compare with `==`",
            '&' => "write `&&`",
            '|' => "write `||`",
            '‘' | '’' | '“' | '”' | '`' => "write texts in straight quotes: `'` or `\"`",
            c if c.is_whitespace() => "write an ordinary space",
            _ => "conditions are CEL: see docs/conditions.md",
        };
        self.problem(found.len_utf8(), format!("{} has no meaning here", crate::yaml::quoted(&found.to_string())), hint)
    }

    fn number(&mut self) -> Result<Token, Problem> {
        let start = self.at;
        if let Some(hex) = self.rest().strip_prefix("0x").or_else(|| self.rest().strip_prefix("0X")) {
            let digits = hex.get(..hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len())).unwrap_or_default();
            self.at += 2 + digits.len();
            let value = u64::from_str_radix(digits, 16).ok();
            return self.finish_number(start, value.map(Token::Int));
        }
        self.take_while(|c| c.is_ascii_digit());
        let mut whole = true;
        let mut behind = self.rest().chars();
        if behind.next() == Some('.') && behind.next().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit());
            whole = false;
        }
        if let Some(exponent) = self.rest().strip_prefix(['e', 'E']) {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.starts_with(|c: char| c.is_ascii_digit()) {
                self.at += self.rest().len() - digits.len();
                self.take_while(|c| c.is_ascii_digit());
                whole = false;
            }
        }
        let written = self.text.get(start..self.at).unwrap_or_default();
        let value = if whole {
            written.parse().ok().map(Token::Int)
        } else {
            written.parse().ok().filter(|value: &f64| value.is_finite()).map(Token::Double)
        };
        self.finish_number(start, value)
    }

    fn finish_number(&mut self, start: usize, value: Option<Token>) -> Result<Token, Problem> {
        let tail = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        let at = Span { start, end: self.at };
        let written = crate::yaml::quoted(self.text.get(start..self.at).unwrap_or_default());
        match value {
            Some(value) if tail.is_empty() => Ok(value),
            Some(_) if matches!(tail, "u" | "U") => Err(Problem {
                at,
                message: format!("{written} is an unsigned number"),
                hint: "write it without the `u`".to_owned(),
            }),
            Some(_) | None => Err(Problem {
                at,
                message: format!("{written} is not a number"),
                hint: "whole numbers have up to 19 digits; a name starts with a letter".to_owned(),
            }),
        }
    }

    fn text_token(&mut self, raw: bool, bytes: bool, quote: char) -> Result<Token, Problem> {
        let start = self.at;
        self.at += usize::from(raw) + usize::from(bytes);
        let opened = self.rest();
        if bytes {
            return Err(self.problem(1, "bytes are not read in conditions", "write a text, without the `b`"));
        }
        if opened.starts_with("'''") || opened.starts_with("\"\"\"") {
            return Err(self.problem(3, "texts in three quotes are not read", "write one quote on each side"));
        }
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.peek() {
                Some(c) if c == quote => {
                    self.at += 1;
                    return Ok(Token::Text(text));
                }
                None | Some('\n' | '\r') => {
                    return Err(Problem {
                        at: Span { start, end: self.at },
                        message: "this text does not end".to_owned(),
                        hint: format!("close it with `{quote}` on the same line"),
                    });
                }
                Some('\\') if !raw => text.push(self.escape()?),
                Some(c) => {
                    self.at += c.len_utf8();
                    text.push(c);
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Problem> {
        let rest = self.rest();
        let code = rest.chars().nth(1);
        let simple = |c: char| Some((c, 2));
        let read = match code {
            Some('a') => simple('\u{7}'),
            Some('b') => simple('\u{8}'),
            Some('f') => simple('\u{c}'),
            Some('n') => simple('\n'),
            Some('r') => simple('\r'),
            Some('t') => simple('\t'),
            Some('v') => simple('\u{b}'),
            Some(c @ ('\\' | '?' | '"' | '\'' | '`')) => simple(c),
            Some('x' | 'X') => numbered(rest, 2, 2, 16),
            Some('u') => numbered(rest, 2, 4, 16),
            Some('U') => numbered(rest, 2, 8, 16),
            Some('0'..='3') => numbered(rest, 1, 3, 8),
            Some(_) | None => None,
        };
        let Some((character, len)) = read else {
            let len = 1 + code.map_or(0, char::len_utf8);
            let written = crate::yaml::quoted(rest.get(..len).unwrap_or_default());
            return Err(self.problem(
                len,
                format!("{written} is not an escape"),
                "write `\\\\` for a backslash, or a raw text: `r'...'`",
            ));
        };
        self.at += len;
        Ok(character)
    }
}

/// Whether a text begins here: raw, of bytes, and by which quote.
fn opening(rest: &str) -> Option<(bool, bool, char)> {
    let (mut raw, mut bytes) = (false, false);
    for c in rest.chars().take(3) {
        match c {
            'r' | 'R' if !raw => raw = true,
            'b' | 'B' if !bytes => bytes = true,
            '\'' | '"' => return Some((raw, bytes, c)),
            _ => return None,
        }
    }
    None
}

/// A character by `digits` digits that start at `from`, and the length of the whole escape.
fn numbered(rest: &str, from: usize, digits: usize, radix: u32) -> Option<(char, usize)> {
    let written = rest.get(from..from + digits)?;
    // `from_str_radix` would take a sign.
    let good = written.chars().all(|c| c.is_digit(radix));
    let code = u32::from_str_radix(written, radix).ok().filter(|_| good)?;
    Some((char::from_u32(code)?, from + digits))
}
