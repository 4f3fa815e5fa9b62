//! The tables of the state store, version by version.
//!
//! A store is brought from the version that it has to the newest one, step by step, in one transaction. A step that was released is never
//! changed: what is to be otherwise is another step.

/// The version that this build reads and writes.
pub(super) const VERSION: i64 = 7;

/// Each brings a store from the version before it to its own; the first to version 1.
const STEPS: [&str; 7] = [
    // Version 1 was made table by table: a store of it may lack one, so the step can be repeated.
    "CREATE TABLE IF NOT EXISTS api_keys (
    id       TEXT NOT NULL PRIMARY KEY,
    subject  TEXT NOT NULL,
    groups   TEXT NOT NULL,
    tenant   TEXT,
    hash     BLOB NOT NULL,
    created  TEXT NOT NULL,
    expires  TEXT,
    revoked  TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kill_switches (target TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS heads (
    log  TEXT NOT NULL PRIMARY KEY,
    size INTEGER NOT NULL,
    root BLOB NOT NULL
) STRICT, WITHOUT ROWID;",
    // `hash` and `made` are of the secret that was made last. `servers` is NULL for all servers.
    "ALTER TABLE api_keys ADD COLUMN roles TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN servers TEXT;
ALTER TABLE api_keys ADD COLUMN made TEXT;
ALTER TABLE api_keys ADD COLUMN used TEXT;
ALTER TABLE api_keys ADD COLUMN old_hash BLOB;
ALTER TABLE api_keys ADD COLUMN old_made TEXT;
ALTER TABLE api_keys ADD COLUMN old_until TEXT;
ALTER TABLE api_keys ADD COLUMN old_used TEXT;
ALTER TABLE api_keys ADD COLUMN warned TEXT;
UPDATE api_keys SET made = created;",
    // One row: how often keys or switches were changed.
    "CREATE TABLE changes (n INTEGER NOT NULL) STRICT;
INSERT INTO changes (n) VALUES (0);",
    // `tenant` is empty where there is none. `lease` is until when somebody renews the tokens, in seconds since 1970.
    "CREATE TABLE accounts (
    id        TEXT NOT NULL PRIMARY KEY,
    issuer    TEXT NOT NULL,
    subject   TEXT NOT NULL,
    tenant    TEXT NOT NULL,
    server    TEXT NOT NULL,
    bond      TEXT NOT NULL,
    scopes    TEXT NOT NULL,
    connected TEXT NOT NULL,
    renewed   TEXT,
    version   INTEGER NOT NULL,
    lease     INTEGER NOT NULL,
    sealed    BLOB NOT NULL,
    UNIQUE (issuer, subject, tenant, server)
) STRICT, WITHOUT ROWID;",
    // `id` is of chance, and stands for a target that names somebody; it is empty for others.
    "ALTER TABLE kill_switches ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE kill_switches ADD COLUMN id TEXT NOT NULL DEFAULT '';",
    // `definition` is the SHA-256 of all that a tool's entry says.
    "CREATE TABLE approved_definitions (
    server     TEXT NOT NULL,
    tool       TEXT NOT NULL,
    definition TEXT NOT NULL,
    requester  TEXT NOT NULL,
    reason     TEXT NOT NULL,
    approved   TEXT NOT NULL,
    PRIMARY KEY (server, tool, definition)
) STRICT, WITHOUT ROWID;",
    // The last line of a log that a sink is known to have.
    "CREATE TABLE exports (
    log     TEXT NOT NULL,
    sink    TEXT NOT NULL,
    records INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    begins  INTEGER NOT NULL,
    ends    INTEGER NOT NULL,
    leaf    BLOB NOT NULL,
    PRIMARY KEY (log, sink)
) STRICT, WITHOUT ROWID;",
];

/// What has to be run on a store of version `found`; 0 is an empty one.
pub(super) fn steps(found: i64) -> impl Iterator<Item = &'static str> {
    let done = match found {
        // See the first step.
        1 => 0,
        _ => usize::try_from(found).unwrap_or(0),
    };
    STEPS.into_iter().skip(done)
}

/// The same step as Postgres writes it. Types are declared in SQLite's words, of which there are few.
pub(super) fn for_postgres(step: &str) -> String {
    let words = [(" STRICT, WITHOUT ROWID", ""), (" STRICT", ""), (" BLOB", " BYTEA"), (" INTEGER", " BIGINT")];
    words.iter().fold(step.to_owned(), |step, (ours, theirs)| step.replace(ours, theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_has_its_step() {
        assert_eq!(usize::try_from(VERSION).unwrap(), STEPS.len());
        assert_eq!([0, 1, 2, 3, 4, 5, 6, 7, 8].map(|found| steps(found).count()), [7, 7, 5, 4, 3, 2, 1, 0, 0]);
    }
}
