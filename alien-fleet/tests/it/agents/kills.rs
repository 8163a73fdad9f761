//! A manager that is killed loses no report that it acknowledged, and holds up nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alien_core::rollout::Outcome;
use alien_fleet::Agents;

use super::{Pulling, answering};
use crate::faulty::{At, Faulty};
use crate::world::{digest, plan, two_hours};

/// Another manager on the same store, which ends at a change.
async fn killed_at(pulling: &Pulling, at: At) -> Option<(Agents, Arc<AtomicBool>)> {
    let gone = Arc::new(AtomicBool::new(false));
    let store = Faulty::new(&pulling.store, Some(at), &gone, &pulling.world.account);
    let fleet = pulling.program(store).await;
    // It may be killed before it answers anybody.
    let agents = fleet.agents().host(super::HOST).open().await.ok()?;
    Some((agents, gone))
}

/// How often somebody was killed.
async fn each_kill(mut test: impl AsyncFnMut(Pulling, Agents, Arc<AtomicBool>)) -> usize {
    let mut kills = 0;
    for after in [false, true] {
        for number in 0..200 {
            let pulling = Pulling::new(0, 2).await;
            let at = if after { At::After(number) } else { At::Before(number) };
            let Some((agents, gone)) = killed_at(&pulling, at).await else { continue };
            test(pulling, agents, Arc::clone(&gone)).await;
            if !gone.load(Ordering::SeqCst) {
                break;
            }
            kills += 1;
        }
    }
    kills
}

#[tokio::test(start_paused = true)]
async fn a_report_that_was_acknowledged_is_not_lost() {
    let kills = each_kill(async |pulling, doomed, _| {
        let agent = &pulling.all[0];
        *agent.managers.lock().unwrap() = vec![doomed];
        let mut acknowledged = 0;
        for _ in 0..6 {
            let Ok(bearer) = agent.token().await else { break };
            let report = agent.report();
            let counter = report.counter;
            if agent.next().report(&bearer, &agent.signed(&report)).await.is_err() {
                break;
            }
            acknowledged = counter;
        }
        // Another manager knows of it.
        *agent.managers.lock().unwrap() = vec![answering(&pulling.world.fleet).await];
        let last = agent.state.lock().unwrap().counter;
        let token = agent.next().token(&agent.signed_request()).await.unwrap();
        assert!((acknowledged..=last).contains(&token.counter), "{acknowledged} of {last}: {}", token.counter);
    })
    .await;
    assert!(kills > 10, "{kills}");
}

#[tokio::test(start_paused = true)]
async fn a_rollout_goes_on_when_a_manager_is_killed_at_any_write() {
    let kills = each_kill(async |pulling, doomed, gone| {
        let published = pulling.world.publish(b"second").await;
        let plan = plan().canary(1).then_percent([100]).bake(Duration::from_secs(60));
        let id = pulling.world.begin(published.release.sequence(), plan).await;
        let healthy = answering(&pulling.world.fleet).await;
        for agent in &pulling.all {
            *agent.managers.lock().unwrap() = vec![doomed.clone()];
        }
        let lives = pulling.all.iter().map(super::Agent::live);
        let replaced = async {
            while !gone.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            for agent in &pulling.all {
                *agent.managers.lock().unwrap() = vec![healthy.clone()];
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = futures_util::future::join_all(lives) => {}
            () = replaced => {}
            ended = pulling.world.fleet.worker().without_watch().until_over().run(two_hours()) => ended.unwrap(),
        }
        let status = pulling.world.fleet.status(&id).await.unwrap();
        assert_eq!(pulling.world.outcomes(&status), vec![Some(Outcome::Good); 2], "{status:#?}");
        for agent in &pulling.all {
            assert_eq!(agent.runs().await, digest(b"second"));
        }
    })
    .await;
    assert!(kills > 10, "{kills}");
}
