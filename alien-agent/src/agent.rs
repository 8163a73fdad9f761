//! The loop: asks, reports, and begins what is to be done. What is done goes on beside it.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alien_core::rollout::Sequence;
use alien_core::{
    AgentVersion, Clock, Delivery, Deployment, Error, ErrorKind, Impersonate, Manager, RecordStore, Result, SystemClock,
};
use alien_release::Verifier;
use alien_release::agent::{Desired, Report, State as Doing, Waits, Wanted};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use jiff::SignedDuration;
use tokio::sync::Notify;

use crate::calls::Calls;
use crate::channel::{Channel, Https};
use crate::live::Live;
use crate::outcome::condition;
use crate::pace::{self, Last};
use crate::policy::Policy;
use crate::state::State;

/// How often an agent looks at the health of its deployment: as often as a manager does where it pushes.
const WATCHED: SignedDuration = SignedDuration::from_mins(5);
/// How often for some time after an update.
const BAKED: SignedDuration = SignedDuration::from_secs(20);
/// How long what was begun waits at most before it is tried again.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(5);
/// How many commands and logs are answered at once.
const AT_ONCE: usize = 4;

/// Runs in the customer's network: asks the vendor's manager what to run, takes what the vendor's keys signed, and rolls it out with
/// credentials of the customer's own.
///
/// It is a library for programs that embed it, and waits on nothing but its [`Channel`], the repository, the cloud and the clock. What it
/// must not forget is in its [`State`], so it may be killed at any point and started again.
pub struct Agent {
    pub(crate) state: Arc<State>,
    pub(crate) access: Arc<dyn Impersonate>,
    pub(crate) verifier: Verifier,
    pub(crate) calls: Calls,
    pub(crate) clock: Arc<dyn Clock>,
    policy: Mutex<Arc<Policy>>,
    /// The most memory that zips may make it take, in bytes.
    pub(crate) memory: u64,
    pub(crate) version: AgentVersion,
    pub(crate) live: Mutex<Live>,
    /// Told when a record names another manager, root or place than this agent was opened with.
    moved: Notify,
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("state", &self.state).field("policy", &self.policy()).finish_non_exhaustive()
    }
}

/// Collects what an agent is made of.
#[must_use = "call `open`"]
pub struct AgentBuilder {
    state: Arc<State>,
    access: Arc<dyn Impersonate>,
    channel: Option<(Arc<dyn Channel>, String)>,
    verifier: Option<Verifier>,
    ca: Option<Vec<u8>>,
    clock: Arc<dyn Clock>,
    policy: Policy,
    memory: u64,
    version: AgentVersion,
}

impl fmt::Debug for AgentBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentBuilder").field("state", &self.state).field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl AgentBuilder {
    /// Sets what the customer lets the agent do and say. By default, releases alone.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Trusts the authorities whose certificates these are, in PEM, beside those that the system trusts.
    pub fn ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca = Some(pem.into());
        self
    }

    /// Calls the manager in another way than HTTPS to the address in the record. `host` is the manager's name in requests for a token,
    /// with the port if it is not 443.
    pub fn channel(mut self, channel: impl Channel + 'static, host: impl Into<String>) -> Self {
        self.channel = Some((Arc::new(channel), host.into()));
        self
    }

    /// Takes releases through another verifier than that of the root in the record and the repository that the manager serves.
    pub fn verifier(mut self, verifier: Verifier) -> Self {
        self.verifier = Some(verifier);
        self
    }

    /// Takes the time from another clock than the machine's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets how much memory the agent may take, in bytes. A release is refused as too large if its zips are reckoned to need more: two and a
    /// half times their length beside 18 MiB, where the cloud runs zips. Without it there is no bound.
    pub const fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Says that the agent is of this version. By default, that of this library.
    pub fn version(mut self, version: AgentVersion) -> Self {
        self.version = version;
        self
    }

    /// Makes the agent. It calls nobody yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the state has no record yet: [`State::give`] it; [`ErrorKind::Input`] if the certificates cannot be
    /// read; [`ErrorKind::Unavailable`] if this machine cannot call by HTTPS.
    pub fn open(self) -> Result<Agent> {
        let Self { state, access, channel, verifier, ca, clock, policy, memory, version } = self;
        let record = state.with(|contents| contents.record.clone()).ok_or_else(no_record)?;
        let Delivery::Pull { manager, root } = &record.delivery else { return Err(no_record()) };
        let https = match &ca {
            Some(pem) => Https::with_ca(manager.as_str(), pem)?,
            None => Https::new(manager.as_str())?,
        };
        let verifier = match verifier {
            Some(verifier) => verifier,
            None => {
                // What is trusted under one root says nothing of what another signs.
                let (_, digest) = root.as_str().split_once(':').unwrap_or_default();
                let trusted = state.folder().join("trust").join(digest);
                let verifier = Verifier::new(root.clone(), trusted, https.repository()?);
                verifier.with_clock(Arc::clone(&clock))
            }
        };
        let (channel, host) = channel.unwrap_or_else(|| {
            let host = https.host();
            (Arc::new(https), host)
        });
        let calls = Calls::new(channel, host, Arc::clone(&state), Arc::clone(&clock));
        let policy = Mutex::new(Arc::new(policy));
        let (live, moved) = (Mutex::new(Live::new()), Notify::new());
        let agent = Agent { state, access, verifier, calls, clock, policy, memory, version, live, moved };
        agent.warn_of_policy();
        Ok(agent)
    }
}

fn no_record() -> Error {
    let what = "the agent has no record of a deployment that pulls its releases";
    Error::new(ErrorKind::NotFound, what).because("set up with its key, and give it the record that the set-up wrote")
}

impl Agent {
    /// Begins to make the agent of a state, which enters its deployment by `access`.
    pub fn builder(state: impl Into<Arc<State>>, access: Arc<dyn Impersonate>) -> AgentBuilder {
        AgentBuilder {
            state: state.into(),
            access,
            channel: None,
            verifier: None,
            ca: None,
            clock: Arc::new(SystemClock),
            policy: Policy::new(),
            memory: u64::MAX,
            version: env!("CARGO_PKG_VERSION").parse().unwrap_or_default(),
        }
    }

    /// Runs until `shutdown` is ready. Then it asks nothing more, begins nothing more, and ends when the update, the commands and the logs that
    /// it is at have ended. It may be dropped instead, at any point: that is as if it were killed, and the next run finishes what was begun.
    ///
    /// Ends in the same way once it was [given](Self::give) a record that names another manager, root or place: open the agent again.
    ///
    /// Waits and tries again while the manager, the repository or the cloud does not answer, and while the disk is full. It logs why by
    /// `tracing`.
    pub async fn run(&self, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = pin!(shutdown.fuse());
        let mut jobs: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
        // A run before this one may have been dropped in the middle of anything.
        *self.live() = Live::new();
        jobs.extend(self.begun());
        self.live().is_looking = true;
        jobs.push(self.look().boxed());
        let mut last = Last::Start;
        loop {
            let wait = pace::wait(self.state.deployment(), self.clock.now(), last, fastrand::f64());
            let turn = async {
                self.clock.sleep(wait).await;
                self.turn().await
            };
            let mut turn = pin!(turn.fuse());
            last = loop {
                tokio::select! {
                    () = &mut shutdown => return self.end_jobs(jobs).await,
                    () = self.moved.notified() => return self.end_jobs(jobs).await,
                    last = &mut turn => break last,
                    Some(()) = jobs.next() => {}
                }
            };
            jobs.extend(self.due());
        }
    }

    async fn end_jobs(&self, mut jobs: FuturesUnordered<BoxFuture<'_, ()>>) {
        self.live().is_stopping = true;
        while self.live().is_at_work() && jobs.next().await.is_some() {}
    }

    /// Sets another policy, from now on: it may be called while the agent runs. What was begun is finished under it as well.
    pub fn set_policy(&self, policy: Policy) {
        *self.policy.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
        self.warn_of_policy();
    }

    /// Takes the record of another set-up by the customer's admin: it may be called while the agent runs. What waited for the admin is
    /// looked at anew. Returns whether it was taken: it is not while an update goes on.
    ///
    /// If it names another manager, another root or another place, [`run`](Self::run) ends, and the agent must be opened again: this one
    /// calls the manager, trusts the root and enters the place that it was opened with.
    ///
    /// # Errors
    ///
    /// As [`State::give`].
    pub fn give(&self, record: &Deployment) -> Result<bool> {
        let mut live = self.live();
        if live.is_updating {
            return Ok(false);
        }
        let before = self.record()?;
        self.state.give(record)?;
        if (&before.delivery, &before.target) != (&record.delivery, &record.target) {
            self.moved.notify_one();
        }
        if live.parked.take().is_some() {
            live.doing = Doing::Idle;
        }
        Ok(true)
    }

    pub(crate) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells of names that the deployment does not have: most likely they are misspelt.
    fn warn_of_policy(&self) {
        let policy = self.policy();
        self.state.with(|contents| {
            let Some(record) = &contents.record else { return };
            for name in policy.named().filter(|name| record.stack.resource(name.as_str()).is_none()) {
                tracing::warn!(resource = %name, "the policy names a resource that the deployment does not have");
            }
        });
    }

    /// Asks once, and reports what is to be reported.
    async fn turn(&self) -> Last {
        let asked = self.clock.now();
        let done = async {
            self.poll().await?;
            self.tell_if_due().await
        };
        match done.await {
            Ok(()) => {
                let mut live = self.live();
                live.failures = 0;
                Last::Answered { asked, next_poll: live.next_poll() }
            }
            Err(error) => {
                let mut live = self.live();
                live.failures = live.failures.saturating_add(1);
                tracing::warn!(%error, times = live.failures, "the manager was not asked");
                Last::Failed { times: live.failures, retry_after: error.retry_after() }
            }
        }
    }

    async fn poll(&self) -> Result<()> {
        let last = self.live().desired.as_ref().map(|(etag, _)| *etag);
        if let Some(desired) = self.calls.desired(last).await? {
            self.live().desired = Some((desired.etag(), desired));
        }
        self.unpark();
        if self.live().parked.is_none() {
            self.keep_waiting(None).await;
        }
        Ok(())
    }

    /// What is to be done now.
    fn due(&self) -> Vec<BoxFuture<'_, ()>> {
        let now = self.clock.now();
        let mut jobs: Vec<BoxFuture<'_, ()>> = Vec::new();
        let desired = self.live().desired.as_ref().map(|(_, desired)| desired.clone()).unwrap_or_default();
        let has_looked = self.live().looked.is_some();
        match self.wanted(&desired).filter(|_| has_looked) {
            Some(wanted) => {
                self.live().is_updating = true;
                jobs.push(self.attempt(wanted).boxed());
            }
            None => jobs.extend(self.begun()),
        }
        let mut live = self.live();
        let is_baking = live.baking.is_some_and(|until| now < until);
        let every = if is_baking { BAKED } else { WATCHED };
        let is_due = live.looked.is_none_or(|looked| now.duration_since(looked) >= every || now < looked);
        if is_due && !live.is_looking && !live.is_updating {
            live.is_looking = true;
            jobs.push(self.look().boxed());
        }
        for asked in desired.commands {
            let is_new = asked.deadline > now && !self.state.with(|contents| contents.knows(asked.id));
            if is_new && live.answering.len() < AT_ONCE && live.answering.insert(asked.id) {
                jobs.push(self.answer(asked).boxed());
            }
        }
        for asked in desired.logs {
            let is_open = asked.deadline > now;
            if is_open && live.answering.len() < AT_ONCE && live.answering.insert(asked.id) {
                jobs.push(self.send_log(asked).boxed());
            }
        }
        jobs
    }

    /// The release that is to be begun, if one is.
    fn wanted(&self, desired: &Desired) -> Option<Wanted> {
        let wanted = desired.release.as_ref().filter(|_| desired.hold.is_none())?;
        let live = self.live();
        if live.is_updating || live.parked.as_ref().is_some_and(|parked| parked.wanted == *wanted) {
            return None;
        }
        let is_known = self.state.with(|contents| {
            let is_begun = contents.begun.as_ref().is_some_and(|begun| begun.is_of(wanted));
            let is_over =
                |last: &alien_release::agent::Attempt| (last.release, last.fence) == (wanted.release, wanted.fence);
            is_begun || contents.last.as_ref().is_some_and(is_over)
        });
        (!is_known).then(|| wanted.clone())
    }

    /// What was begun and has not ended, if it is to be tried again now.
    fn begun(&self) -> Option<BoxFuture<'_, ()>> {
        let mut live = self.live();
        let now = self.clock.now();
        // A clock that was set back does not make it wait longer.
        let is_due = live.again.is_none_or(|again| now >= again || again.duration_since(now) > LONGEST_WAIT);
        if live.is_updating || !is_due || self.state.with(|contents| contents.begun.is_none()) {
            return None;
        }
        live.is_updating = true;
        Some(self.finish().boxed())
    }

    /// Forgets what is not begun, where the reason is gone or something else is wanted.
    fn unpark(&self) {
        let mut live = self.live();
        let wanted = live.desired.as_ref().and_then(|(_, desired)| desired.release.clone());
        let stays = live.parked.as_ref().is_some_and(|parked| match &parked.why {
            // The manager hands another attempt over when it is time.
            Waits::Refused(_) => wanted.as_ref().is_none_or(|wanted| *wanted == parked.wanted),
            // While that is so, the manager keeps the deployment out of the rollout.
            why => {
                let may_begin = matches!(why, Waits::Approval | Waits::Window { .. } | Waits::BelowFloor)
                    && self.kept_back(parked.wanted.release).is_none();
                !may_begin && wanted.as_ref().is_none_or(|wanted| wanted.release <= parked.wanted.release)
            }
        });
        if live.parked.is_some() && !stays {
            live.parked = None;
            if matches!(live.doing, Doing::Waiting { .. }) {
                live.doing = Doing::Idle;
            }
        }
    }

    /// Ends an attempt or a part of one: looks what has become of the deployment, and reports that.
    pub(crate) async fn settle(&self) {
        let is_looking = {
            let mut live = self.live();
            live.is_updating = false;
            std::mem::replace(&mut live.is_looking, true)
        };
        // How it ended is told before anything else, which may take long.
        self.tell_or_warn().await;
        if !is_looking {
            self.look().await;
        }
    }

    /// Looks at the health of every resource, and reports it if it changed.
    async fn look(&self) {
        match self.manager().await {
            Ok(manager) => {
                let beats = manager.heartbeats().await;
                let policy = self.policy();
                let found = beats.iter().map(|(id, beat)| (id.clone(), condition(beat, &policy))).collect();
                let mut live = self.live();
                (live.resources, live.looked) = (found, Some(self.clock.now()));
            }
            Err(error) => {
                tracing::warn!(%error, "the deployment was not looked at");
                self.live().looked = Some(self.clock.now());
            }
        }
        self.live().is_looking = false;
        self.tell_or_warn().await;
    }

    /// Why a release may not begin now, by what was begun before and by the policy.
    pub(crate) fn kept_back(&self, release: Sequence) -> Option<Waits> {
        if self.kept_below(release) {
            return Some(Waits::BelowFloor);
        }
        self.policy().waits(release, self.clock.now())
    }

    /// Returns whether a release is older than what was begun before.
    pub(crate) fn kept_below(&self, release: Sequence) -> bool {
        self.state.with(|contents| contents.floor).is_some_and(|floor| release < floor)
    }

    /// The deployment, as the record in the state has it.
    pub(crate) async fn manager(&self) -> Result<Manager> {
        let store: Arc<dyn RecordStore> = Arc::clone(&self.state) as Arc<dyn RecordStore>;
        Manager::open(Arc::clone(&self.access), store, self.state.deployment()).await
    }

    /// The record in the state.
    pub(crate) fn record(&self) -> Result<Deployment> {
        self.state.with(|contents| contents.record.clone()).ok_or_else(no_record)
    }

    /// Reports, if something changed or it is time. Nothing is reported before the deployment was looked at: an agent that says nothing of
    /// its resources counts as one that does not reach them.
    pub(crate) async fn tell_if_due(&self) -> Result<()> {
        if self.live().looked.is_none() {
            return Ok(());
        }
        loop {
            let report = self.report(0);
            let (taken, is_changed) = match &self.live().told {
                Some((told, at)) => (Some(*at), *told != report),
                None => (None, true),
            };
            let next_poll = self.live().next_poll();
            if !pace::is_report_due(self.clock.now(), taken, is_changed, next_poll) {
                return Ok(());
            }
            self.tell().await?;
            // Of several outcomes, one is told with each report.
            if !self.state.with(|contents| contents.is_untold()) {
                return Ok(());
            }
        }
    }

    /// Reports, if that is due. If that fails, it is due still.
    pub(crate) async fn tell_or_warn(&self) {
        if let Err(error) = self.tell_if_due().await {
            tracing::warn!(%error, "a report was not sent; it is sent with the next poll");
        }
    }

    /// Reports now. Returns why nothing is to be begun.
    pub(crate) async fn tell(&self) -> Result<Option<String>> {
        let mut sent = None;
        let answer = self.calls.report(|counter| {
            let report = self.report(counter);
            sent = Some(report.clone());
            report
        });
        let hold = answer.await?;
        let Some(mut sent) = sent else { return Ok(hold) };
        sent.counter = 0;
        let outcome = sent.outcome.clone();
        self.live().told = Some((sent, self.clock.now()));
        if let Some(outcome) = outcome
            && self.state.with(|contents| contents.is_untold())
        {
            let told = self.state.change(|contents| {
                contents.told(&outcome);
                Ok(())
            });
            if let Err(error) = told.await {
                tracing::warn!(%error, "the report of an outcome is sent once more after the next start");
            }
        }
        Ok(hold)
    }

    /// What there is to report.
    fn report(&self, counter: u64) -> Report {
        let live = self.live();
        let mut report = Report::new(self.state.deployment(), counter, self.version).doing(live.doing.clone());
        report.resources.clone_from(&live.resources);
        self.state.with(|contents| {
            report.runs = contents.runs;
            report.outcome = contents.outcome().cloned();
        });
        // The policy may be another one than when that was seen.
        if self.policy().sends_texts { report.fitted() } else { report.without_texts() }
    }

    pub(crate) fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
