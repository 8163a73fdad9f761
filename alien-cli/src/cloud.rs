//! `alien permissions` and `alien audit`, for whichever cloud is asked for.

use std::str::FromStr;

use alien_aws::Aws;
use alien_azure::Azure;
use alien_core::cloud::{self, Cloud, Layers, Rendered};
use alien_core::permission::Layer;
use alien_core::{Problem, Rule};
use alien_gcp::Gcp;
use serde::Deserialize;

use crate::args::{AuditArgs, CloudName, Deployment, Format, PermissionsArgs};
use crate::output::{self, Failure};
use crate::review;

pub(crate) fn permissions(args: &PermissionsArgs) -> Result<(), Failure> {
    match args.deployment.cloud {
        CloudName::Aws => show::<Aws>(args, aws(&args.deployment)),
        CloudName::Gcp => show::<Gcp>(args, gcp(&args.deployment)),
        CloudName::Azure => show::<Azure>(args, azure(&args.deployment)),
    }
}

pub(crate) fn audit(args: &AuditArgs) -> Result<(), Failure> {
    match args.deployment.cloud {
        CloudName::Aws => report::<Aws>(args, aws(&args.deployment)),
        CloudName::Gcp => report::<Gcp>(args, gcp(&args.deployment)),
        CloudName::Azure => report::<Azure>(args, azure(&args.deployment)),
    }
}

fn show<C: Cloud>(args: &PermissionsArgs, target: Result<C::Target, Failure>) -> Result<(), Failure> {
    let (stack, target) = output::both(output::read_stack(&args.deployment.stack), target)?;
    let mut rendered: Rendered<C> = cloud::render(&stack, &target)?;
    output::warn(&rendered.warnings);
    let layer = args.layer.map(Layer::from);
    match args.format {
        Format::Json => {
            if let Some(layer) = layer {
                rendered.documents.layers.keep(layer);
            }
            output::json(&rendered.documents)
        }
        format => output::line(review::text(&stack, &rendered, layer, format)),
    }
}

fn report<C: Cloud>(args: &AuditArgs, target: Result<C::Target, Failure>) -> Result<(), Failure> {
    let (stack, target) = output::both(output::read_stack(&args.deployment.stack), target)?;
    let report = match &args.documents {
        Some(path) => {
            let layers = read_layers::<C>(&output::read(path)?).map_err(|what| {
                let help = "give the JSON that `alien permissions --format json` prints".to_owned();
                let problem = Problem::error(Rule::Form, what, help);
                Failure::Refused(vec![problem.at(path.display().to_string())])
            })?;
            cloud::audit::<C>(&stack, &target, &layers)
        }
        None => {
            let rendered: Rendered<C> = cloud::render(&stack, &target)?;
            output::warn(&rendered.warnings);
            rendered.report
        }
    };
    match args.format {
        Format::Json => output::json(&report)?,
        format => output::line(review::report(&report, format))?,
    }
    if report.breaches.is_empty() { Ok(()) } else { Err(Failure::Breached) }
}

/// Reads the layers of printed documents. That they are for this cloud, and that there is something to audit, is
/// checked here; whether they are for this stack and target, the audit itself says.
fn read_layers<C: Cloud>(text: &str) -> Result<Layers<C::Principal>, String> {
    #[derive(Deserialize)]
    struct Printed<P> {
        cloud: String,
        layers: Layers<P>,
    }
    let printed: Printed<C::Principal> =
        serde_json::from_str(text).map_err(|error| format!("not documents of {}: {error}", C::NAME))?;
    if printed.cloud != C::NAME {
        return Err(format!("documents of {}, and --cloud is {}", printed.cloud, C::NAME));
    }
    if Layer::ALL.iter().all(|layer| printed.layers.principals(*layer).is_empty()) {
        return Err("there is no principal in the documents, so there is nothing to audit".to_owned());
    }
    Ok(printed.layers)
}

/// Reads flags, and remembers every one that is missing or wrong.
#[derive(Default)]
struct Flags(Vec<Problem>);

impl Flags {
    fn read<T: FromStr<Err: std::fmt::Display>>(&mut self, flag: &str, text: Option<&str>) -> Option<T> {
        let problem = match text.map(str::parse) {
            Some(Ok(value)) => return Some(value),
            Some(Err(error)) => Problem::error(Rule::Form, format!("{error}"), "correct it".to_owned()),
            None => Problem::error(Rule::Form, "missing".to_owned(), "add it".to_owned()),
        };
        self.0.push(problem.at(flag));
        None
    }

    fn refuse_others(&mut self, cloud: CloudName, deployment: &Deployment) {
        use CloudName::{Aws, Azure, Gcp};
        let flags: [(&str, bool, &[CloudName]); 11] = [
            ("--account", deployment.account.is_some(), &[Aws]),
            ("--region", deployment.region.is_some(), &[Aws]),
            ("--external-id", deployment.external_id.is_some(), &[Aws]),
            ("--vendor", deployment.vendor.is_some(), &[Aws, Gcp]),
            ("--project", deployment.project.is_some(), &[Gcp]),
            ("--project-number", deployment.project_number.is_some(), &[Gcp]),
            ("--location", deployment.location.is_some(), &[Gcp, Azure]),
            ("--subscription", deployment.subscription.is_some(), &[Azure]),
            ("--resource-group", deployment.resource_group.is_some(), &[Azure]),
            ("--issuer", deployment.issuer.is_some(), &[Azure]),
            ("--subject", deployment.subject.is_some(), &[Azure]),
        ];
        for (flag, given, clouds) in flags {
            if given && !clouds.contains(&cloud) {
                let what = "has no meaning for this cloud".to_owned();
                self.0.push(Problem::error(Rule::Form, what, "remove it".to_owned()).at(flag));
            }
        }
    }
}

fn aws(deployment: &Deployment) -> Result<alien_aws::Target, Failure> {
    let mut flags = Flags::default();
    flags.refuse_others(CloudName::Aws, deployment);
    let account = flags.read("--account", deployment.account.as_deref());
    let region = flags.read("--region", deployment.region.as_deref());
    let prefix = flags.read("--prefix", deployment.prefix.as_deref());
    let vendor = flags.read("--vendor", deployment.vendor.as_deref());
    let external_id = flags.read("--external-id", deployment.external_id.as_deref());
    match (account, region, prefix, vendor, external_id) {
        (Some(account), Some(region), Some(prefix), Some(vendor), Some(external_id)) if flags.0.is_empty() => {
            Ok(alien_aws::Target { account, region, prefix, vendor, external_id })
        }
        _ => Err(Failure::Refused(flags.0)),
    }
}

fn gcp(deployment: &Deployment) -> Result<alien_gcp::Target, Failure> {
    let mut flags = Flags::default();
    flags.refuse_others(CloudName::Gcp, deployment);
    let project = flags.read("--project", deployment.project.as_deref());
    let project_number = flags.read("--project-number", deployment.project_number.as_deref());
    let location = flags.read("--location", deployment.location.as_deref());
    let prefix = flags.read("--prefix", deployment.prefix.as_deref());
    let vendor = flags.read("--vendor", deployment.vendor.as_deref());
    match (project, project_number, location, prefix, vendor) {
        (Some(project), Some(project_number), Some(location), Some(prefix), Some(vendor)) if flags.0.is_empty() => {
            Ok(alien_gcp::Target { project, project_number, location, prefix, vendor })
        }
        _ => Err(Failure::Refused(flags.0)),
    }
}

fn azure(deployment: &Deployment) -> Result<alien_azure::Target, Failure> {
    let mut flags = Flags::default();
    flags.refuse_others(CloudName::Azure, deployment);
    let subscription = flags.read("--subscription", deployment.subscription.as_deref());
    let resource_group = flags.read("--resource-group", deployment.resource_group.as_deref());
    let location = flags.read("--location", deployment.location.as_deref());
    let prefix = flags.read("--prefix", deployment.prefix.as_deref());
    let issuer = flags.read("--issuer", deployment.issuer.as_deref());
    let subject = flags.read("--subject", deployment.subject.as_deref());
    match (subscription, resource_group, location, prefix, issuer, subject) {
        (Some(subscription), Some(resource_group), Some(location), Some(prefix), Some(issuer), Some(subject))
            if flags.0.is_empty() =>
        {
            Ok(alien_azure::Target { subscription, resource_group, location, prefix, issuer, subject })
        }
        _ => Err(Failure::Refused(flags.0)),
    }
}
