//! Handing a deployment to its agent.

use std::collections::BTreeSet;
use std::time::Duration;

use alien_core::rollout::{Event, Step, Work};
use alien_core::{Error, ErrorKind, ResourceId, Result};
use alien_release::agent::Wanted;
use jiff::{SignedDuration, Timestamp};

use super::kept::{Handed, KeptAgent};
use crate::fleet::Fleet;
use crate::ledger::Pages;
use crate::log::What;
use crate::products::Product;
use crate::rollout_id::RolloutId;
use crate::rollouts::{fold, refusal};

impl Fleet {
    /// Hands a deployment that a worker has claimed to its agent: what it should run is in the store from then on, together with the
    /// row that waits for it. If the row is not to be begun any more, nothing is written.
    pub(crate) async fn hand(
        &self,
        rollout: &RolloutId,
        work: &Work,
        sick: BTreeSet<ResourceId>,
        silence: Duration,
    ) -> Result<()> {
        let (id, fence) = (work.deployment, work.fence);
        let release = self.inner.kept_release(rollout.product(), work.release).await?;
        let silence = SignedDuration::try_from(silence).unwrap_or(SignedDuration::MAX);
        let wanted = Wanted { release: work.release, digest: release.digest, fence };
        let handed = Handed { rollout: rollout.clone(), pass: work.pass, wanted, silence };
        let what = What::Handed { rollout: rollout.clone(), deployment: id, release: work.release, fence };
        let (draft, now, who) = (self.draft(what), self.inner.now(), self.who().clone());
        let until = now.saturating_add(silence).unwrap_or(Timestamp::MAX);
        let (rollout, place) = (rollout.clone(), KeptAgent::key(id));
        let keys = [place.clone(), rollout.key(), rollout.row_key(id), Product::key(rollout.product())];
        let change = move |pages: &mut Pages<'_>| {
            let gone = || Error::new(ErrorKind::NotFound, "the deployment has no agent any more");
            let mut kept: KeptAgent = pages.get(&place)?.ok_or_else(gone)?;
            for step in [Step::Begin { sick: sick.clone() }, Step::Hand { until }] {
                let actions = fold(pages, &rollout, &Event::Work { deployment: id, fence, step }, &who, now)?;
                if refusal(&actions).is_some() {
                    // Somebody else has it, or it waits.
                    return Ok(());
                }
            }
            kept.handed = Some(handed.clone());
            pages.put(place.clone(), &kept, None)?;
            pages.log(draft.clone());
            pages.announce();
            Ok(())
        };
        self.inner.ledger.change(keys, change).await
    }
}
