//! `alien invite` and `alien register`: the invitation that the customer gets, and the record that comes back.

use std::path::Path;

use alien_core::{Deployment, DeploymentId, Invitation, Stack};

use crate::args::vendor::{InviteArgs, RegisterArgs};
use crate::clouds;
use crate::file::{self, Replacement};
use crate::output::{self, Failure};
use crate::{connect, target};

pub(crate) fn invite(args: &InviteArgs) -> Result<(), Failure> {
    let stack = file::stack(&args.stack);
    let invitation = match (&args.record, args.cloud) {
        (Some(record), _) => {
            let (stack, record) = output::both(stack, file::record(record))?;
            again(&record, stack)
        }
        // What one customer's cloud asks the vendor to show fits no other's.
        (None, Some(cloud)) => {
            let id = DeploymentId::new();
            // Whom to trust is also checked if the stack cannot be read.
            let nothing = Stack::builder("nothing").build()?;
            let (stack, _) = output::both(stack, target::invite(cloud, id, &args.trust, nothing))?;
            target::invite(cloud, id, &args.trust, stack)
        }
        (None, None) => output::both(stack, Err(Failure::form("--cloud", "missing", "add it"))).map(|(_, never)| never),
    }?;
    output::warn(invitation.stack.warnings());
    match &args.out {
        Some(path) => absent(path).and_then(|()| Replacement::of(path)?.write(&invitation)),
        None => output::json(&invitation),
    }
}

/// A deployment that is there: its id and whom it trusts stay.
fn again(record: &Deployment, stack: Stack) -> Result<Invitation, Failure> {
    let cloud = clouds::named(&record.cloud)?;
    let fields = cloud.fields().iter().filter(|field| field.is_trust());
    let trust = fields.filter_map(|field| Some((field.name.to_owned(), record.target.field(field.name)?.to_owned())));
    Ok(cloud.invite(record.id, trust.collect(), stack)?)
}

/// Refuses to overwrite an invitation: it could not be made again, because a new one gets another id.
fn absent(path: &Path) -> Result<(), Failure> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let what = "already exists, and an invitation cannot be made a second time";
    Err(Failure::form(path.display().to_string(), what, "name another file"))
}

pub(crate) async fn register(args: &RegisterArgs) -> Result<(), Failure> {
    let (invitation, record) = output::both(file::invitation(&args.invitation), file::record(&args.record.record))?;
    // Differences are found without calling the cloud.
    let differences = invitation.differences(&record);
    if !differences.is_empty() {
        return Err(Failure::Refused(differences));
    }
    let vendor = connect::vendor(&record, &args.record.connection).await?;
    vendor.register(&invitation, &record).await?;
    output::line(format_args!(
        "registered {}: `{}` lets in the vendor, and nobody without the vendor's proof",
        record.id, record.identity
    ))
}
