//! The managed identities of a deployment, whose tokens they accept, and what the deployment shares.

#[cfg(feature = "client")]
pub(crate) mod assume;
#[cfg(feature = "client")]
pub(crate) mod calls;
#[cfg(feature = "client")]
mod roles;

use std::collections::BTreeSet;

use alien_core::Holder;
use alien_core::adapter::{Layout, Operation};

use crate::Azure;
use crate::naming::Ids;
use crate::operations as op;
use crate::operations::Scope;
use crate::policy::document::{FederatedCredential, Principal, RoleDefinition, RolePermission, Text};

/// The audience of tokens that are exchanged for those of a managed identity
/// (<https://learn.microsoft.com/entra/workload-id/workload-identity-federation-create-trust-user-assigned-managed-identity>).
pub const AUDIENCE: &str = "api://AzureADTokenExchange";

/// What the customer's admin needs to make an identity and its trust, and to end it.
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

/// What the customer's admin needs once for a deployment: roles, assignments, environments and their logs, the namespace of
/// its queues, and marks of ownership. Container Apps sends logs to a workspace by its key, so the admin reads that key.
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
        op::PUT_TAGS,
    ]
}

/// Names a managed identity.
pub(crate) fn names(ids: Ids<'_>, holder: &Holder, things: &mut Vec<(Scope, String)>) {
    let identity = ids.identity(&ids.identity_name(&holder.name()));
    things.push((Scope::Identity, identity.clone()));
    if let Holder::Profile(_) = holder {
        things.push((Scope::RuntimeIdentity, identity));
    }
}

/// Whose tokens the identity of a holder accepts: the vendor's for this deployment, that of management; nobody's else.
pub(crate) fn trust(layout: &Layout<Azure>, holder: &Holder) -> Vec<FederatedCredential> {
    let target = &layout.target;
    match holder {
        Holder::Vendor => vec![FederatedCredential {
            name: "vendor".to_owned(),
            issuer: target.issuer.to_string(),
            subject: target.subject.to_string(),
            audiences: vec![AUDIENCE.to_owned()],
        }],
        Holder::Admin | Holder::Profile(_) => Vec::new(),
    }
}

/// Where identity, trust, roles and assignments are not those that the stack gives: another identity, other tokens, a
/// role that is not this identity's own or permits more, an assignment of a role by another id.
pub(crate) fn excesses(found: &Principal, expected: &Principal) -> Vec<String> {
    let mut problems = Vec::new();
    if found.identity != expected.identity {
        problems.push(format!(
            "the identity is `{}`, and the deployment's is `{}`",
            found.identity.id, expected.identity.id
        ));
    }
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
    let mut names = BTreeSet::new();
    for role in &found.role_definitions {
        let due = expected.role_definitions.iter().find(|due| due.name == role.name);
        if !due.is_some_and(|due| permits_no_more(role, due)) {
            problems.push(format!("role `{}` is not one of this identity's own, or permits more", role.name));
        }
        if !names.insert(&role.name) {
            problems.push(format!("role `{}` stands twice, and the last one written would hold", role.name));
        }
    }
    let ids: BTreeSet<&str> =
        expected.role_assignments.iter().map(|due| due.properties.role_definition_id.as_str()).collect();
    for assignment in &found.role_assignments {
        let id = &assignment.properties.role_definition_id;
        if !ids.contains(id.as_str()) {
            problems.push(format!("`{id}` is assigned, and is none of this identity's own roles"));
        }
    }
    problems
}

/// Whether a role is assignable where the other is, and permits nothing that the other does not.
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
