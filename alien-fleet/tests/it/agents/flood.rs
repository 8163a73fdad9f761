//! An agent that sends too much is sent away for a while, and no other is.

use std::time::Duration;

use alien_core::{CommandId, Error, ErrorKind};
use alien_fleet::api::AgentApi;
use alien_release::agent::{Bearer, CommandReply, LogPage, Message, Replied, SIGNATURE_HEADER, Signed};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};

use super::http::{call, text};
use super::{HOST, Pulling};

/// Sends a message, and returns the status, and for how long the agent is sent away.
async fn send<M: Message>(router: &Router, path: &str, bearer: &Bearer, signed: &Signed<M>) -> (u16, Option<u64>) {
    let post = Request::post(path)
        .header(SIGNATURE_HEADER, signed.signature().to_string())
        .header("authorization", format!("Bearer {}", bearer.reveal()));
    let answer = call(router, post, signed.body().to_vec()).await;
    let (status, wait) = (answer.status().as_u16(), answer.headers().get("retry-after").cloned());
    if status == 429 {
        let error: Error = serde_json::from_str(&text(answer).await).unwrap();
        assert_eq!(error.kind(), ErrorKind::Throttled);
        assert!(error.to_string().contains("more than 120 messages a minute"), "{error}");
    }
    (status, wait.map(|wait| wait.to_str().unwrap().parse().unwrap()))
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_floods_is_sent_away_while_others_are_answered() {
    let pulling = Pulling::new(0, 2).await;
    let (flooding, other) = (&pulling.all[0], &pulling.all[1]);
    let router = AgentApi::new(&pulling.agents).router();
    let (bearer, of_other) = (flooding.token().await.unwrap(), other.token().await.unwrap());
    let report = "/v1/agent/report";
    let mut statuses = Vec::new();
    for _ in 0..300 {
        statuses.push(send(&router, report, &bearer, &flooding.signed(&flooding.report())).await);
    }
    // The request for a token was the first of 120.
    assert!(statuses[..119].iter().all(|sent| *sent == (204, None)), "{statuses:?}");
    assert!(statuses[119..].iter().all(|sent| *sent == (429, Some(1))), "{statuses:?}");
    // Nothing else that it sends is taken, either, with another bearer or a message that is no good.
    let again = flooding.signed_request();
    let post = Request::post("/v1/agent/token").header(SIGNATURE_HEADER, again.signature().to_string());
    assert_eq!(call(&router, post, again.body().to_vec()).await.status(), StatusCode::TOO_MANY_REQUESTS);
    let (id, counter) = (CommandId::new(), flooding.report().counter);
    let reply = CommandReply::new(flooding.id, counter, id, Replied::Take);
    let reply = Signed::of(&reply, &flooding.key).unwrap();
    assert_eq!(send(&router, &format!("/v1/agent/commands/{id}"), &bearer, &reply).await.0, 429);
    let page = Signed::of(&LogPage::new(flooding.id, counter, id, 0), &flooding.key).unwrap();
    assert_eq!(send(&router, &format!("/v1/agent/logs/{id}"), &bearer, &page).await.0, 429);
    let of_another_key = Signed::of(&flooding.report(), &other.key).unwrap();
    assert_eq!(send(&router, report, &bearer, &of_another_key).await.0, 429);
    // It still learns what to run.
    let get = Request::get("/v1/agent/desired").header("authorization", format!("Bearer {}", bearer.reveal()));
    assert_eq!(call(&router, get, Body::empty()).await.status(), StatusCode::OK);
    // Others are answered.
    assert_eq!(send(&router, report, &of_other, &other.signed(&other.report())).await, (204, None));
    // And so is the agent itself when it comes again: what was refused was not counted.
    tokio::time::sleep(Duration::from_secs(1)).await;
    for status in [204, 204, 429] {
        assert_eq!(send(&router, report, &bearer, &flooding.signed(&flooding.report())).await.0, status);
    }
}

#[tokio::test(start_paused = true)]
async fn how_much_an_agent_may_send_can_be_set() {
    let pulling = Pulling::new(0, 1).await;
    let agent = &pulling.all[0];
    let agents = pulling.world.fleet.agents().host(HOST).messages(3).open().await.unwrap();
    *agent.managers.lock().unwrap() = vec![agents.clone()];
    let bearer = agent.token().await.unwrap();
    let mut taken = Vec::new();
    for _ in 0..4 {
        taken.push(agents.report(&bearer, &agent.signed(&agent.report())).await.map_err(|error| error.kind()).err());
    }
    assert_eq!(taken, [None, None, Some(ErrorKind::Throttled), Some(ErrorKind::Throttled)]);
}

/// What an agent does when something happens is far below the limit.
#[tokio::test(start_paused = true)]
async fn an_agent_at_work_never_reaches_the_limit() {
    let pulling = Pulling::new(0, 3).await;
    let agents = pulling.world.fleet.agents().host(HOST).messages(12).open().await.unwrap();
    for agent in &pulling.all {
        *agent.managers.lock().unwrap() = vec![agents.clone()];
    }
    for zip in [&b"second"[..], b"third"] {
        let zip: &'static [u8] = if zip == b"second" { b"second" } else { b"third" };
        let status = pulling.roll_out(zip, crate::world::plan()).await;
        let good = Some(alien_core::rollout::Outcome::Good);
        assert_eq!(pulling.world.outcomes(&status), vec![good; 3], "{status:#?}");
    }
}
