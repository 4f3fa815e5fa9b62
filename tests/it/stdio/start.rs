//! What is started, and what is taken from it first.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::{Stage, told};
use crate::peers::parts;
use crate::support::gateway::{Gateway, POLICY};

#[tokio::test]
async fn mcp_080_a_process_has_the_environment_that_is_written_for_it_and_nothing_else() {
    let stage = Stage::with(", env: { TOKEN: abcdef, HOME: /nowhere }").await;
    let environment = told(&stage.modern(&stage.ada).call("environment", json!({})).await);
    let mut names: Vec<_> = environment.as_object().unwrap().keys().map(String::as_str).collect();
    // Python's own, which it makes of LANG.
    names.retain(|name| *name != "LC_CTYPE");
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LANG", "PATH", "TOKEN"], "{environment}");
    assert_eq!((environment["TOKEN"].as_str(), environment["LANG"].as_str()), (Some("abcdef"), Some("C.UTF-8")));
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_process_has_the_limits_that_are_written_for_it() {
    let stdio = ", directory: /tmp, limits: { open_files: 64, memory: 2GiB, cpu_time: 1h }";
    let stage = Stage::of(&["one two", "\"$(touch canary)\""], stdio, "", POLICY).await;
    let facts = told(&stage.modern(&stage.ada).call("facts", json!({})).await);
    assert_eq!((&facts["files"], &facts["core"], &facts["cpu"]), (&json!(64), &json!(0), &json!(3600)), "{facts}");
    assert_eq!(facts["memory"], json!(2_u64 << 30), "{facts}");
    assert_eq!((&facts["directory"], &facts["no_new_privileges"]), (&json!("/tmp"), &json!(true)), "{facts}");
    assert_eq!(facts["group"], facts["pid"], "a process group of its own");
    assert_eq!(facts["argv"], json!(["one two", "$(touch canary)"]), "no shell reads arguments");
    // Standard input, output, error, the folder that it looks at, and what whoever started this test has left open for everybody.
    let open: Vec<u64> = facts["open"].as_array().unwrap().iter().filter_map(serde_json::Value::as_u64).collect();
    let own: Vec<_> = open.iter().filter(|file| **file > 2 && !is_inherited(**file)).collect();
    assert!(own.len() <= 1, "something of the gateway's is left open: {facts}");
    stage.gateway.stop_and_verify().await;
}

/// Whether this process has the file open for whatever it starts.
fn is_inherited(file: u64) -> bool {
    const CLOSED_ON_EXEC: u32 = 0o2_000_000;
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{file}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| u32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok());
    flags.is_some_and(|flags| flags & CLOSED_ON_EXEC == 0)
}

#[tokio::test]
async fn a_process_runs_as_the_user_that_is_written_for_it() {
    if !fs::read_to_string("/proc/self/status").unwrap().contains("\nUid:\t0\t") {
        // Nobody else may become somebody.
        return;
    }
    // A shell, since that user may not look into folders of tests.
    let script = r#"read line; id=$(printf %s "$line" | sed 's/.*"id"://; s/[,}].*//')
        printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"%s"}]}}\n' "$id" "$(id -u) $(id -g) $(id -G)"; read line"#;
    let script = script.replace('\'', "''").replace('\n', " ; ");
    let yaml = format!("{{ stdio: {{ command: [/bin/sh, -c, '{script}'], uid: 65534, gid: 65534 }} }}");
    let stage = Stage::at(&yaml, POLICY).await;
    let answer = stage.modern(&stage.ada).call("echo", json!({})).await;
    assert_eq!(answer.text(), "65534 65534 65534", "{answer:?}");
    stage.gateway.stop_and_verify().await;
}

fn sha256(path: &std::path::Path) -> String {
    use aws_lc_rs::digest::{SHA256, digest};
    yett::master_key::hex(digest(&SHA256, &fs::read(path).unwrap()).as_ref())
}

#[tokio::test]
async fn mcp_080_a_program_that_is_not_the_one_that_was_named_is_not_started() {
    let stage = Stage::with(&format!(", sha256: {}", "ab".repeat(32))).await;
    let answer = stage.modern(&stage.ada).call("echo", json!({})).await;
    assert_eq!((answer.status, answer.code()), (200, Some(-31502)), "{answer:?}");
    let outcome = stage.outcome(&answer).await;
    assert_eq!(outcome["detail"], "checksum", "{outcome}");
    stage.gateway.metric_is("yett_upstream_process_ends_total{server=\"tool\",reason=\"checksum\"}", 1.0).await;
    stage.gateway.stop_and_verify().await;
}

/// A program and the script of another, of which the sum is known.
#[tokio::test]
async fn mcp_080_the_sum_is_taken_before_each_start() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("server");
    let text = |more: &str| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/stdio.py");
        format!("#!{}\nimport runpy\nrunpy.run_path({script:?}, run_name='__main__')\n{more}", parts::interpreter().display())
    };
    fs::write(&program, text("")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let yaml = format!("{{ stdio: {{ command: [{}], sha256: {} }} }}", program.display(), sha256(&program).to_uppercase());
    let stage = Stage::at(&yaml, POLICY).await;
    let client = stage.modern(&stage.ada);
    assert_eq!(client.call("echo", json!({ "text": "good" })).await.text(), "good", "a script is started too");
    // Another one takes its name, and the one that runs ends.
    let other = folder.path().join("other");
    fs::write(&other, text("# changed\n")).unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&other, &program).unwrap();
    client.call("crash", json!({})).await;
    let refused = crate::support::within("a start", async {
        loop {
            let answer = client.call("echo", json!({})).await;
            if stage.outcome(&answer).await["detail"] != "restarting" {
                return answer;
            }
        }
    })
    .await;
    assert_eq!(stage.outcome(&refused).await["detail"], "checksum", "{refused:?}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn mcp_080_the_sum_of_a_program_that_is_no_script_is_that_of_what_runs() {
    let program = fs::canonicalize(parts::interpreter()).unwrap();
    let stage = Stage::with(&format!(", sha256: {}", sha256(&program))).await;
    let answer = stage.modern(&stage.ada).call("echo", json!({ "text": "good" })).await;
    assert_eq!(answer.text(), "good", "{answer:?}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_program_that_cannot_run_is_a_failed_call_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("server");
    fs::write(&program, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let stage = Stage::at(&format!("{{ stdio: {{ command: [{}] }} }}", program.display()), POLICY).await;
    let answer = stage.modern(&stage.ada).call("echo", json!({})).await;
    assert_eq!((answer.status, answer.code()), (200, Some(-31502)), "{answer:?}");
    assert_eq!(stage.outcome(&answer).await["detail"], "execute");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn nothing_is_started_before_it_is_needed_or_for_whom_it_is_refused() {
    let stage = Stage::with("").await;
    let stranger = stage.gateway.key("eve", &[]).await;
    let refused = stage.modern(&stranger).call("echo", json!({})).await;
    assert_eq!(refused.status, 404, "{refused:?}");
    assert!(stage.gateway.metric("yett_upstream_connections{server=\"tool\"}").await < 1.0);
    stage.modern(&stage.ada).call("echo", json!({})).await;
    stage.gateway.metric_is("yett_upstream_connections{server=\"tool\"}", 1.0).await;
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn health_does_not_wait_for_a_process() {
    let yaml = "{ stdio: { command: [/bin/false] } }";
    let gateway = Gateway::start().server_written("tool", yaml).await;
    assert_eq!(gateway.health("/readyz").await.status, 200);
    gateway.stop_and_verify().await;
}
