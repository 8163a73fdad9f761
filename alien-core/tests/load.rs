//! Many deployments, looked after by one program of the vendor's at once, on the in-process cloud.

#![expect(clippy::unwrap_used, reason = "a suite of tests says what is wrong by panicking")]

#[path = "it/in_process.rs"]
mod in_process;

use alien_conformance::stacks::IMAGE;
use alien_conformance::world::{Calls, Case, Shipped, World, release};
use alien_core::{Artifacts, Code, Container, Data, Function, Health, Manager, Profile, Queue, Stack, Storage};
use futures_util::future::join_all;

use crate::in_process::{InProcess, first};

/// How many: what the environment's `ALIEN_LOAD` says, else what takes no time.
fn deployments() -> usize {
    std::env::var("ALIEN_LOAD").map_or(20, |given| given.parse().unwrap())
}

fn stack(code: &Shipped) -> Stack {
    let mut stack = Stack::builder("many");
    let data = stack.frozen("data", Storage::new());
    stack.live("jobs", Queue::new());
    stack.live("api", Function::new(code.code(), "code").with_commands());
    stack.live("worker", Container::new(IMAGE.parse::<Code>().unwrap(), "code"));
    stack.profile("code", Profile::new().on(&data, [Storage::DATA_READ]));
    stack.build().unwrap()
}

/// What is released to all at once costs each what it costs one alone, and every one of them ends with it.
#[tokio::test(start_paused = true)]
async fn a_release_to_many_costs_each_what_it_costs_one() {
    let world = InProcess::new();
    let before = release(&stack(&first(&world)), &[first(&world)]);
    let (second, nothing) = (world.code("second"), Artifacts::default());
    let after = release(&stack(&second), std::slice::from_ref(&second));
    // One program: its sessions are all kept in one place.
    let calls = Calls::default();
    let vendor = world.vendor(world.calling().with_recorder(calls.recorder()));
    let set_up = async |prefix: String| {
        let case = Case::new(&world, &prefix, before.stack().clone());
        let deployment = case.up(&before, None).await.unwrap();
        (Manager::new(vendor.clone(), deployment), case)
    };
    let update = async |manager: &Manager| {
        for resource in manager.resources() {
            assert_eq!(manager.heartbeat(&resource).await.unwrap().health, Health::Healthy, "{resource:?}");
        }
        manager.release(&after).previous(&nothing).await.into_result().unwrap();
        let record = manager.deployment();
        assert_eq!(&record.stack, after.stack());
        assert!(record.uncertain.is_empty(), "{:?}", record.uncertain);
    };

    let alone = set_up("alone".to_owned()).await;
    update(&alone.0).await;
    let (mut one, many) = (calls.operations(), deployments());
    let there = join_all((0..many).map(|number| set_up(format!("customer-{number}")))).await;
    let _ = calls.take();
    join_all(there.iter().map(|(manager, _)| update(manager))).await;
    let mut all = calls.operations();
    one.sort();
    all.sort();
    assert_eq!(all, one.iter().flat_map(|call| std::iter::repeat_n(call.clone(), many)).collect::<Vec<_>>());

    let taken_down = there.iter().chain([&alone]).map(async |(manager, case)| {
        let remains = case.admin.destroy(&manager.deployment()).data(Data::Delete).await.unwrap();
        assert!(remains.kept.is_empty() && remains.foreign.is_empty(), "{remains:?}");
    });
    join_all(taken_down).await;
    assert!(world.account.names().is_empty(), "{:?}", world.account.names());
}
