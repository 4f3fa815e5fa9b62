//! What the gateway changes although the policy allows everything. Whatever is not named here has to arrive as it was sent.

use serde_json::Value;

/// One thing that is not as direct.
struct Difference {
    name: &'static str,
    /// Turns what was seen directly into what is seen through the gateway; whether there was something to turn.
    apply: fn(&mut Value) -> bool,
}

const DECLARED: [Difference; 3] = [
    // Lists, discovery and contents depend on the caller: a cache must not serve one's to another (MCP 2026-07-28, "Caching").
    Difference { name: "cacheScope is private", apply: |value| edit_members(value, private_scope) },
    // Another policy changes what is shown of any list, and then the gateway tells its client (docs/operations.md, "list_changed").
    Difference { name: "every list can change", apply: |value| edit_members(value, lists_change) },
    // Without a `dlp:` section secrets are masked in replies (DESIGN.md section 4).
    Difference { name: "secrets are masked", apply: |value| edit_members(value, masked_secret) },
];

/// What is expected through the gateway, and which differences that took.
pub(crate) fn through_gateway(direct: &[Value]) -> (Vec<Value>, Vec<&'static str>) {
    let mut expected = Value::Array(direct.to_vec());
    let applied = DECLARED.iter().filter(|difference| (difference.apply)(&mut expected)).map(|difference| difference.name);
    let applied = applied.collect();
    (expected.as_array().unwrap().clone(), applied)
}

/// Fails with the first place where two transcripts differ.
pub(super) fn assert_same(who: &str, expected: &[Value], got: &[Value]) {
    if let Some(difference) = first_different_step(expected, got) {
        panic!("{who}, {difference}");
    }
}

/// The first step in which two transcripts differ, and where.
pub(crate) fn first_different_step(expected: &[Value], got: &[Value]) -> Option<String> {
    for (index, expected) in expected.iter().enumerate() {
        let got = got.get(index).unwrap_or(&Value::Null);
        if let Some(difference) = first_difference(expected, got, "") {
            return Some(format!("step {index} ({}): {difference}\nthe step through the gateway: {got:#}", expected["step"]));
        }
    }
    let more = got.get(expected.len())?;
    Some(format!("{} steps instead of {}; one too many: {more:#}", got.len(), expected.len()))
}

fn first_difference(expected: &Value, got: &Value, place: &str) -> Option<String> {
    match (expected, got) {
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => one
            .iter()
            .zip(other)
            .enumerate()
            .find_map(|(index, (one, other))| first_difference(one, other, &format!("{place}/{index}"))),
        (Value::Object(one), Value::Object(other)) if one.keys().eq(other.keys()) => {
            one.iter().find_map(|(key, one)| first_difference(one, &other[key], &format!("{place}/{key}")))
        }
        _ if expected == got => None,
        _ => Some(format!("at `{place}` expected {expected}, got {got}")),
    }
}

/// Applies `edit` to every member of every object; whether any was changed.
pub(super) fn edit_members(value: &mut Value, edit: impl Fn(&str, &mut Value) -> bool + Copy) -> bool {
    let mut changed = false;
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| changed |= edit_members(item, edit)),
        Value::Object(members) => {
            for (key, value) in members {
                changed |= edit(key, value);
                changed |= edit_members(value, edit);
            }
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {}
    }
    changed
}

fn private_scope(key: &str, value: &mut Value) -> bool {
    let shared = key == "cacheScope" && *value == "public";
    if shared {
        *value = "private".into();
    }
    shared
}

fn lists_change(key: &str, value: &mut Value) -> bool {
    let mut changed = false;
    for list in ["prompts", "resources", "tools"].into_iter().filter(|_| key == "capabilities") {
        if let Some(offer) = value.get_mut(list).and_then(Value::as_object_mut) {
            changed |= offer.insert("listChanged".to_owned(), true.into()) != Some(true.into());
        }
    }
    changed
}

/// The one secret that the fixture gives away.
fn masked_secret(_key: &str, value: &mut Value) -> bool {
    replace_in(value, &[("AKIAIOSFODNN7EXAMPLE", "[secret]")])
}

/// Replaces parts of a text; whether there were any.
pub(super) fn replace_in(value: &mut Value, replacements: &[(&str, &str)]) -> bool {
    let Some(text) = value.as_str() else {
        return false;
    };
    let replaced = replacements.iter().fold(text.to_owned(), |text, (old, new)| text.replace(old, new));
    let changed = replaced != text;
    *value = replaced.into();
    changed
}
