//! A user with a browser: follows redirects, keeps cookies, sends forms, and signs in wherever a provider asks.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use form_urlencoded::Serializer;

use super::http::{Answer, Connection};

/// A browser. Its cookies belong to one host and port each.
#[derive(Clone, Default)]
pub(crate) struct Browser {
    jar: BTreeMap<String, BTreeMap<String, String>>,
    /// Every URL that it was at, in order.
    pub(crate) trace: Vec<String>,
}

/// A page, and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) url: String,
    pub(crate) answer: Answer,
}

impl Page {
    pub(crate) fn status(&self) -> u16 {
        self.answer.status
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.answer.body).into_owned()
    }

    /// What stands between `before` and the next quote.
    pub(crate) fn attribute(&self, before: &str) -> Option<String> {
        let text = self.text();
        let value = text.split(before).nth(1)?.split('"').next()?;
        Some(value.replace("&quot;", "\"").replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    }

    /// Where the page sends its browser, if it does.
    pub(crate) fn onward(&self) -> Option<String> {
        let refresh = self.attribute("http-equiv=\"refresh\" content=\"0;url=");
        let to = self.answer.header("location").map(str::to_owned).filter(|_| (300..400).contains(&self.status())).or(refresh)?;
        Some(absolute(&self.url, &to))
    }
}

impl Browser {
    /// One request, without going anywhere from there.
    pub(crate) async fn get(&mut self, url: &str) -> Page {
        self.ask("GET", url, "", None).await
    }

    /// A form, as this origin's page sends it.
    pub(crate) async fn post(&mut self, url: &str, fields: &[(&str, &str)], origin: Option<&str>) -> Page {
        let form = Serializer::new(String::new()).extend_pairs(fields).finish();
        self.ask("POST", url, &form, origin).await
    }

    /// Follows whatever sends it on.
    pub(crate) async fn open(&mut self, url: &str) -> Page {
        let page = self.get(url).await;
        self.follow(page).await
    }

    pub(crate) async fn follow(&mut self, mut page: Page) -> Page {
        for _ in 0..20 {
            match page.onward() {
                // Nobody listens at a callback of a test.
                Some(to) if to.contains("//127.0.0.1/") => return Page { url: to, ..page },
                Some(to) => page = self.get(&to).await,
                None => return page,
            }
        }
        panic!("it goes on for ever: {:?}", self.trace)
    }

    /// Presses a button of a page of the gateway, and follows.
    pub(crate) async fn press(&mut self, page: &Page, act: &str) -> Page {
        let token = page.attribute("name=\"form\" value=\"").unwrap_or_else(|| panic!("no form: {}", page.text()));
        let origin = page.url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        let pressed = self.post(&page.url, &[("form", &token), ("act", act)], Some(&origin)).await;
        self.follow(pressed).await
    }

    /// Signs in as `login` wherever a provider asks, agrees to everything, and gives the page after that.
    pub(crate) async fn sign_in(&mut self, page: Page, login: &str) -> Page {
        let mut page = page;
        for _ in 0..10 {
            let Some(prompt) = page.attribute("name=\"prompt\" value=\"") else { return page };
            let action = page.attribute(" action=\"").expect("an action");
            let mut fields = vec![("prompt", prompt.as_str())];
            if prompt == "login" {
                fields.extend([("login", login), ("password", "any")]);
            }
            let to = absolute(&page.url, &action);
            let sent = self.post(&to, &fields, None).await;
            page = self.follow(sent).await;
        }
        panic!("the provider asks for ever: {:?}", self.trace)
    }

    /// Opens a URL, and signs in as `login` where that is asked for.
    pub(crate) async fn open_as(&mut self, url: &str, login: &str) -> Page {
        let page = self.open(url).await;
        self.sign_in(page, login).await
    }

    /// A cookie of this URL's host, by the end of its name.
    pub(crate) fn cookie(&self, url: &str, name: &str) -> Option<String> {
        let jar = self.jar.get(authority(url))?;
        jar.iter().find(|(known, _)| known.ends_with(name)).map(|(_, value)| value.clone())
    }

    /// Puts a cookie where another one was.
    pub(crate) fn set_cookie(&mut self, url: &str, name: &str, value: &str) {
        self.jar.entry(authority(url).to_owned()).or_default().insert(name.to_owned(), value.to_owned());
    }

    async fn ask(&mut self, method: &str, url: &str, form: &str, origin: Option<&str>) -> Page {
        self.trace.push(format!("{method} {url}"));
        let authority = authority(url).to_owned();
        let address: SocketAddr = authority.replace("localhost", "127.0.0.1").parse().expect("an address");
        let path = url.splitn(4, '/').nth(3).map_or("/".to_owned(), |path| format!("/{path}"));
        let path = path.split('#').next().unwrap_or_default();
        let cookies = self.jar.entry(authority.clone()).or_default();
        let cookies: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {authority}\r\nAccept: text/html\r\nConnection: close\r\n");
        if !cookies.is_empty() {
            let _ = write!(head, "Cookie: {}\r\n", cookies.join("; "));
        }
        if let Some(origin) = origin {
            let _ = write!(head, "Origin: {origin}\r\n");
        }
        if method == "POST" {
            let length = form.len();
            let _ = write!(head, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n");
        }
        let mut connection = Connection::open(address).await;
        connection.send(format!("{head}\r\n{form}").as_bytes()).await;
        let answer = connection.answer().await.expect("an answer");
        for (_, cookie) in answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")) {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').expect("a cookie");
            let jar = self.jar.entry(authority.clone()).or_default();
            if value.is_empty() || attributes.to_ascii_lowercase().contains("max-age=0") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        Page { url: url.to_owned(), answer }
    }
}

fn authority(url: &str) -> &str {
    url.split("://").nth(1).expect("a URL").split(['/', '?']).next().unwrap_or_default()
}

fn absolute(base: &str, to: &str) -> String {
    if to.contains("://") {
        return to.to_owned();
    }
    let scheme = base.split("://").next().unwrap_or_default();
    format!("{scheme}://{}{to}", authority(base))
}
