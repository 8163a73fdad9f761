//! Injects faults and delays.

use std::collections::HashMap;
use std::time::Duration;

use super::fail::Fail;
use super::state::Shared;
use crate::faults::Calls;

/// The settings of an emulator.
#[derive(Debug, Default)]
pub(crate) struct Knobs {
    pub(crate) answer: Duration,
    pub(crate) propagation: Duration,
    pub(crate) operation: Duration,
    pub(crate) reconcile: Duration,
    pub(crate) throttle: u32,
    /// The domains of Google's agents that do not exist yet.
    agentless: Vec<String>,
    /// What somebody else writes to just before the next call of a method.
    meets: HashMap<String, String>,
    before: Calls,
    after: Calls,
}

impl Knobs {
    pub(crate) fn throttled(&mut self) -> Result<(), Fail> {
        if self.throttle == 0 {
            return Ok(());
        }
        self.throttle -= 1;
        let mut fail = Fail::with_status("RESOURCE_EXHAUSTED");
        fail.retry_after = Some(1);
        Err(fail)
    }

    /// Whether an agent of Google's does not exist yet, by its email.
    pub(crate) fn lacks(&self, email: &str) -> bool {
        email.split_once('@').is_some_and(|(_, domain)| self.agentless.iter().any(|one| domain.starts_with(&**one)))
    }

    /// What somebody else writes to before this call.
    pub(crate) fn met(&mut self, method: &str) -> Option<String> {
        self.meets.remove(method)
    }

    pub(crate) fn before(&mut self, method: &str) -> Result<(), Fail> {
        self.before.take(method).map_or(Ok(()), |status| Err(Fail::with_status(&status)))
    }

    pub(crate) fn after(&mut self, method: &str) -> Result<(), Fail> {
        self.after.take(method).map_or(Ok(()), |status| Err(Fail::with_status(&status)))
    }
}

/// Injects delays and faults into an emulator. A new emulator has none.
#[derive(Clone, Debug)]
pub struct Faults(pub(crate) Shared);

impl Faults {
    /// Sets how long each answer is on its way, as over a network. Calls over gRPC are answered at once.
    pub fn answers_take(&self, duration: Duration) {
        self.0.lock().knobs.answer = duration;
    }

    /// Sets how long writes of policies and roles take to have effect. Until then, decisions use the earlier state. In
    /// Google Cloud it is about two minutes, sometimes seven or more:
    /// <https://docs.cloud.google.com/iam/docs/access-change-propagation>.
    pub fn propagation(&self, delay: Duration) {
        self.0.lock().knobs.propagation = delay;
    }

    /// Sets how long long-running operations take.
    pub fn operations_take(&self, duration: Duration) {
        self.0.lock().knobs.operation = duration;
    }

    /// Sets how long a Cloud Run service is reconciling after a write.
    pub fn reconciling_takes(&self, duration: Duration) {
        self.0.lock().knobs.reconcile = duration;
    }

    /// Answers the next `requests` requests with 429 and `Retry-After: 1`.
    pub fn throttle(&self, requests: u32) {
        self.0.lock().knobs.throttle = requests;
    }

    /// Makes the next `calls` calls of a method, such as `iam.projects.roles.create`, fail with a status such as
    /// `UNAVAILABLE`, without executing them. An unknown status becomes `INTERNAL`.
    pub fn fail_before(&self, method: &str, calls: u32, status: &str) {
        self.0.lock().knobs.before.set(method, calls, status);
    }

    /// Executes the next `calls` calls of a method, but loses their answers: the caller sees the status instead.
    pub fn fail_after(&self, method: &str, calls: u32, status: &str) {
        self.0.lock().knobs.after.set(method, calls, status);
    }

    /// Lets somebody else write to a thing, by its full resource name, just before the next call of a method is executed: its
    /// etag is another then, and where it has labels it gets the label `met`.
    pub fn meet(&self, method: &str, name: &str) {
        self.0.lock().knobs.meets.insert(method.to_owned(), name.to_owned());
    }

    /// Lets agents of Google's not exist yet, by the beginning of their domain, as `gcp-sa-pubsub`: no policy names them either.
    /// <https://docs.cloud.google.com/iam/docs/create-service-agents>.
    pub fn lack_agent(&self, domain: &str) {
        let state = &mut *self.0.lock();
        state.knobs.agentless.push(domain.to_owned());
        for thing in state.things.values_mut() {
            let bindings = &mut thing.policy.latest.bindings;
            for binding in bindings.iter_mut() {
                binding.members.retain(|member| !state.knobs.lacks(member));
            }
            bindings.retain(|binding| !binding.members.is_empty());
        }
    }

    /// Advances the emulator's clock: tokens expire, delays pass.
    pub fn advance(&self, duration: Duration) {
        self.0.lock().clock.advance(duration);
    }

    /// Stops the emulator's clock, so that only [`advance`](Self::advance) moves it. A test on a slow machine then sees
    /// the same times.
    pub fn stop_clock(&self) {
        self.0.lock().clock.stop();
    }
}
