//! What a browser keeps for us between two pages: who its user is, and where it was sent. Sealed, for minutes.
//!
//! SECURITY: replicas share nothing of it, and a browser has no other proof: what comes back without its cookie, or with another browser's
//! state, is nobody's (OAuth 2.1, section 7.12; RFC 9700, section 4.7).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use form_urlencoded::{Serializer, parse};
use http::HeaderMap;
use http::header::COOKIE;
use jiff::{SignedDuration, Timestamp};

use crate::layers::authn::SignedIn;
use crate::oauth::Proof;
use crate::seal::{Key, Label, SealError};
use crate::state::Whose;

/// How long a sign-in, or a way to an authorization server and back, may take.
pub(super) const LIFE: SignedDuration = SignedDuration::from_mins(10);

/// Larger than any of ours: browsers keep 4 KiB.
const LARGEST: usize = 4 * 1024;

/// Who the user of a browser is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Visitor {
    pub(super) who: SignedIn,
    /// Stands in every form of theirs: a form of another site does not have it.
    pub(super) form: String,
    until: i64,
}

/// Where a browser was sent, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Journey {
    pub(super) errand: Errand,
    /// The server whose page it has left.
    pub(super) server: String,
    /// The issuer at which it signs in, or at which its user has.
    pub(super) issuer: String,
    /// The user who connects an account; nobody yet while it signs in.
    pub(super) subject: String,
    /// Their tenant; empty without one.
    pub(super) tenant: String,
    pub(super) proof: Proof,
    until: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    Connect,
    SignIn,
}

/// Seals what browsers keep.
#[derive(Debug)]
pub(super) struct Cookies {
    key: Key,
    /// Whether browsers come by TLS.
    secure: bool,
}

impl Visitor {
    pub(super) fn new(who: SignedIn, form: String, now: Timestamp) -> Self {
        Self { who, form, until: end(now) }
    }
}

impl Journey {
    pub(super) fn new(errand: Errand, whose: &Whose, proof: Proof, now: Timestamp) -> Self {
        let Whose { issuer, subject, tenant, server } = whose.clone();
        Self { errand, server, issuer, subject, tenant, proof, until: end(now) }
    }

    /// By the name of the server, or of the issuer.
    pub(super) fn sent_to(&self) -> &str {
        match self.errand {
            Errand::Connect => &self.server,
            Errand::SignIn => &self.issuer,
        }
    }
}

impl Cookies {
    /// For a listener at this URL.
    pub(super) fn new(key: Key, gateway: &str) -> Self {
        Self { key, secure: gateway.starts_with("https://") }
    }

    pub(super) fn visitor(&self, headers: &HeaderMap, now: Timestamp) -> Option<Visitor> {
        let mut fields = self.read("visitor", headers)?;
        let mut take = |name: &str| fields.remove(name);
        let until = take("until")?.parse().ok().filter(|until| *until > now.as_second())?;
        let (issuer, subject, tenant) = (take("issuer")?, take("subject")?, take("tenant"));
        Some(Visitor { who: SignedIn { issuer, subject, tenant }, form: take("form")?, until })
    }

    pub(super) fn journey(&self, headers: &HeaderMap, now: Timestamp) -> Option<Journey> {
        let mut fields = self.read("journey", headers)?;
        let mut take = |name: &str| fields.remove(name);
        let errand = match take("errand")?.as_str() {
            "connect" => Errand::Connect,
            "sign-in" => Errand::SignIn,
            _ => return None,
        };
        let until = take("until")?.parse().ok().filter(|until| *until > now.as_second())?;
        let proof = Proof { state: take("state")?, verifier: take("verifier")?, nonce: take("nonce")? };
        let (server, issuer) = (take("server")?, take("issuer")?);
        let (subject, tenant) = (take("subject")?, take("tenant")?);
        Some(Journey { errand, server, issuer, subject, tenant, proof, until })
    }

    pub(super) fn keep_visitor(&self, visitor: &Visitor) -> Result<String, SealError> {
        let SignedIn { issuer, subject, tenant } = &visitor.who;
        let until = visitor.until.to_string();
        let mut fields = vec![("issuer", issuer.as_str()), ("subject", subject), ("form", &visitor.form), ("until", &until)];
        fields.extend(tenant.as_deref().map(|tenant| ("tenant", tenant)));
        self.keep("visitor", &fields)
    }

    pub(super) fn keep_journey(&self, journey: &Journey) -> Result<String, SealError> {
        let errand = match journey.errand {
            Errand::Connect => "connect",
            Errand::SignIn => "sign-in",
        };
        let until = journey.until.to_string();
        let fields = [
            ("errand", errand),
            ("server", &journey.server),
            ("issuer", &journey.issuer),
            ("subject", &journey.subject),
            ("tenant", &journey.tenant),
            ("state", &journey.proof.state),
            ("verifier", &journey.proof.verifier),
            ("nonce", &journey.proof.nonce),
            ("until", &until),
        ];
        self.keep("journey", &fields)
    }

    /// Has a browser forget where it was sent: a way back is gone once.
    pub(super) fn forget_journey(&self) -> String {
        self.cookie("journey", "", 0)
    }

    /// Has a browser forget who its user is.
    pub(super) fn forget_visitor(&self) -> String {
        self.cookie("visitor", "", 0)
    }

    fn keep(&self, name: &'static str, fields: &[(&str, &str)]) -> Result<String, SealError> {
        let plain = Serializer::new(String::new()).extend_pairs(fields).finish();
        let sealed = self.key.seal(&Label::new(name, &[]), plain.as_bytes())?;
        // Browsers drop larger ones without a word, and would sign in for ever.
        if sealed.len() > LARGEST / 4 * 3 - 256 {
            return Err(SealError::Broken("a name that is too long for a cookie"));
        }
        Ok(self.cookie(name, &URL_SAFE_NO_PAD.encode(sealed), LIFE.as_secs()))
    }

    fn cookie(&self, name: &str, value: &str, seconds: i64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        // `Lax`: it comes along when another site sends the browser back here, and with no form of another site.
        format!("{}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}", self.name(name))
    }

    /// RFC 6265bis, section 4.1.3.2: no other host, and no page without TLS, can set one of that name.
    fn name(&self, name: &str) -> String {
        if self.secure { format!("__Host-yett-{name}") } else { format!("yett-{name}") }
    }

    fn read(&self, name: &'static str, headers: &HeaderMap) -> Option<BTreeMap<String, String>> {
        let wanted = self.name(name);
        let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(';'));
        let mut found = pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(known, _)| *known == wanted);
        let (_, value) = found.next()?;
        // Two of one name: one of them is somebody else's.
        if found.next().is_some() || value.len() > LARGEST {
            return None;
        }
        let plain = self.key.open(&Label::new(name, &[]), &URL_SAFE_NO_PAD.decode(value).ok()?).ok()?;
        Some(parse(plain.expose()).into_owned().collect())
    }
}

fn end(now: Timestamp) -> i64 {
    now.checked_add(LIFE).unwrap_or(now).as_second()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn shown(cookie: &str) -> HeaderMap {
        let pair = cookie.split(';').next().unwrap();
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&format!("a=b; {pair}; c=d")).unwrap())])
    }

    #[test]
    fn what_a_browser_keeps_comes_back_as_it_was_for_its_time_and_unchanged_alone() {
        let now = Timestamp::from_second(1_000).unwrap();
        let cookies = Cookies::new(Key::generate().unwrap(), "https://gw.example");
        let who = SignedIn { issuer: "corp".to_owned(), subject: "ada&eve=1 ü".to_owned(), tenant: None };
        let visitor = Visitor::new(who, "f".to_owned(), now);
        let kept = cookies.keep_visitor(&visitor).unwrap();
        assert!(
            kept.starts_with("__Host-yett-visitor=") && kept.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=600; Secure")
        );
        assert_eq!(cookies.visitor(&shown(&kept), now), Some(visitor));
        assert_eq!(cookies.visitor(&shown(&kept), Timestamp::from_second(1_600).unwrap()), None, "its time is over");

        let [issuer, subject, tenant, server] = ["corp", "ada", "", "mail"].map(str::to_owned);
        let whose = Whose { issuer, subject, tenant, server };
        let journey = Journey::new(Errand::Connect, &whose, Proof::new().unwrap(), now);
        let sent = cookies.keep_journey(&journey).unwrap();
        assert_eq!(cookies.journey(&shown(&sent), now), Some(journey));
        // Neither is the other, however it is named.
        let swapped = sent.replace("journey", "visitor");
        assert_eq!(cookies.visitor(&shown(&swapped), now), None);
        let other = Cookies::new(Key::generate().unwrap(), "https://gw.example");
        assert_eq!(other.visitor(&shown(&kept), now), None, "sealed by somebody else");
        let mut twice = shown(&kept);
        twice.append(COOKIE, HeaderValue::from_str(kept.split(';').next().unwrap()).unwrap());
        assert_eq!(cookies.visitor(&twice, now), None, "two of one name");
        let changed = kept.replacen("visitor=", "visitor=A", 1);
        assert_eq!(cookies.visitor(&shown(&changed), now), None);
    }
}
