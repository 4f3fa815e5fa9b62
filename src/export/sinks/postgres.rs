//! A table in Postgres, one row an event. Rows are there, all of a batch or none, once the server has said so; what comes twice is one row.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tokio::time::timeout;

use super::SinkError;
use crate::config::postgres_url;
use crate::export::event::Event;
use crate::secrets::Live;

/// How long a batch may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug)]
pub(in crate::export) struct Postgres {
    database: Live,
    table: String,
    connection: Option<PgConnection>,
}

impl Postgres {
    /// The table's name is made of letters, digits and `_`, with the schema's before it where there is one.
    pub(super) fn new(database: Live, table: String) -> Self {
        Self { database, table, connection: None }
    }

    pub(super) async fn deliver(&mut self, events: &[Event]) -> Result<(), SinkError> {
        let done = timeout(PATIENCE, self.insert(events)).await.unwrap_or(Err(SinkError::Silent(PATIENCE)));
        if done.is_err() {
            // Whatever it is in the midst of.
            self.connection = None;
        }
        done
    }

    async fn insert(&mut self, events: &[Event]) -> Result<(), SinkError> {
        let table = self.table.clone();
        let connection = self.connected().await?;
        let column = |value: fn(&Event) -> String| events.iter().map(value).collect::<Vec<_>>();
        let statement = format!(
            "INSERT INTO {table} (uid, kind, position, time, event)
             SELECT uid, kind, position, time::timestamptz, event::jsonb
             FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[]) AS batch (uid, kind, position, time, event)
             ON CONFLICT (uid) DO NOTHING"
        );
        sqlx::query(AssertSqlSafe(statement))
            .bind(column(|event| event.uid.clone()))
            .bind(column(|event| event.kind.clone()))
            .bind(events.iter().map(|event| i64::try_from(event.index).unwrap_or(i64::MAX)).collect::<Vec<_>>())
            .bind(column(|event| event.time.to_string()))
            .bind(column(|event| without_nul(&String::from_utf8_lossy(&event.body))))
            .execute(connection)
            .await?;
        Ok(())
    }

    /// A connection, and a table behind it.
    async fn connected(&mut self) -> Result<&mut PgConnection, SinkError> {
        if self.connection.is_none() {
            let url = self.database.current().map_err(|_gone| SinkError::Secret)?;
            // What is wrong with it may quote it.
            let url = postgres_url(url.secret.expose()).map_err(|_form| SinkError::Secret)?;
            let options: PgConnectOptions = url.expose().parse().map_err(|_form: sqlx::Error| SinkError::Secret)?;
            let mut connection = PgConnection::connect_with(&options.disable_statement_logging()).await?;
            // Whoever has made it need not let the gateway do so.
            let known: Option<String> =
                sqlx::query_scalar("SELECT to_regclass($1)::text").bind(&self.table).fetch_one(&mut connection).await?;
            if known.is_none() {
                let statement = format!(
                    "CREATE TABLE IF NOT EXISTS {} (
                        uid text PRIMARY KEY, kind text NOT NULL, position bigint NOT NULL, time timestamptz NOT NULL, event jsonb NOT NULL
                    )",
                    self.table
                );
                sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
            }
            self.connection = Some(connection);
        }
        self.connection.as_mut().ok_or(SinkError::Secret)
    }
}

/// The escape of a character that Postgres keeps in no text, as U+FFFD. An escaped backslash before `u0000` is none.
fn without_nul(json: &str) -> String {
    if !json.contains("\\u0000") {
        return json.to_owned();
    }
    let (mut text, mut rest) = (String::with_capacity(json.len()), json);
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        text.push_str(before);
        let length = if escape.starts_with("\\u") { 6 } else { 2 };
        let (escape, more) = escape.split_at_checked(length).unwrap_or((escape, ""));
        text.push_str(if escape == "\\u0000" { "\\ufffd" } else { escape });
        rest = more;
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_text_of_postgres_holds_is_replaced_and_nothing_else() {
        let table = [
            (r#"{"a":"x\u0000y"}"#, r#"{"a":"x\ufffdy"}"#),
            (r#"{"a":"x\\u0000y"}"#, r#"{"a":"x\\u0000y"}"#),
            (r#"{"a":"\\\u0000\"é\u0000"}"#, r#"{"a":"\\\ufffd\"é\ufffd"}"#),
            (r#"{"a":"plain"}"#, r#"{"a":"plain"}"#),
        ];
        for (json, expected) in table {
            assert_eq!(without_nul(json), expected);
        }
    }
}
