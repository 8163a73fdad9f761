//! `alien-deploy down` and `revoke`: take the deployment down, or only the vendor's access.

use alien_core::adapter::Options;
use alien_core::{Admin, Data, Deployment, DestroyReport, Exit, Model, Remaining};
use schemars::JsonSchema;
use serde::Serialize;

use super::setup::{Setup, named, options};
use crate::args::admin::{Changes, DownArgs, RevokeArgs, Standing};
use crate::args::{Format, Shown};
use crate::ask::Consent;
use crate::output::{self, Failure};
use crate::progress::{if_long, progress};

/// An existing deployment, and the provisioner that can take it down.
struct Found {
    setup: Setup,
    record: Deployment,
    admin: Admin,
}

impl Found {
    /// Without a record, as after an interrupted set-up, the invitation says what may exist.
    async fn read(args: &Standing) -> Result<Self, Failure> {
        let setup = Setup::read(&args.invited, named(args.record.as_deref()))?;
        let mut record = match &setup.previous {
            Some(record) => record.clone(),
            None => setup.cloud.record(&setup.invitation, &setup.target)?,
        };
        // A set-up of this invitation may have been interrupted after that record was written.
        if record.stacks().all(|stack| stack.digest() != setup.invitation.stack.digest()) {
            record.retired.push(setup.invitation.stack.clone());
        }
        let admin = setup.admin(&args.connection).await?;
        Ok(Self { setup, record, admin })
    }
}

pub(crate) async fn down(args: &DownArgs, shown: Shown) -> Result<(), Failure> {
    let consent = Consent::of(args.run.yes, shown.json)?;
    let Found { setup, record, admin } = Found::read(&args.standing).await?;
    let (data, what) = match (args.keep_data, args.delete_data) {
        (true, _) => (Data::Keep, "keeping everything that can hold data"),
        (false, true) => (Data::Delete, "DELETING ALL DATA"),
        (false, false) => (Data::KeepUnlessEmpty, "keeping what holds data"),
    };
    consent.to(&format!("Take down {}, {what}", setup.place())).await?;
    let stack = &record.stack;
    // Each resource, the identity of each profile, the vendor's identity, and what the resources share.
    let things = stack.resources().len() + stack.profiles().len() + 2;
    let without_record = setup.previous.is_none();
    let options = Options { without_record, ..options(Changes::default(), Some(&args.run)) };
    let remains = {
        let progress = progress(shown, things);
        admin.destroy(&record).data(data).options(options).progress(|event| progress.event(event)).await?
    };
    if shown.json {
        output::json(&remains)?;
    } else if !remains.found_nothing() {
        output::line(text(&remains))?;
    }
    if !remains.found_nothing() {
        return Ok(());
    }
    let what = format!("nothing of deployment {} was found as {}", record.id, setup.place());
    Err(Failure::ended(
        Exit::Drift,
        format_args!("error: {what}; if it was set up elsewhere, name that place, or give its record"),
    ))
}

fn text(remains: &DestroyReport) -> String {
    let kept = remains.kept.iter().map(|left| (left, "kept"));
    let foreign = remains.foreign.iter().map(|left| (left, "not this deployment's"));
    let rows: Vec<Vec<String>> = kept
        .chain(foreign)
        .map(|(Remaining { subject, why, remedy }, left)| {
            vec![subject.clone(), left.to_owned(), output::remedied(why, *remedy)]
        })
        .collect();
    if rows.is_empty() {
        return "Taken down; nothing is left.".to_owned();
    }
    let left = output::table(Format::Table, &["what", "left", "why"], rows);
    format!("Taken down, except for:\n\n{left}")
}

/// The result of `alien-deploy revoke`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Revoked {
    /// The management identity, which now trusts nobody.
    revoked: String,
}

pub(crate) async fn revoke(args: &RevokeArgs, shown: Shown) -> Result<(), Failure> {
    let consent = Consent::of(args.yes, shown.json)?;
    let Found { setup, record, admin } = Found::read(&args.standing).await?;
    let who = match record.delivery.model() {
        Model::Push => "vendor",
        Model::Pull => "agent",
    };
    consent.to(&format!("Take the {who}'s access to {} back", setup.place())).await?;
    if_long("taking the access back", admin.revoke(&record).into_future()).await?;
    shown.result(&Revoked { revoked: record.identity }, |Revoked { revoked }| {
        format!(
            "The {who} can no longer use `{revoked}`; everything keeps running.\n`alien-deploy up` restores the access."
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Cloud, working};
    use crate::run;

    #[test]
    fn what_is_left_is_told_with_its_reason_and_what_helps() {
        let cloud = Cloud::new();
        let record = cloud.up(&working(512));
        cloud.account.set_objects(&cloud.name("data"), 3);
        let admin = cloud.admin();
        let taken_down = |data| run(async { Ok(admin.destroy(&record).data(data).await?) }).unwrap();
        cloud.account.unmark(&cloud.name("worker"));
        insta::assert_snapshot!("down_unmarked", text(&taken_down(Data::KeepUnlessEmpty)));
        cloud.account.mark(&cloud.name("worker"), record.id);
        insta::assert_snapshot!("down_kept", text(&taken_down(Data::KeepUnlessEmpty)));
        assert_eq!(text(&taken_down(Data::Delete)), "Taken down; nothing is left.");
    }
}
