//! Long random lives of a rollout.

use alien_core::rollout::*;
use proptest::collection::vec;
use proptest::prelude::*;

use super::fleet::{Fleet, id, members, minutes};
use super::laws::the_fold_is_local_and_repeatable;
use super::world::{Draw, World};

fn plans() -> impl Strategy<Value = Plan> {
    let on_halt = prop_oneof![Just(OnHalt::Stop), Just(OnHalt::RevertWave), Just(OnHalt::RevertAll)];
    (on_halt, 1..4_u32, 1..3_u32, any::<bool>(), 1..4_u32).prop_map(|(on_halt, parallel, account, has_gate, canary)| {
        let plan = Plan::builder().canary(canary).then_percent([50, 100]).parallel(parallel).per_account(account);
        let plan =
            plan.halt_at_share(4, 40).on_halt(on_halt).bake(minutes(10)).retry(minutes(1), 3).patience(minutes(60));
        let plan = if has_gate { plan.gate_after(0) } else { plan };
        plan.build().unwrap()
    })
}

fn draws() -> impl Strategy<Value = Vec<Draw>> {
    vec(any::<Draw>(), 100..600)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_laws_hold_and_everything_ends(
        plan in plans(), size in 2..14_u32, how_bad in 0..3_u8, draws in draws(),
    ) {
        let mut world = World::new(Fleet::started(&plan, members(size)), how_bad);
        for (position, draw) in draws.into_iter().enumerate() {
            if position % 16 == 0 {
                let due: Vec<_> = world.fleet.due();
                for (deployment, task) in due {
                    let event = world.fleet.event_for(deployment, task);
                    the_fold_is_local_and_repeatable(&world.fleet.rollout, &event, world.fleet.now);
                }
            }
            world.step(draw);
        }
        // Holds end too, and then everything ends.
        for number in 0..size {
            world.fleet.send(&Event::Standing { deployment: id(number), standing: Standing::new(u64::MAX) });
        }
        world.fleet.calm_down();
    }

    #[test]
    fn a_newer_release_takes_the_place_at_any_moment(plan in plans(), size in 2..10_u32, draws in draws()) {
        let mut world = World::new(Fleet::started(&plan, members(size)), 1);
        for draw in draws.into_iter().take(200) {
            world.step(draw);
        }
        let was_over = world.fleet.rollout.head().is_over();
        let phase = world.fleet.phase();
        world.fleet.send(&Event::Supersede { by: 5.into() });
        let is_final = matches!(phase, Phase::Done | Phase::Reverted | Phase::Cancelled);
        prop_assert_eq!(world.fleet.phase(), if is_final { phase } else { Phase::Superseded });
        // Whoever is at work has until its lease ends, and nobody begins.
        world.fleet.wait(minutes(61));
        let calls = world.calls;
        for (deployment, task) in world.fleet.due() {
            prop_assert!(!matches!(task, Task::Claim | Task::Look { .. }), "{:?}", task);
            let event = world.fleet.event_for(deployment, task);
            world.fleet.send(&event);
        }
        for _ in 0..2 {
            for (deployment, task) in world.fleet.due() {
                prop_assert_eq!(task, Task::Close);
                world.fleet.close_any(deployment);
            }
        }
        prop_assert_eq!(world.calls, calls);
        prop_assert!(world.fleet.rollout.head().is_over());
        let superseded = world.fleet.rollout.rows().values().filter_map(Row::outcome).filter_map(Outcome::why);
        let told = superseded.filter(|why| **why == Why::Superseded(5.into())).count();
        prop_assert!(told <= size as usize && (!was_over || told == 0));
    }
}
