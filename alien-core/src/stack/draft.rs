//! A stack as it was written, before any rule was checked. Both the builder and the JSON decoder produce one.

use std::collections::BTreeMap;

use crate::lifecycle::Lifecycle;
use crate::resource::{Existing, Settings};
use crate::rollout::Sequence;

/// A stack as it was written.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) name: Option<String>,
    pub(super) resources: Vec<DraftResource>,
    /// The names of sets, by profile name and scope (`*` or a resource id).
    pub(super) profiles: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// What the customer has in place of a resource, by resource id.
    pub(super) existing: BTreeMap<String, Existing>,
    /// The names of sets, by resource id.
    pub(super) extend: BTreeMap<String, Vec<String>>,
}

/// A resource as it was written. What could not be read is absent, and a problem already says so.
#[derive(Debug)]
pub(super) struct DraftResource {
    pub(super) id: Option<String>,
    pub(super) lifecycle: Option<Lifecycle>,
    pub(super) links: Vec<String>,
    pub(super) settings: Option<Settings>,
    pub(super) mark: Option<Sequence>,
}
