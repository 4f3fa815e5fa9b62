//! More connections than descriptors: the real binary under a low limit of open files.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "the figures, for whoever asks with --nocapture")]

use std::fs;
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::Instant;

use crate::cli::http::{call, try_call, try_send};
use crate::cli::process::{Home, Serving, command, eventually};
use crate::cli::upstream::Upstream;

/// `yett serve` that may open so many files.
fn serve_with(home: &Home, files: usize) -> Serving {
    let yett = command(&home.path("."));
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {files}; exec \"$0\" serve")]).arg(yett.get_program());
    Serving::start_quietly(shell.env_clear().current_dir(home.path(".")))
}

/// This process needs descriptors for its own ends of the connections.
fn raise_own_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(4096, |maximum| maximum.min(4096));
    if current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).unwrap();
    }
}

/// Processor time of a process, in hundredths of a second.
fn processor_time(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields.iter().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum()
}

fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Fails when the process spins: half a core is far more than a gateway needs that is only connected to.
fn assert_calm(pid: u32, what: &str) {
    let (before, since) = (processor_time(pid), Instant::now());
    thread::sleep(Duration::from_secs(2));
    let used = u128::from(processor_time(pid) - before) * 10;
    let percent = used * 100 / since.elapsed().as_millis();
    println!("{what}: {percent}% of a core");
    assert!(percent < 50, "{what}: {percent}% of a core");
}

#[test]
fn http_037_a_thousand_connections_do_not_take_the_descriptors_of_256_files() {
    raise_own_limit();
    let upstream = Upstream::start();
    let home = Home::new(upstream.address);
    home.edit(
        "address: \"127.0.0.1:0\" }]",
        "address: \"127.0.0.1:0\", limits: { connections_per_peer: 5000, header_timeout: 10m } }]",
    );
    let (_, secret) = home.key_offline("ada");
    let serving = serve_with(&home, 256);
    let pid = serving.pid();
    assert_eq!(call(serving.listener, "crm", &secret, "get_customer").status, 200);
    println!("open files when idle: {}", open_files(pid));

    let flood: Vec<_> = (0..1000).map(|_| TcpStream::connect(serving.listener).unwrap()).collect();
    eventually("the flood has its share", || {
        (try_call(serving.listener, "crm", &secret, "get_customer").is_none()).then_some(())
    });
    let open = open_files(pid);
    println!("open files under the flood: {open}");
    assert!(open < 256, "{open} of 256 descriptors are in use");
    // Operators, probes and the log have theirs: `kill` is a record, and a record is a write.
    assert_eq!(try_send(serving.health, "GET /readyz", &[], "").unwrap().status, 200);
    home.tell_operator(&serving);
    home.done(&["kill", "--all", "--config", "operator.yaml"]);
    home.done(&["unkill", "--all", "--config", "operator.yaml"]);
    home.done(&["keys", "create", "--subject", "bob", "--config", "operator.yaml"]);
    assert_calm(pid, "under the flood");

    drop(flood);
    eventually("it serves again", || {
        try_call(serving.listener, "crm", &secret, "get_customer").filter(|reply| reply.status == 200)
    });
    let (code, log) = serving.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("fewer connections are accepted"), "the operator is not told:\n{log}");
    assert!(!log.contains("cannot be accepted"), "descriptors ran out:\n{log}");
    home.done(&["audit", "verify", "data", "--accept-unanchored"]);
}

#[test]
fn idle_connections_of_one_server_are_closed_for_the_calls_of_another() {
    let upstream = Upstream::start();
    let home = Home::new(upstream.address);
    let (_, secret) = home.key_offline("ada");
    // Eight beside what is reserved: four for clients, four for servers.
    let serving = serve_with(&home, yett::listener::descriptors::RESERVED + 8);
    for server in ["crm", "mail", "crm"] {
        let tool = if server == "crm" { "get_customer" } else { "read_mail" };
        let before = upstream.received().len();
        upstream.hold();
        thread::scope(|scope| {
            let calls: Vec<_> = (0..4).map(|_| scope.spawn(|| call(serving.listener, server, &secret, tool))).collect();
            eventually(&format!("{server} has four calls at once"), || {
                assert!(calls.iter().all(|call| !call.is_finished()), "{server} has no socket");
                (upstream.received().len() == before + 4).then_some(())
            });
            upstream.release();
            for call in calls {
                assert_eq!(call.join().unwrap().json()["result"]["content"][0]["text"], "done", "{server}");
            }
        });
    }
    let (code, log) = serving.terminate();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn http_037_without_any_descriptor_left_the_accept_loop_waits_and_recovers() {
    raise_own_limit();
    let upstream = Upstream::start();
    let home = Home::new(upstream.address);
    home.edit(
        "address: \"127.0.0.1:0\" }]",
        "address: \"127.0.0.1:0\", limits: { connections_per_peer: 5000, header_timeout: 10m } }]",
    );
    let (_, secret) = home.key_offline("ada");
    // Fewer than are reserved: no sharing helps. Operators' connections take what is left.
    let serving = serve_with(&home, 48);
    let pid = serving.pid();
    let idle = open_files(pid);
    println!("open files when idle: {idle} of 48");
    let flood: Vec<_> = (0..64)
        .flat_map(|_| [serving.listener, serving.health, serving.admin].map(|address| TcpStream::connect(address).unwrap()))
        .collect();
    eventually("nothing is left", || (open_files(pid) >= 48).then_some(()));
    assert_calm(pid, "without a descriptor");
    drop(flood);
    eventually("it serves again", || {
        try_call(serving.listener, "crm", &secret, "get_customer").filter(|reply| reply.status == 200)
    });
    assert_eq!(try_send(serving.health, "GET /readyz", &[], "").unwrap().status, 200);
    let (code, log) = serving.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("connections cannot be accepted"), "the operator is not told:\n{log}");
    home.done(&["audit", "verify", "data", "--accept-unanchored"]);
}
