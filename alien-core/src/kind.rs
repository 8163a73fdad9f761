//! The kinds of resource.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Calls a macro with the list of kinds: each with its docs, its name in code, its word in documents, and its
/// properties. A new kind is one entry here and one file in `resource/`.
#[cfg(not(test))]
macro_rules! for_each_kind {
    ($apply:ident) => {
        list_of_kinds!($apply);
    };
}

/// The same list, with a kind that only the tests have: it shows what adding a kind takes.
#[cfg(test)]
macro_rules! for_each_kind {
    ($apply:ident) => {
        list_of_kinds! { $apply
            /// Something that rings.
            Bell "bell" { is_invoked }
        }
    };
}
pub(crate) use for_each_kind;

macro_rules! list_of_kinds {
    ($apply:ident $($more:tt)*) => {
        $apply! {
            /// Code that runs on demand and scales to zero.
            Function "function" { runs_code is_invoked }
            /// Code that always runs.
            Container "container" { runs_code }
            /// Object storage: objects, by name.
            Storage "storage" { holds_data }
            /// A key-value store: records, by key.
            Kv "kv" { holds_data }
            /// A message queue: each message is handled at least once.
            Queue "queue" { holds_data }
            /// A private network: a private address range.
            Network "network" { }
            $($more)*
        }
    };
}
pub(crate) use list_of_kinds;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $word:literal { $($fact:ident)* })*) => {
        /// The kind of a resource.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "lowercase")]
        #[non_exhaustive]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// Every kind, in the order of documents.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The word used in documents: `function`, `container`, `storage`, `kv`, `queue`, `network`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $word,)*
                }
            }

            const fn facts(self) -> Facts {
                match self {
                    $(Self::$kind => Facts { $($fact: true,)* ..Facts::NONE },)*
                }
            }
        }
    };
}
for_each_kind!(kinds);

/// The properties of a kind.
struct Facts {
    runs_code: bool,
    holds_data: bool,
    is_invoked: bool,
}

impl Facts {
    const NONE: Self = Self { runs_code: false, holds_data: false, is_invoked: false };
}

impl Kind {
    /// The kind of this name; `None` if there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Whether it runs the vendor's code, under the identity of a permission profile.
    #[must_use]
    pub const fn runs_code(self) -> bool {
        self.facts().runs_code
    }

    /// Whether it holds the customer's data.
    #[must_use]
    pub const fn holds_data(self) -> bool {
        self.facts().holds_data
    }

    /// Whether it can be called: by other code, and by the vendor's commands.
    #[must_use]
    pub const fn is_invoked(self) -> bool {
        self.facts().is_invoked
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A kind as a type: [`Function`](crate::Function), [`Container`](crate::Container), [`Storage`](crate::Storage),
/// [`Kv`](crate::Kv), [`Queue`](crate::Queue), [`Network`](crate::Network). Sealed.
pub trait ResourceKind: sealed::Sealed + 'static {
    /// The kind as data.
    const KIND: Kind;
}

pub(crate) mod sealed {
    /// Only this crate can implement it.
    pub trait Sealed {}
}
