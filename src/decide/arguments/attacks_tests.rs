//! Paths, URLs and addresses that try to be something else than they look.

use super::tests::{judge, rules};
use crate::policy::arguments::ArgumentRules;

fn fits(rules: &ArgumentRules, text: &str) -> bool {
    judge(rules, &format!(r#"{{"x":{}}}"#, serde_json::to_string(text).unwrap())).is_ok()
}

#[test]
fn a_path_lies_below_its_folder_for_every_reader() {
    let rules = rules("x: { path: { under: [/data, /srv/files/] } }");
    for path in [
        "/data",
        "/data/a",
        "/data/a/b.txt",
        "/data/.hidden",
        "/data/a b/c",
        "/data/über.txt",
        "/srv/files/x",
        "/data/a..b",
        "/data/...x",
    ] {
        assert!(fits(&rules, path), "{path:?}");
    }
    for path in [
        "",
        "/",
        "data/a",
        "./data/a",
        "../data/a",
        "~/data",
        "/database",
        "/data-old/a",
        "/Data/a",
        "/DATA/a",
        "/etc/passwd",
        "/srv/files2/x",
        "/srv",
        "/data/",
        "/data//a",
        "//data/a",
        "/data/.",
        "/data/./a",
        "/data/..",
        "/data/../etc/passwd",
        "/data/a/../../etc/passwd",
        "/data/a/..",
        "/data/..\\..\\etc",
        "/data\\..\\etc",
        "\\data\\a",
        "/data/%2e%2e/etc",
        "/data/%2E%2E%2Fetc",
        "/data/..%2fetc",
        "/data/%252e%252e/etc",
        "/data/..%c0%afetc",
        "/data/a%00.txt",
        "/data/a\0.txt",
        "/data/a\n",
        "/data/a\r\nX",
        "/data/a\t",
        "/data/\u{1b}[2J",
        "/data/a ",
        "/data/ a",
        "/data/a.",
        "/data/.. ",
        "/data/. ./etc",
        "/data/.. /etc",
        "/data/... /etc",
        "/data/\u{2025}/etc",
        "/data/\u{ff0e}\u{ff0e}/etc",
        "/data/\u{2024}\u{2024}/etc",
        "/data/..\u{2215}etc",
        "/data/..\u{2044}etc",
        "/data/..\u{ff0f}etc",
        "/data/..\u{ff3c}etc",
        "/data/..\u{a5}etc",
        "/data/.\u{200b}./etc",
        "/data/.\u{ad}./etc",
        "/data/\u{202e}txt",
        "/data/\u{feff}a",
        "C:/data/a",
        "C:\\data\\a",
        "/data/C:/x",
        "/data/a.txt:stream",
        "/data/a::$DATA",
        "file:///data/a",
        "/data/\u{fe52}\u{fe52}/x",
    ] {
        assert!(!fits(&rules, path), "{path:?}");
    }
    assert!(!fits(&rules, &format!("/data/{}", "a/".repeat(3_000) + "a")), "too long");
}

#[test]
fn a_drive_is_one_where_the_rule_says_so() {
    let drive = rules("x: { path: { under: 'C:/data' } }");
    assert!(fits(&drive, "C:/data/a") && fits(&drive, "C:/data"));
    for path in
        ["/data/a", "D:/data/a", "c:/data/a", "C:data/a", "C:/data/../x", "C:/data/a:b", "\\\\?\\C:\\data\\a", "C:\\data\\a"]
    {
        assert!(!fits(&drive, path), "{path}");
    }
    let root = rules("x: { path: { under: / } }");
    assert!(fits(&root, "/") && fits(&root, "/etc") && !fits(&root, "//etc") && !fits(&root, "/../x"));
}

#[test]
fn a_url_has_an_allowed_host_for_every_reader() {
    let rules = rules(
        "x: { url: { schemes: [https, http], hosts: [api.example.com, '*.cdn.example', 203.0.113.7, '[2001:db8::1]'], ports: [8443] } }",
    );
    for url in [
        "https://api.example.com",
        "https://api.example.com/",
        "http://api.example.com/a/b?q=1&r=%20",
        "https://api.example.com:8443/x",
        "https://a.cdn.example/x",
        "https://a.b.cdn.example/x",
        "https://203.0.113.7/x",
        "https://[2001:db8::1]/x",
        "https://[2001:db8::1]:8443/x",
        "https://api.example.com?q",
        "https://api.example.com/@x:y",
    ] {
        assert!(fits(&rules, url), "{url}");
    }
    for url in [
        "",
        "api.example.com",
        "//api.example.com/",
        "https:api.example.com",
        "https:/api.example.com/",
        "https:///api.example.com/",
        "HTTPS://api.example.com/",
        "ftp://api.example.com/",
        "javascript://api.example.com/%0aalert(1)",
        "https://evil.example/",
        "https://api.example.com.evil.example/",
        "https://evil.example/api.example.com",
        "https://xapi.example.com/",
        "https://x.api.example.com/",
        "https://cdn.example/",
        "https://evilcdn.example/",
        "https://.cdn.example/",
        "https://a..cdn.example/",
        "https://API.example.com/",
        "https://api.example.com./",
        "https://api.example.com@evil.example/",
        "https://user@api.example.com/",
        "https://user:pass@api.example.com/",
        "https://api.example.com:80@evil.example/",
        "https://evil.example\\@api.example.com/",
        "https://api.example.com\\.evil.example/",
        "https://evil.example#@api.example.com/",
        "https://api.example.com/#x",
        "https://evil.example?@api.example.com/",
        "https://api.example.com:443/",
        "https://api.example.com:/",
        "https://api.example.com:08443/",
        "https://api.example.com:8443x/",
        "https://api.example.com:+8443/",
        "https://api.example.com:65536/",
        "https://api%2eexample.com/",
        "https://api.example.com%2f@evil.example/",
        "https://api.example.com%00.evil.example/",
        "https://api.example.com /",
        " https://api.example.com/",
        "https://api.example.com/\n",
        "https://api.example.com/\r\nHost: evil",
        "https://api.example.com/%0d%0aX",
        "https://api.example.com/%zz",
        "https://api.example.com/%0",
        "https://api.example.com/\u{ff0f}",
        "https://\u{ff41}pi.example.com/",
        "https://api\u{3002}example.com/",
        "https://ap\u{456}.example.com/",
        "https://3405803783/",
        "https://0xcb007107/",
        "https://203.0.28935/",
        "https://203.0.113.07/",
        "https://0313.0.0161.7/",
        "https://[2001:DB8::1]/",
        "https://[2001:db8:0::1]/",
        "https://[::ffff:203.0.113.7]/",
        "https://[2001:db8::1%25eth0]/",
        "https://[2001:db8::1/",
        "https://[2001:db8::1]evil/",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://a_b.cdn.example/",
        "https://-a.cdn.example/",
    ] {
        assert!(!fits(&rules, url), "{url:?}");
    }
    assert!(!fits(&rules, &format!("https://api.example.com/{}", "a".repeat(3_000))), "too long");
}

#[test]
fn without_ports_and_schemes_https_on_its_own_port_is_meant() {
    let rules = rules("x: { url: { hosts: [api.example.com] } }");
    assert!(fits(&rules, "https://api.example.com/x"));
    assert!(!fits(&rules, "http://api.example.com/x") && !fits(&rules, "https://api.example.com:8443/x"));
}

#[test]
fn an_address_is_one_of_an_allowed_domain() {
    let rules = rules("x: { email: { domains: [example.com, '*.corp.example'] } }");
    for address in
        ["a@example.com", "first.last+tag@example.com", "o'brien@EXAMPLE.com", "a@eu.corp.example", "a-b_c=d@example.com"]
    {
        assert!(fits(&rules, address), "{address}");
    }
    for address in [
        "",
        "a",
        "@example.com",
        "a@",
        "a@evil.example",
        "a@example.com.evil.example",
        "a@evilexample.com",
        "a@sub.example.com",
        "a@corp.example",
        "a@b@example.com",
        "a@evil.example,b@example.com",
        "a@evil.example;b@example.com",
        "a@example.com,b@evil.example",
        "a@example.com\nBcc: b@evil.example",
        "a@example.com\r\n",
        "a@example.com ",
        " a@example.com",
        "A <a@example.com>",
        "<a@example.com>",
        "\"a@evil.example\"@example.com",
        "\"a\"@example.com",
        "a(b)@example.com",
        "a@example.com(evil)",
        "a%evil.example@example.com",
        "evil.example!a@example.com",
        "-oQ/tmp@example.com",
        ".a@example.com",
        "a.@example.com",
        "a..b@example.com",
        "a@[203.0.113.7]",
        "a@example.com.",
        "a@.example.com",
        "a@ex\u{430}mple.com",
        "\u{430}@example.com",
        "a@example\u{3002}com",
        "a\0@example.com",
        "a\u{200b}@example.com",
        "mailto:a@example.com",
    ] {
        assert!(!fits(&rules, address), "{address:?}");
    }
    assert!(!fits(&rules, &format!("{}@example.com", "a".repeat(65))));
}
