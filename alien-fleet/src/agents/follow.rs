//! Following what others change, and writing what is known only here.

use std::sync::{Arc, Weak};
use std::time::Duration;

use alien_core::rollout::{Action, Phase};
use alien_core::{DeploymentId, Result};
use jiff::{SignedDuration, Timestamp};

use super::kept::Managers;
use super::sight::QUIET;
use super::{Agents, Answering, FLUSHED, KeptAgent};
use crate::ledger::Pages;
use crate::log::{Tail, What};
use crate::store::Key;

/// How often the log is read at least: an announcement may be lost.
const READ: Duration = Duration::from_secs(2);

/// How many entries are read at once.
const PAGE: usize = 1000;

/// How much later than the store knows an agent has asked before that is written.
const COARSE: SignedDuration = SignedDuration::from_mins(4);

/// How many agents are written at once.
const TOGETHER: usize = 500;

impl Agents {
    /// Begins to follow the log, from its present end on, and to write when agents asked.
    pub(super) async fn follow(&self) -> Result<()> {
        let tail: Option<Tail> = self.0.inner().ledger.get(&Tail::key()).await?;
        let last = tail.map_or(0, |tail| tail.number());
        self.flush().await?;
        tokio::spawn(follow(Arc::downgrade(&self.0), last));
        tokio::spawn(flush(Arc::downgrade(&self.0)));
        Ok(())
    }

    /// Writes when agents asked last, as far as it is not written yet. It is done every 12 seconds anyway.
    ///
    /// # Errors
    ///
    /// Errors of the store.
    pub async fn flush(&self) -> Result<()> {
        self.0.flush().await
    }
}

/// Forgets what others changed.
async fn follow(answering: Weak<Answering>, mut last: u64) {
    let Some(mut announced) = answering.upgrade().map(|alive| alive.inner().ledger.store().announced()) else { return };
    loop {
        announced.mark_unchanged();
        {
            let Some(alive) = answering.upgrade() else { return };
            match alive.read(&mut last).await {
                Ok(()) => {}
                Err(error) => tracing::warn!(%error, "what others changed is not known"),
            }
        }
        let Some(clock) = answering.upgrade().map(|alive| Arc::clone(&alive.inner().clock)) else { return };
        tokio::select! {
            () = clock.sleep(READ) => {}
            changed = announced.changed() => if changed.is_err() { return },
        }
    }
}

async fn flush(answering: Weak<Answering>) {
    loop {
        let Some(clock) = answering.upgrade().map(|alive| Arc::clone(&alive.inner().clock)) else { return };
        clock.sleep(FLUSHED.mul_f64(0.8 + 0.4 * fastrand::f64())).await;
        let Some(alive) = answering.upgrade() else { return };
        if let Err(error) = alive.flush().await {
            tracing::warn!(%error, "when agents asked is not written");
        }
    }
}

impl Answering {
    /// Reads the log to its end.
    async fn read(&self, last: &mut u64) -> Result<()> {
        loop {
            let entries = self.inner().log(*last, PAGE).await?;
            let is_end = entries.len() < PAGE;
            for entry in entries {
                *last = entry.number;
                self.forget(&entry.what);
            }
            if is_end {
                return Ok(());
            }
        }
    }

    fn forget(&self, what: &What) {
        match what {
            What::Registered { deployment, .. }
            | What::Removed { deployment, .. }
            | What::Set { deployment, .. }
            | What::Handed { deployment, .. }
            | What::Reported { deployment, .. }
            | What::Used { deployment, .. } => self.known.forget(*deployment),
            What::Moved { rollout, action } => match action {
                // The next wave changes nothing for those who wait.
                Action::Became { phase: Phase::Open | Phase::Baking | Phase::Gate, .. } => {}
                _ => self.known.forget_product(rollout.product()),
            },
            What::Begun { rollout, .. } => self.known.forget_product(rollout.product()),
            What::Published { .. }
            | What::Ordered { .. }
            | What::Claimed { .. }
            | What::Outcome { .. }
            | What::Health { .. }
            | What::TokenMade { .. }
            | What::TokenRevoked { .. } => {}
        }
    }

    async fn flush(&self) -> Result<()> {
        let now = self.inner().now();
        self.flood.forget(now);
        let says = move |pages: &mut Pages<'_>| {
            let before: Option<Managers> = pages.get(&Managers::key())?;
            pages.put(Managers::key(), &Managers::now(before, now, QUIET), None)
        };
        self.inner().ledger.change([Managers::key()], says).await?;
        self.inner().delete_requests().await?;
        for page in self.known.unwritten(COARSE).chunks(TOGETHER) {
            self.write(page.to_vec()).await?;
            self.known.wrote(page);
        }
        Ok(())
    }

    async fn write(&self, all: Vec<(DeploymentId, Timestamp)>) -> Result<()> {
        let keys: Vec<Key> = all.iter().map(|(id, _)| KeptAgent::key(*id)).collect();
        let change = move |pages: &mut Pages<'_>| {
            for (id, asked) in &all {
                // Whoever was removed meanwhile has no agent any more.
                let Some(mut kept) = pages.get::<KeptAgent>(&KeptAgent::key(*id))? else { continue };
                if kept.seen < Some(*asked) {
                    kept.seen = Some(*asked);
                    pages.put(KeptAgent::key(*id), &kept, None)?;
                }
            }
            Ok(())
        };
        self.inner().ledger.change(keys, change).await
    }
}
