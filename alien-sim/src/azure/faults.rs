//! What can be made to go wrong, or slowly.

use std::time::Duration;

use super::fail::Fail;
use super::state::Shared;
use crate::faults::Calls;

/// The settings of an emulator.
#[derive(Debug, Default)]
pub(crate) struct Knobs {
    pub(crate) propagation: Duration,
    pub(crate) directory: Duration,
    pub(crate) federation: Duration,
    pub(crate) operation: Duration,
    pub(crate) throttle: u32,
    pub(crate) throttle_tokens: u32,
    pub(crate) federation_conflicts: u32,
    pub(crate) operation_fails: Calls,
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

    /// Asked for by every request before it is decided; the frame does it for Resource Manager, each data plane for
    /// itself.
    pub(crate) fn before(&mut self, key: &str) -> Result<(), Fail> {
        self.before.take(key).map_or(Ok(()), |code| Err(Fail::with_code(&code)))
    }

    /// Asked for by every request that is done.
    pub(crate) fn after(&mut self, key: &str) -> Result<(), Fail> {
        self.after.take(key).map_or(Ok(()), |code| Err(Fail::with_code(&code)))
    }
}

/// Makes requests of an emulator slow, or fail. Everything starts as in a cloud that is perfect: without delay or fault.
///
/// A method is named by its [key](super::Method::key), such as `PUT Microsoft.App/containerApps`.
#[derive(Clone, Debug)]
pub struct Faults(pub(crate) Shared);

impl Faults {
    /// Writes of role assignments and role definitions take effect only after this long; until then decisions are made by
    /// what was before. In Azure it is up to ten minutes:
    /// <https://learn.microsoft.com/azure/role-based-access-control/troubleshooting>.
    pub fn propagation(&self, delay: Duration) {
        self.0.lock().knobs.propagation = delay;
    }

    /// A new principal is known to Azure RBAC only after this long; until then an assignment to it is refused with
    /// `PrincipalNotFound`:
    /// <https://learn.microsoft.com/azure/role-based-access-control/troubleshooting#symptom---assigning-a-role-to-a-new-principal-sometimes-fails>.
    pub fn directory(&self, delay: Duration) {
        self.0.lock().knobs.directory = delay;
    }

    /// Writes of federated identity credentials are known to Entra's token endpoint only after this long:
    /// <https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations>.
    pub fn federation(&self, delay: Duration) {
        self.0.lock().knobs.federation = delay;
    }

    /// Asynchronous operations are done only after this long.
    pub fn operations_take(&self, duration: Duration) {
        self.0.lock().knobs.operation = duration;
    }

    /// The next `calls` asynchronous operations of a method end as `Failed`, with a code such as
    /// `ContainerAppOperationError`.
    pub fn operations_fail(&self, method: &str, calls: u32, code: &str) {
        self.0.lock().knobs.operation_fails.set(method, calls, code);
    }

    /// The next `requests` requests of Azure Resource Manager are answered 429 with `Retry-After: 1`.
    pub fn throttle(&self, requests: u32) {
        self.0.lock().knobs.throttle = requests;
    }

    /// The next `requests` requests of tokens are answered 429 with `Retry-After: 1`.
    pub fn throttle_tokens(&self, requests: u32) {
        self.0.lock().knobs.throttle_tokens = requests;
    }

    /// The next `calls` writes of federated identity credentials meet another write of the same identity, and are refused
    /// with `ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity`.
    pub fn federation_conflicts(&self, calls: u32) {
        self.0.lock().knobs.federation_conflicts = calls;
    }

    /// The next `calls` calls of a method fail with a code such as `ServiceUnavailable`, and nothing is done. A code that
    /// is not known is answered with 400.
    pub fn fail_before(&self, method: &str, calls: u32, code: &str) {
        self.0.lock().knobs.before.set(method, calls, code);
    }

    /// The next `calls` calls of a method are done, and their answer is lost: the caller sees the code.
    pub fn fail_after(&self, method: &str, calls: u32, code: &str) {
        self.0.lock().knobs.after.set(method, calls, code);
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
