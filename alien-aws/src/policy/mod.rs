//! Renders, measures and evaluates IAM policies.

pub(crate) mod document;
mod evaluate;
mod limits;
mod render;

use alien_core::adapter::{AccessControl, Allowed, Escalation, Guard, Layout};
use alien_core::{Grants, Guardrail, Layers, Size};

use crate::operations::Scope;
use crate::target::Target;
use crate::{Aws, identity, operations};

pub use document::*;
pub use evaluate::{Decision, Request, evaluate, may_allow};

impl AccessControl for Aws {
    type Principal = Principal;
    type Condition = Condition;

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
