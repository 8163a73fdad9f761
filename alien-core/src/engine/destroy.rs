//! Taking down: in reverse, data kept, nothing of anyone else's touched, and a look whether anything is left.

use serde::Serialize;

use super::{Data, Driver, Engine, Observed, Removal, walk};
use crate::call::Caller;
use crate::cloud::Cloud;
use crate::error::{Error, ErrorKind, Result};
use crate::permission::{Holder, Subject};
use crate::progress::{Event, Progress, Stage};
use crate::provision::Options;
use crate::site::Site;

/// What is left of a deployment that was taken down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Remains {
    /// What was kept, and why.
    pub kept: Vec<Remaining>,
    /// What stands under a name of the deployment's and is not its own. It was not touched.
    pub foreign: Vec<Remaining>,
}

/// One thing that is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remaining {
    /// The resource's id, the profile's name, or what it is.
    pub subject: String,
    /// Why it is left.
    pub why: String,
}

enum Outcome {
    Gone,
    Kept(String),
    Foreign(String),
}

pub(super) async fn destroy<C: Cloud, D: Driver<C>>(
    engine: &Engine<C, D>,
    call: &Caller<C>,
    data: Data,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Remains> {
    let site = call.site();
    let vendor = Subject::ManagementIdentity;
    // Nothing to claim: whatever an earlier run left is removed all the same, and there is nobody to keep out.
    if let Observed::Absent = engine.driver.observe(vendor, call).await? {
        return take_down(engine, call, data, progress).await;
    }
    let work = async {
        // The vendor is out before anything is taken away beneath it.
        engine.driver.revoke(call).await?;
        take_down(engine, call, data, progress).await
    };
    engine.claimed(call, options, work).await.map_err(|error| error.at(site.subject_name(vendor)))
}

async fn take_down<C: Cloud, D: Driver<C>>(
    engine: &Engine<C, D>,
    call: &Caller<C>,
    data: Data,
    progress: &dyn Progress,
) -> Result<Remains> {
    let site = call.site();
    let outcomes = walk::backward(site, engine.width, |subject| remove(engine, subject, data, call, progress)).await?;
    let mut remains = Remains::default();
    for subject in site.subjects() {
        let remaining = |why: &String| Remaining { subject: site.subject_name(subject).to_owned(), why: why.clone() };
        match outcomes.get(&subject) {
            Some(Outcome::Kept(why)) => remains.kept.push(remaining(why)),
            Some(Outcome::Foreign(why)) => remains.foreign.push(remaining(why)),
            Some(Outcome::Gone) | None => {}
        }
    }
    let gone = site.subjects().filter(|subject| matches!(outcomes.get(subject), Some(Outcome::Gone)));
    let seen = engine.observe_all(gone, call).await?;
    let left: Vec<&str> = seen
        .iter()
        .filter(|(_, found)| matches!(found, Observed::Own { .. }))
        .map(|(subject, _)| site.subject_name(*subject))
        .collect();
    if left.is_empty() {
        return Ok(remains);
    }
    let what = format!("still there after it was removed: {}; run `down` again", left.join(", "));
    Err(Error::new(ErrorKind::Busy, what))
}

async fn remove<C: Cloud, D: Driver<C>>(
    engine: &Engine<C, D>,
    subject: Subject,
    data: Data,
    call: &Caller<C>,
    progress: &dyn Progress,
) -> Result<Outcome> {
    let site = call.site();
    let tell = |stage| progress.event(&Event::of(site, subject, stage));
    match engine.driver.observe(subject, call).await? {
        Observed::Absent | Observed::Adopted { .. } | Observed::Unneeded => Ok(Outcome::Gone),
        Observed::Foreign(whose) => Ok(Outcome::Foreign(whose)),
        Observed::Own { .. } => {
            let holds_data = site.resource(subject).is_ok_and(|resource| resource.kind().holds_data());
            if holds_data && data == Data::Keep {
                tell(Stage::Kept);
                return Ok(Outcome::Kept("all data is to be kept".to_owned()));
            }
            tell(Stage::Deleting);
            match engine.driver.delete(subject, data, call).await {
                // Gone between our look and our call.
                Err(error) if error.kind() == ErrorKind::Missing => {}
                removed => {
                    if let Removal::Kept(why) = removed? {
                        tell(Stage::Kept);
                        return Ok(Outcome::Kept(why));
                    }
                }
            }
            tell(Stage::Deleted);
            Ok(Outcome::Gone)
        }
    }
}

/// Removes what a deployment had and a new release of it does not have.
pub(super) async fn remove_leftover<C: Cloud, D: Driver<C>>(
    engine: &Engine<C, D>,
    old: &Caller<C>,
    new: &Site<C>,
    progress: &dyn Progress,
) -> Result<()> {
    // What others need goes after them.
    for subject in leftover(old.site(), new).into_iter().rev() {
        remove(engine, subject, Data::default(), old, progress).await?;
    }
    Ok(())
}

/// The subjects of an old release that a new one has no more, in an order of set-up.
pub(super) fn leftover<C: Cloud>(old: &Site<C>, new: &Site<C>) -> Vec<Subject> {
    let has_shared = |site: &Site<C>| site.names.things().any(|thing| thing.subject == Subject::Deployment);
    old.subjects()
        .filter(|subject| match *subject {
            Subject::Resource(position) => old.stack().at(position).is_some_and(|resource| {
                new.stack().resource(resource.id().as_str()).is_none_or(|kept| kept.kind() != resource.kind())
            }),
            Subject::RuntimeIdentity(_) => match old.holder(*subject) {
                Some(Holder::Profile(profile)) => new.permissions.runtime_position(profile.as_str()).is_none(),
                _ => false,
            },
            Subject::Deployment => has_shared(old) && !has_shared(new),
            Subject::ManagementIdentity => false,
        })
        .collect()
}
