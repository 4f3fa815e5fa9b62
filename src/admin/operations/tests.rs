//! Every operation is one record, with who asked for it, before it takes effect; where the log cannot be written, nothing happens.

use std::ops::ControlFlow;

use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::admin::{HeldToken, Order};
use crate::audit::{Disk, Filter, Options, show};
use crate::clock::SystemClock;
use crate::layers::injection::Quarantine;
use crate::master_key::{EPOCH_KEYS, MasterKey};
use crate::secret::Secret;
use crate::state::{Definition, Switch};
use crate::vault::{Ask, Identity, Wanted};

const WHO: &str = "ticket-9";

/// Stands for a value of `ada`'s tenant.
const TOKEN: &str = "000000042";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Create,
    Rotate,
    Revoke,
    Kill,
    Unkill,
    Approve,
    Withdraw,
    Drop,
    Hold,
    Release,
    Reveal,
    Find,
    Content,
    Export,
    Search,
    RevealToken,
    ForgetToken,
    Expire,
    Erase,
}

/// What each is recorded as: kind, act, and whether it tells what was before and after.
const ACTS: [(Act, &str, &str, &[&str]); 19] = [
    (Act::Create, "admin", "key.create", &["after"]),
    (Act::Rotate, "admin", "key.rotate", &["after", "before"]),
    (Act::Revoke, "admin", "key.revoke", &["after", "before"]),
    (Act::Kill, "killswitch", "kill", &["after", "before"]),
    (Act::Unkill, "killswitch", "unkill", &["after", "before"]),
    (Act::Approve, "admin", "definition.approve", &[]),
    (Act::Withdraw, "admin", "definition.revoke", &[]),
    (Act::Drop, "admin", "definition.forget", &[]),
    (Act::Hold, "hold", "hold", &[]),
    (Act::Release, "hold", "release", &[]),
    (Act::Reveal, "vault.read", "reveal", &[]),
    (Act::Find, "vault.read", "find", &[]),
    (Act::Content, "vault.read", "content", &[]),
    (Act::Export, "export", "export", &[]),
    (Act::Search, "admin", "audit.search", &[]),
    (Act::RevealToken, "vault.read", "token", &[]),
    (Act::ForgetToken, "erasure", "forget", &[]),
    (Act::Expire, "erasure", "expire", &[]),
    (Act::Erase, "erasure", "erase", &[]),
];

struct Place {
    dir: TempDir,
    operations: Operations,
    /// A key of `ada`, whom the vault knows since long ago.
    key: Arc<ApiKey>,
    /// Where one tool is.
    quarantine: Quarantine,
}

impl Place {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let master = MasterKey::open(None, dir.path()).unwrap();
        let logs = dir.path().join("audit");
        let options = Options::new(&logs, "gw.example", "r1", master.sealing(EPOCH_KEYS).unwrap());
        let opening = tokio::task::spawn_blocking(|| Log::open(options, Arc::new(Disk), Arc::new(SystemClock)).unwrap().0);
        let log = Arc::new(opening.await.unwrap());
        let (keys, switches) = ApiKeys::open(dir.path(), &master).await.unwrap();
        let vault = Arc::new(Vault::open(dir.path(), &master).await.unwrap());
        let caller = Caller { issuer: "api-key", subject: "ada", tenant: None };
        for time in ["2020-01-01T00:00:00Z".parse().unwrap(), Timestamp::now()] {
            vault.pseudonym(caller, time).await.unwrap();
        }
        let value = Wanted {
            purpose: "crm".into(),
            kind: "us_ssn",
            normal: "123456789".to_owned(),
            value: Secret::new("123-45-6789".to_owned()),
            draw: |_, _| Some(TOKEN.to_owned()),
        };
        let ask = Ask { token: "123456789".to_owned(), wanted: Some(value) };
        vault.tokens(caller, &["crm".into()], &[ask], Timestamp::now()).await.unwrap();
        let new = NewKey { subject: "ada".into(), groups: vec![], ..NewKey::default() };
        let (key, _) = keys.create(new, Timestamp::now()).await.unwrap();
        let (keys, switches) = (Arc::new(keys), Arc::new(switches));
        let stores =
            Stores { log, keys, switches, vault, logs, keep: Duration::from_hours(24), keep_log: Duration::from_hours(24) };
        let operations = Operations::open(stores, Arc::new(SystemClock)).await.unwrap();
        operations.privacy().catch_up().await.unwrap();
        let quarantine = Quarantine::default();
        quarantine.add("crm", "add", ("a", "{}"), ["model"].into_iter());
        Self { dir, operations, key, quarantine }
    }

    fn records(&self) -> Vec<Value> {
        let mut found = Vec::new();
        show(self.dir.path(), &Filter::default(), &mut |shown| {
            found.push(shown.value().clone());
            ControlFlow::Continue(())
        })
        .unwrap();
        found
    }

    /// Everything that operations change.
    async fn state(&self) -> String {
        let keys: Vec<_> = self.operations.keys().iter().map(|key| key.digest()).collect();
        let person = self.operations.vault.person("api-key", "ada").await.unwrap();
        let expiring = self.operations.vault.expiring("2020-12".parse().unwrap()).await.unwrap();
        let caller = Caller { issuer: "api-key", subject: "ada", tenant: None };
        let token = self.operations.vault.token(caller, "crm", TOKEN).await.unwrap();
        let (switches, approvals) = (self.operations.switches(), self.operations.approvals());
        let withheld = self.quarantine.hashes("crm", "add");
        format!("{keys:?} {switches:?} {approvals:?} {withheld:?} {person:?} {expiring} {}", token.is_some())
    }

    async fn run(&self, act: Act) -> Result<(), String> {
        let (operations, privacy, id) = (&self.operations, self.operations.privacy(), &self.key.id);
        let keys = operations.keys();
        let last = keys.iter().rfind(|key| key.revoked.is_none()).unwrap_or(&self.key);
        let who = Identity { issuer: "api-key".into(), subject: "ada".into() };
        let name = operations.vault.person("api-key", "ada").await.unwrap().unwrap().pseudonyms;
        let order = Order { who: who.clone(), basis: "art. 17".into(), approver: "dpo".into(), requester: WHO.to_owned() };
        let new = || NewKey { subject: "bob".into(), groups: vec![], ..NewKey::default() };
        let held =
            HeldToken { issuer: "api-key".into(), tenant: None, purpose: "crm".into(), token: Secret::new(TOKEN.to_owned()) };
        let definition = || Definition { server: "crm".into(), tool: "add".into(), hash: "a".repeat(64) };
        match act {
            Act::Create => operations.create_key(new(), WHO).await.map(drop).map_err(|error| error.to_string()),
            Act::Rotate => operations.rotate_key(id, Rotation::default(), WHO).await.map(drop).map_err(|error| error.to_string()),
            Act::Revoke => operations.revoke_key(&last.id, WHO).await.map(drop).map_err(|error| error.to_string()),
            Act::Kill => operations.set_switch(&Switch::All, true, WHO).await.map_err(|error| error.to_string()),
            Act::Unkill => operations.set_switch(&Switch::All, false, WHO).await.map_err(|error| error.to_string()),
            Act::Approve => {
                operations.approve_definition(definition(), "looked at it", WHO).await.map_err(|error| error.to_string())
            }
            Act::Withdraw => operations.revoke_definition(&definition(), "", WHO).await.map_err(|error| error.to_string()),
            Act::Drop => {
                let what = ("crm", Some(("add", Some("a"))));
                let done = operations.forget_definitions(&self.quarantine, what, "it is mended", WHO).await;
                done.map(|found| assert!(found)).map_err(|error| error.to_string())
            }
            Act::Hold => privacy.hold(&order, true).await.map(drop).map_err(|error| error.to_string()),
            Act::Release => privacy.hold(&order, false).await.map(drop).map_err(|error| error.to_string()),
            Act::Reveal => privacy.reveal(&name, WHO).await.map(drop).map_err(|error| error.to_string()),
            Act::Find => privacy.pseudonyms(&who, WHO).await.map(drop).map_err(|error| error.to_string()),
            Act::Content => privacy.content(uuid::Uuid::nil(), WHO).await.map(drop).map_err(|error| error.to_string()),
            Act::Export => privacy.export(&who, WHO).await.map(drop).map_err(|error| error.to_string()),
            Act::Search => operations.record_search("kind", 0, WHO).await.map_err(|error| error.to_string()),
            Act::RevealToken => privacy.reveal_token(&held, WHO).await.map(drop).map_err(|error| error.to_string()),
            Act::ForgetToken => privacy.forget_token(&held, WHO).await.map(drop).map_err(|error| error.to_string()),
            Act::Expire => privacy.expire(false, WHO).await.map(drop).map_err(|error| error.to_string()),
            Act::Erase => privacy.erase(&order).await.map(drop).map_err(|error| error.to_string()),
        }
    }
}

#[tokio::test]
async fn aud_054_every_admin_action_is_one_record_with_its_actor_and_what_was_before_and_after() {
    let place = Place::new().await;
    for (act, kind, word, states) in ACTS {
        let (before, state) = (place.records().len(), place.state().await);
        place.run(act).await.unwrap_or_else(|error| panic!("{act:?}: {error}"));
        let records = place.records();
        let of_it: Vec<_> = records[before..].iter().filter(|record| !record["what"].is_null()).collect();
        assert_eq!(of_it.len(), 1, "{act:?}: {of_it:?}");
        let what = &of_it[0]["what"];
        assert_eq!((&of_it[0]["kind"], &what["act"], &what["requester"]), (&kind.into(), &word.into(), &WHO.into()));
        for key in ["after", "before"] {
            let digest = what[key].as_str();
            assert_eq!(digest.is_some(), states.contains(&key), "{act:?}: {what}");
            assert!(digest.is_none_or(|digest| digest.len() == 64), "{act:?}: {what}");
        }
        assert_ne!(what["after"].as_str().or(Some("-")), what["before"].as_str(), "{act:?}: nothing has changed");
        let reads = matches!(kind, "vault.read" | "export") || act == Act::Search;
        assert_eq!(place.state().await == state, reads, "{act:?}");
    }
}

#[tokio::test]
async fn aud_054_without_the_log_no_admin_action_happens() {
    let place = Place::new().await;
    place.operations.set_switch(&Switch::All, true, WHO).await.unwrap();
    let (state, records) = (place.state().await, place.records().len());
    let log = Arc::clone(&place.operations.log);
    tokio::task::spawn_blocking(move || log.close()).await.unwrap();
    for (act, ..) in ACTS {
        let error = place.run(act).await.expect_err("done without a record");
        assert!(error.contains("could not be recorded") || act == Act::Export, "{act:?}: {error}");
        assert_eq!(place.state().await, state, "{act:?} took effect");
    }
    assert_eq!(place.records().len(), records);
}

#[tokio::test]
async fn no_name_of_a_caller_comes_into_the_log_as_that_of_an_operator() {
    let place = Place::new().await;
    let refused = place.operations.revoke_key(&place.key.id, "asked by Ada").await.unwrap_err();
    assert!(matches!(refused, OperationError::Requester(PrivacyError::Identifying("requester"))), "{refused}");
    for requester in ["", " ", "a\nb", &"x".repeat(257)] {
        let refused = place.operations.set_switch(&Switch::All, true, requester).await.unwrap_err();
        assert!(matches!(refused, OperationError::Requester(PrivacyError::Words(_))), "{refused}");
    }
    assert!(place.operations.switches().is_empty());
}
