//! Watching: the health of every deployment, looked at again and again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use alien_core::rollout::Sight;
use alien_core::{DeploymentId, Error, ErrorKind, Result, StackName};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::fleet::Fleet;
use crate::ledger::Pages;
use crate::log::{Draft, What};
use crate::store::{Key, Place, Span, Table};

/// How long one look at a deployment may take.
pub(crate) const LOOK: Duration = Duration::from_secs(60);

/// How a deployment was when somebody looked last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Watched {
    version: u32,
    /// When somebody looked last; `None` if nobody has yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// When it is looked at next.
    pub next: Timestamp,
    /// What was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sight: Option<Sight>,
}

pub(crate) fn key(id: DeploymentId) -> Key {
    Key::new(Table::Health, "", id.to_string())
}

/// The queue of those who are looked at next.
pub(crate) const QUEUE: u8 = 0;

pub(crate) fn place(watched: &Watched) -> Place {
    Place { queue: QUEUE, at: watched.next.as_millisecond() }
}

/// How long after it was registered a deployment is looked at first, at most.
const FIRST: Duration = Duration::from_secs(300);

/// Begins to watch a deployment, unless it is watched already.
pub(crate) fn begin(pages: &mut Pages<'_>, id: DeploymentId, now: Timestamp) -> Result<()> {
    if pages.get::<Watched>(&key(id))?.is_some() {
        return Ok(());
    }
    // Those of one import are not all looked at in one moment, neither now nor later.
    let next = later(now, FIRST.mul_f64(fastrand::f64()));
    let watched = Watched { version: 1, at: None, next, sight: None };
    pages.put(key(id), &watched, Some(place(&watched)))
}

impl Fleet {
    /// How every deployment was when somebody looked last.
    ///
    /// # Errors
    ///
    /// Errors of the store.
    pub async fn health(&self) -> Result<BTreeMap<DeploymentId, Watched>> {
        let all = self.inner.ledger.all::<Watched>(Table::Health, "").await?;
        let wrong = |id: &str| Error::new(ErrorKind::Internal, format!("`{id}` is not the id of a deployment"));
        all.into_iter().map(|(id, watched)| Ok((id.parse().map_err(|_| wrong(&id))?, watched))).collect()
    }
}

/// How many looks may be going on or wait for their account, and how many go on in one account.
const WIDTH: usize = 512;
const PER_ACCOUNT: usize = 8;

/// How often what is due is taken, and what was seen is written: together, since each write costs the same.
const ROUND: Duration = Duration::from_secs(1);

/// How long an account that throttles is left alone, at first and at most.
const THROTTLED: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(600));

/// Looks at the health of all deployments.
pub(crate) struct Watch {
    fleet: Fleet,
    every: Duration,
    accounts: HashMap<String, Account>,
}

/// An account that is looked at.
#[derive(Debug)]
struct Account {
    /// How many looks wait or are going on.
    looks: usize,
    /// Lets as many of them go on as the account may be asked at once.
    turns: Arc<Semaphore>,
    /// Until when it is left alone, and for how long that was.
    left_alone: Option<(Timestamp, Duration)>,
}

/// A look that has ended.
struct Looked {
    id: DeploymentId,
    product: StackName,
    account: String,
    sight: Sight,
}

/// A deployment, what was seen of it if somebody looked, and when it is looked at next.
type Changed = (DeploymentId, Option<(StackName, Sight)>, Timestamp);

impl Watch {
    pub(crate) fn new(fleet: Fleet, every: Duration) -> Self {
        Self { fleet, every, accounts: HashMap::new() }
    }

    /// Goes on for ever.
    pub(crate) async fn run(mut self) {
        let mut looks: JoinSet<Looked> = JoinSet::new();
        loop {
            let mut seen = Vec::new();
            while let Some(ended) = looks.try_join_next() {
                seen.extend(ended.ok());
            }
            if let Err(error) = self.round(seen, &mut looks).await {
                tracing::warn!(%error, "what the watch saw was not written");
            }
            self.fleet.inner.clock.sleep(ROUND).await;
        }
    }

    /// Writes what was seen, and begins to look at what is due.
    async fn round(&mut self, seen: Vec<Looked>, looks: &mut JoinSet<Looked>) -> Result<()> {
        let now = self.fleet.inner.now();
        let mut changes = Vec::new();
        for Looked { id, product, account, sight } in seen {
            let kept = self.accounts.entry(account).or_default();
            kept.looks = kept.looks.saturating_sub(1);
            let next = match &sight {
                Sight::Fault(_) => kept.throttled(now),
                _ => {
                    kept.answered(now);
                    later(now, self.jittered())
                }
            };
            changes.push((id, Some((product, sight)), next));
        }
        self.accounts.retain(|_, account| account.looks > 0 || account.left_alone.is_some());
        let room = WIDTH.saturating_sub(looks.len());
        let span = Span { queue: QUEUE, first: i64::MIN, last: now.as_millisecond() };
        let store = self.fleet.inner.ledger.store();
        let due = store.take(Table::Health, "", span, room, now, later(now, LOOK * 2)).await?;
        for (id, _) in due {
            let Ok(id) = id.parse::<DeploymentId>() else { continue };
            let Ok((listed, _)) = self.fleet.inner.listed(id).await else { continue };
            let account = self.accounts.entry(listed.account.clone()).or_default();
            if let Some(until) = account.waits(now) {
                changes.push((id, None, until));
            } else {
                account.looks += 1;
                let (fleet, turns) = (self.fleet.clone(), Arc::clone(&account.turns));
                looks.spawn(async move {
                    // It is never closed.
                    let _turn = turns.acquire().await;
                    let sight = fleet.sight(id, LOOK).await;
                    Looked { id, product: listed.product, account: listed.account, sight }
                });
            }
        }
        self.write(changes, now).await
    }

    /// When it is looked at next: spread, so that not all are looked at at once.
    fn jittered(&self) -> Duration {
        self.every.mul_f64(0.8 + 0.4 * fastrand::f64())
    }

    async fn write(&self, changes: Vec<Changed>, now: Timestamp) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let keys: Vec<Key> = changes.iter().map(|(id, ..)| key(*id)).collect();
        let who = self.fleet.who().clone();
        let change = move |pages: &mut Pages<'_>| {
            for (id, sight, next) in &changes {
                // Whoever was removed meanwhile is not watched any more.
                let Some(mut watched) = pages.get::<Watched>(&key(*id))? else { continue };
                watched.next = *next;
                if let Some((product, sight)) = sight {
                    if watched.sight.as_ref() != Some(sight) {
                        let (product, health) = (Some(product.clone()), words(sight));
                        let what = What::Health { deployment: *id, product, health };
                        pages.log(Draft { at: now, who: who.clone(), what });
                    }
                    (watched.at, watched.sight) = (Some(now), Some(sight.clone()));
                }
                let place = place(&watched);
                pages.put(key(*id), &watched, Some(place))?;
            }
            Ok(())
        };
        self.fleet.inner.ledger.change(keys, change).await
    }
}

impl Default for Account {
    fn default() -> Self {
        Self { looks: 0, turns: Arc::new(Semaphore::new(PER_ACCOUNT)), left_alone: None }
    }
}

impl Account {
    /// Until when it is left alone, if it is.
    fn waits(&self, now: Timestamp) -> Option<Timestamp> {
        self.left_alone.map(|(until, _)| until).filter(|until| *until > now)
    }

    /// Leaves it alone, and returns until when.
    fn throttled(&mut self, now: Timestamp) -> Timestamp {
        // The looks that were going on when it began to throttle fail too: together they count once.
        if let Some(until) = self.waits(now) {
            return until;
        }
        let time = self.left_alone.map_or(THROTTLED.0, |(_, time)| (time * 2).min(THROTTLED.1));
        let until = later(now, time);
        self.left_alone = Some((until, time));
        until
    }

    /// Asks it again as before.
    fn answered(&mut self, now: Timestamp) {
        // What answers while it is left alone was asked before that, and says nothing of what would be answered now.
        if self.waits(now).is_none() {
            self.left_alone = None;
        }
    }
}

fn later(now: Timestamp, time: Duration) -> Timestamp {
    now.checked_add(time).unwrap_or(Timestamp::MAX)
}

/// What was seen, in words.
fn words(sight: &Sight) -> String {
    match sight {
        Sight::Seen(sick) if sick.is_empty() => "healthy".to_owned(),
        Sight::Seen(sick) => {
            let each: Vec<String> = sick.iter().map(|(id, why)| format!("`{id}`: {why}")).collect();
            format!("degraded: {}", each.join("; "))
        }
        Sight::Unreachable(why) => format!("unreachable: {why}"),
        Sight::Fault(why) => format!("not seen: {why}"),
        Sight::Revoked(why) => format!("the customer revoked the access: {why}"),
    }
}
