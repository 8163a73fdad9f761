//! Updates of a function by the vendor, and new instances of it.
//!
//! Lambda gives a function another revision id with every change, and once more when the change has ended
//! (<https://github.com/aws/aws-sdk/issues/377>). It refuses a write with any id but the latest
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionCode.html>), and every write while another change is
//! in progress (<https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html>). So the first write of an update
//! carries the id that the look before the update has seen, and each later one the id that was seen when the write before
//! it had ended. What somebody else has written in between is refused by Lambda, and nothing is put back over it.

use alien_core::adapter::{Change, or_undo};
use alien_core::{CodeForm, Error, ErrorKind, Function, Result};

use super::super::compute::calls as compute;
use super::sending::{send_code, send_settings};
use super::state::{Found, idle, runs, settle, works};
use crate::client::{Context, busy};
use crate::operations as op;
use crate::operations::Scope;

/// What Lambda took of an update, and the revision of the function after it.
struct Taken {
    code: bool,
    settings: bool,
    revision: Option<String>,
}

impl Taken {
    /// Waits until no change is in progress.
    async fn ended(&mut self, cx: Context<'_>) -> Result<Found> {
        let found = idle(cx).await?;
        self.revision = found.revision_id().map(str::to_owned);
        Ok(found)
    }
}

/// Sends new code, new settings, or both, and waits for each. If Lambda rejects one, what it took is rolled back. If a
/// call fails in transit, the same update can be repeated.
pub(super) async fn update(function: &Function, cx: Context<'_>, change: &Change) -> Result<()> {
    let will = change.settings::<Function>()?;
    let is_zip = |function: &Function| matches!(function.code().only(), Some(CodeForm::Zip(_)));
    if is_zip(function) != is_zip(will) {
        let what = "Lambda cannot turn a zip into an image or an image into a zip; add a function with another id";
        return Err(Error::new(ErrorKind::Unsupported, what));
    }
    // Of an update that was interrupted, Lambda may have taken all.
    let revision = change.revision().map(str::to_owned);
    let mut taken = Taken { code: change.again, settings: change.again, revision };
    let sent = send(function, cx, change, &mut taken).await;
    let what = match taken {
        Taken { code: false, settings: false, .. } => return sent.map_err(|error| compute::untaken(error, change)),
        Taken { code: true, settings: false, .. } => "code",
        Taken { code: false, settings: true, .. } => "settings",
        Taken { code: true, settings: true, .. } => "version",
    };
    or_undo(sent, back(function, cx, change, &mut taken), what).await
}

/// Sends what is new, and waits for each part.
async fn send(before: &Function, cx: Context<'_>, change: &Change, taken: &mut Taken) -> Result<()> {
    let will = change.settings::<Function>()?;
    let (code, settings) = change.since(cx.resource()?);
    if change.again && taken.revision.is_none() {
        taken.ended(cx).await?;
    }
    if code {
        send_code(cx, will.code(), change.zip.as_ref(), taken.revision.as_deref()).await?;
        taken.code = true;
        let found = taken.ended(cx).await?;
        works(&found)?;
        // Between the end of the update and the look, somebody else may have sent other code.
        let is_others = |function: &Function| !runs(&found, function.code());
        if found.code_sha256().is_some() && is_others(will) && is_others(before) {
            return Err(Error::new(ErrorKind::Conflict, "it runs other code").into_conflict().with_sent());
        }
    }
    if settings {
        let sent = send_settings(cx, &change.resource, will, taken.revision.as_deref()).await;
        // The code was taken by then.
        sent.map_err(|error| if code { error.with_sent() } else { error })?;
        taken.settings = true;
        works(&taken.ended(cx).await?)?;
    }
    Ok(())
}

/// Sends what ran before of what was taken, unless somebody else has changed the function since. Each part is tried,
/// whatever becomes of the other.
async fn back(before: &Function, cx: Context<'_>, change: &Change, taken: &mut Taken) -> Result<()> {
    let mut settings = Ok(());
    if taken.settings {
        settings = send_settings(cx, cx.resource()?, before, taken.revision.as_deref()).await;
        if settings.is_ok() {
            settings = taken.ended(cx).await.and_then(|found| works(&found));
        }
    }
    if taken.code {
        send_code(cx, before.code(), change.previous_zip.as_ref(), taken.revision.as_deref()).await?;
        settle(cx).await?;
    }
    settings
}

/// Sets the description, and nothing that a stack says: with every update of the configuration Lambda provisions new
/// instances, and in the end these alone process events
/// (<https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html>). Of the settings that the call
/// has, the description is the one that code does not see.
pub(super) async fn redeploy(cx: Context<'_>) -> Result<()> {
    let found = idle(cx).await?;
    let description = format!("new instances at {}", cx.gate.clock().now());
    let request = cx.clients.lambda().update_function_configuration().function_name(cx.name(Scope::Function)?);
    let request = request.description(&description).set_revision_id(found.revision_id);
    let rows = &[op::UPDATE_FUNCTION_CONFIGURATION_IN_PLACE];
    match cx.call(rows, || async { request.clone().send().await.map_err(busy) }).await {
        // The answer of an own attempt was lost.
        Err(error) if error.may_conflict_with_itself() && idle(cx).await?.description() == Some(&description) => {}
        sent => drop(sent?),
    }
    settle(cx).await
}
