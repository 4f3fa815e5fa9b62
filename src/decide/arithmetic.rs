//! Operators: exact, or a mistake. Nothing wraps, rounds to infinity or compares what cannot be compared.

use std::cmp::Ordering;
use std::rc::Rc;

use super::condition::Evaluation;
use super::outcome::{Failure, Stop, TYPE};
use super::values::{Text, Val};
use crate::policy::condition::{Expr, Operator};
use crate::protocol::json::Kind;

/// Longest text or list that an operator makes.
const MAX_MADE: usize = 64 * 1024;
const MAX_LIST: usize = 1_000;

const OVERFLOW: Stop = Stop::Failed(Failure::Overflow);

impl<'e> Evaluation<'e> {
    pub(super) fn binary(&mut self, operator: Operator, sides: &'e [Expr; 2]) -> Result<Val<'e>, Stop> {
        let (left, right) = self.both(sides)?;
        match operator {
            Operator::Equal => self.equal(&left, &right).map(Val::Bool),
            Operator::NotEqual => self.equal(&left, &right).map(|equal| Val::Bool(!equal)),
            Operator::In => self.contained(&left, &right).map(Val::Bool),
            Operator::Greater => self.ordered(&left, &right, Ordering::is_gt),
            Operator::GreaterOrEqual => self.ordered(&left, &right, Ordering::is_ge),
            Operator::Less => self.ordered(&left, &right, Ordering::is_lt),
            Operator::LessOrEqual => self.ordered(&left, &right, Ordering::is_le),
            Operator::Add => self.add(left, right),
            Operator::Subtract => subtract(&left, &right),
            Operator::Divide | Operator::Multiply | Operator::Remainder => number(operator, &left, &right),
        }
    }

    /// Both values. A mistake in one of them is one, even where the other is unknown.
    pub(super) fn both(&mut self, sides: &'e [Expr; 2]) -> Result<(Val<'e>, Val<'e>), Stop> {
        let [left, right] = sides;
        match self.eval(left) {
            Ok(left) => Ok((left, self.eval(right)?)),
            Err(Stop::Unknown) => Err(self.eval(right).err().map_or(Stop::Unknown, |stop| Stop::Unknown.strict(stop))),
            Err(stop) => Err(stop),
        }
    }

    fn ordered(&mut self, left: &Val<'e>, right: &Val<'e>, is: fn(Ordering) -> bool) -> Result<Val<'e>, Stop> {
        self.charge_texts(left, right)?;
        left.compare(right).map(|order| Val::Bool(is(order))).ok_or(TYPE)
    }

    fn charge_texts(&mut self, left: &Val<'e>, right: &Val<'e>) -> Result<(), Stop> {
        if let (Val::Text(left), Val::Text(right)) = (left, right) {
            self.charge_text(left.as_str().len().min(right.as_str().len()))?;
        }
        Ok(())
    }

    /// Values of different types are neither equal nor different: what the server makes of `"7"`, `7` and `[7]` is not known here,
    /// and a rule must not be passed by by the wrong one of them.
    pub(super) fn equal(&mut self, left: &Val<'e>, right: &Val<'e>) -> Result<bool, Stop> {
        self.charge_texts(left, right)?;
        if let Some(order) = left.compare(right) {
            return Ok(order.is_eq());
        }
        match (left, right) {
            (Val::Bool(left), Val::Bool(right)) => Ok(left == right),
            (Val::Null, Val::Null) => Ok(true),
            (Val::Null, _) | (_, Val::Null) => Ok(false),
            _ => match (left.list_len(), right.list_len()) {
                (Some(count), Some(other)) => self.equal_lists(left, right, count, other),
                (None, None) => self.equal_mappings(left, right),
                _ => Err(TYPE),
            },
        }
    }

    fn equal_lists(&mut self, left: &Val<'e>, right: &Val<'e>, count: usize, other: usize) -> Result<bool, Stop> {
        // Counting them was work already.
        self.charge((count + other) / 16)?;
        if count != other {
            return Ok(false);
        }
        if count > MAX_LIST {
            return Err(Stop::Failed(Failure::TooLarge));
        }
        let mut stopped = None;
        for at in 0..count {
            // Finding an item of a list of the call means passing those before it.
            self.charge(1 + at / 16)?;
            let (Some(left), Some(right)) = (left.item(at), right.item(at)) else {
                return Ok(false);
            };
            match left.and_then(|left| Ok((left, right?))).and_then(|(left, right)| self.equal(&left, &right)) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(stop) => stopped = Some(stop),
            }
        }
        stopped.map_or(Ok(true), Err)
    }

    fn equal_mappings(&mut self, left: &Val<'e>, right: &Val<'e>) -> Result<bool, Stop> {
        let (members, other) = match (left, right) {
            (Val::Json(left), Val::Json(right)) if left.kind() == Kind::Object && right.kind() == Kind::Object => (*left, *right),
            _ => return Err(TYPE),
        };
        let (count, others) = (members.members().count(), other.members().count());
        self.charge((count + others) / 16)?;
        if count != others {
            return Ok(false);
        }
        let mut stopped = None;
        for (name, value) in members.members() {
            self.charge(1)?;
            let Some(counterpart) = self.member(right, name.as_str().unwrap_or_default())? else {
                return Ok(false);
            };
            let compared = Val::load(value).and_then(|value| Ok((value, Val::load(counterpart)?)));
            match compared.and_then(|(value, counterpart)| self.equal(&value, &counterpart)) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(stop) => stopped = Some(stop),
            }
        }
        stopped.map_or(Ok(true), Err)
    }

    fn contained(&mut self, item: &Val<'e>, list: &Val<'e>) -> Result<bool, Stop> {
        if matches!(list, Val::Empty) || matches!(list, Val::Json(value) if value.kind() == Kind::Object) {
            let Val::Text(name) = item else {
                return Err(TYPE);
            };
            return Ok(self.member(list, name.as_str())?.is_some());
        }
        let mut stopped = None;
        for (count, found) in list.items()?.into_iter().enumerate() {
            self.charge(usize::from(count % 8 == 7))?;
            match found.and_then(|found| self.equal(item, &found)) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(stop) => stopped = Some(stop),
            }
        }
        stopped.map_or(Ok(false), Err)
    }

    fn add(&mut self, left: Val<'e>, right: Val<'e>) -> Result<Val<'e>, Stop> {
        match (left, right) {
            (Val::Text(left), Val::Text(right)) => {
                let len = left.as_str().len() + right.as_str().len();
                self.charge_text(len)?;
                if len > MAX_MADE {
                    return Err(Stop::Failed(Failure::TooLarge));
                }
                Ok(Val::Text(Text::Made(Rc::from([left.as_str(), right.as_str()].concat()))))
            }
            (Val::Time(time), Val::Duration(duration)) | (Val::Duration(duration), Val::Time(time)) => {
                time.checked_add(duration).map(Val::Time).map_err(|_out_of_range| OVERFLOW)
            }
            (Val::Duration(left), Val::Duration(right)) => left.checked_add(right).map(Val::Duration).ok_or(OVERFLOW),
            (left, right) if left.list_len().is_some() && right.list_len().is_some() => {
                let (mut items, more) = (left.items()?, right.items()?);
                self.charge(items.len() + more.len())?;
                items.extend(more);
                if items.len() > MAX_LIST {
                    return Err(Stop::Failed(Failure::TooLarge));
                }
                Ok(Val::List(items.into_iter().collect::<Result<Vec<_>, _>>()?.into()))
            }
            (left, right) => number(Operator::Add, &left, &right),
        }
    }

    pub(super) fn negate(&mut self, of: &'e Expr) -> Result<Val<'e>, Stop> {
        let value = self.eval(of)?;
        if let Val::Double(value) = value {
            return Ok(Val::Double(-value));
        }
        let Val::Int(value) = value else {
            return Err(TYPE);
        };
        value.checked_neg().map(Val::Int).ok_or(OVERFLOW)
    }
}

fn subtract<'e>(left: &Val<'e>, right: &Val<'e>) -> Result<Val<'e>, Stop> {
    match (left, right) {
        (Val::Time(left), Val::Time(right)) => Ok(Val::Duration(left.duration_since(*right))),
        (Val::Time(time), Val::Duration(duration)) => {
            time.checked_sub(*duration).map(Val::Time).map_err(|_out_of_range| OVERFLOW)
        }
        (Val::Duration(left), Val::Duration(right)) => left.checked_sub(*right).map(Val::Duration).ok_or(OVERFLOW),
        _ => number(Operator::Subtract, left, right),
    }
}

fn number<'e>(operator: Operator, left: &Val<'e>, right: &Val<'e>) -> Result<Val<'e>, Stop> {
    match (left, right) {
        (Val::Int(left), Val::Int(right)) => whole(operator, *left, *right).map(Val::Int),
        (Val::Double(left), Val::Double(right)) => {
            let result = fractional(operator, *left, *right).ok_or(TYPE)?;
            if result.is_finite() { Ok(Val::Double(result)) } else { Err(OVERFLOW) }
        }
        _ => Err(TYPE),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other operators are not of numbers alone")]
fn whole(operator: Operator, left: i64, right: i64) -> Result<i64, Stop> {
    let result = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide => left.checked_div(right),
        Operator::Remainder => left.checked_rem(right),
        _ => return Err(TYPE),
    };
    result.ok_or(OVERFLOW)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other operators are not of numbers alone")]
fn fractional(operator: Operator, left: f64, right: f64) -> Option<f64> {
    match operator {
        Operator::Add => Some(left + right),
        Operator::Subtract => Some(left - right),
        Operator::Multiply => Some(left * right),
        Operator::Divide => Some(left / right),
        _ => None,
    }
}
