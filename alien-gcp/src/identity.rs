//! The service accounts of a deployment, who may impersonate them, and what the deployment shares.

#[cfg(feature = "client")]
pub(crate) mod assume;
#[cfg(feature = "client")]
pub(crate) mod calls;

use std::collections::BTreeSet;

use alien_core::adapter::{Layout, Operation};
use alien_core::{Holder, Set};

use crate::Gcp;
use crate::naming::Paths;
use crate::operations as op;
use crate::operations::Scope;
use crate::policy::document::{CustomRole, Impersonator, Principal};
use crate::target::Target;

/// What the customer's admin needs to make a service account and bind roles to it.
pub(crate) fn set() -> &'static [&'static Operation<Scope>] {
    &[
        op::CREATE_SERVICE_ACCOUNT,
        op::GET_SERVICE_ACCOUNT,
        op::PATCH_SERVICE_ACCOUNT,
        op::DELETE_SERVICE_ACCOUNT,
        op::GET_SERVICE_ACCOUNT_POLICY,
        op::SET_SERVICE_ACCOUNT_POLICY,
    ]
}

/// What the customer's admin needs once for a deployment: roles, the project's policy for conditioned bindings, and the
/// way of its logs.
pub(crate) fn deployment_set() -> &'static [&'static Operation<Scope>] {
    &[
        op::CREATE_ROLE,
        op::GET_ROLE,
        op::PATCH_ROLE,
        op::UNDELETE_ROLE,
        op::GET_PROJECT,
        op::GET_PROJECT_POLICY,
        op::SET_PROJECT_POLICY,
        op::GET_API,
        op::CREATE_LOG_BUCKET,
        op::GET_LOG_BUCKET,
        op::PATCH_LOG_BUCKET,
        op::UNDELETE_LOG_BUCKET,
        op::DELETE_LOG_BUCKET,
        op::CREATE_SINK,
        op::GET_SINK,
        op::UPDATE_SINK,
        op::DELETE_SINK,
    ]
}

/// Names a service account.
pub(crate) fn names(paths: Paths<'_>, holder: &Holder, things: &mut Vec<(Scope, String)>) {
    let email = paths.email(&paths.account_id(&holder.name()));
    let account = paths.full("iam", &["serviceAccounts/", &email]);
    things.push((Scope::ServiceAccount, account.clone()));
    if let Holder::Profile(_) = holder {
        things.push((Scope::RuntimeAccount, account));
    }
}

/// The roles that let the vendor get tokens of the management service account, and nothing else of it: access tokens; and
/// identity tokens, which commands are sent with, where a function takes any.
pub(crate) fn impersonation_roles(layout: &Layout<Gcp>) -> impl Iterator<Item = CustomRole> {
    let impersonate = CustomRole::new(
        "alien.identity.impersonate",
        "alien: get access tokens",
        "lets the vendor impersonate the management service account",
        vec![op::GENERATE_ACCESS_TOKEN.permission.into()],
    );
    let invoke = CustomRole::new(
        "alien.identity.invoke",
        "alien: get identity tokens",
        "lets the vendor send commands as the management service account",
        vec![op::GENERATE_ID_TOKEN.permission.into()],
    );
    let commands = layout.permissions().management.grants.iter().any(|grant| grant.set == Set::Dispatch);
    [Some(impersonate), commands.then_some(invoke)].into_iter().flatten()
}

/// Who may impersonate the service account of a holder: the vendor, that of management; nobody else any.
pub(crate) fn impersonators(layout: &Layout<Gcp>, holder: &Holder) -> Vec<Impersonator> {
    let target = &layout.target;
    match holder {
        Holder::Vendor => {
            let member = format!("serviceAccount:{}", target.vendor);
            let role = |role: CustomRole| Paths(target).in_project(&["roles/", &role.role_id]);
            let impersonator = |found| Impersonator { member: member.clone(), role: role(found) };
            impersonation_roles(layout).map(impersonator).collect()
        }
        Holder::Admin | Holder::Profile(_) => Vec::new(),
    }
}

/// Where account, trust, roles and members are not those that the stack gives: another account, other impersonators, a
/// role that is not defined here as every deployment of the project defines it, a binding of or to someone else.
pub(crate) fn excesses(target: &Target, found: &Principal, expected: &Principal) -> Vec<String> {
    let mut problems = Vec::new();
    let own = &expected.service_account;
    if found.service_account != *own {
        problems.push(format!(
            "the service account is `{}`, and the deployment's is `{}`",
            found.service_account.email, own.email
        ));
    }
    for other in found.impersonators.iter().filter(|found| !expected.impersonators.contains(found)) {
        problems.push(format!("`{}` may impersonate the service account by `{}`", other.member, other.role));
    }
    for missing in expected.impersonators.iter().filter(|due| !found.impersonators.contains(due)) {
        problems.push(format!("`{}` may not impersonate the service account", missing.member));
    }
    let mut ids = BTreeSet::new();
    for role in &found.custom_roles {
        let due = expected.custom_roles.iter().find(|due| due.role_id == role.role_id);
        let permits = due.is_some_and(|due| {
            role.included_permissions.iter().all(|permission| due.included_permissions.contains(permission))
        });
        if !permits {
            problems.push(format!("role `{}` is not one that this principal needs, or permits more", role.role_id));
        }
        if !ids.insert(&role.role_id) {
            problems.push(format!("role `{}` stands twice, and the last one written would hold", role.role_id));
        }
    }
    let member = format!("serviceAccount:{}", own.email);
    let roles = Paths(target).in_project(&["roles/"]);
    for binding in &found.bindings {
        if binding.members != [member.as_str()] {
            let members = binding.members.join(", ");
            problems.push(format!("`{}` is bound to {members}, and should be to `{member}` alone", binding.role));
        }
        if !binding.role.starts_with(&roles) {
            problems.push(format!("`{}` is no role of the project's", binding.role));
        }
    }
    problems
}
