//! Whoever waits carries the reason, and no wave waits for those who wait for somebody else.

use alien_core::rollout::*;

use super::fleet::{Fleet, begin, id, members, minutes, well, words};
use super::windows::nightly;

fn plan() -> PlanBuilder {
    Plan::builder().then_percent([50, 100]).retry(minutes(1), 3).patience(minutes(24 * 60))
}

fn built(plan: PlanBuilder) -> Plan {
    plan.build().unwrap()
}

fn standing(number: usize, count: u32, standing: &Standing) -> Vec<Member> {
    let mut members = members(count);
    members[number] = members[number].clone().standing(standing.clone());
    members
}

#[test]
fn a_later_wave_waits_for_the_one_before_and_for_the_gate() {
    let mut fleet = Fleet::started(&built(plan().gate_after(0)), members(2));
    assert_eq!(fleet.why(1), Some(Why::Wave(1)));
    assert_eq!(fleet.refused(&fleet.claim_of(1)), Refusal::Waits(Why::Wave(1)));
    fleet.make_good(0);
    assert_eq!(fleet.why(1), Some(Why::Gate(0)));
    assert_eq!(fleet.refused(&fleet.claim_of(1)), Refusal::Waits(Why::Gate(0)));
    assert_eq!(fleet.why(0), None);
    fleet.told(&Event::Approve { wave: 0 });
    assert_eq!(fleet.why(1), None);
    assert_eq!(fleet.why(9), None, "nobody has that name");
}

#[test]
fn a_gate_keeps_only_the_next_wave_by_its_name() {
    let plan = Plan::builder().then(Wave::Count(1)).then(Wave::Count(1)).then(Wave::Rest).gate_after(0);
    let mut fleet = Fleet::started(&built(plan), members(3));
    fleet.make_good(0);
    assert_eq!((fleet.why(1), fleet.why(2)), (Some(Why::Gate(0)), Some(Why::Wave(2))));
}

#[test]
fn a_deployment_waits_for_its_window() {
    let mut fleet = Fleet::started(&built(plan()), standing(0, 2, &Standing::new(1).window(nightly())));
    let opens = "2026-11-27T22:00:00Z".parse().unwrap();
    assert_eq!(fleet.due(), [(id(0), Task::Claim)]);
    assert_eq!(fleet.why(0), Some(Why::Window(opens)));
    assert_eq!(fleet.refused(&fleet.claim_of(0)), Refusal::Waits(Why::Window(opens)));
    assert_eq!(fleet.rollout.head().waves()[0].parked, 1);
    assert_eq!((fleet.due(), fleet.why(0)), (vec![], Some(Why::Window(opens))));
    assert_eq!(fleet.rollout.next_due(fleet.now), Some(opens));
    assert_eq!(fleet.phase(), Phase::Open, "no other of its wave is good");
    fleet.now = opens;
    assert_eq!(fleet.due(), [(id(0), Task::Claim)]);
    fleet.make_good(0);
    assert_eq!(fleet.rollout.head().wave(), 1);
}

#[test]
fn a_window_that_closes_before_the_first_call_is_obeyed() {
    let mut fleet = Fleet::started(&built(plan()), standing(0, 2, &Standing::new(1).window(nightly())));
    fleet.now = "2026-11-28T01:59:30Z".parse().unwrap();
    fleet.claim(0);
    fleet.work(0, begin());
    fleet.wait(std::time::Duration::from_secs(30));
    let opens = "2026-11-28T22:00:00Z".parse().unwrap();
    assert_eq!(fleet.refused(&fleet.work_of(0, Step::Send)), Refusal::Waits(Why::Window(opens)));
}

#[test]
fn the_next_wave_does_not_wait_for_a_window_if_another_is_good() {
    let mut fleet = Fleet::started(&built(plan()), standing(0, 4, &Standing::new(1).window(nightly())));
    fleet.refused(&fleet.claim_of(0));
    fleet.update(1, Ended::Done);
    assert_eq!(fleet.phase(), Phase::Baking);
    assert_eq!(words(&fleet.bake(1, 2)), ["good", "open 1"]);
    fleet.make_good(2);
    fleet.make_good(3);
    assert_eq!((fleet.phase(), fleet.rollout.head().wave()), (Phase::Open, 1), "the last wave waits for all");
    fleet.now = "2026-11-27T22:00:00Z".parse().unwrap();
    fleet.update(0, Ended::Done);
    assert_eq!(fleet.phase(), Phase::Baking);
    assert_eq!(words(&fleet.bake(0, 2)), ["good", "done 1", "over: done"]);
}

#[test]
fn patience_ends_and_whoever_still_waits_is_told_why_it_was_not_tried() {
    let mut fleet = Fleet::started(&built(plan()), standing(3, 4, &Standing::new(1).held("a demo")));
    fleet.make_good(0);
    fleet.make_good(1);
    let opened = fleet.now;
    fleet.make_good(2);
    assert_eq!(fleet.refused(&fleet.claim_of(3)), Refusal::Waits(Why::Held("a demo".to_owned())));
    assert_eq!(fleet.due(), []);
    let ends = opened + jiff::SignedDuration::from_hours(24);
    assert_eq!(fleet.rollout.next_due(fleet.now), Some(ends));
    fleet.now = ends - jiff::SignedDuration::from_secs(1);
    assert_eq!(words(&fleet.told(&Event::Tick)), [""; 0]);
    fleet.now = ends;
    assert_eq!(words(&fleet.told(&Event::Tick)), ["done 1"]);
    assert_eq!(fleet.rollout.next_due(fleet.now), Some(fleet.now));
    assert_eq!(fleet.due(), [(id(3), Task::Close)]);
    assert_eq!(words(&fleet.close(3)), ["not tried: held: a demo", "over: done"]);
    assert_eq!(fleet.rollout.next_due(fleet.now), None);
}

#[test]
fn whoever_was_not_asked_when_patience_ends_is_told_so_too() {
    let mut fleet =
        Fleet::started(&built(Plan::builder().patience(minutes(0))), standing(0, 2, &Standing::new(1).held("a")));
    fleet.make_good(1);
    assert_eq!(fleet.phase(), Phase::Open, "the other is due");
    fleet.refused(&fleet.claim_of(0));
    assert_eq!(fleet.phase(), Phase::Done);
    // A hold that ends too late.
    fleet.stand(0, Standing::new(2));
    assert_eq!(fleet.why(0), Some(Why::Done));
    assert_eq!(fleet.refused(&fleet.claim_of(0)), Refusal::OutOfStep);
    assert_eq!(words(&fleet.close(0)), ["not tried: the rollout is done", "over: done"]);
}

#[test]
fn holds_and_approvals_and_the_admin_keep_a_deployment_until_they_end() {
    let text = || "because".to_owned();
    for (kept, why) in [
        (Standing::new(1).held("because"), Why::Held(text())),
        (Standing::new(1).awaiting_approval("because"), Why::Approval(text())),
        (Standing::new(1).admin_only("because"), Why::AdminOnly(text())),
        (Standing::new(1).admin_only("b").awaiting_approval("b").held("because"), Why::Held(text())),
        (Standing::new(1).admin_only("b").awaiting_approval("because"), Why::Approval(text())),
    ] {
        let mut fleet = Fleet::started(&built(plan()), standing(0, 2, &kept));
        assert_eq!(fleet.why(0), Some(why.clone()));
        assert_eq!(fleet.refused(&fleet.claim_of(0)), Refusal::Waits(why.clone()));
        assert_eq!(fleet.why(0), Some(why.clone()));
        assert_eq!(fleet.refused(&fleet.claim_of(0)), Refusal::Waits(why));
        assert_eq!(fleet.refused(&Event::Standing { deployment: id(0), standing: Standing::new(1) }), Refusal::Late);
        fleet.stand(0, Standing::new(2));
        assert_eq!(fleet.why(0), None);
        fleet.make_good(0);
    }
}

#[test]
fn a_hold_that_comes_after_the_claim_is_obeyed() {
    let mut fleet = Fleet::started(&built(plan()), members(2));
    fleet.claim(0);
    fleet.work(0, begin());
    fleet.stand(0, Standing::new(1).held("a demo"));
    assert_eq!(fleet.refused(&fleet.work_of(0, Step::Send)), Refusal::Waits(Why::Held("a demo".to_owned())));
    assert_eq!(fleet.why(0), Some(Why::Held("a demo".to_owned())));
    fleet.stand(0, Standing::new(2));
    fleet.claim(0);
    fleet.stand(0, Standing::new(3).pinned(1.into()));
    assert_eq!(fleet.refused(&fleet.work_of(0, begin())), Refusal::Waits(Why::Pinned(1.into())));
    assert_eq!(words(&fleet.close(0)), ["not tried: pinned to release 1", "open 1"]);
}

#[test]
fn who_is_pinned_or_revoked_is_not_tried_and_blocks_nobody() {
    for (excluded, told) in [
        (Standing::new(1).pinned(1.into()), "not tried: pinned to release 1"),
        (Standing::new(1).revoked("by mail").pinned(1.into()), "not tried: the customer revoked the access: by mail"),
    ] {
        let mut fleet = Fleet::started(&built(plan()), standing(0, 2, &excluded));
        assert_eq!(fleet.due(), [(id(0), Task::Close)]);
        assert_eq!(words(&fleet.close(0)), [told, "open 1"]);
    }
    let mut fleet = Fleet::started(&built(plan()), standing(0, 2, &Standing::new(1).pinned(3.into())));
    fleet.make_good(0);
    // A wave that is not open is not asked yet.
    let mut fleet = Fleet::started(&built(plan()), standing(1, 2, &Standing::new(1).pinned(1.into())));
    assert_eq!(fleet.due(), [(id(0), Task::Claim)]);
    assert_eq!(fleet.refused(&Event::Close { deployment: id(1) }), Refusal::OutOfStep);
}

#[test]
fn a_customer_who_revokes_meanwhile_is_told_of_as_it_is_known() {
    let revoked = || Why::Revoked("403".to_owned());
    let mut fleet = Fleet::started(&built(Plan::builder()), members(4));
    fleet.claim(0);
    fleet.work(0, Step::End(Ended::Revoked("403".to_owned())));
    assert_eq!(fleet.row(0).outcome(), Some(&Outcome::NotTried(revoked())));
    fleet.update(1, Ended::Revoked("403".to_owned()));
    assert_eq!(fleet.row(1).outcome(), Some(&Outcome::Unknown(revoked())));
    fleet.update(2, Ended::Done);
    fleet.wait(minutes(5));
    fleet.look(2, Sight::Revoked("403".to_owned()));
    assert_eq!(fleet.row(2).outcome(), Some(&Outcome::Unknown(revoked())));
    assert_eq!(fleet.rollout.head().halted(), None);
}

#[test]
fn what_only_the_admin_can_do_waits_for_the_next_word_of_the_deployment() {
    let mut fleet = Fleet::started(&built(plan()), members(4));
    fleet.claim(0);
    fleet.work(0, Step::End(Ended::AdminOnly("a network".to_owned())));
    let why = Why::AdminOnly("a network".to_owned());
    assert_eq!((fleet.why(0), fleet.rollout.head().waves()[0].parked), (Some(why.clone()), 1));
    assert_eq!(fleet.refused(&fleet.claim_of(0)), Refusal::Waits(why));
    assert_eq!(fleet.due(), [(id(1), Task::Claim)]);
    assert!(!fleet.row(0).is_uncertain());
    fleet.stand(0, Standing::new(1));
    fleet.update(0, Ended::AdminOnly("a network".to_owned()));
    assert!(fleet.row(0).is_uncertain(), "a call was made");
}

#[test]
fn who_is_unreachable_is_tried_again_later_and_later_and_given_up() {
    let mut fleet = Fleet::started(&built(plan().retry(minutes(1), 7).pause_at_unreachable(100)), members(4));
    let why = || Why::Unreachable("no answer".to_owned());
    for wait in [1, 2, 4, 8, 16, 16] {
        fleet.claim(0);
        fleet.work(0, Step::End(Ended::Unreachable("no answer".to_owned())));
        assert_eq!((fleet.why(0), fleet.rollout.head().waves()[0].unreachable), (Some(why()), 1));
        let due = fleet.now + jiff::SignedDuration::from_mins(wait);
        assert_eq!(fleet.rollout.next_due(fleet.now), Some(fleet.now), "the other is due");
        assert!(!fleet.row(0).is_uncertain(), "nothing was sent");
        fleet.now = due - jiff::SignedDuration::from_secs(1);
        assert_eq!(fleet.refused(&fleet.claim_of(0)), Refusal::Waits(why()));
        fleet.now = due;
    }
    fleet.claim(0);
    assert_eq!(fleet.rollout.head().waves()[0].unreachable, 0, "it may be reached now");
    let actions = fleet.work(0, Step::End(Ended::Unreachable("no answer".to_owned())));
    assert_eq!(words(&actions), ["not tried: unreachable: no answer"]);
    assert_eq!(fleet.rollout.head().waves()[0].unreachable, 1);
}

#[test]
fn who_is_lost_after_the_update_is_unknown_and_not_bad() {
    let mut fleet = Fleet::started(&built(plan().halt_at_bad(1).pause_at_unreachable(100)), members(6));
    fleet.update(0, Ended::Done);
    fleet.wait(minutes(5));
    for wait in [1, 2] {
        fleet.look(0, Sight::Unreachable("no answer".to_owned()));
        assert_eq!(fleet.rollout.head().waves()[0].unreachable, 1);
        fleet.wait(minutes(wait) - std::time::Duration::from_secs(1));
        assert_eq!(fleet.refused(&fleet.look_of(0, well())), Refusal::Early);
        fleet.wait(std::time::Duration::from_secs(1));
    }
    fleet.look(0, well());
    assert_eq!(fleet.rollout.head().waves()[0].unreachable, 0, "it is seen again");
    fleet.wait(minutes(5));
    for _ in 0..3 {
        fleet.look(0, Sight::Unreachable("no answer".to_owned()));
        fleet.wait(minutes(4));
    }
    assert_eq!(fleet.row(0).outcome(), Some(&Outcome::Unknown(Why::Unreachable("no answer".to_owned()))));
    // In the middle of an update, too.
    for fence in 1..=3 {
        fleet.send_to(1);
        assert_eq!(fleet.row(1).fence(), fence);
        fleet.work(1, Step::End(Ended::Unreachable("no answer".to_owned())));
        assert!(fleet.row(1).is_uncertain(), "what was sent may have been done");
        fleet.wait(minutes(4));
    }
    assert_eq!(fleet.row(1).outcome(), Some(&Outcome::Unknown(Why::Unreachable("no answer".to_owned()))));
    assert_eq!(fleet.rollout.head().halted(), None);
    assert_eq!(fleet.rollout.head().waves()[0].unreachable, 2);
}

#[test]
fn an_update_that_ends_makes_attempts_count_anew() {
    let mut fleet = Fleet::started(&built(Plan::builder().retry(minutes(1), 2).pause_at_unreachable(100)), members(2));
    fleet.claim(0);
    fleet.work(0, Step::End(Ended::Unreachable("no answer".to_owned())));
    fleet.wait(minutes(1));
    fleet.update(0, Ended::Done);
    fleet.told(&Event::Halt { why: String::new() });
    fleet.told(&Event::Revert(Scope::All));
    fleet.close(0);
    fleet.claim(0);
    fleet.work(0, Step::End(Ended::Unreachable("no answer".to_owned())));
    assert_eq!(fleet.row(0).reverted(), None);
}

#[test]
fn it_pauses_when_a_share_of_the_wave_is_unreachable_and_once_for_the_same() {
    let mut fleet = Fleet::started(&built(plan().pause_at_unreachable(50)), members(8));
    let lose = |fleet: &mut Fleet, number| {
        fleet.claim(number);
        fleet.work(number, Step::End(Ended::Unreachable("no answer".to_owned())))
    };
    assert_eq!(words(&lose(&mut fleet, 0)), [""; 0]);
    assert_eq!(words(&lose(&mut fleet, 1)), ["paused"]);
    assert_eq!(fleet.rollout.head().paused(), Some(&PauseReason::Unreachable { count: 2, of: 4 }));
    assert_eq!(words(&fleet.resume()), ["resumed"], "an operator goes on with those");
    fleet.wait(minutes(1));
    fleet.claim(1);
    assert_eq!(
        words(&fleet.work(1, Step::End(Ended::Unreachable(String::new())))),
        ["paused"],
        "it was in reach meanwhile"
    );
    fleet.resume();
    assert_eq!(words(&lose(&mut fleet, 2)), ["paused"]);
    fleet.resume();
    fleet.wait(minutes(30));
    for number in 0..3 {
        fleet.claim(number);
    }
    fleet.work(0, Step::End(Ended::Unreachable(String::new())));
    assert_eq!(fleet.rollout.head().paused(), None, "one of four");
    fleet.work(1, Step::End(Ended::Unreachable(String::new())));
    assert_eq!(fleet.rollout.head().paused(), Some(&PauseReason::Unreachable { count: 2, of: 4 }), "anew");
}

#[test]
fn a_canary_that_shows_nothing_pauses_before_the_next_wave() {
    let plan = || built(Plan::builder().canary(1).then(Wave::Rest).retry(minutes(1), 1).pause_at_unreachable(100));
    let mut fleet = Fleet::started(&plan(), standing(0, 1, &Standing::new(1).pinned(1.into())));
    // All are the canary: nobody is left to be kept from harm.
    fleet.close(0);
    assert_eq!(fleet.phase(), Phase::Open);
    let pinned = Standing::new(1).pinned(1.into());
    let mut fleet =
        Fleet::started(&plan(), members(2).into_iter().map(|member| member.standing(pinned.clone())).collect());
    assert_eq!(words(&fleet.close(0)), ["not tried: pinned to release 1", "paused"]);
    assert_eq!(fleet.rollout.head().paused(), Some(&PauseReason::NoneGood { wave: 0 }));
    assert_eq!(words(&fleet.resume()), ["resumed", "open 1"]);
    // A bad canary that is too small to halt.
    let mut fleet = Fleet::started(&plan(), members(3));
    fleet.update(0, Ended::Failed(super::fleet::ill("api")));
    assert_eq!(fleet.rollout.head().paused(), Some(&PauseReason::NoneGood { wave: 0 }));
}

#[test]
fn a_wave_that_was_tried_and_shows_nothing_pauses_too() {
    let plan = built(Plan::builder().then(Wave::Count(1)).then(Wave::Rest));
    let mut fleet = Fleet::started(&plan, members(2));
    fleet.update(0, Ended::Failed(super::fleet::ill("api")));
    assert_eq!(fleet.rollout.head().paused(), Some(&PauseReason::NoneGood { wave: 0 }));
    let mut fleet = Fleet::started(&plan, standing(0, 2, &Standing::new(1).pinned(1.into())));
    fleet.close(0);
    assert_eq!((fleet.rollout.head().paused(), fleet.rollout.head().wave()), (None, 1), "nobody was tried");
    let mut fleet = Fleet::started(&plan, members(2));
    fleet.send_to(0);
    fleet.pause();
    fleet.work(0, Step::End(Ended::Revoked("403".to_owned())));
    assert_eq!(fleet.rollout.head().pauses(), 1, "it is paused already");
    assert_eq!(words(&fleet.resume()), ["resumed", "paused"]);
    assert_eq!(words(&fleet.resume()), ["resumed", "open 1"]);
}

#[test]
fn no_wave_is_opened_in_a_pause() {
    let mut fleet = Fleet::started(&built(plan()), members(2));
    fleet.update(0, Ended::Done);
    fleet.bake(0, 1);
    fleet.wait(minutes(5));
    fleet.pause();
    fleet.look(0, well());
    assert_eq!((fleet.row(0).outcome(), fleet.rollout.head().wave()), (Some(&Outcome::Good), 0));
    assert_eq!(words(&fleet.resume()), ["resumed", "open 1"]);
}

#[test]
fn empty_waves_are_passed_over() {
    let plan = built(Plan::builder().canary(3).then_percent([10, 50, 100]));
    let mut fleet = Fleet::started(&plan, members(3));
    fleet.make_good(0);
    fleet.make_good(1);
    fleet.update(2, Ended::Done);
    assert_eq!(words(&fleet.bake(2, 2)), ["good", "open 1", "open 2", "open 3", "done 3", "over: done"]);
}

#[test]
fn who_is_pinned_while_a_worker_has_it_is_told_at_once_when_the_worker_fails() {
    let mut fleet = Fleet::started(&built(plan()), members(1));
    fleet.send_to(0);
    fleet.stand(0, Standing::new(1).pinned(1.into()));
    let again = Some(fleet.now + minutes(30));
    fleet.work(0, Step::End(Ended::Fault { why: "the store was away".to_owned(), again }));
    assert_eq!(
        fleet.due(),
        [(id(0), Task::Close)],
        "and it is found by the index, before it would have been tried again"
    );
}
