//! How far an update by the vendor may change a number.

use std::fmt;
use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::problem::{Problem, Rule};

/// The minimum and the maximum to which the vendor may set a number, both included. Without bounds in the stack, the
/// vendor may not change the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// The minimum.
    pub min: u32,
    /// The maximum.
    pub max: u32,
}

impl Bounds {
    pub(crate) const fn only(value: u32) -> Self {
        Self { min: value, max: value }
    }

    /// Whether the other bounds lie within these.
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

/// A number that the vendor's update may change, and its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scale {
    /// The field that gives its bounds.
    pub(crate) field: &'static str,
    /// What it is, for people: `memory in MiB`.
    pub(crate) what: &'static str,
    /// What it is set to: minimum and maximum if it is a range.
    pub(crate) has: Bounds,
    /// The bounds that the stack gives.
    pub(crate) given: Option<Bounds>,
}

impl Scale {
    /// Its bounds: the present number if the stack gives none.
    pub(crate) fn bounds(self) -> Bounds {
        self.given.unwrap_or(self.has)
    }

    /// Why the vendor may not set it to `next`; `None` if the vendor may.
    pub(crate) fn refusal(self, next: Self) -> Option<String> {
        self.beyond(next, "would be")
    }

    /// How `running` is beyond what the vendor may set it to; `None` if it is not.
    pub(crate) fn excess(self, running: Self) -> Option<String> {
        self.beyond(running, "is")
    }

    fn beyond(self, other: Self, is: &str) -> Option<String> {
        let (what, bounds) = (self.what, self.bounds());
        (!bounds.contains(other.has)).then(|| format!("{what} {is} {}, and the customer approved {bounds}", other.has))
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
                    format!("set them inside {possible}, the minimum first"),
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
