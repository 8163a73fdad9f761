//! Renders, measures and evaluates custom roles and bindings.

mod collect;
pub(crate) mod document;
mod evaluate;
mod limits;
mod render;

use alien_core::adapter::{AccessControl, Allowed, Answer, Collected, Escalation, Guardrail, Layout, Trusted};
use alien_core::{Grants, Layers, RegistryGrant, Size};

use crate::target::Target;
use crate::{Gcp, identity, operations};

#[cfg(feature = "client")]
pub(crate) use document::exact_names;
pub use document::*;
pub use evaluate::may_allow;

impl AccessControl for Gcp {
    type Principal = Principal;
    type Condition = Condition;

    // <https://docs.cloud.google.com/iam/docs/access-change-propagation>
    const ENDS: &'static str = "A token lasts an hour at most. A revocation takes away what tokens issued before can do too; Google \
        takes two minutes typically to propagate this, and sometimes seven or more.";

    fn escalations() -> &'static [Escalation] {
        operations::ESCALATIONS
    }

    fn covers(pattern: &str, permission: &str) -> bool {
        pattern == "*" || pattern == permission
    }

    fn principal(layout: &Layout<Self>, grants: &Grants) -> Principal {
        render::principal(layout, grants)
    }

    fn guardrails(layout: &Layout<Self>) -> Vec<Guardrail> {
        crate::guardrails::guardrails(layout)
    }

    fn registry_grants(layout: &Layout<Self>) -> Vec<RegistryGrant> {
        crate::resource::compute::registry_grants(layout)
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

    // A condition on the resource's name is part of what a binding covers, so no scope needs a guard.
    fn allowed<'d>(principal: &'d Principal, visit: &mut dyn FnMut(Allowed<'d, Self>)) {
        evaluate::allowed(principal, visit);
    }

    fn requirements(condition: &Condition) -> Vec<String> {
        vec![condition.expression.clone()]
    }

    fn trusted(principal: &Principal) -> Vec<Trusted> {
        evaluate::trusted(principal)
    }

    fn strangers(_: &Target, found: &Principal, expected: &Principal) -> Vec<String> {
        identity::strangers(found, expected)
    }

    fn excesses(target: &Target, found: &Principal, expected: &Principal) -> Vec<String> {
        identity::excesses(target, found, expected)
    }

    fn may_allow(principal: &Principal, permission: &str, resource: &str, _: &[(&str, &str)]) -> Option<String> {
        evaluate::may_allow(principal, permission, resource).map(str::to_owned)
    }
}
