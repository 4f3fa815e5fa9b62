//! Ready checks, as an operator writes them.

use std::cmp::Ordering;

use super::constants::number_token;
use super::host::HostPattern;
use super::paths::plain_path;
use crate::yaml::{Fields, Invalid, Node, Report, Value, choice, number, parsed};

/// A ready check of one value.
#[derive(Clone, Debug)]
pub enum Ready {
    /// One mail address.
    Email(EmailRule),
    /// A number, compared digit by digit.
    Number(NumberRule),
    /// A path of files.
    Path(PathRule),
    /// One SQL statement.
    Sql(SqlRule),
    /// A URL.
    Url(UrlRule),
}

/// Mail addresses of some domains.
#[derive(Clone, Debug)]
pub struct EmailRule {
    pub(crate) domains: Vec<HostPattern>,
}

/// Numbers of a range.
#[derive(Clone, Debug)]
pub struct NumberRule {
    pub(crate) min: Option<Decimal>,
    pub(crate) max: Option<Decimal>,
}

/// Paths below some folders.
#[derive(Clone, Debug)]
pub struct PathRule {
    /// Without a slash at the end; the root is empty.
    pub(crate) under: Vec<String>,
}

/// URLs of some hosts.
#[derive(Clone, Debug)]
pub struct UrlRule {
    pub(crate) schemes: Vec<String>,
    pub(crate) hosts: Vec<HostPattern>,
    pub(crate) ports: Vec<u16>,
}

/// Statements on some tables.
#[derive(Clone, Debug)]
pub struct SqlRule {
    pub(crate) dialect: SqlDialect,
    pub(crate) statements: Vec<SqlStatement>,
    pub(crate) tables: Vec<TableName>,
    /// In lower case; besides the usual ones.
    pub(crate) functions: Vec<String>,
}

/// Whose SQL it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlDialect {
    /// None in particular: only what all of them read alike.
    Generic,
    /// Microsoft SQL Server.
    Mssql,
    /// `MySQL` and `MariaDB`.
    Mysql,
    /// `PostgreSQL`.
    Postgres,
    /// SQLite.
    Sqlite,
}

/// A kind of statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlStatement {
    /// `DELETE`
    Delete,
    /// `INSERT`
    Insert,
    /// `SELECT`
    Select,
    /// `UPDATE`
    Update,
}

impl SqlStatement {
    /// As it is written in SQL.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Insert => "INSERT",
            Self::Select => "SELECT",
            Self::Update => "UPDATE",
        }
    }
}

/// The name of a table as the database has it: one to three parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName(pub(crate) Vec<String>);

const STATEMENTS: &[(&str, SqlStatement)] = &[
    ("select", SqlStatement::Select),
    ("insert", SqlStatement::Insert),
    ("update", SqlStatement::Update),
    ("delete", SqlStatement::Delete),
];
const DIALECTS: &[(&str, SqlDialect)] = &[
    ("postgres", SqlDialect::Postgres),
    ("mysql", SqlDialect::Mysql),
    ("sqlite", SqlDialect::Sqlite),
    ("mssql", SqlDialect::Mssql),
    ("generic", SqlDialect::Generic),
];

impl Ready {
    /// Whether `word` is a ready check.
    pub(super) fn is_word(word: &str) -> bool {
        matches!(word, "email" | "number" | "path" | "sql" | "url")
    }

    /// Reads the check that `word` is; `None` where it is none, and where its value is not good.
    pub(super) fn read(word: &str, node: &Node, report: &mut Report) -> Option<Self> {
        match word {
            "email" => email(node, report).map(Self::Email),
            "number" => range(node, report).map(Self::Number),
            "path" => path(node, report).map(Self::Path),
            "sql" => sql(node, report).map(Self::Sql),
            "url" => url(node, report).map(Self::Url),
            _ => None,
        }
    }

    /// The type of JSON Schema that it asks for.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Number(_) => "number",
            Self::Email(_) | Self::Path(_) | Self::Sql(_) | Self::Url(_) => "string",
        }
    }
}

fn email(node: &Node, report: &mut Report) -> Option<EmailRule> {
    let mut fields = Fields::of(node, "roles.*.allow[].arguments.*.email", report)?;
    let domains = fields.required_list("domains", parsed(HostPattern::parse_domain));
    fields.finish(&[]);
    Some(EmailRule { domains })
}

fn range(node: &Node, report: &mut Report) -> Option<NumberRule> {
    let mut fields = Fields::of(node, "roles.*.allow[].arguments.*.number", report)?;
    let decimal = |node: &Node, report: &mut Report| number_token(node, report).and_then(|token| Decimal::parse(&token));
    let min = fields.optional("min", decimal);
    let max = fields.optional("max", decimal);
    if !fields.has("min") && !fields.has("max") {
        fields.report().error(node.place, "this range has no end").hint("give it `min`, `max` or both");
    }
    if let (Some(min), Some(max)) = (&min, &max)
        && min > max
    {
        let place = fields.place("min");
        fields.report().error(place, "`min` is above `max`").hint("nothing could fit");
    }
    fields.finish(&[]);
    Some(NumberRule { min, max })
}

fn path(node: &Node, report: &mut Report) -> Option<PathRule> {
    let mut fields = Fields::of(node, "roles.*.allow[].arguments.*.path", report)?;
    let one = fields.value("under").is_some_and(|node| matches!(node.value, Value::Scalar(_)));
    let under = if one {
        fields.optional("under", parsed(folder)).into_iter().collect()
    } else {
        fields.required_list("under", parsed(folder))
    };
    fields.finish(&[]);
    Some(PathRule { under })
}

fn folder(text: &str) -> Result<String, Invalid> {
    let plain = plain_path(text.strip_suffix('/').unwrap_or(text));
    if text == "/" {
        return Ok(String::new());
    }
    if !plain {
        return Err(Invalid::new(
            "is not a plain absolute path",
            "write `/data/reports` (or `C:/data`): no `.`, `..` or empty step, no backslash, no wildcard",
        ));
    }
    Ok(text.strip_suffix('/').unwrap_or(text).to_owned())
}

fn url(node: &Node, report: &mut Report) -> Option<UrlRule> {
    let mut fields = Fields::of(node, "roles.*.allow[].arguments.*.url", report)?;
    let schemes = fields.list("schemes", parsed(scheme));
    let hosts = fields.required_list("hosts", parsed(HostPattern::parse));
    let ports = fields.list("ports", number(1..=u16::MAX));
    let secure = !fields.has("schemes");
    fields.finish(&[]);
    let schemes = if secure { vec!["https".to_owned()] } else { schemes };
    Some(UrlRule { schemes, hosts, ports })
}

fn scheme(text: &str) -> Result<String, Invalid> {
    let good = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.'));
    if !good {
        return Err(Invalid::new("is not a scheme", "write `https`, without `://`"));
    }
    if ["data", "file", "javascript", "mailto", "about", "blob", "urn"].contains(&text) {
        return Err(Invalid::new("is a scheme of URLs without a host", "use a `pattern` for such URLs, or `path` for files"));
    }
    Ok(text.to_owned())
}

fn sql(node: &Node, report: &mut Report) -> Option<SqlRule> {
    let mut fields = Fields::of(node, "roles.*.allow[].arguments.*.sql", report)?;
    let dialect = fields.required("dialect", choice(DIALECTS, &[]));
    let statements = fields.required_list("statements", choice(STATEMENTS, &[]));
    let tables = fields.required_list("tables", parsed(table));
    let functions = fields.list("functions", parsed(function));
    fields.finish(&[]);
    Some(SqlRule { dialect: dialect?, statements, tables, functions })
}

fn table(text: &str) -> Result<TableName, Invalid> {
    let parts: Vec<_> = text.split('.').map(str::to_owned).collect();
    if parts.len() <= 3 && parts.iter().all(|part| is_sql_name(part)) {
        return Ok(TableName(parts));
    }
    Err(Invalid::new(
        "is not the name of a table",
        "write it as the database has it, `contacts` or `public.contacts`: letters, digits and `_`, no quotes, no wildcard",
    ))
}

fn function(text: &str) -> Result<String, Invalid> {
    if is_sql_name(text) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Invalid::new("is not the name of a function", "write `date_bin`: letters, digits and `_`, without brackets"))
}

fn is_sql_name(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A decimal number of any size, exactly.
#[derive(Clone, Debug)]
pub(crate) struct Decimal {
    negative: bool,
    /// Where the point stands: the value is `0.<digits> * 10^exponent`.
    exponent: i64,
    /// Without zeros at either end; none for zero.
    digits: Vec<u8>,
    /// As it was written.
    token: String,
}

impl Decimal {
    /// The number of a JSON token; `None` for a negative zero, and for exponents beyond reason.
    pub(crate) fn parse(token: &str) -> Option<Self> {
        let magnitude = token.strip_prefix('-').unwrap_or(token);
        let (mantissa, exponent) = magnitude.split_once(['e', 'E']).unwrap_or((magnitude, "0"));
        let exponent: i64 = exponent.parse().ok().filter(|exponent: &i64| exponent.abs() <= 1_000_000)?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        if all.is_empty() || !all.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let leading = all.iter().take_while(|digit| **digit == b'0').count();
        let trailing = all.iter().rev().take_while(|digit| **digit == b'0').count();
        let digits = all.get(leading..all.len().saturating_sub(trailing)).unwrap_or_default().to_vec();
        let negative = magnitude.len() < token.len();
        if digits.is_empty() && negative {
            return None;
        }
        let point = i64::try_from(whole.len()).ok()? - i64::try_from(leading).ok()?;
        let exponent = if digits.is_empty() { 0 } else { point + exponent };
        Some(Self { negative, exponent, digits, token: token.to_owned() })
    }

    /// As it was written.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    fn cmp_magnitude(&self, other: &Self) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            // Without zeros in front, the one with the higher point is larger; digits behind a point compare as text.
            (false, false) => self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits)),
        }
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(match (self.negative, other.negative) {
            (false, false) => self.cmp_magnitude(other),
            (true, true) => other.cmp_magnitude(self),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        })
    }
}
