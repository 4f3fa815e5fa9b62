//! The attack table: texts that try to read, write or run something else than the rule says.

use super::fits;
use crate::policy::arguments::{SqlDialect, SqlRule, SqlStatement, TableName};

const ALL: [SqlDialect; 5] =
    [SqlDialect::Generic, SqlDialect::Mssql, SqlDialect::Mysql, SqlDialect::Postgres, SqlDialect::Sqlite];

fn rule(dialect: SqlDialect, statements: &[SqlStatement]) -> SqlRule {
    let table = |name: &str| TableName(name.split('.').map(str::to_owned).collect());
    SqlRule {
        dialect,
        statements: statements.to_vec(),
        tables: ["contacts", "orders", "sales.leads"].map(table).to_vec(),
        functions: vec!["generate_series".to_owned()],
    }
}

fn reads(dialect: SqlDialect, text: &str) -> bool {
    fits(&rule(dialect, &[SqlStatement::Select]), text)
}

#[test]
fn plain_reads_of_listed_tables_pass_in_every_dialect() {
    for text in [
        "SELECT 1",
        "select * from contacts",
        "SELECT a, b AS c FROM contacts WHERE a = 'it''s' AND b >= 1.5 ORDER BY a DESC",
        "SELECT c.a FROM contacts c JOIN orders AS o ON o.id = c.id LEFT JOIN sales.leads l ON l.id = c.id",
        "SELECT count(*), max(a) FROM contacts GROUP BY b HAVING count(*) > 1;",
        "SELECT a FROM contacts WHERE id IN (SELECT id FROM orders WHERE n BETWEEN 1 AND 5)",
        "SELECT a FROM (SELECT a FROM contacts) x",
        "SELECT a FROM contacts UNION ALL SELECT b FROM orders",
        "WITH recent AS (SELECT * FROM orders) SELECT * FROM recent, contacts",
        "WITH a AS (SELECT 1 AS n), b AS (SELECT n FROM a) SELECT * FROM b",
        "SELECT CASE WHEN a IS NULL THEN 'none' ELSE upper(a) END FROM contacts",
        "SELECT CAST(a AS INT) FROM contacts WHERE EXISTS (SELECT 1 FROM orders)",
        "SELECT row_number() OVER (PARTITION BY a ORDER BY b) FROM contacts",
        "SELECT \"a\" FROM contacts",
        "SELECT a\n\tFROM contacts\n ;\n",
        "SELECT a FROM contacts WHERE name LIKE '%--%' AND note = '/* # ; @ $ */ über'",
    ] {
        for dialect in ALL {
            assert!(reads(dialect, text), "{dialect:?}: {text}");
        }
    }
    assert!(reads(SqlDialect::Postgres, "SELECT a::text FROM Contacts WHERE d > now() - INTERVAL '1 day' LIMIT 5 OFFSET 2"));
    assert!(reads(SqlDialect::Postgres, "SELECT * FROM generate_series(1, 5) g"));
    assert!(reads(
        SqlDialect::Postgres,
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT * FROM t"
    ));
    assert!(reads(SqlDialect::Mysql, "SELECT `a` FROM `contacts` WHERE b = \"x\" LIMIT 5"));
    assert!(reads(SqlDialect::Mssql, "SELECT TOP 5 [a] FROM [contacts]"));
    assert!(reads(SqlDialect::Sqlite, "SELECT [a], `b` FROM CONTACTS"));
}

/// Refused whatever the dialect is.
const REFUSED: &[&str] = &[
    "",
    ";",
    "SELECT",
    "SELEC * FROM contacts",
    // Other tables, wherever they stand.
    "SELECT * FROM secret",
    "SELECT * FROM contacts, secret",
    "SELECT * FROM contacts JOIN secret ON true",
    "SELECT * FROM contacts NATURAL JOIN secret",
    "SELECT * FROM contacts WHERE id IN (SELECT id FROM secret)",
    "SELECT (SELECT max(a) FROM secret) FROM contacts",
    "SELECT * FROM contacts ORDER BY (SELECT a FROM secret)",
    "SELECT * FROM contacts GROUP BY (SELECT a FROM secret)",
    "SELECT * FROM contacts LIMIT (SELECT a FROM secret)",
    "SELECT count(*) OVER (ORDER BY (SELECT a FROM secret)) FROM contacts",
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM secret) THEN 1 END",
    "SELECT * FROM contacts UNION SELECT * FROM secret",
    "SELECT * FROM (contacts JOIN secret ON true)",
    "SELECT * FROM (SELECT * FROM secret) contacts",
    "SELECT * FROM contacts c, LATERAL (SELECT * FROM secret) s",
    "TABLE secret",
    "SELECT * FROM (TABLE secret) x",
    "SELECT * FROM contacts WHERE id IN (TABLE secret)",
    "SELECT * FROM contacts WHERE id IN secret",
    "(SELECT * FROM secret)",
    "SELECT * FROM contacts.secret",
    "SELECT * FROM other.contacts",
    "SELECT * FROM leads",
    "SELECT * FROM db.sales.leads",
    "SELECT * FROM db..contacts",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM pg_catalog.pg_authid",
    "SELECT * FROM 'secret'",
    "SELECT * FROM \"secret\"",
    // Common tables that hide a table, or seem to.
    "WITH secret AS (SELECT * FROM secret) SELECT * FROM secret",
    "WITH x AS (SELECT * FROM secret) SELECT * FROM x",
    "WITH a AS (SELECT * FROM secret), secret AS (SELECT 1) SELECT * FROM a",
    "SELECT * FROM (WITH secret AS (SELECT 1) SELECT 1) x, secret",
    "SELECT * FROM contacts WHERE id IN (WITH s AS (SELECT 1) SELECT * FROM s)",
    "WITH secret AS (SELECT 1) SELECT * FROM SECRET",
    "WITH secret AS (SELECT 1) SELECT * FROM \"secret\"",
    "WITH \"Secret\" AS (SELECT 1) SELECT * FROM Secret",
    "WITH s AS (SELECT 1) SELECT * FROM public.s",
    "WITH x AS (DELETE FROM contacts RETURNING *) SELECT * FROM x",
    "WITH x AS (INSERT INTO contacts VALUES (1) RETURNING *) SELECT * FROM x",
    "WITH x AS (UPDATE contacts SET a = 1 RETURNING *) SELECT * FROM x",
    "WITH x AS (SELECT 1) DELETE FROM contacts",
    "WITH x AS (SELECT 1) INSERT INTO contacts SELECT * FROM x",
    // Other statements, alone or behind the first.
    "SELECT 1; DROP TABLE contacts",
    "SELECT 1; SELECT 2",
    "SELECT 1;;",
    "DROP TABLE contacts",
    "DELETE FROM contacts",
    "UPDATE contacts SET a = 1",
    "INSERT INTO contacts VALUES (1)",
    "REPLACE INTO contacts VALUES (1)",
    "MERGE INTO contacts USING orders ON true WHEN MATCHED THEN DELETE",
    "TRUNCATE contacts",
    "CREATE TABLE x AS SELECT * FROM contacts",
    "COPY contacts TO '/tmp/x'",
    "COPY contacts FROM PROGRAM 'id'",
    "CALL f()",
    "DO 'x'",
    "EXECUTE x",
    "EXEC xp_cmdshell 'id'",
    "PREPARE x AS SELECT 1",
    "EXPLAIN ANALYZE DELETE FROM contacts",
    "EXPLAIN SELECT * FROM contacts",
    "SHOW TABLES",
    "DESCRIBE contacts",
    "SET role admin",
    "RESET ALL",
    "VACUUM",
    "PRAGMA table_info(secret)",
    "ATTACH DATABASE 'x' AS y",
    "LOAD DATA INFILE '/etc/passwd' INTO TABLE contacts",
    "GRANT ALL ON contacts TO evil",
    "BEGIN",
    "SELECT a FROM contacts SHUTDOWN",
    "SELECT 1 RECONFIGURE",
    "SELECT a FROM contacts EXEC (\"drop table contacts\")",
    "SELECT a FROM contacts COMMIT",
    "SELECT 1 END DROP TABLE contacts",
    // What a read may write, lock or run.
    "SELECT * INTO stolen FROM contacts",
    "SELECT * FROM contacts INTO OUTFILE '/tmp/x'",
    "SELECT a INTO DUMPFILE '/tmp/x' FROM contacts",
    "SELECT * FROM contacts FOR UPDATE",
    "SELECT * FROM contacts FOR SHARE",
    "SELECT * FROM contacts LOCK IN SHARE MODE",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_sleep(1000)",
    "SELECT query_to_xml('select * from secret', true, true, '')",
    "SELECT dblink('host=evil', 'select 1')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT load_file('/etc/passwd')",
    "SELECT load_extension('/tmp/x')",
    "SELECT set_config('role', 'admin', false)",
    "SELECT sleep(1000)",
    "SELECT benchmark(1000000000, md5('a'))",
    "SELECT repeat('a', 1000000000)",
    "SELECT evil.count(1)",
    "SELECT \"count\"(1)",
    "SELECT * FROM pg_ls_dir('/')",
    "SELECT * FROM pragma_table_info('secret')",
    "SELECT * FROM OPENROWSET('SQLNCLI', 'x', 'select 1')",
    "SELECT * FROM unnest(ARRAY[1])",
    "SELECT nextval('seq')",
    "SELECT 'secret'::regclass",
    "SELECT CAST('secret' AS regclass)",
    // Comments, and whatever hides behind them.
    "SELECT 1 -- x",
    "SELECT 1 --",
    "SELECT 1 # x",
    "SELECT 1 /* x */",
    "SELECT /*! 1 FROM secret */",
    "SELECT 1 /*!50000 UNION SELECT * FROM secret */",
    "SELECT 1 /*+ hint */",
    "SELECT 5--3",
    "SELECT 1 /* /* */ FROM secret -- */",
    "SELECT 1 */ 2",
    // Text that ends elsewhere to another reader.
    "SELECT 'a\\' UNION SELECT * FROM secret",
    "SELECT 'a\\\\'",
    "SELECT E'a\\' OR 1=1'",
    "SELECT E'x'",
    "SELECT N'x'",
    "SELECT x'41'",
    "SELECT b'1'",
    "SELECT U&'\\0061'",
    "SELECT _utf8'x'",
    "SELECT $$a$$",
    "SELECT $tag$ ' $tag$",
    "SELECT q'[it's]'",
    "SELECT 'a",
    "SELECT \"a",
    "SELECT 'a\0b'",
    "SELECT\u{a0}1",
    "SELECT\u{3000}1",
    "SELECT 1\u{200b}",
    "SELECT \u{ff07}a\u{ff07}",
    "SELECT a FROM c\u{43e}ntacts",
    "SELECT\u{b}1",
    "SELECT\u{c}1",
    "SELECT 1\u{1a}",
    // Variables and parameters.
    "SELECT @@version",
    "SELECT @x := 1",
    "SELECT ?",
    "SELECT $1",
    "SELECT :name",
    "SELECT {fn now()}",
    "SELECT a FROM contacts WHERE a OPERATOR(evil.=) 1",
    "SELECT a ~ 'x' FROM contacts",
    "SELECT a FROM contacts TABLESAMPLE SYSTEM (1)",
    "SELECT a FROM contacts WITH (NOLOCK)",
    "SELECT a FROM contacts PARTITION (p0)",
    "SELECT a FROM contacts PROCEDURE ANALYSE()",
    "SELECT a FROM contacts FOR XML AUTO",
    "HANDLER contacts OPEN",
    "(((SELECT 1",
    "SELECT 1)",
];

#[test]
fn nothing_but_plain_reads_of_listed_tables_passes_in_any_dialect() {
    assert!(REFUSED.len() > 120);
    let passed: Vec<_> = REFUSED
        .iter()
        .flat_map(|text| ALL.map(|dialect| (dialect, *text)))
        .filter(|(dialect, text)| reads(*dialect, text))
        .collect();
    assert!(passed.is_empty(), "{passed:#?}");
}

#[test]
fn quotes_of_another_dialect_are_refused() {
    for (dialect, text) in [
        (SqlDialect::Postgres, "SELECT `a` FROM contacts"),
        (SqlDialect::Postgres, "SELECT 1 ` ' ` UNION SELECT * FROM secret"),
        (SqlDialect::Postgres, "SELECT [a] FROM contacts"),
        (SqlDialect::Generic, "SELECT 1 ` ' ` UNION SELECT * FROM secret"),
        (SqlDialect::Generic, "SELECT [a] FROM contacts"),
        (SqlDialect::Mysql, "SELECT [a] FROM contacts"),
        (SqlDialect::Mssql, "SELECT `a` FROM contacts"),
        (SqlDialect::Mssql, "SELECT [a]] FROM secret --] FROM contacts"),
        (SqlDialect::Mysql, "SELECT 'a'::text"),
        (SqlDialect::Postgres, "SELECT * FROM \"Contacts\""),
        (SqlDialect::Mysql, "SELECT * FROM CONTACTS"),
        (SqlDialect::Mssql, "SELECT * FROM CONTACTS"),
    ] {
        assert!(!reads(dialect, text), "{dialect:?}: {text}");
    }
}

#[test]
fn writes_pass_where_their_word_is_allowed_and_touch_listed_tables_only() {
    use SqlStatement::{Delete, Insert, Select, Update};
    let all = [Delete, Insert, Select, Update];
    for (words, text) in [
        (&[Insert][..], "INSERT INTO contacts (a, b) VALUES (1, 'x')"),
        (&[Insert, Select], "INSERT INTO contacts SELECT * FROM orders"),
        (&[Update], "UPDATE contacts SET a = 1, b = upper(b) WHERE id = 5"),
        (&[Delete], "DELETE FROM contacts WHERE id = 5"),
        (&[Delete, Select], "DELETE FROM contacts WHERE id IN (SELECT id FROM orders)"),
    ] {
        for dialect in ALL {
            assert!(fits(&rule(dialect, words), text), "{dialect:?}: {text}");
            for missing in words {
                let fewer: Vec<_> = words.iter().copied().filter(|word| word != missing).collect();
                assert!(!fits(&rule(dialect, &fewer), text), "{dialect:?} without {missing:?}: {text}");
            }
        }
    }
    assert!(fits(&rule(SqlDialect::Postgres, &[Insert]), "INSERT INTO contacts VALUES (1) ON CONFLICT DO NOTHING"));
    assert!(!fits(&rule(SqlDialect::Postgres, &[Insert]), "INSERT INTO contacts VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2"));
    assert!(!fits(&rule(SqlDialect::Mysql, &[Insert]), "INSERT INTO contacts VALUES (1) ON DUPLICATE KEY UPDATE a = 2"));
    for text in [
        "INSERT INTO secret VALUES (1)",
        "INSERT INTO contacts SELECT * FROM secret",
        "INSERT INTO contacts VALUES ((SELECT a FROM secret))",
        "INSERT OVERWRITE contacts SELECT 1",
        "INSERT OR REPLACE INTO contacts VALUES (1)",
        "INSERT IGNORE INTO contacts VALUES (1)",
        "REPLACE INTO contacts VALUES (1)",
        "INSERT INTO contacts DEFAULT VALUES RETURNING (SELECT a FROM secret)",
        "WITH secret AS (SELECT 1) INSERT INTO secret VALUES (1)",
        "WITH secret AS (SELECT * FROM contacts) UPDATE secret SET a = 1",
        "WITH secret AS (SELECT * FROM contacts) DELETE FROM secret",
        "UPDATE secret SET a = 1",
        "UPDATE contacts SET a = (SELECT a FROM secret)",
        "UPDATE contacts SET a = s.a FROM secret s",
        "UPDATE contacts, secret SET a = 1",
        "UPDATE contacts JOIN secret ON true SET secret.a = 1",
        "DELETE FROM secret",
        "DELETE FROM contacts USING secret WHERE true",
        "DELETE secret FROM secret JOIN contacts",
        "DELETE contacts FROM contacts JOIN secret ON true",
        "DELETE FROM contacts WHERE EXISTS (SELECT 1 FROM secret)",
        "DELETE FROM contacts RETURNING (SELECT a FROM secret)",
        "MERGE INTO contacts USING orders ON true WHEN MATCHED THEN DELETE",
        "DELETE FROM contacts; DELETE FROM orders",
        "TRUNCATE TABLE contacts",
    ] {
        for dialect in ALL {
            assert!(!fits(&rule(dialect, &all), text), "{dialect:?}: {text}");
        }
    }
}

#[test]
fn large_and_deep_texts_are_refused_without_using_up_the_stack() {
    /// Less than the threads of a server have, and unoptimised code needs several times as much of it.
    const STACK: usize = 1_750_000;
    let many = |one: &str, times: usize| one.repeat(times);
    let deep = [
        format!("SELECT {}1{}", many("(", 5_000), many(")", 5_000)),
        format!("SELECT 1{}", many("+1", 4_000)),
        format!("SELECT {}1", many("- ", 4_000)),
        format!("SELECT {}true", many("NOT ", 3_000)),
        format!("SELECT 1 FROM contacts WHERE a = 1{}", many(" AND a = 1", 1_000)),
        format!("SELECT 1{}", many(" UNION SELECT 1", 800)),
        format!("SELECT {}1{}", many("(SELECT ", 200), many(")", 200)),
        format!("SELECT * FROM {}contacts{}", many("(", 300), many(")", 300)),
        format!("SELECT {}1{}", many("CASE WHEN 1 THEN ", 500), many(" END", 500)),
        format!("SELECT * FROM contacts{}", many(" JOIN contacts ON a = b", 500)),
        format!("SELECT a{} FROM contacts", many("::text", 2_000)),
        format!("SELECT '{}'", many("a", 20_000)),
        format!("SELECT 1{}", many(", 1", 5_000)),
    ];
    let worker = std::thread::Builder::new().stack_size(STACK).spawn(move || {
        for text in &deep {
            for dialect in ALL {
                assert!(!reads(dialect, text), "{dialect:?}: {}", text.get(..40).unwrap_or(text));
            }
        }
    });
    worker.unwrap().join().unwrap();
    // What is just within the bounds.
    let bounded = [
        format!("SELECT 1{}", many("+1", 100)),
        format!("SELECT 1 FROM contacts WHERE a{}", many(" OR a", 100)),
        format!("SELECT 1{}", many(" UNION SELECT 1", 100)),
        format!("SELECT {}1{}", many("(", 10), many(")", 10)),
        format!("SELECT {}true", many("NOT ", 100)),
        format!("SELECT {}1{}", many("(SELECT ", 16), many(")", 16)),
        format!("SELECT {}1{}", many("CASE WHEN 1 THEN ", 100), many(" END", 100)),
        format!("{}SELECT 1{}", many("SELECT * FROM (", 16), many(") x", 16)),
        format!("SELECT {}1{}", many("EXISTS (SELECT ", 16), many(")", 16)),
        format!("SELECT {}1{}", many("lower(", 16), many(")", 16)),
    ];
    let worker = std::thread::Builder::new().stack_size(STACK).spawn(move || {
        for text in &bounded {
            for dialect in ALL {
                reads(dialect, text);
            }
        }
        reads(SqlDialect::Generic, &bounded[0])
    });
    assert!(worker.unwrap().join().unwrap());
    let list = format!("SELECT a FROM contacts WHERE id IN (1{})", many(", 1", 1_500));
    assert!(reads(SqlDialect::Postgres, &list));
}
