//! The fields of a target, as a person gives them.

use std::fmt;
use std::str::FromStr;

/// A field of a cloud's target, in its JSON form. Every one is a text.
#[derive(Clone, Copy)]
pub struct Field {
    /// Its name, `externalId`.
    pub name: &'static str,
    /// What it is, for people.
    pub help: &'static str,
    /// Who gives it.
    pub giver: Giver,
    make: Option<fn(&str) -> String>,
    check: fn(&str) -> Result<(), String>,
}

/// Who gives a field of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Giver {
    /// The customer's admin: it says where the deployment goes.
    Customer,
    /// The vendor, in the invitation: it says whom the deployment trusts.
    Vendor,
    /// The vendor's program, in the invitation: another one for every deployment.
    Program,
}

impl Field {
    /// Says where the deployment goes: the customer's admin gives it.
    #[must_use]
    pub const fn place<T: FromStr<Err: fmt::Display>>(name: &'static str, help: &'static str) -> Self {
        Self { name, help, giver: Giver::Customer, make: None, check: parses::<T> }
    }

    /// Says whom the deployment trusts: the vendor gives it.
    #[must_use]
    pub const fn trust<T: FromStr<Err: fmt::Display>>(name: &'static str, help: &'static str) -> Self {
        Self { giver: Giver::Vendor, ..Self::place::<T>(name, help) }
    }

    /// Where the vendor gives none, it is made from the deployment's id.
    #[must_use]
    pub const fn or(self, make: fn(&str) -> String) -> Self {
        Self { make: Some(make), ..self }
    }

    /// Nobody gives it: it is made, another one for every deployment.
    #[must_use]
    pub const fn made(self, make: fn(&str) -> String) -> Self {
        Self { giver: Giver::Program, ..self.or(make) }
    }

    /// Whether the invitation gives it.
    #[must_use]
    pub fn is_trust(&self) -> bool {
        self.giver != Giver::Customer
    }

    /// The text that is made for a deployment of this id; none where somebody must give it.
    #[must_use]
    pub fn make(&self, deployment: &str) -> Option<String> {
        self.make.map(|make| make(deployment))
    }

    /// Checks a text by itself.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
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
