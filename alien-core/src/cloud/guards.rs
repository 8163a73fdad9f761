//! Compares the conditions in documents with the guards that scopes require.

use std::collections::BTreeSet;

use super::access::{AccessControl, Guard};
use super::layout::Layout;
use super::names::{Index, NamedResource};
use crate::permission::Subject;

/// The things to which a statement's condition restricts it.
pub(super) struct Guards<'a, 'i, C: AccessControl> {
    layout: &'a Layout<C>,
    index: &'i Index<'a, C::Scope>,
    condition: Option<&'a C::Condition>,
    /// The subjects that a key's values name, by key; `None` if a value names nothing of the deployment.
    named: Vec<(&'static str, Option<BTreeSet<Subject>>)>,
}

impl<'a, 'i, C: AccessControl> Guards<'a, 'i, C> {
    pub(super) fn new(
        layout: &'a Layout<C>,
        index: &'i Index<'a, C::Scope>,
        condition: Option<&'a C::Condition>,
    ) -> Self {
        Self { layout, index, condition, named: Vec::new() }
    }

    /// Whether the condition is the one that the thing requires.
    pub(super) fn met(&mut self, thing: &NamedResource<'_, C::Scope>) -> bool {
        self.unmet(thing).is_none()
    }

    /// The key of the first guard that the thing requires and the condition lacks.
    pub(super) fn unmet(&mut self, thing: &NamedResource<'_, C::Scope>) -> Option<&'static str> {
        C::guards(thing.scope).iter().find(|guard| !self.meets(guard, thing)).map(Guard::key)
    }

    fn meets(&mut self, guard: &Guard<C::Scope>, thing: &NamedResource<'_, C::Scope>) -> bool {
        let names = &self.layout.names;
        match *guard {
            Guard::Fixed { key, values } => {
                let given = self.values(key);
                !given.is_empty() && given.iter().all(|given| values.contains(&given.as_str()))
            }
            Guard::Named { key, by } => {
                names.at(by, thing.subject).next().is_none()
                    || self.names_subject(key, self.values(key), by, thing.subject)
            }
            Guard::FixedIfPresent { key, values } => {
                let given = self.values_if_present(key);
                !given.is_empty() && given.iter().all(|given| values.contains(&given.as_str()))
            }
            Guard::NamedIfPresent { key, by } => {
                names.at(by, thing.subject).next().is_none()
                    || self.names_subject(key, self.values_if_present(key), by, thing.subject)
            }
            Guard::WithinIfPresent { key } => {
                let due = self.layout.resource(thing.subject).and_then(|resource| C::bounds(resource, key));
                due.is_none_or(|due| {
                    let given = self.condition.and_then(|condition| C::confined_within(condition, key));
                    given.is_some_and(|given| due.contains(given))
                })
            }
            Guard::Absent { key } => self.condition.is_some_and(|condition| C::excludes(condition, key)),
        }
    }

    /// Whether all values of a key name something of the deployment, and one of them names this subject.
    fn names_subject(&mut self, key: &'static str, values: &[String], by: C::Scope, subject: Subject) -> bool {
        if !self.named.iter().any(|(known, _)| *known == key) {
            let owners = values.iter().map(|value| {
                let owner = self.index.named(value).find(|owner| owner.scope == by);
                owner.map(|owner| owner.subject)
            });
            let owners = owners.collect();
            self.named.push((key, owners));
        }
        let owners = self.named.iter().find(|(known, _)| *known == key).and_then(|(_, owners)| owners.as_ref());
        owners.is_some_and(|owners| owners.contains(&subject))
    }

    fn values(&self, key: &str) -> &'a [String] {
        self.condition.map_or(&[], |condition| C::confined_to(condition, key))
    }

    /// The same for a key that requests may lack. A condition that also takes those away is narrower.
    fn values_if_present(&self, key: &str) -> &'a [String] {
        match self.values(key) {
            [] => self.condition.map_or(&[], |condition| C::confined_if_present(condition, key)),
            values => values,
        }
    }
}
