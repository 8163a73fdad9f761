//! Rollouts as a store keeps them: a document for the rollout's own row, and one for each deployment's.

use std::fmt;
use std::str::FromStr;

use alien_core::rollout::{Action, Event, Head, Position, Reach, Refusal, Rollout, Row};
use alien_core::{DeploymentId, Error, ErrorKind, Result, StackName, TextError};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ledger::Pages;
use crate::log::{Draft, What, Who};
use crate::products::Product;
use crate::store::{Key, Place, Span, Table};

/// The id of a rollout: the product, and a number that rises with each rollout of it. Its text is `shop/3`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[a-z][a-z0-9-]*/[0-9]+$"))]
pub struct RolloutId {
    product: StackName,
    number: u32,
}

impl RolloutId {
    pub(crate) const fn new(product: StackName, number: u32) -> Self {
        Self { product, number }
    }

    /// The product.
    #[must_use]
    pub const fn product(&self) -> &StackName {
        &self.product
    }

    /// The number.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }
}

impl fmt::Display for RolloutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.product, self.number)
    }
}

impl FromStr for RolloutId {
    type Err = TextError;

    fn from_str(text: &str) -> std::result::Result<Self, TextError> {
        let wrong = || TextError::new(text.to_owned(), "a rollout", "write the product and a number, as `shop/3`");
        let (product, number) = text.split_once('/').ok_or_else(wrong)?;
        let (product, number) = (product.parse().map_err(|_| wrong())?, number.parse().map_err(|_| wrong())?);
        let id = Self { product, number };
        if id.to_string() == text { Ok(id) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for RolloutId {
    type Error = TextError;

    fn try_from(text: String) -> std::result::Result<Self, TextError> {
        text.parse()
    }
}

impl From<RolloutId> for String {
    fn from(id: RolloutId) -> Self {
        id.to_string()
    }
}

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

impl RolloutId {
    pub(crate) fn key(&self) -> Key {
        Key::new(Table::Rollout, self.product.as_str(), format!("{:010}", self.number))
    }

    /// The group of the rows of its deployments.
    pub(crate) fn rows(&self) -> String {
        self.to_string()
    }

    pub(crate) fn row_key(&self, deployment: DeploymentId) -> Key {
        Key::new(Table::Row, self.rows(), deployment.to_string())
    }

    /// The fencing number from which those of its claims go on. They are higher than those of every earlier rollout, so
    /// that no worker of an earlier one can write any more; and below 2⁵³, so that every reader of JSON reads them.
    pub(crate) const fn fence(&self) -> u64 {
        (self.number as u64) << 20
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
