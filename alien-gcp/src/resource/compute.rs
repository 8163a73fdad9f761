//! What functions and containers share: both are Cloud Run services, with the same log buckets.

#[cfg(feature = "client")]
pub(crate) mod calls;
#[cfg(feature = "client")]
pub(crate) mod compared;
#[cfg(feature = "client")]
pub(crate) mod logs;

use std::collections::BTreeMap;

use alien_core::adapter::{CodeForms, Fields, Holder, Layout, Operation, Placed, Rows};
use alien_core::{Code, CodeForm, Lifecycle, Problem, RegistryGrant, ResourceId, Rule, Set};

use crate::Gcp;
use crate::naming::Paths;
use crate::operations as op;
use crate::operations::Scope;

/// The longest name of a service, in characters
/// (<https://docs.cloud.google.com/run/docs/reference/rest/v2/projects.locations.services/create>).
const MAX: usize = 49;

/// The longest id of a log bucket, in characters.
const LOG_BUCKET_MAX: usize = 100;

/// What Cloud Run runs: images alone, of these registries
/// (<https://docs.cloud.google.com/run/docs/deploying#images>). One in Artifact Registry is taken before one of another.
pub(super) const CODE: CodeForms = CodeForms::IMAGE.preferring(&[ARTIFACTS, "gcr.io", "docker.io", GITHUB]);

/// How the names of Artifact Registry's hosts end.
const ARTIFACTS: &str = "docker.pkg.dev";

/// The registry that Google's page lists and answers of Cloud Run do not
/// (<https://github.com/ko-build/terraform-provider-ko/issues/205>).
const GITHUB: &str = "ghcr.io";

/// The variables of a service that are reserved
/// (<https://docs.cloud.google.com/run/docs/configuring/services/environment-variables#reserved>), and how those begin that Cloud
/// Run has in services, jobs and worker pools (<https://docs.cloud.google.com/run/docs/container-contract#env-vars>).
const RESERVED: [&str; 4] = ["PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"];
const OWN: [&str; 2] = ["K_", "CLOUD_RUN_"];

/// The most variables, and the longest variable in bytes: <https://docs.cloud.google.com/run/quotas>.
const MOST_VARIABLES: usize = 1000;
const LONGEST_VARIABLE: usize = 32 * 1024;

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

/// Checks the registry of the image, and the variables.
pub(super) fn check(placed: &Placed<'_, Gcp>, problems: &mut Vec<Problem>) {
    let Some(compute) = placed.resource.settings().compute() else { return };
    if let Some(CodeForm::Image(image)) = compute.code.only() {
        problems.extend(registry_problem(&image));
    }
    for name in compute.environment.keys() {
        let help = || "give it a name that does not begin with `K_` or `CLOUD_RUN_`, and is not `PORT`".to_owned();
        if RESERVED.contains(&name.as_str()) {
            let what = format!("Cloud Run sets the environment variable `{name}` itself");
            problems.push(Problem::error(Rule::Cloud, what, help()));
        } else if OWN.iter().any(|begin| name.starts_with(begin)) {
            let what = format!("the environment variable `{name}` begins like those that Cloud Run sets itself");
            problems.push(Problem::warning(Rule::Cloud, what, help()));
        }
    }
    for (name, _) in compute.environment.iter().filter(|(name, value)| name.len() + value.len() > LONGEST_VARIABLE) {
        problems.push(Problem::error(
            Rule::Cloud,
            format!("Cloud Run takes an environment variable of at most 32 KiB, and `{name}` is longer"),
            "put what is long into storage".to_owned(),
        ));
    }
    if compute.environment.len() > MOST_VARIABLES {
        let what = format!("Cloud Run takes at most {MOST_VARIABLES} environment variables");
        problems.push(Problem::error(Rule::Cloud, what, "join some of them".to_owned()));
    }
}

/// The problem of an image in a registry that Cloud Run does not pull from.
fn registry_problem(image: &str) -> Option<Problem> {
    let host = image.split('/').next().unwrap_or_default();
    let of = |known: &str| host.strip_suffix(known).is_some_and(|rest| rest.is_empty() || rest.ends_with(['-', '.']));
    if of(ARTIFACTS) || of("gcr.io") || host == "docker.io" {
        return None;
    }
    let help = "push it to Artifact Registry too, `REGION-docker.pkg.dev/PROJECT/REPOSITORY/…`, or name it there by a remote \
                repository, and add that image to the code";
    Some(if host == GITHUB {
        let what = "Google lists `ghcr.io` for public images alone, and Cloud Run is known to have refused it";
        Problem::warning(Rule::Cloud, what.to_owned(), help.to_owned())
    } else {
        let what = format!("Cloud Run does not pull images from `{host}`");
        Problem::error(Rule::Cloud, what, help.to_owned())
    })
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

/// The repository of an image in the customer's own Artifact Registry. `None` for an image in another project: that project
/// grants access to it.
fn repository(paths: Paths<'_>, code: &Code) -> Option<String> {
    let Some(CodeForm::Image(image)) = code.only() else { return None };
    let Stored { project, location, repository } = stored(&image)?;
    let ours = project == paths.0.project.as_str();
    ours.then(|| paths.full("artifactregistry", &["locations/", location, "/repositories/", repository]))
}

/// Where in Artifact Registry an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Stored<T> {
    project: T,
    location: T,
    repository: T,
}

impl Stored<&str> {
    fn owned(self) -> Stored<String> {
        let Self { project, location, repository } = self;
        Stored { project: project.to_owned(), location: location.to_owned(), repository: repository.to_owned() }
    }
}

/// The hosts of Container Registry, which Artifact Registry serves, with the locations of their repositories. Each repository
/// has the name of its host (<https://docs.cloud.google.com/artifact-registry/docs/transition/setup-gcr-repo>).
const CONTAINER_REGISTRY: [(&str, &str); 4] =
    [("gcr.io", "us"), ("us.gcr.io", "us"), ("eu.gcr.io", "europe"), ("asia.gcr.io", "asia")];

/// Where in Artifact Registry an image is: `{location}-docker.pkg.dev/{project}/{repository}/…`, or `gcr.io/{project}/…`.
fn stored(image: &str) -> Option<Stored<&str>> {
    let plain = |text: &&str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let mut parts = image.split('/');
    let host = parts.next()?;
    let project = parts.next().filter(plain)?;
    let (location, repository) = match CONTAINER_REGISTRY.iter().find(|(known, _)| *known == host) {
        Some((repository, location)) => (*location, *repository),
        None => (host.strip_suffix("-docker.pkg.dev").filter(plain)?, parts.next().filter(plain)?),
    };
    parts.next()?;
    Some(Stored { project, location, repository })
}

/// Where it is documented who pulls an image of another project.
const PULLS: &str = "https://docs.cloud.google.com/artifact-registry/docs/integrate-cloud-run";

/// Whether an image is in Artifact Registry, from which another project pulls only what its owner grants.
pub(crate) fn is_private(image: &str) -> bool {
    stored(image).is_some()
}

/// What the owners of repositories in other projects grant: Cloud Run pulls as its service agent, and whoever sends a revision must
/// be able to read its image, which the vendor does as the management account
/// (<https://docs.cloud.google.com/run/docs/deploying#other-projects>).
pub(crate) fn registry_grants(layout: &Layout<Gcp>) -> Vec<RegistryGrant> {
    let target = &layout.target;
    let agent =
        format!("serviceAccount:service-{}@serverless-robot-prod.iam.gserviceaccount.com", target.project_number);
    let paths = Paths(target);
    let management = format!("serviceAccount:{}", paths.email(&paths.account_id(&Holder::Vendor.name())));
    let mut of = BTreeMap::<Stored<String>, (Vec<ResourceId>, bool)>::new();
    for resource in layout.stack.resources() {
        let code = resource.settings().compute().and_then(|compute| compute.code.only());
        let Some(CodeForm::Image(image)) = code else { continue };
        let Some(at) = stored(&image).filter(|at| at.project != target.project.as_str()) else { continue };
        let (resources, is_released) = of.entry(at.owned()).or_default();
        resources.push(resource.id().clone());
        *is_released |= resource.lifecycle() == Lifecycle::Live;
    }
    let grant = |(at, (resources, is_released)): (Stored<String>, (Vec<ResourceId>, bool))| {
        let Stored { project, location, repository } = at;
        let to: Vec<String> =
            [Some(&agent), is_released.then_some(&management)].into_iter().flatten().cloned().collect();
        let command = |member: &String| {
            format!(
                "gcloud artifacts repositories add-iam-policy-binding {repository} --project {project} --location {location} \
                 --member {member} --role roles/artifactregistry.reader"
            )
        };
        let note =
            "Whoever sets up must read the repository too: run it also with `--member user:` and the admin's email.";
        let later = " The management account exists once the set-up made it: run its command then, and before the first release.";
        RegistryGrant {
            resources,
            repository: format!("projects/{project}/locations/{location}/repositories/{repository}"),
            command: to.iter().map(command).collect::<Vec<_>>().join("\n    "),
            to,
            file: String::new(),
            text: String::new(),
            note: [note, if is_released { later } else { "" }].concat(),
            source: PULLS.to_owned(),
        }
    };
    of.into_iter().map(grant).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_an_image_is_stored_follows_from_its_name() {
        let at = |project, location, repository| Some(Stored { project, location, repository });
        assert_eq!(stored("europe-west3-docker.pkg.dev/shop/app/api@sha256:0"), at("shop", "europe-west3", "app"));
        assert_eq!(stored("eu.gcr.io/shop/api@sha256:0"), at("shop", "europe", "eu.gcr.io"));
        assert_eq!(stored("gcr.io/shop/some/api@sha256:0"), at("shop", "us", "gcr.io"));
        for other in ["docker.io/shop/api", "europe-docker.pkg.dev/shop/api", "gcr.io/shop", "x.gcr.io/shop/api"] {
            assert_eq!(stored(other), None, "{other}");
        }
    }

    #[test]
    fn images_that_cloud_run_does_not_pull_are_refused() {
        for taken in
            ["europe-docker.pkg.dev/p/r/i", "gcr.io/p/i", "asia.gcr.io/p/i", "mirror.gcr.io/library/i", "docker.io/v/i"]
        {
            assert_eq!(registry_problem(taken), None, "{taken}");
        }
        for refused in
            ["registry.example.com/i", "quay.io/v/i", "docker.example.io/i", "notgcr.io/p/i", "v.azurecr.io/i"]
        {
            let problem = registry_problem(refused).unwrap();
            assert!(problem.is_error() && problem.what.contains("does not pull images from"), "{refused}: {problem}");
        }
        assert!(!registry_problem("ghcr.io/v/i").unwrap().is_error());
    }
}
