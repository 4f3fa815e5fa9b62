mod tokens;

use std::path::Path;

use sqlx::sqlite::SqlitePoolOptions;

use super::*;

const NOW: &str = "2026-11-21T00:00:00Z";
const LOG: &str = "gw/audit/r1";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn caller(subject: &str) -> Caller<'_> {
    Caller { issuer: "corp", subject, tenant: None }
}

async fn vault(dir: &Path) -> Vault {
    Vault::open(dir, &MasterKey::open(None, dir).unwrap()).await.unwrap()
}

async fn apply(vault: &Vault, change: Change, next: u64) {
    vault.apply(&change, Applied { log: LOG, next }).await.unwrap();
}

/// The first file below `dir` that holds `wanted`.
fn file_with(dir: &Path, wanted: &[u8]) -> Option<String> {
    let mut files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let holds = |path: &std::path::PathBuf| std::fs::read(path).unwrap().windows(wanted.len()).any(|part| part == wanted);
    files.find(holds).map(|path| path.display().to_string())
}

async fn blobs(vault: &Vault, statement: &'static str, of: &str) -> Vec<Vec<u8>> {
    sqlx::query_scalar(statement).bind(of).fetch_all(&vault.pool).await.unwrap()
}

#[tokio::test]
async fn a_pseudonym_lasts_a_year_and_its_key_a_month() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(dir.path()).await;
    let nov = vault.pseudonym(caller("ada"), at(NOW)).await.unwrap();
    let dec = vault.pseudonym(caller("ada"), at("2026-12-01T00:00:00Z")).await.unwrap();
    let jan = vault.pseudonym(caller("ada"), at("2027-01-01T00:00:00Z")).await.unwrap();
    assert_eq!(nov.name, dec.name);
    assert_ne!(dec.name, jan.name);
    let commit = |p: &Pseudonym| p.committer.commit(&[0; 16], "args", b"x");
    assert_ne!(commit(&nov), commit(&dec));
    let opened = vault.committer(&nov.name, at("2026-11-01T00:00:00Z")).await.unwrap().unwrap();
    assert_eq!(opened.commit(&[0; 16], "args", b"x"), commit(&nov), "a commitment can be opened while its key is there");
    assert!(nov.holds_at(at(NOW)) && !nov.holds_at(at("2026-12-01T00:00:00Z")));
}

#[tokio::test]
async fn pseudonyms_survive_a_restart_and_reveal_their_owner() {
    let dir = tempfile::tempdir().unwrap();
    let first = vault(dir.path()).await;
    let before = first.pseudonym(caller("ada"), at(NOW)).await.unwrap();
    first.close().await;
    let vault = vault(dir.path()).await;
    let after = vault.pseudonym(caller("ada"), at(NOW)).await.unwrap();
    assert_eq!(before.name, after.name);
    let commit = |p: &Pseudonym| p.committer.commit(&[0; 16], "args", b"x");
    assert_eq!(commit(&before), commit(&after));
    let ada = Identity { issuer: "corp".into(), subject: "ada".into() };
    assert_eq!(vault.reveal(&after.name).await.unwrap(), Some(ada));
    assert_ne!(vault.pseudonym(caller("bob"), at(NOW)).await.unwrap().name, after.name);
}

#[tokio::test]
async fn one_name_in_two_tenants_is_two_pseudonyms_of_one_person() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(dir.path()).await;
    let acme = Caller { tenant: Some("acme"), ..caller("ada") };
    let one = vault.pseudonym(acme, at(NOW)).await.unwrap().name;
    let two = vault.pseudonym(caller("ada"), at(NOW)).await.unwrap().name;
    assert_ne!(one, two);
    let mut both = [one.to_string(), two.to_string()];
    both.sort();
    let person = vault.person("corp", "ada").await.unwrap().unwrap();
    assert_eq!(person, Person { pseudonyms: both.to_vec(), held: false });
    assert_eq!(vault.person("other", "ada").await.unwrap(), None, "another issuer's ada is another person");
}

#[tokio::test]
async fn another_master_key_opens_nothing() {
    let dir = tempfile::tempdir().unwrap();
    vault(dir.path()).await.close().await;
    std::fs::remove_file(dir.path().join("master.key")).unwrap();
    let other = MasterKey::open(None, dir.path()).unwrap();
    assert!(matches!(Vault::open(dir.path(), &other).await, Err(VaultError::OtherKey)));
}

#[tokio::test]
async fn a_row_passed_for_anothers_does_not_open() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(dir.path()).await;
    let ada = vault.pseudonym(caller("ada"), at(NOW)).await.unwrap().name;
    let bob = vault.pseudonym(caller("bob"), at(NOW)).await.unwrap().name;
    // Whoever can write the file gives ada what belongs to bob.
    let swap = "UPDATE callers SET identity = (SELECT identity FROM callers JOIN pseudonyms ON caller = id WHERE name = ?1)
        WHERE id = (SELECT caller FROM pseudonyms WHERE name = ?2)";
    sqlx::query(swap).bind(&*bob).bind(&*ada).execute(&vault.pool).await.unwrap();
    assert!(matches!(vault.reveal(&ada).await, Err(VaultError::Sealed(_))));
}

#[tokio::test]
async fn prv_001_nothing_of_an_erased_caller_stays_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(dir.path()).await;
    let subject = |n: usize| format!("subject-{n:05}@example.com");
    let mut names = Vec::new();
    for n in 0..600 {
        for time in [NOW, "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"] {
            vault.pseudonym(caller(&subject(n)), at(time)).await.unwrap();
        }
        names.push(vault.person("corp", &subject(n)).await.unwrap().unwrap().pseudonyms);
        assert_eq!(names[n].len(), 2);
    }
    for (next, n) in [7_usize, 599, 0, 301, 302, 303, 80].into_iter().enumerate() {
        let name = names[n][0].clone();
        let mut traces = vec![vault.root.lookup(Lookup::Caller, &["corp", &subject(n)]).to_vec()];
        traces.extend(
            blobs(&vault, "SELECT identity FROM callers JOIN pseudonyms ON caller = callers.id WHERE name = ?", &name).await,
        );
        let keys =
            blobs(&vault, "SELECT key FROM months JOIN pseudonyms ON months.caller = pseudonyms.caller WHERE name = ?", &name)
                .await;
        assert_eq!(keys.len(), 3);
        traces.extend(keys);
        traces.extend(names[n].iter().map(|name| name.clone().into_bytes()));
        for trace in &traces {
            assert!(file_with(dir.path(), trace).is_some(), "what is looked for is there before");
        }
        apply(&vault, Change::Erase(vec![name.clone()]), next as u64).await;
        traces.push(subject(n).into_bytes());
        for (which, trace) in traces.iter().enumerate() {
            assert_eq!(file_with(dir.path(), trace), None, "trace {which} of caller {n}");
        }
        assert_eq!(vault.person("corp", &subject(n)).await.unwrap(), None);
        assert_eq!(vault.reveal(&name).await.unwrap(), None);
        assert!(vault.committer(&name, at(NOW)).await.unwrap().is_none());
    }
    assert_eq!(vault.person("corp", &subject(8)).await.unwrap().unwrap().pseudonyms, names[8], "others stay");
    assert_eq!(file_with(dir.path(), b"@example.com"), None, "no identity ever stands in plain");
}

#[tokio::test]
async fn captured_content_goes_with_its_key_and_none_comes_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(dir.path()).await;
    let text = b"the merger with Initech".repeat(2_000);
    let store = async |whose: &Pseudonym, call: u8| {
        vault.store(whose, ContentPlace { log: LOG, call: &[call; 16], kind: "full" }, &text).await
    };
    let (ada, bob) =
        (vault.pseudonym(caller("ada"), at(NOW)).await.unwrap(), vault.pseudonym(caller("bob"), at(NOW)).await.unwrap());
    let sha256 = store(&ada, 1).await.unwrap();
    store(&bob, 2).await.unwrap();
    let [content] = vault.content(&[1; 16]).await.unwrap().try_into().unwrap();
    assert_eq!((content.sha256, content.text.expose()), (sha256, &text));
    let sealed: Vec<u8> = sqlx::query_scalar("SELECT sealed FROM content WHERE call = ?")
        .bind([1_u8; 16].as_slice())
        .fetch_one(&vault.pool)
        .await
        .unwrap();
    let pieces = || sealed.chunks(64).filter(|piece| file_with(dir.path(), piece).is_some()).count();
    assert!(pieces() > 600, "most of it stands in one piece before");
    assert_eq!(file_with(dir.path(), b"Initech"), None);

    apply(&vault, Change::Erase(vec![ada.name.to_string()]), 1).await;
    assert_eq!(pieces(), 0);
    assert!(vault.content(&[1; 16]).await.unwrap().is_empty());
    assert!(matches!(store(&ada, 3).await, Err(VaultError::Erased)), "a call that was under way");
    assert_eq!(vault.content(&[2; 16]).await.unwrap().len(), 1);

    apply(&vault, Change::Expire("2026-11".parse().unwrap()), 2).await;
    assert!(vault.content(&[2; 16]).await.unwrap().is_empty());
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM content").fetch_one(&vault.pool).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn who_comes_back_after_an_erasure_is_somebody_new() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(dir.path()).await;
    let before = vault.pseudonym(caller("ada"), at(NOW)).await.unwrap();
    let bob = vault.pseudonym(caller("bob"), at(NOW)).await.unwrap();
    apply(&vault, Change::Erase(vec![before.name.to_string()]), 1).await;
    assert!(!before.holds_at(at(NOW)), "a remembered principal is looked up again");
    let after = vault.pseudonym(caller("ada"), at(NOW)).await.unwrap();
    assert_ne!(before.name, after.name);
    assert!(after.holds_at(at(NOW)));
    assert_eq!(vault.pseudonym(caller("bob"), at(NOW)).await.unwrap().name, bob.name);
}

#[tokio::test]
async fn prv_010_expired_months_go_with_their_mapping_unless_somebody_is_held() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(dir.path()).await;
    let (dec, jan) = ("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z");
    let old = vault.pseudonym(caller("ada"), at(NOW)).await.unwrap().name;
    let kept = vault.pseudonym(caller("bob"), at(NOW)).await.unwrap().name;
    vault.pseudonym(caller("ada"), at(dec)).await.unwrap();
    let new = vault.pseudonym(caller("ada"), at(jan)).await.unwrap().name;
    apply(&vault, Change::Hold(vec![kept.to_string()]), 1).await;
    assert!(vault.person("corp", "bob").await.unwrap().unwrap().held);

    let november: Month = "2026-11".parse().unwrap();
    assert_eq!(vault.expiring(november).await.unwrap(), 1, "bob is held");
    apply(&vault, Change::Expire(november), 2).await;
    assert!(vault.committer(&old, at(NOW)).await.unwrap().is_none());
    assert!(vault.committer(&old, at(dec)).await.unwrap().is_some(), "December is not expired");
    assert!(vault.reveal(&old).await.unwrap().is_some(), "the name is still in use for December");
    apply(&vault, Change::Expire("2026-12".parse().unwrap()), 3).await;
    assert_eq!(vault.reveal(&old).await.unwrap(), None);
    assert!(vault.reveal(&new).await.unwrap().is_some());
    assert!(vault.committer(&kept, at(NOW)).await.unwrap().is_some(), "held");

    apply(&vault, Change::Release(vec![kept.to_string()]), 4).await;
    apply(&vault, Change::Expire(november), 5).await;
    assert_eq!(vault.reveal(&kept).await.unwrap(), None, "released and expired");
}

#[tokio::test]
async fn what_is_applied_is_known_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let first = vault(dir.path()).await;
    assert_eq!(first.applied(LOG).await.unwrap(), None);
    first.advance(Applied { log: LOG, next: 9 }, Some(at(NOW))).await.unwrap();
    first.close().await;
    let vault = vault(dir.path()).await;
    assert_eq!(vault.applied(LOG).await.unwrap(), Some(9));
    assert_eq!(vault.seen().await.unwrap(), Some(at(NOW)));
}

#[tokio::test]
async fn a_vault_of_version_1_is_taken_over_and_its_plain_text_is_gone() {
    const OLD: &str = "CREATE TABLE subjects (issuer TEXT NOT NULL, subject TEXT NOT NULL, month TEXT NOT NULL, \
        pseudonym TEXT NOT NULL, key BLOB NOT NULL, PRIMARY KEY (issuer, subject, month)) STRICT, WITHOUT ROWID; \
        CREATE INDEX subjects_by_pseudonym ON subjects (pseudonym); PRAGMA user_version = 1; \
        INSERT INTO subjects VALUES ('corp', 'ada@example.com', '2026-10', 'aaaaaaaaaaaaaaaa', randomblob(32)), \
            ('corp', 'ada@example.com', '2026-11', 'aaaaaaaaaaaaaaaa', randomblob(32));";
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", dir.path().join("vault.db").display());
    let old = SqlitePoolOptions::new().connect(&url).await.unwrap();
    sqlx::raw_sql(OLD).execute(&old).await.unwrap();
    let key: Vec<u8> = sqlx::query_scalar("SELECT key FROM subjects WHERE month = '2026-11'").fetch_one(&old).await.unwrap();
    old.close().await;
    assert!(file_with(dir.path(), b"ada@example.com").is_some());

    let vault = vault(dir.path()).await;
    let ada = vault.pseudonym(caller("ada@example.com"), at(NOW)).await.unwrap();
    assert_eq!(&*ada.name, "aaaaaaaaaaaaaaaa");
    let commit = |committer: &Committer| committer.commit(&[0; 16], "args", b"x");
    assert_eq!(commit(&ada.committer), commit(&Committer::new(&key)), "its commitments can still be opened");
    assert!(vault.committer(&ada.name, at("2026-10-01T00:00:00Z")).await.unwrap().is_some());
    for trace in [b"ada@example.com".as_slice(), key.as_slice()] {
        assert_eq!(file_with(dir.path(), trace), None);
    }
}

#[tokio::test]
async fn another_master_key_takes_over_everything_and_the_old_one_opens_nothing_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let first = vault(dir.path()).await;
    let ada = first.pseudonym(Caller { tenant: Some("acme"), ..caller("ada") }, at(NOW)).await.unwrap();
    let bob = first.pseudonym(caller("bob"), at(NOW)).await.unwrap();
    apply(&first, Change::Hold(vec![bob.name.to_string()]), 1).await;
    let wrapped = blobs(&first, "SELECT key FROM tenants WHERE id <> ?", "").await;
    first.close().await;
    let old = MasterKey::open(None, dir.path()).unwrap();
    std::fs::write(dir.path().join("other"), [7; 32]).unwrap();
    let new = MasterKey::read(&dir.path().join("other")).unwrap();
    // Twice: a run that was interrupted behind the vault is repeated.
    for _ in 0..2 {
        rotate_master(dir.path(), &old, &new).await.unwrap();
    }
    for key in wrapped {
        assert_eq!(file_with(dir.path(), &key), None, "a key as the old master key wraps it");
    }
    assert!(matches!(Vault::open(dir.path(), &old).await, Err(VaultError::OtherKey)));
    let vault = Vault::open(dir.path(), &new).await.unwrap();
    let again = vault.pseudonym(Caller { tenant: Some("acme"), ..caller("ada") }, at(NOW)).await.unwrap();
    assert_eq!(again.name, ada.name);
    let commit = |p: &Pseudonym| p.committer.commit(&[0; 16], "args", b"x");
    assert_eq!(commit(&again), commit(&ada));
    assert!(vault.person("corp", "bob").await.unwrap().unwrap().held, "holds are found by hashes too");
    assert_eq!(vault.reveal(&bob.name).await.unwrap().unwrap().subject, "bob");
}
