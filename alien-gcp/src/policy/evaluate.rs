//! Evaluates what bindings allow. There are no denials: a permission is allowed if the role of some binding includes
//! it. <https://docs.cloud.google.com/iam/docs/policies>

use std::collections::HashMap;

use alien_core::adapter::{Allowed, Coverage, Permission, Trusted};

use super::{Binding, Impersonator, Principal, Text, exact_names};
use crate::Gcp;
use crate::naming::relative;

/// The custom roles that the documents define, by id.
fn roles(principal: &Principal) -> HashMap<&str, &[Text]> {
    principal.custom_roles.iter().map(|role| (&*role.role_id, role.included_permissions.as_slice())).collect()
}

/// The permissions of a binding's role, if it is a custom role `projects/{project}/roles/{id}` of the documents; `None`
/// for any other role.
fn included<'d>(roles: &HashMap<&str, &'d [Text]>, binding: &Binding) -> Option<&'d [Text]> {
    let (project, id) = binding.role.strip_prefix("projects/")?.split_once("/roles/")?;
    if project.contains('/') {
        return None;
    }
    roles.get(id).copied()
}

/// What a binding covers: several resources if its condition names several. A condition that does anything but compare
/// names counts as met.
fn scopes(binding: &Binding) -> Vec<Coverage<'_>> {
    let named = binding.condition.as_ref().and_then(|condition| exact_names(&condition.expression));
    match named {
        Some(names) => names.into_iter().map(Coverage::Tree).collect(),
        None if binding.resource.starts_with("//cloudresourcemanager.googleapis.com/") => {
            vec![Coverage::Whole(&binding.resource)]
        }
        None => vec![Coverage::Tree(&binding.resource)],
    }
}

/// Visits everything that a principal's bindings allow.
pub(crate) fn allowed<'d>(principal: &'d Principal, visit: &mut dyn FnMut(Allowed<'d, Gcp>)) {
    let roles = roles(principal);
    for binding in &principal.bindings {
        let statement = binding.role.as_str();
        let included = included(&roles, binding);
        // One that compares names is in what is covered.
        let condition = binding.condition.as_ref().filter(|condition| exact_names(&condition.expression).is_none());
        for coverage in scopes(binding) {
            match included {
                Some(permissions) => {
                    for permission in permissions {
                        let permission = Permission::Named(permission);
                        visit(Allowed { permission, coverage, condition, statement });
                    }
                }
                // Google can change what a role permits that the documents do not define, so it counts as everything.
                None => visit(Allowed { permission: Permission::Pattern("*"), coverage, condition, statement }),
            }
        }
    }
}

/// Lists who may act as a service account, with each permission of their roles, and who else its bindings give something.
pub(crate) fn trusted(principal: &Principal) -> Vec<Trusted> {
    let roles = roles(principal);
    let mut trusted = Vec::new();
    for Impersonator { member, role } in &principal.impersonators {
        let included = role.strip_prefix("projects/").and_then(|role| roles.get(role.split_once("/roles/")?.1));
        let each =
            included.map_or_else(|| vec![role.as_str()], |included| included.iter().map(AsRef::as_ref).collect());
        trusted.extend(each.into_iter().map(|may| Trusted {
            who: member.clone(),
            may: may.to_owned(),
            conditions: Vec::new(),
        }));
    }
    let own = ["serviceAccount:", &principal.service_account.email].concat();
    for binding in &principal.bindings {
        trusted.extend(binding.members.iter().filter(|member| **member != own).map(|member| Trusted {
            who: member.clone(),
            may: format!("{} on {}", binding.role, binding.resource),
            conditions: binding.condition.iter().map(|condition| condition.expression.clone()).collect(),
        }));
    }
    trusted
}

/// Whether some request for a permission on a resource, by its full resource name, could be allowed. Returns the role
/// that allows it.
#[must_use]
pub fn may_allow<'p>(principal: &'p Principal, permission: &str, resource: &str) -> Option<&'p str> {
    let relative = relative(resource);
    let roles = roles(principal);
    principal
        .bindings
        .iter()
        .filter(|binding| scopes(binding).iter().any(|scope| scope.contains(resource) || scope.contains(relative)))
        .find(|binding| {
            included(&roles, binding).is_none_or(|permissions| permissions.iter().any(|one| one == permission))
        })
        .map(|binding| binding.role.as_str())
}
