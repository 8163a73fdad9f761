//! A cloud whose permissions are documents: how they are rendered, measured and read back.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::coverage::Coverage;
use super::documents::{Layers, Size};
use super::layout::Layout;
use super::operation::Escalation;
use super::placement::Cloud;
use crate::permission::Grants;

/// A cloud whose permissions are documents of its own, as typed values: it renders them from grants, and can say of any such
/// document what it allows. What is the same for all of them is done once, by [`render`](super::render()),
/// [`audit`](super::audit()) and [`review`](super::review()).
pub trait AccessControl: Cloud {
    /// One identity and all that it may do, as the cloud's own documents.
    type Principal: Serialize + DeserializeOwned + Clone + PartialEq + fmt::Debug + Send + Sync + 'static;

    /// A condition under which a document allows something.
    type Condition;

    /// The known ways to widen one's own rights.
    fn escalations() -> &'static [Escalation];

    /// Whether a permission pattern covers a permission, as the cloud compares them.
    fn covers(pattern: &str, permission: &str) -> bool;

    /// Renders what one holder may do.
    fn principal(layout: &Layout<Self>, grants: &Grants) -> Self::Principal;

    /// The name of a principal: the [label](crate::permission::Holder::label) of its holder.
    fn label(principal: &Self::Principal) -> &str;

    /// The sizes of the documents, each with the cloud's limit.
    fn sizes(target: &Self::Target, layers: &Layers<Self::Principal>) -> Vec<Size>;

    /// Calls `visit` with everything that the documents allow, denials already taken out where they certainly apply.
    fn allowed<'d>(principal: &'d Self::Principal, visit: &mut dyn FnMut(Allowed<'d, Self>));

    /// The conditions under which alone a permission may be held on a scope, all of them; none for most.
    fn guards(_: Self::Scope) -> &'static [Guard<Self::Scope>] {
        &[]
    }

    /// The values that a condition lets a key have; empty where it does not confine the key.
    fn confined_to<'c>(_: &'c Self::Condition, _: &str) -> &'c [String] {
        &[]
    }

    /// What permissions do not show: where identity, trust, members or the definitions of roles say more than those
    /// that the stack gives. `expected` is what this library renders for the same holder. A sentence each.
    fn excesses(target: &Self::Target, found: &Self::Principal, expected: &Self::Principal) -> Vec<String>;

    /// Whether some request for the permission on the resource could be allowed. `known` are condition keys of the
    /// request with their values; conditions on other keys count as met. Gives the statement that allows it.
    fn may_allow(
        principal: &Self::Principal,
        permission: &str,
        resource: &str,
        known: &[(&str, &str)],
    ) -> Option<String>;
}

/// A condition that keeps a permission where it belongs: a key, and the values it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard<P: 'static> {
    /// These values.
    Fixed {
        /// The key.
        key: &'static str,
        /// The values.
        values: &'static [&'static str],
    },
    /// The name that the subject has at another place. A subject that has none there needs no guard.
    Named {
        /// The key.
        key: &'static str,
        /// The other place.
        by: P,
    },
}

/// Something that documents allow.
pub struct Allowed<'d, C: AccessControl> {
    /// The permission, by name or as a pattern.
    pub permission: Permission<'d>,
    /// What on.
    pub coverage: Coverage<'d>,
    /// Under which condition; none where always.
    pub condition: Option<&'d C::Condition>,
    /// The statement that allows it, for people.
    pub statement: &'d str,
}

impl<C: AccessControl> fmt::Debug for Allowed<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Allowed")
            .field("permission", &self.permission)
            .field("coverage", &self.coverage)
            .field("conditional", &self.condition.is_some())
            .field("statement", &self.statement)
            .finish()
    }
}

/// A permission, as documents name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission<'d> {
    /// Exactly this one.
    Named(&'d str),
    /// Every one that the pattern covers.
    Pattern(&'d str),
    /// Some of those that the pattern covers: what is known of them is visited by name.
    Part(&'d str),
}
