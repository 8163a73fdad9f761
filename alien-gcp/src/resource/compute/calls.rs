//! The calls of a service, whichever kind it is.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::time::Duration;

use alien_core::cloud::Operation;
use alien_core::engine::mark::{ownership, seal};
use alien_core::engine::{Data, Marks, Observed, Removal};
use alien_core::manage::{Change, Health, Heartbeat};
use alien_core::resource::{Resource, Settings};
use alien_core::{Code, Error, ErrorKind, OrAbsent, Result};
use google_cloud_run_v2::model::condition::State;
use google_cloud_run_v2::model::env_var::Values;
use google_cloud_run_v2::model::vpc_access::{NetworkInterface, VpcEgress};
use google_cloud_run_v2::model::{
    Container, CreateServiceRequest, EnvVar, IngressTraffic, ResourceRequirements, RevisionTemplate, Service,
    TrafficTarget, TrafficTargetAllocationType, UpdateServiceRequest, VpcAccess,
};
use google_cloud_wkt::FieldMask;

use super::super::{container, function};
use crate::client::{At, failure, just_made, labels};
use crate::identity::calls::admit;
use crate::naming::relative;
use crate::operations as op;
use crate::operations::Place;

/// How long a service may take until a new revision works, or until it is gone.
const PATIENCE: Duration = Duration::from_secs(600);

/// The service's name in calls.
fn path<'a>(at: At<'a>) -> Result<&'a str> {
    at.full_name(Place::Service).map(relative)
}

/// GetService, which also shows the environment variables.
pub(crate) async fn look(at: At<'_>) -> Result<Service> {
    let name = path(at)?;
    at.call(&[op::GET_SERVICE], || async { at.clients.run.get_service().set_name(name).send().await.map_err(failure) })
        .await
}

pub(crate) async fn observe(at: At<'_>) -> Result<Observed> {
    let Some(found) = look(at).await.or_absent()? else { return Ok(Observed::Absent) };
    let observed = labels::observed(at.site(), at.full_name(Place::Service)?, &found.labels);
    let Observed::Own { seal: Some(_), .. } = observed else { return Ok(observed) };
    // The vendor may have changed since what was set.
    let wanted = template(at, at.resource()?)?;
    let drift = match &found.template {
        _ if found.invoker_iam_disabled => Some("everybody may call it".to_owned()),
        _ if !serves_latest(&found) => Some("an older revision serves".to_owned()),
        Some(template) => differs(template, &wanted),
        None => None,
    };
    let drift = match drift.or_else(|| broken(&found).map(|why| format!("it does not work: {why}"))) {
        None => function::calls::wrong_push(at, &found).await?,
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
pub(crate) fn template(at: At<'_>, resource: &Resource) -> Result<RevisionTemplate> {
    let compute = resource.settings().compute().ok_or_else(|| Error::new(ErrorKind::Defect, "no code"))?;
    let Code::Image(image) = compute.code else {
        return Err(Error::new(ErrorKind::Input, "Cloud Run runs images, and this is a zip"));
    };
    let container = Container::new().set_image(image).set_env(environment(at, resource)?);
    let template = RevisionTemplate::new()
        .set_service_account(alien_core::call::last(at.full_name(Place::RuntimeAccount)?))
        .set_or_clear_vpc_access(vpc(at, compute.network)?);
    match resource.settings() {
        Settings::Function(settings) => Ok(function::calls::template(template, container, settings)),
        Settings::Container(settings) => Ok(container::calls::template(template, container, settings)),
        _ => Err(Error::new(ErrorKind::Defect, "no code")),
    }
}

/// The vendor's variables, and the address of each linked resource.
fn environment(at: At<'_>, resource: &Resource) -> Result<Vec<EnvVar>> {
    let site = at.site();
    let mut variables = resource.settings().compute().map(|compute| compute.environment.clone()).unwrap_or_default();
    for id in resource.links() {
        variables.insert(id.variable(), super::super::address(site, site.subject(id.as_str())?));
    }
    Ok(variables.into_iter().map(|(name, value)| EnvVar::new().set_name(name).set_value(value)).collect())
}

/// Straight into the subnetwork, for what goes to private addresses
/// (<https://docs.cloud.google.com/run/docs/configuring/vpc-direct-vpc>).
fn vpc(at: At<'_>, network: Option<&str>) -> Result<Option<VpcAccess>> {
    let Some(network) = network else { return Ok(None) };
    let network = at.about(at.site().subject(network)?);
    let interface = NetworkInterface::new().set_network(relative(network.full_name(Place::Network)?));
    // Of a network of the customer's, Cloud Run takes the subnetwork that has its name.
    let interface = match network.full_name(Place::Subnetwork) {
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
fn revision_rows(at: At<'_>, own: &'static Operation<Place>) -> Vec<&'static Operation<Place>> {
    let image = at.site().names.at(Place::Repository, at.subject).next().map(|_| op::PULL_IMAGE);
    [own, op::ACT_AS].into_iter().chain(image).collect()
}

/// Makes it; nothing starts it yet.
pub(crate) async fn create(at: At<'_>, marks: &Marks) -> Result<()> {
    let name = at.name(Place::Service)?;
    let parent = path(at)?.rsplit_once("/services/").map_or("", |(parent, _)| parent);
    let service = Service::new()
        .set_labels(ownership(marks, name))
        .set_ingress(ingress(at.resource()?))
        .set_template(template(at, at.resource()?)?);
    let request = CreateServiceRequest::new().set_parent(parent).set_service_id(name).set_service(service);
    at.call(&revision_rows(at, op::CREATE_SERVICE), || async {
        let made = at.clients.run.create_service().with_request(request.clone()).send().await;
        made.map_err(failure).map_err(|error| match error.kind() {
            // An account that was just made is not known everywhere, and nobody may act as it before.
            ErrorKind::Denied if error.message().contains("actAs") => error.with_kind(ErrorKind::Settling),
            _ => error,
        })
    })
    .await?;
    at.call(&[op::GET_SERVICE], || async {
        let found = at.clients.run.get_service().set_name(path(at)?).send().await;
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
pub(crate) async fn set(at: At<'_>) -> Result<Service> {
    let wanted = template(at, at.resource()?)?;
    let found = idle(at).await?;
    let same = found.template.as_ref().is_some_and(|template| differs(template, &wanted).is_none());
    if broken(&found).is_some() {
        send(at, once_more(at, wanted)).await?;
    } else if !same || !serves_latest(&found) {
        send(at, wanted).await?;
    }
    let found = settle(at).await?;
    admit(at).await?;
    Ok(found)
}

/// A revision that says the same as one that does not work is none, unless something else is new.
fn once_more(at: At<'_>, template: RevisionTemplate) -> RevisionTemplate {
    template.set_annotations([("alien-attempt", at.call.clock().now().as_second().to_string())])
}

/// Writes the labels that say that all of it is set, and lets nobody in whom no policy names.
pub(crate) async fn mark_set(at: At<'_>, marks: &Marks) -> Result<()> {
    let found = look(at).await?;
    let ours = ownership(marks, at.name(Place::Service)?).into_iter().chain(seal(marks));
    let service = Service::new()
        .set_name(path(at)?)
        .set_labels(labels::with(found.labels, ours))
        .set_ingress(ingress(at.resource()?))
        .set_template(template(at, at.resource()?)?);
    let fields: &[&str] = if found.invoker_iam_disabled {
        &["labels", "ingress", "invoker_iam_disabled"]
    } else {
        &["labels", "ingress"]
    };
    patch(at, service, fields).await?;
    // Whatever is written is rolled out.
    idle(at).await.map(drop)
}

async fn send(at: At<'_>, template: RevisionTemplate) -> Result<()> {
    let service = Service::new().set_name(path(at)?).set_template(template).set_traffic([latest()]);
    patch(at, service, &["template", "traffic"]).await
}

/// Without `allowMissing`, nothing is made by this.
async fn patch(at: At<'_>, service: Service, fields: &[&str]) -> Result<()> {
    let mask = FieldMask::default().set_paths(fields.iter().copied());
    let request = UpdateServiceRequest::new().set_service(service).set_update_mask(mask);
    at.call(&revision_rows(at, op::PATCH_SERVICE), || async {
        at.clients.run.update_service().with_request(request.clone()).send().await.map_err(failure)
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
async fn idle(at: At<'_>) -> Result<Service> {
    at.until(PATIENCE, || async move {
        let found = look(at).await?;
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
async fn settle(at: At<'_>) -> Result<Service> {
    let found = idle(at).await?;
    match broken(&found) {
        None => Ok(found),
        Some(why) => Err(Error::new(ErrorKind::Failed, format!("the new revision does not work: {why}"))
            .in_operation(op::GET_SERVICE.call)),
    }
}

/// Sends a revision and waits until it works. Where it does not, what was is sent again; Cloud Run itself goes on with the
/// revision that worked last (<https://docs.cloud.google.com/run/docs/managing/revisions>).
pub(crate) async fn update(at: At<'_>, change: &Change) -> Result<()> {
    let old = at.resource()?;
    let (code, settings) = change.since(old);
    if !code && !settings {
        return Ok(());
    }
    let undo = |error: &Error| matches!(error.kind(), ErrorKind::Failed | ErrorKind::Refused | ErrorKind::TooLarge);
    let sent = async {
        let template = template(at, &change.resource)?;
        send(at, if change.again { once_more(at, template) } else { template }).await?;
        settle(at).await.map(drop)
    };
    match sent.await {
        Err(error) if undo(&error) => {
            let back = async {
                send(at, template(at, old)?).await?;
                settle(at).await.map(drop)
            };
            Err(error.with_undo(back.await, "revision"))
        }
        sent => sent,
    }
}

pub(crate) async fn delete(at: At<'_>, _: Data) -> Result<Removal> {
    let name = path(at)?;
    let gone = at.call(&[op::DELETE_SERVICE], || async {
        at.clients.run.delete_service().set_name(name).send().await.map_err(failure)
    });
    gone.await.or_absent()?;
    at.until_gone(PATIENCE, || look(at)).await
}

/// GetService, and nothing else.
pub(crate) async fn heartbeat(at: At<'_>) -> Result<Heartbeat> {
    let found = look(at).await?;
    Ok(match broken(&found) {
        Some(why) => Heartbeat::new(Health::Degraded, why),
        None if found.reconciling => Heartbeat::new(Health::Degraded, "a revision of it is being rolled out"),
        None => {
            Heartbeat::new(Health::Healthy, format!("{} serves", alien_core::call::last(&found.latest_ready_revision)))
        }
    })
}
