//! Physical names and ARNs.

use alien_core::adapter::{Marks, hyphenated, join};

use crate::target::Target;

/// The tag on everything that a deployment makes: the physical name of the resource that it belongs to.
pub const RESOURCE_TAG: &str = Marks::RESOURCE;

/// Builds the ARNs of a deployment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arns<'a>(pub(crate) &'a Target);

impl Arns<'_> {
    /// The physical name for an id, at most `max` characters long.
    pub(crate) fn physical(self, id: &str, max: usize) -> String {
        hyphenated(&self.0.prefix, id, max)
    }

    /// `arn:{partition}:{service}:{region}:{account}:` followed by the parts.
    pub(crate) fn regional(self, service: &str, parts: &[&str]) -> String {
        let Target { region, account, .. } = self.0;
        join(&["arn:", region.partition(), ":", service, ":", region.as_str(), ":", account.as_str(), ":"], parts)
    }

    /// `arn:{partition}:iam::{account}:` followed by the parts.
    pub(crate) fn iam(self, parts: &[&str]) -> String {
        let Target { region, account, .. } = self.0;
        join(&["arn:", region.partition(), ":iam::", account.as_str(), ":"], parts)
    }

    /// `arn:{partition}:s3:::` followed by the parts.
    pub(crate) fn s3(self, parts: &[&str]) -> String {
        join(&["arn:", self.0.region.partition(), ":s3:::"], parts)
    }

    /// The name of a role of the deployment, at most 64 characters
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
    pub(crate) fn role(self, holder: &str) -> String {
        self.physical(holder, 64)
    }
}
