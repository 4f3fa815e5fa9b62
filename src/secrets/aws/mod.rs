//! Secrets Manager, Parameter Store, and STS for those who come with a web identity. Two calls of two services, and one of the third:
//! signed by our own hand (`sigv4.rs`), since the SDK brings a second TLS stack's worth of crates for them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use http::Uri;
use http::header::{HeaderName, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::file::read_file;
use super::providers::{BOUNDS, Document, Trouble};
use super::settings::{Aws, AwsIdentity};
use super::wiped::{Member, Wiped, parse};
use crate::outbound::{Ask, Client};
use crate::secret::Secret;
use crate::sigv4::{Credentials, Scope, sign};
use crate::upstream::ConnectError;

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const JSON: &str = "application/x-amz-json-1.1";

/// Temporary keys are exchanged for new ones when so little of their life is left.
const EARLY: SignedDuration = SignedDuration::from_mins(5);

/// One region.
pub(super) struct AwsStore {
    region: String,
    secrets: Service,
    parameters: Service,
    tokens: Service,
    identity: AwsIdentity,
    /// Of a web identity.
    temporary: Mutex<Option<(Credentials, Timestamp)>>,
}

struct Service {
    name: &'static str,
    host: String,
    client: Client,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SecretValue {
    secret_string: Option<Wiped>,
    created_date: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ParameterAnswer {
    parameter: Parameter,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    value: Wiped,
    last_modified_date: Option<f64>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(rename = "__type")]
    kind: Option<String>,
}

impl fmt::Debug for AwsStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsStore").field("region", &self.region).finish_non_exhaustive()
    }
}

impl AwsStore {
    pub(super) fn new(settings: Aws) -> Result<Self, ConnectError> {
        let Aws { region, endpoint, authorities, identity } = settings;
        let service = |name: &'static str| {
            // The partition of China has another domain.
            let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
            let public = format!("https://{name}.{region}.{domain}");
            let public = public.parse::<Uri>().map_err(|_invalid| ConnectError::Host(public));
            let url = endpoint.clone().map_or(public, Ok)?;
            let host = url.authority().map(ToString::to_string).unwrap_or_default();
            Ok::<_, ConnectError>(Service { name, host, client: Client::new(&url, BOUNDS, authorities.as_deref())? })
        };
        let [secrets, parameters, tokens] = ["secretsmanager", "ssm", "sts"].map(service);
        Ok(Self { secrets: secrets?, parameters: parameters?, tokens: tokens?, region, identity, temporary: Mutex::default() })
    }

    /// The current version of a secret: as one text, and by its members where it is a JSON object.
    pub(super) async fn secret(&self, name: &str, now: Timestamp) -> Result<Document, Trouble> {
        let body = json!({ "SecretId": name }).to_string();
        let read: SecretValue = self.call(&self.secrets, "secretsmanager.GetSecretValue", body, now).await?;
        let Wiped(whole) = read.secret_string.ok_or(Trouble::Malformed("the secret is binary"))?;
        let members: BTreeMap<String, Member> = serde_json::from_str(&whole).unwrap_or_default();
        let members = members.into_iter().filter_map(|(name, member)| match member {
            Member::Text(Wiped(text)) => Some((name, text)),
            Member::Other(_) => None,
        });
        Ok(Document { members: members.collect(), whole: Some(whole), made: time(read.created_date) })
    }

    /// A parameter, decrypted.
    pub(super) async fn parameter(&self, name: &str, now: Timestamp) -> Result<Document, Trouble> {
        let body = json!({ "Name": name, "WithDecryption": true }).to_string();
        let ParameterAnswer { parameter } = self.call(&self.parameters, "AmazonSSM.GetParameter", body, now).await?;
        let Parameter { value: Wiped(whole), last_modified_date } = parameter;
        Ok(Document { members: BTreeMap::new(), whole: Some(whole), made: time(last_modified_date) })
    }

    async fn call<T>(&self, service: &Service, target: &'static str, body: String, now: Timestamp) -> Result<T, Trouble>
    where
        T: for<'de> Deserialize<'de>,
    {
        let credentials = self.credentials(now).await?;
        let scope = Scope { region: &self.region, service: service.name, host: &service.host, now, method: "POST", path: "/" };
        let signed = [("content-type", JSON), ("x-amz-target", target)];
        let mut ask = Ask::post(JSON, body.clone()).header(TARGET, HeaderValue::from_static(target));
        for (name, value) in sign(&scope, &credentials, &signed, body.as_bytes()) {
            ask = ask.secret(name, &value).map_err(|_invalid| Trouble::NoKey)?;
        }
        let answer = service.client.send(ask).await?;
        if answer.status == 200 {
            return parse(answer.body).ok_or(Trouble::Malformed("not what the API of AWS says"));
        }
        let refusal: Option<Refusal> = serde_json::from_slice(&answer.body).ok();
        let kind = refusal.and_then(|refusal| refusal.kind).unwrap_or_default();
        Err(match kind.rsplit('#').next().unwrap_or_default() {
            "ResourceNotFoundException" | "ParameterNotFound" => Trouble::Missing,
            "ThrottlingException" => Trouble::Failed(429),
            _ => Trouble::of_status(answer.status.as_u16()),
        })
    }

    async fn credentials(&self, now: Timestamp) -> Result<Credentials, Trouble> {
        let (role, token_file) = match &self.identity {
            AwsIdentity::Key { id, secret, session } => {
                let current = |live: &super::Live| live.current().map_err(|_withdrawn| Trouble::NoKey);
                let session = session.as_ref().map(current).transpose()?.map(|version| version.secret.clone());
                let id = current(id)?.secret.expose().clone();
                return Ok(Credentials { id, secret: current(secret)?.secret.clone(), session });
            }
            AwsIdentity::WebIdentity { role, token_file } => (role, token_file),
        };
        let mut temporary = self.temporary.lock().await;
        if let Some((credentials, end)) = temporary.as_ref()
            && end.duration_since(now) > EARLY
        {
            return Ok(credentials.clone());
        }
        let fresh = self.assume(role, token_file).await?;
        *temporary = Some(fresh.clone());
        Ok(fresh.0)
    }

    /// `AssumeRoleWithWebIdentity`, which is not signed: the token is the proof.
    async fn assume(&self, role: &str, token_file: &Path) -> Result<(Credentials, Timestamp), Trouble> {
        let path = token_file.to_owned();
        let reading = tokio::task::spawn_blocking(move || read_file(&path)).await;
        let (token, _) = reading.map_err(|_panicked| Trouble::Malformed("reading the token panicked"))??;
        let ask = Ask::form([
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", role),
            ("RoleSessionName", "yett"),
            ("WebIdentityToken", token.as_str()),
        ]);
        let answer = self.tokens.client.send(ask).await?;
        match answer.status.as_u16() {
            200 => {}
            status @ 400..=499 if status != 429 => return Err(Trouble::Login(status)),
            status => return Err(Trouble::Failed(status)),
        }
        let text = Zeroizing::new(String::from_utf8_lossy(&answer.body).into_owned());
        let read = |name: &str| element(&text, name).ok_or(Trouble::Malformed("no temporary keys"));
        let end: Timestamp = read("Expiration")?.parse().map_err(|_invalid| Trouble::Malformed("no end of temporary keys"))?;
        let credentials = Credentials {
            id: read("AccessKeyId")?.to_owned(),
            secret: Secret::new(read("SecretAccessKey")?.to_owned()),
            session: Some(Secret::new(read("SessionToken")?.to_owned())),
        };
        Ok((credentials, end))
    }
}

/// The text of the only element of that name. Those that are read hold letters, digits and the signs of Base64: nothing is escaped.
fn element<'t>(xml: &'t str, name: &str) -> Option<&'t str> {
    let (_, after) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = after.split_once(&format!("</{name}>"))?;
    (!text.is_empty() && !text.contains(['<', '&'])).then(|| text.trim())
}

/// Seconds since 1970, with a fraction.
fn time(seconds: Option<f64>) -> Option<Timestamp> {
    let seconds = SignedDuration::try_from_secs_f64(seconds?).ok()?;
    Timestamp::UNIX_EPOCH.checked_add(seconds).ok()
}
