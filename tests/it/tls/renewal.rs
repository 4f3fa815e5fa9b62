//! Certificates, keys and authorities that are renewed while the gateway serves.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use serde_json::json;

use super::{AGENT, REQUIRED, Secure, Setting, put};
use crate::support::certs::{Authority, Issued, Leaf};
use crate::support::tls::TlsClient;

/// SHA-256 of the certificate that a new connection is shown, in hex.
async fn shown(secure: &Secure, client: &TlsClient) -> String {
    let stream = client.shake(secure.address).await.unwrap();
    let leaf = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    hex(&leaf)
}

fn hex(der: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
    digest.as_ref().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn fingerprint(issued: &Issued) -> String {
    use rustls::pki_types::pem::PemObject as _;
    hex(&rustls::pki_types::CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap())
}

#[tokio::test]
async fn a_certificate_is_swapped_under_load_and_no_request_is_lost() {
    let secure = Secure::new(Setting::default()).await;
    let over = AtomicBool::new(false);
    let fresh = async || {
        let mut calls = 0_u32;
        while !over.load(Ordering::Relaxed) {
            let answer = secure.send(&secure.client, &secure.keyed()).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            calls += 1;
        }
        calls
    };
    let kept = async || {
        let mut connection = secure.client.connect(secure.address).await;
        let mut calls = 0_u32;
        while !over.load(Ordering::Relaxed) {
            connection.send(&secure.keyed().bytes()).await;
            let answer = connection.answer().await.expect("a connection that was open goes on");
            assert_eq!(answer.status, 200, "{answer:?}");
            calls += 1;
        }
        calls
    };
    let swaps = async {
        for _ in 0..3 {
            let before = shown(&secure, &secure.client).await;
            let next = secure.public.issue(&Leaf::server("127.0.0.1"));
            put(&secure, &next);
            secure.gateway().running.reload("signal").await.unwrap();
            assert_eq!(shown(&secure, &secure.client).await, fingerprint(&next));
            let record = secure.renewals().pop().unwrap();
            assert_eq!(record["what"]["before"], before.as_str(), "{record}");
            assert_eq!(record["what"]["after"], fingerprint(&next).as_str(), "{record}");
        }
        over.store(true, Ordering::Relaxed);
    };
    let ((fresh, kept), ()) =
        tokio::join!(async { tokio::join!(join_all([fresh(), fresh()]), join_all([kept(), kept()])) }, swaps);
    assert!(fresh.iter().chain(&kept).all(|calls| *calls > 0), "{fresh:?} {kept:?}");
    secure.gateway().metric_is("yett_tls_reloads_total{outcome=\"applied\"}", 3.0).await;
    secure.end().await;
}

#[tokio::test]
async fn files_that_change_are_taken_without_a_word_and_a_pair_that_does_not_fit_is_not() {
    let secure = Secure::new(Setting::default()).await;
    let first = shown(&secure, &secure.client).await;
    let (mine, foreign) =
        (secure.public.issue(&Leaf::server("127.0.0.1").valid(-60, 86_400)), secure.public.issue(&Leaf::server("127.0.0.1")));
    fs::write(secure.file("server.key"), &foreign.key).unwrap();
    secure.gateway().metric_is("yett_tls_reloads_total{outcome=\"refused\"}", 1.0).await;
    assert_eq!(shown(&secure, &secure.client).await, first, "what was good stays");
    let refused = secure.renewals().pop().unwrap();
    assert_eq!(refused["what"], json!({ "act": "tls.renew.refused", "by": "file", "reason": "foreign_key", "target": "secure" }));
    put(&secure, &mine);
    secure.gateway().metric_is("yett_tls_reloads_total{outcome=\"applied\"}", 1.0).await;
    assert_eq!(shown(&secure, &secure.client).await, fingerprint(&mine));
    let renewed = secure.renewals().pop().unwrap();
    let expected = json!({ "act": "tls.renew", "after": fingerprint(&mine), "before": first, "by": "file", "target": "secure" });
    assert_eq!((&renewed["kind"], &renewed["what"]), (&json!("config.change"), &expected));
    let expires = secure.gateway().metric("yett_tls_certificate_expires_timestamp_seconds{listener=\"secure\"}").await;
    let left = expires - f64::from(u32::try_from(secure.gateway().clock.seconds()).unwrap());
    assert!((86_000.0..86_500.0).contains(&left), "{left}");
    // An expired one takes the place of nothing.
    put(&secure, &secure.public.issue(&Leaf::server("127.0.0.1").expired()));
    secure.gateway().metric_is("yett_tls_reloads_total{outcome=\"refused\"}", 2.0).await;
    assert_eq!(secure.renewals().pop().unwrap()["what"]["reason"], "certificate_expired");
    assert_eq!(shown(&secure, &secure.client).await, fingerprint(&mine));
    secure.end().await;
}

#[tokio::test]
async fn a_folder_that_a_link_is_turned_to_is_one_change() {
    let secure = Secure::new(Setting::default()).await;
    // As Kubernetes mounts a secret: names lead through `..data`, which is a link that is exchanged.
    let next = secure.public.issue(&Leaf::server("127.0.0.1"));
    for (folder, issued) in [("..1", &secure.public.issue(&Leaf::server("127.0.0.1"))), ("..2", &next)] {
        fs::create_dir(secure.file(folder)).unwrap();
        issued.write(&secure.file(folder), "server");
    }
    symlink("..1", secure.file("..data")).unwrap();
    for name in ["server.pem", "server.key"] {
        fs::remove_file(secure.file(name)).unwrap();
        symlink(format!("..data/{name}"), secure.file(name)).unwrap();
    }
    secure.gateway().metric_is("yett_tls_reloads_total{outcome=\"applied\"}", 1.0).await;
    symlink("..2", secure.file("..data_tmp")).unwrap();
    fs::rename(secure.file("..data_tmp"), secure.file("..data")).unwrap();
    secure.gateway().metric_is("yett_tls_reloads_total{outcome=\"applied\"}", 2.0).await;
    assert_eq!(shown(&secure, &secure.client).await, fingerprint(&next));
    secure.end().await;
}

#[tokio::test]
async fn clients_of_an_authority_that_is_exchanged_are_out_and_those_of_the_new_one_in() {
    let secure = Secure::new(Setting::mutual(REQUIRED)).await;
    let leaf = Leaf::client("agent").uri(AGENT);
    let (old, next) = (secure.showing(&leaf), Authority::new("next"));
    let new = secure.client.showing(&next.issue(&leaf));
    let mut kept = old.connect(secure.address).await;
    kept.send(&secure.call().bytes()).await;
    secure.stage.assert_passes("the old one", &kept.answer().await.unwrap());
    secure.assert_no_handshake("the new one", &new, "certificate_unknown_ca").await;
    fs::write(secure.file("clients.pem"), &next.pem).unwrap();
    fs::write(secure.file("clients.crl"), next.revocations(&[])).unwrap();
    secure.gateway().running.reload("signal").await.unwrap();
    secure.stage.assert_passes("the new one", &secure.send(&new, &secure.call()).await);
    secure.assert_no_handshake("the old one", &old, "certificate_unknown_ca").await;
    kept.send(&secure.call().bytes()).await;
    assert_eq!(kept.answer().await.unwrap().status, 401, "the connection was made under another trust");
    secure.end().await;
}
