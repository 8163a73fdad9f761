//! What a deployment writes on the things it makes, as names and values: a cloud's tags, labels, or words in a description.
//!
//! Names and values are lower-case letters, digits, hyphens and underscores, 63 at most, so that every cloud takes them; but
//! for a [`Claim`], which only the identity carries that trusts the vendor.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::deployment::DeploymentId;

/// What a deployment writes on everything it makes, so that a later run finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    /// The deployment.
    pub deployment: DeploymentId,
    /// The digest of the release that set it last.
    pub release: String,
    /// What it was set to: written last.
    pub fingerprint: Fingerprint,
}

impl Marks {
    /// Names the deployment that made a thing, by its id.
    pub const DEPLOYMENT: &'static str = "alien-deployment";
    /// Names the resource that a thing belongs to, by its physical name.
    pub const RESOURCE: &'static str = "alien-resource";
    /// Names the digest of the release that set a thing last.
    pub const RELEASE: &'static str = "alien-release";
    /// Names the [`Fingerprint`] of what a thing was set to.
    pub const FINGERPRINT: &'static str = "alien-seal";
    /// Names the [`Claim`] of a run.
    pub const CLAIM: &'static str = "alien-claim";

    /// What a thing is made with: whose it is, and which release made it. It is not finished yet.
    #[must_use]
    pub fn ownership(&self, resource: &str) -> [(&'static str, String); 3] {
        let deployment = (Self::DEPLOYMENT, self.deployment.to_string());
        [deployment, (Self::RESOURCE, resource.to_owned()), (Self::RELEASE, self.release.clone())]
    }

    /// What is written when everything else is set.
    #[must_use]
    pub fn finished(&self) -> [(&'static str, String); 2] {
        [(Self::RELEASE, self.release.clone()), (Self::FINGERPRINT, self.fingerprint.to_string())]
    }
}

/// What a thing was set to, and by which version of the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The version of what the library sets: [`REVISION`](Self::REVISION) now.
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

/// Who is setting up or taking down a deployment, and until when nobody else may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The run.
    pub run: String,
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
        Ok(Self { run: run.to_owned(), until: until.parse().map_err(|_| ())? })
    }
}
