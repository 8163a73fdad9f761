//! Two sets of permission documents of one cloud: what each identity gained and lost, by evaluation of what is allowed.

use std::collections::{BTreeMap, BTreeSet};

use super::access::{AccessControl, Permission};
use super::comparison::{
    Comparison, DenialChange, IdentityChange, PermissionChange, Right, RightChange, SessionChange, TrustChange, Trusted,
};
use super::coverage::{Coverage, glob};
use super::documents::Layers;
use super::writes::{Fate, Keeper};
use crate::kind::Kind;
use crate::permission::{Layer, Set, SubjectType};
use crate::stack::Delta;

/// Compares the permission documents of two sides, identity by identity. A layer that only one side has is not compared:
/// it was not asked for on the other.
///
/// What is allowed decides, not how it is written: a right that another one covers is neither gained nor lost.
#[must_use]
pub fn compare<C: AccessControl>(before: &Layers<C::Principal>, after: &Layers<C::Principal>) -> Comparison {
    let mut found = Comparison {
        cloud: C::NAME.into(),
        layers: Vec::new(),
        identities: Vec::new(),
        permissions: Vec::new(),
        trust: Vec::new(),
        denials: Vec::new(),
        sessions: Vec::new(),
    };
    for layer in Layer::ALL {
        let (old, new) = (before.principals(layer), after.principals(layer));
        if old.is_empty() || new.is_empty() {
            continue;
        }
        found.layers.push(layer);
        let labels: BTreeSet<&str> = old.iter().chain(new).map(C::label).collect();
        for label in labels {
            let of = |side: &'_ [C::Principal]| -> Vec<C::Principal> {
                side.iter().filter(|principal| C::label(principal) == label).cloned().collect()
            };
            let (old, new) = (of(old), of(new));
            let change = match (old.is_empty(), new.is_empty()) {
                (true, _) => Some(Delta::Gained),
                (_, true) => Some(Delta::Lost),
                _ => None,
            };
            let identity = || label.to_owned();
            found.identities.extend(change.map(|change| IdentityChange { layer, identity: identity(), change }));
            found.permissions.extend(rights::<C>(layer, label, &old, &new));
            found.trust.extend(trust::<C>(layer, label, &old, &new));
            let denied = |side: &[C::Principal]| -> BTreeSet<String> { side.iter().flat_map(C::denials).collect() };
            let (was, is) = (denied(&old), denied(&new));
            let denial =
                |change, denied: &String| DenialChange { layer, identity: identity(), change, denied: denied.clone() };
            found.denials.extend(is.difference(&was).map(|denied| denial(Delta::Gained, denied)));
            found.denials.extend(was.difference(&is).map(|denied| denial(Delta::Lost, denied)));
            let longest = |side: &[C::Principal]| side.iter().filter_map(C::session_seconds).max();
            if let (Some(before_seconds), Some(seconds)) = (longest(&old), longest(&new))
                && before_seconds != seconds
            {
                found.sessions.push(SessionChange { layer, identity: identity(), before_seconds, seconds });
            }
        }
    }
    found
}

fn trust<C: AccessControl>(
    layer: Layer,
    label: &str,
    old: &[C::Principal],
    new: &[C::Principal],
) -> BTreeSet<TrustChange> {
    let of = |side: &[C::Principal]| -> BTreeSet<Trusted> { side.iter().flat_map(C::trusted).collect() };
    let (old, new) = (of(old), of(new));
    let (added, removed): (Vec<_>, Vec<_>) = (new.difference(&old).collect(), old.difference(&new).collect());
    let told = |trusted: &Trusted, others: &[&Trusted], [whole, part]: [RightChange; 2]| {
        let narrower = others.iter().filter(|other| trusted.covers(other));
        let narrower: Vec<Trusted> = narrower.map(|other| (*other).clone()).collect();
        let change = if narrower.is_empty() { whole } else { part };
        TrustChange { layer, identity: label.to_owned(), change, trusted: trusted.clone(), narrower }
    };
    let mut changes = BTreeSet::new();
    for one in added.iter().filter(|one| !old.iter().any(|other| other.covers(one))) {
        changes.insert(told(one, &removed, [RightChange::Gained, RightChange::Widened]));
    }
    for one in removed.iter().filter(|one| !new.iter().any(|other| other.covers(one))) {
        changes.insert(told(one, &added, [RightChange::Lost, RightChange::Narrowed]));
    }
    changes
}

/// A right, with what is needed to compare it with others.
struct Entry<'d> {
    permission: Permission<'d>,
    coverage: Coverage<'d>,
    right: Right,
}

/// The rights of one side, by their texts, and where the patterns are.
struct Rights<'d> {
    entries: Vec<Entry<'d>>,
    /// The entries of each permission, in lower case: some clouds compare names without case.
    named: BTreeMap<String, Vec<usize>>,
    patterns: Vec<usize>,
}

impl<'d> Rights<'d> {
    fn of<C: AccessControl>(principals: &'d [C::Principal]) -> Self {
        let mut entries = BTreeMap::new();
        for principal in principals {
            C::allowed(principal, &mut |allowed| {
                let mut conditions = allowed.condition.map(C::requirements).unwrap_or_default();
                conditions.sort();
                conditions.dedup();
                let permission = match allowed.permission {
                    Permission::Named(name) | Permission::Pattern(name) => name.to_owned(),
                    Permission::Part(pattern) => format!("a part of {pattern}"),
                };
                let right = Right { permission, on: allowed.coverage.to_string(), conditions };
                let (permission, coverage) = (allowed.permission, allowed.coverage);
                entries.entry(right.clone()).or_insert(Entry { permission, coverage, right });
            });
        }
        let entries: Vec<Entry<'d>> = entries.into_values().collect();
        let mut named = BTreeMap::<String, Vec<usize>>::new();
        let mut patterns = Vec::new();
        for (position, entry) in entries.iter().enumerate() {
            match entry.permission {
                Permission::Named(name) => named.entry(name.to_ascii_lowercase()).or_default().push(position),
                Permission::Pattern(_) | Permission::Part(_) => patterns.push(position),
            }
        }
        Self { entries, named, patterns }
    }

    /// Those that may cover a right: of the same permission, and all patterns.
    fn near(&self, entry: &Entry<'_>) -> impl Iterator<Item = &Entry<'d>> {
        let named = match entry.permission {
            Permission::Named(name) => self.named.get(&name.to_ascii_lowercase()),
            Permission::Pattern(_) | Permission::Part(_) => None,
        };
        named.into_iter().flatten().chain(&self.patterns).filter_map(|position| self.entries.get(*position))
    }
}

impl Entry<'_> {
    /// Whether every request that the other one allows is allowed here too.
    fn covers<C: AccessControl>(&self, other: &Entry<'_>) -> bool {
        let permission = match (self.permission, other.permission) {
            (Permission::Named(one) | Permission::Pattern(one), Permission::Named(other)) => C::covers(one, other),
            // As text: no `?` of a pattern may stand for a `*` of another.
            (Permission::Pattern(one), Permission::Pattern(other) | Permission::Part(other)) => {
                one == other || (!one.contains('?') && C::covers(one, other))
            }
            (Permission::Part(one), Permission::Part(other)) => one == other,
            _ => false,
        };
        permission
            && covers_place(self.coverage, other.coverage)
            && self.right.conditions.iter().all(|condition| other.right.conditions.contains(condition))
    }
}

/// Whether a place is within another. What cannot be told is not.
fn covers_place(wide: Coverage<'_>, narrow: Coverage<'_>) -> bool {
    match (wide, narrow) {
        (Coverage::Anything, _) => true,
        (Coverage::Exact(_) | Coverage::Tree(_) | Coverage::Glob(_), Coverage::Exact(name)) => wide.contains(name),
        (Coverage::Tree(_), Coverage::Tree(root)) => wide.contains(root),
        (Coverage::Glob(pattern), Coverage::Glob(other)) => {
            pattern == other || (!pattern.contains('?') && glob(pattern, other))
        }
        // What is in an account does not show by its name everywhere.
        _ => wide == narrow,
    }
}

/// The fields that an update can write by a right and not by narrower ones, sorted.
fn written<C: AccessControl>(right: &Right, narrower: &[Right]) -> Vec<String> {
    let mut fields = writable::<C>(right);
    for narrow in narrower {
        let kept = writable::<C>(narrow);
        fields.retain(|field| !kept.contains(field));
    }
    fields.into_iter().map(str::to_owned).collect()
}

/// The fields that an update can write by a right: those that none of its conditions and no other permission keeps.
fn writable<C: AccessControl>(right: &Right) -> BTreeSet<&'static str> {
    let mut writable = BTreeSet::new();
    for kind in Kind::ALL.iter().map(|kind| SubjectType::Kind(*kind)) {
        let held = [Set::Management, Set::Dispatch].into_iter().flat_map(|set| C::set(kind, set));
        for row in held.filter(|row| row.permission == right.permission) {
            for fields in C::writes(kind, row) {
                let is_written = match fields.fate {
                    Fate::Call | Fate::Kept(Keeper::Permission(_) | Keeper::Name) => false,
                    Fate::Vendors | Fate::Restored(_) | Fate::Disclosed(_) => true,
                    Fate::Kept(Keeper::Condition(key)) => !right.conditions.iter().any(|one| one.contains(key)),
                };
                if is_written {
                    writable.extend(fields.paths);
                }
            }
        }
    }
    writable
}

fn rights<C: AccessControl>(
    layer: Layer,
    label: &str,
    old: &[C::Principal],
    new: &[C::Principal],
) -> BTreeSet<PermissionChange> {
    let (old, new) = (Rights::of::<C>(old), Rights::of::<C>(new));
    // Those that the other side does not have in the same words.
    fn only<'r, 'd>(mine: &'r Rights<'d>, other: &Rights<'_>) -> Vec<&'r Entry<'d>> {
        let others: BTreeSet<&Right> = other.entries.iter().map(|entry| &entry.right).collect();
        mine.entries.iter().filter(|entry| !others.contains(&entry.right)).collect()
    }
    let (added, removed) = (only(&new, &old), only(&old, &new));
    let mut changes = BTreeSet::new();
    for (mine, others, theirs, [whole, part]) in [
        (&added, &old, &removed, [RightChange::Gained, RightChange::Widened]),
        (&removed, &new, &added, [RightChange::Lost, RightChange::Narrowed]),
    ] {
        for entry in mine.iter().filter(|entry| !others.near(entry).any(|other| other.covers::<C>(entry))) {
            let narrower: Vec<Right> =
                theirs.iter().filter(|other| entry.covers::<C>(other)).map(|other| other.right.clone()).collect();
            let change = if narrower.is_empty() { whole } else { part };
            let identity = label.to_owned();
            changes.insert(PermissionChange {
                layer,
                identity,
                change,
                fields: written::<C>(&entry.right, &narrower),
                right: entry.right.clone(),
                narrower,
            });
        }
    }
    changes
}
