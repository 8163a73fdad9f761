//! A manager that is in an attacker's hand: whatever it answers, nothing runs that was not signed, and nothing older than what was begun.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alien_agent::{Channel, State};
use alien_core::adapter::{CodeForms, Manage, Purpose};
use alien_core::rollout::Sequence;
use alien_core::{Clock, Deployment, Error, ErrorKind, Impersonate, Invitation, Kind, Problem, Result, Stack, memory};
use alien_fleet::Published;
use alien_release::agent::{Bearer, Desired, Token, Wanted};
use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use tower::ServiceExt as _;

use crate::state::key;
use crate::world::{Customer, HOST, Vendor, digest, plan, release};

/// A manager that names what it likes, and lets everything be begun.
#[derive(Clone)]
pub(crate) struct Desire {
    router: Router,
    wanted: Arc<Mutex<Desired>>,
    states: Arc<Mutex<Vec<String>>>,
}

impl fmt::Debug for Desire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Desire")
    }
}

impl Desire {
    pub(crate) fn new(router: Router) -> Self {
        Self { router, wanted: Arc::default(), states: Arc::default() }
    }

    /// Names a release.
    pub(crate) fn name(&self, published: &Published) {
        self.name_as(published.release.sequence(), published.release.digest(), 1_000_000);
    }

    pub(crate) fn name_as(&self, release: Sequence, digest: String, fence: u64) {
        *self.wanted.lock().unwrap() = Desired::new().with_release(Wanted { release, digest, fence });
    }

    /// What the agent has told that it does.
    pub(crate) fn states(&self) -> Vec<String> {
        self.states.lock().unwrap().clone()
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
}

#[async_trait]
impl Impersonate for Late {
    async fn session(&self, deployment: &Deployment, purpose: &Purpose) -> Result<Arc<dyn Manage>> {
        if self.inner.clock().now() < self.from {
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
    let access = Late { inner: memory::agent(&customer.config), from: vendor.clock.now() + Duration::from_secs(600) };
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

/// A manager whose answers are given, one after the other and then again from the first.
#[derive(Debug)]
struct Scripted {
    answers: Vec<Given>,
    next: Mutex<usize>,
}

#[derive(Debug, Clone)]
enum Given {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// What a manager would answer to the call, by its form.
    Fitting {
        token: Vec<u8>,
        desired: Vec<u8>,
    },
    Hangs,
    Fails,
}

#[async_trait]
impl Channel for Scripted {
    async fn exchange(&self, request: Request<Vec<u8>>, most: usize) -> Result<Response<Vec<u8>>> {
        let given = {
            let mut next = self.next.lock().unwrap();
            *next += 1;
            self.answers[(*next - 1) % self.answers.len()].clone()
        };
        match given {
            Given::Hangs => std::future::pending().await,
            Given::Fitting { token, desired } => {
                let (status, body) = match request.uri().path() {
                    "/v1/agent/token" => (200, token),
                    "/v1/agent/desired" => (200, desired),
                    _ => (204, Vec::new()),
                };
                Ok(Response::builder().status(status).body(body).unwrap())
            }
            Given::Fails => Err(Error::new(ErrorKind::Unavailable, "cut")),
            Given::Answer { status, headers, mut body } => {
                body.truncate(most);
                let mut answer = Response::builder().status(StatusCode::from_u16(status).unwrap());
                for (name, value) in headers {
                    answer = answer.header(name, value);
                }
                Ok(answer.body(body).unwrap())
            }
        }
    }
}

/// Answers of every kind: those of a manager with values of any size, pages, garbage.
fn answers(signed: Vec<(u64, String)>) -> impl Strategy<Value = Vec<Given>> {
    let number = prop_oneof![0..12_u64, Just((1 << 53) - 1), Just(u64::MAX), any::<u64>()];
    let named = prop::sample::select(signed);
    let zeroes = format!("sha256:{}", "0".repeat(64));
    let digest = prop_oneof![named.clone().prop_map(|(_, digest)| digest), Just(zeroes), ".{0,40}"];
    let desired =
        (number.clone(), digest, number.clone(), any::<Option<u32>>()).prop_map(|(release, digest, fence, next)| {
            let mut desired = Desired::new().with_release(Wanted { release: release.into(), digest, fence });
            desired.next_poll = next;
            desired.to_json().into_bytes()
        });
    let true_desired = (named, number.clone()).prop_map(|((release, digest), fence)| {
        Desired::new().with_release(Wanted { release: release.into(), digest, fence }).to_json().into_bytes()
    });
    let expires = prop_oneof![Just("1970-01-01T00:00:00Z"), Just("2027-01-15T09:00:00Z"), Just("9999-01-01T00:00:00Z")];
    let token = (expires, number).prop_map(|(expires, counter)| {
        let bearer: Bearer = "abc".parse().unwrap();
        Token::new(bearer, expires.parse().unwrap(), counter).reveal().as_bytes().to_vec()
    });
    let (token, true_desired, desired) = (token.boxed(), true_desired.boxed(), desired.boxed());
    let names = prop_oneof![2 => true_desired.clone(), 1 => desired.clone()];
    let fitting = (token.clone(), names).prop_map(|(token, desired)| Given::Fitting { token, desired });
    let body = prop_oneof![
        2 => token,
        2 => true_desired,
        2 => desired,
        1 => Just(Vec::new()),
        1 => Just(b"<html>log in</html>".to_vec()),
        1 => Just(br#"{"version":1,"hold":"no"}"#.to_vec()),
        1 => Just(vec![b'['; 8000]),
        1 => prop::collection::vec(any::<u8>(), 0..300),
    ];
    let status = prop_oneof![8 => Just(200_u16), 2 => Just(204), 1 => Just(304), 1 => 200..600_u16];
    let retry = prop_oneof![
        3 => Just(None),
        1 => any::<u32>().prop_map(|seconds| Some(seconds.to_string())),
        1 => Just(Some("Fri, 31 Dec 9999 23:59:59 GMT".to_owned())),
        1 => Just(Some("-1".to_owned())),
    ];
    let answer = (status, retry, body).prop_map(|(status, retry, body)| {
        let headers = retry.map(|retry| ("retry-after", retry)).into_iter().collect();
        Given::Answer { status, headers, body }
    });
    prop::collection::vec(
        prop_oneof![12 => fitting, 8 => answer, 1 => Just(Given::Hangs), 1 => Just(Given::Fails)],
        1..12,
    )
}

/// How many managers are tried.
const CASES: u32 = 24;

#[test]
fn whatever_a_manager_answers_nothing_runs_that_is_not_signed_and_the_agent_goes_on() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let mut began = 0;
    let mut runner =
        TestRunner::new(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() });
    let mut run = |number: u32| {
        runtime().block_on(async {
            let vendor = Vendor::new("scripted").await;
            let second = vendor.publish(&release(b"second"), b"second").await;
            let third = vendor.publish(&release(b"third"), b"third").await;
            let twins = [second.twin.as_ref().unwrap(), third.twin.as_ref().unwrap()];
            let all = [&second.release, &third.release].into_iter().chain(twins);
            let signed: Vec<(u64, String)> = all.map(|one| (one.sequence().number(), one.digest())).collect();
            let script = answers(signed).new_tree(&mut runner).unwrap().current();
            let customer = vendor.customer(&format!("c{number}")).await;
            let way = Scripted { answers: script.clone(), next: Mutex::default() };
            let agent = customer.builder(&vendor, customer.state()).channel(way, HOST).open().unwrap();
            let mut floors = BTreeSet::new();
            for _ in 0..5 {
                tokio::select! {
                    () = agent.run(std::future::pending()) => {}
                    () = tokio::time::sleep(Duration::from_secs(400)) => {}
                }
                let runs = customer.runs().await;
                let signed = [b"first".as_slice(), b"second", b"third"].map(digest);
                assert!(signed.contains(&runs), "{runs} after {script:?}");
                let floor = customer.look().floor;
                assert!(floors.last().copied().flatten() <= floor, "{floors:?} then {floor:?} after {script:?}");
                floors.insert(floor);
            }
            let size = std::fs::metadata(customer.folder.join("state")).unwrap().len();
            assert!(size < 100_000, "{size} after {script:?}");
            drop(agent);
            // The true manager is there again: the agent goes on, and takes what it names.
            let fourth = vendor.publish(&release(b"fourth"), b"fourth").await;
            let agents = [customer.agent(&vendor)];
            // A deployment that was silent would pause the rollout.
            vendor.live(&agents, Duration::from_secs(120)).await;
            let id = vendor.begin(&fourth, plan()).await;
            vendor.live_until_over(&agents).await;
            let status = vendor.status(&id).await;
            assert_eq!(customer.runs().await, digest(b"fourth"), "after {script:?}: {status:#?}");
            floors.iter().any(Option::is_some)
        })
    };
    for number in 0..CASES {
        began += usize::from(run(number));
    }
    assert!(began > 3, "in {began} of {CASES} something was begun, so little was tried");
}
