//! Certificates, keys and lists that cannot be used: each is named where it is written, with what to do.

use super::Folder;
use crate::support::certs::{Authority, Issued, Leaf};

const SECURE: &str = "version: 1
listeners:
  - name: public
    address: 0.0.0.0:8443
    public_url: https://mcp.example.com
    tls: { cert: a.pem, key: a.key }
servers:
  crm: { url: https://crm.internal/mcp }
policies: policies/
";

const MUTUAL: &str = "{ cert: a.pem, key: a.key, client_auth: { ca: ca.pem, crl: ca.crl } }";

/// A folder in which everything fits.
struct Good {
    authority: Authority,
    issued: Issued,
}

impl Good {
    fn new() -> Self {
        let authority = Authority::new("ca");
        let issued = authority.issue(&Leaf::server("mcp.example.com").valid(-60, 60 * 24 * 3600));
        Self { authority, issued }
    }

    fn folder(&self, yett: &str) -> Folder {
        let lists = self.authority.revocations(&[]);
        let folder = Folder::new(yett).file("a.pem", &self.issued.certificate).file("a.key", &self.issued.key);
        folder.file("ca.pem", &self.authority.pem).file("ca.crl", &lists)
    }
}

#[test]
fn with_tls_a_listener_off_loopback_is_no_risk() {
    let good = Good::new();
    assert_eq!(good.folder(SECURE).warnings(), [""; 0]);
    let mutual = SECURE.replace("{ cert: a.pem, key: a.key }", MUTUAL);
    assert_eq!(good.folder(&mutual).warnings(), [""; 0]);
    let needless = good.folder(&format!("{SECURE}accept_risks: [plaintext_listener]\n")).warnings();
    assert_eq!(needless, ["yett.yaml:10:16 nothing needs this risk: every listener is on loopback or speaks TLS"]);
    let plain = good.folder(&SECURE.replace("https://mcp", "http://mcp")).errors();
    assert_eq!(plain, ["yett.yaml:5:17 the listener speaks TLS, and `http://mcp.example.com` does not"]);
    let loopback = SECURE.replace("0.0.0.0:8443", "127.0.0.1:8443").replace("    public_url: https://mcp.example.com\n", "");
    assert_eq!(good.folder(&loopback).loaded().config.listeners[0].public_url, "https://127.0.0.1:8443");
}

#[test]
fn a_file_that_cannot_be_used_is_named_where_it_is_written() {
    let good = Good::new();
    let other = good.authority.issue(&Leaf::server("mcp.example.com"));
    let not_yet = good.authority.issue(&Leaf::server("mcp.example.com").not_yet());
    let encrypted = other.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let old_list = good.authority.revocations_until(&[], -60);
    let broken = other.certificate.replacen("MII", "AAA", 1);
    let mutual = SECURE.replace("{ cert: a.pem, key: a.key }", MUTUAL);
    for (file, text, place, message) in [
        ("a.pem", "", "6:18", "it holds no certificate in PEM form"),
        ("a.pem", &good.issued.key, "6:18", "it holds no certificate in PEM form"),
        ("a.pem", &broken, "6:18", "it holds a certificate that cannot be read"),
        ("a.pem", &not_yet.certificate, "6:18", "its certificate is good from "),
        ("a.key", "", "6:30", "it holds no private key in PEM form"),
        ("a.key", &good.issued.certificate, "6:30", "it holds no private key in PEM form"),
        ("a.key", &encrypted, "6:30", "its private key is encrypted"),
        ("a.key", &other.key, "6:30", "its private key does not belong to the certificate"),
        ("ca.pem", "", "6:56", "it holds no certificate in PEM form"),
        ("ca.pem", &other.key, "6:56", "it holds no certificate in PEM form"),
        ("ca.crl", "", "6:69", "it holds no revocation list in PEM form"),
        ("ca.crl", &good.authority.pem, "6:69", "it holds no revocation list in PEM form"),
        ("ca.crl", &old_list, "6:69", "its revocation list is out of date since "),
    ] {
        let errors = good.folder(&mutual).file(file, text).errors();
        assert_eq!(errors.len(), 1, "{file}: {errors:?}");
        assert!(errors[0].starts_with(&format!("yett.yaml:{place} `")), "{file}: {errors:?}");
        assert!(errors[0].contains(&format!("{file}`: {message}")), "{message}: {errors:?}");
    }
    let nowhere = mutual.replace("a.pem", "b.pem").replace("ca.pem", "cb.pem").replace("ca.crl", "cb.crl");
    let errors = good.folder(&nowhere).errors();
    assert_eq!(errors.iter().filter(|error| error.contains("it cannot be read: ")).count(), 3, "all at once: {errors:?}");
}

#[test]
fn what_will_not_do_for_long_is_warned_about() {
    let good = Good::new();
    for (leaf, message) in [
        (Leaf::server("mcp.example.com").expired(), "its certificate has expired at "),
        (Leaf::server("mcp.example.com").valid(-60, 6 * 24 * 3600), "its certificate expires at "),
        (Leaf::server("other.example.com").valid(-60, 60 * 24 * 3600), "its certificate is not for `mcp.example.com`"),
    ] {
        let issued = good.authority.issue(&leaf);
        let warnings = good.folder(SECURE).file("a.pem", &issued.certificate).file("a.key", &issued.key).warnings();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with("yett.yaml:6:18 `") && warnings[0].contains(message), "{warnings:?}");
    }
    let lenient = SECURE.replace("key: a.key", "key: a.key, min_version: \"1.2\"");
    let warnings = good.folder(&lenient).warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("TLS 1.2 shows certificates unencrypted"), "{warnings:?}");
}

#[test]
fn callers_by_certificate_need_a_listener_that_asks_for_one() {
    let good = Good::new();
    let errors = good.folder(&format!("{SECURE}identity: {{ mtls: {{ subject: san_uri }} }}\n")).errors();
    assert_eq!(errors, ["yett.yaml:10:19 no listener asks its clients for certificates"]);
    let mutual = SECURE.replace("{ cert: a.pem, key: a.key }", MUTUAL);
    for (mtls, expected) in [
        ("{}", "10:19 the key `subject` is missing in `identity.mtls`"),
        ("{ subject: email }", "10:30 `email` is not one of the accepted words"),
        ("{ subject: cn, trust_domains: [corp.example] }", "10:49 SPIFFE ids are URIs"),
        (
            "{ subject: san_uri, trust_domains: [\"spiffe://corp.example\"] }",
            "10:55 `spiffe://corp.example` is not a trust domain",
        ),
        ("{ subject: san_uri, max_lifetime: 1s }", "10:53 `1s` is out of range"),
    ] {
        let errors = good.folder(&format!("{mutual}identity: {{ mtls: {mtls} }}\n")).errors();
        assert_eq!(errors, [format!("yett.yaml:{expected}")], "{mtls}");
    }
    let only = good.folder(&format!("{mutual}identity: {{ mtls: {{ subject: cn }}, api_keys: {{ enabled: false }} }}\n"));
    let only = only.file("policies/access.yaml", &super::ACCESS.replace("api-key", "mtls"));
    assert!(!only.loaded().config.identity.api_keys.enabled);
}

#[test]
fn proxies_are_named_by_address_or_network() {
    let good = Good::new();
    let with = |proxies: &str| SECURE.replace("    tls:", &format!("    trusted_proxies: {proxies}\n    tls:"));
    assert_eq!(good.folder(&with("[10.0.0.0/8, \"fd00::/8\", 192.0.2.7]")).loaded().config.listeners[0].trusted_proxies.len(), 3);
    for (proxies, message) in [
        ("[ingress]", "6:23 `ingress` is not a network"),
        ("[0.0.0.0/0]", "6:23 `0.0.0.0/0` is everybody"),
        ("[10.0.0.1/8]", "6:23 `10.0.0.1/8` has bits set behind its prefix"),
    ] {
        assert_eq!(good.folder(&with(proxies)).errors(), [format!("yett.yaml:{message}")]);
    }
}
