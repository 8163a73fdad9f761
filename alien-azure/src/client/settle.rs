//! Waiting for what Resource Manager does in its own time.
//!
//! A long-running operation is watched by the resource itself: the operation's own address is checked on the subscription,
//! where roles of a resource group do not reach (<https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations>).

use std::ops::ControlFlow;
use std::time::Duration;

use alien_core::adapter::ResultExt;
use alien_core::{Error, ErrorKind, Result};

use super::Context;

/// Something that tells how far it is.
pub(crate) trait State {
    /// `properties.provisioningState`; empty where it has none.
    fn state(&self) -> &str;

    /// Why it is as it is, where it says so.
    fn why(&self) -> Option<&str> {
        None
    }
}

/// Whether it is being removed: it is there no more for whoever comes next.
pub(crate) fn is_going(found: &impl State) -> bool {
    ["Deleting", "ScheduledForDelete"].iter().any(|word| found.state().eq_ignore_ascii_case(word))
}

/// Makes sure that nothing stands where something is to be made: what is being removed is waited for. A PUT replaces, so
/// what is there already is for its owner.
///
/// # Errors
///
/// [`ErrorKind::AlreadyExists`] where something is there.
pub(crate) async fn clear<T: State + Send, F: Future<Output = Result<T>> + Send>(
    cx: Context<'_>,
    budget: Duration,
    mut look: impl FnMut() -> F + Send,
) -> Result<()> {
    match look().await.optional()? {
        None => Ok(()),
        Some(found) if is_going(&found) => cx.until_gone(budget, look).await,
        Some(_) => Err(Error::new(ErrorKind::AlreadyExists, "it is there")),
    }
}

/// Whether something is still being done to it. A word that is not known is one of those that mean so.
pub(crate) fn is_running(found: &impl State) -> bool {
    !["", "Succeeded", "Failed", "Canceled"].iter().any(|word| found.state().eq_ignore_ascii_case(word))
}

/// Waits until what was written is there and nothing is being done to it.
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
                None => ControlFlow::Continue("it cannot be seen".to_owned()),
            })
        }
    })
    .await
}

/// Waits until it is made.
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
