//! The calls for a Cloud Run service, which functions and containers share.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use alien_core::adapter::{
    Change, Marks, Observed, Operation, Removal, ResultExt, Running, Runs, environment, field_drift, last, or_undo,
};
use alien_core::{CodeForm, Error, ErrorKind, Health, Heartbeat, Lifecycle, Replicas, Resource, Result};
use google_cloud_run_v2::model::condition::State;
use google_cloud_run_v2::model::vpc_access::{NetworkInterface, VpcEgress};
use google_cloud_run_v2::model::{
    Container, CreateServiceRequest, EnvVar, IngressTraffic, RevisionTemplate, Service, UpdateServiceRequest, VpcAccess,
};
use google_cloud_wkt::FieldMask;

use super::super::network::calls::subnetwork;
use super::compared::{changed_fields, code, differs, latest, mebibytes, millis, variables, wanted_service};
use crate::client::policy::{self, Guarded};
use crate::client::{Context, failed, labels};
use crate::identity::bindings::admit;
use crate::identity::calls::is_own_runtime;
use crate::naming::relative;
use crate::operations as op;
use crate::operations::Scope;

/// Those who are everyone, in policies. An earlier version made a service public by the first: the check of callers is switched
/// off instead, because organisations refuse both (<https://docs.cloud.google.com/run/docs/authenticating/public>).
const EVERYBODY: &str = "allUsers";
/// Everyone with a Google account.
const EVERY_ACCOUNT: &str = "allAuthenticatedUsers";

/// The annotation of a revision that differs from the one before it in nothing else. It is compared with nothing.
const ATTEMPT: &str = "alien-attempt";

/// How long a new revision may take until it works, or a deletion until it has finished.
const PATIENCE: Duration = Duration::from_secs(600);

/// The service's name in calls.
fn path<'a>(cx: Context<'a>) -> Result<&'a str> {
    cx.full_name(Scope::Service).map(relative)
}

/// Calls GetService, which also returns the environment variables.
pub(crate) async fn look(cx: Context<'_>) -> Result<Service> {
    let name = path(cx)?;
    cx.call(&[op::GET_SERVICE], || async {
        cx.clients.run().await?.get_service().set_name(name).send().await.map_err(failed::run(cx.clients))
    })
    .await
}

/// From where a service can be reached, and who may call it.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) ingress: IngressTraffic,
    pub(crate) callers: Callers,
}

/// Who may call a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Callers {
    /// Those whom its policy names.
    Named,
    /// Everyone, because callers are not checked.
    Everyone,
}

impl Callers {
    fn are_unchecked(self) -> bool {
        self == Self::Everyone
    }
}

/// Who owns the service that was found, and how it differs from what is wanted. The vendor may have changed a live one
/// since the set-up, its labels too, so a fingerprint among them is never trusted alone: everything is compared.
pub(crate) async fn observed(
    cx: Context<'_>,
    found: &Service,
    wanted: &RevisionTemplate,
    access: &Access,
) -> Result<Observed> {
    let (id, own) = (cx.full_name(Scope::Service)?, cx.deployment().owner());
    let mut relabelled = None;
    let observed = match Observed::marked(id, own, labels::marks(&found.labels)) {
        Observed::Foreign(whose) if is_live(cx)? && !cx.is_vendors() && runs_as_own(cx, found).await? => {
            let owner = own.deployment.to_string();
            let is_other = |(name, _): &(&str, &str)| !matches!(*name, Marks::DEPLOYMENT | Marks::PLACE);
            let others = labels::marks(&found.labels).filter(is_other);
            let observed = Observed::marked(id, own, others.chain([(Marks::DEPLOYMENT, owner.as_str())]));
            relabelled = Some(format!("somebody changed its labels: {whose}"));
            observed
        }
        Observed::Foreign(whose) => return Ok(Observed::Foreign(whose)),
        observed => observed,
    };
    let beside = changed_fields(cx, found, &wanted_service(&access.ingress, wanted))?;
    let drift = match &found.template {
        _ if found.invoker_iam_disabled && !access.callers.are_unchecked() => Some("everyone may call it".to_owned()),
        Some(template) if code(template) != code(wanted) => Some("other code".to_owned()),
        _ if !beside.is_empty() => field_drift(&beside),
        Some(template) => differs(template, wanted),
        None => None,
    };
    let drift = match drift.or_else(|| broken(found).map(|why| format!("it does not work: {why}"))) {
        None if !cx.is_vendors() => other_callers(cx, found, access.callers).await?,
        drift => drift,
    };
    Ok(observed.drifted(relabelled.into_iter().chain(drift)))
}

fn is_live(cx: Context<'_>) -> Result<bool> {
    Ok(cx.resource()?.lifecycle() == Lifecycle::Live)
}

/// Whether the service runs as an account of code of this deployment. The vendor can write the labels of a live service,
/// but neither make it run as an account of anybody else's nor mark an account, so a service under the exact name that runs
/// as such an account is the deployment's, whatever its labels say.
async fn runs_as_own(cx: Context<'_>, found: &Service) -> Result<bool> {
    match &found.template {
        Some(template) => is_own_runtime(cx, &template.service_account).await,
        None => Ok(false),
    }
}

/// How those who may call the service differ from what is wanted, as to everyone.
async fn other_callers(cx: Context<'_>, found: &Service, callers: Callers) -> Result<Option<String>> {
    let on = Guarded { subject: cx.subject, scope: Scope::Service, name: cx.full_name(Scope::Service)? };
    let Some(policy) = policy::seen(cx, on).await? else { return Ok(None) };
    let open = [EVERYBODY, EVERY_ACCOUNT].iter().any(|who| !policy::beyond(&policy, who, &[]).is_empty());
    Ok(match callers {
        Callers::Everyone if !found.invoker_iam_disabled => Some("it checks its callers".to_owned()),
        Callers::Everyone => open.then(|| "its policy names everyone".to_owned()),
        Callers::Named => open.then(|| "everyone may call it".to_owned()),
    })
}

/// The parts of a revision that are the same for both kinds: identity, network, image and environment. The caller
/// completes the container and adds it.
pub(crate) async fn revision(cx: Context<'_>, resource: &Resource) -> Result<(RevisionTemplate, Container)> {
    let compute =
        resource.settings().compute().ok_or_else(|| Error::new(ErrorKind::Internal, "the resource has no code"))?;
    let Some(CodeForm::Image(image)) = compute.code.only() else {
        let what = format!("Cloud Run runs a {} from an image, and its code has none", resource.kind());
        return Err(Error::new(ErrorKind::Input, what));
    };
    let variables = environment(cx, resource).await?;
    let variables = variables.into_iter().map(|(name, value)| EnvVar::new().set_name(name).set_value(value));
    let template = RevisionTemplate::new()
        .set_service_account(last(cx.full_name(Scope::RuntimeAccount)?))
        .set_or_clear_vpc_access(vpc(cx, compute.network)?);
    Ok((template, Container::new().set_image(image).set_env(variables)))
}

/// Direct VPC egress into the subnetwork, for traffic to private addresses
/// (<https://docs.cloud.google.com/run/docs/configuring/vpc-direct-vpc>).
fn vpc(cx: Context<'_>, network: Option<&str>) -> Result<Option<VpcAccess>> {
    let Some(network) = network else { return Ok(None) };
    let network = cx.about(cx.deployment().subject(network)?);
    let interface = NetworkInterface::new().set_network(relative(network.full_name(Scope::Network)?));
    let interface = match subnetwork(network)? {
        Some(subnetwork) => interface.set_subnetwork(subnetwork),
        None => interface,
    };
    Ok(Some(VpcAccess::new().set_egress(VpcEgress::PrivateRangesOnly).set_network_interfaces([interface])))
}

/// The operations for sending a revision: the caller needs permissions on its identity and its image too.
fn revision_rows(cx: Context<'_>, own: &'static Operation<Scope>) -> Vec<&'static Operation<Scope>> {
    let image = cx.deployment().names().at(Scope::Repository, cx.subject).next().map(|_| op::PULL_IMAGE);
    [own, op::ACT_AS].into_iter().chain(image).collect()
}

/// Creates the service. Nothing calls it yet. `ingress` limits from where it can be reached; its policy, who may call
/// it.
pub(crate) async fn create(
    cx: Context<'_>,
    marks: &Marks,
    ingress: IngressTraffic,
    template: RevisionTemplate,
) -> Result<()> {
    let name = cx.name(Scope::Service)?;
    let parent = path(cx)?.rsplit_once("/services/").map_or("", |(parent, _)| parent);
    let service = Service::new().set_labels(marks.ownership(name)).set_ingress(ingress).set_template(template);
    let request = CreateServiceRequest::new().set_parent(parent).set_service_id(name).set_service(service);
    cx.call(&revision_rows(cx, op::CREATE_SERVICE), || async {
        let made = cx.clients.run().await?.create_service().with_request(request.clone()).send().await;
        made.map_err(failed::run(cx.clients)).map_err(|error| match error.kind() {
            // A service account that was just created has not propagated yet, and until then acting as it is denied.
            ErrorKind::Denied if error.message().contains("actAs") => error.with_kind(ErrorKind::Propagating),
            _ => error,
        })
    })
    .await?;
    // The vendor's permission to look at it is on the service itself: the admin gives it.
    if cx.is_vendors() {
        return Ok(());
    }
    cx.call(&[op::GET_SERVICE], || async {
        cx.clients
            .run()
            .await?
            .get_service()
            .set_name(path(cx)?)
            .send()
            .await
            .map_err(failed::run(cx.clients))
            .propagating()
    })
    .await
    .map(drop)
}

/// Sends what differs, waits until the revision works, and binds those whom the stack allows to call it. The caller
/// writes the fingerprint with [`finish`].
pub(crate) async fn set(cx: Context<'_>, wanted: RevisionTemplate, access: &Access) -> Result<Service> {
    let found = idle(cx).await?;
    let same = found.template.as_ref().is_some_and(|template| differs(template, &wanted).is_none());
    let beside = changed_fields(cx, &found, &wanted_service(&access.ingress, &wanted))?;
    let is_revised = |path: &&str| path.starts_with("template.") || *path == "traffic";
    if broken(&found).is_some() {
        send(cx, once_more(cx, wanted), "").await?;
    } else if !same || beside.iter().any(is_revised) {
        send(cx, wanted, "").await?;
    }
    let found = settle(cx).await?;
    if !cx.is_vendors() {
        admit(cx).await?;
        close(cx).await?;
    }
    Ok(found)
}

/// Takes everyone out of the service's policy.
async fn close(cx: Context<'_>) -> Result<()> {
    let on = Guarded { subject: cx.subject, scope: Scope::Service, name: cx.full_name(Scope::Service)? };
    let edit = |policy: &mut _| policy::bind(policy, EVERYBODY, &[]) | policy::bind(policy, EVERY_ACCOUNT, &[]);
    policy::change(cx, on, edit).await
}

/// Makes the revision differ from a broken one with the same content: Cloud Run makes no new revision if nothing
/// changes.
fn once_more(cx: Context<'_>, template: RevisionTemplate) -> RevisionTemplate {
    template.set_annotations([(ATTEMPT, cx.gate.clock().now().to_string())])
}

/// Writes the labels that mark the set-up as complete, and whether IAM is asked for every caller. That is not the vendor's to
/// set: it takes the right to set the service's policy
/// (<https://docs.cloud.google.com/run/docs/authenticating/public#required-roles>).
pub(crate) async fn finish(
    cx: Context<'_>,
    marks: &Marks,
    access: &Access,
    found: &Service,
    template: RevisionTemplate,
) -> Result<()> {
    let name = path(cx)?;
    let ours = &marks.all(cx.name(Scope::Service)?);
    let unchecked = access.callers.are_unchecked();
    let service = &wanted_service(&access.ingress, &template).set_name(name).set_invoker_iam_disabled(unchecked);
    let mut rows = revision_rows(cx, op::PATCH_SERVICE);
    rows.push(op::GET_SERVICE);
    let is_other = found.invoker_iam_disabled != unchecked && !cx.is_vendors();
    if is_other {
        rows.push(op::SET_SERVICE_POLICY);
    }
    // The etag makes the second of two concurrent writers start again, so each attempt reads the labels anew.
    cx.call(&rows, || async {
        let found =
            cx.clients.run().await?.get_service().set_name(name).send().await.map_err(failed::run(cx.clients))?;
        // What somebody else has set beside a revision is taken away.
        let beside = changed_fields(cx, &found, service)?;
        let beside = beside.into_iter().filter(|path| !path.starts_with("template."));
        let mut fields: BTreeSet<&str> = beside.chain(["labels", "ingress"]).collect();
        if is_other {
            fields.insert("invokerIamDisabled");
        }
        let labels = labels::with(found.labels, ours.clone());
        let request = UpdateServiceRequest::new()
            .set_service(service.clone().set_labels(labels).set_etag(found.etag))
            .set_update_mask(FieldMask::default().set_paths(fields));
        cx.clients.run().await?.update_service().with_request(request).send().await.map_err(failed::run(cx.clients))
    })
    .await?;
    // Every write is rolled out.
    idle(cx).await.map(drop)
}

/// Sends a template, unless the service no longer has this etag; whatever it has, if the etag is empty.
///
/// Cloud Run answers an etag that is not the present one with `ABORTED`, as Google's APIs do
/// (<https://google.aip.dev/154>,
/// <https://docs.cloud.google.com/run/docs/reference/rest/v2/projects.locations.services#Service.FIELDS.etag>).
async fn send(cx: Context<'_>, template: RevisionTemplate, etag: &str) -> Result<()> {
    let service = Service::new().set_name(path(cx)?).set_template(template.clone()).set_traffic([latest()]);
    match patch(cx, service.set_etag(etag), &["template", "traffic"]).await {
        // The answer of an own attempt was lost.
        Err(error) if error.may_conflict_with_itself() && is_sent(&idle(cx).await?, &template) => Ok(()),
        sent => sent,
    }
}

/// Whether the service has the template that was sent.
fn is_sent(found: &Service, sent: &RevisionTemplate) -> bool {
    let has = |found: &RevisionTemplate| {
        differs(found, sent).is_none() && found.annotations.get(ATTEMPT) == sent.annotations.get(ATTEMPT)
    };
    found.template.as_ref().is_some_and(has)
}

/// Patches the service. Without `allowMissing`, this never creates one.
async fn patch(cx: Context<'_>, service: Service, fields: &[&str]) -> Result<()> {
    let mask = FieldMask::default().set_paths(fields.iter().copied());
    let is_conditional = !service.etag.is_empty();
    let request = UpdateServiceRequest::new().set_service(service).set_update_mask(mask);
    cx.call(&revision_rows(cx, op::PATCH_SERVICE), || async {
        let sent = cx.clients.run().await?.update_service().with_request(request.clone()).send().await;
        sent.map_err(failed::run(cx.clients)).map_err(|error| match error.kind() {
            ErrorKind::Busy if is_conditional => error.into_conflict(),
            _ => error,
        })
    })
    .await
    .map(drop)
}

/// Why the service does not work; `None` if it works or may do so soon.
fn broken(found: &Service) -> Option<String> {
    let condition = found.terminal_condition.as_ref()?;
    (condition.state == State::ConditionFailed && !found.reconciling).then(|| condition.message.clone())
}

/// Waits until no change is in progress.
async fn idle(cx: Context<'_>) -> Result<Service> {
    cx.until(PATIENCE, || async move {
        let found = look(cx).await?;
        let settled = !found.reconciling && found.observed_generation >= found.generation;
        Ok(if settled {
            ControlFlow::Break(found)
        } else {
            ControlFlow::Continue("a revision of it is being rolled out".to_owned())
        })
    })
    .await
}

/// Waits until the service works.
async fn settle(cx: Context<'_>) -> Result<Service> {
    let found = idle(cx).await?;
    match broken(&found) {
        None => Ok(found),
        Some(why) => Err(Error::new(ErrorKind::Failed, format!("the new revision does not work: {why}"))
            .in_operation(op::GET_SERVICE.call)),
    }
}

/// Sends a revision and waits until it works. If it does not, the previous revision is sent again; until then Cloud Run
/// keeps serving the last one that worked (<https://docs.cloud.google.com/run/docs/managing/revisions>).
pub(crate) async fn update(
    cx: Context<'_>,
    change: &Change,
    old: RevisionTemplate,
    new: RevisionTemplate,
) -> Result<()> {
    let (code, settings) = change.since(cx.resource()?);
    if !code && !settings {
        return Ok(());
    }
    // The look that the update is based on, or else one of now: whoever writes after it is not overwritten.
    let seen = match change.revision() {
        Some(etag) => etag.to_owned(),
        None => look(cx).await?.etag,
    };
    let new = if change.again { once_more(cx, new) } else { new };
    let sent = async {
        send(cx, new.clone(), &seen).await?;
        let found = settle(cx).await?;
        if is_sent(&found, &new) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Conflict, "it runs another revision").into_conflict().with_sent())
    };
    let back = async {
        let found = look(cx).await?;
        if found.etag != seen && !is_sent(&found, &new) {
            return Err(Error::new(ErrorKind::Conflict, "it runs another revision").into_conflict());
        }
        send(cx, old, &found.etag).await?;
        settle(cx).await.map(drop)
    };
    or_undo(sent.await, back, "revision").await
}

/// Sends the template that runs with another annotation. Any change of it makes a new revision, whose instances are new
/// (<https://docs.cloud.google.com/run/docs/managing/revisions>); until they work, the revision before serves.
pub(crate) async fn redeploy(cx: Context<'_>) -> Result<()> {
    let found = idle(cx).await?;
    let running = found.template.ok_or_else(|| Error::missing_field("template of the service"))?;
    let mut annotations = running.annotations.clone();
    annotations.insert(ATTEMPT.to_owned(), cx.gate.clock().now().to_string());
    // A name that somebody gave to the revision cannot be another's.
    let template = running.set_revision("").set_annotations(annotations);
    let service = Service::new().set_name(path(cx)?).set_template(template.clone()).set_etag(found.etag);
    match patch(cx, service, &["template"]).await {
        // The answer of an own attempt was lost.
        Err(error) if error.may_conflict_with_itself() && is_sent(&idle(cx).await?, &template) => {}
        sent => sent?,
    }
    settle(cx).await.map(drop)
}

pub(crate) async fn delete(cx: Context<'_>) -> Result<Removal> {
    let name = path(cx)?;
    let gone = cx.call(&[op::DELETE_SERVICE], || async {
        cx.clients.run().await?.delete_service().set_name(name).send().await.map_err(failed::run(cx.clients))
    });
    gone.await.optional()?;
    cx.until_gone(PATIENCE, || look(cx)).await?;
    Ok(Removal::Gone)
}

/// Calls GetService, and nothing else.
pub(crate) async fn heartbeat(cx: Context<'_>) -> Result<Heartbeat> {
    let found = look(cx).await?;
    let beat = match broken(&found) {
        Some(why) => Heartbeat::new(Health::Degraded, why),
        None if found.reconciling => Heartbeat::new(Health::Degraded, "a revision of it is being rolled out"),
        None => Heartbeat::new(Health::Healthy, format!("{} serves", last(&found.latest_ready_revision))),
    };
    Ok(match found.template.as_ref().and_then(|template| template.containers.first()) {
        Some(container) => beat.running(digest(&container.image)),
        None => beat,
    })
}

/// The digest of an image; its whole reference if it has none.
fn digest(image: &str) -> &str {
    image.split_once('@').map_or(image, |(_, digest)| digest)
}

/// Calls GetService, and nothing else.
pub(crate) async fn running(cx: Context<'_>) -> Result<Runs> {
    let found = look(cx).await?;
    let template = found.template.unwrap_or_default();
    let told = Running::new().with_revision(found.etag);
    let Some(container) = template.containers.first() else { return Ok(Runs::Settings(told)) };
    let plain = variables(container).into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
    let mut running = told.with_code(CodeForm::Image(container.image.clone())).with_environment(plain);
    let limits = container.resources.clone().unwrap_or_default().limits;
    running.memory_mib = limits.get("memory").and_then(|memory| mebibytes(memory));
    running.cpu_millis = limits.get("cpu").and_then(|cpu| millis(cpu));
    running.timeout_seconds = template.timeout.and_then(|timeout| timeout.seconds().try_into().ok());
    let count = |count: i32| u32::try_from(count).ok();
    running.replicas = template.scaling.and_then(|scaling| {
        Some(Replicas { min: count(scaling.min_instance_count)?, max: count(scaling.max_instance_count)? })
    });
    Ok(Runs::Settings(running))
}
