//! How the vendor gets in: short-lived credentials of one identity in the customer's cloud, kept while they last.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::Mutex as AsyncMutex;

use crate::call::{Call, CallConfig, Gate};
use crate::clock::{Clock, later};
use crate::cloud::{Cloud, Kinds};
use crate::context::DeploymentContext;
use crate::deployment::{Deployment, DeploymentId, Invitation};
use crate::error::{Error, ErrorKind, Result};
use crate::kind::Kind;
use crate::manage::Manage;
use crate::name::ResourceId;
use crate::operate::Operated;
use crate::permission::{Grants, Set, Subject};
use crate::resource::CodeForms;
use crate::session::{AssumedSession, Session};

/// Opens sessions on deployments. The vendor has a value of this, and none of [`Admin`](crate::Admin).
#[async_trait]
pub trait Impersonate: Send + Sync + fmt::Debug {
    /// A session: one that is open already, or a new one. Several who ask at once share one.
    ///
    /// # Errors
    ///
    /// [`Revoked`](ErrorKind::Revoked) where the customer's cloud does not let the vendor in;
    /// [`Credentials`](ErrorKind::Credentials) where the vendor has none; what the cloud's calls give.
    async fn session(&self, deployment: &Deployment, purpose: &Purpose) -> Result<Arc<dyn Manage>>;

    /// A session in the place of one that the cloud no longer takes. Several who ask at once share one.
    ///
    /// # Errors
    ///
    /// As [`session`](Self::session).
    async fn replace(&self, deployment: &Deployment, purpose: &Purpose, stale: u64) -> Result<Arc<dyn Manage>>;

    /// Checks a record that came back from a customer: that it is of the invitation, that the identity lets the vendor
    /// in and watch everything, and that it lets nobody in without the proof that the invitation gave. What was just
    /// granted may not be known everywhere yet: that is waited out here, once. A denial later is a denial.
    ///
    /// # Errors
    ///
    /// [`Input`](ErrorKind::Input) where the record is not of the invitation, each difference by name;
    /// [`Rejected`](ErrorKind::Rejected) where the identity lets in who lacks the proof;
    /// [`Denied`](ErrorKind::Denied) where it may not watch a resource;
    /// [`Revoked`](ErrorKind::Revoked) where it does not let the vendor in.
    async fn register(&self, invitation: &Invitation, deployment: &Deployment) -> Result<()>;

    /// The forms of code that a kind of resource runs on the cloud; none where the cloud has no such kind.
    fn code(&self, kind: Kind) -> Option<CodeForms>;

    /// The clock that calls wait on.
    fn clock(&self) -> &dyn Clock;
}

/// What a session is for. The library lets it do no more than that takes; a session for updates is narrowed by the cloud as
/// well, where the cloud can.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To watch everything: heartbeat, logs, dispatch.
    Watch,
    /// To update these.
    Update(BTreeSet<ResourceId>),
}

impl Purpose {
    /// The grants that the purpose takes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] where the deployment has no such resource.
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
        };
        Ok(Grants { holder: holder.clone(), grants })
    }
}

/// What a cloud's adapter must do to let the vendor in.
#[async_trait]
pub trait Assume<C: Cloud>: Send + Sync + fmt::Debug {
    /// The clients of the cloud's services.
    type Clients: Send + Sync + 'static;

    /// The call that lets the vendor in, as the cloud's API reference names it.
    fn operation(&self) -> &'static str;

    /// The proofs that must not let anyone in.
    fn wrong_proofs(&self) -> &'static [Proof];

    /// How long what was just granted may take to be known everywhere, beyond what one call is tried.
    fn propagation(&self) -> Duration {
        Duration::ZERO
    }

    /// Gets short-lived credentials, of an hour at most.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Denied`] where the cloud does not let the vendor in.
    async fn assume(&self, request: &AssumeRequest<C>) -> Result<AssumedSession<Self::Clients>>;
}

/// Who asks to be let in, to what.
#[derive(Debug)]
pub struct AssumeRequest<C: Cloud> {
    /// The deployment.
    pub deployment: Arc<DeploymentContext<C>>,
    /// The grants that the session is for.
    pub grants: Grants,
    /// Whether `grants` are fewer than the identity has.
    pub narrowed: bool,
    /// What is shown.
    pub proof: Proof,
}

/// What the vendor shows to be let in, beside its own credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// What the invitation gave.
    Expected,
    /// Nothing.
    Omitted,
    /// Something else.
    Mismatched,
}

/// A session is renewed so long before its end.
const MARGIN: Duration = Duration::from_secs(300);

/// How many sessions are kept. Beyond that, those that nobody waits for are forgotten.
const KEPT: usize = 10_000;

/// A session that the cloud refuses is replaced so often at most: to see whether the vendor is still let in at all.
const REPLACED_EVERY: Duration = Duration::from_secs(30);

/// One slot for one session. Who renews it holds the lock, so that others wait for the same.
type Slot<C, K> = Arc<AsyncMutex<SlotState<C, K>>>;

/// What became of a slot.
struct SlotState<C: Cloud, K> {
    open: Option<Arc<Session<C, K>>>,
    replaced: Option<Timestamp>,
    /// The last failure, for those who waited for it.
    failed: Option<(Timestamp, Error)>,
}

impl<C: Cloud, K> Default for SlotState<C, K> {
    fn default() -> Self {
        Self { open: None, replaced: None, failed: None }
    }
}

/// What a session was opened for: the deployment, the digest of all that its record says, and the purpose.
type Key = (DeploymentId, String, Purpose);

/// Opens sessions by an adapter's way in, and keeps them while they last.
pub struct Impersonator<C: Cloud, A: Assume<C>> {
    assume: A,
    config: CallConfig,
    open: Mutex<HashMap<Key, Slot<C, A::Clients>>>,
    serial: AtomicU64,
}

impl<C: Cloud, A: Assume<C>> fmt::Debug for Impersonator<C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Impersonator").field("assume", &self.assume).finish_non_exhaustive()
    }
}

impl<C: Cloud, A: Assume<C>> Impersonator<C, A> {
    /// Opens sessions by this way in.
    #[must_use]
    pub fn new(assume: A, config: CallConfig) -> Self {
        Self { assume, config, open: Mutex::default(), serial: AtomicU64::new(0) }
    }

    fn slot(&self, deployment: &Deployment, purpose: &Purpose) -> Slot<C, A::Clients> {
        let key = (deployment.id, deployment.digest(), purpose.clone());
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= KEPT && !open.contains_key(&key) {
            open.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(open.entry(key).or_default())
    }
}

impl<C: Cloud<Kinds: Operated<C, A::Clients>>, A: Assume<C>> Impersonator<C, A> {
    /// Opens a session in its slot, unless that has just failed for someone who asked at the same time.
    async fn fill(
        &self,
        slot: &mut SlotState<C, A::Clients>,
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
            Ok(session) => Ok(Arc::clone(slot.open.insert(session)) as Arc<dyn Manage>),
            Err(error) => {
                slot.failed = Some((self.config.clock.now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn open(&self, deployment: &Deployment, purpose: &Purpose) -> Result<Arc<Session<C, A::Clients>>> {
        let deployment = Arc::new(DeploymentContext::<C>::of(deployment)?);
        let grants = purpose.narrow(&deployment)?;
        let narrowed = matches!(purpose, Purpose::Update(_));
        let request = AssumeRequest { deployment, grants, narrowed, proof: Proof::Expected };
        let assumed = self.enter(&request, &self.config, passes).await;
        let assumed = assumed.map_err(|error| self.revoked(error, &request.deployment))?;
        let gate = Gate::new(request.deployment, request.grants, self.config.clone());
        Ok(Arc::new(Session::new(self.serial.fetch_add(1, Ordering::Relaxed), assumed, gate)))
    }

    /// Asks to be let in, again after errors that say so.
    fn enter<'e>(
        &'e self,
        request: &'e AssumeRequest<C>,
        config: &'e CallConfig,
        again: fn(&Error) -> bool,
    ) -> BoxFuture<'e, Result<AssumedSession<A::Clients>>> {
        Box::pin(async move {
            let operation = self.assume.operation();
            let mut attempts = 0;
            let counted = || {
                attempts += 1;
                self.assume.assume(request)
            };
            let assumed = config.attempts(again, counted).await;
            let failure = assumed.as_ref().err().map(Error::kind);
            let subject = Subject::ManagementIdentity;
            self.config.record(&Call {
                operation: operation.into(),
                permissions: Vec::new(),
                subject: request.deployment.subject_name(subject).to_owned(),
                kind: request.deployment.subject_kind(subject).into(),
                attempts,
                failure,
            });
            // What has ended here are the vendor's own credentials: there is no session yet.
            assumed.map_err(|error| match error.kind() {
                ErrorKind::Expired => error.with_kind(ErrorKind::Credentials).in_operation(operation),
                _ => error.in_operation(operation),
            })
        })
    }

    /// Nobody is let in who was let in when the deployment was registered: the customer took it back.
    fn revoked(&self, error: Error, deployment: &DeploymentContext<C>) -> Error {
        if error.kind() != ErrorKind::Denied {
            return error;
        }
        let identity = deployment.identity();
        let what = format!("the customer's cloud does not let the vendor in as `{identity}`: the access was revoked");
        let help = "if the customer did not mean to, their admin sets up again";
        let revoked = Error::new(ErrorKind::Revoked, format!("{what}; {help}")).caused_by(&error);
        revoked.in_operation(self.assume.operation()).with_request_id(error.request_id())
    }
}

fn passes(error: &Error) -> bool {
    error.kind().is_transient()
}

#[async_trait]
impl<C: Cloud<Kinds: Operated<C, A::Clients>>, A: Assume<C>> Impersonate for Impersonator<C, A> {
    async fn session(&self, deployment: &Deployment, purpose: &Purpose) -> Result<Arc<dyn Manage>> {
        let asked = self.config.clock.now();
        let slot = self.slot(deployment, purpose);
        let mut slot = slot.lock().await;
        let soon = later(self.config.clock.now(), MARGIN);
        match slot.open.as_ref().filter(|session| session.expires() > soon) {
            Some(session) => Ok(Arc::clone(session) as Arc<dyn Manage>),
            None => self.fill(&mut slot, asked, deployment, purpose).await,
        }
    }

    async fn replace(&self, deployment: &Deployment, purpose: &Purpose, stale: u64) -> Result<Arc<dyn Manage>> {
        let asked = self.config.clock.now();
        let slot = self.slot(deployment, purpose);
        let mut slot = slot.lock().await;
        let lately = slot.replaced.is_some_and(|replaced| later(replaced, REPLACED_EVERY) > asked);
        match slot.open.as_ref().filter(|session| session.serial() != stale || lately) {
            Some(session) => Ok(Arc::clone(session) as Arc<dyn Manage>),
            None => {
                slot.replaced = Some(asked);
                self.fill(&mut slot, asked, deployment, purpose).await
            }
        }
    }

    fn code(&self, kind: Kind) -> Option<CodeForms> {
        C::Kinds::code(kind)
    }

    fn clock(&self) -> &dyn Clock {
        &*self.config.clock
    }

    async fn register(&self, invitation: &Invitation, deployment: &Deployment) -> Result<()> {
        let differences = invitation.differences(deployment);
        if !differences.is_empty() {
            return Err(differences.into());
        }
        let deployment = Arc::new(DeploymentContext::<C>::of(deployment)?);
        let grants = deployment.permissions().management.clone();
        let mut request = AssumeRequest { deployment, grants, narrowed: false, proof: Proof::Expected };
        // Just after the set-up a denial may only mean that what was granted is not known everywhere yet.
        let propagates = |error: &Error| passes(error) || error.kind() == ErrorKind::Denied;
        let mut config = self.config.clone();
        config.retry.budget = config.retry.budget.saturating_add(self.assume.propagation());
        let assumed = self.enter(&request, &config, propagates).await;
        let assumed = assumed.map_err(|error| self.revoked(error, &request.deployment))?;
        let gate = Gate::new(Arc::clone(&request.deployment), request.grants.clone(), self.config.clone());
        let session = Session::new(self.serial.fetch_add(1, Ordering::Relaxed), assumed, gate);
        for resource in request.deployment.stack().resources() {
            config.attempts(propagates, || session.heartbeat(resource.id())).await?;
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
                    let what = format!("`{identity}` lets the vendor in {shown}, so it would let others in too");
                    let help = "the record is refused; ask the customer to set up with the invitation as it is";
                    return Err(Error::new(ErrorKind::Rejected, format!("{what}; {help}")));
                }
            }
        }
        Ok(())
    }
}
