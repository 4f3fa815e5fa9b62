//! A report that CI servers read: one suite, a case for each test. The format has no standard; this is the part of it that all read.

use std::fmt::Write as _;

use super::access;
use super::test::Ran;

pub(super) fn report(ran: &[Ran<'_>]) -> String {
    let failures = ran.iter().filter(|test| test.problem().is_some()).count();
    let seconds: f64 = ran.iter().map(|test| test.took.as_secs_f64()).sum();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let total = ran.len();
    let _infallible = writeln!(
        xml,
        "<testsuites>\n<testsuite name=\"policy\" tests=\"{total}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\" time=\"{seconds:.6}\">"
    );
    for test in ran {
        let (name, class) = (escaped(&test.case.name), escaped(&access::shown(&test.case.asks)));
        let _infallible = write!(xml, "<testcase name=\"{name}\" classname=\"{class}\" time=\"{:.6}\"", test.took.as_secs_f64());
        let _infallible = match test.problem() {
            None => writeln!(xml, "/>"),
            Some(problem) => writeln!(
                xml,
                "><failure message=\"{}\">{}</failure></testcase>",
                escaped(&problem),
                escaped(&test.case.origin.to_string())
            ),
        };
    }
    xml.push_str("</testsuite>\n</testsuites>\n");
    xml
}

/// XML 1.0, section 2.4; what it cannot hold at all (section 2.2) becomes U+FFFD.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
