//! What can be asked, and how it becomes SQL. Every value of a question is bound; only names of columns, which are ours, are text.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection as _, QueryBuilder, Row as _, Sqlite, SqliteConnection};
use tokio::time::Instant;

use super::row::{FINDING, NUMBERS, TEXTS, WORDS};
use super::store::{Index, IndexError, Place, signed};
use super::view::View;
use crate::audit::durable;
use crate::config::parse_duration;

/// Most records of a page.
pub const LIMIT_MAX: usize = 1_000;

/// Records of a page unless the question says otherwise.
const LIMIT: usize = 100;

/// Longest value of a filter, and most kinds: no string of a record is longer.
const VALUE_MAX: usize = 1_024;
const KINDS_MAX: usize = 32;

/// How long a search may take, and after how many steps of SQLite's machine it looks at the clock.
const PATIENCE: Duration = Duration::from_secs(10);
const STEPS: i32 = 100_000;

/// In which order records come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The last first.
    #[default]
    Newest,
    /// As they were written.
    Oldest,
}

/// Which records, of those that `view` shows; what is not set selects all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Whose records there are at all; all where it is not set. No name sets it: it is who asks, not what is asked.
    pub view: Option<View>,
    /// Not before this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// Of one of these kinds; `call` stands for decisions and outcomes.
    pub kinds: Vec<String>,
    /// By this pseudonym.
    pub principal: Option<String>,
    /// By callers of this issuer.
    pub issuer: Option<String>,
    /// By callers of a tenant of this name.
    pub tenant: Option<String>,
    /// About this server.
    pub server: Option<String>,
    /// About this tool or prompt.
    pub tool: Option<String>,
    /// Decided so.
    pub effect: Option<String>,
    /// By this rule of the policy, such as `role:analyst`.
    pub rule: Option<String>,
    /// With a finding of this layer, kind or rule.
    pub finding: Option<String>,
    /// Of this call.
    pub call: Option<String>,
    /// Of the calls in this session.
    pub session: Option<String>,
    /// Of the calls in this trace.
    pub trace: Option<String>,
    /// In which order.
    pub order: Order,
    /// Only what comes behind this record in that order: the cursor of the page before.
    pub after: Option<u64>,
    /// At most so many, up to [`LIMIT_MAX`]; 100 unless set.
    pub limit: Option<usize>,
}

/// Why a question cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadQuery {
    /// No such filter.
    #[error("there is no filter `{}`", .0.escape_debug())]
    Unknown(String),
    /// Given twice.
    #[error("`{0}` is given twice")]
    Twice(&'static str),
    /// Empty, or longer than anything in a record.
    #[error("`{0}` takes 1 to 1,024 bytes")]
    Length(&'static str),
    /// Too many kinds.
    #[error("at most 32 kinds")]
    Kinds,
    /// Not a time.
    #[error("`{0}` is a time such as 2026-11-21T03:00:00Z, or how long ago, such as `2h`")]
    Time(&'static str),
    /// Not a number in range.
    #[error("`limit` is a number from 1 to 1,000")]
    Limit,
    /// Not a place in a log.
    #[error("`after` is the `next` of the page before")]
    After,
    /// No such order.
    #[error("`order` is `newest` or `oldest`")]
    Order,
}

/// A part of the records that a question selects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Page {
    /// In the order asked for; members that a record does not have are left out.
    pub records: Vec<Value>,
    /// What to give as `after` for the next page; none where this is the last.
    pub next: Option<u64>,
    /// How many lines of the log the index knows.
    pub indexed: u64,
    /// How many the log has on the disk, where it says so.
    pub log: Option<u64>,
    /// The first record that does not follow the one before it: `audit verify` says more.
    pub damaged: Option<u64>,
}

/// How much a question selects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Records.
    pub records: u64,
    /// What they stand for: one each, but refusals under flood are counted together.
    pub stand_for: u64,
}

impl Query {
    /// Sets one filter by its name, as the admin API has it.
    pub fn set(&mut self, name: &str, value: &str, now: Timestamp) -> Result<(), BadQuery> {
        let filters: [(&'static str, &mut Option<String>); 11] = [
            ("principal", &mut self.principal),
            ("issuer", &mut self.issuer),
            ("tenant", &mut self.tenant),
            ("server", &mut self.server),
            ("tool", &mut self.tool),
            ("effect", &mut self.effect),
            ("rule", &mut self.rule),
            ("finding", &mut self.finding),
            ("call", &mut self.call),
            ("session", &mut self.session),
            ("trace", &mut self.trace),
        ];
        if let Some((name, filter)) = filters.into_iter().find(|(known, _)| *known == name) {
            return once(name, filter, text(name, value)?);
        }
        match name {
            "since" => once("since", &mut self.since, moment("since", value, now)?),
            "until" => once("until", &mut self.until, moment("until", value, now)?),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                once("limit", &mut self.limit, limit.ok_or(BadQuery::Limit)?)
            }
            "after" => once("after", &mut self.after, value.parse().map_err(|_not_a_number| BadQuery::After)?),
            "order" => {
                self.order = match value {
                    "newest" => Order::Newest,
                    "oldest" => Order::Oldest,
                    _ => return Err(BadQuery::Order),
                };
                Ok(())
            }
            "kind" if self.kinds.len() == KINDS_MAX => Err(BadQuery::Kinds),
            "kind" => {
                self.kinds.push(text("kind", value)?);
                Ok(())
            }
            _ => Err(BadQuery::Unknown(name.chars().take(32).collect())),
        }
    }

    /// Whether it asks for the story of a call, a session or a trace.
    pub fn is_story(&self) -> bool {
        self.call.is_some() || self.session.is_some() || self.trace.is_some()
    }

    fn limit(&self) -> usize {
        self.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX)
    }

    /// Adds `FROM` and `WHERE` with every filter.
    fn select(&self, sql: &mut QueryBuilder<Sqlite>) {
        let [since, until] = [self.since, self.until].map(|time| time.map(Timestamp::as_microsecond));
        match &self.view {
            Some(view) => view.select(sql, self.is_story(), since, until),
            None => drop(sql.push(" FROM record r WHERE 1")),
        }
        if let Some(since) = since {
            sql.push(" AND r.t >= ").push_bind(since);
        }
        if let Some(until) = until {
            sql.push(" AND r.t < ").push_bind(until);
        }
        if !self.kinds.is_empty() {
            sql.push(" AND r.kind IN (SELECT id FROM word WHERE text IN (");
            let mut list = sql.separated(", ");
            for kind in &self.kinds {
                if kind == "call" {
                    list.push_bind("call.decision").push_bind("call.outcome");
                } else {
                    list.push_bind(kind.clone());
                }
            }
            sql.push("))");
        }
        let words = [
            ("principal", &self.principal),
            ("issuer", &self.issuer),
            ("tenant", &self.tenant),
            ("server", &self.server),
            ("name", &self.tool),
            ("effect", &self.effect),
            ("rule", &self.rule),
        ];
        for (column, wanted) in words {
            if let Some(wanted) = wanted {
                sql.push(" AND r.")
                    .push(column)
                    .push(" = (SELECT id FROM word WHERE text = ")
                    .push_bind(wanted.clone())
                    .push(")");
            }
        }
        if let Some(wanted) = &self.finding {
            // Of a view's own records one by one, and not of all findings of that name.
            sql.push(match &self.view {
                Some(_) => " AND EXISTS (SELECT 1 FROM finding f, word w WHERE f.record = r.position AND w.text = ",
                None => " AND r.position IN (SELECT f.record FROM finding f, word w WHERE w.text = ",
            });
            sql.push_bind(wanted.clone()).push(" AND (f.rule = w.id OR f.kind = w.id OR f.layer = w.id))");
        }
        if let Some(call) = &self.call {
            sql.push(" AND r.call = ").push_bind(call.clone());
        }
        // An outcome does not say its trace: all records of a call belong to what its decision belongs to.
        for (column, wanted) in [("session", &self.session), ("trace", &self.trace)] {
            if let Some(wanted) = wanted {
                sql.push(" AND r.call IN (SELECT s.call FROM record s WHERE s.")
                    .push(column)
                    .push(" = ")
                    .push_bind(wanted.clone());
                if let Some(view) = &self.view {
                    view.also_own(sql, "+s");
                }
                sql.push(")");
            }
        }
    }
}

impl Index {
    /// The page of records that `query` selects.
    pub async fn search(&mut self, query: &Query) -> Result<Page, IndexError> {
        let log = durable(self.log());
        let mut reading = self.begin().await?;
        let place = Place::read(&mut reading).await?;
        let mut sql = QueryBuilder::<Sqlite>::new("SELECT r.position, r.t");
        for (name, _) in WORDS {
            sql.push(", (SELECT text FROM word WHERE id = r.").push(name).push(")");
        }
        for name in TEXTS.map(|(name, _)| name).into_iter().chain(NUMBERS.map(|(name, _)| name)) {
            sql.push(", r.").push(name);
        }
        query.select(&mut sql);
        let (beyond, order) = match query.order {
            Order::Newest => (" AND r.position < ", " ORDER BY r.position DESC LIMIT "),
            Order::Oldest => (" AND r.position > ", " ORDER BY r.position LIMIT "),
        };
        if let Some(after) = query.after {
            sql.push(beyond).push_bind(signed(after));
        }
        let limit = query.limit();
        sql.push(order).push_bind(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1));
        let mut rows = sql.build().persistent(false).fetch_all(&mut *reading).await.map_err(slow)?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let mut page = Page {
            records: Vec::with_capacity(rows.len()),
            next: None,
            indexed: place.cursor.position,
            log,
            damaged: place.damaged.and_then(|damaged| u64::try_from(damaged).ok()),
        };
        for row in &rows {
            let position: i64 = row.try_get(0)?;
            page.next = u64::try_from(position).ok().filter(|_| more);
            page.records.push(record(row, findings(&mut reading, position).await?)?);
        }
        Ok(page)
    }

    /// How much `query` selects, whatever its page.
    pub async fn count(&mut self, query: &Query) -> Result<Count, IndexError> {
        let mut reading = self.begin().await?;
        let counted = "SELECT count(*), CAST(total(coalesce(r.n, 1)) AS INTEGER)";
        let mut sql = QueryBuilder::<Sqlite>::new(counted);
        query.select(&mut sql);
        let row = sql.build().persistent(false).fetch_one(&mut *reading).await.map_err(slow)?;
        let number = |at: usize| row.try_get::<i64, _>(at).map(|number| u64::try_from(number).unwrap_or_default());
        Ok(Count { records: number(0)?, stand_for: number(1)? })
    }

    /// One state of the file for all that is read, within [`PATIENCE`].
    async fn begin(&mut self) -> Result<sqlx::SqliteTransaction<'_>, IndexError> {
        let deadline = Instant::now() + PATIENCE;
        let mut handle = self.connection.lock_handle().await?;
        handle.set_progress_handler(STEPS, move || Instant::now() < deadline);
        drop(handle);
        Ok(self.connection.begin().await?)
    }
}

/// A row for people and programs.
fn record(row: &SqliteRow, findings: Vec<Value>) -> Result<Value, IndexError> {
    let mut members = Map::new();
    members.insert("index".to_owned(), json!(row.try_get::<i64, _>(0)?));
    let time = Timestamp::from_microsecond(row.try_get(1)?).unwrap_or(Timestamp::UNIX_EPOCH);
    members.insert("time".to_owned(), json!(format!("{time:.6}")));
    let texts = WORDS.iter().map(|(name, _)| name).chain(TEXTS.iter().map(|(name, _)| name));
    for (at, name) in (2..).zip(texts) {
        if let Some(text) = row.try_get::<Option<String>, _>(at)? {
            members.insert((*name).to_owned(), json!(text));
        }
    }
    for (at, (name, _)) in (2 + WORDS.len() + TEXTS.len()..).zip(NUMBERS) {
        if let Some(number) = row.try_get::<Option<i64>, _>(at)? {
            members.insert(name.to_owned(), json!(number));
        }
    }
    if !findings.is_empty() {
        members.insert("findings".to_owned(), Value::Array(findings));
    }
    Ok(Value::Object(members))
}

async fn findings(reading: &mut SqliteConnection, position: i64) -> Result<Vec<Value>, IndexError> {
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT f.count");
    for name in FINDING {
        sql.push(", (SELECT text FROM word WHERE id = f.").push(name).push(")");
    }
    sql.push(" FROM finding f WHERE f.record = ").push_bind(position).push(" ORDER BY f.rowid");
    let rows = sql.build().fetch_all(reading).await.map_err(slow)?;
    let finding = |row: &SqliteRow| {
        let mut members = Map::new();
        members.insert("count".to_owned(), json!(row.try_get::<i64, _>(0)?));
        for (at, name) in (1..).zip(FINDING) {
            if let Some(text) = row.try_get::<Option<String>, _>(at)? {
                members.insert(name.to_owned(), json!(text));
            }
        }
        Ok(Value::Object(members))
    };
    rows.iter().map(finding).collect()
}

/// Result code 9: our own clock has stopped the statement.
fn slow(error: sqlx::Error) -> IndexError {
    let stopped = matches!(&error, sqlx::Error::Database(error) if error.code().is_some_and(|code| code == "9"));
    if stopped { IndexError::Slow } else { IndexError::Query(error) }
}

fn once<T>(name: &'static str, place: &mut Option<T>, value: T) -> Result<(), BadQuery> {
    if place.replace(value).is_some() { Err(BadQuery::Twice(name)) } else { Ok(()) }
}

fn text(name: &'static str, value: &str) -> Result<String, BadQuery> {
    if (1..=VALUE_MAX).contains(&value.len()) { Ok(value.to_owned()) } else { Err(BadQuery::Length(name)) }
}

/// A time, or how long before `now`.
fn moment(name: &'static str, value: &str, now: Timestamp) -> Result<Timestamp, BadQuery> {
    let ago = || parse_duration(value).and_then(|ago| now.checked_sub(ago).ok());
    value.parse().ok().or_else(ago).ok_or(BadQuery::Time(name))
}
