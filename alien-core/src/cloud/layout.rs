//! A stack at a target, with the names that everything has there.

use super::names::Names;
use super::operation::Operation;
use super::placement::{Cloud, Kinds as _, chosen_code};
use crate::permission::{Grants, Permissions, Set, Subject, SubjectType};
use crate::resource::Resource;
use crate::stack::Stack;

/// A stack at a target, with the names that everything has there.
#[derive(Debug, Clone)]
pub struct Layout<C: Cloud> {
    /// The stack, with all code in the one form that the cloud runs.
    pub stack: Stack,
    /// Where the deployment goes and whom it trusts.
    pub target: C::Target,
    /// The names.
    pub names: Names<C::Scope>,
    /// The permissions, where the cloud starts some code as an identity of its own.
    apart: Option<Permissions>,
}

impl<C: Cloud> Layout<C> {
    /// Names everything, and chooses for all code the one form that the cloud runs.
    #[must_use]
    pub fn new(stack: Stack, target: C::Target) -> Self {
        let stack = stack.with_codes(chosen_code::<C>);
        let apart = (!C::STARTED_APART.is_empty()).then(|| stack.permissions_with(C::STARTED_APART));
        let names = Names::of::<C>(&stack, &target, apart.as_ref().unwrap_or_else(|| stack.permissions()));
        Self { stack, target, names, apart }
    }

    /// The permissions of the stack on the cloud.
    #[must_use]
    pub fn permissions(&self) -> &Permissions {
        self.apart.as_ref().unwrap_or_else(|| self.stack.permissions())
    }

    /// The resource of a subject; `None` if the subject is none.
    #[must_use]
    pub fn resource(&self, subject: Subject) -> Option<&Resource> {
        match subject {
            Subject::Resource(position) => self.stack.at(position),
            _ => None,
        }
    }

    /// The rows of the operation table that grants give, in order of grants. Each comes with its subject's type, its
    /// permission set, and the full names of its scope. Rows whose scope has no name in this deployment are left out.
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

    /// The rows that delete for good what resources hold, beside those that grants give: the admin uses them in a take-down that
    /// deletes data. Each comes with the full names of its scope.
    pub fn erasing(&self) -> impl Iterator<Item = (&'static Operation<C::Scope>, impl Iterator<Item = &str>)> {
        self.stack.resources().iter().enumerate().flat_map(move |(position, resource)| {
            let sets = [Set::DataRead, Set::DataWrite].map(|set| C::set(SubjectType::Kind(resource.kind()), set));
            let rows = sets.into_iter().chain([C::Kinds::erase(resource.kind())]).flatten();
            rows.filter_map(move |row| {
                let mut names = self.names.at(row.on, Subject::Resource(position)).peekable();
                names.peek().is_some().then_some((*row, names))
            })
        })
    }
}
