//! What a checked condition is: every name resolved, every constant read. [`crate::decide`] evaluates it.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use regex::Regex;

use crate::config::Network;

/// An expression all of whose names, functions and constants are known to be good.
#[derive(Clone, Debug)]
pub enum Expr {
    /// All hold. At least two.
    And(Vec<Expr>),
    /// An argument of the call, by its place in [`Condition::arguments`](super::Condition::arguments).
    Argument(usize),
    /// All arguments, as a mapping.
    Arguments,
    /// An attribute of the caller.
    Attribute(Box<str>),
    /// An operator between two values.
    Binary(Operator, Box<[Expr; 2]>),
    /// Whether a time lies from Monday to Friday within hours of the day.
    BusinessHours(Box<BusinessHours>),
    /// A function of values that are all looked at.
    Call(Function, Vec<Expr>),
    /// `condition ? yes : no`
    Choice(Box<[Expr; 3]>),
    /// Something for each item of a list.
    Comprehension(Box<Comprehension>),
    /// A value that stands in the policy.
    Constant(Constant),
    /// Whether what may be missing is there.
    Has(Box<Expr>),
    /// Whether an address lies in a network.
    InNetwork(Box<Expr>, Network),
    /// An item of a list, or a member of a mapping.
    Index(Box<[Expr; 2]>),
    /// A list.
    List(Vec<Expr>),
    /// The item that a comprehension looks at, by how many of them were open when it was.
    Local(usize),
    /// Whether a text holds what a regular expression finds.
    Matches(Box<Expr>, Regex),
    /// A member of a mapping that came with the call.
    Member(Box<Expr>, Box<str>),
    /// The number with the other sign.
    Negate(Box<Expr>),
    /// Whether it does not hold.
    Not(Box<Expr>),
    /// One holds. At least two.
    Or(Vec<Expr>),
    /// A part of a time in a zone, or of a duration.
    Part(Part, Box<Expr>, Option<TimeZone>),
    /// A fact about the call.
    Variable(Variable),
}

/// `businessHours(time, zone, from, to)`
#[derive(Clone, Debug)]
pub struct BusinessHours {
    /// The time.
    pub time: Expr,
    /// Where.
    pub zone: TimeZone,
    /// The first hour that is within.
    pub from: i8,
    /// The first that is not any more.
    pub to: i8,
}

/// `range.all(x, body)` and its like.
#[derive(Clone, Debug)]
pub struct Comprehension {
    /// What is asked of the items.
    pub quantifier: Quantifier,
    /// What they are items of.
    pub range: Expr,
    /// Looked at for each of them.
    pub body: Expr,
    /// What `map` makes of those for which `body` holds, if it says so.
    pub transform: Option<Expr>,
}

/// What a comprehension asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantifier {
    /// It holds for all.
    All,
    /// It holds for one at least.
    Exists,
    /// It holds for exactly one.
    ExistsOne,
    /// Those for which it holds.
    Filter,
    /// What the body makes of each.
    Map,
}

/// A value that stands in the policy.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// `true` or `false`
    Bool(bool),
    /// A number with a fraction.
    Double(f64),
    /// A stretch of time.
    Duration(SignedDuration),
    /// A whole number.
    Int(i64),
    /// `null`
    Null,
    /// A text.
    Text(Box<str>),
    /// A point in time.
    Time(Timestamp),
}

/// An operator between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what it is called")]
pub enum Operator {
    Add,
    Divide,
    Equal,
    Greater,
    GreaterOrEqual,
    In,
    Less,
    LessOrEqual,
    Multiply,
    NotEqual,
    Remainder,
    Subtract,
}

impl Operator {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Divide => "/",
            Self::Equal => "==",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Multiply => "*",
            Self::NotEqual => "!=",
            Self::Remainder => "%",
            Self::Subtract => "-",
        }
    }
}

/// A function whose arguments are all values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Whether a text holds another.
    Contains,
    /// A number from a text or number.
    Double,
    /// A stretch of time from a text.
    Duration,
    /// Whether a text ends with another.
    EndsWith,
    /// A whole number from a text, number or time.
    Int,
    /// How many characters, items or members.
    Size,
    /// Whether a text starts with another.
    StartsWith,
    /// A text from another value.
    Text,
    /// A point in time from a text.
    Timestamp,
}

/// A part of a time, or of a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Day of the month, from 1.
    Date,
    /// Day of the month, from 0.
    DayOfMonth,
    /// 0 is Sunday.
    DayOfWeek,
    /// From 0.
    DayOfYear,
    /// The year.
    FullYear,
    /// Of the day; of a duration all of them.
    Hours,
    /// Of the second.
    Milliseconds,
    /// Of the hour; of a duration all of them.
    Minutes,
    /// 0 is January.
    Month,
    /// Of the minute; of a duration all of them.
    Seconds,
}

/// A fact that a condition may name. `docs/conditions.md` says what each is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table in `variables.rs` says what each is called")]
pub enum Variable {
    AccessMethod,
    AccessOperation,
    AccessPrompt,
    AccessResource,
    AccessTarget,
    AccessTool,
    Now,
    PeerAddress,
    PrincipalAuthn,
    PrincipalClaimedRoles,
    PrincipalClient,
    PrincipalGroups,
    PrincipalIssuer,
    PrincipalRoles,
    PrincipalRegion,
    PrincipalScopes,
    PrincipalSubject,
    PrincipalTenant,
    ServerClassification,
    ServerName,
    ServerOwner,
    ServerPurpose,
    ServerRegion,
}
