//! From a stack to its permissions. Pure, total and short: this file is what a reviewer reads first.

use std::collections::BTreeMap;

use super::grant::{Grant, GrantReason, Grants, Holder, Permissions, Subject};
use super::set::Set;
use crate::kind::Kind;
use crate::lifecycle::Lifecycle;
use crate::resource::Resource;
use crate::stack::{ProfileScope, Stack};

impl Stack {
    /// The three layers of permissions that the stack asks for. They are derived once.
    ///
    /// * *Provisioning*, the customer's admin: `provision`, `reconfigure` and `setup` of everything, and the identities
    ///   and shared things below it.
    /// * *Management*, the vendor: `heartbeat` of everything; `management` and `logs` of what is live; `dispatch` of
    ///   live functions with commands on; and what `management.extend` adds.
    /// * *Runtime*, one identity for each profile that code runs under: what the profile asks for, and `run` of the
    ///   code itself. A cloud may start code as an identity of its own, which then holds `run`:
    ///   [`Layout::permissions`](crate::adapter::Layout::permissions) has that.
    #[must_use]
    pub fn permissions(&self) -> &Permissions {
        self.permissions_by(|stack| derive(stack, &[]))
    }

    /// The same on a cloud that starts code of these kinds as an identity of its own, which then holds their `run`.
    pub(crate) fn permissions_with(&self, started_apart: &[Kind]) -> Permissions {
        derive(self, started_apart)
    }
}

fn derive(stack: &Stack, started_apart: &[Kind]) -> Permissions {
    let runtime = runtime(stack, started_apart);
    Permissions { provisioning: provisioning(stack, &runtime), management: management(stack), runtime }
}

fn provisioning(stack: &Stack, runtime: &[Grants]) -> Grants {
    let identities = runtime.len();
    let mut grants = Vec::with_capacity(stack.resources().len() * 4 + identities + 2);
    for (position, resource) in stack.resources().iter().enumerate() {
        for set in [Set::Heartbeat, Set::Provision, Set::Reconfigure, Set::Setup] {
            // A network of the customer's own is used, never changed.
            let wanted = matches!(set, Set::Heartbeat | Set::Setup) || !resource.is_adopted();
            if wanted && set.fits(resource.kind()) {
                grants.push(Grant { subject: Subject::Resource(position), set, why: GrantReason::SetUp });
            }
        }
    }
    let subjects = [Subject::Deployment, Subject::ManagementIdentity]
        .into_iter()
        .chain((0..identities).map(Subject::RuntimeIdentity));
    let platform = runtime.iter().position(|grants| grants.holder == Holder::Platform).map(Subject::RuntimeIdentity);
    for subject in subjects {
        let why = if platform == Some(subject) { GrantReason::Platform } else { GrantReason::Foundation };
        grants.push(Grant { subject, set: Set::Setup, why });
    }
    of_holder(Holder::Admin, grants)
}

fn management(stack: &Stack) -> Grants {
    let mut grants = Vec::with_capacity(stack.resources().len() * 3);
    for (position, resource) in stack.resources().iter().enumerate() {
        let kind = resource.kind();
        let mut grant = |set: Set, why| {
            if set.fits(kind) {
                grants.push(Grant { subject: Subject::Resource(position), set, why });
            }
        };
        grant(Set::Heartbeat, GrantReason::Watch);
        if resource.lifecycle() == Lifecycle::Live {
            grant(Set::Management, GrantReason::Live);
            grant(Set::Logs, GrantReason::Live);
            if resource.settings().takes_commands() {
                grant(Set::Dispatch, GrantReason::Commands);
            }
        }
        for set in stack.extensions(resource.id()) {
            grant(*set, GrantReason::Extended);
        }
    }
    of_holder(Holder::Vendor, grants)
}

fn runtime(stack: &Stack, started_apart: &[Kind]) -> Vec<Grants> {
    let mut code = BTreeMap::<&str, Vec<Grant>>::new();
    let mut platform = Vec::new();
    for (position, resource) in stack.resources().iter().enumerate() {
        if let Some(compute) = resource.settings().compute() {
            let subject = Subject::Resource(position);
            let own = code.entry(compute.profile).or_default();
            if started_apart.contains(&resource.kind()) {
                platform.push(Grant { subject, set: Set::Run, why: GrantReason::Starts });
            } else {
                own.push(Grant { subject, set: Set::Run, why: GrantReason::Runs });
            }
        }
    }
    let mut holders = Vec::with_capacity(code.len());
    for (profile, scopes) in stack.profiles() {
        // No code runs under an unused profile: there is no identity that could hold its grants.
        let Some(mut grants) = code.remove(profile.as_str()) else { continue };
        for (scope, sets) in scopes {
            let (why, positions) = match scope {
                ProfileScope::All => (GrantReason::ProfileForAll, 0..stack.resources().len()),
                ProfileScope::Resource(id) => match stack.position(id.as_str()) {
                    Some(position) => (GrantReason::Profile, position..position + 1),
                    None => continue,
                },
            };
            for position in positions {
                let kind = stack.at(position).map(Resource::kind);
                for name in sets.iter().filter(|name| Some(name.kind) == kind) {
                    grants.push(Grant { subject: Subject::Resource(position), set: name.set, why });
                }
            }
        }
        holders.push(of_holder(Holder::Profile(profile.clone()), grants));
    }
    if !platform.is_empty() {
        holders.push(of_holder(Holder::Platform, platform));
    }
    holders
}

/// Sorts grants and keeps the first reason where two give the same set on the same subject.
fn of_holder(holder: Holder, mut grants: Vec<Grant>) -> Grants {
    grants.sort_unstable();
    grants.dedup_by_key(|grant| (grant.subject, grant.set));
    Grants { holder, grants }
}
