//! One row of a table: a kind of rule, and a call that shows it.

use serde_json::{Value, json};
use yett::policy::Effect;

/// A kind of rule -> caller -> step -> what is expected.
#[derive(Debug)]
pub(super) struct Row {
    /// The key of the configuration that is shown, as docs/configuration.md writes it.
    pub(super) kind: &'static str,
    pub(super) caller: &'static str,
    pub(super) step: Step,
    pub(super) seen: Seen,
    /// The role or rule that decides, as records name it; empty where none does.
    pub(super) by: &'static str,
}

/// What the client is told to do. Targets are written as in `tests:` of a policy, arguments as JSON.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// `desk/echo`
    Call(&'static str, &'static str),
    /// `desk/greet`
    Get(&'static str, &'static str),
    /// `desk`, `file:///reports/q1.txt`
    Read(&'static str, &'static str),
    /// `desk`, `vendor/ping`
    Method(&'static str, &'static str),
    /// `desk`: its tools are listed.
    Tools(&'static str),
    /// `desk`: its prompts are.
    Prompts(&'static str),
    /// `desk`: its resources are.
    Resources(&'static str),
}

/// What the client sees.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seen {
    /// The server's answer.
    Passes,
    /// The server's answer; what this rule in shadow would have done is on record.
    PassesBeside(&'static str),
    /// The server's answer, after its question to the user.
    AsksFirst,
    /// No answer, since the server's question does not reach the user.
    AsksInVain,
    /// The server's own error of a method that it does not have: the gateway has let it through.
    ReachesServer,
    /// -32602: there is no such tool, prompt or resource.
    Unknown,
    /// -32601: there is no such method. The server hears nothing of it.
    NoMethod,
    /// -31403, with this reason or with none.
    Refused(Option<&'static str>),
    /// -31403 and 403: the token lacks the scope `desk.slow`.
    LacksScope,
    /// A result for the model that says what would be accepted.
    Told(&'static str),
    /// -32602 that says what would be accepted, to what is no call of a tool.
    Invalid(&'static str),
    /// These, each with what becomes of its use as long as the arguments are unknown, and nothing else.
    Lists(&'static [(&'static str, Effect)]),
    /// 404: there is no such server.
    NoServer,
    /// -31429 and 429; so much is left of the limit.
    Over(u64),
    /// Up to 2025-11-25 as `Over`; without sessions the server's answer.
    OverInSession,
    /// -31503 and 503: it has been stopped.
    Stopped,
}

/// `row("rules[].when", "lena", Call("desk/add", "{}"), Passes, "role:lead")`
pub(super) const fn row(kind: &'static str, caller: &'static str, step: Step, seen: Seen, by: &'static str) -> Row {
    Row { kind, caller, step, seen, by }
}

impl Row {
    /// Fails unless the client saw what it should.
    pub(super) fn assert_seen(&self, who: &str, has_session: bool, seen: &Value) {
        let error = &seen["error"];
        let (code, http, message) = (&error["code"], &error["http"], error["message"].as_str().unwrap_or_default());
        let (_, target) = self.step.target();
        let text = || seen["result"]["content"][0]["text"].as_str().unwrap_or_default();
        let passes = || seen["ok"] == true && seen["result"]["isError"] != true;
        let is_right = match self.seen {
            Seen::Passes | Seen::PassesBeside(_) => passes(),
            Seen::AsksFirst => passes() && !seen["asked"].is_null(),
            Seen::AsksInVain => !passes() && seen["asked"].is_null(),
            // The server puts the method into its error, and the gateway an id into each of its own.
            Seen::ReachesServer => *code == -32601 && error["data"] == target,
            Seen::Unknown => *code == -32602 && message == format!("Unknown {}: {target}", self.step.noun()),
            Seen::NoMethod => *code == -32601 && error["data"] == json!({ "call": "*" }),
            Seen::Refused(Some(reason)) => *code == -31403 && error["data"] == json!({ "call": "*", "reason": reason }),
            Seen::Refused(None) => *code == -31403 && error["data"] == json!({ "call": "*" }),
            // TypeScript v2 has an error of its own for the challenge.
            Seen::LacksScope => *http == 403 && (*code == -31403 || message.contains("desk.slow")),
            Seen::Told(accepted) => seen["ok"] == true && seen["result"]["isError"] == true && text() == accepted,
            Seen::Invalid(accepted) => *code == -32602 && message == accepted,
            Seen::Lists(items) => {
                let mut names: Vec<&str> = items.iter().map(|(name, _)| *name).collect();
                names.sort_unstable();
                seen["result"] == json!(names)
            }
            Seen::NoServer => *http == 404,
            Seen::OverInSession if !has_session => passes(),
            Seen::Over(_) | Seen::OverInSession => {
                let left = if let Seen::Over(left) = self.seen { left } else { 0 };
                let data = &error["data"];
                let wait = data["retry_after_ms"].as_u64();
                *code == -31429 && *http == 429 && data["remaining"] == left && wait.is_some_and(|wait| wait > 0)
            }
            Seen::Stopped => *code == -31503 && *http == 503,
        };
        assert!(is_right, "{who}, {}: expected {:?}, and the client saw {seen:#}", self.told(), self.seen);
    }

    /// For people, and unique.
    pub(super) fn told(&self) -> String {
        let (server, target) = self.step.target();
        let arguments = self.step.arguments().unwrap_or_default();
        format!("{}: {} {} {server} {target} {arguments}", self.kind, self.caller, self.step.method()).trim_end().to_owned()
    }
}

impl Step {
    /// The server and what is meant of it; nothing of a list.
    pub(super) fn target(self) -> (&'static str, &'static str) {
        match self {
            Self::Call(target, _) | Self::Get(target, _) => target.split_once('/').unwrap(),
            Self::Read(server, target) | Self::Method(server, target) => (server, target),
            Self::Tools(server) | Self::Prompts(server) | Self::Resources(server) => (server, ""),
        }
    }

    pub(super) fn method(self) -> &'static str {
        match self {
            Self::Call(..) => "tools/call",
            Self::Get(..) => "prompts/get",
            Self::Read(..) => "resources/read",
            Self::Method(_, method) => method,
            Self::Tools(_) => "tools/list",
            Self::Prompts(_) => "prompts/list",
            Self::Resources(_) => "resources/list",
        }
    }

    pub(super) fn arguments(self) -> Option<&'static str> {
        match self {
            Self::Call(_, arguments) | Self::Get(_, arguments) => Some(arguments),
            Self::Read(..) | Self::Method(..) | Self::Tools(_) | Self::Prompts(_) | Self::Resources(_) => None,
        }
    }

    /// As the clients of `tests/peers` are told it.
    pub(super) fn for_client(self) -> Value {
        let (_, target) = self.target();
        let arguments = || serde_json::from_str::<Value>(self.arguments().unwrap()).unwrap();
        let params = match self {
            Self::Call(..) | Self::Get(..) => json!({ "name": target, "arguments": arguments() }),
            Self::Read(..) => json!({ "uri": target }),
            Self::Method(..) | Self::Tools(_) | Self::Prompts(_) | Self::Resources(_) => json!({}),
        };
        json!({ "method": self.method(), "params": params })
    }

    /// What callers are told that there is none of.
    fn noun(self) -> &'static str {
        match self {
            Self::Call(..) | Self::Tools(_) => "tool",
            Self::Get(..) | Self::Prompts(_) => "prompt",
            Self::Read(..) | Self::Resources(_) => "resource",
            Self::Method(..) => "method",
        }
    }
}
