//! Grants in words: which set, and why.

use super::grant::{Grant, GrantReason, Subject, SubjectType};
use crate::stack::Stack;

impl Subject {
    /// The type of the subject; `None` if the stack has no such resource.
    #[must_use]
    pub fn subject_type(self, stack: &Stack) -> Option<SubjectType> {
        match self {
            Self::Resource(position) => stack.at(position).map(|resource| SubjectType::Kind(resource.kind())),
            Self::Deployment => Some(SubjectType::Deployment),
            Self::ManagementIdentity | Self::RuntimeIdentity(_) => Some(SubjectType::Identity),
        }
    }
}

impl Grant {
    /// The name of the set, as `queue/data-read`; `deployment/setup` or `identity/setup` if the subject is not a
    /// resource.
    #[must_use]
    pub fn set_name(&self, stack: &Stack) -> String {
        let subject = match self.subject {
            Subject::Resource(position) => stack.at(position).map_or("resource", |resource| resource.kind().name()),
            Subject::Deployment => "deployment",
            Subject::ManagementIdentity | Subject::RuntimeIdentity(_) => "identity",
        };
        format!("{subject}/{}", self.set.name())
    }

    /// Why the grant exists, in a sentence.
    #[must_use]
    pub fn reason(&self, stack: &Stack) -> String {
        let what = match self.subject {
            Subject::Resource(position) => stack.at(position).map_or_else(String::new, |resource| {
                format!("{} {} `{}`", resource.lifecycle(), resource.kind(), resource.id())
            }),
            Subject::Deployment => "what the resources share".to_owned(),
            Subject::ManagementIdentity => "the identity that the vendor impersonates".to_owned(),
            Subject::RuntimeIdentity(_) => "the identity of a profile".to_owned(),
        };
        match self.why {
            GrantReason::Watch => format!("the vendor watches the health of {what}"),
            GrantReason::Live => format!("the vendor looks after {what}, because it is live"),
            GrantReason::Commands => format!("the vendor sends commands to {what}, because it has `commands` on"),
            GrantReason::Extended => format!("the stack asks for it by `management.extend`, for {what}"),
            GrantReason::SetUp => format!("the customer's admin sets up {what}"),
            GrantReason::Foundation => format!("the customer's admin makes {what}"),
            GrantReason::Platform => "the customer's admin makes the identity that the cloud starts code as".to_owned(),
            GrantReason::Profile => format!("the profile asks for it, for {what} by name"),
            GrantReason::ProfileForAll => format!("the profile asks for it for all of the kind, so for {what} too"),
            GrantReason::Runs => format!("{what} runs under this identity"),
            GrantReason::Starts => format!("the cloud starts {what} as this identity"),
        }
    }
}
