//! `alien-deploy`: what the customer's admin does with an invitation.

mod down;
mod plan;
mod review;

use std::path::Path;

use alien_core::provision::Options;
use alien_core::{Deployment, Invitation, Problem, Provision, Release, Rule};
use uuid::Uuid;

pub(crate) use down::{down, revoke};
pub(crate) use plan::{plan, status, up};
pub(crate) use review::review;

use crate::args::admin::{Invited, Run, Wanted};
use crate::args::{CloudName, Endpoint};
use crate::connect;
use crate::file;
use crate::output::{self, Failure};
use crate::target::{Fields, Target};

/// An invitation, and where it is set up.
#[derive(Debug)]
struct Setup {
    invitation: Invitation,
    target: Target,
    /// The record that the last set-up wrote.
    previous: Option<Deployment>,
}

impl Setup {
    fn read(args: &Invited, previous: Result<Option<Deployment>, Failure>) -> Result<Self, Failure> {
        let (invitation, previous) = output::both(file::invitation(&args.invitation), previous)?;
        let cloud = CloudName::read(&invitation.cloud)?;
        let mut fields = Fields::default().location(&args.location);
        if let Some(previous) = &previous {
            belongs(previous, &invitation)?;
            fields = fields.record(previous);
        }
        let target = Target::read(cloud, fields.invitation(&invitation, cloud))?;
        Ok(Self { invitation, target, previous })
    }

    /// What is to be set up, with the bytes of its zips: all of them, unless the plan will say which are needed.
    fn release(&self, args: &Wanted) -> Result<Release, Failure> {
        let (stack, zips) = (self.invitation.stack.clone(), file::zips(&args.zip)?);
        Ok(match self.previous {
            None => Release::new(stack, zips)?,
            Some(_) => Release::partial(stack, zips),
        })
    }

    async fn provisioner(&self, endpoint: &Endpoint, boundary: Option<&str>) -> Result<Box<dyn Provision>, Failure> {
        connect::provisioner(self.invitation.id, &self.target, endpoint, boundary).await
    }
}

/// The record, where one is named: it must be there.
fn named(path: Option<&Path>) -> Result<Option<Deployment>, Failure> {
    path.map(file::record).transpose()
}

/// A record of another deployment would have its things taken for this one's.
fn belongs(record: &Deployment, invitation: &Invitation) -> Result<(), Failure> {
    let mut problems = Vec::new();
    for (what, recorded, invited) in [
        ("deployment", record.id.to_string(), invitation.id.to_string()),
        ("cloud", record.cloud.clone(), invitation.cloud.clone()),
    ] {
        if recorded != invited {
            let what = format!("it is of {what} `{recorded}`, and the invitation of `{invited}`");
            let help = "name the record that was written for this invitation".to_owned();
            problems.push(Problem::error(Rule::Form, what, help).at("--record"));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Failure::Refused(problems)) }
}

/// A run of its own.
fn options(allow_frozen_changes: bool, run: Option<&Run>) -> Options {
    let mut options = Options::new(Uuid::now_v7().to_string());
    if run.is_some_and(|run| run.take_over) {
        options = options.take_over();
    }
    if allow_frozen_changes { options.allow_frozen_changes() } else { options }
}
