//! Evaluates what assignments allow: actions except the excluded ones, at the assigned scope and below.
//! <https://learn.microsoft.com/azure/role-based-access-control/role-definitions>

use std::collections::{BTreeSet, HashMap};

use alien_core::adapter::{AccessControl, Allowed, Cloud, Coverage, Permission, glob};

use super::{Principal, RoleAssignment, RoleDefinition, RolePermission, Text};
use crate::Azure;

/// Whether an action pattern covers an action. `*` matches any characters, including `/`; case is ignored.
pub(crate) fn covers(pattern: &str, action: &str) -> bool {
    // A question mark is not a wildcard in Azure's patterns, and no action contains one.
    !pattern.contains('?') && glob(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase())
}

/// The roles that the documents define, by GUID.
fn roles(principal: &Principal) -> HashMap<&str, &RoleDefinition> {
    principal.role_definitions.iter().map(|role| (role.name.as_str(), role)).collect()
}

/// The role of an assignment; `None` for a role that the documents do not define.
fn role<'d>(roles: &HashMap<&str, &'d RoleDefinition>, assignment: &RoleAssignment) -> Option<&'d RoleDefinition> {
    let guid = assignment.properties.role_definition_id.rsplit('/').next()?;
    roles.get(guid).copied()
}

/// Both planes of a permission: the allowed actions, and those excluded from them.
fn planes(permission: &RolePermission) -> [(&[Text], &[Text]); 2] {
    [(&permission.actions, &permission.not_actions), (&permission.data_actions, &permission.not_data_actions)]
}

/// Visits everything that a principal's assignments allow.
pub(crate) fn allowed<'d>(principal: &'d Principal, visit: &mut dyn FnMut(Allowed<'d, Azure>)) {
    let roles = roles(principal);
    for assignment in &principal.role_assignments {
        let coverage = Coverage::Tree(assignment.scope.as_str());
        let mut visit = |permission, statement: &'d str| {
            visit(Allowed { permission, coverage, condition: None, statement });
        };
        let Some(role) = role(&roles, assignment) else {
            // Microsoft can change what a role permits that the documents do not define, so it counts as everything.
            visit(Permission::Pattern("*"), &assignment.properties.role_definition_id);
            continue;
        };
        let statement = role.properties.role_name.as_str();
        for (actions, excepted) in role.properties.permissions.iter().flat_map(planes) {
            let is_excepted = |action: &str| excepted.iter().any(|pattern| covers(pattern, action));
            for action in actions {
                if !action.contains('*') {
                    if !is_excepted(action) {
                        visit(Permission::Named(action), statement);
                    }
                } else if excepted.is_empty() {
                    visit(Permission::Pattern(action), statement);
                } else {
                    visit(Permission::Part(action), statement);
                    let rows = Azure::operations().rows().iter().map(|row| row.permission);
                    let paths = Azure::escalations().iter().flat_map(|path| path.required).copied();
                    let left: BTreeSet<&'static str> = rows.chain(paths).collect();
                    for left in left.into_iter().filter(|left| covers(action, left) && !is_excepted(left)) {
                        visit(Permission::Named(left), statement);
                    }
                }
            }
        }
    }
}

/// Whether a request for an action at a scope is allowed. Returns the role that allows it.
#[must_use]
pub fn may_allow<'p>(principal: &'p Principal, action: &str, scope: &str) -> Option<&'p str> {
    let roles = roles(principal);
    let scope = scope.to_ascii_lowercase();
    let at = |assignment: &&RoleAssignment| Coverage::Tree(&assignment.scope.to_ascii_lowercase()).contains(&scope);
    principal.role_assignments.iter().filter(at).find_map(|assignment| match role(&roles, assignment) {
        None => Some(assignment.properties.role_definition_id.as_str()),
        Some(role) => {
            let permits = role.properties.permissions.iter().flat_map(planes).any(|(actions, excepted)| {
                let covered = |patterns: &[Text]| patterns.iter().any(|pattern| covers(pattern, action));
                covered(actions) && !covered(excepted)
            });
            permits.then_some(role.properties.role_name.as_str())
        }
    })
}
