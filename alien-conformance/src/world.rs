//! A cloud that can be called, as the suite knows it: an adapter, and a peer that enforces what was written to it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use alien_core::adapter::{AccessControl, Cloud, Options};
use alien_core::{
    Admin, Artifacts, Call, CallConfig, Clock, Code, Deployment, DeploymentId, FunctionUpdate, Impersonate, Invitation,
    Manager, Recorder, Release, Retry, Stack,
};
use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

/// A cloud that can be called, and what stands behind the calls.
#[async_trait]
pub trait World: Send + Sync {
    /// The cloud.
    type Cloud: AccessControl;

    /// Where a deployment of this name goes.
    fn target(&self, prefix: &str) -> <Self::Cloud as Cloud>::Target;

    /// How calls are made.
    fn calling(&self) -> CallConfig;

    /// The admin's side.
    fn admin(&self, id: DeploymentId, target: <Self::Cloud as Cloud>::Target, how: CallConfig) -> Admin;

    /// The vendor's side.
    fn vendor(&self, how: CallConfig) -> Arc<dyn Impersonate>;

    /// What answers every command with itself, and writes the command to its log: another one for each `says`.
    fn code(&self, says: &str) -> Shipped;

    /// Takes a permission on things of these full names out of the documents that the peer has of the vendor.
    async fn take_away(&self, deployment: &Deployment, permission: &str, on: &[String]);

    /// Gives the vendor's documents back as the library renders them.
    async fn give_back(&self, deployment: &Deployment);

    /// Whatever the peer needs beside what was set up, after every set-up.
    async fn prepare(&self, _deployment: &Deployment) {}

    /// Whether the peer is known to decide wrongly about a permission: then the cloud's evaluator decides.
    fn is_undecided(&self, _permission: &str) -> bool {
        false
    }
}

/// What a function runs, as the cloud takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shipped {
    /// The bytes of a zip.
    Zip(Vec<u8>),
    /// An image, by its digest.
    Image(String),
}

impl Shipped {
    /// As a stack names it.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Zip(bytes) => Code::zip(bytes),
            Self::Image(image) => image.parse::<Code>().unwrap(),
        }
    }

    /// An update to it.
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
    /// What the vendor handed over.
    pub invitation: Invitation,
    /// Where it goes.
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
    /// A deployment of this name of a stack.
    ///
    /// # Panics
    ///
    /// Where the stack names something of the customer's.
    pub fn new(world: &'w W, prefix: &str, stack: Stack) -> Self {
        let target = world.target(prefix);
        let id = DeploymentId::from(Uuid::new_v4());
        let invitation = Invitation::new(id, &target, stack).unwrap();
        let admin = world.admin(id, target.clone(), world.calling());
        Self { world, invitation, target, admin }
    }

    /// Sets a release up.
    ///
    /// # Errors
    ///
    /// What plan and apply give.
    pub async fn up(&self, release: &Release, previous: Option<&Deployment>) -> alien_core::Result<Deployment> {
        let plan = self.admin.plan(release).previous(previous).await?;
        let deployment = self.admin.apply(&plan).await?;
        self.world.prepare(&deployment).await;
        Ok(deployment)
    }

    /// Looks after a deployment as the vendor does; every call is recorded.
    #[must_use]
    pub fn manager(&self, deployment: &Deployment) -> (Manager, Calls) {
        let calls = Calls::default();
        let how = self.world.calling().with_recorder(calls.recorder());
        (Manager::new(self.world.vendor(how), deployment.clone()), calls)
    }
}

/// A run of another name than any other.
#[must_use]
pub fn run() -> Options {
    Options::new(Uuid::new_v4().to_string())
}

/// A release of a stack with what is shipped.
///
/// # Panics
///
/// Where a zip is missing.
#[must_use]
pub fn release(stack: &Stack, shipped: &[Shipped]) -> Release {
    let zip = |shipped: &Shipped| match shipped {
        Shipped::Zip(bytes) => Some(Arc::from(bytes.as_slice())),
        Shipped::Image(_) => None,
    };
    let artifacts: Artifacts = shipped.iter().filter_map(zip).collect();
    Release::new(stack.clone(), artifacts).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The calls that were made.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    /// What tells of them.
    #[must_use]
    pub fn recorder(&self) -> Recorder {
        let calls = Arc::clone(&self.0);
        Arc::new(move |call| calls.lock().unwrap().push(call.clone()))
    }

    /// The calls so far, and forgets them.
    ///
    /// # Panics
    ///
    /// Where a test panicked while it recorded.
    #[must_use]
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// The operations of the calls so far, in order, and forgets them.
    #[must_use]
    pub fn operations(&self) -> Vec<String> {
        self.take().iter().map(|call| call.operation.to_string()).collect()
    }
}

/// What calls needed: subject, permission, and the sort of thing it is checked on.
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

/// A clock on tokio's time, which stands still while anything can go on, and then jumps to the next thing that waits:
/// for tests with `start_paused`.
#[derive(Debug)]
pub struct PausedClock {
    begin: Timestamp,
    start: tokio::time::Instant,
}

impl PausedClock {
    /// Begins now.
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

/// The machine's time, on which nobody waits long: what a run waits for — another try, another look, whether its claim stands —
/// takes a twentieth of its time.
///
/// What would end a run takes all of its own: a budget, and the third of a lease within which a claim must have been renewed. They
/// are told apart by their length, and the time of day is the machine's. A clock that were faster as a whole would leave a
/// renewal one second, and on two cores that others use as well, a second may be all that one task waits for its turn.
pub struct HurriedClock {
    waits: AtomicUsize,
    begun: Box<dyn Fn(usize) + Send + Sync>,
}

impl fmt::Debug for HurriedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HurriedClock").field("waits", &self.waits).finish_non_exhaustive()
    }
}

/// How many times as fast what a run waits for is over.
const HURRY: u32 = 20;

/// What is longer would end a run. Nothing that a run waits for is: polls are three seconds apart at most, and the longest pause
/// between two tries is ten.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

impl HurriedClock {
    /// A clock.
    #[must_use]
    pub fn begin() -> Arc<Self> {
        Self::telling(|_| {})
    }

    /// A clock that tells of each wait that begins, by its number. What a test lets happen after so many waits happens neither
    /// too soon on a slow machine nor too late on a fast one.
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

/// How long a test looks for what must come by itself: two minutes, which only what never comes takes.
#[derive(Debug)]
pub struct Patience(Instant);

impl Patience {
    /// Begins now.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it begins when it is made")]
    pub fn new() -> Self {
        Self(Instant::now() + Duration::from_secs(120))
    }

    /// Waits a little before the next look.
    ///
    /// # Panics
    ///
    /// Where it is over: what the last look saw.
    pub async fn wait(&self, clock: &dyn Clock, seen: &(impl fmt::Debug + Sync)) {
        self.check(seen);
        clock.sleep(Duration::from_millis(200)).await;
    }

    /// The same, on the thread's own time.
    ///
    /// # Panics
    ///
    /// As [`wait`](Self::wait).
    pub fn block(&self, seen: &impl fmt::Debug) {
        self.check(seen);
        std::thread::sleep(Duration::from_millis(200));
    }

    fn check(&self, seen: &impl fmt::Debug) {
        assert!(Instant::now() < self.0, "after two minutes it is still {seen:?}");
    }
}

/// Calls that are tried again soon, for peers in the same process or on the same machine.
#[must_use]
pub fn quickly(clock: Arc<dyn Clock>, budget: Duration) -> CallConfig {
    CallConfig::new(clock).with_retry(Retry {
        first: Duration::from_millis(20),
        most: Duration::from_millis(500),
        budget,
    })
}
