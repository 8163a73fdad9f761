//! Physical names and resource ids.
//! <https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules>

use alien_core::adapter::{compact, hyphenated, join};
use alien_core::{Problem, ResourceId, Rule};

use crate::target::Target;

/// Builds the resource ids of a deployment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ids<'a>(pub(crate) &'a Target);

impl Ids<'_> {
    /// The physical name for an id, at most `max` characters long.
    pub(crate) fn physical(self, id: &str, max: usize) -> String {
        hyphenated(&self.0.prefix, id, max)
    }

    /// The physical name for an id of a type whose names are unique across Azure and have no hyphen, at most `max`
    /// characters.
    pub(crate) fn global(self, id: &str, max: usize) -> String {
        let Target { subscription, resource_group, prefix, .. } = self.0;
        let realm = [subscription.as_str(), "/", &resource_group.as_str().to_ascii_lowercase()].concat();
        compact(prefix, id, &realm, max)
    }

    /// The id of the subscription.
    pub(crate) fn subscription(self) -> String {
        ["/subscriptions/", self.0.subscription.as_str()].concat()
    }

    /// The id of the resource group.
    pub(crate) fn group(self) -> String {
        let Target { subscription, resource_group, .. } = self.0;
        ["/subscriptions/", subscription.as_str(), "/resourceGroups/", resource_group.as_str()].concat()
    }

    /// The id of a resource in the group, from its provider, type, name and so on.
    pub(crate) fn resource(self, parts: &[&str]) -> String {
        let Target { subscription, resource_group, .. } = self.0;
        let head =
            ["/subscriptions/", subscription.as_str(), "/resourceGroups/", resource_group.as_str(), "/providers/"];
        join(&head, parts)
    }

    /// The problem with the name of a resource, if it contains a word that Azure reserves
    /// (<https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-reserved-resource-name>).
    pub(crate) fn refused(self, id: &ResourceId) -> Option<Problem> {
        let name = self.physical(id.as_str(), 32);
        if !(name.starts_with("login") || name.contains("microsoft") || name.contains("windows")) {
            return None;
        }
        let what = format!("Azure refuses names like `{name}`");
        let help =
            "choose a prefix that does not begin with `login`, and prefix and id without `microsoft` and `windows`";
        Some(Problem::error(Rule::Cloud, what, help.to_owned()).on(id))
    }

    /// The name of a managed identity, 3 to 128 characters.
    pub(crate) fn identity_name(self, holder: &str) -> String {
        self.physical(holder, 128)
    }

    /// The id of a managed identity.
    pub(crate) fn identity(self, name: &str) -> String {
        self.resource(&["Microsoft.ManagedIdentity/userAssignedIdentities/", name])
    }
}

/// Whether two resource ids are equal. Resource Manager ignores case
/// (<https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules>).
#[cfg(feature = "client")]
pub(crate) fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// Whether a resource id is a scope or below it.
#[cfg(feature = "client")]
pub(crate) fn is_within(id: &str, scope: &str) -> bool {
    id.get(..scope.len()).is_some_and(|head| same(head, scope))
        && id.get(scope.len()..).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
