//! GCP for [`alien_core`]: renders a stack as service accounts, custom roles and bindings on the narrowest resource,
//! audits them, and evaluates what they allow.
//!
//! ```
//! use alien_core::{Stack, Storage};
//! use alien_gcp::{Target, Trust};
//!
//! let mut stack = Stack::builder("my-app");
//! stack.frozen("data", Storage::new());
//! let stack = stack.build()?;
//! let target = Target {
//!     project: "customer-project".parse()?,
//!     project_number: "123456789012".parse()?,
//!     location: "europe-west3".parse()?,
//!     prefix: "acme".parse()?,
//!     trust: Trust::Vendor("vendor@vendor-project.iam.gserviceaccount.com".parse()?),
//! };
//! let rendered = alien_core::render(&stack, &target)?;
//! assert!(rendered.report.breaches.is_empty());
//! assert_eq!(
//!     rendered.documents.resources["data"].id,
//!     "//storage.googleapis.com/projects/_/buckets/acme-data-4-123456789012",
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With the feature `client` it also calls GCP: [`admin`] for the customer's admin, [`vendor`] for the vendor, each with a
//! [`Config`]. Without it, the crate has no network code.

#[cfg(feature = "client")]
mod client;
mod cloud;
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
mod resource;
mod target;

use alien_core::adapter::{Cloud, Holder, Rows, Table, frozen_logs_are_shared};
use alien_core::{Container, Field, Function, Kv, Network, Prefix, Problem, Queue, Stack, Storage};

#[cfg(feature = "client")]
pub use client::Config;
pub use cloud::Gcp;
#[cfg(feature = "client")]
pub use connect::Adapter;
#[cfg(feature = "client")]
pub use identity::assume::{agent, vendor};
use naming::Paths;
use operations::Scope;
#[cfg(feature = "client")]
pub use provider::admin;
pub use target::{
    AccountName, Agent, AgentPrincipal, Location, ProjectId, ProjectNumber, Target, Trust, VendorAccount,
};

impl Cloud for Gcp {
    const NAME: &'static str = "gcp";
    const ACCOUNT: &'static str = "project";
    const TARGET: &'static [Field] = &[
        Field::place::<ProjectId>("project", "the id of the project that the deployment goes to"),
        Field::place::<ProjectNumber>("projectNumber", "the number of that project"),
        Field::place::<Location>("location", "the region, `europe-west3`"),
        Field::place::<Prefix>("prefix", "the name of the deployment; the names of everything it makes begin with it"),
        Field::trust::<VendorAccount>(
            "vendor",
            "the email of the vendor's service account that may impersonate the management account",
        ),
        Field::agent::<AgentPrincipal>(
            "agent",
            "the principal of the project that manages the deployment: the email of a service account, or \
             `principal://…/subject/ns/NAMESPACE/sa/NAME` of a GKE cluster",
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
        scope == Scope::Project
    }

    fn name_shared(_: &Stack, target: &Target, things: &mut Vec<(Scope, String)>) {
        things.push((Scope::Project, Paths(target).project()));
    }

    fn name_identity(holder: &Holder, target: &Target, things: &mut Vec<(Scope, String)>) {
        identity::names(Paths(target), holder, things);
    }

    fn is_private(image: &str) -> bool {
        resource::compute::is_private(image)
    }

    fn check(stack: &Stack, _: &Target) -> Vec<Problem> {
        [frozen_logs_are_shared(stack), resource::queue::check_triggers(stack)].concat()
    }
}
