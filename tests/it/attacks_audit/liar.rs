//! A witness that lies, or whoever answers in its place: one alone stops nothing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use yett::tlog::{Scheme, Signer};

use super::witness::{Witness, home, metric};
use crate::cli::http::{call, get};
use crate::cli::process::{Home, Serving, eventually};

const AUDIT: &str = "audit: { origin: cli.localhost";

/// A larger log than there is, and a proof that does not hold: what freezes a log when it is true.
const LIES: [&str; 2] = [
    "409 Conflict\r\nContent-Type: text/x.tlog.size\r\nContent-Length: 10\r\n\r\n987654321\n",
    "422 Unprocessable Content\r\nContent-Length: 0\r\n\r\n",
];

/// Says the same to every request; a line of a policy names it.
fn liar(name: &str, lie: &'static str) -> String {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in socket.incoming() {
            let _ = answer(&mut stream.unwrap(), lie);
        }
    });
    let key = Signer::generate(&format!("{name}.example"), Scheme::CosignatureV1).unwrap().key().to_string();
    format!("witness {name} {key} http://{address}/\n")
}

fn answer(stream: &mut TcpStream, lie: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut length, mut header) = (0, String::new());
    while header != "\r\n" {
        header.clear();
        reader.read_line(&mut header)?;
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    reader.read_exact(&mut vec![0; length])?;
    stream.write_all(format!("HTTP/1.1 {lie}").as_bytes())
}

/// Adds a policy to the configuration.
fn attach(home: &Home, policy: &str, mode: &str) {
    home.write("witnesses.policy", policy);
    home.edit(AUDIT, &format!("audit: {{ witness: {{ policy: witnesses.policy, mode: {mode} }}, origin: cli.localhost"));
}

fn claims(serving: &Serving) -> String {
    metric(serving, "yett_audit_witness_unproven_claim{witness=\"liar\"}")
}

fn ready(serving: &Serving) -> (u16, String) {
    let reply = get(serving.health, "/readyz");
    (reply.status, reply.body)
}

#[test]
fn aud_043_one_witness_that_makes_up_another_history_freezes_nothing_and_is_told_of() {
    for lie in LIES {
        let (home, first, secret) = home();
        let honest = Witness::start(&home, "127.0.0.1:0", &first);
        let of_honest = honest.policy();
        let of_honest = of_honest.lines().next().unwrap();
        attach(&home, &format!("{of_honest}\n{}group any 1 w1 liar\nquorum any\n", liar("liar", lie)), "strict");
        let serving = home.serve_quietly();
        let (status, body) = ready(&serving);
        assert_eq!(status, 200, "{body}");
        assert!(body.contains("witness `liar` claims, without proof, that the audit log"), "{body}");
        assert_eq!(claims(&serving), "1");
        for _ in 0..3 {
            assert_eq!(call(serving.listener, "crm", &secret, "get_customer").status, 200, "{lie}");
        }
        let (code, log) = serving.terminate();
        assert_eq!(code, Some(0));
        assert!(log.contains("counts as one that does not answer"), "{log}");
    }
}

#[test]
fn aud_043_a_quorum_that_only_lies_is_one_that_does_not_answer() {
    for lie in LIES {
        let (home, _, secret) = home();
        attach(&home, &format!("{}quorum liar\n", liar("liar", lie)), "strict");
        let serving = home.serve_quietly();
        let (status, body) = ready(&serving);
        assert!(status == 503 && body.contains("no quorum of witnesses") && body.contains("`liar`"), "{body}");
        assert_eq!(call(serving.listener, "crm", &secret, "get_customer").status, 503);
        // The operator takes it away, and the same log goes on.
        assert_eq!(serving.terminate().0, Some(0));
        home.edit("witness: { policy: witnesses.policy, mode: strict }, ", "");
        let serving = home.serve_quietly();
        assert_eq!(call(serving.listener, "crm", &secret, "get_customer").status, 200);
    }
}

#[test]
fn aud_012_what_most_witnesses_claim_is_believed_without_proof() {
    let (home, first, _) = home();
    let honest = Witness::start(&home, "127.0.0.1:0", &first);
    let of_honest = honest.policy();
    let of_honest = of_honest.lines().next().unwrap();
    let liars = liar("liar", LIES[0]) + &liar("other", LIES[0]);
    attach(&home, &format!("{of_honest}\n{liars}group two 2 w1 liar other\nquorum two\n"), "async");
    let refused = home.run(&["serve"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("987654321") && refused.err.contains("a quorum of the witnesses"), "{}", refused.err);
}

#[test]
fn a_witness_that_lied_once_is_forgiven_when_it_cosigns() {
    let (home, first, _) = home();
    let honest = Witness::start(&home, "127.0.0.1:0", &first);
    let policy = honest.policy().replace("w1", "liar");
    let address = policy.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned();
    drop(honest);
    attach(&home, &policy, "async");
    let socket = TcpListener::bind(&address).unwrap();
    // The head, and the question for proof, before anything is served.
    let lying = std::thread::spawn(move || {
        for _ in 0..2 {
            let _ = answer(&mut socket.accept().unwrap().0, LIES[0]);
        }
    });
    let serving = home.serve_quietly();
    lying.join().unwrap();
    assert_eq!(claims(&serving), "1");
    let _honest = Witness::start(&home, &address, &first);
    eventually("the claim to be gone", || (claims(&serving) == "0").then_some(()));
    assert!(!ready(&serving).1.contains("claims"));
}
