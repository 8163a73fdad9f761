//! The version of the form in which a rollout is kept.

use crate::form_version::FormVersion;

/// The version of the form of the plan, of the rollout's own row and of a deployment's row.
pub(super) type Version = FormVersion<1, 1>;
