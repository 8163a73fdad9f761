//! Injects faults and delays.

use std::collections::BTreeSet;
use std::time::Duration;

use super::fail::Fail;
use super::state::Shared;
use crate::faults::Calls;

/// The settings of an emulator.
#[derive(Debug, Default)]
pub(crate) struct Knobs {
    pub(crate) answer: Duration,
    pub(crate) propagation: Duration,
    pub(crate) directory: Duration,
    pub(crate) federation: Duration,
    pub(crate) operation: Duration,
    pub(crate) throttle: u32,
    pub(crate) throttle_tokens: u32,
    pub(crate) federation_conflicts: u32,
    pub(crate) operation_fails: Calls,
    /// The providers that are not registered, by their namespaces.
    pub(crate) unregistered: BTreeSet<String>,
    before: Calls,
    after: Calls,
}

impl Knobs {
    pub(crate) fn throttled(&mut self) -> Result<(), Fail> {
        if self.throttle == 0 {
            return Ok(());
        }
        self.throttle -= 1;
        Err(Fail::with_code("TooManyRequests"))
    }

    /// Fails the next calls as configured, before they are authorised. Called once for each request to Resource
    /// Manager, and by each data plane.
    pub(crate) fn before(&mut self, key: &str) -> Result<(), Fail> {
        self.before.take(key).map_or(Ok(()), |code| Err(Fail::with_code(&code)))
    }

    /// Fails the next calls as configured, after they were executed.
    pub(crate) fn after(&mut self, key: &str) -> Result<(), Fail> {
        self.after.take(key).map_or(Ok(()), |code| Err(Fail::with_code(&code)))
    }
}

/// Injects delays and faults into an emulator. A new emulator has none.
///
/// Names a method by its [key](super::Method::key), such as `PUT Microsoft.App/containerApps`.
#[derive(Clone, Debug)]
pub struct Faults(pub(crate) Shared);

impl Faults {
    /// Lets a resource provider be registered in no subscription, by its namespace, such as `Microsoft.App`. What it has is
    /// refused with `MissingSubscriptionRegistration` until somebody registers it.
    pub fn unregister(&self, namespace: &str) {
        self.0.lock().knobs.unregistered.insert(namespace.to_owned());
    }

    /// Sets how long each answer is on its way, as over a network.
    pub fn answers_take(&self, duration: Duration) {
        self.0.lock().knobs.answer = duration;
    }

    /// Sets how long writes of role assignments and role definitions take to have effect. Until then, decisions use the
    /// earlier state. In Azure it is up to ten minutes:
    /// <https://learn.microsoft.com/azure/role-based-access-control/troubleshooting>.
    pub fn propagation(&self, delay: Duration) {
        self.0.lock().knobs.propagation = delay;
    }

    /// Sets how long it takes until Azure RBAC knows a new principal. Until then, assignments to it are refused with
    /// `PrincipalNotFound`:
    /// <https://learn.microsoft.com/azure/role-based-access-control/troubleshooting#symptom---assigning-a-role-to-a-new-principal-sometimes-fails>.
    pub fn directory(&self, delay: Duration) {
        self.0.lock().knobs.directory = delay;
    }

    /// Sets how long it takes until Entra's token endpoint knows a written federated identity credential:
    /// <https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations>.
    pub fn federation(&self, delay: Duration) {
        self.0.lock().knobs.federation = delay;
    }

    /// Sets how long asynchronous operations take.
    pub fn operations_take(&self, duration: Duration) {
        self.0.lock().knobs.operation = duration;
    }

    /// Makes the next `calls` asynchronous operations of a method end as `Failed`, with a code such as
    /// `ContainerAppOperationError`.
    pub fn operations_fail(&self, method: &str, calls: u32, code: &str) {
        self.0.lock().knobs.operation_fails.set(method, calls, code);
    }

    /// Answers the next `requests` requests to Azure Resource Manager with 429 and `Retry-After: 1`.
    pub fn throttle(&self, requests: u32) {
        self.0.lock().knobs.throttle = requests;
    }

    /// Answers the next `requests` token requests with 429 and `Retry-After: 1`.
    pub fn throttle_tokens(&self, requests: u32) {
        self.0.lock().knobs.throttle_tokens = requests;
    }

    /// Refuses the next `calls` writes of federated identity credentials with
    /// `ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity`, as if they met another write of the same
    /// identity.
    pub fn federation_conflicts(&self, calls: u32) {
        self.0.lock().knobs.federation_conflicts = calls;
    }

    /// Makes the next `calls` calls of a method fail with a code such as `ServiceUnavailable`, without executing them.
    /// An unknown code is answered with 400.
    pub fn fail_before(&self, method: &str, calls: u32, code: &str) {
        self.0.lock().knobs.before.set(method, calls, code);
    }

    /// Executes the next `calls` calls of a method, but loses their answers: the caller sees the code instead.
    pub fn fail_after(&self, method: &str, calls: u32, code: &str) {
        self.0.lock().knobs.after.set(method, calls, code);
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
