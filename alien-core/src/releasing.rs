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
use tracing::Instrument as _;

use crate::clock::later;
use crate::deployment::{Deployment, InFlight};
use crate::error::{Error, ErrorKind, Result};
use crate::impersonate::Purpose;
use crate::kind::Kind;
use crate::manage::{Change, Comparison, Health, Manage, Runs};
use crate::managed::{Managed, Repeat};
use crate::name::ResourceId;
use crate::outcome::{Outcome, Released};
use crate::problem::Problems;
use crate::progress::{Event, Progress, Silent, Stage, Told};
use crate::provisioned::{Provisioned, Results};
use crate::records::{KeptRecord, Taking, interrupted};
use crate::release::{Artifacts, Release};
use crate::resource::{Code, Resource};
use crate::rollout::Sequence;

/// How many resources are looked at, or updated, at once.
pub(crate) const WIDTH: usize = 8;

/// A request to roll out a release: see [`Manager::release`](crate::Manager::release).
#[must_use = "nothing is done before it is awaited"]
pub struct ReleaseRequest<'a> {
    managed: &'a Managed,
    release: &'a Release,
    /// The only resource to update, as the record has it; `None` for all.
    only: Option<Resource>,
    previous: Artifacts,
    progress: Box<dyn Progress + 'a>,
    deadline: Option<Duration>,
    by: String,
    taking: Taking,
    /// The resources that are deleted although they may hold data.
    delete_data: BTreeSet<ResourceId>,
    number: Option<Sequence>,
}

impl<'a> ReleaseRequest<'a> {
    pub(crate) fn new(managed: &'a Managed, release: &'a Release) -> Self {
        let by = format!("run {}", managed.kept.owner);
        let (previous, progress) = (Artifacts::default(), Box::new(Silent));
        let delete_data = BTreeSet::new();
        Self {
            managed,
            release,
            only: None,
            previous,
            progress,
            deadline: None,
            by,
            taking: Taking::Free,
            delete_data,
            number: None,
        }
    }

    /// Updates one resource only, which the record has in this form.
    pub(crate) fn only(mut self, recorded: Resource) -> Self {
        self.only = Some(recorded);
        self
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

    /// Says who releases, in words. Others who want to release meanwhile are told.
    pub fn by(mut self, who: impl Into<String>) -> Self {
        self.by = who.into();
        self
    }

    /// Does not wait for the lease of a release that was interrupted. Use it only if you know that no other program
    /// carries that release out.
    pub const fn take_over(mut self) -> Self {
        self.taking = Taking::Over;
        self
    }

    /// Carries the release out under the fencing number of a claim in a [rollout](crate::rollout). The lease of a release
    /// with a lower number is not waited for: its claim is over, and it may change the record no more.
    pub const fn fenced(mut self, fence: u64) -> Self {
        self.taking = Taking::Fenced(fence);
        self
    }

    /// Writes the number of the release beside what it updates, in the variable `ALIEN__RELEASE` of the environment. So whoever manages
    /// the deployment knows it from the cloud alone: see [`Manager::marks`](crate::Manager::marks).
    pub const fn numbered(mut self, number: Sequence) -> Self {
        self.number = Some(number);
        self
    }

    /// Deletes a resource that holds data, or may, if the release no longer has it and the customer lets the vendor
    /// delete it. Otherwise such a release is refused.
    pub fn delete_data(mut self, id: ResourceId) -> Self {
        self.delete_data.insert(id);
        self
    }

    async fn carry_out(self) -> Released {
        // Releases of one manager follow each other; those of others are kept apart by the lease in the record.
        let _turn = self.managed.one_release().await;
        let until = self.deadline.map(|deadline| later(self.managed.clock().now(), deadline));
        let begun = async {
            self.managed.kept.reload().await?;
            let record = self.managed.kept.get();
            let wanted = wanted(self.managed, &record, self.release)?;
            // What is not as recorded is sent in any case, and what else is sent is known after a look.
            let is_new = |resource: &&Resource| {
                let recorded = record.stack.resource(resource.id().as_str()).and_then(Resource::code);
                self.is_meant(resource) && recorded != resource.code()
            };
            has_zips(self.managed, &record.cloud, &wanted, wanted.stack().resources().iter().filter(is_new))?;
            let kept = &self.managed.kept;
            kept.is_free(&kept.get(), self.managed.clock(), self.taking)?;
            let (seen, missing) = future::join(self.look(&wanted), self.missing(&wanted)).await;
            self.begin(wanted, seen, &missing, until).await
        };
        let rolling = match begun.await {
            Ok(rolling) => rolling,
            Err(error) => return Released::refused(error),
        };
        rolling.roll_out().await
    }

    fn is_meant(&self, resource: &Resource) -> bool {
        self.only.as_ref().is_none_or(|only| only.id() == resource.id())
    }

    /// Looks at what runs of every live function and container that is in the record too.
    async fn look(&self, wanted: &Release) -> BTreeMap<ResourceId, Result<Comparison>> {
        let looked =
            wanted.stack().resources().iter().filter(|resource| resource.is_updatable() && self.is_meant(resource));
        let looks = looked.cloned().map(|resource| async move {
            let seen = self.managed.with(&Purpose::Watch, |session| {
                let resource = resource.clone();
                async move { session.compare(&resource).await }
            });
            (resource.id().clone(), seen.await)
        });
        stream::iter(looks.collect::<Vec<_>>()).buffered(WIDTH).collect().await
    }

    /// Looks which of the resources that the vendor may create are not there, or may not be looked at.
    async fn missing(&self, wanted: &Release) -> BTreeSet<ResourceId> {
        let record = self.managed.kept.get();
        let deployed = record.stack.resources().iter().map(Resource::id).cloned();
        let created = deployed.filter(|id| self.only.is_none() && wanted.stack().lets_vendor_create(id));
        let looks = created.map(|id| async move {
            let beat = self.managed.with(&Purpose::Watch, |session| {
                let id = id.clone();
                async move { session.heartbeat(&id).await }
            });
            let is_missing = match beat.await {
                Ok(beat) => beat.health == Health::Missing,
                Err(error) => error.kind() == ErrorKind::Denied,
            };
            is_missing.then_some(id)
        });
        stream::iter(looks.collect::<Vec<_>>()).buffered(WIDTH).filter_map(future::ready).collect().await
    }

    /// Writes into the record which resources are about to be updated, so that nobody else releases meanwhile, and so
    /// that the next release knows them if this one is interrupted.
    async fn begin(
        self,
        release: Release,
        mut seen: BTreeMap<ResourceId, Result<Comparison>>,
        missing: &BTreeSet<ResourceId>,
        until: Option<Timestamp>,
    ) -> Result<Rolling<'a>> {
        let managed = self.managed;
        let (before, changed, provisioned) = managed
            .kept
            .change(|record| {
                managed.kept.is_free(record, managed.clock(), self.taking)?;
                // Whoever was in flight is not any more.
                interrupted(record);
                let wanted = wanted(managed, record, &release)?;
                let is_other = |only: &&Resource| record.stack.resource(only.id().as_str()) != Some(*only);
                if let Some(only) = self.only.as_ref().filter(is_other) {
                    let what = "another program has updated it meanwhile; look at it, and update it again";
                    return Err(Error::new(ErrorKind::Conflict, what).at(only.id().as_str()));
                }
                let before = record.clone();
                let provisioned = match &self.only {
                    Some(_) => Provisioned::nothing(record),
                    None => Provisioned::of(record, wanted.stack(), missing)?,
                };
                provisioned.keeps_data(&self.delete_data)?;
                let is_changed = |resource: &Resource| {
                    let seen = seen.get(resource.id());
                    let differs = matches!(seen, Some(Ok(seen)) if !seen.differs.is_empty());
                    let recorded = before.stack.resource(resource.id().as_str());
                    let is_recorded = recorded.is_some_and(|old| resource.vendors_differences(old).is_empty());
                    self.is_meant(resource)
                        && resource.is_updatable()
                        && (differs || !is_recorded && seen.is_none_or(Result::is_err))
                };
                let is_created = |resource: &Resource| provisioned.create.contains(resource.id());
                let changed = wanted.stack().resources().iter().filter(|resource| {
                    before.uncertain.contains(resource.id()) && self.is_meant(resource) || is_changed(resource)
                });
                let changed: Vec<&Resource> = changed.filter(|resource| !is_created(resource)).collect();
                let is_sent = |resource: &Resource| {
                    let seen = seen.get(resource.id()).and_then(|seen| seen.as_ref().ok());
                    let recorded = before.stack.resource(resource.id().as_str()).and_then(Resource::code);
                    before.uncertain.contains(resource.id())
                        || seen.map_or(recorded != resource.code(), |seen| seen.differs.contains(&"code"))
                };
                let created = wanted.stack().resources().iter().filter(|resource| is_created(resource));
                let sent = changed.iter().copied().filter(|resource| is_sent(resource)).chain(created);
                has_zips(managed, &before.cloud, &wanted, sent)?;
                let changed: BTreeSet<ResourceId> = changed.iter().map(|resource| resource.id().clone()).collect();
                if !provisioned.delete.is_empty() {
                    record.agreed.get_or_insert_with(|| before.stack.clone());
                }
                if !changed.is_empty() || !provisioned.is_empty() {
                    let leased = changed.iter().chain(provisioned.ids()).cloned().collect();
                    let lease = managed.kept.lease(managed.clock(), &self.by, release.stack(), leased);
                    record.in_flight = Some(InFlight { fence: self.taking.fence(), ..lease });
                }
                Ok((before, changed, provisioned))
            })
            .await?;
        let unrecorded =
            seen.iter().filter_map(|(id, seen)| Some((id.clone(), seen.as_ref().ok()?.unrecorded.clone()?)));
        let unrecorded = unrecorded.collect();
        // A resource at which nobody could look is not known to be as it should, unless the release sets it.
        let unseen = seen.extract_if(.., |_, seen| seen.is_err());
        let unseen = unseen.filter_map(|(id, seen)| Some((id, seen.err()?))).collect();
        let Self { only, previous, progress, number, .. } = self;
        let (guard, is_whole) = (Begun { managed }, only.is_none());
        Ok(Rolling {
            guard,
            release,
            is_whole,
            before,
            changed,
            provisioned,
            seen,
            unseen,
            unrecorded,
            previous,
            progress,
            until,
            number,
        })
    }
}

/// The release, with what the customer gave; refused if it has a change that only the admin may make, or one that the cloud does
/// not take.
fn wanted(managed: &Managed, record: &Deployment, release: &Release) -> Result<Release> {
    Problems::none(record.admin_only(release.stack())?)?;
    let stack = release.stack().with_existing_of(&record.stack)?;
    Problems::none(managed.impersonator.refused(record, &stack)?)?;
    Ok(Release::partial(stack, release.artifacts().clone()))
}

/// Fails if the zip of a resource whose code will be sent is not among the artifacts, or is none that the cloud takes.
fn has_zips<'r>(
    managed: &Managed,
    cloud: &str,
    release: &Release,
    sent: impl Iterator<Item = &'r Resource>,
) -> Result<()> {
    let refused = sent.filter_map(|resource| {
        let forms = managed.impersonator.code(resource.kind());
        let chosen = forms.and_then(|forms| forms.choose(resource.code()?));
        release.refused_artifact(cloud, resource, chosen.as_ref()?, forms)
    });
    Ok(Problems::none(refused.collect()).map(drop)?)
}

impl<'a> IntoFuture for ReleaseRequest<'a> {
    type Output = Released;
    type IntoFuture = BoxFuture<'a, Released>;

    fn into_future(self) -> Self::IntoFuture {
        let deployment = self.managed.kept.get().id;
        let span = tracing::info_span!("release", %deployment, release = self.release.stack().digest());
        Box::pin(self.carry_out().instrument(span))
    }
}

impl fmt::Debug for ReleaseRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ReleaseRequest");
        shown.field("release", self.release).field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// A release that has begun. If it is dropped, what it has not ended is uncertain.
pub(crate) struct Begun<'a> {
    pub(crate) managed: &'a Managed,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        let kept = &self.managed.kept;
        if kept.holds(&kept.get()) {
            kept.change_here(interrupted);
        }
    }
}

/// A release that is being rolled out.
pub(crate) struct Rolling<'a> {
    guard: Begun<'a>,
    pub(crate) release: Release,
    /// Whether it is of all resources.
    is_whole: bool,
    pub(crate) before: Deployment,
    changed: BTreeSet<ResourceId>,
    pub(crate) provisioned: Provisioned,
    seen: BTreeMap<ResourceId, Result<Comparison>>,
    unseen: BTreeMap<ResourceId, Error>,
    unrecorded: BTreeMap<ResourceId, String>,
    previous: Artifacts,
    progress: Box<dyn Progress + 'a>,
    until: Option<Timestamp>,
    number: Option<Sequence>,
}

impl Rolling<'_> {
    async fn roll_out(mut self) -> Released {
        let unchanged = self.release.stack().resources().iter();
        let unchanged = unchanged.map(|resource| (resource.id().clone(), Outcome::Unchanged));
        let mut outcomes: BTreeMap<ResourceId, Outcome> = unchanged.collect();
        let unseen = std::mem::take(&mut self.unseen);
        outcomes.extend(unseen.into_iter().map(|(id, error)| (id, Outcome::NotUpdated(error))));
        let unrecorded = std::mem::take(&mut self.unrecorded);
        let mut released = Released { unrecorded, ..Released::default() };
        if self.begins_nothing() {
            released.unsaved = self.end(outcomes.values().all(Outcome::is_ok)).await.err();
            return Released { outcomes, ..released };
        }
        let purpose = Purpose::Update(self.changed.clone());
        let updates = self.changed.iter().cloned().map(|id| self.roll_out_one(&purpose, id));
        let updates = stream::iter(updates.collect::<Vec<_>>()).buffered(WIDTH).collect::<Vec<_>>();
        // What is updated may need what is created, and not need any more what is deleted.
        let work = async {
            let mut results = Results::default();
            self.create_all(&mut results).await;
            results.outcomes.extend(updates.await);
            self.delete_all(&mut results).await;
            results
        };
        match self.kept().leased(self.managed().clock(), work).await {
            Ok(results) => {
                outcomes.extend(results.outcomes);
                released.waits = results.waits;
            }
            // Somebody else has taken over, and carries on with what this release had begun.
            Err(lost) => {
                let begun = self.changed.iter().chain(self.provisioned.ids());
                outcomes.extend(begun.map(|id| (id.clone(), Outcome::Unknown(lost.clone()))));
                return Released { outcomes, unsaved: Some(lost), ..released };
            }
        }
        released.unsaved = self.end(outcomes.values().all(Outcome::is_ok)).await.err();
        Released { outcomes, ..released }
    }

    fn begins_nothing(&self) -> bool {
        self.changed.is_empty() && self.provisioned.is_empty()
    }

    pub(crate) const fn managed(&self) -> &Managed {
        self.guard.managed
    }

    /// A step about a resource, which begins now.
    pub(crate) fn told<'s>(&'s self, id: &'s ResourceId, kind: Kind) -> Told<'s> {
        let clock = self.managed().clock();
        Told {
            progress: &*self.progress,
            clock,
            deployment: self.before.id,
            release: self.release.stack().digest(),
            subject: id.as_str(),
            kind: kind.name(),
            since: clock.now(),
        }
    }

    /// Merges what became of a resource into the record.
    pub(crate) async fn save(&self, id: &ResourceId, change: impl Fn(&mut Deployment) + Send + Sync) {
        let saved = self.kept().change_own(|record| {
            change(record);
            if let Some(in_flight) = &mut record.in_flight {
                in_flight.resources.remove(id);
            }
        });
        if let Err(error) = saved.await {
            tracing::warn!(%error, resource = id.as_str(), "the record was not saved after a change");
        }
    }

    const fn kept(&self) -> &KeptRecord {
        &self.guard.managed.kept
    }

    /// Ends the release in the record. What was seen to run as the release says is in it then, and the whole stack if
    /// everything does.
    async fn end(&self, is_ok: bool) -> Result<()> {
        let stack = self.release.stack();
        let is_seen = |resource: &&Resource| match self.seen.get(resource.id()) {
            Some(Ok(seen)) => seen.differs.is_empty() && !self.changed.contains(resource.id()),
            _ => false,
        };
        let end = |record: &mut Deployment| {
            for resource in stack.resources().iter().filter(is_seen) {
                if let Ok(stack) = record.stack.with_resource(resource) {
                    record.stack = stack;
                }
            }
            // The admin may have set up another stack meanwhile.
            let is_whole = is_ok && self.is_whole && record.diff(stack).admin_only().is_empty();
            if is_whole {
                let has = |agreed: &Resource| stack.resource(agreed.id().as_str()).is_some();
                record.agreed.take_if(|agreed| agreed.resources().iter().all(has));
                record.stack = stack.clone();
                record.in_flight = None;
                record.uncertain.clear();
            }
            // What is still there was not ended.
            interrupted(record);
        };
        if self.begins_nothing() {
            let (kept, clock) = (self.kept(), self.guard.managed.clock());
            let end = |record: &mut Deployment| {
                // Somebody may have begun a release since: the record is that one's to write.
                if kept.is_free(record, clock, Taking::Free).is_ok() {
                    end(record);
                }
                Ok(())
            };
            return kept.change(end).await;
        }
        self.kept().change_own(end).await
    }

    async fn roll_out_one(&self, purpose: &Purpose, id: ResourceId) -> (ResourceId, Outcome) {
        let Some(next) = self.release.stack().resource(id.as_str()) else { return (id, Outcome::Unchanged) };
        let told = self.told(&id, next.kind());
        let tell = |stage| told.tell(stage);
        tell(Stage::Updating);
        let bytes = |artifacts: &Artifacts, code: Option<&Code>| code.and_then(|code| artifacts.bytes(code).cloned());
        let recorded = self.before.stack.resource(id.as_str());
        let change = Change {
            resource: self.number.into_iter().fold(next.clone(), Resource::marked),
            zip: bytes(self.release.artifacts(), next.code()),
            previous_zip: bytes(&self.previous, recorded.and_then(Resource::code)),
            again: self.before.uncertain.contains(&id),
            runs: self.seen.get(&id).and_then(|seen| seen.as_ref().ok()).map(|seen| seen.runs.clone()),
        };
        let is_sent = AtomicBool::new(false);
        let updated = self.in_time(self.update(purpose, &id, change, &is_sent)).await;
        let (outcome, version) = match updated {
            Ok(version) => (Outcome::Updated, version),
            Err(error) if error.is_put_back() => (Outcome::PutBack(error), None),
            // The library refused this before any call.
            Err(error) if matches!(error.kind(), ErrorKind::NotGranted | ErrorKind::Unsupported | ErrorKind::Input) => {
                (Outcome::NotUpdated(error), None)
            }
            // The cloud refused the first write, because somebody else has changed the resource.
            Err(error) if error.kind() == ErrorKind::Conflict && !error.was_sent() => {
                (Outcome::NotUpdated(error), None)
            }
            Err(error) if is_sent.load(Ordering::Relaxed) => (Outcome::Unknown(error), None),
            Err(error) => (Outcome::NotUpdated(error), None),
        };
        tell(if outcome.is_ok() { Stage::Updated } else { Stage::Failed });
        self.save(&id, |record| match &outcome {
            // It runs what it ran before.
            Outcome::PutBack(_) => drop(record.uncertain.remove(&id)),
            Outcome::NotUpdated(_) => {}
            Outcome::Unknown(_) => drop(record.uncertain.insert(id.clone())),
            Outcome::Unchanged | Outcome::Updated | Outcome::Created | Outcome::Deleted => {
                record.versions.extend(version.clone().map(|version| (id.clone(), version)));
                match record.stack.with_resource(next) {
                    Ok(stack) => {
                        record.stack = stack;
                        record.uncertain.remove(&id);
                    }
                    // A change of links may be valid only as a whole. Its parts then wait for the end of the release.
                    Err(_) => drop(record.uncertain.insert(id.clone())),
                }
            }
        })
        .await;
        (id, outcome)
    }

    /// Updates one resource. If its session ends meanwhile, the update is done once more as a whole in another.
    async fn update(
        &self,
        purpose: &Purpose,
        id: &ResourceId,
        change: Change,
        is_sent: &AtomicBool,
    ) -> Result<Option<String>> {
        let send = |purpose: Purpose, change: Change| async move {
            let update = |session: Arc<dyn Manage>| {
                let (id, change) = (id.clone(), change.clone());
                is_sent.store(true, Ordering::Relaxed);
                async move { session.update(&id, &change).await }
            };
            self.guard.managed.with_session(&self.before, &purpose, Repeat::Never, update).await
        };
        match send(purpose.clone(), change.clone()).await {
            // The cloud may limit how large the description of a narrowed session is: one for many resources can exceed
            // that.
            Err(error) if error.kind() == ErrorKind::TooLarge => {
                send(Purpose::Update(BTreeSet::from([id.clone()])), change).await
            }
            Err(error) if error.kind() == ErrorKind::Expired => {
                // What was looked at is not any more what an update that had begun has changed.
                let change = Change { again: true, runs: change.runs.and_then(Runs::unmarked), ..change };
                send(purpose.clone(), change).await.map_err(Error::with_sent)
            }
            updated => updated,
        }
    }

    /// Waits no longer than the deadline of the release.
    pub(crate) async fn in_time<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(until) = self.until else { return work.await };
        let clock = self.guard.managed.clock();
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
