//! Physical names and ARNs.

use alien_core::adapter::{Marks, hyphenated, join};

use crate::target::Target;

/// The tag that every thing of a deployment carries: the physical name of the resource it belongs to.
pub const RESOURCE_TAG: &str = Marks::RESOURCE;

/// ARNs of one deployment's things.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arns<'a>(pub(crate) &'a Target);

impl Arns<'_> {
    /// The physical name of an id, at most `max` characters long.
    pub(crate) fn physical(self, id: &str, max: usize) -> String {
        hyphenated(&self.0.prefix, id, max)
    }

    /// `arn:{partition}:{service}:{region}:{account}:` and the parts.
    pub(crate) fn regional(self, service: &str, parts: &[&str]) -> String {
        let Target { region, account, .. } = self.0;
        join(&["arn:", region.partition(), ":", service, ":", region.as_str(), ":", account.as_str(), ":"], parts)
    }

    /// `arn:{partition}:iam::{account}:` and the parts.
    pub(crate) fn iam(self, parts: &[&str]) -> String {
        let Target { region, account, .. } = self.0;
        join(&["arn:", region.partition(), ":iam::", account.as_str(), ":"], parts)
    }

    /// `arn:{partition}:s3:::` and the parts.
    pub(crate) fn s3(self, parts: &[&str]) -> String {
        join(&["arn:", self.0.region.partition(), ":s3:::"], parts)
    }

    /// The name of a role that the deployment makes, at most 64 characters
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
    pub(crate) fn role(self, holder: &str) -> String {
        self.physical(holder, 64)
    }
}
