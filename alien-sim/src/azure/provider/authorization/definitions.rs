//! Role definitions: <https://learn.microsoft.com/rest/api/authorization/role-definitions>.

use serde_json::Value;
use uuid::Uuid;

use super::super::NAMESPACES;
use crate::azure::call::{Answer, Call, text};
use crate::azure::fail::Fail;
use crate::azure::provider::resources::scope_is_there;
use crate::azure::rbac::decide::reaches;
use crate::azure::rbac::role::{self, Found, Permission, Role};
use crate::azure::state::State;
use crate::dated::Dated;

fn absent(id: &str) -> Fail {
    Fail::new(
        404,
        "RoleDefinitionDoesNotExist",
        format!("The specified role definition with ID '{}' does not exist.", id.replace('-', "")),
    )
}

/// Whether a role is visible at a scope: it may be assigned there.
fn seen(role: Found<'_>, scope: &str) -> bool {
    match role {
        Found::BuiltIn(_) => true,
        Found::Custom(role) => role.assignable.iter().any(|assignable| reaches(assignable, scope)),
    }
}

/// Whether a role is known at a scope: it may be assigned there or below.
fn known(role: Found<'_>, scope: &str) -> bool {
    let is_below = |role: &Role| role.assignable.iter().any(|assignable| reaches(scope, assignable));
    seen(role, scope) || matches!(role, Found::Custom(role) if is_below(role))
}

pub(super) fn get(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let (id, scope) = (call.parameter("roleDefinitionId"), call.parameter("scope"));
    let by_guid = Uuid::parse_str(id).is_ok();
    let found = role::find(call.state, id).filter(|role| by_guid && known(*role, scope)).ok_or_else(|| absent(id))?;
    Ok(Answer::json(200, &found.body(scope)))
}

/// Lists roles. Filters: `atScopeAndBelow()`, `type eq 'CustomRole'`, `roleName eq 'N'`.
pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let scope = call.parameter("scope");
    let (mut below, mut kind, mut name) = (false, String::new(), String::new());
    for clause in call.query("$filter").split(" and ").map(str::trim).filter(|clause| !clause.is_empty()) {
        match clause.split_once(" eq ").map(|(field, value)| (field.trim(), value.trim().trim_matches('\''))) {
            None if clause == "atScopeAndBelow()" => below = true,
            Some(("type", value)) => value.clone_into(&mut kind),
            Some(("roleName", value)) => value.clone_into(&mut name),
            _ => return Err(Fail::unimplemented(format!("The filter '{clause}' is not emulated."))),
        }
    }
    let custom = call.state.roles.values().map(Found::Custom);
    let all = role::built_in().iter().map(Found::BuiltIn).chain(custom);
    let bodies = all
        .filter(|role| seen(*role, scope) || (below && known(*role, scope)))
        .map(|role| role.body(scope))
        .filter(|body| kind.is_empty() || text(body, "/properties/type").eq_ignore_ascii_case(&kind))
        .filter(|body| name.is_empty() || text(body, "/properties/roleName").eq_ignore_ascii_case(&name))
        .collect();
    Ok(Answer::list(bodies))
}

/// Source: <https://learn.microsoft.com/azure/role-based-access-control/custom-roles#custom-role-properties>.
fn check_actions(permission: &Permission) -> Result<(), Fail> {
    let Permission { actions, not_actions, data_actions, not_data_actions } = permission;
    for action in [actions, not_actions, data_actions, not_data_actions].into_iter().flatten() {
        let (provider, rest) = action.split_once('/').unwrap_or((action, ""));
        let is_plain = action.chars().all(|c| c.is_ascii_alphanumeric() || "./*-_$".contains(c));
        let is_known = provider.contains('*')
            || NAMESPACES.iter().any(|known| known.eq_ignore_ascii_case(provider)) && !rest.is_empty();
        let kinds = ["read", "write", "delete", "action", "*"];
        let last = rest.rsplit('/').next().unwrap_or_default().to_lowercase();
        let is_whole = action == "*" || kinds.contains(&last.as_str()) || last.contains('*');
        if !is_plain || !is_known || !is_whole || action.contains("//") {
            return Err(Fail::invalid(
                "InvalidActionOrNotAction",
                format!("'{action}' does not match any of the actions supported by the providers."),
            ));
        }
    }
    Ok(())
}

pub(super) fn put(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let guid = call.parameter("roleDefinitionId").to_lowercase();
    let scope = call.parameter("scope").to_owned();
    if Uuid::parse_str(&guid).is_err() {
        return Err(Fail::invalid(
            "InvalidRoleDefinitionId",
            format!("The role definition ID '{guid}' is not valid. The role definition ID must be a GUID."),
        ));
    }
    if role::built_in().iter().any(|role| role.id == guid) {
        return Err(Fail::invalid("BuiltInRoleCannotBeModified", format!("The role definition '{guid}' is built in.")));
    }
    let items = |name: &str| call.body.pointer(&format!("/properties/{name}")).and_then(Value::as_array);
    let permissions: Vec<Permission> = items("permissions").into_iter().flatten().map(Permission::parse).collect();
    permissions.iter().try_for_each(check_actions)?;
    let assignable: Vec<String> =
        items("assignableScopes").into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    check_scopes(call.state, &scope, &assignable)?;
    // Source: <https://learn.microsoft.com/azure/role-based-access-control/custom-roles#who-can-create-delete-update-or-view-a-custom-role>.
    for other in assignable.iter().filter(|other| !reaches(&scope, other)) {
        call.require("Microsoft.Authorization/roleDefinitions/write", other)?;
    }
    let name = call.text("/properties/roleName");
    if name.chars().count() > 512 {
        return Err(Fail::invalid("InvalidRoleDefinitionName", "The name of a role has at most 512 characters."));
    }
    let is_taken = call.state.roles.values().any(|role| role.name.eq_ignore_ascii_case(&name) && role.id != guid)
        || role::built_in().iter().any(|role| role.name.eq_ignore_ascii_case(&name));
    if is_taken {
        return Err(Fail::conflict(
            "RoleDefinitionWithSameNameExists",
            format!(
                "A custom role with the same name '{name}' already exists in this directory. Use a different name."
            ),
        ));
    }
    let description = call.text("/properties/description");
    call.state.write_role(&guid, &name, &description, permissions, assignable);
    let found = role::find(call.state, &guid).ok_or_else(|| absent(&guid))?;
    // 201 even for an update: <https://learn.microsoft.com/rest/api/authorization/role-definitions/create-or-update>.
    Ok(Answer::json(201, &found.body(&scope)))
}

/// Source: <https://learn.microsoft.com/azure/role-based-access-control/role-definitions#assignablescopes>.
fn check_scopes(state: &State, scope: &str, assignable: &[String]) -> Result<(), Fail> {
    let outside = |scope: &str| {
        Fail::invalid(
            "AssignableScopeNotUnderSubscriptionScope",
            format!(
                "The assignable scope '{scope}' is not a subscription, a resource group or a resource of this directory."
            ),
        )
    };
    if assignable.is_empty() {
        return Err(Fail::invalid("MissingAssignableScopes", "A custom role needs an assignable scope."));
    }
    for assignable in assignable {
        if assignable.trim_end_matches('/').is_empty() || scope_is_there(state, assignable).is_err() {
            return Err(outside(assignable));
        }
    }
    if assignable.iter().any(|assignable| reaches(assignable, scope)) { Ok(()) } else { Err(outside(scope)) }
}

impl State {
    /// Writes a custom role, which takes effect after the configured delay.
    pub(crate) fn write_role(
        &mut self,
        guid: &str,
        name: &str,
        description: &str,
        permissions: Vec<Permission>,
        assignable: Vec<String>,
    ) {
        let (now, delay) = (self.now(), self.knobs.propagation);
        let role = self.roles.entry(guid.to_lowercase()).or_insert_with(|| Role {
            id: guid.to_lowercase(),
            name: String::new(),
            description: String::new(),
            permissions: Dated::default(),
            assignable: Vec::new(),
            created: now,
            updated: now,
        });
        name.clone_into(&mut role.name);
        description.clone_into(&mut role.description);
        role.assignable = assignable;
        role.updated = now;
        role.permissions.write(permissions, now, delay);
    }
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let (id, scope) = (call.parameter("roleDefinitionId").to_owned(), call.parameter("scope").to_owned());
    match role::find(call.state, &id).filter(|_| Uuid::parse_str(&id).is_ok()) {
        None => return Ok(Answer::empty(204)),
        Some(Found::BuiltIn(_)) => {
            return Err(Fail::invalid(
                "BuiltInRoleCannotBeDeleted",
                format!("The role definition '{id}' is built in."),
            ));
        }
        Some(role @ Found::Custom(_)) if !known(role, &scope) => return Ok(Answer::empty(204)),
        Some(Found::Custom(_)) => {}
    }
    let uses = |role: &str| role.rsplit('/').next().is_some_and(|guid| guid.eq_ignore_ascii_case(&id));
    if call.state.assignments.values().any(|assignment| assignment.live.latest && uses(&assignment.role)) {
        return Err(Fail::invalid(
            "RoleDefinitionHasAssignments",
            "There are existing role assignments referencing role (code: RoleDefinitionHasAssignments).",
        ));
    }
    let body = role::find(call.state, &id).map(|role| role.body(&scope)).unwrap_or_default();
    call.state.roles.remove(&id.to_lowercase());
    Ok(Answer::json(200, &body))
}
