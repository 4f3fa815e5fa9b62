//! What a server asks of the client, read from its messages. Pure.

use crate::protocol::json::{Kind, Value};
use crate::protocol::{Asked, Message};

/// Something asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// What a policy can grant.
    Of(Asked),
    /// What no policy can grant, by a bounded word.
    Other(&'static str),
    /// Nothing but that the request be made again, with the server's state.
    State,
}

impl Question {
    /// A word for the log.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Of(asked) => asked.method(),
            Self::Other(word) => word,
            Self::State => "state",
        }
    }
}

/// What a response may be, besides the whole answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// Whether results say of what kind they are.
    pub(super) modern: bool,
    /// Whether it may be a task: the call has been taken, and its result comes later.
    pub(super) task: bool,
    /// Whether it says how a task stands, with the questions and the result of that.
    pub(super) standing: bool,
}

/// Every question of a response, in whatever part of it: none for the whole answer to what was asked.
pub(super) fn of_response(message: &Message, expected: Expected) -> Vec<Question> {
    if asks_by_error(message) {
        return vec![Question::Other("elicitation/create")];
    }
    let Some(result) = message.result() else {
        return Vec::new();
    };
    let kind = result.get("resultType").and_then(Value::as_str);
    let mut asked = of_task(result);
    if asked.is_empty() && result.get("inputRequests").is_some() {
        asked.push(Question::State);
    }
    if expected.standing {
        return asked;
    }
    match kind {
        Some("input_required") if asked.is_empty() => asked.push(Question::State),
        Some("input_required") => {}
        // SECURITY: questions in a result of another kind are questions to a lenient client.
        _ if !asked.is_empty() => asked.push(Question::Other("other")),
        Some("task") if expected.task => {}
        // A task that the client does not know what to do with, or something from the future.
        _ if expected.modern && result.get("resultType").is_some() && kind != Some("complete") => {
            asked.push(Question::Other("other"));
        }
        _ => {}
    }
    asked
}

/// Every question of a task, as a result or a notification shows it.
pub(super) fn of_task(task: Value<'_>) -> Vec<Question> {
    let mut asked: Vec<Question> = match task.get("inputRequests") {
        Some(requests) if requests.kind() == Kind::Object => requests.members().map(|(_, question)| read(question)).collect(),
        // Some reader may find something in it.
        Some(_) => vec![Question::Other("other")],
        None => Vec::new(),
    };
    // SECURITY: what it has come to is an answer; one that asks in turn is a question to a lenient client.
    let asks_in_turn = ["inputRequests", "requestState"].iter().any(|key| task.path(&["result", key]).is_some());
    if asks_in_turn || task.get("error").is_some_and(sends_to_url) {
        asked.push(Question::Other("other"));
    }
    asked
}

fn read(question: Value<'_>) -> Question {
    let method = question.get("method").and_then(Value::as_str);
    Asked::by(method, question.get("params")).map_or(Question::Other(Asked::word(method)), Question::Of)
}

/// Whether an error is a question: it sends the user to a URL. MCP 2025-11-25, "URL Elicitation Required Error".
fn asks_by_error(message: &Message) -> bool {
    message.error().is_some_and(sends_to_url)
}

fn sends_to_url(error: Value<'_>) -> bool {
    const URL_ELICITATION_REQUIRED: i64 = -32042;
    error.get("code").and_then(Value::as_i64) == Some(URL_ELICITATION_REQUIRED) || error.path(&["data", "elicitations"]).is_some()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::Side;
    use crate::protocol::json::Limits;

    const CALL: Expected = Expected { modern: true, task: false, standing: false };

    fn asked_in(result: &str, expected: Expected) -> Vec<Question> {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,{result}}}"#);
        let message = Message::parse(Bytes::from(text), Limits::default(), Side::Server).unwrap();
        of_response(&message, expected)
    }

    fn asked(result: &str) -> Vec<&'static str> {
        asked_in(result, CALL).into_iter().map(Question::word).collect()
    }

    #[test]
    fn the_whole_answer_asks_nothing() {
        for result in [r#""result":{}"#, r#""result":{"resultType":"complete"}"#, r#""error":{"code":-32602,"message":"no"}"#] {
            assert!(asked(result).is_empty(), "{result}");
        }
    }

    #[test]
    fn every_question_of_a_result_is_seen() {
        let result = r#""result":{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"},
            "b":{"method":"sampling/createMessage","params":{}},"c":{"method":"elicitation/create","params":{"mode":"form"}}}}"#;
        assert_eq!(asked(result), ["roots/list", "sampling/createMessage", "elicitation/create"]);
        assert_eq!(asked(r#""result":{"resultType":"input_required","requestState":"x"}"#), ["state"]);
        assert_eq!(asked(r#""result":{"resultType":"input_required","inputRequests":{}}"#), ["state"]);
    }

    #[test]
    fn what_no_policy_can_grant_is_told_apart() {
        let one = |question: &str| format!(r#""result":{{"resultType":"input_required","inputRequests":{{"a":{question}}}}}"#);
        let of = |text: &str| asked_in(text, CALL);
        for question in
            [r#"{"method":"elicitation/create","params":{"mode":"url"}}"#, r#"{"method":"tools/call"}"#, r#"{"method":1}"#, "7"]
        {
            assert!(matches!(of(&one(question))[..], [Question::Other(_)]), "{question}");
        }
        for result in [
            r#""result":{"inputRequests":{"a":{"method":"roots/list"}}}"#,
            r#""result":{"resultType":"complete","inputRequests":{"a":{"method":"roots/list"}}}"#,
            r#""result":{"resultType":"input_required","inputRequests":[{"method":"roots/list"}]}"#,
            r#""result":{"resultType":"task"}"#,
            r#""result":{"resultType":7}"#,
            r#""error":{"code":-32042,"message":"go there"}"#,
            r#""error":{"code":1,"message":"go there","data":{"elicitations":[]}}"#,
        ] {
            assert!(of(result).iter().any(|question| matches!(question, Question::Other(_))), "{result}");
        }
    }

    #[test]
    fn a_task_asks_while_it_lasts_and_its_result_does_not() {
        let task = r#""result":{"resultType":"task","taskId":"t"}"#;
        assert_eq!(asked_in(task, Expected { task: true, ..CALL }), []);
        assert_eq!(asked_in(task, CALL), [Question::Other("other")]);
        let standing = |members: &str| {
            let text = format!(r#""result":{{"resultType":"complete","taskId":"t",{members}}}"#);
            asked_in(&text, Expected { standing: true, ..CALL })
        };
        assert_eq!(standing(r#""status":"working""#), []);
        assert_eq!(standing(r#""inputRequests":{"a":{"method":"roots/list"}}"#), [Question::Of(Asked::Roots)]);
        assert_eq!(standing(r#""result":{"content":[],"isError":false}"#), []);
        for nested in [
            r#""result":{"inputRequests":{"a":{"method":"roots/list"}}}"#,
            r#""result":{"requestState":"s"}"#,
            r#""error":{"code":-32042,"message":"go there"}"#,
        ] {
            assert_eq!(standing(nested), [Question::Other("other")], "{nested}");
        }
    }
}
