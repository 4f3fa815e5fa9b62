//! Values while a condition is evaluated. What came with the call is read where it lies, one step at a time.

use std::cmp::Ordering;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};

use super::condition::MAX_ITEMS;
use super::outcome::{Failure, Stop, TYPE};
use crate::protocol::json::{self, Kind};

/// A value.
#[derive(Clone)]
pub(super) enum Val<'e> {
    Bool(bool),
    /// Never infinite, never NaN.
    Double(f64),
    Duration(SignedDuration),
    /// A mapping without members: the arguments of a call that has none.
    Empty,
    Int(i64),
    /// A list or mapping of the call. Everything else that came with it is one of the others.
    Json(json::Value<'e>),
    List(Rc<[Val<'e>]>),
    Null,
    Text(Text<'e>),
    Texts(Texts<'e>),
    Time(Timestamp),
}

/// A text of the policy or the call, or one that was made from them.
#[derive(Clone)]
pub(super) enum Text<'e> {
    Lent(&'e str),
    Made(Rc<str>),
}

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Lent(text) => text,
            Self::Made(text) => text,
        }
    }
}

/// A list of texts that is a fact about the call.
#[derive(Clone, Copy)]
pub(super) enum Texts<'e> {
    Own(&'e [String]),
    Lent(&'e [&'e str]),
}

impl<'e> Texts<'e> {
    pub(super) fn len(self) -> usize {
        match self {
            Self::Own(texts) => texts.len(),
            Self::Lent(texts) => texts.len(),
        }
    }

    pub(super) fn get(self, at: usize) -> Option<&'e str> {
        match self {
            Self::Own(texts) => texts.get(at).map(String::as_str),
            Self::Lent(texts) => texts.get(at).copied(),
        }
    }
}

impl<'e> Val<'e> {
    pub(super) fn lent(text: &'e str) -> Self {
        Self::Text(Text::Lent(text))
    }

    pub(super) fn made(text: &str) -> Self {
        Self::Text(Text::Made(text.into()))
    }

    /// What stands in the call. A number that readers may take for different values is none.
    pub(super) fn load(value: json::Value<'e>) -> Result<Self, Stop> {
        Ok(match value.kind() {
            Kind::Array | Kind::Object => Self::Json(value),
            Kind::Bool => Self::Bool(value.as_bool().unwrap_or_default()),
            Kind::Null => Self::Null,
            Kind::Number => number(value.raw()).ok_or(Stop::Failed(Failure::Number))?,
            Kind::String => Self::lent(value.as_str().unwrap_or_default()),
        })
    }

    /// The mapping of the call that it is.
    pub(super) fn object(&self) -> Option<json::Value<'e>> {
        if let Self::Json(value) = self { Some(*value).filter(|value| value.kind() == Kind::Object) } else { None }
    }

    /// The list of the call that it is.
    fn array(&self) -> Option<json::Value<'e>> {
        if let Self::Json(value) = self { Some(*value).filter(|value| value.kind() == Kind::Array) } else { None }
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self, Self::List(_) | Self::Texts(_)) || self.array().is_some()
    }

    /// How many items, if it is a list.
    pub(super) fn list_len(&self) -> Option<usize> {
        if let Self::List(items) = self {
            Some(items.len())
        } else if let Self::Texts(texts) = self {
            Some(texts.len())
        } else {
            self.array().map(|array| array.items().count())
        }
    }

    /// An item of a list.
    pub(super) fn item(&self, at: usize) -> Option<Result<Self, Stop>> {
        if let Self::List(items) = self {
            items.get(at).cloned().map(Ok)
        } else if let Self::Texts(texts) = self {
            texts.get(at).map(|text| Ok(Self::lent(text)))
        } else {
            self.array().and_then(|array| array.items().nth(at)).map(Self::load)
        }
    }

    /// What a loop goes through: the items of a list, or the names of a mapping's members.
    pub(super) fn items(&self) -> Result<Vec<Result<Self, Stop>>, Stop> {
        let items: Vec<Result<Self, Stop>> = if matches!(self, Self::Empty) {
            Vec::new()
        } else if let Some(object) = self.object() {
            let names = object.members().map(|(name, _)| Ok(Self::lent(name.as_str().unwrap_or_default())));
            names.take(MAX_ITEMS + 1).collect()
        } else if let Some(array) = self.array() {
            array.items().map(Self::load).take(MAX_ITEMS + 1).collect()
        } else {
            let count = self.list_len().ok_or(TYPE)?;
            (0..count.min(MAX_ITEMS + 1)).filter_map(|at| self.item(at)).collect()
        };
        if items.len() > MAX_ITEMS { Err(Stop::Failed(Failure::TooLarge)) } else { Ok(items) }
    }

    /// Which is the greater. `None` where that is not for these to say.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(own), Self::Int(other)) => Some(own.cmp(other)),
            (Self::Double(own), Self::Double(other)) => own.partial_cmp(other),
            (Self::Int(own), Self::Double(other)) => mixed(*own, *other),
            (Self::Double(own), Self::Int(other)) => mixed(*other, *own).map(Ordering::reverse),
            // By Unicode scalar values, which is the order of UTF-8.
            (Self::Text(own), Self::Text(other)) => Some(own.as_str().cmp(other.as_str())),
            (Self::Time(own), Self::Time(other)) => Some(own.cmp(other)),
            (Self::Duration(own), Self::Duration(other)) => Some(own.cmp(other)),
            _ => None,
        }
    }
}

/// Exactly, which a conversion of either to the other is not.
fn mixed(int: i64, double: f64) -> Option<Ordering> {
    /// 2^63, the first that no `i64` reaches.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if double.is_nan() {
        return None;
    }
    if double >= BEYOND {
        return Some(Ordering::Less);
    }
    if double < -BEYOND {
        return Some(Ordering::Greater);
    }
    #[expect(clippy::cast_possible_truncation, reason = "cut to a whole number within the range of i64")]
    let whole = double.trunc() as i64;
    Some(int.cmp(&whole).then_with(|| 0.0_f64.partial_cmp(&double.fract()).unwrap_or(Ordering::Equal)))
}

/// The value of a number as JSON writes it, if every reader gets the same: a whole number that fits 64 bits, however it is
/// written, or one of up to 15 significant digits, which a double keeps. `-0` is neither.
pub(super) fn number<'e>(raw: &str) -> Option<Val<'e>> {
    if let Ok(value) = raw.parse::<i64>() {
        return (raw != "-0").then_some(Val::Int(value));
    }
    let (negative, rest) = raw.strip_prefix('-').map_or((false, raw), |rest| (true, rest));
    let (digits, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let exponent: i64 = exponent.parse().ok()?;
    let mut scale = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;

    // The significant digits as one number, without the zeros at both ends.
    let mut value: u128 = 0;
    let mut significant = 0;
    let mut zeros: u32 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        if digit == b'0' {
            zeros += u32::from(significant > 0);
            continue;
        }
        significant += zeros + 1;
        if significant > 19 {
            return None;
        }
        value = value * 10_u128.pow(zeros + 1) + u128::from(digit.wrapping_sub(b'0'));
        zeros = 0;
    }
    scale = scale.checked_add(i64::from(zeros))?;
    if significant == 0 {
        return (!negative).then_some(Val::Int(0));
    }
    if let Ok(scale) = u32::try_from(scale)
        && scale <= 19
        && let Some(value) = value.checked_mul(10_u128.pow(scale)).and_then(|value| i128::try_from(value).ok())
        && let Ok(value) = i64::try_from(if negative { -value } else { value })
    {
        return Some(Val::Int(value));
    }
    let value: f64 = if significant <= 15 { raw.parse().ok()? } else { return None };
    // What is smaller than the smallest ordinary double has lost digits.
    value.is_normal().then_some(Val::Double(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_or_nothing() {
        let shown = |raw: &str| match number(raw) {
            Some(Val::Int(value)) => format!("int {value}"),
            Some(Val::Double(value)) => format!("double {value}"),
            _ => "none".to_owned(),
        };
        for (raw, wanted) in [
            ("0", "int 0"),
            ("-0", "none"),
            ("-0.0", "none"),
            ("-0e5", "none"),
            ("0.0", "int 0"),
            ("1000", "int 1000"),
            ("1e9", "int 1000000000"),
            ("1000000000.0", "int 1000000000"),
            ("12.50e1", "int 125"),
            ("1e18", "int 1000000000000000000"),
            ("1e19", "double 10000000000000000000"),
            ("9223372036854775807", "int 9223372036854775807"),
            ("-9223372036854775808", "int -9223372036854775808"),
            ("-9223372036854775808.0", "int -9223372036854775808"),
            ("9223372036854775808", "none"),
            ("1.5", "double 1.5"),
            ("0.1", "double 0.1"),
            ("123456789012.345", "double 123456789012.345"),
            ("1234567890123.4567", "none"),
            ("0.30000000000000004", "none"),
            ("1e-400", "none"),
            ("1e99999999999999999999", "none"),
            ("1e-99999999999999999999", "none"),
            ("0.00000000000000000000000001", "double 0.00000000000000000000000001"),
        ] {
            assert_eq!(shown(raw), wanted, "{raw}");
        }
    }

    #[test]
    fn whole_and_other_numbers_are_compared_without_rounding() {
        let compare = |int: i64, double: f64| Val::Int(int).compare(&Val::Double(double));
        assert_eq!(compare(9_007_199_254_740_993, 9_007_199_254_740_992.0), Some(Ordering::Greater));
        assert_eq!(compare(i64::MAX, 9_223_372_036_854_775_808.0), Some(Ordering::Less));
        assert_eq!(compare(i64::MIN, -9_223_372_036_854_775_808.0), Some(Ordering::Equal));
        assert_eq!(compare(1, 1.5), Some(Ordering::Less));
        assert_eq!(compare(-1, -1.5), Some(Ordering::Greater));
        assert_eq!(compare(0, -0.5), Some(Ordering::Greater));
        assert_eq!(compare(1000, 1000.0), Some(Ordering::Equal));
        assert_eq!(Val::Double(0.5).compare(&Val::Int(1)), Some(Ordering::Less));
    }
}
