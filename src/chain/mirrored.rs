//! Headers that repeat arguments: `Mcp-Param-*` of 2026-07-28.

use std::fmt;

use http::{HeaderName, HeaderValue};

use crate::protocol::json::{Document, Kind, Limits, Value};
use crate::protocol::{Message, PARAM_PREFIX, decode_header, encode_header};

/// Where an argument stands: keys from `arguments` on.
pub type ArgumentPath = Vec<String>;

/// One header that repeats an argument, or says that it does.
#[derive(Clone)]
pub struct Mirrored {
    /// Its name.
    pub name: HeaderName,
    /// As it goes on.
    pub value: HeaderValue,
    /// The arguments that it repeats; more than one where several have its value and nobody has said which is meant. None: it is loose.
    pub repeats: Vec<ArgumentPath>,
}

/// What a header says and what the body will say can no longer be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Differs;

impl Mirrored {
    /// As the client wrote it.
    pub fn new(name: HeaderName, mut value: HeaderValue) -> Self {
        // SECURITY: an argument is nobody's business in a log, and neither is this.
        value.set_sensitive(true);
        Self { name, value, repeats: Vec::new() }
    }

    /// The text that it stands for; `None` if it is malformed.
    pub fn text(&self) -> Option<String> {
        self.value.to_str().ok().and_then(decode_header)
    }

    /// What its name says of itself: all that stands behind `Mcp-Param-`.
    pub fn own_name(&self) -> &str {
        let name = self.name.as_str();
        name.strip_prefix(PARAM_PREFIX).unwrap_or(name)
    }

    /// Whether it repeats nothing that is known: what it says stands in no argument, and is to be looked at for itself.
    pub fn is_loose(&self) -> bool {
        self.repeats.is_empty()
    }

    /// Writes headers anew after `message` was edited, from what will be sent.
    pub fn renew(all: &mut [Self], message: &Message) -> Result<(), Differs> {
        if message.edit_count() == 0 || all.iter().all(Self::is_loose) {
            return Ok(());
        }
        let sent = Document::parse(message.encode(), Limits::NONE).map_err(|_never| Differs)?;
        for header in all.iter_mut().filter(|header| !header.is_loose()) {
            let mut texts = header.repeats.iter().map(|path| argument(&sent, path).and_then(repeated_text));
            let text = texts.next().flatten().ok_or(Differs)?;
            if texts.any(|other| other != Some(text)) {
                // One of them was changed and another was not: which of them is meant is not known.
                return Err(Differs);
            }
            if header.text().as_deref() != Some(text) {
                header.value = HeaderValue::try_from(encode_header(text)).map_err(|_never| Differs)?;
                header.value.set_sensitive(true);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Mirrored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SECURITY: names of arguments are the caller's own text as well.
        f.debug_struct("Mirrored").field("name", &self.name).field("repeats", &self.repeats.len()).finish_non_exhaustive()
    }
}

fn argument<'d>(sent: &'d Document, path: &[String]) -> Option<Value<'d>> {
    let arguments = sent.root().path(&["params", "arguments"])?;
    path.iter().try_fold(arguments, |value, key| value.get(key))
}

/// The text by which a header repeats a value: only texts, numbers, `true` and `false` have one.
pub fn repeated_text(value: Value<'_>) -> Option<&str> {
    match value.kind() {
        Kind::String => value.as_str(),
        Kind::Bool | Kind::Number => Some(value.raw()),
        Kind::Array | Kind::Null | Kind::Object => None,
    }
}
