//! What a deployment writes on the things it makes, as names and values: a cloud's tags, labels, or words in a
//! description.
//!
//! Names and values are lower-case letters, digits, hyphens and underscores, 63 at most, so that every cloud takes them; but
//! for a [`CLAIM`], which only the identity carries that trusts the vendor.

use super::{Marks, Observed};
use crate::cloud::Cloud;
use crate::site::DeploymentContext;

/// The deployment that made a thing, by its id.
pub const DEPLOYMENT: &str = "alien-deployment";
/// The resource that a thing belongs to, by its physical name.
pub const RESOURCE: &str = "alien-resource";
/// The digest of the release that set a thing last.
pub const RELEASE: &str = "alien-release";
/// What a thing was set to: a [`Fingerprint`](super::Seal).
pub const SEAL: &str = "alien-seal";
/// The [`Claim`](super::Claim) of a run.
pub const CLAIM: &str = "alien-claim";

/// What a thing is made with: whose it is, and which release made it. It is not sealed yet.
#[must_use]
pub fn ownership(marks: &Marks, resource: &str) -> [(&'static str, String); 3] {
    [(DEPLOYMENT, marks.deployment.to_string()), (RESOURCE, resource.to_owned()), (RELEASE, marks.release.clone())]
}

/// What is written when everything else is set.
#[must_use]
pub fn seal(marks: &Marks) -> [(&'static str, String); 2] {
    [(RELEASE, marks.release.clone()), (SEAL, marks.seal.to_string())]
}

/// What is told by what stands on a thing.
pub fn observed<'t, C: Cloud>(
    site: &DeploymentContext<C>,
    id: impl Into<String>,
    marks: impl IntoIterator<Item = (&'t str, &'t str)>,
) -> Observed {
    let (mut deployment, mut seal) = (None, None);
    for (name, value) in marks {
        match name {
            DEPLOYMENT => deployment = Some(value),
            SEAL => seal = Some(value),
            _ => {}
        }
    }
    Observed::marked(id, site.id, deployment, seal)
}
