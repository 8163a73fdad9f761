//! Renders, measures and evaluates IAM policies.

mod collect;
pub(crate) mod document;
mod evaluate;
mod limits;
mod render;

use alien_core::adapter::{AccessControl, Allowed, Answer, Collected, Escalation, Guard, Guardrail, Layout, Trusted};
use alien_core::{Bounds, Grants, Layers, RegistryGrant, Resource, Settings, Size};

use crate::operations::Scope;
use crate::resource::container;
use crate::target::Target;
use crate::{Aws, identity, operations};

#[cfg(feature = "client")]
pub(crate) use collect::read;
pub use document::*;
#[cfg(feature = "client")]
pub(crate) use evaluate::cuts;
pub use evaluate::{Decision, Request, evaluate, may_allow};

impl AccessControl for Aws {
    type Principal = Principal;
    type Condition = Condition;

    // <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency>
    const ENDS: &'static str = "A session lasts an hour at most. A revocation denies everything to open sessions too; IAM is \
        eventually consistent, so this can take some seconds, and AWS names no bound.";

    fn escalations() -> &'static [Escalation] {
        operations::ESCALATIONS
    }

    fn covers(pattern: &str, permission: &str) -> bool {
        evaluate::covers_action(pattern, permission)
    }

    fn principal(layout: &Layout<Self>, grants: &Grants) -> Principal {
        render::principal(layout, grants)
    }

    fn guardrails(layout: &Layout<Self>) -> Vec<Guardrail> {
        crate::guardrails::guardrails(layout)
    }

    fn registry_grants(layout: &Layout<Self>) -> Vec<RegistryGrant> {
        crate::registry::grants(layout)
    }

    fn collect(layout: &Layout<Self>, answers: &[Answer]) -> Collected<Principal> {
        collect::collect(layout, answers)
    }

    fn label(principal: &Principal) -> &str {
        &principal.name
    }

    fn sizes(_: &Target, layers: &Layers<Principal>) -> Vec<Size> {
        limits::sizes(layers)
    }

    fn allowed<'d>(principal: &'d Principal, visit: &mut dyn FnMut(Allowed<'d, Self>)) {
        evaluate::allowed(principal, visit);
    }

    fn guards(scope: Scope) -> &'static [Guard<Scope>] {
        render::guards(scope)
    }

    fn confined_to<'c>(condition: &'c Condition, key: &str) -> &'c [String] {
        condition.equal_values(key)
    }

    fn confined_if_present<'c>(condition: &'c Condition, key: &str) -> &'c [String] {
        condition.equal_values_if_present(key)
    }

    fn excludes(condition: &Condition, key: &str) -> bool {
        condition.excludes(key)
    }

    fn confined_within(condition: &Condition, key: &str) -> Option<Bounds> {
        condition.within_if_present(key)
    }

    fn bounds(resource: &Resource, key: &str) -> Option<Bounds> {
        match resource.settings() {
            Settings::Container(container) => container::bounds(container, key),
            _ => None,
        }
    }

    fn requirements(condition: &Condition) -> Vec<String> {
        condition.requirements()
    }

    fn trusted(principal: &Principal) -> Vec<Trusted> {
        identity::trusted(principal)
    }

    fn denials(principal: &Principal) -> Vec<String> {
        evaluate::denials(principal)
    }

    fn session_seconds(principal: &Principal) -> Option<u32> {
        Some(principal.role.max_session_duration)
    }

    fn strangers(_: &Target, found: &Principal, expected: &Principal) -> Vec<String> {
        identity::strangers(found, expected)
    }

    fn excesses(_: &Target, found: &Principal, expected: &Principal) -> Vec<String> {
        identity::excesses(found, expected)
    }

    fn may_allow(principal: &Principal, permission: &str, resource: &str, known: &[(&str, &str)]) -> Option<String> {
        let policies = principal.policies.iter().map(|policy| &policy.document);
        let request = Request::new(permission, resource, known);
        evaluate::may_allow(policies, &request).map(|statement| statement.sid.clone())
    }
}
