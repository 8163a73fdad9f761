//! Renders, measures and evaluates role definitions and assignments.

mod collect;
pub(crate) mod document;
mod evaluate;
mod limits;
mod render;

use alien_core::adapter::{AccessControl, Allowed, Answer, Collected, Escalation, Guardrail, Layout, Trusted};
use alien_core::{Grants, Layers, RegistryGrant, Size};

use crate::target::Target;
use crate::{Azure, identity, operations};

pub use document::*;
#[cfg(feature = "client")]
pub(crate) use evaluate::covers;
pub use evaluate::may_allow;
#[cfg(feature = "client")]
pub(crate) use render::role_prefix;

impl AccessControl for Azure {
    type Principal = Principal;
    type Condition = ();

    // <https://learn.microsoft.com/azure/role-based-access-control/troubleshooting>
    const ENDS: &'static str = "Entra says how long a token lasts. A revocation takes away what tokens issued before can do too; Azure \
        says that this propagates within ten minutes.";

    fn escalations() -> &'static [Escalation] {
        operations::ESCALATIONS
    }

    fn covers(pattern: &str, permission: &str) -> bool {
        evaluate::covers(pattern, permission)
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

    // Rendered assignments have no conditions, and a document with one is refused when it is read.
    fn allowed<'d>(principal: &'d Principal, visit: &mut dyn FnMut(Allowed<'d, Self>)) {
        evaluate::allowed(principal, visit);
    }

    fn trusted(principal: &Principal) -> Vec<Trusted> {
        let trusted = principal.federated_credentials.iter().flat_map(|credential| {
            credential.audiences.iter().map(|audience| Trusted {
                who: format!("{} of {}", credential.subject, credential.issuer),
                may: format!("tokens for {audience}"),
                conditions: Vec::new(),
            })
        });
        trusted.collect()
    }

    fn strangers(_: &Target, found: &Principal, expected: &Principal) -> Vec<String> {
        identity::strangers(found, expected)
    }

    fn excesses(_: &Target, found: &Principal, expected: &Principal) -> Vec<String> {
        identity::excesses(found, expected)
    }

    fn may_allow(principal: &Principal, permission: &str, resource: &str, _: &[(&str, &str)]) -> Option<String> {
        evaluate::may_allow(principal, permission, resource).map(str::to_owned)
    }
}
