//! What functions and containers share: both are Cloud Run services, with the same log buckets.

#[cfg(feature = "client")]
pub(crate) mod calls;
#[cfg(feature = "client")]
pub(crate) mod logs;

use alien_core::adapter::{CodeForms, Fields, Operation, Placed, Rows};
use alien_core::{Code, CodeForm, Lifecycle, Set};

use crate::Gcp;
use crate::naming::Paths;
use crate::operations as op;
use crate::operations::Scope;

/// The longest name of a service, in characters
/// (<https://docs.cloud.google.com/run/docs/reference/rest/v2/projects.locations.services/create>).
const MAX: usize = 49;

/// The longest id of a log bucket, in characters.
const LOG_BUCKET_MAX: usize = 100;

/// What Cloud Run runs: images alone (<https://docs.cloud.google.com/run/docs/deploying>). One in Artifact Registry is taken
/// before one of another registry.
pub(super) const CODE: CodeForms = CodeForms::IMAGE.preferring(&["-docker.pkg.dev"]);

/// Every field of a service that `run.services.update` can write
/// (<https://docs.cloud.google.com/run/docs/reference/rest/v2/projects.locations.services#resource:-service>).
///
/// IAM has no condition on fields of a request. What the code does with a mount, a secret or a key, it does as its own service
/// account or as an agent of Google's; the network that it is placed in is checked for the service agent alone, not for the
/// caller (<https://docs.cloud.google.com/run/docs/configuring/vpc-direct-vpc#set-up-iam-permissions>).
pub(super) const SERVICE: &[Fields] = &[
    Fields::call(&["name", "etag", "client", "clientVersion", "template.client", "template.clientVersion"]),
    Fields::vendors(&[
        "annotations",
        "buildConfig",
        "description",
        "functionalType",
        "launchStage",
        "template.annotations",
        "template.containers",
        "template.executionEnvironment",
        "template.healthCheckDisabled",
        "template.labels",
        "template.maxInstanceRequestConcurrency",
        "template.revision",
        "template.sandboxes",
        "template.scaling",
        "template.sessionAffinity",
        "template.timeout",
    ]),
    Fields::needing("iam.serviceAccounts.actAs", &["template.serviceAccount"]),
    Fields::needing("run.services.setIamPolicy", &["invokerIamDisabled"]),
    Fields::restored(
        "",
        &[
            "customAudiences",
            "multiRegionSettings",
            "template.containers[].args",
            "template.containers[].command",
            "template.gpuZonalRedundancyDisabled",
            "traffic",
        ],
    ),
    Fields::restored(
        "have it built anew as another account of the project, as far as Cloud Build may",
        &["buildConfig.serviceAccount", "template.containers[].buildConfig.serviceAccount"],
    ),
    Fields::restored("write the labels that say whose it is", &["labels"]),
    Fields::restored("let it be reached from other networks and from the internet", &["ingress", "defaultUriDisabled"]),
    Fields::restored("put the Identity-Aware Proxy before it, or take it away", &["iapEnabled"]),
    Fields::restored("open a shell in its instances", &["sshEnabled"]),
    Fields::restored(
        "skip Binary Authorization by its break-glass field",
        &["binaryAuthorization.breakglassJustification"],
    ),
    Fields::disclosed("choose another policy of Binary Authorization, or none", &["binaryAuthorization"]),
    Fields::restored(
        "run more instances than the stack says, and other hardware",
        &["scaling", "template.nodeSelector"],
    ),
    Fields::restored("run it as another workload identity", &["template.workloadIdentityConfig"]),
    Fields::restored(
        "attach it to any network of the project",
        &["template.ambientNetworking", "template.serviceMesh", "template.vpcAccess"],
    ),
    Fields::restored(
        "mount file systems, buckets and secrets that its network and its account let it reach",
        &["template.containers[].volumeMounts", "template.volumes"],
    ),
    Fields::restored(
        "encrypt its instances with another key",
        &["template.encryptionKey", "template.encryptionKeyRevocationAction", "template.encryptionKeyShutdownDuration"],
    ),
];

/// The fields of the operations that both kinds share.
pub(super) fn writes(row: &Operation<Scope>) -> &'static [Fields] {
    if row == op::PATCH_SERVICE { SERVICE } else { &[] }
}

/// The permission sets of both kinds.
pub(super) fn set(set: Set) -> Rows<Gcp> {
    match set {
        Set::Heartbeat => &[op::GET_SERVICE],
        Set::Management => &[op::PATCH_SERVICE, op::ACT_AS, op::PULL_IMAGE],
        Set::Logs => &[op::READ_LOG_VIEW],
        Set::Provision => &[op::CREATE_SERVICE, op::PATCH_SERVICE, op::DELETE_SERVICE, op::ACT_AS, op::PULL_IMAGE],
        Set::Setup => {
            &[op::GET_SERVICE_POLICY, op::SET_SERVICE_POLICY, op::GET_REPOSITORY_POLICY, op::SET_REPOSITORY_POLICY]
        }
        Set::Dispatch | Set::Invoke | Set::Run | Set::Reconfigure | Set::DataRead | Set::DataWrite => &[],
    }
}

/// Adds the names of a service. The logs of live services go to one bucket and those of frozen ones to another, because
/// a view's filter cannot select services, but a sink's filter can
/// (<https://docs.cloud.google.com/logging/docs/logs-views>).
pub(super) fn names(placed: &Placed<'_, Gcp>, things: &mut Vec<(Scope, String)>) {
    let (paths, settings) = (Paths(placed.target), placed.resource.settings());
    let name = paths.physical(placed.id(), MAX);
    let location = paths.0.location.as_str();
    let service = paths.full("run", &["locations/", location, "/services/", &name]);
    if settings.triggers().next().is_some() {
        things.push((Scope::TriggeredService, service.clone()));
    }
    things.insert(0, (Scope::Service, service));
    things.push((Scope::LogView, [&log_bucket(paths, placed.resource.lifecycle()), "/views/_AllLogs"].concat()));
    if let Some(repository) = settings.compute().and_then(|compute| repository(paths, compute.code)) {
        things.push((Scope::Repository, repository));
    }
}

/// The log bucket of all live services, or of all frozen ones.
fn log_bucket(paths: Paths<'_>, lifecycle: Lifecycle) -> String {
    let bucket = paths.physical(lifecycle.name(), LOG_BUCKET_MAX);
    paths.in_project(&["locations/", paths.0.location.as_str(), "/buckets/", &bucket])
}

/// The repository of an image in the customer's own Artifact Registry,
/// `{region}-docker.pkg.dev/{project}/{repository}/…`. `None` for an image in another project: that project grants
/// access to it.
fn repository(paths: Paths<'_>, code: &Code) -> Option<String> {
    let Some(CodeForm::Image(image)) = code.only() else { return None };
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
