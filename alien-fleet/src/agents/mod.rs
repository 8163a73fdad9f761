//! The agents of deployments that pull their releases: what they ask, and what they report.
//!
//! A worker claims such a deployment as any other, and hands it to its agent: what it should run is written into the store. The agent
//! finds it at its next poll, asks by a report whether it may begin, and reports how it ends. Between the two nobody has to live: the
//! row of the deployment waits until the agent's time is over, and a silent agent is unreachable.

mod bearers;
mod desired;
mod flood;
mod follow;
mod hand;
mod kept;
mod known;
mod report;
mod requests;
mod sight;
mod token;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use alien_core::{DeploymentId, Error, ErrorKind, Result};
use alien_release::PublicKey;
use jiff::Timestamp;

use self::bearers::Bearers;
use self::flood::Flood;
use self::known::Known;
use crate::deployments::Listed;
use crate::fleet::{Fleet, Inner};
use crate::ledger::Pages;
use crate::store::Key;

pub use desired::Poll;
pub(crate) use kept::KeptAgent;

/// Answers the agents of a fleet. Any number of programs may, over one store: an agent may ask one now and another next.
///
/// What each should run is kept in this process, so a poll asks neither the store nor anybody else. Others are heard of by the store's
/// announcements. What an agent reports is in the store before it is acknowledged.
///
/// Clones share it. Everything that was acknowledged outlives a kill; when each asked last is written every 12 seconds, and by
/// [`flush`](Self::flush).
#[derive(Clone)]
pub struct Agents(Arc<Answering>);

struct Answering {
    fleet: Fleet,
    hosts: BTreeSet<String>,
    poll_every: Option<Duration>,
    bearers: Bearers,
    known: Known,
    flood: Flood,
}

impl fmt::Debug for Agents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agents").field("hosts", &self.0.hosts).finish_non_exhaustive()
    }
}

/// Collects what agents are answered with.
#[derive(Debug)]
#[must_use = "call `open`"]
pub struct AgentsBuilder {
    fleet: Fleet,
    hosts: BTreeSet<String>,
    messages: u32,
    poll_every: Option<Duration>,
}

impl Fleet {
    /// Begins to answer the agents of deployments that pull their releases.
    pub fn agents(&self) -> AgentsBuilder {
        AgentsBuilder { fleet: self.clone(), hosts: BTreeSet::new(), messages: flood::MESSAGES, poll_every: None }
    }
}

impl AgentsBuilder {
    /// Adds a host under which agents know this manager, as in the URL of their invitations: `releases.vendor.example`, with the port
    /// if it is not 443. A request for a token that was made for another host is refused.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.hosts.insert(host.into().to_ascii_lowercase());
        self
    }

    /// Sets how many messages the agent of one deployment may send at once, and in a minute: 120 by default. Reports, what it says to
    /// commands, pages of logs and requests for a token are messages; polls are none. What it sends beyond is refused, with how long
    /// to wait, and others are answered. Each program counts what is sent to it.
    pub const fn messages(mut self, a_minute: u32) -> Self {
        self.messages = a_minute;
        self
    }

    /// Tells agents how often to ask what they should run: every 30 seconds to every 5 minutes, in whole seconds. Unless it is set, each
    /// asks every 30 seconds. All programs of one store should say the same.
    pub const fn poll_every(mut self, time: Duration) -> Self {
        self.poll_every = Some(time);
        self
    }

    /// Begins. Needs a tokio runtime; what runs in the background ends with the last clone.
    ///
    /// # Errors
    ///
    /// [`Input`](ErrorKind::Input) without a host, or if agents are to ask more or less often than they may; errors of the store.
    pub async fn open(self) -> Result<Agents> {
        let Self { fleet, hosts, messages, poll_every } = self;
        if hosts.is_empty() {
            let what = "agents know this manager under no host";
            return Err(Error::new(ErrorKind::Input, what).because("name the host of its URL"));
        }
        if let Some(time) = poll_every.filter(|time| !POLL_EVERY.contains(time)) {
            let what = format!("agents cannot be told to ask every {} seconds", time.as_secs_f64());
            let help = format!("say {} to {} seconds", POLL_EVERY.start().as_secs(), POLL_EVERY.end().as_secs());
            return Err(Error::new(ErrorKind::Input, what).because(help));
        }
        let bearers = Bearers::open(fleet.inner.ledger.clone(), fleet.inner.now()).await?;
        let (known, flood) = (Known::default(), Flood::new(messages));
        let agents = Agents(Arc::new(Answering { fleet, hosts, poll_every, bearers, known, flood }));
        agents.follow().await?;
        Ok(agents)
    }
}

impl Agents {
    /// When the agent of a deployment was heard of last: by this manager now, or by others a few minutes ago; `None` if never.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the deployment has no agent; errors of the store.
    pub async fn seen(&self, id: DeploymentId) -> Result<Option<Timestamp>> {
        let kept = self.0.kept(id).await?;
        Ok(kept.heard().max(self.0.known.asked(id)))
    }
}

impl Answering {
    fn inner(&self) -> &Inner {
        &self.fleet.inner
    }

    async fn kept(&self, id: DeploymentId) -> Result<KeptAgent> {
        self.inner().agent(id).await?.ok_or_else(|| no_agent(id))
    }

    /// A deployment with an agent, and the agent's key.
    async fn registered(&self, id: DeploymentId) -> Result<(KeptAgent, Listed, PublicKey)> {
        let kept = self.kept(id).await?;
        let listed: Option<Listed> = self.inner().ledger.get(&Listed::key(&kept.product, id)).await?;
        let listed = listed.ok_or_else(|| no_agent(id))?;
        let key = listed.agent.as_deref().ok_or_else(|| no_agent(id))?.parse()?;
        Ok((kept, listed, key))
    }
}

impl Inner {
    /// What is known of the agent of a deployment; `None` if it has none.
    pub(crate) async fn agent(&self, id: DeploymentId) -> Result<Option<KeptAgent>> {
        self.ledger.get(&KeptAgent::key(id)).await
    }
}

/// The key of what is known of the agent of a deployment.
pub(crate) fn key(id: DeploymentId) -> Key {
    KeptAgent::key(id)
}

/// Sets the agent's key of a deployment that is registered. An agent with another key begins anew.
pub(crate) fn register(pages: &mut Pages<'_>, listed: &mut Listed, is_push: bool, key: Option<&str>) -> Result<()> {
    let place = KeptAgent::key(listed.id);
    if is_push {
        listed.agent = None;
        pages.remove(place);
        return Ok(());
    }
    let before = listed.agent.take();
    let key = key.map(str::to_owned).or_else(|| before.clone()).ok_or_else(|| {
        let what = format!("deployment {} pulls its releases, and the key of its agent is not known", listed.id);
        Error::new(ErrorKind::Input, what).because("register it with the public key that its agent printed")
    })?;
    let is_another = before.as_ref() != Some(&key);
    listed.agent = Some(key);
    let kept: Option<KeptAgent> = pages.get(&place)?;
    if kept.is_none() || is_another {
        let mut fresh = KeptAgent::new(listed.product.clone());
        if let Some(kept) = kept {
            // What it should run stays.
            (fresh.wanted, fresh.handed, fresh.requests) = (kept.wanted, kept.handed, kept.requests);
        }
        pages.put(place, &fresh, None)?;
    }
    Ok(())
}

/// Fails if the agent of a deployment has another key by now.
fn is_still(pages: &Pages<'_>, listing: &Key, key: Option<&str>) -> Result<()> {
    let listed: Option<Listed> = pages.get(listing)?;
    if listed.is_some_and(|listed| listed.agent.as_deref() == key) {
        return Ok(());
    }
    Err(refused("another key was registered for the agent"))
}

fn no_agent(id: DeploymentId) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no deployment {id} with an agent"))
}

fn refused(why: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Credentials, format!("refused: {why}"))
}

/// How often agents may be told to ask. A silent agent counts as unreachable after 15 minutes, and reports with its polls.
const POLL_EVERY: RangeInclusive<Duration> = Duration::from_secs(30)..=Duration::from_secs(300);

/// How often a manager writes when agents asked it last.
const FLUSHED: Duration = Duration::from_secs(12);
