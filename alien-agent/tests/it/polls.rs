//! How often an agent asks: as its manager says, and at once when the manager says something else.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alien_agent::Channel;
use alien_core::{Clock, Result};
use alien_fleet::Agents;
use alien_release::agent::Desired;
use async_trait::async_trait;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};

use crate::world::{HOST, Vendor, Way, outcome, plan, release};

const DESIRED: &str = "/v1/agent/desired";

/// The way to a manager that may be another one later. When each call was made is kept.
#[derive(Clone)]
struct Timed {
    way: Arc<Mutex<Way>>,
    clock: Arc<dyn Clock>,
    calls: Arc<Mutex<Vec<(String, Timestamp)>>>,
}

impl fmt::Debug for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Timed")
    }
}

#[async_trait]
impl Channel for Timed {
    async fn exchange(&self, request: Request<Vec<u8>>, most: usize) -> Result<Response<Vec<u8>>> {
        self.note(request.uri().path());
        let way = self.way.lock().unwrap().clone();
        way.exchange(request, most).await
    }
}

impl Timed {
    fn to(vendor: &Vendor) -> Self {
        let way = Arc::new(Mutex::new(Way::to(vendor.router())));
        Self { way, clock: Arc::clone(&vendor.clock), calls: Arc::default() }
    }

    fn note(&self, path: &str) {
        self.calls.lock().unwrap().push((path.to_owned(), self.clock.now()));
    }

    /// When it was called since the last time that this was asked.
    fn took(&self, path: &str) -> Vec<Timestamp> {
        let mut calls = self.calls.lock().unwrap();
        let times = calls.iter().filter(|(called, _)| called == path).map(|(_, at)| *at).collect();
        calls.retain(|(called, _)| called != path);
        times
    }
}

async fn asked_every(vendor: &Vendor, seconds: u64) -> Agents {
    vendor.fleet.agents().host(HOST).poll_every(Duration::from_secs(seconds)).open().await.unwrap()
}

fn longest(times: &[Timestamp]) -> SignedDuration {
    times.windows(2).map(|two| two[1].duration_since(two[0])).max().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_agent_asks_as_often_as_its_manager_says() {
    let mut vendor = Vendor::new("polls").await;
    let customer = vendor.customer("c0").await;
    vendor.agents = asked_every(&vendor, 300).await;
    let way = Timed::to(&vendor);
    let agents = [customer.builder(&vendor, customer.state()).channel(way.clone(), HOST).open().unwrap()];
    let published = vendor.publish(&release(b"second"), b"second").await;
    vendor.live(&agents, Duration::from_secs(60)).await;
    way.took(DESIRED);
    let rollout = vendor.begin(&published, plan()).await;
    vendor.live(&agents, Duration::from_secs(3 * 3600)).await;
    let (polls, reports) = (way.took(DESIRED), way.took("/v1/agent/report"));
    assert!((35..=38).contains(&polls.len()), "{} polls in three hours", polls.len());
    // It is never silent for so long that it counts as gone, 15 minutes: its polls are at most seven minutes apart, so the nearest to ten
    // minutes after a report comes within 13 and a half.
    assert!(longest(&reports) < SignedDuration::from_mins(14), "{:?}", longest(&reports));
    let status = vendor.status(&rollout).await;
    assert_eq!(outcome(&status, customer.id), Some(alien_core::rollout::Outcome::Good), "{status:#?}");
    assert!(!vendor.told().await.contains("Unreachable"));
    // Another setting is heard of by the next poll.
    vendor.agents = asked_every(&vendor, 60).await;
    *way.way.lock().unwrap() = Way::to(vendor.router());
    vendor.live(&agents, Duration::from_secs(3600)).await;
    let polls = way.took(DESIRED);
    assert!((58..=62).contains(&polls.len()), "{} polls in an hour", polls.len());
    // And none.
    vendor.agents = vendor.fleet.agents().host(HOST).open().await.unwrap();
    *way.way.lock().unwrap() = Way::to(vendor.router());
    vendor.live(&agents, Duration::from_secs(3600)).await;
    let polls = way.took(DESIRED);
    assert!((117..=122).contains(&polls.len()), "{} polls in an hour", polls.len());
}

/// A manager that answers some polls itself: with a status and when to come again, or with how often to poll.
#[derive(Debug, Clone)]
struct Telling {
    timed: Timed,
    tells: Arc<Mutex<Option<Told>>>,
}

#[derive(Debug, Clone, Copy)]
enum Told {
    /// A status, and `Retry-After`: once.
    Away(u16, u64),
    /// Answers every poll with this `nextPoll`, until the test sets another answer.
    Every(u32),
}

#[async_trait]
impl Channel for Telling {
    async fn exchange(&self, request: Request<Vec<u8>>, most: usize) -> Result<Response<Vec<u8>>> {
        if request.uri().path() != DESIRED {
            return self.timed.exchange(request, most).await;
        }
        let told = {
            let mut tells = self.tells.lock().unwrap();
            let told = *tells;
            if matches!(told, Some(Told::Away(..))) {
                *tells = None;
            }
            told
        };
        match told {
            None => self.timed.exchange(request, most).await,
            Some(Told::Away(status, seconds)) => {
                self.timed.note(DESIRED);
                let answer = Response::builder().status(status).header("retry-after", seconds);
                Ok(answer.body(Vec::new()).unwrap())
            }
            Some(Told::Every(seconds)) => {
                self.timed.note(DESIRED);
                let mut desired = Desired::new();
                desired.next_poll = Some(seconds);
                Ok(Response::new(desired.to_json().into_bytes()))
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn when_a_manager_says_to_come_again_and_how_often_is_obeyed_by_the_next_poll() {
    let vendor = Vendor::new("polls-told").await;
    let customer = vendor.customer("c0").await;
    let way = Telling { timed: Timed::to(&vendor), tells: Arc::default() };
    let agent = customer.builder(&vendor, customer.state()).channel(way.clone(), HOST).open().unwrap();
    // Says something to the next poll, and returns how long after it the two polls were that followed.
    let next_after = async |told: Told, wait: u64| {
        way.timed.took(DESIRED);
        *way.tells.lock().unwrap() = Some(told);
        tokio::time::sleep(Duration::from_secs(wait)).await;
        let times = way.timed.took(DESIRED);
        [1, 2].map(|next| times[next].duration_since(times[next - 1]).as_secs_f64())
    };
    let told = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        for (status, seconds) in [(429, 7), (503, 47), (503, 400), (500, 1), (429, 0), (503, 100_000)] {
            // At least a second, and at most an hour.
            let wait = seconds.clamp(1, 3600);
            let [first, _] = next_after(Told::Away(status, seconds), wait + 120).await;
            let wanted = f64::from(u32::try_from(wait).unwrap());
            assert!((first - wanted).abs() < 0.1, "{status}, {seconds}: {first} s");
        }
        for seconds in [5, 120, 10, 300] {
            let [first, second] = next_after(Told::Every(seconds), u64::from(seconds) * 3 + 330).await;
            let every = f64::from(seconds);
            assert!(first <= every * 1.2 + 0.1, "{seconds}: {first} s");
            assert!((every * 0.8 - 0.1..=every * 1.2 + 0.1).contains(&second), "{seconds}: {second} s");
        }
    };
    tokio::select! {
        () = agent.run(std::future::pending()) => {}
        () = told => {}
    }
}
