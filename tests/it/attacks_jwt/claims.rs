//! Whose token, for whom, and when.

use serde_json::{Value, json};

use super::{Trusted, assert_unauthorized};
use crate::support::stage::Stage;
use crate::support::token::{Issuer, Key};

/// The claims of a good token as text, with `members` in the place of `name`.
fn instead(trusted: &Trusted, name: &str, members: &str) -> String {
    let token = trusted.token().without_claim(name);
    let text = Value::Object(token.claims.clone()).to_string();
    token.payload(&text.replacen('{', &format!("{{{members},"), 1)).signed()
}

#[tokio::test]
async fn jwt_011_any_issuer_but_the_exact_one_is_refused() {
    let trusted = Trusted::new().await;
    let issuers = [
        "https://evil.example",
        "https://corp.example/",
        "https://CORP.example",
        "HTTPS://corp.example",
        "http://corp.example",
        "https://corp.exampl",
        "https://corp.example.evil.example",
        "https://corp.example/tenant",
        "https://corp.example?x",
        "https://corp.example#",
        "https://corp.example:443",
        "https://user@corp.example",
        " https://corp.example",
        "https://corp.example ",
        "https://corp.example\n",
        "https://corp.example\u{0}",
        "https://c\u{43e}rp.example",
        "corp.example",
        "corp",
        "",
    ];
    for issuer in issuers {
        trusted.assert_bad(issuer, &trusted.token().claim("iss", issuer).signed(), "token_issuer").await;
    }
    trusted.assert_bad("missing", &trusted.token().without_claim("iss").signed(), "token_issuer").await;
    for issuer in [Value::Null, json!(0), json!(true), json!({ "iss": "https://corp.example" })] {
        trusted.assert_bad(&issuer.to_string(), &trusted.token().claim("iss", issuer).signed(), "token_issuer").await;
    }
    trusted.end().await;
}

#[tokio::test]
async fn jwt_011_a_key_is_good_for_its_own_issuer_only() {
    let (corp, partner) = (Issuer::new("corp"), Issuer::with_keys("partner", [Key::ec("ec-1"), Key::ec("ec-2")]));
    let stage = Stage::trusting(&[&corp, &partner]).await;
    stage.gateway.clock.freeze();
    let (trusted, partner) = (Trusted { stage, issuer: corp }, partner);
    let ours = trusted.token();
    trusted.assert_bad("same kid", &ours.clone().by(&partner.keys[0]).signed(), "token_signature").await;
    trusted.assert_bad("a kid that only the other has", &ours.by(&partner.keys[1]).signed(), "token_unknown_key").await;
    let theirs = partner.token(&trusted.stage.gateway, "crm", "ada", &["staff"]);
    trusted.assert_bad("the other way round", &theirs.clone().by(&trusted.issuer.keys[0]).signed(), "token_signature").await;
    trusted.assert_good("each with its own", &theirs.signed()).await;
    trusted.end().await;
}

#[tokio::test]
async fn jwt_012_an_issuer_in_a_list_is_refused() {
    let trusted = Trusted::new().await;
    let (good, evil) = ("https://corp.example", "https://evil.example");
    for list in [json!([evil, good]), json!([good, evil]), json!([good]), json!([good, good]), json!([]), json!([[good]])] {
        trusted.assert_bad(&list.to_string(), &trusted.token().claim("iss", list).signed(), "token_issuer").await;
    }
    let twice = [
        format!(r#""iss":"{evil}","iss":"{good}""#),
        format!(r#""iss":"{good}","iss":"{evil}""#),
        format!(r#""iss":"{good}","iss":"{good}""#),
        format!(r#""iss":"{good}","\u0069ss":"{evil}""#),
    ];
    for members in twice {
        trusted.assert_bad(&members, &instead(&trusted, "iss", &members), "token_malformed").await;
    }
    trusted.end().await;
}

#[tokio::test]
async fn jwt_012_a_claim_that_stands_twice_is_refused() {
    let trusted = Trusted::new().await;
    for members in [
        r#""sub":"ada","sub":"root""#,
        r#""sub":"ada","s\u0075b":"root""#,
        r#""groups":["staff"],"groups":["admin"]"#,
        r#""other":{"deep":[{"a":1,"a":2}]}"#,
        r#""exp":1,"exp":99999999999"#,
    ] {
        let name = members.split('"').nth(1).unwrap();
        trusted.assert_bad(members, &instead(&trusted, name, members), "token_malformed").await;
    }
    trusted.end().await;
}

#[tokio::test]
async fn jwt_014_any_audience_but_this_route_is_refused() {
    let trusted = Trusted::new().await;
    let ours = trusted.stage.gateway.url("crm");
    let base = ours.strip_suffix("/crm").unwrap();
    let audiences = [
        json!("https://elsewhere.example"),
        json!(""),
        json!([]),
        json!([""]),
        json!(base),
        json!(base.strip_suffix("/mcp").unwrap()),
        json!(ours.strip_suffix('m').unwrap()),
        json!(format!("{ours}/")),
        json!(format!("{ours}2")),
        json!(format!("{ours}?x")),
        json!(format!("{ours}#")),
        json!(format!("{ours} ")),
        json!(ours.to_uppercase()),
        json!(ours.replacen("http:", "https:", 1)),
        json!(ours.replacen("127.0.0.1", "localhost", 1)),
        json!(format!("https://elsewhere.example {ours}")),
        json!(trusted.stage.gateway.url("hr")),
        json!([trusted.stage.gateway.url("hr"), base]),
        json!("*"),
        json!(null),
        json!(1),
        json!(true),
        json!({ "aud": ours }),
        json!([[ours]]),
        json!([{ "aud": ours }]),
        json!([null, ours]),
        json!([ours, 1]),
    ];
    for audience in audiences {
        trusted.assert_bad(&audience.to_string(), &trusted.token().claim("aud", audience).signed(), "token_audience").await;
    }
    trusted.assert_bad("missing", &trusted.token().without_claim("aud").signed(), "token_audience").await;
    trusted
        .assert_good("a list that names us", &trusted.token().claim("aud", json!(["https://elsewhere.example", ours])).signed())
        .await;
    trusted.end().await;
}

/// RFC 3986 knows several spellings of one resource; a token knows one.
#[tokio::test]
async fn jwt_016_a_resource_has_one_spelling() {
    let issuer = Issuer::new("corp");
    let public = "public_url: \"https://mcp.example.com\"";
    let stage = Stage::trusting_with(&[&issuer], |builder| builder.listener_extra(public).issuer(&issuer)).await;
    let now = stage.gateway.clock.seconds();
    let call = async |audience: &str| {
        let token = issuer.token_for(audience, now, "ada", &["staff"]).signed();
        stage.gateway.modern("crm", &token).call("echo", json!({ "text": "hi" })).await
    };
    for other in [
        "https://mcp.example.com/mcp/crm/",
        "https://MCP.example.com/mcp/crm",
        "HTTPS://mcp.example.com/mcp/crm",
        "https://mcp.example.com:443/mcp/crm",
        "https://mcp.example.com./mcp/crm",
        "https://mcp.example.com/mcp/./crm",
        "https://mcp.example.com/mcp/%63rm",
        "https://mcp.example.com//mcp/crm",
        "https://mcp.example.com/mcp/crm https://mcp.example.com/mcp/crm",
        "mcp.example.com/mcp/crm",
    ] {
        let record = stage.assert_refused(other, &call(other).await, 401);
        assert_eq!(record["dec"]["detail"], "token_audience", "{other}: {record}");
    }
    stage.assert_passes("the one spelling", &call("https://mcp.example.com/mcp/crm").await);
    stage.end().await;
}

#[tokio::test]
async fn jwt_018_an_expired_token_is_refused_to_the_second() {
    let trusted = Trusted::new().await;
    let (now, day) = (trusted.now(), 24 * 3600);
    trusted.assert_good("within the leeway", &trusted.token().claim("exp", now - 30).signed()).await;
    for (what, expires) in [("leeway and a second", now - 31), ("a year", now - 365 * day), ("1970", 0), ("1970 and a second", 1)]
    {
        let token = trusted.token().claim("iat", json!(0)).claim("exp", expires);
        trusted.assert_bad(what, &token.signed(), "token_expired").await;
    }
    trusted.assert_bad("a day and a second long", &trusted.token().claim("exp", now + day + 1).signed(), "token_lifetime").await;
    trusted.assert_bad("for ever", &trusted.token().claim("exp", 253_370_764_800_i64).signed(), "token_lifetime").await;
    trusted
        .assert_bad(
            "for ever from when?",
            &trusted.token().without_claim("iat").claim("exp", now + 10 * day).signed(),
            "token_lifetime",
        )
        .await;
    trusted.end().await;
}

#[tokio::test]
async fn jwt_018_an_expiry_that_is_no_whole_number_of_seconds_is_refused() {
    let trusted = Trusted::new().await;
    trusted.assert_bad("missing", &trusted.token().without_claim("exp").signed(), "token_claim").await;
    let later = trusted.now() + 600;
    let values = [
        format!(r#""{later}""#),
        format!("{later}.0"),
        format!("{later}.5"),
        format!("{later}e0"),
        "-1".to_owned(),
        "-0.0".to_owned(),
        format!("-{later}"),
        "1e300".to_owned(),
        "1e10".to_owned(),
        "null".to_owned(),
        "true".to_owned(),
        format!("[{later}]"),
        format!(r#"{{"value":{later}}}"#),
        "9223372036854775807".to_owned(),
        "9223372036854775808".to_owned(),
        "18446744073709551616".to_owned(),
        "99999999999999999999999999".to_owned(),
    ];
    for value in values {
        let token = instead(&trusted, "exp", &format!(r#""exp":{value}"#));
        trusted.assert_bad(&value, &token, "token_claim").await;
    }
    for number in ["NaN", "Infinity", "1e400", "01"] {
        let token = instead(&trusted, "exp", &format!(r#""exp":{number}"#));
        trusted.assert_bad(number, &token, "token_malformed").await;
    }
    trusted.end().await;
}

#[tokio::test]
async fn jwt_018_a_token_that_was_good_is_refused_once_it_has_expired() {
    let trusted = Trusted::new().await;
    let token = trusted.token().signed();
    trusted.assert_good("young", &token).await;
    trusted.stage.gateway.clock.advance(630);
    trusted.assert_good("within the leeway", &token).await;
    trusted.stage.gateway.clock.advance(1);
    trusted.assert_bad("expired", &token, "token_expired").await;
    trusted.end().await;
}

#[tokio::test]
async fn jwt_021_the_leeway_is_thirty_seconds_and_no_clock_makes_it_more() {
    let trusted = Trusted::new().await;
    let start = trusted.now();
    let expiring = |at: i64| trusted.token().claim("iat", start - 600).claim("exp", at).signed();
    for (what, expires, good) in [("29 s", start - 29, true), ("30 s", start - 30, true), ("31 s", start - 31, false)] {
        if good {
            trusted.assert_good(what, &expiring(expires)).await;
        } else {
            trusted.assert_bad(what, &expiring(expires), "token_expired").await;
        }
    }
    // One token, remembered as good, while the gateway's clock is set: each answer is by the clock as it is then.
    let token = expiring(start + 60);
    for (by, good) in [(0, true), (60, true), (30, true), (1, false), (-1, true), (-90, true), (-60, true), (151, false)] {
        trusted.stage.gateway.clock.advance(by);
        let left = start + 60 - trusted.now();
        if good {
            trusted.assert_good(&format!("{left} s left"), &token).await;
        } else {
            trusted.assert_bad(&format!("{left} s left"), &token, "token_expired").await;
        }
    }
    // A clock that is a minute behind sees a token from the future.
    trusted.stage.gateway.clock.advance(start - trusted.now() - 60);
    let issued = |at: i64| trusted.token().claim("iat", at).claim("exp", at + 600).signed();
    trusted.assert_bad("60 s early", &issued(start), "token_not_yet_valid").await;
    trusted.assert_bad("31 s early", &issued(start - 29), "token_not_yet_valid").await;
    trusted.assert_good("30 s early", &issued(start - 30)).await;
    trusted.end().await;
}

#[tokio::test]
async fn jwt_020_a_token_from_the_future_is_refused() {
    let trusted = Trusted::new().await;
    let now = trusted.now();
    for claim in ["nbf", "iat"] {
        trusted.assert_good("within the leeway", &trusted.token().claim(claim, now + 30).signed()).await;
        for start in [now + 31, now + 3600, now + 365 * 24 * 3600] {
            let token = trusted.token().claim("exp", start + 600).claim(claim, start);
            trusted.assert_bad(&format!("{claim} {start}"), &token.signed(), "token_not_yet_valid").await;
        }
        for value in [r#""1""#, "1.5", "-1", "null", "true", "[]", "{}", "1e300", "9223372036854775807"] {
            let token = instead(&trusted, claim, &format!(r#""{claim}":{value}"#));
            trusted.assert_bad(&format!("{claim} {value}"), &token, "token_claim").await;
        }
    }
    trusted.end().await;
}

#[tokio::test]
async fn jwt_038_a_token_for_one_server_is_refused_at_another() {
    let trusted = Trusted::new().await;
    let gateway = &trusted.stage.gateway;
    let (for_crm, for_hr) = (trusted.token().signed(), trusted.issuer.token(gateway, "hr", "ada", &["staff"]).signed());
    trusted.assert_good("at its own server", &for_crm).await;
    trusted.assert_bad("hr's at crm", &for_hr, "token_audience").await;
    trusted.stage.assert_passes("hr's at hr", &gateway.modern("hr", &for_hr).call("echo", json!({})).await);
    // Remembered as good at the one, and still no good at the other.
    trusted.assert_bad("hr's at crm again", &for_hr, "token_audience").await;
    let record = trusted.stage.assert_refused("crm's at hr", &gateway.modern("hr", &for_crm).call("echo", json!({})).await, 401);
    assert_eq!(record["dec"]["detail"], "token_audience", "{record}");
    for server in ["nowhere", "crm/", "CRM", "crm/x", "", "%63rm"] {
        let answer = gateway.modern(server, &for_crm).call("echo", json!({})).await;
        trusted.stage.assert_refused(&format!("at {server:?}"), &answer, 401);
    }
    let both = trusted.token().claim("aud", json!([gateway.url("crm"), gateway.url("hr")])).signed();
    trusted.assert_good("for both, at one", &both).await;
    trusted.stage.assert_passes("for both, at the other", &gateway.modern("hr", &both).call("echo", json!({})).await);
    trusted.end().await;
}

#[tokio::test]
async fn jwt_038_a_legacy_session_is_no_way_around_the_audience() {
    let trusted = Trusted::new().await;
    let gateway = &trusted.stage.gateway;
    let for_crm = trusted.token().signed();
    let session = gateway.legacy("crm", &for_crm).await;
    trusted.stage.clients().await;
    let message = session.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": {} }));
    trusted.stage.assert_passes("in its session", &session.post(&message).send().await);
    trusted.stage.assert_refused("at hr", &session.post(&message).target("/mcp/hr").send().await, 401);
    let for_hr = trusted.issuer.token(gateway, "hr", "ada", &["staff"]).signed();
    let answer = session.post(&message).header("Authorization", &format!("Bearer {for_hr}")).send().await;
    assert_unauthorized(&trusted.stage, "another token in the session", &answer, "invalid_token");
    trusted.end().await;
}
