//! The names of everything in a deployment, and the lookup from a full name back to the thing.

use std::collections::HashMap;

use super::coverage::Coverage;
use super::placement::{Cloud, Kinds, Placed};
use crate::permission::{Grants, Permissions, Subject};
use crate::stack::Stack;

/// The full names of everything in a deployment, by subject. `P` is the cloud's enum of scopes.
#[derive(Debug, Clone)]
pub struct Names<P> {
    resources: Vec<Named<P>>,
    deployment: Vec<(P, String)>,
    management: Vec<(P, String)>,
    runtime: Vec<Vec<(P, String)>>,
}

/// A resource's own things, the identity that its code runs under, and the one that it is started as if that is another.
#[derive(Debug, Clone)]
struct Named<P> {
    things: Vec<(P, String)>,
    identities: [Option<usize>; 2],
}

/// One thing of a deployment, with its full name.
#[derive(Debug, Clone, Copy)]
pub struct NamedResource<'n, P> {
    /// Its full name. For sub-resources it may be a pattern that can match nothing else.
    pub name: &'n str,
    /// Its scope.
    pub scope: P,
    /// The subject that it belongs to.
    pub subject: Subject,
}

impl<P: Copy + Eq> Names<P> {
    /// Names everything in a deployment.
    #[must_use]
    pub(crate) fn of<C: Cloud<Scope = P>>(stack: &Stack, target: &C::Target, permissions: &Permissions) -> Self {
        fn named<P>(name: impl FnOnce(&mut Vec<(P, String)>)) -> Vec<(P, String)> {
            let mut things = Vec::new();
            name(&mut things);
            things
        }
        let resources = stack.resources().iter().map(|resource| {
            let profile = resource.settings().compute().map(|compute| compute.profile);
            let identity = profile.and_then(|profile| permissions.runtime_position(profile));
            let is_apart = C::STARTED_APART.contains(&resource.kind());
            let platform = permissions.platform_position().filter(|_| is_apart);
            let placed = Placed { stack, resource, target };
            Named { things: named(|things| C::Kinds::name(&placed, things)), identities: [identity, platform] }
        });
        let identity = |grants: &Grants| named(|things| C::name_identity(&grants.holder, target, things));
        Self {
            resources: resources.collect(),
            deployment: named(|things| C::name_shared(stack, target, things)),
            management: identity(&permissions.management),
            runtime: permissions.runtime.iter().map(identity).collect(),
        }
    }

    /// The cloud's full name of a resource.
    #[must_use]
    pub fn id(&self, position: usize) -> &str {
        self.resources.get(position).and_then(|named| named.things.first()).map_or("", |(_, name)| name.as_str())
    }

    /// The cloud's full name of a subject; `None` for what resources share, which is many things or none.
    #[must_use]
    pub(crate) fn of_subject(&self, subject: Subject) -> Option<&str> {
        let things = match subject {
            Subject::Resource(position) => &self.resources.get(position)?.things,
            Subject::Deployment => return None,
            Subject::ManagementIdentity => &self.management,
            Subject::RuntimeIdentity(position) => self.runtime.get(position)?,
        };
        things.first().map(|(_, name)| name.as_str())
    }

    /// The cloud's full name of the identity that trusts the vendor.
    #[must_use]
    pub fn management_identity(&self) -> &str {
        self.management.first().map_or("", |(_, name)| name.as_str())
    }

    /// Whether a resource has this full name.
    #[must_use]
    pub fn has_id(&self, id: &str) -> bool {
        (0..self.resources.len()).any(|position| self.id(position) == id)
    }

    /// The full names of a scope for a subject: its own, those of the identity that its code runs under and of the one that it
    /// is started as, and those that all subjects share.
    pub fn at(&self, scope: P, subject: Subject) -> impl Iterator<Item = &str> {
        let (own, identities) = match subject {
            Subject::Resource(position) => match self.resources.get(position) {
                Some(named) => (named.things.as_slice(), named.identities),
                None => (&[][..], [None; 2]),
            },
            Subject::Deployment => (&[][..], [None; 2]),
            Subject::ManagementIdentity => (self.management.as_slice(), [None; 2]),
            Subject::RuntimeIdentity(position) => (&[][..], [Some(position), None]),
        };
        let identities = identities.into_iter().flatten().filter_map(|position| self.runtime.get(position)).flatten();
        own.iter()
            .chain(identities)
            .chain(&self.deployment)
            .filter(move |(candidate, _)| *candidate == scope)
            .map(|(_, name)| name.as_str())
    }

    /// Every named thing, in order of subjects.
    pub fn things(&self) -> impl Iterator<Item = NamedResource<'_, P>> {
        let resources = self.resources.iter().enumerate().map(|(n, named)| (Subject::Resource(n), &named.things));
        let runtime = self.runtime.iter().enumerate().map(|(n, things)| (Subject::RuntimeIdentity(n), things));
        resources
            .chain([(Subject::Deployment, &self.deployment), (Subject::ManagementIdentity, &self.management)])
            .chain(runtime)
            .flat_map(|(subject, things)| {
                things.iter().map(move |(scope, name)| NamedResource { name, scope: *scope, subject })
            })
    }
}

/// The lookup from a full name in a document to the things of that name.
pub(super) struct Index<'n, P> {
    first: HashMap<&'n str, u32>,
    /// Each thing, with the position of the next one of the same full name.
    things: Vec<(NamedResource<'n, P>, Option<u32>)>,
}

impl<'n, P: Copy + Eq> Index<'n, P> {
    pub(super) fn new(names: &'n Names<P>) -> Self {
        let expected = names.resources.len() * 4;
        let mut index = Self { first: HashMap::with_capacity(expected), things: Vec::with_capacity(expected) };
        for thing in names.things() {
            let Ok(position) = u32::try_from(index.things.len()) else { break };
            let next = index.first.insert(thing.name, position);
            index.things.push((thing, next));
        }
        index
    }

    /// The things of this full name.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &NamedResource<'n, P>> {
        let mut next = self.first.get(name).copied();
        std::iter::from_fn(move || {
            let (thing, after) = self.things.get(usize::try_from(next?).ok()?)?;
            next = *after;
            Some(thing)
        })
    }

    /// The things that a statement covers.
    pub(super) fn within<'s>(&'s self, coverage: Coverage<'s>) -> impl Iterator<Item = &'s NamedResource<'n, P>> {
        self.things.iter().map(|(thing, _)| thing).filter(move |thing| coverage.contains(thing.name))
    }
}
