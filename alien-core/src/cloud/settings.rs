//! The settings of a thing, and what becomes of each when somebody with the customer's own rights changes it.
//!
//! A set-up sets some settings of what it creates, and compares those with what it finds. All others are the customer's to
//! choose: it neither compares nor changes them. Each kind lists both beside its permission sets:
//! [`On::settings`](super::On::settings).

/// Settings that have one fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The settings: names as on the wire, joined by dots, after the part of the resource that has them, if it has several.
    pub paths: &'static [&'static str],
    /// Whose they are.
    pub whose: Whose,
}

/// Who decides about a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The stack, or this library: a look at the deployment tells that it was changed, and a set-up sets it back.
    Stacks,
    /// The customer: it is not compared. What it is for, as a noun phrase.
    Customers(&'static str),
}

impl Settings {
    /// Settings that a set-up compares and sets back.
    #[must_use]
    pub const fn set_back(paths: &'static [&'static str]) -> Self {
        Self { paths, whose: Whose::Stacks }
    }

    /// Settings that a set-up leaves as they are. `what` says what they are for, as a noun phrase.
    #[must_use]
    pub const fn customers(what: &'static str, paths: &'static [&'static str]) -> Self {
        Self { paths, whose: Whose::Customers(what) }
    }
}
