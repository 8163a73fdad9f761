//! What a cloud is to this library: names, an operation table, typed documents, and how to read them.
//!
//! Each cloud implements [`Cloud`]; everything that is the same for all of them is here, once: [`render`], [`audit`]
//! and [`review`](review()).

mod audit;
mod documents;
mod guards;
mod names;
mod operation;
mod render;
mod report;
mod review;

use std::fmt;
use std::hash::Hash;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use audit::audit;
pub use documents::{Documents, LayerDocuments, Layers, Physical, Size};
pub use names::{NamedResource, Names};
pub use operation::{Effect, Escalation, Operation, Table};
pub use render::{RenderError, Rendered, frozen_logs_are_shared, render, render_beyond_limits};
pub use report::{Breach, Disclosure, DisclosureKind, Promise, Report};
pub use review::{Review, ReviewRow, review};

use crate::permission::{Grants, Holder, Permissions, Set, SubjectType};
use crate::problem::Problem;
use crate::resource::Resource;
use crate::stack::Stack;

/// One cloud: what the library must know to render and audit its documents. Nothing here calls the network.
pub trait Cloud: Copy + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// The word used in documents and on the command line.
    const NAME: &'static str;

    /// What a permission can be checked on.
    type Scope: Copy + Eq + Hash + fmt::Debug + Send + Sync + 'static;

    /// Where a deployment goes and whom it trusts.
    type Target: Serialize + DeserializeOwned + Clone + PartialEq + fmt::Debug + Send + Sync;

    /// The fields of a target, in its JSON form, that say whom it trusts: what the vendor's invitation gives.
    const TRUST: &'static [&'static str];

    /// One identity and all that it may do, as the cloud's own documents.
    type Principal: Serialize + DeserializeOwned + Clone + PartialEq + fmt::Debug + Send + Sync;

    /// A condition under which a document allows something.
    type Condition;

    /// The operation table.
    fn operations() -> &'static Table<Self::Scope>;

    /// The operations of a permission set; none where the cloud has no narrow way to give it.
    fn set(topic: SubjectType, set: Set) -> &'static [&'static Operation<Self::Scope>];

    /// Whether things of others can be at or below the place: an account, a project.
    fn is_shared(scope: Self::Scope) -> bool;

    /// Whether a resource needs what the deployment's resources share: what that is stands there first, and goes last.
    fn needs_shared(resource: &Resource) -> bool {
        resource.kind().runs_code()
    }

    /// The known ways to widen one's own rights.
    fn escalations() -> &'static [Escalation];

    /// Whether a permission pattern covers a permission, as the cloud compares them.
    fn covers(pattern: &str, permission: &str) -> bool;

    /// What this cloud does not take of a stack, and what should be known about it.
    fn check(stack: &Stack, target: &Self::Target) -> Vec<Problem>;

    /// Names what belongs to a resource. The first name is the resource's id.
    fn name_resource(resource: &Resource, target: &Self::Target, things: &mut Vec<(Self::Scope, String)>);

    /// Names what the resources of a deployment share.
    fn name_shared(stack: &Stack, target: &Self::Target, things: &mut Vec<(Self::Scope, String)>);

    /// Names the identity of a holder, and what belongs to it.
    fn name_identity(holder: &Holder, target: &Self::Target, things: &mut Vec<(Self::Scope, String)>);

    /// Renders one holding.
    fn principal(deployment: &Deployed<'_, Self>, holding: &Grants) -> Self::Principal;

    /// The name of a principal: the [label](crate::permission::Holder::label) of its holder.
    fn label(principal: &Self::Principal) -> &str;

    /// The sizes of the documents, each with the cloud's limit.
    fn sizes(documents: &Documents<Self>) -> Vec<Size>;

    /// Calls `visit` with everything that the documents allow, denials already taken out where they certainly apply.
    fn allowed<'d>(principal: &'d Self::Principal, visit: &mut dyn FnMut(Allowed<'d, Self>));

    /// The conditions under which alone a permission may be held at a place, all of them; none for most.
    fn guards(scope: Self::Scope) -> &'static [Guard<Self::Scope>];

    /// The values that a condition lets a key have; empty where it does not confine the key.
    fn confined_to<'c>(condition: &'c Self::Condition, key: &str) -> &'c [String];

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

/// A deployment whose documents are being rendered.
#[derive(Debug, Clone, Copy)]
pub struct Deployed<'a, C: Cloud> {
    /// The stack.
    pub stack: &'a Stack,
    /// Its permissions.
    pub permissions: &'a Permissions,
    /// Where it goes.
    pub target: &'a C::Target,
    /// What everything is called there.
    pub names: &'a Names<C::Scope>,
}

impl<'a, C: Cloud> Deployed<'a, C> {
    /// The rows that a holding's grants give, in order of grants, each with its topic, its set and the full names that
    /// its place means there. Rows whose place means nothing in this deployment are left out.
    pub fn granted(
        &self,
        holding: &Grants,
    ) -> impl Iterator<Item = (SubjectType, Set, &'static Operation<C::Scope>, impl Iterator<Item = &'a str>)> {
        holding.grants.iter().flat_map(move |grant| {
            let topic = grant.subject.topic(self.stack);
            topic.into_iter().flat_map(move |topic| {
                C::set(topic, grant.set).iter().filter_map(move |row| {
                    let mut names = self.names.at(row.on, grant.subject).peekable();
                    names.peek().is_some().then_some((topic, grant.set, *row, names))
                })
            })
        })
    }
}

/// Something that documents allow.
pub struct Allowed<'d, C: Cloud> {
    /// The permission, by name or as a pattern.
    pub permission: Permission<'d>,
    /// What on.
    pub coverage: Coverage<'d>,
    /// Under which condition; none where always.
    pub condition: Option<&'d C::Condition>,
    /// The statement that allows it, for people.
    pub statement: &'d str,
}

impl<C: Cloud> fmt::Debug for Allowed<'_, C> {
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

/// What a statement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage<'d> {
    /// Exactly this thing.
    Exact(&'d str),
    /// This thing and all that is below it.
    Tree(&'d str),
    /// Every thing that a pattern of `*` and `?` covers.
    Glob(&'d str),
    /// Everything in the account, project or subscription of this name.
    Whole(&'d str),
    /// Everything.
    Anything,
}

impl Coverage<'_> {
    /// Whether the thing of this full name is within the scope.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => name == *exact,
            Self::Tree(root) => name.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            Self::Glob(pattern) => glob(pattern, name),
            Self::Whole(_) | Self::Anything => true,
        }
    }
}

impl fmt::Display for Coverage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) | Self::Glob(name) => f.write_str(name),
            Self::Tree(root) => write!(f, "{root} and below"),
            Self::Whole(name) => write!(f, "everything in {name}"),
            Self::Anything => f.write_str("everything"),
        }
    }
}

/// Whether a pattern, in which `*` stands for any characters and `?` for one, covers the text.
///
/// ```
/// use alien_core::cloud::glob;
/// assert!(glob("log-group:api:*", "log-group:api:log-stream:1"));
/// assert!(!glob("acme-?", "acme-12"));
/// ```
#[must_use]
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut read) = (0, 0);
    // Where to go on after the last star, and how much of the text it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(read) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, read));
                at += 1;
            }
            Some(&expected) if expected == b'?' || expected == byte => {
                at += 1;
                read += 1;
            }
            _ => match &mut star {
                Some((after, taken)) => {
                    *taken += 1;
                    (at, read) = (*after, *taken);
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters_and_a_question_mark_for_one() {
        for (pattern, text, covered) in [
            ("", "", true),
            ("*", "", true),
            ("a*", "a", true),
            ("a*c", "abc", true),
            ("a*c", "abcd", false),
            ("*a*b*", "xxaxxbxx", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("?", "", false),
            ("a**b", "ab", true),
            ("*ab", "aab", true),
        ] {
            assert_eq!(glob(pattern, text), covered, "`{pattern}` over `{text}`");
        }
    }

    #[test]
    fn a_tree_covers_whole_segments_only() {
        let tree = Coverage::Tree("/groups/acme");
        assert!(tree.contains("/groups/acme") && tree.contains("/groups/acme/apps/api"));
        assert!(!tree.contains("/groups/acme-prod"));
    }
}
