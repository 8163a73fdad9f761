//! Every order of events of small fleets, exhaustively to a depth, from the moments that matter.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use alien_core::rollout::*;
use jiff::SignedDuration;

use super::fleet::{Fleet, begin, id, ill, members, minutes, well};
use super::laws::the_fold_is_local_and_repeatable;

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// What tells two states apart. Deployments of one wave may change places.
fn key(fleet: &Fleet) -> u64 {
    let mut rows: Vec<u64> = fleet.rollout.rows().values().map(hash).collect();
    rows.sort_unstable();
    hash(&(fleet.rollout.head(), rows, fleet.now))
}

/// Everything that may happen next: in turn or out of turn, in time or late.
fn events(fleet: &Fleet) -> Vec<Event> {
    let head = fleet.rollout.head();
    let mut events = vec![
        Event::Tick,
        Event::Start,
        Event::Pause { pause: head.pauses() + 1, why: String::new() },
        Event::Resume { pause: head.pauses() },
        Event::Resume { pause: head.pauses().saturating_sub(1) },
        Event::Halt { why: String::new() },
        Event::Revert(Scope::Wave),
        Event::Revert(Scope::All),
        Event::Approve { wave: head.wave() },
        Event::Supersede { by: 5.into() },
        Event::Cancel,
    ];
    for (deployment, row) in fleet.rollout.rows() {
        let (deployment, fence) = (*deployment, row.fence());
        let work = |fence, step| Event::Work { deployment, fence, step };
        events.extend([
            Event::Claim { deployment, fence, owner: "one".parse().unwrap() },
            Event::Expire { deployment, fence },
            Event::Close { deployment },
        ]);
        let late = fence.saturating_sub(1);
        match row.stage() {
            Stage::Waiting { .. } | Stage::Settled => {
                events.extend([work(fence, Step::Send), work(fence, Step::End(Ended::Done)), work(fence, back(fleet))]);
                events.push(work(fence, Step::End(Ended::Failed(ill("api")))));
            }
            Stage::Claimed(_) => events.extend([
                Event::Claim { deployment, fence: late, owner: "two".parse().unwrap() },
                work(fence, begin()),
                work(fence, Step::Send),
                work(fence, Step::End(Ended::Unreachable(String::new()))),
                work(late, Step::End(Ended::Done)),
            ]),
            Stage::Begun(_) => {
                events.extend([work(fence, Step::Send), work(late, Step::Send), work(fence, Step::Renew)]);
                events.extend([work(fence, hand(fleet)), work(fence, Step::End(waits()))]);
            }
            Stage::Updating(_) => events.extend([
                work(fence, hand(fleet)),
                work(fence, back(fleet)),
                work(fence, Step::End(Ended::Done)),
                work(fence, Step::End(Ended::Failed(ill("api")))),
                work(fence, Step::End(Ended::Uncertain)),
                work(fence, Step::End(Ended::Fault { why: String::new(), again: None })),
                work(late, Step::End(Ended::Done)),
            ]),
            Stage::Baking { look, .. } => {
                let see = |look, sight| Event::Look { deployment, fence, look, sight };
                events.extend([
                    see(*look, well()),
                    see(*look, Sight::Seen(ill("api"))),
                    see(*look, Sight::Unreachable(String::new())),
                    see(look.saturating_sub(1), well()),
                ]);
            }
        }
    }
    events
}

/// The deployment's agent has it.
fn hand(fleet: &Fleet) -> Step {
    Step::Hand { until: fleet.now + SignedDuration::from_mins(5) }
}

/// Its agent is back.
fn back(fleet: &Fleet) -> Step {
    Step::Back { owner: "agent".parse().unwrap(), until: fleet.now + SignedDuration::from_mins(5) }
}

fn waits() -> Ended {
    Ended::Waits { why: Why::Approval("the customer's".to_owned()), until: None }
}

/// Tries every order of events from here, to a depth, and gives the number of states and events.
fn explore(start: &Fleet, depth: usize) -> (usize, usize) {
    let mut seen = HashSet::from([key(start)]);
    let (mut edge, mut tried) = (vec![start.clone()], 0);
    for _ in 0..depth {
        let mut next = Vec::new();
        for mut fleet in edge {
            let mut add = |reached: Fleet| {
                if seen.insert(key(&reached)) {
                    next.push(reached);
                }
            };
            for event in events(&fleet) {
                tried += 1;
                if tried % 61 == 0 {
                    the_fold_is_local_and_repeatable(&fleet.rollout, &event, fleet.now);
                }
                let (rollout, actions) = alien_core::rollout::next(&fleet.rollout, &event, fleet.now);
                if rollout == fleet.rollout {
                    fleet.laws.hold(&fleet.rollout, &event, fleet.now, &rollout, &actions);
                } else {
                    let mut laws = fleet.laws.clone();
                    laws.hold(&fleet.rollout, &event, fleet.now, &rollout, &actions);
                    add(Fleet { rollout, now: fleet.now, laws });
                }
            }
            for time in [minutes(1), minutes(6)] {
                let mut reached = fleet.clone();
                reached.wait(time);
                add(reached);
            }
        }
        edge = next;
    }
    // From wherever that led, everything ends once nothing fails any more.
    for mut fleet in edge.into_iter().step_by(199) {
        fleet.calm_down();
    }
    (seen.len(), tried)
}

fn plan(on_halt: OnHalt) -> Plan {
    Plan::builder()
        .canary(1)
        .then_percent([60, 100])
        .gate_after(0)
        .parallel(2)
        .per_account(1)
        .halt_at_bad(1)
        .on_halt(on_halt)
        .pause_at_unreachable(60)
        .retry(minutes(1), 2)
        .build()
        .unwrap()
}

const DEPTH: usize = 4;

#[test]
fn every_order_of_events_from_the_canary_on_keeps_the_laws() {
    let (states, events) = explore(&Fleet::new(&plan(OnHalt::RevertAll), members(3)), DEPTH + 1);
    assert!(states > 100 && events > states, "{states} states, {events} events");
    let mut fleet = Fleet::started(&plan(OnHalt::RevertAll), members(3));
    fleet.send_to(0);
    explore(&fleet, DEPTH);
    fleet.work(0, Step::End(Ended::Done));
    fleet.bake(0, 1);
    explore(&fleet, DEPTH);
}

#[test]
fn every_order_of_events_in_a_wave_keeps_the_laws() {
    let mut fleet = Fleet::started(&plan(OnHalt::Stop), members(4));
    fleet.make_good(0);
    fleet.told(&Event::Approve { wave: 0 });
    fleet.claim(1);
    fleet.send_to(2);
    let (states, _) = explore(&fleet, DEPTH);
    assert!(states > 1000, "{states} states");
}

#[test]
fn every_order_of_events_of_a_deployment_that_its_agent_has_keeps_the_laws() {
    let mut fleet = Fleet::started(&plan(OnHalt::RevertAll), members(3));
    fleet.claim(0);
    fleet.work(0, begin());
    let step = hand(&fleet);
    fleet.work(0, step);
    explore(&fleet, DEPTH);
    fleet.work(0, Step::Send);
    let (states, _) = explore(&fleet, DEPTH);
    assert!(states > 100, "{states} states");
    fleet.wait(minutes(6));
    fleet.told(&Event::Expire { deployment: id(0), fence: fleet.row(0).fence() });
    explore(&fleet, DEPTH);
}

#[test]
fn every_order_of_events_of_a_revert_keeps_the_laws() {
    let mut fleet = Fleet::started(&plan(OnHalt::RevertAll), members(4));
    fleet.make_good(0);
    fleet.told(&Event::Approve { wave: 0 });
    fleet.update(1, Ended::Done);
    fleet.make_bad(2);
    assert_eq!(fleet.phase(), Phase::Reverting);
    explore(&fleet, DEPTH);
    fleet.close(1);
    fleet.send_to(1);
    let (states, _) = explore(&fleet, DEPTH);
    assert!(states > 300, "{states} states");
}

#[test]
fn every_order_of_events_of_a_pause_keeps_the_laws() {
    let mut fleet = Fleet::started(&plan(OnHalt::RevertWave), members(4));
    fleet.make_good(0);
    fleet.told(&Event::Approve { wave: 0 });
    fleet.update(1, Ended::Done);
    fleet.claim(2);
    fleet.pause();
    explore(&fleet, DEPTH);
    fleet.resume();
    fleet.stand(3, Standing::new(1).held("a demo"));
    let (states, _) = explore(&fleet, DEPTH);
    assert!(states > 1000, "{states} states");
    assert!(fleet.rollout.rows().contains_key(&id(3)));
}
