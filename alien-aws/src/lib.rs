//! AWS for [`alien_core`]: renders a stack as roles, trust policies and permission policies with exact ARNs, audits
//! them, and evaluates what policies allow.
//!
//! ```
//! use alien_aws::{Aws, Target, Trust};
//! use alien_core::{Stack, Storage};
//!
//! let mut stack = Stack::builder("my-app");
//! stack.frozen("data", Storage::new());
//! let stack = stack.build()?;
//! let target = Target {
//!     account: "222222222222".parse()?,
//!     region: "eu-central-1".parse()?,
//!     prefix: "acme".parse()?,
//!     trust: Trust::Vendor {
//!         vendor: "arn:aws:iam::111111111111:role/vendor".parse()?,
//!         external_id: "acme-7f3a".parse()?,
//!     },
//! };
//! let rendered = alien_core::render(&stack, &target)?;
//! assert!(rendered.report.breaches.is_empty());
//! assert_eq!(rendered.documents.resources["data"].id, "arn:aws:s3:::acme-data-4-222222222222");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With the feature `client` it also calls AWS: [`admin`] for the customer's admin, [`vendor`] for the vendor, each with a
//! [`Config`]. Without it, the crate has no network code.

#[cfg(feature = "client")]
mod client;
mod cloud;
mod cluster;
#[cfg(feature = "client")]
mod connect;
mod guardrails;
mod identity;
mod naming;
pub mod operations;
pub mod policy;
#[cfg(feature = "client")]
mod preflight;
#[cfg(feature = "client")]
mod provider;
mod registry;
mod resource;
mod target;
#[cfg(all(test, feature = "client"))]
mod testing;
mod variables;

use alien_core::adapter::{Cloud, Holder, Layout, Rows, Table};
use alien_core::{
    Container, Field, Function, Kind, Kv, Network, Prefix, Problem, Queue, RegistryGrant, Rule, Stack, Storage,
};

#[cfg(feature = "client")]
pub use client::Config;
pub use cloud::Aws;
#[cfg(feature = "client")]
pub use connect::Adapter;
#[cfg(feature = "client")]
pub use identity::assume::{agent, vendor};
use naming::Arns;
pub use naming::RESOURCE_TAG;
use operations::Scope;
#[cfg(feature = "client")]
pub use provider::admin;
pub use target::{
    AccountId, Agent, AgentPrincipal, ClusterIssuer, ExternalId, PolicyArn, Region, RolePath, Target, Trust,
    VendorPrincipal,
};

impl Cloud for Aws {
    const NAME: &'static str = "aws";
    const ACCOUNT: &'static str = "account";
    const TARGET: &'static [Field] = &[
        Field::place::<AccountId>("account", "the account that the deployment goes to, 12 digits"),
        Field::place::<Region>("region", "the region, `eu-central-1`"),
        Field::place::<Prefix>("prefix", "the name of the deployment; the names of everything it makes begin with it"),
        Field::trust::<VendorPrincipal>(
            "vendor",
            "the ARN of the vendor's role or user that may assume the management role",
        ),
        Field::trust::<ExternalId>(
            "externalId",
            "the external id that the vendor must present to assume the management role",
        )
        .made(|_| format!("alien-{}", uuid::Uuid::new_v4().simple())),
        Field::agent::<AgentPrincipal>(
            "agent",
            "the principal of the account that manages the deployment: the ARN of a role, or \
             `system:serviceaccount:NAMESPACE:NAME@` and the ARN of an EKS cluster's OIDC provider",
        ),
    ];

    fn agent(target: &Target) -> Option<String> {
        target.agent()
    }

    fn place(target: &Target) -> &str {
        target.region.as_str()
    }

    // On Fargate a task is started as its execution role, whose credentials its containers do not get
    // (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html>).
    const STARTED_APART: &'static [Kind] = &[Kind::Container];

    type Scope = Scope;
    type Target = Target;
    type Kinds = (Function, Container, Storage, Kv, Queue, Network);

    fn operations() -> &'static Table<Scope> {
        &operations::TABLE
    }

    fn identity_set() -> Rows<Self> {
        identity::set()
    }

    fn shared_set() -> Rows<Self> {
        cluster::set()
    }

    fn is_shared(scope: Scope) -> bool {
        matches!(scope, Scope::Account | Scope::EcsLinkedRole)
    }

    fn name_shared(stack: &Stack, target: &Target, things: &mut Vec<(Scope, String)>) {
        cluster::names(Arns(target), stack, things);
        things.push((Scope::Account, "*".to_owned()));
    }

    fn name_identity(holder: &Holder, target: &Target, things: &mut Vec<(Scope, String)>) {
        identity::names(Arns(target), holder, things);
    }

    fn is_private(image: &str) -> bool {
        registry::Repository::of_image(image).is_some()
    }

    fn registry_grants(layout: &Layout<Self>) -> Vec<RegistryGrant> {
        registry::grants(layout)
    }

    fn check(_: &Stack, target: &Target) -> Vec<Problem> {
        let Trust::Vendor { vendor, .. } = &target.trust else { return Vec::new() };
        if vendor.partition() == target.region.partition() {
            return Vec::new();
        }
        let what = format!("the vendor `{vendor}` is in another partition than the region `{}`", target.region);
        let help = "name a vendor principal of the region's partition: roles cannot be assumed across partitions";
        vec![Problem::error(Rule::Cloud, what, help.to_owned()).at("vendor")]
    }
}
