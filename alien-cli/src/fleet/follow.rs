//! Follows a rollout to its end, whoever carries it out.

use std::collections::BTreeSet;
use std::time::Duration;

use alien_core::rollout::Head;
use alien_core::{Error, ErrorKind};
use alien_fleet::api::Client;
use alien_fleet::{RolloutId, Status};
use jiff::Timestamp;

use super::board::Board;
use super::ending::{Ending, Total};
use super::table::Told;

/// How often the rollout is looked at. Its own row is enough, unless something failed.
pub(super) const EVERY: Duration = Duration::from_millis(500);

/// Follows a rollout.
pub(super) struct Follower<'b> {
    id: RolloutId,
    board: &'b mut Board,
    /// The failures that were told.
    told: BTreeSet<(alien_core::DeploymentId, &'static str)>,
    failed: u32,
}

impl<'b> Follower<'b> {
    pub(super) const fn new(id: RolloutId, board: &'b mut Board) -> Self {
        Self { id, board, told: BTreeSet::new(), failed: 0 }
    }

    /// Shows what happens until nothing more happens without an operator.
    ///
    /// # Errors
    ///
    /// Those of the client: [`Unavailable`](ErrorKind::Unavailable) if the program that answered has ended.
    pub(super) async fn follow(&mut self, client: &Client) -> Result<(Status, Ending), Error> {
        loop {
            let (head, now) = self.head(client).await?;
            self.board.show(&head, now);
            let (total, ending) = (Total::of(&head), Ending::of(&head));
            let failed = total.bad + total.unknown + total.reverted;
            if failed > self.failed || ending.is_some() {
                self.failed = failed;
                let status = client.status(&self.id).await?;
                for told in Told::all(&status.rollout, status.now).iter().filter(|told| told.is_failure()) {
                    if self.told.insert((told.deployment, told.state)) {
                        self.board.tell(told);
                    }
                }
                // It may have gone on in between: an operator may have told it something.
                if let Some(ending) = Ending::of(status.rollout.head()) {
                    self.board.show(status.rollout.head(), status.now);
                    return Ok((status, ending));
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// The rollout's own row.
    async fn head(&self, client: &Client) -> Result<(Head, Timestamp), Error> {
        let all = client.rollouts(self.id.product()).await?;
        let found = all.into_iter().find(|status| status.id == self.id);
        let missing = || Error::new(ErrorKind::NotFound, format!("there is no rollout {}", self.id));
        let found = found.ok_or_else(missing)?;
        Ok((found.rollout.head().clone(), found.now))
    }

    /// Says something.
    pub(super) fn note(&self, text: &str) {
        self.board.note(text);
    }
}
