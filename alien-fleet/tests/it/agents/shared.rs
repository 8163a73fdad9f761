//! Several managers over one store, and what they write.

use std::sync::Arc;
use std::time::Duration;

use alien_core::rollout::{Outcome, Stage, Why};
use alien_fleet::Poll;
use alien_release::agent::{Desired, ETag, State};

use super::{HOST, Pulling, answering};
use crate::world::plan;

#[tokio::test(start_paused = true)]
async fn from_a_release_to_what_an_agent_is_told_takes_less_than_a_second_with_two_managers() {
    let pulling = Pulling::new(0, 1).await;
    let agent = &pulling.all[0];
    let other = answering(&pulling.program(Arc::clone(&pulling.store)).await).await;
    agent.tell(State::Idle).await.unwrap();
    let bearer = agent.bearer().await.unwrap();
    let mut tags = Vec::new();
    for agents in [&pulling.agents, &other] {
        let Poll::Desired(etag, _) = agents.desired(&bearer, None).await.unwrap() else { panic!() };
        assert_eq!(agents.desired(&bearer, Some(etag)).await.unwrap(), Poll::Unchanged(etag));
        tags.push(etag);
    }
    assert_eq!(tags[0], tags[1]);
    // A third program has the worker.
    let program = pulling.program(Arc::clone(&pulling.store)).await;
    let worker = program.worker().run(std::future::pending::<()>());
    let asks = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let began = pulling.world.clock.now();
        pulling.begin(b"second", plan()).await;
        for agents in [&pulling.agents, &other] {
            while matches!(agents.desired(&bearer, Some(tags[0])).await.unwrap(), Poll::Unchanged(_)) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        pulling.world.clock.now().duration_since(began)
    };
    tokio::select! {
        ended = worker => panic!("{ended:?}"),
        took = asks => assert!(took.as_millis() < 1000, "{took:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn how_often_to_ask_is_part_of_what_is_tagged() {
    let pulling = Pulling::new(0, 1).await;
    let bearer = pulling.all[0].bearer().await.unwrap();
    let asked = async |seconds: Option<u64>, last: Option<ETag>| {
        // As a manager that was started again with another setting.
        let agents = pulling.world.fleet.agents().host(HOST);
        let agents = match seconds {
            Some(seconds) => agents.poll_every(Duration::from_secs(seconds)),
            None => agents,
        };
        let agents = agents.open().await.unwrap();
        let answer = agents.desired(&bearer, last).await.unwrap();
        // The same manager says the same once it was heard.
        let (Poll::Desired(etag, _) | Poll::Unchanged(etag)) = answer;
        assert_eq!(agents.desired(&bearer, Some(etag)).await.unwrap(), Poll::Unchanged(etag));
        match answer {
            Poll::Desired(etag, json) => (etag, Some(Desired::from_json(json.as_bytes()).unwrap().next_poll)),
            Poll::Unchanged(etag) => (etag, None),
        }
    };
    let (unset, said) = asked(None, None).await;
    assert_eq!(said, Some(None));
    let (minute, said) = asked(Some(60), Some(unset)).await;
    assert_eq!(said, Some(Some(60)), "the tag of before is of another answer");
    assert_eq!(asked(Some(60), Some(minute)).await, (minute, None));
    assert_eq!(asked(Some(300), Some(minute)).await.1, Some(Some(300)));
    assert_eq!(asked(None, Some(minute)).await, (unset, Some(None)));
    for seconds in [0, 29, 301] {
        let agents = pulling.world.fleet.agents().host(HOST).poll_every(Duration::from_secs(seconds));
        let told = agents.open().await.unwrap_err().to_string();
        assert!(told.contains("say 30 to 300 seconds"), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn agents_may_ask_one_manager_now_and_another_next() {
    let pulling = Pulling::new(1, 3).await;
    let other = answering(&pulling.program(Arc::clone(&pulling.store)).await).await;
    for agent in &pulling.all {
        agent.managers.lock().unwrap().push(other.clone());
    }
    for zip in [b"second".as_slice(), b"third"] {
        let status = pulling.roll_out(if zip == b"third" { b"third" } else { b"second" }, plan()).await;
        assert_eq!(pulling.world.outcomes(&status), vec![Some(Outcome::Good); 4], "{status:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn when_an_agent_asked_is_written_now_and_then() {
    let pulling = Pulling::new(0, 1).await;
    let agent = &pulling.all[0];
    let other = answering(&pulling.program(Arc::clone(&pulling.store)).await).await;
    assert_eq!(other.seen(agent.id).await.unwrap(), None);
    agent.poll().await.unwrap();
    let asked = pulling.world.clock.now();
    assert_eq!(pulling.agents.seen(agent.id).await.unwrap(), Some(asked));
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(other.seen(agent.id).await.unwrap(), Some(asked), "it is written within 15 seconds");
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(30)).await;
        agent.poll().await.unwrap();
    }
    let late = pulling.world.clock.now().duration_since(other.seen(agent.id).await.unwrap().unwrap());
    assert!((1..300).contains(&late.as_secs()), "{late:?}");
    pulling.agents.flush().await.unwrap();
}

/// While nobody answers, silence says nothing of an agent.
#[tokio::test(start_paused = true)]
async fn an_agent_that_no_manager_answered_is_not_unreachable() {
    let mut pulling = Pulling::new(0, 1).await;
    pulling.live(Duration::from_secs(60)).await;
    let fleet = pulling.world.fleet.clone();
    // The manager ends; the worker is another program.
    let agent = pulling.all.remove(0);
    agent.managers.lock().unwrap().clear();
    let elsewhere = answering(&pulling.program(alien_fleet::store::InMemory::new()).await).await;
    drop(std::mem::replace(&mut pulling.agents, elsewhere));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let id = pulling.begin(b"second", plan()).await;
    fleet.worker().run(tokio::time::sleep(Duration::from_secs(600))).await.unwrap();
    let status = fleet.status(&id).await.unwrap();
    assert_eq!(status.rollout.head().waves()[0].unreachable, 0, "{status:#?}");
    // It is tried again and again, and has no outcome.
    let mut whys = Vec::new();
    for _ in 0..5 {
        let status = fleet.status(&id).await.unwrap();
        if let Stage::Waiting { why, .. } = status.rollout.rows()[&agent.id].stage() {
            whys.extend(why.clone());
        }
        fleet.worker().run(tokio::time::sleep(Duration::from_secs(3))).await.unwrap();
    }
    assert!(whys.contains(&Why::Manager("no manager answers agents".to_owned())), "{whys:?}");
    // It answers again, and the agent is there.
    let answers = answering(&fleet).await;
    agent.managers.lock().unwrap().push(answers);
    pulling.all.push(agent);
    pulling.live_until_over().await;
    let status = fleet.status(&id).await.unwrap();
    assert_eq!(pulling.world.outcomes(&status), [Some(Outcome::Good)], "{status:#?}");
}
