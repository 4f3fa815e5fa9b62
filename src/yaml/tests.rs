use super::*;

fn errors(text: &str) -> Vec<String> {
    let mut report = Report::new();
    let _tree = read("t.yaml", text.as_bytes(), &mut report);
    rows(&report)
}

fn rows(report: &Report) -> Vec<String> {
    let row = |found: &Diagnostic| format!("{}:{} {}", found.place.line, found.place.column, found.message);
    report.diagnostics().into_iter().map(row).collect()
}

#[test]
fn what_has_no_business_in_a_setting_is_refused_with_its_place() {
    for (text, expected) in [
        ("a: 1\nb: *a\n", "2:4 an alias stands where a value is expected"),
        ("a: [*]\n", "1:5 an alias stands where a value is expected"),
        ("a: &x 1\nb: 2\n", "1:1 an anchor stands before this value"),
        ("a: !!str 1\n", "1:1 a tag stands before this value"),
        ("when: !has(x)\n", "1:1 a tag stands before this value"),
        ("a: !x {b: 1}\n", "1:1 a tag stands before this value"),
        ("<<: {a: 1}\n", "1:1 merge keys are not read"),
        ("a: 1\n---\nb: 2\n", "2:1 a second document starts here"),
        ("a: 1\nb: 2\na: 3\n", "3:1 the key `a` is given twice"),
        ("? [a, b]\n: c\n", "1:3 a key must be text"),
        (": c\n", "1:1 a key is missing before this `:`"),
        ("", "0:0 the file is empty"),
        ("# nothing\n", "0:0 the file is empty"),
        ("a: \u{0}b\n", "1:4 the character U+0000 may not stand in a file"),
        ("a: \u{202e}b\n", "1:4 the character U+202E may not stand in a file"),
    ] {
        assert_eq!(errors(text), [expected], "{text:?}");
    }
}

#[test]
fn broken_yaml_is_one_error_with_its_place() {
    for (text, place) in
        [("a: b: c\n", "1:5"), ("a: 'b\n", "1:4"), ("a:\n\t- b\n", "2:"), ("a: {b: 1\n", "2:"), ("a: ]\n", "1:4")]
    {
        let found = errors(text);
        assert_eq!(found.len(), 1, "{text:?}: {found:?}");
        assert!(found[0].starts_with(place), "{text:?}: {found:?}");
    }
}

#[test]
fn a_mistake_at_the_end_of_a_file_without_a_newline_stands_in_the_file() {
    // Found by fuzzing: the line named was the one behind the last, and nothing of the file was shown.
    for (text, place) in [("a: 1\nvers", "2:5"), ("a: {b: 1", "1:9"), ("a:\n  - 'x", "2:5")] {
        let mut report = Report::new();
        let _tree = read("t.yaml", text.as_bytes(), &mut report);
        let [row] = &rows(&report)[..] else { panic!("{report}") };
        assert!(row.starts_with(place), "{text:?}: {row}");
        let last = text.lines().last().unwrap();
        assert!(report.to_string().contains(&format!("| {last}\n")), "{report}");
    }
}

#[test]
fn limits_hold_at_their_edges() {
    let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    assert!(errors(&nested(MAX_DEPTH)).is_empty());
    assert_eq!(errors(&nested(MAX_DEPTH + 1)), ["1:33 this is nested deeper than 32 levels"]);

    let items = |count: usize| format!("[{}]", vec!["1"; count].join(","));
    assert!(errors(&items(MAX_NODES - 1)).is_empty());
    assert_eq!(errors(&items(MAX_NODES)).len(), 1);

    let sized = |size: usize| format!("a: '{}'", "x".repeat(size - 5));
    assert!(errors(&sized(MAX_FILE_SIZE)).is_empty());
    assert_eq!(errors(&sized(MAX_FILE_SIZE + 1)), ["0:0 the file has 1048577 bytes, more than 1048576"]);
}

#[test]
fn bytes_that_are_not_utf8_are_placed() {
    let mut report = Report::new();
    assert!(read("t.yaml", b"a: 1\nb: \xff", &mut report).is_none());
    assert_eq!(rows(&report), ["2:4 the file is not UTF-8"]);
}

#[test]
fn a_byte_order_mark_is_not_part_of_the_first_key() {
    let mut report = Report::new();
    let tree = read("t.yaml", "\u{feff}a: 1\n".as_bytes(), &mut report).unwrap();
    assert!(tree.get("a").is_some());
}

#[derive(Debug)]
struct Door {
    name: String,
    width: u16,
    open: bool,
    bells: Vec<String>,
}

fn door(node: &Node, report: &mut Report) -> Option<Door> {
    const LATER: &[Later] = &[later("alarm"), later_because("lock", "use a bar")];
    let mut fields = Fields::of(node, "doors[]", report)?;
    let door_name = fields.required("name", name);
    let width = fields.optional("width", number(1..=300)).unwrap_or(100);
    let open = fields.optional("open", boolean).unwrap_or(false);
    let bells = fields.list("bells", text);
    let _colour = fields.optional("colour", choice(&[("red", 1), ("green", 2)], &["blue"]));
    fields.finish(LATER);
    Some(Door { name: door_name?, width, open, bells })
}

fn read_door(text: &str) -> (Option<Door>, Report) {
    let mut report = Report::new();
    let tree = read("doors.yaml", text.as_bytes(), &mut report).unwrap();
    (door(&tree, &mut report), report)
}

#[test]
fn a_mapping_without_mistakes_is_read() {
    let (found, report) = read_door("name: front\nwidth: 90\nopen: true\nbells: [left, '7', true]\n");
    let found = found.unwrap();
    assert_eq!((found.name.as_str(), found.width, found.open), ("front", 90, true));
    assert_eq!(found.bells, ["left", "7", "true"]);
    assert!(report.is_empty());
}

#[test]
fn all_mistakes_of_a_mapping_come_out_at_once() {
    let (found, report) =
        read_door("nmae: front\nwidth: +5\nopen: yes\nbells: []\nalarm: loud\nlock: [a]\ncolour: blue\nwidht: 3\ncolor: red\n");
    assert!(found.is_none());
    assert_eq!(
        rows(&report),
        [
            "1:1 the key `name` is missing in `doors[]`",
            "1:1 unknown key `nmae` in `doors[]`",
            "2:8 `+5` is not a whole number in range",
            "3:7 `yes` is neither `true` nor `false`",
            "4:8 `bells` is empty",
            "5:1 `alarm` is not enforced by this build yet",
            "6:1 `lock` is not enforced by this build yet",
            "7:9 `blue` is not enforced by this build yet",
            "8:1 unknown key `widht` in `doors[]`",
            "9:1 unknown key `color` in `doors[]`",
        ]
    );
    let hints: Vec<_> = report.diagnostics().into_iter().filter_map(|found| found.hint.clone()).collect();
    assert!(hints.contains(&"did you mean `width`?".to_owned()), "{hints:?}");
    assert!(hints.contains(&"did you mean `colour`?".to_owned()), "{hints:?}");
}

#[test]
fn null_and_wrong_kinds_are_named_as_what_they_are() {
    for (text, expected) in [
        ("name:\n", "1:1 `name` has no value"),
        ("name: ~\n", "1:1 `name` has no value"),
        ("name: [a]\n", "1:7 expected a single value, found a list"),
        ("name: a\nbells: x\n", "2:8 expected a list, found a single value"),
        ("name: a\nbells:\n  b: x\n", "2:1 expected a list, found a mapping"),
        ("name: a\nbells: [x, null]\n", "2:12 a value is missing here"),
        ("name: a\nbells: ['']\n", "2:9 this text is empty"),
        ("- name\n", "1:1 expected a mapping, found a list"),
    ] {
        let (_, report) = read_door(text);
        assert_eq!(rows(&report), [expected], "{text:?}");
    }
    assert_eq!(read_door("name: 'null'\n").0.unwrap().name, "null");
}

#[test]
fn a_diagnostic_shows_its_line_and_a_caret() {
    let (_, report) = read_door("name: front\n# é\nwidht: 90 # narrow\n");
    assert_eq!(
        report.to_string(),
        "error: unknown key `widht` in `doors[]`\n  --> doors.yaml:3:1\n   |\n 3 | widht: 90 # narrow\n   | ^^^^^ did you mean `width`?\n   \
         = accepted keys: name, width, open, bells, colour\n"
    );
    assert_eq!(
        report.to_json(),
        serde_json::json!([{
            "severity": "error", "file": "doors.yaml", "line": 3, "column": 1, "message": "unknown key `widht` in `doors[]`",
            "hint": "did you mean `width`?", "note": "accepted keys: name, width, open, bells, colour",
        }])
    );
}

#[test]
fn a_concealed_value_is_starred_out_of_every_snippet() {
    let mut report = Report::new();
    let tree = read("t.yaml", b"a: {token: hunter2, x: y}\nb: |\n  hunter2\n  hunter2\n", &mut report).unwrap();
    for value in ["a", "b"] {
        tree.get(value).unwrap().conceal(&mut report);
    }
    for key in ["x", "token"] {
        let place = tree.get("a").unwrap().get(key).unwrap().place;
        report.error(place, "wrong");
    }
    report.error(tree.get("b").unwrap().place, "wrong");
    let shown = report.to_string();
    assert!(!shown.contains("hunter"), "{shown}");
    assert!(shown.contains("a: {token: *******, x: *}"), "{shown}");
    assert!(!format!("{report:?} {tree:?}").contains("hunter"));
}

#[test]
fn long_lines_are_cut_around_the_caret() {
    let mut report = Report::new();
    let text = format!("a: ['{}', !x y, '{}']\n", "ä".repeat(5000), "b".repeat(5000));
    let _tree = read("t.yaml", text.as_bytes(), &mut report);
    let shown = report.to_string();
    let caret = shown.lines().find(|line| line.contains('^')).unwrap();
    let column = caret.chars().position(|c| c == '^').unwrap();
    let line = shown.lines().find(|line| line.starts_with(" 1 |")).unwrap();
    assert!(line.chars().count() < 140 && line.chars().nth(column) == Some('y'), "{shown}");
}

#[test]
fn what_was_written_cannot_move_a_cursor() {
    assert_eq!(quoted("a\u{1b}[2Jb\nc\u{202e}"), "`a\\u{1b}[2Jb\\nc\\u{202e}`");
    assert_eq!(quoted(&"x".repeat(100)).chars().count(), 83);
}
