//! The fields of a target, as a person fills them in.

use std::fmt;
use std::str::FromStr;

/// A field of a cloud's target. Its value is always a string.
#[derive(Clone, Copy)]
pub struct Field {
    /// Its name in JSON, as `externalId`.
    pub name: &'static str,
    /// What it is, in words.
    pub help: &'static str,
    /// Who fills it in.
    pub giver: Giver,
    make: Option<fn(&str) -> String>,
    check: fn(&str) -> Result<(), String>,
}

/// Who fills in a field of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Giver {
    /// The customer's admin: it says where the deployment goes.
    Customer,
    /// The vendor, in the invitation: it says whom the deployment trusts.
    Vendor,
    /// The vendor's program, in the invitation: it generates another value for every deployment.
    Program,
}

impl Field {
    /// Declares a field that says where the deployment goes: the customer's admin fills it in.
    #[must_use]
    pub const fn place<T: FromStr<Err: fmt::Display>>(name: &'static str, help: &'static str) -> Self {
        Self { name, help, giver: Giver::Customer, make: None, check: parses::<T> }
    }

    /// Declares a field that says whom the deployment trusts: the vendor fills it in.
    #[must_use]
    pub const fn trust<T: FromStr<Err: fmt::Display>>(name: &'static str, help: &'static str) -> Self {
        Self { giver: Giver::Vendor, ..Self::place::<T>(name, help) }
    }

    /// Sets a default: if the vendor gives no value, `make` generates one from the deployment's id.
    #[must_use]
    pub const fn or(self, make: fn(&str) -> String) -> Self {
        Self { make: Some(make), ..self }
    }

    /// Makes it a generated field: nobody fills it in, and `make` generates another value for every deployment.
    #[must_use]
    pub const fn made(self, make: fn(&str) -> String) -> Self {
        Self { giver: Giver::Program, ..self.or(make) }
    }

    /// Whether the invitation has it.
    #[must_use]
    pub fn is_trust(&self) -> bool {
        self.giver != Giver::Customer
    }

    /// Generates the value for a deployment of this id; `None` if somebody must fill it in.
    #[must_use]
    pub fn make(&self, deployment: &str) -> Option<String> {
        self.make.map(|make| make(deployment))
    }

    /// Checks a value.
    ///
    /// # Errors
    ///
    /// What is wrong with the value.
    pub fn check(&self, text: &str) -> Result<(), String> {
        (self.check)(text)
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field").field("name", &self.name).field("giver", &self.giver).finish_non_exhaustive()
    }
}

fn parses<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<(), String> {
    text.parse::<T>().map(drop).map_err(|error| error.to_string())
}
