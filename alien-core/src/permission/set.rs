//! Permission sets: what may be asked for, by name.

use std::fmt;
use std::marker::PhantomData;

use serde::{Serialize, Serializer};

use crate::kind::Kind;

/// What a permission set lets its holder do. Together with a [`Kind`], it is a [`SetName`], as `queue/data-read`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Set {
    /// See health and settings, no data.
    Heartbeat,
    /// Read and update code and configuration; no create, no delete, no data.
    Management,
    /// Read logs.
    Logs,
    /// Send commands.
    Dispatch,
    /// Create, delete, and update what cannot move data.
    Provision,
    /// Change settings that can hand data to someone or destroy it.
    Reconfigure,
    /// Read data.
    DataRead,
    /// Write and delete data.
    DataWrite,
    /// Call the deployed code.
    Invoke,
    /// What only the customer's admin ever does: identities, trust, and what guards data. Derived, never asked for.
    Setup,
    /// What the platform needs so that deployed code runs: its own logs, its triggers, its commands. Derived,
    /// never asked for.
    Run,
}

impl Set {
    /// Every set, in the order of documents.
    pub const ALL: [Self; 11] = [
        Self::Heartbeat,
        Self::Management,
        Self::Logs,
        Self::Dispatch,
        Self::Provision,
        Self::Reconfigure,
        Self::DataRead,
        Self::DataWrite,
        Self::Invoke,
        Self::Setup,
        Self::Run,
    ];

    /// The word used in documents, `data-read`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeat",
            Self::Management => "management",
            Self::Logs => "logs",
            Self::Dispatch => "dispatch",
            Self::Provision => "provision",
            Self::Reconfigure => "reconfigure",
            Self::DataRead => "data-read",
            Self::DataWrite => "data-write",
            Self::Invoke => "invoke",
            Self::Setup => "setup",
            Self::Run => "run",
        }
    }

    /// Whether a kind has the set.
    #[must_use]
    pub const fn fits(self, kind: Kind) -> bool {
        match self {
            Self::Heartbeat | Self::Management | Self::Provision | Self::Setup => true,
            Self::Logs | Self::Run => kind.runs_code(),
            Self::Dispatch | Self::Invoke => kind.is_invoked(),
            Self::Reconfigure => !kind.runs_code(),
            Self::DataRead | Self::DataWrite => kind.holds_data(),
        }
    }

    /// Whether a profile may ask for it.
    #[must_use]
    pub const fn is_for_profiles(self) -> bool {
        matches!(self, Self::Heartbeat | Self::DataRead | Self::DataWrite | Self::Invoke)
    }

    /// Whether `management.extend` may ask for it.
    #[must_use]
    pub const fn is_for_management(self) -> bool {
        matches!(
            self,
            Self::Heartbeat | Self::Management | Self::Logs | Self::Dispatch | Self::Provision | Self::Reconfigure
        )
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// The name of a permission set: `kind/set`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetName {
    /// The kind of resource it is for.
    pub kind: Kind,
    /// What it lets its holder do.
    pub set: Set,
}

impl SetName {
    /// The set of this name, as `queue/data-read`; `None` if there is no such kind or set, or if the kind has no such
    /// set.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (kind, set) = name.split_once('/')?;
        let kind = Kind::named(kind)?;
        let set = Set::ALL.into_iter().find(|candidate| candidate.name() == set)?;
        set.fits(kind).then_some(Self { kind, set })
    }

    /// Every set that can be asked for, in the order of documents.
    pub fn all() -> impl Iterator<Item = Self> {
        Kind::ALL.iter().copied().flat_map(|kind| {
            Set::ALL
                .into_iter()
                .filter(move |set| set.fits(kind) && (set.is_for_profiles() || set.is_for_management()))
                .map(move |set| Self { kind, set })
        })
    }
}

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.name(), self.set.name())
    }
}

impl Serialize for SetName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A collection of sets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sets(u16);

impl Sets {
    /// Adds a set.
    pub const fn insert(&mut self, set: Set) {
        self.0 |= set.bit();
    }

    /// Whether the set is among them.
    #[must_use]
    pub const fn contains(self, set: Set) -> bool {
        self.0 & set.bit() != 0
    }

    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The sets of both collections.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The sets, in the order of documents.
    pub fn iter(self) -> impl Iterator<Item = Set> {
        Set::ALL.into_iter().filter(move |set| self.contains(*set))
    }
}

impl FromIterator<Set> for Sets {
    fn from_iter<I: IntoIterator<Item = Set>>(sets: I) -> Self {
        let mut all = Self::default();
        for set in sets {
            all.insert(set);
        }
        all
    }
}

impl fmt::Debug for Sets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Marker: a set that a profile may hold.
#[derive(Debug, Clone, Copy)]
pub enum ForProfiles {}

/// Marker: a set that `management.extend` may add.
#[derive(Debug, Clone, Copy)]
pub enum ForManagement {}

/// A permission set with its kind and its purpose in the type: `Storage::DATA_READ` fits storages and profiles only.
#[derive(Debug)]
pub struct SetOf<K, Purpose> {
    set: Set,
    marker: PhantomData<fn() -> (K, Purpose)>,
}

impl<K, Purpose> SetOf<K, Purpose> {
    pub(crate) const fn new(set: Set) -> Self {
        Self { set, marker: PhantomData }
    }

    /// The set as data.
    #[must_use]
    pub const fn set(&self) -> Set {
        self.set
    }
}

impl<K, Purpose> Clone for SetOf<K, Purpose> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, Purpose> Copy for SetOf<K, Purpose> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_named_by_its_kind_and_fits_no_other() {
        let name = SetName::named("queue/data-read").unwrap();
        assert_eq!((name.kind, name.set), (Kind::Queue, Set::DataRead));
        assert_eq!(name.to_string(), "queue/data-read");
        for wrong in ["queue", "queue/", "queue/logs", "network/data-read", "Queue/heartbeat", "queue/data-read/x"] {
            assert_eq!(SetName::named(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn data_is_for_profiles_and_never_for_management() {
        for set in [Set::DataRead, Set::DataWrite, Set::Invoke] {
            assert!(set.is_for_profiles() && !set.is_for_management(), "{set:?}");
        }
        for set in [Set::Setup, Set::Run] {
            assert!(!set.is_for_profiles() && !set.is_for_management(), "{set:?}");
        }
    }
}
