//! One SQL statement on the tables of a rule.
//!
//! Databases read more than any parser knows, and each reads it in its own way. So a text is first looked through by `scan`, which
//! refuses whatever databases take apart differently (comments, backslashes, prefixed strings, variables, foreign quotes, ...); the
//! parser must then read one statement and all of the text; and of the tree that comes out only the parts that `judge` knows are
//! let through.

mod judge;
mod known;
mod scan;
#[cfg(test)]
mod tests;

use sqlparser::dialect::{Dialect, GenericDialect, MsSqlDialect, MySqlDialect, PostgreSqlDialect, SQLiteDialect};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use self::judge::Judge;
use crate::policy::arguments::{SqlDialect, SqlRule};

/// Levels of the parser's own recursion, of which a query in a query takes two or three: it needs much stack for each.
const MAX_RECURSION: usize = 14;

/// Whether `text` is one statement that the rule allows.
pub(super) fn fits(rule: &SqlRule, text: &str) -> bool {
    if scan::look(rule.dialect, text).is_err() {
        return false;
    }
    let dialect = dialect(rule.dialect);
    let Ok(tokens) = Tokenizer::new(dialect, text).tokenize() else {
        return false;
    };
    if !scan::tokens_are_plain(rule.dialect, &tokens) {
        return false;
    }
    let mut parser = Parser::new(dialect).with_recursion_limit(MAX_RECURSION).with_tokens(tokens);
    let Ok(statement) = parser.parse_statement() else {
        return false;
    };
    let _one_at_most = parser.consume_token(&Token::SemiColon);
    parser.peek_token().token == Token::EOF && Judge::new(rule).allows(statement)
}

fn dialect(dialect: SqlDialect) -> &'static dyn Dialect {
    // Each is an empty struct.
    match dialect {
        SqlDialect::Generic => &GenericDialect,
        SqlDialect::Mssql => &MsSqlDialect {},
        SqlDialect::Mysql => &MySqlDialect {},
        SqlDialect::Postgres => &PostgreSqlDialect {},
        SqlDialect::Sqlite => &SQLiteDialect {},
    }
}
