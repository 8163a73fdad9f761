//! Two managers and an admin at work on one deployment, interleaved by chance: in the end the record tells what runs.

use std::time::Duration;

use alien_conformance::interleaved::{Round, Work};
use alien_conformance::seed;
use alien_core::memory::Fault;

use crate::in_process::InProcess;

#[tokio::test(start_paused = true)]
async fn two_managers_and_an_admin_end_with_a_record_that_tells_what_runs() {
    let mut chance = seed::chance();
    for _ in 0..200 {
        let world = InProcess::new();
        let work = Work::begin(&world, "two").await;
        let round = Round::long(&mut chance);
        // Calls that take time, some of which fail, let one come in between another's. Some take so long that an update
        // outlasts a lease that is not renewed.
        world.account.throttle_every(chance.usize(2..6));
        if chance.usize(..3) == 0 {
            world.account.set_latency(Duration::from_secs(chance.u64(5..30)));
        }
        if chance.usize(..3) == 0 {
            world.account.fail_at(chance.usize(..60), Fault::AnswerLost);
        }
        work.carry_out(&round).await;
        world.account.restart();
        world.account.set_latency(Duration::ZERO);
        // Access may have been revoked by an admin who could not set up again meanwhile, and a lease may still last.
        tokio::time::sleep(Duration::from_secs(121)).await;
        work.end(&round).await;
    }
}
