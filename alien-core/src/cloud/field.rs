//! The fields of a target, as a person fills them in.

use std::fmt;
use std::str::FromStr;

use crate::delivery::Model;

/// A field of a cloud's target. Its value is always a string.
#[derive(Clone, Copy)]
pub struct Field {
    /// Its name in JSON, as `externalId`.
    pub name: &'static str,
    /// What it is, in words.
    pub help: &'static str,
    /// Who fills it in.
    pub giver: Giver,
    /// The one model that it is for; `None` if it is for both.
    pub model: Option<Model>,
    make: Option<fn(&str) -> String>,
    check: fn(&str) -> Result<(), String>,
}

/// Who fills in a field of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Giver {
    /// The customer's admin: it says where the deployment goes and, in pull, which principal of the customer's manages it.
    Customer,
    /// The vendor, in the invitation: it says which vendor the deployment trusts.
    Vendor,
    /// The vendor's program, in the invitation: it generates another value for every deployment.
    Program,
}

impl Field {
    /// Declares a field that says where the deployment goes: the customer's admin fills it in.
    #[must_use]
    pub const fn place<T: FromStr<Err: fmt::Display>>(name: &'static str, help: &'static str) -> Self {
        Self { name, help, giver: Giver::Customer, model: None, make: None, check: parses::<T> }
    }

    /// Declares a field that says which vendor the deployment trusts, where releases are pushed: the vendor fills it in.
    #[must_use]
    pub const fn trust<T: FromStr<Err: fmt::Display>>(name: &'static str, help: &'static str) -> Self {
        Self { giver: Giver::Vendor, model: Some(Model::Push), ..Self::place::<T>(name, help) }
    }

    /// Declares a field that says which principal of the customer's own account manages the deployment, where releases are
    /// pulled: the customer's admin fills it in.
    #[must_use]
    pub const fn agent<T: FromStr<Err: fmt::Display>>(name: &'static str, help: &'static str) -> Self {
        Self { model: Some(Model::Pull), ..Self::place::<T>(name, help) }
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

    /// Whether a target of this model has it.
    #[must_use]
    pub fn is_for(&self, model: Model) -> bool {
        self.model.is_none_or(|own| own == model)
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
