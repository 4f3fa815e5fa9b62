//! Secrets of AWS, as moto serves them.

use std::fs;

use serde_json::json;

use super::{FIRST, SECOND, in_force, metrics, metrics_token};
use crate::support::gateway::Gateway;
use crate::support::moto::Moto;
use crate::support::server::Upstream;

#[tokio::test]
async fn secrets_and_parameters_of_aws_are_read_and_used_when_they_rotate() {
    let (crm, aws) = (Upstream::start().await, Moto::start().await);
    aws.put_secret("prod/metrics", &json!({ "token": FIRST }).to_string()).await;
    aws.put_secret("plain", FIRST).await;
    aws.put_parameter("/prod/metrics", FIRST).await;
    let key = "access_key_id: AKIDEXAMPLE, secret_access_key: wJalrXUtnFEMI";
    let provider = format!("aws: {{ region: eu-central-1, endpoint: \"{}\", {key} }}", aws.url());
    for reference in ["${aws-sm:prod/metrics#token}", "${aws-sm:plain}", "${aws-ssm:/prod/metrics}"] {
        let extra = metrics_token(reference, &provider);
        let gateway = Gateway::start().servers([("crm", &crm)]).config_extra(&extra).await;
        assert_eq!(metrics(&gateway, FIRST).await, 200, "{reference}");
        if reference.contains('#') {
            aws.put_secret("prod/metrics", &json!({ "token": SECOND }).to_string()).await;
            in_force(&gateway, SECOND).await;
        }
    }
    let extra = metrics_token("${aws-sm:prod/nothing}", &provider);
    let error = Gateway::start().servers([("crm", &crm)]).config_extra(&extra).try_start().await.err().expect("no start");
    assert!(error.contains("trouble: Missing"), "{error}");

    // The same store by a web identity, which is exchanged for temporary keys.
    let role = "web_identity: { role_arn: \"arn:aws:iam::123456789012:role/yett\", token_file: jwt }";
    let provider = format!("aws: {{ region: eu-central-1, endpoint: \"{}\", {role} }}", aws.url());
    let builder = Gateway::start().servers([("crm", &crm)]).config_extra(&metrics_token("${aws-ssm:/prod/metrics}", &provider));
    fs::write(builder.folder().join("jwt"), "ey.service.account\n").unwrap();
    let gateway = builder.await;
    assert_eq!(metrics(&gateway, FIRST).await, 200);
}
