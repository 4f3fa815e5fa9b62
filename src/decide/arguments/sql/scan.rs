//! What no text may hold, before anything parses it.

#![expect(clippy::wildcard_enum_match_arm, reason = "what is not named is refused, whatever a parser to come may add")]

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, Whitespace};

use crate::policy::arguments::SqlDialect;

/// Longest text, in bytes.
const MAX_TEXT: usize = 16 << 10;
/// Brackets inside each other.
const MAX_DEPTH: usize = 16;
/// Most tokens.
const MAX_TOKENS: usize = 4_000;
/// Most tokens that join what stands on both sides, each of which makes the tree one level deeper: whoever walks it needs stack for
/// each.
const MAX_JOINING: usize = 100;

/// Words that begin or end a statement somewhere, or reach out of the database. SQL Server needs no `;` between statements, so what a
/// parser takes for an alias (`SELECT a FROM t SHUTDOWN`) may be the next one.
const REFUSED: &str = "ALTER ANALYZE ATTACH BACKUP BEGIN BREAK BULK CALL CHECKPOINT CLOSE COMMIT CONTINUE COPY CREATE DBCC DEALLOCATE DECLARE \
    DENY DESCRIBE DETACH DISABLE DISCARD DROP DUMP DUMPFILE ENABLE EXEC EXECUTE EXPLAIN GO GOTO GRANT HANDLER IF \
    INSTALL KILL LISTEN LOAD LOCK MERGE NOTIFY OPEN OPENDATASOURCE OPENQUERY OPENROWSET OPENXML OUTFILE PRAGMA PREPARE \
    PRINT PROCEDURE RAISERROR READTEXT RECONFIGURE REFRESH REINDEX RELEASE RENAME RESET RESTORE RETURN REVERT \
    REVOKE ROLLBACK SAVE SAVEPOINT SECURITY SETUSER SHOW SHUTDOWN THROW TRAN TRANSACTION TRUNCATE UNLISTEN UNLOAD \
    UPDATETEXT USE VACUUM WAITFOR WHILE WRITETEXT";

/// It holds something that databases do not agree on.
#[derive(Debug)]
pub(super) struct Refused;

/// Looks through the text as every database would at least: strings, quoted names, and what stands between them.
pub(super) fn look(dialect: SqlDialect, text: &str) -> Result<(), Refused> {
    if text.len() > MAX_TEXT {
        return Err(Refused);
    }
    let mut rest = text.chars().peekable();
    let (mut before, mut depth, mut ended) = (' ', 0_usize, false);
    while let Some(c) = rest.next() {
        if ended && !c.is_ascii_whitespace() {
            return Err(Refused);
        }
        match c {
            '\'' | '"' | '`' | '[' => {
                let close = closing(dialect, c).ok_or(Refused)?;
                // `E'..'`, `N'..'`, `U&'..'`, `_utf8'..'`: other rules hold in such strings.
                if is_name(before) || before == '&' {
                    return Err(Refused);
                }
                skip_quoted(&mut rest, close)?;
            }
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1).ok_or(Refused)?,
            ';' => ended = true,
            _ if !is_plain(dialect, c) || is_refused_pair(dialect, before, c, rest.peek().copied()) => return Err(Refused),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(Refused);
        }
        before = c;
    }
    if depth == 0 { Ok(()) } else { Err(Refused) }
}

/// How a quotation ends, where this dialect knows it.
fn closing(dialect: SqlDialect, open: char) -> Option<char> {
    match (open, dialect) {
        ('\'' | '"', _) | ('`', SqlDialect::Mysql | SqlDialect::Sqlite) => Some(open),
        ('[', SqlDialect::Mssql | SqlDialect::Sqlite) => Some(']'),
        _ => None,
    }
}

/// Goes behind the end of a quotation. A quote in it is doubled, to every database; a backslash means something to some.
fn skip_quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, close: char) -> Result<(), Refused> {
    while let Some(c) = rest.next() {
        match c {
            // SQLite ends `[a]]` at the first bracket, SQL Server does not.
            ']' if close == ']' => return if rest.peek() == Some(&']') { Err(Refused) } else { Ok(()) },
            _ if c == close && rest.next_if_eq(&close).is_some() => {}
            _ if c == close => return Ok(()),
            '\\' => return Err(Refused),
            '\n' | '\t' => {}
            _ if c.is_control() => return Err(Refused),
            _ => {}
        }
    }
    Err(Refused)
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// SECURITY: ASCII only, since white space and letters beyond it are different things to different databases.
fn is_plain(dialect: SqlDialect, c: char) -> bool {
    is_name(c)
        || matches!(c, ' ' | '\n' | '\r' | '\t' | ',' | '.' | '*' | '+' | '-' | '/' | '%' | '<' | '>' | '=' | '!' | '|')
        || (c == ':' && dialect == SqlDialect::Postgres)
}

/// Two characters that begin a comment, or mean something only together.
fn is_refused_pair(dialect: SqlDialect, before: char, c: char, next: Option<char>) -> bool {
    match c {
        '-' => next == Some('-'),
        '/' => next == Some('*') || before == '*',
        '*' => before == '/' || next == Some('/'),
        '!' => next != Some('='),
        // Elsewhere than as a concatenation it is an operator of some databases only.
        '|' => (next == Some('|')) == (before == '|'),
        ':' => dialect != SqlDialect::Postgres || (next == Some(':')) == (before == ':'),
        _ => false,
    }
}

/// Whether there are only tokens that every database has, not too many of them, and no word that begins something else.
pub(super) fn tokens_are_plain(dialect: SqlDialect, tokens: &[Token]) -> bool {
    let mut count = 0;
    let mut joining = 0;
    for token in tokens {
        let joins_more = match token {
            Token::Whitespace(Whitespace::Space | Whitespace::Newline | Whitespace::Tab) => continue,
            Token::Word(word) if word.quote_style.is_none() => {
                if REFUSED.split_ascii_whitespace().any(|refused| word.value.eq_ignore_ascii_case(refused)) {
                    return false;
                }
                joins(word.keyword)
            }
            Token::Word(word) => {
                if word.value.is_empty() || word.value.chars().any(|c| matches!(c, '"' | '`' | '[' | ']' | '\'')) {
                    return false;
                }
                false
            }
            Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::Comma
            | Token::Period
            | Token::LParen
            | Token::RParen
            | Token::SemiColon
            | Token::EOF => false,
            Token::DoubleQuotedString(_) if dialect == SqlDialect::Mysql => false,
            Token::Eq
            | Token::Neq
            | Token::Lt
            | Token::Gt
            | Token::LtEq
            | Token::GtEq
            | Token::Plus
            | Token::Minus
            | Token::Mul
            | Token::Div
            | Token::Mod
            | Token::StringConcat
            | Token::Arrow
            | Token::LongArrow
            | Token::DoubleColon => true,
            _ => return false,
        };
        count += 1;
        joining += usize::from(joins_more);
    }
    count <= MAX_TOKENS && joining <= MAX_JOINING
}

fn joins(keyword: Keyword) -> bool {
    matches!(
        keyword,
        Keyword::AND
            | Keyword::AT
            | Keyword::BETWEEN
            | Keyword::COLLATE
            | Keyword::DIV
            | Keyword::ESCAPE
            | Keyword::EXCEPT
            | Keyword::GLOB
            | Keyword::ILIKE
            | Keyword::IN
            | Keyword::INTERSECT
            | Keyword::IS
            | Keyword::LIKE
            | Keyword::MATCH
            | Keyword::MINUS
            | Keyword::MOD
            | Keyword::NOT
            | Keyword::OR
            | Keyword::OVERLAPS
            | Keyword::REGEXP
            | Keyword::RLIKE
            | Keyword::SIMILAR
            | Keyword::UNION
            | Keyword::XOR
    )
}
