//! `alien check`: compares a stack with the previous one.

use alien_core::{Comparison, Diff, Problems};
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::Format;
use crate::args::vendor::CheckArgs;
use crate::file;
use crate::output::{self, Failure};

/// What changed in the stack, and in the documents of the target if one is given.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Checked<'c> {
    #[serde(flatten)]
    diff: &'c Diff,
    #[serde(skip_serializing_if = "Option::is_none")]
    documents: Option<&'c Comparison>,
}

pub(crate) fn check(args: &CheckArgs) -> Result<(), Failure> {
    let (next, previous) = output::both(file::stack(&args.stack), file::stack(&args.previous))?;
    output::warn(next.warnings());
    let diff = next.diff(&previous);
    let documents =
        args.cloud.map(|cloud| crate::diff::of_stacks(cloud, &args.target, &previous, &next)).transpose()?;
    match args.format {
        Format::Json => output::json(&Checked { diff: &diff, documents: documents.as_ref() })?,
        format => {
            let mut text = text(&diff, format);
            if let Some(documents) = &documents {
                text = format!("{}\n\n{}", text.trim_end(), crate::diff::text(documents, format));
            }
            output::line(text)?;
        }
    }
    let mut refusals = if args.allow_frozen_changes { diff.refusals_except_frozen() } else { diff.refusals() };
    refusals.extend(documents.iter().flat_map(Comparison::refusals));
    Problems::none(refusals).map(drop).map_err(|problems| Failure::refused(problems.into()).shown())
}

/// Lists what changed, and who may apply it.
pub(crate) fn text(diff: &Diff, format: Format) -> String {
    if format == Format::Markdown {
        return diff.to_markdown();
    }
    if diff.changes.is_empty() && diff.grants.is_empty() {
        return "Nothing changed.".to_owned();
    }
    let changes = diff
        .changes
        .iter()
        .map(|change| vec![change.resource.clone(), change.kind.describe(), change.who.describe().to_owned()]);
    let mut text = String::new();
    if !diff.changes.is_empty() {
        text = output::table(format, &["resource", "change", "who may apply it"], changes.collect());
    }
    if !diff.grants.is_empty() {
        let grants = diff.grants.iter().map(|grant| {
            let change = grant.change.name().to_owned();
            vec![grant.holder.clone(), change, grant.set.clone(), grant.subject.clone(), grant.reason.clone()]
        });
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(&output::table(format, &["holder", "", "permission set", "on", "why"], grants.collect()));
    }
    text
}
