//! New instances of what runs: the same code and the same settings, started anew.

use std::collections::BTreeSet;
use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use futures_util::future::{self, BoxFuture, Either};
use tracing::Instrument as _;

use crate::deployment::Deployment;
use crate::error::{Error, ErrorKind, Result};
use crate::impersonate::Purpose;
use crate::managed::{Managed, Repeat};
use crate::name::ResourceId;
use crate::records::{Taking, interrupted};
use crate::releasing::Begun;
use crate::resource::Resource;

/// A request to start new instances: see [`Manager::redeploy`](crate::Manager::redeploy).
#[must_use = "nothing is done before it is awaited"]
pub struct RedeployRequest<'a> {
    managed: &'a Managed,
    resource: ResourceId,
    deadline: Option<Duration>,
    by: String,
    taking: Taking,
}

impl<'a> RedeployRequest<'a> {
    pub(crate) fn new(managed: &'a Managed, resource: ResourceId) -> Self {
        let by = format!("run {}", managed.kept.owner);
        Self { managed, resource, deadline: None, by, taking: Taking::Free }
    }

    /// Sets how long to wait until the new instances work. What was begun goes on after that.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Says who does it, in words. Others who want to release meanwhile are told.
    pub fn by(mut self, who: impl Into<String>) -> Self {
        self.by = who.into();
        self
    }

    /// Does not wait for the lease of a release that was interrupted. Use it only if you know that no other program
    /// carries that release out.
    pub const fn take_over(mut self) -> Self {
        self.taking = Taking::Over;
        self
    }

    async fn carry_out(self) -> Result<()> {
        let managed = self.managed;
        let _turn = managed.one_release().await;
        managed.kept.reload().await?;
        let before = managed.kept.change(|record| self.begin(record)).await?;
        // If it is dropped, the lease ends here.
        let begun = Begun { managed };
        let started = managed.kept.leased(managed.clock(), self.start(&before)).await;
        // Somebody else has taken over, and the lease is theirs.
        let started = started.map_err(|lost| lost.with_sent().at(self.resource.as_str()))?;
        let ended = managed.kept.change_own(interrupted).await;
        drop(begun);
        started?;
        ended.map_err(|error| error.because("the new instances work, but the record is not saved"))
    }

    /// Takes the lease. The record names no resource whose outcome is open: whatever becomes of the new instances, the
    /// code and the settings are those that ran before.
    fn begin(&self, record: &mut Deployment) -> Result<Deployment> {
        let (kept, clock) = (&self.managed.kept, self.managed.clock());
        kept.is_free(record, clock, self.taking)?;
        interrupted(record);
        let id = self.resource.as_str();
        if !record.stack.resource(id).is_some_and(Resource::is_updatable) {
            let what = "the deployment has no such live function or container";
            return Err(Error::new(ErrorKind::Input, what).at(id));
        }
        let before = record.clone();
        let by = format!("{}, who starts new instances of `{id}`,", self.by);
        record.in_flight = Some(kept.lease(clock, &by, &before.stack, BTreeSet::new()));
        Ok(before)
    }

    async fn start(&self, before: &Deployment) -> Result<()> {
        let purpose = Purpose::Update(BTreeSet::from([self.resource.clone()]));
        // To start them twice does no harm, so a session that ends is replaced.
        let work = self.managed.with_session(before, &purpose, Repeat::Unsent, |session| {
            let id = self.resource.clone();
            async move { session.redeploy(&id).await }
        });
        let Some(deadline) = self.deadline else { return work.await };
        match future::select(std::pin::pin!(work), self.managed.clock().sleep(deadline)).await {
            Either::Left((done, _)) => done,
            Either::Right(_) => {
                let what = format!("the new instances did not work within {} seconds", deadline.as_secs_f64());
                Err(Error::new(ErrorKind::TimedOut, what).with_sent().at(self.resource.as_str()))
            }
        }
    }
}

impl<'a> IntoFuture for RedeployRequest<'a> {
    type Output = Result<()>;
    type IntoFuture = BoxFuture<'a, Result<()>>;

    fn into_future(self) -> Self::IntoFuture {
        let deployment = self.managed.kept.get().id;
        let span = tracing::info_span!("redeploy", %deployment, resource = self.resource.as_str());
        Box::pin(self.carry_out().instrument(span))
    }
}

impl fmt::Debug for RedeployRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RedeployRequest");
        shown.field("resource", &self.resource).field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
