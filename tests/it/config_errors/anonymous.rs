//! Callers without a credential are let in from this machine alone, and nothing in a configuration may say otherwise.

use super::{Folder, MINIMAL};

const OPEN: &str = "identity:\n  anonymous: { roles: [reader] }\n";

const EVERYBODY: &str =
    "yett.yaml:10:14 every user and every program of this machine may call without a credential, as one caller";

#[test]
fn on_loopback_it_is_allowed_and_warned_about() {
    for address in ["127.0.0.1:8080", "127.3.2.1:8080", "\"[::1]:8080\""] {
        let folder = Folder::new(&format!("{}{OPEN}", MINIMAL.replace("127.0.0.1:8080", address)));
        assert_eq!(folder.warnings(), [EVERYBODY], "{address}");
        let config = folder.loaded().config;
        assert!(config.identity.anonymous);
        let binding = config.policy.bindings.iter().find(|binding| binding.issuers == ["anonymous"]);
        assert_eq!(binding.map(|binding| &*binding.role), Some("reader"));
    }
    assert!(!Folder::new(MINIMAL).loaded().config.identity.anonymous);
    let only = "identity: { api_keys: { enabled: false }, anonymous: { roles: [reader] } }\n";
    let only =
        Folder::new(&format!("{MINIMAL}{only}")).file("policies/access.yaml", super::ACCESS.split("bindings").next().unwrap());
    assert!(!only.loaded().config.identity.api_keys.enabled);
}

#[test]
fn where_others_could_come_from_it_is_refused() {
    let tls = "public_url: https://mcp.example.com";
    let listener = |more: &str| MINIMAL.replace("127.0.0.1:8080\n", &format!("127.0.0.1:8080\n    {more}\n"));
    let second = "  - { name: wide, address: \"0.0.0.0:8443\", public_url: \"https://mcp.example.com\" }\naccept_risks: [plaintext_listener]\n";
    let wide = MINIMAL.replace("servers:", &format!("{second}servers:"));
    for (yett, place, message) in [
        (wide, "12:14", "the listener `wide` at 0.0.0.0:8443 is off loopback: anybody could call"),
        (
            listener("trusted_proxies: [127.0.0.1]"),
            "11:14",
            "the listener `local` has `trusted_proxies`: anybody whom they let through could call",
        ),
        (
            listener(tls),
            "11:14",
            "clients reach the listener `local` as `https://mcp.example.com`, from elsewhere: anybody could call",
        ),
        (
            listener("allowed_hosts: [localhost, mcp.example.com]"),
            "11:14",
            "the listener `local` answers to the host `mcp.example.com`: pages that take that name could call",
        ),
    ] {
        assert_eq!(Folder::new(&format!("{yett}{OPEN}")).errors(), [format!("yett.yaml:{place} {message}")]);
    }
    let fine = listener("allowed_hosts: [\"localhost:8080\", \"[::1]:8080\", 127.0.0.1]\n    public_url: http://localhost:8080");
    assert_eq!(Folder::new(&format!("{fine}{OPEN}")).warnings().len(), 1);
    let page = Folder::new(&format!("{}{OPEN}", listener("allowed_origins: [\"https://claude.ai\", \"http://localhost:3000\"]")));
    let warnings = page.warnings();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("pages of `https://claude.ai` may call without a credential"), "{warnings:?}");
}

#[test]
fn its_roles_are_named_exist_and_stand_in_one_place() {
    for (anonymous, expected) in [
        ("{}", "10:14 the key `roles` is missing in `identity.anonymous`"),
        ("{ roles: [] }", "10:23 `roles` is empty"),
        ("{ roles: [raeder] }", "10:24 no role is called `raeder`"),
        ("{ roles: [reader], from: anywhere }", "10:33 unknown key `from` in `identity.anonymous`"),
    ] {
        let errors = Folder::new(&format!("{MINIMAL}identity:\n  anonymous: {anonymous}\n")).errors();
        assert_eq!(errors, [format!("yett.yaml:{expected}")], "{anonymous}");
    }
    // A binding may name them where there are any, and only there.
    let bound = super::ACCESS.replace("issuers: [api-key]", "issuers: [anonymous]");
    let message = "nobody calls without a credential: yett.yaml has no `identity.anonymous`";
    assert_eq!(
        Folder::new(MINIMAL).file("policies/access.yaml", &bound).errors(),
        [format!("policies/access.yaml:6:31 {message}")]
    );
    Folder::new(&format!("{MINIMAL}{OPEN}")).file("policies/access.yaml", &bound).loaded();
}
