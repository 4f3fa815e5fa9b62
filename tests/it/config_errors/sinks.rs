//! `audit.sinks`: what belongs to which type, and where records must not go.

use super::{Folder, MINIMAL};

fn folder(sinks: &str) -> Folder {
    Folder::new(&format!("{MINIMAL}audit: {{ sinks: [{sinks}] }}\n"))
}

#[test]
fn each_type_says_what_it_needs_and_what_means_nothing_to_it() {
    for good in [
        "{ type: file, path: out.jsonl }",
        "{ type: syslog, url: \"tls://siem.example:6514\", format: cef }, { type: syslog, name: here, url: \"tcp://127.0.0.1:514\" }",
        "{ type: http, url: \"https://siem.example/in\", identities: false }, { type: http, name: here, url: \"http://127.0.0.1:9/\" }",
    ] {
        folder(good).loaded();
    }
    for (sinks, expected) in [
        ("{ path: out.jsonl }", "9:18 the key `type` is missing in `audit.sinks`"),
        ("{ type: file }", "9:26 the key `path` is missing: a sink of type `file` needs it"),
        ("{ type: syslog }", "9:26 the key `url` is missing: a sink of type `syslog` needs it"),
        ("{ type: file, path: a, url: \"https://a.example\" }", "9:46 `url` means nothing to a sink of type `file`"),
        (
            "{ type: syslog, url: \"tls://a.example:6514\", rotate: 1MiB }",
            "9:71 `rotate` means nothing to a sink of type `syslog`",
        ),
        ("{ type: kafka, url: \"https://a.example\" }", "9:26 `kafka` is not enforced by this build yet"),
        ("{ type: otlp, path: a, url: \"https://a.example\" }", "9:38 `path` means nothing to a sink of type `otlp`"),
        ("{ type: postgres, database: \"mysql://a.example/b\" }", "9:46 this is no URL of a database"),
        (
            "{ type: postgres, database: \"postgres://a.example/b\", table: \"a; DROP\" }",
            "9:79 `a; DROP` is not the name of a table",
        ),
        ("{ type: postgres, database: \"postgres://a.example/b\", format: cef }", "9:80 a table takes JSON"),
        (
            "{ type: s3, url: \"https://a.example/b\", region: x, access_key: a, secret_key: b, lock: compliance }",
            "9:105 `lock` goes with `retain`, which is missing",
        ),
        (
            "{ type: s3, url: \"https://a.example/b\", access_key: a, secret_key: b }",
            "9:26 the key `region` is missing: a sink of type `s3` needs it",
        ),
        ("{ type: filr, path: a }", "9:26 `filr` is not one of the accepted words"),
        ("{ type: file, path: a }, { type: file, path: b }", "9:43 two sinks are called `file`"),
        ("{ type: file, path: a, format: native, identities: true }", "9:69 the lines of the log hold no identities"),
        ("{ type: file, path: a, rotate: 1KiB }", "9:49 `1KiB` is out of range"),
    ] {
        assert_eq!(folder(sinks).errors(), [format!("yett.yaml:{expected}")], "{sinks}");
    }
}

#[test]
fn records_do_not_leave_the_machine_in_the_clear() {
    for (sinks, expected) in [
        ("{ type: http, url: \"http://siem.example/in\" }", "9:37 `http://siem.example/in` is not an https URL"),
        ("{ type: syslog, url: \"tcp://siem.example:514\" }", "9:39 `tcp://siem.example:514` is not where a syslog server is"),
        ("{ type: syslog, url: \"udp://127.0.0.1:514\" }", "9:39 `udp://127.0.0.1:514` is not where a syslog server is"),
        ("{ type: syslog, url: \"tls://siem.example\" }", "9:39 `tls://siem.example` is not where a syslog server is"),
        ("{ type: http, url: \"https://siem.example/in?token=x\" }", "9:37 `https://siem.example/in?token=x` has a query"),
        (
            "{ type: http, url: \"http://127.0.0.1:9/\", tls: { pins: [sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=] } }",
            "9:65 `tls` is for a sink that is reached over TLS",
        ),
    ] {
        assert_eq!(folder(sinks).errors(), [format!("yett.yaml:{expected}")], "{sinks}");
    }
}
