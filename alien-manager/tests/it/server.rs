//! The server: its end, its certificate, and how it is.

use std::net::SocketAddr;
use std::time::Duration;

use alien_core::{CommandId, ErrorKind, ResourceId};
use alien_fleet::{Products, Role};
use alien_manager::{Limits, Router, Server, Tls};

use crate::api::{Served, certify, failure, status, world};
use crate::folder::Folder;
use crate::world::product;

#[tokio::test(start_paused = true)]
async fn what_was_begun_is_finished_when_it_shuts_down_and_nothing_more_is_accepted() {
    let world = world(1).await;
    let served = Served::begin(&world.fleet).await;
    let (client, address) = (served.client("ann").await, served.address);
    let (id, api): (_, ResourceId) = (world.ids[0], "api".parse().unwrap());
    // The connection is there, and is kept.
    client.products().await.unwrap();
    world.account.set_latency(Duration::from_millis(400));
    let caller = client.clone();
    let call = tokio::spawn(async move { caller.dispatch(id, &api, CommandId::new(), b"hello").await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    served.end().await;
    assert_eq!(call.await.unwrap().unwrap(), b"hello");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    let refused = failure(client.products().await);
    assert_eq!((refused.kind(), refused.was_sent()), (ErrorKind::Unavailable, false), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn what_takes_longer_than_it_may_is_cut_off_at_the_end() {
    let world = world(1).await;
    let mut limits = Limits::default();
    limits.grace = Duration::from_millis(200);
    let served = Served::within(&world.fleet, limits).await;
    let (client, id) = (served.client("ann").await, world.ids[0]);
    world.account.set_latency(Duration::from_secs(30));
    let call = tokio::spawn(async move { client.heartbeat(id).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = std::time::Instant::now();
    served.end().await;
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(failure(call.await.unwrap()).kind(), ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_new_certificate_is_taken_and_one_that_cannot_be_used_is_not() {
    let world = world(0).await;
    let served = Served::begin(&world.fleet).await;
    let folder = Folder::new();
    let first = certify(&folder);
    let tls = Tls::open(folder.join("cert.pem"), folder.join("key.pem")).unwrap();
    tls.refresh().unwrap();
    let other = Folder::new();
    certify(&other);
    // The key of another: as it is between two writes.
    std::fs::copy(other.join("key.pem"), folder.join("key.pem")).unwrap();
    assert_eq!(tls.refresh().unwrap_err().kind(), ErrorKind::Input);
    let second = certify(&folder);
    tls.refresh().unwrap();
    let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap().tls(tls);
    let (address, router) = (server.address(), Router::new(&world.fleet));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let ended = tokio::spawn(async move { server.serve(router, async { drop(stopped.await) }).await });
    let (_, token) = served.token("ann", Role::Read, Products::All).await;
    let with = |authority: &str| {
        let url = format!("https://{address}");
        alien_fleet::api::Client::https(&url, &token, Some(authority.as_bytes())).unwrap()
    };
    assert_eq!(with(&second).products().await.unwrap(), [product()]);
    let refused = failure(with(&first).products().await);
    assert_eq!((refused.kind(), refused.was_sent()), (ErrorKind::Unreachable, false), "{refused}");
    assert!(refused.to_string().contains(&format!("the certificate of the manager at `{address}` is not trusted")));
    stop.send(()).unwrap();
    ended.await.unwrap().unwrap();
    served.end().await;
}

#[test]
fn every_problem_of_a_certificate_and_its_key_is_told() {
    let folder = Folder::new();
    let error = Tls::open(folder.join("cert.pem"), folder.join("key.pem")).unwrap_err();
    assert_eq!(error.problems().len(), 2, "{error}");
}

#[tokio::test(start_paused = true)]
async fn without_tls_it_answers_on_this_machine_alone() {
    let world = world(0).await;
    let open = SocketAddr::from(([0, 0, 0, 0], 0));
    let server = Server::bind(open).await.unwrap();
    let refused = failure(server.serve(Router::new(&world.fleet), async {}).await);
    assert_eq!(refused.kind(), ErrorKind::Input);
    assert!(refused.to_string().contains("plain text"), "{refused}");
    let server = Server::bind(open).await.unwrap().behind_proxy();
    server.serve(Router::new(&world.fleet), async {}).await.unwrap();
    let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    server.serve(Router::new(&world.fleet), async {}).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_says_that_it_lives_that_its_store_answers_and_what_it_counted() {
    let world = world(1).await;
    let served = Served::begin(&world.fleet).await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(status(&served.sent(&format!("GET {path}"), "", b"").await.0), 200, "{path}");
    }
    let id = world.ids[0];
    assert_eq!(served.raw(&format!("GET /v1/deployments/{id}"), b"").await.0, 200);
    let (code, text) = served.raw("GET /metrics", b"").await;
    assert_eq!(code, 200);
    let counted = r#"alien_requests_total{method="GET",route="/v1/deployments/{id}",status="200"} 1"#;
    assert!(text.contains(counted), "{text}");
    assert!(!text.contains(&id.to_string()) && !text.contains("ann") && !text.contains("127.0.0"), "{text}");
    let (_, some) = served.token("shop", Role::Read, Products::Only([product()].into())).await;
    assert_eq!(served.status("GET /metrics", &some, b"").await, 403);
    served.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_has_an_id_which_the_caller_may_choose() {
    let world = world(0).await;
    let served = Served::begin(&world.fleet).await;
    let id = async |headers: &str| {
        let (head, _) = served.sent("GET /healthz", headers, b"").await;
        let id = head.lines().find_map(|line| line.strip_prefix("x-request-id: ").map(str::to_owned));
        id.unwrap_or_else(|| panic!("no id: {head}"))
    };
    assert_eq!(id("x-request-id: mine-7\r\n").await, "mine-7");
    let (made, other) = (id("").await, id(&format!("x-request-id: {}\r\n", "x".repeat(129))).await);
    assert!(made.len() == 36 && other.len() == 36 && made != other);
    served.end().await;
}
