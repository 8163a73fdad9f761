//! Azure for [`alien_core`]: from a stack to managed identities, roles and assignments at the very resource; their
//! audit; and an evaluator of what they allow.
//!
//! ```
//! use alien_core::{Stack, Storage};
//! use alien_azure::Target;
//!
//! let mut stack = Stack::builder("my-app");
//! stack.frozen("data", Storage::new());
//! let stack = stack.build()?;
//! let target = Target {
//!     tenant: "00000000-0000-0000-0000-00000000000f".parse()?,
//!     subscription: "00000000-0000-0000-0000-000000000001".parse()?,
//!     resource_group: "customer-rg".parse()?,
//!     location: "westeurope".parse()?,
//!     prefix: "acme".parse()?,
//!     issuer: "https://oidc.vendor.example.com".parse()?,
//!     subject: "deployment:acme".parse()?,
//! };
//! let rendered = alien_azure::render(&stack, &target)?;
//! assert!(rendered.report.breaches.is_empty());
//! assert!(rendered.documents.resources["data"].id.ends_with("/blobServices/default/containers/acme-data-4"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With the feature `client` it also calls Azure: [`provisioner`] for the customer's admin, [`impersonator`] for the vendor.
//! Without it, it has no network code.

#[cfg(feature = "client")]
mod client;
mod identity;
#[cfg(feature = "client")]
mod manage;
mod naming;
pub mod operations;
pub mod policy;
#[cfg(feature = "client")]
mod preflight;
#[cfg(feature = "client")]
mod provision;
mod resource;
#[cfg(feature = "client")]
mod shared;
mod target;

use alien_core::cloud::{
    self, Allowed, Cloud, Deployed, Documents, Escalation, Guard, Operation, RenderError, Rendered, Report, Size, Table,
};
use alien_core::permission::{Grants, Holder, Set, SubjectType};
use alien_core::resource::Resource;
use alien_core::{Kind, Problem, Stack};

#[cfg(feature = "client")]
pub use client::{Config, Endpoint, VendorToken};
pub use identity::AUDIENCE;
#[cfg(feature = "client")]
pub use identity::assume::{Vendor, impersonator};
use naming::Ids;
use operations::Scope;
use policy::Principal;
#[cfg(feature = "client")]
pub use provision::{Admin, provisioner};
pub use target::{Issuer, Location, ResourceGroup, Subject, SubscriptionId, Target, TenantId};

/// Azure, as [`alien_core::cloud`] knows clouds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Azure {}

/// Renders all three layers of a stack, checks every size and audits the result. No network.
///
/// # Errors
///
/// As [`alien_core::cloud::render`].
pub fn render(stack: &Stack, target: &Target) -> Result<Rendered<Azure>, RenderError> {
    cloud::render(stack, target)
}

/// Audits documents, wherever they came from, against the stack and the target they are said to be for.
#[must_use]
pub fn audit(stack: &Stack, target: &Target, layers: &cloud::Layers<Principal>) -> Report {
    cloud::audit::<Azure>(stack, target, layers)
}

impl Cloud for Azure {
    const NAME: &'static str = "azure";
    const TRUST: &'static [&'static str] = &["issuer", "subject"];

    type Scope = Scope;
    type Target = Target;
    type Principal = Principal;
    type Condition = ();

    fn operations() -> &'static Table<Scope> {
        &operations::TABLE
    }

    fn set(topic: SubjectType, set: Set) -> &'static [&'static Operation<Scope>] {
        match topic {
            SubjectType::Kind(kind) => resource::set(kind, set),
            SubjectType::Deployment if set == Set::Setup => identity::deployment_set(),
            SubjectType::Identity if set == Set::Setup => identity::set(),
            SubjectType::Deployment | SubjectType::Identity => &[],
        }
    }

    fn is_shared(scope: Scope) -> bool {
        scope == Scope::Group
    }

    /// Queues stand in one namespace, apps in environments.
    fn needs_shared(resource: &Resource) -> bool {
        resource.kind().runs_code() || resource.kind() == Kind::Queue
    }

    fn escalations() -> &'static [Escalation] {
        operations::ESCALATIONS
    }

    fn covers(pattern: &str, permission: &str) -> bool {
        policy::covers(pattern, permission)
    }

    fn check(stack: &Stack, target: &Target) -> Vec<Problem> {
        let mut problems = Vec::new();
        resource::check(Ids(target), stack, &mut problems);
        problems
    }

    fn name_resource(resource: &Resource, target: &Target, things: &mut Vec<(Scope, String)>) {
        resource::names(Ids(target), resource, things);
    }

    fn name_shared(_: &Stack, target: &Target, things: &mut Vec<(Scope, String)>) {
        things.push((Scope::Group, Ids(target).group()));
    }

    fn name_identity(holder: &Holder, target: &Target, things: &mut Vec<(Scope, String)>) {
        identity::names(Ids(target), holder, things);
    }

    fn principal(deployment: &Deployed<'_, Self>, holding: &Grants) -> Principal {
        policy::principal(deployment, holding)
    }

    fn label(principal: &Principal) -> &str {
        &principal.name
    }

    fn sizes(documents: &Documents<Self>) -> Vec<Size> {
        policy::sizes(documents)
    }

    fn allowed<'d>(principal: &'d Principal, visit: &mut dyn FnMut(Allowed<'d, Self>)) {
        policy::allowed(principal, visit);
    }

    fn guards(_: Scope) -> &'static [Guard<Scope>] {
        // Assignments here have no conditions: one in a document is not even read.
        &[]
    }

    fn confined_to<'c>((): &'c (), _: &str) -> &'c [String] {
        &[]
    }

    fn excesses(_: &Target, found: &Principal, expected: &Principal) -> Vec<String> {
        identity::excesses(found, expected)
    }

    fn may_allow(principal: &Principal, permission: &str, resource: &str, _: &[(&str, &str)]) -> Option<String> {
        policy::may_allow(principal, permission, resource).map(str::to_owned)
    }
}
