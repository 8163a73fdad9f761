//! `alien permissions` and `alien audit`.

use alien_core::{AnyTarget, Exit, Layer, Stack};

use crate::args::Format;
use crate::args::vendor::{AuditArgs, Deployment, PermissionsArgs};
use crate::output::{self, Failure};
use crate::{file, review, target};

pub(crate) fn permissions(args: &PermissionsArgs) -> Result<(), Failure> {
    let (stack, target) = read(&args.deployment)?;
    let mut reviewed = args.deployment.cloud.review(&stack, &target)?;
    output::warn(&reviewed.warnings);
    let layer = args.layer.map(Layer::from);
    match args.format {
        Format::Json => {
            if let Some(layer) = layer {
                reviewed.keep(layer);
            }
            output::json(&reviewed.documents)
        }
        format => output::line(review::text(&stack, &reviewed, layer, format)),
    }
}

pub(crate) fn audit(args: &AuditArgs) -> Result<(), Failure> {
    let (stack, target) = read(&args.deployment)?;
    let cloud = args.deployment.cloud;
    let report = match &args.documents {
        Some(path) => {
            let audited = cloud.audit(&stack, &target, &file::text(path)?);
            audited.map_err(|problems| file::within(path, problems.as_slice()))?
        }
        None => {
            let reviewed = cloud.review(&stack, &target)?;
            output::warn(&reviewed.warnings);
            reviewed.report
        }
    };
    match args.format {
        Format::Json => output::json(&report)?,
        format => output::line(review::report(&report, format))?,
    }
    if report.breaches.is_empty() {
        Ok(())
    } else {
        Err(Failure::ended(Exit::Refused, "error: the documents break a promise"))
    }
}

/// Reads a stack and where it goes.
fn read(deployment: &Deployment) -> Result<(Stack, AnyTarget), Failure> {
    output::both(file::stack(&deployment.stack), target::flagged(deployment.cloud, &deployment.target))
}
