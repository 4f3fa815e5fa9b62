//! Forms that ask for what nobody should type into a form: passwords, keys, tokens, PINs, numbers of cards and of social security. Pure.
//!
//! MCP forbids it ("Elicitation": servers MUST NOT request sensitive information in form mode), and a client cannot tell an honest server
//! from one that was taken over. A field counts by its name, title, description or format, if a text can be typed into it; the message
//! counts where it asks for such a thing, and there is a field for the answer. What is asked with a choice of answers, or yes or no, is
//! no secret.
//!
//! Misses: what is paraphrased ("what you sign in with"), languages that are not in [`words`].

mod words;

#[cfg(test)]
mod tests;

use words::{are_known, as_label, as_prose};

use crate::protocol::json::{Kind, Value};
use crate::scan::injection::Effort;

/// What stands for a field whose name may say too much.
const LONGEST_NAME: usize = 48;
const MOST_DIGITS: usize = 2;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The field, by its name if that is made of plain words, else by its number; `message` for the text over the form.
    pub(super) field: String,
    /// A word for it.
    pub(super) what: &'static str,
}

/// What of it a form asks for, by the parameters of an `elicitation/create`. `None` for an honest form.
///
/// A form that is too much to read is taken for one that asks.
pub(super) fn secret_asked(params: Value<'_>) -> Option<Asked> {
    let mut effort = Effort::default();
    let mut look = |text: Option<Value<'_>>, is_prose: bool| {
        let text = text.and_then(Value::as_str)?;
        let mut found = None;
        let complete = effort.readings(text, &mut |reading| {
            found = found.or_else(|| if is_prose { as_prose(reading) } else { as_label(reading) });
        });
        found.or((!complete).then_some("unread"))
    };
    let (mut fields, mut has_room) = (0, false);
    let mut open: Vec<Value<'_>> = params.get("requestedSchema").into_iter().collect();
    while let Some(schema) = open.pop() {
        for (name, field) in schema.get("properties").into_iter().flat_map(Value::members) {
            fields += 1;
            if !takes_text(field) {
                continue;
            }
            has_room = true;
            let is_password =
                field.get("format").and_then(Value::as_str).is_some_and(|format| format.eq_ignore_ascii_case("password"));
            let found = look(Some(name), false)
                .or_else(|| look(field.get("title"), false))
                .or_else(|| look(field.get("description"), true))
                .or(is_password.then_some("password"));
            if let Some(what) = found {
                return Some(Asked { field: shown(name, fields), what });
            }
        }
        // Fields may stand in others, though MCP has none that do; whatever else a client draws is drawn from here.
        open.extend(schema.members().map(|(_, value)| value).chain(schema.items()));
    }
    if fields > 0 && !has_room {
        return None;
    }
    let schema = params.get("requestedSchema");
    let about = |key| schema.and_then(|schema| schema.get(key));
    let found =
        look(params.get("message"), true).or_else(|| look(about("title"), true)).or_else(|| look(about("description"), true));
    found.map(|what| Asked { field: "message".to_owned(), what })
}

/// Whether whoever fills it in can write what they like.
fn takes_text(field: Value<'_>) -> bool {
    let is_choice = |schema: Value<'_>| {
        let consts = |key| schema.get(key).filter(|list: &Value<'_>| list.items().next().is_some());
        let all_const = |list: Value<'_>| list.items().all(|item| item.get("const").is_some());
        schema.get("enum").is_some_and(|list| list.kind() == Kind::Array)
            || schema.get("const").is_some()
            || consts("oneOf").is_some_and(all_const)
            || consts("anyOf").is_some_and(all_const)
    };
    let kind = field.get("type").and_then(Value::as_str);
    kind != Some("boolean") && !is_choice(field) && !(kind == Some("array") && field.get("items").is_some_and(is_choice))
}

/// A name as it may stand in a record.
///
/// SECURITY: a server chooses it, and could write there what a record must not hold. So only words that are known are told, and a digit or two behind
/// them.
fn shown(name: Value<'_>, number: usize) -> String {
    let name = name.as_str().unwrap_or_default();
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let ends_in_digits = name.trim_end_matches(|letter: char| letter.is_ascii_digit()).len() + digits == name.len();
    let is_plain = !name.is_empty() && name.len() <= LONGEST_NAME && digits <= MOST_DIGITS && ends_in_digits;
    let words = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    if is_plain && are_known(words) { name.to_owned() } else { format!("#{number}") }
}
