//! Checks before a set-up: whether the resource group exists, and the permissions of the credentials there.

use std::collections::BTreeSet;

use alien_core::adapter::{AccessControl, Subject};
use alien_core::{ErrorKind, Problem, Remedy, Result, Rule};
use serde_json::Value;

use crate::Azure;
use crate::client::Context;
use crate::naming::Ids;
use crate::operations as op;
use crate::policy::{Held, covers};

pub(crate) async fn look(cx: Context<'_>) -> Result<Vec<Problem>> {
    let cx = cx.about(Subject::Deployment);
    let problems = group(cx).await?;
    if problems.iter().any(Problem::is_error) {
        return Ok(problems);
    }
    may_do_all(cx).await
}

/// Checks that the credentials reach the resource group that the target names.
pub(crate) async fn account(cx: Context<'_>) -> Result<Vec<Problem>> {
    group(cx.about(Subject::Deployment)).await
}

/// Checks that the resource group exists. Azure gives the same answer for a group that does not exist and for one that
/// the caller may not see.
async fn group(cx: Context<'_>) -> Result<Vec<Problem>> {
    let target = cx.target();
    let id = Ids(target).group();
    match cx.call(&[op::GET_GROUP], || async { cx.clients.get::<Value>(&id).await }).await {
        Ok(_) => Ok(Vec::new()),
        Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound) => {
            let what = format!("cannot read the resource group `{}`: {}", target.resource_group, error.message());
            let help = "create it, correct the group or the subscription, or ask its administrator for the permissions in \
                        the provisioning documents";
            let problem = Problem::error(Rule::Cloud, what, help.to_owned());
            Ok(vec![problem.at("resourceGroup").remedy(Remedy::GrantProvisioning)])
        }
        Err(error) => Err(error),
    }
}

/// Checks the caller's permissions at the resource group: the actions of its roles without the excluded ones.
/// <https://learn.microsoft.com/rest/api/authorization/permissions/list-for-resource-group>
async fn may_do_all(cx: Context<'_>) -> Result<Vec<Problem>> {
    let deployment = cx.deployment();
    let id = [&Ids(deployment.target()).group(), "/providers/Microsoft.Authorization/permissions"].concat();
    let held = cx.call(&[op::GET_PERMISSIONS], || async { cx.clients.list::<Held>(&id, &[]).await });
    let held = match held.await {
        Ok(held) => held,
        Err(error) if error.kind() == ErrorKind::Denied => {
            let what = format!("cannot read the permissions of these credentials: {}", error.message());
            let help = "go on: a call that lacks a permission fails and names it".to_owned();
            return Ok(vec![Problem::warning(Rule::Cloud, what, help)]);
        }
        Err(error) => return Err(error),
    };
    let rendered = Azure::principal(&deployment.layout, &deployment.permissions().provisioning);
    let needed = rendered.role_definitions.iter().flat_map(|role| &role.properties.permissions);
    let needed: BTreeSet<&str> = needed.flat_map(|one| &one.actions).map(AsRef::as_ref).collect();
    // A permission with a condition holds only for some requests, so it does not count.
    let gives = |permission: &Held, action: &str| {
        permission.condition.as_ref().is_none_or(String::is_empty)
            && permission.actions.iter().any(|pattern| covers(pattern, action))
            && !permission.not_actions.iter().any(|pattern| covers(pattern, action))
    };
    let missing: Vec<&str> =
        needed.into_iter().filter(|action| !held.iter().any(|permission| gives(permission, action))).collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let group = &deployment.target().resource_group;
    let what = format!("these credentials may not {} in `{group}`", missing.join(", "));
    let help = "ask the administrator of the resource group for the permissions in the provisioning documents";
    let problem = Problem::error(Rule::Cloud, what, help.to_owned());
    Ok(vec![problem.at("resourceGroup").remedy(Remedy::GrantProvisioning)])
}
