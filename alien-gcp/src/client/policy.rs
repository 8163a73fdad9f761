//! Allow policies: a policy is read, changed and written back with the same etag; if somebody else wrote in between,
//! all of it is repeated. <https://docs.cloud.google.com/iam/docs/allow-policies#etag>
//!
//! A run reads each policy once for all who look at it ([`seen`]), and again only after it wrote it.

use std::collections::BTreeMap;
use std::sync::Arc;

use alien_core::adapter::{DeploymentContext, Operation, ResultExt, Subject, last};
use alien_core::{Error, ErrorKind, Result};
use async_trait::async_trait;
use google_cloud_compute_v1::model as compute;
use google_cloud_gax::error::Error as GaxError;
use google_cloud_iam_v1::model::{Binding, GetPolicyOptions, Policy};
use google_cloud_type::model::Expr;

use super::{Clients, Context, PolicyCalls, failed};
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
        Scope::Topic | Scope::DeadTopic => [op::GET_TOPIC_POLICY, op::SET_TOPIC_POLICY],
        Scope::Marker => [op::GET_MARKER_POLICY, op::SET_MARKER_POLICY],
        Scope::Subscription | Scope::DeadSubscription => [op::GET_SUBSCRIPTION_POLICY, op::SET_SUBSCRIPTION_POLICY],
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

/// The policy of a resource, as this run read it first or after it wrote it; `None` if the resource does not exist.
pub(crate) async fn seen(cx: Context<'_>, on: Guarded<'_>) -> Result<Option<Arc<Policy>>> {
    let Some([look, _]) = rows(on.scope) else { return Ok(None) };
    let cell = cx.clients.policies.cell(cx.gate.run(), on.name);
    let calls = calls(cx)?;
    let read = || async { cx.about(on.subject).call(&[look], || calls.read(cx, on.scope, on.name)).await.optional() };
    let found = cell.get_or_try_init(|| async { Ok(read().await?.map(Arc::new)) }).await;
    found.cloned()
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
    let calls = calls(cx)?;
    // Concurrent writes of the project's policy would conflict, and all but one would have to start again.
    let _turn = match on.scope {
        Scope::Project => Some(cx.clients.project_policy.lock().await),
        _ => None,
    };
    let edit = &edit;
    let written = cx.about(on.subject).call(&rows, || async move {
        let found = calls.read(cx, on.scope, on.name).await;
        let mut policy = if is_there { found.propagating()? } else { found? };
        if edit(&mut policy) {
            policy.version = VERSION;
            calls.write(cx, on.scope, on.name, policy).await?;
        }
        Ok(())
    });
    let written = written.await;
    cx.clients.policies.forget(on.name);
    written
}

/// The calls of each service that has policies.
pub(crate) struct Admins;

#[async_trait]
impl PolicyCalls for Admins {
    async fn read(&self, cx: Context<'_>, scope: Scope, name: &str) -> Result<Policy> {
        read(cx, scope, name).await
    }

    async fn write(&self, cx: Context<'_>, scope: Scope, name: &str, policy: Policy) -> Result<()> {
        write(cx, scope, name, policy).await
    }
}

/// The calls that these clients have.
fn calls(cx: Context<'_>) -> Result<&'static dyn PolicyCalls> {
    let none = || Error::new(ErrorKind::NotGranted, "only the customer's admin reads and writes policies");
    cx.clients.policy_calls.ok_or_else(none)
}

async fn read(cx: Context<'_>, scope: Scope, name: &str) -> Result<Policy> {
    let clients = cx.clients;
    let name = relative(name);
    let options = GetPolicyOptions::new().set_requested_policy_version(VERSION);
    match scope {
        Scope::Project => {
            clients.projects().await?.get_iam_policy().set_resource(name).set_options(options).send().await
        }
        Scope::ServiceAccount => {
            clients.iam().await?.get_iam_policy().set_resource(name).set_options(options).send().await
        }
        Scope::Service => clients.run().await?.get_iam_policy().set_resource(name).set_options(options).send().await,
        Scope::Repository => {
            clients.registry().await?.get_iam_policy().set_resource(name).set_options(options).send().await
        }
        Scope::Bucket => clients.storage().await?.get_iam_policy().set_resource(name).set_options(options).send().await,
        Scope::Subnetwork => {
            let (project, region, subnetwork) = in_region(cx, name);
            let call = clients.subnetworks().await?.get_iam_policy().set_project(project).set_region(region);
            let call = call.set_resource(subnetwork).set_options_requested_policy_version(VERSION);
            call.send().await.map(from_compute)
        }
        _ => clients.pubsub_policies().await?.get_iam_policy().set_resource(name).set_options(options).send().await,
    }
    .map_err(kept_by(clients, scope))
}

async fn write(cx: Context<'_>, scope: Scope, name: &str, policy: Policy) -> Result<()> {
    let clients = cx.clients;
    let name = relative(name);
    match scope {
        Scope::Project => clients.projects().await?.set_iam_policy().set_resource(name).set_policy(policy).send().await,
        Scope::ServiceAccount => {
            clients.iam().await?.set_iam_policy().set_resource(name).set_policy(policy).send().await
        }
        Scope::Service => clients.run().await?.set_iam_policy().set_resource(name).set_policy(policy).send().await,
        Scope::Repository => {
            clients.registry().await?.set_iam_policy().set_resource(name).set_policy(policy).send().await
        }
        Scope::Bucket => clients.storage().await?.set_iam_policy().set_resource(name).set_policy(policy).send().await,
        Scope::Subnetwork => {
            let (project, region, subnetwork) = in_region(cx, name);
            let body = compute::RegionSetPolicyRequest::new().set_policy(to_compute(policy));
            let call = clients.subnetworks().await?.set_iam_policy().set_project(project).set_region(region);
            call.set_resource(subnetwork).set_body(body).send().await.map(from_compute)
        }
        _ => clients.pubsub_policies().await?.set_iam_policy().set_resource(name).set_policy(policy).send().await,
    }
    .map(drop)
    .map_err(kept_by(clients, scope))
}

/// Converts errors of the service that keeps the policies of a scope.
fn kept_by(clients: &Clients, scope: Scope) -> Box<dyn Fn(GaxError) -> Error + '_> {
    match scope {
        Scope::Project => Box::new(failed::projects(clients)),
        Scope::ServiceAccount => Box::new(failed::iam(clients)),
        Scope::Service => Box::new(failed::run(clients)),
        Scope::Repository => Box::new(failed::registry(clients)),
        Scope::Bucket => Box::new(failed::storage(clients)),
        Scope::Subnetwork => Box::new(failed::subnetworks(clients)),
        _ => Box::new(failed::pubsub_policies(clients)),
    }
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

/// Binds a member by exactly this, and by nothing else. Bindings of other members stay as they are. Returns whether
/// anything changed.
pub(crate) fn bind(policy: &mut Policy, member: &str, wanted: &[Bound<'_>]) -> bool {
    let mut changed = false;
    for binding in &mut policy.bindings {
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

/// Binds exactly these members by these roles, without a condition, and nobody else by anything. Returns whether anything
/// changed.
pub(crate) fn only(policy: &mut Policy, due: &[(String, String)]) -> bool {
    let mut changed = false;
    for binding in &mut policy.bindings {
        let before = binding.members.len();
        let (role, plain) = (&binding.role, binding.condition.is_none());
        binding.members.retain(|member| plain && due.iter().any(|(by, who)| by == role && who == member));
        changed |= binding.members.len() != before;
    }
    policy.bindings.retain(|binding| !binding.members.is_empty());
    due.iter().fold(changed, |changed, (role, member)| bind_one(policy, role, member) | changed)
}

/// The roles and members of a policy that are not among these, or apply under a condition.
pub(crate) fn strangers<'p>(policy: &'p Policy, due: &[(String, String)]) -> Vec<(&'p str, &'p str)> {
    let each = policy.bindings.iter().flat_map(|binding| {
        let plain = binding.condition.is_none();
        binding.members.iter().map(move |member| (binding.role.as_str(), member.as_str(), plain))
    });
    let stranger = |(role, member, plain): &(&str, &str, bool)| {
        !*plain || !due.iter().any(|(by, who)| by == role && who == member)
    };
    each.filter(stranger).map(|(role, member, _)| (role, member)).collect()
}

/// The roles by which a member is bound, and should not be.
pub(crate) fn beyond<'p>(policy: &'p Policy, member: &str, due: &[Bound<'_>]) -> Vec<&'p str> {
    let bound = policy.bindings.iter().filter(|binding| binding.members.iter().any(|found| found == member));
    bound.filter(|binding| !due.iter().any(|due| is(binding, due))).map(|binding| binding.role.as_str()).collect()
}

/// The roles by which a member is not bound, and should be.
pub(crate) fn lacking<'d>(policy: &Policy, member: &str, due: &[Bound<'d>]) -> Vec<&'d str> {
    let binds = |due: &Bound<'_>| {
        policy.bindings.iter().any(|binding| is(binding, due) && binding.members.iter().any(|found| found == member))
    };
    due.iter().filter(|due| !binds(due)).map(|(role, _)| *role).collect()
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

    #[test]
    fn a_member_is_bound_by_what_is_wanted_and_others_are_left_alone() {
        let theirs = Binding::new().set_role("roles/viewer").set_members(["user:them"]);
        let given = Binding::new().set_role("roles/owner").set_members(["serviceAccount:us", "user:x"]);
        let mut policy = Policy::new().set_bindings([theirs.clone(), given]);
        let condition = Condition { title: "only a".to_owned(), expression: "resource.name == \"a\"".to_owned() };
        let wanted = [("projects/p/roles/alien.new", Some(&condition)), ("projects/p/roles/alien.new", None)];
        assert_eq!(beyond(&policy, "serviceAccount:us", &wanted), ["roles/owner"]);
        assert_eq!(lacking(&policy, "serviceAccount:us", &wanted), ["projects/p/roles/alien.new"; 2]);
        assert!(bind(&mut policy, "serviceAccount:us", &wanted));
        assert!(!bind(&mut policy, "serviceAccount:us", &wanted), "the same again changes nothing");
        assert!(beyond(&policy, "serviceAccount:us", &wanted).is_empty());
        assert!(lacking(&policy, "serviceAccount:us", &wanted).is_empty());
        assert_eq!(policy.bindings.len(), 4);
        assert_eq!(policy.bindings[0], theirs);
        assert_eq!(policy.bindings[1].members, ["user:x"]);
        assert_eq!(policy.bindings[2].condition.as_ref().unwrap().expression, condition.expression);
        assert!(bind(&mut policy, "serviceAccount:us", &[]));
        assert_eq!(policy.bindings.len(), 2, "a binding of nobody is taken away: {policy:?}");
    }

    #[test]
    fn only_those_who_may_use_an_account_are_left_in_its_policy() {
        let due = [("r".to_owned(), "serviceAccount:vendor".to_owned())];
        let whenever = Expr::new().set_title("t").set_expression("true");
        let mut policy = Policy::new().set_bindings([
            Binding::new().set_role("r").set_members(["serviceAccount:vendor", "user:x"]),
            Binding::new().set_role("r").set_members(["serviceAccount:vendor"]).set_condition(whenever),
            Binding::new().set_role("roles/owner").set_members(["user:y"]),
        ]);
        let strange = [("r", "user:x"), ("r", "serviceAccount:vendor"), ("roles/owner", "user:y")];
        assert_eq!(strangers(&policy, &due), strange);
        assert!(only(&mut policy, &due));
        assert!(!only(&mut policy, &due) && strangers(&policy, &due).is_empty(), "{policy:?}");
        assert_eq!(policy.bindings, [Binding::new().set_role("r").set_members(["serviceAccount:vendor"])]);
        assert!(only(&mut policy, &[]) && policy.bindings.is_empty());
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
