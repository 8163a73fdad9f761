//! Role assignments: <https://learn.microsoft.com/rest/api/authorization/role-assignments>.

use uuid::Uuid;

use crate::azure::call::{Answer, Call};
use crate::azure::fail::Fail;
use crate::azure::rbac::assignment::Assignment;
use crate::azure::rbac::decide::reaches;
use crate::azure::rbac::role::{self, Found};
use crate::azure::state::State;
use crate::dated::Dated;

fn absent(name: &str) -> Fail {
    Fail::new(404, "RoleAssignmentNotFound", format!("The role assignment '{name}' is not found."))
}

/// An assignment to write.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) scope: &'a str,
    /// A GUID.
    pub(crate) name: &'a str,
    /// The id of a role definition, or the name of a built-in role.
    pub(crate) role: &'a str,
    /// An object id.
    pub(crate) principal: &'a str,
    /// The principal type, or empty if it is not given.
    pub(crate) kind: &'a str,
    pub(crate) description: Option<String>,
}

impl State {
    /// Writes an assignment, which takes effect after the configured delay. Returns its id, and whether it is new.
    ///
    /// # Errors
    ///
    /// The refusals of Azure: <https://learn.microsoft.com/azure/role-based-access-control/troubleshooting>.
    pub(crate) fn write_assignment(&mut self, wanted: &Wanted<'_>) -> Result<(String, bool), Fail> {
        let Wanted { scope, name, .. } = wanted;
        if Uuid::parse_str(name).is_err() {
            return Err(Fail::invalid(
                "InvalidRoleAssignmentId",
                format!("The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID."),
            ));
        }
        let guid = wanted.role.rsplit('/').next().unwrap_or_default();
        let found = role::find(self, guid).ok_or_else(|| {
            Fail::new(
                404,
                "RoleDefinitionDoesNotExist",
                format!("The specified role definition with ID '{}' does not exist.", guid.replace('-', "")),
            )
        })?;
        if let Found::Custom(role) = found
            && !role.assignable.iter().any(|assignable| reaches(assignable, scope))
        {
            return Err(Fail::invalid(
                "RoleDefinitionNotAssignableAtScope",
                format!("The role definition '{guid}' cannot be assigned at the scope '{scope}'."),
            ));
        }
        let id_of_role = found.id().to_owned();
        let now = self.now();
        let principal = self.directory.principal(wanted.principal).filter(|principal| principal.known <= now);
        let Some(principal) = principal else {
            return Err(Fail::invalid(
                "PrincipalNotFound",
                format!(
                    "Principal {} does not exist in the directory {}. Check that you have the correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay. In this case, set the role assignment principalType property to a value, such as ServicePrincipal, User, or Group. See https://aka.ms/docs-principaltype",
                    wanted.principal.replace('-', ""),
                    self.tenant
                ),
            ));
        };
        let (object, kind) = (principal.object.clone(), principal.kind);
        if !wanted.kind.is_empty() && wanted.kind != kind {
            return Err(Fail::invalid(
                "UnmatchedPrincipalType",
                format!(
                    "The PrincipalId '{}' has type '{kind}' , which is different from specified PrinciaplType '{}'.",
                    object.replace('-', ""),
                    wanted.kind
                ),
            ));
        }
        let id = format!("{}/providers/Microsoft.Authorization/roleAssignments/{name}", scope.trim_end_matches('/'));
        let uses = |role: &str| role.rsplit('/').next().is_some_and(|guid| guid.eq_ignore_ascii_case(&id_of_role));
        let mut live = self.assignments.values().filter(|assignment| assignment.live.latest);
        let same = |known: &Assignment| {
            known.principal == object && uses(&known.role) && known.scope.eq_ignore_ascii_case(scope)
        };
        if let Some(known) = live.find(|known| known.name().eq_ignore_ascii_case(name) || same(known)) {
            return match (known.name().eq_ignore_ascii_case(name), same(known)) {
                (true, true) => Ok((known.id.clone(), false)),
                (true, false) => Err(Fail::invalid(
                    "RoleAssignmentUpdateNotPermitted",
                    "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
                )),
                _ => Err(Fail::conflict(
                    "RoleAssignmentExists",
                    format!(
                        "The role assignment already exists. The ID of the existing role assignment is {}.",
                        known.name().replace('-', "")
                    ),
                )),
            };
        }
        let delay = self.knobs.propagation;
        let lower = id.to_lowercase();
        let mut in_effect =
            self.assignments.remove(&lower).filter(|old| same(old)).map_or_else(Dated::default, |old| old.live);
        in_effect.write(true, now, delay);
        let subscription = scope.split('/').take(3).collect::<Vec<_>>().join("/");
        let assignment = Assignment {
            id: id.clone(),
            scope: (*scope).to_owned(),
            role: format!("{subscription}/providers/Microsoft.Authorization/roleDefinitions/{id_of_role}"),
            principal: object,
            kind,
            description: wanted.description.clone(),
            created: now,
            live: in_effect,
        };
        self.assignments.insert(lower, assignment);
        Ok((id, true))
    }

    /// Deletes an assignment, which stays in effect for the configured delay. Returns the deleted assignment, if it
    /// existed.
    pub(crate) fn delete_assignment(&mut self, id: &str) -> Option<Assignment> {
        let (now, delay) = (self.now(), self.knobs.propagation);
        let lower = id.to_lowercase();
        let known = self.assignments.get_mut(&lower).filter(|known| known.live.latest)?;
        known.live.write(false, now, delay);
        let was = known.clone();
        if delay.is_zero() {
            self.assignments.remove(&lower);
        }
        Some(was)
    }
}

pub(super) fn get(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let found = call.state.assignments.get(&call.id.to_lowercase()).filter(|found| found.live.latest);
    Ok(Answer::json(200, &found.ok_or_else(|| absent(call.name()))?.body()))
}

pub(super) fn put(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let text = |name: &str| call.text(&format!("/properties/{name}"));
    let (role, principal, kind) = (text("roleDefinitionId"), text("principalId"), text("principalType"));
    let description = Some(text("description")).filter(|text| !text.is_empty());
    if !text("condition").is_empty() {
        return Err(Fail::unimplemented("Conditions of role assignments are not emulated."));
    }
    let guid = role.rsplit('/').next().unwrap_or_default();
    if Uuid::parse_str(guid).is_err() {
        return Err(Fail::invalid(
            "InvalidRoleDefinitionId",
            format!("The role definition ID '{guid}' is not valid. The role definition ID must be a GUID."),
        ));
    }
    let (scope, name) = (call.parameter("scope").to_owned(), call.name().to_lowercase());
    let wanted = Wanted { scope: &scope, name: &name, role: &role, principal: &principal, kind: &kind, description };
    let (id, is_new) = call.state.write_assignment(&wanted)?;
    let written = call.state.assignments.get(&id.to_lowercase()).ok_or_else(|| absent(&name))?;
    Ok(Answer::json(if is_new { 201 } else { 200 }, &written.body()))
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let id = call.id.clone();
    Ok(match call.state.delete_assignment(&id) {
        Some(assignment) => Answer::json(200, &assignment.body()),
        None => Answer::empty(204),
    })
}

/// Lists assignments. Filters: `atScope()`, `principalId eq '{id}'`, and `assignedTo('{id}')`, which knows groups. Without
/// `atScope()`, assignments below the scope are listed too. Source:
/// <https://learn.microsoft.com/azure/role-based-access-control/role-assignments-list-rest>.
pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let scope = call.parameter("scope");
    let (mut only_at, mut of, mut through_groups) = (false, None, false);
    for clause in call.query("$filter").split(" and ").map(str::trim).filter(|clause| !clause.is_empty()) {
        let assigned = clause.strip_prefix("assignedTo(").and_then(|rest| rest.strip_suffix(')'));
        through_groups |= assigned.is_some();
        match clause.strip_prefix("principalId eq ").or(assigned) {
            Some(id) => of = Some(id.trim().trim_matches('\'').to_lowercase()),
            None if clause == "atScope()" => only_at = true,
            None => return Err(Fail::unimplemented(format!("The filter '{clause}' is not emulated."))),
        }
    }
    let found = call.state.assignments.values().filter(|assignment| {
        assignment.live.latest
            && (reaches(&assignment.scope, scope) || (!only_at && reaches(scope, &assignment.scope)))
            && of.as_ref().is_none_or(|of| match through_groups {
                true => call.state.directory.is_for(&assignment.principal, of),
                false => *of == assignment.principal,
            })
    });
    Ok(Answer::list(found.map(Assignment::body).collect()))
}
