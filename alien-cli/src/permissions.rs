//! `alien permissions` and `alien audit`.

use std::path::PathBuf;

use alien_core::adapter::{Answer, read_unique};
use alien_core::{AnyTarget, Exit, Layer, Report, Stack};
use serde_json::Value;

use crate::args::Format;
use crate::args::vendor::{AuditArgs, Deployment, PermissionsArgs};
use crate::clouds::Cloud;
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
        format => {
            let mut text = review::text(&reviewed, layer, format);
            review::registry_grants(&mut text, &reviewed.registry_grants);
            output::line(text)
        }
    }
}

pub(crate) fn audit(args: &AuditArgs) -> Result<(), Failure> {
    let (stack, target) = read(&args.deployment)?;
    let cloud = args.deployment.cloud;
    let report = if args.documents.is_empty() {
        let reviewed = cloud.review(&stack, &target)?;
        output::warn(&reviewed.warnings);
        reviewed.report
    } else {
        documents(cloud, &stack, &target, &args.documents)?
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

/// Audits documents: those of this program, or those that are made of the answers of a cloud's own tools.
fn documents(cloud: Cloud, stack: &Stack, target: &AnyTarget, given: &[PathBuf]) -> Result<Report, Failure> {
    let paths = file::each(given)?;
    if let [path] = paths.as_slice() {
        let text = file::text(path)?;
        let found: Value = serde_json::from_str(&text).unwrap_or_default();
        let is_answer = !["layers", "documents", "cloud"].iter().any(|name| found.get(name).is_some());
        // What is neither is told as what it should be.
        if !is_answer || found.as_object().is_none_or(serde_json::Map::is_empty) && !found.is_array() {
            let audited = cloud.audit(stack, target, &text);
            return audited.map_err(|problems| file::within(path, problems.as_slice()));
        }
    }
    let mut answers = Vec::new();
    for path in &paths {
        let read = read_unique::<Value>(&file::text(path)?);
        let wrong = |why: String| {
            let help = "give the JSON that the cloud's own tool prints: with `-o json` or `--format=json`";
            Failure::form(path.display().to_string(), why, help)
        };
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        answers.push(Answer { name, value: read.map_err(wrong)? });
    }
    Ok(cloud.audit(stack, target, &cloud.collect(stack, target, &answers)?)?)
}

/// Reads a stack and where it goes.
fn read(deployment: &Deployment) -> Result<(Stack, AnyTarget), Failure> {
    output::both(file::stack(&deployment.stack), target::flagged(deployment.cloud, &deployment.target))
}
