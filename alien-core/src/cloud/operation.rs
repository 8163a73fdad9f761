//! The operation table: the calls that an adapter may make, the permission that each needs, the scope on which the
//! cloud checks it, and its effect.
//!
//! Each cloud has one such table. Permission sets are lists of its rows, documents are rendered from those lists, the
//! audit looks up what a permission does in it, and the code that calls names the row it is about to use.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The effect of a permission: what it lets its holder do on the scope where it is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// See health and settings, no data.
    Observe,
    /// Change code or configuration of something that exists.
    Update,
    /// Create something.
    Create,
    /// Delete something, and what it holds.
    Delete,
    /// Read the customer's data, or names in it.
    ReadData,
    /// Write or delete the customer's data.
    WriteData,
    /// Run deployed code.
    Invoke,
    /// Read logs.
    ReadLogs,
    /// Write logs.
    WriteLogs,
    /// Read program code.
    ReadCode,
    /// Change a setting that can hand data to someone, or destroy it, with no data action involved.
    Redirect,
    /// Place code in a network or an environment.
    Attach,
    /// Give an identity to code.
    Bind,
    /// Change who may do what.
    Control,
    /// Get, make or use a credential.
    Credential,
}

impl Effect {
    /// Every effect.
    pub const ALL: [Self; 15] = [
        Self::Observe,
        Self::Update,
        Self::Create,
        Self::Delete,
        Self::ReadData,
        Self::WriteData,
        Self::Invoke,
        Self::ReadLogs,
        Self::WriteLogs,
        Self::ReadCode,
        Self::Redirect,
        Self::Attach,
        Self::Bind,
        Self::Control,
        Self::Credential,
    ];

    /// The effect in words, as a verb phrase: `writes or deletes data`.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Observe => "sees health and settings",
            Self::Update => "changes code or configuration",
            Self::Create => "creates",
            Self::Delete => "deletes",
            Self::ReadData => "reads data",
            Self::WriteData => "writes or deletes data",
            Self::Invoke => "runs deployed code",
            Self::ReadLogs => "reads logs",
            Self::WriteLogs => "writes logs",
            Self::ReadCode => "reads program code",
            Self::Redirect => "changes a setting that can move or destroy data",
            Self::Attach => "places code in a network or an environment",
            Self::Bind => "gives an identity to code",
            Self::Control => "changes who may do what",
            Self::Credential => "gets, makes or uses a credential",
        }
    }
}

/// One row: one permission that one API operation needs. An operation that needs several has several rows.
///
/// `P` is the cloud's enum of scopes: what a permission can be checked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation<P: 'static> {
    /// The API operation, as the cloud's API reference names it.
    pub call: &'static str,
    /// The permission it needs.
    pub permission: &'static str,
    /// What the permission is checked on.
    pub on: P,
    /// The effect of the permission there.
    pub effect: Effect,
    /// What the answer shows besides health and settings; empty if nothing.
    pub reveals: &'static str,
    /// The URL at which the cloud documents the permission.
    pub source: &'static str,
}

impl<P> fmt::Display for Operation<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (needs {})", self.call, self.permission)
    }
}

/// A cloud's operation table, with an index by permission.
#[derive(Debug)]
pub struct Table<P: 'static> {
    rows: &'static [&'static Operation<P>],
    by_permission: HashMap<&'static str, Vec<&'static Operation<P>>>,
}

impl<P> Table<P> {
    /// Creates a table of these rows.
    #[must_use]
    pub fn new(rows: &'static [&'static Operation<P>]) -> Self {
        let mut by_permission: HashMap<_, Vec<_>> = HashMap::new();
        for row in rows {
            by_permission.entry(row.permission).or_default().push(*row);
        }
        Self { rows, by_permission }
    }

    /// Every row, in the order they were written.
    #[must_use]
    pub const fn rows(&self) -> &'static [&'static Operation<P>] {
        self.rows
    }

    /// The rows that need this permission.
    #[must_use]
    pub fn needing(&self, permission: &str) -> &[&'static Operation<P>] {
        self.by_permission.get(permission).map_or(&[], Vec::as_slice)
    }
}

/// A known path of privilege escalation: whoever holds all of these permissions can get more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Escalation {
    /// The name of the path.
    pub name: &'static str,
    /// The permissions that the path needs, all of them.
    pub required: &'static [&'static str],
}

/// Declares a cloud's operation table: a constant for each row, and `TABLE` with all rows.
///
/// ```
/// mod operations {
///     #[derive(Debug, Clone, Copy, PartialEq, Eq)]
///     pub enum Place { Box }
///
///     alien_core::operations! {
///         on Place;
///         source "https://example.com/boxes" {
///             LOOK = "box:Look" on Box, Observe;
///             PEEK = "box:Peek" on Box, Observe, reveals "the colour of the contents";
///             MOVE = "box:Move" on Box, Update;
///             OPEN = "boxes.open" needs "box:Open" on Box, ReadData;
///         }
///     }
/// }
/// assert_eq!(operations::TABLE.rows().len(), 4);
/// assert_eq!(operations::OPEN.permission, "box:Open");
/// ```
#[macro_export]
macro_rules! operations {
    (
        on $scope:ty;
        $(source $source:literal {
            $($name:ident = $call:literal $(needs $permission:literal)? on $on:ident, $effect:ident $(, reveals $reveals:literal)?;)*
        })*
    ) => {
        $($(
            #[doc = concat!("`", $call, "`")]
            pub const $name: &$crate::adapter::Operation<$scope> = &$crate::adapter::Operation {
                call: $call,
                permission: $crate::operations!(@last $call $($permission)?),
                on: <$scope>::$on,
                effect: $crate::adapter::Effect::$effect,
                reveals: concat!($($reveals)?),
                source: $source,
            };
        )*)*

        /// Every row.
        pub static TABLE: std::sync::LazyLock<$crate::adapter::Table<$scope>> =
            std::sync::LazyLock::new(|| $crate::adapter::Table::new(&[$($($name),*),*]));
    };
    (@last $call:literal) => { $call };
    (@last $call:literal $permission:literal) => { $permission };
}
