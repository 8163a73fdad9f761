//! What agents are asked: commands for functions, and parts of logs.
//!
//! A request waits in the store until its agent finds it at a poll. A command's bytes are given away once. What was answered is
//! deleted as soon as it is read, and what nobody reads an hour after its deadline.

use alien_core::{CommandId, DeploymentId, Error, ErrorKind, LogLine, ResourceId, Result};
use alien_release::agent::{Bearer, CommandAsked, CommandReply, Desired, LogAsked, LogPage, Replied, Signed};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::kept::KeptAgent;
use super::report::{Sent, counted, word};
use super::{Agents, Answering, no_agent};
use crate::deployments::Listed;
use crate::fleet::{Fleet, Inner};
use crate::ledger::Pages;
use crate::log::{Draft, What, Who};
use crate::store::{Key, Place, Span, Table, parse};

/// How long what was answered is kept, from the deadline on.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

/// How many requests may wait for one agent.
const MOST: usize = 32;

/// The most bytes of a command, and of the text of a log.
const MOST_COMMAND: usize = Replied::MOST;
const MOST_LOG: usize = 1 << 20;

/// How often at least the store is asked for an answer.
const ASKED: std::time::Duration = std::time::Duration::from_secs(1);

/// The queue of those that are deleted.
const QUEUE: u8 = 0;

/// A request, as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Request {
    version: u32,
    id: CommandId,
    resource: ResourceId,
    /// When nobody waits for the answer any more.
    deadline: Timestamp,
    asked: Asked,
    state: State,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) enum Asked {
    /// A command with these bytes, until they are given away.
    Command(Bytes),
    /// A log.
    Log {
        /// The first line's time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Timestamp>,
        /// The most lines.
        limit: u32,
    },
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum State {
    /// The agent has not taken it.
    Open,
    /// The agent has taken the command, or sent some pages of the log.
    Taken {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lines: Vec<LogLine>,
        #[serde(default)]
        pages: u32,
    },
    /// The function answered.
    Answered(Bytes),
    /// The log is here.
    Lines(Vec<LogLine>),
    /// It failed, and whether the function may have been called.
    Failed { kind: ErrorKind, sent: bool },
    /// The answer was read, and is deleted.
    Read,
}

/// Bytes, in Base64. They are not shown: they are a customer's.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Bytes(Vec<u8>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl From<Bytes> for String {
    fn from(Bytes(bytes): Bytes) -> Self {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(bytes)
    }
}

impl TryFrom<String> for Bytes {
    type Error = &'static str;

    fn try_from(text: String) -> std::result::Result<Self, Self::Error> {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.decode(text).map(Self).map_err(|_| "a request is not Base64")
    }
}

fn key(deployment: DeploymentId, id: CommandId) -> Key {
    Key::new(Table::Request, "", format!("{deployment}/{id}"))
}

impl Request {
    fn put(&self, pages: &mut Pages<'_>, key: &Key) -> Result<()> {
        let at = self.deadline.saturating_add(KEPT).unwrap_or(Timestamp::MAX).as_millisecond();
        pages.put(key.clone(), self, Some(Place { queue: QUEUE, at }))
    }
}

impl Fleet {
    /// Asks an agent for the answer of a function, and waits for it.
    pub(crate) async fn ask_command(
        &self,
        deployment: DeploymentId,
        function: &ResourceId,
        command: CommandId,
        body: &[u8],
        within: SignedDuration,
    ) -> Result<Vec<u8>> {
        if body.len() > MOST_COMMAND {
            let what =
                format!("the command has {} bytes, and an agent takes {MOST_COMMAND}; it was not sent", body.len());
            return Err(Error::new(ErrorKind::TooLarge, what).at(function.as_str()));
        }
        let asked = Asked::Command(Bytes(body.to_vec()));
        match self.ask(deployment, function, command, asked, "dispatch", within).await? {
            State::Answered(Bytes(bytes)) => Ok(bytes),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks an agent for a part of a log, and waits for it.
    pub(crate) async fn ask_log(
        &self,
        deployment: DeploymentId,
        resource: &ResourceId,
        since: Option<Timestamp>,
        limit: usize,
        within: SignedDuration,
    ) -> Result<Vec<LogLine>> {
        let asked = Asked::Log { since, limit: u32::try_from(limit).unwrap_or(u32::MAX) };
        match self.ask(deployment, resource, CommandId::new(), asked, "logs", within).await? {
            State::Lines(lines) => Ok(lines),
            other => Err(unexpected(&other)),
        }
    }

    /// Writes a request down, unless it is there, and waits until it is answered.
    async fn ask(
        &self,
        deployment: DeploymentId,
        resource: &ResourceId,
        id: CommandId,
        asked: Asked,
        operation: &'static str,
        within: SignedDuration,
    ) -> Result<State> {
        let now = self.inner.now();
        let deadline = now.saturating_add(within).unwrap_or(Timestamp::MAX);
        let request = Request { version: 1, id, resource: resource.clone(), deadline, asked, state: State::Open };
        let product = self.inner.agent(deployment).await?.map(|kept| kept.product);
        let used = |operation: &str| {
            let (product, resource, operation) = (product.clone(), resource.to_string(), operation.to_owned());
            self.draft(What::Used { deployment, product, resource, operation })
        };
        let (place, agent, draft) = (key(deployment, id), KeptAgent::key(deployment), used(operation));
        let at = place.clone();
        let write = move |pages: &mut Pages<'_>| {
            if let Some(found) = pages.get::<Request>(&at)? {
                return found.is_joined_by(&request).map(|()| found.deadline);
            }
            let mut kept: KeptAgent = pages.get(&agent)?.ok_or_else(|| no_agent(deployment))?;
            if kept.requests.len() >= MOST {
                let what = format!("{MOST} requests wait for the agent of deployment {deployment}; nothing was sent");
                return Err(Error::new(ErrorKind::Throttled, what));
            }
            kept.requests.push(request.id);
            pages.put(agent.clone(), &kept, None)?;
            request.put(pages, &at)?;
            pages.log(draft.clone());
            pages.announce();
            Ok(request.deadline)
        };
        let deadline = self.inner.ledger.change([place.clone(), KeptAgent::key(deployment)], write).await?;
        self.answer(deployment, id, deadline, used(&format!("{operation}: not taken in time"))).await
    }

    async fn answer(&self, deployment: DeploymentId, id: CommandId, deadline: Timestamp, late: Draft) -> Result<State> {
        let mut announced = self.inner.ledger.store().announced();
        let place = key(deployment, id);
        loop {
            announced.mark_unchanged();
            let found: Option<Request> = self.inner.ledger.get(&place).await?;
            let is_over = self.inner.now() >= deadline;
            let is_ended = !matches!(found.as_ref().map(|found| &found.state), Some(State::Open | State::Taken { .. }));
            if is_ended || is_over {
                let (place, agent, late) = (place.clone(), KeptAgent::key(deployment), late.clone());
                let keys = [place.clone(), agent.clone()];
                let read = move |pages: &mut Pages<'_>| read(pages, &place, &agent, id, &late);
                return self.inner.ledger.change(keys, read).await?;
            }
            tokio::select! {
                () = self.inner.clock.sleep(ASKED) => {}
                changed = announced.changed() => if changed.is_err() { self.inner.clock.sleep(ASKED).await },
            }
        }
    }
}

/// Reads what became of a request, and deletes it. The mark that it was read stays for a while, so that it is not asked anew.
fn read(pages: &mut Pages<'_>, place: &Key, agent: &Key, id: CommandId, late: &Draft) -> Result<Result<State>> {
    let gone = || Error::new(ErrorKind::NotFound, "the request is not there any more");
    let Some(mut found) = pages.get::<Request>(place)? else { return Ok(Err(gone())) };
    let state = std::mem::replace(&mut found.state, State::Read);
    let answer = match state {
        State::Open => {
            if let Some(mut kept) = pages.get::<KeptAgent>(agent)? {
                kept.requests.retain(|waits| *waits != id);
                pages.put(agent.clone(), &kept, None)?;
            }
            pages.log(late.clone());
            pages.announce();
            Err(Error::new(ErrorKind::TimedOut, "the agent did not take it in time; nothing was done"))
        }
        State::Taken { .. } => {
            Err(Error::new(ErrorKind::TimedOut, "the agent took it, and did not answer in time").with_sent())
        }
        State::Failed { kind, sent } => {
            let error = Error::new(kind, format!("its agent says {}", word(&kind)));
            Err(if sent { error.with_sent() } else { error })
        }
        State::Read => Err(answered_before()),
        State::Answered(_) | State::Lines(_) => Ok(state),
    };
    // Of a command nothing stays but that it was there.
    if let Asked::Command(bytes) = &mut found.asked {
        bytes.0.clear();
    }
    found.put(pages, place)?;
    Ok(answer.map_err(|error| error.at(found.resource.as_str())))
}

impl Request {
    /// Fails if another who gives the same id cannot wait for the same answer.
    fn is_joined_by(&self, other: &Self) -> Result<()> {
        let is_same = match (&self.asked, &other.asked) {
            // Its bytes may be given away by now.
            (Asked::Command(one), Asked::Command(two)) => one == two || self.state != State::Open,
            (one, two) => one == two,
        };
        if self.state == State::Read {
            return Err(answered_before());
        }
        if self.resource == other.resource && is_same {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Conflict, "another request has this id; nothing was sent"))
    }
}

fn answered_before() -> Error {
    Error::new(ErrorKind::Conflict, "it was sent before, and what became of it was told").with_sent()
}

fn unexpected(state: &State) -> Error {
    Error::new(ErrorKind::Internal, format!("a request was answered by what it does not ask for: {state:?}"))
}

impl Agents {
    /// Takes what an agent says to a command. [`Replied::Take`] is answered with the command's bytes, once.
    ///
    /// # Errors
    ///
    /// As [`report`](Self::report); [`NotFound`](ErrorKind::NotFound) if there is no such command;
    /// [`Conflict`](ErrorKind::Conflict) also if it was taken or answered before, or its deadline is over.
    pub async fn reply(
        &self,
        bearer: &Bearer,
        request: CommandId,
        signed: &Signed<CommandReply>,
    ) -> Result<Option<Vec<u8>>> {
        let Sent { id, kept, listed, message } = self.0.sender(bearer, signed).await?;
        is_of(request, message.id)?;
        let (counter, now) = (message.counter, self.0.inner().now());
        let done = self.0.told(id, &kept, listed, request, counter, move |found| {
            let is_command = matches!(found.asked, Asked::Command(_));
            let is_open = found.state == State::Open;
            let is_taken = matches!(found.state, State::Taken { .. });
            match &message.reply {
                _ if !is_command => Err(Error::new(ErrorKind::Conflict, "a log is asked for, and no command")),
                Replied::Take if is_open && now < found.deadline => {
                    found.state = State::Taken { lines: Vec::new(), pages: 0 };
                    let Asked::Command(bytes) = &mut found.asked else { return Ok((None, None)) };
                    Ok((Some(std::mem::take(&mut bytes.0)), Some("dispatch: taken")))
                }
                Replied::Take if is_open => Err(over()),
                Replied::Answer(bytes) if is_taken => {
                    found.state = State::Answered(Bytes(bytes.clone()));
                    Ok((None, None))
                }
                Replied::Failed(kind) if is_taken => {
                    found.state = State::Failed { kind: *kind, sent: true };
                    Ok((None, None))
                }
                Replied::Refused if is_open || is_taken => {
                    found.state = State::Failed { kind: ErrorKind::Denied, sent: false };
                    Ok((None, Some("dispatch: refused by its customer")))
                }
                _ => Err(Error::new(ErrorKind::Conflict, "the command was taken or answered before, or was not taken")),
            }
        });
        let given = done.await?;
        self.0.known.forget(id);
        Ok(given)
    }

    /// Takes a page of a log that was asked for. Page 0 begins anew.
    ///
    /// # Errors
    ///
    /// As [`reply`](Self::reply).
    pub async fn log_page(&self, bearer: &Bearer, request: CommandId, signed: &Signed<LogPage>) -> Result<()> {
        let Sent { id, kept, listed, message } = self.0.sender(bearer, signed).await?;
        is_of(request, message.id)?;
        let (counter, now) = (message.counter, self.0.inner().now());
        let done = self.0.told(id, &kept, listed, request, counter, move |found| {
            let Asked::Log { limit, .. } = found.asked else {
                return Err(Error::new(ErrorKind::Conflict, "a command is asked for, and no log"));
            };
            if now >= found.deadline {
                return Err(over());
            }
            let (mut lines, pages) = match std::mem::replace(&mut found.state, State::Read) {
                State::Open => (Vec::new(), 0),
                State::Taken { .. } if message.page == 0 => (Vec::new(), 0),
                State::Taken { lines, pages } => (lines, pages),
                _ => return Err(Error::new(ErrorKind::Conflict, "the log was sent before")),
            };
            if message.page != pages {
                let what = format!("page {pages} of the log is awaited, and this is page {}", message.page);
                return Err(Error::new(ErrorKind::Conflict, what));
            }
            lines.extend(message.lines.iter().cloned());
            lines.truncate(limit as usize);
            let bytes: usize = lines.iter().map(|line| line.text.len()).sum();
            let is_full = lines.len() >= limit as usize || bytes >= MOST_LOG;
            found.state = match message.error {
                Some(kind) => State::Failed { kind, sent: false },
                None if message.more && !is_full => State::Taken { lines, pages: pages + 1 },
                None => State::Lines(lines),
            };
            Ok((None, (pages == 0).then_some("logs: sent by its agent")))
        });
        done.await?;
        self.0.known.forget(id);
        Ok(())
    }
}

/// What follows from what an agent says: bytes for it, and what is written into the log.
type Told = (Option<Vec<u8>>, Option<&'static str>);

impl Answering {
    /// Writes what an agent says to a request.
    async fn told(
        &self,
        id: DeploymentId,
        kept: &KeptAgent,
        listed: Listed,
        request: CommandId,
        counter: u64,
        mut change: impl FnMut(&mut Request) -> Result<Told> + Send + 'static,
    ) -> Result<Option<Vec<u8>>> {
        let (agent, listing, place) = (KeptAgent::key(id), Listed::key(&kept.product, id), key(id, request));
        let who = Who { name: format!("agent of {id}"), claimed: false };
        let (now, pem) = (self.inner().now(), listed.agent);
        let keys = [agent.clone(), listing.clone(), place.clone()];
        let write = move |pages: &mut Pages<'_>| {
            let mut kept: KeptAgent = pages.get(&agent)?.ok_or_else(|| no_agent(id))?;
            super::is_still(pages, &listing, pem.as_deref())?;
            counted(&mut kept, counter)?;
            let missing = || Error::new(ErrorKind::NotFound, format!("nothing is asked by the id {request}"));
            let mut found: Request = pages.get(&place)?.ok_or_else(missing)?;
            let (given, noted) = change(&mut found)?;
            kept.requests.retain(|waits| *waits != request);
            pages.put(agent.clone(), &kept, None)?;
            found.put(pages, &place)?;
            if let Some(operation) = noted {
                let (resource, operation) = (found.resource.to_string(), operation.to_owned());
                let what = What::Used { deployment: id, product: Some(kept.product), resource, operation };
                pages.log(Draft { at: now, who: who.clone(), what });
            }
            pages.announce();
            Ok(given)
        };
        self.inner().ledger.change(keys, write).await
    }

    /// Adds what an agent is asked to what it should run.
    pub(super) async fn add_requests(&self, id: DeploymentId, kept: &KeptAgent, desired: &mut Desired) -> Result<()> {
        if kept.requests.is_empty() {
            return Ok(());
        }
        let now = self.inner().now();
        let keys: Vec<Key> = kept.requests.iter().map(|request| key(id, *request)).collect();
        let found = self.inner().ledger.store().read(&keys).await?;
        for (key, document) in keys.iter().zip(found) {
            let Some(document) = document else { continue };
            let Request { id, resource, deadline, asked, state, .. } = parse(key, &document)?;
            if state != State::Open || deadline <= now {
                continue;
            }
            let fits = match asked {
                Asked::Command(_) => desired.asks_command(CommandAsked { id, function: resource, deadline }),
                Asked::Log { since, limit } => desired.asks_log(LogAsked { id, resource, since, limit, deadline }),
            };
            if !fits {
                // It waits until others are answered.
                break;
            }
        }
        Ok(())
    }
}

/// Fails if a message is of another request than the one that it was sent for.
fn is_of(request: CommandId, id: CommandId) -> Result<()> {
    if request == id {
        return Ok(());
    }
    Err(super::refused(format!("the message is of {id}, and was sent as one of {request}")))
}

fn over() -> Error {
    Error::new(ErrorKind::Conflict, "its deadline is over")
}

impl Inner {
    /// Deletes what nobody has read for an hour.
    pub(super) async fn delete_requests(&self) -> Result<()> {
        let now = self.now();
        let until = now.saturating_add(SignedDuration::from_mins(1)).unwrap_or(Timestamp::MAX);
        let span = Span { queue: QUEUE, first: i64::MIN, last: now.as_millisecond() };
        let old = self.ledger.store().take(Table::Request, "", span, 500, now, until).await?;
        if old.is_empty() {
            return Ok(());
        }
        let parts = |place: &str| {
            let (deployment, request) = place.split_once('/')?;
            Some((KeptAgent::key(deployment.parse().ok()?), request.to_owned()))
        };
        let requests: Vec<(Key, Option<(Key, String)>)> =
            old.into_iter().map(|(place, _)| (Key::new(Table::Request, "", place.as_str()), parts(&place))).collect();
        let agents = requests.iter().filter_map(|(_, parts)| Some(parts.as_ref()?.0.clone()));
        let keys: Vec<Key> = requests.iter().map(|(key, _)| key.clone()).chain(agents).collect();
        let delete = move |pages: &mut Pages<'_>| {
            for (key, parts) in &requests {
                pages.remove(key.clone());
                if let Some((agent, request)) = parts
                    && let Some(mut kept) = pages.get::<KeptAgent>(agent)?
                {
                    let before = kept.requests.len();
                    kept.requests.retain(|waits| waits.to_string() != *request);
                    if kept.requests.len() != before {
                        pages.put(agent.clone(), &kept, None)?;
                    }
                }
            }
            Ok(())
        };
        self.ledger.change(keys, delete).await
    }
}
