//! Role definitions, role assignments and locks: <https://learn.microsoft.com/rest/api/authorization/>.

mod assignments;
mod definitions;
mod locks;

use super::Provider;
use crate::azure::call::{Answer, Call, show};
use crate::azure::fail::Fail;
use crate::azure::rbac::decide::reaches;
use crate::azure::rbac::role::{self, Permission};
use crate::azure::route::{Method, at_scope, in_subscription, row};

pub(crate) use assignments::Wanted;
pub(crate) use locks::locked;

pub(crate) const PROVIDER: Provider = Provider {
    namespace: "Microsoft.Authorization",
    versions: &[
        "2022-04-01",
        "2022-05-01-preview",
        "2020-10-01-preview",
        "2020-04-01-preview",
        "2018-09-01-preview",
        "2018-07-01",
        "2018-01-01-preview",
        "2015-07-01",
    ],
    tables: &[TABLE],
    links: &[],
};

/// The operations of the provider.
const SOURCE: &str = "https://learn.microsoft.com/azure/role-based-access-control/permissions/management-and-governance#microsoftauthorization";

const ASSIGNMENTS: &str = at_scope!("Microsoft.Authorization/roleAssignments");
const ASSIGNMENT: &str = at_scope!("Microsoft.Authorization/roleAssignments/{roleAssignmentName}");
const DEFINITIONS: &str = at_scope!("Microsoft.Authorization/roleDefinitions");
const DEFINITION: &str = at_scope!("Microsoft.Authorization/roleDefinitions/{roleDefinitionId}");
const LOCK: &str = at_scope!("Microsoft.Authorization/locks/{lockName}");
const DENY: &str = at_scope!("Microsoft.Authorization/denyAssignments/{denyAssignmentId}");
const POLICY: &str = at_scope!("Microsoft.Authorization/policyAssignments/{policyAssignmentName}");
const POLICY_DEFINITION: &str = in_subscription!("Microsoft.Authorization/policyDefinitions/{policyDefinitionName}");
const EXEMPTION: &str = at_scope!("Microsoft.Authorization/policyExemptions/{policyExemptionName}");
const SCHEDULED: &str =
    at_scope!("Microsoft.Authorization/roleAssignmentScheduleRequests/{roleAssignmentScheduleRequestName}");
const ELIGIBLE: &str =
    at_scope!("Microsoft.Authorization/roleEligibilityScheduleRequests/{roleEligibilityScheduleRequestName}");

const LOCK_VERSIONS: &[&str] = &["2020-05-01", "2017-04-01", "2016-09-01"];

const ROLE: &str = "properties!{roleName! type description permissions!{actions notActions dataActions notDataActions condition conditionVersion} assignableScopes! createdOn updatedOn createdBy updatedBy}";
const GRANT: &str = "properties!{roleDefinitionId! principalId! principalType=User|Group|ServicePrincipal|ForeignGroup|Device description condition conditionVersion delegatedManagedIdentityResourceId scope createdOn updatedOn createdBy updatedBy}";

#[rustfmt::skip]
const TABLE: &[Method] = &[
    row("GET", ASSIGNMENTS, &["Microsoft.Authorization/roleAssignments/read"], SOURCE).done(assignments::list).query(&["$filter"]),
    row("GET", ASSIGNMENT, &["Microsoft.Authorization/roleAssignments/read"], SOURCE).done(assignments::get),
    row("PUT", ASSIGNMENT, &["Microsoft.Authorization/roleAssignments/write"], SOURCE).done(assignments::put).body(GRANT),
    row("DELETE", ASSIGNMENT, &["Microsoft.Authorization/roleAssignments/delete"], SOURCE).done(assignments::delete),
    row("GET", DEFINITIONS, &["Microsoft.Authorization/roleDefinitions/read"], SOURCE).done(definitions::list).query(&["$filter"]),
    row("GET", DEFINITION, &["Microsoft.Authorization/roleDefinitions/read"], SOURCE).done(definitions::get),
    row("PUT", DEFINITION, &["Microsoft.Authorization/roleDefinitions/write"], SOURCE).done(definitions::put).body(ROLE),
    row("DELETE", DEFINITION, &["Microsoft.Authorization/roleDefinitions/delete"], SOURCE).done(definitions::delete),
    row("GET", at_scope!("Microsoft.Authorization/permissions"), &["Microsoft.Authorization/permissions/read"], SOURCE).done(permissions),
    row("GET", at_scope!("Microsoft.Authorization/locks"), &["Microsoft.Authorization/locks/read"], SOURCE).done(locks::list).versions(LOCK_VERSIONS),
    row("GET", LOCK, &["Microsoft.Authorization/locks/read"], SOURCE).done(show).versions(LOCK_VERSIONS),
    row("PUT", LOCK, &["Microsoft.Authorization/locks/write"], SOURCE).done(locks::put).body("properties!{level!=NotSpecified|CanNotDelete|ReadOnly notes owners{applicationId}}").versions(LOCK_VERSIONS),
    row("DELETE", LOCK, &["Microsoft.Authorization/locks/delete"], SOURCE).done(locks::delete).versions(LOCK_VERSIONS),
    row("GET", at_scope!("Microsoft.Authorization/denyAssignments"), &["Microsoft.Authorization/denyAssignments/read"], SOURCE).done(none),
    row("GET", DENY, &["Microsoft.Authorization/denyAssignments/read"], SOURCE),
    row("PUT", DENY, &["Microsoft.Authorization/denyAssignments/write"], SOURCE),
    row("DELETE", DENY, &["Microsoft.Authorization/denyAssignments/delete"], SOURCE),
    row("GET", POLICY, &["Microsoft.Authorization/policyAssignments/read"], SOURCE),
    row("PUT", POLICY, &["Microsoft.Authorization/policyAssignments/write"], SOURCE),
    row("PATCH", POLICY, &["Microsoft.Authorization/policyAssignments/write"], SOURCE),
    row("DELETE", POLICY, &["Microsoft.Authorization/policyAssignments/delete"], SOURCE),
    row("GET", POLICY_DEFINITION, &["Microsoft.Authorization/policyDefinitions/read"], SOURCE),
    row("PUT", POLICY_DEFINITION, &["Microsoft.Authorization/policyDefinitions/write"], SOURCE),
    row("DELETE", POLICY_DEFINITION, &["Microsoft.Authorization/policyDefinitions/delete"], SOURCE),
    row("GET", EXEMPTION, &["Microsoft.Authorization/policyExemptions/read"], SOURCE),
    row("PUT", EXEMPTION, &["Microsoft.Authorization/policyExemptions/write"], SOURCE),
    row("DELETE", EXEMPTION, &["Microsoft.Authorization/policyExemptions/delete"], SOURCE),
    row("PUT", SCHEDULED, &["Microsoft.Authorization/roleAssignmentScheduleRequests/write"], SOURCE),
    row("PUT", ELIGIBLE, &["Microsoft.Authorization/roleEligibilityScheduleRequests/write"], SOURCE),
    row("PATCH", at_scope!("Microsoft.Authorization/roleManagementPolicies/{roleManagementPolicyName}"), &["Microsoft.Authorization/roleManagementPolicies/write"], SOURCE),
    row("POST", "/providers/Microsoft.Authorization/elevateAccess", &["Microsoft.Authorization/elevateAccess/action"], SOURCE),
];

/// The emulator has no deny assignments.
fn none(_: &mut Call<'_>) -> Result<Answer, Fail> {
    Ok(Answer::list(Vec::new()))
}

/// The caller's permissions at a scope: <https://learn.microsoft.com/rest/api/authorization/permissions>.
fn permissions(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let (now, scope) = (call.now(), call.parameter("scope"));
    let own = call.state.assignments.values().filter(|assignment| {
        assignment.principal == call.caller.object
            && *assignment.live.in_effect(now)
            && reaches(&assignment.scope, scope)
    });
    let roles = own.filter_map(|assignment| role::find(call.state, &assignment.role));
    let held = roles.flat_map(|role| role.in_effect(now).iter().map(Permission::body).collect::<Vec<_>>());
    Ok(Answer::list(held.collect()))
}
