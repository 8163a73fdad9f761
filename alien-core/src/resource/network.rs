//! `network`: a private network.

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::describe::Describe;
use super::existing::Existing;
use crate::form::{Collected, Form};
use crate::permission::{ForManagement, ForProfiles, Set, SetOf};
use crate::problem::{Problem, Rule};

/// A private network: a private address range. The set-up creates it, unless the customer gives an existing network in
/// its place ([`Stack::with_existing`](crate::Stack::with_existing)).
///
/// ```
/// use alien_core::Network;
///
/// let network = Network::new("10.20.0.0/16");
/// assert_eq!(network.range(), "10.20.0.0/16");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Network {
    /// The addresses, as `a.b.c.d/n` with n from 16 to 24. If absent, `10.0.0.0/16`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) range: Option<String>,
    /// What the customer gave in its place. In JSON it is beside the resources of a stack, not in them.
    #[serde(skip)]
    #[schemars(skip)]
    existing: Option<Existing>,
}

impl Network {
    pub(crate) const FIELDS: &'static [&'static str] = &["range"];

    /// See health: for profiles that watch.
    pub const WATCH: SetOf<Self, ForProfiles> = SetOf::new(Set::Heartbeat);
    /// Create and delete: for `management.extend`.
    pub const PROVISION: SetOf<Self, ForManagement> = SetOf::new(Set::Provision);
    /// Change settings that can redirect traffic: for `management.extend`.
    pub const RECONFIGURE: SetOf<Self, ForManagement> = SetOf::new(Set::Reconfigure);

    /// Creates a network of these addresses, as `a.b.c.d/n` with n from 16 to 24.
    #[must_use]
    pub fn new(range: impl Into<String>) -> Self {
        Self { range: Some(range.into()), existing: None }
    }

    /// The addresses of a network that the set-up creates, as `a.b.c.d/n`.
    #[must_use]
    pub fn range(&self) -> &str {
        self.range.as_deref().unwrap_or("10.0.0.0/16")
    }

    /// What the customer gave in its place, if anything.
    #[must_use]
    pub const fn existing(&self) -> Option<&Existing> {
        self.existing.as_ref()
    }
}

impl Describe for Network {
    fn check(&self, problems: &mut Vec<Problem>) {
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
        if self.existing.as_ref().is_some_and(|existing| existing.id.is_empty()) {
            problems.push(Problem::error(
                Rule::Setting,
                "the name of the existing network is empty".to_owned(),
                "give the cloud's name for it, or leave it out to have one made".to_owned(),
            ));
        }
    }

    fn collect<'a>(&'a self, fields: &mut Collected<'a>) {
        let Self { range, existing } = self;
        fields.optional_text("range", range.as_deref());
        if let Some(Existing { id, subnets }) = existing {
            fields.value("existing", Form::of(id));
            if !subnets.is_empty() {
                fields.value("subnets", Form::texts(subnets.iter().map(String::as_str)));
            }
        }
    }

    fn existing(&self) -> Option<&Existing> {
        self.existing.as_ref()
    }

    fn is_adoptable(&self) -> bool {
        true
    }

    fn adopt(&mut self, existing: Existing) {
        self.existing = Some(existing);
    }
}
