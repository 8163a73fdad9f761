//! The calls for roles and role assignments.

use std::collections::BTreeSet;

use alien_core::adapter::{ResultExt, Subject, last};
use alien_core::{ErrorKind, Result};
use serde::Deserialize;
use serde_json::json;

use crate::client::Context;
use crate::naming::{Ids, same};
use crate::operations as op;
use crate::policy::{Held, Principal, RoleAssignment, RoleDefinition, RolePermission, Text, covers, role_prefix};

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
    pub(super) principal_id: String,
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

/// How a role differs from the one that is due: what it permits more and less.
pub(super) fn redefined(found: &Role, due: &RoleDefinition) -> Option<String> {
    let lower = |actions: &mut dyn Iterator<Item = &str>| actions.map(str::to_ascii_lowercase).collect::<BTreeSet<_>>();
    let held = |list: fn(&Held) -> &[String]| {
        lower(&mut found.properties.permissions.iter().flat_map(list).map(String::as_str))
    };
    let wanted = |list: fn(&RolePermission) -> &[Text]| {
        lower(&mut due.properties.permissions.iter().flat_map(list).map(AsRef::as_ref))
    };
    let scopes = |scopes: &[String]| lower(&mut scopes.iter().map(String::as_str));
    let mut how = Vec::new();
    let mut compare = |more: &str, less: &str, found: BTreeSet<String>, due: BTreeSet<String>| {
        for (how_it_differs, ones) in [(more, &found - &due), (less, &due - &found)] {
            if !ones.is_empty() {
                how.push(format!("{how_it_differs} `{}`", ones.into_iter().collect::<Vec<_>>().join("`, `")));
            }
        }
    };
    compare("also", "not", held(|held| &held.actions), wanted(|due| &due.actions));
    compare("also", "not", held(|held| &held.data_actions), wanted(|due| &due.data_actions));
    compare("all but", "also", held(|held| &held.not_actions), wanted(|due| &due.not_actions));
    compare("all but", "also", held(|held| &held.not_data_actions), wanted(|due| &due.not_data_actions));
    let found = scopes(&found.properties.assignable_scopes);
    compare("assignable at", "not assignable at", found, scopes(&due.properties.assignable_scopes));
    (!how.is_empty()).then(|| how.join(", "))
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

/// Every assignment that gives the identity something in the resource group: at the group, above and below it; its own
/// and those of groups in Entra that it is a member of.
/// <https://learn.microsoft.com/azure/role-based-access-control/role-assignments-list-rest>
pub(super) async fn assignments(cx: Context<'_>, principal_id: &str) -> Result<Vec<Assignment>> {
    // The first filter is the one that is documented to look above and below, the second the one that knows groups.
    let own = list(cx, &group(cx), &format!("principalId eq '{principal_id}'")).await?;
    let mut all = list(cx, &group(cx), &format!("assignedTo('{principal_id}')")).await?;
    all.retain(|found| !own.iter().any(|own| same(&own.id, &found.id)));
    Ok(own.into_iter().chain(all).collect())
}

/// The assignments at the identity itself by which somebody may use it: attach it to code, or have it trust other tokens.
/// Those at the resource group and above are the customer's, and reach everything there.
pub(super) async fn uses(cx: Context<'_>, identity: &str) -> Result<Vec<(Assignment, String)>> {
    let mut uses = Vec::new();
    for found in list(cx, identity, "atScope()").await? {
        if !same(&found.properties.scope, identity) {
            continue;
        }
        match role(cx, &found).await? {
            Some(role) if !lets_use(&role.properties.permissions) => {}
            role => uses.push((found, role.map(|role| role.properties.role_name).unwrap_or_default())),
        }
    }
    Ok(uses)
}

/// The actions by which somebody gets what an identity may do. Whether a pattern such as `…/*/assign/action` of a
/// built-in role covers the action without a name in the middle is not documented, so both are asked for.
const USES: [&str; 5] = [
    "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
    "Microsoft.ManagedIdentity/userAssignedIdentities/x/assign/action",
    "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write",
    "Microsoft.Authorization/roleAssignments/write",
    "Microsoft.Authorization/roleDefinitions/write",
];

fn lets_use(permissions: &[Held]) -> bool {
    let covered = |patterns: &[String], action: &str| patterns.iter().any(|pattern| covers(pattern, action));
    let gives = |held: &Held, action: &str| covered(&held.actions, action) && !covered(&held.not_actions, action);
    permissions.iter().any(|held| USES.iter().any(|action| gives(held, action)))
}

async fn list(cx: Context<'_>, scope: &str, filter: &str) -> Result<Vec<Assignment>> {
    let id = [scope, "/providers/Microsoft.Authorization/roleAssignments"].concat();
    let cx = cx.about(Subject::Deployment);
    cx.call(&[op::GET_ASSIGNMENT], || async { cx.clients.list(&id, &[("$filter", filter)]).await }).await
}

/// The role of an assignment; `None` if it is not there any more.
async fn role(cx: Context<'_>, assigned: &Assignment) -> Result<Option<Role>> {
    let id = role_id(cx, last(&assigned.properties.role_definition_id));
    let cx = cx.about(Subject::Deployment);
    cx.call(&[op::GET_ROLE], || async { cx.clients.get(&id).await }).await.optional()
}

/// Says what an assignment gives that the deployment does not.
pub(super) async fn describe(cx: Context<'_>, found: &Assignment, principal_id: &str) -> Result<String> {
    let AssignmentSays { scope, role_definition_id, principal_id: holder } = &found.properties;
    let name = role(cx, found).await?.map_or_else(|| role_definition_id.clone(), |role| role.properties.role_name);
    let through = match same(holder, principal_id) {
        true => String::new(),
        false => format!(" through the group `{holder}`"),
    };
    Ok(format!("it has the role `{name}` on `{scope}`{through}, which this deployment does not give"))
}

/// The roles that let code pull its image. The customer assigns them to the code's identity at a registry, as the review
/// of a stack says. <https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/containers>
const PULLS: [&str; 2] = ["7f951dda-4ed3-4680-a7ca-43fe172d538d", "b93aa761-3e63-49ed-ac28-beffa264f7ac"];

/// Whether it lets code pull images, at a registry and nowhere else.
pub(super) fn is_pull(found: &Assignment) -> bool {
    let AssignmentSays { scope, role_definition_id, .. } = &found.properties;
    let scope = scope.to_ascii_lowercase();
    let registry = scope.rsplit_once("/providers/microsoft.containerregistry/registries/");
    registry.is_some_and(|(_, name)| !name.contains('/'))
        && PULLS.iter().any(|pull| same(last(role_definition_id), pull))
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
