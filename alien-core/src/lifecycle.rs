//! Frozen or live: what the vendor may do with a resource after set-up.
//!
//! The same two values exist twice: as data ([`Lifecycle`], in documents) and as marker types ([`Frozen`],
//! [`Live`], in [`Ref`](crate::Ref)), so that a program that confuses them does not compile.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the vendor may do with a resource after the customer's admin has set it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lifecycle {
    /// The vendor may watch its health and nothing more.
    Frozen,
    /// The vendor may update it.
    Live,
}

impl Lifecycle {
    /// The word used in documents: `frozen` or `live`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Frozen => "frozen",
            Self::Live => "live",
        }
    }
}

impl fmt::Display for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Marker: a resource that the vendor may only watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frozen {}

/// Marker: a resource that the vendor may update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {}

/// [`Frozen`] or [`Live`], as a type. Sealed: there are exactly these two.
pub trait State: sealed::Sealed + 'static {
    /// The lifecycle as data.
    const LIFECYCLE: Lifecycle;
}

impl State for Frozen {
    const LIFECYCLE: Lifecycle = Lifecycle::Frozen;
}

impl State for Live {
    const LIFECYCLE: Lifecycle = Lifecycle::Live;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Frozen {}
    impl Sealed for super::Live {}
}
