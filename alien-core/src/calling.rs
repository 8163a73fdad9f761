//! Retries of calls, and the record of each call.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::deployment::DeploymentId;
use crate::error::{Error, ErrorKind, Result};
use crate::exchange::{Answers, Exchanges};

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

    /// Sets a function that receives each failure before a call is retried, for example to show progress.
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
