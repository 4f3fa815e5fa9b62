//! Where users connect accounts of theirs, with a browser.
//!
//! ```text
//! /accounts/<server>      nobody has signed in: to the issuer ─▶ /sign-in/<issuer>: who it is ─▶ /accounts/<server>
//!                         somebody has: what is about to be connected, and for whom
//!   POST connect          to the authorization server ─▶ /accounts/<server>/callback: tokens, kept for whoever has signed in
//!   POST disconnect       tokens removed, and taken back
//! ```
//!
//! Each authorization server sends browsers back to a place of its own: what one of them is sent is never shown to another (RFC 9700,
//! section 4.4.2.2).
//!
//! SECURITY: one server's authorization server knows nothing of the gateway's callers, and a link says nothing of who opens it. Whose account
//! is connected is proven by the issuer whose tokens the same caller shows as an MCP client, in the same browser, before anything is asked.

mod browser;
mod page;
mod trouble;

use std::sync::Arc;

use bytes::Bytes;
use form_urlencoded::parse;
use http::{HeaderMap, Method, StatusCode};

use self::browser::{Cookies, Errand, Journey, Visitor};
pub use self::page::Page;
use self::page::{consent_page, escaped};
use self::trouble::Trouble;
use super::tokens::{AccountFailure, Accounts, WayBack};
use crate::config::{Issuer, OauthClient, ServerSelection};
use crate::layers::authn::{Issuers, SignedIn};
use crate::oauth::{AuthorizationServer, Proof, unguessable};
use crate::seal::Key;
use crate::secret::Secret;
use crate::state::{Switches, Whom, Whose};
use crate::upstream::ConnectError;

/// Where the pages are on a listener, and where issuers send browsers back to.
const PAGES: &str = "/accounts/";
const SIGN_IN: &str = "/sign-in/";
const CALLBACK: &str = "callback";

/// A request of a browser.
#[derive(Debug)]
pub struct Visit<'a> {
    /// `GET`, or `POST` of a form.
    pub method: &'a Method,
    /// One of [`Desk::serves`].
    pub path: &'a str,
    /// What follows `?`.
    pub query: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The form of a `POST`.
    pub form: Bytes,
}

/// What a browser is answered.
#[derive(Debug)]
pub enum Answer {
    /// It goes there, and keeps these cookies.
    Go(String, Vec<String>),
    /// It shows this, and keeps these cookies.
    Show(Page, Vec<String>),
    /// It shows why nothing was done, which is recorded by this word.
    Refuse(&'static str, Page, Vec<String>),
}

/// The pages of one listener.
#[derive(Debug)]
pub struct Desk {
    accounts: Arc<Accounts>,
    issuers: Issuers,
    sign_ins: Arc<[SignIn]>,
    cookies: Cookies,
    /// The URL of the listener, and the servers that it offers.
    gateway: String,
    offered: ServerSelection,
    switches: Arc<Switches>,
}

/// How the users of one issuer sign in.
#[derive(Debug)]
struct SignIn {
    issuer: String,
    client_id: String,
    server: AuthorizationServer,
}

impl Desk {
    /// For the listener at `gateway`; `key` seals what browsers keep.
    pub fn new(
        accounts: Arc<Accounts>,
        (issuers, configured): (Issuers, &[Issuer]),
        key: Key,
        (gateway, offered, switches): (&str, ServerSelection, Arc<Switches>),
    ) -> Result<Self, ConnectError> {
        let sign_in = |issuer: &Issuer| issuer.sign_in.as_ref().map(|settings| SignIn::new(&issuer.name, settings));
        let sign_ins = configured.iter().filter_map(sign_in).collect::<Result<_, _>>()?;
        Ok(Self {
            accounts,
            issuers,
            sign_ins,
            cookies: Cookies::new(key, gateway),
            gateway: gateway.to_owned(),
            offered,
            switches,
        })
    }

    /// Whether a path is one of the pages.
    pub fn serves(path: &str) -> bool {
        path.starts_with(PAGES) || path.starts_with(SIGN_IN)
    }

    /// Where the page of a server is on a listener at this URL, for users of this issuer.
    pub fn link(gateway: &str, server: &str, issuer: &str) -> String {
        format!("{gateway}{PAGES}{server}?issuer={issuer}")
    }

    /// Answers a browser.
    pub async fn answer(&self, visit: &Visit<'_>) -> Answer {
        let answered = match place(visit.path) {
            None => Err(Trouble::NoServer),
            // What a HEAD would show is what a GET does.
            Some(Place::Page(server)) if matches!(*visit.method, Method::GET | Method::HEAD) => self.open(server, visit).await,
            Some(Place::Page(server)) if *visit.method == Method::POST => self.submitted(server, visit).await,
            Some(Place::Back(errand, name)) if *visit.method == Method::GET => self.back((errand, name), visit).await,
            Some(_) => Err(Trouble::Method),
        };
        answered.unwrap_or_else(|trouble| trouble.answer(vec![]))
    }

    /// A page is opened.
    async fn open(&self, server: &str, visit: &Visit<'_>) -> Result<Answer, Trouble> {
        match self.cookies.visitor(visit.headers, self.now()) {
            Some(visitor) => self.consent(server, &visitor).await,
            None => self.send_to_sign_in(server, visit).await,
        }
    }

    /// Nobody has signed in: that comes first, whether such a server exists or not.
    async fn send_to_sign_in(&self, server: &str, visit: &Visit<'_>) -> Result<Answer, Trouble> {
        let wanted = parse(visit.query.as_bytes()).find(|(name, _)| name == "issuer").map(|(_, issuer)| issuer.into_owned());
        let by_name = |wanted: &String| self.sign_ins.iter().find(|sign_in| sign_in.issuer == *wanted);
        let chosen = match (wanted.as_ref(), &*self.sign_ins) {
            (Some(wanted), _) => by_name(wanted),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        let Some(chosen) = chosen else { return Ok(Answer::Show(self.choice(server), vec![])) };
        let proof = Proof::new().ok_or(Trouble::Random)?;
        let to = chosen.server.authorization(&self.way_back(Errand::SignIn, &chosen.issuer), &proof).await;
        let to = to.map_err(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, issuer = chosen.issuer, "users cannot sign in");
            Trouble::IssuerSilent
        })?;
        let [issuer, server] = [chosen.issuer.as_str(), server].map(str::to_owned);
        let nobody = Whose { issuer, subject: String::new(), tenant: String::new(), server };
        let journey = Journey::new(Errand::SignIn, &nobody, proof, self.now());
        Ok(Answer::Go(to, vec![self.cookies.keep_journey(&journey)?]))
    }

    /// Where users can sign in.
    fn choice(&self, server: &str) -> Page {
        let link = |sign_in: &SignIn| {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("issuer", &sign_in.issuer).finish();
            format!("<p><a href=\"{}?{}\">{}</a></p>", escaped(server), escaped(&query), escaped(&sign_in.issuer))
        };
        let links: String = self.sign_ins.iter().map(link).collect();
        Page::new(StatusCode::OK, "Sign in", &format!("<p>Where do you sign in?</p>{links}"))
    }

    /// What is about to be connected, and for whom.
    async fn consent(&self, server: &str, visitor: &Visitor) -> Result<Answer, Trouble> {
        let whose = whose(server, &visitor.who);
        let service = self.service(server, (&whose.issuer, &whose.tenant))?;
        let account = self.accounts.connected(&whose).await.map_err(AccountFailure::from)?;
        let page = consent_page(server, &self.gateway, visitor, (account.as_ref(), service.scope()));
        Ok(Answer::Show(page, vec![]))
    }

    /// A form came.
    async fn submitted(&self, server: &str, visit: &Visit<'_>) -> Result<Answer, Trouble> {
        let visitor = self.cookies.visitor(visit.headers, self.now()).ok_or(Trouble::NotSignedIn)?;
        let fields: Vec<_> = parse(&visit.form).collect();
        let get = |name: &str| {
            let mut found = fields.iter().filter(|(known, _)| known == name).map(|(_, value)| &**value);
            found.next().filter(|_| found.next().is_none())
        };
        if get("form").is_none_or(|token| !is_same(token, &visitor.form)) {
            return Err(Trouble::ForeignForm);
        }
        let whose = whose(server, &visitor.who);
        let service = self.service(server, (&whose.issuer, &whose.tenant))?;
        match get("act") {
            // What is stopped is stopped for browsers too. Taking away goes on.
            Some("connect") if self.is_stopped(server, &visitor.who) => Err(Trouble::Stopped),
            Some("connect") => {
                let proof = Proof::new().ok_or(Trouble::Random)?;
                let to = service.authorization(&self.way_back(Errand::Connect, server), &proof).await.map_err(|error| {
                    tracing::warn!(error = &error as &dyn std::error::Error, server, "accounts cannot be connected");
                    Trouble::ServerSilent
                })?;
                let journey = Journey::new(Errand::Connect, &whose, proof, self.now());
                Ok(Answer::Show(Page::onward(&to), vec![self.cookies.keep_journey(&journey)?]))
            }
            Some("disconnect") => {
                self.accounts.disconnect(whose).await?;
                Ok(Answer::Go(self.page_of(server), vec![]))
            }
            Some("leave") => {
                let page = Page::refusal(StatusCode::OK, "Signed out", "Nothing was changed. You can close this page.");
                Ok(Answer::Show(page, vec![self.cookies.forget_visitor()]))
            }
            _ => Err(Trouble::ForeignForm),
        }
    }

    /// A browser comes back from where it was sent. The way back is gone once, however it ends.
    async fn back(&self, (errand, name): (Errand, &str), visit: &Visit<'_>) -> Result<Answer, Trouble> {
        let journey = self.cookies.journey(visit.headers, self.now()).ok_or(Trouble::NoJourney)?;
        // What another authorization server is to answer is not answered by this one.
        if (journey.errand, journey.sent_to()) != (errand, name) {
            return Err(Trouble::ForeignState);
        }
        let forget = vec![self.cookies.forget_journey()];
        match self.arrive(&journey, visit).await {
            Ok(Answer::Go(to, cookies)) => Ok(Answer::Go(to, [cookies, forget].concat())),
            Ok(Answer::Show(page, cookies)) => Ok(Answer::Show(page, [cookies, forget].concat())),
            Ok(refused @ Answer::Refuse(..)) => Ok(refused),
            // Whoever comes with another state does not end the journey of the browser's user.
            Err(Trouble::ForeignState) => Err(Trouble::ForeignState),
            Err(trouble) => Ok(trouble.answer(forget)),
        }
    }

    async fn arrive(&self, journey: &Journey, visit: &Visit<'_>) -> Result<Answer, Trouble> {
        let fields: Vec<_> = parse(visit.query.as_bytes()).into_owned().collect();
        // RFC 6749, section 3.1: no parameter stands there twice.
        let get = |name: &str| {
            let mut found = fields.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
            match (found.next(), found.next()) {
                (first, None) => Ok(first),
                (_, Some(_)) => Err(Trouble::ForeignState),
            }
        };
        if get("state")?.is_none_or(|state| !journey.proof.is_of(state)) {
            return Err(Trouble::ForeignState);
        }
        let (code, issuer) = (get("code")?, get("iss")?);
        match (journey.errand, get("error")?, code) {
            (errand, Some(_error), _) => {
                self.sender(journey)?.is_sender(issuer).await?;
                Err(if errand == Errand::SignIn { Trouble::SignInRefused } else { Trouble::ConnectRefused })
            }
            (Errand::SignIn, None, Some(code)) => self.signed_in(journey, (code, issuer)).await,
            (Errand::Connect, None, Some(code)) => self.connected(journey, (code, issuer), visit).await,
            (_, None, None) => Err(Trouble::ForeignState),
        }
    }

    /// Where a browser was sent.
    fn sender(&self, journey: &Journey) -> Result<&AuthorizationServer, Trouble> {
        match journey.errand {
            Errand::Connect => self.service(&journey.server, (&journey.issuer, &journey.tenant)),
            Errand::SignIn => {
                let known = self.sign_ins.iter().find(|sign_in| sign_in.issuer == journey.issuer);
                known.map(|sign_in| &sign_in.server).ok_or(Trouble::NotSignedIn)
            }
        }
    }

    async fn signed_in(&self, journey: &Journey, answered: (&str, Option<&str>)) -> Result<Answer, Trouble> {
        let known = self.sign_ins.iter().find(|sign_in| sign_in.issuer == journey.issuer).ok_or(Trouble::NotSignedIn)?;
        let granted = known.server.redeem(answered, &self.way_back(Errand::SignIn, &known.issuer), &journey.proof).await?;
        let token = granted.identity.ok_or(Trouble::NobodyNamed)?;
        let expected = (known.issuer.as_str(), known.client_id.as_str(), journey.proof.nonce.as_str());
        let who = self.issuers.signed_in(token.expose(), expected, self.now()).await.map_err(|error| {
            tracing::warn!(error = %error, issuer = known.issuer, "an ID token is refused");
            Trouble::NobodyNamed
        })?;
        self.accounts.signed_in(&whose(&journey.server, &who)).await?;
        let visitor = Visitor::new(who, unguessable().ok_or(Trouble::Random)?, self.now());
        Ok(Answer::Go(self.page_of(&journey.server), vec![self.cookies.keep_visitor(&visitor)?]))
    }

    fn is_stopped(&self, server: &str, who: &SignedIn) -> bool {
        let SignedIn { issuer, subject, tenant } = who;
        self.switches.stops(Some(server), Some(Whom { issuer, subject, tenant: tenant.as_deref(), session: None }))
    }

    async fn connected(&self, journey: &Journey, answered: (&str, Option<&str>), visit: &Visit<'_>) -> Result<Answer, Trouble> {
        let visitor = self.cookies.visitor(visit.headers, self.now()).ok_or(Trouble::NotSignedIn)?;
        // Somebody else has signed in on this browser meanwhile.
        let SignedIn { issuer, subject, tenant } = &visitor.who;
        let tenant = tenant.as_deref().unwrap_or_default();
        if (issuer, subject, tenant) != (&journey.issuer, &journey.subject, journey.tenant.as_str()) {
            return Err(Trouble::ForeignState);
        }
        self.service(&journey.server, (issuer, tenant))?;
        if self.is_stopped(&journey.server, &visitor.who) {
            return Err(Trouble::Stopped);
        }
        let (code, issuer) = answered;
        let way = WayBack {
            code: Secret::new(code.to_owned()),
            issuer: issuer.map(str::to_owned),
            redirect_uri: self.way_back(Errand::Connect, &journey.server),
            proof: journey.proof.clone(),
        };
        self.accounts.connect(whose(&journey.server, &visitor.who), way).await?;
        Ok(Answer::Go(self.page_of(&journey.server), vec![]))
    }

    /// Where accounts at a server are, for a user of this issuer and tenant.
    fn service(&self, server: &str, (issuer, tenant): (&str, &str)) -> Result<&AuthorizationServer, Trouble> {
        let offered = match &self.offered {
            ServerSelection::All => true,
            ServerSelection::Only(names) => names.iter().any(|name| name == server),
        };
        self.accounts.service_for(server, issuer, tenant).filter(|_| offered).ok_or(Trouble::NoServer)
    }

    /// Where a browser comes back: `redirect_uri`, as it is registered.
    fn way_back(&self, errand: Errand, name: &str) -> String {
        match errand {
            Errand::Connect => format!("{}{PAGES}{name}/{CALLBACK}", self.gateway),
            Errand::SignIn => format!("{}{SIGN_IN}{name}", self.gateway),
        }
    }

    fn page_of(&self, server: &str) -> String {
        format!("{}{PAGES}{server}", self.gateway)
    }

    fn now(&self) -> jiff::Timestamp {
        self.accounts.parts.clock.now()
    }
}

impl SignIn {
    fn new(issuer: &str, settings: &OauthClient) -> Result<Self, ConnectError> {
        let server = AuthorizationServer::new(settings, None)?;
        Ok(Self { issuer: issuer.to_owned(), client_id: settings.client_id.clone(), server })
    }
}

/// What is at a path.
enum Place<'a> {
    /// The page of a server.
    Page(&'a str),
    /// Where a browser comes back that was sent there, by the name of the server or issuer.
    Back(Errand, &'a str),
}

fn place(path: &str) -> Option<Place<'_>> {
    if let Some(issuer) = path.strip_prefix(SIGN_IN) {
        return is_name(issuer).then_some(Place::Back(Errand::SignIn, issuer));
    }
    let rest = path.strip_prefix(PAGES)?;
    let (server, back) = rest.split_once('/').map_or((rest, None), |(server, back)| (server, Some(back)));
    match back {
        None => is_name(server).then_some(Place::Page(server)),
        Some(back) => (is_name(server) && back == CALLBACK).then_some(Place::Back(Errand::Connect, server)),
    }
}

fn whose(server: &str, who: &SignedIn) -> Whose {
    let SignedIn { issuer, subject, tenant } = who.clone();
    Whose { issuer, subject, tenant: tenant.unwrap_or_default(), server: server.to_owned() }
}

fn is_same(one: &str, other: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

/// What a server may be called.
fn is_name(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && !text.starts_with(['-', '_'])
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
}
