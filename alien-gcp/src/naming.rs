//! Physical names and full resource names.
//! <https://docs.cloud.google.com/iam/docs/full-resource-names>

use alien_core::adapter::{hyphenated, join};

use crate::target::Target;

/// Builds the names of a deployment's resources.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paths<'a>(pub(crate) &'a Target);

impl Paths<'_> {
    /// The physical name for an id, at most `max` characters long.
    pub(crate) fn physical(self, id: &str, max: usize) -> String {
        hyphenated(&self.0.prefix, id, max)
    }

    /// `projects/{project}/` followed by the parts.
    pub(crate) fn in_project(self, parts: &[&str]) -> String {
        join(&["projects/", self.0.project.as_str(), "/"], parts)
    }

    /// `projects/{project}`.
    #[cfg(feature = "client")]
    pub(crate) fn parent(self) -> String {
        join(&["projects/"], &[self.0.project.as_str()])
    }

    /// `//{service}.googleapis.com/projects/{project}/` followed by the parts.
    pub(crate) fn full(self, service: &str, parts: &[&str]) -> String {
        join(&["//", service, ".googleapis.com/projects/", self.0.project.as_str(), "/"], parts)
    }

    /// The full resource name of the project.
    pub(crate) fn project(self) -> String {
        join(&["//cloudresourcemanager.googleapis.com/projects/"], &[self.0.project.as_str()])
    }

    /// The id of a service account, 6 to 30 characters
    /// (<https://docs.cloud.google.com/iam/docs/service-accounts-create>).
    pub(crate) fn account_id(self, holder: &str) -> String {
        self.physical(holder, 30)
    }

    /// The email of a service account.
    pub(crate) fn email(self, account_id: &str) -> String {
        join(&[account_id, "@", self.0.project.as_str()], &[".iam.gserviceaccount.com"])
    }
}

/// A full resource name without its service: the form in conditions and in most calls.
pub(crate) fn relative(name: &str) -> &str {
    name.strip_prefix("//").and_then(|name| name.split_once('/')).map_or(name, |(_, relative)| relative)
}
