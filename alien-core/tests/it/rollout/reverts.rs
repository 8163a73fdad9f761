//! Going back: a revert goes forward, to the twin, and its outcomes are told.

use std::collections::BTreeSet;

use alien_core::rollout::*;

use super::fleet::{Fleet, begin, id, ill, members, minutes, refusal, well, words};

fn built(on_halt: OnHalt) -> Plan {
    let plan = Plan::builder().then_percent([50, 100]).halt_at_bad(1).on_halt(on_halt).retry(minutes(1), 2);
    plan.patience(minutes(60)).build().unwrap()
}

/// A rollout whose first wave of two is good, and whose second has one good and one bad.
fn halted(on_halt: OnHalt) -> Fleet {
    let mut fleet = Fleet::started(&built(on_halt), members(5));
    for number in 0..4 {
        fleet.make_good(number);
    }
    fleet.make_bad(4);
    fleet
}

#[test]
fn all_that_was_updated_is_brought_to_the_twin() {
    let mut fleet = Fleet::started(&built(OnHalt::RevertAll), members(4));
    fleet.make_good(0);
    fleet.make_good(1);
    let actions = fleet.make_bad(2);
    assert_eq!(words(&actions)[1..], ["halted", "halted 1", "reverting 1"]);
    assert_eq!(words(&fleet.close(3)), ["not tried: the rollout was halted"]);
    for number in 0..3 {
        let work = fleet.claim(number);
        assert_eq!((work.release, work.pass, work.fence), (4.into(), Pass::Twin, 2));
        fleet.work(number, begin());
        fleet.work(number, Step::Send);
        fleet.work(number, Step::End(Ended::Done));
        assert_eq!(fleet.rollout.head().waves()[0].good, 2, "what was good is told to have been");
    }
    fleet.wait(minutes(5));
    for number in 0..3 {
        fleet.look(number, well());
    }
    fleet.wait(minutes(5));
    fleet.look(0, well());
    fleet.look(1, well());
    assert_eq!(fleet.phase(), Phase::Reverting);
    assert_eq!(words(&fleet.look(2, well())), ["reverted", "reverted 1", "over: reverted"]);
    fleet.laws.everything_was_told(&fleet.rollout);
    assert_eq!(fleet.row(2).reverted(), Some(&Outcome::Reverted));
    for order in [Event::Revert(Scope::All), Event::Cancel, Event::Supersede { by: 5.into() }] {
        assert_eq!(fleet.refused(&order), Refusal::Over(Phase::Reverted));
    }
}

#[test]
fn only_the_wave_is_reverted_if_the_plan_says_so() {
    let mut fleet = halted(OnHalt::RevertWave);
    assert_eq!(fleet.due(), [(id(3), Task::Claim), (id(4), Task::Claim)], "three were in the first wave");
    assert_eq!(fleet.refused(&fleet.claim_of(0)), Refusal::OutOfStep);
    fleet.calm_down();
    let reverted: Vec<_> = (0..5).map(|number| fleet.row(number).reverted().is_some()).collect();
    assert_eq!(reverted, [false, false, false, true, true]);
    let mut fleet = halted(OnHalt::RevertAll);
    fleet.calm_down();
    assert!((0..5).all(|number| fleet.row(number).reverted() == Some(&Outcome::Reverted)));
}

#[test]
fn an_operator_reverts_what_stopped_or_runs_or_is_done() {
    let mut fleet = Fleet::new(&built(OnHalt::Stop), members(2));
    assert_eq!(fleet.refused(&Event::Revert(Scope::All)), Refusal::OutOfStep);
    fleet.told(&Event::Start);
    fleet.make_good(0);
    assert_eq!(words(&fleet.told(&Event::Revert(Scope::All))), ["reverting 1"]);
    assert_eq!(words(&fleet.told(&Event::Revert(Scope::Wave))), [""; 0]);
    assert_eq!(words(&fleet.told(&Event::Halt { why: String::new() })), [""; 0]);
    fleet.calm_down();
    let mut fleet = halted(OnHalt::Stop);
    assert_eq!((fleet.phase(), fleet.due()), (Phase::Halted, vec![]));
    fleet.told(&Event::Revert(Scope::All));
    fleet.calm_down();
    assert_eq!(fleet.row(0).reverted(), Some(&Outcome::Reverted));
    let mut fleet = Fleet::started(&built(OnHalt::Stop), members(1));
    fleet.make_good(0);
    assert!(fleet.rollout.head().is_over());
    fleet.told(&Event::Revert(Scope::All));
    assert!(!fleet.rollout.head().is_over());
    fleet.calm_down();
    assert_eq!(fleet.phase(), Phase::Reverted);
    fleet.told(&Event::Tick);
}

#[test]
fn a_release_without_a_twin_is_not_reverted() {
    let plan = built(OnHalt::Stop);
    let mut rollout = Rollout::new(3.into(), None, plan, members(2)).unwrap();
    let now = super::fleet::morning();
    let _ = rollout.apply(&Event::Start, now);
    assert_eq!(refusal(&rollout.apply(&Event::Revert(Scope::All), now)), Some(Refusal::NoTwin));
    assert_eq!(refusal(&rollout.apply(&Event::Supersede { by: 3.into() }, now)), Some(Refusal::NotNewer));
    assert_eq!(refusal(&rollout.apply(&Event::Supersede { by: 4.into() }, now)), None);
}

#[test]
fn what_ran_something_older_than_the_twin_is_bad_and_not_reverted_unless_the_plan_says_so() {
    let run = |plan: Plan| {
        let fleet: Vec<Member> = [Some(0), Some(1), Some(2), None]
            .into_iter()
            .zip(0..)
            .map(|(ran, number)| {
                let member = Member::new(id(number), "one");
                ran.map_or(member.clone(), |ran: u64| member.running(ran.into()))
            })
            .collect();
        let mut fleet = Fleet::started(&plan, fleet);
        for number in 0..4 {
            fleet.update(number, Ended::Done);
        }
        fleet.told(&Event::Revert(Scope::All));
        fleet.calm_down();
        (0..4).map(|number| fleet.row(number).reverted().unwrap().clone()).collect::<Vec<_>>()
    };
    let older = |ran: Option<u64>| Outcome::NotReverted(Why::Older(ran.map(Sequence::from)));
    assert_eq!(
        run(Plan::builder().build().unwrap()),
        [older(Some(0)), Outcome::Reverted, Outcome::Reverted, older(None)]
    );
    let to_twin = run(Plan::builder().to_twin().build().unwrap());
    assert!(to_twin.iter().all(|outcome| *outcome == Outcome::Reverted));
}

#[test]
fn what_is_at_work_when_it_is_reverted_ends_first() {
    let mut fleet = Fleet::started(&built(OnHalt::RevertAll), members(10));
    fleet.update(0, Ended::Done);
    fleet.send_to(1);
    fleet.claim(2);
    fleet.make_bad(3);
    assert_eq!(fleet.phase(), Phase::Reverting);
    assert_eq!(fleet.refused(&fleet.work_of(2, begin())), Refusal::Waits(Why::Halted));
    assert_eq!(words(&fleet.close(2)), ["not tried: the rollout was halted"]);
    assert_eq!(words(&fleet.close(0)), ["unknown: the rollout was halted"], "it was being watched");
    fleet.work(1, Step::End(Ended::Uncertain));
    assert_eq!(words(&fleet.close(1)), ["unknown: the rollout was halted"], "it may be updated");
    assert!(!fleet.row(2).is_uncertain() && fleet.row(2).reverted().is_none());
    assert!(fleet.row(1).is_uncertain());
    let work = fleet.claim(1);
    assert_eq!((work.pass, work.is_uncertain), (Pass::Twin, false), "the twin is set in any case");
    fleet.work(1, Step::End(Ended::Fault { why: "429".to_owned(), again: None }));
    fleet.calm_down();
    assert_eq!(fleet.row(1).reverted(), Some(&Outcome::Reverted));
    assert_eq!(fleet.row(2).reverted(), None, "it was never touched");
}

#[test]
fn an_earlier_wave_that_is_not_reverted_is_watched_to_its_end() {
    let mut members = members(4);
    members[0] = members[0].clone().standing(Standing::new(1).held("a demo"));
    let mut fleet = Fleet::started(&built(OnHalt::RevertWave), members);
    fleet.refused(&fleet.claim_of(0));
    fleet.make_good(1);
    fleet.stand(0, Standing::new(2));
    fleet.update(0, Ended::Done);
    fleet.update(2, Ended::Done);
    fleet.make_bad(3);
    assert_eq!(fleet.phase(), Phase::Reverting);
    assert_eq!(fleet.due(), [(id(2), Task::Close), (id(3), Task::Claim)]);
    assert_eq!(fleet.refused(&Event::Close { deployment: id(0) }), Refusal::OutOfStep);
    fleet.bake(0, 2);
    assert_eq!((fleet.row(0).outcome(), fleet.row(0).reverted()), (Some(&Outcome::Good), None));
    fleet.calm_down();
    assert_eq!(fleet.row(2).outcome(), Some(&Outcome::Unknown(Why::Halted)));
    assert_eq!(fleet.row(1).reverted(), None);
}

#[test]
fn a_revert_that_fails_is_told_to_have_failed() {
    let mut fleet = Fleet::started(&built(OnHalt::RevertAll), members(10));
    for number in 0..4 {
        fleet.send_to(number);
    }
    fleet.make_bad(4);
    for number in 0..4 {
        fleet.work(number, Step::End(Ended::Failed(ill("api"))));
    }
    fleet.update(0, Ended::Failed(ill("api")));
    assert_eq!(fleet.row(0).reverted(), Some(&Outcome::NotReverted(Why::Failed(ill("api")))));
    fleet.claim(1);
    // The release made it sick, so that is no excuse for the twin.
    fleet.work(1, Step::Begin { sick: BTreeSet::from(["api".parse().unwrap()]) });
    fleet.work(1, Step::Send);
    fleet.work(1, Step::End(Ended::Done));
    fleet.wait(minutes(5));
    fleet.look(1, Sight::Seen(ill("api")));
    fleet.wait(minutes(1));
    fleet.look(1, Sight::Seen(ill("api")));
    assert_eq!(fleet.row(1).reverted(), Some(&Outcome::NotReverted(Why::Sick(ill("api")))));
    for _ in 0..2 {
        fleet.claim(2);
        fleet.work(2, Step::End(Ended::Unreachable("no answer".to_owned())));
        fleet.wait(minutes(1));
    }
    assert_eq!(fleet.row(2).reverted(), Some(&Outcome::NotReverted(Why::Unreachable("no answer".to_owned()))));
    assert_eq!(fleet.rollout.head().waves()[0].unreachable, 0, "who is not reverted is counted as such");
    for _ in 0..2 {
        fleet.send_to(3);
        fleet.work(3, Step::End(Ended::Uncertain));
    }
    assert_eq!(fleet.row(3).reverted(), Some(&Outcome::NotReverted(Why::Interrupted)));
    assert_eq!(fleet.row(3).outcome(), Some(&Outcome::Bad(Why::Failed(ill("api")))));
    fleet.calm_down();
}

#[test]
fn a_revert_does_not_wait_for_windows_and_obeys_holds_and_pauses() {
    let mut members = members(4);
    members[0] = members[0].clone().standing(Standing::new(1).window(super::windows::nightly()));
    let mut fleet = Fleet::new(&built(OnHalt::RevertAll), members);
    fleet.now = "2026-11-27T23:00:00Z".parse().unwrap();
    fleet.told(&Event::Start);
    fleet.update(0, Ended::Done);
    fleet.update(1, Ended::Done);
    fleet.wait(minutes(6 * 60));
    fleet.told(&Event::Revert(Scope::All));
    fleet.close(0);
    fleet.close(1);
    fleet.update(0, Ended::Done);
    fleet.stand(1, Standing::new(1).held("a demo"));
    assert_eq!(fleet.refused(&fleet.claim_of(1)), Refusal::Waits(Why::Held("a demo".to_owned())));
    assert_eq!(fleet.why(1), Some(Why::Held("a demo".to_owned())));
    fleet.close(2);
    fleet.close(3);
    assert_eq!(fleet.due(), []);
    fleet.stand(1, Standing::new(2));
    assert_eq!(fleet.due(), [(id(1), Task::Claim)]);
    fleet.pause();
    assert_eq!(fleet.refused(&fleet.claim_of(1)), Refusal::Waits(Why::Paused));
    fleet.resume();
    fleet.stand(1, Standing::new(3).held("a demo"));
    fleet.wait(minutes(59));
    assert_eq!(fleet.refused(&Event::Close { deployment: id(1) }), Refusal::OutOfStep);
    fleet.wait(minutes(1));
    assert_eq!(words(&fleet.close(1)), ["bad, not reverted: held: a demo"]);
    fleet.calm_down();
}

#[test]
fn patience_with_a_hold_counts_from_the_revert_on() {
    let mut fleet = Fleet::started(&built(OnHalt::Stop), members(2));
    fleet.make_good(0);
    fleet.wait(minutes(600));
    fleet.told(&Event::Revert(Scope::All));
    fleet.stand(0, Standing::new(1).held("a demo"));
    assert_eq!(fleet.refused(&Event::Close { deployment: id(0) }), Refusal::OutOfStep);
    assert_eq!(fleet.due(), [(id(1), Task::Close)]);
    fleet.close(1);
    let ends = fleet.now + jiff::SignedDuration::from_hours(1);
    assert_eq!(fleet.rollout.next_due(fleet.now), Some(ends));
    fleet.wait(minutes(60));
    assert_eq!(fleet.due(), [(id(0), Task::Close)]);
}

#[test]
fn who_is_pinned_or_revoked_is_told_not_to_be_reverted() {
    let mut fleet = Fleet::started(&built(OnHalt::Stop), members(3));
    fleet.update(0, Ended::Done);
    fleet.update(1, Ended::Done);
    fleet.told(&Event::Revert(Scope::All));
    fleet.stand(0, Standing::new(1).pinned(3.into()));
    fleet.stand(1, Standing::new(1).pinned(4.into()));
    fleet.close(0);
    assert_eq!(words(&fleet.close(0)), ["bad, not reverted: pinned to release 3"]);
    fleet.close(1);
    fleet.update(1, Ended::Done);
    fleet.stand(1, Standing::new(2).revoked("by mail"));
    assert_eq!(fleet.refused(&Event::Close { deployment: id(1) }), Refusal::OutOfStep, "it is being watched");
    fleet.calm_down();
    assert_eq!(fleet.row(1).reverted(), Some(&Outcome::Reverted));
}

#[test]
fn a_newer_release_ends_a_revert_and_what_is_left_is_told() {
    for (order, told) in [
        (Event::Supersede { by: 5.into() }, "bad, not reverted: superseded by release 5"),
        (Event::Cancel, "bad, not reverted: the rollout was cancelled"),
    ] {
        let mut fleet = Fleet::started(&built(OnHalt::RevertAll), members(6));
        fleet.update(0, Ended::Done);
        fleet.make_good(1);
        fleet.make_bad(2);
        fleet.update(1, Ended::Done);
        fleet.send_to(2);
        fleet.told(&order);
        assert!(!fleet.rollout.head().is_over());
        // First what it had of the release, then what it has of the revert.
        assert!(words(&fleet.close(0))[0].starts_with("unknown"));
        assert_eq!(words(&fleet.close(0)), [told]);
        assert_eq!(words(&fleet.close(1)), [told], "it was being watched");
        fleet.work(2, Step::End(Ended::Done));
        assert_eq!(words(&fleet.close(2)), [told]);
        fleet.close(3);
        fleet.close(4);
        assert_eq!(words(&fleet.close(5)).len(), 2);
        assert!(fleet.rollout.head().is_over());
    }
}
