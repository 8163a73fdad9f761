//! The calls over HTTP: what they cost, and what is refused before anything is read.

use std::time::Duration;

use alien_core::Health;
use alien_fleet::api::AgentApi;
use alien_release::agent::{Condition, Desired, ETag, Message as _, Report, SIGNATURE_HEADER, State, Token, Wanted};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::ServiceExt as _;

use super::{HOST, Pulling};
use crate::world::plan;

pub(super) async fn call(
    router: &Router,
    request: axum::http::request::Builder,
    body: impl Into<Body>,
) -> Response<Body> {
    router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap()
}

pub(super) async fn text(response: Response<Body>) -> String {
    String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_agent_lives_by_http_alone() {
    let pulling = Pulling::new(0, 1).await;
    let agent = &pulling.all[0];
    let router = AgentApi::new(&pulling.agents).router();
    let post = |path: &str, signature: &dyn std::fmt::Display| {
        Request::post(path).header(SIGNATURE_HEADER, signature.to_string())
    };
    let request = agent.signed_request();
    let answer = call(&router, post("/v1/agent/token", request.signature()), request.body().to_vec()).await;
    assert_eq!((answer.status(), answer.headers()["cache-control"].to_str().unwrap()), (StatusCode::OK, "no-store"));
    let token = Token::from_json(text(answer).await.as_bytes()).unwrap();
    let bearer = format!("Bearer {}", token.bearer.reveal());
    let report = agent.signed(&agent.report());
    let sent = post("/v1/agent/report", report.signature()).header("authorization", &bearer);
    assert_eq!(call(&router, sent, report.body().to_vec()).await.status(), StatusCode::NO_CONTENT);
    let sent = post("/v1/agent/report", report.signature()).header("authorization", &bearer);
    let again = call(&router, sent, report.body().to_vec()).await;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    assert!(text(again).await.contains("it was taken before"));
    // What it should run, and the same again.
    agent.tell(State::Idle).await.unwrap();
    pulling.begin(b"second", plan()).await;
    pulling.world.fleet.worker().run(tokio::time::sleep(Duration::from_secs(5))).await.unwrap();
    let get = || Request::get("/v1/agent/desired").header("authorization", &bearer);
    let answer = call(&router, get(), Body::empty()).await;
    let tag: ETag = answer.headers()["etag"].to_str().unwrap().parse().unwrap();
    let desired = Desired::from_json(text(answer).await.as_bytes()).unwrap();
    assert_eq!(desired.etag(), tag);
    let Wanted { release, fence, .. } = desired.release.unwrap();
    let same = call(&router, get().header("if-none-match", tag.to_string()), Body::empty()).await;
    assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(text(same).await, "");
    // It may begin; a second one who has the same release may not.
    let report = agent.signed(&agent.report().doing(State::Beginning { release, fence }));
    let sent = post("/v1/agent/report", report.signature()).header("authorization", &bearer);
    assert_eq!(call(&router, sent, report.body().to_vec()).await.status(), StatusCode::NO_CONTENT);
    let report = agent.signed(&agent.report().doing(State::Beginning { release, fence: fence + 1 }));
    let sent = post("/v1/agent/report", report.signature()).header("authorization", &bearer);
    let held = call(&router, sent, report.body().to_vec()).await;
    assert_eq!(held.status(), StatusCode::OK);
    assert_eq!(text(held).await, r#"{"version":1,"hold":"another attempt takes its place"}"#);
}

/// A newer agent does not send it: see `alien-release/tests/protocol`.
#[tokio::test(start_paused = true)]
async fn a_code_that_is_not_known_is_named_and_what_is_sent_in_its_place_is_taken() {
    let pulling = Pulling::new(0, 1).await;
    let agent = &pulling.all[0];
    let router = AgentApi::new(&pulling.agents).router();
    let bearer = format!("Bearer {}", agent.bearer().await.unwrap().reveal());
    let report = agent.report().with("api".parse().unwrap(), Condition::seen(Health::Degraded));
    let known = agent.signed(&report).body().to_vec();
    let newer = String::from_utf8(known.clone()).unwrap().replace("degraded", "drowsy").into_bytes();
    for (body, status) in [(newer, StatusCode::BAD_REQUEST), (known, StatusCode::NO_CONTENT)] {
        let signature = agent.key.sign(Report::CONTEXT, &body).to_string();
        let post = Request::post("/v1/agent/report").header(SIGNATURE_HEADER, signature);
        let answer = call(&router, post.header("authorization", &bearer), body).await;
        assert_eq!(answer.status(), status);
        // The counter of what was refused is free.
        let told = text(answer).await;
        assert_eq!(status == StatusCode::BAD_REQUEST, told.contains("unknown variant `drowsy`"), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_call_or_too_large_is_refused() {
    let pulling = Pulling::new(0, 1).await;
    let router = AgentApi::new(&pulling.agents).router();
    let none = call(&router, Request::get("/v1/agent/desired"), Body::empty()).await;
    assert_eq!(none.status(), StatusCode::UNAUTHORIZED);
    for bearer in ["Basic abc", "Bearer", "Bearer a b", "Bearer \u{e4}"] {
        let get = Request::get("/v1/agent/desired").header("authorization", bearer.as_bytes());
        assert_eq!(call(&router, get, Body::empty()).await.status(), StatusCode::UNAUTHORIZED, "{bearer}");
    }
    assert_eq!(call(&router, Request::post("/v1/agent/token"), "{}").await.status(), StatusCode::UNAUTHORIZED);
    let signature = pulling.all[0].signed_request().signature().to_string();
    let post = || Request::post("/v1/agent/token").header(SIGNATURE_HEADER, &signature);
    assert_eq!(call(&router, post(), vec![b' '; 1025]).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let announced = post().header("content-length", "100000000");
    assert_eq!(call(&router, announced, Body::empty()).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(call(&router, post(), "{}").await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(call(&router, Request::get("/v1/agent/token"), Body::empty()).await.status(), StatusCode::NOT_FOUND);
    // A body that never ends is not waited for.
    let endless = Body::from_stream(futures_util::stream::pending::<std::io::Result<Vec<u8>>>());
    assert_eq!(call(&router, post(), endless).await.status(), StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_beyond_the_queue_is_sent_away_until_another_time() {
    let pulling = Pulling::new(0, 1).await;
    let router = AgentApi::new(&pulling.agents).queue(1).router();
    let signature = pulling.all[0].signed_request().signature().to_string();
    let waits = Request::post("/v1/agent/token").header(SIGNATURE_HEADER, &signature);
    let endless = Body::from_stream(futures_util::stream::pending::<std::io::Result<Vec<u8>>>());
    let first = tokio::spawn(router.clone().oneshot(waits.body(endless).unwrap()));
    tokio::task::yield_now().await;
    let mut times = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let away = call(&router, Request::get("/v1/agent/desired"), Body::empty()).await;
        assert_eq!(away.status(), StatusCode::SERVICE_UNAVAILABLE);
        let again: u64 = away.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((5..=60).contains(&again), "{again}");
        times.insert(again);
    }
    assert!(times.len() > 10, "{times:?}");
    first.abort();
    let _ = first.await;
    let told = call(&router, Request::get("/v1/agent/desired"), Body::empty()).await;
    assert_eq!(told.status(), StatusCode::UNAUTHORIZED);
}

/// Without TLS, which adds 22 bytes to each.
#[tokio::test(start_paused = true)]
async fn a_poll_that_finds_nothing_is_small() {
    let pulling = Pulling::new(0, 1).await;
    let bearer = pulling.all[0].token().await.unwrap();
    let tag = match pulling.agents.desired(&bearer, None).await.unwrap() {
        alien_fleet::Poll::Desired(tag, _) | alien_fleet::Poll::Unchanged(tag) => tag,
    };
    let (mut here, there) = tokio::io::duplex(1 << 16);
    let router = AgentApi::new(&pulling.agents).router();
    let server = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(there), TowerToHyperService::new(router));
    tokio::spawn(async move { server.await.unwrap() });
    let poll = format!(
        "GET /v1/agent/desired HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {}\r\nif-none-match: {tag}\r\n\r\n",
        bearer.reveal()
    );
    for _ in 0..2 {
        here.write_all(poll.as_bytes()).await.unwrap();
        let mut answer = vec![0; 1024];
        let mut length = 0;
        while !answer[..length].ends_with(b"\r\n\r\n") {
            length += here.read(&mut answer[length..]).await.unwrap();
        }
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 304 "), "{answer}");
        assert!(poll.len() + 22 <= 200 && length + 22 <= 150, "{} up, {length} down: {answer}", poll.len());
    }
}

#[tokio::test(start_paused = true)]
async fn files_of_a_repository_are_served_from_their_folder_alone() {
    let pulling = Pulling::new(0, 0).await;
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("agents-repository");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("repository/folder")).unwrap();
    let large: Vec<u8> = (0..200_000_u32).map(|number| number as u8).collect();
    std::fs::write(folder.join("repository/timestamp.json"), "{}").unwrap();
    std::fs::write(folder.join("repository/abc.zip"), &large).unwrap();
    std::fs::write(folder.join("secret"), "secret").unwrap();
    let router = AgentApi::new(&pulling.agents).repository(folder.join("repository")).router();
    let get = async |name: &str| call(&router, Request::get(format!("/v1/repository/{name}")), Body::empty()).await;
    let found = get("timestamp.json").await;
    assert_eq!(found.headers()["cache-control"], "no-cache");
    assert_eq!(text(found).await, "{}");
    let found = get("abc.zip").await;
    assert_eq!(found.headers()["content-length"], "200000");
    assert_eq!(to_bytes(found.into_body(), 1 << 20).await.unwrap(), large);
    for name in ["nothing.json", "folder", "..%2Fsecret", "%2e%2e%2fsecret", ".hidden", "..%5Csecret"] {
        assert_eq!(get(name).await.status(), StatusCode::NOT_FOUND, "{name}");
    }
    // Without a folder there are none.
    let router = AgentApi::new(&pulling.agents).router();
    let answer = call(&router, Request::get("/v1/repository/timestamp.json"), Body::empty()).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}
