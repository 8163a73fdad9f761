//! The calls for a function.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use alien_core::adapter::{
    Change, Command, LogPage, LogQuery, Marks, Observed, Operate, Operation, Reconcile, Removal, ResultExt, Running,
    Runs, State as SetUp, environment, or_undo,
};
use alien_core::{Code, CodeForm, Data, Error, ErrorKind, Function, Health, Heartbeat, Resource, Result};
use async_trait::async_trait;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput as Found;
use aws_sdk_lambda::operation::update_function_configuration::builders::UpdateFunctionConfigurationFluentBuilder;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Architecture, Environment, FunctionCode, LastUpdateStatus, PackageType, Runtime, State};
use aws_sdk_lambda::types::{VpcConfig, VpcConfigResponse};

use super::super::compute::calls as compute;
use super::super::network::calls as network;
use super::opening;
use crate::Aws;
use crate::client::{Clients, Context, busy, failure};
use crate::operations as op;
use crate::operations::Scope;

/// The largest zip that can be sent in a request, in bytes
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const MOST: usize = 50 * 1024 * 1024;

/// How long a function may take to become active, or an update to finish.
const PATIENCE: Duration = Duration::from_secs(300);

/// The largest command, in bytes; an answer has the same limit
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const LARGEST: usize = 6 * 1024 * 1024;

/// How much of an error's payload is shown, in characters.
const SHOWN: usize = 2000;

#[async_trait]
impl Reconcile<Aws, Clients> for Function {
    /// The function's tags tell whether it exists and whose it is; its configuration and its parts, whether they have
    /// changed since the set-up.
    async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
        let arn = cx.full_name(Scope::Function)?;
        let found = cx
            .call(&[op::LIST_FUNCTION_TAGS], || async {
                cx.clients.lambda().list_tags().resource(arn).send().await.map_err(failure)
            })
            .await
            .optional()?;
        let Some(found) = found else { return Ok(Observed::Absent) };
        let tags = found.tags().into_iter().flatten();
        let observed =
            Observed::marked(arn, cx.deployment().owner(), tags.map(|(key, value)| (key.as_str(), value.as_str())));
        match observed {
            // The vendor may have changed code and settings since, without changing the tags, which it may not write.
            Observed::Own { state: SetUp::Finished(_), .. } => {
                let found = look(cx).await?;
                let subnets = found.vpc_config().map_or(&[][..], VpcConfigResponse::subnet_ids);
                let own = if !runs(&found, self.code()) {
                    Some("other code".to_owned())
                } else if differs(cx, &found, cx.resource()?, self).await? {
                    Some("other settings".to_owned())
                } else {
                    network::misplaced(cx, self.network(), subnets)
                };
                let parts = compute::logs_drift(cx).await?.into_iter().chain(opening::drift(cx, self).await?);
                let drift: Vec<String> = own.into_iter().chain(parts).collect();
                Ok(observed.drifted((!drift.is_empty()).then(|| drift.join("; "))))
            }
            _ => Ok(observed),
        }
    }

    /// Creates the function with code and settings. Nothing invokes it yet.
    async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let resource = cx.resource()?;
        let package = Package::of(self.code(), cx.deployment().artifacts().bytes(self.code()))?;
        let name = cx.name(Scope::Function)?;
        let vpc = vpc(cx, self).await?;
        let tags = marks.ownership(name).map(|(key, value)| (key.to_owned(), value));
        let request = cx
            .clients
            .lambda()
            .create_function()
            .function_name(name)
            .role(cx.full_name(Scope::RoleForLambda)?)
            .architectures(Architecture::X8664)
            .memory_size(number(self.memory_mib()))
            .timeout(number(self.timeout().as_secs()))
            .environment(variables(cx, resource).await?)
            .set_vpc_config(vpc)
            .set_tags(Some(tags.into()));
        let request = match &package {
            Package::Zip(_) => {
                request.package_type(PackageType::Zip).runtime(Runtime::from("provided.al2023")).handler("bootstrap")
            }
            Package::Image(_) => request.package_type(PackageType::Image),
        };
        let own = [op::CREATE_FUNCTION, op::TAG_FUNCTION, op::PASS_ROLE_TO_LAMBDA];
        let rows = [&own, image_rows(cx), vpc_rows(self)].concat();
        cx.call(&rows, || async {
            let code = match &package {
                Package::Zip(zip) => FunctionCode::builder().zip_file(body(zip)),
                Package::Image(image) => FunctionCode::builder().image_uri(image),
            };
            request.clone().code(code.build()).send().await.map_err(failure)
        })
        .await
        .map(drop)
    }

    /// Sends code and settings only if they differ: after a creation they do not.
    async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
        let resource = cx.resource()?;
        compute::set_up_logs(cx, marks, cx.name(Scope::Function)?).await?;
        let found = idle(cx).await?;
        let sound = works(&found).is_ok();
        let same_code = sound && runs(&found, self.code());
        if !same_code {
            let zip = cx.deployment().artifacts().bytes(self.code());
            send_code(cx, Package::of(self.code(), zip)?).await?;
            idle(cx).await?;
        }
        let vpc = vpc(cx, self).await?;
        let same_settings = sound && is_set(cx, &found, resource, self, vpc.as_ref()).await?;
        if !same_settings {
            // Empty lists take a function out of its network.
            let leaving = found.vpc_config().and_then(VpcConfigResponse::vpc_id).is_some_and(|id| !id.is_empty());
            let none = || {
                VpcConfig::builder().set_subnet_ids(Some(Vec::new())).set_security_group_ids(Some(Vec::new())).build()
            };
            let request = settings(cx, resource, self)
                .await?
                .role(cx.full_name(Scope::RoleForLambda)?)
                .set_vpc_config(vpc.or_else(|| leaving.then(none)));
            let own = [op::UPDATE_FUNCTION_CONFIGURATION, op::PASS_ROLE_TO_LAMBDA];
            let rows = [&own, vpc_rows(self)].concat();
            cx.call(&rows, || async { request.clone().send().await.map_err(busy) }).await?;
        }
        if !(same_code && same_settings) {
            settle(cx).await?;
        }
        opening::url(cx, self).await?;
        opening::triggers(cx).await?;
        mark(cx, marks.finished()).await
    }

    /// Deletes what belongs to the function first: while the function exists, a later run finds an interrupted removal.
    async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
        let name = cx.name(Scope::Function)?;
        // Without its fingerprint, a set-up after an interruption sees that the function is unfinished.
        mark(cx, [(Marks::FINGERPRINT, String::new())]).await?;
        opening::no_triggers(cx).await?;
        opening::no_url(cx).await?;
        compute::remove_logs(cx).await?;
        cx.call(&[op::DELETE_FUNCTION], || async {
            cx.clients.lambda().delete_function().function_name(name).send().await.map_err(busy)
        })
        .await
        .optional()?;
        cx.until_gone(PATIENCE, || look(cx)).await?;
        Ok(Removal::Gone)
    }
}

#[async_trait]
impl Operate<Aws, Clients> for Function {
    async fn logs(&self, cx: Context<'_>, query: &LogQuery) -> Result<LogPage> {
        compute::logs(cx, query).await
    }

    /// Calls GetFunctionConfiguration, and nothing else.
    async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
        let found = look(cx).await?;
        Ok(match (works(&found), still(&found)) {
            (Err(error), _) => Heartbeat::new(Health::Degraded, error.message()),
            (Ok(()), Some(still)) => Heartbeat::new(Health::Degraded, still),
            (Ok(()), None) => {
                let state = found.state().map_or("Active", State::as_str);
                Heartbeat::new(Health::Healthy, format!("it is {state}"))
            }
        }
        .running(digest(&found)))
    }

    /// Calls GetFunctionConfiguration, and nothing else.
    async fn running(&self, cx: Context<'_>) -> Result<Runs> {
        let found = look(cx).await?;
        let environment = found.environment().and_then(|environment| environment.variables()).cloned();
        let mut running = Running::new().with_environment(environment.unwrap_or_default());
        running.code = code(&found, self.code());
        running.memory_mib = found.memory_size().and_then(|memory| memory.try_into().ok());
        running.timeout_seconds = found.timeout().and_then(|timeout| timeout.try_into().ok());
        Ok(Runs::Settings(running))
    }

    /// Sends new code, new settings, or both, and waits for each. If Lambda rejects one, what it took is rolled back. If a
    /// call fails in transit, the same update can be repeated.
    async fn update(&self, cx: Context<'_>, change: &Change) -> Result<()> {
        let will = change.settings::<Self>()?;
        let is_zip = |function: &Self| matches!(function.code().only(), Some(CodeForm::Zip(_)));
        if is_zip(self) != is_zip(will) {
            let what = "Lambda cannot turn a zip into an image or an image into a zip; add a function with another id";
            return Err(Error::new(ErrorKind::Unsupported, what));
        }
        // Of an update that was interrupted, Lambda may have taken all.
        let mut taken = Taken { code: change.again, settings: change.again };
        let sent = send(cx, change, &mut taken).await;
        let code_back = async {
            send_code(cx, Package::of(self.code(), change.previous_zip.as_ref())?).await?;
            settle(cx).await
        };
        let settings_back = async {
            send_settings(cx, cx.resource()?, self).await?;
            settle(cx).await
        };
        match taken {
            Taken { code: false, settings: false } => sent.map_err(|error| compute::untaken(error, change)),
            Taken { code: true, settings: false } => or_undo(sent, code_back, "code").await,
            Taken { code: false, settings: true } => or_undo(sent, settings_back, "settings").await,
            Taken { code: true, settings: true } => {
                let both_back = async {
                    let settings = settings_back.await;
                    code_back.await.and(settings)
                };
                or_undo(sent, both_back, "version").await
            }
        }
    }

    /// Sends a command and waits for the answer. It is repeated only if Lambda certainly did not receive it.
    async fn dispatch(&self, cx: Context<'_>, command: &Command) -> Result<Vec<u8>> {
        command.fits(LARGEST, "a call of Lambda")?;
        let name = cx.name(Scope::Function)?;
        let longest = command.patience(cx.gate.clock().now(), self.timeout() + Duration::from_secs(10));
        // Code that must not do a command twice finds its id in the context of the call.
        let context = format!("{{\"custom\":{{\"alien-command\":\"{}\"}}}}", command.id);
        let context = aws_smithy_types::base64::encode(context);
        let (context, body) = (&context, &*command.body);
        cx.call_once(&[op::INVOKE_FUNCTION], || async move {
            let timeouts =
                TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).operation_attempt_timeout(longest);
            let config = aws_sdk_lambda::Config::builder().timeout_config(timeouts.build());
            let request =
                cx.clients.lambda().invoke().function_name(name).payload(Blob::new(body)).client_context(context);
            let answer = request.customize().config_override(config).send().await.map_err(busy)?;
            let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
            match answer.function_error {
                None => Ok(payload),
                Some(sort) => {
                    let text: String = String::from_utf8_lossy(&payload).chars().take(SHOWN).collect();
                    Err(Error::new(ErrorKind::Failed, format!("the function returned an error ({sort}): {text}")))
                }
            }
        })
        .await
    }
}

/// What Lambda took of an update.
struct Taken {
    code: bool,
    settings: bool,
}

/// Sends what is new, and waits for each part.
async fn send(cx: Context<'_>, change: &Change, taken: &mut Taken) -> Result<()> {
    let will = change.settings::<Function>()?;
    let (code, settings) = change.since(cx.resource()?);
    if code {
        send_code(cx, Package::of(will.code(), change.zip.as_ref())?).await?;
        taken.code = true;
        settle(cx).await?;
    }
    if settings {
        send_settings(cx, &change.resource, will).await?;
        taken.settings = true;
        settle(cx).await?;
    }
    Ok(())
}

/// Code in the form that Lambda takes.
enum Package {
    /// The very bytes of the release.
    Zip(Arc<[u8]>),
    Image(String),
}

/// The body of one attempt. It is the only copy of the zip that is made here: the request of an attempt owns its body, and
/// the SDK then encodes it in base64 into the JSON that it sends, and drops it.
fn body(zip: &Arc<[u8]>) -> Blob {
    Blob::new(zip.to_vec())
}

impl Package {
    fn of(code: &Code, zip: Option<&Arc<[u8]>>) -> Result<Self> {
        match (code.only(), zip) {
            (Some(CodeForm::Image(image)), _) => Ok(Self::Image(image)),
            (Some(CodeForm::Zip(_)), Some(zip)) if zip.len() > MOST => {
                let what = format!("the zip has {} bytes, but Lambda accepts {MOST} at most", zip.len());
                let help = "leave out files that it does not need, or ship the function as an image";
                Err(Error::new(ErrorKind::Input, format!("{what}; {help}")))
            }
            (Some(CodeForm::Zip(_)), Some(zip)) => Ok(Self::Zip(Arc::clone(zip))),
            (Some(CodeForm::Zip(digest)), None) => {
                let what = format!("the bytes of the zip `{digest}` are missing; give the file with this digest");
                Err(Error::new(ErrorKind::Input, what))
            }
            (None, _) => Err(Error::new(ErrorKind::Internal, "the code has no form that Lambda runs")),
        }
    }
}

async fn send_code(cx: Context<'_>, package: Package) -> Result<()> {
    let name = cx.name(Scope::Function)?;
    let rows = [&[op::UPDATE_FUNCTION_CODE], image_rows(cx)].concat();
    cx.call(&rows, || async {
        let request = cx.clients.lambda().update_function_code().function_name(name);
        let request = match &package {
            Package::Zip(zip) => request.zip_file(body(zip)),
            Package::Image(image) => request.image_uri(image),
        };
        request.send().await.map_err(busy)
    })
    .await
    .map(drop)
}

/// The settings that the vendor may change. Role and network are for the admin to set.
async fn settings(
    cx: Context<'_>,
    resource: &Resource,
    function: &Function,
) -> Result<UpdateFunctionConfigurationFluentBuilder> {
    let request = cx.clients.lambda().update_function_configuration().function_name(cx.name(Scope::Function)?);
    Ok(request
        .memory_size(number(function.memory_mib()))
        .timeout(number(function.timeout().as_secs()))
        .environment(variables(cx, resource).await?))
}

async fn send_settings(cx: Context<'_>, resource: &Resource, function: &Function) -> Result<()> {
    let request = settings(cx, resource, function).await?;
    cx.call(&[op::UPDATE_FUNCTION_CONFIGURATION], || async { request.clone().send().await.map_err(busy) })
        .await
        .map(drop)
}

async fn variables(cx: Context<'_>, resource: &Resource) -> Result<Environment> {
    let variables = environment(cx, resource).await?;
    Ok(Environment::builder().set_variables(Some(variables.into_iter().collect())).build())
}

/// The subnets and security groups of its network; `None` if it has no network.
async fn vpc(cx: Context<'_>, function: &Function) -> Result<Option<VpcConfig>> {
    let Some(network) = function.network() else { return Ok(None) };
    let placement = network::placement(cx, cx.deployment().subject(network)?).await?;
    let placed = VpcConfig::builder()
        .set_subnet_ids(Some(placement.subnets))
        .set_security_group_ids(Some(placement.security_groups));
    Ok(Some(placed.build()))
}

/// Lambda pulls an image from ECR with the permissions of the caller who names it.
fn image_rows(cx: Context<'_>) -> &'static [&'static Operation<Scope>] {
    match cx.deployment().names().at(Scope::Repository, cx.subject).next() {
        Some(_) => &[op::BATCH_GET_IMAGE, op::GET_IMAGE_LAYER],
        None => &[],
    }
}

/// Placing a function in a network takes permissions to describe the network
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html>).
fn vpc_rows(function: &Function) -> &'static [&'static Operation<Scope>] {
    match function.network() {
        Some(_) => &[op::DESCRIBE_VPCS, op::DESCRIBE_SUBNETS, op::DESCRIBE_SECURITY_GROUPS],
        None => &[],
    }
}

/// Whether the function runs this code. Lambda gives the digest of a zip in base64, that of an image in hexadecimal.
fn runs(found: &Found, code: &Code) -> bool {
    let known = found.code_sha256().unwrap_or_default();
    let form = code.only();
    let digest = form.as_ref().map(CodeForm::digest).and_then(|digest| digest.strip_prefix("sha256:"));
    let Some(digits) = digest else { return false };
    known == digits || Some(known) == base64(digits).as_deref()
}

/// The digest of the code that runs: Lambda gives that of a zip in base64, that of an image in hexadecimal.
fn digest(found: &Found) -> String {
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
fn code(found: &Found, known: &Code) -> Option<Code> {
    let digest = digest(found);
    Some(match known.only()? {
        CodeForm::Zip(_) => CodeForm::Zip(&digest).into(),
        CodeForm::Image(image) => CodeForm::Image(format!("{}@{digest}", image.split_once('@')?.0)).into(),
    })
}

/// Converts a hexadecimal digest to base64.
fn base64(digits: &str) -> Option<String> {
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    bytes.map(aws_smithy_types::base64::encode)
}

/// Whether role, settings, environment and network are as the stack says.
async fn is_set(
    cx: Context<'_>,
    found: &Found,
    resource: &Resource,
    function: &Function,
    vpc: Option<&VpcConfig>,
) -> Result<bool> {
    let sorted = |ids: &[String]| {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids
    };
    let has = found
        .vpc_config()
        .map_or_else(<[_; 2]>::default, |vpc| [sorted(vpc.subnet_ids()), sorted(vpc.security_group_ids())]);
    let wants = vpc.map_or_else(<[_; 2]>::default, |vpc| [sorted(vpc.subnet_ids()), sorted(vpc.security_group_ids())]);
    Ok(found.role() == Some(cx.full_name(Scope::RoleForLambda)?)
        && has == wants
        && !differs(cx, found, resource, function).await?)
}

/// Whether the settings that the vendor may change differ from these.
async fn differs(cx: Context<'_>, found: &Found, resource: &Resource, function: &Function) -> Result<bool> {
    let has = found.environment().and_then(|environment| environment.variables());
    let same_variables = match variables(cx, resource).await?.variables() {
        Some(wanted) if !wanted.is_empty() => has == Some(wanted),
        _ => has.is_none_or(std::collections::HashMap::is_empty),
    };
    Ok(found.memory_size() != Some(number(function.memory_mib()))
        || found.timeout() != Some(number(function.timeout().as_secs()))
        || !same_variables)
}

async fn look(cx: Context<'_>) -> Result<Found> {
    let name = cx.name(Scope::Function)?;
    cx.call(&[op::GET_FUNCTION_CONFIGURATION], || async {
        cx.clients.lambda().get_function_configuration().function_name(name).send().await.map_err(failure)
    })
    .await
}

/// The change that is in progress; `None` if there is none.
fn still(found: &Found) -> Option<String> {
    if let Some(state @ (State::Pending | State::Deleting)) = found.state() {
        return Some(format!("it is {state}: {}", found.state_reason().unwrap_or("Lambda gives no reason")));
    }
    let updating = found.last_update_status() == Some(&LastUpdateStatus::InProgress);
    updating.then(|| "an update of it is in progress".to_owned())
}

/// Waits until no change is in progress.
async fn idle(cx: Context<'_>) -> Result<Found> {
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
async fn settle(cx: Context<'_>) -> Result<()> {
    works(&idle(cx).await?)
}

/// Fails unless the function is usable and its last update succeeded. A function that was idle for long is `Inactive`
/// and becomes active when called (<https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html>).
fn works(found: &Found) -> Result<()> {
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

async fn mark(cx: Context<'_>, tags: impl IntoIterator<Item = (&'static str, String)>) -> Result<()> {
    let tags = tags.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let request = cx.clients.lambda().tag_resource().resource(cx.full_name(Scope::Function)?).set_tags(Some(tags));
    cx.call(&[op::TAG_FUNCTION], || async { request.clone().send().await.map_err(busy) }).await.map(drop)
}

/// Converts a number that the stack has checked to be in range.
fn number(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zip_is_not_copied_before_it_is_sent() {
        let zip: Arc<[u8]> = b"zip".as_slice().into();
        let Ok(Package::Zip(kept)) = Package::of(&Code::zip(b"zip"), Some(&zip)) else { unreachable!() };
        assert!(Arc::ptr_eq(&kept, &zip));
        assert_eq!(body(&kept).as_ref(), b"zip");
    }

    #[test]
    fn a_digest_is_compared_in_the_form_that_lambda_tells() {
        assert_eq!(base64("").as_deref(), Some(""));
        assert_eq!(base64("66").as_deref(), Some("Zg=="));
        assert_eq!(base64("666f").as_deref(), Some("Zm8="));
        assert_eq!(base64("666f6f").as_deref(), Some("Zm9v"));
        assert_eq!(base64("666f6f626172fbff").as_deref(), Some("Zm9vYmFy+/8="));
        assert_eq!(base64("6x"), None);
    }
}
