//! The grammar of RFC 8259 as one loop: no recursion, one pass, every value noted once.

use super::document::{Index, Node, narrow};
use super::keys::Keys;
use super::value::Kind;
use super::{Limits, ParseError, is_whitespace, number, string};

/// Room for the strings with escapes that most messages have.
const ESCAPED_STRINGS: usize = 64;

/// Not a member but the prototype of an object to some JavaScript: the TypeScript SDK's schemas leave it out without a word.
const PROTOTYPE: &[u8] = b"__proto__";

/// No container is open.
const NONE: u32 = u32::MAX;

/// Reads `text`, at most `u32::MAX` bytes, into `index`, which must be empty.
pub(super) fn parse(text: &str, limits: Limits, index: &mut Index, keys: &mut Keys) -> Result<(), ParseError> {
    let reader = Reader { text, at: 0, limits, index, keys, open: NONE, in_object: false, depth: 0 };
    reader.document()
}

/// What stands next.
enum Next {
    /// Nothing; the text is complete.
    End,
    /// A comma, or the end of the container that is open.
    Separator,
    /// A value.
    Value,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    limits: Limits,
    index: &'a mut Index,
    keys: &'a mut Keys,
    /// The innermost open container, or `NONE`. While a container is open its node holds the enclosing one in `end` and its
    /// mark in `keys` in `link`, so that depth costs no stack.
    open: u32,
    in_object: bool,
    depth: u16,
}

impl Reader<'_> {
    fn document(mut self) -> Result<(), ParseError> {
        let mut next = Next::Value;
        loop {
            next = match next {
                Next::Value => self.value()?,
                Next::Separator => self.separator()?,
                Next::End => break,
            };
        }
        match self.significant() {
            None => Ok(()),
            Some(_) => Err(ParseError::TrailingBytes { offset: self.at }),
        }
    }

    fn value(&mut self) -> Result<Next, ParseError> {
        let start = self.at;
        match self.significant() {
            Some(b'"') => self.string(false)?,
            Some(b'{') => return self.open_container(Kind::Object),
            Some(b'[') => return self.open_container(Kind::Array),
            Some(b'-' | b'0'..=b'9') => {
                let start = self.at;
                self.at = number::scan(self.text, start)?;
                self.push(Kind::Number, start)?;
            }
            Some(b't') => self.literal("true", Kind::Bool)?,
            Some(b'f') => self.literal("false", Kind::Bool)?,
            Some(b'n') => self.literal("null", Kind::Null)?,
            Some(_) => return Err(ParseError::UnexpectedByte { offset: self.at }),
            None => {
                return Err(ParseError::UnexpectedEnd { offset: self.at.max(start) });
            }
        }
        Ok(self.after_value())
    }

    fn separator(&mut self) -> Result<Next, ParseError> {
        match self.significant() {
            Some(b',') => {
                self.at += 1;
                if self.in_object {
                    self.key()?;
                }
                Ok(Next::Value)
            }
            Some(b'}') if self.in_object => self.close_container(),
            Some(b']') if !self.in_object => self.close_container(),
            Some(_) => Err(ParseError::UnexpectedByte { offset: self.at }),
            None => Err(ParseError::UnexpectedEnd { offset: self.at }),
        }
    }

    fn after_value(&self) -> Next {
        if self.open == NONE { Next::End } else { Next::Separator }
    }

    fn open_container(&mut self, kind: Kind) -> Result<Next, ParseError> {
        if self.depth >= self.limits.depth {
            return Err(ParseError::TooDeep { offset: self.at });
        }
        self.depth += 1;
        let id = narrow(self.index.nodes.len());
        let start = self.at;
        self.at += 1;
        self.push(kind, start)?;
        if let Some(node) = self.index.nodes.last_mut() {
            node.end = self.open;
            node.link = narrow(self.keys.mark());
        }
        self.open = id;
        self.in_object = kind == Kind::Object;
        match self.significant() {
            Some(b'}') if self.in_object => self.close_container(),
            Some(b']') if !self.in_object => self.close_container(),
            _ if self.in_object => self.key().map(|()| Next::Value),
            _ => Ok(Next::Value),
        }
    }

    fn close_container(&mut self) -> Result<Next, ParseError> {
        self.at += 1;
        self.depth -= 1;
        let end = narrow(self.at);
        let after = narrow(self.index.nodes.len());
        let Some(node) = self.index.nodes.get_mut(self.open as usize) else {
            return Ok(Next::End);
        };
        let (parent, mark) = (node.end, node.link);
        (node.end, node.link) = (end, after);
        if self.in_object {
            let index = &*self.index;
            let repeated = self.keys.close(mark as usize, |key| index.decoded(self.text.as_bytes(), key));
            if let Some(key) = repeated {
                return Err(ParseError::DuplicateKey { offset: index.node(key).start as usize });
            }
        }
        self.open = parent;
        self.in_object = self.index.nodes.get(parent as usize).is_some_and(|node| node.kind == Kind::Object);
        Ok(self.after_value())
    }

    fn key(&mut self) -> Result<(), ParseError> {
        match self.significant() {
            Some(b'"') => self.string(true)?,
            Some(_) => return Err(ParseError::UnexpectedByte { offset: self.at }),
            None => return Err(ParseError::UnexpectedEnd { offset: self.at }),
        }
        let id = narrow(self.index.nodes.len() - 1);
        let decoded = self.index.decoded(self.text.as_bytes(), id);
        if decoded == PROTOTYPE {
            return Err(ParseError::PrototypeKey { offset: self.index.node(id).start as usize });
        }
        self.keys.push(decoded, id);
        match self.significant() {
            Some(b':') => self.at += 1,
            Some(_) => return Err(ParseError::UnexpectedByte { offset: self.at }),
            None => return Err(ParseError::UnexpectedEnd { offset: self.at }),
        }
        Ok(())
    }

    #[inline]
    fn string(&mut self, key: bool) -> Result<(), ParseError> {
        let start = self.at;
        let arena = self.index.arena.len();
        let scanned = string::scan(self.text, start + 1, &mut self.index.arena)?;
        self.at = scanned.close + 1;
        let decoded = if scanned.escaped { self.index.arena.len() - arena } else { scanned.close - start - 1 };
        if decoded > self.limits.string {
            return Err(ParseError::StringTooLong { offset: start });
        }
        let link = narrow(self.index.arena_ends.len());
        if scanned.escaped {
            if self.index.arena_ends.is_empty() {
                self.index.arena_ends.reserve(ESCAPED_STRINGS);
            }
            self.index.arena_ends.push(narrow(self.index.arena.len()));
        }
        self.push_node(Node {
            start: narrow(start),
            end: narrow(self.at),
            link,
            kind: Kind::String,
            key,
            escaped: scanned.escaped,
        })
    }

    fn literal(&mut self, word: &str, kind: Kind) -> Result<(), ParseError> {
        let start = self.at;
        for expected in word.bytes() {
            match self.text.as_bytes().get(self.at) {
                Some(&byte) if byte == expected => self.at += 1,
                Some(_) => return Err(ParseError::UnexpectedByte { offset: self.at }),
                None => return Err(ParseError::UnexpectedEnd { offset: self.at }),
            }
        }
        self.push(kind, start)
    }

    /// Notes the value from `start` to here.
    #[inline]
    fn push(&mut self, kind: Kind, start: usize) -> Result<(), ParseError> {
        self.push_node(Node { start: narrow(start), end: narrow(self.at), link: 0, kind, key: false, escaped: false })
    }

    #[inline]
    fn push_node(&mut self, node: Node) -> Result<(), ParseError> {
        if self.index.nodes.len() >= self.limits.nodes as usize {
            return Err(ParseError::TooManyValues { offset: node.start as usize });
        }
        self.index.nodes.push(node);
        Ok(())
    }

    /// Skips whitespace; the byte that follows.
    #[inline]
    fn significant(&mut self) -> Option<u8> {
        loop {
            let byte = self.text.as_bytes().get(self.at).copied()?;
            if !is_whitespace(byte) {
                return Some(byte);
            }
            self.at += 1;
        }
    }
}
