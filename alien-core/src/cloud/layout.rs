//! A stack at a target, and what everything of it is called there.

use super::names::Names;
use super::operation::Operation;
use super::placement::{Cloud, chosen_code};
use crate::permission::{Grants, Permissions, Set, SubjectType};
use crate::stack::Stack;

/// A stack at a target, and what everything of it is called there.
#[derive(Debug, Clone)]
pub struct Layout<C: Cloud> {
    /// The stack, with all code in the one form that the cloud runs.
    pub stack: Stack,
    /// Where it goes and whom it trusts.
    pub target: C::Target,
    /// The names.
    pub names: Names<C::Scope>,
}

impl<C: Cloud> Layout<C> {
    /// Names everything. Of all code, the one form that the cloud runs is chosen.
    #[must_use]
    pub fn new(stack: Stack, target: C::Target) -> Self {
        let stack = stack.with_codes(chosen_code::<C>);
        let names = Names::of::<C>(&stack, &target);
        Self { stack, target, names }
    }

    /// The permissions of the stack.
    #[must_use]
    pub fn permissions(&self) -> &Permissions {
        self.stack.permissions()
    }

    /// The rows that grants give, in order of grants, each with its subject's type, its set and the full names that its scope
    /// means there. Rows whose scope means nothing in this deployment are left out.
    pub fn granted(
        &self,
        grants: &Grants,
    ) -> impl Iterator<Item = (SubjectType, Set, &'static Operation<C::Scope>, impl Iterator<Item = &str>)> {
        grants.grants.iter().flat_map(move |grant| {
            let subject = grant.subject.subject_type(&self.stack);
            subject.into_iter().flat_map(move |subject| {
                C::set(subject, grant.set).iter().filter_map(move |row| {
                    let mut names = self.names.at(row.on, grant.subject).peekable();
                    names.peek().is_some().then_some((subject, grant.set, *row, names))
                })
            })
        })
    }
}
