//! What edits make of a message, alone and together.

use super::*;

#[test]
fn no_edits_give_the_same_buffer() {
    let document = document(r#" { "a" : 1.10 } "#);
    assert_eq!(Edits::default().apply(&document).as_ptr(), document.bytes().as_ptr());
}

#[test]
fn a_text_edit_changes_the_bytes_of_its_range_only() {
    let cases = [
        (r#"["call 4111 now"]"#, 5..9, "***", r#"["call *** now"]"#),
        (r#"["\u0063all\n4111 \ud83d\ude00"]"#, 5..9, "#", r#"["\u0063all\n# \ud83d\ude00"]"#),
        (r#"["a\nb"]"#, 1..2, "\n\"\\\u{1}", r#"["a\n\"\\\u0001b"]"#),
        // A cut character or pair goes whole.
        (r#"["x\ud83d\ude00y"]"#, 2..3, "", r#"["xy"]"#),
        ("[\"x😀y\"]", 3..4, "-", "[\"x-y\"]"),
        (r#"["\u00e9\u00e9"]"#, 1..2, "e", r#"["e\u00e9"]"#),
        // Whole, empty, beyond the end.
        (r#"["abc"]"#, 0..3, "", r#"[""]"#),
        (r#"["abc"]"#, 1..1, "-", r#"["a-bc"]"#),
        (r#"["abc"]"#, 3..3, "!", r#"["abc!"]"#),
        (r#"["a\tc"]"#, 2..99, "!", r#"["a\t!"]"#),
        (r#"["abc"]"#, 99..100, "!", r#"["abc!"]"#),
        // What is not a string becomes one.
        ("[4111111111111111]", 0..12, "****", r#"["****1111"]"#),
        ("[-1.5e3]", 0..7, "[number]", r#"["[number]"]"#),
        ("[true]", 0..4, "\"", r#"["\""]"#),
        ("[[1,2]]", 0..1, "gone", r#"["gone"]"#),
    ];
    for (text, range, replacement, expected) in cases {
        let result = edited(text, |document, edits| {
            edits.replace_text(document, NodeId(1), range.clone(), replacement);
        });
        assert_eq!(result, expected, "{text} {range:?}");
    }
}

#[test]
fn text_edits_that_overlap_become_one_and_others_stay_apart() {
    let orders = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]];
    let list = [(0..3, "A"), (2..5, "B"), (5..6, "C"), (8..9, "D")];
    for order in orders {
        let result = edited(r#"["01\u00323456789"]"#, |document, edits| {
            for index in order {
                let (range, replacement) = list[index].clone();
                edits.replace_text(document, NodeId(1), range.clone(), replacement);
                edits.replace_text(document, NodeId(1), range, replacement);
            }
        });
        assert_eq!(result, r#"["ABC67D9"]"#);
    }
}

#[test]
fn keys_are_edited_like_strings_and_a_collision_is_told() {
    let text = r#"{"a@x.com":1,"b@x.com":2}"#;
    let result = edited(text, |document, edits| {
        edits.replace_text(document, NodeId(1), 0..7, "[email]");
    });
    assert_eq!(result, r#"{"[email]":1,"b@x.com":2}"#);

    let document = document(text);
    let mut edits = Edits::default();
    edits.replace_text(&document, NodeId(1), 0..7, "[email]");
    assert!(!edits.would_duplicate(&document));
    edits.replace_text(&document, NodeId(3), 0..7, "[email]");
    assert!(edits.would_duplicate(&document));
    assert!(matches!(parse(edits.apply(&document)), Err(ParseError::DuplicateKey { .. })));
    edits.retain(&document, NodeId(0), |value| value.as_i64() == Some(1));
    assert!(!edits.would_duplicate(&document));

    let result = edited(r#"{"a":1}"#, |document, edits| {
        edits.replace(document, NodeId(1), RawJson::integer(7));
    });
    assert_eq!(result, r#"{"7":1}"#);
}

#[test]
fn removed_elements_take_their_commas_along() {
    let cases = [
        ("[0,1,2]", "[0]", "[1,2]"),
        ("[0,1,2]", "[1]", "[0,2]"),
        ("[0,1,2]", "[2]", "[0,1]"),
        ("[0,1,2]", "[0,1]", "[2]"),
        ("[0,1,2]", "[1,2]", "[0]"),
        ("[0,1,2]", "[0,2]", "[1]"),
        ("[0,1,2]", "[0,1,2]", "[]"),
        ("[ 0 , 1 , 2 ]", "[0]", "[ 1 , 2 ]"),
        ("[ 0 , 1 , 2 ]", "[1]", "[ 0 , 2 ]"),
        ("[ 0 , 1 , 2 ]", "[2]", "[ 0 , 1 ]"),
        ("[ 0 , 1 , 2 ]", "[0,1,2]", "[  ]"),
        ("[0,[1,2],3,4,5]", "[0,4,5]", "[[1,2],3]"),
        (r#"{"a":0,"b":1,"c":2}"#, "[0,2]", r#"{"b":1}"#),
        (r#"{ "a" : 0, "b" : 1 }"#, "[0]", r#"{ "b" : 1 }"#),
        (r#"{ "a" : 0, "b" : 1 }"#, "[1]", r#"{ "a" : 0 }"#),
        (r#"{"a":0}"#, "[0]", "{}"),
        ("[]", "[0]", "[]"),
        ("7", "[0]", "7"),
    ];
    for (text, unwanted, expected) in cases {
        let unwanted = document(unwanted);
        let unwanted: Vec<Option<i64>> = unwanted.root().items().map(Value::as_i64).collect();
        let keep = |value: Value<'_>| value.as_i64().is_none() || !unwanted.contains(&value.as_i64());
        let result = edited(text, |document, edits| edits.retain(document, NodeId(0), keep));
        assert_eq!(result, expected, "{text}");
        // One call for each element gives the same as one call for all.
        let result = edited(text, |document, edits| {
            for one in unwanted.iter().rev() {
                edits.retain(document, NodeId(0), |value| value.as_i64().is_none() || value.as_i64() != *one);
            }
        });
        assert_eq!(result, expected, "{text}, one by one");
    }
    let by_key = edited(r#"{"_x":1,"y":2}"#, |document, edits| {
        edits.retain(document, NodeId(0), |value| !value.key().and_then(Value::as_str).unwrap().starts_with('_'));
    });
    assert_eq!(by_key, r#"{"y":2}"#);
}

#[test]
fn members_are_set_in_place_or_before_the_others() {
    let set = |text: &str, members: &[(&str, i64)]| {
        edited(text, |document, edits| {
            for (key, value) in members {
                edits.set_member(document, NodeId(0), key, RawJson::integer(*value));
            }
        })
    };
    assert_eq!(set(r#"{"a":1}"#, &[("a", 2)]), r#"{"a":2}"#);
    assert_eq!(set(r#"{"\u0061":"x"}"#, &[("a", 2)]), r#"{"\u0061":2}"#);
    assert_eq!(set(r#"{"a":1}"#, &[("b", 2)]), r#"{"b":2,"a":1}"#);
    assert_eq!(set(r#"{ "a":1}"#, &[("c", 3), ("b", 2)]), r#"{"b":2,"c":3, "a":1}"#);
    assert_eq!(set("{}", &[("b", 2)]), r#"{"b":2}"#);
    assert_eq!(set("{ }", &[("b", 2), ("c", 3)]), r#"{"b":2,"c":3 }"#);
    assert_eq!(set("{}", &[("b", 2), ("b", 3)]), r#"{"b":3}"#);
    assert_eq!(set(r#"{"a":1}"#, &[("a", 2), ("a", 3)]), r#"{"a":3}"#);
    assert_eq!(set("{}", &[("\"\n", 1)]), r#"{"\"\n":1}"#);

    let all_gone = edited(r#"{"a":1,"b":2}"#, |document, edits| {
        edits.set_member(document, NodeId(0), "c", RawJson::null());
        edits.retain(document, NodeId(0), |_| false);
    });
    assert_eq!(all_gone, r#"{"c":null}"#);
}

type Step = fn(&Document, &mut Edits);

#[test]
fn an_outer_edit_takes_the_inner_ones_with_it_whatever_the_order() {
    let text = r#"{"list":[1,{"deep":["x"]},2],"n":3}"#;
    let steps: [Step; 5] = [
        |document, edits| edits.replace_text(document, NodeId(7), 0..1, "inner"),
        |document, edits| edits.set_member(document, NodeId(4), "new", RawJson::null()),
        |document, edits| edits.retain(document, at(document, &["list"]), |value| value.kind() != Kind::Object),
        |document, edits| edits.replace_text(document, at(document, &["n"]), 0..1, "four"),
        |document, edits| edits.replace(document, at(document, &["n"]), RawJson::boolean(true)),
    ];
    for first in 0..steps.len() {
        let result = edited(text, |document, edits| {
            (0..steps.len()).for_each(|step| steps[(first + step) % steps.len()](document, edits));
        });
        assert_eq!(result, r#"{"list":[1,2],"n":true}"#);
    }
    let replaced = edited(text, |document, edits| {
        for step in &steps[..3] {
            step(document, edits);
        }
        edits.replace(document, at(document, &["list"]), RawJson::parse(r#"[{"a":1.50}]"#, Limits::default()).unwrap());
    });
    assert_eq!(replaced, r#"{"list":[{"a":1.50}],"n":3}"#);
    let root = edited(text, |document, edits| {
        for step in &steps {
            step(document, edits);
        }
        edits.replace(document, NodeId(0), RawJson::from(document.root().get("list").unwrap()));
    });
    assert_eq!(root, r#"[1,{"deep":["x"]},2]"#);
}

#[test]
fn thousands_of_edits_of_one_escaped_string_take_linear_time() {
    let text = format!(r#"["{}"]"#, r"\u0034\n".repeat(20_000));
    let result = edited(&text, |document, edits| {
        (0..20_000).rev().for_each(|index| edits.replace_text(document, NodeId(1), index * 2..index * 2 + 1, "*"));
    });
    assert_eq!(result, format!(r#"["{}"]"#, r"*\n".repeat(20_000)));
}
