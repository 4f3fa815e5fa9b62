//! What a browser shows: small pages without scripts, made of our own words and of names that are escaped.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;

use super::browser::Visitor;
use crate::layers::authn::SignedIn;
use crate::state::Account;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:4rem auto;padding:0 1rem;color:#1b1f24;background:#fff}\
h1{font-size:1.35rem}dl{display:grid;grid-template-columns:auto 1fr;gap:.3rem 1rem}dt{color:#57606a}dd{margin:0;overflow-wrap:anywhere}\
button{font:inherit;padding:.5rem 1.1rem;margin:.5rem .6rem 0 0;border:1px solid #1b1f24;border-radius:.4rem;background:#fff;cursor:pointer}\
button.main{background:#1b1f24;color:#fff}small{color:#57606a}\
@media(prefers-color-scheme:dark){body{background:#14171a;color:#e6e8ea}button{background:#14171a;color:inherit;border-color:#8b949e}\
button.main{background:#e6e8ea;color:#14171a}dt,small{color:#9aa4ae}}";

/// A page.
#[derive(Clone, Debug)]
pub struct Page {
    /// How it went.
    pub status: StatusCode,
    /// All of it.
    pub html: String,
}

impl Page {
    /// A page with a heading and this inside.
    pub(super) fn new(status: StatusCode, heading: &str, inside: &str) -> Self {
        let heading = escaped(heading);
        let html = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
             <title>{heading}</title><style>{STYLE}</style></head><body><h1>{heading}</h1>{inside}</body></html>\n"
        );
        Self { status, html }
    }

    /// One that says why nothing was done, and what its reader can do.
    pub(super) fn refusal(status: StatusCode, heading: &str, why: &str) -> Self {
        Self::new(status, heading, &format!("<p>{}</p>", escaped(why)))
    }

    /// One that goes on to this URL by itself. Not a redirect: browsers hold where a form may lead against all redirects that follow it, and
    /// nobody knows how many an authorization server has.
    pub(super) fn onward(url: &str) -> Self {
        let url = escaped(url);
        let mut page = Self::new(StatusCode::OK, "One moment", &format!("<p><a href=\"{url}\">Go on</a></p>"));
        if let Some(end) = page.html.find("</head>") {
            page.html.insert_str(end, &format!("<meta http-equiv=\"refresh\" content=\"0;url={url}\">"));
        }
        page
    }

    /// The same with the id of its record, by which operators find it.
    #[must_use]
    pub fn recorded_as(mut self, call: &str) -> Self {
        if let Some(end) = self.html.find("</body>") {
            self.html.insert_str(end, &format!("<p><small>Reference: {}</small></p>", escaped(call)));
        }
        self
    }

    /// What a browser may do with it: nothing but show it, and send its forms.
    pub fn policy() -> String {
        let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
        format!("default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
    }
}

/// What is about to be connected or is, for whom, and by which gateway.
pub(super) fn consent_page(
    server: &str,
    gateway: &str,
    visitor: &Visitor,
    (account, scopes): (Option<&(Account, bool)>, &[String]),
) -> Page {
    let SignedIn { issuer, subject, .. } = &visitor.who;
    let (asked, gateway) = (scopes.join(" "), gateway.split_once("://").map_or(gateway, |(_, host)| host));
    let you = format!("{subject} ({issuer})");
    let mut known = vec![("You are", you.as_str()), ("Gateway", gateway), ("Server", server)];
    let since = account.map(|(account, _)| account.connected.strftime("%Y-%m-%d %H:%M UTC").to_string());
    known.extend(since.as_deref().map(|since| ("Connected since", since)));
    known.extend(Some(asked.as_str()).filter(|asked| !asked.is_empty()).map(|asked| ("Asked for", asked)));
    let facts = facts(&known);
    let (heading, text, buttons): (_, _, &[(&str, &str)]) = match account {
        None => (
            format!("Connect your account at {server}"),
            "Agents that call this server in your name will use your account there. You can take it back on this page at any time. \
             If you are not the person named here, leave.",
            &[("connect", "Connect"), ("leave", "Leave")],
        ),
        Some((_, false)) => (
            format!("Your account at {server} has run out"),
            "It cannot be renewed, and agents that call this server in your name have to wait until you connect it again.",
            &[("connect", "Connect again"), ("disconnect", "Disconnect"), ("leave", "Leave")],
        ),
        Some((_, true)) => (
            format!("Your account at {server} is connected"),
            "Agents that call this server in your name use your account there. You can close this page.",
            &[("disconnect", "Disconnect"), ("connect", "Connect again"), ("leave", "Leave")],
        ),
    };
    Page::new(StatusCode::OK, &heading, &format!("{facts}<p>{}</p>{}", escaped(text), form(&visitor.form, buttons)))
}

/// A list of what and which.
fn facts(facts: &[(&str, &str)]) -> String {
    let mut list = String::from("<dl>");
    for (what, which) in facts {
        let _ = write!(list, "<dt>{}</dt><dd>{}</dd>", escaped(what), escaped(which));
    }
    list.push_str("</dl>");
    list
}

/// A form that is sent back here: what its buttons do, and how they are called, the first the main one.
fn form(token: &str, buttons: &[(&str, &str)]) -> String {
    let mut form = format!("<form method=\"post\"><input type=\"hidden\" name=\"form\" value=\"{}\">", escaped(token));
    for (index, (act, called)) in buttons.iter().enumerate() {
        let class = if index == 0 { " class=\"main\"" } else { "" };
        let (act, called) = (escaped(act), escaped(called));
        let _ = write!(form, "<button{class} name=\"act\" value=\"{act}\">{called}</button>");
    }
    form.push_str("</form>");
    form
}

/// Text that is nothing but text, inside an element or an attribute in quotes.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Turns the text around it, or hides some of it.
            '\u{ad}' | '\u{61c}' | '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' => {
                safe.push('\u{fffd}');
            }
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_name_holds_it_stays_text() {
        let page = Page::new(StatusCode::OK, "a<b", &facts(&[("who", "\"><script>x</script>'&\u{202e}")]));
        assert!(!page.html.contains("<script") && page.html.contains("&quot;&gt;&lt;script&gt;") && page.html.contains("a&lt;b"));
        assert!(!page.html.contains('\u{202e}'));
        assert!(page.recorded_as("c").html.contains("Reference: c"));
        let onward = Page::onward("https://login.example/authorize?a=\"b\"&c='d'");
        assert!(onward.html.contains("content=\"0;url=https://login.example/authorize?a=&quot;b&quot;&amp;c=&#39;d&#39;\""));
    }
}
