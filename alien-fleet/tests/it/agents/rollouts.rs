//! Rollouts treat those who pull as those who are pushed to: the same waves, halts, reverts, pauses and holds.

use std::sync::Arc;
use std::time::Duration;

use alien_core::memory;
use alien_core::rollout::{OnHalt, Outcome, Phase, Scope, Why};
use alien_core::{DeploymentId, ErrorKind};
use alien_fleet::store::InMemory;
use alien_fleet::{Order, Seen, Setting, What};
use alien_release::agent::Waits;

use super::{Pulling, sequence};
use crate::rollouts::log;
use crate::world::{digest, plan};

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

async fn runs(pulling: &Pulling) -> Vec<String> {
    let push = pulling.world.ids.len() - pulling.all.len();
    let mut runs = Vec::new();
    for id in &pulling.world.ids[..push] {
        runs.push(pulling.world.runs(*id).await);
    }
    for agent in &pulling.all {
        runs.push(agent.runs().await);
    }
    runs
}

#[tokio::test(start_paused = true)]
async fn a_mixed_fleet_goes_through_a_canary_and_waves() {
    let pulling = Pulling::new(3, 4).await;
    let canary = [pulling.all[0].id, pulling.world.ids[0]];
    let plan = plan().canary_of(canary).then_percent([50, 100]).parallel(3);
    let status = pulling.roll_out(b"second", plan).await;
    assert_eq!(status.rollout.head().phase(), Phase::Done);
    assert_eq!(pulling.world.outcomes(&status), vec![Some(Outcome::Good); 7], "{status:#?}");
    assert_eq!(runs(&pulling).await, vec![digest(b"second"); 7]);
    // Nobody was told before its wave.
    let entries = log(&pulling.world).await;
    let at = |found: &dyn Fn(&What) -> bool| entries.iter().position(|entry| found(&entry.what)).unwrap();
    let handed = |id: DeploymentId| at(&|what| matches!(what, What::Handed { deployment, .. } if *deployment == id));
    let good = |id: DeploymentId| at(&|what| matches!(what, What::Outcome { deployment, .. } if *deployment == id));
    for later in &pulling.all[1..] {
        assert!(handed(later.id) > good(canary[0]).max(good(canary[1])));
    }
    // What the vendor has of the record follows from what the agent reports.
    let (_, record) = pulling.world.fleet.deployment(pulling.all[3].id).await.unwrap();
    assert_eq!(record.stack.digest(), crate::world::stack(b"second").digest());
    let status = pulling.roll_out(b"third", crate::world::plan()).await;
    assert_eq!(pulling.world.outcomes(&status), vec![Some(Outcome::Good); 7], "{status:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_bad_release_halts_and_is_reverted_on_those_who_pull_and_those_who_are_pushed_to() {
    let pulling = Pulling::new(2, 3).await;
    pulling.roll_out(b"second", plan()).await;
    let canary = [pulling.all[0].id, pulling.world.ids[0]];
    let plan = plan().canary_of(canary).then_percent([100]).halt_at_bad(1).on_halt(OnHalt::RevertAll);
    let status = pulling.roll_out(memory::BROKEN, plan).await;
    assert_eq!(status.rollout.head().phase(), Phase::Reverted, "{status:#?}");
    let row = &status.rollout.rows()[&pulling.all[0].id];
    assert!(matches!(row.outcome(), Some(Outcome::Bad(_) | Outcome::NotTried(_))), "{row:#?}");
    assert!(status.rollout.rows().values().any(|row| matches!(row.outcome(), Some(Outcome::Bad(Why::Failed(_))))));
    for agent in &pulling.all[1..] {
        let outcome = status.rollout.rows()[&agent.id].outcome();
        assert_eq!(outcome, Some(&Outcome::NotTried(Why::Halted)), "{status:#?}");
    }
    assert_eq!(runs(&pulling).await, vec![digest(b"second"); 5]);
}

#[tokio::test(start_paused = true)]
async fn an_operator_reverts_what_those_who_pull_have_begun() {
    let pulling = Pulling::new(1, 2).await;
    pulling.roll_out(b"second", plan()).await;
    let id = pulling
        .begin(b"third", crate::world::plan().canary_of([pulling.all[1].id]).then_percent([100]).gate_after(0))
        .await;
    pulling.live(minutes(10)).await;
    assert_eq!(pulling.all[1].runs().await, digest(b"third"));
    pulling.world.fleet.order(&id, &Order::Halt("slow".to_owned())).await.unwrap();
    pulling.world.fleet.order(&id, &Order::Revert(Scope::All)).await.unwrap();
    pulling.live_until_over().await;
    let status = pulling.world.fleet.status(&id).await.unwrap();
    let row = &status.rollout.rows()[&pulling.all[1].id];
    assert_eq!((row.outcome(), row.reverted()), (Some(&Outcome::Good), Some(&Outcome::Reverted)), "{row:#?}");
    assert_eq!(runs(&pulling).await, vec![digest(b"second"); 3]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_agent_is_unreachable_and_not_bad() {
    let pulling = Pulling::new(1, 2).await;
    // It was there once.
    pulling.live(minutes(20)).await;
    pulling.all[1].cut_off(true);
    let status = pulling.roll_out(b"second", plan().halt_at_bad(1)).await;
    assert_eq!(status.rollout.head().phase(), Phase::Done);
    let outcomes = pulling.world.outcomes(&status);
    assert_eq!(outcomes[..2], [Some(Outcome::Good), Some(Outcome::Good)]);
    assert!(matches!(&outcomes[2], Some(Outcome::NotTried(Why::Unreachable(_)))), "{outcomes:?}");
    // Whoever comes back gets the next release.
    pulling.all[1].cut_off(false);
    let status = pulling.roll_out(b"third", plan()).await;
    assert_eq!(pulling.world.outcomes(&status), vec![Some(Outcome::Good); 3], "{status:#?}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_back_late_goes_on_with_what_it_began() {
    crate::late::goes_on(Arc::new(InMemory::new())).await;
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_did_while_it_was_silent_counts_whatever_did_not_reach_it() {
    crate::late::has_ended(Arc::new(InMemory::new())).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_back_after_a_newer_release_was_ordered_is_too_late() {
    crate::late::is_too_late(Arc::new(InMemory::new())).await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_or_a_hold_that_comes_before_an_agent_begins_keeps_it_from_that() {
    let pulling = Pulling::new(0, 1).await;
    let agent = &pulling.all[0];
    agent.turn().await.unwrap();
    let id = pulling.begin(b"second", plan()).await;
    pulling.world.fleet.worker().run(tokio::time::sleep(Duration::from_secs(5))).await.unwrap();
    let desired = agent.poll().await.unwrap();
    assert_eq!(desired.release.as_ref().map(|wanted| wanted.release), Some(sequence(3)));
    let published = pulling.world.fleet.published(&crate::world::product(), sequence(3)).await.unwrap();
    assert_eq!(desired.release.map(|wanted| wanted.digest), Some(published.digest()));
    pulling.world.fleet.order(&id, &Order::Pause("a customer complained".to_owned())).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let desired = agent.poll().await.unwrap();
    assert_eq!(desired.hold.as_deref(), Some("the rollout is paused: a customer complained"));
    // One that does not care is told not to begin, and has lost the attempt.
    let wanted = desired.release.unwrap();
    let beginning = alien_release::agent::State::Beginning { release: wanted.release, fence: wanted.fence };
    let hold = agent.tell(beginning).await.unwrap().unwrap();
    assert!(hold.hold.contains("paused"), "{hold:?}");
    assert_eq!(agent.poll().await.unwrap().release, None);
    pulling.world.fleet.order(&id, &Order::Resume).await.unwrap();
    pulling.world.fleet.set(agent.id, Setting::Hold("a demo".to_owned())).await.unwrap();
    pulling.live(minutes(5)).await;
    assert_eq!(agent.poll().await.unwrap().hold.as_deref(), Some("held: a demo"));
    assert_eq!(agent.runs().await, digest(b"first"));
    pulling.world.fleet.set(agent.id, Setting::Release).await.unwrap();
    pulling.live_until_over().await;
    let status = pulling.world.fleet.status(&id).await.unwrap();
    assert_eq!(pulling.world.outcomes(&status), [Some(Outcome::Good)]);
    assert_eq!(agent.runs().await, digest(b"second"));
}

#[tokio::test(start_paused = true)]
async fn a_customer_who_approves_at_the_agent_is_waited_for_and_holds_up_nobody() {
    let pulling = Pulling::new(1, 2).await;
    pulling.all[0].state.lock().unwrap().waits = Some(Waits::Approval);
    let id = pulling.begin(b"second", plan().parallel(1)).await;
    pulling.live(minutes(30)).await;
    let status = pulling.world.fleet.status(&id).await.unwrap();
    let waits = status.rollout.why(pulling.all[0].id, status.now);
    assert_eq!(waits, Some(Why::Approval("at its agent".to_owned())), "{status:#?}");
    assert_eq!(status.rollout.rows()[&pulling.all[1].id].outcome(), Some(&Outcome::Good));
    pulling.all[0].state.lock().unwrap().waits = None;
    pulling.live_until_over().await;
    let status = pulling.world.fleet.status(&id).await.unwrap();
    assert_eq!(pulling.world.outcomes(&status), vec![Some(Outcome::Good); 3], "{status:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_falls_sick_after_the_update_is_bad() {
    let pulling = Pulling::new(0, 2).await;
    let id = pulling.begin(b"second", plan().bake(minutes(20))).await;
    pulling.live(minutes(5)).await;
    let (_, record) = pulling.world.fleet.deployment(pulling.all[0].id).await.unwrap();
    pulling.world.account.remove(record.resource(&"orders".parse().unwrap()).unwrap());
    pulling.live_until_over().await;
    let status = pulling.world.fleet.status(&id).await.unwrap();
    let outcomes = pulling.world.outcomes(&status);
    assert!(matches!(&outcomes[0], Some(Outcome::Bad(Why::Sick(_)))), "{status:#?}");
    assert_eq!(outcomes[1], Some(Outcome::Good));
    let beats = pulling.world.fleet.heartbeat(pulling.all[0].id).await.unwrap();
    assert!(
        beats.iter().any(|beat| matches!(&beat.seen, Seen::Heartbeat(beat) if beat.reason == "missing")),
        "{beats:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_newer_release_takes_the_place_of_one_that_an_agent_has_not_begun() {
    let pulling = Pulling::new(0, 1).await;
    pulling.all[0].turn().await.unwrap();
    let old = pulling.begin(b"second", plan()).await;
    pulling.world.fleet.worker().run(tokio::time::sleep(Duration::from_secs(5))).await.unwrap();
    let new = pulling.begin(b"third", plan()).await;
    pulling.live_until_over().await;
    let status = pulling.world.fleet.status(&old).await.unwrap();
    assert!(matches!(pulling.world.outcomes(&status)[0], Some(Outcome::NotTried(Why::Superseded(_)))), "{status:#?}");
    let status = pulling.world.fleet.status(&new).await.unwrap();
    assert_eq!(pulling.world.outcomes(&status), [Some(Outcome::Good)]);
    assert_eq!(pulling.all[0].runs().await, digest(b"third"));
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_pulls_is_registered_with_a_key_and_keeps_it() {
    let mut pulling = Pulling::new(1, 0).await;
    let id = DeploymentId::new();
    let (invitation, record) = pulling.set_up(id, "acme").await;
    let told = pulling.world.fleet.register(&invitation, &record).await.unwrap_err();
    assert_eq!(told.kind(), ErrorKind::Input);
    assert!(told.to_string().contains("the key of its agent is not known"), "{told}");
    let agent = pulling.register(5).await;
    let (listed, record) = pulling.world.fleet.deployment(agent.id).await.unwrap();
    assert_eq!(listed.agent.as_deref(), Some(agent.key.public().to_string().as_str()));
    // The next set-up names none.
    let again = pulling.world.fleet.add(&record).await.unwrap();
    assert_eq!(again.agent, listed.agent);
    let key = agent.key.public();
    let (invitation, record) =
        pulling.world.set_up(DeploymentId::new(), "push", &crate::world::release(b"first")).await;
    let told = pulling.world.fleet.register_agent(&invitation, &record, key).await.unwrap_err();
    assert!(told.to_string().contains("it has no agent"), "{told}");
    pulling.world.fleet.remove(agent.id).await.unwrap();
    assert!(agent.turn().await.unwrap_err().to_string().contains("no agent"));
}
