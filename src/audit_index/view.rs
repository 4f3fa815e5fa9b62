//! The records of one tenant: what there is to search for somebody who is shown no other's.

use sqlx::{QueryBuilder, Sqlite};

/// Whose records.
///
/// SECURITY: a filter looks at these alone, one after the other, and at no other tenant's: not what is found, not how much, and not how
/// long it takes tells of theirs. Stories are looked up by the id of a call, a session or a trace: whoever has one of another tenant's
/// finds nothing by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// By whose word a caller is of that tenant. None: nobody is.
    pub issuers: Vec<String>,
    /// Its name there.
    pub tenant: String,
}

impl View {
    /// Adds `FROM` and `WHERE`. Times are microseconds: they become places in the log, where times never go back, since whatever lies
    /// outside of them would be looked at otherwise.
    pub(super) fn select(&self, sql: &mut QueryBuilder<Sqlite>, is_story: bool, since: Option<i64>, until: Option<i64>) {
        // Named, so that a question that could not be answered by it is an error and not a look at everybody's.
        sql.push(if is_story {
            " FROM record r INDEXED BY record_by_call WHERE 1"
        } else {
            " FROM record r INDEXED BY record_by_owner WHERE 1"
        });
        self.also_own(sql, "r");
        for (beyond, time) in [(" AND r.position >= ", since), (" AND r.position < ", until)] {
            if let Some(time) = time {
                sql.push(beyond).push("coalesce((SELECT position FROM record WHERE t >= ").push_bind(time);
                sql.push(" ORDER BY t, position LIMIT 1), ").push(i64::MAX).push(")");
            }
        }
    }

    /// Adds that `table` has one of them. One issuer is compared, so that records come in their order and need not be sorted.
    pub(super) fn also_own(&self, sql: &mut QueryBuilder<Sqlite>, table: &'static str) {
        sql.push(" AND ").push(table).push(".own_tenant = (SELECT id FROM word WHERE text = ").push_bind(self.tenant.clone());
        sql.push(") AND ").push(table).push(".own_issuer ");
        if let [issuer] = self.issuers.as_slice() {
            sql.push("= (SELECT id FROM word WHERE text = ").push_bind(issuer.clone()).push(")");
            return;
        }
        sql.push("IN (SELECT id FROM word WHERE text IN (");
        let mut list = sql.separated(", ");
        for issuer in &self.issuers {
            list.push_bind(issuer.clone());
        }
        sql.push("))");
    }
}
