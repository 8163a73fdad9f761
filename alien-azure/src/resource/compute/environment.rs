//! The calls of environments and of the workspaces that keep their logs.

use std::time::Duration;

use alien_core::call::last;
use alien_core::engine::{Marks, Observed, Removal};
use alien_core::{Lifecycle, OrAbsent, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::At;
use crate::client::settle::{self, State};
use crate::client::tags::{self, Tags};
use crate::naming::{Ids, is_within, same};
use crate::operations as op;
use crate::operations::Place;
use crate::resource::network;

/// How long an environment may take to be made or removed: in a network it takes the longest.
const PATIENCE: Duration = Duration::from_secs(1800);

/// How long logs are kept, in days (<https://learn.microsoft.com/azure/azure-monitor/logs/data-retention-configure>).
const KEPT: u32 = 30;

/// An environment. <https://learn.microsoft.com/rest/api/resource-manager/containerapps/managed-environments/get>
#[derive(Deserialize)]
struct Environment {
    id: String,
    #[serde(default)]
    tags: Option<Tags>,
    #[serde(default)]
    properties: EnvironmentSays,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct EnvironmentSays {
    provisioning_state: String,
    vnet_configuration: Option<Vnet>,
    app_logs_configuration: Option<AppLogs>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct AppLogs {
    log_analytics_configuration: Option<LogAnalytics>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct LogAnalytics {
    customer_id: String,
}

/// An app, as it is listed.
#[derive(Deserialize)]
struct App {
    name: String,
    properties: AppSays,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct AppSays {
    environment_id: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Vnet {
    infrastructure_subnet_id: Option<String>,
}

impl State for Environment {
    fn state(&self) -> &str {
        &self.properties.provisioning_state
    }
}

impl Environment {
    fn tags(&self) -> Tags {
        self.tags.clone().unwrap_or_default()
    }

    fn sends_logs_to(&self, workspace: &str) -> bool {
        let logs = self.properties.app_logs_configuration.as_ref();
        let logs = logs.and_then(|logs| logs.log_analytics_configuration.as_ref());
        logs.is_some_and(|logs| logs.customer_id == workspace)
    }

    fn subnet(&self) -> Option<&str> {
        self.properties.vnet_configuration.as_ref()?.infrastructure_subnet_id.as_deref()
    }
}

/// A workspace. <https://learn.microsoft.com/rest/api/loganalytics/workspaces/get>
#[derive(Deserialize)]
pub(crate) struct Workspace {
    #[serde(default)]
    tags: Option<Tags>,
    pub(crate) properties: WorkspaceSays,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct WorkspaceSays {
    provisioning_state: String,
    pub(crate) customer_id: String,
}

impl State for Workspace {
    fn state(&self) -> &str {
        &self.properties.provisioning_state
    }
}

/// The keys of a workspace. They are never printed, and only sent to the environment that writes there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    primary_shared_key: String,
}

fn workspace_id(at: At<'_>, lifecycle: Lifecycle) -> String {
    super::workspace(Ids(&at.site().target), lifecycle)
}

async fn look_at_workspace(at: At<'_>, lifecycle: Lifecycle) -> Result<Workspace> {
    let id = workspace_id(at, lifecycle);
    at.call(&[op::GET_WORKSPACE], || async { at.clients.get(&id).await }).await
}

pub(crate) async fn observe_workspace(at: At<'_>, lifecycle: Lifecycle) -> Result<Observed> {
    let Some(found) = look_at_workspace(at, lifecycle).await.or_absent()? else { return Ok(Observed::Absent) };
    Ok(tags::observed(at.site(), workspace_id(at, lifecycle), &found.tags.unwrap_or_default()))
}

/// Makes it, unless it is there and ours. One that was removed in the last two weeks is taken back by this
/// (<https://learn.microsoft.com/azure/azure-monitor/logs/delete-workspace#recover-a-workspace-in-a-soft-delete-state>).
pub(crate) async fn make_workspace(at: At<'_>, lifecycle: Lifecycle, marks: &Marks) -> Result<bool> {
    let id = workspace_id(at, lifecycle);
    if let Some(found) = look_at_workspace(at, lifecycle).await.or_absent()? {
        tags::own(at.site(), &id, found.tags.as_ref().unwrap_or(&Tags::new()))?;
        settle::made(at, PATIENCE, || look_at_workspace(at, lifecycle)).await?;
        return Ok(false);
    }
    let body = json!({
        "location": at.site().target.location,
        "tags": tags::unsealed(Tags::new(), marks, last(&id)),
        "properties": { "sku": { "name": "PerGB2018" }, "retentionInDays": KEPT },
    });
    at.call(&[op::PUT_WORKSPACE], || async { at.clients.put(&id, &body).await }).await?;
    settle::made(at, PATIENCE, || look_at_workspace(at, lifecycle)).await?;
    Ok(true)
}

pub(crate) async fn seal_workspace(at: At<'_>, lifecycle: Lifecycle, marks: &Marks) -> Result<()> {
    tags::set_seal(at, &workspace_id(at, lifecycle), marks).await
}

/// Removes it: for two weeks it can be taken back, with what it holds.
pub(crate) async fn delete_workspace(at: At<'_>, lifecycle: Lifecycle) -> Result<Removal> {
    let id = workspace_id(at, lifecycle);
    let Some(found) = look_at_workspace(at, lifecycle).await.or_absent()? else { return Ok(Removal::Gone) };
    let is_own = tags::own(at.site(), &id, &found.tags.clone().unwrap_or_default()).is_ok();
    if !is_own || in_use(at, &found).await? {
        return Ok(Removal::Gone);
    }
    at.call(&[op::DELETE_WORKSPACE], || async { at.clients.delete(&id, &[]).await }).await.or_absent()?;
    at.until_gone(PATIENCE, || look_at_workspace(at, lifecycle)).await
}

/// Whether environments send their logs to it still.
async fn in_use(at: At<'_>, workspace: &Workspace) -> Result<bool> {
    let id = &workspace.properties.customer_id;
    Ok(list(at).await?.iter().any(|found| found.sends_logs_to(id)))
}

fn environment_id(at: At<'_>, lifecycle: Lifecycle) -> String {
    super::environment(Ids(&at.site().target), lifecycle, None)
}

async fn look(at: At<'_>, id: &str) -> Result<Environment> {
    at.call(&[op::READ_ENVIRONMENT], || async { at.clients.get(id).await }).await
}

async fn list(at: At<'_>) -> Result<Vec<Environment>> {
    let all = Ids(&at.site().target).resource(&["Microsoft.App/managedEnvironments"]);
    let found: Vec<Environment> =
        at.call(&[op::READ_ENVIRONMENT], || async { at.clients.list(&all, &[]).await }).await?;
    let own = |found: &Environment| tags::own(at.site(), &found.id, &found.tags()).is_ok();
    Ok(found.into_iter().filter(own).collect())
}

pub(crate) async fn observe(at: At<'_>, lifecycle: Lifecycle) -> Result<Observed> {
    let id = environment_id(at, lifecycle);
    let Some(found) = look(at, &id).await.or_absent()? else { return Ok(Observed::Absent) };
    let drift = (found.state() == "Failed").then(|| "its making has failed".to_owned());
    Ok(tags::observed(at.site(), id, &found.tags()).drifted(drift))
}

/// The environment of an app, made where it is not there: in the network that the app names, or that of all.
pub(crate) async fn ensure(at: At<'_>, marks: &Marks) -> Result<()> {
    let resource = at.resource()?;
    let Some(network) = resource.settings().compute().and_then(|compute| compute.network) else { return Ok(()) };
    let network = at.site().subject(network)?;
    make(at, resource.lifecycle(), Some(at.about(network)), marks).await.map(drop)
}

/// Makes an environment on the consumption plan, unless it is there and ours. Gives whether it was not.
/// <https://learn.microsoft.com/azure/container-apps/custom-virtual-networks>
pub(crate) async fn make(at: At<'_>, lifecycle: Lifecycle, network: Option<At<'_>>, marks: &Marks) -> Result<bool> {
    let shared = at.about(alien_core::permission::Subject::Deployment);
    let id = match network {
        Some(network) => super::environment(Ids(&at.site().target), lifecycle, Some(network.resource()?.id().as_str())),
        None => environment_id(at, lifecycle),
    };
    // Two apps may come at once, and a network takes one change at a time.
    let _turn = at.clients.network.lock().await;
    if let Some(found) = look(shared, &id).await.or_absent()? {
        tags::own(at.site(), &id, &found.tags())?;
        let found = settle::idle(shared, PATIENCE, || look(shared, &id)).await?;
        if found.state() != "Failed" {
            return Ok(false);
        }
    }
    let workspace = look_at_workspace(shared, lifecycle).await?;
    let keys = [&workspace_id(at, lifecycle), "/sharedKeys"].concat();
    let keys =
        shared.call(&[op::GET_WORKSPACE_KEYS], || async { at.clients.post(&keys).await?.json::<Keys>() }).await?;
    let mut body = json!({
        "location": at.site().target.location,
        "tags": tags::unsealed(Tags::new(), marks, last(&id)),
        "properties": {
            "appLogsConfiguration": {
                "destination": "log-analytics",
                "logAnalyticsConfiguration": {
                    "customerId": workspace.properties.customer_id,
                    "sharedKey": keys.primary_shared_key,
                },
            },
            "workloadProfiles": [{ "name": "Consumption", "workloadProfileType": "Consumption" }],
            "zoneRedundant": false,
        },
    });
    match network {
        Some(network) => {
            let subnet = network::subnet(network.full_name(Place::VirtualNetwork)?, lifecycle);
            if let Some(properties) = body.get_mut("properties").and_then(Value::as_object_mut) {
                properties.insert("vnetConfiguration".to_owned(), json!({ "infrastructureSubnetId": subnet }));
            }
            let rows = &[op::PUT_ENVIRONMENT, op::JOIN_SUBNET];
            network.call(rows, || async { at.clients.put(&id, &body).await }).await?;
        }
        None => drop(shared.call(&[op::PUT_ENVIRONMENT], || async { at.clients.put(&id, &body).await }).await?),
    }
    settle::made(shared, PATIENCE, || look(shared, &id)).await?;
    Ok(true)
}

pub(crate) async fn seal(at: At<'_>, lifecycle: Lifecycle, marks: &Marks) -> Result<()> {
    tags::set_seal(at, &environment_id(at, lifecycle), marks).await
}

/// Removes the environment outside of networks, unless apps stand in it still.
pub(crate) async fn delete(at: At<'_>, lifecycle: Lifecycle) -> Result<Removal> {
    let id = environment_id(at, lifecycle);
    match look(at, &id).await.or_absent()? {
        Some(found) if tags::own(at.site(), &id, &found.tags()).is_ok() => remove(at, &id).await,
        _ => Ok(Removal::Gone),
    }
}

/// Removes those environments of the deployment that stand in a network, or in any.
pub(crate) async fn delete_in_networks(at: At<'_>, network: Option<&str>) -> Result<()> {
    let shared = at.about(alien_core::permission::Subject::Deployment);
    for found in list(shared).await? {
        let stands = found.subnet().is_some_and(|subnet| network.is_none_or(|network| is_within(subnet, network)));
        if stands {
            remove(shared, &found.id).await?;
        }
    }
    Ok(())
}

/// The environments of the deployment that no app of its stack names.
pub(crate) async fn stray(at: At<'_>) -> Result<Vec<String>> {
    let site = at.site();
    let named = |id: &str| site.names.things().any(|thing| thing.place == Place::Environment && same(thing.name, id));
    Ok(list(at).await?.into_iter().map(|found| found.id).filter(|id| !named(id)).collect())
}

/// Removes an environment, unless apps stand in it still.
pub(crate) async fn remove(at: At<'_>, id: &str) -> Result<Removal> {
    let all = Ids(&at.site().target).resource(&["Microsoft.App/containerApps"]);
    let apps = at.call(&[op::LIST_APPS], || async { at.clients.list::<App>(&all, &[]).await }).await?;
    let standing: Vec<&str> =
        apps.iter().filter(|app| same(&app.properties.environment_id, id)).map(|app| app.name.as_str()).collect();
    if !standing.is_empty() {
        return Ok(Removal::Kept(format!("apps stand in its environment `{}`: {}", last(id), standing.join(", "))));
    }
    at.call(&[op::DELETE_ENVIRONMENT], || async { at.clients.delete(id, &[]).await }).await.or_absent()?;
    at.until_gone(PATIENCE, || look(at, id)).await
}
