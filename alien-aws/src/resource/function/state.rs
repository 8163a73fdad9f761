//! What Lambda tells of a function: whether it works, and which code it runs.

use std::ops::ControlFlow;
use std::time::Duration;

use alien_core::adapter::Fields;
use alien_core::{Code, CodeForm, Error, ErrorKind, Result};
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::operation::update_function_configuration::builders::UpdateFunctionConfigurationFluentBuilder;
use aws_sdk_lambda::types::{
    DeadLetterConfig, EphemeralStorage, FileSystemConfig, LastUpdateStatus, LoggingConfig, State, TracingConfig,
    TracingConfigResponse, TracingMode,
};
use serde_json::json;

use super::SETTINGS;
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

/// The fields of a function that somebody changed, of those that a set-up restores. `own_log` is the log group that it writes
/// to by default.
pub(super) fn changed_fields(found: &Found, own_log: &str) -> Vec<&'static str> {
    let file_systems = found.file_system_configs().iter().map(FileSystemConfig::arn);
    let is = json!({
        "DeadLetterConfig": { "TargetArn": found.dead_letter_config().and_then(DeadLetterConfig::target_arn) },
        "EphemeralStorage": { "Size": found.ephemeral_storage().map_or(EPHEMERAL, EphemeralStorage::size) },
        "FileSystemConfigs": file_systems.map(|arn| json!({ "Arn": arn })).collect::<Vec<_>>(),
        "KMSKeyArn": found.kms_key_arn(),
        "LoggingConfig": { "LogGroup": found.logging_config().and_then(LoggingConfig::log_group).unwrap_or(own_log) },
        "TracingConfig": { "Mode": found.tracing_config().and_then(TracingConfigResponse::mode).map_or(UNTRACED, TracingMode::as_str) },
    });
    let due = json!({
        "EphemeralStorage": { "Size": EPHEMERAL },
        "LoggingConfig": { "LogGroup": own_log },
        "TracingConfig": { "Mode": UNTRACED },
    });
    Fields::changed(SETTINGS, &is, &due, |is, due| is == due)
}

/// Restores those fields.
pub(super) fn set_back(
    request: UpdateFunctionConfigurationFluentBuilder,
    own_log: &str,
) -> UpdateFunctionConfigurationFluentBuilder {
    let storage = EphemeralStorage::builder().size(EPHEMERAL).build();
    request
        .dead_letter_config(DeadLetterConfig::builder().target_arn("").build())
        .set_ephemeral_storage(storage.ok())
        .set_file_system_configs(Some(Vec::new()))
        .kms_key_arn("")
        .logging_config(LoggingConfig::builder().log_group(own_log).build())
        .tracing_config(TracingConfig::builder().mode(TracingMode::PassThrough).build())
}

/// The temporary storage of a function, in MiB, where nobody sets it
/// (<https://docs.aws.amazon.com/lambda/latest/api/API_EphemeralStorage.html>).
const EPHEMERAL: i32 = 512;

/// How a function is traced where nobody sets it (<https://docs.aws.amazon.com/lambda/latest/api/API_TracingConfig.html>).
const UNTRACED: &str = "PassThrough";

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
    use alien_core::adapter::Fate;
    use aws_sdk_lambda::operation::update_function_configuration::UpdateFunctionConfigurationInput;

    use super::*;

    const LOG: &str = "/aws/lambda/acme-api-4";

    /// A function with all that a set-up sets back set by somebody else.
    fn changed() -> Found {
        let file_system = FileSystemConfig::builder().arn("arn:of:access-point").local_mount_path("/mnt/theirs");
        Found::builder()
            .dead_letter_config(DeadLetterConfig::builder().target_arn("arn:of:queue").build())
            .ephemeral_storage(EphemeralStorage::builder().size(10_240).build().unwrap())
            .file_system_configs(file_system.build().unwrap())
            .kms_key_arn("arn:of:key")
            .logging_config(LoggingConfig::builder().log_group("theirs").build())
            .tracing_config(TracingConfigResponse::builder().mode(TracingMode::Active).build())
            .build()
    }

    #[test]
    fn all_that_is_to_be_set_back_is_told_and_nothing_else() {
        let is_restored = |fields: &&Fields| matches!(fields.fate, Fate::Restored(_));
        let restored = SETTINGS.iter().filter(is_restored).flat_map(|fields| fields.paths).copied();
        // Its network is compared with that of the stack.
        let mut restored: Vec<&str> = restored.filter(|path| *path != "VpcConfig.SubnetIds").collect();
        restored.sort_unstable();
        assert_eq!(changed_fields(&changed(), LOG), restored);
        assert_eq!(
            changed_fields(&Found::builder().build(), LOG),
            Vec::<&str>::new(),
            "an old answer tells none of it"
        );
        let told = Found::builder()
            .ephemeral_storage(EphemeralStorage::builder().size(512).build().unwrap())
            .logging_config(LoggingConfig::builder().log_group(LOG).build())
            .tracing_config(TracingConfigResponse::builder().mode(TracingMode::PassThrough).build());
        assert_eq!(changed_fields(&told.build(), LOG), Vec::<&str>::new(), "as Lambda tells what nobody set");
    }

    #[test]
    fn what_is_set_back_is_as_nobody_set_it() {
        let config =
            aws_sdk_lambda::Config::builder().behavior_version(aws_sdk_lambda::config::BehaviorVersion::latest());
        let client = aws_sdk_lambda::Client::from_conf(config.build());
        let sent: UpdateFunctionConfigurationInput =
            set_back(client.update_function_configuration(), LOG).as_input().clone().build().unwrap();
        assert_eq!(sent.dead_letter_config().and_then(DeadLetterConfig::target_arn), Some(""));
        assert_eq!((sent.kms_key_arn(), sent.file_system_configs.as_deref()), (Some(""), Some(&[][..])));
        assert_eq!(sent.ephemeral_storage().map(EphemeralStorage::size), Some(512));
        assert_eq!(sent.logging_config().and_then(LoggingConfig::log_group), Some(LOG));
        assert_eq!(sent.tracing_config().and_then(TracingConfig::mode), Some(&TracingMode::PassThrough));
    }

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
