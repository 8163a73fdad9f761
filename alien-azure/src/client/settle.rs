//! Waiting for Resource Manager's long-running operations.
//!
//! An operation is watched by reading the resource itself. Reading the operation is checked on the subscription, which
//! roles of a resource group do not cover
//! (<https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations>).

use std::ops::ControlFlow;
use std::time::Duration;

use alien_core::adapter::ResultExt;
use alien_core::{Error, ErrorKind, Result};

use super::Context;

/// A resource with a provisioning state.
pub(crate) trait State {
    /// `properties.provisioningState`; empty if it has none.
    fn state(&self) -> &str;

    /// The reason for its state, if there is one.
    fn why(&self) -> Option<&str> {
        None
    }
}

/// Whether it is being deleted: it then counts as absent for new resources.
pub(crate) fn is_going(found: &impl State) -> bool {
    ["Deleting", "ScheduledForDelete"].iter().any(|word| found.state().eq_ignore_ascii_case(word))
}

/// Makes sure that nothing has the name of a resource that is about to be created. Waits if it is being deleted. PUT
/// would overwrite an existing resource.
///
/// # Errors
///
/// [`ErrorKind::AlreadyExists`] if it exists.
pub(crate) async fn clear<T: State + Send, F: Future<Output = Result<T>> + Send>(
    cx: Context<'_>,
    budget: Duration,
    mut look: impl FnMut() -> F + Send,
) -> Result<()> {
    match look().await.optional()? {
        None => Ok(()),
        Some(found) if is_going(&found) => cx.until_gone(budget, look).await,
        Some(_) => Err(Error::new(ErrorKind::AlreadyExists, "it already exists")),
    }
}

/// Whether a change is in progress. A state that this crate does not know counts as in progress.
pub(crate) fn is_running(found: &impl State) -> bool {
    !["", "Succeeded", "Failed", "Canceled"].iter().any(|word| found.state().eq_ignore_ascii_case(word))
}

/// Waits until the resource exists and no change is in progress.
pub(crate) async fn idle<T: State, F: Future<Output = Result<T>> + Send>(
    cx: Context<'_>,
    budget: Duration,
    mut look: impl FnMut() -> F + Send,
) -> Result<T> {
    cx.until(budget, || {
        let found = look();
        async move {
            Ok(match found.await.optional()? {
                Some(found) if !is_running(&found) => ControlFlow::Break(found),
                Some(found) => ControlFlow::Continue(format!("its state is `{}`", found.state())),
                None => ControlFlow::Continue("it is not visible yet".to_owned()),
            })
        }
    })
    .await
}

/// Waits until the resource is created, and fails if its creation fails.
pub(crate) async fn made<T: State, F: Future<Output = Result<T>> + Send>(
    cx: Context<'_>,
    budget: Duration,
    look: impl FnMut() -> F + Send,
) -> Result<T> {
    let found = idle(cx, budget, look).await?;
    if ["Failed", "Canceled"].iter().any(|word| found.state().eq_ignore_ascii_case(word)) {
        let why = found.why().map(|why| format!(": {why}")).unwrap_or_default();
        return Err(Error::new(ErrorKind::Failed, format!("its state is `{}`{why}", found.state())));
    }
    Ok(found)
}
