//! How the vendor enters deployments: with short-lived credentials of one identity in the customer's cloud, cached while they
//! last.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use lru::LruCache;
use tokio::sync::Mutex as AsyncMutex;
use tracing::Instrument as _;

use crate::call::Gate;
use crate::calling::{Call, CallConfig};
use crate::clock::{Clock, later};
use crate::cloud::{Cloud, Documented, Kinds, Layout, check};
use crate::context::DeploymentContext;
use crate::delivery::Model;
use crate::deployment::{Deployment, DeploymentId, Invitation};
use crate::error::{Error, ErrorKind, Result};
use crate::kind::Kind;
use crate::manage::Manage;
use crate::name::ResourceId;
use crate::operate::Operated;
use crate::permission::{Grants, Set, Subject};
use crate::problem::Problem;
use crate::resource::CodeForms;
use crate::session::{AssumedSession, Session};
use crate::stack::Stack;

/// Opens sessions in deployments, with the vendor's own credentials. A vendor's program has a value of this, and none of
/// [`Admin`](crate::Admin).
///
/// ```
/// # use std::sync::Arc;
/// # use alien_core::{memory, *};
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
/// # runtime.block_on(async {
/// # let mut stack = Stack::builder("shop");
/// # stack.live("jobs", Queue::new());
/// # let stack = stack.build()?;
/// # let (id, target) = (DeploymentId::new(), memory::Target::new("acme")?);
/// # let config = memory::Config::new(memory::Account::default());
/// # let admin = memory::admin(&config, id, target.clone());
/// let invitation = Invitation::new(id, &target, stack)?;
/// // The customer sets up with the invitation, and sends the record back.
/// # let release = Release::new(invitation.stack.clone(), Default::default())?;
/// # let deployment = admin.apply(&admin.plan(&release).await?).await?;
///
/// let vendor: Arc<dyn Impersonate> = memory::vendor(&config);
/// vendor.register(&invitation, &deployment).await?;
/// let manager = Manager::new(vendor, deployment);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[async_trait]
pub trait Impersonate: Send + Sync + fmt::Debug {
    /// Returns a session: one that is open already, or a new one. Concurrent callers share one.
    ///
    /// # Errors
    ///
    /// [`Revoked`](ErrorKind::Revoked) if the customer's cloud no longer accepts the vendor;
    /// [`Credentials`](ErrorKind::Credentials) if the vendor has none; errors of the cloud's calls.
    async fn session(&self, deployment: &Deployment, purpose: &Purpose) -> Result<Arc<dyn Manage>>;

    /// Replaces a session that the cloud no longer accepts. Concurrent callers share the new one.
    ///
    /// # Errors
    ///
    /// As [`session`](Self::session).
    async fn replace(&self, deployment: &Deployment, purpose: &Purpose, stale: u64) -> Result<Arc<dyn Manage>>;

    /// Checks a record that came back from a set-up: that it fits the invitation, that the caller can assume the identity and
    /// watch every resource, and that the identity refuses whoever lacks the proof that the invitation gave, if it gave one.
    /// Waits here, once,
    /// until what was just granted has propagated. A denial later is a denial.
    ///
    /// # Errors
    ///
    /// [`Input`](ErrorKind::Input) if the record does not fit the invitation, each difference by name;
    /// [`Rejected`](ErrorKind::Rejected) if the identity accepts a caller without the proof;
    /// [`Unsupported`](ErrorKind::Unsupported) if the deployment pulls its releases and the caller is the vendor, or the
    /// other way round; [`Denied`](ErrorKind::Denied) if it may not watch a resource;
    /// [`Revoked`](ErrorKind::Revoked) if it does not accept the vendor.
    async fn register(&self, invitation: &Invitation, deployment: &Deployment) -> Result<()>;

    /// The forms of code that a kind of resource runs on the cloud; `None` if the cloud has no such kind.
    fn code(&self, kind: Kind) -> Option<CodeForms>;

    /// What the cloud does not take of a stack at the target of a deployment, and takes of what is recorded: an update to it would
    /// fail. Calls nothing.
    ///
    /// # Errors
    ///
    /// [`Input`](ErrorKind::Input) if the record is of another cloud.
    fn refused(&self, deployment: &Deployment, next: &Stack) -> Result<Vec<Problem>>;

    /// The clock that waiting uses.
    fn clock(&self) -> &dyn Clock;
}

/// What a session is for. The library refuses everything else; where the cloud can, it also narrows a session for updates.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Watching every resource: heartbeat, logs, dispatch.
    Watch,
    /// Updating these resources.
    Update(BTreeSet<ResourceId>),
    /// Creating or deleting this resource, where the customer has agreed to that by `management.extend`.
    Provision(ResourceId),
}

impl Purpose {
    /// The grants that the purpose needs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if the deployment has no such resource.
    pub fn narrow<C: Cloud>(&self, deployment: &DeploymentContext<C>) -> Result<Grants> {
        let Grants { holder, grants } = &deployment.permissions().management;
        let grants = match self {
            Self::Watch => {
                let watches = |set| matches!(set, Set::Heartbeat | Set::Logs | Set::Dispatch);
                grants.iter().copied().filter(|grant| watches(grant.set)).collect()
            }
            Self::Update(ids) => {
                let subjects: BTreeSet<Subject> =
                    ids.iter().map(|id| deployment.subject(id.as_str())).collect::<Result<_>>()?;
                let wanted = |set| matches!(set, Set::Management | Set::Heartbeat);
                grants.iter().copied().filter(|grant| subjects.contains(&grant.subject) && wanted(grant.set)).collect()
            }
            Self::Provision(id) => {
                let subject = deployment.subject(id.as_str())?;
                let wanted = |set| matches!(set, Set::Heartbeat | Set::Management | Set::Provision | Set::Reconfigure);
                grants.iter().copied().filter(|grant| grant.subject == subject && wanted(grant.set)).collect()
            }
        };
        Ok(Grants { holder: holder.clone(), grants })
    }
}

/// How the vendor assumes the management identity on a cloud: what an adapter implements.
#[async_trait]
pub trait Assume<C: Cloud>: Send + Sync + fmt::Debug {
    /// The clients of the cloud's services.
    type Clients: Send + Sync + 'static;

    /// The call that assumes the identity, as the cloud's API reference names it.
    fn operation(&self) -> &'static str;

    /// Whose way in it is: the vendor's, or that of an agent in the customer's account. It enters no deployment of the
    /// other model.
    fn model(&self) -> Model {
        Model::Push
    }

    /// The proofs that the identity must refuse.
    fn wrong_proofs(&self) -> &'static [Proof];

    /// How long a new grant may take to propagate, beyond the time for which one call is retried.
    fn propagation(&self) -> Duration {
        Duration::ZERO
    }

    /// Gets short-lived credentials, valid for an hour at most.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Denied`] if the cloud refuses the vendor.
    async fn assume(&self, request: &AssumeRequest<C>) -> Result<AssumedSession<Self::Clients>>;
}

/// A request to assume the management identity.
#[derive(Debug)]
pub struct AssumeRequest<C: Cloud> {
    /// The deployment.
    pub deployment: Arc<DeploymentContext<C>>,
    /// The grants that the session needs.
    pub grants: Grants,
    /// Whether `grants` are fewer than the identity has.
    pub narrowed: bool,
    /// The proof to present.
    pub proof: Proof,
}

/// What the vendor presents beside its own credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The proof of the invitation.
    Expected,
    /// Nothing.
    Omitted,
    /// Another proof.
    Mismatched,
}

/// How long before its end a session for watching is renewed.
const MARGIN: Duration = Duration::from_secs(300);

/// How long before its end a session for updates is renewed: longer than any cloud's adapter waits for one update, with
/// what it puts back if that fails.
const UPDATE_MARGIN: Duration = Duration::from_secs(1800);

/// The most sessions that are cached. Beyond that, the one that was not used for the longest time is dropped.
const KEPT: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// The most deployments of which everything derived is cached. It can be derived again, and is larger than a session.
const CONTEXTS: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// How often sessions that have expired are dropped.
const SWEPT_EVERY: Duration = Duration::from_secs(60);

/// How often at most a refused session is replaced, to see whether the vendor still has access at all.
const REPLACED_EVERY: Duration = Duration::from_secs(30);

/// The slot of one session. Whoever renews it holds the lock, so that others wait for the same session.
type Slot<K> = Arc<AsyncMutex<SlotState<K>>>;

/// The state of a slot.
struct SlotState<K> {
    open: Option<Open<K>>,
    replaced: Option<Timestamp>,
    /// The last failure, for the callers that waited.
    failed: Option<(Timestamp, Error)>,
}

/// An open session.
struct Open<K> {
    serial: u64,
    assumed: Arc<AssumedSession<K>>,
    /// From when on it is renewed by whoever asks for it.
    stale: Timestamp,
}

impl<K> Default for SlotState<K> {
    fn default() -> Self {
        Self { open: None, replaced: None, failed: None }
    }
}

/// The key of a session: the deployment, the digest of what the session depends on, and the purpose.
type Key = (DeploymentId, String, Purpose);

/// The sessions that are open.
struct Sessions<K> {
    slots: LruCache<Key, Slot<K>>,
    swept: Timestamp,
}

/// Opens sessions by an adapter's [`Assume`], and caches them while they last.
pub struct Impersonator<C: Cloud, A: Assume<C>> {
    assume: A,
    config: CallConfig,
    sessions: Mutex<Sessions<A::Clients>>,
    contexts: Mutex<LruCache<String, Arc<DeploymentContext<C>>>>,
    serial: AtomicU64,
}

impl<C: Cloud, A: Assume<C>> fmt::Debug for Impersonator<C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Impersonator").field("assume", &self.assume).finish_non_exhaustive()
    }
}

impl<C: Cloud, A: Assume<C>> Impersonator<C, A> {
    /// Creates an impersonator.
    #[must_use]
    pub fn new(assume: A, config: CallConfig) -> Self {
        let sessions = Sessions { slots: LruCache::new(KEPT), swept: Timestamp::MIN };
        let contexts = Mutex::new(LruCache::new(CONTEXTS));
        Self { assume, config, sessions: Mutex::new(sessions), contexts, serial: AtomicU64::new(0) }
    }

    /// How many sessions are cached.
    #[must_use]
    pub fn cached(&self) -> usize {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).slots.len()
    }

    fn slot(&self, deployment: &Deployment, purpose: &Purpose) -> Slot<A::Clients> {
        let now = self.config.clock.now();
        let key = (deployment.id, deployment.session_digest(), purpose.clone());
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if later(sessions.swept, SWEPT_EVERY) <= now {
            sessions.sweep(now);
        }
        Arc::clone(sessions.slots.get_or_insert_mut(key, Slot::default))
    }

    /// Everything derived from a record, derived once while the record stays the same.
    fn context(&self, deployment: &Deployment) -> Result<Arc<DeploymentContext<C>>> {
        self.assume.model().enters(deployment.delivery.model())?;
        let digest = deployment.digest();
        let mut contexts = self.contexts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(context) = contexts.get(&digest) {
            return Ok(Arc::clone(context));
        }
        drop(contexts);
        let context = Arc::new(DeploymentContext::<C>::of(deployment)?);
        contexts = self.contexts.lock().unwrap_or_else(PoisonError::into_inner);
        contexts.put(digest, Arc::clone(&context));
        Ok(context)
    }
}

impl<K> Sessions<K> {
    /// Drops every session that has expired and that nobody waits for.
    fn sweep(&mut self, now: Timestamp) {
        self.swept = now;
        let is_over = |slot: &Slot<K>| {
            Arc::strong_count(slot) == 1
                && slot.try_lock().is_ok_and(|slot| slot.open.as_ref().is_none_or(|open| open.assumed.expires <= now))
        };
        let over: Vec<Key> = self.slots.iter().filter(|(_, slot)| is_over(slot)).map(|(key, _)| key.clone()).collect();
        for key in over {
            self.slots.pop(&key);
        }
    }
}

impl<C: Documented<Kinds: Operated<C, A::Clients>>, A: Assume<C>> Impersonator<C, A> {
    /// Opens a session in its slot, unless that has just failed for a concurrent caller.
    async fn fill(
        &self,
        slot: &mut SlotState<A::Clients>,
        asked: Timestamp,
        deployment: &Deployment,
        purpose: &Purpose,
    ) -> Result<Arc<dyn Manage>> {
        if let Some((_, error)) = slot.failed.as_ref().filter(|(failed, _)| *failed >= asked) {
            return Err(error.clone());
        }
        // A session that could not be renewed is not kept: the next who asks tries again.
        slot.open = None;
        match self.open(deployment, purpose).await {
            Ok(open) => self.session_of(slot.open.insert(open), deployment, purpose),
            Err(error) => {
                slot.failed = Some((self.config.clock.now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn open(&self, deployment: &Deployment, purpose: &Purpose) -> Result<Open<A::Clients>> {
        let deployment = self.context(deployment)?;
        let grants = purpose.narrow(&deployment)?;
        let narrowed = !matches!(purpose, Purpose::Watch);
        let mut request = AssumeRequest { deployment, grants, narrowed, proof: Proof::Expected };
        let asked = self.config.clock.now();
        let mut assumed = self.enter(&request, &self.config, passes).await;
        // The cloud may limit how large the description of a narrowed session is. What creates and deletes one resource
        // cannot be divided, so the library alone narrows it then.
        let is_too_large = |error: &Error| error.kind() == ErrorKind::TooLarge;
        if matches!(purpose, Purpose::Provision(_)) && assumed.as_ref().is_err_and(is_too_large) {
            request.narrowed = false;
            assumed = self.enter(&request, &self.config, passes).await;
        }
        let assumed = assumed.map_err(|error| self.revoked(error, &request.deployment))?;
        let stale = stale(asked, assumed.expires, purpose);
        Ok(Open { serial: self.serial.fetch_add(1, Ordering::Relaxed), assumed: Arc::new(assumed), stale })
    }

    /// The session with these credentials on the deployment as its record is now.
    fn session_of(
        &self,
        open: &Open<A::Clients>,
        deployment: &Deployment,
        purpose: &Purpose,
    ) -> Result<Arc<dyn Manage>> {
        let deployment = self.context(deployment)?;
        let grants = purpose.narrow(&deployment)?;
        let gate = Gate::new(deployment, grants, self.config.clone());
        Ok(Arc::new(Session::new(open.serial, Arc::clone(&open.assumed), gate)))
    }

    /// Assumes the identity, and retries after the errors that `again` picks.
    fn enter<'e>(
        &'e self,
        request: &'e AssumeRequest<C>,
        config: &'e CallConfig,
        again: fn(&Error) -> bool,
    ) -> BoxFuture<'e, Result<AssumedSession<A::Clients>>> {
        Box::pin(async move {
            let operation = self.assume.operation();
            let (at, mut attempts) = (self.config.clock.now(), 0_u32);
            let deployment = request.deployment.id;
            let counted = || {
                attempts += 1;
                let span = tracing::debug_span!("call", operation, attempt = attempts, %deployment);
                self.assume.assume(request).instrument(span)
            };
            let assumed = config.attempts(again, counted).await;
            let failed = assumed.as_ref().err();
            let subject = Subject::ManagementIdentity;
            self.config.record(&Call {
                operation: operation.into(),
                permissions: Vec::new(),
                subject: request.deployment.subject_name(subject).to_owned(),
                kind: request.deployment.subject_kind(subject).into(),
                attempts,
                failure: failed.map(Error::kind),
                deployment,
                at,
                took: Duration::try_from(self.config.clock.now().duration_since(at)).unwrap_or_default(),
                request_id: failed.and_then(Error::request_id).map(str::to_owned),
            });
            // What has ended here are the vendor's own credentials: there is no session yet.
            assumed.map_err(|error| match error.kind() {
                ErrorKind::Expired => error.with_kind(ErrorKind::Credentials).in_operation(operation),
                _ => error.in_operation(operation),
            })
        })
    }

    /// Turns a denial into a revocation: the identity accepted the vendor when the deployment was registered.
    fn revoked(&self, error: Error, deployment: &DeploymentContext<C>) -> Error {
        if error.kind() != ErrorKind::Denied {
            return error;
        }
        let identity = deployment.identity();
        let who = match self.assume.model() {
            Model::Push => "vendor",
            Model::Pull => "agent",
        };
        let what = format!("the customer's cloud does not accept the {who} as `{identity}`: the access was revoked");
        let help = "if the customer did not mean to, their admin sets up again";
        let revoked = Error::new(ErrorKind::Revoked, format!("{what}; {help}")).caused_by(&error);
        revoked.in_operation(self.assume.operation()).with_request_id(error.request_id())
    }
}

/// From when on a session is renewed: early enough before its end for its purpose, but not in the first half of a
/// session that is short.
fn stale(opened: Timestamp, expires: Timestamp, purpose: &Purpose) -> Timestamp {
    let margin = match purpose {
        Purpose::Watch => MARGIN,
        Purpose::Update(_) | Purpose::Provision(_) => UPDATE_MARGIN,
    };
    let lasts = Duration::try_from(expires.duration_since(opened)).unwrap_or_default();
    later(opened, lasts.saturating_sub(margin).max(lasts / 2))
}

fn passes(error: &Error) -> bool {
    error.kind().is_transient()
}

/// What the cloud does not take of a stack at a target, and takes of the one that runs there.
pub(crate) fn refused<C: Documented>(target: &C::Target, runs: &Stack, next: &Stack) -> Vec<Problem> {
    let errors = |stack: &Stack| {
        let placed = Layout::<C>::new(stack.clone(), target.clone());
        let problems = check::<C>(&placed.stack, target).into_iter();
        problems.filter(Problem::is_error).collect::<Vec<_>>()
    };
    let mut refused = errors(next);
    if !refused.is_empty() {
        let known = errors(runs);
        refused.retain(|problem| !known.contains(problem));
    }
    refused
}

#[async_trait]
impl<C: Documented<Kinds: Operated<C, A::Clients>>, A: Assume<C>> Impersonate for Impersonator<C, A> {
    async fn session(&self, deployment: &Deployment, purpose: &Purpose) -> Result<Arc<dyn Manage>> {
        let asked = self.config.clock.now();
        let slot = self.slot(deployment, purpose);
        let mut slot = slot.lock().await;
        let now = self.config.clock.now();
        match slot.open.as_ref().filter(|open| open.stale > now) {
            Some(open) => self.session_of(open, deployment, purpose),
            None => self.fill(&mut slot, asked, deployment, purpose).await,
        }
    }

    async fn replace(&self, deployment: &Deployment, purpose: &Purpose, stale: u64) -> Result<Arc<dyn Manage>> {
        let asked = self.config.clock.now();
        let slot = self.slot(deployment, purpose);
        let mut slot = slot.lock().await;
        let lately = slot.replaced.is_some_and(|replaced| later(replaced, REPLACED_EVERY) > asked);
        match slot.open.as_ref().filter(|open| open.serial != stale || lately) {
            Some(open) => self.session_of(open, deployment, purpose),
            None => {
                slot.replaced = Some(asked);
                self.fill(&mut slot, asked, deployment, purpose).await
            }
        }
    }

    fn code(&self, kind: Kind) -> Option<CodeForms> {
        C::Kinds::code(kind)
    }

    fn refused(&self, deployment: &Deployment, next: &Stack) -> Result<Vec<Problem>> {
        Ok(refused::<C>(deployment.target::<C>()?, &deployment.stack, next))
    }

    fn clock(&self) -> &dyn Clock {
        &*self.config.clock
    }

    async fn register(&self, invitation: &Invitation, deployment: &Deployment) -> Result<()> {
        let differences = invitation.differences(deployment);
        if !differences.is_empty() {
            return Err(differences.into());
        }
        self.assume.model().enters(deployment.delivery.model())?;
        let deployment = Arc::new(DeploymentContext::<C>::of(deployment)?);
        let grants = deployment.permissions().management.clone();
        let mut request = AssumeRequest { deployment, grants, narrowed: false, proof: Proof::Expected };
        // Just after the set-up a denial may only mean that what was granted has not propagated yet.
        let settles = |error: &Error| matches!(error.kind(), ErrorKind::Denied | ErrorKind::Propagating);
        let propagates = |error: &Error| passes(error) || error.kind() == ErrorKind::Denied;
        let mut config = self.config.clone();
        config.propagation = self.assume.propagation();
        let assumed = self.enter(&request, &config, propagates).await;
        let assumed = assumed.map_err(|error| self.revoked(error, &request.deployment))?;
        let gate = Gate::new(Arc::clone(&request.deployment), request.grants.clone(), self.config.clone());
        let session = Session::new(self.serial.fetch_add(1, Ordering::Relaxed), Arc::new(assumed), gate);
        for resource in request.deployment.stack().resources() {
            // What else passes was tried again by the call itself.
            config.attempts(settles, || session.heartbeat(resource.id())).await?;
        }
        for proof in self.assume.wrong_proofs() {
            request.proof = *proof;
            match self.enter(&request, &self.config, passes).await {
                Err(error) if error.kind() == ErrorKind::Denied => {}
                Err(error) => return Err(error),
                Ok(_) => {
                    let shown = match proof {
                        Proof::Omitted => "without any proof",
                        Proof::Expected | Proof::Mismatched => "with a wrong proof",
                    };
                    let identity = request.deployment.identity();
                    let what = format!("`{identity}` accepts the vendor {shown}, so it would accept others too");
                    let help = "the record is refused; ask the customer to set up with the invitation as it is";
                    return Err(Error::new(ErrorKind::Rejected, format!("{what}; {help}")));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_renewed_early_enough_for_what_it_is_for() {
        let opened = Timestamp::UNIX_EPOCH;
        let update = Purpose::Update(BTreeSet::new());
        for (lasts, watch, updates) in [(3600, 3300, 1800), (43_200, 42_900, 41_400), (900, 600, 450), (60, 30, 30)] {
            let expires = later(opened, Duration::from_secs(lasts));
            let after = |purpose| stale(opened, expires, purpose).as_second();
            assert_eq!((after(&Purpose::Watch), after(&update)), (watch, updates), "{lasts}");
        }
        assert_eq!(stale(opened, Timestamp::MIN, &update), opened, "what has expired is renewed at once");
    }
}
