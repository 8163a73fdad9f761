//! `network`: a private address range.

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::describe::Describe;
use crate::form::Collected;
use crate::permission::{ForManagement, ForProfiles, Set, SetOf};
use crate::problem::{Problem, Rule};

/// A private address range, made by the set-up or already the customer's.
///
/// ```
/// use alien_core::Network;
/// let own = Network::new("10.20.0.0/16");
/// let customers = Network::existing("vpc-0a1b2c3d4e5f60718");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Network {
    /// The addresses, as `a.b.c.d/n` with n from 16 to 24; `10.0.0.0/16` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) range: Option<String>,
    /// The cloud's name for a network the customer already has. It is used, never changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) existing: Option<String>,
}

impl Network {
    /// See health: for profiles that watch.
    pub const WATCH: SetOf<Self, ForProfiles> = SetOf::new(Set::Heartbeat);
    /// Create and delete: for `management.extend`.
    pub const PROVISION: SetOf<Self, ForManagement> = SetOf::new(Set::Provision);
    /// Change settings that can redirect traffic: for `management.extend`.
    pub const RECONFIGURE: SetOf<Self, ForManagement> = SetOf::new(Set::Reconfigure);

    /// A new network of these addresses, as `a.b.c.d/n` with n from 16 to 24.
    #[must_use]
    pub fn new(range: impl Into<String>) -> Self {
        Self { range: Some(range.into()), existing: None }
    }

    /// A network the customer already has, by the cloud's name for it. It is used, never changed.
    #[must_use]
    pub fn existing(name: impl Into<String>) -> Self {
        Self { range: None, existing: Some(name.into()) }
    }

    /// The addresses of a new network, as `a.b.c.d/n`.
    #[must_use]
    pub fn range(&self) -> &str {
        self.range.as_deref().unwrap_or("10.0.0.0/16")
    }

    /// The cloud's name for it, where it is the customer's own.
    #[must_use]
    pub fn existing_name(&self) -> Option<&str> {
        self.existing.as_deref()
    }
}

impl Describe for Network {
    fn check(&self, problems: &mut Vec<Problem>) {
        if self.range.is_some() && self.existing.is_some() {
            problems.push(Problem::error(
                Rule::Setting,
                "a network is either new, with a range, or existing".to_owned(),
                "keep `range` or `existing`, not both".to_owned(),
            ));
        }
        if let Some(range) = &self.range {
            let good = range.parse::<Ipv4Net>().is_ok_and(|net| {
                (16..=24).contains(&net.prefix_len()) && net.addr() == net.network() && net.addr().is_private()
            });
            if !good {
                problems.push(Problem::error(
                    Rule::Setting,
                    format!("`{range}` is not a private address range of a size every cloud takes"),
                    "write `a.b.c.d/n` inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16, with n from 16 to 24 and \
                     no address bits behind n"
                        .to_owned(),
                ));
            }
        }
        if self.existing.as_deref().is_some_and(str::is_empty) {
            problems.push(Problem::error(
                Rule::Setting,
                "the name of the existing network is empty".to_owned(),
                "give the cloud's name for it, or leave `existing` out".to_owned(),
            ));
        }
    }

    fn collect<'a>(&'a self, fields: &mut Collected<'a>) {
        let Self { range, existing } = self;
        fields.optional_text("range", range.as_deref());
        fields.optional_text("existing", existing.as_deref());
    }

    fn existing_name(&self) -> Option<&str> {
        self.existing.as_deref()
    }
}
