//! What a server asks of a client, and what of it the client says it can answer.

use super::TASKS_EXTENSION;
use super::json::Value;
use super::spelling::respells;

/// Members of an elicitation that sends the user somewhere (MCP 2025-11-25, `ElicitRequestURLParams`).
const OF_URLS: [&str; 2] = ["elicitationId", "url"];

/// What a server may ask of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The user's input, by a form (`elicitation/create`).
    Elicitation,
    /// The roots of the client's file system (`roots/list`).
    Roots,
    /// The client's model (`sampling/createMessage`).
    Sampling,
}

/// Which questions a client declares to answer, and whether it knows tasks. Nothing else may be asked of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one for each thing that can be declared")]
pub struct Answerable {
    elicitation: bool,
    roots: bool,
    sampling: bool,
    tasks: bool,
    urls: bool,
}

impl Asked {
    /// What a request of that method and with those parameters asks; `None` for what is never passed on.
    ///
    /// An elicitation that sends the user to a URL is not: it takes them out of everybody's sight.
    pub fn by(method: Option<&str>, params: Option<Value<'_>>) -> Option<Self> {
        match method? {
            "elicitation/create" if params.is_none_or(is_form) => Some(Self::Elicitation),
            "roots/list" => Some(Self::Roots),
            "sampling/createMessage" => Some(Self::Sampling),
            _ => None,
        }
    }

    /// Whatever a server asks for by that method, as a bounded word for records: never its own text.
    pub fn word(method: Option<&str>) -> &'static str {
        match method {
            Some("elicitation/create") => "elicitation/create",
            Some("ping") => "ping",
            Some("roots/list") => "roots/list",
            Some("sampling/createMessage") => "sampling/createMessage",
            _ => "other",
        }
    }

    /// Its method.
    pub fn method(self) -> &'static str {
        match self {
            Self::Elicitation => "elicitation/create",
            Self::Roots => "roots/list",
            Self::Sampling => "sampling/createMessage",
        }
    }
}

impl Answerable {
    /// For whoever declares nothing.
    pub const NOTHING: Self = Self { elicitation: false, roots: false, sampling: false, tasks: false, urls: false };

    /// From `ClientCapabilities`. An empty `elicitation` means forms (MCP 2025-11-25, "Elicitation").
    pub fn of(capabilities: Option<Value<'_>>) -> Self {
        let get = |key| capabilities.and_then(|capabilities| capabilities.get(key));
        let forms = |value: Value<'_>| value.get("form").is_some() || value.get("url").is_none();
        Self {
            elicitation: get("elicitation").is_some_and(forms),
            roots: get("roots").is_some(),
            sampling: get("sampling").is_some(),
            urls: get("elicitation").is_some_and(|value| value.get("url").is_some()),
            tasks: get("extensions").and_then(|extensions| extensions.get(TASKS_EXTENSION)).is_some(),
        }
    }

    /// Whether a call may be answered by a task where the server decides about that (2026-07-28).
    pub fn has_tasks(self) -> bool {
        self.tasks
    }

    /// Whether its user can be sent to a page (MCP 2025-11-25, "URL Mode Elicitation"). By the gateway alone: no server may.
    pub fn sends_users(self) -> bool {
        self.urls
    }

    /// Whether nothing may be asked by a server.
    pub fn is_empty(self) -> bool {
        Self { urls: false, ..self } == Self::NOTHING
    }

    /// Whether this may be asked.
    pub fn has(self, asked: Asked) -> bool {
        match asked {
            Asked::Elicitation => self.elicitation,
            Asked::Roots => self.roots,
            Asked::Sampling => self.sampling,
        }
    }
}

/// Whether every reader takes the parameters of an elicitation for a form.
///
/// SECURITY: a client may go by the members of the other mode, or read `Mode` as `mode`.
fn is_form(params: Value<'_>) -> bool {
    params.get("mode").is_none_or(|mode| mode.as_str() == Some("form"))
        && OF_URLS.iter().all(|key| params.get(key).is_none())
        && !respells(params, &["elicitationId", "mode", "url"])
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::json::{Document, Limits};

    #[test]
    fn an_elicitation_that_any_reader_may_take_for_a_url_is_no_form() {
        let asked = |params: &str| {
            let document = Document::parse(Bytes::copy_from_slice(params.as_bytes()), Limits::default()).unwrap();
            Asked::by(Some("elicitation/create"), Some(document.root()))
        };
        for form in [r#"{"message":"m","requestedSchema":{"properties":{"url":{}}}}"#, r#"{"mode":"form","message":"m"}"#] {
            assert_eq!(asked(form), Some(Asked::Elicitation), "{form}");
        }
        for other in [
            r#"{"mode":"url","url":"https://evil.example","elicitationId":"1"}"#,
            r#"{"Mode":"url","message":"m"}"#,
            r#"{"mode":"form","MODE":"url"}"#,
            r#"{"url":"https://evil.example","message":"m"}"#,
            r#"{"Url":"https://evil.example"}"#,
            r#"{"mode":"form","elicitationId":"1"}"#,
            r#"{"elicitation\u0049D":"1"}"#,
            r#"{"mode":null}"#,
        ] {
            assert_eq!(asked(other), None, "{other}");
        }
    }

    #[test]
    fn a_client_answers_what_it_declares() {
        let of = |text: &'static str| {
            let document = Document::parse(Bytes::from_static(text.as_bytes()), Limits::default()).unwrap();
            let declared = Answerable::of(Some(document.root()));
            [Asked::Elicitation, Asked::Roots, Asked::Sampling].map(|asked| declared.has(asked))
        };
        assert_eq!(of("{}"), [false, false, false]);
        assert_eq!(of(r#"{"elicitation":{},"sampling":{}}"#), [true, false, true]);
        assert_eq!(of(r#"{"elicitation":{"form":{},"url":{}},"roots":{"listChanged":true}}"#), [true, true, false]);
        assert_eq!(of(r#"{"elicitation":{"url":{}}}"#), [false, false, false], "only URLs");
        let declares = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;
        let document = Document::parse(Bytes::from_static(declares.as_bytes()), Limits::default()).unwrap();
        assert!(Answerable::of(Some(document.root())).has_tasks());
    }
}
