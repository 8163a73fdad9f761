//! A cloud that can be called, as the suite sees it: an adapter, and a peer that enforces the documents written to it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use alien_core::adapter::{AccessControl, Cloud, DeploymentContext, Subject};
use alien_core::{
    Action, Admin, Artifacts, Call, CallConfig, Clock, Code, Delivery, Deployment, DeploymentId, FunctionUpdate,
    Impersonate, Invitation, Manager, Recorder, Release, Retry, Stack,
};
use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

/// A cloud that can be called, and the peer behind it.
#[async_trait]
pub trait World: Send + Sync {
    /// The cloud.
    type Cloud: AccessControl;

    /// The target of a deployment with this prefix.
    fn target(&self, prefix: &str) -> <Self::Cloud as Cloud>::Target;

    /// The configuration of calls.
    fn calling(&self) -> CallConfig;

    /// The admin's side.
    fn admin(&self, id: DeploymentId, target: <Self::Cloud as Cloud>::Target, how: CallConfig) -> Admin;

    /// The side that manages: the vendor's, or in a world where releases are pulled, that of the customer's agent.
    fn vendor(&self, how: CallConfig) -> Arc<dyn Impersonate>;

    /// How releases reach the deployments of this world, as its targets say it.
    fn delivery(&self) -> Delivery {
        Delivery::Push
    }

    /// Code that answers every command with the command itself, and logs it. Each `says` gives different code.
    fn code(&self, says: &str) -> Shipped;

    /// Removes a permission on the resources of these full names from the vendor's documents in the peer.
    async fn take_away(&self, deployment: &Deployment, permission: &str, on: &[String]);

    /// Restores the vendor's documents as the library renders them.
    async fn give_back(&self, deployment: &Deployment);

    /// Does whatever else the peer needs after every set-up.
    async fn prepare(&self, _deployment: &Deployment) {}

    /// What a set-up does with a subject of a deployment that this earlier version set up; `None` if it leaves it as it is.
    fn is_set_anew(
        &self,
        _version: &str,
        _context: &DeploymentContext<Self::Cloud>,
        _subject: Subject,
    ) -> Option<Action> {
        None
    }

    /// Whether the peer is known to decide wrongly on a permission, so that only the cloud's evaluator decides.
    fn is_undecided(&self, _permission: &str) -> bool {
        false
    }
}

/// The code of a function, in the form that the cloud takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shipped {
    /// The bytes of a zip.
    Zip(Vec<u8>),
    /// An image, by its digest.
    Image(String),
}

impl Shipped {
    /// The code as a stack names it.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Zip(bytes) => Code::zip(bytes),
            Self::Image(image) => image.parse::<Code>().unwrap(),
        }
    }

    /// An update to this code.
    #[must_use]
    pub fn update(&self) -> FunctionUpdate {
        match self {
            Self::Zip(bytes) => FunctionUpdate::new().with_zip(bytes.clone()),
            Self::Image(_) => FunctionUpdate::new().with_code(self.code()),
        }
    }
}

/// A deployment in a world.
pub struct Case<'w, W: World> {
    /// The world.
    pub world: &'w W,
    /// The vendor's invitation.
    pub invitation: Invitation,
    /// The target of the deployment.
    pub target: <W::Cloud as Cloud>::Target,
    /// The admin's side.
    pub admin: Admin,
}

impl<W: World> fmt::Debug for Case<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("target", &self.target).finish_non_exhaustive()
    }
}

impl<'w, W: World> Case<'w, W> {
    /// A deployment of a stack with this prefix.
    ///
    /// # Panics
    ///
    /// Where the stack names something of the customer's.
    pub fn new(world: &'w W, prefix: &str, stack: Stack) -> Self {
        let target = world.target(prefix);
        let id = DeploymentId::from(Uuid::new_v4());
        let invitation = invitation(world, id, &target, stack);
        let admin = Self::admin_of(world, id, target.clone(), world.calling());
        Self { world, invitation, target, admin }
    }

    /// The admin of a deployment, with how releases reach it in this world.
    #[must_use]
    pub fn admin_of(world: &W, id: DeploymentId, target: <W::Cloud as Cloud>::Target, how: CallConfig) -> Admin {
        world.admin(id, target, how).with_delivery(world.delivery())
    }

    /// Sets up a release.
    ///
    /// # Errors
    ///
    /// Those of plan and apply.
    pub async fn up(&self, release: &Release, previous: Option<&Deployment>) -> alien_core::Result<Deployment> {
        let plan = self.admin.plan(release).previous(previous).await?;
        let deployment = self.admin.apply(&plan).await?;
        self.world.prepare(&deployment).await;
        Ok(deployment)
    }

    /// Manages a deployment as the vendor, and records every call.
    #[must_use]
    pub fn manager(&self, deployment: &Deployment) -> (Manager, Calls) {
        let calls = Calls::default();
        let how = self.world.calling().with_recorder(calls.recorder());
        (Manager::new(self.world.vendor(how), deployment.clone()), calls)
    }
}

/// The invitation to a deployment in a world.
fn invitation<W: World>(world: &W, id: DeploymentId, target: &<W::Cloud as Cloud>::Target, stack: Stack) -> Invitation {
    match world.delivery() {
        Delivery::Push => Invitation::new(id, target, stack).unwrap(),
        Delivery::Pull { manager, root } => Invitation::pull::<W::Cloud>(id, manager, root, stack).unwrap(),
    }
}

/// How releases reach a deployment that pulls them: from an address that nothing calls yet, signed by a root that nothing
/// reads yet.
///
/// # Panics
///
/// Never: both are well formed.
#[must_use]
pub fn pulled() -> Delivery {
    let root = format!("sha256:{}", "5".repeat(64));
    Delivery::Pull { manager: "https://releases.vendor.example".parse().unwrap(), root: root.parse().unwrap() }
}

/// A release of a stack with its code.
///
/// # Panics
///
/// If a zip is missing.
#[must_use]
pub fn release(stack: &Stack, shipped: &[Shipped]) -> Release {
    let zip = |shipped: &Shipped| match shipped {
        Shipped::Zip(bytes) => Some(Arc::from(bytes.as_slice())),
        Shipped::Image(_) => None,
    };
    let artifacts: Artifacts = shipped.iter().filter_map(zip).collect();
    Release::new(stack.clone(), artifacts).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The recorded calls.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    /// A recorder that adds to them.
    #[must_use]
    pub fn recorder(&self) -> Recorder {
        let calls = Arc::clone(&self.0);
        Arc::new(move |call| calls.lock().unwrap().push(call.clone()))
    }

    /// Returns the calls so far, and forgets them.
    ///
    /// # Panics
    ///
    /// If a test panicked while recording.
    #[must_use]
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Returns the operations of the calls so far in order, and forgets them.
    #[must_use]
    pub fn operations(&self) -> Vec<String> {
        self.take().iter().map(|call| call.operation.to_string()).collect()
    }
}

/// What calls needed: the subject, the permission, and the scope in which it is checked.
#[must_use]
pub fn needed(calls: &[Call]) -> BTreeSet<(String, String, String)> {
    let each = |call: &Call| {
        let subject = call.subject.clone();
        let permissions = call.permissions.iter();
        permissions
            .map(move |needed| (subject.clone(), needed.permission.to_string(), needed.scope.clone()))
            .collect::<Vec<_>>()
    };
    calls.iter().flat_map(each).collect()
}

/// A clock on tokio's time. Time stands still while any task can run, and then jumps to the next timer, for tests with
/// `start_paused`.
#[derive(Debug)]
pub struct PausedClock {
    begin: Timestamp,
    start: tokio::time::Instant,
}

impl PausedClock {
    /// Starts now.
    #[must_use]
    pub fn begin() -> Arc<Self> {
        Arc::new(Self { begin: Timestamp::from_second(1_800_000_000).unwrap(), start: tokio::time::Instant::now() })
    }
}

#[async_trait]
impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        self.begin + self.start.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The system clock with short waits. What a run waits for takes a twentieth of its time: a retry, the next poll,
/// whether its claim holds.
///
/// What would end a run takes its full time: a budget, and the third of a lease within which a claim must be renewed.
/// The length of a wait tells the two apart, and the time of day is the real one. A clock that is faster as a whole
/// would leave only a second to renew a claim, and on two busy cores a task may wait that long for its turn.
pub struct HurriedClock {
    waits: AtomicUsize,
    begun: Box<dyn Fn(usize) + Send + Sync>,
}

impl fmt::Debug for HurriedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HurriedClock").field("waits", &self.waits).finish_non_exhaustive()
    }
}

/// The factor by which waits are shortened.
const HURRY: u32 = 20;

/// A longer wait would end a run. Nothing that a run waits for takes longer: polls are at most three seconds apart, and
/// the longest pause between two retries is ten.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

impl HurriedClock {
    /// Starts a clock.
    #[must_use]
    pub fn begin() -> Arc<Self> {
        Self::telling(|_| {})
    }

    /// Starts a clock that calls `begun` with the number of each wait as it starts. An event after a number of waits
    /// happens neither too early on a slow machine nor too late on a fast one.
    #[must_use]
    pub fn telling(begun: impl Fn(usize) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { waits: AtomicUsize::new(0), begun: Box::new(begun) })
    }
}

#[async_trait]
impl Clock for HurriedClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        if duration > LONGEST_WAIT {
            return tokio::time::sleep(duration).await;
        }
        (self.begun)(self.waits.fetch_add(1, Ordering::SeqCst) + 1);
        tokio::time::sleep(duration / HURRY).await;
    }
}

/// How long a test polls for something that must happen by itself: two minutes. Only a failing test takes that long.
#[derive(Debug)]
pub struct Patience(Instant);

impl Patience {
    /// Starts now.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it begins when it is made")]
    pub fn new() -> Self {
        Self(Instant::now() + Duration::from_secs(120))
    }

    /// Waits a little before the next poll.
    ///
    /// # Panics
    ///
    /// If the time is over, with what the last poll saw.
    pub async fn wait(&self, clock: &dyn Clock, seen: &(impl fmt::Debug + Sync)) {
        self.check(seen);
        clock.sleep(Duration::from_millis(200)).await;
    }

    /// Like [`wait`](Self::wait), but blocks the thread.
    ///
    /// # Panics
    ///
    /// Like [`wait`](Self::wait).
    pub fn block(&self, seen: &impl fmt::Debug) {
        self.check(seen);
        std::thread::sleep(Duration::from_millis(200));
    }

    fn check(&self, seen: &impl fmt::Debug) {
        assert!(Instant::now() < self.0, "after two minutes it is still {seen:?}");
    }
}

/// A configuration with fast retries, for peers in the same process or on the same machine.
#[must_use]
pub fn quickly(clock: Arc<dyn Clock>, budget: Duration) -> CallConfig {
    CallConfig::new(clock).with_retry(Retry {
        first: Duration::from_millis(20),
        most: Duration::from_millis(500),
        budget,
    })
}
