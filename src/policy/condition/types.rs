//! What a value is known to be before there is one, for finding clashes at load.

use std::fmt;

/// The type of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Double,
    Duration,
    /// Known only when the call comes: arguments.
    Dyn,
    Int,
    List(Box<Type>),
    Mapping,
    Null,
    Text,
    Time,
}

impl Type {
    pub(super) fn list(of: Self) -> Self {
        Self::List(Box::new(of))
    }

    fn is_number(&self) -> bool {
        matches!(self, Self::Double | Self::Int)
    }

    /// Whether values of the two can be equal.
    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dyn, _) | (_, Self::Dyn) => true,
            (Self::List(own), Self::List(other)) => own.equals(other),
            _ => self == other || (self.is_number() && other.is_number()),
        }
    }

    /// Whether one can be said to be less than the other.
    pub(super) fn orders(&self, other: &Self) -> bool {
        let orderly =
            |kind: &Self| matches!(kind, Self::Double | Self::Duration | Self::Dyn | Self::Int | Self::Text | Self::Time);
        orderly(self) && orderly(other) && self.equals(other)
    }

    /// Whether a value of this type may be one of `wanted`.
    pub(super) fn fits(&self, wanted: &Self) -> bool {
        match (self, wanted) {
            (Self::Dyn, _) | (_, Self::Dyn) => true,
            (Self::List(own), Self::List(wanted)) => own.fits(wanted),
            _ => self == wanted,
        }
    }

    /// What holds for values of either.
    pub(super) fn join(self, other: &Self) -> Self {
        if self == *other { self } else { Self::Dyn }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "true or false",
            Self::Double => "a number with a fraction",
            Self::Duration => "a duration",
            Self::Dyn => "any value",
            Self::Int => "a whole number",
            Self::List(of) => return write!(f, "a list of {}", of.plural()),
            Self::Mapping => "a mapping",
            Self::Null => "null",
            Self::Text => "a text",
            Self::Time => "a time",
        })
    }
}

impl Type {
    fn plural(&self) -> &'static str {
        match self {
            Self::Bool => "truth values",
            Self::Double | Self::Int => "numbers",
            Self::Duration => "durations",
            Self::Dyn | Self::Null => "values",
            Self::List(_) => "lists",
            Self::Mapping => "mappings",
            Self::Text => "texts",
            Self::Time => "times",
        }
    }
}
