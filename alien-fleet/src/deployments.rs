//! The deployments of a fleet: what operators say of each, beside its record.

use std::collections::BTreeMap;

use alien_core::rollout::{Sequence, Standing, Window};
use alien_core::{DeploymentId, StackName};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::store::{Key, Table};

/// A deployment of a fleet: where it is, and what operators said of it. Its record is kept beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Listed {
    version: u32,
    /// Its id.
    pub id: DeploymentId,
    /// The product that it is of.
    pub product: StackName,
    /// The cloud.
    pub cloud: String,
    /// The account, the project or the subscription, with the cloud: all deployments in it share its quotas.
    pub account: String,
    /// When it was registered first.
    pub since: Timestamp,
    /// How often anything of this was changed.
    pub revision: u64,
    /// The public key of its agent, in PEM; `None` where the vendor pushes releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Its labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The release that it is pinned to: no other is rolled out to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Sequence>,
    /// Why it is held: nothing is rolled out to it for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    /// The approval of its customer that it awaits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
    /// When it may be updated; at any time, if it says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

/// A change of what holds for a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "set", content = "to", deny_unknown_fields, rename_all = "kebab-case")]
pub enum Setting {
    /// Pins it to a release.
    Pin(Sequence),
    /// Removes the pin.
    Unpin,
    /// Holds it, for this reason.
    Hold(String),
    /// Ends the hold.
    Release,
    /// Says that it awaits its customer's approval, and of what.
    AwaitApproval(String),
    /// Says that its customer has approved.
    Approve,
    /// Sets when it may be updated.
    Window(Window),
    /// Lets it be updated at any time.
    AnyTime,
    /// Adds a label, or replaces its value.
    Label(String, String),
    /// Removes a label.
    Unlabel(String),
}

impl Setting {
    fn apply(&self, listed: &mut Listed) {
        match self.clone() {
            Self::Pin(release) => listed.pin = Some(release),
            Self::Unpin => listed.pin = None,
            Self::Hold(why) => listed.hold = Some(why),
            Self::Release => listed.hold = None,
            Self::AwaitApproval(of) => listed.approval = Some(of),
            Self::Approve => listed.approval = None,
            Self::Window(window) => listed.window = Some(window),
            Self::AnyTime => listed.window = None,
            Self::Label(name, value) => drop(listed.labels.insert(name, value)),
            Self::Unlabel(name) => drop(listed.labels.remove(&name)),
        }
    }
}

/// As `pin 7`.
impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pin(release) => write!(f, "pin {release}"),
            Self::Unpin => f.write_str("unpin"),
            Self::Hold(why) => write!(f, "hold: {why}"),
            Self::Release => f.write_str("end the hold"),
            Self::AwaitApproval(of) => write!(f, "await the customer's approval: {of}"),
            Self::Approve => f.write_str("the customer approved"),
            Self::Window(_) => f.write_str("update in its window alone"),
            Self::AnyTime => f.write_str("update at any time"),
            Self::Label(name, value) => write!(f, "label {name}={value}"),
            Self::Unlabel(name) => write!(f, "remove label {name}"),
        }
    }
}

impl Listed {
    pub(crate) const fn new(
        id: DeploymentId,
        product: StackName,
        cloud: String,
        account: String,
        since: Timestamp,
    ) -> Self {
        Self {
            version: 1,
            id,
            product,
            cloud,
            account,
            since,
            revision: 0,
            agent: None,
            labels: BTreeMap::new(),
            pin: None,
            hold: None,
            approval: None,
            window: None,
        }
    }

    pub(crate) fn key(product: &StackName, id: DeploymentId) -> Key {
        Key::new(Table::Deployment, product.as_str(), id.to_string())
    }

    /// Applies a change, and counts it.
    pub(crate) fn set(&mut self, setting: &Setting) {
        let before = self.clone();
        setting.apply(self);
        if *self != before {
            self.revision += 1;
        }
    }

    /// What holds for it in a rollout. `admin_only` says what only its customer's admin can apply of the release.
    #[must_use]
    pub fn standing(&self, admin_only: Option<String>) -> Standing {
        let mut standing = Standing::new(self.revision);
        if let Some(pin) = self.pin {
            standing = standing.pinned(pin);
        }
        if let Some(why) = &self.hold {
            standing = standing.held(why);
        }
        if let Some(of) = &self.approval {
            standing = standing.awaiting_approval(of);
        }
        if let Some(why) = admin_only {
            standing = standing.admin_only(why);
        }
        if let Some(window) = &self.window {
            standing = standing.window(window.clone());
        }
        standing
    }
}
