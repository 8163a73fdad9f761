//! A release on one deployment: what it changes, each update, and the outcomes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{self, BoxFuture, Either};
use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;

use crate::clock::later;
use crate::deployment::Deployment;
use crate::error::{Error, ErrorKind, Result};
use crate::impersonate::Purpose;
use crate::manage::{Change, Manage};
use crate::managed::{Managed, Repeat};
use crate::name::ResourceId;
use crate::outcome::{Outcome, Released};
use crate::problem::Problems;
use crate::progress::{Event, Progress, Silent, Stage};
use crate::release::{Artifacts, Release};
use crate::resource::{Code, Resource};

/// A release that was begun: the resources that it will update are marked in the record.
#[derive(Debug, Clone)]
pub struct PendingRelease {
    release: Release,
    before: Deployment,
    changed: Vec<ResourceId>,
}

impl PendingRelease {
    /// The resources that it will update.
    #[must_use]
    pub fn changed(&self) -> &[ResourceId] {
        &self.changed
    }
}

pub(crate) fn begin(managed: &Managed, release: &Release) -> Result<PendingRelease> {
    let mut deployment = managed.record_mut();
    let before = deployment.clone();
    release.stack().is_of_product(&before.stack)?;
    let stack = release.stack().with_existing_of(&before.stack)?;
    let release = Release::partial(stack, release.artifacts().clone());
    let diff = release.stack().diff(&before.stack);
    Problems::none(diff.admin_only())?;
    let is_uncertain = |resource: &Resource| before.uncertain.contains(resource.id());
    let is_changed = |resource: &Resource| {
        is_uncertain(resource) || diff.changes.iter().any(|change| change.resource == resource.id().as_str())
    };
    let changed: Vec<&Resource> = release.stack().resources().iter().filter(|found| is_changed(found)).collect();
    let sent = changed.iter().filter_map(|resource| {
        let is_new = is_uncertain(resource) || resource.code() != before.stack.resource(resource.id().as_str())?.code();
        let chosen = managed.impersonator.code(resource.kind()).and_then(|forms| forms.choose(resource.code()?));
        is_new.then(|| release.missing_artifact(resource, chosen.as_ref()?)).flatten()
    });
    Problems::none(sent.collect())?;
    let changed: Vec<ResourceId> = changed.into_iter().map(|resource| resource.id().clone()).collect();
    deployment.uncertain.extend(changed.iter().cloned());
    Ok(PendingRelease { release, before, changed })
}

/// What a request carries out.
#[derive(Debug)]
pub(crate) enum Work<'a> {
    /// A release that has yet to begin.
    Release(&'a Release),
    /// A release that was begun.
    Begun(Box<PendingRelease>),
}

/// A request to roll out a release: see [`Manager::release`](crate::Manager::release).
#[must_use = "nothing is done before it is awaited"]
pub struct ReleaseRequest<'a> {
    managed: &'a Managed,
    work: Work<'a>,
    previous: Artifacts,
    progress: Box<dyn Progress + 'a>,
    deadline: Option<Duration>,
}

impl<'a> ReleaseRequest<'a> {
    pub(crate) fn new(managed: &'a Managed, work: Work<'a>) -> Self {
        Self { managed, work, previous: Artifacts::default(), progress: Box::new(Silent), deadline: None }
    }

    /// Sets the bytes of the zips that run now, as far as they are available, to put back if new code does not work. A
    /// cloud that runs zips (AWS Lambda) cannot put a zip back without its bytes; an image needs none.
    pub fn previous(mut self, artifacts: &Artifacts) -> Self {
        self.previous = artifacts.clone();
        self
    }

    /// Calls a function whenever an update begins or ends.
    pub fn progress(mut self, progress: impl Fn(&Event) + Send + Sync + 'a) -> Self {
        self.progress = Box::new(progress);
        self
    }

    /// Sets how long the release may take. An update that had begun by then is [`Unknown`](Outcome::Unknown), one that
    /// had not is [`NotUpdated`](Outcome::NotUpdated), each with an error of kind [`TimedOut`](ErrorKind::TimedOut).
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    async fn carry_out(self) -> Released {
        let Self { managed, work, previous, progress, deadline } = self;
        let begun = match work {
            Work::Begun(begun) => *begun,
            Work::Release(release) => match begin(managed, release) {
                Ok(begun) => begun,
                Err(error) => return Released::refused(error),
            },
        };
        let until = deadline.map(|deadline| later(managed.clock().now(), deadline));
        Released::of(Rolling { managed, begun, previous, progress, until }.roll_out().await)
    }
}

impl<'a> IntoFuture for ReleaseRequest<'a> {
    type Output = Released;
    type IntoFuture = BoxFuture<'a, Released>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.carry_out())
    }
}

impl fmt::Debug for ReleaseRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ReleaseRequest");
        shown.field("work", &self.work).field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// A release that is being rolled out.
struct Rolling<'a> {
    managed: &'a Managed,
    begun: PendingRelease,
    previous: Artifacts,
    progress: Box<dyn Progress + 'a>,
    until: Option<Timestamp>,
}

impl Rolling<'_> {
    async fn roll_out(&self) -> BTreeMap<ResourceId, Outcome> {
        let PendingRelease { release, changed, .. } = &self.begun;
        let unchanged = release.stack().resources().iter().map(|resource| (resource.id().clone(), Outcome::Unchanged));
        let mut outcomes: BTreeMap<ResourceId, Outcome> = unchanged.collect();
        let purpose = Purpose::Update(changed.iter().cloned().collect());
        let updates = changed.clone().into_iter().map(|id| self.roll_out_one(&purpose, id));
        outcomes.extend(stream::iter(updates).buffered(8).collect::<Vec<_>>().await);
        if outcomes.values().all(Outcome::is_ok) && !changed.is_empty() {
            let mut deployment = self.managed.record_mut();
            deployment.stack = release.stack().clone();
            deployment.uncertain.clear();
        }
        outcomes
    }

    async fn roll_out_one(&self, purpose: &Purpose, id: ResourceId) -> (ResourceId, Outcome) {
        let PendingRelease { release, before, .. } = &self.begun;
        let Some(next) = release.stack().resource(id.as_str()) else { return (id, Outcome::Unchanged) };
        let tell = |stage| {
            self.progress.event(&Event { subject: id.to_string(), kind: next.kind().name().into(), stage });
        };
        tell(Stage::Updating);
        let bytes = |artifacts: &Artifacts, code: Option<&Code>| code.and_then(|code| artifacts.bytes(code).cloned());
        let change = Change {
            resource: next.clone(),
            zip: bytes(release.artifacts(), next.code()),
            previous_zip: bytes(&self.previous, before.stack.resource(id.as_str()).and_then(Resource::code)),
            again: before.uncertain.contains(&id),
        };
        let is_sent = AtomicBool::new(false);
        let update = |session: Arc<dyn Manage>| {
            let (id, change) = (id.clone(), change.clone());
            is_sent.store(true, Ordering::Relaxed);
            async move { session.update(&id, &change).await }
        };
        let updated = async {
            // The cloud may limit how large the description of a narrowed session is: one for many resources can exceed
            // that.
            match self.managed.with_session(before, purpose, Repeat::Never, update).await {
                Err(error) if error.kind() == ErrorKind::TooLarge => {
                    let alone = Purpose::Update(BTreeSet::from([id.clone()]));
                    self.managed.with_session(before, &alone, Repeat::Never, update).await
                }
                updated => updated,
            }
        };
        let updated = self.in_time(updated).await;
        let outcome = match updated {
            Ok(()) => Outcome::Updated,
            Err(error) if error.is_put_back() => Outcome::PutBack(error),
            // The library refused this before any call.
            Err(error) if matches!(error.kind(), ErrorKind::NotGranted | ErrorKind::Unsupported | ErrorKind::Input) => {
                Outcome::NotUpdated(error)
            }
            Err(error) if is_sent.load(Ordering::Relaxed) => Outcome::Unknown(error),
            Err(error) => Outcome::NotUpdated(error),
        };
        tell(if outcome.is_ok() { Stage::Updated } else { Stage::Failed });
        let mut deployment = self.managed.record_mut();
        match &outcome {
            Outcome::Unchanged | Outcome::Updated => {
                // A change of links may be valid only as a whole. Its parts then wait for the end of the release.
                if let Ok(stack) = deployment.stack.with_resource(next) {
                    deployment.stack = stack;
                    deployment.uncertain.remove(&id);
                }
            }
            // It runs what the record says.
            Outcome::PutBack(_) => drop(deployment.uncertain.remove(&id)),
            Outcome::NotUpdated(_) if !before.uncertain.contains(&id) => drop(deployment.uncertain.remove(&id)),
            Outcome::NotUpdated(_) | Outcome::Unknown(_) => {}
        }
        (id, outcome)
    }

    /// Waits no longer than the deadline of the release.
    async fn in_time(&self, work: impl Future<Output = Result<()>>) -> Result<()> {
        let Some(until) = self.until else { return work.await };
        let clock = self.managed.clock();
        let over = || Error::new(ErrorKind::TimedOut, "the release reached its deadline; release again to go on");
        let left = Duration::try_from(until.duration_since(clock.now())).unwrap_or_default();
        if left.is_zero() {
            return Err(over());
        }
        match future::select(std::pin::pin!(work), clock.sleep(left)).await {
            Either::Left((done, _)) => done,
            Either::Right(_) => Err(over()),
        }
    }
}
