//! Rollouts as a store keeps them: a document for the rollout's own row, and one for each deployment's.

use alien_core::rollout::{Action, Event, Head, Position, Reach, Refusal, Rollout, Row};
use alien_core::{Error, ErrorKind, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ledger::Pages;
use crate::log::{Draft, What, Who};
use crate::products::Product;
use crate::rollout_id::RolloutId;
use crate::store::{Place, Span};

/// A rollout as a store keeps it: its own row, who began it and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct KeptRollout {
    version: u32,
    pub(crate) by: Who,
    pub(crate) at: Timestamp,
    pub(crate) head: Head,
}

impl KeptRollout {
    pub(crate) const fn new(head: Head, by: Who, at: Timestamp) -> Self {
        Self { version: 1, by, at, head }
    }
}

/// Where a row waits in the queues of its rollout.
pub(crate) fn place(row: &Row) -> Option<Place> {
    row.position().map(|Position { queue, at }| Place { queue: queue.number(), at })
}

/// The part of a queue in a store.
pub(crate) fn span(reach: &Reach) -> Span {
    Span { queue: reach.queue.number(), first: *reach.places.start(), last: *reach.places.end() }
}

/// Folds an event into a rollout: reads its own row and the one of the deployment, and writes what has changed and what
/// follows. The keys of both are among those of the change, and that of the product.
pub(crate) fn fold(
    pages: &mut Pages<'_>,
    id: &RolloutId,
    event: &Event,
    who: &Who,
    now: Timestamp,
) -> Result<Vec<Action>> {
    let missing = || Error::new(ErrorKind::NotFound, format!("there is no rollout {id}"));
    let kept: KeptRollout = pages.get(&id.key())?.ok_or_else(missing)?;
    let row = match event.deployment() {
        Some(deployment) => pages.get::<Row>(&id.row_key(deployment))?.map(|row| (deployment, row)),
        None => None,
    };
    let before = row.clone();
    let mut rollout = Rollout::from_rows(kept.head.clone(), row);
    let actions = rollout.apply(event, now);
    for (deployment, row) in rollout.rows() {
        if before.as_ref().is_none_or(|(_, before)| before != row) {
            pages.put(id.row_key(*deployment), row, place(row))?;
        }
    }
    if *rollout.head() != kept.head {
        pages.put(id.key(), &KeptRollout { head: rollout.head().clone(), ..kept }, None)?;
    }
    let log = |what| Draft { at: now, who: who.clone(), what };
    for action in &actions {
        match action {
            Action::Refused(_) => {}
            Action::Go(work) => pages.log(log(What::Claimed {
                rollout: id.clone(),
                deployment: work.deployment,
                release: work.release,
                fence: work.fence,
            })),
            Action::Tell { deployment, outcome } => {
                pages.log(log(What::Outcome { rollout: id.clone(), deployment: *deployment, outcome: outcome.clone() }))
            }
            Action::Became { .. } | Action::Paused(_) | Action::Resumed | Action::Halted(_) | Action::Over(_) => {
                pages.announce();
                pages.log(log(What::Moved { rollout: id.clone(), action: action.clone() }));
            }
        }
    }
    if rollout.head().is_over() {
        let key = Product::key(id.product());
        let product: Option<Product> = pages.get(&key)?;
        if let Some(mut product) = product.filter(|product| product.active.contains(&id.number())) {
            product.active.remove(&id.number());
            pages.put(key, &product, None)?;
        }
    }
    Ok(actions)
}

/// Why an event was refused; `None` if it was not.
pub(crate) fn refusal(actions: &[Action]) -> Option<&Refusal> {
    actions.iter().find_map(|action| match action {
        Action::Refused(refusal) => Some(refusal),
        _ => None,
    })
}
