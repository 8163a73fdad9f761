//! Azure's limits on roles and assignments.
//! <https://learn.microsoft.com/azure/azure-resource-manager/management/azure-subscription-service-limits>

use alien_core::{Layer, Layers, Size};

use super::Principal;

/// The most role assignments of a subscription.
const ASSIGNMENTS: usize = 4_000;
/// The most custom roles of a tenant.
const ROLES: usize = 5_000;
/// The most federated credentials of an identity.
const FEDERATED: usize = 20;
/// The most characters of a role's display name.
const ROLE_NAME: usize = 512;

const SOURCE: &str =
    "https://learn.microsoft.com/azure/azure-resource-manager/management/azure-subscription-service-limits";

pub(crate) fn sizes(layers: &Layers<Principal>) -> Vec<Size> {
    let (mut roles, mut assignments, mut longest, mut federated) = (0, 0, 0, 0);
    for principal in Layer::ALL.into_iter().flat_map(|layer| layers.principals(layer)) {
        roles += principal.role_definitions.len();
        assignments += principal.role_assignments.len();
        federated = federated.max(principal.federated_credentials.len());
        let names = principal.role_definitions.iter().map(|role| role.properties.role_name.len());
        longest = longest.max(names.max().unwrap_or_default());
    }
    let size = |document: &str, unit: &'static str, size, limit| Size {
        document: document.to_owned(),
        unit: unit.into(),
        size,
        limit,
        source: SOURCE.into(),
    };
    vec![
        size("role assignments of the subscription", "assignments", assignments, ASSIGNMENTS),
        size("custom roles of the tenant", "roles", roles, ROLES),
        size("longest role name", "characters", longest, ROLE_NAME),
        size("federated credentials of an identity", "credentials", federated, FEDERATED),
    ]
}
