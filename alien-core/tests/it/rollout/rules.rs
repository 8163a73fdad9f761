//! The rules that others learned the hard way: when it halts, what counts, what a pause stops, who is refused.

use std::collections::{BTreeMap, BTreeSet};

use alien_core::rollout::*;

use super::fleet::{Fleet, begin, id, ill, members, minutes, refusal, well, words};

fn plan() -> PlanBuilder {
    Plan::builder().canary(2).then_percent([50, 100]).retry(minutes(1), 3)
}

fn one_wave() -> PlanBuilder {
    Plan::builder().retry(minutes(1), 3)
}

fn built(plan: PlanBuilder) -> Plan {
    plan.build().unwrap()
}

#[test]
fn a_rollout_goes_wave_by_wave_and_tells_each_outcome() {
    let mut fleet = Fleet::new(&built(plan().gate_after(1)), members(8));
    assert_eq!(words(&fleet.told(&Event::Start)), ["open 0"]);
    assert_eq!(fleet.refused(&Event::Start), Refusal::Late);
    fleet.update(0, Ended::Done);
    assert_eq!(words(&fleet.update(1, Ended::Done)), ["baking 0"]);
    assert_eq!(words(&fleet.bake(0, 2)), ["good"]);
    fleet.look(1, well());
    fleet.wait(minutes(5));
    assert_eq!(words(&fleet.look(1, well())), ["good", "open 1"]);
    fleet.make_good(2);
    fleet.update(3, Ended::Done);
    assert_eq!(words(&fleet.bake(3, 2)), ["good", "awaiting an approval 1"]);
    assert_eq!(words(&fleet.told(&Event::Approve { wave: 1 })), ["open 2"]);
    assert_eq!(words(&fleet.told(&Event::Approve { wave: 1 })), [""; 0]);
    for number in 4..7 {
        fleet.make_good(number);
    }
    fleet.update(7, Ended::Done);
    assert_eq!(words(&fleet.bake(7, 2)), ["good", "done 2", "over: done"]);
    fleet.laws.everything_was_told(&fleet.rollout);
    assert_eq!(fleet.refused(&Event::Cancel), Refusal::Over(Phase::Done));
    assert_eq!(fleet.refused(&Event::Supersede { by: 5.into() }), Refusal::Over(Phase::Done));
    let pause = Event::Pause { pause: 1, why: String::new() };
    assert_eq!(fleet.refused(&pause), Refusal::Over(Phase::Done));
    assert_eq!(fleet.refused(&Event::Halt { why: String::new() }), Refusal::Over(Phase::Done));
}

#[test]
fn an_approval_may_come_before_the_gate() {
    let mut fleet = Fleet::started(&built(Plan::builder().then_percent([50, 100]).gate_after(0)), members(2));
    fleet.told(&Event::Approve { wave: 0 });
    fleet.update(0, Ended::Done);
    assert_eq!(words(&fleet.bake(0, 2)), ["good", "awaiting an approval 0", "open 1"]);
    let mut fleet = Fleet::started(&built(Plan::builder().then_percent([50, 100]).gate_after(0)), members(2));
    fleet.make_good(0);
    fleet.told(&Event::Approve { wave: 1 });
    assert_eq!(fleet.phase(), Phase::Gate, "another wave was approved");
    assert_eq!(fleet.refused(&Event::Approve { wave: 2 }), Refusal::OutOfStep, "there are two waves");
    fleet.pause();
    fleet.told(&Event::Approve { wave: 0 });
    assert_eq!(fleet.phase(), Phase::Gate, "no wave is opened in a pause");
    assert_eq!(words(&fleet.resume()), ["resumed", "open 1"]);
}

#[test]
fn a_share_halts_only_when_enough_are_counted() {
    let mut fleet = Fleet::started(&built(one_wave().halt_at_share(4, 50)), members(8));
    fleet.make_bad(0);
    fleet.make_bad(1);
    fleet.make_good(2);
    assert_eq!(fleet.phase(), Phase::Open, "two of three are bad, and three are too few");
    assert_eq!(words(&fleet.make_bad(3))[1..], ["halted", "halted 0"]);
    assert_eq!(fleet.rollout.head().halted(), Some(&HaltReason::Bad { bad: 3, counted: 4 }));
    let mut fleet = Fleet::started(&built(one_wave().halt_at_share(1, 50)), members(8));
    fleet.make_good(0);
    fleet.make_good(1);
    fleet.make_bad(2);
    assert_eq!(fleet.phase(), Phase::Open, "one of three is less than half");
    fleet.make_bad(3);
    assert_eq!(fleet.phase(), Phase::Halted, "two of four are half");
}

#[test]
fn a_number_of_bad_outcomes_halts() {
    let mut fleet = Fleet::started(&built(one_wave().halt_at_bad(2)), members(8));
    fleet.make_bad(0);
    assert_eq!(fleet.phase(), Phase::Open);
    fleet.make_bad(1);
    assert_eq!(fleet.phase(), Phase::Halted);
}

#[test]
fn what_is_halted_begins_nothing_and_lets_end_what_runs() {
    let mut fleet = Fleet::started(&built(one_wave().halt_at_bad(1)), members(6));
    fleet.update(0, Ended::Done);
    fleet.send_to(1);
    fleet.claim(2);
    fleet.claim(3);
    fleet.work(3, begin());
    fleet.make_bad(4);
    assert_eq!(fleet.refused(&fleet.work_of(2, begin())), Refusal::Waits(Why::Halted));
    assert_eq!(fleet.refused(&fleet.work_of(3, Step::Send)), Refusal::Waits(Why::Halted));
    assert_eq!(fleet.refused(&fleet.claim_of(5)), Refusal::Waits(Why::Halted));
    assert_eq!(fleet.why(5), Some(Why::Halted));
    fleet.work(1, Step::End(Ended::Done));
    fleet.bake(0, 1);
    fleet.look(1, well());
    fleet.bake(0, 1);
    assert_eq!(fleet.row(0).outcome(), Some(&Outcome::Good), "it is watched to its end");
    fleet.look(1, well());
    assert_eq!(fleet.due(), []);
    assert!(!fleet.rollout.head().is_over(), "an operator decides what becomes of the others");
    fleet.told(&Event::Cancel);
    for number in [2, 3, 5] {
        fleet.close(number);
        assert_eq!(fleet.row(number).outcome(), Some(&Outcome::NotTried(Why::Cancelled)));
    }
    assert!(fleet.rollout.head().is_over());
}

#[test]
fn an_operator_halts_once() {
    let mut fleet = Fleet::new(&built(one_wave()), members(2));
    let halt = Event::Halt { why: "a call".to_owned() };
    assert_eq!(fleet.refused(&halt), Refusal::OutOfStep);
    fleet.told(&Event::Start);
    assert_eq!(words(&fleet.told(&halt)), ["halted", "halted 0"]);
    assert_eq!(words(&fleet.told(&halt)), [""; 0]);
    assert_eq!(fleet.rollout.head().halted(), Some(&HaltReason::Asked("a call".to_owned())));
}

#[test]
fn faults_of_the_manager_never_count() {
    let mut fleet = Fleet::started(&built(one_wave().halt_at_bad(1).halt_at_share(1, 1)), members(2));
    for _ in 0..20 {
        fleet.claim(0);
        fleet.work(0, Step::End(Ended::Fault { why: "429".to_owned(), again: None }));
        assert_eq!(fleet.why(0), Some(Why::Manager("429".to_owned())));
        assert_eq!(fleet.refused(&fleet.claim_of(0)), Refusal::Waits(Why::Manager("429".to_owned())));
        fleet.wait(minutes(1));
        fleet.send_to(0);
        let again = Some(fleet.now + jiff::SignedDuration::from_mins(3));
        fleet.work(0, Step::End(Ended::Fault { why: "503".to_owned(), again }));
        assert!(fleet.row(0).is_uncertain());
        fleet.wait(minutes(2));
        assert_eq!(fleet.refused(&fleet.claim_of(0)), Refusal::Waits(Why::Manager("503".to_owned())));
        fleet.wait(minutes(1));
    }
    fleet.update(0, Ended::Done);
    fleet.wait(minutes(5));
    for _ in 0..20 {
        fleet.look(0, Sight::Fault("429".to_owned()));
        assert_eq!(fleet.refused(&fleet.look_of(0, well())), Refusal::Early);
        fleet.wait(minutes(1));
    }
    assert_eq!((fleet.phase(), fleet.row(0).outcome()), (Phase::Open, None));
    assert_eq!(fleet.rollout.head().waves()[0].unreachable, 0);
    fleet.look(0, well());
    fleet.bake(0, 1);
    assert_eq!(fleet.row(0).outcome(), Some(&Outcome::Good));
}

#[test]
fn what_was_sick_before_is_not_the_releases_fault() {
    let mut fleet = Fleet::started(&built(one_wave().halt_at_bad(1)), members(3));
    let sick = || Step::Begin { sick: BTreeSet::from(["old".parse().unwrap()]) };
    fleet.claim(0);
    fleet.work(0, sick());
    fleet.work(0, Step::Send);
    fleet.work(0, Step::End(Ended::Done));
    fleet.wait(minutes(5));
    fleet.look(0, Sight::Seen(ill("old")));
    fleet.wait(minutes(5));
    fleet.look(0, Sight::Seen(ill("old")));
    assert_eq!(fleet.row(0).outcome(), Some(&Outcome::Good));
    fleet.claim(1);
    fleet.work(1, sick());
    fleet.work(1, Step::Send);
    fleet.work(1, Step::End(Ended::Failed(ill("old"))));
    assert_eq!(fleet.row(1).outcome(), Some(&Outcome::Unknown(Why::SickBefore(ill("old")))));
    assert_eq!(fleet.phase(), Phase::Open);
    let both: BTreeMap<_, _> = ill("old").into_iter().chain(ill("api")).collect();
    fleet.claim(2);
    fleet.work(2, sick());
    fleet.work(2, Step::Send);
    fleet.work(2, Step::End(Ended::Failed(both)));
    assert_eq!(fleet.row(2).outcome(), Some(&Outcome::Bad(Why::Failed(ill("api")))), "the other one was well before");
    assert_eq!(fleet.phase(), Phase::Halted);
}

#[test]
fn what_an_interrupted_update_made_sick_is_its_fault() {
    let mut fleet = Fleet::started(&built(one_wave().halt_at_bad(1)), members(2));
    fleet.send_to(0);
    fleet.wait(minutes(1));
    fleet.told(&Event::Expire { deployment: id(0), fence: 1 });
    fleet.claim(0);
    fleet.work(0, Step::Begin { sick: BTreeSet::from(["api".parse().unwrap()]) });
    fleet.work(0, Step::Send);
    fleet.work(0, Step::End(Ended::Failed(ill("api"))));
    assert_eq!(fleet.row(0).outcome(), Some(&Outcome::Bad(Why::Failed(ill("api")))));
}

#[test]
fn what_was_looked_at_and_not_touched_is_looked_at_anew() {
    let mut fleet = Fleet::started(&built(one_wave()), members(1));
    fleet.claim(0);
    fleet.work(0, begin());
    fleet.pause();
    assert_eq!(fleet.refused(&fleet.work_of(0, Step::Send)), Refusal::Waits(Why::Paused));
    fleet.resume();
    fleet.claim(0);
    fleet.work(0, Step::Begin { sick: BTreeSet::from(["api".parse().unwrap()]) });
    fleet.work(0, Step::Send);
    fleet.work(0, Step::End(Ended::Failed(ill("api"))));
    assert_eq!(fleet.row(0).outcome(), Some(&Outcome::Unknown(Why::SickBefore(ill("api")))));
}

#[test]
fn one_sick_look_is_confirmed_by_another() {
    let mut fleet = Fleet::started(&built(one_wave()), members(2));
    fleet.update(0, Ended::Done);
    fleet.wait(minutes(5));
    fleet.look(0, Sight::Seen(ill("api")));
    assert_eq!(fleet.row(0).outcome(), None);
    assert_eq!(fleet.refused(&fleet.look_of(0, Sight::Seen(ill("api")))), Refusal::Early);
    fleet.wait(minutes(1));
    fleet.look(0, well());
    fleet.wait(minutes(5));
    fleet.look(0, Sight::Seen(ill("api")));
    assert_eq!(fleet.row(0).outcome(), None, "it was well in between");
    fleet.wait(minutes(1));
    fleet.look(0, Sight::Seen(ill("api")));
    assert_eq!(fleet.row(0).outcome(), Some(&Outcome::Bad(Why::Sick(ill("api")))));
}

#[test]
fn it_takes_the_time_and_the_looks_to_be_good() {
    // Time without looks: the looks come one after another, with their time between.
    let mut fleet = Fleet::started(&built(one_wave()), members(1));
    fleet.update(0, Ended::Done);
    fleet.wait(minutes(600));
    fleet.look(0, well());
    assert_eq!(fleet.row(0).outcome(), None, "one look is not enough");
    fleet.wait(minutes(4));
    assert_eq!(fleet.refused(&fleet.look_of(0, well())), Refusal::Early);
    fleet.bake(0, 1);
    assert_eq!(fleet.row(0).outcome(), Some(&Outcome::Good));
    // Looks without time: the last one is at the end, whatever is rounded.
    let mut fleet = Fleet::started(&built(one_wave().bake(std::time::Duration::from_secs(100)).looks(3)), members(1));
    fleet.update(0, Ended::Done);
    let began = fleet.now;
    for well_so_far in 0..3 {
        let Stage::Baking { well: looks, .. } = fleet.row(0).stage() else { panic!("{:?}", fleet.row(0)) };
        assert_eq!(*looks, well_so_far);
        fleet.now = fleet.rollout.next_due(fleet.now).unwrap();
        fleet.look(0, well());
    }
    assert_eq!(fleet.row(0).outcome(), Some(&Outcome::Good));
    assert_eq!(fleet.now.duration_since(began), jiff::SignedDuration::from_secs(100));
}

#[test]
fn a_look_that_is_told_twice_or_late_counts_once() {
    let mut fleet = Fleet::started(&built(one_wave()), members(1));
    fleet.update(0, Ended::Done);
    fleet.wait(minutes(600));
    let look = fleet.look_of(0, well());
    fleet.told(&look);
    fleet.wait(minutes(600));
    assert_eq!(fleet.refused(&look), Refusal::Late);
    let sick = Event::Look { deployment: id(0), fence: 0, look: 1, sight: Sight::Seen(ill("api")) };
    assert_eq!(fleet.refused(&sick), Refusal::Late);
}

#[test]
fn a_pause_begins_nothing_and_stops_the_time_of_watching() {
    let mut fleet = Fleet::started(&built(one_wave()), members(5));
    fleet.update(0, Ended::Done);
    fleet.claim(1);
    fleet.claim(2);
    fleet.work(2, begin());
    fleet.wait(minutes(3));
    fleet.work(1, Step::Renew);
    fleet.work(2, Step::Renew);
    assert_eq!(words(&fleet.pause()), ["paused"]);
    assert_eq!(fleet.rollout.head().paused(), Some(&PauseReason::Asked("wait".to_owned())));
    assert_eq!(fleet.refused(&fleet.work_of(1, begin())), Refusal::Waits(Why::Paused));
    assert_eq!(fleet.refused(&fleet.work_of(2, Step::Send)), Refusal::Waits(Why::Paused));
    assert_eq!(fleet.refused(&fleet.claim_of(3)), Refusal::Waits(Why::Paused));
    assert_eq!(fleet.why(3), Some(Why::Paused));
    assert_eq!(fleet.why(0), None, "it is watched, and does not wait");
    let running = fleet.rollout.head().running(fleet.now);
    fleet.wait(minutes(60));
    assert_eq!(fleet.rollout.head().running(fleet.now), running);
    assert_eq!(fleet.due(), []);
    assert_eq!(fleet.rollout.next_due(fleet.now), None);
    assert_eq!(fleet.refused(&fleet.look_of(0, well())), Refusal::Early);
    fleet.resume();
    assert_eq!(fleet.why(3), None);
    // Two of the five minutes are left.
    fleet.wait(std::time::Duration::from_secs(119));
    assert_eq!(fleet.refused(&fleet.look_of(0, well())), Refusal::Early);
    fleet.wait(std::time::Duration::from_secs(1));
    fleet.look(0, well());
}

#[test]
fn what_runs_when_a_pause_begins_ends_in_it() {
    let mut fleet = Fleet::started(&built(one_wave().halt_at_bad(1)), members(3));
    fleet.send_to(0);
    fleet.send_to(1);
    fleet.pause();
    fleet.work(0, Step::End(Ended::Done));
    let actions = fleet.work(1, Step::End(Ended::Failed(ill("api"))));
    assert_eq!(words(&actions)[1..], ["halted", "halted 0"], "a pause does not keep it from halting");
}

#[test]
fn what_is_paused_is_not_paused_again() {
    let mut fleet = Fleet::started(&built(one_wave().pause_at_unreachable(1)), members(2));
    fleet.claim(0);
    fleet.pause();
    fleet.work(0, Step::End(Ended::Unreachable("no answer".to_owned())));
    assert_eq!(fleet.rollout.head().paused(), Some(&PauseReason::Asked("wait".to_owned())));
    assert_eq!(words(&fleet.resume()), ["resumed"], "an operator goes on with what is known");
}

#[test]
fn pauses_have_numbers_so_that_a_late_order_is_refused() {
    let mut fleet = Fleet::new(&built(one_wave()), members(2));
    fleet.pause();
    fleet.told(&Event::Start);
    assert_eq!(fleet.why(0), Some(Why::Paused), "it begins with a pause");
    fleet.wait(minutes(5));
    assert_eq!(fleet.rollout.head().running(fleet.now), jiff::SignedDuration::ZERO);
    let again = Event::Pause { pause: 2, why: String::new() };
    assert_eq!(words(&fleet.told(&again)), [""; 0], "it is paused already");
    assert_eq!(fleet.rollout.head().pauses(), 1);
    assert_eq!(fleet.refused(&Event::Resume { pause: 2 }), Refusal::Late);
    fleet.resume();
    assert_eq!(fleet.refused(&Event::Resume { pause: 1 }), Refusal::Late);
    assert_eq!(fleet.refused(&Event::Pause { pause: 1, why: String::new() }), Refusal::Late);
    fleet.wait(minutes(5));
    assert_eq!(fleet.rollout.head().running(fleet.now), jiff::SignedDuration::from_mins(5));
    fleet.told(&again);
    assert_eq!(fleet.refused(&Event::Resume { pause: 1 }), Refusal::Late, "that is another pause");
}

#[test]
fn a_pause_before_the_start_runs_no_clock_when_it_ends() {
    let mut fleet = Fleet::new(&built(one_wave()), members(2));
    assert_eq!(fleet.why(0), Some(Why::Planned));
    fleet.pause();
    fleet.resume();
    fleet.wait(minutes(5));
    assert_eq!(fleet.rollout.head().running(fleet.now), jiff::SignedDuration::ZERO);
    fleet.told(&Event::Start);
    fleet.now = super::fleet::morning();
    assert_eq!(fleet.rollout.head().running(fleet.now), jiff::SignedDuration::ZERO, "a clock that is behind");
}

#[test]
fn a_lease_that_has_ended_gives_the_deployment_to_another_with_a_higher_fence() {
    let mut fleet = Fleet::started(&built(one_wave()), members(2));
    let first = fleet.claim(0);
    assert_eq!((first.fence, first.release, first.pass), (1, 3.into(), Pass::Release));
    assert_eq!(first.until, fleet.now + jiff::SignedDuration::from_mins(1));
    assert_eq!(fleet.refused(&fleet.claim_of(0)), Refusal::OutOfStep, "somebody has it");
    fleet.work(0, begin());
    assert_eq!(words(&fleet.work(0, begin())), [""; 0], "it was told before");
    fleet.work(0, Step::Send);
    fleet.work(0, Step::Send);
    let expire = Event::Expire { deployment: id(0), fence: 1 };
    fleet.wait(std::time::Duration::from_secs(59));
    assert_eq!(fleet.refused(&expire), Refusal::Early);
    fleet.work(0, Step::Renew);
    fleet.wait(std::time::Duration::from_secs(59));
    assert_eq!(fleet.refused(&expire), Refusal::Early);
    assert_eq!(fleet.due(), [(id(1), Task::Claim)]);
    fleet.wait(std::time::Duration::from_secs(1));
    assert_eq!(fleet.due(), [(id(0), Task::Expire), (id(1), Task::Claim)]);
    assert_eq!(fleet.refused(&fleet.work_of(0, Step::Send)), Refusal::LeaseOver);
    fleet.told(&expire);
    assert_eq!(fleet.refused(&expire), Refusal::Late);
    assert_eq!(fleet.row(0).outcome(), None, "an interrupted update is not bad by itself");
    assert!(fleet.row(0).is_uncertain());
    let second = fleet.claim(0);
    assert_eq!((second.fence, second.is_uncertain), (2, true));
    for step in [Step::Renew, begin(), Step::Send, Step::End(Ended::Done), Step::End(Ended::Failed(ill("api")))] {
        let late = Event::Work { deployment: id(0), fence: 1, step };
        assert_eq!(fleet.refused(&late), Refusal::Late);
    }
    fleet.work(0, begin());
    fleet.work(0, Step::Send);
    fleet.work(0, Step::End(Ended::Done));
    assert!(!fleet.row(0).is_uncertain());
}

#[test]
fn who_comes_after_the_lease_begins_nothing_and_may_still_tell_how_it_ended() {
    let mut fleet = Fleet::started(&built(one_wave()), members(3));
    fleet.claim(0);
    fleet.claim(1);
    fleet.work(1, begin());
    fleet.send_to(2);
    fleet.wait(minutes(1));
    assert_eq!(fleet.refused(&fleet.work_of(0, begin())), Refusal::LeaseOver);
    assert_eq!(fleet.refused(&fleet.work_of(1, begin())), Refusal::LeaseOver);
    assert_eq!(fleet.refused(&fleet.work_of(1, Step::Send)), Refusal::LeaseOver);
    fleet.work(2, Step::End(Ended::Done));
    fleet.told(&Event::Expire { deployment: id(0), fence: 1 });
    fleet.told(&Event::Expire { deployment: id(1), fence: 1 });
    assert!(!fleet.row(0).is_uncertain() && !fleet.row(1).is_uncertain(), "no call was made");
}

#[test]
fn a_clock_that_is_behind_does_not_shorten_a_lease() {
    let mut fleet = Fleet::started(&built(one_wave()), members(1));
    fleet.claim(0);
    let until = fleet.row(0).lease().unwrap().until;
    fleet.now -= jiff::SignedDuration::from_secs(30);
    fleet.work(0, Step::Renew);
    assert_eq!(fleet.row(0).lease().unwrap().until, until);
}

#[test]
fn steps_come_one_after_another() {
    let mut fleet = Fleet::started(&built(one_wave()), members(1));
    assert_eq!(fleet.refused(&fleet.work_of(0, begin())), Refusal::OutOfStep);
    fleet.claim(0);
    assert_eq!(fleet.refused(&fleet.work_of(0, Step::Send)), Refusal::OutOfStep);
    for ended in [Ended::Done, Ended::Failed(ill("api")), Ended::Uncertain] {
        assert_eq!(fleet.refused(&fleet.work_of(0, Step::End(ended))), Refusal::OutOfStep, "no call was made");
    }
    fleet.work(0, begin());
    fleet.work(0, Step::Send);
    assert_eq!(fleet.refused(&fleet.work_of(0, begin())), Refusal::OutOfStep);
    fleet.work(0, Step::End(Ended::Done));
    assert_eq!(fleet.refused(&fleet.work_of(0, Step::End(Ended::Done))), Refusal::OutOfStep);
    assert_eq!(fleet.refused(&Event::Close { deployment: id(0) }), Refusal::OutOfStep);
    let expire = Event::Expire { deployment: id(0), fence: 1 };
    assert_eq!(fleet.refused(&expire), Refusal::Late);
    let unknown = Event::Close { deployment: id(7) };
    let (_, actions) = next(&fleet.rollout, &unknown, fleet.now);
    assert_eq!(refusal(&actions), Some(Refusal::NoRow));
    let look = Event::Look { deployment: id(0), fence: 1, look: 0, sight: well() };
    fleet.make_rest_good();
    assert_eq!(fleet.refused(&look), Refusal::OutOfStep);
}

#[test]
fn an_update_that_is_interrupted_again_and_again_is_given_up_as_unknown() {
    let mut fleet = Fleet::started(&built(one_wave().halt_at_bad(1).pause_at_unreachable(50)), members(2));
    for _ in 0..2 {
        fleet.send_to(0);
        fleet.work(0, Step::End(Ended::Uncertain));
        assert_eq!((fleet.row(0).outcome(), fleet.row(0).is_uncertain()), (None, true));
    }
    fleet.send_to(0);
    fleet.wait(minutes(1));
    let actions = fleet.told(&Event::Expire { deployment: id(0), fence: 3 });
    assert_eq!(words(&actions), ["unknown: the update was interrupted", "paused"]);
    assert_eq!(fleet.rollout.head().paused(), Some(&PauseReason::Unreachable { count: 1, of: 2 }));
}

#[test]
fn a_claim_that_was_not_begun_is_not_an_attempt() {
    let mut fleet = Fleet::started(&built(one_wave()), members(1));
    for fence in 1..10 {
        fleet.claim(0);
        fleet.wait(minutes(1));
        fleet.told(&Event::Expire { deployment: id(0), fence });
    }
    fleet.make_good(0);
}

#[test]
fn a_newer_release_supersedes_even_what_is_stuck() {
    let mut fleet = Fleet::started(&built(one_wave().parallel(2)), members(7));
    fleet.make_good(0);
    fleet.update(1, Ended::Done);
    fleet.claim(2);
    fleet.send_to(3);
    fleet.pause();
    for by in [3, 4] {
        assert_eq!(fleet.refused(&Event::Supersede { by: by.into() }), Refusal::NotNewer);
    }
    assert_eq!(words(&fleet.told(&Event::Supersede { by: 5.into() })), ["superseded 0"]);
    fleet.told(&Event::Supersede { by: 7.into() });
    assert_eq!(fleet.refused(&Event::Cancel), Refusal::Over(Phase::Superseded));
    let superseded = || Why::Superseded(5.into());
    assert_eq!(fleet.refused(&fleet.work_of(2, begin())), Refusal::Waits(Why::Paused));
    assert_eq!(fleet.refused(&fleet.look_of(1, well())), Refusal::OutOfStep);
    fleet.close(1);
    fleet.close(2);
    fleet.close(4);
    assert_eq!(fleet.row(1).outcome(), Some(&Outcome::Unknown(superseded())), "it is updated, and was not watched");
    assert_eq!(fleet.row(2).outcome(), Some(&Outcome::NotTried(superseded())));
    fleet.wait(minutes(1));
    fleet.told(&Event::Expire { deployment: id(3), fence: 1 });
    fleet.close(3);
    assert_eq!(fleet.row(3).outcome(), Some(&Outcome::Unknown(superseded())), "it may be updated");
    fleet.close(5);
    assert!(!fleet.rollout.head().is_over());
    assert_eq!(words(&fleet.close(6)), ["not tried: superseded by release 5", "over: superseded"]);
    fleet.laws.everything_was_told(&fleet.rollout);
}

#[test]
fn what_is_superseded_is_told_how_it_ended_if_it_failed() {
    let mut fleet = Fleet::started(&built(one_wave()), members(2));
    fleet.send_to(0);
    fleet.send_to(1);
    fleet.told(&Event::Supersede { by: 5.into() });
    assert_eq!(fleet.refused(&fleet.claim_of(0)), Refusal::OutOfStep);
    fleet.work(0, Step::End(Ended::Failed(ill("api"))));
    assert_eq!(fleet.row(0).outcome(), Some(&Outcome::Bad(Why::Failed(ill("api")))));
    fleet.work(1, Step::End(Ended::Done));
    assert_eq!(words(&fleet.close(1)), ["unknown: superseded by release 5", "over: superseded"]);
}

#[test]
fn what_runs_something_newer_is_left_alone() {
    let mut members = members(2);
    members[0] = members[0].clone().running(7.into());
    let mut fleet = Fleet::started(&built(one_wave()), members);
    assert_eq!(fleet.due()[0], (id(0), Task::Close));
    assert_eq!(fleet.refused(&fleet.claim_of(0)), Refusal::OutOfStep);
    assert_eq!(words(&fleet.close(0)), ["not tried: superseded by release 7"]);
}

#[test]
fn what_runs_the_release_already_is_looked_at_as_others_are() {
    let members = members(1).into_iter().map(|member| member.running(3.into())).collect();
    Fleet::started(&built(one_wave()), members).make_good(0);
}

#[test]
fn no_more_are_updated_at_once_than_the_plan_allows() {
    let mut fleet = Fleet::started(&built(one_wave().parallel(3).per_account(1)), members(10));
    fleet.claim(0);
    assert_eq!(fleet.refused(&fleet.claim_of(1)), Refusal::Waits(Why::Account));
    assert_eq!(fleet.why(1), Some(Why::Account));
    assert!(!fleet.due().contains(&(id(1), Task::Claim)));
    fleet.claim(2);
    fleet.claim(4);
    assert_eq!(fleet.rollout.head().claimed(), 3);
    assert_eq!(fleet.refused(&fleet.claim_of(6)), Refusal::Waits(Why::Parallel));
    assert_eq!(fleet.why(6), Some(Why::Parallel));
    assert_eq!(fleet.due(), []);
    fleet.work(0, begin());
    fleet.work(0, Step::Send);
    fleet.work(0, Step::End(Ended::Done));
    fleet.claim(1);
    // A percentage is rounded down, and one at least.
    for (percent, size, most) in [(25, 10, 2), (1, 10, 1), (100, 3, 3), (50, 4, 2)] {
        let mut fleet = Fleet::started(&built(one_wave().parallel_percent(percent)), members(size));
        let claimed = (0..size).filter(|number| refusal(&fleet.send(&fleet.claim_of(*number))).is_none()).count();
        assert_eq!(claimed, most, "{percent} % of {size}");
    }
}

#[test]
fn fences_go_on_from_one_rollout_to_the_next() {
    let members = members(1).into_iter().map(|member| member.fence(41)).collect();
    let mut fleet = Fleet::started(&built(one_wave()), members);
    let late = Event::Work { deployment: id(0), fence: 40, step: Step::Renew };
    assert_eq!(fleet.refused(&late), Refusal::Late);
    assert_eq!(fleet.claim(0).fence, 42);
}
