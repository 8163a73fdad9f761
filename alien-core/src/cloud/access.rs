//! A cloud whose permissions are documents: how they are rendered, measured and read back.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::collect::{Answer, Collected};
use super::comparison::Trusted;
use super::coverage::Coverage;
use super::documents::{Layers, Size};
use super::guardrail::Guardrail;
use super::layout::Layout;
use super::operation::Escalation;
use super::placement::Cloud;
use super::registry::RegistryGrant;
use crate::permission::Grants;
use crate::resource::{Bounds, Resource};

/// A cloud whose permissions are documents of its own, such as policies or roles. It renders documents from grants, and
/// lists what a document allows. [`render`](super::render()), [`audit`](super::audit()) and [`review`](super::review())
/// build on that, once for all such clouds.
pub trait AccessControl: Cloud {
    /// One identity and everything that it may do, as the cloud's own documents.
    type Principal: Serialize + DeserializeOwned + Clone + PartialEq + fmt::Debug + Send + Sync + 'static;

    /// A condition under which a document allows something.
    type Condition: fmt::Debug;

    /// How long access lasts once it is given, and how soon a revocation takes effect, in sentences for the reviewer.
    const ENDS: &'static str;

    /// The known paths of privilege escalation on this cloud.
    fn escalations() -> &'static [Escalation];

    /// Whether a permission pattern covers a permission, by the cloud's rules.
    fn covers(pattern: &str, permission: &str) -> bool;

    /// Renders the documents of one holder.
    fn principal(layout: &Layout<Self>, grants: &Grants) -> Self::Principal;

    /// Takes what the cloud's own tools print about identities, and says what is missing. A permission that an answer cannot
    /// rule out is taken as allowed. By default, no answer is known.
    fn collect(_: &Layout<Self>, answers: &[Answer]) -> Collected<Self::Principal> {
        let mut collected = Collected::default();
        for answer in answers {
            collected.unread(
                answer,
                format!("no answer of {} is known", Self::NAME),
                "the JSON form of rendered documents",
            );
        }
        collected
    }

    /// The name of a principal: the [label](crate::permission::Holder::label) of its holder.
    fn label(principal: &Self::Principal) -> &str;

    /// The sizes of the documents, each with the cloud's limit.
    fn sizes(target: &Self::Target, layers: &Layers<Self::Principal>) -> Vec<Size>;

    /// Calls `visit` with everything that the documents allow, without what a denial certainly takes away.
    fn allowed<'d>(principal: &'d Self::Principal, visit: &mut dyn FnMut(Allowed<'d, Self>));

    /// The conditions that a permission on this scope must have, all of them. Most scopes need none.
    fn guards(_: Self::Scope) -> &'static [Guard<Self::Scope>] {
        &[]
    }

    /// The values that a condition allows for a key; empty if it does not restrict the key.
    fn confined_to<'c>(_: &'c Self::Condition, _: &str) -> &'c [String] {
        &[]
    }

    /// The values that a condition allows for a key of requests that have it; empty if it does not restrict them.
    fn confined_if_present<'c>(_: &'c Self::Condition, _: &str) -> &'c [String] {
        &[]
    }

    /// Whether a condition allows only requests without a key.
    fn excludes(_: &Self::Condition, _: &str) -> bool {
        false
    }

    /// The numbers that a condition allows for a key of requests that have it; `None` if it does not limit them on both sides.
    fn confined_within(_: &Self::Condition, _: &str) -> Option<Bounds> {
        None
    }

    /// The numbers that the stack allows a resource for a key, in the unit of the key; `None` if it allows every number.
    fn bounds(_: &Resource, _: &str) -> Option<Bounds> {
        None
    }

    /// What a condition requires, each requirement in a text of its own; all of them must hold. Equal requirements give equal
    /// texts.
    fn requirements(condition: &Self::Condition) -> Vec<String> {
        vec![format!("{condition:?}")]
    }

    /// Who may act as a principal, what they may do with it, and under which conditions.
    fn trusted(principal: &Self::Principal) -> Vec<Trusted>;

    /// The denials, each in a text: [`allowed`](Self::allowed) counts only those that are certain.
    fn denials(_: &Self::Principal) -> Vec<String> {
        Vec::new()
    }

    /// How long a session as a principal may last, in seconds; `None` where the documents do not say it.
    fn session_seconds(_: &Self::Principal) -> Option<u32> {
        None
    }

    /// Who may act as a principal and may not by the rendered documents, and who may not and should: a sentence for each.
    /// `expected` is what this library renders for the same holder. Whatever is not the very trust that was rendered is
    /// told: another principal, a pattern, a condition that lets others in or is missing.
    ///
    /// A cloud whose targets can name an [agent](Cloud::agent) implements this; another one may tell it with the
    /// [excesses](Self::excesses).
    fn strangers(_: &Self::Target, _: &Self::Principal, _: &Self::Principal) -> Vec<String> {
        Vec::new()
    }

    /// What else a list of permissions does not show: an identity, members or role definitions that allow more than the
    /// stack asks for. `expected` is what this library renders for the same holder. Returns a sentence for each
    /// excess.
    fn excesses(target: &Self::Target, found: &Self::Principal, expected: &Self::Principal) -> Vec<String>;

    /// Rules of the cloud's own that the customer can set above a deployment, so that less remains to be disclosed.
    fn guardrails(_: &Layout<Self>) -> Vec<Guardrail> {
        Vec::new()
    }

    /// What the owners of registries in other accounts grant, so that the deployment can run its images: one for each
    /// repository.
    fn registry_grants(_: &Layout<Self>) -> Vec<RegistryGrant> {
        Vec::new()
    }

    /// Whether some request for the permission on the resource could be allowed. `known` are condition keys of the
    /// request with their values; conditions on other keys count as met. Returns the statement that allows it.
    fn may_allow(
        principal: &Self::Principal,
        permission: &str,
        resource: &str,
        known: &[(&str, &str)],
    ) -> Option<String>;
}

/// A condition that restricts a permission: a condition key, and the values that it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard<P: 'static> {
    /// The key must have one of these values.
    Fixed {
        /// The condition key.
        key: &'static str,
        /// The allowed values.
        values: &'static [&'static str],
    },
    /// The key must have the name that the subject has in another scope. A subject without a name there needs no guard.
    Named {
        /// The condition key.
        key: &'static str,
        /// The other scope.
        by: P,
    },
    /// As [`Fixed`](Self::Fixed), for requests that have the key. Others need nothing.
    FixedIfPresent {
        /// The condition key.
        key: &'static str,
        /// The allowed values.
        values: &'static [&'static str],
    },
    /// As [`Named`](Self::Named), for requests that have the key. Others need nothing.
    NamedIfPresent {
        /// The condition key.
        key: &'static str,
        /// The other scope.
        by: P,
    },
    /// The key must be a number within the [bounds](AccessControl::bounds) of the subject, for requests that have it. Others
    /// need nothing.
    WithinIfPresent {
        /// The condition key.
        key: &'static str,
    },
    /// The request must not have the key.
    Absent {
        /// The condition key.
        key: &'static str,
    },
}

impl<P> Guard<P> {
    /// The condition key.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Fixed { key, .. }
            | Self::Named { key, .. }
            | Self::FixedIfPresent { key, .. }
            | Self::NamedIfPresent { key, .. }
            | Self::WithinIfPresent { key }
            | Self::Absent { key } => key,
        }
    }
}

/// One permission that documents allow.
pub struct Allowed<'d, C: AccessControl> {
    /// The permission, by name or as a pattern.
    pub permission: Permission<'d>,
    /// What it is allowed on.
    pub coverage: Coverage<'d>,
    /// The condition; `None` if it is always allowed.
    pub condition: Option<&'d C::Condition>,
    /// The name of the statement that allows it, for messages.
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
    /// Every permission that the pattern covers.
    Pattern(&'d str),
    /// Some of the permissions that the pattern covers. The known ones among them are visited by name.
    Part(&'d str),
}
