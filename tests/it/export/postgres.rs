//! A table in a real `PostgreSQL`, killed and started again under load.

use serde_json::Value;

use super::{Stage, Sufferer, all, log};
use crate::support::postgres::Postgres;

impl Sufferer for Postgres {
    async fn kill(&mut self) {
        self.stop();
    }

    async fn restart(&mut self) {
        self.run().await;
    }
}

#[tokio::test]
async fn a_table_has_every_record_once_whatever_the_database_goes_through() {
    let mut database = Postgres::start().await;
    let (url, sink) = (database.url(), "format: native, table: audit");
    let stage = Stage::with(&format!("{{ type: postgres, database: \"{url}\", {sink} }}")).await;
    stage.ordinary_day().await;
    stage.call_while_it_suffers(&mut database, 8).await;
    stage.delivered(&["postgres"]).await;
    let records = log(&stage.gateway.records(&all()));
    let rows = database.sql("yett", "SELECT event FROM audit WHERE kind <> 'head' ORDER BY position");
    let rows: Vec<Value> = rows.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert_eq!(rows.len(), records.len(), "each once");
    for (row, record) in rows.iter().zip(records.values()) {
        assert_eq!(row, record);
    }
    let denied = "SELECT count(*) > 0 FROM audit WHERE event->'dec'->>'effect' = 'deny' AND time > now() - interval '1 hour'";
    assert_eq!(database.sql("yett", denied), "t");
    stage.gateway.stop().await;
}

#[tokio::test]
async fn a_role_that_may_only_insert_into_a_table_that_is_there_is_enough() {
    let database = Postgres::start().await;
    database.sql(
        "yett",
        "CREATE SCHEMA security; CREATE ROLE exporter LOGIN; GRANT USAGE ON SCHEMA security TO exporter;
         CREATE TABLE security.audit (uid text PRIMARY KEY, kind text NOT NULL, position bigint NOT NULL, time timestamptz NOT NULL, event jsonb NOT NULL);
         GRANT INSERT, SELECT (uid) ON security.audit TO exporter",
    );
    let url = database.url().replace("yett@", "exporter@");
    let stage = Stage::with(&format!("{{ type: postgres, database: \"{url}\", table: security.audit }}")).await;
    stage.ordinary_day().await;
    stage.delivered(&["postgres"]).await;
    let classes = database.sql("yett", "SELECT DISTINCT event->>'class_uid' FROM security.audit ORDER BY 1");
    assert_eq!(classes.lines().collect::<Vec<_>>(), ["2004", "2006", "3002", "3004", "6002", "6003"]);
    stage.gateway.stop().await;
}
