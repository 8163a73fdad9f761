//! The calls for a container app, which functions and containers share.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Duration;

use alien_core::adapter::{
    Change, Fields, Marks, Observed, Removal, ResultExt, Runs, State as SetUp, Subject, field_drift, last, or_undo,
};
use alien_core::{Error, ErrorKind, Health, Heartbeat, Lifecycle, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::template::{Ingress, Part, Template, differs, same_code, scales_alike, template};
use super::{APP, commands, environment, is_azures};
use crate::client::Context;
use crate::client::settle::{self, State};
use crate::client::tags::{self, Tags};
use crate::identity::calls as identity;
use crate::naming::same;
use crate::operations as op;
use crate::operations::Scope;

/// How long a new revision may take until it works, or a deletion until it has finished.
const PATIENCE: Duration = Duration::from_secs(900);

/// An app. <https://learn.microsoft.com/rest/api/resource-manager/containerapps/container-apps/get>
#[derive(Deserialize)]
pub(crate) struct App {
    #[serde(default)]
    tags: Option<Tags>,
    #[serde(default)]
    identity: Option<AppIdentity>,
    #[serde(default)]
    properties: Says,
    /// All that was told.
    #[serde(skip)]
    told: Value,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct AppIdentity {
    #[serde(rename = "type")]
    kind: String,
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    active_revisions_mode: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ingress: Option<Ingress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registries: Option<Vec<Registry>>,
}

/// An Azure registry, from which images are pulled with an identity
/// (<https://learn.microsoft.com/azure/container-apps/managed-identity-image-pull>).
#[derive(Serialize)]
struct Registry {
    server: String,
    identity: String,
}

/// A revision in a list.
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
    /// Why it does not work; `None` if it works or may do so soon. A revision that is starting can be unhealthy for a
    /// while.
    fn broken(&self) -> Option<String> {
        let is = |state: &Option<String>, words: &[&str]| state.as_deref().is_some_and(|state| words.contains(&state));
        let failed = is(&self.provisioning_state, &["Failed", "ProvisioningFailed"])
            || is(&self.running_state, &["Failed", "ActivationFailed"])
            || is(&self.health_state, &["Unhealthy"]) && is(&self.provisioning_state, &["Provisioned"]);
        let state = [&self.provisioning_error, &self.running_state, &self.health_state];
        failed.then(|| state.into_iter().flatten().next().cloned().unwrap_or_else(|| "it is unhealthy".to_owned()))
    }
}

/// Calls `GET containerApps`, which also returns the environment variables.
pub(crate) async fn look(cx: Context<'_>) -> Result<App> {
    let id = cx.full_name(Scope::App)?;
    let told: Value = cx.call(&[op::GET_APP], || async { cx.clients.get(id).await }).await?;
    let app: App = serde_json::from_value(told.clone()).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("what was told of the app cannot be read: {error}"))
    })?;
    Ok(App { told, ..app })
}

async fn revisions(cx: Context<'_>) -> Result<Vec<Revision>> {
    let id = [cx.full_name(Scope::App)?, "/revisions"].concat();
    cx.call(&[op::LIST_REVISIONS], || async { cx.clients.list(&id, &[]).await }).await
}

async fn replicas(cx: Context<'_>, revision: &str) -> Result<Vec<Value>> {
    let id = [cx.full_name(Scope::App)?, "/revisions/", revision, "/replicas"].concat();
    cx.call(&[op::LIST_REPLICAS], || async { cx.clients.list(&id, &[]).await }).await
}

pub(crate) async fn observe(cx: Context<'_>, part: &Part) -> Result<Observed> {
    let found = look(cx).await.optional()?.filter(|found| !settle::is_going(found));
    let Some(found) = found else { return Ok(Observed::Absent) };
    let observed = owned(cx, &found).await?;
    if observed.is_own()
        && let Some(whose) = environment::foreign(cx).await?
    {
        return Ok(Observed::Foreign(whose.part(cx.full_name(Scope::App)?, "environment")));
    }
    let Observed::Own { state: SetUp::Finished(_), drift: None, .. } = observed else { return Ok(observed) };
    let wanted = template(cx, cx.resource()?, part, found.client_id(cx)?.unwrap_or_default()).await?;
    let mut drift = admins_drift(cx, &found, part, &wanted)?;
    if drift.is_none() {
        // The vendor may have changed the template since the set-up.
        drift = found.properties.template.as_ref().and_then(|template| differs(template, &wanted));
    }
    if drift.is_none() {
        drift = broken(cx, &found).await?.map(|why| format!("it does not work: {why}"));
    }
    Ok(observed.drifted(drift))
}

/// Who owns the app. The vendor can write the tags of a live app, but neither where it is nor what it runs as: an app of
/// our name that runs as an identity of the deployment in an environment of the deployment is ours, whatever its tags say.
async fn owned(cx: Context<'_>, found: &App) -> Result<Observed> {
    let id = cx.full_name(Scope::App)?;
    let observed = tags::observed(cx.deployment(), id, found.tags.as_ref());
    let is_frozen =
        cx.resource()?.lifecycle() == Lifecycle::Frozen && found.stands_in(cx.full_name(Scope::Environment)?);
    if observed.is_own() || is_frozen || !found.runs_as_ours(cx) || cx.is_vendors() {
        return Ok(observed);
    }
    let Some(environment) = found.properties.environment_id.as_deref() else { return Ok(observed) };
    if !environment::is_own(cx, environment).await? {
        return Ok(observed);
    }
    let mut tags = found.tags.clone().unwrap_or_default();
    tags.insert(Marks::DEPLOYMENT.to_owned(), cx.deployment().id.to_string());
    let drift = "its tags were changed, and do not say that it belongs to this deployment".to_owned();
    Ok(tags::observed(cx.deployment(), id, Some(&tags)).drifted(Some(drift)))
}

impl App {
    /// The client id of the identity that the code runs as; `None` if it runs as another one.
    fn client_id(&self, cx: Context<'_>) -> Result<Option<&str>> {
        let id = cx.full_name(Scope::RuntimeIdentity)?;
        let assigned = self.identity.as_ref().and_then(|identity| identity.user_assigned_identities.as_ref());
        let own = assigned.into_iter().flatten().find(|(name, _)| same(name, id));
        Ok(own.and_then(|(_, assigned)| assigned.client_id.as_deref()))
    }

    fn identities(&self) -> BTreeSet<String> {
        let assigned = self.identity.as_ref().and_then(|identity| identity.user_assigned_identities.as_ref());
        assigned.into_iter().flatten().map(|(id, _)| id.to_ascii_lowercase()).collect()
    }

    /// Whether it runs as identities of the deployment's code and as no other.
    fn runs_as_ours(&self, cx: Context<'_>) -> bool {
        let names = cx.deployment().names();
        let is_own =
            |id: &String| names.things().any(|thing| thing.scope == Scope::RuntimeIdentity && same(thing.name, id));
        let identities = self.identities();
        !identities.is_empty() && identities.iter().all(is_own)
    }

    fn stands_in(&self, environment: &str) -> bool {
        self.properties.environment_id.as_deref().is_some_and(|id| same(id, environment))
    }
}

/// How what a set-up restores differs from the stack: where the app is, what it runs as, and the fields that somebody changed.
fn admins_drift(cx: Context<'_>, found: &App, part: &Part, wanted: &Template) -> Result<Option<String>> {
    if !found.stands_in(cx.full_name(Scope::Environment)?) {
        return Ok(Some("it is in another environment".to_owned()));
    }
    let identity = cx.full_name(Scope::RuntimeIdentity)?.to_ascii_lowercase();
    if found.identities() != BTreeSet::from([identity]) {
        return Ok(Some("it runs as another identity".to_owned()));
    }
    if found.properties.template.as_ref().is_some_and(|template| !same_code(template, wanted)) {
        return Ok(Some("other code".to_owned()));
    }
    let due = comparable(body(cx, part, wanted, &Tags::new())?);
    let same = |is: &Value, due: &Value| match (is.as_str(), due.as_str()) {
        // Azure may write an id in another case.
        (Some(is), Some(due)) => same(is, due),
        _ => is == due,
    };
    Ok(field_drift(&Fields::changed(APP, &comparable(found.told.clone()), &due, same)))
}

/// An app without its tags, which are compared as marks, and without what Azure fills in where nothing is set.
fn comparable(mut app: Value) -> Value {
    let mut take = |pointer: &str, name: &str, is_unset: &dyn Fn(&Value) -> bool| {
        if let Some(fields) = app.pointer_mut(pointer).and_then(Value::as_object_mut)
            && fields.get(name).is_some_and(is_unset)
        {
            fields.remove(name);
        }
    };
    let word = |unset: &'static str| move |value: &Value| value.as_str().is_some_and(|word| same(word, unset));
    const INGRESS: &str = "/properties/configuration/ingress";
    take("", "tags", &|_| true);
    take(INGRESS, "fqdn", &|_| true);
    take(INGRESS, "clientCertificateMode", &word("ignore"));
    take(&format!("{INGRESS}/stickySessions"), "affinity", &word("none"));
    app
}

/// The registries of its images that need an identity.
fn registries(cx: Context<'_>, template: &Template) -> Result<Option<Vec<Registry>>> {
    let servers = template.containers.iter().filter_map(|container| container.image.split('/').next());
    let identity = cx.full_name(Scope::RuntimeIdentity)?;
    let of = |server: &str| Registry { server: server.to_owned(), identity: identity.to_owned() };
    Ok(servers.filter(|server| is_azures(server)).map(of).next().map(|one| vec![one]))
}

/// The whole app, as a set-up sets it.
fn body(cx: Context<'_>, part: &Part, template: &Template, tags: &Tags) -> Result<Value> {
    let mut identities = serde_json::Map::new();
    identities.insert(cx.full_name(Scope::RuntimeIdentity)?.to_owned(), json!({}));
    let configuration = Configuration {
        active_revisions_mode: "Single".to_owned(),
        ingress: part.ingress.clone(),
        registries: registries(cx, template)?,
    };
    Ok(json!({
        "location": cx.target().location,
        "tags": tags,
        "identity": { "type": "UserAssigned", "userAssignedIdentities": identities },
        "properties": {
            "environmentId": cx.full_name(Scope::Environment)?,
            "workloadProfileName": "Consumption",
            "configuration": configuration,
            "template": template,
        },
    }))
}

/// Creates or replaces the app. Callers make sure that none exists, or that it is ours.
async fn put(cx: Context<'_>, part: &Part, template: &Template, tags: &Tags) -> Result<()> {
    let (id, body) = (cx.full_name(Scope::App)?, body(cx, part, template, tags)?);
    let rows = &[op::PATCH_APP, op::JOIN_ENVIRONMENT, op::GET_RUNTIME_IDENTITY, op::ASSIGN_IDENTITY];
    cx.call(rows, || async { cx.clients.put(id, &body).await }).await.map(drop)
}

/// The client id of the identity that the code should run as.
async fn runtime_client_id(cx: Context<'_>) -> Result<String> {
    let profile = cx.resource()?.settings().compute().map(|compute| compute.profile).unwrap_or_default();
    let position = cx.deployment().permissions().runtime_position(profile);
    let position = position.ok_or_else(|| Error::new(ErrorKind::Internal, "the code has no identity"))?;
    Ok(identity::look(cx.about(Subject::RuntimeIdentity(position))).await?.properties.client_id)
}

/// Creates the app, and its environment if that does not exist.
pub(crate) async fn create(cx: Context<'_>, marks: &Marks, part: &Part) -> Result<()> {
    settle::clear(cx, PATIENCE, || look(cx)).await?;
    make(cx, Tags::new(), marks, part).await
}

async fn make(cx: Context<'_>, tags: Tags, marks: &Marks, part: &Part) -> Result<()> {
    environment::ensure(cx, marks).await?;
    let template = template(cx, cx.resource()?, part, &runtime_client_id(cx).await?).await?;
    put(cx, part, &template, &tags::unfinished(tags, marks, cx.name(Scope::App)?)).await?;
    settle::idle(cx, PATIENCE, || look(cx)).await.map(drop)
}

/// Sends what differs, waits until it works, and assigns the roles of code's identities. The fingerprint is written
/// last.
pub(crate) async fn configure(cx: Context<'_>, marks: &Marks, part: &Part) -> Result<()> {
    let mut found = settle::idle(cx, PATIENCE, || look(cx)).await?;
    if marks.again {
        environment::ensure(cx, marks).await?;
    }
    if !found.stands_in(cx.full_name(Scope::Environment)?) {
        // An app cannot move to another environment, so it is created anew.
        remove(cx).await?;
        make(cx, found.tags.take().unwrap_or_default(), marks, part).await?;
        found = look(cx).await?;
    }
    if found.properties.template.as_ref().is_some_and(Template::takes_commands)
        && !cx.resource()?.settings().takes_commands()
    {
        commands::delete(cx).await?;
    }
    let mut wanted = template(cx, cx.resource()?, part, &runtime_client_id(cx).await?).await?;
    let same = found.properties.template.as_ref().is_some_and(|template| differs(template, &wanted).is_none());
    let is_broken = broken(cx, &found).await?.is_some();
    if !same || is_broken || admins_drift(cx, &found, part, &wanted)?.is_some() {
        if same && is_broken {
            once_more(&mut wanted);
        }
        let tags = tags::unfinished(found.tags.unwrap_or_default(), marks, cx.name(Scope::App)?);
        put(cx, part, &wanted, &tags).await?;
    }
    settle(cx, &wanted).await?;
    identity::admit(cx).await?;
    // All marks are written: the vendor may have changed those of ownership.
    let id = cx.full_name(Scope::App)?;
    tags::merge(cx, id, &marks.all(cx.name(Scope::App)?)).await
}

/// Gives the template a new revision suffix: a template without changes makes no new revision.
fn once_more(template: &mut Template) {
    template.revision_suffix = Some(suffix());
}

/// A revision suffix that no revision has.
fn suffix() -> String {
    let new = Uuid::new_v4().simple().to_string();
    format!("r{}", new.get(..8).unwrap_or_default())
}

/// Why the app does not work; `None` if it works or may do so soon.
async fn broken(cx: Context<'_>, found: &App) -> Result<Option<String>> {
    if found.state() == "Failed" {
        return Ok(Some(found.why().unwrap_or("its last change failed").to_owned()));
    }
    let Says { latest_revision_name: latest, latest_ready_revision_name: ready, .. } = &found.properties;
    if latest == ready {
        return Ok(None);
    }
    let Some(latest) = latest else { return Ok(None) };
    let revision = revisions(cx).await?.into_iter().find(|revision| revision.name == *latest);
    Ok(revision.and_then(|revision| revision.properties.broken()))
}

/// Waits until the template that was sent works.
async fn settle(cx: Context<'_>, sent: &Template) -> Result<App> {
    cx.until(PATIENCE, || async move {
        let found = look(cx).await?;
        let is_sent = found.properties.template.as_ref().is_some_and(|template| differs(template, sent).is_none());
        if settle::is_running(&found) || !is_sent {
            return Ok(ControlFlow::Continue("a revision of it is being rolled out".to_owned()));
        }
        if let Some(why) = broken(cx, &found).await? {
            return Err(Error::new(ErrorKind::Failed, format!("the new revision does not work: {why}")));
        }
        let Says { latest_revision_name: latest, latest_ready_revision_name: ready, .. } = &found.properties;
        Ok(if latest.is_some() && latest == ready {
            ControlFlow::Break(found)
        } else {
            ControlFlow::Continue("its new revision is not ready yet".to_owned())
        })
    })
    .await
}

/// Updates the code and nothing else, by a PATCH of the template whose answer must not be that an app was created. If
/// the new revision does not work, the previous template is sent again; until then Container Apps keeps serving the
/// last revision that worked (<https://learn.microsoft.com/azure/container-apps/revisions#zero-downtime-deployment>).
pub(crate) async fn update(cx: Context<'_>, change: &Change, old: &Part, new: &Part) -> Result<()> {
    let before = cx.resource()?;
    let (code, settings) = change.since(before);
    if !code && !settings {
        return Ok(());
    }
    let found = look(cx).await?;
    let Some(client_id) = found.client_id(cx)? else {
        let what = "it runs as another identity than it was set up with; have the customer's admin set it up again";
        return Err(Error::new(ErrorKind::Rejected, what));
    };
    // Container Apps takes no `If-Match`, and an app has no etag
    // (<https://learn.microsoft.com/rest/api/resource-manager/containerapps/container-apps/update>). Another revision than
    // the one that was seen is refused here; whoever writes between this look and the PATCH is not seen.
    let seen = found.properties.latest_revision_name.as_deref();
    if change.revision().is_some_and(|revision| Some(revision) != seen) {
        return Err(others(&found));
    }
    let running = found.properties.template.as_ref();
    let sent = async {
        let mut wanted = template(cx, &change.resource, new, client_id).await?;
        let is_sent = running.is_some_and(|running| differs(running, &wanted).is_none());
        if change.again && is_sent && broken(cx, &found).await?.is_some() {
            once_more(&mut wanted);
        }
        patch(cx, &wanted, running).await?;
        settle(cx, &wanted).await.map(drop)
    };
    let back = async {
        let now = look(cx).await?;
        let sent = template(cx, &change.resource, new, client_id).await?;
        let is_sent = now.properties.template.as_ref().is_some_and(|now| differs(now, &sent).is_none());
        if !is_sent && now.properties.latest_revision_name.as_deref() != seen {
            return Err(others(&now));
        }
        let before = template(cx, before, old, client_id).await?;
        patch(cx, &before, None).await?;
        settle(cx, &before).await.map(drop)
    };
    or_undo(sent.await, back, "revision").await
}

/// The refusal of a write over a revision that somebody else has made.
fn others(found: &App) -> Error {
    let runs = found.properties.latest_revision_name.as_deref().unwrap_or("no revision");
    Error::new(ErrorKind::Conflict, format!("it runs {runs}")).into_conflict()
}

/// Names the revision anew, and changes nothing else of the template: that makes a new revision of it
/// (<https://learn.microsoft.com/azure/container-apps/revisions#name-suffix>), and a merge patch leaves all that it does
/// not name (<https://learn.microsoft.com/rest/api/resource-manager/containerapps/container-apps/update>). Until its
/// replicas work, the revision before serves. To restart a revision in place is an action of its own, which the vendor
/// may not call.
pub(crate) async fn redeploy(cx: Context<'_>) -> Result<()> {
    let id = cx.full_name(Scope::App)?;
    settle::idle(cx, PATIENCE, || look(cx)).await?;
    let suffix = suffix();
    let body = json!({ "properties": { "template": { "revisionSuffix": suffix } } });
    cx.call(&[op::PATCH_APP], || async { cx.clients.patch(id, &body).await }).await?;
    let is_new = |revision: &Option<String>| {
        revision.as_ref().and_then(|name| name.rsplit_once("--")).is_some_and(|(_, own)| own == suffix)
    };
    let is_new = &is_new;
    cx.until(PATIENCE, || async move {
        let found = look(cx).await?;
        let Says { latest_revision_name: latest, latest_ready_revision_name: ready, .. } = &found.properties;
        if settle::is_running(&found) || !is_new(latest) {
            return Ok(ControlFlow::Continue("a revision of it is being rolled out".to_owned()));
        }
        if let Some(why) = broken(cx, &found).await? {
            return Err(Error::new(ErrorKind::Failed, format!("the new revision does not work: {why}")));
        }
        let still = || ControlFlow::Continue("its new revision is not ready yet".to_owned());
        Ok(if is_new(ready) { ControlFlow::Break(()) } else { still() })
    })
    .await
}

/// Sends the containers, and the scale rules only if they differ, because they name the identity that counts messages.
/// The suffix of an earlier revision is cleared, because PATCH keeps fields that are omitted.
async fn patch(cx: Context<'_>, template: &Template, running: Option<&Template>) -> Result<()> {
    let id = cx.full_name(Scope::App)?;
    let mut sent = json!({ "revisionSuffix": template.revision_suffix, "containers": template.containers });
    if let (Some(fields), false) =
        (sent.as_object_mut(), running.is_some_and(|running| scales_alike(running, template)))
    {
        fields.insert("scale".to_owned(), json!(template.scale));
    }
    let body = json!({ "properties": { "template": sent } });
    cx.call(&[op::PATCH_APP], || async { cx.clients.patch(id, &body).await }).await.map(drop)
}

pub(crate) async fn delete(cx: Context<'_>) -> Result<Removal> {
    // The queues go first: while the app exists, a later run finds them.
    let running = look(cx).await.optional()?.and_then(|found| found.properties.template);
    if cx.is_vendors() {
        return remove(cx).await;
    }
    if cx.resource()?.settings().takes_commands() || running.as_ref().is_some_and(Template::takes_commands) {
        commands::delete(cx).await?;
    }
    remove(cx).await
}

async fn remove(cx: Context<'_>) -> Result<Removal> {
    let id = cx.full_name(Scope::App)?;
    cx.call(&[op::DELETE_APP], || async { cx.clients.delete(id, &[]).await }).await.optional()?;
    cx.until_gone(PATIENCE, || look(cx)).await?;
    Ok(Removal::Gone)
}

/// Calls `GET containerApps`, and nothing else.
pub(crate) async fn running(cx: Context<'_>, memory: u32) -> Result<Runs> {
    let Says { template, latest_revision_name: latest, .. } = look(cx).await?.properties;
    let running = template.unwrap_or_default().running(memory);
    Ok(Runs::Settings(running.with_revision(latest.unwrap_or_default())))
}

/// Calls `GET containerApps`, its revisions and its replicas: the provisioning state, whether the last revision works,
/// and how many of its replicas run.
pub(crate) async fn heartbeat(cx: Context<'_>) -> Result<Heartbeat> {
    let found = look(cx).await?;
    let beat = health(cx, &found).await?;
    Ok(match found.properties.template.as_ref().and_then(Template::digest) {
        Some(digest) => beat.running(digest),
        None => beat,
    })
}

async fn health(cx: Context<'_>, found: &App) -> Result<Heartbeat> {
    let all = revisions(cx).await?;
    let Some(latest) = found.properties.latest_revision_name.clone() else {
        return Ok(Heartbeat::new(Health::Degraded, "no revision has started yet"));
    };
    let count = replicas(cx, &latest).await?.len();
    let revision = all.into_iter().find(|revision| revision.name == latest);
    let degraded = |why: &str| Ok(Heartbeat::new(Health::Degraded, why));
    if let Some(why) = revision.and_then(|revision| revision.properties.broken()) {
        return degraded(&why);
    }
    if settle::is_running(found) || found.properties.latest_ready_revision_name.as_ref() != Some(&latest) {
        return degraded("a revision of it is being rolled out");
    }
    if found.state() == "Failed" {
        return degraded("its last change failed");
    }
    let least = found.properties.template.as_ref().map_or(0, |template| template.scale.min_replicas);
    if u32::try_from(count).unwrap_or(u32::MAX) < least {
        return degraded(&format!("{count} of {least} replicas run"));
    }
    Ok(Heartbeat::new(Health::Healthy, format!("{} serves, with {count} replicas", last(&latest))))
}
