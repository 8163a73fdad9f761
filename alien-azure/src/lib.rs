//! Azure for [`alien_core`]: renders a stack as managed identities, roles and role assignments on the narrowest
//! resource, audits them, and evaluates what they allow.
//!
//! ```
//! use alien_core::{Stack, Storage};
//! use alien_azure::{Target, Trust};
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
//!     trust: Trust::Vendor {
//!         issuer: "https://oidc.vendor.example.com".parse()?,
//!         subject: "deployment:acme".parse()?,
//!     },
//! };
//! let rendered = alien_core::render(&stack, &target)?;
//! assert!(rendered.report.breaches.is_empty());
//! assert!(rendered.documents.resources["data"].id.ends_with("/blobServices/default/containers/acme-data-4"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With the feature `client` it also calls Azure: [`admin`] for the customer's admin, [`vendor`] for the vendor, each with a
//! [`Config`]. Without it, the crate has no network code.

#[cfg(feature = "client")]
mod client;
mod cloud;
#[cfg(feature = "client")]
mod connect;
mod guardrails;
mod identity;
#[cfg(feature = "client")]
mod issuer;
mod naming;
pub mod operations;
pub mod policy;
#[cfg(feature = "client")]
mod preflight;
#[cfg(feature = "client")]
mod provider;
mod registry;
mod resource;
#[cfg(feature = "client")]
mod shared;
mod target;

use alien_core::adapter::{Cloud, Holder, Rows, Table, frozen_logs_are_shared};
use alien_core::{Container, Field, Function, Kind, Kv, Network, Prefix, Problem, Queue, Resource, Stack, Storage};

#[cfg(feature = "client")]
pub use client::{Config, Endpoint, VendorToken};
pub use cloud::Azure;
#[cfg(feature = "client")]
pub use connect::Adapter;
pub use identity::AUDIENCE;
#[cfg(feature = "client")]
pub use identity::assume::{agent, vendor};
#[cfg(feature = "client")]
pub use issuer::{Discovery, DiscoveryDocument, IssuerKey, IssuerPublicKey, TokenSigner};
use naming::Ids;
use operations::Scope;
#[cfg(feature = "client")]
pub use provider::admin;
pub use target::{
    Agent, AgentPrincipal, ClusterIssuer, Issuer, Location, Machine, ResourceGroup, Subject, SubscriptionId, Target,
    TenantId, Trust,
};

impl Cloud for Azure {
    const NAME: &'static str = "azure";

    /// A role assignment ends with the resource that it is on.
    const VENDOR_CREATES: bool = false;

    const IDENTITY_HAS_ID: bool = true;
    const ACCOUNT: &'static str = "subscription";
    const TARGET: &'static [Field] = &[
        Field::place::<TenantId>("tenant", "the id of the tenant: `az account show` shows it"),
        Field::place::<SubscriptionId>("subscription", "the id of the subscription that the deployment goes to"),
        Field::place::<ResourceGroup>("resourceGroup", "the name of the resource group, which must already exist"),
        Field::place::<Location>("location", "the region, `germanywestcentral`"),
        Field::place::<Prefix>("prefix", "the name of the deployment; the names of everything it makes begin with it"),
        Field::trust::<Issuer>("issuer", "the URL of the issuer whose tokens the management identity accepts"),
        Field::trust::<Subject>(
            "subject",
            "the subject that those tokens must have, a different one for each deployment",
        )
        .or(|deployment| format!("deployment:{deployment}")),
        Field::agent::<AgentPrincipal>(
            "agent",
            "what manages the deployment in the subscription: the resource id of a machine, or \
             `system:serviceaccount:NAMESPACE:NAME@` and the URL of an AKS cluster's issuer",
        ),
    ];

    fn agent(target: &Target) -> Option<String> {
        target.agent()
    }

    fn place(target: &Target) -> &str {
        target.location.as_str()
    }

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
        identity::deployment_set()
    }

    fn is_shared(scope: Scope) -> bool {
        matches!(scope, Scope::Group | Scope::Subscription)
    }

    /// Queues are in the shared namespace, and apps in shared environments.
    fn needs_shared(resource: &Resource) -> bool {
        resource.kind().runs_code() || resource.kind() == Kind::Queue
    }

    fn name_shared(_: &Stack, target: &Target, things: &mut Vec<(Scope, String)>) {
        things.push((Scope::Group, Ids(target).group()));
        things.push((Scope::Subscription, Ids(target).subscription()));
    }

    fn name_identity(holder: &Holder, target: &Target, things: &mut Vec<(Scope, String)>) {
        identity::names(Ids(target), holder, things);
    }

    fn is_private(image: &str) -> bool {
        registry::is_private(image)
    }

    fn check(stack: &Stack, target: &Target) -> Vec<Problem> {
        let refused = stack.resources().iter().filter_map(|resource| Ids(target).refused(resource.id()));
        refused.chain(frozen_logs_are_shared(stack)).chain(identity::to_assign(target)).collect()
    }
}
