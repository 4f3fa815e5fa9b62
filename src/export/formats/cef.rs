//! `ArcSight` Common Event Format, version 0 of its header, keys of its dictionary (implementation standard, revision 25).
//!
//! SECURITY: what a caller or a server named must not end its field: `\`, `|` and line ends in the header, `\`, `=` and line ends in extensions
//! are escaped as section "Character Encoding" says, and other control characters become spaces.

use jiff::Timestamp;
use serde_json::Value;

use super::message;
use crate::export::record::{Record, Severity};

const HEADER: &str = concat!("CEF:0|Yett|Yett|", env!("CARGO_PKG_VERSION"), "|");

/// Longest value of a custom string in the dictionary, in bytes; what is longer is cut.
const CUSTOM: usize = 4_000;

pub(super) fn record(record: &Record, log: &str, uid: &str) -> Vec<u8> {
    let name = record.text(&["what", "act"]).or_else(|| record.told(&["what", "method"])).unwrap_or(record.kind());
    let mut line = begin(record.kind(), name, record.severity());
    let reason = record.text(&["dec", "reason"]).or_else(|| record.text(&["out", "status"]).filter(|status| *status != "ok"));
    let outcome = match (record.kind(), record.text(&["out", "status"])) {
        ("call.outcome", Some("ok")) => "success",
        ("call.outcome", Some("unknown") | None) => "unknown",
        ("call.outcome", Some(_)) => "failure",
        _ if record.is_denied() || record.kind() == "auth.failure" => "failure",
        _ => "success",
    };
    let address = record.told(&["peer"]).and_then(|peer| peer.parse::<std::net::IpAddr>().ok());
    // `src` is for IPv4; of IPv6 the dictionary has a custom field.
    let (src, c6a2) = match address {
        Some(std::net::IpAddr::V4(address)) => (Some(address.to_string()), None),
        Some(std::net::IpAddr::V6(address)) => (None, Some(address.to_string())),
        None => (None, None),
    };
    let count = record.number(&["n"]).filter(|_| record.kind() == "auth.failure");
    let findings: Vec<String> = record
        .all_findings()
        .map(|finding| format!("{}:{}:{}:{}", finding.layer(), finding.rule(), finding.kind(), finding.action()))
        .collect();
    let mut extension = Extension(&mut line, true);
    extension
        .number("rt", Some(record.time().as_millisecond()))
        .text("act", record.text(&["dec", "effect"]).or_else(|| record.text(&["what", "act"])))
        .text("app", Some("mcp"))
        .text("c6a2", c6a2.as_deref())
        .text("c6a2Label", c6a2.as_ref().map(|_| "Source IPv6 Address"))
        .number("cnt", count)
        .text("destinationServiceName", record.told(&["what", "server"]))
        .text("externalId", Some(uid))
        .text("msg", Some(&message(record)))
        .text("outcome", Some(outcome))
        .text("reason", reason)
        .text("request", record.told(&["what", "name"]).or_else(|| record.told(&["what", "target"])))
        .text("requestMethod", record.told(&["what", "method"]))
        .text("src", src.as_deref())
        .text("suid", record.pseudonym())
        .text("suser", record.person.as_ref().map(|person| person.subject.as_str()))
        .custom(1, "log", Some(log))
        .custom(2, "call", record.text(&["call"]))
        .custom(3, "rule", record.told(&["dec", "rule"]).or_else(|| record.text(&["what", "rule"])))
        .custom(4, "policy", record.told(&["dec", "policy"]))
        .custom(5, "findings", Some(&findings.join(",")).filter(|text| !text.is_empty()).map(String::as_str))
        // The whole record, as far as there is room.
        .custom(6, "record", Some(&String::from_utf8_lossy(&record.line)))
        .number("cn1", i64::try_from(record.index).ok())
        .text("cn1Label", Some("index"))
        .number("cn2", record.number(&["out", "us"]))
        .text("cn2Label", record.number(&["out", "us"]).map(|_| "microseconds"));
    line
}

/// A signed head.
pub(super) fn head(note: &str, size: u64, (log, uid): (&str, &str), time: Timestamp) -> Vec<u8> {
    let mut line = begin("head", "signed head", Severity::Informational);
    Extension(&mut line, true)
        .number("rt", Some(time.as_millisecond()))
        .text("externalId", Some(uid))
        .text("msg", Some(&format!("signed head over {size} records")))
        .custom(1, "log", Some(log))
        .custom(6, "note", Some(note))
        .number("cn1", i64::try_from(size).ok())
        .text("cn1Label", Some("records"));
    line
}

fn begin(signature: &str, name: &str, severity: Severity) -> Vec<u8> {
    let mut line = HEADER.as_bytes().to_vec();
    for part in [signature, name] {
        escape(part, b'|', &mut line);
        line.push(b'|');
    }
    // 0 to 3 is low, 4 to 6 medium, 7 and 8 high.
    let severity = match severity {
        Severity::Informational => "1",
        Severity::Low => "3",
        Severity::Medium => "6",
        Severity::High => "8",
    };
    line.extend_from_slice(severity.as_bytes());
    line.push(b'|');
    line
}

/// The line, and whether its first field is still to come.
struct Extension<'l>(&'l mut Vec<u8>, bool);

impl Extension<'_> {
    fn text(&mut self, key: &str, value: Option<&str>) -> &mut Self {
        let Some(value) = value else { return self };
        if !std::mem::take(&mut self.1) {
            self.0.push(b' ');
        }
        self.0.extend_from_slice(key.as_bytes());
        self.0.push(b'=');
        escape(value, b'=', self.0);
        self
    }

    fn number(&mut self, key: &str, value: Option<i64>) -> &mut Self {
        self.text(key, value.map(|value| Value::from(value).to_string()).as_deref())
    }

    /// A custom string with its label.
    fn custom(&mut self, number: u8, label: &str, value: Option<&str>) -> &mut Self {
        let Some(value) = value else { return self };
        let end = value.floor_char_boundary(CUSTOM);
        self.text(&format!("cs{number}"), value.get(..end)).text(&format!("cs{number}Label"), Some(label))
    }
}

fn escape(text: &str, special: u8, out: &mut Vec<u8>) {
    for character in text.chars() {
        match character {
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            _ if character == char::from(special) => out.extend_from_slice(&[b'\\', special]),
            _ if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') => out.push(b' '),
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> String {
        let record = Record::new(line.as_bytes(), 7);
        String::from_utf8(super::record(&record, "a/audit/r1", "a/audit/r1/7")).unwrap()
    }

    #[test]
    fn what_a_caller_names_ends_no_field_and_begins_no_line() {
        let name = r"x|y\\z=1 suser=root\nCEF:0|Evil|\u0007";
        let line = format!(
            r#"{{"call":"c","dec":{{"effect":"deny","reason":"denied"}},"i":7,"kind":"call.decision","t":"2026-12-01T00:00:00.000001Z","what":{{"method":"{name}","name":"{name}","server":"crm"}}}}"#
        );
        let made = of(&line);
        assert!(!made.contains('\n') && !made.contains('\u{7}'), "{made}");
        let header: Vec<&str> = made.split('|').take(4).collect();
        assert_eq!(header, ["CEF:0", "Yett", "Yett", env!("CARGO_PKG_VERSION")]);
        assert!(made.contains(r"|call.decision|x\|y\\z=1 suser=root\nCEF:0\|Evil\| |3|rt=1796083200000 act=deny "), "{made}");
        assert!(made.contains(r" request=x|y\\z\=1 suser\=root\nCEF:0|Evil|  requestMethod="), "{made}");
        let (_, extension) = made.split_once("|3|").unwrap();
        assert!(!extension.contains(" suser="), "{made}");
    }

    #[test]
    fn a_value_that_ends_in_a_bar_does_not_swallow_the_next_field() {
        let made = of(r#"{"i":7,"kind":"admin","t":"2026-12-01T00:00:00.000001Z","what":{"act":"x","name":"a|","sub":"p"}}"#);
        assert!(made.contains(" request=a| suid=p "), "{made}");
    }

    #[test]
    fn an_address_stands_where_the_dictionary_has_room_for_it() {
        let line = |peer: &str| format!(r#"{{"i":7,"kind":"call.decision","peer":"{peer}","t":"2026-12-01T00:00:00.000001Z"}}"#);
        assert!(of(&line("192.0.2.1")).contains(" src=192.0.2.1 "));
        let six = of(&line("2001:db8::1"));
        assert!(six.contains(" c6a2=2001:db8::1 c6a2Label=Source IPv6 Address ") && !six.contains(" src="), "{six}");
    }
}
