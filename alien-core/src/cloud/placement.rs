//! The traits of a cloud and of each kind of resource on it: names, permission sets, and checks.
//!
//! A kind is registered once for each cloud: its settings implement [`On`] and are listed in [`Cloud::Kinds`].

use std::fmt;
use std::hash::Hash;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::field::Field;
use super::operation::{Operation, Table};
use super::settings::Settings;
use super::writes::Fields;
use crate::kind::Kind;
use crate::name::ResourceId;
use crate::permission::{Holder, Set, SubjectType};
use crate::problem::{Problem, Rule};
use crate::resource::{Code, CodeForms, Resource, ResourceSettings};
use crate::stack::Stack;

/// Rows of a cloud's operation table.
pub type Rows<C> = &'static [&'static Operation<<C as Cloud>::Scope>];

/// A cloud: the names that resources have there, and the operations that their permission sets allow. Makes no network
/// calls.
///
/// A cloud whose permissions are documents that can be read back also implements
/// [`AccessControl`](super::AccessControl), which provides its review and audit. Any other cloud implements
/// [`Documented`](super::Documented).
pub trait Cloud: Copy + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// The cloud's name in documents and on the command line.
    const NAME: &'static str;
    /// Whether the cloud gives an identity an id of its own choice, by which it is used. Its adapter then tells that as the id of
    /// an identity that it observes, and the record carries it.
    const IDENTITY_HAS_ID: bool = false;

    /// The fields of a target. They are its whole JSON form, and each is a string.
    const TARGET: &'static [Field];

    /// The field of a target that names the account whose quotas all that is in it shares: an account, a project, a
    /// subscription. Empty if there is none.
    const ACCOUNT: &'static str = "";

    /// The region or location of a target, as marks name it: lower-case letters, digits and hyphens. Identities are found
    /// from every region of an account, and by this mark a set-up or take-down in another region tells that a deployment
    /// is not there. Empty if the cloud has no regions.
    fn place(_: &Self::Target) -> &str {
        ""
    }

    /// The principal of the customer's own account that manages the deployment, as a reviewer knows it; `None` where the
    /// target names a vendor.
    fn agent(_: &Self::Target) -> Option<String> {
        None
    }

    /// Whether the vendor can create what the customer lets it create. It cannot where permissions are kept on the thing
    /// itself and end with it: then only the admin creates, and the vendor only deletes.
    const VENDOR_CREATES: bool = true;

    /// The kinds whose code the cloud starts as an identity of its own, beside the one that the code runs as: it pulls the
    /// image and writes the log, so that the code itself may not. That identity holds [`Set::Run`] of them all.
    const STARTED_APART: &'static [Kind] = &[];

    /// What a permission can be checked on.
    type Scope: Copy + Eq + Hash + fmt::Debug + Send + Sync + 'static;

    /// Where a deployment goes and whom it trusts.
    type Target: CloudTarget<Cloud = Self>;

    /// The kinds that the cloud supports: a tuple of their settings, each of which implements [`On`].
    type Kinds: Kinds<Self>;

    /// The operation table.
    fn operations() -> &'static Table<Self::Scope>;

    /// The operations that the set-up of an identity needs.
    fn identity_set() -> Rows<Self>;

    /// The operations that the set-up of what resources share needs; empty if they share nothing.
    fn shared_set() -> Rows<Self>;

    /// Whether the scope can also contain things of others, as an account or a project does.
    fn is_shared(scope: Self::Scope) -> bool;

    /// Whether a resource needs what the deployment's resources share. If so, that is created first and deleted last.
    fn needs_shared(resource: &Resource) -> bool {
        resource.kind().runs_code()
    }

    /// Adds the names of what the resources of a deployment share.
    fn name_shared(stack: &Stack, target: &Self::Target, things: &mut Vec<(Self::Scope, String)>);

    /// Adds the names of a holder's identity and of what belongs to it.
    fn name_identity(holder: &Holder, target: &Self::Target, things: &mut Vec<(Self::Scope, String)>);

    /// Checks a target, and a stack as a whole on that target. Returns errors and warnings.
    fn check(_: &Stack, _: &Self::Target) -> Vec<Problem> {
        Vec::new()
    }

    /// Whether an image is in a registry of this cloud, from which another account pulls only what its owner grants:
    /// see [`AccessControl::registry_grants`](super::AccessControl::registry_grants).
    fn is_private(_image: &str) -> bool {
        false
    }

    /// The operations of a permission set; empty if the cloud has no narrow way to grant it.
    fn set(subject: SubjectType, set: Set) -> Rows<Self> {
        match subject {
            SubjectType::Kind(kind) => Self::Kinds::set(kind, set),
            SubjectType::Deployment if set == Set::Setup => Self::shared_set(),
            SubjectType::Identity if set == Set::Setup => Self::identity_set(),
            SubjectType::Deployment | SubjectType::Identity => &[],
        }
    }

    /// Every field that a request of an operation can carry, where the vendor may hold it to change something: see
    /// [`On::writes`].
    fn writes(subject: SubjectType, row: &Operation<Self::Scope>) -> &'static [Fields] {
        match subject {
            SubjectType::Kind(kind) => Self::Kinds::writes(kind, row),
            SubjectType::Deployment | SubjectType::Identity => &[],
        }
    }

    /// What is set on a kind of resource, and whose each setting is: see [`On::settings`].
    fn settings(kind: Kind) -> &'static [Settings] {
        Self::Kinds::settings(kind)
    }
}

/// Where a deployment goes and whom it trusts, on one cloud.
pub trait CloudTarget: Serialize + DeserializeOwned + Clone + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// The cloud.
    type Cloud: Cloud<Target = Self>;
}

/// A kind of resource on a cloud.
pub trait On<C: Cloud>: ResourceSettings {
    /// The operations of a permission set; empty if the cloud has no narrow way to grant it.
    fn set(set: Set) -> Rows<C>;

    /// The operations that delete for good what a resource holds, beside those of [`Set::DataRead`] and
    /// [`Set::DataWrite`]. No document grants them: the admin holds all these during a take-down that deletes data.
    fn erase() -> Rows<C> {
        &[]
    }

    /// Every field that a request of an operation can carry, with what becomes of each: of the operations in
    /// [`Set::Management`] and [`Set::Dispatch`] that update or invoke. Empty for others, and where an operation takes
    /// nothing but what it is about.
    fn writes(_: &Operation<C::Scope>) -> &'static [Fields] {
        &[]
    }

    /// What somebody with the customer's own rights can set on a resource of a kind that the vendor does not update: what a
    /// set-up compares and sets back, and what it leaves. A kind that runs code lists its fields by [`writes`](Self::writes).
    fn settings() -> &'static [Settings] {
        &[]
    }

    /// Adds the names of a resource and of what belongs to it. The first name is the resource's id.
    fn name(&self, placed: &Placed<'_, C>, things: &mut Vec<(C::Scope, String)>);

    /// The forms of code that the kind runs on the cloud. Called only for a kind that runs code.
    fn code() -> CodeForms {
        CodeForms::ANY
    }

    /// Checks a resource, and adds errors and warnings. Its code is in the one form that the cloud runs.
    fn check(&self, _: &Placed<'_, C>, _: &mut Vec<Problem>) {}
}

/// A resource of a stack, with the target of the deployment.
#[derive(Debug)]
pub struct Placed<'a, C: Cloud> {
    /// The stack.
    pub stack: &'a Stack,
    /// The resource.
    pub resource: &'a Resource,
    /// The target.
    pub target: &'a C::Target,
}

impl<C: Cloud> Placed<'_, C> {
    /// The resource's id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.resource.id().as_str()
    }
}

/// The kinds that a cloud supports. Implemented for tuples of settings, and for nothing else.
pub trait Kinds<C: Cloud> {
    /// [`On::set`] of a kind; empty if the cloud does not support the kind.
    fn set(kind: Kind, set: Set) -> Rows<C>;

    /// [`On::erase`] of a kind.
    fn erase(kind: Kind) -> Rows<C>;

    /// [`On::writes`] of a kind.
    fn writes(kind: Kind, row: &Operation<C::Scope>) -> &'static [Fields];

    /// [`On::settings`] of a kind.
    fn settings(kind: Kind) -> &'static [Settings];

    /// [`On::code`] of a kind; `None` if the cloud does not support the kind.
    fn code(kind: Kind) -> Option<CodeForms>;

    /// [`On::name`] of a resource.
    fn name(placed: &Placed<'_, C>, things: &mut Vec<(C::Scope, String)>);

    /// [`On::check`] of a resource.
    fn check(placed: &Placed<'_, C>, problems: &mut Vec<Problem>);
}

/// Calls a macro with each list of one to eight kinds.
macro_rules! for_tuples {
    ($apply:ident) => {
        $apply!(A);
        $apply!(A B);
        $apply!(A B D);
        $apply!(A B D E);
        $apply!(A B D E F);
        $apply!(A B D E F G);
        $apply!(A B D E F G H);
        $apply!(A B D E F G H I);
    };
}
pub(crate) use for_tuples;

macro_rules! tuples_of_kinds {
    ($($kind:ident)+) => {
        impl<C: Cloud, $($kind: On<C>),+> Kinds<C> for ($($kind,)+) {
            fn set(kind: Kind, set: Set) -> Rows<C> {
                $(if kind == $kind::KIND {
                    return $kind::set(set);
                })+
                &[]
            }

            fn erase(kind: Kind) -> Rows<C> {
                $(if kind == $kind::KIND {
                    return $kind::erase();
                })+
                &[]
            }

            fn writes(kind: Kind, row: &Operation<C::Scope>) -> &'static [Fields] {
                $(if kind == $kind::KIND {
                    return $kind::writes(row);
                })+
                &[]
            }

            fn settings(kind: Kind) -> &'static [Settings] {
                $(if kind == $kind::KIND {
                    return <$kind as On<C>>::settings();
                })+
                &[]
            }

            fn code(kind: Kind) -> Option<CodeForms> {
                $(if kind == $kind::KIND {
                    return Some($kind::code());
                })+
                None
            }

            fn name(placed: &Placed<'_, C>, things: &mut Vec<(C::Scope, String)>) {
                $(if let Some(settings) = $kind::of(placed.resource.settings()) {
                    return settings.name(placed, things);
                })+
            }

            fn check(placed: &Placed<'_, C>, problems: &mut Vec<Problem>) {
                $(if let Some(settings) = $kind::of(placed.resource.settings()) {
                    return settings.check(placed, problems);
                })+
                let what = format!("{} has no {}", C::NAME, placed.resource.kind());
                problems.push(Problem::error(Rule::Cloud, what, "leave it out on this cloud".to_owned()));
            }
        }
    };
}
for_tuples!(tuples_of_kinds);

/// Checks a stack on a cloud. Returns errors and warnings.
pub(crate) fn check<C: Cloud>(stack: &Stack, target: &C::Target) -> Vec<Problem> {
    let mut problems = C::check(stack, target);
    let mut own = Vec::new();
    for resource in stack.resources() {
        own.extend(code_refusal::<C>(resource));
        C::Kinds::check(&Placed { stack, resource, target }, &mut own);
        problems.extend(own.drain(..).map(|problem| on(problem, resource.id())));
    }
    problems
}

/// The resource's code in the one form that the cloud runs; `None` if it has that form already, or has no such form.
pub(crate) fn chosen_code<C: Cloud>(resource: &Resource) -> Option<Code> {
    let code = resource.code()?;
    forms::<C>(resource)?.choose(code).filter(|chosen| chosen != code)
}

/// The resource with its code in the one form that the cloud runs. The vendor's stack and a record have every form.
pub(crate) fn in_chosen_form<C: Cloud>(resource: &Resource) -> Resource {
    let mut chosen = resource.clone();
    if let Some(code) = chosen_code::<C>(resource) {
        chosen.set_code(code);
    }
    chosen
}

fn forms<C: Cloud>(resource: &Resource) -> Option<CodeForms> {
    C::Kinds::code(resource.kind())
}

/// The problem of a resource whose code has no form that the cloud runs.
fn code_refusal<C: Cloud>(resource: &Resource) -> Option<Problem> {
    let (code, forms) = (resource.code()?, forms::<C>(resource)?);
    // Empty code is already a problem of the stack itself.
    let lacks = forms.choose(code).is_none() && code.forms().next().is_some();
    lacks.then(|| forms.refusal(C::NAME, resource.kind(), code))
}

fn on(problem: Problem, resource: &ResourceId) -> Problem {
    if problem.subject.is_some() { problem } else { problem.on(resource) }
}
