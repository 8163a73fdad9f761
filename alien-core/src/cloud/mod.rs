//! The traits that a cloud implements, and what is built on them for every cloud: [`render`](render()),
//! [`audit`](audit()) and [`review`](review()).

mod access;
mod audit;
mod collect;
mod compare;
mod comparison;
mod coverage;
mod documented;
mod documents;
mod field;
mod guardrail;
mod guards;
mod layout;
mod names;
mod operation;
mod placement;
mod promises;
mod registry;
mod render;
mod report;
mod review;
mod settings;
mod writes;

pub use access::{AccessControl, Allowed, Guard, Permission};
pub use audit::audit_layers;
pub use collect::{Answer, Collected};
pub use compare::compare;
pub use comparison::{
    Comparison, DenialChange, IdentityChange, PermissionChange, Right, RightChange, SessionChange, TrustChange, Trusted,
};
pub use coverage::{Coverage, glob};
pub use documented::{Documented, Reviewed, audit, review};
pub use documents::{Documents, LayerDocuments, Layers, Physical, Size};
pub use field::{Field, Giver};
pub use guardrail::Guardrail;
pub use layout::Layout;
pub use names::{NamedResource, Names};
pub use operation::{Effect, Escalation, Operation, Table};
pub(crate) use placement::for_tuples;
pub use placement::{Cloud, CloudTarget, Kinds, On, Placed, Rows};
pub(crate) use placement::{check, chosen_code, in_chosen_form};
pub use registry::RegistryGrant;
pub use render::{RenderError, Rendered, frozen_logs_are_shared, render, render_beyond_limits};
pub use report::{Breach, Disclosure, DisclosureKind, Promise, Report};
pub use review::{Beyond, Pulled, PulledFrom, Review, ReviewGrant, ReviewRow};
pub use settings::{Settings, Whose};
pub use writes::{Fate, Fields, Keeper, field_drift};
