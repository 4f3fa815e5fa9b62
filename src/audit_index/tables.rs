//! The tables of `index.db`, and what is written into them and taken out again.

use std::collections::{HashMap, HashSet};

use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteTransaction};

use super::row::{FINDING, NUMBERS, Row, TEXTS, WORDS};
use super::store::IndexError;

/// Columns stand in the order of `row.rs`. Indices leave out what is not there, since half of all records are outcomes.
///
/// `own_tenant` and `own_issuer` say whose a record is: what it names itself, or where it names nobody, as outcomes do, what the record
/// before it names that decided its call.
pub(super) const SCHEMA: &str = "
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS word (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE IF NOT EXISTS record (
    position INTEGER PRIMARY KEY, t INTEGER NOT NULL,
    kind INTEGER, principal INTEGER, issuer INTEGER, client INTEGER, tenant INTEGER, server INTEGER, method INTEGER, name INTEGER,
    effect INTEGER, reason INTEGER, detail INTEGER, rule INTEGER, status INTEGER,
    call TEXT, session TEXT, trace TEXT, peer TEXT,
    us INTEGER, events INTEGER, bytes INTEGER, n INTEGER,
    own_tenant INTEGER, own_issuer INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS record_by_time ON record (t);
CREATE INDEX IF NOT EXISTS record_by_kind ON record (kind);
CREATE INDEX IF NOT EXISTS record_by_principal ON record (principal) WHERE principal IS NOT NULL;
CREATE INDEX IF NOT EXISTS record_by_server ON record (server) WHERE server IS NOT NULL;
CREATE INDEX IF NOT EXISTS record_by_name ON record (name) WHERE name IS NOT NULL;
CREATE INDEX IF NOT EXISTS record_by_effect ON record (effect) WHERE effect IS NOT NULL;
CREATE INDEX IF NOT EXISTS record_by_rule ON record (rule) WHERE rule IS NOT NULL;
CREATE INDEX IF NOT EXISTS record_by_call ON record (call) WHERE call IS NOT NULL;
CREATE INDEX IF NOT EXISTS record_by_session ON record (session) WHERE session IS NOT NULL;
CREATE INDEX IF NOT EXISTS record_by_trace ON record (trace) WHERE trace IS NOT NULL;
CREATE INDEX IF NOT EXISTS record_by_owner ON record (own_tenant, own_issuer) WHERE own_tenant IS NOT NULL;
CREATE TABLE IF NOT EXISTS finding (
    record INTEGER NOT NULL,
    layer INTEGER, kind INTEGER, rule INTEGER, action INTEGER, side INTEGER,
    count INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS finding_by_record ON finding (record);
CREATE INDEX IF NOT EXISTS finding_by_layer ON finding (layer);
CREATE INDEX IF NOT EXISTS finding_by_kind ON finding (kind);
CREATE INDEX IF NOT EXISTS finding_by_rule ON finding (rule);
CREATE TABLE IF NOT EXISTS place (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    position INTEGER NOT NULL, segment INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, leaf TEXT NOT NULL,
    t INTEGER NOT NULL, damaged INTEGER, boot TEXT
) STRICT;
PRAGMA application_id = 1497715796;
PRAGMA user_version = 2;
COMMIT;";

/// Rows in one statement; times the columns of a record far below what SQLite binds.
const CHUNK: usize = 100;

pub(super) async fn wipe(transaction: &mut SqliteTransaction<'_>) -> Result<(), IndexError> {
    for statement in ["DELETE FROM finding", "DELETE FROM record", "DELETE FROM word", "DELETE FROM place"] {
        sqlx::query(statement).execute(&mut **transaction).await?;
    }
    Ok(())
}

/// Pseudonyms that only such records have. No other column of words is searched by whom it is about.
const PRINCIPALS: &str = "DELETE FROM word WHERE id IN (SELECT principal FROM record WHERE position < ?1)
    AND NOT EXISTS (SELECT 1 FROM record WHERE principal = word.id AND position >= ?1)
    AND NOT EXISTS (SELECT 1 FROM record WHERE name = word.id) AND NOT EXISTS (SELECT 1 FROM record WHERE kind = word.id)
    AND NOT EXISTS (SELECT 1 FROM record WHERE server = word.id) AND NOT EXISTS (SELECT 1 FROM record WHERE rule = word.id)";

/// Whose calls the records of a batch belong to. The decision stands before them in the log, so it is in the file by now. Where there are
/// no tenants nothing is looked up.
const OWN: &str = "UPDATE record AS o SET own_tenant = d.tenant, own_issuer = d.issuer FROM record AS d
    WHERE EXISTS (SELECT 1 FROM record WHERE own_tenant IS NOT NULL)
    AND o.position >= ?1 AND o.tenant IS NULL AND o.issuer IS NULL
    AND d.call = o.call AND d.position < o.position AND d.tenant IS NOT NULL AND d.issuer IS NOT NULL";

/// An outcome whose decision is gone is nobody's, as it would be if the file were made again.
const DISOWN: &str = "UPDATE record SET own_tenant = NULL, own_issuer = NULL
    WHERE +position >= ?1 AND tenant IS NULL AND +own_tenant IS NOT NULL
    AND call IN (SELECT call FROM record WHERE position < ?1 AND call IS NOT NULL)";

/// What retention took from the log is nobody's to find either. Returns whether there was any.
pub(super) async fn forget_pruned(transaction: &mut SqliteTransaction<'_>, first: i64) -> Result<bool, IndexError> {
    let mut rows = 0;
    for statement in [PRINCIPALS, DISOWN, "DELETE FROM finding WHERE record < ?1", "DELETE FROM record WHERE position < ?1"] {
        rows += sqlx::query(statement).bind(first).execute(&mut **transaction).await?.rows_affected();
    }
    Ok(rows > 0)
}

pub(super) async fn write(transaction: &mut SqliteTransaction<'_>, rows: &[Row]) -> Result<(), IndexError> {
    let words: HashSet<&str> = rows.iter().flat_map(Row::all_words).collect();
    let numbers = numbers_of(transaction, &words.into_iter().collect::<Vec<_>>()).await?;
    let number = |word: Option<&str>| word.and_then(|word| numbers.get(word).copied());
    for chunk in rows.chunks(CHUNK) {
        let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO record (position, t");
        let columns = WORDS.iter().map(|(name, _)| name).chain(TEXTS.iter().map(|(name, _)| name));
        for column in columns.chain(NUMBERS.iter().map(|(name, _)| name)) {
            insert.push(", ").push(column);
        }
        insert.push(", own_tenant, own_issuer) ").push_values(chunk, |mut values, row| {
            values.push_bind(row.position).push_bind(row.t);
            for word in &row.words {
                values.push_bind(number(word.as_deref()));
            }
            for text in &row.texts {
                values.push_bind(text.as_deref());
            }
            for value in row.numbers {
                values.push_bind(value);
            }
            let (tenant, issuer) = row.tenant();
            values.push_bind(number(tenant)).push_bind(number(issuer));
        });
        insert.build().persistent(chunk.len() == CHUNK).execute(&mut **transaction).await?;
    }
    let findings = rows.iter().flat_map(|row| row.findings.iter().map(|finding| (row.position, finding)));
    for chunk in findings.collect::<Vec<_>>().chunks(CHUNK) {
        let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO finding (record, count");
        for column in FINDING {
            insert.push(", ").push(column);
        }
        insert.push(") ").push_values(chunk, |mut values, (record, finding)| {
            values.push_bind(*record).push_bind(finding.count);
            for word in &finding.words {
                values.push_bind(number(word.as_deref()));
            }
        });
        insert.build().persistent(chunk.len() == CHUNK).execute(&mut **transaction).await?;
    }
    if let Some(first) = rows.first() {
        sqlx::query(OWN).bind(first.position).execute(&mut **transaction).await?;
    }
    Ok(())
}

/// The numbers of words, given out to those that have none.
async fn numbers_of(transaction: &mut SqliteTransaction<'_>, words: &[&str]) -> Result<HashMap<String, i64>, IndexError> {
    let mut numbers = HashMap::new();
    for chunk in words.chunks(CHUNK) {
        let mut insert = QueryBuilder::<Sqlite>::new("INSERT OR IGNORE INTO word (text) ");
        insert.push_values(chunk, |mut values, word| {
            values.push_bind(*word);
        });
        insert.build().persistent(false).execute(&mut **transaction).await?;
        let mut select = QueryBuilder::<Sqlite>::new("SELECT text, id FROM word WHERE text IN (");
        let mut list = select.separated(", ");
        for word in chunk {
            list.push_bind(*word);
        }
        select.push(")");
        for row in select.build().persistent(false).fetch_all(&mut **transaction).await? {
            numbers.insert(row.try_get(0)?, row.try_get(1)?);
        }
    }
    Ok(numbers)
}
