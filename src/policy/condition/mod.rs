//! Conditions: what `when:` and `unless:` may say, read and checked. Evaluates nothing; [`crate::decide`] does.
//!
//! A condition is a text of the Common Expression Language. It is read by a grammar of our own (`written`), since every mistake
//! has to be told with its place in the file, and since a text of 4 KiB must not be able to exhaust a stack. Then every name, member,
//! function and constant is checked against what there is (`check`), and what is left is a tree without names (`program`).
//!
//! What a condition may be: at most [`MAX_LENGTH`] bytes, [`MAX_DEPTH`] levels, loops at most [`MAX_NESTED`] deep. Regular expressions,
//! time zones and networks are constants, so that they are read once and can only be wrong here. `docs/conditions.md` is the page for
//! whoever writes them.

mod calls;
mod check;
mod moments;
mod operators;
mod place;
mod program;
#[cfg(test)]
mod tests;
mod tokens;
mod types;
mod variables;
mod written;

use check::Checker;
use tokens::Span;

pub use moments::{duration, timestamp};
pub use program::{BusinessHours, Comprehension, Constant, Expr, Function, Operator, Part, Quantifier, Variable};

use super::Known;
use crate::yaml::{Node, Report, scalar};

/// Longest condition, in bytes.
pub const MAX_LENGTH: usize = 4096;
/// Deepest nesting of a condition. A chain of `&&` or of `||` is one level.
pub const MAX_DEPTH: usize = 32;
/// How many loops (`all`, `exists`, ...) may stand inside each other.
pub const MAX_NESTED: usize = 2;

/// A condition that is known to be good.
#[derive(Clone, Debug)]
pub struct Condition {
    text: String,
    expr: Expr,
    arguments: Box<[String]>,
    reads: Reads,
}

/// What of a call a condition looks at, of that which is not known before it comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Which arguments.
    pub arguments: Names,
    /// What time it is.
    pub now: bool,
    /// Where the caller is.
    pub peer: bool,
    /// By which method it is used: of one thing there are several, and a list knows none.
    pub method: bool,
}

impl Reads {
    /// Whether the answer is the same at every time, from everywhere, by every method and with all arguments.
    pub fn nothing(&self) -> bool {
        self.arguments == Names::None && !self.now && !self.peer && !self.method
    }
}

/// Names of arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// All there are.
    All,
    /// None.
    #[default]
    None,
    /// These.
    Some(Box<[String]>),
}

/// Something that is wrong with a condition.
#[derive(Debug)]
struct Problem {
    at: Span,
    message: String,
    hint: String,
}

impl Condition {
    /// Reads the value of `when:` or `unless:`. What is wrong stands in `report`.
    pub fn read(node: &Node, known: &Known, report: &mut Report) -> Option<Self> {
        let scalar = scalar(node, report)?;
        let text = scalar.text.as_str();
        if text.len() > MAX_LENGTH {
            report
                .error(node.place, format!("the condition has {} bytes, more than {MAX_LENGTH}", text.len()))
                .hint("make it several rules");
            return None;
        }
        let mut checker = Checker::new(known);
        let expr = match written::parse(text) {
            Ok(written) => checker.condition(&written),
            Err(problem) => {
                checker.problems.push(problem);
                None
            }
        };
        for problem in &checker.problems {
            let place = place::place(node, scalar, problem.at, report);
            report.error(place, problem.message.as_str()).hint(problem.hint.as_str());
        }
        let expr = expr.filter(|_| checker.problems.is_empty())?;
        if !checker.reads_anything {
            report
                .warning(node.place, "this condition is about nothing: it is the same for every call")
                .hint("leave it out, or name `principal`, `access`, `arguments`, `server`, `now` or `peer`");
        }
        let arguments: Box<[String]> = checker.arguments.into();
        let mut reads = checker.reads;
        if reads.arguments == Names::None && !arguments.is_empty() {
            reads.arguments = Names::Some(arguments.clone());
        }
        Some(Self { text: text.to_owned(), expr, arguments, reads })
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is to be evaluated.
    pub fn expr(&self) -> &Expr {
        &self.expr
    }

    /// The arguments that [`Expr::Argument`] counts, by name.
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// What it looks at that is not known before a call.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }
}
