//! Functions of conditions.

#![expect(clippy::wildcard_enum_match_arm, reason = "a function takes a few kinds of values, and every other is a mistake")]

use std::net::IpAddr;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::condition::{Evaluation, MAX_TEXT};
use super::outcome::{Failure, Stop, TYPE};
use super::values::{Val, number};
use crate::config::Network;
use crate::policy::condition::{BusinessHours, Expr, Function, Part, Variable, duration, timestamp};

const VALUE: Stop = Stop::Failed(Failure::Value);
const OVERFLOW: Stop = Stop::Failed(Failure::Overflow);

impl<'e> Evaluation<'e> {
    pub(super) fn call(&mut self, function: Function, operands: &'e [Expr]) -> Result<Val<'e>, Stop> {
        match operands {
            [of] => {
                let of = self.eval(of)?;
                if let Val::Text(text) = &of {
                    self.charge_text(text.as_str().len())?;
                }
                match function {
                    Function::Double => to_double(&of),
                    Function::Duration => to_duration(&of),
                    Function::Int => to_int(&of),
                    Function::Size => self.size(&of),
                    Function::Text => to_text(&of),
                    Function::Timestamp => to_time(&of),
                    Function::Contains | Function::EndsWith | Function::StartsWith => Err(TYPE),
                }
            }
            [text, part] => {
                let (text, part) = match self.eval(text) {
                    Ok(text) => (text, self.eval(part)?),
                    Err(Stop::Unknown) => {
                        return Err(self.eval(part).err().map_or(Stop::Unknown, |stop| Stop::Unknown.strict(stop)));
                    }
                    Err(stop) => return Err(stop),
                };
                let (Val::Text(text), Val::Text(part)) = (text, part) else {
                    return Err(TYPE);
                };
                let (text, part) = (text.as_str(), part.as_str());
                self.charge_text(text.len().saturating_add(part.len()))?;
                match function {
                    Function::Contains => Ok(Val::Bool(text.contains(part))),
                    Function::EndsWith => Ok(Val::Bool(text.ends_with(part))),
                    Function::StartsWith => Ok(Val::Bool(text.starts_with(part))),
                    Function::Double
                    | Function::Duration
                    | Function::Int
                    | Function::Size
                    | Function::Text
                    | Function::Timestamp => Err(TYPE),
                }
            }
            _ => Err(TYPE),
        }
    }

    fn size(&mut self, of: &Val<'e>) -> Result<Val<'e>, Stop> {
        let count = if let Val::Text(text) = of {
            text.as_str().chars().count()
        } else {
            let count = if matches!(of, Val::Empty) {
                0
            } else if let Some(object) = of.object() {
                object.members().count()
            } else {
                of.list_len().ok_or(TYPE)?
            };
            self.charge(count / 16)?;
            count
        };
        i64::try_from(count).map(Val::Int).map_err(|_too_many| OVERFLOW)
    }

    pub(super) fn index(&mut self, sides: &'e [Expr; 2]) -> Result<Val<'e>, Stop> {
        let (of, key) = self.both(sides)?;
        match &key {
            Val::Text(name) => self.member(&of, name.as_str())?.map_or(Err(Stop::Failed(Failure::Missing)), Val::load),
            Val::Int(at) => {
                if !of.is_list() {
                    return Err(TYPE);
                }
                let at = usize::try_from(*at).map_err(|_negative| Stop::Failed(Failure::Missing))?;
                // Items of the call are found by passing those before them, and there are 64 KiB of them at most.
                self.charge(at.min(MAX_TEXT) / 16)?;
                of.item(at).unwrap_or(Err(Stop::Failed(Failure::Missing)))
            }
            _ => Err(TYPE),
        }
    }

    pub(super) fn in_network(&mut self, address: &'e Expr, network: &Network) -> Result<Val<'e>, Stop> {
        let address: IpAddr = if matches!(address, Expr::Variable(Variable::PeerAddress)) {
            self.peer()?
        } else {
            self.text(address)?.as_str().parse().map_err(|_no_address| VALUE)?
        };
        Ok(Val::Bool(network.contains(address)))
    }

    fn time(&mut self, of: &'e Expr) -> Result<Timestamp, Stop> {
        if let Val::Time(time) = self.eval(of)? { Ok(time) } else { Err(TYPE) }
    }

    pub(super) fn business_hours(&mut self, hours: &'e BusinessHours) -> Result<Val<'e>, Stop> {
        let local = hours.zone.to_datetime(self.time(&hours.time)?);
        let working_day = (1..=5).contains(&local.weekday().to_sunday_zero_offset());
        Ok(Val::Bool(working_day && (hours.from..hours.to).contains(&local.hour())))
    }

    pub(super) fn part(&mut self, part: Part, of: &'e Expr, zone: Option<&TimeZone>) -> Result<Val<'e>, Stop> {
        let time = match self.eval(of)? {
            Val::Time(time) => time,
            Val::Duration(duration) if zone.is_none() => return part_of_duration(part, duration).map(Val::Int).ok_or(TYPE),
            _ => return Err(TYPE),
        };
        let local = zone.unwrap_or(&TimeZone::UTC).to_datetime(time);
        Ok(Val::Int(match part {
            Part::Date => i64::from(local.day()),
            Part::DayOfMonth => i64::from(local.day()) - 1,
            Part::DayOfWeek => i64::from(local.weekday().to_sunday_zero_offset()),
            Part::DayOfYear => i64::from(local.day_of_year()) - 1,
            Part::FullYear => i64::from(local.year()),
            Part::Hours => i64::from(local.hour()),
            Part::Milliseconds => i64::from(local.subsec_nanosecond()) / 1_000_000,
            Part::Minutes => i64::from(local.minute()),
            Part::Month => i64::from(local.month()) - 1,
            Part::Seconds => i64::from(local.second()),
        }))
    }
}

fn part_of_duration(part: Part, duration: SignedDuration) -> Option<i64> {
    match part {
        Part::Hours => Some(duration.as_hours()),
        Part::Minutes => Some(duration.as_mins()),
        Part::Seconds => Some(duration.as_secs()),
        Part::Date | Part::DayOfMonth | Part::DayOfWeek | Part::DayOfYear | Part::FullYear | Part::Milliseconds | Part::Month => {
            None
        }
    }
}

/// The digits of a number as JSON writes them, and nothing else: no spaces, no sign in front, no other alphabet's digits.
fn read_number<'e>(text: &str) -> Result<Val<'e>, Stop> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (digits, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    if !all_digits(whole) || !all_digits(fraction) || !all_digits(exponent) || leading_zero {
        return Err(VALUE);
    }
    number(text).ok_or(Stop::Failed(Failure::Number))
}

fn to_double<'e>(of: &Val<'e>) -> Result<Val<'e>, Stop> {
    /// Every whole number up to here is a double.
    const EXACT: u64 = 1 << 53;
    match of {
        Val::Double(value) => Ok(Val::Double(*value)),
        Val::Int(value) if value.unsigned_abs() <= EXACT => {
            #[expect(clippy::cast_precision_loss, reason = "up to 2^53 there is none")]
            let value = *value as f64;
            Ok(Val::Double(value))
        }
        Val::Int(_) => Err(OVERFLOW),
        Val::Text(text) => to_double(&read_number(text.as_str())?),
        _ => Err(TYPE),
    }
}

fn to_int<'e>(of: &Val<'e>) -> Result<Val<'e>, Stop> {
    match of {
        Val::Int(value) => Ok(Val::Int(*value)),
        Val::Double(value) => {
            // 2^63, the first that no `i64` reaches.
            if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(value) {
                return Err(OVERFLOW);
            }
            #[expect(clippy::cast_possible_truncation, reason = "cut to a whole number within the range of i64")]
            let value = value.trunc() as i64;
            Ok(Val::Int(value))
        }
        Val::Text(text) => {
            let digits = text.as_str().strip_prefix('-').unwrap_or(text.as_str());
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(VALUE);
            }
            text.as_str().parse().map(Val::Int).map_err(|_too_long| OVERFLOW)
        }
        Val::Time(time) => Ok(Val::Int(time.as_second())),
        _ => Err(TYPE),
    }
}

fn to_text<'e>(of: &Val<'e>) -> Result<Val<'e>, Stop> {
    match of {
        Val::Bool(value) => Ok(Val::lent(if *value { "true" } else { "false" })),
        Val::Double(value) => Ok(Val::made(&value.to_string())),
        Val::Int(value) => Ok(Val::made(&value.to_string())),
        Val::Text(_) => Ok(of.clone()),
        Val::Time(time) => Ok(Val::made(&time.to_string())),
        _ => Err(TYPE),
    }
}

fn to_time<'e>(of: &Val<'e>) -> Result<Val<'e>, Stop> {
    match of {
        Val::Time(time) => Ok(Val::Time(*time)),
        Val::Text(text) => timestamp(text.as_str()).map(Val::Time).ok_or(VALUE),
        _ => Err(TYPE),
    }
}

fn to_duration<'e>(of: &Val<'e>) -> Result<Val<'e>, Stop> {
    match of {
        Val::Duration(duration) => Ok(Val::Duration(*duration)),
        Val::Text(text) => duration(text.as_str()).map(Val::Duration).ok_or(VALUE),
        _ => Err(TYPE),
    }
}
