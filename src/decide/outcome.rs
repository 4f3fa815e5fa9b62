//! What a condition says of a call, why it may say nothing, and how much may be spent on asking.

use std::cell::Cell;

/// Most steps of all conditions that one decision asks: some milliseconds.
const MAX_DECISION: usize = 200_000;

/// What is left of the steps of one decision. However many rules are about a call, it is answered, and in time.
#[derive(Debug)]
pub struct Budget(Cell<usize>);

impl Default for Budget {
    fn default() -> Self {
        Self(Cell::new(MAX_DECISION))
    }
}

impl Budget {
    /// Takes so many steps; whether they were there.
    pub(super) fn take(&self, steps: usize) -> bool {
        let left = self.0.get().checked_sub(steps);
        self.0.set(left.unwrap_or_default());
        left.is_some()
    }
}

/// What a condition says of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It cannot be said. Whoever asked denies.
    Failed(Failure),
    /// It holds.
    Holds,
    /// It does not hold.
    HoldsNot,
    /// It depends on arguments, which are not known yet.
    Unknown,
}

/// Why it cannot be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// An argument stands there in another spelling of upper and lower case.
    Doubled,
    /// Something that may be missing is missing.
    Missing,
    /// A number that not every reader takes for the same.
    Number,
    /// A number or time beyond what there is.
    Overflow,
    /// A Rego module made a mistake, or denies by something that is no denial.
    Rego,
    /// More steps than a condition may take.
    Steps,
    /// A list, text or call that is larger than a condition may look at.
    TooLarge,
    /// A value is not of the type that it is compared with or used as.
    Type,
    /// A text that is not what it should be read as.
    Value,
}

impl Failure {
    /// In words, for records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Doubled => "an argument is there in another spelling",
            Self::Missing => "something the condition names is missing",
            Self::Number => "a number has no exact value",
            Self::Overflow => "a result is out of range",
            Self::Rego => "a Rego module has failed",
            Self::Steps => "the condition takes too many steps",
            Self::TooLarge => "what the condition looks at is too large",
            Self::Type => "a value is of another type",
            Self::Value => "a text cannot be read as what it should be",
        }
    }
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Failed(Failure),
    Unknown,
}

impl Stop {
    /// Whether nothing can make good for it: it would not end otherwise.
    pub(super) fn is_final(self) -> bool {
        self == Self::Failed(Failure::Steps)
    }

    /// What two of them are where both sides must have a value: the mistake, which no argument can mend.
    pub(super) fn strict(self, other: Self) -> Self {
        if self == Self::Unknown { other } else { self }
    }

    /// What they are in `&&` and `||`: unknown, since what is unknown may yet decide.
    pub(super) fn logical(self, other: Self) -> Self {
        if other == Self::Unknown { other } else { self }
    }
}

pub(super) const TYPE: Stop = Stop::Failed(Failure::Type);
