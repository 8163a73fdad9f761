//! Code and settings in the form that Lambda takes.

use std::sync::Arc;

use alien_core::adapter::{Operation, environment};
use alien_core::{Code, CodeForm, Error, ErrorKind, Function, Resource, Result};
use aws_sdk_lambda::operation::update_function_configuration::builders::UpdateFunctionConfigurationFluentBuilder;
use aws_sdk_lambda::types::Environment;

use super::state::{Found, idle, runs};
use super::zip::Zip;
use crate::client::{Context, busy};
use crate::operations as op;
use crate::operations::Scope;

/// The largest zip that can be sent in a request, in bytes
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const MOST: usize = 50 * 1024 * 1024;

/// Code in the form that Lambda takes.
pub(super) enum Package {
    /// The very bytes of the release.
    Zip(Arc<[u8]>),
    Image(String),
}

impl Package {
    pub(super) fn of(code: &Code, zip: Option<&Arc<[u8]>>) -> Result<Self> {
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

/// Sends code, unless the function is no longer at this revision.
pub(super) async fn send_code(
    cx: Context<'_>,
    code: &Code,
    zip: Option<&Arc<[u8]>>,
    revision: Option<&str>,
) -> Result<()> {
    let (name, package) = (cx.name(Scope::Function)?, Package::of(code, zip)?);
    let rows = [&[op::UPDATE_FUNCTION_CODE], image_rows(cx)].concat();
    let sent = cx.call(&rows, || async {
        let request = cx.clients.lambda().update_function_code().function_name(name);
        let request = request.set_revision_id(revision.map(str::to_owned));
        match &package {
            Package::Zip(zip) => {
                request.zip_file(Zip::place()).customize().interceptor(Zip::new(zip)).send().await.map_err(busy)
            }
            Package::Image(image) => request.image_uri(image).send().await.map_err(busy),
        }
    });
    match sent.await {
        // The answer of an own attempt was lost.
        Err(error) if error.may_conflict_with_itself() && runs(&idle(cx).await?, code) => Ok(()),
        sent => sent.map(drop),
    }
}

/// The settings that the vendor may change. Role and network are for the admin to set.
pub(super) async fn settings(
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

/// Sends the settings that the vendor may change, unless the function is no longer at this revision.
pub(super) async fn send_settings(
    cx: Context<'_>,
    resource: &Resource,
    function: &Function,
    revision: Option<&str>,
) -> Result<()> {
    let request = settings(cx, resource, function).await?.set_revision_id(revision.map(str::to_owned));
    let rows = &[op::UPDATE_FUNCTION_CONFIGURATION_IN_PLACE];
    match cx.call(rows, || async { request.clone().send().await.map_err(busy) }).await {
        // The answer of an own attempt was lost.
        Err(error)
            if error.may_conflict_with_itself() && !differs(cx, &idle(cx).await?, resource, function).await? =>
        {
            Ok(())
        }
        sent => sent.map(drop),
    }
}

pub(super) async fn variables(cx: Context<'_>, resource: &Resource) -> Result<Environment> {
    let variables = environment(cx, resource).await?;
    Ok(Environment::builder().set_variables(Some(variables.into_iter().collect())).build())
}

/// Lambda pulls an image from ECR with the permissions of the caller who names it.
pub(super) fn image_rows(cx: Context<'_>) -> &'static [&'static Operation<Scope>] {
    match cx.deployment().names().at(Scope::Repository, cx.subject).next() {
        Some(_) => &[op::BATCH_GET_IMAGE, op::GET_IMAGE_LAYER],
        None => &[],
    }
}

/// Whether the settings that the vendor may change differ from these.
pub(super) async fn differs(cx: Context<'_>, found: &Found, resource: &Resource, function: &Function) -> Result<bool> {
    let has = found.environment().and_then(|environment| environment.variables());
    let same_variables = match variables(cx, resource).await?.variables() {
        Some(wanted) if !wanted.is_empty() => has == Some(wanted),
        _ => has.is_none_or(std::collections::HashMap::is_empty),
    };
    Ok(found.memory_size() != Some(number(function.memory_mib()))
        || found.timeout() != Some(number(function.timeout().as_secs()))
        || !same_variables)
}

/// Converts a number that the stack has checked to be in range.
pub(super) fn number(number: impl TryInto<i32>) -> i32 {
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
    }
}
