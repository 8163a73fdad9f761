//! An invitation, and where the admin sets it up.

use std::path::Path;

use alien_core::adapter::Options;
use alien_core::{Admin, AnyTarget, Deployment, Invitation, Problem, Problems, Release, Rule};

use super::vendor::{self, Checked};
use crate::args::admin::{Changes, Invited, Run, Wanted};
use crate::args::flags::{AsAdmin, Flags};
use crate::clouds::{self, Cloud};
use crate::output::Failure;
use crate::{connect, file, target};

/// An invitation, and where to set it up.
#[derive(Debug)]
pub(super) struct Setup {
    /// With what the admin has in the place of resources.
    pub(super) invitation: Invitation,
    pub(super) checked: Checked,
    pub(super) cloud: Cloud,
    pub(super) target: AnyTarget,
    /// The record that the last `up` wrote.
    pub(super) previous: Option<Deployment>,
}

impl Setup {
    pub(super) fn read(args: &Invited, previous: Result<Option<Deployment>, Failure>) -> Result<Self, Failure> {
        let (mut invitation, checked, previous) = vendor::read(args, previous)?;
        for (id, existing) in &args.existing {
            invitation.stack = invitation.stack.with_existing(id, existing.clone())?;
        }
        let cloud = clouds::named(&invitation.cloud)?;
        if let Some(previous) = &previous {
            belongs(previous, &invitation)?;
        }
        let target = target::invited(cloud, &args.place, previous.as_ref(), &invitation)?;
        Ok(Self { invitation, checked, cloud, target, previous })
    }

    /// Refuses an invitation that is older than that of the last set-up, and says if nobody knows whose it is.
    pub(super) fn admit(&self, args: &Invited) -> Result<(), Failure> {
        let superseded = self.previous.as_ref().and_then(|record| self.invitation.superseded(record));
        if let Some(problem) = superseded {
            return Err(problem.at(args.invitation.display().to_string()).into());
        }
        self.checked.tell(&args.invitation);
        Ok(())
    }

    /// The release to set up, with the bytes of its zips. A first set-up needs all of them; later, the plan says which
    /// are needed.
    pub(super) fn release(&self, args: &Wanted) -> Result<Release, Failure> {
        let (stack, zips) = (self.invitation.stack.clone(), file::zips(&args.zip)?);
        Ok(match self.previous {
            None => Release::new(stack, zips)?,
            Some(_) => Release::partial(stack, zips),
        })
    }

    pub(super) async fn admin(&self, connection: &Flags<AsAdmin>) -> Result<Admin, Failure> {
        let admin = connect::admin(self.cloud, self.invitation.id, &self.target, connection).await?;
        Ok(admin.with_delivery(self.invitation.delivery.clone()))
    }

    /// Describes the place for people.
    pub(super) fn place(&self) -> String {
        target::place(self.cloud, &self.target)
    }
}

/// Reads the record at a path, if one is given. The file must exist.
pub(super) fn named(path: Option<&Path>) -> Result<Option<Deployment>, Failure> {
    path.map(file::record).transpose()
}

/// Refuses the record of another deployment: its resources would be taken for this one's.
fn belongs(record: &Deployment, invitation: &Invitation) -> Result<(), Failure> {
    let mut problems = Vec::new();
    for (what, recorded, invited) in [
        ("deployment", record.id.to_string(), invitation.id.to_string()),
        ("cloud", record.cloud.clone(), invitation.cloud.clone()),
        ("product", record.stack.name().to_string(), invitation.stack.name().to_string()),
    ] {
        if recorded != invited {
            let what = format!("the record is of {what} `{recorded}`, but the invitation is of `{invited}`");
            let help = "name the record that was written for this invitation".to_owned();
            problems.push(Problem::error(Rule::Form, what, help).at("--record"));
        }
    }
    Ok(Problems::none(problems).map(drop)?)
}

/// Options of a run with a fresh name.
pub(super) fn options(changes: Changes, run: Option<&Run>) -> Options {
    let Changes { allow_frozen_changes, reset_live, mark_again } = changes;
    let take_over = run.is_some_and(|run| run.take_over);
    Options { take_over, allow_frozen_changes, reset_live, mark_again, ..Options::default() }
}
