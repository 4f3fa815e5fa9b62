//! Signature Version 4 of AWS, for a request without a query whose body is known. Pure.
//!
//! "Create a signed AWS API request", IAM User Guide.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use http::header::{AUTHORIZATION, HeaderName};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::master_key::hex;
use crate::secret::Secret;

/// A key pair of AWS.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) id: String,
    pub(crate) secret: Secret<String>,
    /// Of temporary ones.
    pub(crate) session: Option<Secret<String>>,
}

/// What a signature is good for.
pub(crate) struct Scope<'a> {
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    pub(crate) host: &'a str,
    pub(crate) now: Timestamp,
    /// Of the request.
    pub(crate) method: &'a str,
    /// As it is sent, percent-encoded.
    pub(crate) path: &'a str,
}

/// The headers that make a request a signed one. `others` are those of the request that are to be signed beside, by their names in lower
/// case.
pub(crate) fn sign(
    scope: &Scope<'_>,
    credentials: &Credentials,
    others: &[(&str, &str)],
    body: &[u8],
) -> Vec<(HeaderName, Secret<String>)> {
    let time = scope.now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = time.split('T').next().unwrap_or_default();
    let mut headers = vec![("host", scope.host), ("x-amz-date", time.as_str())];
    headers.extend(others);
    headers.extend(credentials.session.as_ref().map(|token| ("x-amz-security-token", token.expose().as_str())));
    headers.sort_unstable();
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}:{}", value.trim())).collect();
    let canonical = format!("{}\n{}\n\n{}\n\n{names}\n{}", scope.method, scope.path, lines.join("\n"), sha256(body));
    let place = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let signed = format!("AWS4-HMAC-SHA256\n{time}\n{place}\n{}", sha256(canonical.as_bytes()));

    let start = Secret::new(format!("AWS4{}", credentials.secret.expose()));
    let mut key = hmac::Key::new(HMAC_SHA256, start.expose().as_bytes());
    for step in [day, scope.region, scope.service, "aws4_request"] {
        key = hmac::Key::new(HMAC_SHA256, hmac::sign(&key, step.as_bytes()).as_ref());
    }
    let signature = hex(hmac::sign(&key, signed.as_bytes()).as_ref());
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={}/{place}, SignedHeaders={names}, Signature={signature}", credentials.id);
    let mut result =
        vec![(HeaderName::from_static("x-amz-date"), Secret::new(time.clone())), (AUTHORIZATION, Secret::new(authorization))];
    result.extend(credentials.session.iter().map(|token| (HeaderName::from_static("x-amz-security-token"), token.clone())));
    result
}

/// In hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorization(scope: &Scope<'_>, session: Option<&str>, others: &[(&str, &str)], body: &str) -> String {
        let credentials = Credentials {
            id: "AKIDEXAMPLE".to_owned(),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
            session: session.map(|token| Secret::new(token.to_owned())),
        };
        let headers = sign(scope, &credentials, others, body.as_bytes());
        headers.iter().find(|(name, _)| name == AUTHORIZATION).unwrap().1.expose().clone()
    }

    #[test]
    fn a_signature_is_the_one_of_the_published_suite_and_of_the_sdk() {
        let now = "2015-08-30T12:36:00Z".parse().unwrap();
        // `post-vanilla` of the suite that AWS publishes.
        let scope =
            Scope { region: "us-east-1", service: "service", host: "example.amazonaws.com", now, method: "POST", path: "/" };
        assert_eq!(
            authorization(&scope, None, &[], ""),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, \
             Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
        // What botocore 1.44 says, with a session.
        let host = "secretsmanager.eu-central-1.amazonaws.com";
        let scope = Scope { region: "eu-central-1", service: "secretsmanager", host, now, method: "POST", path: "/" };
        let others = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "secretsmanager.GetSecretValue")];
        let signed = authorization(&scope, Some("session-token"), &others, r#"{"SecretId":"a"}"#);
        assert!(signed.ends_with("Signature=26451671694a38786dd68e6b0ca4206ab9701e551f759f1c39f1c1bce0ee9764"), "{signed}");
    }
}
