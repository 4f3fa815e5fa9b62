//! API keys as rows of the store, and back.

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::StoreError;
use super::key::{ApiKey, Kept, Moment, SecretHash, Use};
use super::store::Store;

const ALL: &str = "SELECT id, subject, groups, roles, tenant, servers, created, expires, revoked, hash, made, used, \
                   old_hash, old_made, old_until, old_used, warned FROM api_keys";

/// Every key there is.
pub(super) async fn all(store: &Store) -> Result<Vec<ApiKey>, StoreError> {
    Ok(sqlx::query(ALL).fetch_all(store.pool()).await?.iter().map(read).collect::<Result<_, _>>()?)
}

pub(super) async fn insert(work: &mut AnyConnection, key: &ApiKey) -> Result<(), StoreError> {
    let statement = "INSERT INTO api_keys (id, subject, groups, roles, tenant, servers, hash, created, made, expires) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    sqlx::query(statement)
        .bind(key.id.to_string())
        .bind(key.subject.to_string())
        .bind(key.groups.join("\n"))
        .bind(key.roles.join("\n"))
        .bind(key.tenant.as_deref().map(str::to_owned))
        .bind(key.servers.as_ref().map(|servers| servers.join("\n")))
        .bind(key.secret.hash.0.to_vec())
        .bind(key.created.to_string())
        .bind(key.secret.made.to_string())
        .bind(text(key.expires))
        .execute(work)
        .await?;
    Ok(())
}

/// Writes the secrets and the end of a key whose newest secret was `before`. Whether it still was, and the key not revoked.
pub(super) async fn rotate(work: &mut AnyConnection, key: &ApiKey, before: &SecretHash) -> Result<bool, StoreError> {
    let former = key.former.as_ref();
    let statement = "UPDATE api_keys SET hash = $1, made = $2, used = NULL, old_hash = $3, old_made = $4, old_until = $5, \
                     old_used = $6, expires = $7, warned = NULL WHERE id = $8 AND hash = $9 AND revoked IS NULL";
    let done = sqlx::query(statement)
        .bind(key.secret.hash.0.to_vec())
        .bind(key.secret.made.to_string())
        .bind(former.map(|(kept, _)| kept.hash.0.to_vec()))
        .bind(former.map(|(kept, _)| kept.made.to_string()))
        .bind(former.map(|(_, until)| until.to_string()))
        .bind(text(former.and_then(|(kept, _)| kept.last_use())))
        .bind(text(key.expires))
        .bind(key.id.to_string())
        .bind(before.0.to_vec())
        .execute(work)
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn revoke(work: &mut AnyConnection, key: &ApiKey) -> Result<(), StoreError> {
    sqlx::query("UPDATE api_keys SET revoked = $1 WHERE id = $2 AND revoked IS NULL")
        .bind(text(key.revoked))
        .bind(key.id.to_string())
        .execute(work)
        .await?;
    Ok(())
}

/// Writes when a secret was used last, wherever it stands by now. Whole seconds, so that texts are in the order of times.
pub(super) async fn store_use(store: &Store, id: &str, kept: &Kept, last: Timestamp) -> Result<(), StoreError> {
    for statement in [
        "UPDATE api_keys SET used = $1 WHERE id = $2 AND hash = $3 AND (used IS NULL OR used < $1)",
        "UPDATE api_keys SET old_used = $1 WHERE id = $2 AND old_hash = $3 AND (old_used IS NULL OR old_used < $1)",
    ] {
        sqlx::query(statement)
            .bind(last.to_string())
            .bind(id.to_owned())
            .bind(kept.hash.0.to_vec())
            .execute(store.pool())
            .await?;
    }
    Ok(())
}

/// Notes that a record is about to warn of a key, unless another process has noted it since `before`. Whole seconds, as above.
pub(super) async fn claim_warning(store: &Store, id: &str, now: Timestamp, before: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE api_keys SET warned = $1 WHERE id = $2 AND (warned IS NULL OR warned <= $3)")
        .bind(whole(now))
        .bind(id.to_owned())
        .bind(whole(before))
        .execute(store.pool())
        .await?;
    Ok(done.rows_affected() == 1)
}

fn text(time: Option<Timestamp>) -> Option<String> {
    time.map(|time| time.to_string())
}

fn whole(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

fn read(row: &AnyRow) -> Result<ApiKey, sqlx::Error> {
    let created = time(row, "created")?.unwrap_or(Timestamp::UNIX_EPOCH);
    let servers: Option<String> = row.try_get("servers")?;
    let hash = hash(row, "hash")?.ok_or_else(|| sqlx::Error::Decode("a key without a hash".into()))?;
    let secret = kept(row, hash, ("made", "used"), created)?;
    let former = match self::hash(row, "old_hash")? {
        Some(hash) => {
            let until = time(row, "old_until")?.unwrap_or(Timestamp::UNIX_EPOCH);
            Some((kept(row, hash, ("old_made", "old_used"), created)?, until))
        }
        None => None,
    };
    Ok(ApiKey {
        id: row.try_get::<String, _>("id")?.into(),
        subject: row.try_get::<String, _>("subject")?.into(),
        groups: lines(&row.try_get::<String, _>("groups")?),
        roles: lines(&row.try_get::<String, _>("roles")?),
        tenant: row.try_get::<Option<String>, _>("tenant")?.map(Into::into),
        servers: servers.as_deref().map(lines),
        created,
        expires: time(row, "expires")?,
        revoked: time(row, "revoked")?,
        secret,
        former,
        warned: Arc::new(Moment::of(time(row, "warned")?)),
    })
}

fn kept(row: &AnyRow, hash: SecretHash, (made, used): (&str, &str), created: Timestamp) -> Result<Kept, sqlx::Error> {
    let used = Arc::new(Use::stored(time(row, used)?));
    Ok(Kept { made: time(row, made)?.unwrap_or(created), hash, used })
}

fn hash(row: &AnyRow, column: &str) -> Result<Option<SecretHash>, sqlx::Error> {
    let bytes: Option<Vec<u8>> = row.try_get(column)?;
    let hash = |bytes: Vec<u8>| <[u8; 32]>::try_from(bytes.as_slice()).map(SecretHash);
    bytes.map(hash).transpose().map_err(|error| sqlx::Error::Decode(error.into()))
}

fn time(row: &AnyRow, column: &str) -> Result<Option<Timestamp>, sqlx::Error> {
    let text: Option<String> = row.try_get(column)?;
    text.map(|text| text.parse().map_err(|error: jiff::Error| sqlx::Error::Decode(Box::new(error)))).transpose()
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}
