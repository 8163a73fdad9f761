//! What a cloud's adapter must do for the engine: find, make, set, remove. Each is safe to do again.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::call::Gate;
use crate::cloud::Cloud;
use crate::deployment::DeploymentId;
use crate::error::Result;
use crate::permission::Subject;
use crate::problem::Problem;

/// Makes the calls that set up and take down one deployment, with the admin's credentials.
///
/// Every method may be interrupted anywhere and is then called again: what it finds done, it leaves.
#[async_trait]
pub trait Driver<C: Cloud>: Send + Sync + fmt::Debug {
    /// The version of what this library sets on things: a newer one sets everything again.
    fn revision(&self) -> u32;

    /// Whether the credentials are the account's, may do all that the set-up takes, and quotas leave room. What is wrong
    /// is given, all at once.
    async fn preflight(&self, call: &Gate<C>) -> Result<Vec<Problem>>;

    /// What stands under a subject's name.
    async fn observe(&self, subject: Subject, call: &Gate<C>) -> Result<Observed>;

    /// Makes it, with the marks of ownership and no seal; the identity that trusts the vendor trusts nobody yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AlreadyExists`](crate::ErrorKind::Exists) where it is there, whoever made it.
    async fn create(&self, subject: Subject, marks: &Marks, call: &Gate<C>) -> Result<()>;

    /// Sets everything that the stack says of it, and then the seal.
    async fn configure(&self, subject: Subject, marks: &Marks, call: &Gate<C>) -> Result<()>;

    /// Removes it. It is there, and it is this deployment's.
    async fn delete(&self, subject: Subject, data: Data, call: &Gate<C>) -> Result<Removal>;

    /// The claim on the deployment; none where nobody sets it up or takes it down.
    async fn claim(&self, call: &Gate<C>) -> Result<Option<Claim>>;

    /// Writes the claim on the identity that trusts the vendor; removes it where none is given.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](crate::ErrorKind::Missing) where there is no such identity.
    async fn write_claim(&self, claim: Option<&Claim>, call: &Gate<C>) -> Result<()>;

    /// Takes the vendor's access back, also from sessions that have begun: at once, or as soon as the cloud knows everywhere
    /// what was written.
    async fn revoke(&self, call: &Gate<C>) -> Result<()>;
}

/// What stands under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// The stack needs nothing here.
    Unneeded,
    /// Nothing.
    Absent,
    /// Something that is not this deployment's: whose, as far as can be told.
    Foreign(String),
    /// This deployment's.
    Own {
        /// The cloud's id.
        id: String,
        /// What was set last, if it was finished.
        seal: Option<Fingerprint>,
        /// How it differs from what was set, as far as can be told.
        drift: Option<String>,
    },
    /// The customer's own, used and never changed.
    Adopted {
        /// The cloud's id.
        id: String,
    },
}

impl Observed {
    /// What marks found on a thing mean: whose it is, and what was set last.
    #[must_use]
    pub fn marked(id: impl Into<String>, own: DeploymentId, deployment: Option<&str>, seal: Option<&str>) -> Self {
        match deployment {
            Some(found) if found.parse() == Ok(own) => {
                Self::Own { id: id.into(), seal: seal.and_then(|seal| seal.parse().ok()), drift: None }
            }
            Some(other) => Self::Foreign(format!("it belongs to the deployment {other}")),
            None => Self::Foreign("it is not marked as any deployment's".to_owned()),
        }
    }

    /// Several things as one: finished where each that is wanted is sealed, and none of this deployment's is there that is
    /// not wanted. What is not wanted and somebody else's is not in our way.
    #[must_use]
    pub fn together(wanted: impl IntoIterator<Item = Self>, unwanted: impl IntoIterator<Item = Self>) -> Self {
        let unsealed = |found| match found {
            Self::Own { id, drift, .. } => Some(Self::Own { id, seal: None, drift }),
            _ => None,
        };
        let wanted: Vec<Self> = wanted.into_iter().collect();
        let needed = !wanted.is_empty();
        let lacking = wanted.contains(&Self::Absent);
        let there = wanted.into_iter().filter(|found| *found != Self::Absent);
        let there = there.chain(unwanted.into_iter().filter_map(unsealed)).reduce(|first, second| {
            let worse = |found: &Self| match found {
                Self::Own { seal: Some(_), drift: None, .. } => 0,
                Self::Own { seal: Some(_), .. } => 1,
                Self::Own { .. } => 2,
                _ => 3,
            };
            match (&first, &second) {
                // One of them was not set when the other was.
                (Self::Own { seal: Some(one), .. }, Self::Own { seal: Some(other), .. }) if one != other => {
                    unsealed(first.clone()).unwrap_or(first)
                }
                _ if worse(&second) > worse(&first) => second,
                _ => first,
            }
        });
        match there {
            Some(Self::Own { id, drift, .. }) if lacking => Self::Own { id, seal: None, drift },
            Some(found) => found,
            None if needed => Self::Absent,
            None => Self::Unneeded,
        }
    }

    /// The same, with what differs from what was set.
    #[must_use]
    pub fn drifted(mut self, how: Option<String>) -> Self {
        if let Self::Own { drift, .. } = &mut self {
            *drift = how;
        }
        self
    }
}

/// What a thing was set to, and by which version of the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// [`Driver::revision`].
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

/// What a deployment writes on everything it makes, so that a later run finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    /// The deployment.
    pub deployment: DeploymentId,
    /// The digest of the release that set it last.
    pub release: String,
    /// What it was set to: written last.
    pub seal: Fingerprint,
}

/// What to do with data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Data {
    /// Keep every resource that can hold data.
    Keep,
    /// Keep what holds data, or may.
    #[default]
    KeepUnlessEmpty,
    /// Delete it.
    Delete,
}

/// What became of something that was to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Gone,
    /// It was kept, and why.
    Kept(String),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn own(seal: Option<&str>, drift: Option<&str>) -> Observed {
        let seal = seal.map(|digest| Fingerprint { revision: 1, digest: digest.to_owned() });
        Observed::Own { id: "x".to_owned(), seal, drift: drift.map(str::to_owned) }
    }

    #[test]
    fn several_things_are_finished_where_each_is() {
        let (done, other, begun) = (own(Some("a"), None), own(Some("b"), None), own(None, None));
        let drifted = own(Some("a"), Some("open"));
        let foreign = Observed::Foreign("theirs".to_owned());
        let absent = Observed::Absent;
        let together = |wanted: &[&Observed], unwanted: &[&Observed]| {
            let cloned = |found: &[&Observed]| found.iter().map(|one| (*one).clone()).collect::<Vec<_>>();
            Observed::together(cloned(wanted), cloned(unwanted))
        };
        assert_eq!(together(&[], &[]), Observed::Unneeded);
        assert_eq!(
            together(&[], &[&foreign, &absent]),
            Observed::Unneeded,
            "what is not wanted and not ours is not in our way"
        );
        assert_eq!(together(&[&absent, &absent], &[]), absent);
        assert_eq!(together(&[&done, &done], &[&absent]), done);
        assert_eq!(together(&[&done, &absent], &[]), begun, "one is lacking");
        assert_eq!(together(&[&done, &begun], &[]), begun);
        assert_eq!(together(&[&done, &other], &[]), begun, "one was not set when the other was");
        assert_eq!(together(&[&done, &drifted], &[]), drifted);
        assert_eq!(together(&[&drifted, &done], &[]), drifted);
        assert_eq!(together(&[&done], &[&done]), begun, "one is there that is not wanted");
        assert_eq!(together(&[&done, &foreign], &[]), foreign);
    }
}
