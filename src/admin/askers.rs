//! Who asks the admin API: whoever has the token of the operators, or an auditor of one tenant.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use axum::http::Method;
use tokio::sync::{Mutex, MutexGuard};

use super::privacy::UNNAMED;
use super::reference;
use crate::audit_index::View;
use crate::secret::Secret;
use crate::secrets::Live;

/// Somebody who may search the records of one tenant, and nothing else.
#[derive(Debug)]
pub struct Auditor {
    name: String,
    view: View,
    token: Live,
    /// Held for a search: the index answers one question after the other, and theirs must not be all that wait.
    turn: Mutex<()>,
}

/// Everybody who may ask.
#[derive(Debug)]
pub(super) struct Askers {
    admin: Secret<String>,
    auditors: Vec<Arc<Auditor>>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) enum Asker {
    Admin,
    Auditor(Arc<Auditor>),
}

impl Auditor {
    /// Of that name in the log, who is shown `view` by `token`.
    pub fn new(name: String, view: View, token: Live) -> Self {
        Self { name, view, token, turn: Mutex::default() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn view(&self) -> &View {
        &self.view
    }

    /// Their searches come one after the other.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// None where its value is withdrawn, or was not read yet.
    fn token(&self) -> Option<Digest> {
        self.token.peek().as_ref().map(|version| digest(&SHA256, version.secret.expose().as_bytes()))
    }
}

impl Askers {
    pub(super) fn of(admin: Secret<String>) -> Self {
        Self { admin, auditors: Vec::new() }
    }

    /// Those too. Whose token is somebody else's is named: nobody could say who of the two has asked.
    pub(super) fn add(&mut self, auditors: Vec<Auditor>) -> Result<(), String> {
        for auditor in auditors {
            let is_known = auditor.token.peek().as_ref().is_some_and(|version| self.matching(version.secret.expose()) > 0);
            if is_known {
                return Err(auditor.name);
            }
            self.auditors.push(Arc::new(auditor));
        }
        Ok(())
    }

    /// Whose token this is. SECURITY: every token is compared, and none by its first bytes or its length, so that the time tells nobody
    /// which one came close. Who has the token of two is neither: tokens may become equal when they are read again.
    pub(super) fn who(&self, given: &str) -> Option<Asker> {
        let (found, matching) = self.compare(given);
        found.filter(|_| matching == 1)
    }

    fn matching(&self, given: &str) -> usize {
        self.compare(given).1
    }

    fn compare(&self, given: &str) -> (Option<Asker>, usize) {
        let given = digest(&SHA256, given.as_bytes());
        let admin = (Some(digest(&SHA256, self.admin.expose().as_bytes())), Asker::Admin);
        let auditors = self.auditors.iter().map(|auditor| (auditor.token(), Asker::Auditor(Arc::clone(auditor))));
        let (mut found, mut matching) = (None, 0);
        for (token, asker) in [admin].into_iter().chain(auditors) {
            if token.is_some_and(|token| verify_slices_are_equal(token.as_ref(), given.as_ref()).is_ok()) {
                (found, matching) = (Some(asker), matching + 1);
            }
        }
        (found, matching)
    }
}

impl Asker {
    /// Whether they may ask this at all. SECURITY: the one place that says so, before any route is looked at; what nobody has opened to
    /// auditors is closed to them.
    pub(super) fn may(&self, method: &Method, path: &str) -> bool {
        match self {
            Self::Admin => true,
            Self::Auditor(_) => reference::is_for_auditors(method, path),
        }
    }

    /// Who they are in the log.
    pub(super) fn requester(&self) -> String {
        match self {
            Self::Admin => UNNAMED.to_owned(),
            Self::Auditor(auditor) => format!("auditor:{}", auditor.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::Form;

    fn token(letter: &str) -> Live {
        Live::fixed("admin.auditors.x.token", Form::Token { least: 32 }, letter.repeat(32))
    }

    fn auditor(name: &str, token: &Live) -> Auditor {
        let view = View { issuers: vec!["corp".to_owned()], tenant: name.to_owned() };
        Auditor::new(name.to_owned(), view, token.clone())
    }

    fn askers() -> Askers {
        Askers::of(Secret::new("a".repeat(64)))
    }

    fn who(askers: &Askers, given: &str) -> Option<String> {
        askers.who(given).map(|asker| asker.requester())
    }

    #[test]
    fn each_is_known_by_a_whole_token_and_by_nothing_else() {
        let mut askers = askers();
        askers.add(vec![auditor("acme", &token("b")), auditor("globex", &token("c"))]).unwrap();
        assert_eq!(who(&askers, &"a".repeat(64)).as_deref(), Some("admin"));
        assert_eq!(who(&askers, &"b".repeat(32)).as_deref(), Some("auditor:acme"));
        assert_eq!(who(&askers, &"c".repeat(32)).as_deref(), Some("auditor:globex"));
        for wrong in [String::new(), "b".repeat(31), "b".repeat(33), "b".repeat(64), format!(" {}", "b".repeat(32))] {
            assert_eq!(who(&askers, &wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_token_of_two_is_refused_at_the_start_and_nobodys_later() {
        assert_eq!(askers().add(vec![auditor("acme", &token("b")), auditor("globex", &token("b"))]).unwrap_err(), "globex");
        let mut with_admin = Askers::of(Secret::new("b".repeat(32)));
        assert_eq!(with_admin.add(vec![auditor("acme", &token("b"))]).unwrap_err(), "acme");

        let (mut askers, turned) = (askers(), token("b"));
        askers.add(vec![auditor("acme", &turned), auditor("globex", &token("c"))]).unwrap();
        turned.publish(Secret::new("c".repeat(32)), None);
        assert_eq!([who(&askers, &"b".repeat(32)), who(&askers, &"c".repeat(32))], [None, None]);
        turned.publish(Secret::new("d".repeat(32)), None);
        assert_eq!(who(&askers, &"d".repeat(32)).as_deref(), Some("auditor:acme"));
        assert_eq!(who(&askers, &"c".repeat(32)).as_deref(), Some("auditor:globex"));
    }

    #[test]
    fn auditors_may_read_what_the_table_opens_to_them_and_do_nothing() {
        let auditor = Asker::Auditor(Arc::new(auditor("acme", &token("b"))));
        assert!(auditor.may(&Method::GET, "/v1/audit/search") && auditor.may(&Method::GET, "/v1/openapi.json"));
        for path in
            ["", "/", "/docs", "/v1/audit/search/", "/v1//audit/search", "/v1/audit/Search", "/v1/audit/prune", "/v1/keys"]
        {
            assert!(!auditor.may(&Method::GET, path), "{path}");
        }
        for method in [Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            assert!(!auditor.may(&method, "/v1/audit/search"), "{method}");
            assert!(Asker::Admin.may(&method, "/v1/audit/search"), "{method}");
        }
    }
}
