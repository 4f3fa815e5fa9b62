//! The grammar: from tokens to a tree that still knows where everything stands.
//!
//! The grammar is that of CEL (`cel.proto`'s textual form), less what a condition has no use for: mappings, messages, bytes, unsigned
//! numbers, optional syntax and comments. It stops at the first mistake, since after it everything would be a guess.

use super::program::Operator;
use super::tokens::{Span, Token, tokens};
use super::{MAX_DEPTH, Problem};

/// Something written, and where.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Written {
    /// Of a name, literal or list all of it; of an operator the operator; of a member or call its name.
    pub(super) at: Span,
    /// From its first character to its last.
    pub(super) whole: Span,
    pub(super) kind: Kind,
    depth: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    And(Vec<Written>),
    Binary(Operator, Box<Written>, Box<Written>),
    Bool(bool),
    Call { function: String, target: Option<Box<Written>>, arguments: Vec<Written> },
    Choice(Box<Written>, Box<Written>, Box<Written>),
    Double(f64),
    Index(Box<Written>, Box<Written>),
    Int(i64),
    List(Vec<Written>),
    Member(Box<Written>, String),
    Name(String),
    Negate(Box<Written>),
    Not(Box<Written>),
    Null,
    Or(Vec<Written>),
    Text(String),
}

/// Operators by how tightly they bind, the loosest first. `&&`, `||` and `?:` are looser still.
const COMPARING: &[(&str, Operator)] = &[
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<", Operator::Less),
    ("<=", Operator::LessOrEqual),
    (">", Operator::Greater),
    (">=", Operator::GreaterOrEqual),
    ("in", Operator::In),
];
const ADDING: &[(&str, Operator)] = &[("+", Operator::Add), ("-", Operator::Subtract)];
const MULTIPLYING: &[(&str, Operator)] = &[("*", Operator::Multiply), ("/", Operator::Divide), ("%", Operator::Remainder)];
const LEVELS: [&[(&str, Operator)]; 3] = [COMPARING, ADDING, MULTIPLYING];

/// Reads a condition.
pub(super) fn parse(text: &str) -> Result<Written, Problem> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, level: 0 };
    let written = parser.expression()?;
    if *parser.peek() == Token::End { Ok(written) } else { Err(parser.unexpected("an operator or the end")) }
}

struct Parser {
    tokens: Vec<(Token, Span)>,
    next: usize,
    /// How many expressions are open inside each other.
    level: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |(token, _)| token)
    }

    fn span(&self) -> Span {
        let last = || self.tokens.last().map_or(Span { start: 0, end: 0 }, |(_, span)| *span);
        self.tokens.get(self.next).map_or_else(last, |(_, span)| *span)
    }

    fn take(&mut self) -> (Token, Span) {
        let taken = (self.peek().clone(), self.span());
        self.next += 1;
        taken
    }

    fn is(&self, sign: &str) -> bool {
        match self.peek() {
            Token::Sign(found) => *found == sign,
            // The one operator that is a word.
            Token::Name(name) => name == sign && sign == "in",
            Token::Double(_) | Token::End | Token::Int(_) | Token::Text(_) => false,
        }
    }

    fn accept(&mut self, sign: &str) -> Option<Span> {
        let span = self.span();
        self.is(sign).then(|| {
            self.next += 1;
            span
        })
    }

    fn expect(&mut self, sign: &str) -> Result<Span, Problem> {
        match self.accept(sign) {
            Some(span) => Ok(span),
            None => Err(self.unexpected(&format!("`{sign}`"))),
        }
    }

    fn unexpected(&self, expected: &str) -> Problem {
        let found = self.peek();
        let hint = match found {
            Token::Name(name) => match name.as_str() {
                "and" | "AND" => "write `&&`".to_owned(),
                "or" | "OR" => "write `||`".to_owned(),
                "not" | "NOT" => "write `!`".to_owned(),
                "is" => "compare with `==`".to_owned(),
                "matches" | "startsWith" | "endsWith" | "contains" => format!("write it behind a point: `x.{name}(y)`"),
                _ => format!("expected {expected}"),
            },
            Token::Sign("{") => "mappings are not read in conditions; lists are: `[1, 2]`".to_owned(),
            Token::Double(_) | Token::End | Token::Int(_) | Token::Sign(_) | Token::Text(_) => format!("expected {expected}"),
        };
        let message = if *found == Token::End {
            "the condition ends too early".to_owned()
        } else {
            format!("{found} is not expected here")
        };
        Problem { at: self.span(), message, hint }
    }

    fn expression(&mut self) -> Result<Written, Problem> {
        // The parser calls itself once for each level: bounded before the stack is.
        self.level += 1;
        if self.level > MAX_DEPTH {
            return Err(too_deep(self.span()));
        }
        let condition = self.logical("||", Kind::Or, |parser| parser.logical("&&", Kind::And, |parser| parser.binary(0)))?;
        let read = match self.accept("?") {
            None => Ok(condition),
            Some(at) => {
                let yes = self.expression()?;
                self.expect(":")?;
                let no = self.expression()?;
                let whole = condition.whole.to(no.whole);
                make(at, whole, Kind::Choice(Box::new(condition), Box::new(yes), Box::new(no)))
            }
        };
        self.level -= 1;
        read
    }

    /// Chains of one logical operator are one level, however long: they are how conditions are written.
    fn logical(
        &mut self,
        sign: &str,
        kind: fn(Vec<Written>) -> Kind,
        mut operand: impl FnMut(&mut Self) -> Result<Written, Problem>,
    ) -> Result<Written, Problem> {
        let first = operand(self)?;
        let at = self.span();
        if !self.is(sign) {
            return Ok(first);
        }
        let mut whole = first.whole;
        let mut operands = vec![first];
        while self.accept(sign).is_some() {
            let next = operand(self)?;
            whole = whole.to(next.whole);
            operands.push(next);
        }
        make(at, whole, kind(operands))
    }

    fn binary(&mut self, level: usize) -> Result<Written, Problem> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.binary(level + 1)?;
        loop {
            let at = self.span();
            let Some((_, operator)) = operators.iter().find(|(sign, _)| self.is(sign)) else {
                return Ok(left);
            };
            self.next += 1;
            let right = self.binary(level + 1)?;
            let whole = left.whole.to(right.whole);
            left = make(at, whole, Kind::Binary(*operator, Box::new(left), Box::new(right)))?;
        }
    }

    fn unary(&mut self) -> Result<Written, Problem> {
        let mut signs = Vec::new();
        while let Some(at) = self.accept("!") {
            signs.push((at, true));
        }
        if signs.is_empty() {
            while let Some(at) = self.accept("-") {
                signs.push((at, false));
            }
        }
        let mut read = match signs.last() {
            Some((at, false)) if matches!(self.peek(), Token::Int(_)) => {
                let at = *at;
                signs.pop();
                self.member(Some(at))?
            }
            Some(_) | None => self.member(None)?,
        };
        for (at, not) in signs.into_iter().rev() {
            let whole = at.to(read.whole);
            read = make(at, whole, if not { Kind::Not(Box::new(read)) } else { Kind::Negate(Box::new(read)) })?;
        }
        Ok(read)
    }

    fn member(&mut self, minus: Option<Span>) -> Result<Written, Problem> {
        let mut read = self.primary(minus)?;
        loop {
            if self.accept(".").is_some() {
                let (Token::Name(name), at) = self.take() else {
                    self.next -= 1;
                    return Err(self.unexpected("a name"));
                };
                let start = read.whole;
                read = if self.is("(") {
                    let (arguments, end) = self.arguments()?;
                    make(at, start.to(end), Kind::Call { function: name, target: Some(Box::new(read)), arguments })?
                } else {
                    make(at, start.to(at), Kind::Member(Box::new(read), name))?
                };
            } else if let Some(at) = self.accept("[") {
                let key = self.expression()?;
                let end = self.expect("]")?;
                let start = read.whole;
                read = make(at.to(end), start.to(end), Kind::Index(Box::new(read), Box::new(key)))?;
            } else {
                return Ok(read);
            }
        }
    }

    fn primary(&mut self, minus: Option<Span>) -> Result<Written, Problem> {
        let (token, at) = self.take();
        let kind = match token {
            Token::Double(value) => Kind::Double(value),
            Token::Int(digits) => return integer(digits, minus, at),
            Token::Text(text) => Kind::Text(text),
            Token::Name(name) => match name.as_str() {
                "true" => Kind::Bool(true),
                "false" => Kind::Bool(false),
                "null" => Kind::Null,
                "in" | "and" | "or" | "not" => return Err(self.back("a value")),
                _ if self.is("(") => {
                    let (arguments, end) = self.arguments()?;
                    return make(at, at.to(end), Kind::Call { function: name, target: None, arguments });
                }
                _ => Kind::Name(name),
            },
            Token::Sign("(") => {
                let inner = self.expression()?;
                let end = self.expect(")")?;
                return Ok(Written { whole: at.to(end), ..inner });
            }
            Token::Sign("[") => {
                let (items, end) = self.list("]", true)?;
                return make(at.to(end), at.to(end), Kind::List(items));
            }
            Token::End | Token::Sign(_) => return Err(self.back("a value")),
        };
        make(at, at, kind)
    }

    /// The error about the token that was just taken.
    fn back(&mut self, expected: &str) -> Problem {
        self.next -= 1;
        self.unexpected(expected)
    }

    fn arguments(&mut self) -> Result<(Vec<Written>, Span), Problem> {
        self.expect("(")?;
        self.list(")", false)
    }

    /// What stands between commas, up to `close`; CEL lets a list, and no call, end with a comma.
    fn list(&mut self, close: &str, trailing: bool) -> Result<(Vec<Written>, Span), Problem> {
        let mut items = Vec::new();
        loop {
            if (items.is_empty() || trailing)
                && let Some(end) = self.accept(close)
            {
                return Ok((items, end));
            }
            items.push(self.expression()?);
            if let Some(end) = self.accept(close) {
                return Ok((items, end));
            }
            if self.accept(",").is_none() {
                return Err(self.unexpected(&format!("`,` or `{close}`")));
            }
        }
    }
}

fn integer(digits: u64, minus: Option<Span>, at: Span) -> Result<Written, Problem> {
    let value = match minus {
        None => i64::try_from(digits).ok(),
        Some(_) => 0_i64.checked_sub_unsigned(digits),
    };
    let at = minus.map_or(at, |minus| minus.to(at));
    match value {
        Some(value) => make(at, at, Kind::Int(value)),
        None => Err(Problem {
            at,
            message: "this number is too large".to_owned(),
            hint: format!("whole numbers go from {} to {}", i64::MIN, i64::MAX),
        }),
    }
}

fn make(at: Span, whole: Span, kind: Kind) -> Result<Written, Problem> {
    let below = match &kind {
        Kind::Bool(_) | Kind::Double(_) | Kind::Int(_) | Kind::Name(_) | Kind::Null | Kind::Text(_) => 0,
        Kind::And(items) | Kind::List(items) | Kind::Or(items) => deepest(items),
        Kind::Binary(_, left, right) | Kind::Index(left, right) => left.depth.max(right.depth),
        Kind::Call { target, arguments, .. } => target.as_ref().map_or(0, |target| target.depth).max(deepest(arguments)),
        Kind::Choice(condition, yes, no) => condition.depth.max(yes.depth).max(no.depth),
        Kind::Member(of, _) | Kind::Negate(of) | Kind::Not(of) => of.depth,
    };
    if below >= MAX_DEPTH {
        return Err(too_deep(at));
    }
    Ok(Written { at, whole, kind, depth: below + 1 })
}

fn deepest(items: &[Written]) -> usize {
    items.iter().map(|item| item.depth).max().unwrap_or(0)
}

fn too_deep(at: Span) -> Problem {
    Problem {
        at,
        message: format!("the condition is nested deeper than {MAX_DEPTH} levels"),
        hint: "make it several rules".to_owned(),
    }
}
