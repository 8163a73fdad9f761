//! The table that a security reviewer reads: for each resource, what the vendor can and cannot do.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::AccessControl;
use super::comparison::Trusted;
use super::render::Rendered;
use super::report::{Disclosure, DisclosureKind};
use crate::delivery::{ManagerUrl, RootDigest};
use crate::kind::Kind;
use crate::lifecycle::Lifecycle;
use crate::permission::{
    Access, DataReach, Grant, GrantReason, Grants, Layer, Permissions, Reach, Set, Subject, SubjectType,
};
use crate::resource::Resource;
use crate::stack::Stack;

/// What the vendor can and cannot do, by resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Review {
    /// The cloud's name.
    pub cloud: Cow<'static, str>,
    /// The stack's name.
    pub stack: String,
    /// Who manages it, where releases are pulled; `None` where the vendor does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pulled: Option<Pulled>,
    /// Who may act as the identity that manages it.
    pub trust: Vec<Trusted>,
    /// How long their access lasts, and how soon a revocation takes effect, in sentences.
    pub ends: String,
    /// One row for each resource, sorted by id.
    pub rows: Vec<ReviewRow>,
    /// What the vendor could also write, since a permission to update covers every field of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beyond: Vec<Beyond>,
    /// Every grant, with the cloud's own permissions, sorted by holder as the stack has them.
    pub grants: Vec<ReviewGrant>,
    /// Notes: permissions that the cloud cannot grant more narrowly.
    pub notes: Vec<String>,
}

/// A grant, why it exists, and what it is on the cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReviewGrant {
    /// The layer of its holder.
    pub layer: Layer,
    /// Its holder: `provisioning`, `management`, `runtime-…`.
    pub holder: String,
    /// The permission set, as `queue/heartbeat`.
    pub set: String,
    /// Why it exists.
    pub why: String,
    /// The cloud's own permissions that it gives.
    pub permissions: Vec<String>,
}

/// Who manages a deployment whose releases are pulled, and where they come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pulled {
    /// The principal of the customer's own that manages it.
    pub agent: String,
    /// Where its releases come from; `None` if the review was made without an invitation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PulledFrom>,
}

/// Where the releases of a deployment come from, and whose signatures they must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PulledFrom {
    /// The URL of the vendor's manager.
    #[schemars(with = "String")]
    pub manager: ManagerUrl,
    /// The SHA-256 of the root file that lists the vendor's keys.
    #[schemars(with = "String")]
    pub root: RootDigest,
}

/// In sentences.
impl fmt::Display for Pulled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { agent, from } = self;
        write!(f, "The vendor has no identity here. Only `{agent}`, a principal of yours, manages this deployment.")?;
        if let Some(PulledFrom { manager, root }) = from {
            write!(f, " Its releases come from {manager}, and must be signed by the keys of the root {root}.")?;
        }
        f.write_str(" What the vendor can do below is what this principal can do with the vendor's releases.")
    }
}

/// A row of the review: one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReviewRow {
    /// Its id in the stack.
    pub resource: String,
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Frozen or live.
    pub lifecycle: Lifecycle,
    /// The cloud's id of it: an ARN (AWS), a full resource name (GCP) or a resource id (Azure).
    pub id: String,
    /// What the vendor can do.
    pub can: Vec<String>,
    /// What the vendor cannot do.
    pub cannot: Vec<String>,
    /// The data that the vendor can reach by replacing the resource's code; empty if the vendor may not replace it, or
    /// if the code reaches no data.
    pub reach: Vec<String>,
}

/// What whoever holds a permission to update could also do with some resources, beyond what an update of this library does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Beyond {
    /// The resources, sorted by id.
    pub resources: Vec<String>,
    /// The permission.
    pub permission: String,
    /// What its holder could do with each of them, as verb phrases.
    pub what: Vec<String>,
    /// Whether a look at the deployment tells that it was done, and the admin's next set-up sets it back. What is not set back
    /// stays.
    pub set_back: bool,
}

impl Beyond {
    /// What becomes of it, in words.
    #[must_use]
    pub const fn then(&self) -> &'static str {
        if self.set_back { "`status` tells it, and `up` sets it back" } else { "it stays" }
    }
}

/// What the disclosures say that permissions to update could also write: once for all resources of which it is so.
fn beyond(disclosures: &[Disclosure]) -> Vec<Beyond> {
    let mut resources = BTreeMap::<(&str, bool, &str), Vec<String>>::new();
    for disclosure in disclosures {
        let set_back = match disclosure.kind {
            DisclosureKind::Restored => true,
            DisclosureKind::Unguarded => false,
            _ => continue,
        };
        let key = (&*disclosure.permission, set_back, &*disclosure.what);
        resources.entry(key).or_default().extend(disclosure.resource.clone());
    }
    let mut alike = BTreeMap::<(Vec<String>, &str, bool), Vec<String>>::new();
    for ((permission, set_back, what), resources) in resources {
        alike.entry((resources, permission, set_back)).or_default().push(what.to_owned());
    }
    let each = alike.into_iter().map(|((resources, permission, set_back), what)| Beyond {
        resources,
        permission: permission.to_owned(),
        what,
        set_back,
    });
    each.collect()
}

impl<C: AccessControl> Rendered<C> {
    /// Describes in words what the documents let the vendor do. `stack` is the stack that they were rendered from.
    #[must_use]
    pub fn review(&self, stack: &Stack) -> Review {
        review(stack, self)
    }
}

fn review<C: AccessControl>(stack: &Stack, rendered: &Rendered<C>) -> Review {
    let permissions = stack.permissions_with(C::STARTED_APART);
    let mut grants = permissions.management.grants.as_slice();
    let rows = stack.resources().iter().enumerate().map(|(position, resource)| {
        // Grants are sorted by resource, as resources are.
        let own = grants.partition_point(|grant| grant.subject <= Subject::Resource(position));
        let (mine, rest) = grants.split_at(own);
        grants = rest;
        let held: Vec<(Set, GrantReason)> = mine.iter().map(|grant| (grant.set, grant.why)).collect();
        let id = rendered.documents.resources.get(resource.id()).map_or("", |physical| physical.id.as_str());
        row::<C>(resource, id, &held, rendered)
    });
    let rows = rows.collect();
    let wide = |kind: &DisclosureKind| *kind == DisclosureKind::Wide;
    let notes = rendered.report.disclosures.iter().filter(|disclosure| wide(&disclosure.kind)).map(|disclosure| {
        format!("`{}` cannot be given more narrowly here: it {}", disclosure.permission, disclosure.what)
    });
    let pulled = C::agent(&rendered.documents.target).map(|agent| Pulled { agent, from: None });
    let beyond = beyond(&rendered.report.disclosures);
    let (cloud, name, notes) = (C::NAME.into(), stack.name().to_string(), notes.collect());
    let management = rendered.documents.layers.principals(Layer::Management);
    let trust = management.iter().flat_map(C::trusted).collect();
    let (ends, grants) = (C::ENDS.to_owned(), all_grants::<C>(stack, &permissions));
    Review { cloud, stack: name, pulled, trust, ends, rows, beyond, grants, notes }
}

/// Every grant, with what it is on the cloud.
fn all_grants<C: AccessControl>(stack: &Stack, permissions: &Permissions) -> Vec<ReviewGrant> {
    let of_holder = |grants: &Grants| {
        let (layer, holder) = (grants.holder.layer(), grants.holder.name());
        let grant = |grant: &Grant| {
            let rows = grant.subject.subject_type(stack).map(|subject| C::set(subject, grant.set)).unwrap_or_default();
            let permissions: BTreeSet<&str> = rows.iter().map(|row| row.permission).collect();
            ReviewGrant {
                layer,
                holder: holder.clone(),
                set: grant.set_name(stack),
                why: grant.reason(stack),
                permissions: permissions.into_iter().map(str::to_owned).collect(),
            }
        };
        grants.grants.iter().map(grant).collect::<Vec<_>>()
    };
    permissions.holders().flat_map(of_holder).collect()
}

/// That the vendor cannot touch the data of a resource, and by which code it can all the same: both in one line, so that
/// neither is read alone.
fn data_phrase(resource: &Resource, reach: &Reach) -> String {
    let through = reach.through.iter().filter_map(|through| {
        let data = reach.profiles.get(&through.profile)?.iter().find(|data| data.resource == *resource.id())?;
        let access: Vec<&str> = data.access.iter().map(|access| access.name()).collect();
        Some(format!("code that it pushes to `{}` can {} it", through.resource, access.join(" and ")))
    });
    let through: Vec<String> = through.collect();
    if through.is_empty() {
        return "read or write its data".to_owned();
    }
    format!("read or write its data itself; {}", through.join(", and "))
}

fn row<C: AccessControl>(
    resource: &Resource,
    id: &str,
    held: &[(Set, GrantReason)],
    rendered: &Rendered<C>,
) -> ReviewRow {
    let kind = resource.kind();
    let works = |set: Set| {
        let held = held.iter().find(|(candidate, _)| *candidate == set)?;
        (!C::set(SubjectType::Kind(kind), set).is_empty()).then_some(held.1)
    };
    let (mut can, mut cannot) = (Vec::new(), Vec::new());
    let own = |kind: DisclosureKind| {
        let id = Some(resource.id().as_str());
        rendered.report.disclosures.iter().filter(move |found| found.kind == kind && found.resource.as_deref() == id)
    };
    // If a cloud has one permission for creating and for such settings, whoever may create may also change them.
    let indirect = own(DisclosureKind::Indirect).next().is_some();
    for set in Set::ALL.into_iter().filter(|set| set.fits(kind) && set.is_for_management()) {
        let phrase = phrase(set, kind);
        match works(set) {
            Some(_) if set == Set::Provision && !C::VENDOR_CREATES => {
                can.push("delete it (extended)".to_owned());
                cannot.push("create it".to_owned());
            }
            Some(GrantReason::Extended) => can.push(format!("{phrase} (extended)")),
            Some(_) => can.push(phrase.to_owned()),
            None if set == Set::Reconfigure && indirect => can.push(format!("{phrase} (extended)")),
            None if set == Set::Dispatch && !resource.settings().takes_commands() => {}
            None if set == Set::Management && kind.runs_code() => cannot.push(phrase.to_owned()),
            // The cloud has one permission for harmless and for other settings, so only the admin changes them.
            None if set == Set::Management && resource.lifecycle() == Lifecycle::Live => {
                cannot.push(format!("{phrase}, though it is live: the customer's admin does, at the next set-up"));
            }
            None if set == Set::Management => {}
            None => cannot.push(phrase.to_owned()),
        }
    }
    if works(Set::Management).is_some() {
        let scales = resource.settings().describe().scales();
        let bounded = scales.iter().filter_map(|scale| Some((scale.what, scale.given?)));
        can.extend(bounded.map(|(what, bounds)| format!("set {what} to {bounds}")));
    }
    for disclosure in own(DisclosureKind::Reveals) {
        can.push(format!("see {} (shown by `{}`)", disclosure.what, disclosure.permission));
    }
    if resource.settings().is_public() {
        can.push("call it over HTTPS, as anyone can".to_owned());
    }
    if kind.holds_data() {
        cannot.push(data_phrase(resource, &rendered.report.reach));
    }
    let reach = rendered.report.reach.of(resource.id()).unwrap_or_default().iter().map(reach_phrase).collect();
    ReviewRow {
        resource: resource.id().to_string(),
        kind,
        lifecycle: resource.lifecycle(),
        id: id.to_owned(),
        can,
        cannot,
        reach,
    }
}

/// What a set lets the vendor do, in words.
fn phrase(set: Set, kind: Kind) -> &'static str {
    match set {
        Set::Heartbeat => "see its health and settings",
        Set::Management if kind.runs_code() => "push code and settings",
        Set::Logs => "read its logs",
        Set::Dispatch => "send it commands",
        Set::Provision => "create or delete it",
        Set::Reconfigure if kind.holds_data() => "change settings that can move or destroy its data",
        _ => "change its settings",
    }
}

fn reach_phrase(data: &DataReach) -> String {
    let mut phrase = String::new();
    for access in &data.access {
        if !phrase.is_empty() {
            phrase.push_str(" and ");
        }
        phrase.push_str(access.name());
    }
    // Writing to a string cannot fail.
    let _ = write!(phrase, " `{}`", data.resource);
    if data.access == [Access::Invoke] {
        phrase.push_str(" (and what its code lets callers reach)");
    }
    phrase
}
