//! What agents report, and what follows from it for rollouts.

use std::collections::BTreeMap;

use alien_core::rollout::{self, Event, Refusal, Row, Step, Why};
use alien_core::{Deployment, DeploymentId, Error, ErrorKind, ResourceId, Result, RunId, Stack, TextError};
use alien_release::RefusalKind;
use alien_release::agent::{Attempt, Bearer, Condition, Ended, Hold, Message, Report, Signed, State, Waits};
use jiff::{SignedDuration, Timestamp};

use super::bearers::key_id;
use super::kept::{Handed, KeptAgent, Reported};
use super::{Agents, Answering, no_agent, refused};
use crate::deployments::Listed;
use crate::ledger::Pages;
use crate::log::{Draft, What, Who};
use crate::operate::stand;
use crate::records::Records;
use crate::rollout_id::RolloutId;
use crate::rollouts::{fold, refusal};
use crate::store::Key;

impl Agents {
    /// Takes a report. Once this returns, it is in the store, whatever happens to this program. What it says of a release that was
    /// handed to the agent is what a worker would say: it begins, it goes on, it has ended.
    ///
    /// An agent that reports [`State::Beginning`] begins if this gives `None`. Otherwise it does not, for the reason that this gives.
    ///
    /// # Errors
    ///
    /// [`Credentials`](ErrorKind::Credentials), with the reason: the bearer is not valid any more or is another deployment's, another key
    /// signed the report or took its place. [`Conflict`](ErrorKind::Conflict) if the counter is not above that of the last message: it was
    /// sent before, or is late. [`Throttled`](ErrorKind::Throttled) if the agent sends more than [it may](super::AgentsBuilder::messages).
    /// [`Input`](ErrorKind::Input) and [`TooLarge`](ErrorKind::TooLarge) as [`Signed::verify`]; errors of the store.
    pub async fn report(&self, bearer: &Bearer, signed: &Signed<Report>) -> Result<Option<Hold>> {
        let sender = self.0.sender(bearer, signed).await?;
        let (answer, changed) = self.0.take(sender).await?;
        if changed {
            self.0.known.forget(signed.claimed()?);
        }
        Ok(answer)
    }
}

/// A message whose sender is known.
pub(super) struct Sent<M> {
    pub(super) id: DeploymentId,
    pub(super) kept: KeptAgent,
    pub(super) listed: Listed,
    pub(super) message: M,
}

/// What a report changes beside what is known of its agent.
#[derive(Clone)]
struct Beside {
    /// The stack that runs by now, if the record says another.
    runs: Option<Stack>,
    /// What the rollouts that are not over wait for, if the agent does not wait any more.
    waits: Option<Vec<(RolloutId, Option<String>)>>,
}

impl Answering {
    /// Reads a message that came with a bearer.
    pub(super) async fn sender<M: Message>(&self, bearer: &Bearer, signed: &Signed<M>) -> Result<Sent<M>> {
        let now = self.inner().now();
        let grant = self.bearers.check(bearer, now).await?;
        let id = grant.deployment;
        self.flood.count(grant, now)?;
        let (kept, listed, key) = self.registered(id).await?;
        if key_id(&key) != grant.key {
            return Err(refused("another key was registered for the agent"));
        }
        let not_its_own = |error: Error| match error.kind() {
            ErrorKind::Rejected => refused(error.message()),
            _ => error,
        };
        let message = signed.verify(&key).map_err(not_its_own)?;
        if message.deployment() != id {
            return Err(refused("the bearer is of another deployment than the message"));
        }
        Ok(Sent { id, kept, listed, message })
    }

    /// Writes a report, and what follows. Returns whether what the agent should run may be another now.
    async fn take(&self, sent: Sent<Report>) -> Result<(Option<Hold>, bool)> {
        let Sent { id, kept: mut seen, listed, message: report } = sent;
        let (place, listing, record) = (KeptAgent::key(id), Listed::key(&seen.product, id), Records::key(id));
        let who = Who { name: format!("agent of {id}"), claimed: false };
        loop {
            let beside = self.beside(id, &seen, &report).await?;
            let is_plain = seen.handed.is_none() && beside.runs.is_none() && beside.waits.is_none();
            let (key, product) = (listed.agent.clone(), seen.product.clone());
            let mut given = Given { id, report: report.clone(), beside, who: who.clone(), now: self.inner().now() };
            let (agent, listed, recorded, expected) =
                (place.clone(), listing.clone(), record.clone(), seen.handed.clone());
            let change = move |pages: &mut Pages<'_>, active: &[RolloutId]| {
                let mut kept: KeptAgent = pages.get(&agent)?.ok_or_else(|| no_agent(id))?;
                super::is_still(pages, &listed, key.as_deref())?;
                counted(&mut kept, given.report.counter)?;
                // A worker has handed another release to it since: what is locked is not what is needed.
                if kept.handed != expected {
                    return Ok(None);
                }
                given.carry_out(pages, active, kept, &agent, &listed, &recorded).map(Some)
            };
            let done = if is_plain {
                let mut change = change;
                self.inner().ledger.change([place.clone(), listing.clone()], move |pages| change(pages, &[])).await?
            } else {
                let keys = [place.clone(), listing.clone(), record.clone()];
                self.fleet.change_product(&product, keys, move |rollout| vec![rollout.row_key(id)], change).await?
            };
            match done {
                Some(done) => return Ok(done),
                None => seen = self.kept(id).await?,
            }
        }
    }

    /// What else a report changes.
    async fn beside(&self, id: DeploymentId, seen: &KeptAgent, report: &Report) -> Result<Beside> {
        let before = seen.report.as_ref().map(|reported| &reported.report);
        let ran = before.and_then(|before| before.runs);
        let runs = match report.runs.filter(|runs| ran != Some(*runs)) {
            // What it runs may be a release that this vendor did not publish here.
            Some(runs) => self.inner().published(&seen.product, runs).await.ok().map(|release| release.stack().clone()),
            None => None,
        };
        let waited = before.and_then(waiting);
        let waits = match waited.filter(|waited| waiting(report) != Some(*waited)) {
            Some(_) => {
                let record = self.inner().record(id).await?;
                Some(self.fleet.waits_of_active(&seen.product, &record).await?)
            }
            None => None,
        };
        Ok(Beside { runs, waits })
    }
}

/// How long a release that an agent has refused is not handed to it again.
const REFUSED: SignedDuration = SignedDuration::from_mins(5);

/// What an agent waits for.
const fn waiting(report: &Report) -> Option<&Waits> {
    match &report.state {
        State::Waiting { why, .. } => Some(why),
        _ => None,
    }
}

/// Counts a message, if its counter is above that of the last one.
pub(super) fn counted(kept: &mut KeptAgent, counter: u64) -> Result<()> {
    let last = kept.counter;
    if counter <= last {
        let what = if counter == last { "it was taken before" } else { "it is late" };
        let what = format!("refused: {what}: its counter is {counter}, and that of the last message was {last}");
        return Err(Error::new(ErrorKind::Conflict, what).because("count on from there"));
    }
    kept.counter = counter;
    Ok(())
}

/// A report, and who is to be named in the log.
#[derive(Clone)]
struct Given {
    id: DeploymentId,
    report: Report,
    beside: Beside,
    who: Who,
    now: Timestamp,
}

impl Given {
    fn carry_out(
        &mut self,
        pages: &mut Pages<'_>,
        active: &[RolloutId],
        mut kept: KeptAgent,
        agent: &Key,
        listing: &Key,
        record: &Key,
    ) -> Result<(Option<Hold>, bool)> {
        let before = kept.clone();
        let answer = match kept.handed.clone() {
            Some(handed) if active.contains(&handed.rollout) => self.of_attempt(pages, &mut kept, &handed)?,
            over => {
                if let Some(handed) = over {
                    self.note(pages, &handed, None, "its rollout is over".to_owned());
                }
                kept.handed = None;
                self.is_beginning().map(|_| "nothing is to be begun now".to_owned())
            }
        };
        kept.report = Some(Reported { at: self.now, report: self.report.clone() });
        let changed = (&kept.handed, &kept.wanted) != (&before.handed, &before.wanted);
        pages.put(agent.clone(), &kept, None)?;
        if let Some(stack) = &self.beside.runs
            && let Some(found) = pages.get::<Deployment>(record)?
            && found.stack.digest() != stack.digest()
            // A release that does not fit the record is none that it can run.
            && let Ok(next) = found.running(stack)
        {
            pages.put(record.clone(), &next.kept_over(Some(&found), &self.who.name)?, None)?;
        }
        if let Some(waits) = &self.beside.waits
            && let Some(mut listed) = pages.get::<Listed>(listing)?
        {
            listed.revision += 1;
            pages.put(listing.clone(), &listed, None)?;
            stand(pages, active, &listed, waits, &self.who, self.now)?;
            pages.announce();
        }
        Ok((answer.map(Hold::new), changed))
    }

    /// The number of the attempt that the agent would begin.
    const fn is_beginning(&self) -> Option<u64> {
        match self.report.state {
            State::Beginning { fence, .. } => Some(fence),
            _ => None,
        }
    }

    /// What the report says of the attempt that was handed to the agent. Returns why it is not to begin.
    fn of_attempt(&self, pages: &mut Pages<'_>, kept: &mut KeptAgent, handed: &Handed) -> Result<Option<String>> {
        let fence = handed.wanted.fence;
        let until = self.now.saturating_add(handed.silence).unwrap_or(Timestamp::MAX);
        if let Some(attempt) = self.report.outcome.as_ref().filter(|attempt| attempt.fence == fence) {
            // It may have begun without a word; then it is told now.
            self.tell(pages, handed, Step::Send)?;
            let ended = ended(attempt);
            let what = format!("ended: {}", words(&attempt.ended));
            let refused = self.tell(pages, handed, Step::End(ended))?;
            self.note(pages, handed, refused, what);
            (kept.wanted, kept.handed) = (Some(handed.wanted.clone()), None);
            return Ok(self.is_beginning().map(|_| "the attempt has ended".to_owned()));
        }
        match &self.report.state {
            State::Beginning { fence: told, .. } | State::Updating { fence: told, .. } if *told == fence => {
                let is_new = kept.wanted.as_ref() != Some(&handed.wanted);
                let mut refused = self.tell(pages, handed, Step::Send)?;
                let is_late = refused.is_some() && self.is_beginning().is_none();
                if is_late {
                    // It had begun, and was silent for too long. What it does is not stopped.
                    refused = self.tell(pages, handed, Step::Back { owner: self.owner()?, until })?;
                }
                match &refused {
                    None => {
                        self.tell(pages, handed, Step::Hand { until })?;
                        kept.wanted = Some(handed.wanted.clone());
                    }
                    // Others have its place for now; it reports again.
                    Some(Refusal::Waits(Why::Parallel | Why::Account)) if is_late => {}
                    Some(_) => kept.handed = None,
                }
                if is_new || is_late || refused.is_some() {
                    let what = if is_late { "is back and goes on" } else { "begins" };
                    self.note(pages, handed, refused.clone(), what.to_owned());
                }
                Ok(refused.filter(|_| self.is_beginning().is_some()).map(|why| why.to_string()))
            }
            State::Beginning { .. } => Ok(Some("another attempt takes its place".to_owned())),
            State::Waiting { fence: told, why, .. } if *told == fence => {
                let (ended, what) = waits(why, self.now);
                let refused = self.tell(pages, handed, Step::End(ended))?;
                self.note(pages, handed, refused, format!("waits: {what}"));
                kept.handed = None;
                Ok(None)
            }
            State::Idle | State::Waiting { .. } | State::Updating { .. } => Ok(None),
        }
    }

    /// Tells the rollout, and returns why that is refused.
    fn tell(&self, pages: &mut Pages<'_>, handed: &Handed, step: Step) -> Result<Option<Refusal>> {
        let row: Option<Row> = pages.get(&handed.rollout.row_key(self.id))?;
        // While it was silent, claims that did not reach it had fences of their own. No worker has the deployment now.
        let goes_on = |row: &Row| row.pass() == handed.pass && row.lease().is_none_or(|lease| lease.handed);
        let fence = row.filter(goes_on).map_or(handed.wanted.fence, |row| row.fence());
        let event = Event::Work { deployment: self.id, fence, step };
        Ok(refusal(&fold(pages, &handed.rollout, &event, &self.who, self.now)?).cloned())
    }

    /// The agent, as the owner of a lease.
    fn owner(&self) -> Result<RunId> {
        let defect = |error: TextError| Error::new(ErrorKind::Internal, "an agent has no name").caused_by(&error);
        format!("agent-{}", self.id).parse().map_err(defect)
    }

    /// Writes into the log what the agent told.
    fn note(&self, pages: &mut Pages<'_>, handed: &Handed, refused: Option<Refusal>, what: String) {
        let what = refused.map_or(what.clone(), |why| format!("{what}; refused: {why}"));
        let (release, fence) = (handed.wanted.release, handed.wanted.fence);
        let what = What::Reported { rollout: handed.rollout.clone(), deployment: self.id, release, fence, what };
        pages.log(Draft { at: self.now, who: self.who.clone(), what });
        pages.announce();
    }
}

/// How an attempt ended, as a worker would say it.
fn ended(attempt: &Attempt) -> rollout::Ended {
    match &attempt.ended {
        Ended::Done => rollout::Ended::Done,
        Ended::Failed(failed) => rollout::Ended::Failed(reasons(failed)),
        Ended::Fault(kind) => rollout::Ended::Fault { why: format!("its agent says {}", word(kind)), again: None },
        Ended::Unreachable => rollout::Ended::Unreachable("its agent does not reach the cloud".to_owned()),
        Ended::Revoked => rollout::Ended::Revoked("its agent is not let in".to_owned()),
        Ended::AdminOnly => rollout::Ended::AdminOnly("its agent says so".to_owned()),
    }
}

fn reasons(failed: &BTreeMap<ResourceId, Condition>) -> BTreeMap<ResourceId, String> {
    let reason = |condition: &Condition| {
        let error = condition.error.as_ref().map(word);
        let health = condition.health.map(|health| health.name().to_owned());
        condition.text.clone().or(error).or(health).unwrap_or_else(|| "failed".to_owned())
    };
    failed.iter().map(|(id, condition)| (id.clone(), reason(condition))).collect()
}

/// Why an agent does not begin, as a rollout says it, and in words.
fn waits(why: &Waits, now: Timestamp) -> (rollout::Ended, String) {
    let parked = |why: Why, until| {
        let words = why.to_string();
        (rollout::Ended::Waits { why, until }, words)
    };
    match why {
        Waits::Approval => parked(Why::Approval("at its agent".to_owned()), None),
        Waits::Window { opens: Some(opens) } => parked(Why::Window(*opens), Some(*opens)),
        Waits::Window { opens: None } => parked(Why::Held("its customer's window is closed".to_owned()), None),
        Waits::AdminOnly => parked(Why::AdminOnly("its agent says so".to_owned()), None),
        Waits::AgentTooOld { least } => parked(Why::AdminOnly(format!("the agent must be {least} or newer")), None),
        Waits::BelowFloor => parked(Why::AdminOnly("it has begun a newer release".to_owned()), None),
        Waits::Refused(kind) => {
            let why = format!("its agent does not take the release: {}", word(kind));
            // That says nothing of the release.
            if matches!(kind, RefusalKind::Storage | RefusalKind::Unreachable) {
                return (rollout::Ended::Fault { why: why.clone(), again: None }, why);
            }
            // The repository may have it later.
            parked(Why::Held(why), Some(now.saturating_add(REFUSED).unwrap_or(Timestamp::MAX)))
        }
    }
}

fn words(ended: &Ended) -> String {
    match ended {
        Ended::Done => "done".to_owned(),
        Ended::Failed(failed) => {
            let each = reasons(failed).into_iter().map(|(id, why)| format!("`{id}`: {why}"));
            format!("failed: {}", each.collect::<Vec<_>>().join("; "))
        }
        Ended::Fault(kind) => word(kind),
        Ended::Unreachable => "unreachable".to_owned(),
        Ended::Revoked => "revoked".to_owned(),
        Ended::AdminOnly => "only its admin can".to_owned(),
    }
}

/// The word of a code, as it is in JSON.
pub(super) fn word(code: &impl serde::Serialize) -> String {
    let json = serde_json::to_value(code).ok();
    json.as_ref().and_then(serde_json::Value::as_str).unwrap_or("an unknown reason").to_owned()
}
