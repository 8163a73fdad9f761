//! How every call of a cloud is made: named by its rows of the operation table, refused before any network where the
//! session was not granted them, tried again where that can help, told to whoever records.

use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::cloud::{Cloud, Operation};
use crate::engine::Removal;
use crate::error::{Error, ErrorKind, OptionalExt, Result};
use crate::permission::{Grants, Layer, Subject};
use crate::resource::Resource;
use crate::site::DeploymentContext;

/// How often and how long a call is tried again: exponential backoff with full jitter, within a total budget.
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
    /// Up to 200 ms, at most 10 s between two attempts, two minutes in all: what identities take to be known
    /// everywhere.
    fn default() -> Self {
        Self { first: Duration::from_millis(200), most: Duration::from_secs(10), budget: Duration::from_secs(120) }
    }
}

/// A call that was made or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The operation, as the cloud's API reference names it.
    pub operation: &'static str,
    /// The permissions it needs, each with the sort of thing it is checked on.
    pub permissions: Vec<(&'static str, String)>,
    /// What it was about.
    pub subject: Subject,
    /// How often it was tried.
    pub attempts: u32,
    /// How it failed; none where it did not.
    pub failure: Option<ErrorKind>,
}

/// Is told of every call, after it was made or refused.
pub type Recorder = Arc<dyn Fn(&Call) + Send + Sync>;

/// Makes the calls of one holder of permissions.
#[derive(Clone)]
pub struct Gate<C: Cloud> {
    site: Arc<DeploymentContext<C>>,
    holding: Arc<Grants>,
    how: CallConfig,
}

/// How calls are made, whoever makes them.
#[derive(Clone)]
pub struct CallConfig {
    /// What waits.
    pub clock: Arc<dyn Clock>,
    /// How calls are tried again.
    pub retry: Retry,
    /// Who is told.
    pub recorder: Option<Recorder>,
}

impl CallConfig {
    /// Tries again as by default, and tells nobody.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, retry: Retry::default(), recorder: None }
    }

    /// Tries again otherwise.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Tells of every call.
    #[must_use]
    pub fn recorder(mut self, recorder: Recorder) -> Self {
        self.recorder = Some(recorder);
        self
    }
}

impl CallConfig {
    /// Tells the recorder.
    pub(crate) fn record(&self, call: &Call) {
        if let Some(recorder) = &self.recorder {
            recorder(call);
        }
    }

    /// Tries, and tries again after errors that say so, within the budget.
    pub(crate) async fn attempts<T, F: Future<Output = Result<T>> + Send>(
        &self,
        again: fn(&Error) -> bool,
        mut attempt: impl FnMut() -> F + Send,
    ) -> Result<T> {
        let start = self.clock.now();
        let mut bound = self.retry.first;
        loop {
            let error = match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) if !again(&error) => return Err(error),
                Err(error) => error,
            };
            let jittered = bound.min(self.retry.most).mul_f64(fastrand::f64());
            bound = bound.saturating_mul(2);
            let wait = jittered.max(error.retry_after().unwrap_or_default());
            let spent = Duration::try_from(self.clock.now().duration_since(start)).unwrap_or_default();
            if spent + wait >= self.retry.budget {
                return Err(error);
            }
            tracing::debug!(after = ?error.kind(), ?wait, "trying again");
            self.clock.sleep(wait).await;
        }
    }
}

impl fmt::Debug for CallConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recorded = self.recorder.is_some();
        f.debug_struct("Calling").field("retry", &self.retry).field("recorded", &recorded).finish_non_exhaustive()
    }
}

impl<C: Cloud> fmt::Debug for Gate<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("holder", &self.holding.holder).field("how", &self.how).finish_non_exhaustive()
    }
}

/// Whether a call may be made again where nobody knows if it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Twice {
    Harmless,
    Never,
}

impl<C: Cloud> Gate<C> {
    /// Calls for the holder of these grants.
    #[must_use]
    pub fn new(site: Arc<DeploymentContext<C>>, holding: Grants, how: CallConfig) -> Self {
        Self { site, holding: Arc::new(holding), how }
    }

    /// The deployment that the calls are about.
    #[must_use]
    pub fn site(&self) -> &DeploymentContext<C> {
        &self.site
    }

    /// The grants.
    #[must_use]
    pub fn holding(&self) -> &Grants {
        &self.holding
    }

    /// What waits.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.how.clock
    }

    /// Whether the holder was granted an operation on a subject.
    #[must_use]
    pub fn holds(&self, subject: Subject, row: &Operation<C::Scope>) -> bool {
        let Some(topic) = subject.topic(self.site.stack()) else { return false };
        let grants = &self.holding.grants;
        let from = grants.partition_point(|grant| grant.subject < subject);
        grants
            .iter()
            .skip(from)
            .take_while(|grant| grant.subject == subject)
            .any(|grant| C::set(topic, grant.set).iter().any(|candidate| **candidate == *row))
    }

    /// Makes a call that does the same if it is made twice. `rows` are what it needs, its own first.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::NotGranted`], before any network, where one of the rows was not granted on the subject.
    /// * What the call gives, where trying again did not help within the budget.
    pub async fn call<T, F, A>(&self, subject: Subject, rows: &[&'static Operation<C::Scope>], attempt: A) -> Result<T>
    where
        A: FnMut() -> F + Send,
        F: Future<Output = Result<T>> + Send,
    {
        self.make(subject, rows, Twice::Harmless, attempt).await
    }

    /// Makes a call that must not be made twice: it is tried again only where the cloud certainly did nothing.
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

    /// What a denied call would have needed, and who can give it.
    fn explain(&self, error: Error, rows: &[&'static Operation<C::Scope>]) -> Error {
        let mut permissions: Vec<&str> = rows.iter().map(|row| row.permission).collect();
        permissions.dedup();
        let grant = match self.holding.holder.layer() {
            Layer::Provisioning => "whoever administers the account can give it to you",
            Layer::Management | Layer::Runtime => "the customer's admin gives it by setting up again",
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
        let name = self.site.subject_name(subject);
        let mut attempts = 0;
        let result = match rows.iter().find(|row| !self.holds(subject, row)) {
            Some(row) => {
                let what = format!("{} was not granted `{}` here", self.holding.holder.label(), row.permission);
                Err(Error::new(ErrorKind::NotGranted, what))
            }
            None => {
                let again: fn(&Error) -> bool = match twice {
                    Twice::Harmless => |error| error.kind().is_transient(),
                    Twice::Never => |error| error.kind().is_certainly_undone(),
                };
                let counted = || {
                    attempts += 1;
                    tracing::debug!(operation, resource = name, attempt = attempts, "calling");
                    attempt()
                };
                self.how.attempts(again, counted).await
            }
        };
        self.how.record(&Call {
            operation,
            permissions: rows.iter().map(|row| (row.permission, format!("{:?}", row.on))).collect(),
            subject,
            attempts,
            failure: result.as_ref().err().map(Error::kind),
        });
        result.map_err(|error| {
            let error = if error.kind() == ErrorKind::Denied { self.explain(error, rows) } else { error };
            error.in_operation(operation).at(name)
        })
    }
}

/// One subject, what calls about it are made with, and how they are made.
#[derive(Debug)]
pub struct CallContext<'a, C: Cloud, K> {
    /// The clients of the cloud's services.
    pub clients: &'a K,
    /// Who calls.
    pub call: &'a Gate<C>,
    /// What the calls are about.
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
    pub fn site(self) -> &'a DeploymentContext<C> {
        self.call.site()
    }

    /// The same for another subject.
    #[must_use]
    pub const fn about(self, subject: Subject) -> Self {
        Self { subject, ..self }
    }

    /// The resource that the subject is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] where it is none.
    pub fn resource(self) -> Result<&'a Resource> {
        self.site().resource(self.subject)
    }

    /// The full name that a place has for the subject.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] where it has none.
    pub fn full_name(self, scope: C::Scope) -> Result<&'a str> {
        self.call.site().name(self.subject, scope)
    }

    /// The last part of that name, behind `/` or `:`: what most calls name the thing by.
    ///
    /// # Errors
    ///
    /// As [`full_name`](Self::full_name).
    pub fn name(self, scope: C::Scope) -> Result<&'a str> {
        self.full_name(scope).map(last)
    }

    /// [`Gate::call`] about the subject.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn call<T, F: Future<Output = Result<T>> + Send>(
        self,
        rows: &[&'static Operation<C::Scope>],
        attempt: impl FnMut() -> F + Send,
    ) -> Result<T> {
        self.call.call(self.subject, rows, attempt).await
    }

    /// Looks again and again until a look finds nothing.
    ///
    /// # Errors
    ///
    /// As [`until`](Self::until).
    pub async fn until_gone<T, F: Future<Output = Result<T>> + Send>(
        self,
        budget: Duration,
        mut look: impl FnMut() -> F + Send,
    ) -> Result<Removal> {
        self.until(budget, || {
            let found = look();
            async move {
                Ok(match found.await.optional()? {
                    None => ControlFlow::Break(Removal::Gone),
                    Some(_) => ControlFlow::Continue("it is still being deleted".to_owned()),
                })
            }
        })
        .await
    }

    /// Looks again and again until a look breaks off, at first soon and then every three seconds. A look that goes on says
    /// what is still so.
    ///
    /// # Errors
    ///
    /// What a look gives; [`ErrorKind::Failed`] where the budget is spent.
    pub async fn until<T, F: Future<Output = Result<ControlFlow<T, String>>> + Send>(
        self,
        budget: Duration,
        mut look: impl FnMut() -> F + Send,
    ) -> Result<T> {
        let clock = self.call.clock();
        let start = clock.now();
        let mut wait = Duration::from_millis(200);
        loop {
            let still = match look().await? {
                ControlFlow::Break(found) => return Ok(found),
                ControlFlow::Continue(still) => still,
            };
            let spent = Duration::try_from(clock.now().duration_since(start)).unwrap_or_default();
            if spent + wait > budget {
                return Err(Error::new(ErrorKind::Failed, format!("after {} seconds {still}", spent.as_secs())));
            }
            clock.sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(3));
        }
    }
}

/// Makes a call of a resource by its kind: the function of that name in the `calls` of the kind's module. The six modules are in
/// scope, under the names of the kinds.
#[macro_export]
macro_rules! by_kind {
    ($kind:expr, $call:ident($($argument:expr),* $(,)?)) => {
        match $kind {
            $crate::Kind::Function => function::calls::$call($($argument),*).await,
            $crate::Kind::Container => container::calls::$call($($argument),*).await,
            $crate::Kind::Storage => storage::calls::$call($($argument),*).await,
            $crate::Kind::Kv => kv::calls::$call($($argument),*).await,
            $crate::Kind::Queue => queue::calls::$call($($argument),*).await,
            $crate::Kind::Network => network::calls::$call($($argument),*).await,
        }
    };
}

/// What stands behind the last `/` or `:` of a name.
#[must_use]
pub fn last(name: &str) -> &str {
    name.rsplit(['/', ':']).next().unwrap_or(name)
}
