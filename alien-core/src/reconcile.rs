//! How an adapter observes, creates, configures and deletes each part of a deployment. Every call is safe to repeat.

use std::fmt;

use async_trait::async_trait;

use crate::call::CallContext;
use crate::cloud::Cloud;
use crate::error::{ErrorKind, Result};
use crate::marks::{Claim, Fingerprint, Marks, Owner};
use crate::problem::Problem;
use crate::provision::Data;

/// Sets up and takes down one thing of a deployment, with the admin's credentials: a resource (its settings implement
/// this), an identity, or what resources share. `K` are the clients of the cloud's services.
///
/// Every method may be interrupted at any point, and is then called again. It leaves what is done already.
#[async_trait]
pub trait Reconcile<C: Cloud, K: Sync>: Send + Sync {
    /// Looks it up: who owns it, and what was set last.
    async fn observe(&self, cx: CallContext<'_, C, K>) -> Result<Observed>;

    /// Creates it, with the marks of ownership and no fingerprint. The identity that trusts the vendor is created
    /// without any trust.
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists) if it already exists, whoever created it.
    async fn create(&self, cx: CallContext<'_, C, K>, marks: &Marks) -> Result<()>;

    /// Sets everything that the stack says of it, and then all marks: the fingerprint, and those of ownership, which it may
    /// have lost. Of a thing that is marked again, its parts are too.
    async fn configure(&self, cx: CallContext<'_, C, K>, marks: &Marks) -> Result<()>;

    /// Deletes it. Called only if it exists and belongs to this deployment.
    async fn delete(&self, cx: CallContext<'_, C, K>, data: Data) -> Result<Removal>;
}

/// Sets up and takes down identities. The one that trusts the vendor also carries the claim of a run.
#[async_trait]
pub trait ReconcileIdentity<C: Cloud, K: Sync>: Reconcile<C, K> {
    /// Reads the claim on the deployment; `None` if no run has one.
    async fn claim(&self, cx: CallContext<'_, C, K>) -> Result<Option<Claim>>;

    /// Writes the claim, or removes it if `claim` is `None`.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if the identity does not exist.
    async fn write_claim(&self, cx: CallContext<'_, C, K>, claim: Option<&Claim>) -> Result<()>;

    /// Revokes the vendor's access, also for sessions that are open: at once, or as soon as the change has propagated.
    /// Writes [`Marks::REVOKED`] in the place of the fingerprint, so that a later set-up says so, and grants the access
    /// again.
    async fn revoke(&self, cx: CallContext<'_, C, K>) -> Result<()>;
}

/// The admin's side of a cloud's adapter: its clients, and the set-up of what is not a resource.
#[async_trait]
pub trait Provider<C: Cloud>: Send + Sync + fmt::Debug {
    /// The clients of the cloud's services.
    type Clients: Send + Sync;

    /// The clients, with the admin's credentials.
    async fn clients(&self) -> Result<&Self::Clients>;

    /// Sets up identities.
    fn identity(&self) -> &dyn ReconcileIdentity<C, Self::Clients>;

    /// Sets up what resources share; `None` if they share nothing.
    fn shared(&self) -> Option<&dyn Reconcile<C, Self::Clients>> {
        None
    }

    /// Checks that the credentials are of the account that the target names, and reach it. A take-down and a revocation ask
    /// this before they change or conclude anything: in another account they would find nothing. By default, the cloud
    /// has one account.
    async fn account(&self, _: CallContext<'_, C, Self::Clients>) -> Result<Vec<Problem>> {
        Ok(Vec::new())
    }

    /// Checks that the credentials are of the account and have every permission that the set-up needs, and that quotas
    /// leave room. Returns all problems at once.
    async fn preflight(&self, cx: CallContext<'_, C, Self::Clients>) -> Result<Vec<Problem>>;
}

/// What was found under the name of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// The stack needs nothing here.
    Unneeded,
    /// It does not exist.
    Absent,
    /// Something of this name exists, and is not marked as this deployment's.
    Foreign(Foreign),
    /// It exists, and belongs to this deployment.
    Own {
        /// The cloud's id.
        id: String,
        /// Whether its set-up was finished.
        state: State,
        /// How it differs from what was set, if it is known to.
        drift: Option<String>,
    },
    /// It is the customer's own: it is used, and never changed.
    Adopted {
        /// The cloud's id.
        id: String,
    },
}

/// Why something is not this deployment's, as far as its marks tell.
///
/// A thing that carries another deployment's mark, or this one's of another place, is never taken over. One that carries no
/// deployment's mark may have lost it: if the record knows the thing, the admin can have it marked again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    whose: String,
    /// The cloud's id, if nothing marks it as anybody's.
    unmarked: Option<String>,
}

impl Foreign {
    /// It is somebody else's. The text says whose.
    #[must_use]
    pub fn of(whose: impl Into<String>) -> Self {
        Self { whose: whose.into(), unmarked: None }
    }

    /// Nothing marks the thing with this id as any deployment's.
    #[must_use]
    pub fn unmarked(id: impl Into<String>) -> Self {
        Self { whose: "it is not marked as any deployment's".to_owned(), unmarked: Some(id.into()) }
    }

    /// Says in other words why.
    #[must_use]
    pub fn because(mut self, whose: impl Into<String>) -> Self {
        self.whose = whose.into();
        self
    }

    /// What is so of a part of a thing is so of the thing with this id. The text names the part.
    #[must_use]
    pub fn part(self, id: impl Into<String>, what: &str) -> Self {
        let whose = format!("its {what} is not this deployment's: {}", self.whose);
        Self { whose, unmarked: self.unmarked.map(|_| id.into()) }
    }

    /// The cloud's id of a thing that carries no deployment's mark; `None` if it is marked as somebody else's.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.unmarked.as_deref()
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.whose)
    }
}

/// Whether the set-up of a thing was finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It was not finished.
    Unfinished,
    /// The vendor created it, as far as the customer lets it. What is the admin's to set is missing.
    ByVendor,
    /// It is an identity, and the vendor's access by it was revoked.
    Revoked,
    /// It was finished, with this fingerprint.
    Finished(Fingerprint),
    /// It cannot carry a fingerprint. A comparison shows that it is as the stack says.
    Matches,
    /// It cannot carry a fingerprint. A comparison shows that it differs from the stack.
    Differs,
}

impl Observed {
    /// It exists, belongs to this deployment, and is not finished.
    #[must_use]
    pub fn unfinished(id: impl Into<String>) -> Self {
        Self::Own { id: id.into(), state: State::Unfinished, drift: None }
    }

    /// Reads the marks of a thing: who owns it, and what was set last.
    #[must_use]
    pub fn marked<'m>(
        id: impl Into<String>,
        own: Owner<'_>,
        marks: impl IntoIterator<Item = (&'m str, &'m str)>,
    ) -> Self {
        let (mut owner, mut place, mut state) = (None, None, State::Unfinished);
        for (name, value) in marks {
            match name {
                // A tag that says nothing is what is left of one that somebody emptied.
                Marks::DEPLOYMENT if !value.is_empty() => owner = Some(value),
                Marks::PLACE if !value.is_empty() => place = Some(value),
                Marks::FINGERPRINT if value == Marks::REVOKED => state = State::Revoked,
                Marks::FINGERPRINT if value == Marks::BY_VENDOR => state = State::ByVendor,
                Marks::FINGERPRINT => state = value.parse().map_or(State::Unfinished, State::Finished),
                _ => {}
            }
        }
        let elsewhere = place.filter(|place| *place != own.place);
        let foreign = match (owner, elsewhere) {
            (Some(owner), None) if owner.parse() == Ok(own.deployment) => {
                return Self::Own { id: id.into(), state, drift: None };
            }
            // Earlier versions did not mark the place.
            (Some(owner), Some(place)) if owner.parse() == Ok(own.deployment) => {
                Foreign::of(format!("this deployment is in `{place}`, not in `{}`", own.place))
            }
            (Some(other), _) => Foreign::of(format!("it belongs to the deployment {other}")),
            (None, Some(place)) => Foreign::of(format!("it is marked as a deployment's in `{place}`")),
            (None, None) => Foreign::unmarked(id),
        };
        Self::Foreign(foreign)
    }

    /// Combines parts: finished if every wanted part is, and no unwanted part of this deployment remains.
    #[must_use]
    pub fn together(wanted: impl IntoIterator<Item = Self>, unwanted: impl IntoIterator<Item = Self>) -> Self {
        let unfinished = |found| match found {
            Self::Own { id, drift, .. } => Some(Self::Own { id, state: State::Unfinished, drift }),
            _ => None,
        };
        let wanted: Vec<Self> = wanted.into_iter().collect();
        let needed = !wanted.is_empty();
        let lacking = wanted.contains(&Self::Absent);
        let there = wanted.into_iter().filter(|found| *found != Self::Absent);
        let there = there.chain(unwanted.into_iter().filter_map(unfinished)).reduce(|first, second| {
            let worse = |found: &Self| match found {
                Self::Own { state: State::Unfinished | State::ByVendor, .. } => 2,
                Self::Own { drift: None, .. } => 0,
                Self::Own { .. } => 1,
                // What is somebody else's is never marked, whatever else carries no mark.
                Self::Foreign(foreign) if foreign.id().is_none() => 4,
                _ => 3,
            };
            match (&first, &second) {
                // One of them was not set when the other was.
                (Self::Own { state: State::Finished(one), .. }, Self::Own { state: State::Finished(other), .. })
                    if one != other =>
                {
                    unfinished(first.clone()).unwrap_or(first)
                }
                _ if worse(&second) > worse(&first) => second,
                _ => first,
            }
        });
        match there {
            Some(Self::Own { id, drift, .. }) if lacking => Self::Own { id, state: State::Unfinished, drift },
            Some(found) => found,
            None if needed => Self::Absent,
            None => Self::Unneeded,
        }
    }

    /// Sets how it differs from what was set: in several ways, or in none.
    #[must_use]
    pub fn drifted(mut self, how: impl IntoIterator<Item = String>) -> Self {
        if let Self::Own { drift, .. } = &mut self {
            *drift = None;
        }
        self.also_drifted(how)
    }

    /// Adds ways in which it differs from what was set.
    #[must_use]
    pub(crate) fn also_drifted(mut self, how: impl IntoIterator<Item = String>) -> Self {
        if let Self::Own { drift, .. } = &mut self {
            let all: Vec<String> = drift.take().into_iter().chain(how).collect();
            *drift = (!all.is_empty()).then(|| all.join("; "));
        }
        self
    }

    /// Why a thing, or a part of one, must be left alone: it is not this deployment's, and is not to be marked again.
    #[must_use]
    pub fn refused(&self, marks: &Marks) -> Option<&Foreign> {
        match self {
            Self::Foreign(foreign) if marks.again && foreign.id().is_some() => None,
            Self::Foreign(foreign) => Some(foreign),
            _ => None,
        }
    }

    /// Whether it belongs to this deployment.
    #[must_use]
    pub const fn is_own(&self) -> bool {
        matches!(self, Self::Own { .. })
    }
}

/// Creates a thing. An earlier attempt may have created it already, with only its answer lost: whose it is must be
/// looked at after this, because somebody else may have created it as well.
pub(crate) async fn create<C: Cloud, K: Sync>(
    part: &(impl Reconcile<C, K> + ?Sized),
    cx: CallContext<'_, C, K>,
    marks: &Marks,
) -> Result<()> {
    match part.create(cx, marks).await {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        created => created,
    }
}

/// Deletes a thing, which may be gone since it was looked at.
pub(crate) async fn delete<C: Cloud, K: Sync>(
    part: &(impl Reconcile<C, K> + ?Sized),
    cx: CallContext<'_, C, K>,
    data: Data,
) -> Result<Removal> {
    match part.delete(cx, data).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Removal::Gone),
        deleted => deleted,
    }
}

/// The result of a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// It is deleted.
    Gone,
    /// It was kept, because it holds data or may hold some. The sentence says why.
    HoldsData(String),
    /// The cloud will delete it later. The sentence says why.
    Pending(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(digest: Option<&str>, drift: Option<&str>) -> Observed {
        let finished = |digest: &str| State::Finished(Fingerprint { revision: 1, digest: digest.to_owned() });
        let state = digest.map_or(State::Unfinished, finished);
        Observed::Own { id: "x".to_owned(), state, drift: drift.map(str::to_owned) }
    }

    #[test]
    fn several_things_are_finished_where_each_is() {
        let (done, other, begun) = (own(Some("a"), None), own(Some("b"), None), own(None, None));
        let drifted = own(Some("a"), Some("open"));
        let foreign = Observed::Foreign(Foreign::of("theirs"));
        let unmarked = Observed::Foreign(Foreign::unmarked("x"));
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
        assert_eq!(together(&[&done, &unmarked], &[]), unmarked);
        assert_eq!(together(&[&unmarked, &foreign], &[]), foreign, "what is somebody else's is never marked");
    }
}
