//! The managed identities of a deployment, whose tokens they accept, and what the deployment shares.

use alien_core::cloud::{Deployed, Operation};
use alien_core::permission::Holder;

use crate::Azure;
use crate::naming::Ids;
use crate::operations as op;
use crate::operations::Place;
use crate::policy::{FederatedCredential, Principal};

/// The audience of tokens that are exchanged for those of a managed identity
/// (<https://learn.microsoft.com/entra/workload-id/workload-identity-federation-create-trust-user-assigned-managed-identity>).
pub const AUDIENCE: &str = "api://AzureADTokenExchange";

/// What the customer's admin needs to make an identity and its trust, and to end it.
pub(crate) fn set() -> &'static [&'static Operation<Place>] {
    &[
        op::PUT_IDENTITY,
        op::GET_IDENTITY,
        op::DELETE_IDENTITY,
        op::PUT_FEDERATION,
        op::GET_FEDERATION,
        op::DELETE_FEDERATION,
        op::REVOKE_TOKENS,
    ]
}

/// What the customer's admin needs once for a deployment: roles, assignments, environments and their logs. Container
/// Apps sends logs to a workspace by its key, so the admin reads that key.
pub(crate) fn deployment_set() -> &'static [&'static Operation<Place>] {
    &[
        op::GET_GROUP,
        op::PUT_ROLE,
        op::GET_ROLE,
        op::DELETE_ROLE,
        op::PUT_ASSIGNMENT,
        op::GET_ASSIGNMENT,
        op::DELETE_ASSIGNMENT,
        op::PUT_ENVIRONMENT,
        op::DELETE_ENVIRONMENT,
        op::PUT_WORKSPACE,
        op::GET_WORKSPACE,
        op::DELETE_WORKSPACE,
        op::GET_WORKSPACE_KEYS,
    ]
}

/// Names a managed identity.
pub(crate) fn names(ids: Ids<'_>, holder: &Holder, things: &mut Vec<(Place, String)>) {
    let identity = ids.identity(&ids.identity_name(&holder.name()));
    things.push((Place::Identity, identity.clone()));
    if let Holder::Profile(_) = holder {
        things.push((Place::RuntimeIdentity, identity));
    }
}

/// Whose tokens the identity of a holder accepts: the vendor's for this deployment, that of management; nobody's else.
pub(crate) fn trust(deployment: &Deployed<'_, Azure>, holder: &Holder) -> Vec<FederatedCredential> {
    let target = deployment.target;
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

/// Who may become the identity and should not be able to.
pub(crate) fn misplaced_trust(deployment: &Deployed<'_, Azure>, holder: &Holder, principal: &Principal) -> Vec<String> {
    let mut problems = Vec::new();
    let expected = trust(deployment, holder);
    for found in principal.federated_credentials.iter().filter(|found| !expected.contains(found)) {
        let what = match holder {
            Holder::Vendor => "only the vendor's tokens for this deployment may be exchanged",
            Holder::Admin | Holder::Profile(_) => "no outside token may be exchanged",
        };
        let FederatedCredential { name, issuer, subject, audiences } = found;
        let audiences = audiences.join(", ");
        problems.push(format!(
            "{what}, but `{name}` accepts issuer `{issuer}`, subject `{subject}`, audience `{audiences}`"
        ));
    }
    let ids = Ids(deployment.target);
    let own = ids.identity(&ids.identity_name(&holder.name()));
    if principal.identity.id != own {
        problems.push(format!("the identity is `{}`, and the deployment's is `{own}`", principal.identity.id));
    }
    problems
}
