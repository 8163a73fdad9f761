//! The calls of a service, whichever kind it is.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::time::Duration;

use alien_core::cloud::Operation;
use alien_core::engine::mark::{ownership, seal};
use alien_core::engine::{Data, Marks, Observed, Removal};
use alien_core::manage::{Change, Health, Heartbeat};
use alien_core::resource::{Resource, Settings};
use alien_core::{Code, Error, ErrorKind, OptionalExt, Result};
use google_cloud_run_v2::model::condition::State;
use google_cloud_run_v2::model::env_var::Values;
use google_cloud_run_v2::model::vpc_access::{NetworkInterface, VpcEgress};
use google_cloud_run_v2::model::{
    Container, CreateServiceRequest, EnvVar, IngressTraffic, ResourceRequirements, RevisionTemplate, Service,
    TrafficTarget, TrafficTargetAllocationType, UpdateServiceRequest, VpcAccess,
};
use google_cloud_wkt::FieldMask;

use super::super::{container, function};
use crate::client::{Context, failure, just_made, labels};
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

pub(crate) async fn observe(cx: Context<'_>) -> Result<Observed> {
    let Some(found) = look(cx).await.optional()? else { return Ok(Observed::Absent) };
    let observed = labels::observed(cx.site(), cx.full_name(Scope::Service)?, &found.labels);
    let Observed::Own { seal: Some(_), .. } = observed else { return Ok(observed) };
    // The vendor may have changed since what was set.
    let wanted = template(cx, cx.resource()?)?;
    let drift = match &found.template {
        _ if found.invoker_iam_disabled => Some("everybody may call it".to_owned()),
        _ if !serves_latest(&found) => Some("an older revision serves".to_owned()),
        Some(template) => differs(template, &wanted),
        None => None,
    };
    let drift = match drift.or_else(|| broken(&found).map(|why| format!("it does not work: {why}"))) {
        None => function::calls::wrong_push(cx, &found).await?,
        drift => drift,
    };
    Ok(observed.drifted(drift))
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
        interfaces.map(|one| alien_core::call::last(&one.subnetwork).to_owned()).collect::<Vec<_>>()
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

/// What runs, under which identity and where: all that a revision says.
pub(crate) fn template(cx: Context<'_>, resource: &Resource) -> Result<RevisionTemplate> {
    let compute = resource.settings().compute().ok_or_else(|| Error::new(ErrorKind::Internal, "no code"))?;
    let Code::Image(image) = compute.code else {
        return Err(Error::new(ErrorKind::Input, "Cloud Run runs images, and this is a zip"));
    };
    let container = Container::new().set_image(image).set_env(environment(cx, resource)?);
    let template = RevisionTemplate::new()
        .set_service_account(alien_core::call::last(cx.full_name(Scope::RuntimeAccount)?))
        .set_or_clear_vpc_access(vpc(cx, compute.network)?);
    match resource.settings() {
        Settings::Function(settings) => Ok(function::calls::template(template, container, settings)),
        Settings::Container(settings) => Ok(container::calls::template(template, container, settings)),
        _ => Err(Error::new(ErrorKind::Internal, "no code")),
    }
}

/// The vendor's variables, and the address of each linked resource.
fn environment(cx: Context<'_>, resource: &Resource) -> Result<Vec<EnvVar>> {
    let site = cx.site();
    let mut variables = resource.settings().compute().map(|compute| compute.environment.clone()).unwrap_or_default();
    for id in resource.links() {
        variables.insert(id.variable(), super::super::address(site, site.subject(id.as_str())?));
    }
    Ok(variables.into_iter().map(|(name, value)| EnvVar::new().set_name(name).set_value(value)).collect())
}

/// Straight into the subnetwork, for what goes to private addresses
/// (<https://docs.cloud.google.com/run/docs/configuring/vpc-direct-vpc>).
fn vpc(cx: Context<'_>, network: Option<&str>) -> Result<Option<VpcAccess>> {
    let Some(network) = network else { return Ok(None) };
    let network = cx.about(cx.site().subject(network)?);
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
    let image = cx.site().names.at(Scope::Repository, cx.subject).next().map(|_| op::PULL_IMAGE);
    [own, op::ACT_AS].into_iter().chain(image).collect()
}

/// Makes it; nothing starts it yet.
pub(crate) async fn create(cx: Context<'_>, marks: &Marks) -> Result<()> {
    let name = cx.name(Scope::Service)?;
    let parent = path(cx)?.rsplit_once("/services/").map_or("", |(parent, _)| parent);
    let service = Service::new()
        .set_labels(ownership(marks, name))
        .set_ingress(ingress(cx.resource()?))
        .set_template(template(cx, cx.resource()?)?);
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
        let found = cx.clients.run.get_service().set_name(path(cx)?).send().await;
        found.map_err(failure).map_err(just_made)
    })
    .await
    .map(drop)
}

/// Only what may reach it can be told to: who may is for its policy. A container is for what is in the network.
fn ingress(resource: &Resource) -> IngressTraffic {
    match resource.settings() {
        Settings::Container(_) => IngressTraffic::InternalOnly,
        _ => IngressTraffic::All,
    }
}

/// Sends what differs, waits until it works, and admits whom the stack lets in. The seal is for the kind to write.
pub(crate) async fn set(cx: Context<'_>) -> Result<Service> {
    let wanted = template(cx, cx.resource()?)?;
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
    template.set_annotations([("alien-attempt", cx.call.clock().now().as_second().to_string())])
}

/// Writes the labels that say that all of it is set, and lets nobody in whom no policy names.
pub(crate) async fn mark_set(cx: Context<'_>, marks: &Marks) -> Result<()> {
    let found = look(cx).await?;
    let ours = ownership(marks, cx.name(Scope::Service)?).into_iter().chain(seal(marks));
    let service = Service::new()
        .set_name(path(cx)?)
        .set_labels(labels::with(found.labels, ours))
        .set_ingress(ingress(cx.resource()?))
        .set_template(template(cx, cx.resource()?)?);
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
pub(crate) async fn update(cx: Context<'_>, change: &Change) -> Result<()> {
    let old = cx.resource()?;
    let (code, settings) = change.since(old);
    if !code && !settings {
        return Ok(());
    }
    let undo = |error: &Error| matches!(error.kind(), ErrorKind::Failed | ErrorKind::Rejected | ErrorKind::TooLarge);
    let sent = async {
        let template = template(cx, &change.resource)?;
        send(cx, if change.again { once_more(cx, template) } else { template }).await?;
        settle(cx).await.map(drop)
    };
    match sent.await {
        Err(error) if undo(&error) => {
            let back = async {
                send(cx, template(cx, old)?).await?;
                settle(cx).await.map(drop)
            };
            Err(error.with_undo(back.await, "revision"))
        }
        sent => sent,
    }
}

pub(crate) async fn delete(cx: Context<'_>, _: Data) -> Result<Removal> {
    let name = path(cx)?;
    let gone = cx.call(&[op::DELETE_SERVICE], || async {
        cx.clients.run.delete_service().set_name(name).send().await.map_err(failure)
    });
    gone.await.optional()?;
    cx.until_gone(PATIENCE, || look(cx)).await
}

/// GetService, and nothing else.
pub(crate) async fn heartbeat(cx: Context<'_>) -> Result<Heartbeat> {
    let found = look(cx).await?;
    Ok(match broken(&found) {
        Some(why) => Heartbeat::new(Health::Degraded, why),
        None if found.reconciling => Heartbeat::new(Health::Degraded, "a revision of it is being rolled out"),
        None => {
            Heartbeat::new(Health::Healthy, format!("{} serves", alien_core::call::last(&found.latest_ready_revision)))
        }
    })
}
