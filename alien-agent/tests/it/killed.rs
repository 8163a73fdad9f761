//! An agent that is killed at each step of each write, and at each call, and one whose disk is full: it goes on after the next start.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use alien_agent::{Agent, Channel, State, Stop, Watcher};
use alien_core::memory::{Account, Fault};
use alien_core::rollout::Outcome;
use alien_core::{Error, ErrorKind, Result};
use async_trait::async_trait;
use http::{Request, Response};

use crate::world::{Customer, HOST, Vendor, Way, digest, outcome, plan, release};

/// Where an agent ends.
#[derive(Debug, Clone)]
struct End {
    at: usize,
    count: Arc<AtomicUsize>,
    gone: Arc<AtomicBool>,
}

impl End {
    fn at(at: usize) -> Self {
        Self { at, count: Arc::default(), gone: Arc::default() }
    }

    /// Whether this is where it ends.
    fn is_here(&self) -> bool {
        let is_here = self.count.fetch_add(1, Ordering::SeqCst) == self.at;
        self.gone.fetch_or(is_here, Ordering::SeqCst);
        is_here
    }

    /// Stops writes there.
    fn of_writes(&self) -> Watcher {
        let end = self.clone();
        Arc::new(move |_| end.is_here().then_some(Stop::Killed))
    }

    /// Waits until it has ended.
    async fn ended(&self) {
        while !self.gone.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// A way to the manager on which the program ends before or after a call.
#[derive(Debug, Clone)]
struct Ending {
    way: Way,
    end: End,
    after: bool,
}

#[async_trait]
impl Channel for Ending {
    async fn exchange(&self, request: Request<Vec<u8>>, most: usize) -> Result<Response<Vec<u8>>> {
        let is_here = self.end.is_here();
        let answer = if is_here && !self.after { None } else { Some(self.way.exchange(request, most).await) };
        if is_here {
            return std::future::pending().await;
        }
        answer.unwrap()
    }
}

/// Lets one agent live until it ends there, and then another of the same state until the rollout is over. Whether it ended there.
async fn goes_on(name: &str, end: &End, doomed: impl FnOnce(&Vendor, &Customer, State) -> Agent) -> bool {
    let vendor = Vendor::new(name).await;
    let customer = vendor.customer("c0").await;
    let second = vendor.publish(&release(b"second"), b"second").await;
    let id = vendor.begin(&second, plan()).await;
    {
        let agent = doomed(&vendor, &customer, customer.state());
        let late = tokio::time::sleep(Duration::from_secs(1200));
        tokio::select! {
            () = agent.run(std::future::pending()) => {}
            () = end.ended() => {}
            ended = vendor.fleet.worker().until_over().run(late) => ended.unwrap(),
        }
    }
    vendor.account.restart();
    let killed = end.gone.load(Ordering::SeqCst);
    let agents = [customer.agent(&vendor)];
    vendor.live_until_over(&agents).await;
    let status = vendor.status(&id).await;
    assert_eq!(outcome(&status, customer.id), Some(Outcome::Good), "ended at {end:?}: {status:#?}");
    assert_eq!(customer.runs().await, digest(b"second"), "ended at {end:?}");
    let look = customer.look();
    let sequence = Some(second.release.sequence());
    assert_eq!((look.runs, look.floor, look.begun), (sequence, sequence, None), "ended at {end:?}");
    killed
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_killed_at_any_step_of_a_write_goes_on() {
    let mut kills = 0;
    for number in 0.. {
        let end = End::at(number);
        let doomed = |vendor: &Vendor, customer: &Customer, state: State| {
            state.watch(end.of_writes());
            customer.builder(vendor, state).open().unwrap()
        };
        if !goes_on("killed-writes", &end, doomed).await {
            break;
        }
        kills += 1;
    }
    assert!(kills > 20, "{kills}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_killed_before_or_after_any_call_to_its_manager_goes_on() {
    for after in [false, true] {
        let mut kills = 0;
        // The first ones are enough: beyond them are polls that find nothing.
        for number in 0..12 {
            let end = End::at(number);
            let doomed = |vendor: &Vendor, customer: &Customer, state: State| {
                let way = Ending { way: Way::to(vendor.router()), end: end.clone(), after };
                customer.builder(vendor, state).channel(way, HOST).open().unwrap()
            };
            kills += usize::from(goes_on("killed-calls", &end, doomed).await);
        }
        assert!(kills > 5, "{kills}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_whose_program_ends_at_any_call_to_the_cloud_goes_on() {
    let (mut kills, mut missed) = (0, 0);
    // What opens a session cannot be the last call, so one number alone says nothing of the end.
    for number in 0.. {
        if missed == 8 {
            break;
        }
        // Before the call, and after it.
        let fault = if number % 2 == 0 { Fault::KilledBefore } else { Fault::KilledAfter };
        let vendor = Vendor::new("killed-cloud").await;
        let customer = vendor.customer("c0").await;
        let second = vendor.publish(&release(b"second"), b"second").await;
        let id = vendor.begin(&second, plan()).await;
        vendor.account.fail_at(number / 2, fault);
        let gone = async {
            while !vendor.account.is_killed() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        {
            // An ended program neither writes nor sends anything.
            let (state, account) = (customer.state(), vendor.account.clone());
            state.watch(Arc::new(move |_| account.is_killed().then_some(Stop::Killed)));
            let way = Gone { way: Way::to(vendor.router()), account: vendor.account.clone() };
            let agent = customer.builder(&vendor, state).channel(way, HOST).open().unwrap();
            let late = tokio::time::sleep(Duration::from_secs(600));
            tokio::select! {
                () = agent.run(std::future::pending()) => {}
                () = gone => {}
                ended = vendor.fleet.worker().until_over().run(late) => ended.unwrap(),
            }
        }
        let killed = vendor.account.is_killed();
        vendor.account.restart();
        let agents = [customer.agent(&vendor)];
        vendor.live_until_over(&agents).await;
        let status = vendor.status(&id).await;
        assert_eq!(outcome(&status, customer.id), Some(Outcome::Good), "at call {number}: {status:#?}");
        assert_eq!(customer.runs().await, digest(b"second"));
        missed = if killed { 0 } else { missed + 1 };
        kills += usize::from(killed);
    }
    assert!(kills > 8, "{kills}");
}

/// A way to the manager that ends with the program.
#[derive(Debug, Clone)]
struct Gone {
    way: Way,
    account: Account,
}

#[async_trait]
impl Channel for Gone {
    async fn exchange(&self, request: Request<Vec<u8>>, most: usize) -> Result<Response<Vec<u8>>> {
        if self.account.is_killed() {
            return std::future::pending().await;
        }
        self.way.exchange(request, most).await
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_disk_is_full_nothing_is_begun_and_then_the_agent_goes_on() {
    let vendor = Vendor::new("full").await;
    let customer = vendor.customer("c0").await;
    let second = vendor.publish(&release(b"second"), b"second").await;
    let state = customer.state();
    let full = Arc::new(AtomicBool::new(true));
    let is_full = Arc::clone(&full);
    state.watch(Arc::new(move |_| {
        let fails = is_full.load(Ordering::SeqCst);
        fails.then(|| Stop::Failed(std::io::Error::other("No space left on device")))
    }));
    let agents = [customer.builder(&vendor, state).open().unwrap()];
    let id = vendor.begin(&second, plan()).await;
    vendor.live(&agents, Duration::from_secs(900)).await;
    assert_eq!((customer.runs().await, customer.look().floor), (digest(b"first"), None));
    let told = vendor.told().await;
    assert!(told.contains("its agent does not take the release: storage"), "{told}");
    full.store(false, Ordering::SeqCst);
    vendor.live_until_over(&agents).await;
    assert_eq!(outcome(&vendor.status(&id).await, customer.id), Some(Outcome::Good));
    assert_eq!(customer.runs().await, digest(b"second"));
}

/// A manager that answers 429 and 5xx, and then none at all.
#[derive(Debug, Clone)]
struct Away {
    way: Way,
    away: Arc<AtomicBool>,
    number: Arc<AtomicUsize>,
}

#[async_trait]
impl Channel for Away {
    async fn exchange(&self, request: Request<Vec<u8>>, most: usize) -> Result<Response<Vec<u8>>> {
        if !self.away.load(Ordering::SeqCst) {
            return self.way.exchange(request, most).await;
        }
        let status = [429_u16, 500, 502, 503, 504, 0][self.number.fetch_add(1, Ordering::SeqCst) % 6];
        if status == 0 {
            return Err(Error::new(ErrorKind::Unavailable, "cut off"));
        }
        Ok(Response::builder().status(status).header("retry-after", "30").body(Vec::new()).unwrap())
    }
}

/// What a manager answers says nothing of the health of a deployment, and what was begun is finished without one.
#[tokio::test(start_paused = true)]
async fn a_manager_that_is_away_for_a_week_is_no_failure_of_a_release() {
    let vendor = Vendor::new("away").await;
    let customer = vendor.customer("c0").await;
    let way = Away { way: Way::to(vendor.router()), away: Arc::default(), number: Arc::default() };
    let agents = [customer.builder(&vendor, customer.state()).channel(way.clone(), HOST).open().unwrap()];
    vendor.live(&agents, Duration::from_secs(60)).await;
    let second = vendor.publish(&release(b"second"), b"second").await;
    let id = vendor.begin(&second, plan()).await;
    // It goes away as soon as the release is begun.
    vendor.account.set_latency(Duration::from_secs(1));
    let begun = async {
        while customer.look().floor.is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        way.away.store(true, Ordering::SeqCst);
    };
    tokio::select! {
        () = agents[0].run(std::future::pending()) => {}
        ended = vendor.fleet.worker().run(std::future::pending()) => ended.unwrap(),
        () = begun => {}
    }
    let calls = way.number.load(Ordering::SeqCst);
    tokio::select! {
        () = agents[0].run(std::future::pending()) => {}
        () = tokio::time::sleep(Duration::from_secs(6 * 24 * 3600)) => {}
    }
    assert!(way.number.load(Ordering::SeqCst) > calls + 1000);
    let look = customer.look();
    assert_eq!((customer.runs().await, look.begun, look.is_told), (digest(b"second"), None, false));
    way.away.store(false, Ordering::SeqCst);
    // A deployment that was silent would pause the rollout.
    tokio::select! {
        () = agents[0].run(std::future::pending()) => {}
        () = tokio::time::sleep(Duration::from_secs(900)) => {}
    }
    vendor.live_until_over(&agents).await;
    assert_eq!(outcome(&vendor.status(&id).await, customer.id), Some(Outcome::Good));
    assert!(customer.look().is_told);
}
