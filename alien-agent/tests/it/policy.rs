//! When the customer lets a release begin.

use std::time::Duration;

use alien_agent::Policy;
use alien_core::rollout::{Outcome, Sequence, Window};
use alien_release::agent::Waits;

use crate::hostile::Desire;
use crate::world::{HOST, Vendor, digest, outcome, plan, release};

#[tokio::test(start_paused = true)]
async fn a_release_waits_for_its_window_begins_in_it_and_the_vendor_is_told() {
    let vendor = Vendor::new("policy-window").await;
    let customer = vendor.customer("c0").await;
    // It opens in two hours, for one.
    let opens = vendor.clock.now() + Duration::from_secs(2 * 3600);
    let hours = [opens, opens + Duration::from_secs(3600)].map(|at| at.strftime("%H:%M").to_string());
    let window = Window::read(&format!("daily {} UTC", hours.join("-")), vendor.clock.now()).unwrap();
    let policy = Policy::new().updating_in(window.clone());
    let agents = [customer.builder(&vendor, customer.state()).policy(policy).open().unwrap()];
    let second = vendor.publish(&release(b"second"), b"second").await;
    let id = vendor.begin(&second, plan()).await;
    vendor.live(&agents, Duration::from_secs(3600)).await;
    let told = format!("{:?}", vendor.status(&id).await.rollout.rows()[&customer.id]);
    assert!(told.contains("Window("), "{told}");
    let waiting = customer.look().waiting.unwrap();
    assert_eq!(
        (waiting.release, waiting.why),
        (second.release.sequence(), Waits::Window { opens: window.opens(vendor.clock.now()) })
    );
    assert_eq!((customer.runs().await, customer.look().floor), (digest(b"first"), None));
    vendor.live_until_over(&agents).await;
    assert_eq!(outcome(&vendor.status(&id).await, customer.id), Some(Outcome::Good));
    assert_eq!(customer.runs().await, digest(b"second"));
    assert_eq!(window.opens(vendor.clock.now()), None, "it ended in the window");
    assert_eq!(customer.look().waiting, None);
}

#[tokio::test(start_paused = true)]
async fn a_release_waits_until_it_is_approved_while_the_agent_runs() {
    let vendor = Vendor::new("policy-approval").await;
    let customer = vendor.customer("c0").await;
    let approving = |releases: &[Sequence]| Policy::new().approving(releases.iter().copied());
    let agents = [customer.builder(&vendor, customer.state()).policy(approving(&[])).open().unwrap()];
    let second = vendor.publish(&release(b"second"), b"second").await;
    let id = vendor.begin(&second, plan()).await;
    vendor.live(&agents, Duration::from_secs(900)).await;
    let told = format!("{:?}", vendor.status(&id).await.rollout.rows()[&customer.id]);
    assert!(told.contains("Approval(\"at its agent\")"), "{told}");
    assert_eq!(customer.look().waiting.map(|waiting| waiting.why), Some(Waits::Approval));
    assert_eq!((customer.runs().await, customer.look().floor), (digest(b"first"), None));
    let number = second.release.sequence();
    agents[0].set_policy(approving(&[number]));
    vendor.live_until_over(&agents).await;
    assert_eq!(outcome(&vendor.status(&id).await, customer.id), Some(Outcome::Good));
    assert_eq!(customer.look().waiting, None);
    // The next one waits again.
    let third = vendor.publish(&release(b"third"), b"third").await;
    vendor.begin(&third, plan()).await;
    vendor.live(&agents, Duration::from_secs(900)).await;
    assert_eq!(customer.runs().await, digest(b"second"));
}

#[tokio::test(start_paused = true)]
async fn a_release_whose_zips_do_not_fit_into_memory_is_refused_by_name_and_the_next_is_not() {
    let vendor = Vendor::new("policy-memory").await;
    let customer = vendor.customer("c0").await;
    // 18 MiB, and two and a half times 600 KiB.
    let zip = vec![7; 600 << 10];
    let large = vendor.publish(&release(&zip), &zip).await;
    let agents = [customer.builder(&vendor, customer.state()).memory(19 << 20).open().unwrap()];
    let id = vendor.begin(&large, plan().patience(Duration::from_secs(600))).await;
    vendor.live_until_over(&agents).await;
    let told = outcome(&vendor.status(&id).await, customer.id).unwrap().to_string();
    assert_eq!(told, "not tried: held: its agent does not take the release: too-large");
    let small = vendor.publish(&release(b"second"), b"second").await;
    let id = vendor.begin(&small, plan()).await;
    vendor.live_until_over(&agents).await;
    assert_eq!(outcome(&vendor.status(&id).await, customer.id), Some(Outcome::Good));
    drop(agents);
    let agents = [customer.builder(&vendor, customer.state()).memory(20 << 20).open().unwrap()];
    let again = vendor.publish(&release(&zip), &zip).await;
    let id = vendor.begin(&again, plan()).await;
    vendor.live_until_over(&agents).await;
    assert_eq!(outcome(&vendor.status(&id).await, customer.id), Some(Outcome::Good));
}

/// Whatever the manager names, and however often.
#[tokio::test(start_paused = true)]
async fn nothing_below_what_the_policy_says_is_begun() {
    let vendor = Vendor::new("policy-below").await;
    let customer = vendor.customer("c0").await;
    let second = vendor.publish(&release(b"second"), b"second").await;
    let way = Desire::new(vendor.router());
    way.name(&second);
    let policy = Policy::new().not_below(Sequence::from(second.release.sequence().number() + 1));
    let builder = customer.builder(&vendor, customer.state()).channel(way.clone(), HOST).policy(policy);
    let agents = [builder.open().unwrap()];
    vendor.live(&agents, Duration::from_secs(300)).await;
    let told = way.states();
    assert!(told.iter().any(|state| state.contains("below-floor")), "{told:?}");
    assert!(!told.iter().any(|state| state.contains("beginning")), "{told:?}");
    agents[0].set_policy(Policy::new());
    vendor.live(&agents, Duration::from_secs(300)).await;
    assert_eq!(customer.runs().await, digest(b"second"));
}
