//! Cloud Run services: <https://docs.cloud.google.com/run/docs/reference/rest/v2/projects.locations.services>.

mod invocation;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) use invocation::{invoke, push};

use super::{SET_POLICY, TEST};
use crate::gcp::call::{Call, Done, done, set, text};
use crate::gcp::fail::Fail;
use crate::gcp::mask;
use crate::gcp::operation::Operation;
use crate::gcp::state::{State, etag};

const SERVICE: &str = "name description uid generation labels* annotations* createTime updateTime deleteTime expireTime \
    creator lastModifier client clientVersion \
    ingress=INGRESS_TRAFFIC_UNSPECIFIED|INGRESS_TRAFFIC_ALL|INGRESS_TRAFFIC_INTERNAL_ONLY|INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER|INGRESS_TRAFFIC_NONE \
    launchStage=LAUNCH_STAGE_UNSPECIFIED|UNIMPLEMENTED|PRELAUNCH|EARLY_ACCESS|ALPHA|BETA|GA|DEPRECATED \
    binaryAuthorization* template{revision labels* annotations* scaling{minInstanceCount maxInstanceCount concurrencyUtilization cpuUtilization} \
    vpcAccess{connector egress=VPC_EGRESS_UNSPECIFIED|ALL_TRAFFIC|PRIVATE_RANGES_ONLY networkInterfaces{network subnetwork tags*}} \
    timeout serviceAccount \
    containers{name image sourceCode* command* args* env{name value valueSource{secretKeyRef{secret version}}} \
    resources{limits* cpuIdle startupCpuBoost} ports{name containerPort} volumeMounts{name mountPath subPath} workingDir \
    livenessProbe* startupProbe* readinessProbe* dependsOn* baseImageUri buildInfo* buildConfig* sandboxLauncher} \
    volumes* executionEnvironment=EXECUTION_ENVIRONMENT_UNSPECIFIED|EXECUTION_ENVIRONMENT_GEN1|EXECUTION_ENVIRONMENT_GEN2 \
    encryptionKey maxInstanceRequestConcurrency serviceMesh* encryptionKeyRevocationAction* encryptionKeyShutdownDuration \
    sessionAffinity healthCheckDisabled nodeSelector* gpuZonalRedundancyDisabled client clientVersion sandboxes* \
    ambientNetworking* workloadIdentityConfig*} \
    traffic{type=TRAFFIC_TARGET_ALLOCATION_TYPE_UNSPECIFIED|TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST|TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION revision percent tag} \
    scaling{minInstanceCount maxInstanceCount scalingMode=SCALING_MODE_UNSPECIFIED|AUTOMATIC|MANUAL manualInstanceCount} \
    invokerIamDisabled defaultUriDisabled urls* iapEnabled multiRegionSettings* customAudiences* observedGeneration \
    terminalCondition* conditions* latestReadyRevision latestCreatedRevision trafficStatuses* uri satisfiesPzs buildConfig* \
    reconciling etag threatDetectionEnabled functionalType* sshEnabled";

/// The fields of a service that only Cloud Run writes, and its name, which nobody changes:
/// <https://docs.cloud.google.com/run/docs/reference/rest/v2/projects.locations.services#resource:-service>.
const OUTPUT_ONLY: &[&str] = &[
    "name",
    "uid",
    "generation",
    "createTime",
    "updateTime",
    "deleteTime",
    "expireTime",
    "creator",
    "lastModifier",
    "observedGeneration",
    "terminalCondition",
    "conditions",
    "latestReadyRevision",
    "latestCreatedRevision",
    "trafficStatuses",
    "uri",
    "urls",
    "satisfiesPzs",
    "threatDetectionEnabled",
    "reconciling",
    "etag",
];

pub(super) fn find(id: &str) -> Option<Done> {
    Some(match id.strip_prefix("projects.locations.")? {
        "services.create" => done(create).body(SERVICE).query(&["serviceId", "validateOnly"]),
        "services.get" => done(get),
        "services.list" => done(list).query(&["pageSize", "pageToken", "showDeleted"]),
        "services.patch" => {
            done(patch).body(SERVICE).query(&["updateMask", "validateOnly", "allowMissing", "forceNewRevision"])
        }
        "services.delete" => done(delete).query(&["validateOnly", "etag"]),
        "services.getIamPolicy" => done(super::policy).query(&["options.requestedPolicyVersion"]),
        "services.setIamPolicy" => done(super::set_policy).body(SET_POLICY),
        "services.testIamPermissions" => done(super::test).body(TEST),
        "operations.get" | "operations.wait" => done(operation).body("timeout"),
        _ => return None,
    })
}

/// The revisions of a service.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    generation: u64,
    /// The newest.
    created: String,
    /// When the newest becomes ready or fails.
    decided: Timestamp,
    broken: bool,
    /// The newest revision that was ready before it.
    before: Option<String>,
}

impl Serving {
    fn ready(&self, now: Timestamp) -> Option<&String> {
        if now >= self.decided && !self.broken { Some(&self.created) } else { self.before.as_ref() }
    }
}

impl State {
    /// The service as it is now: <https://docs.cloud.google.com/run/docs/reference/rest/v2/Condition>.
    fn service_at(&self, name: &str, now: Timestamp) -> Result<Value, Fail> {
        let mut body = self.thing(name)?.body.clone();
        let serving = self.serving.get(name).ok_or_else(|| Fail::missing(name))?;
        let decided = now >= serving.decided;
        let path = text(&body, "/name");
        let condition = match (decided, serving.broken) {
            (false, _) => json!({"type": "Ready", "state": "CONDITION_RECONCILING"}),
            (true, false) => json!({"type": "Ready", "state": "CONDITION_SUCCEEDED"}),
            (true, true) => json!({
                "type": "Ready",
                "state": "CONDITION_FAILED",
                "severity": "ERROR",
                "reason": "HEALTH_CHECK_CONTAINER_ERROR",
                "message": format!("Revision '{}' is not ready and cannot serve traffic.", serving.created),
            }),
        };
        let observed = if decided { serving.generation } else { serving.generation.saturating_sub(1) };
        set(&mut body, "terminalCondition", condition);
        set(&mut body, "reconciling", !decided);
        set(&mut body, "generation", serving.generation.to_string());
        set(&mut body, "observedGeneration", observed.to_string());
        set(&mut body, "latestCreatedRevision", format!("{path}/revisions/{}", serving.created));
        if let Some(ready) = serving.ready(now) {
            set(&mut body, "latestReadyRevision", format!("{path}/revisions/{ready}"));
        }
        Ok(body)
    }
}

fn get(call: &mut Call<'_>) -> Result<Value, Fail> {
    call.state.service_at(&call.on, call.state.now())
}

fn list(call: &mut Call<'_>) -> Result<Value, Fail> {
    let below = format!("{}/services/", call.on);
    let names: Vec<String> = call.state.things.keys().filter(|name| name.starts_with(&below)).cloned().collect();
    let now = call.state.now();
    let services = names.iter().map(|name| call.state.service_at(name, now)).collect::<Result<Vec<_>, _>>()?;
    Ok(if services.is_empty() { json!({}) } else { json!({"services": services}) })
}

/// Checks what a revision needs besides the service: `actAs` on its account, and access to its image. Source:
/// <https://docs.cloud.google.com/run/docs/reference/iam/roles#additional-configuration>.
fn may_deploy(call: &mut Call<'_>, body: &mut Value) -> Result<(), Fail> {
    let images: Vec<String> = body
        .pointer("/template/containers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|container| text(container, "/image"))
        .collect();
    if images.is_empty() || images.iter().any(String::is_empty) {
        return Err(Fail::invalid("template.containers: a service must have a container with an image."));
    }
    reserved(body)?;
    let mut account = text(body, "/template/serviceAccount");
    if account.is_empty() {
        let number = call.state.projects.get(&call.project).map_or(0, |project| project.number);
        account = format!("{number}-compute@developer.gserviceaccount.com");
        if let Some(template) = body.get_mut("template") {
            set(template, "serviceAccount", account.clone());
        }
    }
    let on = call
        .state
        .account_name(&account)
        .unwrap_or_else(|| format!("//iam.googleapis.com/projects/{}/serviceAccounts/{account}", call.project));
    call.require("iam.serviceAccounts.actAs", &on)?;
    if call.state.account(&account).is_none() {
        return Err(Fail::missing(&format!("service account {account}")));
    }
    for (number, image) in images.iter().enumerate() {
        // A first part that is no host is of Docker Hub.
        let host = image.split_once('/').map_or("", |(host, _)| host);
        let host = if host.contains(['.', ':']) { host } else { "docker.io" };
        let is_of =
            |known: &&str| host.strip_suffix(*known).is_some_and(|rest| rest.is_empty() || rest.ends_with(['-', '.']));
        let taken = ["docker.pkg.dev", "gcr.io", "docker.io", "ghcr.io"].iter().any(is_of);
        // In the words of the service: <https://github.com/ko-build/terraform-provider-ko/issues/205>. Google's page has GitHub's
        // registry too: <https://docs.cloud.google.com/run/docs/deploying#images>.
        if !taken {
            return Err(Fail::invalid(format!(
                "template.containers[{number}].image: Expected an image path like [host/]repo-path[:tag and/or @digest], \
                 where host is one of [region.]gcr.io, [region-]docker.pkg.dev or docker.io but obtained {image}"
            )));
        }
        // `L-docker.pkg.dev/P/R/image`. Images elsewhere are public, or protected by someone else.
        let mut parts = image.split('/');
        let location = parts.next().and_then(|host| host.strip_suffix("-docker.pkg.dev"));
        if let (Some(location), Some(project), Some(repository)) = (location, parts.next(), parts.next())
            && call.state.projects.contains_key(project)
        {
            let on = format!(
                "//artifactregistry.googleapis.com/projects/{project}/locations/{location}/repositories/{repository}"
            );
            call.require(PULL, &on)?;
            call.state.thing(&on)?;
            pulls(call, image, project, &on)?;
        }
    }
    Ok(())
}

const PULL: &str = "artifactregistry.repositories.downloadArtifacts";

/// Checks that Cloud Run may pull an image of another project, which it does as its service agent. Source:
/// <https://docs.cloud.google.com/artifact-registry/docs/integrate-cloud-run>. In the words of the service:
/// <https://docs.cloud.google.com/run/docs/troubleshooting#service-agent>.
fn pulls(call: &mut Call<'_>, image: &str, project: &str, repository: &str) -> Result<(), Fail> {
    if project == call.project {
        return Ok(());
    }
    let number = call.state.projects.get(&call.project).map_or(0, |project| project.number);
    let agent = format!("service-{number}@serverless-robot-prod.iam.gserviceaccount.com");
    if call.state.asks(&format!("serviceAccount:{agent}"), call.route.method.id, PULL, repository) {
        return Ok(());
    }
    Err(Fail::forbidden(format!(
        "Google Cloud Run Service Agent {agent} must have permission to read the image, {image}. Note that the image is from \
         project [{project}], which is not the same as this project [{}]. Permission must be granted to the Google Cloud Run \
         Service Agent from this project.",
        call.project
    )))
}

/// Refuses variables of the container runtime contract. Source:
/// <https://docs.cloud.google.com/run/docs/configuring/services/environment-variables#reserved>.
fn reserved(body: &Value) -> Result<(), Fail> {
    let containers = body.pointer("/template/containers").and_then(Value::as_array).into_iter().flatten();
    let variables = containers.filter_map(|container| container.get("env")?.as_array()).flatten();
    let names: Vec<String> = variables
        .map(|variable| text(variable, "/name"))
        .filter(|name| ["PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"].contains(&name.as_str()))
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(Fail::invalid(format!(
        "template.containers[0].env: The following reserved env names were provided: {}. These values are automatically \
         set by the system.",
        names.join(", ")
    )))
}

/// Source: <https://docs.cloud.google.com/run/docs/reference/rest/v2/projects.locations.services/create>.
fn is_service_id(id: &str) -> bool {
    (1..50).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_lowercase())
        && !id.ends_with('-')
        && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn create(call: &mut Call<'_>) -> Result<Value, Fail> {
    let id = call.required("serviceId")?;
    if !call.text("/name").is_empty() {
        return Err(Fail::invalid("`service.name` must be empty on creation: the id is in `serviceId`."));
    }
    make(call, &id)
}

fn make(call: &mut Call<'_>, id: &str) -> Result<Value, Fail> {
    if !is_service_id(id) {
        return Err(Fail::invalid(format!(
            "The service id `{id}` is not valid: fewer than 50 lower-case letters, digits and hyphens, a letter first."
        )));
    }
    let location = call.parameter("location");
    let relative = format!("projects/{}/locations/{location}/services/{id}", call.project);
    let name = format!("//run.googleapis.com/{relative}");
    let mut body = call.body.clone();
    if body.get("invokerIamDisabled") == Some(&Value::Bool(true)) {
        call.require("run.services.setIamPolicy", &name)?;
        call.state.may_be_public(&call.project)?;
    }
    may_deploy(call, &mut body)?;
    if call.state.things.contains_key(&name) {
        return Err(Fail::exists(&relative));
    }
    if call.query("validateOnly") == "true" {
        let response = body;
        return Ok(json!({"name": "", "done": true, "response": response}));
    }
    let uri = format!("{}/run/{}/{location}/{id}", call.state.url, call.project);
    set(&mut body, "name", relative);
    set(&mut body, "uid", uuid());
    set(&mut body, "uri", uri.clone());
    set(&mut body, "urls", json!([uri]));
    set(&mut body, "createTime", call.state.now().to_string());
    set(&mut body, "creator", call.caller.principal.split(':').next_back().unwrap_or_default());
    if text(&body, "/ingress").is_empty() {
        set(&mut body, "ingress", "INGRESS_TRAFFIC_ALL");
    }
    if text(&body, "/launchStage").is_empty() {
        set(&mut body, "launchStage", "GA");
    }
    let project = call.project.clone();
    call.state.create(&name, &project, Value::Null)?;
    deploy(call, &name, body)
}

fn uuid() -> String {
    let hex = format!("{:032x}", fastrand::u128(..));
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// Whether a patch creates the service: the service is missing, and the patch allows it. Source:
/// <https://docs.cloud.google.com/run/docs/reference/rest/v2/projects.locations.services/patch>.
pub(super) fn is_made(state: &State, name: &str, query: &[(String, String)]) -> bool {
    query.iter().any(|(field, value)| field == "allowMissing" && value == "true") && state.thing(name).is_err()
}

fn patch(call: &mut Call<'_>) -> Result<Value, Fail> {
    if is_made(call.state, &call.on, &call.query) {
        let id = call.parameter("service");
        return make(call, &id);
    }
    let present = super::get(call)?;
    let given = call.text("/etag");
    if !given.is_empty() && given != text(&present, "/etag") {
        return Err(Fail::aborted("Conflict for resource: the etag is not that of the service."));
    }
    let mut body = present.clone();
    match mask::writable(call.query("updateMask"), &call.body, OUTPUT_ONLY) {
        Some(mask) => mask::merge(SERVICE, &mask, &call.body, &mut body)?,
        None if call.query("updateMask").is_empty() => return Err(Fail::invalid("There is nothing to update.")),
        None => {}
    }
    if body.get("invokerIamDisabled") != present.get("invokerIamDisabled") {
        let on = call.on.clone();
        call.require("run.services.setIamPolicy", &on)?;
        if body.get("invokerIamDisabled") == Some(&Value::Bool(true)) {
            call.state.may_be_public(&call.project)?;
        }
    }
    may_deploy(call, &mut body)?;
    if call.query("validateOnly") == "true" {
        return Ok(json!({"name": "", "done": true, "response": body}));
    }
    let on = call.on.clone();
    deploy(call, &on, body)
}

/// Creates a revision of the service's current template.
fn deploy(call: &mut Call<'_>, name: &str, mut body: Value) -> Result<Value, Fail> {
    let now = call.state.now();
    let id = name.rsplit('/').next().unwrap_or_default();
    let earlier = call.state.serving.get(name);
    let generation = earlier.map_or(1, |serving| serving.generation + 1);
    let named = text(&body, "/template/revision");
    let created = if named.is_empty() {
        let suffix: String = std::iter::repeat_with(fastrand::lowercase).take(3).collect();
        format!("{id}-{generation:05}-{suffix}")
    } else {
        named
    };
    let broken = body.pointer("/template/containers").is_some_and(|containers| {
        containers.as_array().into_iter().flatten().any(|container| text(container, "/image").contains("broken"))
    });
    let wait = call.state.knobs.reconcile;
    let serving = Serving {
        generation,
        created,
        decided: now + wait,
        broken,
        before: earlier.and_then(|serving| serving.ready(now).cloned()),
    };
    let new_etag = format!("\"{}\"", etag());
    set(&mut body, "etag", new_etag);
    set(&mut body, "updateTime", now.to_string());
    set(&mut body, "lastModifier", call.caller.principal.split(':').next_back().unwrap_or_default());
    call.state.thing_mut(name)?.body = body;
    call.state.serving.insert(name.to_owned(), serving);
    finish(call, name, wait, broken)
}

fn finish(call: &mut Call<'_>, name: &str, wait: Duration, broken: bool) -> Result<Value, Fail> {
    let now = call.state.now();
    let done_at = now + wait.max(call.state.knobs.operation);
    let mut metadata = call.state.service_at(name, now)?;
    let mut response = call.state.service_at(name, done_at)?;
    for body in [&mut metadata, &mut response] {
        set(body, "@type", "type.googleapis.com/google.cloud.run.v2.Service");
    }
    let operation = operation_name(call);
    let running = json!({"name": operation, "metadata": metadata});
    let done = if broken {
        let message = text(&response, "/terminalCondition/message");
        json!({"name": operation, "metadata": response, "done": true, "error": {"code": 9, "message": message}})
    } else {
        json!({"name": operation, "metadata": response, "done": true, "response": response})
    };
    let kept = Operation { done_at, done, running };
    let answer = kept.at(now);
    call.state.operations.insert(operation, kept);
    Ok(answer)
}

fn operation_name(call: &Call<'_>) -> String {
    format!("projects/{}/locations/{}/operations/{}", call.project, call.parameter("location"), uuid())
}

fn delete(call: &mut Call<'_>) -> Result<Value, Fail> {
    let mut body = get(call)?;
    let etag = call.query("etag");
    if !etag.is_empty() && etag != text(&body, "/etag") {
        return Err(Fail::aborted("Conflict for resource: the etag is not that of the service."));
    }
    if call.query("validateOnly") != "true" {
        call.state.things.remove(&call.on);
        call.state.serving.remove(&call.on);
    }
    set(&mut body, "deleteTime", call.state.now().to_string());
    let operation = operation_name(call);
    Ok(call.state.start(operation, "google.cloud.run.v2.Service", body.clone(), body))
}

fn operation(call: &mut Call<'_>) -> Result<Value, Fail> {
    let name = format!(
        "projects/{}/locations/{}/operations/{}",
        call.project,
        call.parameter("location"),
        call.parameter("operation")
    );
    let now = call.state.now();
    call.state.operations.get(&name).map(|operation| operation.at(now)).ok_or_else(|| Fail::missing(&name))
}
