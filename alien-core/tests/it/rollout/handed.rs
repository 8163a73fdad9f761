//! A deployment that pulls its releases: a worker hands it to the customer's agent, who begins when it may, and says how it ends.

use alien_core::rollout::*;
use jiff::SignedDuration;

use super::fleet::{Fleet, begin, members, minutes, words};

fn plan() -> Plan {
    Plan::builder().parallel(4).retry(minutes(1), 2).patience(minutes(60)).pause_at_unreachable(100).build().unwrap()
}

/// A fleet whose deployment 0 its agent has for so many minutes.
fn handed(time: i64) -> Fleet {
    let mut fleet = Fleet::started(&plan(), members(2));
    fleet.claim(0);
    fleet.work(0, begin());
    hand(&mut fleet, time);
    fleet
}

fn hand(fleet: &mut Fleet, time: i64) {
    let until = fleet.now + SignedDuration::from_mins(time);
    fleet.work(0, Step::Hand { until });
}

#[test]
fn an_agent_begins_late_goes_on_and_ends() {
    let mut fleet = handed(15);
    fleet.wait(minutes(14));
    fleet.work(0, Step::Send);
    hand(&mut fleet, 15);
    fleet.wait(minutes(14));
    fleet.work(0, Step::End(Ended::Done));
    fleet.bake(0, 2);
    assert_eq!(fleet.row(0).outcome(), Some(&Outcome::Good));
}

#[test]
fn an_agent_that_is_silent_before_it_began_is_unreachable_and_was_not_tried() {
    let mut fleet = handed(15);
    fleet.wait(minutes(15));
    assert_eq!(fleet.refused(&fleet.work_of(0, Step::Send)), Refusal::LeaseOver);
    let expire = |fleet: &Fleet| Event::Expire { deployment: super::fleet::id(0), fence: fleet.row(0).fence() };
    fleet.told(&expire(&fleet));
    let silent = Why::Unreachable("its agent did not report in time".to_owned());
    assert_eq!(fleet.why(0), Some(silent.clone()));
    assert_eq!(fleet.rollout.head().waves()[0].unreachable, 1);
    fleet.wait(minutes(1));
    fleet.claim(0);
    fleet.work(0, begin());
    hand(&mut fleet, 1);
    fleet.wait(minutes(1));
    let told = fleet.told(&expire(&fleet));
    assert_eq!(fleet.row(0).outcome(), Some(&Outcome::NotTried(silent)));
    assert_eq!(words(&told), ["not tried: unreachable: its agent did not report in time"]);
    assert_eq!(fleet.rollout.head().waves()[0].bad, 0, "silence says nothing of the release");
}

/// A fleet whose deployment 0 was begun by its agent, which then fell silent.
fn silent() -> Fleet {
    let mut fleet = handed(15);
    fleet.work(0, Step::Send);
    fleet.wait(minutes(15));
    fleet.told(&Event::Expire { deployment: super::fleet::id(0), fence: fleet.row(0).fence() });
    assert!(fleet.row(0).is_uncertain() && matches!(fleet.why(0), Some(Why::Unreachable(_))));
    fleet
}

fn back(fleet: &Fleet) -> Step {
    Step::Back { owner: "agent".parse().unwrap(), until: fleet.now + SignedDuration::from_mins(15) }
}

#[test]
fn an_agent_that_falls_silent_while_it_updates_is_unreachable_and_the_attempt_uncertain() {
    let mut fleet = silent();
    // What it says of the attempt is late, once another has begun.
    let late = fleet.work_of(0, Step::End(Ended::Done));
    fleet.wait(minutes(1));
    assert!(fleet.claim(0).is_uncertain);
    assert_eq!(fleet.refused(&late), Refusal::Late);
}

#[test]
fn an_agent_that_is_back_before_another_attempt_goes_on_and_its_outcome_counts() {
    let mut fleet = silent();
    let step = back(&fleet);
    fleet.work(0, step);
    assert!(fleet.row(0).lease().unwrap().handed && matches!(fleet.row(0).stage(), Stage::Updating(_)));
    assert_eq!(fleet.rollout.head().waves()[0].unreachable, 0);
    hand(&mut fleet, 15);
    fleet.work(0, Step::End(Ended::Done));
    fleet.bake(0, 2);
    assert_eq!(fleet.row(0).outcome(), Some(&Outcome::Good));

    let mut fleet = silent();
    fleet.work(0, Step::End(Ended::Done));
    fleet.bake(0, 2);
    assert_eq!(fleet.row(0).outcome(), Some(&Outcome::Good));

    let mut fleet = silent();
    fleet.work(0, Step::End(Ended::Failed(super::fleet::ill("api"))));
    assert!(matches!(fleet.row(0).outcome(), Some(Outcome::Bad(Why::Failed(_)))));
}

/// Nor in a pause: what was begun before it is ended.
#[test]
fn an_agent_that_is_back_in_a_pause_ends_what_it_began() {
    let mut fleet = silent();
    fleet.pause();
    let step = back(&fleet);
    fleet.work(0, step);
    fleet.work(0, Step::End(Ended::Done));
    assert!(matches!(fleet.row(0).stage(), Stage::Baking { .. }));
}

#[test]
fn an_agent_that_is_back_too_late_or_had_not_begun_is_refused() {
    let refused = |mut fleet: Fleet, what: &str| {
        for step in [back(&fleet), Step::End(Ended::Done)] {
            assert_eq!(fleet.refused(&fleet.work_of(0, step)), Refusal::OutOfStep, "{what}");
        }
    };
    let mut fleet = silent();
    fleet.told(&Event::Supersede { by: 5.into() });
    refused(fleet, "a newer release takes its place");
    let mut fleet = silent();
    fleet.told(&Event::Cancel);
    refused(fleet, "it was cancelled");
    let mut fleet = silent();
    fleet.told(&Event::Revert(Scope::All));
    refused(fleet, "it is reverted");
    let mut fleet = handed(15);
    fleet.wait(minutes(15));
    fleet.told(&Event::Expire { deployment: super::fleet::id(0), fence: fleet.row(0).fence() });
    refused(fleet, "it had not begun");
    // Where there is no room it waits for it, and its outcome counts all the same.
    let plan = Plan::builder().parallel(1).retry(minutes(1), 2).pause_at_unreachable(100).build().unwrap();
    let mut fleet = Fleet::started(&plan, members(2));
    fleet.claim(0);
    fleet.work(0, begin());
    hand(&mut fleet, 15);
    fleet.work(0, Step::Send);
    fleet.wait(minutes(15));
    fleet.told(&Event::Expire { deployment: super::fleet::id(0), fence: fleet.row(0).fence() });
    fleet.claim(1);
    assert_eq!(fleet.refused(&fleet.work_of(0, back(&fleet))), Refusal::Waits(Why::Parallel));
    fleet.work(0, Step::End(Ended::Done));
}

#[test]
fn a_pause_a_halt_or_a_hold_takes_it_from_an_agent_that_has_not_begun() {
    let mut fleet = handed(15);
    fleet.pause();
    assert_eq!(fleet.refused(&fleet.work_of(0, Step::Send)), Refusal::Waits(Why::Paused));
    assert_eq!(fleet.why(0), Some(Why::Paused));
    let mut fleet = handed(15);
    fleet.stand(0, Standing::new(1).held("a demo"));
    let until = fleet.now + SignedDuration::from_mins(15);
    let again = fleet.work_of(0, Step::Hand { until });
    assert_eq!(fleet.refused(&again), Refusal::Waits(Why::Held("a demo".to_owned())));
    // One that has begun ends what it does.
    let mut fleet = handed(15);
    fleet.work(0, Step::Send);
    fleet.told(&Event::Halt { why: "a call".to_owned() });
    hand(&mut fleet, 15);
    fleet.work(0, Step::End(Ended::Done));
}

#[test]
fn the_customers_own_rules_park_it_until_they_let_it_begin() {
    let waits = |why: Why, until| Step::End(Ended::Waits { why, until });
    let approval = Why::Approval("of release 3".to_owned());
    let mut fleet = handed(15);
    fleet.work(0, waits(approval.clone(), None));
    assert_eq!(fleet.why(0), Some(approval.clone()));
    assert_eq!((fleet.rollout.head().waves()[0].parked, fleet.rollout.head().claimed()), (1, 0), "it takes no place");
    fleet.stand(0, Standing::new(1));
    fleet.claim(0);
    let mut fleet = handed(15);
    let opens = fleet.now + SignedDuration::from_mins(30);
    fleet.work(0, waits(Why::Window(opens), Some(opens)));
    fleet.wait(minutes(30));
    fleet.claim(0);
    fleet.work(0, begin());
    fleet.work(0, Step::Send);
    // What was begun is ended, whatever the rules are by now.
    assert_eq!(fleet.refused(&fleet.work_of(0, waits(approval, None))), Refusal::OutOfStep);
    // Another reason is none of the customer's.
    let mut fleet = handed(15);
    assert_eq!(fleet.refused(&fleet.work_of(0, waits(Why::Paused, None))), Refusal::OutOfStep);
}

#[test]
fn a_revert_waits_for_the_customers_rules_and_not_for_ever() {
    let mut fleet = Fleet::started(&plan(), members(2));
    fleet.update(0, Ended::Done);
    fleet.told(&Event::Revert(Scope::All));
    fleet.close(0);
    fleet.claim(0);
    fleet.work(0, begin());
    let approval = Why::Approval("of release 4".to_owned());
    fleet.work(0, Step::End(Ended::Waits { why: approval.clone(), until: None }));
    fleet.wait(minutes(59));
    assert!(fleet.due().iter().all(|(deployment, _)| *deployment != super::fleet::id(0)), "{:?}", fleet.due());
    fleet.wait(minutes(2));
    // Both passes end: the release on it is not known to be good.
    while !fleet.rollout.head().is_over() {
        for (deployment, task) in fleet.due() {
            assert_eq!(task, Task::Close);
            fleet.close_any(deployment);
        }
    }
    assert_eq!(fleet.row(0).reverted(), Some(&Outcome::NotReverted(approval)));
}

#[test]
fn a_lease_says_whether_an_agent_has_it_and_one_of_before_is_read() {
    let fleet = handed(15);
    let row = serde_json::to_string(fleet.row(0)).unwrap();
    assert!(row.contains(r#""until":"2026-11-27T08:15:00Z","handed":true}"#), "{row}");
    let before = row.replace(r#","handed":true"#, "");
    assert!(!serde_json::from_str::<Row>(&before).unwrap().lease().unwrap().handed);
}
