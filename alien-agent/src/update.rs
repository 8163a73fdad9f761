//! One attempt at a release: verified, begun, carried out, ended.

use std::collections::BTreeSet;
use std::time::Duration;

use alien_core::rollout::Sequence;
use alien_core::{CodeForm, Error, ErrorKind, Lifecycle, Release, Result, Stack};
use alien_release::agent::{Attempt, Ended, State as Doing, Waits, Wanted};
use alien_release::{Begun, Refusal, RefusalKind, VerifiedRelease};
use jiff::{SignedDuration, Timestamp};

use crate::agent::Agent;
use crate::calls::within;
use crate::live::Parked;
use crate::outcome::{ended, is_changed, unmarked};
use crate::pace::{self, Last};
use crate::state::{BegunAttempt, Waiting};

/// How much memory an agent is reckoned to take without zips, in bytes: the most that the program for AWS had at a release of a small zip,
/// 14.6 MB, and room for what else a stack may bring. `benches/README.md` has the figures, and how they are measured.
const BASE: u64 = 18 << 20;
/// How much memory a zip is reckoned to take, as a part of its length. It was measured as 2.2 times a zip of 4.4 MB.
const ZIP: (u64, u64) = (5, 2);
/// How long one attempt may take.
const LONGEST: Duration = Duration::from_secs(30 * 60);
/// For how long after an update the deployment is looked at more often.
const BAKING: SignedDuration = SignedDuration::from_mins(15);
/// How often an attempt is made whose end nobody knows.
const TRIES: u32 = 5;
/// Bounds the time to verify and fetch a release: a repository may send its files slowly.
const FETCHING: Duration = Duration::from_secs(30 * 60);
/// How long to wait before an outcome that could not be kept is kept again.
const UNKEPT: Duration = Duration::from_secs(5);

impl BegunAttempt {
    /// Whether it is the attempt that is wanted.
    pub(crate) fn is_of(&self, wanted: &Wanted) -> bool {
        (self.release.sequence, self.fence) == (wanted.release, wanted.fence)
    }
}

/// Why an attempt is not begun.
enum Unbegun {
    /// The release waits.
    Waits(Waits),
    /// The attempt is over.
    Ended(Ended),
    /// The agent is to end.
    Stopping,
}

impl From<Waits> for Unbegun {
    fn from(why: Waits) -> Self {
        Self::Waits(why)
    }
}

impl Agent {
    /// Begins a release, if it may, and carries it out.
    pub(crate) async fn attempt(&self, wanted: Wanted) {
        self.attempted(&wanted).await;
        self.settle().await;
    }

    async fn attempted(&self, wanted: &Wanted) {
        let (release, fence) = (wanted.release, wanted.fence);
        let checked = within(&*self.clock, FETCHING, self.checked(wanted)).await.unwrap_or_else(|| {
            tracing::warn!(%release, fence, "a release was not begun: its files came too slowly");
            Err(Waits::Refused(RefusalKind::Unreachable).into())
        });
        let (begun, zips) = match checked.and_then(|checked| self.may_begin(release).map(|()| checked)) {
            Ok(checked) => checked,
            Err(why) => return self.unbegun(wanted, why).await,
        };
        self.live().doing = Doing::Beginning { release, fence };
        match self.tell().await {
            Ok(None) => {}
            Ok(Some(hold)) => {
                tracing::info!(%release, fence, hold, "the manager holds a release back");
                self.live().doing = Doing::Idle;
                return;
            }
            Err(error) => {
                tracing::warn!(%release, fence, %error, "a release was not begun: the manager did not take that");
                self.live().doing = Doing::Idle;
                return;
            }
        }
        // Telling that took time, too.
        if let Err(why) = self.may_begin(release) {
            return self.unbegun(wanted, why).await;
        }
        let attempt = BegunAttempt { release: begun, fence, tries: 0 };
        let kept = self.state.change(|contents| {
            contents.begin(attempt.clone());
            Ok(())
        });
        if let Err(error) = kept.await {
            tracing::error!(%release, fence, %error, "a release was not begun: that could not be kept");
            return self.park(wanted, Waits::Refused(RefusalKind::Storage)).await;
        }
        self.carry_out(&attempt, &zips).await;
    }

    /// Finishes what was begun, also when it has expired meanwhile.
    pub(crate) async fn finish(&self) {
        if let Some(attempt) = self.state.with(|contents| contents.begun.clone()) {
            self.finished(&attempt).await;
        }
        self.settle().await;
    }

    async fn finished(&self, attempt: &BegunAttempt) {
        let (release, fence) = (attempt.release.sequence, attempt.fence);
        self.live().doing = Doing::Updating { release, fence };
        match self.raise_floor().await {
            Ok(()) => {}
            Err(Unbegun::Ended(ended)) => return self.end(release, fence, ended).await,
            Err(_) => return self.later(attempt.tries),
        }
        // The state is an older copy: what it has begun was followed by another release.
        if self.kept_below(release) {
            return self.end(release, fence, Ended::Fault(ErrorKind::Conflict)).await;
        }
        match within(&*self.clock, FETCHING, self.fetched(&attempt.release)).await {
            Some(Ok(_)) if self.live().is_stopping => {}
            Some(Ok(zips)) => self.carry_out(attempt, &zips).await,
            Some(Err(error)) => {
                tracing::warn!(%release, fence, %error, "what was begun is finished later");
                self.later(attempt.tries);
            }
            None => {
                tracing::warn!(%release, fence, "what was begun is finished later: its files came too slowly");
                self.later(attempt.tries);
            }
        }
    }

    /// Returns whether a release may begin at this moment.
    fn may_begin(&self, release: Sequence) -> Result<(), Unbegun> {
        if self.live().is_stopping {
            return Err(Unbegun::Stopping);
        }
        self.kept_back(release).map_or(Ok(()), |why| Err(why.into()))
    }

    /// Says why an attempt is not begun.
    async fn unbegun(&self, wanted: &Wanted, why: Unbegun) {
        match why {
            Unbegun::Waits(why) => self.park(wanted, why).await,
            Unbegun::Ended(ended) => self.end(wanted.release, wanted.fence, ended).await,
            Unbegun::Stopping => self.live().doing = Doing::Idle,
        }
    }

    async fn fetched(&self, begun: &Begun) -> Result<Release, Refusal> {
        let verified = self.verifier.finish(begun).await?;
        verified.with_zips_of(self.is_run(verified.release().stack())).await
    }

    /// Tells which zips of a stack the agent may hand to the cloud: where the cloud runs the image of the same code, none; and none of what is
    /// frozen, which no release sets.
    fn is_run(&self, stack: &Stack) -> impl Fn(&str) -> bool + Send + use<> {
        let live = stack.resources().iter().filter(|resource| resource.lifecycle() == Lifecycle::Live);
        let chosen = live.filter_map(|resource| {
            let forms = self.access.code(resource.kind())?;
            match forms.choose(resource.code()?)?.only()? {
                CodeForm::Zip(digest) => Some(digest.to_owned()),
                CodeForm::Image(_) => None,
            }
        });
        let chosen: BTreeSet<String> = chosen.collect();
        move |digest| chosen.contains(digest)
    }

    /// Refuses zips that do not fit into the memory that the agent may take.
    fn holds(&self, verified: &VerifiedRelease) -> Result<(), Waits> {
        let is_run = self.is_run(verified.release().stack());
        let zips = verified.release().zips().iter().filter(|(digest, _)| is_run(digest));
        let bytes = zips.fold(0_u64, |bytes, (_, length)| bytes.saturating_add(*length));
        // What is sent is a copy, in base64.
        let takes = bytes.saturating_mul(ZIP.0) / ZIP.1 + BASE;
        if bytes == 0 || takes <= self.memory {
            return Ok(());
        }
        let (release, may) = (verified.sequence(), self.memory);
        tracing::warn!(%release, bytes, takes, may, "the zips of a release need more memory than the agent may take");
        Err(Waits::Refused(RefusalKind::TooLarge))
    }

    /// Keeps a release from being begun, and says why.
    async fn park(&self, wanted: &Wanted, why: Waits) {
        let (release, fence) = (wanted.release, wanted.fence);
        {
            let mut live = self.live();
            live.doing = Doing::Waiting { release, fence, why: why.clone() };
            live.parked = Some(Parked { wanted: wanted.clone(), why: why.clone() });
        }
        self.keep_waiting(Some(Waiting { release, why })).await;
    }

    /// Keeps what is not begun, for the customer's admin. Nothing depends on it.
    pub(crate) async fn keep_waiting(&self, waiting: Option<Waiting>) {
        if self.state.with(|contents| contents.waiting == waiting) {
            return;
        }
        let kept = self.state.change(|contents| {
            contents.waiting = waiting;
            Ok(())
        });
        if let Err(error) = kept.await {
            tracing::warn!(%error, "what the agent waits for was not kept");
        }
    }

    /// Raises the floor to what is marked in the cloud, once in a run: the state may be an old copy, or a new one. A resource that is not
    /// there has no mark. Where another mark cannot be read, nobody knows what is older than what runs, and nothing is begun.
    async fn raise_floor(&self) -> Result<(), Unbegun> {
        if self.live().is_marked {
            return Ok(());
        }
        let unknown = |error: Error| {
            tracing::warn!(%error, "which release runs is not known");
            Unbegun::Ended(unmarked(&error))
        };
        let mut marked = None;
        for (_, mark) in self.manager().await.map_err(unknown)?.marks().await {
            match mark {
                Ok(mark) => marked = marked.max(mark),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(unknown(error)),
            }
        }
        let floor = self.state.with(|contents| contents.floor);
        if marked > floor {
            tracing::warn!(?floor, ?marked, "the state is older than what runs: nothing older than that is begun");
            let raised = self.state.change(|contents| {
                contents.floor = marked;
                Ok(())
            });
            if let Err(error) = raised.await {
                tracing::warn!(%error, "the floor was not kept");
                return Err(Waits::Refused(RefusalKind::Storage).into());
            }
        }
        self.live().is_marked = true;
        Ok(())
    }

    /// Takes a release for a new decision: not older than what was begun, let by the policy, signed, for this deployment and this agent.
    async fn checked(&self, wanted: &Wanted) -> Result<(Begun, Release), Unbegun> {
        self.raise_floor().await?;
        self.may_begin(wanted.release)?;
        let refused = |refusal: Refusal| {
            tracing::warn!(release = %wanted.release, %refusal, "a release is not taken");
            Waits::Refused(refusal.kind())
        };
        let verified = self.verifier.decide(wanted.release).await.map_err(refused)?;
        self.fits(wanted, &verified)?;
        self.holds(&verified)?;
        let zips = verified.with_zips_of(self.is_run(verified.release().stack())).await.map_err(refused)?;
        Ok((Begun::from(&verified), zips))
    }

    fn fits(&self, wanted: &Wanted, verified: &VerifiedRelease) -> Result<(), Waits> {
        if verified.digest() != wanted.digest {
            let (found, named) = (verified.digest(), &wanted.digest);
            tracing::warn!(release = %wanted.release, found, named, "the manager names another release than is signed");
            return Err(Waits::Refused(RefusalKind::Altered));
        }
        let release = verified.release();
        let Ok(record) = self.record() else { return Err(Waits::Refused(RefusalKind::Storage)) };
        if release.product() != record.stack.name() {
            return Err(Waits::Refused(RefusalKind::Malformed));
        }
        if *release.least_agent() > self.version {
            return Err(Waits::AgentTooOld { least: *release.least_agent() });
        }
        match record.admin_only(release.stack()) {
            Ok(changes) if changes.is_empty() => Ok(()),
            Ok(changes) => {
                for change in changes {
                    tracing::warn!(release = %wanted.release, %change, "only the admin can set this: run `alien-deploy up`");
                }
                Err(Waits::AdminOnly)
            }
            Err(_) => Err(Waits::Refused(RefusalKind::Malformed)),
        }
    }

    /// Makes the calls, and keeps how that ended.
    async fn carry_out(&self, attempt: &BegunAttempt, zips: &Release) {
        {
            let mut live = self.live();
            live.doing = Doing::Updating { release: attempt.release.sequence, fence: attempt.fence };
            live.is_carrying_out = true;
        }
        self.carried_out(attempt, zips).await;
        self.live().is_carrying_out = false;
    }

    async fn carried_out(&self, attempt: &BegunAttempt, zips: &Release) {
        let (release, fence) = (attempt.release.sequence, attempt.fence);
        let manager = match self.manager().await {
            Ok(manager) => manager,
            Err(error) => {
                tracing::error!(%release, fence, %error, "what was begun is finished later");
                return self.later(attempt.tries);
            }
        };
        // Nobody else has this state, so a lease in it is of an agent that was killed.
        let by = format!("the agent, as attempt {fence} at release {release}");
        let released = manager.release(zips).numbered(release).take_over().by(by).deadline(LONGEST).await;
        tracing::info!(%release, fence, %released, "an attempt");
        let now = self.clock.now();
        if is_changed(&released) {
            self.live().baking = now.checked_add(BAKING).ok();
        }
        let tries = attempt.tries.saturating_add(1);
        match ended(&released, now, &self.policy()) {
            // It was this machine's disk that did not take what was to be kept.
            Some(Ended::Unreachable) if self.state.has_failed() => {
                self.end(release, fence, Ended::Fault(ErrorKind::Unavailable)).await;
            }
            Some(ended) => self.end(release, fence, ended).await,
            None if tries >= TRIES => self.end(release, fence, Ended::Fault(ErrorKind::TimedOut)).await,
            None => {
                let tried = self.state.change(|contents| {
                    if let Some(begun) = contents.begun.as_mut().filter(|begun| begun.fence == fence) {
                        begun.tries = tries;
                    }
                    Ok(())
                });
                if let Err(error) = tried.await {
                    tracing::warn!(%error, "how often an attempt was made was not kept");
                }
                self.later(tries);
            }
        }
    }

    /// Keeps how an attempt ended. It is not forgotten because the disk is full: until it is kept, nothing else is begun.
    async fn end(&self, release: Sequence, fence: u64, ended: Ended) {
        loop {
            let kept = self.state.change(|contents| {
                if ended == Ended::Done {
                    contents.runs = Some(release);
                }
                contents.end(Attempt { release, fence, ended: ended.clone() });
                Ok(())
            });
            match kept.await {
                Ok(()) => break,
                Err(error) => tracing::error!(%release, fence, %error, "how an attempt ended was not kept yet"),
            }
            self.clock.sleep(UNKEPT).await;
        }
        let mut live = self.live();
        (live.doing, live.again) = (Doing::Idle, None);
    }

    /// Tries what was begun again, later.
    fn later(&self, tries: u32) {
        let now = self.clock.now();
        let last = Last::Failed { times: tries.saturating_add(1), retry_after: None };
        let wait = pace::wait(self.state.deployment(), now, last, fastrand::f64());
        self.live().again = Some(now.checked_add(wait).unwrap_or(Timestamp::MAX));
    }
}
