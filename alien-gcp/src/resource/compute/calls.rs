//! The calls of a service, whichever kind it is.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::time::Duration;

use alien_core::adapter::{Change, Marks, Observed, Operation, Removal, ResultExt, environment, last, or_undo};
use alien_core::{Code, Error, ErrorKind, Health, Heartbeat, Resource, Result};
use google_cloud_run_v2::model::condition::State;
use google_cloud_run_v2::model::env_var::Values;
use google_cloud_run_v2::model::vpc_access::{NetworkInterface, VpcEgress};
use google_cloud_run_v2::model::{
    Container, CreateServiceRequest, EnvVar, IngressTraffic, ResourceRequirements, RevisionTemplate, Service,
    TrafficTarget, TrafficTargetAllocationType, UpdateServiceRequest, VpcAccess,
};
use google_cloud_wkt::FieldMask;

use crate::client::{Context, failure, labels};
use crate::identity::calls::admit;
use crate::naming::relative;
use crate::operations as op;
use crate::operations::Scope;

/// How long a service may take until a new revision works, or until it is gone.
const PATIENCE: Duration = Duration::from_secs(600);

/// The service's name in calls.
fn path<'a>(cx: Context<'a>) -> Result<&'a str> {
    cx.full_name(Scope::Service).map(relative)
}

/// GetService, which also shows the environment variables.
pub(crate) async fn look(cx: Context<'_>) -> Result<Service> {
    let name = path(cx)?;
    cx.call(&[op::GET_SERVICE], || async { cx.clients.run.get_service().set_name(name).send().await.map_err(failure) })
        .await
}

/// What was found: whose it is, and how it differs from what is wanted. The vendor may have changed it since it was set.
pub(crate) fn observed(cx: Context<'_>, found: &Service, wanted: &RevisionTemplate) -> Result<Observed> {
    let marks = labels::marks(&found.labels);
    let observed = Observed::marked(cx.full_name(Scope::Service)?, cx.deployment().id, marks);
    let drift = match &found.template {
        _ if found.invoker_iam_disabled => Some("everybody may call it".to_owned()),
        _ if !serves_latest(found) => Some("an older revision serves".to_owned()),
        Some(template) => differs(template, wanted),
        None => None,
    };
    Ok(observed.drifted(drift.or_else(|| broken(found).map(|why| format!("it does not work: {why}")))))
}

/// Everything that comes in goes to the revision that was rolled out last.
fn latest() -> TrafficTarget {
    TrafficTarget::new().set_type(TrafficTargetAllocationType::Latest).set_percent(100)
}

fn serves_latest(found: &Service) -> bool {
    match found.traffic.as_slice() {
        [] => true,
        [one] => one.r#type == TrafficTargetAllocationType::Latest,
        _ => false,
    }
}

/// How a revision differs from what is wanted, in what the stack says. Google fills in the rest.
fn differs(found: &RevisionTemplate, wanted: &RevisionTemplate) -> Option<String> {
    let of = |template: &RevisionTemplate| template.containers.first().cloned().unwrap_or_default();
    let (is, due) = (of(found), of(wanted));
    let limits = |container: &Container| container.resources.clone().unwrap_or_default().limits;
    let ports = |container: &Container| container.ports.iter().map(|port| port.container_port).collect::<Vec<_>>();
    let scale = |template: &RevisionTemplate| {
        template.scaling.as_ref().map(|scaling| (scaling.min_instance_count, scaling.max_instance_count))
    };
    let same_port = due.ports.is_empty() || ports(&is) == ports(&due);
    let place = |template: &RevisionTemplate| {
        let access = template.vpc_access.clone().unwrap_or_default();
        let interfaces = access.network_interfaces.into_iter();
        interfaces.map(|one| last(&one.subnetwork).to_owned()).collect::<Vec<_>>()
    };
    // What nobody here sets, nobody should have set.
    let more = found.containers.len() > 1 || !found.volumes.is_empty() || !is.command.is_empty() || !is.args.is_empty();
    if is.image != due.image {
        return Some("other code".to_owned());
    }
    if variables(&is) != variables(&due)
        || limits(&is) != limits(&due)
        || !same_port
        || more
        || place(found) != place(wanted)
        || scale(found) != scale(wanted)
        || found.timeout != wanted.timeout
    {
        return Some("other settings".to_owned());
    }
    (found.service_account != wanted.service_account).then(|| format!("it runs as `{}`", found.service_account))
}

fn variables(container: &Container) -> BTreeMap<&str, Option<&str>> {
    container
        .env
        .iter()
        .map(|variable| {
            let value = match &variable.values {
                Some(Values::Value(value)) => Some(value.as_str()),
                _ => None,
            };
            (variable.name.as_str(), value)
        })
        .collect()
}

/// What runs, under which identity and where: what a revision says of either kind. The container is for the kind to put in.
pub(crate) async fn revision(cx: Context<'_>, resource: &Resource) -> Result<(RevisionTemplate, Container)> {
    let compute = resource.settings().compute().ok_or_else(|| Error::new(ErrorKind::Internal, "no code"))?;
    let Code::Image(image) = compute.code else {
        return Err(Error::new(ErrorKind::Input, "Cloud Run runs images, and this is a zip"));
    };
    let variables = environment(cx, resource).await?;
    let variables = variables.into_iter().map(|(name, value)| EnvVar::new().set_name(name).set_value(value));
    let template = RevisionTemplate::new()
        .set_service_account(last(cx.full_name(Scope::RuntimeAccount)?))
        .set_or_clear_vpc_access(vpc(cx, compute.network)?);
    Ok((template, Container::new().set_image(image).set_env(variables)))
}

/// Straight into the subnetwork, for what goes to private addresses
/// (<https://docs.cloud.google.com/run/docs/configuring/vpc-direct-vpc>).
fn vpc(cx: Context<'_>, network: Option<&str>) -> Result<Option<VpcAccess>> {
    let Some(network) = network else { return Ok(None) };
    let network = cx.about(cx.deployment().subject(network)?);
    let interface = NetworkInterface::new().set_network(relative(network.full_name(Scope::Network)?));
    // Of a network of the customer's, Cloud Run takes the subnetwork that has its name.
    let interface = match network.full_name(Scope::Subnetwork) {
        Ok(subnetwork) => interface.set_subnetwork(relative(subnetwork)),
        Err(_) => interface,
    };
    Ok(Some(VpcAccess::new().set_egress(VpcEgress::PrivateRangesOnly).set_network_interfaces([interface])))
}

/// Limits of a container: whole and thousandth processors, and memory.
pub(crate) fn limits(cpu_millis: u32, memory_mib: u32) -> ResourceRequirements {
    let limits = HashMap::from([
        (
            "cpu".to_owned(),
            if cpu_millis.is_multiple_of(1000) { format!("{}", cpu_millis / 1000) } else { format!("{cpu_millis}m") },
        ),
        ("memory".to_owned(), format!("{memory_mib}Mi")),
    ]);
    ResourceRequirements::new().set_limits(limits)
}

/// Whoever sends a revision must be allowed its identity and its image.
fn revision_rows(cx: Context<'_>, own: &'static Operation<Scope>) -> Vec<&'static Operation<Scope>> {
    let image = cx.deployment().names().at(Scope::Repository, cx.subject).next().map(|_| op::PULL_IMAGE);
    [own, op::ACT_AS].into_iter().chain(image).collect()
}

/// Makes it; nothing starts it yet. What may reach it at all is its ingress: who may is for its policy.
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
        let made = cx.clients.run.create_service().with_request(request.clone()).send().await;
        made.map_err(failure).map_err(|error| match error.kind() {
            // An account that was just made is not known everywhere, and nobody may act as it before.
            ErrorKind::Denied if error.message().contains("actAs") => error.with_kind(ErrorKind::Propagating),
            _ => error,
        })
    })
    .await?;
    cx.call(&[op::GET_SERVICE], || async {
        cx.clients.run.get_service().set_name(path(cx)?).send().await.map_err(failure).propagating()
    })
    .await
    .map(drop)
}

/// Sends what differs, waits until it works, and admits whom the stack lets in. The fingerprint is for the kind to write, by
/// [`finish`].
pub(crate) async fn set(cx: Context<'_>, wanted: RevisionTemplate) -> Result<Service> {
    let found = idle(cx).await?;
    let same = found.template.as_ref().is_some_and(|template| differs(template, &wanted).is_none());
    if broken(&found).is_some() {
        send(cx, once_more(cx, wanted)).await?;
    } else if !same || !serves_latest(&found) {
        send(cx, wanted).await?;
    }
    let found = settle(cx).await?;
    admit(cx).await?;
    Ok(found)
}

/// A revision that says the same as one that does not work is none, unless something else is new.
fn once_more(cx: Context<'_>, template: RevisionTemplate) -> RevisionTemplate {
    template.set_annotations([("alien-attempt", cx.gate.clock().now().as_second().to_string())])
}

/// Writes the labels that say that all of it is set, and lets nobody in whom no policy names.
pub(crate) async fn finish(
    cx: Context<'_>,
    marks: &Marks,
    ingress: IngressTraffic,
    template: RevisionTemplate,
) -> Result<()> {
    let found = look(cx).await?;
    let ours = marks.ownership(cx.name(Scope::Service)?).into_iter().chain(marks.finished());
    let labels = labels::with(found.labels, ours);
    let service = Service::new().set_name(path(cx)?).set_labels(labels).set_ingress(ingress).set_template(template);
    let fields: &[&str] = if found.invoker_iam_disabled {
        &["labels", "ingress", "invoker_iam_disabled"]
    } else {
        &["labels", "ingress"]
    };
    patch(cx, service, fields).await?;
    // Whatever is written is rolled out.
    idle(cx).await.map(drop)
}

async fn send(cx: Context<'_>, template: RevisionTemplate) -> Result<()> {
    let service = Service::new().set_name(path(cx)?).set_template(template).set_traffic([latest()]);
    patch(cx, service, &["template", "traffic"]).await
}

/// Without `allowMissing`, nothing is made by this.
async fn patch(cx: Context<'_>, service: Service, fields: &[&str]) -> Result<()> {
    let mask = FieldMask::default().set_paths(fields.iter().copied());
    let request = UpdateServiceRequest::new().set_service(service).set_update_mask(mask);
    cx.call(&revision_rows(cx, op::PATCH_SERVICE), || async {
        cx.clients.run.update_service().with_request(request.clone()).send().await.map_err(failure)
    })
    .await
    .map(drop)
}

/// Why it does not work; nothing where it does, or may do so soon.
fn broken(found: &Service) -> Option<String> {
    let condition = found.terminal_condition.as_ref()?;
    (condition.state == State::ConditionFailed && !found.reconciling).then(|| condition.message.clone())
}

/// Waits until nothing is being done to it.
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

/// Waits until it works.
async fn settle(cx: Context<'_>) -> Result<Service> {
    let found = idle(cx).await?;
    match broken(&found) {
        None => Ok(found),
        Some(why) => Err(Error::new(ErrorKind::Failed, format!("the new revision does not work: {why}"))
            .in_operation(op::GET_SERVICE.call)),
    }
}

/// Sends a revision and waits until it works. Where it does not, what was is sent again; Cloud Run itself goes on with the
/// revision that worked last (<https://docs.cloud.google.com/run/docs/managing/revisions>).
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
    let sent = async {
        send(cx, if change.again { once_more(cx, new) } else { new }).await?;
        settle(cx).await.map(drop)
    };
    let back = async {
        send(cx, old).await?;
        settle(cx).await.map(drop)
    };
    or_undo(sent.await, back, "revision").await
}

pub(crate) async fn delete(cx: Context<'_>) -> Result<Removal> {
    let name = path(cx)?;
    let gone = cx.call(&[op::DELETE_SERVICE], || async {
        cx.clients.run.delete_service().set_name(name).send().await.map_err(failure)
    });
    gone.await.optional()?;
    cx.until_gone(PATIENCE, || look(cx)).await?;
    Ok(Removal::Gone)
}

/// GetService, and nothing else.
pub(crate) async fn heartbeat(cx: Context<'_>) -> Result<Heartbeat> {
    let found = look(cx).await?;
    Ok(match broken(&found) {
        Some(why) => Heartbeat::new(Health::Degraded, why),
        None if found.reconciling => Heartbeat::new(Health::Degraded, "a revision of it is being rolled out"),
        None => Heartbeat::new(Health::Healthy, format!("{} serves", last(&found.latest_ready_revision))),
    })
}
