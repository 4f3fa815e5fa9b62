//! The MCP clients in front of the gateway.

use std::fmt;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::parts;
use super::process::Running;

/// An official SDK and what it is told to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client {
    sdk: Sdk,
    era: Era,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sdk {
    Python,
    TypeScript,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Era {
    /// `initialize`, sessions.
    Legacy,
    /// 2026-07-28 and nothing else.
    Modern,
    /// Probes for the one, falls back to the other.
    Auto,
}

/// Python SDK 2.x.
pub(super) const PYTHON_LEGACY: Client = Client { sdk: Sdk::Python, era: Era::Legacy };
pub(super) const PYTHON_MODERN: Client = Client { sdk: Sdk::Python, era: Era::Modern };
pub(super) const PYTHON_AUTO: Client = Client { sdk: Sdk::Python, era: Era::Auto };
/// TypeScript SDK v1.
pub(super) const TYPESCRIPT_LEGACY: Client = Client { sdk: Sdk::TypeScript, era: Era::Legacy };
/// TypeScript SDK v2.
pub(super) const TYPESCRIPT_MODERN: Client = Client { sdk: Sdk::TypeScript, era: Era::Modern };
pub(super) const TYPESCRIPT_AUTO: Client = Client { sdk: Sdk::TypeScript, era: Era::Auto };

impl Client {
    /// Begins a scenario. Direct means without a token; `more` are further arguments.
    pub(super) fn begin(self, url: &str, bearer: Option<&str>, scenario: &str, more: &[&str]) -> Walk {
        let mut command = self.command(url, bearer, scenario, more);
        Walk(Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped())))
    }

    /// Takes a scenario to its end.
    pub(super) fn walk(self, url: &str, bearer: Option<&str>, scenario: &str, more: &[&str]) -> Vec<Value> {
        self.begin(url, bearer, scenario, more).finish().0
    }

    /// Begins a scenario as a process of its own, to be killed in the middle.
    pub(super) fn begin_to_be_killed(self, url: &str, bearer: &str, scenario: &str, more: &[&str]) -> Running {
        Running::start(self.command(url, Some(bearer), scenario, more).stdout(Stdio::null()))
    }

    /// Whether it speaks a revision that has sessions.
    pub(super) fn has_session(self) -> bool {
        self.era == Era::Legacy
    }

    fn command(self, url: &str, bearer: Option<&str>, scenario: &str, more: &[&str]) -> Command {
        let mut command = match self.sdk {
            Sdk::Python => parts::python("client.py"),
            Sdk::TypeScript => parts::node("client.mjs"),
        };
        let era = match self.era {
            Era::Auto => "auto",
            Era::Legacy => "legacy",
            Era::Modern => "modern",
        };
        command.args([url, "--scenario", scenario, "--era", era]).args(more);
        bearer.map(|token| command.args(["--bearer", token]));
        command
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.sdk, self.era)
    }
}

/// A scenario under way.
pub(super) struct Walk(Running);

impl Walk {
    /// What the client saw, step by step, and what it said on standard error.
    pub(super) fn finish(self) -> (Vec<Value>, String) {
        let (status, said, complaints) = self.0.finish();
        assert!(status.success(), "the client ended with {status}:\n{complaints}\n{said}");
        let transcript = serde_json::from_str(&said);
        (transcript.unwrap_or_else(|error| panic!("no transcript ({error}):\n{complaints}\n{said}")), complaints)
    }
}

/// The step of that name.
pub(super) fn step<'a>(transcript: &'a [Value], name: &str) -> &'a Value {
    let found = transcript.iter().find(|step| step["step"] == name);
    found.unwrap_or_else(|| panic!("there is no step `{name}` in:\n{}", pretty(transcript)))
}

/// For people.
pub(super) fn pretty(transcript: &[Value]) -> String {
    serde_json::to_string_pretty(transcript).unwrap()
}
