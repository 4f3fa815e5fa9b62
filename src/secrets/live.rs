//! The handle by which a setting's secret is used: its value may be another one tomorrow.

use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwapOption, Guard};
use jiff::Timestamp;

use super::reference::Template;
use crate::secret::Secret;

/// A secret as it is now. Clones are the same handle.
#[derive(Clone)]
pub struct Live(Arc<Slot>);

struct Slot {
    setting: String,
    /// `None` for one that stands in the configuration itself, which changes with it.
    source: Option<Template>,
    form: Form,
    version: ArcSwapOption<Version>,
}

/// What a secret must look like to be used where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// At least so many visible ASCII characters, without a space: what goes into a header as it is.
    Token {
        /// The least.
        least: usize,
    },
    /// One line of visible ASCII and spaces, not empty: what may stand in a header.
    Line,
    /// Any text without control characters, at least one character.
    Text,
    /// Any text without NUL, empty too.
    Variable,
}

/// One value of a secret.
#[derive(Debug)]
pub struct Version {
    /// The value.
    pub secret: Secret<String>,
    /// Counts values: whoever makes something of one makes it anew when this has changed.
    pub generation: u64,
    /// When it was made, as far as anybody knows.
    pub made: Option<Timestamp>,
}

/// There is no value that may be used: none was read yet, or the last one for too long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret of the configuration is missing: its provider has failed for too long")]
pub struct Withdrawn;

impl Form {
    /// Why `text` is not of this form, in words that follow "the secret".
    pub fn check(self, text: &str) -> Result<(), &'static str> {
        match self {
            Self::Token { least } if text.len() < least => Err("is too short"),
            Self::Token { .. } if !text.bytes().all(|b| b.is_ascii_graphic()) => {
                Err("holds a space, a line break or a character beyond ASCII")
            }
            Self::Line if !text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) => {
                Err("holds a line break or a character beyond ASCII")
            }
            Self::Line | Self::Text if text.is_empty() => Err("is empty"),
            Self::Text if text.contains(char::is_control) => Err("holds a control character"),
            Self::Variable if text.contains('\0') => Err("holds a NUL byte"),
            Self::Token { .. } | Self::Line | Self::Text | Self::Variable => Ok(()),
        }
    }
}

impl Live {
    /// A value that changes with the configuration alone.
    pub fn fixed(setting: &str, form: Form, text: String) -> Self {
        let live = Self::empty(setting, form, None);
        live.publish(Secret::new(text), None);
        live
    }

    /// One that is read from where `source` refers to.
    pub fn referring(setting: &str, form: Form, source: Template) -> Self {
        Self::empty(setting, form, Some(source))
    }

    fn empty(setting: &str, form: Form, source: Option<Template>) -> Self {
        Self(Arc::new(Slot { setting: setting.to_owned(), source, form, version: ArcSwapOption::empty() }))
    }

    /// The value to use now.
    pub fn current(&self) -> Result<Arc<Version>, Withdrawn> {
        self.0.version.load_full().ok_or(Withdrawn)
    }

    /// [`Self::current`] for the hot path: nothing is counted.
    pub fn peek(&self) -> Guard<Option<Arc<Version>>> {
        self.0.version.load()
    }

    /// The setting whose value it is: `servers.crm.auth.bearer`.
    pub fn setting(&self) -> &str {
        &self.0.setting
    }

    /// Where it is read from.
    pub fn source(&self) -> Option<&Template> {
        self.0.source.as_ref()
    }

    /// What it must look like.
    pub fn form(&self) -> Form {
        self.0.form
    }

    /// Puts a value in force. Whether it is another one than before; none was there before is no change.
    pub(crate) fn publish(&self, secret: Secret<String>, made: Option<Timestamp>) -> bool {
        let before = self.0.version.load_full();
        let same = before.as_ref().is_some_and(|before| before.secret.expose() == secret.expose());
        let generation = before.as_ref().map_or(1, |before| before.generation + u64::from(!same));
        // Also when it is the same: where it comes from may have said when it was made only now.
        self.0.version.store(Some(Arc::new(Version { secret, generation, made })));
        before.is_some() && !same
    }

    /// Takes the value away.
    pub(super) fn withdraw(&self) -> bool {
        self.0.version.swap(None).is_some()
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Live").field(&self.0.setting).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_value_is_seen_by_every_clone_and_counted_as_another_generation() {
        let live = Live::fixed("servers.crm.auth.bearer", Form::Text, "one".to_owned());
        let other = live.clone();
        assert!(!live.publish(Secret::new("one".to_owned()), None));
        assert_eq!(other.current().unwrap().generation, 1);
        assert!(live.publish(Secret::new("two".to_owned()), None));
        let now = other.current().unwrap();
        assert_eq!((now.secret.expose().as_str(), now.generation), ("two", 2));
        assert!(live.withdraw());
        assert_eq!(other.current().unwrap_err(), Withdrawn);
    }

    #[test]
    fn nothing_of_a_value_is_shown() {
        let live = Live::fixed("a.b", Form::Text, "hunter2".to_owned());
        assert_eq!(format!("{live:?} {:?}", live.current().unwrap().secret), r#"Live("a.b") ***"#);
    }

    #[test]
    fn a_form_refuses_what_could_not_be_sent() {
        let token = Form::Token { least: 4 };
        assert!(token.check("abcd").is_ok());
        for (form, bad) in [
            (token, "abc"),
            (token, "ab cd"),
            (token, "abcd\n"),
            (Form::Line, "é"),
            (Form::Line, ""),
            (Form::Text, ""),
            (Form::Text, "a\r\nb"),
            (Form::Variable, "\0"),
        ] {
            assert!(form.check(bad).is_err(), "{form:?} {bad:?}");
        }
    }
}
