//! Every cloud call goes through here. It is refused before any I/O if its rows of the operation table were not granted,
//! retried if that is safe and can help, and reported.

use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tracing::Instrument as _;

use crate::calling::{Call, CallConfig, Needed, Retry};
use crate::clock::Clock;
use crate::cloud::{Cloud, Kinds, Operation, Rows};
use crate::context::DeploymentContext;
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::permission::{Grants, Layer, Set, Subject, SubjectType};
use crate::resource::Resource;

/// Makes the calls of one holder of permissions, and refuses what was not granted.
#[derive(Clone)]
pub struct Gate<C: Cloud> {
    deployment: Arc<DeploymentContext<C>>,
    grants: Arc<Grants>,
    config: CallConfig,
}

impl<C: Cloud> fmt::Debug for Gate<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("holder", &self.grants.holder)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

fn needed<P: fmt::Debug>(row: &Operation<P>) -> Needed {
    Needed { permission: row.permission.into(), scope: format!("{:?}", row.on) }
}

/// Whether a call may be repeated when it is not known whether it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Twice {
    Harmless,
    Never,
}

impl<C: Cloud> Gate<C> {
    /// Creates the gate for the holder of these grants.
    #[must_use]
    pub fn new(deployment: Arc<DeploymentContext<C>>, grants: Grants, config: CallConfig) -> Self {
        Self { deployment, grants: Arc::new(grants), config }
    }

    /// The same holder's gate for another form of the deployment.
    pub(crate) fn on(&self, deployment: Arc<DeploymentContext<C>>) -> Self {
        Self { deployment, ..self.clone() }
    }

    /// The same holder's gate for calls that are not repeated after this time.
    pub(crate) fn within(&self, budget: Duration) -> Self {
        let retry = Retry { budget: budget.min(self.config.retry.budget), ..self.config.retry };
        Self { config: CallConfig { retry, ..self.config.clone() }, ..self.clone() }
    }

    /// The deployment that the calls are about.
    #[must_use]
    pub fn deployment(&self) -> &DeploymentContext<C> {
        &self.deployment
    }

    /// What identifies the run: all calls of one plan, set-up, take-down or session have the same, and no two runs have.
    #[must_use]
    pub fn run(&self) -> Weak<DeploymentContext<C>> {
        Arc::downgrade(&self.deployment)
    }

    /// The grants.
    #[must_use]
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// The clock that waiting uses.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.config.clock
    }

    /// Whether the holder was granted an operation on a subject.
    #[must_use]
    pub fn holds(&self, subject: Subject, row: &Operation<C::Scope>) -> bool {
        let Some(kind) = subject.subject_type(self.deployment.stack()) else { return false };
        let erased = match kind {
            SubjectType::Kind(kind) => C::Kinds::erase(kind),
            SubjectType::Deployment | SubjectType::Identity => &[],
        };
        let is_listed = |rows: Rows<C>| rows.iter().any(|candidate| **candidate == *row);
        // The admin may write data only while taking down what holds it.
        let erases = |set| set == Set::DataWrite && self.grants.holder.layer() == Layer::Provisioning;
        let grants = &self.grants.grants;
        let from = grants.partition_point(|grant| grant.subject < subject);
        grants
            .iter()
            .skip(from)
            .take_while(|grant| grant.subject == subject)
            .any(|grant| is_listed(C::set(kind, grant.set)) || erases(grant.set) && is_listed(erased))
    }

    /// Makes a call that is idempotent. `rows` are the rows of the operation table that it needs, its own first.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::NotGranted`], before any I/O, if one of the rows was not granted on the subject.
    /// * The error of the call, if retries did not help within the budget.
    pub async fn call<T, F, A>(&self, subject: Subject, rows: &[&'static Operation<C::Scope>], attempt: A) -> Result<T>
    where
        A: FnMut() -> F + Send,
        F: Future<Output = Result<T>> + Send,
    {
        self.make(subject, rows, Twice::Harmless, attempt).await
    }

    /// Makes a call that is not idempotent: it is retried only if the cloud certainly did nothing. If that is not
    /// certain after a failure, the error says so: [`Error::was_sent`].
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub async fn call_once<T, F, A>(
        &self,
        subject: Subject,
        rows: &[&'static Operation<C::Scope>],
        attempt: A,
    ) -> Result<T>
    where
        A: FnMut() -> F + Send,
        F: Future<Output = Result<T>> + Send,
    {
        self.make(subject, rows, Twice::Never, attempt).await
    }

    /// Adds what a denied call would have needed, and who can grant it.
    fn explain(&self, error: Error, rows: &[&'static Operation<C::Scope>]) -> Error {
        let mut permissions: Vec<&str> = rows.iter().map(|row| row.permission).collect();
        permissions.dedup();
        let grant = match self.grants.holder.layer() {
            Layer::Provisioning => "the administrator of the account can grant it",
            Layer::Management | Layer::Runtime => "the customer's admin grants it by setting up again",
        };
        error.because(format!("it needs {}: {grant}", permissions.join(" and ")))
    }

    async fn make<T, F, A>(
        &self,
        subject: Subject,
        rows: &[&'static Operation<C::Scope>],
        twice: Twice,
        mut attempt: A,
    ) -> Result<T>
    where
        A: FnMut() -> F + Send,
        F: Future<Output = Result<T>> + Send,
    {
        let operation = rows.first().map_or("", |row| row.call);
        let name = self.deployment.subject_name(subject);
        let (at, mut attempts, lost) = (self.clock().now(), 0_u32, &AtomicBool::new(false));
        let result = match rows.iter().find(|row| !self.holds(subject, row)) {
            Some(row) => {
                let what = format!("{} was not granted `{}` here", self.grants.holder.label(), row.permission);
                Err(Error::new(ErrorKind::NotGranted, what))
            }
            None => {
                let again: fn(&Error) -> bool = match twice {
                    Twice::Harmless => |error| error.kind().is_transient(),
                    Twice::Never => |error| error.kind().is_certainly_undone(),
                };
                let deployment = self.deployment.id;
                let counted = || {
                    attempts += 1;
                    let span =
                        tracing::debug_span!("call", operation, resource = name, attempt = attempts, %deployment);
                    let attempt = attempt().instrument(span);
                    async move {
                        let done = attempt.await;
                        if done.as_ref().is_err_and(|error| error.kind().may_be_done()) {
                            lost.store(true, Ordering::Relaxed);
                        }
                        done
                    }
                };
                self.config.attempts(again, counted).await
            }
        };
        let failure = result.as_ref().err();
        self.config.record(&Call {
            operation: operation.into(),
            permissions: rows.iter().map(|row| needed(row)).collect(),
            subject: name.to_owned(),
            kind: self.deployment.subject_kind(subject).into(),
            attempts,
            failure: failure.map(Error::kind),
            deployment: self.deployment.id,
            at,
            took: Duration::try_from(self.clock().now().duration_since(at)).unwrap_or_default(),
            request_id: failure.and_then(Error::request_id).map(str::to_owned),
        });
        result.map_err(|error| {
            let may_be_done = match error.kind() {
                // What it conflicts with may be an earlier attempt of its own.
                ErrorKind::Conflict => lost.load(Ordering::Relaxed),
                kind => twice == Twice::Never && kind.may_be_done(),
            };
            let error = if may_be_done { error.with_sent() } else { error };
            let error = if error.kind() == ErrorKind::Denied { self.explain(error, rows) } else { error };
            error.in_operation(operation).at(name)
        })
    }
}

/// The context of calls about one subject: the clients, the gate and the subject.
#[derive(Debug)]
pub struct CallContext<'a, C: Cloud, K> {
    /// The clients of the cloud's services.
    pub clients: &'a K,
    /// Makes the calls.
    pub gate: &'a Gate<C>,
    /// The subject.
    pub subject: Subject,
}

impl<C: Cloud, K> Clone for CallContext<'_, C, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: Cloud, K> Copy for CallContext<'_, C, K> {}

impl<'a, C: Cloud, K> CallContext<'a, C, K> {
    /// The deployment.
    #[must_use]
    pub fn deployment(self) -> &'a DeploymentContext<C> {
        self.gate.deployment()
    }

    /// Where it is and whom it trusts.
    #[must_use]
    pub fn target(self) -> &'a C::Target {
        self.deployment().target()
    }

    /// The same context for another subject.
    #[must_use]
    pub const fn about(self, subject: Subject) -> Self {
        Self { subject, ..self }
    }

    /// Names the subject in an error.
    pub(crate) fn placed<T>(self, result: Result<T>) -> Result<T> {
        result.map_err(|error| error.at(self.deployment().subject_name(self.subject)))
    }

    /// The resource, if the subject is one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if it is none.
    pub fn resource(self) -> Result<&'a Resource> {
        self.deployment().resource(self.subject)
    }

    /// Whether the calls are the vendor's. What the customer lets the vendor create, it creates without the parts that
    /// only the admin sets.
    #[must_use]
    pub fn is_vendors(self) -> bool {
        self.gate.grants().holder.layer() == Layer::Management
    }

    /// Whether the holder was granted an operation on the subject.
    #[must_use]
    pub fn holds(self, row: &Operation<C::Scope>) -> bool {
        self.gate.holds(self.subject, row)
    }

    /// The full name of the subject in a scope.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] if it has none.
    pub fn full_name(self, scope: C::Scope) -> Result<&'a str> {
        self.deployment().name(self.subject, scope)
    }

    /// The last part of the full name, after `/` or `:`, which most calls use.
    ///
    /// # Errors
    ///
    /// As [`full_name`](Self::full_name).
    pub fn name(self, scope: C::Scope) -> Result<&'a str> {
        self.full_name(scope).map(last)
    }

    /// Makes an idempotent call about the subject: [`Gate::call`].
    ///
    /// # Errors
    ///
    /// As for the method of [`Gate`].
    pub async fn call<T, F: Future<Output = Result<T>> + Send>(
        self,
        rows: &[&'static Operation<C::Scope>],
        attempt: impl FnMut() -> F + Send,
    ) -> Result<T> {
        self.gate.call(self.subject, rows, attempt).await
    }

    /// Makes a call about the subject that is not idempotent: [`Gate::call_once`].
    ///
    /// # Errors
    ///
    /// As for the method of [`Gate`].
    pub async fn call_once<T, F: Future<Output = Result<T>> + Send>(
        self,
        rows: &[&'static Operation<C::Scope>],
        attempt: impl FnMut() -> F + Send,
    ) -> Result<T> {
        self.gate.call_once(self.subject, rows, attempt).await
    }

    /// What a lookup found of a part of a thing that exists; `None` if it found nothing. Some clouds keep the vendor's
    /// permission to look on the part itself, and it goes with the part: then a denial says the same.
    ///
    /// # Errors
    ///
    /// Every other error of the lookup.
    pub fn found<T>(self, looked: Result<T>) -> Result<Option<T>> {
        found_by(self.gate.grants().holder.layer(), looked)
    }

    /// Polls until a lookup finds nothing. Some clouds keep the vendor's permission to look on the thing itself, and it
    /// goes with the thing: then a denial says the same.
    ///
    /// # Errors
    ///
    /// As [`until`](Self::until).
    pub async fn until_gone<T, F: Future<Output = Result<T>> + Send>(
        self,
        budget: Duration,
        mut look: impl FnMut() -> F + Send,
    ) -> Result<()> {
        let layer = self.gate.grants().holder.layer();
        self.until(budget, || {
            let found = look();
            async move {
                Ok(match found_by(layer, found.await)? {
                    None => ControlFlow::Break(()),
                    Some(_) => ControlFlow::Continue("it is still being deleted".to_owned()),
                })
            }
        })
        .await
    }

    /// Polls until a lookup breaks: after short pauses at first, then every three seconds. A lookup that continues says
    /// what it still waits for.
    ///
    /// # Errors
    ///
    /// The error of a lookup; [`ErrorKind::TimedOut`] if the budget is spent: what it waits for may still happen.
    pub async fn until<T, F: Future<Output = Result<ControlFlow<T, String>>> + Send>(
        self,
        budget: Duration,
        mut look: impl FnMut() -> F + Send,
    ) -> Result<T> {
        let clock = self.gate.clock();
        let start = clock.now();
        let mut wait = Duration::from_millis(200);
        loop {
            let still = match look().await? {
                ControlFlow::Break(found) => return Ok(found),
                ControlFlow::Continue(still) => still,
            };
            let spent = Duration::try_from(clock.now().duration_since(start)).unwrap_or_default();
            if spent.saturating_add(wait) > budget {
                return Err(Error::new(ErrorKind::TimedOut, format!("after {} seconds {still}", spent.as_secs())));
            }
            clock.sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(3));
        }
    }
}

/// As [`CallContext::found`], for a holder of this layer.
fn found_by<T>(layer: Layer, looked: Result<T>) -> Result<Option<T>> {
    match looked.optional() {
        Err(error) if error.kind() == ErrorKind::Denied && layer == Layer::Management => Ok(None),
        found => found,
    }
}

/// The part of a name after its last `/` or `:`.
#[must_use]
pub fn last(name: &str) -> &str {
    name.rsplit(['/', ':']).next().unwrap_or(name)
}
