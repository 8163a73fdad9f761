//! `alien permissions` and `alien audit`, for whichever cloud is asked for.

use alien_aws::Aws;
use alien_azure::Azure;
use alien_core::Stack;
use alien_core::cloud::{self, Cloud, Layers, Rendered};
use alien_core::permission::Layer;
use alien_gcp::Gcp;
use serde::Deserialize;

use crate::args::Format;
use crate::args::vendor::{AuditArgs, Deployment, PermissionsArgs};
use crate::output::{self, Failure};
use crate::target::{Fields, Target};
use crate::{file, review};

pub(crate) fn permissions(args: &PermissionsArgs) -> Result<(), Failure> {
    let (stack, target) = read(&args.deployment)?;
    match target {
        Target::Aws(target) => show::<Aws>(args, &stack, &target),
        Target::Gcp(target) => show::<Gcp>(args, &stack, &target),
        Target::Azure(target) => show::<Azure>(args, &stack, &target),
    }
}

pub(crate) fn audit(args: &AuditArgs) -> Result<(), Failure> {
    let (stack, target) = read(&args.deployment)?;
    match target {
        Target::Aws(target) => report::<Aws>(args, &stack, &target),
        Target::Gcp(target) => report::<Gcp>(args, &stack, &target),
        Target::Azure(target) => report::<Azure>(args, &stack, &target),
    }
}

/// Reads a stack and where it goes.
fn read(deployment: &Deployment) -> Result<(Stack, Target), Failure> {
    let mut fields = Fields::default().location(&deployment.location).trust(&deployment.trust);
    fields.give("externalId", deployment.external_id.clone());
    output::both(file::stack(&deployment.stack), Target::read(deployment.cloud, fields))
}

fn show<C: Cloud>(args: &PermissionsArgs, stack: &Stack, target: &C::Target) -> Result<(), Failure> {
    let mut rendered: Rendered<C> = cloud::render(stack, target)?;
    output::warn(&rendered.warnings);
    let layer = args.layer.map(Layer::from);
    match args.format {
        Format::Json => {
            if let Some(layer) = layer {
                rendered.documents.layers.keep(layer);
            }
            output::json(&rendered.documents)
        }
        format => output::line(review::text(stack, &rendered, layer, format)),
    }
}

fn report<C: Cloud>(args: &AuditArgs, stack: &Stack, target: &C::Target) -> Result<(), Failure> {
    let report = match &args.documents {
        Some(path) => {
            let layers = read_layers::<C>(&file::text(path)?).map_err(|what| {
                let help = "give the JSON that `alien permissions --format json` prints";
                Failure::form(path.display().to_string(), what, help)
            })?;
            cloud::audit::<C>(stack, target, &layers)
        }
        None => {
            let rendered: Rendered<C> = cloud::render(stack, target)?;
            output::warn(&rendered.warnings);
            rendered.report
        }
    };
    match args.format {
        Format::Json => output::json(&report)?,
        format => output::line(review::report(&report, format))?,
    }
    if report.breaches.is_empty() { Ok(()) } else { Err(Failure::stopped("the documents break a promise")) }
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
