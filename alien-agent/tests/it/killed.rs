//! An agent that is killed at each step of each write, and at each call, and one whose disk is full: it goes on after the next start.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use alien_agent::{Agent, Channel, State, Stop, Watcher};
use alien_core::memory::{Account, Fault};
use alien_core::rollout::Outcome;
use alien_core::{Clock, Error, ErrorKind, Result};
use alien_fleet::{Order, RolloutId};
use alien_release::{ByteStream, FolderTransport, Transport};
use async_trait::async_trait;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};

use crate::logged::Logged;
use crate::state::key;
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

/// Longer than a timestamp of the repository is valid.
const EIGHT_DAYS: Duration = Duration::from_secs(8 * 24 * 3600);

/// What a manager answers says nothing of the health of a deployment, and what was begun is finished without one.
#[tokio::test(start_paused = true)]
async fn a_manager_that_is_away_for_a_week_is_no_failure_of_a_release() {
    let vendor = Vendor::new("away").await;
    let customer = vendor.customer("c0").await;
    let way = Away { way: Way::to(vendor.router()), away: Arc::default(), number: Arc::default() };
    let agents = [customer.builder(&vendor, customer.state()).channel(way.clone(), HOST).open().unwrap()];
    let id = begun_and_cut(&vendor, &customer, &agents[0], &way.away).await;
    let calls = way.number.load(Ordering::SeqCst);
    tokio::select! {
        () = agents[0].run(std::future::pending()) => {}
        () = tokio::time::sleep(EIGHT_DAYS) => {}
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

/// Lets an agent live, and cuts it off as soon as it has begun a second release.
async fn begun_and_cut(vendor: &Vendor, customer: &Customer, agent: &Agent, away: &AtomicBool) -> RolloutId {
    vendor.live(std::slice::from_ref(agent), Duration::from_secs(60)).await;
    let second = vendor.publish(&release(b"second"), b"second").await;
    let id = vendor.begin(&second, plan().patience(EIGHT_DAYS * 2)).await;
    vendor.account.set_latency(Duration::from_secs(1));
    let begun = async {
        while customer.look().floor.is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        away.store(true, Ordering::SeqCst);
    };
    tokio::select! {
        () = agent.run(std::future::pending()) => {}
        ended = vendor.fleet.worker().run(std::future::pending()) => ended.unwrap(),
        () = begun => {}
    }
    id
}

/// The way to the manager, unless the network is cut.
#[derive(Debug, Clone)]
struct Cut {
    way: Way,
    away: Arc<AtomicBool>,
}

#[async_trait]
impl Channel for Cut {
    async fn exchange(&self, request: Request<Vec<u8>>, most: usize) -> Result<Response<Vec<u8>>> {
        if self.away.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "the manager is cut off"));
        }
        self.way.exchange(request, most).await
    }
}

/// The files of a repository, unless the network is cut.
#[derive(Debug)]
struct Severed {
    files: FolderTransport,
    away: Arc<AtomicBool>,
}

#[async_trait]
impl Transport for Severed {
    async fn fetch(&self, name: &str) -> Result<Option<ByteStream>> {
        if self.away.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "cut off"));
        }
        self.files.fetch(name).await
    }
}

/// Neither the manager nor the repository is there for longer than a timestamp is valid. The agent was started anew in the meantime, so it
/// has nothing of the release that it has begun.
#[tokio::test(start_paused = true)]
async fn an_agent_that_is_cut_off_for_eight_days_waits_says_for_which_and_comes_back() {
    let logged = Logged::begin();
    let vendor = Vendor::new("cut-off").await;
    let customer = vendor.customer("c0").await;
    let way = Cut { way: Way::to(vendor.router()), away: Arc::default() };
    let agent = || {
        let files = FolderTransport::new(vendor.folder.join("repository"));
        let files = Severed { files, away: Arc::clone(&way.away) };
        let builder = customer.builder(&vendor, customer.state()).channel(way.clone(), HOST);
        builder.verifier(customer.verifier(&vendor, files)).open().unwrap()
    };
    let first = agent();
    let id = begun_and_cut(&vendor, &customer, &first, &way.away).await;
    drop(first);
    logged.took();
    let agents = [agent()];
    tokio::select! {
        () = agents[0].run(std::future::pending()) => {}
        () = tokio::time::sleep(EIGHT_DAYS) => {}
    }
    let told = logged.took();
    for words in [
        "the manager was not asked",
        "the manager is cut off",
        "what was begun is finished later",
        "the repository cannot be read: cut off",
    ] {
        assert!(told.matches(words).count() > 100, "`{words}`: {}", told.get(..5000).unwrap_or(&told));
    }
    let look = customer.look();
    assert_eq!((customer.runs().await, look.begun.is_some(), look.last), (digest(b"first"), true, None));
    // Nobody has signed the repository anew, and what was begun is finished all the same.
    way.away.store(false, Ordering::SeqCst);
    tokio::select! {
        () = agents[0].run(std::future::pending()) => {}
        () = tokio::time::sleep(Duration::from_secs(900)) => {}
    }
    assert_eq!((customer.runs().await, customer.look().begun), (digest(b"second"), None));
    assert!(customer.look().is_told);
    // Whoever was silent for so long pauses the rollout, until somebody has seen that it is there again. Then it is handed over anew, which is
    // another decision: that waits until the repository is signed anew.
    vendor.live(&agents, Duration::from_secs(60)).await;
    logged.took();
    vendor.fleet.order(&id, &Order::Resume).await.unwrap();
    vendor.live(&agents, Duration::from_secs(900)).await;
    let told = vendor.told().await;
    assert!(told.contains("its agent does not take the release: expired"), "{told}");
    assert!(logged.took().contains("the timestamp expired at"));
    vendor.refresh().await;
    vendor.live_until_over(&agents).await;
    assert_eq!(outcome(&vendor.status(&id).await, customer.id), Some(Outcome::Good), "{}", vendor.told().await);
}

/// A machine's clock that is wrong by some seconds, which may be others later.
#[derive(Debug)]
struct Jumping {
    clock: Arc<dyn Clock>,
    wrong: AtomicI64,
}

#[async_trait]
impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        self.clock.now() + SignedDuration::from_secs(self.wrong.load(Ordering::SeqCst))
    }

    async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }
}

/// In one run of the agent, as long as anything may have been kept of a time that was wrong.
#[tokio::test(start_paused = true)]
async fn an_agent_whose_clock_jumps_back_and_forth_by_days_goes_on_as_soon_as_it_is_right() {
    const DAY: i64 = 24 * 3600;
    let logged = Logged::begin();
    let vendor = Vendor::new("jumps").await;
    let customer = vendor.customer("c0").await;
    let clock = Arc::new(Jumping { clock: Arc::clone(&vendor.clock), wrong: AtomicI64::new(0) });
    let way = Way::to(vendor.router());
    let files = FolderTransport::new(vendor.folder.join("repository"));
    let verifier = customer.verifier(&vendor, files).with_clock(clock.clone());
    let builder = customer.builder(&vendor, customer.state()).channel(way.clone(), HOST);
    let agent = builder.verifier(verifier).clock(clock.clone()).open().unwrap();
    let runs = async {
        for (number, days) in [10, -10, 400, -400, 1, -1].into_iter().enumerate() {
            tokio::time::sleep(Duration::from_secs(600)).await;
            let zip = format!("release {number}").into_bytes();
            let published = vendor.publish(&release(&zip), &zip).await;
            logged.took();
            clock.wrong.store(days * DAY, Ordering::SeqCst);
            // It was forth for a moment and is back, or stays wrong for a while.
            let calls = way.calls.load(Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(3 + 900 * (number as u64 % 2))).await;
            if number % 2 == 1 {
                let asked = way.calls.load(Ordering::SeqCst) - calls;
                assert!((3..300).contains(&asked), "{asked} calls while the clock is wrong by {days} days");
                assert!(logged.took().contains("whether this machine's clock is right"), "wrong by {days} days");
            }
            clock.wrong.store(0, Ordering::SeqCst);
            // After a failure it may take five minutes until it asks again.
            tokio::time::sleep(Duration::from_secs(400)).await;
            vendor.begin(&published, plan()).await;
            tokio::time::sleep(Duration::from_secs(120)).await;
            assert_eq!(customer.runs().await, digest(&zip), "after {days} days: {}", logged.took());
        }
    };
    tokio::select! {
        () = agent.run(std::future::pending()) => {}
        ended = vendor.fleet.worker().run(std::future::pending()) => ended.unwrap(),
        () = runs => {}
    }
}

/// The agent reports a torn state file and leaves it as it is. The customer replaces it on purpose, sets up with the new key, and goes on.
#[tokio::test(start_paused = true)]
async fn after_a_state_that_is_torn_the_agent_goes_on_with_a_new_one() {
    let vendor = Vendor::new("torn-world").await;
    let customer = vendor.customer("c0").await;
    let agents = [customer.agent(&vendor)];
    let second = vendor.publish(&release(b"second"), b"second").await;
    vendor.begin(&second, plan()).await;
    vendor.live_until_over(&agents).await;
    drop(agents);
    let at = customer.folder.join("state");
    let whole = std::fs::read(&at).unwrap();
    std::fs::write(&at, &whole[..whole.len() / 2]).unwrap();
    let error = State::open(&customer.folder, &key(1)).unwrap_err();
    assert!(error.to_string().contains("it is cut off") && error.to_string().contains("`init --replace`"), "{error}");
    let state = State::replace(&customer.folder, &key(1), customer.id).unwrap();
    vendor.register(&customer.record, state.public_key()).await;
    state.give(&customer.record).unwrap();
    let agents = [customer.builder(&vendor, state).open().unwrap()];
    vendor.live(&agents, Duration::from_secs(120)).await;
    let third = vendor.publish(&release(b"third"), b"third").await;
    let id = vendor.begin(&third, plan()).await;
    vendor.live_until_over(&agents).await;
    assert_eq!(outcome(&vendor.status(&id).await, customer.id), Some(Outcome::Good));
    assert_eq!(customer.runs().await, digest(b"third"));
    // Whoever has a copy of the state of before is not let in any more.
    drop(agents);
    std::fs::write(&at, whole).unwrap();
    let logged = Logged::begin();
    vendor.live(&[customer.agent(&vendor)], Duration::from_secs(120)).await;
    assert!(logged.took().contains("does not let the agent in"));
}
