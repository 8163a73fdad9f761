//! `alien invite` and `alien register`: what the customer is given, and what comes back.

use std::collections::BTreeMap;
use std::path::Path;

use alien_core::{Deployment, DeploymentId, Invitation};

use crate::args::vendor::{InviteArgs, RegisterArgs};
use crate::clouds::{self, Cloud};
use crate::file::{self, Replacement};
use crate::output::{self, Failure};
use crate::{connect, target};

pub(crate) fn invite(args: &InviteArgs) -> Result<(), Failure> {
    let whom = match (&args.record, args.cloud) {
        (Some(record), _) => file::record(record).and_then(again),
        (None, Some(cloud)) => anew(cloud, args),
        (None, None) => Err(Failure::form("--cloud", "missing", "add it")),
    };
    let (stack, (id, cloud, trust)) = output::both(file::stack(&args.stack), whom)?;
    output::warn(stack.warnings());
    let invitation = Invitation { version: Invitation::VERSION, id, cloud, trust, stack };
    match &args.out {
        Some(path) => absent(path).and_then(|()| Replacement::of(path)?.write(&invitation)),
        None => output::json(&invitation),
    }
}

type Whom = (DeploymentId, String, BTreeMap<String, String>);

/// A new deployment. What one customer's cloud asks the vendor to show fits no other's.
fn anew(cloud: Cloud, args: &InviteArgs) -> Result<Whom, Failure> {
    let id = DeploymentId::new();
    Ok((id, cloud.cloud().to_owned(), target::trust(cloud, id, &args.trust)?))
}

/// A deployment that is there: its id and whom it trusts stay.
fn again(record: Deployment) -> Result<Whom, Failure> {
    let fields = clouds::named(&record.cloud)?.fields().iter().filter(|field| field.is_trust());
    let trust = fields.filter_map(|field| Some((field.name.to_owned(), record.target.field(field.name)?.to_owned())));
    let trust = trust.collect();
    Ok((record.id, record.cloud, trust))
}

/// An invitation cannot be made a second time: another one has another id.
fn absent(path: &Path) -> Result<(), Failure> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let what = "is there already, and an invitation is not made a second time";
    Err(Failure::form(path.display().to_string(), what, "name another file"))
}

pub(crate) async fn register(args: &RegisterArgs) -> Result<(), Failure> {
    let (invitation, record) = output::both(file::invitation(&args.invitation), file::record(&args.record.record))?;
    // What differs needs no cloud to be told.
    let differences = invitation.differences(&record);
    if !differences.is_empty() {
        return Err(Failure::Refused(differences));
    }
    let impersonator = connect::impersonator(&record, &args.record.connection).await?;
    impersonator.register(&invitation, &record).await?;
    output::line(format_args!(
        "registered {}: `{}` lets the vendor in, and nobody without its proof",
        record.id, record.identity
    ))
}
