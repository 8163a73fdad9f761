//! Checks before a set-up: whether the resource group exists, the permissions of the credentials there, and whether the
//! subscription's resource providers are registered.

use std::collections::BTreeSet;

use alien_core::adapter::{AccessControl, Subject};
use alien_core::{ErrorKind, Problem, Remedy, Result, Rule};
use serde::Deserialize;
use serde_json::Value;

use crate::Azure;
use crate::client::Context;
use crate::naming::Ids;
use crate::operations as op;
use crate::operations::Scope;
use crate::policy::{Held, covers};
use crate::resource::network::fit;

pub(crate) async fn look(cx: Context<'_>) -> Result<Vec<Problem>> {
    let cx = cx.about(Subject::Deployment);
    let problems = group(cx).await?;
    if problems.iter().any(Problem::is_error) {
        return Ok(problems);
    }
    let mut problems = may_do_all(cx).await?;
    problems.extend(providers(cx).await?);
    problems.extend(fit::warned(cx).await?);
    Ok(problems)
}

/// The providers that every subscription has
/// (<https://learn.microsoft.com/azure/azure-resource-manager/management/resource-providers-and-types#register-resource-provider>).
const ALWAYS: [&str; 2] = ["Microsoft.Authorization", "Microsoft.Resources"];

/// A resource provider. <https://learn.microsoft.com/rest/api/resources/providers/get>
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Provider {
    registration_state: String,
}

/// Checks that the providers of what the deployment makes are registered: until then Azure refuses to make it, with
/// `MissingSubscriptionRegistration`
/// (<https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-register-resource-provider>).
///
/// This is asked of the subscription, on which the provisioning documents permit nothing: whoever may not read it is told
/// so.
async fn providers(cx: Context<'_>) -> Result<Vec<Problem>> {
    let needed = needed(cx);
    let namespaces: BTreeSet<&str> = needed.iter().filter_map(|action| Some(action.split_once('/')?.0)).collect();
    let (subscription, id) = (cx.target().subscription.as_str(), cx.full_name(Scope::Subscription)?);
    let mut missing = Vec::new();
    for namespace in namespaces.into_iter().filter(|namespace| !ALWAYS.contains(namespace)) {
        let id = [id, "/providers/", namespace].concat();
        match cx.call(&[op::GET_PROVIDER], || async { cx.clients.get::<Provider>(&id).await }).await {
            Ok(found) if found.registration_state.eq_ignore_ascii_case("Registered") => {}
            Ok(found) => missing.push((namespace, found.registration_state)),
            Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound) => {
                let what = format!("cannot read which resource providers are registered: {}", error.message());
                let help = format!(
                    "go on where an administrator of the subscription has registered them: `az provider show --namespace \
                     {namespace} --query registrationState` tells"
                );
                return Ok(vec![Problem::warning(Rule::Cloud, what, help).at("subscription")]);
            }
            Err(error) => return Err(error),
        }
    }
    let problem = |(namespace, state): (&str, String)| {
        let what = format!("the subscription has not registered the resource provider `{namespace}`: it is `{state}`");
        let help = format!(
            "let an administrator of the subscription register it: `az provider register --namespace {namespace} --wait \
             --subscription {subscription}`"
        );
        Problem::error(Rule::Cloud, what, help).at("subscription")
    };
    Ok(missing.into_iter().map(problem).collect())
}

/// The actions of the provisioning layer.
fn needed(cx: Context<'_>) -> BTreeSet<String> {
    let deployment = cx.deployment();
    let rendered = Azure::principal(&deployment.layout, &deployment.permissions().provisioning);
    let needed = rendered.role_definitions.iter().flat_map(|role| &role.properties.permissions);
    needed.flat_map(|one| &one.actions).map(|action| action.to_string()).collect()
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
    let needed = needed(cx);
    // A permission with a condition holds only for some requests, so it does not count.
    let gives = |permission: &Held, action: &str| {
        permission.condition.as_ref().is_none_or(String::is_empty)
            && permission.actions.iter().any(|pattern| covers(pattern, action))
            && !permission.not_actions.iter().any(|pattern| covers(pattern, action))
    };
    let lacks = |action: &&String| !held.iter().any(|permission| gives(permission, action));
    let missing: Vec<&str> = needed.iter().filter(lacks).map(String::as_str).collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let group = &deployment.target().resource_group;
    let what = format!("these credentials may not {} in `{group}`", missing.join(", "));
    let help = "ask the administrator of the resource group for the permissions in the provisioning documents";
    let problem = Problem::error(Rule::Cloud, what, help.to_owned());
    Ok(vec![problem.at("resourceGroup").remedy(Remedy::GrantProvisioning)])
}
