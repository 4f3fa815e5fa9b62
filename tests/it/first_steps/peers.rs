//! `yett servers scan` of servers that others have written, over every transport and in both eras.

use serde_json::Value;

use crate::cli::process::Home;
use crate::peers::parts;
use crate::peers::upstream::Upstream;

/// What a scan of a server with these lines in `yett.yaml` finds.
fn scan(lines: &str) -> (Value, String) {
    let home = Home::new("127.0.0.1:9".parse().unwrap());
    home.edit("policies: policies/", &format!("  real: {lines}\npolicies: policies/"));
    let run = home.run(&["servers", "scan", "real", "--json"]);
    let found: Value = serde_json::from_str(&run.out).unwrap_or_else(|_error| panic!("{run:?}"));
    let all = ["tools", "prompts", "resources"].into_iter().flat_map(|kind| found[kind].as_array().unwrap());
    let flagged = all.into_iter().any(|thing| thing["findings"] != serde_json::json!([]));
    assert_eq!(run.code, Some(i32::from(flagged)), "{run:?}");
    assert_eq!(home.run(&["servers", "scan", "real", "--out", "policies/real.yaml"]).code, run.code);
    home.done(&["check"]);
    crate::schema::fits(&home.path(""));
    (found, std::fs::read_to_string(home.path("policies/real.yaml")).unwrap())
}

fn names(found: &Value) -> Vec<&str> {
    found["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

#[test]
fn the_python_sdk_over_streamable_http_without_sessions() {
    let upstream = Upstream::fixture();
    let (found, written) = scan(&format!("{{ url: \"{}\" }}", upstream.url));
    assert_eq!(found["revision"], "2026-07-28");
    assert!(!names(&found).is_empty() && found["cut"].is_null(), "{found}");
    assert!(written.contains("revision 2026-07-28"), "{written}");
    // One of its tools is there to be caught.
    assert!(written.contains(": its definition carries signs of injection ("), "{written}");
}

#[test]
fn the_typescript_sdk_with_a_handshake_over_both_transports_of_http() {
    for (upstream, transport) in [(Upstream::everything(), "http"), (Upstream::everything_over_sse(), "sse")] {
        let (found, written) = scan(&format!("{{ url: \"{}\", transport: {transport} }}", upstream.url));
        assert_eq!(found["revision"], "2025-11-25", "{transport}");
        assert!(names(&found).contains(&"echo"), "{found}");
        assert!(written.contains("- \"echo\""), "{written}");
        for kind in ["prompts", "resources"] {
            assert!(
                !found[kind].as_array().unwrap().is_empty() && written.contains(&format!("        {kind}:\n")),
                "{kind}: {written}"
            );
        }
    }
}

#[test]
fn a_program_on_its_standard_input_and_output() {
    let python = parts::interpreter();
    let command = format!("[{}, -B, -m, mcp_server_time, --local-timezone, UTC]", python.display());
    let (found, _) = scan(&format!("{{ stdio: {{ command: {command} }} }}"));
    assert_eq!(names(&found), ["get_current_time", "convert_time"]);
}
