//! Releases that reach agents.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use alien_core::rollout::{Outcome, Scope};
use alien_core::{AgentVersion, Code, Function, Images, Kv, Profile, Release, Stack, memory};
use alien_fleet::{Order, Published, RevertTo};
use alien_release::agent::Waits;

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
async fn a_release_that_needs_a_newer_agent_does_not_block_one_that_does_not() {
    let vendor = Vendor::new("too-old-next").await;
    let customer = vendor.customer("c0").await;
    let made = vendor.fleet.publish(&release(b"made"), Images::new(), RevertTo::Before).await.unwrap();
    let needs = made.release.clone().with_least_agent(AgentVersion::new(900, 0, 0));
    let needs = Published { release: needs, twin: made.twin.clone() };
    vendor.sign(&needs, b"made").await;
    let way = Desire::new(vendor.router());
    let agent = customer.builder(&vendor, customer.state()).channel(way.clone(), HOST).open().unwrap();
    way.name(&needs);
    vendor.live(std::slice::from_ref(&agent), Duration::from_secs(600)).await;
    assert!(way.states().iter().any(|state| state.contains("agent-too-old")), "{:?}", way.states());
    assert_eq!(customer.runs().await, digest(b"first"));
    let next = vendor.publish(&release(b"second"), b"second").await;
    way.name_as(next.release.sequence(), next.release.digest(), 1_000_001);
    vendor.live(std::slice::from_ref(&agent), Duration::from_secs(120)).await;
    assert_eq!((customer.runs().await, customer.look().waiting), (digest(b"second"), None));
}

#[tokio::test(start_paused = true)]
async fn the_zip_of_what_is_frozen_is_not_fetched() {
    let vendor = Vendor::new("frozen-zip").await;
    let with_ledger = |code: &[u8]| {
        let mut stack = Stack::builder("shop");
        stack.live("api", Function::new(Code::zip(code), "api"));
        stack.frozen("ledger", Function::new(Code::zip(b"first"), "api"));
        stack.profile("api", Profile::new());
        let zips = [Arc::from(code), Arc::from(*b"first")].into_iter().collect();
        Release::new(stack.build().unwrap(), zips).unwrap()
    };
    let customer = vendor.customer_of("c0", &with_ledger(b"first")).await;
    let second = vendor.publish(&with_ledger(b"second"), b"second").await;
    let hexadecimal = digest(b"first").replace("sha256:", "");
    let files = std::fs::read_dir(vendor.folder.join("repository")).unwrap().map(|file| file.unwrap().path());
    let frozen: Vec<_> = files.filter(|path| path.to_string_lossy().contains(&hexadecimal)).collect();
    assert!(!frozen.is_empty(), "the repository has its zip");
    for path in frozen {
        std::fs::remove_file(path).unwrap();
    }
    let id = vendor.begin(&second, plan()).await;
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

/// A stack in which there is something new that only the admin may make.
fn wider(zip: &[u8]) -> Release {
    let mut wider = Stack::builder("shop");
    wider.frozen("orders", Kv::new());
    wider.frozen("bills", Kv::new());
    wider.live("api", Function::new(Code::zip(zip), "api").with_commands());
    wider.profile("api", Profile::new());
    Release::new(wider.build().unwrap(), [Arc::from(zip)].into_iter().collect()).unwrap()
}

/// The manager's copy of the record says that the vendor may do it: it takes part in no decision.
#[tokio::test(start_paused = true)]
async fn what_only_the_admin_may_change_waits_until_the_admin_has_set_it_up() {
    let vendor = Vendor::new("admin-only").await;
    let customer = vendor.customer("c0").await;
    let second = vendor.publish(&wider(b"second"), b"second").await;
    let way = Desire::new(vendor.router());
    way.name(&second);
    let agent = customer.builder(&vendor, customer.state()).channel(way.clone(), HOST).open().unwrap();
    let agents = std::slice::from_ref(&agent);
    vendor.live(agents, Duration::from_secs(120)).await;
    let told = way.states();
    assert!(told.iter().any(|state| state.contains("admin-only")), "{told:?}");
    assert!(!told.iter().any(|state| state.contains("beginning")), "{told:?}");
    assert_eq!((customer.runs().await, customer.look().floor), (digest(b"first"), None));
    assert_eq!(customer.look().waiting.map(|waiting| waiting.why), Some(Waits::AdminOnly));
    // The admin sets up, in one run of the agent, and the program reads the record that `up` wrote.
    let sets_up = async {
        tokio::time::sleep(Duration::from_secs(120)).await;
        let record = vendor.set_up(&customer, &wider(b"first")).await;
        assert!(agent.give(&record).unwrap());
        tokio::time::sleep(Duration::from_secs(120)).await;
    };
    tokio::select! {
        () = agent.run(std::future::pending()) => {}
        () = sets_up => {}
    }
    let told = way.states();
    let begun = told.iter().position(|state| state.contains("beginning")).unwrap();
    assert!(told[begun..].iter().any(|state| state == "\"idle\""), "{told:?}");
    let sequence = Some(second.release.sequence());
    let look = customer.look();
    assert_eq!((customer.runs().await, look.floor, look.runs), (digest(b"second"), sequence, sequence));
    assert_eq!((look.waiting, look.is_told), (None, true));
    assert!(way.reports().last().unwrap().contains("\"ended\":\"done\""), "{:?}", way.reports().last());
}

#[tokio::test(start_paused = true)]
async fn a_release_that_waits_for_the_admin_or_for_a_newer_agent_does_not_block_the_next() {
    let vendor = Vendor::new("parked").await;
    let customer = vendor.customer("c0").await;
    let way = Desire::new(vendor.router());
    let builder = customer.builder(&vendor, customer.state()).channel(way.clone(), HOST);
    let agents = [builder.version(AgentVersion::new(0, 0, 9)).open().unwrap()];
    // What an older agent takes, unless it is said otherwise.
    let published = async |release: &Release, zip: &[u8], least: AgentVersion| {
        let made = vendor.fleet.publish(release, Images::new(), RevertTo::Before).await.unwrap();
        let signed = Published { release: made.release.with_least_agent(least), twin: made.twin };
        vendor.sign(&signed, zip).await;
        signed
    };
    let old = AgentVersion::new(0, 0, 1);
    let admin_only = published(&wider(b"second"), b"second", old).await;
    let third = published(&release(b"third"), b"third", old).await;
    let too_new = published(&release(b"fourth"), b"fourth", AgentVersion::new(7, 0, 0)).await;
    let fifth = published(&release(b"fifth"), b"fifth", old).await;
    for (parked, why, next, zip) in
        [(admin_only, "admin-only", third, b"third"), (too_new, "agent-too-old", fifth, b"fifth")]
    {
        way.name(&parked);
        vendor.live(&agents, Duration::from_secs(120)).await;
        let told = way.states();
        assert!(told.last().unwrap().contains(why), "{told:?}");
        assert_ne!(customer.look().floor, Some(parked.release.sequence()));
        // Within one run: another would ask anew by itself.
        let named = async {
            tokio::time::sleep(Duration::from_secs(120)).await;
            assert!(way.states().last().unwrap().contains(why));
            way.name(&next);
            tokio::time::sleep(Duration::from_secs(120)).await;
        };
        tokio::select! {
            () = agents[0].run(std::future::pending()) => {}
            () = named => {}
        }
        assert_eq!((customer.runs().await, customer.look().waiting), (digest(zip), None));
        assert!(way.reports().last().unwrap().contains("\"ended\":\"done\""), "{:?}", way.reports().last());
    }
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
    let begin = vendor.clock.now();
    // How long after the release each deployment was written to first, in seconds.
    let first_calls = async |zip: &[u8]| {
        // At the same moment of the half minute in which each agent has its own.
        let since = vendor.clock.now().duration_since(begin).as_secs();
        tokio::time::sleep(Duration::from_secs(u64::try_from(30 - since % 30).unwrap())).await;
        let published = vendor.publish(&release(zip), zip).await;
        let released = vendor.clock.now();
        vendor.begin(&published, plan().then_percent([100]).parallel(200)).await;
        let (mut seen, mut called) = (vendor.account.asked().len(), BTreeMap::<String, f64>::new());
        while called.len() < 200 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let after = vendor.clock.now().duration_since(released).as_secs_f64();
            assert!(after < 60.0, "{} of 200 after {after} s", called.len());
            let asked = vendor.account.asked();
            let set = asked[seen..].iter().filter(|asked| asked.right.permission == "code.set");
            for asked in set {
                called.entry(asked.right.on.clone()).or_insert(after);
            }
            seen = asked.len();
        }
        called
    };
    let both = async {
        tokio::time::sleep(Duration::from_secs(95)).await;
        let without = first_calls(b"second").await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        way.lead_to(vendor.restarted().await);
        let after = first_calls(b"third").await;
        let latest = without.values().chain(after.values()).fold(0.0, |latest: f64, one| latest.max(*one));
        assert!(latest < 40.0, "{latest} s");
        // A poll is at most three seconds before or after the agent's own moment: so is each difference, at most six, but where that lets
        // the moment pass on one side of the release and not on the other.
        let same = without.iter().filter(|(name, time)| (after[*name] - **time).abs() <= 7.0).count();
        let mean = |times: &BTreeMap<String, f64>| times.values().sum::<f64>() / 200.0;
        let (mean, restarted) = (mean(&without), mean(&after));
        assert!(same >= 150 && (restarted - mean).abs() < 4.0, "{same} of 200 as before; {mean} s and {restarted} s");
    };
    let lives = futures_util::future::join_all(agents.iter().map(|agent| agent.run(std::future::pending())));
    tokio::select! {
        _ = lives => {}
        ended = vendor.fleet.worker().run(std::future::pending()) => ended.unwrap(),
        () = both => {}
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
