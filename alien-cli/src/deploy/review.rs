//! `alien-deploy review`: shows what the vendor asks for, before anything is set up.

use alien_core::{Pulled, PulledFrom};

use super::setup::Setup;
use crate::args::admin::ReviewArgs;
use crate::args::{Format, Shown};
use crate::output::{self, Failure};
use crate::review as words;

pub(crate) fn review(args: &ReviewArgs, shown: Shown) -> Result<(), Failure> {
    let setup = Setup::read(&args.invited, Ok(None))?;
    setup.admit(&args.invited)?;
    let stack = &setup.invitation.stack;
    let reviewed = setup.cloud.review(stack, &setup.target)?.with_delivery(&setup.invitation.delivery);
    output::warn(&reviewed.warnings);
    if shown.json {
        return output::json(&reviewed);
    }
    let mut text = String::new();
    words::heading(&mut text, Format::Table, &format!("Set up as {}, it trusts", setup.place()));
    if let Some(pulled) = &reviewed.review.pulled {
        text.push_str(&trusted(pulled));
    } else {
        let trust = setup.invitation.trust.iter().map(|(name, value)| vec![name.clone(), value.clone()]);
        text.push_str(&output::table(Format::Table, &["what", "whom"], trust.collect()));
        text.push_str("\n\n");
    }
    text.push_str(&words::text(&reviewed, None, Format::Table));
    text.push('\n');
    words::reach(&mut text, &reviewed.report.reach, Format::Table);
    words::registry_grants(&mut text, &reviewed.registry_grants);
    if args.guardrails {
        words::guardrails(&mut text, &reviewed.guardrails);
    }
    output::line(text)?;
    if args.documents {
        output::line("")?;
        output::json(&reviewed.documents)?;
    }
    Ok(())
}

/// Who manages a deployment that pulls its releases, and where they come from.
fn trusted(pulled: &Pulled) -> String {
    let mut rows = vec![vec!["agent".to_owned(), pulled.agent.clone()]];
    if let Some(PulledFrom { manager, root }) = &pulled.from {
        rows.push(vec!["releases from".to_owned(), manager.to_string()]);
        rows.push(vec!["signed by the root".to_owned(), root.to_string()]);
    }
    format!("{}\n\n{pulled}\n\n", output::table(Format::Table, &["what", "whom"], rows))
}
