//! Tokens that are not good, each for one reason: all are one neutral 401, and the reason stands in the record only.
//!
//! One test for each row of the attack list, with the neighbours of its class. Every token is good but for the one thing its test
//! bends, and time stands still, so that nothing else can be what is refused.

#![expect(clippy::indexing_slicing, clippy::string_slice, clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod claims;
mod headers;
mod identity;
mod keys;
mod open_routes;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::http::Answer;
use crate::support::stage::Stage;
use crate::support::token::{Issuer, Key, Token, encode};

/// A stage that trusts an issuer.
struct Trusted {
    stage: Stage,
    issuer: Issuer,
}

impl Trusted {
    async fn new() -> Self {
        Self::of(Issuer::new("corp")).await
    }

    async fn of(issuer: Issuer) -> Self {
        let stage = Stage::trusting(&[&issuer]).await;
        stage.gateway.clock.freeze();
        Self { stage, issuer }
    }

    /// With more of the issuer's keys in `yett.yaml`, in flow style.
    async fn with(issuer: Issuer, extra: &str) -> Self {
        let stage = Stage::trusting_with(&[&issuer], |builder| builder.issuer_with(&issuer, extra)).await;
        stage.gateway.clock.freeze();
        Self { stage, issuer }
    }

    /// A good token for `crm`.
    fn token(&self) -> Token {
        self.issuer.token(&self.stage.gateway, "crm", "ada", &["staff"])
    }

    fn now(&self) -> i64 {
        self.stage.gateway.clock.seconds()
    }

    async fn call(&self, token: &str) -> Answer {
        self.stage.gateway.modern("crm", token).call("echo", json!({ "text": "hi" })).await
    }

    async fn assert_good(&self, what: &str, token: &str) {
        self.stage.assert_passes(what, &self.call(token).await);
    }

    /// Refused for that reason, which stands in the record and nowhere in the answer.
    async fn assert_bad(&self, what: &str, token: &str, word: &str) {
        let record = assert_unauthorized(&self.stage, what, &self.call(token).await, "invalid_token");
        assert_eq!(record["dec"]["detail"], word, "{what}: {record}");
    }

    /// Good tokens still work, and nothing of the refused ones has changed what they are good for.
    async fn end(self) {
        self.assert_good("a good token", &self.token().signed()).await;
        self.stage.end().await;
    }
}

/// The one neutral 401, with the challenge that tells a client where to get a token. Gives the record.
fn assert_unauthorized(stage: &Stage, what: &str, answer: &Answer, error: &str) -> Value {
    let record = stage.assert_refused(what, answer, 401);
    assert_eq!(record["dec"]["reason"], "unauthenticated", "{what}: {record}");
    assert_eq!(record.get("who"), None, "nobody was proven, {what}: {record}");
    let error = if error.is_empty() { String::new() } else { format!("error=\"{error}\", ") };
    let metadata = format!("http://{}/.well-known/oauth-protected-resource/mcp/crm", stage.gateway.address);
    let challenge = format!("Bearer {error}resource_metadata=\"{metadata}\"");
    assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()), "{what}: {answer:?}");
    // DESIGN.md, section 6.
    assert_eq!(answer.code(), Some(-31401), "{what}: {answer:?}");
    assert_eq!(answer.json()["id"], Value::Null, "{what}: {answer:?}");
    assert_eq!(answer.json()["error"]["data"], json!({ "call": answer.call() }), "{what}: {answer:?}");
    record
}

/// The parts of a token.
fn parts(token: &str) -> [String; 3] {
    let mut parts = token.split('.').map(str::to_owned);
    std::array::from_fn(|_| parts.next().unwrap())
}

fn decode(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).unwrap()
}

#[tokio::test]
async fn good_tokens_of_every_algorithm_pass() {
    let trusted = Trusted::of(Issuer::with_keys("corp", [Key::rsa("r"), Key::ec("e"), Key::ed("d")])).await;
    for key in &trusted.issuer.keys {
        trusted.assert_good(key.algorithm(), &trusted.token().by(key).signed()).await;
    }
    let ed = &trusted.issuer.keys[2];
    trusted.assert_good("Ed25519", &trusted.token().by(ed).header("alg", "Ed25519").signed()).await;
    trusted.end().await;
}

#[tokio::test]
async fn jwt_001_a_token_without_a_signature_is_refused() {
    let trusted = Trusted::new().await;
    let algorithms = ["none", "None", "nOnE", "NONE", "none ", ""].map(Value::from);
    for algorithm in algorithms.into_iter().chain([Value::Null, json!(0), json!(["none"]), json!({})]) {
        let token = trusted.token().header("alg", algorithm.clone());
        let what = algorithm.to_string();
        trusted.assert_bad(&format!("{what}, dot"), &format!("{}.", token.unsigned()), "token_malformed").await;
        trusted.assert_bad(&format!("{what}, no dot"), &token.unsigned(), "token_malformed").await;
        trusted.assert_bad(&format!("{what}, a signature"), &token.signed(), "token_algorithm").await;
        trusted.assert_bad(&format!("{what}, a byte"), &token.with_signature(&[0]), "token_algorithm").await;
    }
    let missing = trusted.token().without_header("alg");
    trusted.assert_bad("missing, dot", &format!("{}.", missing.unsigned()), "token_malformed").await;
    trusted.assert_bad("missing, no dot", &missing.unsigned(), "token_malformed").await;
    trusted.assert_bad("missing, a signature", &missing.signed(), "token_algorithm").await;
    trusted.end().await;
}

#[tokio::test]
async fn jwt_001_an_algorithm_other_than_the_keys_is_refused() {
    let trusted = Trusted::of(Issuer::with_keys("corp", [Key::ec("e"), Key::rsa("r"), Key::ed("d")])).await;
    for key in &trusted.issuer.keys {
        for algorithm in [
            "RS256", "RS384", "RS512", "PS256", "PS512", "ES256", "ES384", "EdDSA", "HS256", "ES256K", "rs256", "es256", "eddsa",
            "ES512", "Ed448", "ed25519", "Ed25519",
        ] {
            // RFC 9864 calls the same thing by another name.
            let same = algorithm == key.algorithm() || (algorithm == "Ed25519" && key.algorithm() == "EdDSA");
            if !same {
                let token = trusted.token().by(key).header("alg", algorithm).signed();
                trusted.assert_bad(&format!("{algorithm} by {}", key.kid), &token, "token_algorithm").await;
            }
        }
    }
    trusted.end().await;
}

#[tokio::test]
async fn jwt_002_a_public_key_is_no_secret() {
    let mut issuer = Issuer::with_keys("corp", [Key::rsa("r"), Key::ec("e")]);
    // A key set that names a symmetric key: whoever can read the set could sign.
    issuer.other_keys.push(
        json!({ "kty": "oct", "kid": "shared", "alg": "HS256", "use": "sig", "k": encode("a secret that everybody can read") }),
    );
    let trusted = Trusted::of(issuer).await;
    for key in trusted.issuer.keys.clone() {
        let jwk = key.jwk();
        let member = jwk.get("n").or(jwk.get("x")).and_then(Value::as_str).unwrap();
        let pem = key.public_pem();
        let secrets = [
            ("PEM", pem.clone().into_bytes()),
            ("PEM without its last line end", pem.trim_end().as_bytes().to_vec()),
            ("PEM with CRLF", pem.replace('\n', "\r\n").into_bytes()),
            ("DER", key.public_der()),
            ("base64 of the JWK member", member.as_bytes().to_vec()),
            ("the JWK member", decode(member)),
            ("the JWK", jwk.to_string().into_bytes()),
            ("nothing", Vec::new()),
        ];
        for (what, secret) in secrets {
            for algorithm in ["HS256", "HS384", "HS512"] {
                let token = trusted.token().by(&key).header("alg", algorithm).hmac_signed(&secret);
                trusted.assert_bad(&format!("{algorithm} over {what} of {}", key.kid), &token, "token_algorithm").await;
            }
            // The header keeps the key's own algorithm; only the signature is an HMAC.
            let token = trusted.token().by(&key).hmac_signed(&secret);
            trusted.assert_bad(&format!("an HMAC over {what} of {}", key.kid), &token, "token_signature").await;
        }
    }
    let shared = trusted.token().header("kid", "shared");
    trusted
        .assert_bad(
            "HS256",
            &shared.clone().header("alg", "HS256").hmac_signed(b"a secret that everybody can read"),
            "token_algorithm",
        )
        .await;
    trusted.assert_bad("ES256", &shared.hmac_signed(b"a secret that everybody can read"), "token_unknown_key").await;
    trusted.end().await;
}

#[tokio::test]
async fn jwt_004_an_algorithm_that_is_not_on_the_list_is_refused() {
    let trusted =
        Trusted::with(Issuer::with_keys("corp", [Key::ec("e"), Key::rsa("r"), Key::ed("d")]), "algorithms: [ES256]").await;
    for key in &trusted.issuer.keys[1..] {
        // Signed as its header says, by a key that the issuer publishes: only the list is against it.
        trusted.assert_bad(key.algorithm(), &trusted.token().by(key).signed(), "token_algorithm").await;
    }
    for algorithm in ["RS1", "HS512", "RS256", "ES512", "ES256K", "EdDSA", "ES256 ", "es256"] {
        trusted.assert_bad(algorithm, &trusted.token().header("alg", algorithm).signed(), "token_algorithm").await;
    }
    trusted.end().await;
}

/// Takes one mistake out of a token.
type Mend<'a> = Box<dyn Fn(Token) -> Token + 'a>;

/// SECURITY.md, section 5: one token with every mistake, mended one after the other. Each time the next check is what refuses it.
#[tokio::test]
async fn the_checks_come_in_their_order_and_the_first_failure_is_the_one_recorded() {
    let trusted =
        Trusted::with(Issuer::with_keys("corp", [Key::ec("e"), Key::ed("d")]), "algorithms: [ES256], clients: [c]").await;
    let (good, now) = (trusted.token().claim("client_id", "c"), trusted.now());
    let stranger = Key::ec("e");
    let mut claims = good.clone();
    for (name, value) in [
        ("iss", json!("https://evil.example")),
        ("aud", json!("https://evil.example")),
        ("exp", json!(now - 31)),
        ("client_id", json!("evil")),
        ("cnf", json!({})),
        ("sub", json!("")),
    ] {
        claims = claims.claim(name, value);
    }
    let mut token =
        claims.by(&stranger).header("jku", "x").header("typ", "id_token").header("alg", "EdDSA").header("kid", "nobody");
    let claim = |name: &'static str| -> Mend<'_> {
        let value = good.claims.get(name).cloned();
        Box::new(move |token: Token| match &value {
            Some(value) => token.claim(name, value.clone()),
            None => token.without_claim(name),
        })
    };
    let steps: [(&str, Mend<'_>); 11] = [
        ("token_header", Box::new(|token| token.without_header("jku"))),
        ("token_issuer", claim("iss")),
        ("token_header", Box::new(|token| token.header("typ", "at+jwt"))),
        ("token_algorithm", Box::new(|token| token.header("alg", "ES256"))),
        ("token_unknown_key", Box::new(|token| token.header("kid", "e"))),
        ("token_signature", Box::new(|token| token.by(&trusted.issuer.keys[0]))),
        ("token_audience", claim("aud")),
        ("token_expired", claim("exp")),
        ("token_client", claim("client_id")),
        ("token_bound", claim("cnf")),
        ("token_claim", claim("sub")),
    ];
    trusted.assert_bad("malformed", &format!("{}.", token.unsigned()), "token_malformed").await;
    for (number, (word, mend)) in steps.iter().enumerate() {
        trusted.assert_bad(&format!("step {number}"), &token.signed(), word).await;
        token = mend(token);
    }
    trusted.assert_good("with nothing wrong any more", &token.signed()).await;
    drop(steps);
    let good = good.signed();
    trusted.assert_good("the good one", &good).await;
    trusted.stage.end().await;
}

#[tokio::test]
async fn every_bad_token_is_answered_by_the_same_bytes() {
    let trusted = Trusted::new().await;
    let (good, now) = (trusted.token(), trusted.now());
    let stranger = Key::ec("ec-1");
    let tokens = [
        "x".to_owned(),
        "x".repeat(8 * 1024 + 1),
        "yett_0123456789ab_0123456789".to_owned(),
        good.unsigned(),
        good.clone().by(&stranger).signed(),
        good.clone().header("alg", "none").signed(),
        good.clone().header("kid", "nobody").signed(),
        good.clone().header("typ", "id_token").signed(),
        good.clone().header("jku", "https://evil.example").signed(),
        good.clone().claim("iss", "https://evil.example").signed(),
        good.clone().claim("aud", "https://evil.example").signed(),
        good.clone().claim("exp", now - 31).signed(),
        good.clone().claim("nbf", now + 31).signed(),
        good.clone().claim("exp", now + 90_000).signed(),
        good.clone().claim("cnf", json!({})).signed(),
        good.clone().claim("sub", "").signed(),
        good.clone().claim("azp", "another").signed(),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for token in &tokens {
        let answer = trusted.call(token).await;
        assert_unauthorized(&trusted.stage, token, &answer, "invalid_token");
        // What differs from answer to answer whatever the token: the call's id, and the second.
        let headers = answer.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("date"));
        let text = format!("{} {:?} {}", answer.status, headers.collect::<Vec<_>>(), String::from_utf8_lossy(&answer.body));
        seen.insert(text.replace(&answer.call(), "CALL"));
    }
    assert_eq!(seen.len(), 1, "{seen:#?}");
    trusted.end().await;
}

#[tokio::test]
async fn jwt_005_any_flipped_bit_is_refused() {
    let trusted = Trusted::of(Issuer::with_keys("corp", [Key::ec("e"), Key::ed("d")])).await;
    for key in trusted.issuer.keys.clone() {
        let good = trusted.token().by(&key).signed();
        // First the good one, so that it is remembered when its neighbours come.
        trusted.assert_good("as signed", &good).await;
        for part in 0..3 {
            let bytes = decode(&parts(&good)[part]);
            for position in (0..bytes.len()).step_by(5).chain([bytes.len() - 1]) {
                let mut bent = parts(&good);
                let mut flipped = bytes.clone();
                flipped[position] ^= 1 << (position % 8);
                bent[part] = encode(flipped);
                let answer = trusted.call(&bent.join(".")).await;
                assert_unauthorized(&trusted.stage, &format!("part {part}, byte {position}"), &answer, "invalid_token");
            }
        }
    }
    trusted.end().await;
}

#[tokio::test]
async fn jwt_005_a_signature_of_something_else_is_refused() {
    let trusted = Trusted::new().await;
    let key = trusted.issuer.keys[0].clone();
    let token = trusted.token();
    let other = trusted.token().claim("sub", "root").signed();
    let stranger = Key::ec("ec-1");
    let der = {
        // The other way to write an ECDSA signature: DER instead of two numbers side by side.
        let raw = key.sign(token.unsigned().as_bytes());
        let integer = |number: &[u8]| [&[2, 33, 0], number].concat();
        let numbers = [integer(&raw[..32]), integer(&raw[32..])].concat();
        [&[0x30, u8::try_from(numbers.len()).unwrap()], numbers.as_slice()].concat()
    };
    let good = decode(&parts(&token.signed())[2]);
    let signatures = [
        ("of another token", decode(&parts(&other)[2])),
        ("of a stranger's key of the same name", stranger.sign(token.unsigned().as_bytes())),
        ("all zero (CVE-2022-21449)", vec![0; 64]),
        ("all ones", vec![255; 64]),
        ("one byte", vec![0]),
        ("cut short", good[..63].to_vec()),
        ("with a byte more", [good.as_slice(), &[0]].concat()),
        ("twice", [good.as_slice(), good.as_slice()].concat()),
        ("as DER", der),
        ("over the payload alone", key.sign(parts(&other)[1].as_bytes())),
    ];
    for (what, signature) in signatures {
        trusted.assert_bad(what, &token.with_signature(&signature), "token_signature").await;
    }
    trusted.assert_bad("empty", &format!("{}.", token.unsigned()), "token_malformed").await;
    trusted.end().await;
}

#[tokio::test]
async fn jwt_005_a_token_that_is_not_three_strict_parts_is_refused() {
    let trusted = Trusted::new().await;
    let good = trusted.token().signed();
    let [header, payload, signature] = parts(&good);
    let last = good.chars().last().unwrap();
    // 64 bytes leave four loose bits in the last letter: sixteen spellings of one signature.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let loose = alphabet.chars().nth((alphabet.find(last).unwrap() & !15) | 1).unwrap();
    let malformed = [
        format!("{header}.{payload}.{signature}.x"),
        format!("{header}.{payload}.{signature}."),
        format!(".{payload}.{signature}"),
        format!("{header}..{signature}"),
        format!("{header}.{payload}"),
        header.clone(),
        ".".to_owned(),
        "..".to_owned(),
        format!("{header}.{payload}.{signature}=="),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}.{}{loose}", &signature[..signature.len() - 1]),
        format!("{header}.{payload}.+{}", &signature[1..]),
        format!("{header}.{payload}./{}", &signature[1..]),
        format!("{}.{payload}.{signature}", encode("[]")),
        format!("{}.{payload}.{signature}", encode("null")),
        format!("{}.{payload}.{signature}", encode(r#"{"alg":"ES256","alg":"none","kid":"ec-1","typ":"at+jwt"}"#)),
        format!("{}.{payload}.{signature}", encode([0xff, 0xfe])),
        format!("{header}.{}.{signature}", encode("\"text\"")),
        format!("{header}.{}.{signature}", encode(r#"{"sub":"ada","#)),
    ];
    for token in malformed {
        trusted.assert_bad(&token, &token, "token_malformed").await;
    }
    trusted.end().await;
}
