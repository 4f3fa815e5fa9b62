//! Clients in a browser: the official SDK with a page's `fetch`, which asks before it sends and reads what it is let read. It is what
//! the web page of MCP Inspector connects with when it does so without its own proxy.

use super::client::{Client, TYPESCRIPT_LEGACY, TYPESCRIPT_MODERN, step};
use super::differences::assert_same;
use super::gateway::{Gateway, Prepared};
use super::transparent::ALLOW_EVERYTHING;
use super::upstream::Upstream;

const PAGE: &str = "http://localhost:6274";
const CLIENTS: [Client; 2] = [TYPESCRIPT_LEGACY, TYPESCRIPT_MODERN];

fn gateway_for_pages(upstream: &Upstream) -> Gateway {
    let listener = format!(", allowed_origins: [\"{PAGE}\"]");
    Prepared::new(upstream.name, &upstream.url, ALLOW_EVERYTHING, &listener).serve(upstream.name)
}

#[test]
fn a_page_of_a_listed_origin_sees_what_a_desktop_client_sees() {
    let upstream = Upstream::fixture();
    let gateway = gateway_for_pages(&upstream);
    for client in CLIENTS {
        let walk = |more: &[&str]| client.walk(&gateway.url, Some(&gateway.key), upstream.tour, more);
        let (desktop, page) = (walk(&[]), walk(&["--origin", PAGE]));
        assert_eq!(step(&page, "close")["ok"], true, "{client} in a page");
        assert_same(&format!("{client} in a page"), &desktop, &page);
    }
}

#[test]
fn a_page_reads_why_it_is_refused() {
    let upstream = Upstream::fixture();
    let gateway = gateway_for_pages(&upstream);
    for client in CLIENTS {
        let refused = client.walk(&gateway.url, Some("no-key"), "list", &["--origin", PAGE]);
        assert_eq!(refused[0]["error"]["http"], 401, "{client}: {:#}", refused[0]);
    }
}

#[test]
fn a_page_of_another_origin_gets_nothing() {
    let upstream = Upstream::fixture();
    let gateway = gateway_for_pages(&upstream);
    for client in CLIENTS {
        let refused = client.walk(&gateway.url, Some(&gateway.key), "list", &["--origin", "http://evil.example"]);
        assert_eq!(refused[0]["ok"], false, "{client}: {:#}", refused[0]);
        let told = refused[0]["error"].to_string();
        assert!(told.contains("CORS") || told.contains("Failed to fetch"), "{client} reads more than a page may: {told}");
    }
    assert_eq!(upstream.seen_through_gateway().len(), 0, "the server was reached");
}
