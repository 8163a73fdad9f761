//! The service accounts of a deployment, who may impersonate them, and what a deployment's resources share.

#[cfg(feature = "client")]
pub(crate) mod assume;
#[cfg(feature = "client")]
pub(crate) mod bindings;
#[cfg(feature = "client")]
pub(crate) mod calls;
#[cfg(feature = "client")]
mod roles;

use std::collections::BTreeSet;

use alien_core::Set;
use alien_core::adapter::{Holder, Layout, Operation};

use crate::Gcp;
use crate::naming::Paths;
use crate::operations as op;
use crate::operations::Scope;
use crate::policy::document::{CustomRole, Impersonator, Principal};
use crate::target::Target;

/// The operations with which the customer's admin creates a service account and binds roles to it.
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

/// The operations that the customer's admin needs once for a deployment: for custom roles, for conditional bindings in
/// the project's policy, and for log buckets, their views and sinks.
pub(crate) fn deployment_set() -> &'static [&'static Operation<Scope>] {
    &[
        op::CREATE_ROLE,
        op::GET_ROLE,
        op::PATCH_ROLE,
        op::UNDELETE_ROLE,
        op::GET_PROJECT,
        op::TEST_PROJECT_PERMISSIONS,
        op::GET_PROJECT_POLICY,
        op::SET_PROJECT_POLICY,
        op::GET_API,
        op::GET_ORGANISATION_POLICY,
        op::CREATE_LOG_BUCKET,
        op::GET_LOG_BUCKET,
        op::PATCH_LOG_BUCKET,
        op::UNDELETE_LOG_BUCKET,
        op::DELETE_LOG_BUCKET,
        op::CREATE_LOG_VIEW,
        op::GET_LOG_VIEW,
        op::CREATE_SINK,
        op::GET_SINK,
        op::UPDATE_SINK,
        op::DELETE_SINK,
    ]
}

/// Adds the names of a service account.
pub(crate) fn names(paths: Paths<'_>, holder: &Holder, things: &mut Vec<(Scope, String)>) {
    let email = paths.email(&paths.account_id(&holder.name()));
    let account = paths.full("iam", &["serviceAccounts/", &email]);
    things.push((Scope::ServiceAccount, account.clone()));
    if let Holder::Profile(_) = holder {
        things.push((Scope::RuntimeAccount, account));
    }
}

/// The roles with which the vendor gets tokens of the management service account, and nothing else of it: access
/// tokens, and identity tokens for commands if a function accepts commands.
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

/// Who may impersonate the service account of a holder: the vendor or the agent may for management, and nobody for the
/// others.
pub(crate) fn impersonators(layout: &Layout<Gcp>, holder: &Holder) -> Vec<Impersonator> {
    let target = &layout.target;
    match holder {
        Holder::Vendor => {
            let member = target.member();
            let role = |role: CustomRole| Paths(target).in_project(&["roles/", &role.role_id]);
            let impersonator = |found| Impersonator { member: member.clone(), role: role(found) };
            impersonation_roles(layout).map(impersonator).collect()
        }
        Holder::Admin | Holder::Profile(_) | Holder::Platform => Vec::new(),
    }
}

/// Lists who may impersonate an account, and should not or may not by what is rendered.
pub(crate) fn strangers(found: &Principal, expected: &Principal) -> Vec<String> {
    let more = found.impersonators.iter().filter(|found| !expected.impersonators.contains(found));
    let more = more.map(|other| format!("`{}` may impersonate the service account by `{}`", other.member, other.role));
    let less = expected.impersonators.iter().filter(|due| !found.impersonators.contains(due));
    let less = less.map(|missing| format!("`{}` may not impersonate the service account", missing.member));
    more.chain(less).collect()
}

/// Lists how a principal differs from the rendered one: another account,
/// a role with more permissions than this library defines, or a binding of another role or member.
pub(crate) fn excesses(target: &Target, found: &Principal, expected: &Principal) -> Vec<String> {
    let mut problems = Vec::new();
    let own = &expected.service_account;
    if found.service_account != *own {
        problems.push(format!(
            "the service account is `{}`, not the deployment's service account `{}`",
            found.service_account.email, own.email
        ));
    }
    let mut ids = BTreeSet::new();
    for role in &found.custom_roles {
        let due = expected.custom_roles.iter().find(|due| due.role_id == role.role_id);
        let permits = due.is_some_and(|due| {
            role.included_permissions.iter().all(|permission| due.included_permissions.contains(permission))
        });
        if !permits {
            problems.push(format!(
                "role `{}` is not needed by this principal, or has more permissions than it needs",
                role.role_id
            ));
        }
        if !ids.insert(&role.role_id) {
            problems.push(format!("role `{}` is listed twice: only the last one written would apply", role.role_id));
        }
    }
    let member = format!("serviceAccount:{}", own.email);
    let roles = Paths(target).in_project(&["roles/"]);
    for binding in &found.bindings {
        if binding.members != [member.as_str()] {
            let members = binding.members.join(", ");
            problems.push(format!("`{}` is bound to {members}, but should be bound only to `{member}`", binding.role));
        }
        if !binding.role.starts_with(&roles) {
            problems.push(format!("`{}` is not a role of the project", binding.role));
        }
    }
    problems
}
