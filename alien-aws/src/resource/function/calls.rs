//! The calls for a function.

use std::time::Duration;

use alien_core::adapter::{
    Change, Command, LogPage, LogQuery, Marks, Observed, Operate, Operation, Reconcile, Removal, ResultExt, Running,
    Runs, State as SetUp, field_drift,
};
use alien_core::{Data, Error, ErrorKind, Function, Health, Heartbeat, Resource, Result};
use async_trait::async_trait;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Architecture, FunctionCode, PackageType, Runtime, State, VpcConfig, VpcConfigResponse};

use super::super::compute::calls as compute;
use super::super::network::calls as network;
use super::sending::{Package, differs, image_rows, number, send_code, settings, variables};
use super::state::{
    Found, PATIENCE, changed_fields, code_that_runs, digest, idle, look, runs, set_back, settle, still, works,
};
use super::zip::Zip;
use super::{opening, updating};
use crate::Aws;
use crate::client::{Clients, Context, busy, failure};
use crate::operations as op;
use crate::operations::Scope;

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
                let beside = changed_fields(&found, compute::log_group(cx)?);
                let own = if !runs(&found, self.code()) {
                    Some("other code".to_owned())
                } else if !beside.is_empty() {
                    field_drift(&beside)
                } else if self.network().is_some() == subnets.is_empty() {
                    Some(if subnets.is_empty() { "it is out of its network" } else { "it is in a network" }.to_owned())
                } else if differs(cx, &found, cx.resource()?, self).await? {
                    Some("other settings".to_owned())
                } else {
                    network::misplaced(cx, self.network(), subnets)
                };
                // Who invokes it is the admin's to look at, and to set.
                let opened = if cx.is_vendors() { Vec::new() } else { opening::drift(cx, self).await? };
                compute::with_logs(cx, observed, arn, own.into_iter().chain(opened)).await
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
            let (request, code) = (request.clone(), FunctionCode::builder());
            match &package {
                Package::Zip(zip) => {
                    let request = request.code(code.zip_file(Zip::place()).build());
                    request.customize().interceptor(Zip::new(zip)).send().await.map_err(failure)
                }
                Package::Image(image) => request.code(code.image_uri(image).build()).send().await.map_err(failure),
            }
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
            send_code(cx, self.code(), zip, None).await?;
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
            let own_log = compute::log_group(cx)?;
            let request = settings(cx, resource, self).await?;
            let request = if changed_fields(&found, own_log).is_empty() { request } else { set_back(request, own_log) };
            let request =
                request.role(cx.full_name(Scope::RoleForLambda)?).set_vpc_config(vpc.or_else(|| leaving.then(none)));
            let own = [op::UPDATE_FUNCTION_CONFIGURATION, op::PASS_ROLE_TO_LAMBDA];
            let rows = [&own, vpc_rows(self)].concat();
            cx.call(&rows, || async { request.clone().send().await.map_err(busy) }).await?;
        }
        if !(same_code && same_settings) {
            settle(cx).await?;
        }
        if !cx.is_vendors() {
            opening::url(cx, self).await?;
            opening::triggers(cx).await?;
        }
        mark(cx, marks.all(cx.name(Scope::Function)?)).await
    }

    /// Deletes what belongs to the function first: while the function exists, a later run finds an interrupted removal.
    async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
        let name = cx.name(Scope::Function)?;
        // The URL and its permissions go with the function. A trigger would stay.
        if cx.is_vendors() && self.is_triggered() {
            let what = "queues trigger it, and only the customer's admin deletes triggers";
            return Err(Error::new(ErrorKind::NotGranted, what));
        }
        // Without its fingerprint, a set-up after an interruption sees that the function is unfinished.
        mark(cx, [(Marks::FINGERPRINT, String::new())]).await?;
        if !cx.is_vendors() {
            opening::no_triggers(cx).await?;
            opening::no_url(cx).await?;
        }
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
        if let Some(revision) = found.revision_id() {
            running = running.with_revision(revision);
        }
        running.code = code_that_runs(&found, self.code());
        running.memory_mib = found.memory_size().and_then(|memory| memory.try_into().ok());
        running.timeout_seconds = found.timeout().and_then(|timeout| timeout.try_into().ok());
        Ok(Runs::Settings(running))
    }

    async fn update(&self, cx: Context<'_>, change: &Change) -> Result<()> {
        updating::update(self, cx, change).await
    }

    async fn redeploy(&self, cx: Context<'_>) -> Result<()> {
        updating::redeploy(cx).await
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

/// The subnets and security groups of its network; `None` if it has no network.
async fn vpc(cx: Context<'_>, function: &Function) -> Result<Option<VpcConfig>> {
    let Some(network) = function.network() else { return Ok(None) };
    let placement = network::placement(cx, cx.deployment().subject(network)?).await?;
    let placed = VpcConfig::builder()
        .set_subnet_ids(Some(placement.subnets))
        .set_security_group_ids(Some(placement.security_groups));
    Ok(Some(placed.build()))
}

/// Placing a function in a network takes permissions to describe the network
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html>).
fn vpc_rows(function: &Function) -> &'static [&'static Operation<Scope>] {
    match function.network() {
        Some(_) => &[op::DESCRIBE_VPCS, op::DESCRIBE_SUBNETS, op::DESCRIBE_SECURITY_GROUPS],
        None => &[],
    }
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
        && changed_fields(found, compute::log_group(cx)?).is_empty()
        && !differs(cx, found, resource, function).await?)
}

async fn mark(cx: Context<'_>, tags: impl IntoIterator<Item = (&'static str, String)>) -> Result<()> {
    let tags = tags.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let request = cx.clients.lambda().tag_resource().resource(cx.full_name(Scope::Function)?).set_tags(Some(tags));
    cx.call(&[op::TAG_FUNCTION], || async { request.clone().send().await.map_err(busy) }).await.map(drop)
}
