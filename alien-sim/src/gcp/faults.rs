//! What can be made to go wrong, or slowly.

use std::time::Duration;

use super::fail::Fail;
use super::state::Shared;
use crate::faults::Calls;

/// The settings of an emulator.
#[derive(Debug, Default)]
pub(crate) struct Knobs {
    pub(crate) propagation: Duration,
    pub(crate) operation: Duration,
    pub(crate) reconcile: Duration,
    pub(crate) throttle: u32,
    pub(crate) refuses_all_users: bool,
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

    pub(crate) fn before(&mut self, method: &str) -> Result<(), Fail> {
        self.before.take(method).map_or(Ok(()), |status| Err(Fail::with_status(&status)))
    }

    pub(crate) fn after(&mut self, method: &str) -> Result<(), Fail> {
        self.after.take(method).map_or(Ok(()), |status| Err(Fail::with_status(&status)))
    }
}

/// Makes requests of an emulator slow, or fail. Everything starts as in a cloud that is perfect: without delay or fault.
#[derive(Clone, Debug)]
pub struct Faults(pub(crate) Shared);

impl Faults {
    /// Writes of policies and roles take effect only after this long; until then decisions are made by what was before.
    /// In Google Cloud it is about two minutes, at times seven and more:
    /// <https://docs.cloud.google.com/iam/docs/access-change-propagation>.
    pub fn propagation(&self, delay: Duration) {
        self.0.lock().knobs.propagation = delay;
    }

    /// Long-running operations are done only after this long.
    pub fn operations_take(&self, duration: Duration) {
        self.0.lock().knobs.operation = duration;
    }

    /// A Cloud Run service is reconciling for this long after a write.
    pub fn reconciling_takes(&self, duration: Duration) {
        self.0.lock().knobs.reconcile = duration;
    }

    /// The next `requests` requests are answered 429 with `Retry-After: 1`.
    pub fn throttle(&self, requests: u32) {
        self.0.lock().knobs.throttle = requests;
    }

    /// The next `calls` calls of a method, such as `iam.projects.roles.create`, fail with a status such as
    /// `UNAVAILABLE`, and nothing is done. A status that is not known is `INTERNAL`.
    pub fn fail_before(&self, method: &str, calls: u32, status: &str) {
        self.0.lock().knobs.before.set(method, calls, status);
    }

    /// The next `calls` calls of a method are done, and their answer is lost: the caller sees the status.
    pub fn fail_after(&self, method: &str, calls: u32, status: &str) {
        self.0.lock().knobs.after.set(method, calls, status);
    }

    /// From now on an organisation policy refuses members `allUsers` and `allAuthenticatedUsers`:
    /// <https://docs.cloud.google.com/organization-policy/domain-restricted-sharing>.
    pub fn refuse_all_users(&self) {
        self.0.lock().knobs.refuses_all_users = true;
    }

    /// Puts the emulator's clock forward: tokens expire, delays pass.
    pub fn advance(&self, duration: Duration) {
        self.0.lock().clock.advance(duration);
    }

    /// Stops the emulator's clock: from now on only [`advance`](Self::advance) moves it, so that what is not yet over is not
    /// over on a slow machine either.
    pub fn stop_clock(&self) {
        self.0.lock().clock.stop();
    }
}
