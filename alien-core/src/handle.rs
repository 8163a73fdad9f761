//! Typed references: to the resources of a stack that is being built, and of a deployment.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::kind::{Kind, ResourceKind};
use crate::lifecycle::{Lifecycle, State};
use crate::name::ResourceId;

/// A reference to a resource of a stack that is being built. Its type has the resource's kind and lifecycle.
///
/// Only a [`Builder`](crate::stack::Builder) creates one. A reference of another builder is refused by
/// [`build`](crate::stack::Builder::build), even if both builders have a resource of the same id.
pub struct Ref<K, L> {
    pub(crate) id: String,
    pub(crate) origin: Origin,
    kind: PhantomData<fn() -> (K, L)>,
}

impl<K: ResourceKind, L: State> Ref<K, L> {
    pub(crate) fn new(id: String, origin: Origin) -> Self {
        Self { id, origin, kind: PhantomData }
    }

    /// The id of the resource.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl<K, L> AsRef<str> for Ref<K, L> {
    fn as_ref(&self) -> &str {
        &self.id
    }
}

impl<K, L> Clone for Ref<K, L> {
    fn clone(&self) -> Self {
        Self { id: self.id.clone(), origin: self.origin.clone(), kind: PhantomData }
    }
}

impl<K: ResourceKind, L: State> fmt::Debug for Ref<K, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ref({} {} `{}`)", L::LIFECYCLE, K::KIND, self.id)
    }
}

/// The builder that a reference came from: equal only to itself and its clones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origin(Arc<()>);

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// A reference whose kind no longer matters, with the builder it came from.
#[derive(Debug, Clone)]
pub struct Mention {
    pub(crate) id: String,
    pub(crate) origin: Origin,
}

impl<K, L> From<&Ref<K, L>> for Mention {
    fn from(reference: &Ref<K, L>) -> Self {
        Self { id: reference.id.clone(), origin: reference.origin.clone() }
    }
}

impl<K, L> From<Ref<K, L>> for Mention {
    fn from(reference: Ref<K, L>) -> Self {
        Self { id: reference.id, origin: reference.origin }
    }
}

/// A handle to a resource of a deployment. Its type has the resource's kind and lifecycle.
///
/// Only a [`Manager`](crate::Manager) creates one, after checking the record.
pub struct Handle<K, L> {
    id: ResourceId,
    kind: PhantomData<fn() -> (K, L)>,
}

impl<K: ResourceKind, L: State> Handle<K, L> {
    pub(crate) const fn new(id: ResourceId) -> Self {
        Self { id, kind: PhantomData }
    }

    /// The resource's id.
    #[must_use]
    pub const fn id(&self) -> &ResourceId {
        &self.id
    }
}

impl<K, L> AsRef<str> for Handle<K, L> {
    fn as_ref(&self) -> &str {
        self.id.as_str()
    }
}

impl<K, L> Clone for Handle<K, L> {
    fn clone(&self) -> Self {
        Self { id: self.id.clone(), kind: PhantomData }
    }
}

impl<K: ResourceKind, L: State> fmt::Debug for Handle<K, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({} {} `{}`)", L::LIFECYCLE, K::KIND, self.id)
    }
}

/// A handle to a resource of a deployment, with its kind and lifecycle as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnyHandle {
    pub(crate) id: ResourceId,
    kind: Kind,
    lifecycle: Lifecycle,
}

impl AnyHandle {
    pub(crate) const fn new(id: ResourceId, kind: Kind, lifecycle: Lifecycle) -> Self {
        Self { id, kind, lifecycle }
    }

    /// The resource's id.
    #[must_use]
    pub const fn id(&self) -> &ResourceId {
        &self.id
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Frozen or live.
    #[must_use]
    pub const fn lifecycle(&self) -> Lifecycle {
        self.lifecycle
    }
}

impl<K: ResourceKind, L: State> From<&Handle<K, L>> for AnyHandle {
    fn from(handle: &Handle<K, L>) -> Self {
        Self::new(handle.id.clone(), K::KIND, L::LIFECYCLE)
    }
}

impl From<&Self> for AnyHandle {
    fn from(handle: &Self) -> Self {
        handle.clone()
    }
}
