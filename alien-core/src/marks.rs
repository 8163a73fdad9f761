//! The marks that a deployment writes on what it creates, as names and values: a cloud's tags or labels, or words in a
//! description.
//!
//! Names and values have at most 63 characters, which are lower-case letters, digits, hyphens and underscores, so that
//! every cloud accepts them. The one exception is a [`Claim`]: only the identity that trusts the vendor carries it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::deployment::DeploymentId;
use crate::name::RunId;

/// Whose a thing is: the deployment, and the region or location that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner<'a> {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Where it is: [`Cloud::place`](crate::adapter::Cloud::place).
    pub place: &'a str,
}

/// The marks that a deployment writes on everything it creates, so that a later run finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    /// The deployment.
    pub deployment: DeploymentId,
    /// The region or location of the deployment; empty if the cloud has none.
    pub place: String,
    /// The digest of the release that set it last.
    pub release: String,
    /// The fingerprint of its settings, written last; `None` if the vendor creates it, and a part of it is the admin's to
    /// set. Then the next set-up finishes it.
    pub fingerprint: Option<Fingerprint>,
    /// Whether the admin has a thing marked again that lost its marks.
    pub again: bool,
}

impl Marks {
    /// The name of the mark for the id of the deployment that created a thing.
    pub const DEPLOYMENT: &'static str = "alien-deployment";
    /// The name of the mark for the region or location of the deployment that created a thing.
    pub const PLACE: &'static str = "alien-place";
    /// The name of the mark for the physical name of the resource that a thing belongs to.
    pub const RESOURCE: &'static str = "alien-resource";
    /// The name of the mark for the digest of the release that set a thing last.
    pub const RELEASE: &'static str = "alien-release";
    /// The name of the mark for the [`Fingerprint`] of a thing.
    pub const FINGERPRINT: &'static str = "alien-seal";
    /// The value of the mark for the fingerprint on an identity whose access was revoked.
    pub const REVOKED: &'static str = "revoked";
    /// The value of the mark for the fingerprint on what the vendor has created, as far as it may.
    pub const BY_VENDOR: &'static str = "vendor";
    /// The name of the mark for the [`Claim`] of a run.
    pub const CLAIM: &'static str = "alien-claim";

    /// The marks that a thing is created with: its deployment, where that is, and its release. A thing without a fingerprint is not
    /// finished.
    #[must_use]
    pub fn ownership(&self, resource: &str) -> [(&'static str, String); 4] {
        let deployment = (Self::DEPLOYMENT, self.deployment.to_string());
        let place = (Self::PLACE, self.place.clone());
        [deployment, place, (Self::RESOURCE, resource.to_owned()), (Self::RELEASE, self.release.clone())]
    }

    /// All marks: those of ownership, and the fingerprint. They are written when everything else is set, so that a thing
    /// that lost its marks has them again.
    #[must_use]
    pub fn all(&self, resource: &str) -> [(&'static str, String); 5] {
        let [deployment, place, resource, release] = self.ownership(resource);
        let [_, fingerprint] = self.finished();
        [deployment, place, resource, release, fingerprint]
    }

    /// The marks that are written when everything else is set, without those of ownership.
    #[must_use]
    pub fn finished(&self) -> [(&'static str, String); 2] {
        [(Self::RELEASE, self.release.clone()), (Self::FINGERPRINT, self.seal())]
    }

    /// The value of the mark for the fingerprint.
    #[must_use]
    pub fn seal(&self) -> String {
        self.fingerprint.as_ref().map_or_else(|| Self::BY_VENDOR.to_owned(), Fingerprint::to_string)
    }
}

/// A digest of what a thing was set to, and the version of the library that set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The version of the settings that the library writes: [`REVISION`](Self::REVISION) now.
    pub revision: u32,
    /// The digest of what the stack says of it.
    pub digest: String,
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.revision, self.digest)
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (revision, digest) = text.split_once('-').ok_or(())?;
        Ok(Self { revision: revision.parse().map_err(|_| ())?, digest: digest.to_owned() })
    }
}

/// The claim of a run that sets up or takes down a deployment: until it lapses, no other run may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The name of the run.
    pub run: RunId,
    /// When the claim lapses, unless it is renewed.
    pub until: Timestamp,
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.run, self.until)
    }
}

impl std::str::FromStr for Claim {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (run, until) = text.split_once(' ').ok_or(())?;
        Ok(Self { run: run.parse().map_err(|_| ())?, until: until.parse().map_err(|_| ())? })
    }
}
