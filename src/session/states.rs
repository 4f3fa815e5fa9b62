//! What servers of 2026-07-28 have clients keep for them between two requests (`requestState`), sealed.
//!
//! A server must take a state that comes back for an attacker's; many will not. So clients hold it under our seal only, bound to the
//! caller, the route, what was asked, and a time: none can read it, change it, take another's, or show it where it was not given.
//! MCP 2026-07-28, "Multi Round-Trip Requests".

use std::fmt;
use std::sync::OnceLock;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};

use crate::layers::authn::Principal;
use crate::protocol::json::{Kind, Value};
use crate::protocol::{Access, Target};
use crate::seal::{Key, Label, SealError};

/// How long a client may take for its user's answer.
const LIFE: SignedDuration = SignedDuration::from_hours(1);

/// Before the base64, so that what it is can be told, and its form can change.
const PREFIX: &str = "yett1.";

/// Seals and opens states. Without a key that it is given the key is this process's own: a state does not outlive it then.
#[derive(Default)]
pub struct States {
    key: OnceLock<Key>,
}

/// Whose a state is, and for what it was given.
#[derive(Clone, Debug)]
pub struct Bond(Label);

/// Why there is no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The system has no randomness.
    #[error("the system gives no random bytes")]
    Random,
    /// It was not given to this caller for this, was changed, or is too old: one answer for all.
    #[error("the state is not one that was given here")]
    NotGiven,
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("States")
    }
}

impl Bond {
    /// To a caller, the resource of a route, and what is asked there, arguments included: they are to come again as they were.
    pub fn new(caller: &Principal, resource: &str, access: &Access, arguments: Option<Value<'_>>) -> Self {
        let target = match &access.target {
            Target::Method(name) | Target::Prompt(name) | Target::Resource(name) | Target::Tool(name) => name.as_str(),
            Target::Answer(_) | Target::Listen { .. } | Target::None | Target::Session | Target::Task(_) => "",
        };
        let identity = caller.identity();
        // One that is missing is not one that is empty.
        let present = identity.map(|part| u8::from(part.is_some()));
        let whose = identity.map(Option::unwrap_or_default).into_iter().chain([resource, access.method.name(), target]);
        let arguments = arguments.map_or([0; 32], digest_of);
        let parts: Vec<&[u8]> = whose.map(str::as_bytes).chain([present.as_slice(), arguments.as_slice()]).collect();
        Self(Label::new("request state", &parts))
    }
}

impl States {
    /// Under this key: states outlive the process, and other replicas with it open them.
    pub fn sealed_by(key: Key) -> Self {
        Self { key: OnceLock::from(key) }
    }

    /// What the client gets in place of `state`.
    pub fn seal(&self, bond: &Bond, state: &str, now: Timestamp) -> Result<String, StateError> {
        let mut plain = now.as_second().to_be_bytes().to_vec();
        plain.extend_from_slice(state.as_bytes());
        let sealed = self.key()?.seal(&bond.0, &plain).map_err(|_sealing| StateError::Random)?;
        Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// The server's state, if the client shows one that it was given for this.
    pub fn open(&self, bond: &Bond, shown: &str, now: Timestamp) -> Result<String, StateError> {
        let encoded = shown.strip_prefix(PREFIX).ok_or(StateError::NotGiven)?;
        let sealed = URL_SAFE_NO_PAD.decode(encoded).map_err(|_encoding| StateError::NotGiven)?;
        let plain = self.key()?.open(&bond.0, &sealed).map_err(|_sealing| StateError::NotGiven)?;
        let (given, state) = plain.expose().split_first_chunk::<8>().ok_or(StateError::NotGiven)?;
        let age = now.duration_since(Timestamp::from_second(i64::from_be_bytes(*given)).map_err(|_range| StateError::NotGiven)?);
        // Nor one from the future: a clock that was set back must not make states live longer.
        if age > LIFE || age < -SignedDuration::from_mins(1) {
            return Err(StateError::NotGiven);
        }
        String::from_utf8(state.to_vec()).map_err(|_encoding| StateError::NotGiven)
    }

    fn key(&self) -> Result<&Key, StateError> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let key = Key::generate().map_err(|_random: SealError| StateError::Random)?;
        Ok(self.key.get_or_init(|| key))
    }
}

/// The same for whatever a client writes for one value: members in another order, other white space, other escapes.
fn digest_of(value: Value<'_>) -> [u8; 32] {
    let mut parts: Vec<[u8; 32]> = match value.kind() {
        Kind::Array => value.items().map(digest_of).collect(),
        // The parser has refused deep documents, and equal keys.
        Kind::Object => value.members().map(|(key, value)| sha256(&[b"m", &digest_of(key), &digest_of(value)])).collect(),
        Kind::String => vec![sha256(&[value.as_str().unwrap_or_default().as_bytes()])],
        Kind::Bool | Kind::Null | Kind::Number => vec![sha256(&[value.raw().as_bytes()])],
    };
    let kind: &[u8] = match value.kind() {
        Kind::Array => b"a",
        Kind::Object => {
            parts.sort_unstable();
            b"o"
        }
        Kind::String => b"s",
        Kind::Bool | Kind::Null | Kind::Number => b"l",
    };
    let parts: Vec<&[u8]> = [kind].into_iter().chain(parts.iter().map(<[u8; 32]>::as_slice)).collect();
    sha256(&parts)
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut sum = Context::new(&SHA256);
    for part in parts {
        sum.update(part);
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(sum.finish().as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::json::{Document, Limits};
    use crate::protocol::{Method, Shape};
    use crate::secret::Secret;

    const STATE: &str = "the server's own \u{1f512}";

    fn call(tool: &str) -> Access {
        Access {
            method: Method::ToolsCall,
            target: Target::Tool(tool.to_owned()),
            shape: Shape::Request,
            answers: true,
            task: false,
        }
    }

    fn bond(subject: &str, resource: &str, access: &Access) -> Bond {
        Bond::new(&Principal::for_test(subject, &[]), resource, access, None)
    }

    #[test]
    fn arguments_are_the_same_however_they_are_written() {
        let digest = |text: &'static str| {
            let document = Document::parse(Bytes::from_static(text.as_bytes()), Limits::default()).unwrap();
            digest_of(document.root())
        };
        let one = digest(r#"{"a":[1,"x",{"b":null,"c":true}],"d":""}"#);
        assert_eq!(one, digest(r#" {"d" : "", "a":[1, "\u0078", {"c":true,"b":null}]}"#));
        for other in [
            r#"{"a":["x",1,{"b":null,"c":true}],"d":""}"#,
            r#"{"a":["1","x",{"b":null,"c":true}],"d":""}"#,
            r#"{"a":[1,"x",{"b":null,"c":true}],"d":[]}"#,
            r#"{"a":[1,"x",{"b":null,"c":true}]}"#,
            r#"{"a":[1,"x",["b",null,"c",true]],"d":""}"#,
            r#"{"a":[1,"x",{"b":true,"c":null}],"d":""}"#,
        ] {
            assert_ne!(one, digest(other), "{other}");
        }
    }

    #[test]
    fn a_state_opens_for_whom_and_what_it_was_given_only() {
        let (states, now) = (States::default(), Timestamp::UNIX_EPOCH);
        let own = bond("ada", "http://gw/mcp/a", &call("ask"));
        let shown = states.seal(&own, STATE, now).unwrap();
        assert!(!shown.contains("server"), "{shown}");
        assert_eq!(states.open(&own, &shown, now).as_deref(), Ok(STATE));
        let prompt = Access { method: Method::PromptsGet, target: Target::Prompt("ask".to_owned()), ..call("ask") };
        for other in [
            bond("eve", "http://gw/mcp/a", &call("ask")),
            bond("ada", "http://gw/mcp/b", &call("ask")),
            bond("ada", "http://gw/mcp/a", &call("delete")),
            bond("ada", "http://gw/mcp/a", &prompt),
        ] {
            assert_eq!(states.open(&other, &shown, now), Err(StateError::NotGiven), "{other:?}");
        }
        assert_eq!(States::default().open(&own, &shown, now), Err(StateError::NotGiven), "another process");
    }

    #[test]
    fn a_state_opens_in_another_process_with_the_same_key() {
        let (own, now) = (bond("ada", "http://gw/mcp/a", &call("ask")), Timestamp::UNIX_EPOCH);
        let key = |byte| Key::new(Secret::new(vec![byte; 32])).unwrap();
        let shown = States::sealed_by(key(7)).seal(&own, "s1", now).unwrap();
        assert_eq!(States::sealed_by(key(7)).open(&own, &shown, now).as_deref(), Ok("s1"));
        assert_eq!(States::sealed_by(key(8)).open(&own, &shown, now), Err(StateError::NotGiven));
    }

    #[test]
    fn a_state_that_was_changed_or_made_up_does_not_open() {
        let (states, now) = (States::default(), Timestamp::UNIX_EPOCH);
        let own = bond("ada", "r", &call("ask"));
        let shown = states.seal(&own, STATE, now).unwrap();
        for made_up in [
            "",
            STATE,
            "yett1.",
            &format!("{shown}-TAMPERED"),
            &format!("{shown}A"),
            // Whatever its last character is; some are no letter and no digit.
            shown.strip_suffix(|_: char| true).unwrap(),
            shown.trim_start_matches('y'),
        ] {
            assert_eq!(states.open(&own, made_up, now), Err(StateError::NotGiven), "{made_up}");
        }
    }

    #[test]
    fn a_state_is_good_for_an_hour() {
        let (states, given) = (States::default(), Timestamp::UNIX_EPOCH);
        let own = bond("ada", "r", &call("ask"));
        let shown = states.seal(&own, STATE, given).unwrap();
        assert!(states.open(&own, &shown, given + LIFE).is_ok());
        assert_eq!(states.open(&own, &shown, given + LIFE + SignedDuration::from_secs(1)), Err(StateError::NotGiven));
        assert_eq!(states.open(&own, &shown, given - SignedDuration::from_mins(2)), Err(StateError::NotGiven), "from the future");
    }
}
