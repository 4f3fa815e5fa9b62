use super::*;

fn digits(pattern: &str, before: usize, edges: Edges) -> Shape {
    let start = Start { bytes: vec![Bytes::of(|byte| byte.is_ascii_digit())], apart: true, before };
    Shape::new(pattern, &start, edges)
}

fn shown(bytes: &Bytes) -> String {
    let letters = (b' '..=b'~').filter(|byte| bytes.holds(*byte)).map(char::from);
    letters.chain(bytes.end.then_some('$')).collect()
}

#[test]
fn bytes_are_told_at_each_distance_and_beyond_a_match_nothing_is() {
    let shape = digits("[12][0-9]{2}-(?:x|yz)", 0, Edges::Token);
    let [one, two, three, four, five, six, seven, ..] = shape.behind.map(|bytes| shown(&bytes));
    assert_eq!([one.as_str(), &two, &three, &four, &five], ["12", "0123456789", "0123456789", "-", "xy"]);
    assert!(six.contains('z') && six.contains(' ') && six.contains('$') && !six.contains('y') && !six.contains('-'), "{six}");
    assert_eq!(shape.behind[6], Bytes::ANY, "{seven}");
    assert!(!shape.before[0].holds(b'a') && shape.before[0].holds(b'"') && shape.before[0].end && shape.before[1] == Bytes::ANY);
    assert_eq!((shape.extent.least, shape.extent.is_free), (5, true));
}

#[test]
fn what_stands_before_an_anchor_is_told_too() {
    let shape = digits("[AB]{2}[0-9]{4}", 2, Edges::Word);
    assert_eq!(shape.before.map(|bytes| shown(&bytes))[..2], ["AB", "AB"]);
    assert!(!shape.before[2].holds(b'A') && shape.before[2].holds(b'-'));
    // The anchor is the first of the digits, so that all four stand behind its beginning.
    assert_eq!(shown(&shape.behind[3]), "0123456789");
    assert!(!shape.behind[4].holds(b'0') && shape.behind[4].end);
}

#[test]
fn of_what_cannot_be_told_anything_may_stand_there() {
    for pattern in ["(", "a*", "(?u:é[α-ω])", "a{5000}", "(?:[a-z]?){600}x"] {
        assert_eq!(digits(pattern, 0, Edges::None).behind, [Bytes::ANY; BEHIND], "{pattern}");
    }
}
