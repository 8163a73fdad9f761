//! Allow policies: a policy is read, changed and written back with the same etag; if somebody else wrote in between,
//! all of it is repeated. <https://docs.cloud.google.com/iam/docs/allow-policies#etag>

use std::collections::BTreeMap;

use alien_core::Result;
use alien_core::adapter::{DeploymentContext, Operation, ResultExt, Subject, last};
use google_cloud_compute_v1::model as compute;
use google_cloud_iam_v1::model::{Binding, GetPolicyOptions, Policy};
use google_cloud_type::model::Expr;

use super::{Context, failure};
use crate::Gcp;
use crate::naming::relative;
use crate::operations as op;
use crate::operations::Scope;
use crate::policy::Condition;

/// The policy version with conditions. A policy that is read in another version loses its conditions when it is written
/// back (<https://docs.cloud.google.com/iam/docs/allow-policies#specifying-version-get>).
const VERSION: i32 = 3;

/// A resource with its own allow policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Guarded<'a> {
    pub(crate) subject: Subject,
    pub(crate) scope: Scope,
    pub(crate) name: &'a str,
}

/// The calls that read and write the policy of a scope's resources; `None` if they have no policy of their own.
fn rows(scope: Scope) -> Option<[&'static Operation<Scope>; 2]> {
    Some(match scope {
        Scope::Project => [op::GET_PROJECT_POLICY, op::SET_PROJECT_POLICY],
        Scope::ServiceAccount => [op::GET_SERVICE_ACCOUNT_POLICY, op::SET_SERVICE_ACCOUNT_POLICY],
        Scope::Service => [op::GET_SERVICE_POLICY, op::SET_SERVICE_POLICY],
        Scope::Repository => [op::GET_REPOSITORY_POLICY, op::SET_REPOSITORY_POLICY],
        Scope::Bucket => [op::GET_BUCKET_POLICY, op::SET_BUCKET_POLICY],
        Scope::Topic => [op::GET_TOPIC_POLICY, op::SET_TOPIC_POLICY],
        Scope::Subscription => [op::GET_SUBSCRIPTION_POLICY, op::SET_SUBSCRIPTION_POLICY],
        Scope::Subnetwork => [op::GET_SUBNETWORK_POLICY, op::SET_SUBNETWORK_POLICY],
        _ => return None,
    })
}

/// Everything of a deployment that has a policy, by its full resource name.
pub(crate) fn guarded(deployment: &DeploymentContext<Gcp>) -> BTreeMap<&str, Guarded<'_>> {
    let mut found = BTreeMap::new();
    for thing in deployment.names().things().filter(|thing| rows(thing.scope).is_some()) {
        let subject = if thing.scope == Scope::Project { Subject::Deployment } else { thing.subject };
        found.entry(thing.name).or_insert(Guarded { subject, scope: thing.scope, name: thing.name });
    }
    found
}

/// Changes a policy, unless `edit` returns `false`. Does nothing if the resource does not exist.
pub(crate) async fn change_if_there(
    cx: Context<'_>,
    on: Guarded<'_>,
    edit: impl Fn(&mut Policy) -> bool + Sync,
) -> Result<()> {
    rewrite(cx, on, edit, false).await.optional().map(drop)
}

/// Changes the policy of a resource that exists but may not have propagated yet.
pub(crate) async fn change(cx: Context<'_>, on: Guarded<'_>, edit: impl Fn(&mut Policy) -> bool + Sync) -> Result<()> {
    rewrite(cx, on, edit, true).await
}

async fn rewrite(
    cx: Context<'_>,
    on: Guarded<'_>,
    edit: impl Fn(&mut Policy) -> bool + Sync,
    is_there: bool,
) -> Result<()> {
    let Some(rows) = rows(on.scope) else { return Ok(()) };
    // Concurrent writes of the project's policy would conflict, and all but one would have to start again.
    let _turn = match on.scope {
        Scope::Project => Some(cx.clients.project_policy.lock().await),
        _ => None,
    };
    let edit = &edit;
    let written = cx.about(on.subject).call(&rows, || async move {
        let found = read(cx, on).await;
        let mut policy = if is_there { found.propagating()? } else { found? };
        if edit(&mut policy) {
            policy.version = VERSION;
            write(cx, on, policy).await?;
        }
        Ok(())
    });
    written.await
}

async fn read(cx: Context<'_>, on: Guarded<'_>) -> Result<Policy> {
    let clients = cx.clients;
    let name = relative(on.name);
    let options = GetPolicyOptions::new().set_requested_policy_version(VERSION);
    match on.scope {
        Scope::Project => clients.projects.get_iam_policy().set_resource(name).set_options(options).send().await,
        Scope::ServiceAccount => clients.iam.get_iam_policy().set_resource(name).set_options(options).send().await,
        Scope::Service => clients.run.get_iam_policy().set_resource(name).set_options(options).send().await,
        Scope::Repository => clients.registry.get_iam_policy().set_resource(name).set_options(options).send().await,
        Scope::Bucket => clients.storage.get_iam_policy().set_resource(name).set_options(options).send().await,
        Scope::Subnetwork => {
            let (project, region, subnetwork) = in_region(cx, name);
            let call = clients.subnetworks.get_iam_policy().set_project(project).set_region(region);
            let call = call.set_resource(subnetwork).set_options_requested_policy_version(VERSION);
            call.send().await.map(from_compute)
        }
        _ => clients.pubsub_policies.get_iam_policy().set_resource(name).set_options(options).send().await,
    }
    .map_err(failure)
}

async fn write(cx: Context<'_>, on: Guarded<'_>, policy: Policy) -> Result<()> {
    let clients = cx.clients;
    let name = relative(on.name);
    match on.scope {
        Scope::Project => clients.projects.set_iam_policy().set_resource(name).set_policy(policy).send().await,
        Scope::ServiceAccount => clients.iam.set_iam_policy().set_resource(name).set_policy(policy).send().await,
        Scope::Service => clients.run.set_iam_policy().set_resource(name).set_policy(policy).send().await,
        Scope::Repository => clients.registry.set_iam_policy().set_resource(name).set_policy(policy).send().await,
        Scope::Bucket => clients.storage.set_iam_policy().set_resource(name).set_policy(policy).send().await,
        Scope::Subnetwork => {
            let (project, region, subnetwork) = in_region(cx, name);
            let body = compute::RegionSetPolicyRequest::new().set_policy(to_compute(policy));
            let call = clients.subnetworks.set_iam_policy().set_project(project).set_region(region);
            call.set_resource(subnetwork).set_body(body).send().await.map(from_compute)
        }
        _ => clients.pubsub_policies.set_iam_policy().set_resource(name).set_policy(policy).send().await,
    }
    .map(drop)
    .map_err(failure)
}

/// The project, region and name with which calls identify a subnetwork.
fn in_region<'a>(cx: Context<'a>, name: &'a str) -> (&'a str, &'a str, &'a str) {
    let target = cx.target();
    (target.project.as_str(), target.location.as_str(), last(name))
}

/// Converts Compute's own policy type.
fn from_compute(policy: compute::Policy) -> Policy {
    let bindings = policy.bindings.into_iter().map(|binding| {
        let condition = binding.condition.map(|found| {
            Expr::new()
                .set_title(found.title.unwrap_or_default())
                .set_description(found.description.unwrap_or_default())
                .set_location(found.location.unwrap_or_default())
                .set_expression(found.expression.unwrap_or_default())
        });
        let role = binding.role.unwrap_or_default();
        Binding::new().set_role(role).set_members(binding.members).set_or_clear_condition(condition)
    });
    let etag = policy.etag.unwrap_or_default();
    Policy::new().set_version(policy.version.unwrap_or_default()).set_etag(etag).set_bindings(bindings)
}

fn to_compute(policy: Policy) -> compute::Policy {
    let some = |text: String| (!text.is_empty()).then_some(text);
    let bindings = policy.bindings.into_iter().map(|binding| {
        let condition = binding.condition.map(|found| {
            compute::Expr::new()
                .set_or_clear_title(some(found.title))
                .set_or_clear_description(some(found.description))
                .set_or_clear_location(some(found.location))
                .set_or_clear_expression(some(found.expression))
        });
        let made = compute::Binding::new().set_role(binding.role).set_members(binding.members);
        made.set_or_clear_condition(condition)
    });
    compute::Policy::new().set_version(policy.version).set_etag(policy.etag).set_bindings(bindings)
}

/// What a member is bound by: a role, and the condition under which it applies.
pub(crate) type Bound<'a> = (&'a str, Option<&'a Condition>);

/// Binds a member by exactly these roles, among the roles for which `own` returns true. Bindings of other members and
/// by other roles stay as they are. Returns whether anything changed.
pub(crate) fn bind(policy: &mut Policy, member: &str, own: impl Fn(&str) -> bool, wanted: &[Bound<'_>]) -> bool {
    let mut changed = false;
    for binding in policy.bindings.iter_mut().filter(|binding| own(&binding.role)) {
        if !wanted.iter().any(|due| is(binding, due)) {
            let before = binding.members.len();
            binding.members.retain(|found| found != member);
            changed |= binding.members.len() != before;
        }
    }
    policy.bindings.retain(|binding| !binding.members.is_empty());
    for due in wanted {
        changed |= add(policy, member, due);
    }
    changed
}

/// Binds a member by a role without a condition. Returns whether anything changed.
pub(crate) fn bind_one(policy: &mut Policy, role: &str, member: &str) -> bool {
    add(policy, member, &(role, None))
}

fn is(binding: &Binding, (role, condition): &Bound<'_>) -> bool {
    let found = binding.condition.as_ref().map(|found| (found.title.as_str(), found.expression.as_str()));
    binding.role == *role && found == condition.map(|due| (due.title.as_str(), due.expression.as_str()))
}

fn add(policy: &mut Policy, member: &str, due: &Bound<'_>) -> bool {
    match policy.bindings.iter_mut().find(|binding| is(binding, due)) {
        Some(binding) if binding.members.iter().any(|found| found == member) => return false,
        Some(binding) => binding.members.push(member.to_owned()),
        None => {
            let condition =
                due.1.map(|condition| Expr::new().set_title(&condition.title).set_expression(&condition.expression));
            let binding = Binding::new().set_role(due.0).set_members([member]).set_or_clear_condition(condition);
            policy.bindings.push(binding);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(role: &str) -> bool {
        role.starts_with("projects/p/roles/alien.")
    }

    #[test]
    fn a_member_is_bound_by_what_is_wanted_and_others_are_left_alone() {
        let theirs = Binding::new().set_role("roles/viewer").set_members(["serviceAccount:us", "user:them"]);
        let stale = Binding::new().set_role("projects/p/roles/alien.old").set_members(["serviceAccount:us", "user:x"]);
        let mut policy = Policy::new().set_bindings([theirs.clone(), stale]);
        let condition = Condition { title: "only a".to_owned(), expression: "resource.name == \"a\"".to_owned() };
        let wanted = [("projects/p/roles/alien.new", Some(&condition)), ("projects/p/roles/alien.new", None)];
        assert!(bind(&mut policy, "serviceAccount:us", own, &wanted));
        assert!(!bind(&mut policy, "serviceAccount:us", own, &wanted), "the same again changes nothing");
        assert_eq!(policy.bindings.len(), 4);
        assert_eq!(policy.bindings[0], theirs);
        assert_eq!(policy.bindings[1].members, ["user:x"]);
        assert_eq!(policy.bindings[2].condition.as_ref().unwrap().expression, condition.expression);
        assert!(bind(&mut policy, "serviceAccount:us", own, &[]));
        assert_eq!(policy.bindings.len(), 2, "a binding of nobody is taken away: {policy:?}");
    }

    #[test]
    fn a_policy_of_compute_is_the_same_there_and_back() {
        let condition = Expr::new().set_title("t").set_expression("true").set_description("d");
        let binding = Binding::new().set_role("r").set_members(["user:x"]).set_condition(condition);
        let policy = Policy::new().set_version(3).set_etag(bytes(b"tag")).set_bindings([binding]);
        assert_eq!(from_compute(to_compute(policy.clone())), policy);
    }

    fn bytes(text: &'static [u8]) -> bytes::Bytes {
        bytes::Bytes::from_static(text)
    }
}
