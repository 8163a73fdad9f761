//! The calls for roles and role assignments.

use std::collections::BTreeSet;

use alien_core::adapter::{ResultExt, Subject, last};
use alien_core::{ErrorKind, Result};
use serde::Deserialize;
use serde_json::json;

use crate::client::Context;
use crate::naming::{Ids, is_within, same};
use crate::operations as op;
use crate::policy::{Held, Principal, RoleAssignment, RoleDefinition, RolePermission, Text, role_prefix};

/// A role in a list.
#[derive(Deserialize)]
pub(super) struct Role {
    pub(super) name: String,
    properties: RoleSays,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoleSays {
    role_name: String,
    #[serde(default)]
    permissions: Vec<Held>,
    #[serde(default)]
    assignable_scopes: Vec<String>,
}

/// An assignment in a list.
#[derive(Deserialize)]
pub(super) struct Assignment {
    pub(super) id: String,
    name: String,
    pub(super) properties: AssignmentSays,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AssignmentSays {
    pub(super) scope: String,
    role_definition_id: String,
    principal_id: String,
}

fn group(cx: Context<'_>) -> String {
    Ids(cx.target()).group()
}

/// The roles that this library defined for the identity, including those it no longer needs. They are found by name.
pub(super) async fn own_roles(cx: Context<'_>, principal: &Principal) -> Result<Vec<Role>> {
    let id = [&group(cx), "/providers/Microsoft.Authorization/roleDefinitions"].concat();
    let cx = cx.about(Subject::Deployment);
    let listed = cx
        .call(&[op::GET_ROLE], || async { cx.clients.list::<Role>(&id, &[("$filter", "type eq 'CustomRole'")]).await });
    let prefix = role_prefix(&principal.identity);
    let group = group(cx);
    let own = |role: &Role| {
        // Role names are unique in the tenant, and another resource group may have an identity of the same name.
        principal.role_definitions.iter().any(|due| same(&due.name, &role.name))
            || role.properties.role_name.starts_with(&prefix)
                && role.properties.assignable_scopes.iter().all(|scope| same(scope, &group))
    };
    Ok(listed.await?.into_iter().filter(own).collect())
}

pub(super) fn is_defined(found: &Role, due: &RoleDefinition) -> bool {
    let lower = |actions: &mut dyn Iterator<Item = &str>| actions.map(str::to_ascii_lowercase).collect::<BTreeSet<_>>();
    let held = |list: fn(&Held) -> &[String]| {
        lower(&mut found.properties.permissions.iter().flat_map(list).map(String::as_str))
    };
    let wanted = |list: fn(&RolePermission) -> &[Text]| {
        lower(&mut due.properties.permissions.iter().flat_map(list).map(AsRef::as_ref))
    };
    let scopes = |scopes: &[String]| lower(&mut scopes.iter().map(String::as_str));
    same(&found.name, &due.name)
        && held(|held| &held.actions) == wanted(|due| &due.actions)
        && held(|held| &held.not_actions) == wanted(|due| &due.not_actions)
        && held(|held| &held.data_actions) == wanted(|due| &due.data_actions)
        && held(|held| &held.not_data_actions) == wanted(|due| &due.not_data_actions)
        && scopes(&found.properties.assignable_scopes) == scopes(&due.properties.assignable_scopes)
}

fn role_id(cx: Context<'_>, name: &str) -> String {
    [&group(cx), "/providers/Microsoft.Authorization/roleDefinitions/", name].concat()
}

/// Creates or updates a role. <https://learn.microsoft.com/rest/api/authorization/role-definitions/create-or-update>
pub(super) async fn define(cx: Context<'_>, role: &RoleDefinition) -> Result<()> {
    let id = role_id(cx, &role.name);
    let body = json!({ "properties": role.properties });
    let cx = cx.about(Subject::Deployment);
    cx.call(&[op::PUT_ROLE], || async { cx.clients.put(&id, &body).await }).await.map(drop)
}

pub(super) async fn undefine(cx: Context<'_>, name: &str) -> Result<()> {
    let id = role_id(cx, name);
    let cx = cx.about(Subject::Deployment);
    cx.call(&[op::DELETE_ROLE], || async { cx.clients.delete(&id, &[]).await }).await.optional().map(drop)
}

/// The assignments of these roles to the identity in the resource group.
pub(super) async fn own_assignments(
    cx: Context<'_>,
    principal: &Principal,
    principal_id: &str,
    roles: &[Role],
) -> Result<Vec<Assignment>> {
    let group = group(cx);
    let id = [&group, "/providers/Microsoft.Authorization/roleAssignments"].concat();
    let filter = format!("principalId eq '{principal_id}'");
    let cx = cx.about(Subject::Deployment);
    let listed = cx.call(&[op::GET_ASSIGNMENT], || async {
        cx.clients.list::<Assignment>(&id, &[("$filter", filter.as_str())]).await
    });
    // Includes roles that were renamed since.
    let due = principal.role_definitions.iter().map(|role| role.name.as_str());
    let names: BTreeSet<&str> = roles.iter().map(|role| role.name.as_str()).chain(due).collect();
    let own = |found: &Assignment| {
        found.properties.principal_id == principal_id
            && names.iter().any(|name| same(last(&found.properties.role_definition_id), name))
            && is_within(&found.properties.scope, &group)
    };
    Ok(listed.await?.into_iter().filter(own).collect())
}

pub(super) fn is_assigned(found: &Assignment, due: &RoleAssignment) -> bool {
    same(&found.name, &due.name)
        && same(&found.properties.scope, &due.scope)
        && same(last(&found.properties.role_definition_id), last(&due.properties.role_definition_id))
}

pub(super) fn assignment_id(due: &RoleAssignment) -> String {
    [&due.scope, "/providers/Microsoft.Authorization/roleAssignments/", &due.name].concat()
}

/// Creates a role assignment. <https://learn.microsoft.com/rest/api/authorization/role-assignments/create>
pub(super) async fn assign(cx: Context<'_>, due: &RoleAssignment, principal_id: &str) -> Result<()> {
    let id = assignment_id(due);
    let body = json!({ "properties": {
        "roleDefinitionId": due.properties.role_definition_id,
        "principalId": principal_id,
        "principalType": due.properties.principal_type,
    }});
    let cx = cx.about(Subject::Deployment);
    let put =
        || async { cx.call(&[op::PUT_ASSIGNMENT], || async { cx.clients.put(&id, &body).await }).await.map(drop) };
    match put().await {
        // The assignment belongs to a deleted identity of the same name. An assignment outlives its principal and
        // cannot be updated.
        Err(error) if error.message().contains("RoleAssignmentUpdateNotPermitted") => {
            unassign(cx, &id).await?;
            put().await
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        put => put,
    }
}

pub(super) async fn unassign(cx: Context<'_>, id: &str) -> Result<()> {
    let cx = cx.about(Subject::Deployment);
    cx.call(&[op::DELETE_ASSIGNMENT], || async { cx.clients.delete(id, &[]).await }).await.optional().map(drop)
}
