//! AWS for [`alien_core`]: from a stack to roles, trust policies and permission policies with exact ARNs; their audit;
//! and an evaluator of what policies decide.
//!
//! ```
//! use alien_aws::{Aws, Target};
//! use alien_core::{Stack, Storage};
//!
//! let mut stack = Stack::builder("my-app");
//! stack.frozen("data", Storage::new());
//! let stack = stack.build()?;
//! let target = Target {
//!     account: "222222222222".parse()?,
//!     region: "eu-central-1".parse()?,
//!     prefix: "acme".parse()?,
//!     vendor: "arn:aws:iam::111111111111:role/vendor".parse()?,
//!     external_id: "acme-7f3a".parse()?,
//! };
//! let rendered = alien_aws::render(&stack, &target)?;
//! assert!(rendered.report.breaches.is_empty());
//! assert_eq!(rendered.documents.resources["data"].id, "arn:aws:s3:::acme-data-4-222222222222");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With the feature `client` it also calls AWS: [`provisioner`] for the customer's admin, [`impersonator`] for the vendor.
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
use alien_core::{Kind, Problem, Rule, Stack};

#[cfg(feature = "client")]
pub use identity::assume::{Vendor, attributed_impersonator, impersonator};
use naming::Arns;
pub use naming::RESOURCE_TAG;
use operations::Scope;
use policy::{Condition, Principal, Request};
#[cfg(feature = "client")]
pub use provision::{Admin, client_config, provisioner};
pub use target::{AccountId, ExternalId, PolicyArn, Region, Target, VendorPrincipal};

/// AWS, as [`alien_core::cloud`] knows clouds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aws {}

/// Renders all three layers of a stack, checks every size and audits the result. No network.
///
/// # Errors
///
/// As [`alien_core::cloud::render`].
pub fn render(stack: &Stack, target: &Target) -> Result<Rendered<Aws>, RenderError> {
    cloud::render(stack, target)
}

/// Audits documents, wherever they came from, against the stack and the target they are said to be for.
#[must_use]
pub fn audit(stack: &Stack, target: &Target, layers: &cloud::Layers<Principal>) -> Report {
    cloud::audit::<Aws>(stack, target, layers)
}

impl Cloud for Aws {
    const NAME: &'static str = "aws";
    const TRUST: &'static [&'static str] = &["vendor", "externalId"];

    type Scope = Scope;
    type Target = Target;
    type Principal = Principal;
    type Condition = Condition;

    fn operations() -> &'static Table<Scope> {
        &operations::TABLE
    }

    fn set(topic: SubjectType, set: Set) -> &'static [&'static Operation<Scope>] {
        match topic {
            SubjectType::Kind(kind) => resource::set(kind, set),
            SubjectType::Deployment if set == Set::Setup => resource::cluster_set(),
            SubjectType::Identity if set == Set::Setup => identity::set(),
            SubjectType::Deployment | SubjectType::Identity => &[],
        }
    }

    fn is_shared(scope: Scope) -> bool {
        matches!(scope, Scope::Account | Scope::EcsLinkedRole)
    }

    fn escalations() -> &'static [Escalation] {
        operations::ESCALATIONS
    }

    fn covers(pattern: &str, permission: &str) -> bool {
        policy::covers_action(pattern, permission)
    }

    fn check(stack: &Stack, target: &Target) -> Vec<Problem> {
        let mut problems = Vec::new();
        if target.vendor.partition() != target.region.partition() {
            let what = format!("the vendor `{}` is of another partition than {}", target.vendor, target.region);
            let help = "name a vendor principal of the same partition: roles are not assumed across partitions";
            problems.push(Problem::error(Rule::Cloud, what, help.to_owned()).at("vendor"));
        }
        for resource in stack.resources() {
            resource::check(Arns(target), resource, &mut problems);
            resource::check_among(stack, resource, &mut problems);
        }
        problems
    }

    fn name_resource(resource: &Resource, target: &Target, things: &mut Vec<(Scope, String)>) {
        resource::names(Arns(target), resource, things);
    }

    fn name_shared(stack: &Stack, target: &Target, things: &mut Vec<(Scope, String)>) {
        if stack.resources().iter().any(|resource| resource.kind() == Kind::Container) {
            resource::cluster(Arns(target), things);
        }
        things.push((Scope::Account, "*".to_owned()));
    }

    fn name_identity(holder: &Holder, target: &Target, things: &mut Vec<(Scope, String)>) {
        identity::names(Arns(target), holder, things);
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

    fn guards(scope: Scope) -> &'static [Guard<Scope>] {
        policy::guards(scope)
    }

    fn confined_to<'c>(condition: &'c Condition, key: &str) -> &'c [String] {
        condition.equal_values(key)
    }

    fn excesses(_: &Target, found: &Principal, expected: &Principal) -> Vec<String> {
        identity::excesses(found, expected)
    }

    fn may_allow(principal: &Principal, permission: &str, resource: &str, known: &[(&str, &str)]) -> Option<String> {
        let policies = principal.policies.iter().map(|policy| &policy.document);
        let request = Request::new(permission, resource, known);
        policy::may_allow(policies, &request).map(|statement| statement.sid.clone())
    }
}
