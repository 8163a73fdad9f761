//! How a Cloud Run service and its revisions are compared with what is wanted, in the forms in which Google tells them.

use std::collections::{BTreeMap, HashMap};

use alien_core::adapter::{Fields, last};
use alien_core::{Error, ErrorKind, Result};
use google_cloud_run_v2::model::env_var::Values;
use google_cloud_run_v2::model::{
    Container, IngressTraffic, ResourceRequirements, RevisionTemplate, Service, TrafficTarget,
    TrafficTargetAllocationType,
};

use super::SERVICE;
use crate::client::Context;
use crate::target::Target;

/// The service as a set-up sets it, beside labels.
pub(super) fn wanted_service(ingress: &IngressTraffic, template: &RevisionTemplate) -> Service {
    Service::new().set_ingress(ingress.clone()).set_template(template.clone()).set_traffic([latest()])
}

/// The fields of a service that somebody changed, of those that a set-up restores. Labels are compared as marks.
pub(super) fn changed_fields(cx: Context<'_>, found: &Service, wanted: &Service) -> Result<Vec<&'static str>> {
    let target = cx.target();
    let due = wanted.template.iter().filter_map(|template| template.vpc_access.as_ref());
    let due = due.flat_map(|access| &access.network_interfaces).next();
    let form = |service: &Service| {
        let mut service = service.clone().set_labels(HashMap::<String, String>::new());
        if service.traffic.is_empty() {
            service.traffic = vec![latest()];
        }
        let interfaces = service.template.iter_mut().filter_map(|template| template.vpc_access.as_mut());
        for interface in interfaces.flat_map(|access| &mut access.network_interfaces) {
            // Where one of both is not named, Cloud Run takes the network that the subnetwork is in, and the subnetwork with the
            // network's name.
            let network =
                if interface.network.is_empty() { due.map(|due| &due.network) } else { Some(&interface.network) };
            let network = network.map_or_else(String::new, |network| whole(target, network, "global/networks"));
            interface.subnetwork = match interface.subnetwork.as_str() {
                "" => network.replacen("/global/networks/", &["/", &subnetworks(target), "/"].concat(), 1),
                named => whole(target, named, &subnetworks(target)),
            };
            interface.network = network;
        }
        serde_json::to_value(service).map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))
    };
    Ok(Fields::changed(SERVICE, &form(found)?, &form(wanted)?, |is, due| is == due))
}

/// Where the subnetworks of the target's region are, in a project.
fn subnetworks(target: &Target) -> String {
    format!("regions/{}/subnetworks", target.location)
}

/// The full name of a network or subnetwork, however Google tells it: by its URL, by the number of the target's project, or by its last
/// part alone, which is then of that project.
fn whole(target: &Target, named: &str, within: &str) -> String {
    let Some((_, path)) = named.split_once("projects/") else {
        return format!("projects/{}/{within}/{}", target.project, last(named));
    };
    match path.split_once('/') {
        Some((project, rest)) if project == target.project_number.to_string() => {
            format!("projects/{}/{rest}", target.project)
        }
        _ => format!("projects/{path}"),
    }
}

/// The image that a revision runs.
pub(super) fn code(template: &RevisionTemplate) -> Option<&str> {
    template.containers.first().map(|container| container.image.as_str())
}

/// Sends all traffic to the latest ready revision.
pub(super) fn latest() -> TrafficTarget {
    TrafficTarget::new().set_type(TrafficTargetAllocationType::Latest).set_percent(100)
}

/// How a revision differs from the wanted one in what the stack sets and the vendor may. Google fills in the other fields.
pub(super) fn differs(found: &RevisionTemplate, wanted: &RevisionTemplate) -> Option<String> {
    let of = |template: &RevisionTemplate| template.containers.first().cloned().unwrap_or_default();
    let (is, due) = (of(found), of(wanted));
    let limits = |container: &Container| container.resources.clone().unwrap_or_default().limits;
    let ports = |container: &Container| container.ports.iter().map(|port| port.container_port).collect::<Vec<_>>();
    let scale = |template: &RevisionTemplate| {
        template.scaling.as_ref().map(|scaling| (scaling.min_instance_count, scaling.max_instance_count))
    };
    let same_port = due.ports.is_empty() || ports(&is) == ports(&due);
    if is.image != due.image {
        return Some("other code".to_owned());
    }
    if variables(&is) != variables(&due)
        || limits(&is) != limits(&due)
        || !same_port
        || found.containers.len() > 1
        || scale(found) != scale(wanted)
        || found.timeout != wanted.timeout
    {
        return Some("other settings".to_owned());
    }
    (found.service_account != wanted.service_account).then(|| format!("it runs as `{}`", found.service_account))
}

pub(super) fn variables(container: &Container) -> BTreeMap<&str, Option<&str>> {
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

/// The limits of a container: CPU in whole or thousandths of a vCPU, and memory.
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

/// Memory in MiB, from `512Mi` or `2Gi`.
pub(super) fn mebibytes(text: &str) -> Option<u32> {
    match text.strip_suffix("Gi") {
        Some(gib) => gib.parse::<u32>().ok()?.checked_mul(1024),
        None => text.strip_suffix("Mi")?.parse().ok(),
    }
}

/// Thousandths of a vCPU, from `500m` or `2`.
pub(super) fn millis(text: &str) -> Option<u32> {
    match text.strip_suffix('m') {
        Some(millis) => millis.parse().ok(),
        None => text.parse::<u32>().ok()?.checked_mul(1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_known_however_google_names_it_and_no_other_is() {
        let target = Target {
            project: "customer-project".parse().unwrap(),
            project_number: "123456789012".parse().unwrap(),
            location: "europe-west3".parse().unwrap(),
            prefix: "acme".parse().unwrap(),
            trust: crate::Trust::Vendor("vendor@vendor-project.iam.gserviceaccount.com".parse().unwrap()),
        };
        let within = subnetworks(&target);
        let (project, own) = (&target.project, format!("projects/{}/{within}/acme-net", target.project));
        for named in [
            "acme-net".to_owned(),
            own.clone(),
            format!("projects/{}/{within}/acme-net", target.project_number),
            format!("https://www.googleapis.com/compute/v1/projects/{project}/{within}/acme-net"),
        ] {
            assert_eq!(whole(&target, &named, &within), own, "{named}");
        }
        for other in [
            format!("projects/another/{within}/acme-net"),
            format!("projects/{project}/regions/us-east1/subnetworks/acme-net"),
            "acme-other".to_owned(),
        ] {
            assert_ne!(whole(&target, &other, &within), own, "{other}");
        }
    }

    #[test]
    fn what_cloud_run_says_of_sizes_is_read_as_it_was_written() {
        for (cpu, memory) in [(250, 512), (500, 128), (1000, 2048), (4000, 30720)] {
            let limits = limits(cpu, memory).limits;
            assert_eq!((millis(&limits["cpu"]), mebibytes(&limits["memory"])), (Some(cpu), Some(memory)));
        }
        assert_eq!((mebibytes("2Gi"), mebibytes("512M"), millis("half")), (Some(2048), None, None));
    }
}
