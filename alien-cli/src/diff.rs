//! `alien diff`: compares permission documents, by what they allow.

use std::path::Path;

use alien_core::{AnyTarget, Comparison, Exit, Invitation, Problems, Stack};
use serde_json::Value;

use crate::args::Format;
use crate::args::flags::{Flags, Target};
use crate::args::vendor::DiffArgs;
use crate::clouds::{self, Cloud};
use crate::output::{self, Failure};
use crate::{file, review, target};

pub(crate) fn diff(args: &DiffArgs) -> Result<(), Failure> {
    let (before, after) = output::both(Side::read(&args.before), Side::read(&args.after))?;
    let cloud = match args.cloud.or(before.cloud()?).or(after.cloud()?) {
        Some(cloud) => cloud,
        None => return Err(without_target(&args.before)),
    };
    let (before, after) = output::both(
        before.documents(&args.before, cloud, &args.target),
        after.documents(&args.after, cloud, &args.target),
    )?;
    let compared = cloud.compare(&before, &after).map_err(|problems| at_files(&problems, &args.before, &args.after))?;
    match args.format {
        Format::Json => output::json(&compared)?,
        format => output::line(text(&compared, format))?,
    }
    if compared.widens() {
        return Problems::none(compared.refusals())
            .map(drop)
            .map_err(|problems| Failure::refused(problems.into()).shown());
    }
    if compared.is_empty() { Ok(()) } else { Err(Failure::ended(Exit::Drift, "they differ, and nobody may do more")) }
}

/// Compares the documents of two stacks at one target.
pub(crate) fn of_stacks(
    cloud: Cloud,
    flags: &Flags<Target>,
    before: &Stack,
    after: &Stack,
) -> Result<Comparison, Failure> {
    let target = target::flagged(cloud, flags)?;
    let (before, after) = output::both(rendered(cloud, before, &target), rendered(cloud, after, &target))?;
    Ok(cloud.compare(&before, &after)?)
}

/// Lists what each identity gained and lost.
pub(crate) fn text(compared: &Comparison, format: Format) -> String {
    if format == Format::Markdown {
        return compared.to_markdown();
    }
    let mut text = String::new();
    review::heading(&mut text, format, &compared.title());
    if compared.is_empty() {
        return text + "Nothing changed.";
    }
    let rows = compared.rows().into_iter().map(Vec::from).collect();
    text + &output::table(format, &["identity", "change", "what", "on, or whom"], rows)
}

/// One side of a comparison, as its file has it.
enum Side {
    /// Permission documents of this cloud.
    Documents(String, String),
    Stack(Box<Stack>),
    Invitation(Box<Invitation>),
}

impl Side {
    fn read(path: &Path) -> Result<Self, Failure> {
        let text = file::text(path)?;
        // What is wrong with it, its own reader tells.
        let found: Value = serde_json::from_str(&text).unwrap_or_default();
        let has = |name: &str| found.get(name).is_some();
        let documents = found.get("documents").unwrap_or(&found);
        if let (Some(_), Some(cloud)) = (documents.get("layers"), documents.get("cloud").and_then(Value::as_str)) {
            Ok(Self::Documents(cloud.to_owned(), text.to_string()))
        } else if has("stack") {
            file::invitation(path).map(Box::new).map(Self::Invitation)
        } else {
            file::stack(path).map(Box::new).map(Self::Stack)
        }
    }

    fn cloud(&self) -> Result<Option<Cloud>, Failure> {
        match self {
            Self::Documents(cloud, _) => clouds::named(cloud).map(Some),
            Self::Invitation(invitation) => clouds::named(&invitation.cloud).map(Some),
            Self::Stack(_) => Ok(None),
        }
    }

    fn documents(self, path: &Path, cloud: Cloud, flags: &Flags<Target>) -> Result<String, Failure> {
        let (stack, target) = match self {
            Self::Documents(_, text) => return Ok(text),
            Self::Stack(_) if flags.given.is_empty() => return Err(without_target(path)),
            Self::Stack(stack) => (*stack, target::flagged(cloud, flags)?),
            Self::Invitation(invitation) => {
                // The invitation says whom to trust.
                let mut texts = flags.given.clone();
                texts.extend(invitation.trust);
                let target = cloud.target_as(invitation.delivery.model(), texts);
                let at_flag = |problems: Problems| {
                    Failure::Input(problems.as_slice().iter().cloned().map(target::at_flag).collect())
                };
                (invitation.stack, target.map_err(at_flag)?)
            }
        };
        rendered(cloud, &stack, &target)
    }
}

fn rendered(cloud: Cloud, stack: &Stack, target: &AnyTarget) -> Result<String, Failure> {
    let reviewed = cloud.review(stack, target)?;
    Ok(reviewed.documents.to_string())
}

fn without_target(path: &Path) -> Failure {
    let help = "name the target, `--cloud` and its flags, so that it can be rendered; or give permission documents";
    Failure::form(path.display().to_string(), "a stack says nothing about a cloud", help)
}

/// Names the file that a problem is about.
fn at_files(problems: &Problems, before: &Path, after: &Path) -> Failure {
    let at = |problem: &alien_core::Problem| {
        let path = if problem.subject.as_deref() == Some("before") { before } else { after };
        problem.clone().at(path.display().to_string())
    };
    Failure::Input(problems.as_slice().iter().map(at).collect())
}
