//! Functions: which there are, how they are called, and the constants that they are called with.

use jiff::tz::TimeZone;
use regex::RegexBuilder;

use super::MAX_NESTED;
use super::check::{Checked, Checker};
use super::moments::{duration, timestamp, zone, zone_names};
use super::program::{BusinessHours, Comprehension, Constant, Expr, Function, Part, Quantifier};
use super::types::Type;
use super::variables::{ROOTS, constant_text};
use super::written::{Kind, Written};
use crate::config::Network;
use crate::yaml::{closest, quoted};

/// Largest compiled form of a regular expression, in bytes.
const PATTERN_SIZE: usize = 256 * 1024;

/// A function as it is called. Everything in front of the point counts as the first of its values.
struct Form {
    name: &'static str,
    style: Style,
    least: usize,
    most: usize,
    usage: &'static str,
    does: Does,
}

#[derive(Clone, Copy, PartialEq)]
enum Style {
    Either,
    Global,
    Member,
}

#[derive(Clone, Copy)]
enum Does {
    BusinessHours,
    Comprehend(Quantifier),
    Has,
    InNetwork,
    Matches,
    Part(Part),
    Plain(Function),
}

const fn form(name: &'static str, style: Style, least: usize, most: usize, usage: &'static str, does: Does) -> Form {
    Form { name, style, least, most, usage, does }
}

const fn part(name: &'static str, usage: &'static str, part: Part) -> Form {
    form(name, Style::Member, 1, 2, usage, Does::Part(part))
}

const fn over(name: &'static str, most: usize, usage: &'static str, quantifier: Quantifier) -> Form {
    form(name, Style::Member, 3, most, usage, Does::Comprehend(quantifier))
}

const FORMS: &[Form] = &[
    over("all", 3, "list.all(x, x != 'a')", Quantifier::All),
    form("businessHours", Style::Global, 4, 4, "businessHours(now, 'Europe/Berlin', 9, 17)", Does::BusinessHours),
    form("contains", Style::Member, 2, 2, "text.contains('a')", Does::Plain(Function::Contains)),
    form("double", Style::Global, 1, 1, "double(x)", Does::Plain(Function::Double)),
    form("duration", Style::Global, 1, 1, "duration('1h30m')", Does::Plain(Function::Duration)),
    form("endsWith", Style::Member, 2, 2, "text.endsWith('a')", Does::Plain(Function::EndsWith)),
    over("exists", 3, "list.exists(x, x == 'a')", Quantifier::Exists),
    over("existsOne", 3, "list.existsOne(x, x == 'a')", Quantifier::ExistsOne),
    over("exists_one", 3, "list.exists_one(x, x == 'a')", Quantifier::ExistsOne),
    over("filter", 3, "list.filter(x, x != 'a')", Quantifier::Filter),
    part("getDate", "now.getDate('Europe/Berlin')", Part::Date),
    part("getDayOfMonth", "now.getDayOfMonth('Europe/Berlin')", Part::DayOfMonth),
    part("getDayOfWeek", "now.getDayOfWeek('Europe/Berlin')", Part::DayOfWeek),
    part("getDayOfYear", "now.getDayOfYear('Europe/Berlin')", Part::DayOfYear),
    part("getFullYear", "now.getFullYear('Europe/Berlin')", Part::FullYear),
    part("getHours", "now.getHours('Europe/Berlin')", Part::Hours),
    part("getMilliseconds", "now.getMilliseconds('Europe/Berlin')", Part::Milliseconds),
    part("getMinutes", "now.getMinutes('Europe/Berlin')", Part::Minutes),
    part("getMonth", "now.getMonth('Europe/Berlin')", Part::Month),
    part("getSeconds", "now.getSeconds('Europe/Berlin')", Part::Seconds),
    form("has", Style::Global, 1, 1, "has(arguments.x)", Does::Has),
    form("inNetwork", Style::Global, 2, 2, "inNetwork(peer.address, '10.0.0.0/8')", Does::InNetwork),
    form("int", Style::Global, 1, 1, "int(x)", Does::Plain(Function::Int)),
    over("map", 4, "list.map(x, x + 'a')", Quantifier::Map),
    form("matches", Style::Either, 2, 2, "text.matches('^a+$')", Does::Matches),
    form("size", Style::Either, 1, 1, "size(x)", Does::Plain(Function::Size)),
    form("startsWith", Style::Member, 2, 2, "text.startsWith('a')", Does::Plain(Function::StartsWith)),
    form("string", Style::Global, 1, 1, "string(x)", Does::Plain(Function::Text)),
    form("timestamp", Style::Global, 1, 1, "timestamp('2026-11-21T09:00:00Z')", Does::Plain(Function::Timestamp)),
];

/// How the function of this name is called.
pub(super) fn usage(name: &str) -> Option<&'static str> {
    let getter = format!("get{name}");
    FORMS.iter().find(|form| form.name == name || form.name.eq_ignore_ascii_case(&getter)).map(|form| form.usage)
}

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        written: &Written,
        name: &str,
        target: Option<&Written>,
        arguments: &[Written],
    ) -> Option<Checked> {
        let Some(form) = FORMS.iter().find(|form| form.name == name) else {
            let hint = match closest(name, FORMS.iter().map(|form| form.name)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "docs/conditions.md lists the functions".to_owned(),
            };
            return self.fail(written.at, format!("no function is called {}", quoted(name)), hint);
        };
        let wrong_style = match form.style {
            Style::Either => false,
            Style::Global => target.is_some(),
            Style::Member => target.is_none(),
        };
        let operands: Vec<&Written> = target.into_iter().chain(arguments).collect();
        if wrong_style {
            return self.fail(written.at, format!("`{name}` is not called like this"), format!("write `{}`", form.usage));
        }
        if operands.len() < form.least || operands.len() > form.most {
            let before = usize::from(target.is_some());
            let wanted = match (form.least.saturating_sub(before), form.most.saturating_sub(before)) {
                (least, most) if least == most => format!("{least}"),
                (least, most) => format!("{least} or {most}"),
            };
            let message = format!("`{name}` takes {wanted} in its brackets, not {}", arguments.len());
            return self.fail(written.at, message, format!("write `{}`", form.usage));
        }
        match (form.does, operands.as_slice()) {
            (Does::Has, [of]) => self.has(of),
            (Does::Comprehend(quantifier), [range, item, rest @ ..]) => {
                self.comprehension(written, quantifier, range, item, rest)
            }
            (Does::BusinessHours, [time, zone, from, to]) => self.business_hours(time, zone, from, to),
            (Does::InNetwork, [address, network]) => self.in_network(address, network),
            (Does::Matches, [text, pattern]) => self.matches(text, pattern),
            (Does::Part(part), [of, rest @ ..]) => self.part(form, part, of, rest.first().copied()),
            (Does::Plain(function), operands) => self.plain(form, function, operands),
            _ => None,
        }
    }

    fn has(&mut self, of: &Written) -> Option<Checked> {
        if !matches!(of.kind, Kind::Member(..)) {
            let indexed = matches!(of.kind, Kind::Index(..));
            let hint =
                if indexed { "write `'name' in arguments`" } else { "write `has(arguments.x)` or `has(principal.tenant)`" };
            return self.fail(of.whole, "`has` asks for a member", hint);
        }
        let (expr, _) = self.check(of)?;
        Some((Expr::Has(Box::new(expr)), Type::Bool))
    }

    fn comprehension(
        &mut self,
        written: &Written,
        quantifier: Quantifier,
        range: &Written,
        item: &Written,
        rest: &[&Written],
    ) -> Option<Checked> {
        let (range_expr, of_range) = self.check(range)?;
        let Kind::Name(name) = &item.kind else {
            return self.fail(item.whole, "the first in the brackets names the item", "write a name, for example `x`");
        };
        if ROOTS.contains(&name.as_str()) || self.local(name).is_some() {
            return self.fail(item.at, format!("`{name}` means something else already"), "take another name for the item");
        }
        if self.locals.len() >= MAX_NESTED {
            let message = format!("loops stand inside each other more than {MAX_NESTED} deep");
            return self.fail(written.at, message, "make it several rules");
        }
        let of_item = match &of_range {
            Type::List(of) => (**of).clone(),
            Type::Mapping => Type::Text,
            Type::Dyn => Type::Dyn,
            Type::Bool | Type::Double | Type::Duration | Type::Int | Type::Null | Type::Text | Type::Time => {
                return self.fail(
                    range.whole,
                    format!("a loop goes through a list, and this is {of_range}"),
                    "write `['a', 'b']`",
                );
            }
        };
        self.locals.push((name.clone(), of_item.clone()));
        let checked = self.body(quantifier, of_item, rest);
        self.locals.pop();
        let (body, transform, kind) = checked?;
        let comprehension = Comprehension { quantifier, range: range_expr, body, transform };
        Some((Expr::Comprehension(Box::new(comprehension)), kind))
    }

    fn body(&mut self, quantifier: Quantifier, of_item: Type, rest: &[&Written]) -> Option<(Expr, Option<Expr>, Type)> {
        let because = "what is asked of an item is true or false";
        match (quantifier, rest) {
            (Quantifier::Map, [body]) => {
                let (body, kind) = self.check(body)?;
                Some((body, None, Type::list(kind)))
            }
            (Quantifier::Map, [body, transform]) => {
                let (body, transform) = (self.wanted(body, &Type::Bool, because), self.check(transform));
                let (body, (transform, kind)) = (body?, transform?);
                Some((body, Some(transform), Type::list(kind)))
            }
            (_, [body]) => {
                let kind = if quantifier == Quantifier::Filter { Type::list(of_item) } else { Type::Bool };
                Some((self.wanted(body, &Type::Bool, because)?, None, kind))
            }
            _ => None,
        }
    }

    fn plain(&mut self, form: &Form, function: Function, operands: &[&Written]) -> Option<Checked> {
        let (accepts, result): (&[Type], Type) = match function {
            Function::Contains | Function::EndsWith | Function::StartsWith => (&[Type::Text], Type::Bool),
            Function::Double => (&[Type::Double, Type::Int, Type::Text], Type::Double),
            Function::Duration => (&[Type::Duration, Type::Text], Type::Duration),
            Function::Int => (&[Type::Double, Type::Int, Type::Text, Type::Time], Type::Int),
            Function::Size => (&[Type::Mapping, Type::Text], Type::Int),
            Function::Text => (&[Type::Bool, Type::Double, Type::Int, Type::Text, Type::Time], Type::Text),
            Function::Timestamp => (&[Type::Text, Type::Time], Type::Time),
        };
        let mut checked = Vec::with_capacity(operands.len());
        for operand in operands {
            let (expr, kind) = self.check(operand)?;
            let list = function == Function::Size && matches!(kind, Type::List(_));
            if !list && !accepts.iter().any(|accepted| kind.fits(accepted)) {
                let of_list = function == Function::Contains && matches!(kind, Type::List(_));
                let hint = if of_list { "write `'a' in list`".to_owned() } else { format!("write `{}`", form.usage) };
                return self.fail(operand.whole, format!("`{}` takes no such value: this is {kind}", form.name), hint);
            }
            self.check_constant(function, &expr, operand)?;
            checked.push(expr);
        }
        if let [Expr::Constant(Constant::Text(text))] = checked.as_slice() {
            if function == Function::Duration {
                return Some((Expr::Constant(Constant::Duration(duration(text)?)), result));
            }
            if function == Function::Timestamp {
                return Some((Expr::Constant(Constant::Time(timestamp(text)?)), result));
            }
        }
        Some((Expr::Call(function, checked), result))
    }

    /// What would fail at every call is told now.
    fn check_constant(&mut self, function: Function, expr: &Expr, written: &Written) -> Option<()> {
        let Some(text) = constant_text(expr) else {
            return Some(());
        };
        if function == Function::Duration && duration(text).is_none() {
            let hint = "write hours, minutes and seconds: `1h30m`, `45s`";
            return self.fail(written.whole, format!("{} is not a duration", quoted(text)), hint);
        }
        if function == Function::Timestamp && timestamp(text).is_none() {
            let hint = "write date, time and offset: `2026-11-21T09:00:00+01:00`";
            return self.fail(written.whole, format!("{} is not a time", quoted(text)), hint);
        }
        Some(())
    }

    fn part(&mut self, form: &Form, part: Part, of: &Written, zone: Option<&Written>) -> Option<Checked> {
        let (expr, kind) = self.check(of)?;
        let of_duration = matches!(part, Part::Hours | Part::Minutes | Part::Seconds) && zone.is_none();
        let good = kind.fits(&Type::Time) || (of_duration && kind == Type::Duration);
        if !good {
            let message = format!("`{}` takes a time, and this is {kind}", form.name);
            return self.fail(of.whole, message, format!("write `{}`", form.usage));
        }
        let zone = match zone {
            Some(written) => Some(self.zone(written)?),
            None => None,
        };
        Some((Expr::Part(part, Box::new(expr), zone), Type::Int))
    }

    fn zone(&mut self, written: &Written) -> Option<TimeZone> {
        let name =
            self.constant(written, "a time zone is named by a text that stands here", "write `'Europe/Berlin'` or `'UTC'`")?;
        if let Some(zone) = zone(&name) {
            return Some(zone);
        }
        let names = zone_names();
        let hint = match closest(&name, names.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "write a name of the IANA database: `Europe/Berlin`, `UTC`".to_owned(),
        };
        self.fail(written.whole, format!("no time zone is called {}", quoted(&name)), hint)
    }

    /// A text that stands in the policy: what it means is checked at load, once.
    fn constant(&mut self, written: &Written, message: &str, hint: &str) -> Option<String> {
        if let Kind::Text(text) = &written.kind { Some(text.clone()) } else { self.fail(written.whole, message, hint) }
    }

    fn matches(&mut self, text: &Written, pattern: &Written) -> Option<Checked> {
        let expr = self.wanted(text, &Type::Text, "`matches` looks through a text");
        let source =
            self.constant(pattern, "a regular expression is a text that stands here", "write it in quotes: `r'^[a-z]+$'`");
        let (expr, source) = (expr?, source?);
        match RegexBuilder::new(&source).size_limit(PATTERN_SIZE).build() {
            Ok(regex) => Some((Expr::Matches(Box::new(expr), regex), Type::Bool)),
            Err(regex::Error::CompiledTooBig(_)) => {
                self.fail(pattern.whole, "this regular expression is too large", "repeat less: `{1,1000}` is a thousand states")
            }
            Err(error) => {
                let text = error.to_string();
                let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                self.fail(
                    pattern.whole,
                    format!("this is not a regular expression: {why}"),
                    "the syntax is RE2's; a backslash needs a raw text: `r'\\d'`",
                )
            }
        }
    }

    fn in_network(&mut self, address: &Written, network: &Written) -> Option<Checked> {
        let expr = self.wanted(address, &Type::Text, "`inNetwork` takes an address");
        let text = self.constant(network, "a network is a text that stands here", "write `'10.0.0.0/8'`");
        let (expr, text) = (expr?, text?);
        match Network::parse(&text) {
            Ok(found) => Some((Expr::InNetwork(Box::new(expr), found), Type::Bool)),
            Err(invalid) => {
                let message = format!("{} {}", quoted(&text), invalid.problem);
                self.fail(network.whole, message, "write the first address and the bits: `10.0.0.0/8`, `fd00::/8`")
            }
        }
    }

    fn business_hours(&mut self, time: &Written, zone: &Written, from: &Written, to: &Written) -> Option<Checked> {
        let time = self.wanted(time, &Type::Time, "`businessHours` takes a time");
        let (zone, from_hour, to_hour) = (self.zone(zone), self.hour(from), self.hour(to));
        let (time, zone, from_hour, to_hour) = (time?, zone?, from_hour?, to_hour?);
        if from_hour >= to_hour {
            return self.fail(
                from.whole.to(to.whole),
                "these hours end before they begin",
                "for a night write `!businessHours(...)`",
            );
        }
        let hours = BusinessHours { time, zone, from: from_hour, to: to_hour };
        Some((Expr::BusinessHours(Box::new(hours)), Type::Bool))
    }

    fn hour(&mut self, written: &Written) -> Option<i8> {
        let value = if let Kind::Int(value) = written.kind { i8::try_from(value).ok() } else { None };
        match value.filter(|hour| (0..=24).contains(hour)) {
            Some(hour) => Some(hour),
            None => self.fail(written.whole, "this is not an hour of the day", "write a number from 0 to 24"),
        }
    }
}
