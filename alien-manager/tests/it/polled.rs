//! What a poll that finds nothing costs on the wire, counted between an agent and a manager.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use alien_agent::{Channel as _, Https};
use alien_conformance::world::pulled;
use alien_core::{Delivery, DeploymentId, Invitation, memory};
use alien_fleet::api::AgentApi;
use alien_manager::{Router, Server, Tls};
use alien_release::SigningKey;
use alien_release::agent::{Bearer, SIGNATURE_HEADER, Signed, Token, TokenRequest};
use axum::http::header::{AUTHORIZATION, ETAG, IF_NONE_MATCH};
use axum::http::{Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::api::{certify, world};
use crate::folder::Folder;
use crate::world::release;

/// What a poll that finds nothing may have, in TLS records.
const MOST: (u64, u64) = (200, 150);

/// What went through.
#[derive(Default)]
struct Counted {
    up: AtomicU64,
    down: AtomicU64,
    connections: AtomicU64,
}

impl Counted {
    fn now(&self) -> [u64; 3] {
        [&self.up, &self.down, &self.connections].map(|count| count.load(Ordering::SeqCst))
    }
}

/// A proxy that counts what it carries to a server and back.
async fn counting(to: SocketAddr) -> (SocketAddr, Arc<Counted>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, counted) = (listener.local_addr().unwrap(), Arc::<Counted>::default());
    let counts = Arc::clone(&counted);
    tokio::spawn(async move {
        loop {
            let (from, _) = listener.accept().await.unwrap();
            counts.connections.fetch_add(1, Ordering::SeqCst);
            let (from_agent, to_agent) = from.into_split();
            let (from_manager, to_manager) = TcpStream::connect(to).await.unwrap().into_split();
            let (up, down) = (Arc::clone(&counts), Arc::clone(&counts));
            tokio::spawn(async move { carry(from_agent, to_manager, &up.up).await });
            tokio::spawn(async move { carry(from_manager, to_agent, &down.down).await });
        }
    });
    (address, counted)
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, count: &AtomicU64) {
    let mut bytes = [0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        // It is counted before the other side has it.
        count.fetch_add(length as u64, Ordering::SeqCst);
        if to.write_all(&bytes[..length]).await.is_err() {
            break;
        }
    }
}

/// A poll, as an agent makes it.
async fn poll(https: &Https, bearer: &Bearer, last: Option<&str>) -> Response<Vec<u8>> {
    let request = Request::get("/v1/agent/desired").header(AUTHORIZATION, format!("Bearer {}", bearer.reveal()));
    let request = match last {
        Some(last) => request.header(IF_NONE_MATCH, last),
        None => request,
    };
    https.exchange(request.body(Vec::new()).unwrap(), 2000).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_finds_nothing_is_at_most_200_bytes_up_and_150_down() {
    let world = world(0).await;
    let Delivery::Pull { manager, root } = pulled() else { panic!("it is pulled") };
    let (id, first, key) = (DeploymentId::new(), release(b"first"), SigningKey::generate().unwrap());
    let target = memory::Target::pulled("c0", "local:agent".parse().unwrap()).unwrap();
    let invitation = Invitation::pull::<memory::Memory>(id, manager, root, first.stack().clone()).unwrap();
    let admin = memory::admin(&world.config, id, target).with_delivery(pulled());
    let record = admin.apply(&admin.plan(&first).await.unwrap()).await.unwrap();
    world.fleet.register_agent(&invitation, &record, key.public()).await.unwrap();

    let folder = Folder::new();
    let certificate = certify(&folder);
    let tls = Tls::open(folder.join("cert.pem"), folder.join("key.pem")).unwrap();
    let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap().tls(tls);
    let (proxy, counted) = counting(server.address()).await;
    let https = Https::with_ca(&format!("https://{proxy}"), certificate.as_bytes()).unwrap();
    let agents = world.fleet.agents().host(https.host()).open().await.unwrap();
    let router = Router::new(&world.fleet).with_agents(AgentApi::new(&agents));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(async move { server.serve(router, async { drop(stopped.await) }).await });

    let request = Signed::of(&TokenRequest::new(id, world.clock.now(), https.host()).unwrap(), &key).unwrap();
    let token = Request::post("/v1/agent/token").header(SIGNATURE_HEADER, request.signature().to_string());
    let token = https.exchange(token.body(request.body().to_vec()).unwrap(), 8 << 10).await.unwrap();
    let bearer = Token::from_json(token.body()).unwrap().bearer;
    let answer = poll(&https, &bearer, None).await;
    let tag = answer.headers()[ETAG].to_str().unwrap().to_owned();
    let begun = counted.now();
    for _ in 0..3 {
        let before = counted.now();
        let answer = poll(&https, &bearer, Some(&tag)).await;
        assert_eq!((answer.status().as_u16(), answer.headers()[ETAG].to_str().unwrap()), (304, &*tag));
        let after = counted.now();
        let (up, down) = (after[0] - before[0], after[1] - before[1]);
        println!("a poll that finds nothing: {up} bytes up, {down} bytes down; host `{}`", https.host());
        println!("{:?}", answer.headers());
        assert!(up <= MOST.0 && down <= MOST.1, "{up} bytes up, {down} bytes down: {:?}", answer.headers());
        assert!(up > 100 && down > 50, "{up} bytes up, {down} bytes down: something was not counted");
    }
    assert_eq!(counted.now()[2], begun[2], "the connection is kept");
    stop.send(()).unwrap();
    drop(https);
    served.await.unwrap().unwrap();
}
