//! The matrix: each of eight kinds of clients before each of six servers, directly and through the gateway, step by step.
//!
//! What each client asks of each server stands in `tests/matrix/walks.json`. The suite takes the cells that have every client and every
//! server in them; `scripts/conformance` takes them all and prints their table, which stands in docs/conformance.md.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells figures"
)]

mod clients;
mod comparison;
mod servers;

use std::fs;
use std::sync::Mutex;
use std::thread;

use self::clients::{Client, Place, Walks};
use self::comparison::{Cell, compare};
use self::servers::{Server, Servers};
use crate::peers::gateway::{Gateway, Prepared};

/// Everything is allowed; what an operator does not mention is as it comes: every layer is at work.
const ALLOW_EVERYTHING: &str = r#"version: 1
roles:
  everything:
    allow:
      - servers: ["*"]
        tools: ["**"]
        prompts: ["**"]
        resources: ["file://**", "demo://**", "test://**"]
        server_requests: [elicitation, roots, sampling]
bindings:
  - { role: everything, groups: [agents] }
"#;

/// Walks that are under way at once: two processes each, most of whose time is waiting.
const AT_ONCE: usize = 3;

#[test]
fn every_client_and_every_server_are_as_directly() {
    let cells = [
        (Client::Python, Server::Time),
        (Client::PythonV1, Server::Filesystem),
        (Client::TypeScriptV1, Server::EverythingStdio),
        (Client::TypeScript, Server::EverythingSse),
        (Client::Inspector, Server::EverythingHttp),
        (Client::McpRemote, Server::EverythingHttp),
        (Client::Connect, Server::Fixture),
        (Client::HttpSse, Server::Fixture),
    ];
    let rows = take(&cells);
    let documented = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/conformance.md")).unwrap();
    for row in rows {
        assert!(documented.contains(&row), "not so in the table of docs/conformance.md (scripts/conformance prints it): {row}");
    }
}

#[test]
#[ignore = "all 48 cells take minutes; scripts/conformance runs them"]
fn the_whole_matrix_is_as_directly() {
    let cells: Vec<_> = Client::ALL.iter().flat_map(|&client| Server::ALL.iter().map(move |&server| (client, server))).collect();
    take(&cells);
}

/// Takes these cells, prints their rows, and fails unless each is as directly.
fn take(cells: &[(Client, Server)]) -> Vec<String> {
    let servers = Servers::start();
    let walks = Walks::read(&servers.folder());
    let prepared = Prepared::with_servers(&servers.configuration(), ALLOW_EVERYTHING, ", legacy_sse: true");
    // Each client is a caller of its own: a process of a server's hears the handshake of one.
    let keys = Client::ALL.map(|client| (client, prepared.key_of(client.subject())));
    let gateway = prepared.serve("SERVER");
    let key = |of: Client| keys.iter().find(|(client, _)| *client == of).map(|(_, key)| key.as_str()).unwrap();

    let (turns, found) = (Mutex::new(cells.iter()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                // The next one, without the lock for longer.
                let next = || turns.lock().unwrap().next();
                while let Some(&(client, server)) = next() {
                    let directly = walks.take(client, server, &servers.place(server));
                    let through = walks.take(client, server, &route(&gateway, key(client), client, server));
                    found.lock().unwrap().push(compare(client, server, &directly, &through));
                }
            });
        }
    });
    let (code, report) = gateway.stop().verify();
    assert_eq!(code, 3, "the log is intact, and nothing outside confirms it: {report:#}");
    judge(found.into_inner().unwrap())
}

fn route(gateway: &Gateway, key: &str, client: Client, server: Server) -> Place {
    let mut url = gateway.url.replace("SERVER", server.name());
    if client == Client::HttpSse {
        url.push_str("/sse");
    }
    Place::Route { url, key: key.to_owned() }
}

fn judge(mut cells: Vec<Cell>) -> Vec<String> {
    cells.sort_by_key(|cell| (cell.client, cell.server));
    let rows: Vec<_> = cells.iter().map(Cell::row).collect();
    println!("{}", rows.join("\n"));
    let wrong: Vec<_> = cells.iter().filter_map(|cell| cell.difference.as_deref()).collect();
    assert!(wrong.is_empty(), "{} of {} cells are not as directly:\n{}", wrong.len(), cells.len(), wrong.join("\n\n"));
    rows
}
