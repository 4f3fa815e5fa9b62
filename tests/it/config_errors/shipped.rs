//! What is shipped loads, shows every key, and every key is explained.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use yett::config::load;

use super::{Folder, root};
use crate::support::certs::{Authority, Leaf};

#[test]
fn every_shipped_file_loads_without_a_warning() {
    for name in ["yett.yaml", "minimal.yaml"] {
        let loaded = load(&root().join("config").join(name)).unwrap_or_else(|report| panic!("{report}"));
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
        assert_eq!(loaded.config.servers[0].url().unwrap(), "http://127.0.0.1:7321/mcp");
    }
}

/// Settings behind `#` without a space are examples that need something else; they must not rot either.
#[test]
fn the_shipped_configuration_shows_every_key_and_the_reference_explains_it() {
    let text = fs::read_to_string(root().join("config/yett.yaml")).unwrap();
    let uncommented = text.lines().map(|line| {
        let example =
            line.trim_start().strip_prefix('#').filter(|rest| rest.starts_with(|c: char| !c.is_whitespace() && c != '#'));
        if example.is_some() { line.replacen('#', "", 1) } else { line.to_owned() }
    });
    let yett = uncommented.collect::<Vec<_>>().join("\n").replace("/run/secrets/", "").replace("../policies", "policies");
    // The example is on loopback and in plain text; with TLS its URL is another.
    let yett = yett.replace("public_url: http://", "public_url: https://");
    let (authority, ours) = (Authority::new("internal"), Authority::new("ours").issue(&Leaf::client("yett")));
    let server = authority.issue(&Leaf::server("127.0.0.1").valid(-60, 60 * 24 * 3600));
    let mut folder = Folder::new(&yett)
        .file("tls/internal-ca.pem", &authority.pem)
        .file("tls/yett.pem", &ours.certificate)
        .file("tls/yett.key", &ours.key)
        .file("tls/cert.pem", &server.certificate)
        .file("tls/key.pem", &server.key)
        .file("tls/clients.pem", &authority.pem)
        .file("tls/clients.crl", &authority.revocations(&[]))
        .file("keys/corp.jwks.json", "{\"keys\":[]}")
        .file("policies/lists/projects.txt", "Project Bluebird\n")
        .file("bin/mcp-server-filesystem", "")
        .file("keys/witnesses.policy", super::witness::POLICY)
        .file("yett-master-key", &"k".repeat(64))
        .file("yett-acme-auditor-token", &"a".repeat(64))
        .file("yett-metrics-token", &"t".repeat(32))
        .file("bao-secret-id", "secret")
        .file("tls/bao-ca.pem", "-----BEGIN CERTIFICATE-----\n")
        .file("tls/aws-ca.pem", "-----BEGIN CERTIFICATE-----\n")
        .variable("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .variable("AWS_SECRET_ACCESS_KEY", "secret")
        .variable("AWS_SESSION_TOKEN", "token")
        .file("tls/corp-ca.pem", "-----BEGIN CERTIFICATE-----")
        .variable("YETT_INTROSPECTION_SECRET", "secret")
        .variable("EVERYTHING_TOKEN", "token")
        .variable("COLLECTOR_TOKEN", "token");
    for entry in fs::read_dir(root().join("policies")).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            continue;
        }
        folder =
            folder.file(&format!("policies/{}", entry.file_name().to_str().unwrap()), &fs::read_to_string(entry.path()).unwrap());
    }
    fs::set_permissions(folder.dir.path().join("bin/mcp-server-filesystem"), fs::Permissions::from_mode(0o755)).unwrap();
    let loaded = folder.loaded();
    assert_eq!(loaded.config.identity.issuers.len(), 1);

    let reference = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let shown = yett.clone() + &fs::read_to_string(root().join("policies/README.md")).unwrap();
    let mut keys = 0;
    for key in loaded.warnings.keys() {
        keys += 1;
        let last = key.rsplit('.').next().unwrap();
        assert!(reference.contains(&format!("`{key}`")), "docs/configuration.md does not explain `{key}`");
        assert!(shown.contains(last), "`{key}` is shown nowhere in config/ or policies/");
    }
    assert!(keys > 90, "only {keys} keys were read: is a section missing from config/yett.yaml?");
}
