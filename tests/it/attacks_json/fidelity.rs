//! Bytes are truth: what is judged, recorded and forwarded is one text.

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;
use yett::audit::Filter;
use yett::master_key::MasterKey;
use yett::vault::Vault;

use super::{call, the_call};
use crate::support::client::meta;
use crate::support::http::find;
use crate::support::stage::{Stage, good_head};

/// A body as nobody writes one: spaces everywhere, escapes that mean plain letters, numbers of many digits.
const SPACED: &str = "\r\n\t{ \"params\" : {\n  \"arguments\":{ \"t\\u0065xt\" : \"\\u0053SN 536-22-12\\u00334 \\/ é \\ud83d\\ude00\",\t\"n\": 1.50e+01,\n\
     \"big\":123456789012345678901234567890 , \"zero\":-0.0,\"empty\":[ ]\t,\"o\":{ } },\n  \"name\":\"e\\u0063ho\", \"_meta\" :META },\n\
     \"method\" : \"tools\\/call\",\"id\" :\"\\u0061\", \"jsonrpc\":\"2\\u002e0\"}\r\n ";

#[tokio::test]
async fn json_008_the_server_gets_the_bytes_that_were_judged() {
    let stage = Stage::new().await;
    let body = SPACED.replace("META", &meta().to_string());
    let answer = good_head(&stage.modern(), body.as_bytes()).send().await;
    stage.assert_passes("a strangely written call", &answer);
    let arrived = the_call(&stage);
    assert_eq!(arrived.body, Bytes::from(body.clone()), "got {:?}", String::from_utf8_lossy(&arrived.body));
    assert!(find(&answer.body, br#""id":"\u0061""#).is_some(), "the id is not as it was written: {answer:?}");
    assert_commitment_opens(stage, &answer.call(), &body).await;
}

#[tokio::test]
async fn json_008_edits_are_splices_and_are_recorded() {
    let mask = "version: 1\ndlp:\n  rules:\n    - { name: ssn, detect: [us_ssn], direction: [request], action: mask }\n";
    let stage = Stage::with(|builder| builder.policy(mask)).await;
    let body = SPACED.replace("META", &meta().to_string());
    let answer = good_head(&stage.modern(), body.as_bytes()).send().await;
    stage.assert_passes("a call that is masked", &answer);
    let arrived = the_call(&stage);
    let expected = body.replacen(r"536-22-12\u00334", "[us_ssn]", 1);
    assert_eq!(String::from_utf8_lossy(&arrived.body), expected);
    let decision = &stage.gateway.records_of(&answer.call())[0];
    assert_eq!(decision["dec"]["edits"], 1, "{decision}");
    let findings = decision["dec"]["findings"].as_array().unwrap();
    assert!(findings.iter().any(|finding| finding["rule"] == "ssn"), "{decision}");
    assert_commitment_opens(stage, &answer.call(), &body).await;
}

/// What the record commits to is the body as it was sent, and nothing else.
async fn assert_commitment_opens(stage: Stage, call: &str, body: &str) {
    let folder = stage.gateway.stop_and_verify().await;
    let decision = folder.records(&Filter { call: Some(call.to_owned()), ..Filter::default() }).remove(0);
    let master = MasterKey::open(None, &folder.data()).unwrap();
    let vault = Vault::open(&folder.data(), &master).await.unwrap();
    let at: Timestamp = decision["t"].as_str().unwrap().parse().unwrap();
    let committer = vault.committer(decision["who"]["sub"].as_str().unwrap(), at).await.unwrap().expect("the caller's key");
    let call = Uuid::parse_str(call).unwrap();
    assert_eq!(decision["what"]["args"], committer.commit(call.as_bytes(), "args", body.as_bytes()));
    let shortened = &body.as_bytes()[..body.len() - 1];
    assert_ne!(decision["what"]["args"], committer.commit(call.as_bytes(), "args", shortened));
    assert_eq!(decision["what"]["args_n"], body.len());
    vault.close().await;
}

#[tokio::test]
async fn json_013_nul_in_an_argument_cuts_nothing_off() {
    let stage = Stage::new().await;
    let body = call(r#"{"text":"before\u0000after"}"#);
    let answer = good_head(&stage.modern(), body.as_bytes()).send().await;
    stage.assert_passes("NUL in an argument", &answer);
    assert_eq!(the_call(&stage).body, Bytes::from(body.clone()));
    assert_commitment_opens(stage, &answer.call(), &body).await;
}

#[tokio::test]
async fn json_013_what_stands_behind_a_nul_is_judged_too() {
    let stage = Stage::new().await;
    let secret = format!("AKIA{}", "Z7QWERTYUI3PASDF");
    let mut bodies =
        vec![call(&format!(r#"{{"text":"harmless\u0000 {secret}"}}"#)), call(&format!(r#"{{"a\u0000":{{"text":"{secret}"}}}}"#))];
    bodies.push(call(&format!(r#"{{"text":"\u0000\u0000","other":["\u0000","{secret}"]}}"#)));
    for body in bodies {
        let answer = good_head(&stage.modern(), body.as_bytes()).send().await;
        stage.assert_refused(&body, &answer, 200);
        assert_eq!(answer.code(), Some(-31422), "{answer:?}");
    }
    stage.end().await;
}
