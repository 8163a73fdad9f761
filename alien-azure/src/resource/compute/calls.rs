//! The calls of an app, whichever kind it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alien_core::call::last;
use alien_core::engine::{Data, Marks, Observed, Removal};
use alien_core::manage::{Change, Health, Heartbeat};
use alien_core::permission::{Holder, Set, Subject};
use alien_core::resource::{Resource, Settings};
use alien_core::{Code, Error, ErrorKind, OrAbsent, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{container, function};
use super::environment;
use crate::client::At;
use crate::client::settle::{self, State};
use crate::client::tags::{self, Tags};
use crate::identity::calls as identity;
use crate::operations as op;
use crate::operations::Place;

/// How long an app may take until a new revision works, or until it is gone.
const PATIENCE: Duration = Duration::from_secs(900);

/// The port that a function listens on, as its code does on every cloud that calls it by HTTP.
const PORT: u16 = 8080;

/// Which identity of the app's the code asks for tokens: what Azure's own libraries read.
const CLIENT_ID: &str = "AZURE_CLIENT_ID";

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
    latest_revision_name: Option<String>,
    latest_ready_revision_name: Option<String>,
    configuration: Option<Configuration>,
    template: Option<Template>,
}

impl State for App {
    fn state(&self) -> &str {
        &self.properties.provisioning_state
    }
}

#[derive(Serialize, Deserialize, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
struct Configuration {
    active_revisions_mode: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ingress: Option<Ingress>,
}

#[derive(Serialize, Deserialize, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
struct Ingress {
    external: bool,
    target_port: u16,
    allow_insecure: bool,
}

/// What runs: all that a revision says.
#[derive(Serialize, Deserialize, Clone, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Template {
    #[serde(skip_serializing_if = "Option::is_none")]
    revision_suffix: Option<String>,
    containers: Vec<Container>,
    pub(crate) scale: Scale,
    #[serde(skip_serializing_if = "Option::is_none")]
    init_containers: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volumes: Option<Vec<Value>>,
}

#[derive(Serialize, Deserialize, Clone, Default)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    name: String,
    image: String,
    #[serde(deserialize_with = "or_default")]
    env: Vec<Variable>,
    resources: Resources,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize, Clone, Default)]
#[serde(rename_all = "camelCase", default)]
struct Variable {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_ref: Option<String>,
}

/// A processor's part and its memory, `0.5Gi`.
#[derive(Serialize, Deserialize, Clone, Default)]
#[serde(default)]
pub(crate) struct Resources {
    cpu: f64,
    memory: String,
}

impl Resources {
    /// On the consumption plan there are two GiB of memory for each processor, in steps of a quarter of one
    /// (<https://learn.microsoft.com/azure/container-apps/containers#allocations>).
    pub(crate) fn of_memory(mib: u32) -> Self {
        let quarters = f64::from(mib.div_ceil(512).max(1));
        Self { cpu: quarters * 0.25, memory: format!("{}Gi", quarters * 0.5) }
    }

    fn quarters(&self) -> (u64, u64) {
        let gib: f64 = self.memory.trim_end_matches("Gi").parse().unwrap_or_default();
        let round = |number: f64| number.round().clamp(0.0, f64::from(u32::MAX)) as u64;
        (round(self.cpu * 100.0), round(gib * 100.0))
    }
}

/// How many replicas run, and what makes more of them.
#[derive(Serialize, Deserialize, Clone, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Scale {
    #[serde(deserialize_with = "or_default")]
    pub(crate) min_replicas: u32,
    #[serde(deserialize_with = "or_default")]
    pub(crate) max_replicas: u32,
    #[serde(deserialize_with = "or_default")]
    pub(crate) rules: Vec<Rule>,
}

/// Something that makes more replicas.
#[derive(Serialize, Deserialize, Clone, Default, PartialEq)]
#[serde(default)]
pub(crate) struct Rule {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<Custom>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp: Option<Value>,
}

#[derive(Serialize, Deserialize, Clone, Default, PartialEq)]
#[serde(default)]
struct Custom {
    #[serde(rename = "type")]
    kind: String,
    metadata: BTreeMap<String, String>,
    identity: String,
}

impl Rule {
    /// As many replicas as messages wait in a queue, counted under an identity
    /// (<https://learn.microsoft.com/azure/container-apps/scale-app#custom>).
    pub(crate) fn queue(name: String, queue: &str, identity: &str) -> Self {
        let (namespace, queue) = function::calls::split(queue);
        let metadata = [("namespace", namespace), ("queueName", queue), ("messageCount", "1")];
        let metadata = metadata.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let custom = Custom { kind: "azure-servicebus".to_owned(), metadata, identity: identity.to_owned() };
        Self { name, custom: Some(custom), ..Self::default() }
    }
}

/// Azure tells `null` for what is not set.
fn or_default<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
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
    /// Why it does not work; nothing where it does, or may do so soon.
    fn broken(&self) -> Option<String> {
        let is = |state: &Option<String>, word: &str| state.as_deref() == Some(word);
        let failed = is(&self.provisioning_state, "Failed")
            || is(&self.health_state, "Unhealthy")
            || is(&self.running_state, "Failed");
        let state = [&self.provisioning_error, &self.running_state, &self.health_state];
        failed.then(|| state.into_iter().flatten().next().cloned().unwrap_or_else(|| "it is unhealthy".to_owned()))
    }
}

/// GetContainerApp, which also shows the environment variables.
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
    let Some(found) = look(at).await.or_absent()? else { return Ok(Observed::Absent) };
    let tags = found.tags.clone().unwrap_or_default();
    let observed = tags::observed(at.site(), at.full_name(Place::App)?, &tags);
    let Observed::Own { seal: Some(_), .. } = observed else { return Ok(observed) };
    // The vendor may have changed since what was set.
    let wanted = template(at, at.resource()?, found.client_id(at)?)?;
    let drift = match &found.properties.template {
        Some(template) => differs(template, &wanted),
        None => None,
    };
    let drift = drift.or_else(|| set_otherwise(at, &found)).or(broken(at, &found).await?);
    let drift = match drift {
        None => function::calls::missing_queue(at).await?,
        drift => drift,
    };
    Ok(observed.drifted(drift))
}

impl App {
    /// The client id of the identity that the code runs under.
    fn client_id(&self, at: At<'_>) -> Result<&str> {
        let id = at.full_name(Place::RuntimeIdentity)?;
        let assigned = self.identity.as_ref().and_then(|identity| identity.user_assigned_identities.as_ref());
        let own = assigned.into_iter().flatten().find(|(name, _)| name.eq_ignore_ascii_case(id));
        let found = own.and_then(|(_, assigned)| assigned.client_id.as_deref());
        // Where it is another, the app is as nobody here set it, and the code asks for an identity that it does not have.
        Ok(found.unwrap_or_default())
    }

    fn identities(&self) -> BTreeSet<String> {
        let assigned = self.identity.as_ref().and_then(|identity| identity.user_assigned_identities.as_ref());
        assigned.into_iter().flatten().map(|(id, _)| id.to_ascii_lowercase()).collect()
    }
}

/// How what the vendor cannot change differs from what the stack says.
fn set_otherwise(at: At<'_>, found: &App) -> Option<String> {
    let identity = at.full_name(Place::RuntimeIdentity).unwrap_or_default().to_ascii_lowercase();
    if found.identities() != BTreeSet::from([identity]) {
        return Some("it runs under another identity".to_owned());
    }
    let set = found.properties.configuration.as_ref();
    let ingress = set.and_then(|set| set.ingress.clone());
    (ingress != ingress_of(at)).then(|| "others can reach it".to_owned())
}

/// How a template differs from what is wanted, in what the stack says. Azure fills in the rest.
fn differs(found: &Template, wanted: &Template) -> Option<String> {
    let of = |template: &Template| template.containers.first().cloned().unwrap_or_default();
    let (is, due) = (of(found), of(wanted));
    if is.image != due.image {
        return Some("other code".to_owned());
    }
    // What nobody here sets, nobody should have set.
    let empty = |list: &Option<Vec<Value>>| list.as_ref().is_none_or(Vec::is_empty);
    let more = found.containers.len() > 1 || !empty(&found.init_containers) || !empty(&found.volumes);
    let words = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    let commanded = !words(&is.command).is_empty() || !words(&is.args).is_empty();
    let rules = |template: &Template| {
        let rules = template.scale.rules.iter().filter(|rule| rule.custom.is_some());
        rules.map(|rule| (rule.name.clone(), rule.custom.clone().map(Custom::comparable))).collect::<BTreeMap<_, _>>()
    };
    let scale = |template: &Template| (template.scale.min_replicas, template.scale.max_replicas);
    let other = variables(&is) != variables(&due)
        || is.resources.quarters() != due.resources.quarters()
        || rules(found) != rules(wanted)
        || scale(found) != scale(wanted);
    (other || more || commanded).then(|| "other settings".to_owned())
}

impl Custom {
    fn comparable(mut self) -> (String, BTreeMap<String, String>) {
        self.identity.make_ascii_lowercase();
        (self.identity, self.metadata)
    }
}

fn variables(container: &Container) -> BTreeMap<&str, (Option<&str>, bool)> {
    let each = |variable: &'_ Variable| variable.secret_ref.as_ref().is_some_and(|name| !name.is_empty());
    container.env.iter().map(|one| (one.name.as_str(), (one.value.as_deref(), each(one)))).collect()
}

/// What runs, and when.
fn template(at: At<'_>, resource: &Resource, client_id: &str) -> Result<Template> {
    let compute = resource.settings().compute().ok_or_else(|| Error::new(ErrorKind::Defect, "no code"))?;
    let Code::Image(image) = compute.code else {
        return Err(Error::new(ErrorKind::Input, "Container Apps runs images, and this is a zip"));
    };
    let identity = at.full_name(Place::RuntimeIdentity)?;
    let (resources, scale) = match resource.settings() {
        Settings::Function(settings) => {
            (function::calls::resources(settings), function::calls::scale(at, resource, identity)?)
        }
        Settings::Container(settings) => (container::calls::resources(settings), container::calls::scale(settings)),
        _ => return Err(Error::new(ErrorKind::Defect, "no code")),
    };
    let container = Container {
        name: "app".to_owned(),
        image: image.clone(),
        env: told(at, resource, client_id)?,
        resources,
        ..Container::default()
    };
    Ok(Template { containers: vec![container], scale, ..Template::default() })
}

/// The vendor's variables, the address of each linked resource, the identity to be, and where commands come from.
fn told(at: At<'_>, resource: &Resource, client_id: &str) -> Result<Vec<Variable>> {
    let site = at.site();
    let mut variables = resource.settings().compute().map(|compute| compute.environment.clone()).unwrap_or_default();
    for id in resource.links() {
        variables.insert(id.variable(), super::super::address(site, site.subject(id.as_str())?));
    }
    variables.insert(CLIENT_ID.to_owned(), client_id.to_owned());
    if resource.settings().takes_commands() {
        variables
            .insert(function::calls::COMMANDS.to_owned(), function::calls::address(at.full_name(Place::CommandQueue)?));
    }
    let each = |(name, value)| Variable { name, value: Some(value), secret_ref: None };
    Ok(variables.into_iter().map(each).collect())
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

/// Nothing is there when this is called, or what is there is ours.
async fn put(at: At<'_>, template: &Template, tags: &Tags) -> Result<()> {
    let id = at.full_name(Place::App)?;
    let mut identities = serde_json::Map::new();
    identities.insert(at.full_name(Place::RuntimeIdentity)?.to_owned(), json!({}));
    let body = json!({
        "location": at.site().target.location,
        "tags": tags,
        "identity": { "type": "UserAssigned", "userAssignedIdentities": identities },
        "properties": {
            "environmentId": at.full_name(Place::Environment)?,
            "workloadProfileName": "Consumption",
            "configuration": Configuration { active_revisions_mode: "Single".to_owned(), ingress: ingress_of(at) },
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
    // A PUT replaces: what is there already is for its owner.
    if look(at).await.or_absent()?.is_some() {
        return Err(Error::new(ErrorKind::Exists, "the app is there"));
    }
    environment::ensure(at, marks).await?;
    let template = template(at, at.resource()?, &runtime_client_id(at).await?)?;
    let tags = tags::unsealed(Tags::new(), marks, at.name(Place::App)?);
    put(at, &template, &tags).await?;
    settle::idle(at, PATIENCE, || look(at)).await.map(drop)
}

/// Sends what differs, waits until it works, and admits the identities of code. The seal is written last.
pub(crate) async fn configure(at: At<'_>, marks: &Marks) -> Result<()> {
    environment::ensure(at, marks).await?;
    let found = settle::idle(at, PATIENCE, || look(at)).await?;
    let mut wanted = template(at, at.resource()?, &runtime_client_id(at).await?)?;
    let same = found.properties.template.as_ref().is_some_and(|template| differs(template, &wanted).is_none());
    let is_broken = broken(at, &found).await?.is_some();
    if !same || is_broken || set_otherwise(at, &found).is_some() {
        if is_broken {
            once_more(at, &mut wanted);
        }
        let tags = tags::unsealed(found.tags.unwrap_or_default(), marks, at.name(Place::App)?);
        put(at, &wanted, &tags).await?;
    }
    settle(at).await?;
    identity::admit(at).await?;
    tags::set_seal(at, at.full_name(Place::App)?, marks).await
}

/// A template that says the same makes no revision, unless its name is new.
fn once_more(at: At<'_>, template: &mut Template) {
    template.revision_suffix = Some(format!("r{:x}", at.call.clock().now().as_second()));
}

/// Why it does not work; nothing where it does, or may do so soon.
async fn broken(at: At<'_>, found: &App) -> Result<Option<String>> {
    let Says { latest_revision_name: latest, latest_ready_revision_name: ready, .. } = &found.properties;
    if found.state() == "Failed" && latest.is_none() {
        return Ok(Some("its making has failed".to_owned()));
    }
    if latest == ready {
        return Ok(None);
    }
    let Some(latest) = latest else { return Ok(None) };
    let revision = revisions(at).await?.into_iter().find(|revision| revision.name == *latest);
    Ok(revision.and_then(|revision| revision.properties.broken()))
}

/// Waits until what was sent last works.
async fn settle(at: At<'_>) -> Result<App> {
    at.until(PATIENCE, || async move {
        let found = look(at).await?;
        if settle::is_running(&found) {
            return Ok(std::ops::ControlFlow::Continue("a revision of it is being rolled out".to_owned()));
        }
        if let Some(why) = broken(at, &found).await? {
            return Err(Error::new(ErrorKind::Failed, format!("the new revision does not work: {why}")));
        }
        let Says { latest_revision_name: latest, latest_ready_revision_name: ready, .. } = &found.properties;
        Ok(if latest.is_some() && latest == ready {
            std::ops::ControlFlow::Break(found)
        } else {
            std::ops::ControlFlow::Continue("its new revision is not ready".to_owned())
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
    let client_id = found.client_id(at)?;
    let undo = |error: &Error| matches!(error.kind(), ErrorKind::Failed | ErrorKind::Refused | ErrorKind::TooLarge);
    let sent = async {
        let mut wanted = template(at, &change.resource, client_id)?;
        if change.again {
            once_more(at, &mut wanted);
        }
        patch(at, &wanted).await?;
        settle(at).await.map(drop)
    };
    match sent.await {
        Err(error) if undo(&error) => {
            let back = async {
                patch(at, &template(at, old, client_id)?).await?;
                settle(at).await.map(drop)
            };
            Err(error.with_undo(back.await, "revision"))
        }
        sent => sent,
    }
}

async fn patch(at: At<'_>, template: &Template) -> Result<()> {
    let id = at.full_name(Place::App)?;
    let body = json!({ "properties": { "template": template } });
    at.call(&[op::PATCH_APP], || async { at.clients.patch(id, &body).await }).await.map(drop)
}

pub(crate) async fn delete(at: At<'_>, _: Data) -> Result<Removal> {
    // As long as the app is there, its queues are found again.
    function::calls::delete_queues(at).await?;
    let id = at.full_name(Place::App)?;
    at.call(&[op::DELETE_APP], || async { at.clients.delete(id, &[]).await }).await.or_absent()?;
    at.until_gone(PATIENCE, || look(at)).await
}

/// GetContainerApp, ListRevisions and ListReplicas: the state that was set, whether the last revision works, how many replicas
/// of it run.
pub(crate) async fn heartbeat(at: At<'_>) -> Result<Heartbeat> {
    let found = look(at).await?;
    let all = revisions(at).await?;
    let latest = found.properties.latest_revision_name.clone().unwrap_or_default();
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
