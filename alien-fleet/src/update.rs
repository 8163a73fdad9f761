//! The update of one deployment, under the claim of a worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alien_core::rollout::{Action, Ended, Event, Refusal, Sight, Step, Work};
use alien_core::{DeploymentId, Error, ErrorKind, Manager, Result, RunId};
use futures_util::future::{self, Either};
use jiff::{SignedDuration, Timestamp};

use crate::fleet::Fleet;
use crate::records::Records;
use crate::rollout_id::RolloutId;
use crate::rollouts::refusal;
use crate::watch::{self, LOOK, Watched};

/// How long a worker waits between two attempts to tell a store that does not answer, at first and at most.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How old what the watch has seen may be, to stand for a look before the update.
const FRESH: SignedDuration = SignedDuration::from_mins(5);

/// A claim that was not answered yet. It takes a place of those that may be claimed.
pub(crate) struct Claiming(Arc<AtomicUsize>);

impl Claiming {
    pub(crate) fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Claiming {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The update of one deployment.
pub(crate) struct Update<'a> {
    pub(crate) fleet: &'a Fleet,
    /// The worker that claims it.
    pub(crate) owner: &'a RunId,
    pub(crate) rollout: &'a RolloutId,
    pub(crate) deployment: DeploymentId,
    pub(crate) patience: Duration,
    /// How long an agent may be silent.
    pub(crate) silence: Duration,
}

impl Update<'_> {
    /// Claims the deployment and updates it.
    pub(crate) async fn carry_out(&self, fence: u64, claiming: Option<Claiming>) -> Result<()> {
        let claim = Event::Claim { deployment: self.deployment, fence, owner: self.owner.clone() };
        let actions = self.fleet.tell(self.rollout, &claim).await?;
        drop(claiming);
        let Some(Action::Go(work)) = actions.into_iter().find(|action| matches!(action, Action::Go(_))) else {
            return Ok(());
        };
        let update = self.update(&work);
        let keep = self.keep(&work);
        match future::select(std::pin::pin!(update), std::pin::pin!(keep)).await {
            Either::Left((done, _)) => done,
            // The claim is lost: nothing more is called, and whoever has it now goes on.
            Either::Right((why, _)) => {
                tracing::warn!(rollout = %self.rollout, deployment = %self.deployment, %why, "a claim was lost");
                Ok(())
            }
        }
    }

    async fn update(&self, work: &Work) -> Result<()> {
        #[cfg(feature = "agents")]
        match self.fleet.inner.agent(self.deployment).await {
            Ok(None) => {}
            Ok(Some(agent)) => return self.hand(work, &agent).await,
            Err(error) => return self.end(work, Ended::Fault { why: error.to_string(), again: None }).await,
        }
        // What the manager needs of its own is found before anything is begun.
        let records = Arc::new(Records::new(self.fleet.inner.ledger.clone()));
        let ready = async {
            let release = self.fleet.inner.release(self.rollout.product(), work.release).await?;
            Ok::<_, Error>((self.fleet.inner.manager_over(self.deployment, &records).await?, release))
        };
        let (manager, release) = match ready.await {
            Ok(ready) => ready,
            Err(error) => return self.end(work, Ended::Fault { why: error.to_string(), again: None }).await,
        };
        let sick = match self.seen(&manager).await {
            Sight::Seen(sick) => sick,
            Sight::Unreachable(why) => return self.end(work, Ended::Unreachable(why)).await,
            Sight::Fault(why) => return self.end(work, Ended::Fault { why, again: None }).await,
            Sight::Revoked(why) => return self.end(work, Ended::Revoked(why)).await,
        };
        let begin = Step::Begin { sick: sick.into_keys().collect() };
        for step in [begin, Step::Send] {
            // Somebody else has the deployment, or it is not to be updated any more.
            if self.step(work, step).await?.is_some() {
                return Ok(());
            }
        }
        let by = format!("rollout {} ({})", self.rollout, self.fleet.who());
        let request = manager.release(&release).fenced(work.fence).by(by).deadline(self.patience);
        let released = request.await;
        let ended = match Ended::of(&released, self.fleet.inner.now()) {
            // It is the fleet's own store that did not answer.
            Ended::Unreachable(why) if records.is_unanswered() => Ended::Fault { why, again: None },
            ended => ended,
        };
        self.end(work, ended).await
    }

    /// How the deployment is before the update. What the watch saw a moment ago is not asked for again.
    async fn seen(&self, manager: &Manager) -> Sight {
        let watched: Result<Option<Watched>> = self.fleet.inner.ledger.get(&watch::key(self.deployment)).await;
        let now = self.fleet.inner.now();
        let is_fresh = |at: &Timestamp| now.duration_since(*at) < FRESH;
        match watched {
            Ok(Some(Watched { at: Some(at), sight: Some(sight @ Sight::Seen(_)), .. })) if is_fresh(&at) => sight,
            _ => self.fleet.look_at(manager, LOOK).await,
        }
    }

    /// Hands the deployment to its agent, and waits no longer: what the agent reports goes on from there.
    #[cfg(feature = "agents")]
    async fn hand(&self, work: &Work, agent: &crate::agents::KeptAgent) -> Result<()> {
        let sick = match self.fleet.inner.sight_of(self.deployment, agent).await {
            Sight::Seen(sick) => sick,
            Sight::Unreachable(why) => return self.end(work, Ended::Unreachable(why)).await,
            Sight::Fault(why) => return self.end(work, Ended::Fault { why, again: None }).await,
            Sight::Revoked(why) => return self.end(work, Ended::Revoked(why)).await,
        };
        let handed = self.fleet.hand(self.rollout, work, sick.into_keys().collect(), self.silence).await;
        match handed {
            Ok(()) => Ok(()),
            Err(error) => self.end(work, Ended::Fault { why: error.to_string(), again: None }).await,
        }
    }

    async fn end(&self, work: &Work, ended: Ended) -> Result<()> {
        self.step(work, Step::End(ended)).await.map(drop)
    }

    /// Tells how far the update is. While the store does not answer, it is told again, until the claim is over in any
    /// case. Returns why it is refused.
    async fn step(&self, work: &Work, step: Step) -> Result<Option<Refusal>> {
        let event = Event::Work { deployment: self.deployment, fence: work.fence, step };
        let mut wait = AGAIN.0;
        loop {
            match self.fleet.tell(self.rollout, &event).await {
                Ok(actions) => return Ok(refusal(&actions).cloned()),
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    tracing::warn!(%error, "the store does not answer");
                    self.fleet.inner.clock.sleep(wait).await;
                    wait = (wait * 2).min(AGAIN.1);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Keeps the claim, and returns why it is lost.
    async fn keep(&self, work: &Work) -> String {
        let fleet = self.fleet;
        let length = Duration::try_from(work.until.duration_since(fleet.inner.now())).unwrap_or_default();
        let mut until = work.until;
        loop {
            fleet.inner.clock.sleep(length / 3).await;
            let renewed_at = fleet.inner.now();
            let event = Event::Work { deployment: self.deployment, fence: work.fence, step: Step::Renew };
            let left = Duration::try_from(until.duration_since(renewed_at)).unwrap_or_default();
            match fleet.within(left, fleet.tell(self.rollout, &event)).await {
                Some(Ok(actions)) => match refusal(&actions) {
                    Some(refusal) => return refusal.to_string(),
                    None => until = renewed_at.checked_add(length).unwrap_or(Timestamp::MAX),
                },
                Some(Err(error)) => tracing::warn!(%error, "a claim was not renewed"),
                None => {}
            }
            if fleet.inner.now() >= until {
                return "it could not be renewed in time".to_owned();
            }
        }
    }
}

impl Fleet {
    /// How a deployment is now.
    pub(crate) async fn sight(&self, deployment: DeploymentId, time: Duration) -> Sight {
        #[cfg(feature = "agents")]
        match self.inner.agent(deployment).await {
            Ok(None) => {}
            Ok(Some(agent)) => return self.inner.sight_of(deployment, &agent).await,
            Err(error) => return Sight::Fault(error.to_string()),
        }
        match self.inner.manager(deployment).await {
            Ok(manager) => self.look_at(&manager, time).await,
            Err(error) => Sight::Fault(error.to_string()),
        }
    }

    async fn look_at(&self, manager: &Manager, time: Duration) -> Sight {
        let unanswered = || Sight::Unreachable(format!("it did not answer within {} seconds", time.as_secs()));
        self.within(time, manager.heartbeats()).await.map_or_else(unanswered, Sight::of)
    }
}
