//! Every cloud call goes through here. It is refused before any I/O if its rows of the operation table were not granted,
//! retried if that is safe and can help, and reported.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::Instrument as _;

use crate::clock::Clock;
use crate::cloud::{Cloud, Kinds, Operation, Rows};
use crate::context::DeploymentContext;
use crate::deployment::DeploymentId;
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::exchange::{Answers, Exchanges};
use crate::permission::{Grants, Layer, Set, Subject, SubjectType};
use crate::resource::Resource;

/// How often and for how long a call is retried: exponential backoff with full jitter, within a total budget.
/// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The longest wait before the second attempt; each further one may be twice as long.
    pub first: Duration,
    /// The longest wait between two attempts.
    pub most: Duration,
    /// How long all attempts of one call may take together.
    pub budget: Duration,
}

impl Default for Retry {
    /// Waits up to 200 ms at first, at most 10 s between two attempts, and two minutes in all: that is how long new identities
    /// take to propagate.
    fn default() -> Self {
        Self { first: Duration::from_millis(200), most: Duration::from_secs(10), budget: Duration::from_secs(120) }
    }
}

/// A call that was made or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The operation, as the cloud's API reference names it.
    pub operation: Cow<'static, str>,
    /// The permissions that it needs.
    pub permissions: Vec<Needed>,
    /// The subject: the resource's id, the profile's name, or a description.
    pub subject: String,
    /// The kind of resource, `identity`, or `deployment` for what resources share.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The number of attempts.
    pub attempts: u32,
    /// The kind of its failure; `None` if it succeeded.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failure: Option<ErrorKind>,
    /// The deployment.
    pub deployment: DeploymentId,
    /// When it began.
    pub at: Timestamp,
    /// How long all attempts took, with the waits between them.
    pub took: Duration,
    /// The id that the cloud gave the last attempt, if that failed and the cloud told one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request_id: Option<String>,
}

/// A permission that a call needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needed {
    /// Its name.
    pub permission: Cow<'static, str>,
    /// What the cloud checks it on, as the cloud's adapter names it.
    pub scope: String,
}

/// A function that receives a record of every call, after it was made or refused.
pub type Recorder = Arc<dyn Fn(&Call) + Send + Sync>;

/// A function that receives each failure after which a call is tried again, and for how long it will have been tried by then.
pub type Retries = Arc<dyn Fn(&Error, Duration) + Send + Sync>;

/// Makes the calls of one holder of permissions, and refuses what was not granted.
#[derive(Clone)]
pub struct Gate<C: Cloud> {
    deployment: Arc<DeploymentContext<C>>,
    grants: Arc<Grants>,
    config: CallConfig,
}

/// How calls are made: by which clock, with which retries, and who receives a record of them.
#[derive(Clone)]
pub struct CallConfig {
    /// The clock that waiting uses.
    pub clock: Arc<dyn Clock>,
    /// How calls are retried.
    pub retry: Retry,
    /// Receives a record of every call.
    pub recorder: Option<Recorder>,
    /// Receives each failure after which a call is tried again.
    pub retries: Option<Retries>,
    /// Receives every request and its answer.
    pub exchanges: Option<Exchanges>,
    /// How much longer a denial is tried again, because what was just granted may not be known everywhere yet.
    pub(crate) propagation: Duration,
    /// Answers every request in the cloud's place.
    pub answers: Option<Answers>,
}

#[cfg(feature = "tokio")]
impl Default for CallConfig {
    fn default() -> Self {
        Self::new(Arc::new(crate::clock::SystemClock))
    }
}

impl CallConfig {
    /// Uses this clock and the default [`Retry`], and tells nobody.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            retry: Retry::default(),
            recorder: None,
            retries: None,
            exchanges: None,
            propagation: Duration::ZERO,
            answers: None,
        }
    }

    /// Sets how calls are retried.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Sets a function that receives every call, after it was made or refused.
    #[must_use]
    pub fn with_recorder(mut self, recorder: Recorder) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Sets a function that receives each failure after which a call is tried again: for whoever waits meanwhile.
    #[must_use]
    pub fn with_retries(mut self, retries: Retries) -> Self {
        self.retries = Some(retries);
        self
    }

    /// Sets a function that receives every request and its answer, without secrets: to record what a cloud says. Where a cloud's own
    /// clients show neither, nothing is received.
    #[must_use]
    pub fn with_exchanges(mut self, exchanges: Exchanges) -> Self {
        self.exchanges = Some(exchanges);
        self
    }

    /// Sets a function that answers every request in the cloud's place: then nothing is called, and no credentials are looked for. An
    /// adapter whose clients take none [refuses](crate::Connection::without_answers) to connect.
    #[must_use]
    pub fn with_answers(mut self, answers: Answers) -> Self {
        self.answers = Some(answers);
        self
    }
}

impl CallConfig {
    /// Passes a call to the recorder.
    pub(crate) fn record(&self, call: &Call) {
        if let Some(recorder) = &self.recorder {
            recorder(call);
        }
    }

    /// Retries after the errors that `again` picks, within the budget.
    pub(crate) async fn attempts<T, F: Future<Output = Result<T>> + Send>(
        &self,
        again: fn(&Error) -> bool,
        mut attempt: impl FnMut() -> F + Send,
    ) -> Result<T> {
        let start = self.clock.now();
        let mut bound = self.retry.first;
        // Since when something else fails than what propagates.
        let mut failing = None;
        loop {
            let begun = self.clock.now();
            let error = match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) if !again(&error) => return Err(error),
                Err(error) => error,
            };
            let jittered = bound.min(self.retry.most).mul_f64(fastrand::f64());
            bound = bound.saturating_mul(2);
            let wait = jittered.max(error.retry_after().unwrap_or_default());
            let settles = matches!(error.kind(), ErrorKind::Denied | ErrorKind::Propagating);
            let (since, budget) = if settles {
                failing = None;
                (start, self.retry.budget.saturating_add(self.propagation))
            } else {
                (*failing.get_or_insert(if self.propagation.is_zero() { start } else { begun }), self.retry.budget)
            };
            let spent = Duration::try_from(self.clock.now().duration_since(since)).unwrap_or_default();
            if spent.saturating_add(wait) >= budget.min(error.kind().patience()) {
                return Err(error);
            }
            tracing::debug!(after = ?error.kind(), request = error.request_id(), ?wait, "trying again");
            if let Some(retries) = &self.retries {
                retries(&error, spent.saturating_add(wait));
            }
            self.clock.sleep(wait).await;
        }
    }
}

impl fmt::Debug for CallConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recorded = self.recorder.is_some();
        f.debug_struct("CallConfig").field("retry", &self.retry).field("recorded", &recorded).finish_non_exhaustive()
    }
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
