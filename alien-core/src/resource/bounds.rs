//! How far an update of the vendor's may go.

use std::fmt;
use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::problem::{Problem, Rule};

/// The least and the most that the vendor may set a number to, both included. Where a stack gives none, the number stays as
/// it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// The least.
    pub min: u32,
    /// The most.
    pub max: u32,
}

impl Bounds {
    pub(crate) const fn only(value: u32) -> Self {
        Self { min: value, max: value }
    }

    /// Whether all of the other lie in these.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.min <= other.min && other.max <= self.max
    }
}

impl From<RangeInclusive<u32>> for Bounds {
    fn from(range: RangeInclusive<u32>) -> Self {
        Self { min: *range.start(), max: *range.end() }
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max { self.min.fmt(f) } else { write!(f, "{} to {}", self.min, self.max) }
    }
}

/// A number that the vendor's update may change, and within which bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scale {
    /// The field that gives its bounds.
    pub(crate) field: &'static str,
    /// What it is, for people: `memory in MiB`.
    pub(crate) what: &'static str,
    /// What it is set to: from the least to the most where it has two ends.
    pub(crate) has: Bounds,
    /// What the stack says of bounds.
    pub(crate) given: Option<Bounds>,
}

impl Scale {
    /// The bounds: what it has where the stack gives none.
    pub(crate) fn bounds(self) -> Bounds {
        self.given.unwrap_or(self.has)
    }

    /// Why the vendor may not set it from these to those; none where the vendor may.
    pub(crate) fn refusal(self, next: Self) -> Option<String> {
        let (what, bounds) = (self.what, self.bounds());
        let beyond = || format!("{what} would be {}, and the customer approved {bounds}", next.has);
        (!bounds.contains(next.has)).then(beyond)
    }

    /// Records the problems of a number: outside of what is possible, or outside of its own bounds.
    pub(crate) fn check(self, problems: &mut Vec<Problem>, possible: RangeInclusive<u32>) {
        let Self { what, has, given, .. } = self;
        let possible = Bounds::from(possible);
        let mut problem = |says: String, help: String| problems.push(Problem::error(Rule::Setting, says, help));
        if !possible.contains(has) {
            problem(format!("{what} is {has}"), format!("set it to {possible}"));
        }
        if let Some(bounds) = given {
            if bounds.min > bounds.max || !possible.contains(bounds) {
                problem(
                    format!("the bounds of {what} are {bounds}"),
                    format!("set them inside {possible}, the least first"),
                );
            } else if !bounds.contains(has) {
                problem(
                    format!("{what} is outside of its bounds {bounds}"),
                    "set it inside, or set wider bounds".to_owned(),
                );
            }
        }
    }
}
