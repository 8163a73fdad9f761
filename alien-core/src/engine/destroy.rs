//! Taking down: in reverse, data kept, nothing of anyone else's touched, and a look whether anything is left.

use serde::Serialize;

use super::claim::Carrier;
use super::{Data, Driver, Engine, Observed, Removal, walk};
use crate::call::Gate;
use crate::cloud::{Cloud, NamedResource};
use crate::deployment::Deployment;
use crate::error::{Error, ErrorKind, Result};
use crate::permission::{Holder, Subject};
use crate::progress::{Event, Progress, Stage};
use crate::provision::Options;
use crate::release::Release;
use crate::site::DeploymentContext;
use crate::stack::Stack;

/// What is left of a deployment that was taken down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DestroyReport {
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

/// What became of something that was to be removed, whosever it is.
pub(super) enum Outcome {
    Gone,
    Kept(String),
    Foreign(String),
}

/// Takes down what the record's stack has, and what earlier stacks had and was kept.
pub(super) async fn destroy<C: Cloud, D: Driver<C>>(
    engine: &Engine<C, D>,
    deployment: &Deployment,
    data: Data,
    options: &Options,
    progress: &dyn Progress,
) -> Result<DestroyReport> {
    let caller = |stack: &Stack| engine.caller(Release::without_artifacts(stack.clone()), data);
    let call = caller(&deployment.stack);
    let retired: Vec<Gate<C>> = deployment.retired.iter().map(caller).collect();
    let mut found = engine.observe_all(call.site().subjects(), &call).await?;
    for old in &retired {
        found.extend(engine.observe_all(leftover(old.site(), call.site()).into_iter(), old).await?);
    }
    let there = found.iter().any(|(_, found)| matches!(found, Observed::Own { .. }));
    let work = async {
        // The vendor is out before anything is taken away beneath it.
        if there {
            engine.driver.revoke(&call).await?;
        }
        let mut remains = DestroyReport::default();
        for old in &retired {
            for (subject, outcome) in remove_leftover(engine, old, call.site(), data, progress).await? {
                remains.add(old.site(), subject, &outcome);
            }
        }
        take_down(engine, &call, data, progress, remains).await
    };
    // Where nothing is there, nothing is made to carry a claim either.
    if there { engine.claimed(&call, options, Carrier::Goes, work).await } else { work.await }
}

impl DestroyReport {
    fn add<C: Cloud>(&mut self, site: &DeploymentContext<C>, subject: Subject, outcome: &Outcome) {
        let remaining = |why: &String| Remaining { subject: site.subject_name(subject).to_owned(), why: why.clone() };
        match outcome {
            Outcome::Kept(why) => self.kept.push(remaining(why)),
            Outcome::Foreign(why) => self.foreign.push(remaining(why)),
            Outcome::Gone => {}
        }
    }
}

async fn take_down<C: Cloud, D: Driver<C>>(
    engine: &Engine<C, D>,
    call: &Gate<C>,
    data: Data,
    progress: &dyn Progress,
    mut remains: DestroyReport,
) -> Result<DestroyReport> {
    let site = call.site();
    let outcomes = walk::backward(site, engine.width, |subject| remove(engine, subject, data, call, progress)).await?;
    for (subject, outcome) in site.subjects().filter_map(|subject| Some((subject, outcomes.get(&subject)?))) {
        remains.add(site, subject, outcome);
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
    call: &Gate<C>,
    progress: &dyn Progress,
) -> Result<Outcome> {
    let site = call.site();
    let tell = |stage| progress.event(&Event::of(site, subject, stage));
    let seen = engine.driver.observe(subject, call).await;
    let adopted = site.resource(subject).is_ok_and(crate::resource::Resource::is_adopted);
    let seen = match seen {
        // The customer has removed what was the customer's.
        Err(error) if adopted && error.kind() == ErrorKind::NotFound => Observed::Absent,
        seen => seen?,
    };
    match seen {
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
                Err(error) if error.kind() == ErrorKind::NotFound => {}
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

/// Removes what a deployment had and a new release of it does not have. Tells what became of each.
pub(super) async fn remove_leftover<C: Cloud, D: Driver<C>>(
    engine: &Engine<C, D>,
    old: &Gate<C>,
    new: &DeploymentContext<C>,
    data: Data,
    progress: &dyn Progress,
) -> Result<Vec<(Subject, Outcome)>> {
    let mut outcomes = Vec::new();
    // What others need goes after them.
    for subject in leftover(old.site(), new).into_iter().rev() {
        outcomes.push((subject, remove(engine, subject, data, old, progress).await?));
    }
    Ok(outcomes)
}

/// The subjects of an old release that a new one has no more, in an order of set-up.
pub(super) fn leftover<C: Cloud>(old: &DeploymentContext<C>, new: &DeploymentContext<C>) -> Vec<Subject> {
    // What is not the deployment's own, an account or a project, is named by every site.
    let own = |thing: NamedResource<'_, C::Scope>| thing.subject == Subject::Deployment && !C::is_shared(thing.scope);
    let has_shared = |site: &DeploymentContext<C>| site.names.things().any(own);
    old.subjects()
        .filter(|subject| match *subject {
            // Of two kinds that are the same thing to the cloud, the one has become the other.
            Subject::Resource(position) if new.names.has_id(old.names.id(position)) => false,
            Subject::Resource(position) => old.stack().at(position).is_some_and(|resource| {
                // What was made stays the deployment's, also where another thing of the customer's takes its place.
                new.stack()
                    .resource(resource.id().as_str())
                    .is_none_or(|kept| kept.kind() != resource.kind() || kept.is_adopted() && !resource.is_adopted())
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
