//! Names, fields and types: what the grammar lets pass and no call could ever answer.

use super::program::{Constant, Expr, Operator, Variable};
use super::tokens::Span;
use super::types::Type;
use super::variables::{ATTRIBUTES, ROOTS, constant_text, members, words};
use super::written::{Kind, Written};
use super::{Names, Problem, Reads};
use crate::policy::Known;
use crate::yaml::{closest, quoted};

/// An expression and what it is known to be.
pub(super) type Checked = (Expr, Type);

/// Goes through a condition once. What it returns is good only while `problems` is empty.
pub(super) struct Checker<'k> {
    pub(super) known: &'k Known,
    pub(super) problems: Vec<Problem>,
    /// The arguments that are named, each once.
    pub(super) arguments: Vec<String>,
    pub(super) reads: Reads,
    /// Anything at all is read that may differ from call to call.
    pub(super) reads_anything: bool,
    /// The items of the comprehensions that are open.
    pub(super) locals: Vec<(String, Type)>,
}

impl<'k> Checker<'k> {
    pub(super) fn new(known: &'k Known) -> Self {
        Self {
            known,
            problems: Vec::new(),
            arguments: Vec::new(),
            reads: Reads::default(),
            reads_anything: false,
            locals: Vec::new(),
        }
    }

    /// The condition as a whole.
    pub(super) fn condition(&mut self, written: &Written) -> Option<Expr> {
        let (expr, kind) = self.check(written)?;
        if kind != Type::Bool {
            let hint = if kind == Type::Dyn { "compare it, for example with `== true`" } else { "compare it with something" };
            return self.fail(written.whole, format!("a condition is true or false, and this is {kind}"), hint);
        }
        Some(expr)
    }

    pub(super) fn fail<T>(&mut self, at: Span, message: impl Into<String>, hint: impl Into<String>) -> Option<T> {
        self.problems.push(Problem { at, message: message.into(), hint: hint.into() });
        None
    }

    pub(super) fn check(&mut self, written: &Written) -> Option<Checked> {
        match &written.kind {
            Kind::And(operands) => self.logical(operands, Expr::And, "&&"),
            Kind::Or(operands) => self.logical(operands, Expr::Or, "||"),
            Kind::Binary(Operator::In, left, right) => self.membership(written, left, right),
            Kind::Binary(operator, left, right) => self.binary(written, *operator, left, right),
            Kind::Bool(value) => Some((Expr::Constant(Constant::Bool(*value)), Type::Bool)),
            Kind::Call { function, target, arguments } => self.call(written, function, target.as_deref(), arguments),
            Kind::Choice(condition, yes, no) => self.choice(written, condition, yes, no),
            Kind::Double(value) => Some((Expr::Constant(Constant::Double(*value)), Type::Double)),
            Kind::Index(of, key) => self.index(of, key),
            Kind::Int(value) => Some((Expr::Constant(Constant::Int(*value)), Type::Int)),
            Kind::List(items) => self.list(items),
            Kind::Member(of, name) => self.member(written, of, name),
            Kind::Name(name) => self.name(written, name),
            Kind::Negate(of) => self.negate(of),
            Kind::Not(of) => {
                let expr = self.wanted(of, &Type::Bool, "`!` turns true and false round")?;
                Some((Expr::Not(Box::new(expr)), Type::Bool))
            }
            Kind::Null => Some((Expr::Constant(Constant::Null), Type::Null)),
            Kind::Text(text) => Some((Expr::Constant(Constant::Text(text.as_str().into())), Type::Text)),
        }
    }

    /// An expression that must be able to be of this type; `because` begins the message.
    pub(super) fn wanted(&mut self, written: &Written, wanted: &Type, because: &str) -> Option<Expr> {
        let (expr, kind) = self.check(written)?;
        if kind.fits(wanted) {
            return Some(expr);
        }
        let hint = match (&kind, wanted) {
            (Type::Text, Type::Bool) => "compare it with `==`".to_owned(),
            (Type::List(_), Type::Text) => "look into a list with `in`, or with `exists`".to_owned(),
            _ => format!("expected {wanted}"),
        };
        self.fail(written.whole, format!("{because}, and this is {kind}"), hint)
    }

    fn logical(&mut self, operands: &[Written], make: fn(Vec<Expr>) -> Expr, sign: &str) -> Option<Checked> {
        let because = format!("`{sign}` joins what is true or false");
        // All of them, so that every mistake is found.
        let checked: Vec<Option<Expr>> = operands.iter().map(|operand| self.wanted(operand, &Type::Bool, &because)).collect();
        Some((make(checked.into_iter().collect::<Option<Vec<_>>>()?), Type::Bool))
    }

    fn choice(&mut self, written: &Written, condition: &Written, yes: &Written, no: &Written) -> Option<Checked> {
        let condition = self.wanted(condition, &Type::Bool, "`?` asks what is true or false");
        let (yes, no) = (self.check(yes), self.check(no));
        let (condition, (yes, of_yes), (no, of_no)) = (condition?, yes?, no?);
        if !of_yes.equals(&of_no) {
            return self.fail(
                written.whole,
                format!("this is {of_yes} or {of_no}, as it comes"),
                "both sides of `:` are of one type",
            );
        }
        Some((Expr::Choice(Box::new([condition, yes, no])), of_yes.join(&of_no)))
    }

    fn list(&mut self, items: &[Written]) -> Option<Checked> {
        let mut kind: Option<Type> = None;
        let mut good = Vec::with_capacity(items.len());
        let mut failed = false;
        for item in items {
            let Some((expr, of_item)) = self.check(item) else {
                failed = true;
                continue;
            };
            match &kind {
                Some(kind) if !kind.equals(&of_item) => {
                    let message = format!("this is {of_item}, in a list that began with {kind}");
                    return self.fail(item.whole, message, "the items of a list are of one type");
                }
                Some(_) | None => {}
            }
            kind = Some(kind.map_or(of_item.clone(), |kind| kind.join(&of_item)));
            good.push(expr);
        }
        if failed { None } else { Some((Expr::List(good), Type::list(kind.unwrap_or(Type::Dyn)))) }
    }

    fn negate(&mut self, of: &Written) -> Option<Checked> {
        let (expr, kind) = self.check(of)?;
        if !matches!(kind, Type::Double | Type::Dyn | Type::Int) {
            return self.fail(of.whole, format!("`-` is for numbers, and this is {kind}"), "expected a number");
        }
        Some((Expr::Negate(Box::new(expr)), kind))
    }

    fn name(&mut self, written: &Written, name: &str) -> Option<Checked> {
        if let Some(found) = self.local(name) {
            return Some(found);
        }
        match name {
            "arguments" => {
                self.reads.arguments = Names::All;
                self.reads_anything = true;
                return Some((Expr::Arguments, Type::Mapping));
            }
            "now" => {
                self.reads.now = true;
                self.reads_anything = true;
                return Some((Expr::Variable(Variable::Now), Type::Time));
            }
            _ => {}
        }
        if let Some(found) = members(name) {
            let names: Vec<&str> = found.iter().map(|member| member.name).collect();
            return self.fail(
                written.at,
                format!("`{name}` is not a value by itself"),
                format!("name a member of it: {}", names.join(", ")),
            );
        }
        self.unknown_name(written.at, name)
    }

    pub(super) fn local(&self, name: &str) -> Option<Checked> {
        let found = self.locals.iter().position(|(local, _)| local == name)?;
        Some((Expr::Local(found), self.locals.get(found)?.1.clone()))
    }

    fn unknown_name(&mut self, at: Span, name: &str) -> Option<Checked> {
        let of_root = ROOTS.iter().find(|root| members(root).is_some_and(|found| found.iter().any(|member| member.name == name)));
        let hint = match of_root {
            Some(root) => format!("did you mean `{root}.{name}`?"),
            None if self.known.attributes.iter().any(|attribute| attribute == name) => {
                format!("did you mean `principal.attributes.{name}`?")
            }
            None => {
                let locals = self.locals.iter().map(|(local, _)| local.as_str());
                match closest(name, ROOTS.into_iter().chain(locals).chain(["true", "false", "null"])) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("conditions are about {}; texts stand in quotes", ROOTS.join(", ")),
                }
            }
        };
        self.fail(at, format!("nothing is called {}", quoted(name)), hint)
    }

    fn member(&mut self, written: &Written, of: &Written, name: &str) -> Option<Checked> {
        if self.is_attributes(of) {
            return self.attribute(written.at, name);
        }
        if let Kind::Name(root) = &of.kind
            && self.local(root).is_none()
        {
            if root == "arguments" {
                return Some(self.argument(name));
            }
            if let Some(found) = members(root) {
                return self.fact(written, root, found, name);
            }
        }
        let (expr, kind) = self.check(of)?;
        match kind {
            Type::Dyn | Type::Mapping => Some((Expr::Member(Box::new(expr), name.into()), Type::Dyn)),
            Type::Bool | Type::Double | Type::Duration | Type::Int | Type::List(_) | Type::Null | Type::Text | Type::Time => {
                let hint = match super::calls::usage(name) {
                    Some(usage) => format!("call it: `{usage}`"),
                    None => "only arguments have members of their own".to_owned(),
                };
                self.fail(written.at, format!("this is {kind}, and has no member {}", quoted(name)), hint)
            }
        }
    }

    fn fact(&mut self, written: &Written, root: &str, found: &'static [super::variables::Member], name: &str) -> Option<Checked> {
        if let Some(member) = found.iter().find(|member| member.name == name) {
            self.reads_anything = true;
            self.reads.peer |= member.variable == Variable::PeerAddress;
            self.reads.method |= member.variable == Variable::AccessMethod;
            return Some((Expr::Variable(member.variable), member.kind()));
        }
        if root == "principal" && name == ATTRIBUTES {
            let example = self.known.attributes.first().map_or("department", String::as_str);
            return self.fail(
                written.at,
                "`principal.attributes` is not a value by itself",
                format!("name one: `principal.attributes.{example}`"),
            );
        }
        let mut names: Vec<&str> = found.iter().map(|member| member.name).collect();
        if root == "principal" {
            names.push(ATTRIBUTES);
        }
        let attribute = root == "principal" && self.known.attributes.iter().any(|attribute| attribute == name);
        let hint = match closest(name, names.iter().copied()) {
            _ if attribute => format!("did you mean `principal.attributes.{name}`?"),
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("its members: {}", names.join(", ")),
        };
        self.fail(written.at, format!("`{root}` has no member {}", quoted(name)), hint)
    }

    /// Whether this is `principal.attributes`.
    pub(super) fn is_attributes(&self, written: &Written) -> bool {
        let Kind::Member(of, name) = &written.kind else {
            return false;
        };
        name == ATTRIBUTES && matches!(&of.kind, Kind::Name(root) if root == "principal") && self.local("principal").is_none()
    }

    pub(super) fn attribute(&mut self, at: Span, name: &str) -> Option<Checked> {
        self.reads_anything = true;
        if self.known.attributes.iter().any(|attribute| attribute == name) {
            return Some((Expr::Attribute(name.into()), Type::Text));
        }
        let hint = match closest(name, self.known.attributes.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "name it in `claims.attributes` of an issuer in yett.yaml".to_owned(),
        };
        self.fail(at, format!("no issuer gives callers the attribute {}", quoted(name)), hint)
    }

    pub(super) fn argument(&mut self, name: &str) -> Checked {
        self.reads_anything = true;
        let found = self.arguments.iter().position(|argument| argument == name).unwrap_or_else(|| {
            self.arguments.push(name.to_owned());
            self.arguments.len() - 1
        });
        (Expr::Argument(found), Type::Dyn)
    }

    fn index(&mut self, of: &Written, key: &Written) -> Option<Checked> {
        if self.is_attributes(of) {
            return if let Kind::Text(name) = &key.kind {
                self.attribute(key.at, name)
            } else {
                self.fail(key.whole, "which attribute is meant must stand here", "write its name in quotes")
            };
        }
        if let (Kind::Name(root), Kind::Text(name)) = (&of.kind, &key.kind)
            && root == "arguments"
            && self.local(root).is_none()
        {
            return Some(self.argument(name));
        }
        let (of_checked, key_checked) = (self.check(of), self.check(key));
        let ((expr, kind), (at, of_key)) = (of_checked?, key_checked?);
        let result = match (&kind, &of_key) {
            (Type::List(item), Type::Dyn | Type::Int) => (**item).clone(),
            (Type::Dyn, Type::Dyn | Type::Int | Type::Text) | (Type::Mapping, Type::Dyn | Type::Text) => Type::Dyn,
            (Type::List(_), _) => {
                return self.fail(
                    key.whole,
                    format!("an item of a list is found by its number, and this is {of_key}"),
                    "the first is 0",
                );
            }
            (Type::Dyn | Type::Mapping, _) => {
                return self.fail(key.whole, format!("a member is found by its name, and this is {of_key}"), "write a text");
            }
            _ => return self.fail(of.whole, format!("this is {kind}, and has no items"), "only lists and arguments have"),
        };
        Some((Expr::Index(Box::new([expr, at])), result))
    }

    /// A fact that can only be one of a few words is compared with one of them, or never equal to anything.
    pub(super) fn check_words(&mut self, fact: &Expr, value: &Expr, at: Span) -> Option<()> {
        let (Some(words), Some(text)) = (words(fact, self.known), constant_text(value)) else {
            return Some(());
        };
        if words.contains(&text) {
            return Some(());
        }
        let hint = match closest(text, words.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if words.is_empty() => "there is none in yett.yaml".to_owned(),
            None => format!("it is one of {}", words.join(", ")),
        };
        self.fail(at, format!("this is never {}", quoted(text)), hint)
    }
}
