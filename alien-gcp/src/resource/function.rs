//! `function`: a Cloud Run service that scales to zero, and the view of its logs.

use alien_core::permission::Set;
use alien_core::resource::Resource;
use alien_core::{Code, Problem, Rule};

use super::Rows;
use crate::naming::Paths;
use crate::operations as op;
use crate::operations::Place;

/// A service name has at most 49 characters
/// (<https://docs.cloud.google.com/run/docs/reference/rest/v2/projects.locations.services/create>).
const MAX: usize = 49;

/// The id of a log bucket has at most 100 characters.
const LOG_BUCKET_MAX: usize = 100;

pub(super) fn set(set: Set) -> Rows {
    match set {
        Set::Dispatch | Set::Invoke => &[op::INVOKE_SERVICE],
        // Cloud Run writes what the code prints under its own identity: the code needs no right for its logs.
        Set::Run => &[op::PUSH_TO_SERVICE],
        _ => service_set(set),
    }
}

/// What functions and containers share: both are services.
pub(super) fn service_set(set: Set) -> Rows {
    match set {
        Set::Heartbeat => &[op::GET_SERVICE],
        Set::Management => &[op::PATCH_SERVICE, op::ACT_AS, op::PULL_IMAGE],
        Set::Logs => &[op::READ_LOG_VIEW],
        Set::Provision => &[
            op::CREATE_SERVICE,
            op::PATCH_SERVICE,
            op::DELETE_SERVICE,
            op::GET_SERVICE_OPERATION,
            op::ACT_AS,
            op::PULL_IMAGE,
        ],
        Set::Setup => &[
            op::GET_SERVICE_POLICY,
            op::SET_SERVICE_POLICY,
            op::CREATE_LOG_BUCKET,
            op::GET_LOG_BUCKET,
            op::DELETE_LOG_BUCKET,
            op::CREATE_SINK,
            op::GET_SINK,
            op::UPDATE_SINK,
            op::DELETE_SINK,
            op::GET_REPOSITORY_POLICY,
            op::SET_REPOSITORY_POLICY,
        ],
        Set::Dispatch | Set::Invoke | Set::Run | Set::Reconfigure | Set::DataRead | Set::DataWrite => &[],
    }
}

/// The logs of live services go to one bucket and those of frozen ones to another: the filter of a view cannot tell
/// services apart, that of a sink can (<https://docs.cloud.google.com/logging/docs/logs-views>).
pub(super) fn names(paths: Paths<'_>, resource: &Resource, things: &mut Vec<(Place, String)>) {
    let settings = resource.settings();
    let name = paths.physical(resource.id().as_str(), MAX);
    let location = paths.0.location.as_str();
    let service = paths.full("run", &["locations/", location, "/services/", &name]);
    if settings.triggers().next().is_some() {
        things.push((Place::TriggeredService, service.clone()));
    }
    things.insert(0, (Place::Service, service));
    let bucket = paths.physical(resource.lifecycle().name(), LOG_BUCKET_MAX);
    things.push((Place::LogView, paths.in_project(&["locations/", location, "/buckets/", &bucket, "/views/_AllLogs"])));
    if let Some(repository) = settings.compute().and_then(|compute| repository(paths, compute.code)) {
        things.push((Place::Repository, repository));
    }
}

/// The repository of an image in the customer's own Artifact Registry, `{region}-docker.pkg.dev/{project}/{repository}/…`.
/// What lies in another project is that project's to grant.
fn repository(paths: Paths<'_>, code: &Code) -> Option<String> {
    let Code::Image(image) = code else { return None };
    let mut parts = image.split('/');
    let location = parts.next()?.strip_suffix("-docker.pkg.dev")?;
    let (project, repository) = (parts.next()?, parts.next()?);
    parts.next()?;
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let ours = project == paths.0.project.as_str() && plain(location) && plain(repository);
    ours.then(|| paths.full("artifactregistry", &["locations/", location, "/repositories/", repository]))
}

/// Cloud Run runs images only (<https://docs.cloud.google.com/run/docs/deploying>).
pub(super) fn check(code: &Code, problems: &mut Vec<Problem>) {
    if let Code::Zip(_) = code {
        problems.push(Problem::error(
            Rule::Cloud,
            "Cloud Run runs images, and this is a zip".to_owned(),
            "ship the function as an image".to_owned(),
        ));
    }
}
