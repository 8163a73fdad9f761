//! `alien-deploy review`: what the vendor asks for, before anything is done.

use alien_aws::Aws;
use alien_azure::Azure;
use alien_core::cloud::{self, Cloud, Documents, Rendered, Review};
use alien_core::permission::Reach;
use alien_gcp::Gcp;
use serde::Serialize;

use super::Setup;
use crate::args::Format;
use crate::args::admin::ReviewArgs;
use crate::output::{self, Failure};
use crate::review as words;
use crate::target::Target;

pub(crate) fn review(args: &ReviewArgs) -> Result<(), Failure> {
    let setup = Setup::read(&args.invited, Ok(None))?;
    match &setup.target {
        Target::Aws(target) => show::<Aws>(args, &setup, target),
        Target::Gcp(target) => show::<Gcp>(args, &setup, target),
        Target::Azure(target) => show::<Azure>(args, &setup, target),
    }
}

/// Everything there is to review, for programs.
#[derive(Serialize)]
#[serde(bound = "")]
struct Reviewed<'a, C: Cloud> {
    review: Review,
    reach: &'a Reach,
    documents: &'a Documents<C>,
}

fn show<C: Cloud>(args: &ReviewArgs, setup: &Setup, target: &C::Target) -> Result<(), Failure> {
    let stack = &setup.invitation.stack;
    let rendered: Rendered<C> = cloud::render(stack, target)?;
    output::warn(&rendered.warnings);
    let (reach, documents) = (&rendered.report.reach, &rendered.documents);
    if args.invited.shown.json {
        return output::json(&Reviewed { review: cloud::review(stack, &rendered), reach, documents });
    }
    let mut text = String::new();
    words::heading(&mut text, Format::Table, &format!("Set up as {}, it trusts", setup.target));
    let trust = setup.invitation.trust.iter().map(|(name, value)| vec![name.clone(), value.clone()]);
    text.push_str(&output::table(Format::Table, &["what", "whom"], trust.collect()));
    text.push_str("\n\n");
    text.push_str(&words::text(stack, &rendered, None, Format::Table));
    text.push('\n');
    words::reach(&mut text, reach, Format::Table);
    output::line(text)?;
    if args.documents {
        output::line("")?;
        output::json(documents)?;
    }
    Ok(())
}
