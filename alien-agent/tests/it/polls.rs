//! How often an agent asks: as its manager says, and at once when the manager says something else.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alien_agent::Channel;
use alien_core::{Clock, Result};
use alien_fleet::Agents;
use async_trait::async_trait;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};

use crate::world::{HOST, Vendor, Way, outcome, plan, release};

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
        self.calls.lock().unwrap().push((request.uri().path().to_owned(), self.clock.now()));
        let way = self.way.lock().unwrap().clone();
        way.exchange(request, most).await
    }
}

impl Timed {
    fn to(vendor: &Vendor) -> Self {
        let way = Arc::new(Mutex::new(Way::to(vendor.router())));
        Self { way, clock: Arc::clone(&vendor.clock), calls: Arc::default() }
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
    const DESIRED: &str = "/v1/agent/desired";
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
