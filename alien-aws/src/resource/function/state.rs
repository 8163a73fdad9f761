//! What Lambda tells of a function: whether it works, and which code it runs.

use std::ops::ControlFlow;
use std::time::Duration;

use alien_core::{Code, CodeForm, Error, ErrorKind, Result};
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::types::{LastUpdateStatus, State};

use crate::client::{Context, failure};
use crate::operations as op;
use crate::operations::Scope;

/// How long a function may take to become active, or an update to finish.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);

/// What GetFunctionConfiguration answers.
pub(super) type Found = GetFunctionConfigurationOutput;

pub(super) async fn look(cx: Context<'_>) -> Result<Found> {
    let name = cx.name(Scope::Function)?;
    cx.call(&[op::GET_FUNCTION_CONFIGURATION], || async {
        cx.clients.lambda().get_function_configuration().function_name(name).send().await.map_err(failure)
    })
    .await
}

/// The change that is in progress; `None` if there is none.
pub(super) fn still(found: &Found) -> Option<String> {
    if let Some(state @ (State::Pending | State::Deleting)) = found.state() {
        return Some(format!("it is {state}: {}", found.state_reason().unwrap_or("Lambda gives no reason")));
    }
    let updating = found.last_update_status() == Some(&LastUpdateStatus::InProgress);
    updating.then(|| "an update of it is in progress".to_owned())
}

/// Waits until no change is in progress.
pub(super) async fn idle(cx: Context<'_>) -> Result<Found> {
    cx.until(PATIENCE, || async move {
        let found = look(cx).await?;
        Ok(match still(&found) {
            None => ControlFlow::Break(found),
            Some(still) => ControlFlow::Continue(still),
        })
    })
    .await
}

/// Waits until the function works.
pub(super) async fn settle(cx: Context<'_>) -> Result<()> {
    works(&idle(cx).await?)
}

/// Fails unless the function is usable and its last update succeeded. A function that was idle for long is `Inactive`
/// and becomes active when called (<https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html>).
pub(super) fn works(found: &Found) -> Result<()> {
    let failed = |what: &str, code: Option<&str>, reason: Option<&str>| {
        let (code, reason) = (code.unwrap_or("no reason code"), reason.unwrap_or("Lambda gives no reason"));
        Err(Error::new(ErrorKind::Failed, format!("{what} ({code}): {reason}"))
            .in_operation("lambda:GetFunctionConfiguration"))
    };
    match (found.state(), found.last_update_status()) {
        (None | Some(State::Active | State::Inactive | State::Pending | State::Deleting), status) => match status {
            Some(LastUpdateStatus::Failed) => failed(
                "the last update failed",
                found.last_update_status_reason_code().map(|code| code.as_str()),
                found.last_update_status_reason(),
            ),
            _ => Ok(()),
        },
        (Some(state), _) => failed(
            &format!("the function is {state}"),
            found.state_reason_code().map(|code| code.as_str()),
            found.state_reason(),
        ),
    }
}

/// Whether the function runs this code.
pub(super) fn runs(found: &Found, code: &Code) -> bool {
    code.only().is_some_and(|form| form.digest() == digest(found))
}

/// The digest of the code that runs: Lambda gives that of a zip in base64, that of an image in hexadecimal.
pub(super) fn digest(found: &Found) -> String {
    use std::fmt::Write as _;
    let known = found.code_sha256().unwrap_or_default();
    if known.len() == 64 {
        return format!("sha256:{known}");
    }
    let mut digest = String::from("sha256:");
    for byte in aws_smithy_types::base64::decode(known).unwrap_or_default() {
        // Writing to a string cannot fail.
        let _ = write!(digest, "{byte:02x}");
    }
    digest
}

/// The code that runs. Lambda does not tell the repository of an image, so it counts as the one that is known.
pub(super) fn code_that_runs(found: &Found, known: &Code) -> Option<Code> {
    let digest = digest(found);
    Some(match known.only()? {
        CodeForm::Zip(_) => CodeForm::Zip(&digest).into(),
        CodeForm::Image(image) => CodeForm::Image(format!("{}@{digest}", image.split_once('@')?.0)).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_known_in_the_form_that_lambda_tells() {
        let found = |told: &str| Found::builder().code_sha256(told).build();
        assert_eq!(digest(&found("")), "sha256:");
        assert_eq!(digest(&found("Zg==")), "sha256:66");
        assert_eq!(digest(&found("Zm8=")), "sha256:666f");
        assert_eq!(digest(&found("Zm9vYmFy+/8=")), "sha256:666f6f626172fbff");
        assert_eq!(digest(&found("no base64")), "sha256:");
        let of_an_image = "0f".repeat(32);
        assert_eq!(digest(&found(&of_an_image)), format!("sha256:{of_an_image}"));
        // The digest of `zip`, as `openssl dgst -sha256 -binary | base64` gives it.
        let zip = found("SnD+mqZDbgLC3qNA+9HjUuTvLYzmylKtJdS5VHH8i/I=");
        assert_eq!((runs(&zip, &Code::zip(b"zip")), runs(&zip, &Code::zip(b"other"))), (true, false));
    }
}
