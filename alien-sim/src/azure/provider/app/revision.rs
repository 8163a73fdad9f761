//! Revisions and replicas: <https://learn.microsoft.com/azure/container-apps/revisions>.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::template;
use crate::azure::call::{Answer, Call, set, text};
use crate::azure::data::logs::Source;
use crate::azure::fail::Fail;
use crate::azure::state::State;

/// A revision of an app.
#[derive(Clone, Debug)]
pub(crate) struct Revision {
    pub(crate) name: String,
    pub(crate) template: Value,
    created: Timestamp,
    /// When it becomes ready or fails.
    decided: Timestamp,
    /// Why it never becomes ready, if it does not.
    pub(crate) broken: Option<String>,
    pub(crate) active: bool,
    /// Whether the effects of becoming ready or failing were applied.
    settled: bool,
}

impl Revision {
    fn is_ready(&self, now: Timestamp) -> bool {
        now >= self.decided && self.broken.is_none()
    }

    fn replicas(&self, now: Timestamp) -> Vec<String> {
        let least = self.template.pointer("/scale/minReplicas").and_then(Value::as_u64).unwrap_or(0);
        if !self.active || !self.is_ready(now) {
            return Vec::new();
        }
        let named = |n: u64| {
            let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{}/{n}", self.name).as_bytes()).simple().to_string();
            let (set, own) = (id.get(..10).unwrap_or_default(), id.get(10..15).unwrap_or_default());
            format!("{}-{set}-{own}", self.name)
        };
        (0..least).map(named).collect()
    }
}

/// The newest revisions of an app.
#[derive(Debug)]
pub(super) struct Serving {
    latest: Option<Revision>,
    /// The newest revision that is ready. It serves the traffic.
    pub(super) ready: Option<Revision>,
    /// The host name of the newest revision.
    pub(super) fqdn: String,
    is_decided: bool,
}

impl Serving {
    pub(super) fn of(state: &State, app: &str) -> Self {
        let now = state.now();
        let revisions = state.data.apps.get(&app.to_lowercase()).map(Vec::as_slice).unwrap_or_default();
        let latest = revisions.last().cloned();
        let ready = revisions.iter().rev().find(|revision| revision.is_ready(now)).cloned();
        let is_decided = latest.as_ref().is_none_or(|latest| now >= latest.decided);
        let fqdn = latest.as_ref().map(|latest| fqdn(state, app, &latest.name)).unwrap_or_default();
        Self { latest, ready, fqdn, is_decided }
    }

    pub(super) fn latest_name(&self) -> Option<String> {
        self.latest.as_ref().map(|latest| latest.name.clone())
    }

    /// The `provisioningState` of the app. A revision that does not start makes it fail, though an older one keeps
    /// serving.
    pub(super) fn state(&self) -> &'static str {
        match &self.latest {
            Some(_) if !self.is_decided => "InProgress",
            Some(latest) if latest.broken.is_some() => "Failed",
            _ => "Succeeded",
        }
    }

    pub(super) fn error(&self) -> Option<String> {
        let latest = self.latest.as_ref().filter(|_| self.is_decided)?;
        let why = latest.broken.as_ref()?;
        let app = latest.name.split("--").next().unwrap_or_default();
        Some(format!("Failed to provision revision for container app '{app}'. Error details: {why}"))
    }
}

fn fqdn(state: &State, app: &str, revision: &str) -> String {
    let fqdn = state.thing(app).map(|thing| text(&thing.body, "/properties/configuration/ingress/fqdn"));
    let fqdn = fqdn.unwrap_or_default();
    fqdn.split_once('.').map(|(_, domain)| format!("{revision}.{domain}")).unwrap_or_default()
}

/// Source: <https://learn.microsoft.com/azure/container-apps/revisions#name-suffix>.
fn check_suffix(app: &str, suffix: &str) -> Result<(), Fail> {
    let is_valid = suffix.starts_with(|c: char| c.is_ascii_lowercase())
        && suffix.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && !suffix.contains("--")
        && suffix.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && app.len() + suffix.len() + 2 <= 54;
    if is_valid {
        return Ok(());
    }
    Err(Fail::invalid(
        "ContainerAppInvalidRevisionName",
        format!(
            "Revision name has an invalid value '{suffix}'. A revision name must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character. The length of the revision name must not be more than a combined 54 characters with the container app name."
        ),
    ))
}

impl State {
    /// The revision that a template creates, or `None` if the newest revision has this template.
    pub(super) fn next_revision(&mut self, app: &str, template: &Value) -> Result<Option<Revision>, Fail> {
        let revisions = self.data.apps.get(&app.to_lowercase()).map(Vec::as_slice).unwrap_or_default();
        if revisions.last().is_some_and(|latest| latest.template == *template) {
            return Ok(None);
        }
        let name = app.rsplit('/').next().unwrap_or_default();
        let named = text(template, "/revisionSuffix");
        let suffix = if named.is_empty() {
            std::iter::once(fastrand::lowercase()).chain(std::iter::repeat_with(fastrand::lowercase).take(6)).collect()
        } else {
            check_suffix(name, &named)?;
            named
        };
        let revision = format!("{name}--{suffix}");
        if revisions.iter().any(|known| known.name == revision) {
            return Err(Fail::invalid(
                "InvalidParameterValueInContainerTemplate",
                format!(
                    "The following field(s) are either invalid or missing. Field 'template.revisionsuffix' is invalid with details: 'Invalid value: \"{suffix}\": revision with suffix {suffix} already exists.';."
                ),
            ));
        }
        let created = self.now();
        Ok(Some(Revision {
            name: revision,
            template: template.clone(),
            created,
            decided: created + self.data.revisions_take,
            broken: template::broken(template),
            active: true,
            settled: false,
        }))
    }

    /// Applies the effects of revisions that became ready. In single mode they replace the earlier ones.
    pub(super) fn settle_revisions(&mut self, app: &str) {
        let now = self.now();
        let Ok(thing) = self.thing(app) else { return };
        let configuration = thing.body.pointer("/properties/configuration").cloned().unwrap_or_default();
        let is_single = text(&configuration, "/activeRevisionsMode") == "Single";
        let most = configuration.get("maxInactiveRevisions").and_then(Value::as_u64).unwrap_or(100);
        let Some(revisions) = self.data.apps.get_mut(&app.to_lowercase()) else { return };
        let mut news = Vec::new();
        for at in 0..revisions.len() {
            let Some(revision) = revisions.get_mut(at).filter(|known| !known.settled && now >= known.decided) else {
                continue;
            };
            revision.settled = true;
            let name = revision.name.clone();
            news.push(match &revision.broken {
                Some(why) => (name, "RevisionFailed", format!("Failed to provision revision: {why}")),
                None => (name, "RevisionReady", "Successfully provisioned revision".to_owned()),
            });
            if is_single && revision.broken.is_none() {
                revisions.iter_mut().take(at).for_each(|older| older.active = false);
            }
        }
        let inactive = revisions.iter().filter(|revision| !revision.active).count();
        let mut over = inactive.saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
        revisions.retain(|revision| {
            let goes = !revision.active && over > 0;
            over -= usize::from(goes);
            !goes
        });
        for (revision, reason, message) in news {
            self.log(app, &Source::System { reason }, &revision, &message);
        }
    }

    /// The revision that does the work of an app: the newest that is ready and active.
    pub(super) fn working_revision(&mut self, app: &str) -> Option<Revision> {
        self.settle_revisions(app);
        let now = self.now();
        let revisions = self.data.apps.get(&app.to_lowercase())?;
        revisions.iter().rev().find(|revision| revision.active && revision.is_ready(now)).cloned()
    }

    fn revision_shown(&self, app: &str, revision: &Revision) -> Value {
        let now = self.now();
        let is_decided = now >= revision.decided;
        let replicas = revision.replicas(now);
        let (health, provisioning, running) = match &revision.broken {
            _ if !is_decided => ("None", "Provisioning", "Processing"),
            Some(_) => ("Unhealthy", "Failed", "Failed"),
            None if !revision.active => ("None", "Provisioned", "Stopped"),
            None if replicas.is_empty() => ("Healthy", "Provisioned", "ScaledToZero"),
            None => ("Healthy", "Provisioned", "Running"),
        };
        let mut properties = json!({
            "createdTime": revision.created.to_string(),
            "lastActiveTime": now.to_string(),
            "fqdn": fqdn(self, app, &revision.name),
            "template": revision.template,
            "active": revision.active,
            "replicas": replicas.len(),
            "trafficWeight": self.weight(app, revision),
            "healthState": health,
            "provisioningState": provisioning,
            "runningState": running,
        });
        if let Some(why) = revision.broken.as_ref().filter(|_| is_decided) {
            set(&mut properties, "provisioningError", why.clone());
            set(&mut properties, "runningStateDetails", why.clone());
        }
        json!({
            "id": format!("{app}/revisions/{}", revision.name),
            "name": revision.name,
            "type": "Microsoft.App/containerapps/revisions",
            "properties": properties,
        })
    }

    fn weight(&self, app: &str, revision: &Revision) -> i64 {
        let ready = Serving::of(self, app).ready.map(|ready| ready.name);
        let traffic =
            self.thing(app).ok().and_then(|thing| thing.body.pointer("/properties/configuration/ingress/traffic"));
        let items = traffic.and_then(Value::as_array).into_iter().flatten();
        let own = items.filter(|item| {
            let is_latest = item.get("latestRevision") == Some(&Value::Bool(true));
            if is_latest {
                ready.as_deref() == Some(&revision.name)
            } else {
                text(item, "/revisionName") == revision.name
            }
        });
        own.filter_map(|item| item.get("weight").and_then(Value::as_i64)).sum()
    }
}

/// The id of the app that a path is below.
fn app(call: &Call<'_>) -> Result<String, Fail> {
    let lower = call.route.path.to_lowercase();
    let at = lower.find("/revisions").unwrap_or(lower.len());
    let id = call.route.path.get(..at).unwrap_or_default();
    call.state.thing(id).map(|thing| thing.id.clone())
}

fn named(call: &mut Call<'_>) -> Result<(String, Revision), Fail> {
    let app = app(call)?;
    call.state.settle_revisions(&app);
    let name = call.parameter("revisionName").to_owned();
    let revisions = call.state.data.apps.get(&app.to_lowercase()).map(Vec::as_slice).unwrap_or_default();
    match revisions.iter().find(|revision| revision.name.eq_ignore_ascii_case(&name)) {
        Some(revision) => Ok((app, revision.clone())),
        None => Err(Fail::new(404, "RevisionNotFound", format!("Revision with name '{name}' not found."))),
    }
}

pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let app = app(call)?;
    call.state.settle_revisions(&app);
    let revisions = call.state.data.apps.get(&app.to_lowercase()).cloned().unwrap_or_default();
    Ok(Answer::list(revisions.iter().map(|revision| call.state.revision_shown(&app, revision)).collect()))
}

pub(super) fn get(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let (app, revision) = named(call)?;
    Ok(Answer::json(200, &call.state.revision_shown(&app, &revision)))
}

fn switch(call: &mut Call<'_>, active: bool) -> Result<Answer, Fail> {
    let (app, revision) = named(call)?;
    let revisions = call.state.data.apps.entry(app.to_lowercase()).or_default();
    revisions.iter_mut().filter(|known| known.name == revision.name).for_each(|known| known.active = active);
    super::work(call.state);
    Ok(Answer::empty(200))
}

pub(super) fn activate(call: &mut Call<'_>) -> Result<Answer, Fail> {
    switch(call, true)
}

pub(super) fn deactivate(call: &mut Call<'_>) -> Result<Answer, Fail> {
    switch(call, false)
}

/// A restart changes nothing, because the emulated code has no state.
pub(super) fn restart(call: &mut Call<'_>) -> Result<Answer, Fail> {
    named(call)?;
    Ok(Answer::empty(200))
}

fn shown(app: &str, revision: &Revision, name: &str) -> Value {
    let containers = revision.template.get("containers").and_then(Value::as_array).into_iter().flatten();
    let containers: Vec<Value> = containers
        .map(|container| {
            let container = text(container, "/name");
            let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{name}/{container}").as_bytes()).simple();
            json!({"name": container, "containerId": format!("containerd://{id}"), "ready": true, "started": true, "restartCount": 0, "runningState": "Running"})
        })
        .collect();
    json!({
        "id": format!("{app}/revisions/{}/replicas/{name}", revision.name),
        "name": name,
        "type": "Microsoft.App/containerapps/revisions/replicas",
        "properties": {
            "createdTime": revision.created.to_string(),
            "runningState": "Running",
            "containers": containers,
            "initContainers": [],
        },
    })
}

pub(super) fn replicas(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let (app, revision) = named(call)?;
    let replicas = revision.replicas(call.now());
    Ok(Answer::list(replicas.iter().map(|name| shown(&app, &revision, name)).collect()))
}

pub(super) fn replica(call: &mut Call<'_>) -> Result<Answer, Fail> {
    let (app, revision) = named(call)?;
    let name = call.parameter("replicaName").to_owned();
    let replicas = revision.replicas(call.now());
    match replicas.iter().find(|known| known.eq_ignore_ascii_case(&name)) {
        Some(name) => Ok(Answer::json(200, &shown(&app, &revision, name))),
        None => Err(Fail::new(404, "ReplicaNotFound", format!("Replica with name '{name}' not found."))),
    }
}
