//! Two stacks: what changed, who may apply it, and which grants were gained and lost.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checked::Stack;
use crate::lifecycle::Lifecycle;
use crate::name::ResourceId;
use crate::permission::{Grant, Layer, Permissions, Set, Subject};
use crate::problem::{Problem, Problems, Remedy, Rule};
use crate::resource::Resource;

/// What changed from one stack to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Diff {
    /// Resources that changed, sorted by id.
    pub changes: Vec<ResourceChange>,
    /// Grants that were gained and lost, sorted by layer, holder, resource and set.
    pub grants: Vec<GrantChange>,
}

/// A resource that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResourceChange {
    /// Its id.
    pub resource: String,
    /// How it changed.
    #[serde(flatten)]
    pub kind: ChangeKind,
    /// Who may apply it.
    pub who: Who,
    /// The numbers that lie beyond the bounds that the customer approved, each in a sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beyond: Vec<String>,
}

/// How a resource changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "change", rename_all = "lowercase")]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It was removed; or its kind changed, and then it is also [`Added`](Self::Added).
    Removed {
        /// The lifecycle it had.
        lifecycle: Lifecycle,
    },
    /// It was frozen, and is now live.
    Thawed,
    /// It was live, and is now frozen.
    Froze,
    /// Its settings changed.
    Settings {
        /// The lifecycle it had and has.
        lifecycle: Lifecycle,
        /// The fields that changed, as the JSON form names them.
        fields: Vec<String>,
    },
}

/// Who may apply a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// The vendor, by a release.
    Vendor,
    /// The customer's admin, by setting up again.
    #[default]
    Admin,
}

impl Who {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_admin(&self) -> bool {
        *self == Self::Admin
    }
}

/// A grant that was gained or lost.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct GrantChange {
    /// The layer it belongs to.
    pub layer: Layer,
    /// Whose it is: `provisioning`, `management`, `runtime-…`.
    pub holder: String,
    /// The resource it is about, or `deployment` or `identity`.
    pub subject: String,
    /// The permission set.
    pub set: String,
    /// `gained` or `lost`.
    pub change: Delta,
    /// Why it exists, or existed.
    pub reason: String,
    /// Who may apply it: the vendor, if it comes or goes with a resource that the customer lets the vendor create and
    /// delete.
    #[serde(default, skip_serializing_if = "Who::is_admin")]
    pub who: Who,
}

/// Whether a grant was gained or lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Delta {
    /// It is new.
    Gained,
    /// It is gone.
    Lost,
}

impl Delta {
    /// The word used in documents: `gained` or `lost`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gained => "gained",
            Self::Lost => "lost",
        }
    }
}

impl Diff {
    /// The changes that need somebody's approval, each as a problem: frozen resources that changed, resources that were
    /// removed or thawed, and permissions that grew. Empty if there are none.
    #[must_use]
    pub fn refusals(&self) -> Vec<Problem> {
        let mut refusals = self.frozen_changes(|_| true);
        refusals.extend(self.refusals_except_frozen());
        refusals
    }

    /// The same without the changes of frozen resources, for a vendor who intends them. The customer's admin then
    /// applies those.
    #[must_use]
    pub fn refusals_except_frozen(&self) -> Vec<Problem> {
        let mut refusals = Vec::new();
        let mut refuse = |at: &str, what: String, help: &str| {
            refusals.push(Problem::error(Rule::SetFit, what, help.to_owned()).at(at));
        };
        for change in &self.changes {
            match change.kind {
                ChangeKind::Removed { .. } if change.who == Who::Admin => {
                    refuse(&change.resource, "removed".to_owned(), "keep it, or let the customer's admin apply it");
                }
                ChangeKind::Thawed => {
                    let what = "frozen before, live now: the vendor could update it".to_owned();
                    refuse(&change.resource, what, "keep it frozen, or let the customer's admin approve it");
                }
                ChangeKind::Removed { .. } | ChangeKind::Added | ChangeKind::Froze | ChangeKind::Settings { .. } => {}
            }
        }
        for grant in self.grants.iter().filter(|grant| grant.who == Who::Admin) {
            if grant.change == Delta::Gained && grant.layer != Layer::Provisioning {
                let what = format!("{} gains `{}` ({})", grant.holder, grant.set, grant.reason);
                refuse(&grant.subject, what, "take it back, or let the customer's admin approve it");
            }
        }
        refusals
    }

    /// Whether the vendor or the deployed code gains a permission. What the admin needs to set up is not counted.
    #[must_use]
    pub fn grows(&self) -> bool {
        self.grants.iter().any(|grant| grant.change == Delta::Gained && grant.layer != Layer::Provisioning)
    }

    /// The changes that only the customer's admin can apply, each as a problem. Empty if the vendor can apply all of
    /// them by an update.
    #[must_use]
    pub fn admin_only(&self) -> Vec<Problem> {
        let mut problems = self.frozen_changes(|change| change.who == Who::Admin);
        // The option that allows them is the admin's, who is asked by an invitation.
        for problem in &mut problems {
            let help =
                "take the change back, or invite the customer to set up again and to allow changes of frozen resources";
            (problem.help, problem.remedy) = (help.to_owned(), Some(Remedy::InviteAgain));
        }
        problems.extend(self.refusals_except_frozen());
        for change in self.changes.iter().filter(|change| change.who == Who::Admin) {
            if problems.iter().all(|problem| problem.subject.as_deref() != Some(change.resource.as_str())) {
                let what = match change.beyond.as_slice() {
                    [] => "this change is the customer's admin's to make".to_owned(),
                    beyond => beyond.join("; "),
                };
                let help = "invite the customer to set up again";
                let problem = Problem::error(Rule::SetFit, what, help.to_owned());
                problems.push(problem.at(&change.resource).remedy(Remedy::InviteAgain));
            }
        }
        let admins = self.grants.iter().filter(|grant| grant.who == Who::Admin);
        for grant in admins.filter(|grant| grant.change == Delta::Lost && grant.layer != Layer::Provisioning) {
            let what = format!("{} loses `{}`", grant.holder, grant.set);
            let help = "invite the customer to set up again: only the customer's admin changes permissions";
            let problem = Problem::error(Rule::SetFit, what, help.to_owned());
            problems.push(problem.at(&grant.subject).remedy(Remedy::InviteAgain));
        }
        problems
    }

    /// The frozen resources that changed, and those that the vendor would delete, among some changes.
    fn frozen_changes(&self, among: impl Fn(&ResourceChange) -> bool) -> Vec<Problem> {
        let frozen = |change: &ResourceChange| {
            let (what, help) = match &change.kind {
                ChangeKind::Settings { lifecycle: Lifecycle::Frozen, fields } => (
                    format!("frozen, but changed: {}", fields.join(", ")),
                    "take the change back, or allow changes of frozen resources and let the customer's admin apply it",
                ),
                ChangeKind::Removed { lifecycle: Lifecycle::Frozen } if change.who == Who::Vendor => (
                    "frozen, but removed, and the customer lets the vendor delete it".to_owned(),
                    "keep it, or allow changes of frozen resources",
                ),
                _ => return None,
            };
            let problem = Problem::error(Rule::SetFit, what, help.to_owned());
            Some(problem.at(&change.resource).remedy(Remedy::AllowFrozenChanges))
        };
        self.changes.iter().filter(|change| among(change)).filter_map(frozen).collect()
    }
}

impl Stack {
    /// Fails if the stack is of another product: a deployment of one product cannot be updated to another.
    pub(crate) fn is_of_product(&self, deployed: &Self) -> Result<(), Problems> {
        if self.name() == deployed.name() {
            return Ok(());
        }
        let what = format!("this is a stack of `{}`, and the deployment is of `{}`", self.name(), deployed.name());
        let help = "give a stack of that name, or the record of another deployment".to_owned();
        Err(Problems(vec![Problem::error(Rule::Name, what, help).at("name")]))
    }

    /// Compares this stack with a previous one: what changed, who may apply each change, and which grants were gained
    /// and lost.
    #[must_use]
    pub fn diff(&self, previous: &Self) -> Diff {
        diff(previous, self, None)
    }

    /// As [`diff`](Self::diff), where the customer has agreed to more than the previous stack still has: a resource that
    /// the vendor deleted, and may create again.
    pub(crate) fn diff_within(&self, previous: &Self, agreed: &Self) -> Diff {
        diff(previous, self, Some(agreed))
    }

    /// Whether the vendor may create and delete a resource.
    pub(crate) fn lets_vendor_create(&self, id: &ResourceId) -> bool {
        self.extensions(id).any(|set| *set == Set::Provision)
    }

    /// Whether the customer has agreed that the vendor creates this resource, as it is.
    fn agrees_to(&self, new: &Resource) -> bool {
        let agreed = self.resource(new.id().as_str()).filter(|_| self.lets_vendor_create(new.id()));
        agreed.is_some_and(|agreed| {
            let fields = new.changed_fields(agreed);
            let is_same = fields.is_empty() || who_applies(agreed, new, &fields) == Who::Vendor;
            agreed.kind() == new.kind()
                && agreed.lifecycle() == new.lifecycle()
                && is_same
                && beyond(agreed, new).is_empty()
        })
    }
}

fn diff(previous: &Stack, next: &Stack, agreed: Option<&Stack>) -> Diff {
    let ids: BTreeSet<&str> =
        previous.resources().iter().chain(next.resources()).map(|resource| resource.id().as_str()).collect();
    let mut changes = Vec::new();
    for id in ids {
        let mut add = |kind, who, beyond| changes.push(ResourceChange { resource: id.to_owned(), kind, who, beyond });
        let mut change = |kind, who| add(kind, who, Vec::new());
        match (previous.resource(id), next.resource(id)) {
            (Some(old), Some(new)) if old.kind() == new.kind() => {
                match (old.lifecycle(), new.lifecycle()) {
                    (Lifecycle::Frozen, Lifecycle::Live) => change(ChangeKind::Thawed, Who::Admin),
                    (Lifecycle::Live, Lifecycle::Frozen) => change(ChangeKind::Froze, Who::Admin),
                    _ => {}
                }
                let fields = new.changed_fields(old);
                if !fields.is_empty() {
                    let beyond = beyond(old, new);
                    let who = if beyond.is_empty() { who_applies(old, new, &fields) } else { Who::Admin };
                    let fields = fields.into_iter().map(str::to_owned).collect();
                    add(ChangeKind::Settings { lifecycle: old.lifecycle(), fields }, who, beyond);
                }
            }
            (old, new) => {
                if let Some(old) = old {
                    let is_vendors = new.is_none() && previous.lets_vendor_create(old.id());
                    let removed = ChangeKind::Removed { lifecycle: old.lifecycle() };
                    change(removed, if is_vendors { Who::Vendor } else { Who::Admin });
                }
                if let Some(new) = new {
                    let is_vendors = old.is_none() && agreed.is_some_and(|agreed| agreed.agrees_to(new));
                    change(ChangeKind::Added, if is_vendors { Who::Vendor } else { Who::Admin });
                }
            }
        }
    }
    let grants = grant_changes(previous, next, agreed, &changes);
    Diff { changes, grants }
}

/// The vendor's update may change code, some settings, and sizes within the bounds that the customer approved. Only the
/// admin changes identity, triggers, addresses, bounds, and everything of the other kinds.
fn who_applies(old: &Resource, new: &Resource, fields: &[&str]) -> Who {
    let live = old.lifecycle() == Lifecycle::Live && new.lifecycle() == Lifecycle::Live;
    let reached = new.settings().describe().updatable();
    if live && fields.iter().all(|field| reached.contains(field)) { Who::Vendor } else { Who::Admin }
}

/// The numbers of live code that lie beyond the bounds that the customer approved.
fn beyond(old: &Resource, new: &Resource) -> Vec<String> {
    if old.lifecycle() == Lifecycle::Frozen {
        return Vec::new();
    }
    let (old, new) = (old.settings().describe().scales(), new.settings().describe().scales());
    old.iter().zip(new).filter_map(|(old, new)| old.refusal(new)).collect()
}

fn grant_changes(
    previous: &Stack,
    next: &Stack,
    agreed: Option<&Stack>,
    changes: &[ResourceChange],
) -> Vec<GrantChange> {
    let (old, new, agreed) = (held(previous), held(next), agreed.map(held).unwrap_or_default());
    let goes = |subject: &str| {
        let is_removed = |change: &ResourceChange| matches!(change.kind, ChangeKind::Removed { .. });
        let is_gone = |change: &&ResourceChange| change.resource == subject && is_removed(change);
        changes.iter().find(is_gone).is_some_and(|change| change.who == Who::Vendor)
    };
    let vendor_deletes = changes.iter().any(|change| goes(&change.resource));
    let mut found: Vec<GrantChange> = Vec::new();
    for (mine, other, change) in [(&new, &old, Delta::Gained), (&old, &new, Delta::Lost)] {
        for ((layer, holder, subject, set), reason) in mine {
            let key = (*layer, holder.clone(), subject.clone(), set.clone());
            if !other.contains_key(&key) {
                // What the vendor deletes keeps its grants in the customer's cloud until the admin sets up again, and so
                // does the identity of code that is gone.
                let is_left = || goes(subject) || vendor_deletes && new.keys().all(|(_, other, ..)| other != holder);
                let is_vendors = match change {
                    Delta::Gained => agreed.contains_key(&key),
                    Delta::Lost => is_left(),
                };
                let who = if is_vendors { Who::Vendor } else { Who::Admin };
                let (layer, holder, subject, set) = key;
                found.push(GrantChange { layer, holder, subject, set, change, reason: reason.clone(), who });
            }
        }
    }
    found.sort();
    found
}

/// The reason of every grant, by layer, holder, subject and set.
fn held(stack: &Stack) -> BTreeMap<(Layer, String, String, String), String> {
    let permissions = stack.permissions();
    let mut all = BTreeMap::new();
    for grants in permissions.holders() {
        let holder = grants.holder.name();
        for grant in &grants.grants {
            let key =
                (grants.holder.layer(), holder.clone(), subject_name(stack, permissions, grant), grant.set_name(stack));
            all.insert(key, grant.reason(stack));
        }
    }
    all
}

fn subject_name(stack: &Stack, permissions: &Permissions, grant: &Grant) -> String {
    match grant.subject {
        Subject::Resource(position) => {
            stack.at(position).map_or_else(String::new, |resource| resource.id().to_string())
        }
        Subject::Deployment => "deployment".to_owned(),
        Subject::ManagementIdentity => permissions.management.holder.name(),
        Subject::RuntimeIdentity(position) => {
            permissions.runtime.get(position).map_or_else(String::new, |grants| grants.holder.name())
        }
    }
}
