//! Releases that reach agents.

use std::sync::Arc;
use std::time::Duration;

use alien_core::rollout::{Outcome, Scope};
use alien_core::{AgentVersion, Code, Function, Images, Kv, Profile, Release, Stack, memory};
use alien_fleet::{Order, Published, RevertTo};

use crate::hostile::Desire;
use crate::world::{Customer, HOST, Vendor, Way, digest, outcome, plan, release};

#[tokio::test(start_paused = true)]
async fn a_release_reaches_every_agent_and_its_outcome_the_vendor() {
    let vendor = Vendor::new("reaches").await;
    let customers = [vendor.customer("c0").await, vendor.customer("c1").await];
    let agents = [customers[0].agent(&vendor), customers[1].agent(&vendor)];
    let second = vendor.publish(&release(b"second"), b"second").await;
    let id = vendor.begin(&second, plan().canary(1).then_percent([100])).await;
    vendor.live_until_over(&agents).await;
    let status = vendor.status(&id).await;
    for customer in &customers {
        assert_eq!(outcome(&status, customer.id), Some(Outcome::Good), "{status:#?}");
        assert_eq!(customer.runs().await, digest(b"second"));
        let look = customer.look();
        let sequence = Some(second.release.sequence());
        assert_eq!((look.floor, look.runs, look.begun, look.is_told), (sequence, sequence, None, true));
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_that_does_not_start_is_put_back_told_and_does_not_block_the_next() {
    let vendor = Vendor::new("broken").await;
    let customer = vendor.customer("c0").await;
    let agents = [customer.agent(&vendor)];
    let broken = vendor.publish(&release(memory::BROKEN), memory::BROKEN).await;
    let id = vendor.begin(&broken, plan()).await;
    vendor.live_until_over(&agents).await;
    let status = vendor.status(&id).await;
    assert!(matches!(outcome(&status, customer.id), Some(Outcome::Bad(_))), "{status:#?}");
    assert_eq!(customer.runs().await, digest(b"first"));
    let second = vendor.publish(&release(b"second"), b"second").await;
    let id = vendor.begin(&second, plan()).await;
    vendor.live_until_over(&agents).await;
    assert_eq!(outcome(&vendor.status(&id).await, customer.id), Some(Outcome::Good));
    assert_eq!(customer.runs().await, digest(b"second"));
}

#[tokio::test(start_paused = true)]
async fn a_revert_goes_forward_to_the_twin() {
    let vendor = Vendor::new("reverted").await;
    let (customer, other) = (vendor.customer("c0").await, vendor.customer("c1").await);
    let agents = [customer.agent(&vendor), other.agent(&vendor)];
    let second = vendor.publish(&release(b"second"), b"second").await;
    let id = vendor.begin(&second, plan()).await;
    vendor.live_until_over(&agents).await;
    let third = vendor.publish(&release(b"third"), b"third").await;
    let id = {
        drop(id);
        let canary = plan().canary_of([customer.id]).then_percent([100]).gate_after(0);
        vendor.begin(&third, canary).await
    };
    vendor.live(&agents, Duration::from_secs(600)).await;
    assert_eq!(customer.runs().await, digest(b"third"));
    vendor.fleet.order(&id, &Order::Halt("it is slow".to_owned())).await.unwrap();
    vendor.fleet.order(&id, &Order::Revert(Scope::All)).await.unwrap();
    vendor.live_until_over(&agents).await;
    assert_eq!(customer.runs().await, digest(b"second"));
    assert_eq!(customer.look().floor, third.twin.map(|twin| twin.sequence()));
}

/// How a deployment stands in a rollout, in words.
fn stands(status: &alien_fleet::Status, customer: &Customer) -> String {
    format!("{:?}", status.rollout.rows()[&customer.id])
}

#[tokio::test(start_paused = true)]
async fn a_release_that_needs_a_newer_agent_waits_until_there_is_one() {
    let vendor = Vendor::new("too-old").await;
    let customer = vendor.customer("c0").await;
    let old = customer.builder(&vendor, customer.state()).version(AgentVersion::new(0, 0, 9)).open().unwrap();
    let second = vendor.publish(&release(b"second"), b"second").await;
    let id = vendor.begin(&second, plan()).await;
    vendor.live(std::slice::from_ref(&old), Duration::from_secs(600)).await;
    let told = stands(&vendor.status(&id).await, &customer);
    assert!(told.contains("the agent must be 0.1.0 or newer"), "{told}");
    assert_eq!((customer.runs().await, customer.look().floor), (digest(b"first"), None));
    drop(old);
    vendor.live_until_over(&[customer.agent(&vendor)]).await;
    let status = vendor.status(&id).await;
    assert_eq!(outcome(&status, customer.id), Some(Outcome::Good), "{status:#?}");
    assert_eq!(customer.runs().await, digest(b"second"));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_what_the_keys_signed_is_not_begun_and_does_not_block_the_next() {
    let vendor = Vendor::new("altered").await;
    let customer = vendor.customer("c0").await;
    let agents = [customer.agent(&vendor)];
    // The manager's store says another release 3 than the one that is signed.
    let made = vendor.fleet.publish(&release(b"made"), Images::new(), RevertTo::Before).await.unwrap();
    let signed = made.release.clone().with_least_agent(AgentVersion::new(0, 0, 1));
    vendor.sign(&Published { release: signed, twin: made.twin.clone() }, b"made").await;
    let id = vendor.begin(&made, plan().patience(Duration::from_secs(3600))).await;
    vendor.live_until_over(&agents).await;
    assert_eq!((customer.runs().await, customer.look().floor), (digest(b"first"), None));
    let told = outcome(&vendor.status(&id).await, customer.id).unwrap().to_string();
    assert_eq!(told, "not tried: held: its agent does not take the release: altered");
    // It is handed to the agent again every five minutes, for the repository may have it later, and not at every poll.
    let handed = vendor.told().await.matches("Handed").count();
    assert!((10..=14).contains(&handed), "{handed}");
    let second = vendor.publish(&release(b"second"), b"second").await;
    let id = vendor.begin(&second, plan()).await;
    vendor.live_until_over(&agents).await;
    assert_eq!(outcome(&vendor.status(&id).await, customer.id), Some(Outcome::Good));
    assert_eq!(customer.runs().await, digest(b"second"));
}

#[tokio::test(start_paused = true)]
async fn what_only_the_admin_may_change_waits_until_the_admin_has_set_it_up() {
    let vendor = Vendor::new("admin-only").await;
    let customer = vendor.customer("c0").await;
    // The manager's copy of the record says that the vendor may do it: it takes part in no decision.
    let mut wider = Stack::builder("shop");
    wider.frozen("orders", Kv::new());
    wider.frozen("bills", Kv::new());
    wider.live("api", Function::new(Code::zip(b"second"), "api").with_commands());
    wider.profile("api", Profile::new());
    let wider = Release::new(wider.build().unwrap(), [Arc::from(*b"second")].into_iter().collect()).unwrap();
    let second = vendor.publish(&wider, b"second").await;
    let way = Desire::new(vendor.router());
    way.name(&second);
    let agent = customer.builder(&vendor, customer.state()).channel(way.clone(), HOST).open().unwrap();
    vendor.live(std::slice::from_ref(&agent), Duration::from_secs(120)).await;
    let told = way.states();
    assert!(told.iter().any(|state| state.contains("admin-only")), "{told:?}");
    assert!(!told.iter().any(|state| state.contains("beginning")), "{told:?}");
    assert_eq!((customer.runs().await, customer.look().floor), (digest(b"first"), None));
}

#[tokio::test(start_paused = true)]
async fn from_a_release_to_the_first_call_are_less_than_40_seconds_for_each_of_200_agents_also_after_a_restart() {
    let vendor = Vendor::new("many").await;
    let mut customers = Vec::new();
    for number in 0..200 {
        customers.push(vendor.customer(&format!("c{number}")).await);
    }
    let way = Way::to(vendor.router());
    let agent = |customer: &Customer| customer.builder(&vendor, customer.state()).channel(way.clone(), HOST).open();
    let agents: Vec<_> = customers.iter().map(|customer| agent(customer).unwrap()).collect();
    let first_calls = async |zip: &[u8]| {
        let published = vendor.publish(&release(zip), zip).await;
        let (released, number) = (vendor.clock.now(), Some(published.release.sequence()));
        vendor.begin(&published, plan().then_percent([100]).parallel(200)).await;
        let mut left: Vec<_> = customers.iter().collect();
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            left.retain(|customer| customer.look().floor < number);
            let after = Duration::try_from(vendor.clock.now().duration_since(released)).unwrap();
            if left.is_empty() {
                break after;
            }
            assert!(after < Duration::from_secs(60), "{} of 200 after {after:?}", left.len());
        }
    };
    let begun = async {
        tokio::time::sleep(Duration::from_secs(95)).await;
        let before = first_calls(b"second").await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        way.lead_to(vendor.restarted().await);
        before.max(first_calls(b"third").await)
    };
    let lives = futures_util::future::join_all(agents.iter().map(|agent| agent.run(std::future::pending())));
    tokio::select! {
        _ = lives => {}
        ended = vendor.fleet.worker().run(std::future::pending()) => ended.unwrap(),
        latest = begun => assert!(latest < Duration::from_secs(40), "{latest:?}"),
    }
}

/// A report without resources says that they are out of reach.
#[tokio::test(start_paused = true)]
async fn nothing_is_reported_before_the_deployment_was_looked_at() {
    let vendor = Vendor::new("looked").await;
    let customer = vendor.customer("c0").await;
    let way = Way::to(vendor.router());
    let sent = Arc::clone(&way.sent);
    let agents = [customer.builder(&vendor, customer.state()).channel(way, HOST).open().unwrap()];
    // To look takes longer than until the first poll.
    vendor.account.set_latency(Duration::from_secs(25));
    vendor.live(&agents, Duration::from_secs(300)).await;
    let sent = sent.lock().unwrap();
    let calls: Vec<&str> = sent.iter().map(|(call, _)| call.as_str()).collect();
    let first = calls.iter().position(|call| *call == "POST /v1/agent/report").unwrap();
    assert!(calls[..first].contains(&"GET /v1/agent/desired"), "it has asked before: {calls:?}");
    let report = String::from_utf8_lossy(&sent[first].1);
    assert!(report.contains("\"resources\":{\"api\""), "{report}");
}
