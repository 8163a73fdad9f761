//! What a deployment should run.

use std::sync::Arc;

use alien_core::rollout::{Head, Pass, PauseReason, Phase};
use alien_core::{DeploymentId, Result};
use alien_release::agent::{Bearer, Desired, ETag};

use super::bearers::{Grant, key_id};
use super::known::Found;
use super::{Agents, Answering, KeptAgent, no_agent, refused};
use crate::deployments::Listed;
use crate::products::Product;
use crate::rollout_id::RolloutId;
use crate::rollouts::KeptRollout;
use crate::store::parse;

/// The answer to a poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Poll {
    /// It is as it was at the last poll.
    Unchanged(ETag),
    /// What it should run: [`Desired`] as JSON, and its tag.
    Desired(ETag, Arc<str>),
}

impl Agents {
    /// Answers a poll. `last` is the tag of the last answer. Asks the store only if something changed since.
    ///
    /// # Errors
    ///
    /// [`Credentials`](alien_core::ErrorKind::Credentials) if the bearer is not valid any more, or another key was registered for the
    /// agent since; errors of the store.
    pub async fn desired(&self, bearer: &Bearer, last: Option<ETag>) -> Result<Poll> {
        let now = self.0.inner().now();
        let Grant { deployment, key } = self.0.bearers.check(bearer, now).await?;
        let found = match self.0.known.of(deployment, now) {
            Ok(found) => found,
            Err(number) => {
                let found = self.0.find(deployment).await?;
                self.0.known.keep(deployment, found.clone(), number, now);
                found
            }
        };
        if found.key != key {
            return Err(refused("another key was registered for the agent"));
        }
        Ok(if last == Some(found.etag) { Poll::Unchanged(found.etag) } else { Poll::Desired(found.etag, found.json) })
    }
}

impl Answering {
    async fn find(&self, id: DeploymentId) -> Result<Found> {
        let mut kept = self.kept(id).await?;
        let keys = [Listed::key(&kept.product, id), Product::key(&kept.product)];
        let mut found = self.inner().ledger.store().read(&keys).await?.into_iter();
        let listed = found.next().flatten().ok_or_else(|| no_agent(id))?;
        let listed: Listed = parse(&keys[0], &listed)?;
        let product = found.next().flatten().map(|document| parse::<Product>(&keys[1], &document)).transpose()?;
        let heads = self.heads(&product.unwrap_or_default().active(&kept.product)).await?;
        let key = listed.agent.as_deref().ok_or_else(|| no_agent(id))?.parse()?;
        // What was handed to it by a rollout that is over is not begun any more.
        kept.handed.take_if(|handed| heads.iter().all(|(id, _)| *id != handed.rollout));
        let mut desired = Desired::new();
        desired.next_poll = self.poll_every.and_then(|time| time.as_secs().try_into().ok());
        desired.release = kept.release().cloned();
        if let Some(why) = hold(&kept, &listed, &heads) {
            desired = desired.held(&why);
        }
        self.add_requests(id, &kept, &mut desired).await?;
        let (etag, json) = (desired.etag(), desired.to_json().into());
        Ok(Found { key: key_id(&key), product: kept.product, etag, json })
    }

    async fn heads(&self, rollouts: &[RolloutId]) -> Result<Vec<(RolloutId, Head)>> {
        if rollouts.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<_> = rollouts.iter().map(RolloutId::key).collect();
        let found = self.inner().ledger.store().read(&keys).await?;
        let all = rollouts.iter().zip(&keys).zip(found);
        all.filter_map(|((id, key), document)| {
            let kept = parse::<KeptRollout>(key, &document?);
            Some(kept.map(|kept| (id.clone(), kept.head)))
        })
        .collect()
    }
}

/// Why nothing is to be begun.
fn hold(kept: &KeptAgent, listed: &Listed, heads: &[(RolloutId, Head)]) -> Option<String> {
    if let Some(why) = &listed.hold {
        return Some(format!("held: {why}"));
    }
    let of = kept.handed.as_ref();
    let head = match of {
        Some(handed) => heads.iter().find(|(id, _)| *id == handed.rollout),
        None => heads.last(),
    };
    let (_, head) = head?;
    if let Some(reason) = head.paused() {
        return Some(match reason {
            PauseReason::Asked(why) => format!("the rollout is paused: {why}"),
            PauseReason::Unreachable { .. } | PauseReason::NoneGood { .. } => "the rollout is paused".to_owned(),
        });
    }
    let is_release = of.is_some_and(|handed| handed.pass == Pass::Release);
    (is_release && matches!(head.phase(), Phase::Halted | Phase::Reverting))
        .then(|| "the rollout was halted".to_owned())
}
