//! A manager that is in an attacker's hand: whatever it answers, nothing runs that was not signed, and nothing older than what was begun.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alien_agent::{AgentBuilder, Channel, Policy, State, Stop};
use alien_core::adapter::{CodeForms, Manage, Purpose};
use alien_core::rollout::{Sequence, Window};
use alien_core::{Clock, Deployment, Error, ErrorKind, Impersonate, Invitation, Kind, Problem, Result, Stack, memory};
use alien_fleet::Published;
use alien_release::agent::{Desired, Ended, Wanted};
use alien_release::{ByteStream, FolderTransport, Transport};
use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Request, Response};
use jiff::Timestamp;
use tower::ServiceExt as _;

use crate::state::key;
use crate::world::{Customer, HOST, Vendor, digest, release};

/// A manager that names what it likes, and lets everything be begun.
#[derive(Clone)]
pub(crate) struct Desire {
    router: Router,
    wanted: Arc<Mutex<Desired>>,
    states: Arc<Mutex<Vec<String>>>,
    reports: Arc<Mutex<Vec<String>>>,
}

impl fmt::Debug for Desire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Desire")
    }
}

impl Desire {
    pub(crate) fn new(router: Router) -> Self {
        Self { router, wanted: Arc::default(), states: Arc::default(), reports: Arc::default() }
    }

    /// Names a release.
    pub(crate) fn name(&self, published: &Published) {
        self.name_as(published.release.sequence(), published.release.digest(), 1_000_000);
    }

    pub(crate) fn name_as(&self, release: Sequence, digest: String, fence: u64) {
        *self.wanted.lock().unwrap() = Desired::new().with_release(Wanted { release, digest, fence });
    }

    pub(crate) fn name_nothing(&self) {
        *self.wanted.lock().unwrap() = Desired::new();
    }

    /// What the agent has told that it does.
    pub(crate) fn states(&self) -> Vec<String> {
        self.states.lock().unwrap().clone()
    }

    /// The reports that it has sent.
    pub(crate) fn reports(&self) -> Vec<String> {
        self.reports.lock().unwrap().clone()
    }
}

#[async_trait]
impl Channel for Desire {
    async fn exchange(&self, request: Request<Vec<u8>>, most: usize) -> Result<Response<Vec<u8>>> {
        let answer =
            |status: u16, body: String| Ok(Response::builder().status(status).body(body.into_bytes()).unwrap());
        match request.uri().path() {
            "/v1/agent/desired" => answer(200, self.wanted.lock().unwrap().to_json()),
            "/v1/agent/report" => {
                let report: serde_json::Value = serde_json::from_slice(request.body()).unwrap();
                self.states.lock().unwrap().push(report["state"].to_string());
                self.reports.lock().unwrap().push(report.to_string());
                answer(204, String::new())
            }
            _ => {
                let (parts, body) = request.into_parts();
                let answer = self.router.clone().oneshot(Request::from_parts(parts, Body::from(body))).await.unwrap();
                let (parts, body) = answer.into_parts();
                Ok(Response::from_parts(parts, to_bytes(body, most).await.unwrap().to_vec()))
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_that_is_older_than_what_was_begun_whatever_the_manager_names() {
    let vendor = Vendor::new("floor").await;
    let customer = vendor.customer("c0").await;
    let second = vendor.publish(&release(b"second"), b"second").await;
    let third = vendor.publish(&release(b"third"), b"third").await;
    let way = Desire::new(vendor.router());
    let agent = customer.builder(&vendor, customer.state()).channel(way.clone(), HOST).open().unwrap();
    way.name(&third);
    vendor.live(std::slice::from_ref(&agent), Duration::from_secs(120)).await;
    assert_eq!(customer.runs().await, digest(b"third"));
    way.name_as(second.release.sequence(), second.release.digest(), 1_000_001);
    vendor.live(std::slice::from_ref(&agent), Duration::from_secs(120)).await;
    assert_eq!(customer.runs().await, digest(b"third"));
    assert!(way.states().iter().any(|state| state.contains("below-floor")), "{:?}", way.states());
    // After a start too, and under any number of an attempt.
    drop(agent);
    let agent = customer.builder(&vendor, customer.state()).channel(way.clone(), HOST).open().unwrap();
    for fence in [0, 1, 999_999, (1 << 53) - 1, u64::MAX] {
        way.name_as(second.release.sequence(), second.release.digest(), fence);
        vendor.live(std::slice::from_ref(&agent), Duration::from_secs(120)).await;
    }
    assert_eq!((customer.runs().await, customer.look().floor), (digest(b"third"), Some(third.release.sequence())));
    // The twin is signed and newer: it may be chosen, and that is disclosed.
    let twin = third.twin.unwrap();
    way.name_as(twin.sequence(), twin.digest(), 5);
    vendor.live(std::slice::from_ref(&agent), Duration::from_secs(120)).await;
    assert_eq!(customer.runs().await, digest(b"second"));
}

/// Runs the third release, and puts back a copy of the state from before it. Returns the second and the third release.
async fn restored(vendor: &Vendor) -> (Customer, Desire, [Published; 2]) {
    let customer = vendor.customer("c0").await;
    let copied = std::fs::read(customer.folder.join("state")).unwrap();
    let second = vendor.publish(&release(b"second"), b"second").await;
    let third = vendor.publish(&release(b"third"), b"third").await;
    let way = Desire::new(vendor.router());
    way.name(&third);
    let agent = customer.builder(vendor, customer.state()).channel(way.clone(), HOST).open().unwrap();
    vendor.live(std::slice::from_ref(&agent), Duration::from_secs(120)).await;
    assert_eq!(customer.runs().await, digest(b"third"));
    drop(agent);
    std::fs::write(customer.folder.join("state"), copied).unwrap();
    assert_eq!(customer.look().floor, None, "the copy does not know it");
    (customer, way, [second, third])
}

/// An old copy of the state, and a new state, lower nothing: the cloud says what runs.
#[tokio::test(start_paused = true)]
async fn a_state_from_before_does_not_let_an_older_release_begin() {
    let vendor = Vendor::new("marks").await;
    let (customer, way, [second, third]) = restored(&vendor).await;
    let agent = customer.builder(&vendor, customer.state()).channel(way.clone(), HOST).open().unwrap();
    way.name_as(second.release.sequence(), second.release.digest(), 1_000_001);
    vendor.live(std::slice::from_ref(&agent), Duration::from_secs(300)).await;
    assert_eq!((customer.runs().await, customer.look().floor), (digest(b"third"), Some(third.release.sequence())));
    drop(agent);
    // A lost key of the state.
    let state = State::replace(&customer.folder, &key(2), customer.id).unwrap();
    state.give(&customer.record).unwrap();
    let agent = customer.builder(&vendor, state).channel(way.clone(), HOST).open().unwrap();
    vendor.live(std::slice::from_ref(&agent), Duration::from_secs(300)).await;
    assert_eq!(customer.runs().await, digest(b"third"));
}

/// A cloud that nobody reaches before a time.
#[derive(Debug)]
struct Late {
    inner: Arc<dyn Impersonate>,
    from: Timestamp,
    /// Whether it answers nothing before, for an hour.
    hangs: bool,
    /// What works all the same.
    works: fn(&Purpose) -> bool,
}

#[async_trait]
impl Impersonate for Late {
    async fn session(&self, deployment: &Deployment, purpose: &Purpose) -> Result<Arc<dyn Manage>> {
        if self.inner.clock().now() < self.from && !(self.works)(purpose) {
            if self.hangs {
                self.inner.clock().sleep(Duration::from_secs(3600)).await;
            }
            return Err(Error::new(ErrorKind::Unavailable, "not yet"));
        }
        self.inner.session(deployment, purpose).await
    }

    async fn replace(&self, deployment: &Deployment, purpose: &Purpose, stale: u64) -> Result<Arc<dyn Manage>> {
        self.inner.replace(deployment, purpose, stale).await
    }

    async fn register(&self, invitation: &Invitation, deployment: &Deployment) -> Result<()> {
        self.inner.register(invitation, deployment).await
    }

    fn code(&self, kind: Kind) -> Option<CodeForms> {
        self.inner.code(kind)
    }

    fn refused(&self, deployment: &Deployment, next: &Stack) -> Result<Vec<Problem>> {
        self.inner.refused(deployment, next)
    }

    fn clock(&self) -> &dyn Clock {
        self.inner.clock()
    }
}

/// Also where the cloud did not tell what runs when the agent began.
#[tokio::test(start_paused = true)]
async fn what_is_marked_is_asked_for_again_where_the_cloud_did_not_tell() {
    let vendor = Vendor::new("marks-late").await;
    let (customer, way, [second, third]) = restored(&vendor).await;
    let from = vendor.clock.now() + Duration::from_secs(600);
    let access = Late { inner: memory::agent(&customer.config), from, hangs: false, works: |_| false };
    let builder = customer.builder_with(&vendor, customer.state(), Arc::new(access));
    let agent = builder.channel(way.clone(), HOST).open().unwrap();
    // In one run: another one would ask anew by itself.
    let names = async {
        for fence in 1_000_001..1_000_006 {
            way.name_as(second.release.sequence(), second.release.digest(), fence);
            tokio::time::sleep(Duration::from_secs(300)).await;
        }
    };
    tokio::select! {
        () = agent.run(std::future::pending()) => {}
        () = names => {}
    }
    assert_eq!((customer.runs().await, customer.look().floor), (digest(b"third"), Some(third.release.sequence())));
}

/// Nor where it tells nothing, and takes updates.
#[tokio::test(start_paused = true)]
async fn where_what_is_marked_is_not_known_nothing_is_begun() {
    let vendor = Vendor::new("marks-unknown").await;
    let (customer, way, [second, third]) = restored(&vendor).await;
    let from = vendor.clock.now() + Duration::from_secs(600);
    let works = |purpose: &Purpose| !matches!(purpose, Purpose::Watch);
    let access = Late { inner: memory::agent(&customer.config), from, hangs: false, works };
    let builder = customer.builder_with(&vendor, customer.state(), Arc::new(access));
    let agent = builder.channel(way.clone(), HOST).open().unwrap();
    way.name_as(second.release.sequence(), second.release.digest(), 1_000_001);
    vendor.live(std::slice::from_ref(&agent), Duration::from_secs(500)).await;
    assert_eq!((customer.runs().await, customer.look().floor), (digest(b"third"), None));
    assert_eq!(customer.look().last.map(|last| last.ended), Some(Ended::Unreachable), "the vendor is told");
    vendor.clock.sleep(Duration::from_secs(200)).await;
    way.name_as(third.release.sequence(), third.release.digest(), 1_000_002);
    vendor.live(std::slice::from_ref(&agent), Duration::from_secs(300)).await;
    assert_eq!(customer.look().last.map(|last| last.ended), Some(Ended::Done));
}

/// Nor where the disk is full when it was told.
#[tokio::test(start_paused = true)]
async fn where_what_is_marked_cannot_be_kept_nothing_is_begun() {
    let vendor = Vendor::new("marks-full").await;
    let (customer, way, [second, third]) = restored(&vendor).await;
    let (state, clock) = (customer.state(), Arc::clone(&vendor.clock));
    let full = clock.now() + Duration::from_secs(300);
    state.watch(Arc::new(move |_| {
        (clock.now() < full).then(|| Stop::Failed(std::io::Error::other("No space left on device")))
    }));
    let agent = customer.builder(&vendor, state).channel(way.clone(), HOST).open().unwrap();
    let names = async {
        for fence in 1_000_001..1_000_006 {
            way.name_as(second.release.sequence(), second.release.digest(), fence);
            tokio::time::sleep(Duration::from_secs(200)).await;
        }
    };
    tokio::select! {
        () = agent.run(std::future::pending()) => {}
        () = names => {}
    }
    assert_eq!((customer.runs().await, customer.look().floor), (digest(b"third"), Some(third.release.sequence())));
}

/// Nor what an old copy of the state had begun: another release followed it.
#[tokio::test(start_paused = true)]
async fn what_an_old_state_had_begun_is_not_finished_after_something_newer() {
    let vendor = Vendor::new("marks-begun").await;
    let customer = vendor.customer("c0").await;
    let second = vendor.publish(&release(b"second"), b"second").await;
    let third = vendor.publish(&release(b"third"), b"third").await;
    let way = Desire::new(vendor.router());
    way.name(&second);
    let works = |purpose: &Purpose| matches!(purpose, Purpose::Watch);
    let access = Late { inner: memory::agent(&customer.config), from: Timestamp::MAX, hangs: true, works };
    let builder = customer.builder_with(&vendor, customer.state(), Arc::new(access));
    let agent = builder.channel(way.clone(), HOST).open().unwrap();
    vendor.live(std::slice::from_ref(&agent), Duration::from_secs(120)).await;
    drop(agent);
    let copied = std::fs::read(customer.folder.join("state")).unwrap();
    assert_eq!(customer.look().begun, Some(second.release.sequence()));
    way.name_as(third.release.sequence(), third.release.digest(), 1_000_001);
    let agent = customer.builder(&vendor, customer.state()).channel(way.clone(), HOST).open().unwrap();
    vendor.live(std::slice::from_ref(&agent), Duration::from_secs(300)).await;
    drop(agent);
    assert_eq!(customer.runs().await, digest(b"third"));
    std::fs::write(customer.folder.join("state"), copied).unwrap();
    way.name_nothing();
    let agent = customer.builder(&vendor, customer.state()).channel(way.clone(), HOST).open().unwrap();
    vendor.live(std::slice::from_ref(&agent), Duration::from_secs(300)).await;
    let status = customer.look();
    assert_eq!((customer.runs().await, status.floor), (digest(b"third"), Some(third.release.sequence())));
    assert_eq!((status.begun, status.last.map(|last| last.ended)), (None, Some(Ended::Fault(ErrorKind::Conflict))));
}

/// Files of a repository whose zips take long, as a manager may send them that wants an update to begin at another time.
#[derive(Debug)]
struct Slow {
    inner: FolderTransport,
    clock: Arc<dyn Clock>,
    takes: Duration,
}

#[async_trait]
impl Transport for Slow {
    async fn fetch(&self, name: &str) -> Result<Option<ByteStream>> {
        if !name.ends_with(".json") {
            self.clock.sleep(self.takes).await;
        }
        self.inner.fetch(name).await
    }
}

/// A release whose zip comes slowly, and its customer.
async fn slow(vendor: &Vendor, takes: Duration) -> (Customer, Desire, AgentBuilder) {
    let customer = vendor.customer("c0").await;
    let second = vendor.publish(&release(b"second"), b"second").await;
    let files = Slow { inner: vendor.files(), clock: Arc::clone(&vendor.clock), takes };
    let way = Desire::new(vendor.router());
    way.name(&second);
    let verifier = customer.verifier(vendor, files);
    let builder = customer.builder(vendor, customer.state()).verifier(verifier).channel(way.clone(), HOST);
    (customer, way, builder)
}

/// However slowly its files come.
#[tokio::test(start_paused = true)]
async fn a_release_does_not_begin_after_its_window_or_its_approval_is_over() {
    let vendor = Vendor::new("slow-window").await;
    let (customer, way, builder) = slow(&vendor, Duration::from_secs(20 * 60)).await;
    let now = vendor.clock.now();
    let hours = [now, now + Duration::from_secs(10 * 60)].map(|at| at.strftime("%H:%M").to_string());
    let window = Window::read(&format!("daily {} UTC", hours.join("-")), now).unwrap();
    let agent = builder.policy(Policy::new().updating_in(window)).open().unwrap();
    vendor.live(std::slice::from_ref(&agent), Duration::from_secs(3600)).await;
    let states = way.states().join("\n");
    assert!(states.contains("window") && !states.contains("beginning"), "{states}");
    assert_eq!(customer.runs().await, digest(b"first"));
    drop(agent);

    let vendor = Vendor::new("slow-approval").await;
    let (customer, way, builder) = slow(&vendor, Duration::from_secs(20 * 60)).await;
    let agent = builder.open().unwrap();
    let withdrawn = async {
        vendor.clock.sleep(Duration::from_secs(10 * 60)).await;
        agent.set_policy(Policy::new().approving([]));
        vendor.clock.sleep(Duration::from_secs(50 * 60)).await;
    };
    tokio::select! {
        () = agent.run(std::future::pending()) => {}
        () = withdrawn => {}
    }
    let states = way.states().join("\n");
    assert!(states.contains("approval") && !states.contains("beginning"), "{states}");
    assert_eq!(customer.runs().await, digest(b"first"));
}

#[tokio::test(start_paused = true)]
async fn files_that_come_too_slowly_are_not_waited_for() {
    let vendor = Vendor::new("slow").await;
    let (customer, way, builder) = slow(&vendor, Duration::from_secs(2 * 3600)).await;
    let agent = builder.open().unwrap();
    vendor.live(std::slice::from_ref(&agent), Duration::from_secs(40 * 60)).await;
    let states = way.states().join("\n");
    assert!(states.contains("unreachable") && !states.contains("beginning"), "{states}");
    assert_eq!(customer.runs().await, digest(b"first"));
}

/// Who stops it does not wait for them.
#[tokio::test(start_paused = true)]
async fn who_stops_an_agent_does_not_wait_for_its_files() {
    let vendor = Vendor::new("slow-stopped").await;
    let (customer, way, builder) = slow(&vendor, Duration::from_secs(20 * 60)).await;
    let agent = builder.open().unwrap();
    let (clock, began) = (Arc::clone(&vendor.clock), vendor.clock.now());
    agent.run(clock.sleep(Duration::from_secs(120))).await;
    let took = Duration::try_from(clock.now().duration_since(began)).unwrap();
    assert!(took < Duration::from_secs(130), "{took:?}");
    assert!(!way.states().join("\n").contains("beginning"), "{:?}", way.states());
    assert_eq!(customer.runs().await, digest(b"first"));
}

/// A cloud that answers nothing.
#[tokio::test(start_paused = true)]
async fn who_stops_an_agent_does_not_wait_for_its_look_at_a_cloud_that_hangs() {
    let vendor = Vendor::new("stopped").await;
    let customer = vendor.customer("c0").await;
    let clock = Arc::clone(&vendor.clock);
    let access = Late { from: Timestamp::MAX, hangs: true, works: |_| false, inner: memory::agent(&customer.config) };
    let builder = customer.builder_with(&vendor, customer.state(), Arc::new(access));
    let agent = builder.channel(Desire::new(vendor.router()), HOST).open().unwrap();
    let began = clock.now();
    agent.run(clock.sleep(Duration::from_secs(1))).await;
    let took = Duration::try_from(clock.now().duration_since(began)).unwrap();
    assert!(took < Duration::from_secs(2), "{took:?}");
}
