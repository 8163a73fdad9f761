//! The managed identities of a deployment, the tokens they accept, and what a deployment's resources share.

#[cfg(feature = "client")]
pub(crate) mod assume;
#[cfg(feature = "client")]
pub(crate) mod calls;
#[cfg(feature = "client")]
mod roles;

use std::collections::BTreeSet;

use alien_core::adapter::Holder;
use alien_core::adapter::{Layout, Operation};
use alien_core::{Problem, Rule};

use crate::Azure;
use crate::naming::Ids;
use crate::operations as op;
use crate::operations::Scope;
use crate::policy::document::{FederatedCredential, Principal, RoleDefinition, RolePermission, Text};
use crate::target::{Agent, Target, Trust};

/// The audience of tokens that are exchanged for a managed identity's
/// (<https://learn.microsoft.com/entra/workload-id/workload-identity-federation-create-trust-user-assigned-managed-identity>).
pub const AUDIENCE: &str = "api://AzureADTokenExchange";

/// The operations with which the customer's admin creates and deletes an identity and its trust.
pub(crate) fn set() -> &'static [&'static Operation<Scope>] {
    &[
        op::PUT_IDENTITY,
        op::GET_IDENTITY,
        op::DELETE_IDENTITY,
        op::PUT_FEDERATION,
        op::GET_FEDERATION,
        op::DELETE_FEDERATION,
    ]
}

/// The operations that the customer's admin needs once for a deployment: for roles, assignments, environments,
/// workspaces, the namespace of its queues, and tags. Container Apps sends logs to a workspace with the workspace's
/// key, so the admin reads that key.
pub(crate) fn deployment_set() -> &'static [&'static Operation<Scope>] {
    &[
        op::GET_GROUP,
        op::PUT_ROLE,
        op::GET_ROLE,
        op::DELETE_ROLE,
        op::PUT_ASSIGNMENT,
        op::GET_ASSIGNMENT,
        op::DELETE_ASSIGNMENT,
        op::PUT_ENVIRONMENT,
        op::PATCH_ENVIRONMENT,
        op::READ_ENVIRONMENT,
        op::LIST_APPS,
        op::DELETE_ENVIRONMENT,
        op::PUT_WORKSPACE,
        op::GET_WORKSPACE,
        op::DELETE_WORKSPACE,
        op::GET_WORKSPACE_KEYS,
        op::PUT_NAMESPACE,
        op::CLOSE_NAMESPACE,
        op::READ_NAMESPACE,
        op::DELETE_NAMESPACE,
        op::LIST_QUEUES,
        op::GET_PERMISSIONS,
        op::GET_PROVIDER,
        op::GET_ROUTE_TABLE,
        op::GET_SECURITY_GROUP,
        op::PUT_TAGS,
    ]
}

/// Adds the names of a managed identity.
pub(crate) fn names(ids: Ids<'_>, holder: &Holder, things: &mut Vec<(Scope, String)>) {
    let identity = ids.identity(&ids.identity_name(&holder.name()));
    things.push((Scope::Identity, identity.clone()));
    if let Holder::Profile(_) = holder {
        things.push((Scope::RuntimeIdentity, identity));
    }
}

/// The federated credentials of a holder's identity. The management identity accepts the vendor's tokens for this
/// deployment, or those of the one service account in a cluster of the customer's that manages it; the others accept none.
/// An agent on a machine needs none: the customer assigns the identity to the machine. Entra takes a managed identity in a
/// federated credential only of an application, not of another managed identity
/// (<https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity>).
pub(crate) fn trust(layout: &Layout<Azure>, holder: &Holder) -> Vec<FederatedCredential> {
    let target = &layout.target;
    match holder {
        Holder::Vendor => {
            let name = if target.agent().is_some() { "agent" } else { "vendor" };
            let trusted = target.federated().map(|(issuer, subject)| FederatedCredential {
                name: name.to_owned(),
                issuer: issuer.to_string(),
                subject: subject.to_string(),
                audiences: vec![AUDIENCE.to_owned()],
            });
            trusted.into_iter().collect()
        }
        Holder::Admin | Holder::Profile(_) | Holder::Platform => Vec::new(),
    }
}

/// Where a machine manages the deployment, what the customer does beside the set-up.
pub(crate) fn to_assign(target: &Target) -> Option<Problem> {
    let Trust::Agent(Agent::Machine(_)) = &target.trust else { return None };
    let ids = Ids(target);
    let identity = ids.identity(&ids.identity_name(&Holder::Vendor.name()));
    let what = "a machine manages the deployment once the identity is assigned to it; whatever else has it would, too"
        .to_owned();
    let help = format!(
        "after the set-up, assign `{identity}` to `{}` and to nothing else",
        target.agent().unwrap_or_default()
    );
    Some(Problem::warning(Rule::Cloud, what, help).at("agent"))
}

/// Lists the tokens that an identity accepts, and should not, or the other way round.
pub(crate) fn strangers(found: &Principal, expected: &Principal) -> Vec<String> {
    let mut problems = Vec::new();
    for credential in found.federated_credentials.iter().filter(|found| !expected.federated_credentials.contains(found))
    {
        let FederatedCredential { name, issuer, subject, audiences } = credential;
        let audiences = audiences.join(", ");
        problems.push(format!(
            "credential `{name}` accepts issuer `{issuer}`, subject `{subject}`, audience `{audiences}`"
        ));
    }
    for missing in expected.federated_credentials.iter().filter(|due| !found.federated_credentials.contains(due)) {
        problems.push(format!("credential `{}` is missing", missing.name));
    }
    problems
}

/// Lists how a principal differs from the rendered one: another identity, a
/// foreign role or one with more permissions, or an assignment of another role.
pub(crate) fn excesses(found: &Principal, expected: &Principal) -> Vec<String> {
    let mut problems = Vec::new();
    if found.identity != expected.identity {
        problems.push(format!(
            "the identity is `{}`, not the deployment's identity `{}`",
            found.identity.id, expected.identity.id
        ));
    }
    let mut names = BTreeSet::new();
    for role in &found.role_definitions {
        let due = expected.role_definitions.iter().find(|due| due.name == role.name);
        if !due.is_some_and(|due| permits_no_more(role, due)) {
            problems.push(format!(
                "role `{}` is not this identity's own, or has more permissions than it needs",
                role.name
            ));
        }
        if !names.insert(&role.name) {
            problems.push(format!("role `{}` is listed twice: only the last one written would apply", role.name));
        }
    }
    let ids: BTreeSet<&str> =
        expected.role_assignments.iter().map(|due| due.properties.role_definition_id.as_str()).collect();
    for assignment in &found.role_assignments {
        let id = &assignment.properties.role_definition_id;
        if !ids.contains(id.as_str()) {
            problems.push(format!("`{id}` is assigned, but is not one of this identity's own roles"));
        }
    }
    problems
}

/// Whether a role has no more permissions and no other assignable scopes than another.
fn permits_no_more(role: &RoleDefinition, due: &RoleDefinition) -> bool {
    let within = |found: &[Text], plane: fn(&RolePermission) -> &[Text]| {
        found
            .iter()
            .all(|action| due.properties.permissions.iter().any(|permission| plane(permission).contains(action)))
    };
    role.properties.assignable_scopes == due.properties.assignable_scopes
        && role.properties.permissions.iter().all(|permission| {
            within(&permission.actions, |due| &due.actions) && within(&permission.data_actions, |due| &due.data_actions)
        })
}
