//! A stack as it was written, before any rule was checked. Builder and JSON form both end here.

use std::collections::BTreeMap;

use crate::lifecycle::Lifecycle;
use crate::resource::{Existing, Settings};

/// A stack as it was written.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) name: Option<String>,
    pub(super) resources: Vec<DraftResource>,
    /// Profile name → scope (`*` or a resource id) → names of sets.
    pub(super) profiles: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// Resource id → what the customer has in its place.
    pub(super) existing: BTreeMap<String, Existing>,
    /// Resource id → names of sets.
    pub(super) extend: BTreeMap<String, Vec<String>>,
}

/// A resource as it was written. What could not be read is absent, and a problem already says so.
#[derive(Debug)]
pub(super) struct DraftResource {
    pub(super) id: Option<String>,
    pub(super) lifecycle: Option<Lifecycle>,
    pub(super) links: Vec<String>,
    pub(super) settings: Option<Settings>,
}
