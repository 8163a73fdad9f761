//! The emulated code of apps: it receives messages from queues, logs what it was sent, and answers requests.

use bytes::Bytes;
use serde_json::Value;

use super::APPS;
use super::revision::Revision;
use crate::azure::call::{Answer, text};
use crate::azure::data::broker::Sent;
use crate::azure::data::logs::Source;
use crate::azure::data::servicebus::{RECEIVE, SEND};
use crate::azure::rbac::decide::Plane;
use crate::azure::state::{Caller, State};

/// The action that the scaler needs: <https://keda.sh/docs/latest/scalers/azure-service-bus/>, according to
/// <https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/integration#azure-service-bus-data-receiver>.
const COUNT: &str = "Microsoft.ServiceBus/namespaces/queues/read";

/// How the names end by which apps are reached: <https://learn.microsoft.com/azure/container-apps/ingress-overview>.
pub(crate) fn is_apps(host: &str) -> bool {
    host.split(':').next().unwrap_or_default().ends_with(".azurecontainerapps.io")
}

/// Answers a request to an app with what was sent. An app without replicas is started by a request where it has an `http` rule,
/// or no rule at all, for then it has that by default:
/// <https://learn.microsoft.com/azure/container-apps/scale-app#default-scale-rule>.
pub(crate) fn answer(state: &mut State, host: &str, body: &Bytes) -> Answer {
    let host = host.split(':').next().unwrap_or_default();
    let named = |body: &Value| text(body, "/properties/configuration/ingress/fqdn").eq_ignore_ascii_case(host);
    let app = state.things().find(|thing| text(&thing.body, "/type") == APPS && named(&thing.body));
    let Some(app) = app.filter(|app| app.gone.is_none()).map(|app| app.id.clone()) else {
        return Answer::empty(404);
    };
    let is_external = state.thing(&app).is_ok_and(|thing| {
        thing.body.pointer("/properties/configuration/ingress/external") == Some(&Value::Bool(true))
    });
    let Some(revision) = state.working_revision(&app).filter(|_| is_external) else { return Answer::empty(404) };
    let rules = revision.template.pointer("/scale/rules").and_then(Value::as_array).cloned().unwrap_or_default();
    let least = revision.template.pointer("/scale/minReplicas").and_then(Value::as_u64).unwrap_or(0);
    if least == 0 && !rules.is_empty() && !rules.iter().any(|rule| rule.get("http").is_some_and(Value::is_object)) {
        return Answer::json(
            503,
            &Value::from("upstream connect error: no replica is running, and no rule starts one"),
        );
    }
    Answer { status: 200, body: body.clone(), ..Answer::default() }
}

/// The most messages that are received in one go. Two apps that answer each other would never stop.
const MOST: usize = 1_000;

/// An app that receives messages from a queue.
struct Job {
    app: String,
    revision: Revision,
    rule: Value,
    queue: String,
}

/// Lets every app receive the messages that wait for it, if it is allowed to.
pub(crate) fn work(state: &mut State) {
    for _ in 0..MOST {
        let jobs = jobs(state);
        if !jobs.iter().any(|job| take(state, job)) {
            return;
        }
    }
}

fn jobs(state: &mut State) -> Vec<Job> {
    let is_app = |body: &Value| text(body, "/type") == APPS;
    let apps = state.things().filter(|thing| is_app(&thing.body) && thing.gone.is_none());
    let apps: Vec<String> = apps.map(|thing| thing.id.clone()).collect();
    let mut jobs = Vec::new();
    for app in apps {
        let Some(revision) = state.working_revision(&app) else { continue };
        let rules = revision.template.pointer("/scale/rules").and_then(Value::as_array).cloned().unwrap_or_default();
        for rule in rules.into_iter().filter(|rule| text(rule, "/custom/type") == "azure-servicebus") {
            let namespace = text(&rule, "/custom/metadata/namespace");
            let namespace = namespace.split('.').next().unwrap_or_default();
            let Some(namespace) = state.namespace(namespace).map(|thing| thing.id.clone()) else { continue };
            let queue = State::queue_id(&namespace, &text(&rule, "/custom/metadata/queueName"));
            jobs.push(Job { app: app.clone(), revision: revision.clone(), rule, queue });
        }
    }
    jobs
}

/// Logs a message about an app's revision, once.
fn say(state: &mut State, job: &Job, reason: &'static str, message: &str) {
    let said = format!("{} {} {reason} {message}", job.app.to_lowercase(), job.revision.name);
    if state.data.said.insert(said) {
        state.log(&job.app, &Source::System { reason }, &job.revision.name, message);
    }
}

/// The managed identity of an id, as a caller of Service Bus.
fn caller(state: &State, identity: &str) -> Option<Caller> {
    let body = &state.thing(identity).ok()?.body;
    Some(Caller {
        object: text(body, "/properties/principalId"),
        client: text(body, "/properties/clientId"),
        audience: "https://servicebus.azure.net".to_owned(),
    })
}

/// The identity that the code uses: the one that `AZURE_CLIENT_ID` names, or the only one. Source:
/// <https://learn.microsoft.com/azure/container-apps/managed-identity#control-managed-identity-availability>.
fn own_identity(state: &State, job: &Job) -> Option<String> {
    let body = &state.thing(&job.app).ok()?.body;
    let settings = body.pointer("/properties/configuration/identitySettings").and_then(Value::as_array);
    let is_open = |id: &str| {
        let own = settings.into_iter().flatten().find(|own| text(own, "/identity").eq_ignore_ascii_case(id));
        own.is_none_or(|own| matches!(text(own, "/lifecycle").as_str(), "All" | "Main" | ""))
    };
    let identities = body.pointer("/identity/userAssignedIdentities").and_then(Value::as_object)?;
    let open: Vec<(&String, &Value)> = identities.iter().filter(|(id, _)| is_open(id)).collect();
    let named = variable(state, job, "AZURE_CLIENT_ID").unwrap_or_default();
    let found = open.iter().find(|(_, identity)| text(identity, "/clientId").eq_ignore_ascii_case(&named));
    match (found, open.as_slice()) {
        (Some((id, _)), _) => Some((*id).clone()),
        (None, [(id, _)]) if named.is_empty() => Some((*id).clone()),
        _ => None,
    }
}

/// An environment variable, from the first container that has it.
fn variable(state: &State, job: &Job, name: &str) -> Option<String> {
    let containers = job.revision.template.get("containers").and_then(Value::as_array)?;
    let mut variables = containers.iter().flat_map(|c| c.get("env").and_then(Value::as_array).into_iter().flatten());
    let found = variables.find(|variable| text(variable, "/name") == name)?;
    let secret = text(found, "/secretRef");
    if secret.is_empty() {
        return Some(text(found, "/value"));
    }
    let hidden = &state.thing(&job.app).ok()?.hidden;
    hidden.get("secrets")?.get(secret)?.as_str().map(str::to_owned)
}

/// Receives one message. Returns whether there was one that it could receive.
fn take(state: &mut State, job: &Job) -> bool {
    let now = state.now();
    let key = job.queue.to_lowercase();
    let Some(rules) = state.queue_rules(&job.queue) else { return false };
    state.data.broker.settle(&key, &rules, now);
    let Some(next) = state.data.broker.next(&key).cloned() else { return false };
    let scaler = text(&job.rule, "/custom/identity");
    let is_assigned = state.thing(&job.app).is_ok_and(|thing| {
        let identities = thing.body.pointer("/identity/userAssignedIdentities").and_then(Value::as_object);
        identities.is_some_and(|identities| identities.keys().any(|id| id.eq_ignore_ascii_case(&scaler)))
    });
    let Some(scaler) = caller(state, &scaler).filter(|_| is_assigned) else {
        say(state, job, "KEDAScalerFailed", "error establishing service bus client: no identity of the app is named");
        return false;
    };
    if !state.asks(&scaler, "GET servicebus.windows.net/queue", Plane::Control, COUNT, &job.queue) {
        let message = format!(
            "error getting service bus entity length: 401 Unauthorized: the identity '{}' needs {COUNT} on {}",
            scaler.client, job.queue
        );
        say(state, job, "KEDAScalerFailed", &message);
        return false;
    }
    let Some(own) = own_identity(state, job).and_then(|identity| caller(state, &identity)) else {
        say(state, job, "IdentityUnavailable", "the code has no identity, or several and no AZURE_CLIENT_ID");
        return false;
    };
    if !state.authorise_data(&own, "POST servicebus.windows.net/messages/head", RECEIVE, &job.queue) {
        say(
            state,
            job,
            "Unauthorized",
            "Unauthorized access. 'Listen' claim(s) are required to perform this operation.",
        );
        return false;
    }
    let body = String::from_utf8_lossy(&next.sent.body).into_owned();
    let fails = body.contains("fail");
    let namespace = job.queue.rsplit_once("/queues/").map_or("", |(namespace, _)| namespace).to_owned();
    let reply = (!next.sent.reply_to.is_empty() && !fails).then(|| State::queue_id(&namespace, &next.sent.reply_to));
    if let Some(reply) = &reply
        && !state.authorise_data(&own, "POST servicebus.windows.net/messages", SEND, reply)
    {
        say(state, job, "Unauthorized", "Unauthorized access. 'Send' claim(s) are required to perform this operation.");
        return false;
    }
    let Some(message) = state.data.broker.lock(&key, &rules, now) else { return false };
    let token = message.lock.as_ref().map(|lock| lock.token.clone()).unwrap_or_default();
    let line = match variable(state, job, "SAYS") {
        Some(says) => format!("{says} {body}"),
        None => body,
    };
    state.log(&job.app, &Source::Console, &job.revision.name, &line);
    if fails {
        state.data.broker.dead_letter(&key, &rules, &token, "the code failed", now);
        return true;
    }
    if let Some(reply) = reply {
        let correlation = match &message.sent.correlation {
            correlation if correlation.is_empty() => message.sent.id.clone(),
            correlation => correlation.clone(),
        };
        let sent = Sent {
            body: Bytes::clone(&message.sent.body),
            content_type: message.sent.content_type.clone(),
            id: uuid::Uuid::new_v4().simple().to_string(),
            correlation,
            ..Sent::default()
        };
        // A reply to a queue that does not exist is lost.
        let _ = state.send(&reply, sent);
    }
    state.data.broker.complete(&key, &rules, &message.sequence.to_string(), &token, now);
    true
}
