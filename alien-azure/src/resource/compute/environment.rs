//! The calls for environments, and for the workspaces with their logs.

use std::time::Duration;

use alien_core::adapter::{Foreign, Marks, Observed, Removal, ResultExt, Subject, last};
use alien_core::{Error, Lifecycle, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::client::Context;
use crate::client::settle::{self, State};
use crate::client::tags::{self, Tags};
use crate::naming::{Ids, is_within, same};
use crate::operations as op;
use crate::operations::Scope;
use crate::resource::network;

/// How long the creation or deletion of an environment may take; in a network it takes the longest.
const PATIENCE: Duration = Duration::from_secs(1800);

/// How long logs are kept, in days (<https://learn.microsoft.com/azure/azure-monitor/logs/data-retention-configure>).
const KEPT: u32 = 30;

/// An environment. <https://learn.microsoft.com/rest/api/resource-manager/containerapps/managed-environments/get>
#[derive(Deserialize)]
struct Environment {
    id: String,
    #[serde(default)]
    location: String,
    #[serde(default)]
    tags: Option<Tags>,
    #[serde(default)]
    properties: EnvironmentSays,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct EnvironmentSays {
    provisioning_state: String,
    deployment_errors: Option<String>,
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

/// An app in a list.
#[derive(Deserialize)]
struct App {
    name: String,
    properties: AppSays,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct AppSays {
    environment_id: Option<String>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Vnet {
    infrastructure_subnet_id: Option<String>,
}

impl State for Environment {
    fn state(&self) -> &str {
        &self.properties.provisioning_state
    }

    fn why(&self) -> Option<&str> {
        self.properties.deployment_errors.as_deref().filter(|why| !why.is_empty())
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

/// The keys of a workspace. They are never printed, and sent only to the environment that writes to the workspace.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    primary_shared_key: Zeroizing<String>,
}

/// An environment as it is sent: with the key of its workspace, which is borrowed and not copied.
#[derive(Serialize)]
struct Sent<'a> {
    location: &'a str,
    tags: Tags,
    properties: SentSettings<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SentSettings<'a> {
    app_logs_configuration: SentLogs<'a>,
    workload_profiles: Value,
    zone_redundant: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    vnet_configuration: Option<Vnet>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SentLogs<'a> {
    destination: &'static str,
    log_analytics_configuration: SentWorkspace<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SentWorkspace<'a> {
    customer_id: &'a str,
    shared_key: &'a str,
}

/// The log settings of an environment, as they are changed.
#[derive(Serialize)]
struct Relogged<'a> {
    location: String,
    properties: RelogSettings<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RelogSettings<'a> {
    app_logs_configuration: SentLogs<'a>,
}

/// A workspace as the destination of an environment's logs.
struct Logs {
    workspace: Workspace,
    keys: Keys,
}

impl Logs {
    async fn read(cx: Context<'_>, lifecycle: Lifecycle) -> Result<Self> {
        let workspace = look_at_workspace(cx, lifecycle).await?;
        let id = [&workspace_id(cx, lifecycle), "/sharedKeys"].concat();
        let keys = cx.call(&[op::GET_WORKSPACE_KEYS], || async {
            let keys = cx.clients.post(&id).await?.into_secret::<Keys>();
            keys.ok_or_else(|| Error::missing_field("keys of the workspace"))
        });
        Ok(Self { workspace, keys: keys.await? })
    }

    fn sent(&self) -> SentLogs<'_> {
        let customer_id = &self.workspace.properties.customer_id;
        let log_analytics_configuration = SentWorkspace { customer_id, shared_key: &self.keys.primary_shared_key };
        SentLogs { destination: "log-analytics", log_analytics_configuration }
    }
}

fn workspace_id(cx: Context<'_>, lifecycle: Lifecycle) -> String {
    super::workspace(Ids(cx.target()), lifecycle)
}

async fn look_at_workspace(cx: Context<'_>, lifecycle: Lifecycle) -> Result<Workspace> {
    let id = workspace_id(cx, lifecycle);
    cx.call(&[op::GET_WORKSPACE], || async { cx.clients.get(&id).await }).await
}

pub(crate) async fn observe_workspace(cx: Context<'_>, lifecycle: Lifecycle) -> Result<Observed> {
    let Some(found) = look_at_workspace(cx, lifecycle).await.optional()? else { return Ok(Observed::Absent) };
    Ok(tags::observed(cx.deployment(), workspace_id(cx, lifecycle), found.tags.as_ref()))
}

/// Creates the workspace, unless it exists and belongs to the deployment. Returns whether it did.
pub(crate) async fn make_workspace(cx: Context<'_>, lifecycle: Lifecycle, marks: &Marks) -> Result<bool> {
    let id = workspace_id(cx, lifecycle);
    if let Some(found) = look_at_workspace(cx, lifecycle).await.optional()? {
        tags::usable(cx.deployment(), &id, found.tags.as_ref(), marks)?;
        if !settle::is_going(&found) {
            settle::made(cx, PATIENCE, || look_at_workspace(cx, lifecycle)).await?;
            return Ok(false);
        }
        cx.until_gone(PATIENCE, || look_at_workspace(cx, lifecycle)).await?;
    }
    let body = json!({
        "location": cx.target().location,
        "tags": tags::unfinished(Tags::new(), marks, last(&id)),
        "properties": { "sku": { "name": "PerGB2018" }, "retentionInDays": KEPT },
    });
    cx.call(&[op::PUT_WORKSPACE], || async { cx.clients.put(&id, &body).await }).await?;
    settle::made(cx, PATIENCE, || look_at_workspace(cx, lifecycle)).await?;
    Ok(true)
}

pub(crate) async fn finish_workspace(cx: Context<'_>, lifecycle: Lifecycle, marks: &Marks) -> Result<()> {
    tags::finish(cx, &workspace_id(cx, lifecycle), marks).await
}

/// Deletes the workspace and its data permanently. A soft-deleted workspace would be restored, with its data, when a
/// workspace of the same name is created (<https://learn.microsoft.com/azure/azure-monitor/logs/delete-workspace>).
pub(crate) async fn delete_workspace(cx: Context<'_>, lifecycle: Lifecycle) -> Result<Removal> {
    let id = workspace_id(cx, lifecycle);
    let Some(found) = look_at_workspace(cx, lifecycle).await.optional()? else { return Ok(Removal::Gone) };
    if tags::own(cx.deployment(), &id, found.tags.as_ref()).is_err() {
        return Ok(Removal::Gone);
    }
    if in_use(cx, &found).await? {
        return Ok(Removal::Pending(format!("environments send their logs to `{}`", last(&id))));
    }
    let gone = cx.call(&[op::DELETE_WORKSPACE], || async { cx.clients.delete(&id, &[("force", "true")]).await });
    gone.await.optional()?;
    cx.until_gone(PATIENCE, || look_at_workspace(cx, lifecycle)).await?;
    Ok(Removal::Gone)
}

/// Whether the workspace exists and environments that stay send their logs to it.
pub(crate) async fn is_workspace_kept(cx: Context<'_>, lifecycle: Lifecycle) -> Result<bool> {
    match look_at_workspace(cx, lifecycle).await.optional()? {
        Some(found) => in_use(cx, &found).await,
        None => Ok(false),
    }
}

/// Whether environments still send their logs to the workspace.
async fn in_use(cx: Context<'_>, workspace: &Workspace) -> Result<bool> {
    let id = &workspace.properties.customer_id;
    Ok(list(cx).await?.iter().any(|found| found.sends_logs_to(id)))
}

fn environment_id(cx: Context<'_>, lifecycle: Lifecycle) -> String {
    super::environment(Ids(cx.target()), lifecycle, None)
}

async fn look(cx: Context<'_>, id: &str) -> Result<Environment> {
    cx.call(&[op::READ_ENVIRONMENT], || async { cx.clients.get(id).await }).await
}

/// Whether an environment belongs to the deployment. The vendor cannot write its tags.
pub(crate) async fn is_own(cx: Context<'_>, id: &str) -> Result<bool> {
    let found = look(cx.about(Subject::Deployment), id).await.optional()?;
    Ok(found.is_some_and(|found| tags::own(cx.deployment(), id, found.tags.as_ref()).is_ok()))
}

/// Why the environment of an app in a network is not the deployment's; `None` if it is, or if the app is in no network. The
/// other environments are observed with what resources share.
pub(crate) async fn foreign(cx: Context<'_>) -> Result<Option<Foreign>> {
    if cx.resource()?.settings().compute().and_then(|compute| compute.network).is_none() {
        return Ok(None);
    }
    let id = cx.full_name(Scope::Environment)?;
    let found = look(cx.about(Subject::Deployment), id).await.optional()?;
    Ok(found.and_then(|found| match tags::observed(cx.deployment(), id, found.tags.as_ref()) {
        Observed::Foreign(whose) => Some(whose),
        _ => None,
    }))
}

/// The environments of the group, whosever they are.
async fn all(cx: Context<'_>) -> Result<Vec<Environment>> {
    let all = Ids(cx.target()).resource(&["Microsoft.App/managedEnvironments"]);
    cx.call(&[op::READ_ENVIRONMENT], || async { cx.clients.list(&all, &[]).await }).await
}

fn is_ours(cx: Context<'_>, found: &Environment) -> bool {
    tags::own(cx.deployment(), &found.id, found.tags.as_ref()).is_ok()
}

async fn list(cx: Context<'_>) -> Result<Vec<Environment>> {
    Ok(all(cx).await?.into_iter().filter(|found| is_ours(cx, found)).collect())
}

/// Which environment of the group is in a subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Inside {
    None,
    Ours,
    Others(String),
}

/// Tells which environments of the group are in these subnets of a network.
pub(crate) async fn inside(cx: Context<'_>, network: &str, subnets: &[&str]) -> Result<Vec<Inside>> {
    let cx = cx.about(Subject::Deployment);
    let found = all(cx).await?;
    let inside = |name: &&str| {
        let id = [network, "/subnets/", name].concat();
        let here = || found.iter().filter(|found| found.subnet().is_some_and(|subnet| same(subnet, &id)));
        match here().find(|found| !is_ours(cx, found)) {
            Some(other) => Inside::Others(last(&other.id).to_owned()),
            None if here().next().is_some() => Inside::Ours,
            None => Inside::None,
        }
    };
    Ok(subnets.iter().map(inside).collect())
}

pub(crate) async fn observe(cx: Context<'_>, lifecycle: Lifecycle) -> Result<Observed> {
    let id = environment_id(cx, lifecycle);
    let found = look(cx, &id).await.optional()?.filter(|found| !settle::is_going(found));
    let Some(found) = found else { return Ok(Observed::Absent) };
    let drift = (found.state() == "Failed").then(|| "its creation failed".to_owned());
    Ok(tags::observed(cx.deployment(), id, found.tags.as_ref()).drifted(drift))
}

/// Creates the environment of an app in a network, unless it exists. Environments outside of networks are created
/// earlier.
pub(crate) async fn ensure(cx: Context<'_>, marks: &Marks) -> Result<()> {
    let resource = cx.resource()?;
    let Some(network) = resource.settings().compute().and_then(|compute| compute.network) else { return Ok(()) };
    let network = cx.deployment().subject(network)?;
    make(cx, resource.lifecycle(), Some(cx.about(network)), marks).await.map(drop)
}

/// Creates an environment on the consumption plan, unless it exists and belongs to the deployment. Returns whether it
/// did. <https://learn.microsoft.com/azure/container-apps/custom-virtual-networks>
pub(crate) async fn make(
    cx: Context<'_>,
    lifecycle: Lifecycle,
    network: Option<Context<'_>>,
    marks: &Marks,
) -> Result<bool> {
    let shared = cx.about(Subject::Deployment);
    let id = match network {
        Some(network) => super::environment(Ids(cx.target()), lifecycle, Some(network.resource()?)),
        None => environment_id(cx, lifecycle),
    };
    // Two apps may be created concurrently, but a network accepts one change at a time.
    let _turn = match network {
        Some(_) => Some(cx.clients.network.lock().await),
        None => None,
    };
    let mut tags = Tags::new();
    if let Some(found) = look(shared, &id).await.optional()? {
        tags::usable(cx.deployment(), &id, found.tags.as_ref(), marks)?;
        if settle::is_going(&found) {
            cx.until_gone(PATIENCE, || look(shared, &id)).await?;
        } else {
            let found = settle::idle(shared, PATIENCE, || look(shared, &id)).await?;
            if marks.again {
                tags::merge(shared, &id, &marks.ownership(last(&id))).await?;
            }
            if found.state() != "Failed" {
                return Ok(false);
            }
            tags = found.tags();
        }
    }
    let logs = Logs::read(shared, lifecycle).await?;
    let subnet = match network {
        Some(network) => {
            let name = network::subnet(network.resource()?, lifecycle);
            Some([network.full_name(Scope::VirtualNetwork)?, "/subnets/", name].concat())
        }
        None => None,
    };
    let sent = Sent {
        location: cx.target().location.as_str(),
        tags: tags::unfinished(tags, marks, last(&id)),
        properties: SentSettings {
            app_logs_configuration: logs.sent(),
            workload_profiles: json!([{ "name": "Consumption", "workloadProfileType": "Consumption" }]),
            zone_redundant: false,
            vnet_configuration: subnet.map(|subnet| Vnet { infrastructure_subnet_id: Some(subnet) }),
        },
    };
    match network {
        Some(network) => {
            let rows = &[op::PUT_ENVIRONMENT, op::JOIN_SUBNET];
            network.call(rows, || async { cx.clients.put_secret(&id, &sent).await }).await?;
        }
        None => {
            shared.call(&[op::PUT_ENVIRONMENT], || async { cx.clients.put_secret(&id, &sent).await }).await?;
        }
    }
    settle::made(shared, PATIENCE, || look(shared, &id)).await?;
    Ok(true)
}

/// The environments of the deployment's apps, in networks too, that do not send their logs to their workspace: somebody
/// changed that, or deleted the workspace, and a new one has another id.
pub(crate) async fn unlogged(cx: Context<'_>) -> Result<Vec<(String, Lifecycle)>> {
    let stack = cx.deployment().stack();
    let mut unlogged = Vec::new();
    let found = list(cx).await?;
    for lifecycle in [Lifecycle::Frozen, Lifecycle::Live] {
        let apps = stack.resources().iter().filter(|resource| resource.lifecycle() == lifecycle);
        let named: Vec<String> = apps
            .filter_map(|resource| resource.settings().compute())
            .map(|compute| compute.network.and_then(|network| stack.resource(network)))
            .map(|network| super::environment(Ids(cx.target()), lifecycle, network))
            .collect();
        let mut standing = Vec::new();
        for found in &found {
            if named.iter().any(|id| same(id, &found.id)) {
                standing.push(found);
            }
        }
        if standing.is_empty() {
            continue;
        }
        let Some(workspace) = look_at_workspace(cx, lifecycle).await.optional()? else { continue };
        standing.retain(|found| !found.sends_logs_to(&workspace.properties.customer_id));
        unlogged.extend(standing.into_iter().map(|found| (found.id.clone(), lifecycle)));
    }
    Ok(unlogged)
}

/// Sends the logs of an environment to its workspace again.
/// <https://learn.microsoft.com/rest/api/resource-manager/containerapps/managed-environments/update>
pub(crate) async fn log_again(cx: Context<'_>, id: &str, lifecycle: Lifecycle) -> Result<()> {
    let logs = Logs::read(cx, lifecycle).await?;
    let found = settle::idle(cx, PATIENCE, || look(cx, id)).await?;
    let sent = Relogged { location: found.location, properties: RelogSettings { app_logs_configuration: logs.sent() } };
    cx.call(&[op::PATCH_ENVIRONMENT], || async { cx.clients.patch_secret(id, &sent).await }).await?;
    settle::made(cx, PATIENCE, || look(cx, id)).await.map(drop)
}

pub(crate) async fn finish(cx: Context<'_>, lifecycle: Lifecycle, marks: &Marks) -> Result<()> {
    tags::finish(cx, &environment_id(cx, lifecycle), marks).await
}

/// Deletes the environment outside of networks, unless apps are still in it.
pub(crate) async fn delete(cx: Context<'_>, lifecycle: Lifecycle) -> Result<Removal> {
    let id = environment_id(cx, lifecycle);
    match look(cx, &id).await.optional()? {
        Some(found) if tags::own(cx.deployment(), &id, found.tags.as_ref()).is_ok() => remove(cx, &id).await,
        _ => Ok(Removal::Gone),
    }
}

/// Deletes the deployment's environments in a network, or in any network. Returns why some remain.
pub(crate) async fn delete_in_networks(cx: Context<'_>, network: Option<&str>) -> Result<Vec<String>> {
    let shared = cx.about(Subject::Deployment);
    let mut kept = Vec::new();
    for found in list(shared).await? {
        let stands = found.subnet().is_some_and(|subnet| network.is_none_or(|network| is_within(subnet, network)));
        if stands && let Removal::Pending(why) = remove(shared, &found.id).await? {
            kept.push(why);
        }
    }
    Ok(kept)
}

/// The environments of the deployment in which no app of its stack belongs.
pub(crate) async fn stray(cx: Context<'_>) -> Result<Vec<String>> {
    let deployment = cx.deployment();
    let named =
        |id: &str| deployment.names().things().any(|thing| thing.scope == Scope::Environment && same(thing.name, id));
    Ok(list(cx).await?.into_iter().map(|found| found.id).filter(|id| !named(id)).collect())
}

/// Lists the apps in an environment, owned by this deployment or not.
pub(crate) async fn apps_in(cx: Context<'_>, id: &str) -> Result<Vec<String>> {
    let all = Ids(cx.target()).resource(&["Microsoft.App/containerApps"]);
    let apps = cx.call(&[op::LIST_APPS], || async { cx.clients.list::<App>(&all, &[]).await }).await?;
    let stands = |app: &App| app.properties.environment_id.as_deref().is_some_and(|environment| same(environment, id));
    Ok(apps.into_iter().filter(stands).map(|app| app.name).collect())
}

/// Deletes an environment, unless apps are still in it.
pub(crate) async fn remove(cx: Context<'_>, id: &str) -> Result<Removal> {
    let standing = apps_in(cx, id).await?;
    if !standing.is_empty() {
        return Ok(Removal::Pending(format!(
            "apps are still in its environment `{}`: {}",
            last(id),
            standing.join(", ")
        )));
    }
    cx.call(&[op::DELETE_ENVIRONMENT], || async { cx.clients.delete(id, &[]).await }).await.optional()?;
    cx.until_gone(PATIENCE, || look(cx, id)).await?;
    Ok(Removal::Gone)
}
