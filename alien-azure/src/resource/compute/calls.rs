//! The calls of an app, whichever kind it is.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Duration;

use alien_core::call::last;
use alien_core::engine::{Data, Marks, Observed, Removal};
use alien_core::manage::{Change, Health, Heartbeat};
use alien_core::permission::{Holder, Set, Subject};
use alien_core::resource::Settings;
use alien_core::{Error, ErrorKind, OrAbsent, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::function;
use super::template::{Template, differs, scales_alike, template};
use super::{environment, is_azures};
use crate::client::At;
use crate::client::settle::{self, State};
use crate::client::tags::{self, Tags};
use crate::identity::calls as identity;
use crate::naming::same;
use crate::operations as op;
use crate::operations::Place;

/// How long an app may take until a new revision works, or until it is gone.
const PATIENCE: Duration = Duration::from_secs(900);

/// The port that a function listens on, as its code does on every cloud that calls it by HTTP.
const PORT: u16 = 8080;

/// An app. <https://learn.microsoft.com/rest/api/resource-manager/containerapps/container-apps/get>
#[derive(Deserialize)]
pub(crate) struct App {
    #[serde(default)]
    tags: Option<Tags>,
    #[serde(default)]
    identity: Option<AppIdentity>,
    #[serde(default)]
    properties: Says,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct AppIdentity {
    user_assigned_identities: Option<BTreeMap<String, Assigned>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Assigned {
    client_id: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Says {
    provisioning_state: String,
    deployment_errors: Option<String>,
    environment_id: Option<String>,
    latest_revision_name: Option<String>,
    latest_ready_revision_name: Option<String>,
    configuration: Option<Configuration>,
    template: Option<Template>,
}

impl State for App {
    fn state(&self) -> &str {
        &self.properties.provisioning_state
    }

    fn why(&self) -> Option<&str> {
        self.properties.deployment_errors.as_deref().filter(|why| !why.is_empty())
    }
}

#[derive(Serialize, Deserialize, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
struct Configuration {
    active_revisions_mode: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ingress: Option<Ingress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registries: Option<Vec<Registry>>,
}

/// A registry of Azure's, from which images are pulled under an identity
/// (<https://learn.microsoft.com/azure/container-apps/managed-identity-image-pull>).
#[derive(Serialize, Deserialize, Clone, Default, PartialEq)]
#[serde(default)]
struct Registry {
    server: String,
    identity: String,
}

#[derive(Serialize, Deserialize, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
struct Ingress {
    external: bool,
    target_port: u16,
    allow_insecure: bool,
}

/// A revision, as it is listed.
/// <https://learn.microsoft.com/rest/api/resource-manager/containerapps/container-apps-revisions/list-revisions>
#[derive(Deserialize)]
struct Revision {
    name: String,
    #[serde(default)]
    properties: RevisionSays,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RevisionSays {
    provisioning_state: Option<String>,
    provisioning_error: Option<String>,
    health_state: Option<String>,
    running_state: Option<String>,
}

impl RevisionSays {
    /// Why it does not work; nothing where it does, or may do so soon: while it starts it can be unhealthy for a while.
    fn broken(&self) -> Option<String> {
        let is = |state: &Option<String>, words: &[&str]| state.as_deref().is_some_and(|state| words.contains(&state));
        let failed = is(&self.provisioning_state, &["Failed", "ProvisioningFailed"])
            || is(&self.running_state, &["Failed", "ActivationFailed"])
            || is(&self.health_state, &["Unhealthy"]) && is(&self.provisioning_state, &["Provisioned"]);
        let state = [&self.provisioning_error, &self.running_state, &self.health_state];
        failed.then(|| state.into_iter().flatten().next().cloned().unwrap_or_else(|| "it is unhealthy".to_owned()))
    }
}

/// `GET containerApps`, which also shows the environment variables.
pub(crate) async fn look(at: At<'_>) -> Result<App> {
    let id = at.full_name(Place::App)?;
    at.call(&[op::GET_APP], || async { at.clients.get(id).await }).await
}

async fn revisions(at: At<'_>) -> Result<Vec<Revision>> {
    let id = [at.full_name(Place::App)?, "/revisions"].concat();
    at.call(&[op::LIST_REVISIONS], || async { at.clients.list(&id, &[]).await }).await
}

async fn replicas(at: At<'_>, revision: &str) -> Result<Vec<Value>> {
    let id = [at.full_name(Place::App)?, "/revisions/", revision, "/replicas"].concat();
    at.call(&[op::LIST_REPLICAS], || async { at.clients.list(&id, &[]).await }).await
}

pub(crate) async fn observe(at: At<'_>) -> Result<Observed> {
    let found = look(at).await.or_absent()?.filter(|found| !settle::is_going(found));
    let Some(found) = found else { return Ok(Observed::Absent) };
    let tags = found.tags.clone().unwrap_or_default();
    let observed = tags::observed(at.site(), at.full_name(Place::App)?, &tags);
    let Observed::Own { seal: Some(_), .. } = observed else { return Ok(observed) };
    let mut drift = set_otherwise(at, &found)?;
    if drift.is_none() {
        // The vendor may have changed since what was set.
        let wanted = template(at, at.resource()?, found.client_id(at)?.unwrap_or_default())?;
        drift = found.properties.template.as_ref().and_then(|template| differs(template, &wanted));
    }
    if drift.is_none() {
        drift = broken(at, &found).await?.map(|why| format!("it does not work: {why}"));
    }
    if drift.is_none() {
        drift = function::calls::missing_queue(at).await?;
    }
    Ok(observed.drifted(drift))
}

impl App {
    /// The client id of the identity that the code runs under; none where it runs under another.
    fn client_id(&self, at: At<'_>) -> Result<Option<&str>> {
        let id = at.full_name(Place::RuntimeIdentity)?;
        let assigned = self.identity.as_ref().and_then(|identity| identity.user_assigned_identities.as_ref());
        let own = assigned.into_iter().flatten().find(|(name, _)| same(name, id));
        Ok(own.and_then(|(_, assigned)| assigned.client_id.as_deref()))
    }

    fn identities(&self) -> BTreeSet<String> {
        let assigned = self.identity.as_ref().and_then(|identity| identity.user_assigned_identities.as_ref());
        assigned.into_iter().flatten().map(|(id, _)| id.to_ascii_lowercase()).collect()
    }

    fn stands_in(&self, environment: &str) -> bool {
        self.properties.environment_id.as_deref().is_some_and(|id| same(id, environment))
    }
}

/// How what the vendor cannot change differs from what the stack says.
fn set_otherwise(at: At<'_>, found: &App) -> Result<Option<String>> {
    if !found.stands_in(at.full_name(Place::Environment)?) {
        return Ok(Some("it stands in another environment".to_owned()));
    }
    let identity = at.full_name(Place::RuntimeIdentity)?.to_ascii_lowercase();
    if found.identities() != BTreeSet::from([identity]) {
        return Ok(Some("it runs under another identity".to_owned()));
    }
    let set = found.properties.configuration.as_ref();
    let ingress = set.and_then(|set| set.ingress.clone());
    Ok((ingress != ingress_of(at)).then(|| "others can reach it".to_owned()))
}

/// Who can reach it: everybody, other apps of its environment, or nobody.
/// <https://learn.microsoft.com/azure/container-apps/ingress-overview>
fn ingress_of(at: At<'_>) -> Option<Ingress> {
    let ingress = |external, target_port| Some(Ingress { external, target_port, allow_insecure: false });
    match at.resource().ok()?.settings() {
        Settings::Function(function) if function.is_public() => ingress(true, PORT),
        Settings::Function(_) if is_invoked(at) => ingress(false, PORT),
        Settings::Container(container) => container.listens_on().and_then(|port| ingress(false, port)),
        _ => None,
    }
}

/// Whether the stack lets other code call it.
fn is_invoked(at: At<'_>) -> bool {
    let invokes = |grant: &alien_core::permission::Grant| grant.subject == at.subject && grant.set == Set::Invoke;
    at.site().permissions.runtime.iter().any(|holding| holding.grants.iter().any(invokes))
}

/// Where its image comes from, if that takes an identity.
fn registries(at: At<'_>, template: &Template) -> Result<Option<Vec<Registry>>> {
    let servers = template.containers.iter().filter_map(|container| container.image.split('/').next());
    let identity = at.full_name(Place::RuntimeIdentity)?;
    let of = |server: &str| Registry { server: server.to_owned(), identity: identity.to_owned() };
    Ok(servers.filter(|server| is_azures(server)).map(of).next().map(|one| vec![one]))
}

/// Nothing is there when this is called, or what is there is ours.
async fn put(at: At<'_>, template: &Template, tags: &Tags) -> Result<()> {
    let id = at.full_name(Place::App)?;
    let mut identities = serde_json::Map::new();
    identities.insert(at.full_name(Place::RuntimeIdentity)?.to_owned(), json!({}));
    let configuration = Configuration {
        active_revisions_mode: "Single".to_owned(),
        ingress: ingress_of(at),
        registries: registries(at, template)?,
    };
    let body = json!({
        "location": at.site().target.location,
        "tags": tags,
        "identity": { "type": "UserAssigned", "userAssignedIdentities": identities },
        "properties": {
            "environmentId": at.full_name(Place::Environment)?,
            "workloadProfileName": "Consumption",
            "configuration": configuration,
            "template": template,
        },
    });
    let rows = &[op::PATCH_APP, op::JOIN_ENVIRONMENT, op::GET_RUNTIME_IDENTITY, op::ASSIGN_IDENTITY];
    at.call(rows, || async { at.clients.put(id, &body).await }).await.map(drop)
}

/// The client id of the identity that the code is to run under.
async fn runtime_client_id(at: At<'_>) -> Result<String> {
    let profile = at.resource()?.settings().compute().map(|compute| compute.profile).unwrap_or_default();
    let own = |holding: &alien_core::permission::Holding| match &holding.holder {
        Holder::Profile(name) => name.as_str() == profile,
        _ => false,
    };
    let position = at.site().permissions.runtime.iter().position(own);
    let position = position.ok_or_else(|| Error::new(ErrorKind::Defect, "no identity for the code"))?;
    Ok(identity::look(at.about(Subject::RuntimeIdentity(position))).await?.properties.client_id)
}

/// Makes it, in an environment that is made where it is not there.
pub(crate) async fn create(at: At<'_>, marks: &Marks) -> Result<()> {
    settle::clear(at, PATIENCE, || look(at)).await?;
    make(at, Tags::new(), marks).await
}

async fn make(at: At<'_>, tags: Tags, marks: &Marks) -> Result<()> {
    environment::ensure(at, marks).await?;
    let template = template(at, at.resource()?, &runtime_client_id(at).await?)?;
    put(at, &template, &tags::unsealed(tags, marks, at.name(Place::App)?)).await?;
    settle::idle(at, PATIENCE, || look(at)).await.map(drop)
}

/// Sends what differs, waits until it works, and admits the identities of code. The seal is written last.
pub(crate) async fn configure(at: At<'_>, marks: &Marks) -> Result<()> {
    let mut found = settle::idle(at, PATIENCE, || look(at)).await?;
    if !found.stands_in(at.full_name(Place::Environment)?) {
        // An app stays where it was made.
        remove(at).await?;
        make(at, found.tags.take().unwrap_or_default(), marks).await?;
        found = look(at).await?;
    }
    if found.properties.template.as_ref().is_some_and(Template::takes_commands)
        && !at.resource()?.settings().takes_commands()
    {
        function::calls::delete_queues(at).await?;
    }
    let mut wanted = template(at, at.resource()?, &runtime_client_id(at).await?)?;
    let same = found.properties.template.as_ref().is_some_and(|template| differs(template, &wanted).is_none());
    let is_broken = broken(at, &found).await?.is_some();
    if !same || is_broken || set_otherwise(at, &found)?.is_some() {
        if same && is_broken {
            once_more(&mut wanted);
        }
        let tags = tags::unsealed(found.tags.unwrap_or_default(), marks, at.name(Place::App)?);
        put(at, &wanted, &tags).await?;
    }
    settle(at, &wanted).await?;
    identity::admit(at).await?;
    tags::set_seal(at, at.full_name(Place::App)?, marks).await
}

/// A template that says the same makes no revision, unless its name is new.
fn once_more(template: &mut Template) {
    let new = Uuid::new_v4().simple().to_string();
    template.revision_suffix = Some(format!("r{}", new.get(..8).unwrap_or_default()));
}

/// Why it does not work; nothing where it does, or may do so soon.
async fn broken(at: At<'_>, found: &App) -> Result<Option<String>> {
    if found.state() == "Failed" {
        return Ok(Some(found.why().unwrap_or("what was sent last has failed").to_owned()));
    }
    let Says { latest_revision_name: latest, latest_ready_revision_name: ready, .. } = &found.properties;
    if latest == ready {
        return Ok(None);
    }
    let Some(latest) = latest else { return Ok(None) };
    let revision = revisions(at).await?.into_iter().find(|revision| revision.name == *latest);
    Ok(revision.and_then(|revision| revision.properties.broken()))
}

/// Waits until what was sent last works.
async fn settle(at: At<'_>, sent: &Template) -> Result<App> {
    at.until(PATIENCE, || async move {
        let found = look(at).await?;
        let is_sent = found.properties.template.as_ref().is_some_and(|template| differs(template, sent).is_none());
        if settle::is_running(&found) || !is_sent {
            return Ok(ControlFlow::Continue("a revision of it is being rolled out".to_owned()));
        }
        if let Some(why) = broken(at, &found).await? {
            return Err(Error::new(ErrorKind::Failed, format!("the new revision does not work: {why}")));
        }
        let Says { latest_revision_name: latest, latest_ready_revision_name: ready, .. } = &found.properties;
        Ok(if latest.is_some() && latest == ready {
            ControlFlow::Break(found)
        } else {
            ControlFlow::Continue("its new revision is not ready".to_owned())
        })
    })
    .await
}

/// Changes what runs and nothing else: a PATCH of the template alone, whose answer must not be that an app was made. Where it
/// does not work, what was is sent again; Container Apps itself goes on with the revision that worked last
/// (<https://learn.microsoft.com/azure/container-apps/revisions#zero-downtime-deployment>).
pub(crate) async fn update(at: At<'_>, change: &Change) -> Result<()> {
    let old = at.resource()?;
    let (code, settings) = change.since(old);
    if !code && !settings {
        return Ok(());
    }
    let found = look(at).await?;
    let Some(client_id) = found.client_id(at)? else {
        let what = "it runs under another identity than it was set up with; the customer's admin sets it up again";
        return Err(Error::new(ErrorKind::Refused, what));
    };
    let running = found.properties.template.as_ref();
    let undo = |error: &Error| matches!(error.kind(), ErrorKind::Failed | ErrorKind::Refused | ErrorKind::TooLarge);
    let sent = async {
        let mut wanted = template(at, &change.resource, client_id)?;
        let is_sent = running.is_some_and(|running| differs(running, &wanted).is_none());
        if change.again && is_sent && broken(at, &found).await?.is_some() {
            once_more(&mut wanted);
        }
        patch(at, &wanted, running).await?;
        settle(at, &wanted).await.map(drop)
    };
    match sent.await {
        Err(error) if undo(&error) => {
            let back = async {
                let before = template(at, old, client_id)?;
                patch(at, &before, None).await?;
                settle(at, &before).await.map(drop)
            };
            Err(error.with_undo(back.await, "revision"))
        }
        sent => sent,
    }
}

/// Sends the containers, and how they scale only where that is another: it names the identity that counts messages. An earlier
/// revision's own name is taken back, because what is left out of a PATCH stays.
async fn patch(at: At<'_>, template: &Template, running: Option<&Template>) -> Result<()> {
    let id = at.full_name(Place::App)?;
    let mut sent = json!({ "revisionSuffix": template.revision_suffix, "containers": template.containers });
    if let (Some(fields), false) =
        (sent.as_object_mut(), running.is_some_and(|running| scales_alike(running, template)))
    {
        fields.insert("scale".to_owned(), json!(template.scale));
    }
    let body = json!({ "properties": { "template": sent } });
    at.call(&[op::PATCH_APP], || async { at.clients.patch(id, &body).await }).await.map(drop)
}

pub(crate) async fn delete(at: At<'_>, _: Data) -> Result<Removal> {
    // As long as the app is there, its queues are found again.
    let running = look(at).await?.properties.template;
    if at.resource()?.settings().takes_commands() || running.as_ref().is_some_and(Template::takes_commands) {
        function::calls::delete_queues(at).await?;
    }
    remove(at).await
}

async fn remove(at: At<'_>) -> Result<Removal> {
    let id = at.full_name(Place::App)?;
    at.call(&[op::DELETE_APP], || async { at.clients.delete(id, &[]).await }).await.or_absent()?;
    at.until_gone(PATIENCE, || look(at)).await
}

/// `GET containerApps`, its revisions and replicas: the state that was set, whether the last revision works, how many replicas
/// of it run.
pub(crate) async fn heartbeat(at: At<'_>) -> Result<Heartbeat> {
    let found = look(at).await?;
    let all = revisions(at).await?;
    let Some(latest) = found.properties.latest_revision_name.clone() else {
        return Ok(Heartbeat::new(Health::Degraded, "nothing of it has started yet"));
    };
    let count = replicas(at, &latest).await?.len();
    let revision = all.into_iter().find(|revision| revision.name == latest);
    let degraded = |why: &str| Ok(Heartbeat::new(Health::Degraded, why));
    if let Some(why) = revision.and_then(|revision| revision.properties.broken()) {
        return degraded(&why);
    }
    if settle::is_running(&found) || found.properties.latest_ready_revision_name.as_ref() != Some(&latest) {
        return degraded("a revision of it is being rolled out");
    }
    if found.state() == "Failed" {
        return degraded("what was set last has failed");
    }
    let least = found.properties.template.map_or(0, |template| template.scale.min_replicas);
    if u32::try_from(count).unwrap_or(u32::MAX) < least {
        return degraded(&format!("{count} of {least} replicas run"));
    }
    Ok(Heartbeat::new(Health::Healthy, format!("{} serves, with {count} replicas", last(&latest))))
}
