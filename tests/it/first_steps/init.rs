//! `yett init`: what it writes works, and what is there stays.

use std::fs;
use std::path::Path;

use crate::cli::http::call;
use crate::cli::process::{Finished, Serving, command, finish};
use crate::cli::upstream::Upstream;

fn run(folder: &Path, arguments: &[&str]) -> Finished {
    finish(command(folder).args(arguments).env("PATH", "/usr/bin:/bin"))
}

fn done(folder: &Path, arguments: &[&str]) -> Finished {
    let finished = run(folder, arguments);
    assert_eq!(finished.code, Some(0), "`yett {}`:\n{}\n{}", arguments.join(" "), finished.out, finished.err);
    finished
}

#[test]
fn what_is_written_passes_the_check_without_a_warning_and_its_own_tests() {
    for arguments in [
        &["init", "new/place"][..],
        &[
            "init",
            "new/place",
            "--server",
            "crm=https://crm.internal/mcp",
            "--stdio",
            "files=cat -u /srv/$HOME",
            "--server",
            "a-1_x=http://127.0.0.1:7/mcp",
        ],
    ] {
        let dir = tempfile::tempdir().unwrap();
        let said = done(dir.path(), arguments).out;
        for next in ["yett servers scan ", "yett serve --config new/place/yett.yaml", "yett keys create "] {
            assert!(said.contains(next), "{said}");
        }
        let place = dir.path().join("new/place");
        let checked = done(&place, &["check"]);
        assert_eq!(checked.err, "", "{checked:?}");
        let tested = done(&place, &["policy", "test"]).out;
        assert!(tested.contains("0 failed"), "{tested}");
        crate::schema::fits(&place);
        let yett = fs::read_to_string(place.join("yett.yaml")).unwrap();
        assert!(yett.matches("# ").count() > 10, "it is commented");
        if arguments.len() > 2 {
            assert!(yett.contains("command: [\"cat\", \"-u\", \"/srv/$$HOME\"]"), "{yett}");
        }
    }
}

#[test]
fn what_is_there_is_not_touched_and_the_exit_code_says_so() {
    for there in ["yett.yaml", "policies/mine.yaml", "policies/.hidden"] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("policies")).unwrap();
        fs::write(dir.path().join(there), "mine").unwrap();
        let refused = run(dir.path(), &["init"]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.err.contains(there) && refused.err.contains("is there already"), "{refused:?}");
        assert_eq!(fs::read_to_string(dir.path().join(there)).unwrap(), "mine");
        let files = |folder: &Path| fs::read_dir(folder).unwrap().count();
        let expected = if there == "yett.yaml" { (2, 0) } else { (1, 1) };
        assert_eq!((files(dir.path()), files(&dir.path().join("policies"))), expected, "{there}: something was written");
    }
    // A link to nowhere is there too.
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", dir.path().join("yett.yaml")).unwrap();
    assert_eq!(run(dir.path(), &["init"]).code, Some(2));
}

#[test]
fn servers_that_cannot_work_leave_nothing_behind() {
    for (option, value) in [
        ("--server", "crm"),
        ("--server", "CRM=https://crm.internal/mcp"),
        ("--server", "crm=https://user:hunter2@crm.internal/mcp"),
        ("--server", "crm=http://169.254.169.254/"),
        ("--server", "crm=file:///etc/passwd"),
        ("--server", "crm=https://a.example/mcp\nmaster_key: x"),
        ("--stdio", "files="),
        ("--stdio", "files=no-such-program-anywhere"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let refused = run(dir.path(), &["init", ".", option, value]);
        assert_eq!(refused.code, Some(2), "{option} {value}: {refused:?}");
        assert!(!refused.err.contains("hunter2"), "{refused:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{option} {value}: something was left");
    }
    let dir = tempfile::tempdir().unwrap();
    let twice = run(dir.path(), &["init", ".", "--server", "a=https://a.example/mcp", "--stdio", "a=cat"]);
    assert!(twice.code == Some(2) && twice.err.contains("named twice"), "{twice:?}");
}

#[test]
fn a_gateway_serves_with_it() {
    let upstream = Upstream::start();
    let dir = tempfile::tempdir().unwrap();
    done(dir.path(), &["init", ".", "--server", &format!("crm=http://{}/mcp", upstream.address)]);
    let path = dir.path().join("yett.yaml");
    // The ports of this machine are everybody's.
    let text = fs::read_to_string(&path).unwrap().replace("address: 127.0.0.1:8080\n", "address: 127.0.0.1:0\n");
    let text = text + "admin: { address: \"127.0.0.1:0\" }\nhealth: { address: \"127.0.0.1:0\" }\nshutdown: { delay: 0s }\n";
    fs::write(&path, text).unwrap();
    let made = done(dir.path(), &["keys", "--offline", "create", "--subject", "ada", "--group", "staff"]);
    let serving = Serving::start(command(dir.path()).arg("serve"));
    let answer = call(serving.listener, "crm", made.out.trim(), "get_it");
    assert_eq!(answer.status, 200, "{answer:?}");
    let (code, log) = serving.terminate();
    assert_eq!(code, Some(0), "{log}");
}
