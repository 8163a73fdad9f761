//! The methods that the settings of every kind have.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds::Scale;
use super::code::Code;
use super::existing::Existing;
use super::running::Running;
use crate::form::Collected;
use crate::handle::Mention;
use crate::name::VARIABLE_PREFIX;
use crate::problem::{Problem, Rule};

/// The methods that the settings of every kind have.
pub(crate) trait Describe: fmt::Debug {
    /// Checks the settings by themselves, whatever else is in the stack.
    fn check(&self, problems: &mut Vec<Problem>);

    /// Collects the fields that are not at their default, for fingerprints and differences. Bounds are [`scales`](Self::scales):
    /// they are not written to the cloud. Whoever adds a field names it
    /// here: implementations take `self` apart without `..`.
    fn collect<'a>(&'a self, fields: &mut Collected<'a>);

    /// The fields that the vendor's update can change, by the names of [`collect`](Self::collect).
    fn updatable(&self) -> &'static [&'static str] {
        &[]
    }

    /// The numbers that the vendor's update may change, and their bounds.
    fn scales(&self) -> Vec<Scale> {
        Vec::new()
    }

    /// What all kinds have that run code.
    fn compute(&self) -> Option<Compute<'_>> {
        None
    }

    /// The code, to be reduced to the form that a cloud runs.
    fn code_mut(&mut self) -> Option<&mut Code> {
        None
    }

    /// The fields that the vendor may change, as these settings have them.
    fn running(&self) -> Running {
        Running::new()
    }

    /// Sets the fields that the vendor may change to what runs, as far as that is told.
    fn set_running(&mut self, _: &Running) {}

    /// The queues whose messages start it.
    fn triggers(&self) -> &[Trigger] {
        &[]
    }

    /// Whether the vendor may send commands to it.
    fn takes_commands(&self) -> bool {
        false
    }

    /// What the customer gave in its place, which is used and never changed.
    fn existing(&self) -> Option<&Existing> {
        None
    }

    /// Whether the customer may give something in its place.
    fn is_adoptable(&self) -> bool {
        false
    }

    /// Puts something of the customer's in its place, if that is allowed.
    fn adopt(&mut self, _: Existing) {}

    /// Whether anyone may call it over HTTPS.
    fn is_public(&self) -> bool {
        false
    }

    /// Takes the references that the settings mention, so that the builder can check them. The settings keep the ids.
    fn take_mentions(&mut self) -> Vec<Mention> {
        Vec::new()
    }
}

/// What functions and containers have in common.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Compute<'a> {
    /// The code.
    pub code: &'a Code,
    /// The permission profile it runs under.
    pub profile: &'a str,
    /// The vendor's environment variables.
    pub environment: &'a BTreeMap<String, String>,
    /// The network it runs in; `None` means the cloud's default.
    pub network: Option<&'a str>,
}

/// A queue whose messages start the function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Trigger {
    /// The id of the queue.
    pub queue: String,
}

/// References that were given to the settings, so that the builder can check that they are its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mentions(pub(crate) Vec<Mention>);

/// Equal settings are equal, whatever references they came from.
impl PartialEq for Mentions {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for Mentions {}

/// Records a problem where a number is outside its bounds.
pub(crate) fn check_range(problems: &mut Vec<Problem>, what: &str, value: u32, bounds: RangeInclusive<u32>) {
    if !bounds.contains(&value) {
        problems.push(Problem::error(
            Rule::Setting,
            format!("{what} is {value}"),
            format!("set it to {} to {}", bounds.start(), bounds.end()),
        ));
    }
}

/// Records the problems of environment variables: names that a shell could not set, and names that the platform uses.
pub(crate) fn check_environment(problems: &mut Vec<Problem>, environment: &BTreeMap<String, String>) {
    for name in environment.keys() {
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && name.starts_with(|c: char| c.is_ascii_alphabetic());
        if !plain {
            problems.push(Problem::error(
                Rule::Setting,
                format!("environment variable `{name}` has a name that not every cloud takes"),
                "begin it with a letter and use letters, digits and underscores".to_owned(),
            ));
        }
        if name.starts_with(VARIABLE_PREFIX) {
            problems.push(Problem::error(
                Rule::Setting,
                format!("environment variable `{name}` takes a name that links use"),
                format!("choose a name that does not begin with `{VARIABLE_PREFIX}`"),
            ));
        }
    }
}
