//! `alien check`: compares a stack with the previous one.

use alien_core::{Diff, Problems};

use crate::args::Format;
use crate::args::vendor::CheckArgs;
use crate::file;
use crate::output::{self, Failure};

pub(crate) fn check(args: &CheckArgs) -> Result<(), Failure> {
    let (next, previous) = output::both(file::stack(&args.stack), file::stack(&args.previous))?;
    output::warn(next.warnings());
    let diff = next.diff(&previous);
    match args.format {
        Format::Json => output::json(&diff)?,
        format => output::line(text(&diff, format))?,
    }
    let refusals = if args.allow_frozen_changes { diff.refusals_except_frozen() } else { diff.refusals() };
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
    let mut text = output::table(format, &["resource", "change", "who may apply it"], changes.collect());
    if !diff.grants.is_empty() {
        let grants = diff.grants.iter().map(|grant| {
            let change = grant.change.name().to_owned();
            vec![grant.holder.clone(), change, grant.set.clone(), grant.subject.clone(), grant.reason.clone()]
        });
        text.push_str("\n\n");
        text.push_str(&output::table(format, &["holder", "", "permission set", "on", "why"], grants.collect()));
    }
    text
}
