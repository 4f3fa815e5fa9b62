//! Tokens and the values that they stand for.

use super::*;

fn ask(kind: &'static str, text: &str, purpose: &str) -> Ask {
    let wanted = Wanted {
        purpose: purpose.into(),
        kind,
        normal: text.to_owned(),
        value: crate::secret::Secret::new(text.to_owned()),
        draw: |_, normal| Some(format!("{:0width$}", u64::from_le_bytes(random_bytes()?) % 1_000_000_000, width = normal.len())),
    };
    Ask { token: text.to_owned(), wanted: Some(wanted) }
}

async fn answers(vault: &Vault, of: Caller<'_>, asks: &[Ask], now: &str) -> Result<Vec<Answer>, VaultError> {
    vault.tokens(of, &["a".into(), "b".into()], asks, at(now)).await
}

async fn tokens(vault: &Vault, of: Caller<'_>, asks: &[Ask]) -> Vec<String> {
    let one = |answer: &Answer| match answer {
        Answer::Value(token) => token.token.expose().clone(),
        other @ (Answer::Token(_) | Answer::Unknown) => panic!("{other:?}"),
    };
    answers(vault, of, asks, NOW).await.unwrap().iter().map(one).collect()
}

#[tokio::test]
async fn one_value_has_one_token_in_its_tenant_and_purpose_and_another_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let first = vault(dir.path()).await;
    let asks = [ask("ssn", "123456789", "a"), ask("ssn", "123456789", "b"), ask("card", "123456789", "a")];
    let acme = Caller { tenant: Some("acme"), ..caller("ada") };
    let before = [tokens(&first, caller("ada"), &asks).await, tokens(&first, acme, &asks).await].concat();
    assert_eq!(before.iter().collect::<std::collections::HashSet<_>>().len(), 6, "{before:?}");
    assert_eq!(tokens(&first, caller("bob"), &asks).await, before[..3], "callers of one tenant share tokens");
    first.close().await;
    let again = vault(dir.path()).await;
    let after = [tokens(&again, caller("ada"), &asks).await, tokens(&again, acme, &asks).await].concat();
    assert_eq!(before, after, "a restart changes nothing");
    assert_eq!(file_with(dir.path(), b"123456789"), None, "the value stands in a file");
    assert_eq!(file_with(dir.path(), before[0].as_bytes()), None, "the token stands in a file");
}

#[tokio::test]
async fn a_token_is_known_in_its_tenant_alone_and_is_never_a_value_nor_in_the_same_message() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(dir.path()).await;
    let token = tokens(&vault, caller("ada"), &[ask("ssn", "123456789", "a")]).await.remove(0);
    let comes_by = [Ask { token: token.clone(), wanted: None }];
    let answer = answers(&vault, caller("ada"), &comes_by, NOW).await.unwrap().remove(0);
    assert!(matches!(answer, Answer::Token(found) if found.value.expose() == "123456789" && &*found.purpose == "a"));
    let acme = Caller { tenant: Some("acme"), ..caller("ada") };
    assert!(matches!(answers(&vault, acme, &comes_by, NOW).await.unwrap()[0], Answer::Unknown));
    // Whatever is drawn is a value that is known, or stands in this message, or a token: until one is free.
    let mut unlucky = ask("ssn", "000000001", "b");
    let Some(wanted) = &mut unlucky.wanted else { panic!() };
    wanted.draw = |_, _| Some("123456789".to_owned());
    let stands = Ask { token: "000000002".to_owned(), wanted: None };
    let used_up = answers(&vault, caller("ada"), &[unlucky.clone(), stands.clone()], NOW).await;
    assert!(matches!(used_up, Err(VaultError::NoToken)), "a value of another purpose: {used_up:?}");
    let Some(wanted) = &mut unlucky.wanted else { panic!() };
    wanted.draw = |_, _| Some("000000002".to_owned());
    let used_up = answers(&vault, caller("ada"), &[unlucky.clone(), stands], NOW).await;
    assert!(matches!(used_up, Err(VaultError::NoToken)), "in the same message: {used_up:?}");
    assert_eq!(tokens(&vault, caller("ada"), &[unlucky]).await, ["000000002"]);
    let mut same = ask("ssn", "000000003", "b");
    let Some(wanted) = &mut same.wanted else { panic!() };
    wanted.draw = |_, _| Some("000000002".to_owned());
    let used_up = answers(&vault, caller("ada"), &[same], NOW).await;
    assert!(matches!(used_up, Err(VaultError::NoToken)), "a token of somebody else's value: {used_up:?}");
}

#[tokio::test]
async fn prv_001_nothing_of_a_forgotten_token_stays_in_a_file_or_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(dir.path()).await;
    let asks: Vec<_> = (0..600).map(|n| ask("ssn", &format!("value-{n:05}"), "a")).collect();
    let made = tokens(&vault, caller("ada"), &asks).await;
    for (next, n) in [7_usize, 599, 0, 301, 302, 303, 80].into_iter().enumerate() {
        let token = vault.token(caller("ada"), "a", &made[n]).await.unwrap().unwrap();
        let sealed: Vec<u8> = sqlx::query_scalar("SELECT sealed FROM tokens WHERE id = unhex(?)")
            .bind(token.id())
            .fetch_one(&vault.pool)
            .await
            .unwrap();
        vault.wipe().await.unwrap();
        assert!(file_with(dir.path(), &sealed).is_some(), "this test shows nothing");
        apply(&vault, Change::Forget(vec![token.id()]), next as u64).await;
        assert_eq!(file_with(dir.path(), &sealed), None, "{n}");
        assert!(vault.token(caller("ada"), "a", &made[n]).await.unwrap().is_none());
    }
    let again = tokens(&vault, caller("ada"), &asks).await;
    let changed: Vec<_> = (0..600).filter(|n| again[*n] != made[*n]).collect();
    assert_eq!(changed, [0, 7, 80, 301, 302, 303, 599], "the same value gets another token");
}

#[tokio::test]
async fn prv_010_a_token_expires_when_it_was_not_used_for_long() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(dir.path()).await;
    let (old, used) = ([ask("ssn", "123456789", "a")], [ask("ssn", "987654321", "a")]);
    let before = (tokens(&vault, caller("ada"), &old).await, tokens(&vault, caller("ada"), &used).await);
    answers(&vault, caller("ada"), &used, "2027-01-01T00:00:00Z").await.unwrap();
    let month = Month::of(at(NOW));
    assert_eq!(vault.expiring_tokens(month).await.unwrap(), 1);
    apply(&vault, Change::Expire(month), 1).await;
    assert_eq!(tokens(&vault, caller("ada"), &used).await, before.1);
    assert_ne!(tokens(&vault, caller("ada"), &old).await, before.0);
}

#[tokio::test]
async fn calls_that_meet_a_value_at_once_agree_on_its_token() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(dir.path()).await;
    let asks = [ask("ssn", "123456789", "a")];
    let all = futures_util::future::join_all((0..20).map(|_| tokens(&vault, caller("ada"), &asks))).await;
    assert!(all.iter().all(|made| *made == all[0]), "{all:?}");
}

#[tokio::test]
async fn a_row_passed_for_anothers_and_another_master_key() {
    let dir = tempfile::tempdir().unwrap();
    let old = MasterKey::open(None, dir.path()).unwrap();
    let first = vault(dir.path()).await;
    let asks = [ask("ssn", "123456789", "a"), ask("ssn", "987654321", "a")];
    let made = tokens(&first, caller("ada"), &asks).await;
    first.close().await;
    std::fs::write(dir.path().join("new.key"), [7; 32]).unwrap();
    let new = MasterKey::read(&dir.path().join("new.key")).unwrap();
    rotate_master(dir.path(), &old, &new).await.unwrap();
    let rotated = Vault::open(dir.path(), &new).await.unwrap();
    assert_eq!(tokens(&rotated, caller("ada"), &asks).await, made, "tokens stay what they are");
    // Whoever can write the file gives one value's row to another's token.
    let swap = "UPDATE tokens SET sealed = (SELECT sealed FROM tokens ORDER BY id LIMIT 1)";
    sqlx::raw_sql(swap).execute(&rotated.pool).await.unwrap();
    rotated.remembered.forget(|_, _| true);
    assert!(matches!(answers(&rotated, caller("ada"), &asks, NOW).await, Err(VaultError::Sealed(_))));
}
