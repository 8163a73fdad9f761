//! GCP for [`alien_core`]: from a stack to service accounts, custom roles and bindings on the narrowest resource; their
//! audit; and an evaluator of what they allow.
//!
//! ```
//! use alien_core::{Stack, Storage};
//! use alien_gcp::Target;
//!
//! let mut stack = Stack::builder("my-app");
//! stack.frozen("data", Storage::new());
//! let stack = stack.build()?;
//! let target = Target {
//!     project: "customer-project".parse()?,
//!     project_number: "123456789012".parse()?,
//!     location: "europe-west3".parse()?,
//!     prefix: "acme".parse()?,
//!     vendor: "vendor@vendor-project.iam.gserviceaccount.com".parse()?,
//! };
//! let rendered = alien_gcp::render(&stack, &target)?;
//! assert!(rendered.report.breaches.is_empty());
//! assert_eq!(
//!     rendered.documents.resources["data"].id,
//!     "//storage.googleapis.com/projects/_/buckets/acme-data-4-123456789012",
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With the feature `client` it also calls GCP: [`provisioner`] for the customer's admin, [`impersonator`] for the vendor.
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
mod target;

use alien_core::cloud::{
    self, Allowed, Cloud, Deployed, Documents, Escalation, Guard, Operation, RenderError, Rendered, Report, Size, Table,
};
use alien_core::permission::{Grants, Holder, Set, SubjectType};
use alien_core::resource::Resource;
use alien_core::{Problem, Stack};

#[cfg(feature = "client")]
pub use client::Config;
#[cfg(feature = "client")]
pub use identity::assume::{Vendor, impersonator, impersonator_through};
use naming::Paths;
use operations::Scope;
use policy::Principal;
#[cfg(feature = "client")]
pub use provision::{Admin, provisioner};
pub use target::{Location, ProjectId, ProjectNumber, Target, VendorAccount};

/// GCP, as [`alien_core::cloud`] knows clouds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gcp {}

/// Renders all three layers of a stack, checks every size and audits the result. No network.
///
/// # Errors
///
/// As [`alien_core::cloud::render`].
pub fn render(stack: &Stack, target: &Target) -> Result<Rendered<Gcp>, RenderError> {
    cloud::render(stack, target)
}

/// Audits documents, wherever they came from, against the stack and the target they are said to be for.
#[must_use]
pub fn audit(stack: &Stack, target: &Target, layers: &cloud::Layers<Principal>) -> Report {
    cloud::audit::<Gcp>(stack, target, layers)
}

impl Cloud for Gcp {
    const NAME: &'static str = "gcp";
    const TRUST: &'static [&'static str] = &["vendor"];

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
        scope == Scope::Project
    }

    fn escalations() -> &'static [Escalation] {
        operations::ESCALATIONS
    }

    fn covers(pattern: &str, permission: &str) -> bool {
        pattern == "*" || pattern == permission
    }

    fn check(stack: &Stack, target: &Target) -> Vec<Problem> {
        let mut problems = Vec::new();
        for resource in stack.resources() {
            resource::check(Paths(target), resource, &mut problems);
            resource::check_among(stack, resource, &mut problems);
        }
        problems.extend(cloud::frozen_logs_are_shared(stack));
        problems
    }

    fn name_resource(resource: &Resource, target: &Target, things: &mut Vec<(Scope, String)>) {
        resource::names(Paths(target), resource, things);
    }

    fn name_shared(_: &Stack, target: &Target, things: &mut Vec<(Scope, String)>) {
        things.push((Scope::Project, Paths(target).project()));
    }

    fn name_identity(holder: &Holder, target: &Target, things: &mut Vec<(Scope, String)>) {
        identity::names(Paths(target), holder, things);
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
        // A condition on the resource's name is part of what a binding is about.
        &[]
    }

    fn confined_to<'c>((): &'c (), _: &str) -> &'c [String] {
        &[]
    }

    fn excesses(target: &Target, found: &Principal, expected: &Principal) -> Vec<String> {
        identity::excesses(target, found, expected)
    }

    fn may_allow(principal: &Principal, permission: &str, resource: &str, _: &[(&str, &str)]) -> Option<String> {
        policy::may_allow(principal, permission, resource).map(str::to_owned)
    }
}
