//! A release on its way to the deployments of a fleet.

use std::time::Duration;

use alien_core::rollout::{HaltReason, OnHalt, Outcome, PauseReason, Phase, Scope, Sequence, Stage, Why, Window, Zone};
use alien_core::{ErrorKind, Images, Kv, Release, Stack, memory};
use alien_fleet::{Entry, Fit, Order, RevertTo, Setting, What};
use jiff::tz::TimeZone;

pub(crate) use crate::world::log;
use crate::world::{Trouble, World, digest, plan, product, release, stack, two_hours, work};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn is_failed(outcome: &Option<Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Bad(Why::Failed(_))))
}

#[tokio::test(start_paused = true)]
async fn a_release_reaches_every_deployment_wave_by_wave() {
    let world = World::new(12).await;
    let (rollout, status) = world.roll_out(b"second", plan().canary(1).then_percent([50, 100])).await;
    assert_eq!(status.rollout.head().phase(), Phase::Done);
    assert_eq!(world.outcomes(&status), vec![Some(Outcome::Good); 12]);
    for id in &world.ids {
        assert_eq!(world.runs(*id).await, digest(b"second"));
    }
    let waves: Vec<u32> = status.rollout.head().waves().iter().map(|tally| tally.good).collect();
    assert_eq!(waves, [1, 5, 6]);
    // Every outcome is told once, and every claim.
    let log = log(&world).await;
    let told = |entry: &&Entry| matches!(&entry.what, What::Outcome { rollout: of, .. } if *of == rollout);
    assert_eq!(log.iter().filter(told).count(), 12);
    assert_eq!(log.iter().filter(|entry| matches!(entry.what, What::Claimed { .. })).count(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_broken_release_is_halted_in_its_canary_and_taken_back() {
    let world = World::new(10).await;
    world.roll_out(b"second", plan()).await;
    let broken = plan().canary(2).then_percent([100]).halt_at_bad(1).on_halt(OnHalt::RevertAll);
    let (_, status) = world.roll_out(memory::BROKEN, broken).await;
    let head = status.rollout.head();
    assert_eq!(head.phase(), Phase::Reverted);
    assert!(matches!(head.halted(), Some(HaltReason::Bad { .. })), "{:?}", head.halted());
    let outcomes = world.outcomes(&status);
    assert!(outcomes[..2].iter().all(is_failed), "{outcomes:?}");
    assert_eq!(outcomes[2..], vec![Some(Outcome::NotTried(Why::Halted)); 8]);
    for id in &world.ids {
        assert_eq!(world.runs(*id).await, digest(b"second"));
    }
    let reverted = status.rollout.rows().values().filter(|row| row.reverted() == Some(&Outcome::Reverted)).count();
    assert_eq!(reverted, 2, "{:?}", status.rollout);
    // The next release is the one after the twin.
    let next = world.publish(b"third").await;
    assert_eq!(next.release.sequence(), Sequence::from(7));
}

#[tokio::test(start_paused = true)]
async fn what_is_pinned_held_or_revoked_is_not_touched() {
    let world = World::new(5).await;
    world.fleet.set(world.ids[0], Setting::Pin(Sequence::from(1))).await.unwrap();
    world.fleet.set(world.ids[1], Setting::Hold("a demo until Friday".to_owned())).await.unwrap();
    world.troubles.lock().unwrap().insert(world.ids[2], Trouble::Fails(ErrorKind::Revoked));
    let (_, status) = world.roll_out(b"second", plan().patience(seconds(600))).await;
    let outcomes = world.outcomes(&status);
    assert_eq!(outcomes[0], Some(Outcome::NotTried(Why::Pinned(Sequence::from(1)))));
    assert_eq!(outcomes[1], Some(Outcome::NotTried(Why::Held("a demo until Friday".to_owned()))));
    assert!(matches!(outcomes[2], Some(Outcome::NotTried(Why::Revoked(_)))), "{outcomes:?}");
    assert_eq!(outcomes[3..], [Some(Outcome::Good), Some(Outcome::Good)]);
    assert_eq!(world.runs(world.ids[1]).await, digest(b"first"));
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_ends_lets_the_deployment_be_updated() {
    let world = World::new(2).await;
    world.fleet.set(world.ids[0], Setting::Hold("a demo".to_owned())).await.unwrap();
    let published = world.publish(b"second").await;
    let id = world.begin(published.release.sequence(), plan()).await;
    work(&world, seconds(300)).await;
    assert_eq!(world.outcomes(&world.fleet.status(&id).await.unwrap()), [None, Some(Outcome::Good)]);
    world.fleet.set(world.ids[0], Setting::Release).await.unwrap();
    work(&world, seconds(300)).await;
    let status = world.fleet.status(&id).await.unwrap();
    assert_eq!((world.outcomes(&status), status.rollout.head().phase()), (vec![Some(Outcome::Good); 2], Phase::Done));
}

#[tokio::test(start_paused = true)]
async fn a_deployment_is_updated_in_its_window_alone() {
    let world = World::new(1).await;
    let now = world.clock.now();
    let opens = now + seconds(3600);
    let time = |at: jiff::Timestamp| at.to_zoned(TimeZone::UTC).datetime().time();
    let day = opens.to_zoned(TimeZone::UTC).weekday();
    let window = Window::new([day], time(opens), seconds(3600), Zone::of(&TimeZone::UTC, now)).unwrap();
    world.fleet.set(world.ids[0], Setting::Window(window)).await.unwrap();
    let (_, status) = world.roll_out(b"second", plan()).await;
    assert_eq!(world.outcomes(&status), [Some(Outcome::Good)]);
    let log = log(&world).await;
    let claimed = log.iter().find(|entry| matches!(entry.what, What::Claimed { .. })).unwrap();
    assert!(claimed.at >= opens, "{} is before {opens}", claimed.at);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_claimed_during_a_pause() {
    let world = World::new(6).await;
    let published = world.publish(b"second").await;
    let id = world.begin(published.release.sequence(), plan().canary(1).then_percent([100])).await;
    work(&world, seconds(20)).await;
    world.fleet.order(&id, &Order::Pause("a customer complained".to_owned())).await.unwrap();
    work(&world, seconds(3600)).await;
    let status = world.fleet.status(&id).await.unwrap();
    let asked = PauseReason::Asked("a customer complained".to_owned());
    assert_eq!(status.rollout.head().paused(), Some(&asked));
    let baking = status.rollout.rows().values().filter(|row| matches!(row.stage(), Stage::Baking { .. })).count();
    assert_eq!((baking, world.outcomes(&status)), (1, vec![None; 6]), "time does not pass for what is watched");
    world.fleet.order(&id, &Order::Resume).await.unwrap();
    let again = world.fleet.order(&id, &Order::Resume).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict, "{again}");
    work(&world, seconds(3600)).await;
    let status = world.fleet.status(&id).await.unwrap();
    assert_eq!(world.outcomes(&status), vec![Some(Outcome::Good); 6]);
    let orders: Vec<String> = log(&world)
        .await
        .into_iter()
        .filter_map(|entry| match entry.what {
            What::Ordered { order, .. } => Some(format!("{}: {order}", entry.who)),
            _ => None,
        })
        .collect();
    assert_eq!(orders, ["ann (claimed): pause: a customer complained", "ann (claimed): resume"]);
}

#[tokio::test(start_paused = true)]
async fn a_newer_release_takes_the_place_of_one_that_is_stuck() {
    let world = World::new(4).await;
    world.troubles.lock().unwrap().insert(world.ids[0], Trouble::Hangs);
    let second = world.publish(b"second").await;
    let first = world.begin(second.release.sequence(), plan()).await;
    work(&world, seconds(30)).await;
    world.troubles.lock().unwrap().clear();
    let third = world.publish(b"third").await;
    let newer = world.begin(third.release.sequence(), plan()).await;
    world.fleet.worker().until_over().run(two_hours()).await.unwrap();
    let (old, new) = (world.fleet.status(&first).await.unwrap(), world.fleet.status(&newer).await.unwrap());
    assert_eq!((old.rollout.head().phase(), old.rollout.head().is_over()), (Phase::Superseded, true));
    let superseded = Why::Superseded(third.release.sequence());
    assert!(world.outcomes(&old).iter().all(|outcome| outcome.as_ref().unwrap().why() == Some(&superseded)), "{old:?}");
    assert_eq!(world.outcomes(&new), vec![Some(Outcome::Good); 4]);
    // What is older does not take the place of what is newer.
    let back = plan().build().unwrap();
    let refused = world.fleet.roll_out(&product(), second.release.sequence(), &back).await.unwrap();
    world.fleet.worker().until_over().run(two_hours()).await.unwrap();
    let refused = world.fleet.status(&refused).await.unwrap();
    assert_eq!(world.outcomes(&refused), vec![Some(Outcome::NotTried(superseded)); 4]);
}

#[tokio::test(start_paused = true)]
async fn an_older_release_is_refused_while_a_newer_one_is_rolled_out() {
    let world = World::new(1).await;
    let (second, third) = (world.publish(b"second").await, world.publish(b"third").await);
    world.begin(third.release.sequence(), plan()).await;
    let plan = plan().build().unwrap();
    let error = world.fleet.roll_out(&product(), second.release.sequence(), &plan).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    let twin = third.twin.unwrap().sequence();
    let error = world.fleet.roll_out(&product(), twin, &plan).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input, "{error}");
}

/// The stack with another frozen resource.
pub(crate) fn with_backups(zip: &[u8]) -> Release {
    let mut draft = Stack::builder("shop");
    draft.frozen("backups", Kv::new());
    let before = stack(zip);
    draft.frozen("orders", Kv::new());
    draft.live("api", before.resource("api").unwrap().settings_of::<alien_core::Function>().unwrap().clone());
    draft.profile("api", alien_core::Profile::new());
    Release::new(draft.build().unwrap(), release(zip).artifacts().clone()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_only_an_admin_can_apply_waits_for_the_admin() {
    let world = World::new(2).await;
    let next = with_backups(b"second");
    let published = world.fleet.publish(&next, Images::new(), RevertTo::Before).await.unwrap();
    let fits = world.fleet.check(&published.release).await.unwrap();
    let invitation = match &fits[0].fit {
        Fit::AdminOnly { changes, invitation } => {
            assert!(changes.iter().any(|change| change.to_string().contains("backups")), "{changes:?}");
            (**invitation).clone()
        }
        other => panic!("{other:?}"),
    };
    let id = world.begin(published.release.sequence(), plan()).await;
    work(&world, seconds(600)).await;
    let status = world.fleet.status(&id).await.unwrap();
    let why = status.rollout.why(fits[0].deployment, status.now);
    assert!(matches!(&why, Some(Why::AdminOnly(why)) if why.contains("backups")), "{why:?}");
    // The customer's admin sets up with the new invitation, and the vendor registers the record that comes back.
    assert_eq!(invitation.id, fits[0].deployment);
    let number = world.ids.iter().position(|id| *id == invitation.id).unwrap();
    let (_, record) = world.set_up(invitation.id, &format!("c{number}"), &next).await;
    world.fleet.register(&invitation, &record).await.unwrap();
    work(&world, seconds(600)).await;
    let status = world.fleet.status(&id).await.unwrap();
    assert_eq!(status.rollout.rows()[&invitation.id].outcome(), Some(&Outcome::Good));
    assert_eq!(world.runs(invitation.id).await, digest(b"second"));
    let other = fits[1].deployment;
    assert_eq!(status.rollout.rows()[&other].outcome(), None, "the other customer's admin has done nothing");
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_ran_something_older_than_the_twin_is_reverted_only_if_the_plan_says_so() {
    for to_twin in [false, true] {
        let world = World::new(2).await;
        world.fleet.set(world.ids[0], Setting::Hold("a demo".to_owned())).await.unwrap();
        world.roll_out(b"second", plan().patience(seconds(60))).await;
        world.fleet.set(world.ids[0], Setting::Release).await.unwrap();
        let mut broken = plan().halt_at_bad(1).on_halt(OnHalt::RevertAll).parallel(2);
        if to_twin {
            broken = broken.to_twin();
        }
        let (_, status) = world.roll_out(memory::BROKEN, broken).await;
        let reverted: Vec<_> = world.ids.iter().map(|id| status.rollout.rows()[id].reverted().cloned()).collect();
        let older = Outcome::NotReverted(Why::Older(Some(Sequence::from(1))));
        let first = if to_twin { Outcome::Reverted } else { older };
        assert_eq!(reverted, [Some(first), Some(Outcome::Reverted)], "{to_twin}");
        let runs = if to_twin { digest(b"second") } else { digest(b"first") };
        assert_eq!(world.runs(world.ids[0]).await, runs);
    }
}

#[tokio::test(start_paused = true)]
async fn an_operator_halts_and_reverts() {
    let world = World::new(3).await;
    world.roll_out(b"second", plan()).await;
    let third = world.publish(b"third").await;
    let id = world.begin(third.release.sequence(), plan().canary(1).then_percent([100]).gate_after(0)).await;
    work(&world, seconds(600)).await;
    assert_eq!(world.fleet.status(&id).await.unwrap().rollout.head().phase(), Phase::Gate);
    world.fleet.order(&id, &Order::Halt("it is slow".to_owned())).await.unwrap();
    world.fleet.order(&id, &Order::Revert(Scope::All)).await.unwrap();
    world.fleet.worker().until_over().run(two_hours()).await.unwrap();
    let status = world.fleet.status(&id).await.unwrap();
    assert_eq!(status.rollout.head().phase(), Phase::Reverted);
    for id in &world.ids {
        assert_eq!(world.runs(*id).await, digest(b"second"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollout_that_is_done_is_reverted_unless_another_has_begun_since() {
    let world = World::new(2).await;
    let (second, _) = world.roll_out(b"second", plan()).await;
    let (third, status) = world.roll_out(b"third", plan()).await;
    assert!(status.rollout.head().is_over());
    let refused = world.fleet.order(&second, &Order::Revert(Scope::All)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(refused.to_string().contains("rollout shop/2 has begun since; revert that"), "{refused}");
    world.fleet.order(&third, &Order::Revert(Scope::All)).await.unwrap();
    world.fleet.worker().until_over().run(two_hours()).await.unwrap();
    let status = world.fleet.status(&third).await.unwrap();
    assert_eq!((status.rollout.head().phase(), status.rollout.head().is_over()), (Phase::Reverted, true));
    for id in &world.ids {
        assert_eq!(world.runs(*id).await, digest(b"second"));
    }
    // Nothing is left to do, and nothing is in the way of what comes next.
    let (_, status) = world.roll_out(b"fourth", plan()).await;
    assert_eq!(world.outcomes(&status), vec![Some(Outcome::Good); 2]);
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_leaves_the_fleet_is_not_waited_for() {
    let world = World::new(2).await;
    world.fleet.set(world.ids[0], Setting::Hold("a demo".to_owned())).await.unwrap();
    let published = world.publish(b"second").await;
    let id = world.begin(published.release.sequence(), plan()).await;
    work(&world, seconds(300)).await;
    world.fleet.remove(world.ids[0]).await.unwrap();
    world.fleet.worker().until_over().run(two_hours()).await.unwrap();
    let status = world.fleet.status(&id).await.unwrap();
    assert!(matches!(world.outcomes(&status)[0], Some(Outcome::NotTried(Why::Revoked(_)))), "{status:?}");
    assert_eq!(world.fleet.deployments(&product()).await.unwrap().len(), 1);
    assert_eq!(world.fleet.deployment(world.ids[0]).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_fleet_works_by_itself_until_it_is_told_to_end() {
    let world = World::new(2).await;
    let published = world.publish(b"second").await;
    let id = world.begin(published.release.sequence(), plan()).await;
    world.fleet.run(world.clock.sleep(seconds(600))).await.unwrap();
    let status = world.fleet.status(&id).await.unwrap();
    assert_eq!(world.outcomes(&status), vec![Some(Outcome::Good); 2]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_ends_when_every_rollout_is_over() {
    let world = World::new(1).await;
    let began = world.clock.now();
    world.roll_out(b"second", plan()).await;
    assert!(world.clock.now().duration_since(began).as_secs() < 600, "nobody had to end it");
}

#[tokio::test(start_paused = true)]
async fn a_release_that_needs_nobody_is_ready_everywhere() {
    let world = World::new(2).await;
    let published = world.publish(b"second").await;
    let fits = world.fleet.check(&published.release).await.unwrap();
    assert!(fits.len() == 2 && fits.iter().all(|fitted| fitted.fit == Fit::Ready), "{fits:?}");
}

#[tokio::test(start_paused = true)]
async fn releases_are_listed_without_their_twins() {
    let world = World::new(1).await;
    world.publish(b"second").await;
    let listed = world.fleet.releases(&product()).await.unwrap();
    let numbers: Vec<_> = listed.iter().map(|release| (release.sequence, release.reverts_to)).collect();
    assert_eq!(numbers, [(1.into(), None), (3.into(), Some(1.into()))]);
    let (deployment, _) = world.fleet.deployment(world.ids[0]).await.unwrap();
    assert!(deployment.cloud == "memory" && deployment.account.starts_with("memory"), "{deployment:?}");
}
