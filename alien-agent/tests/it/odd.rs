//! Over real connections of this machine: a whole life by HTTP, and servers that are no manager.

use std::sync::Arc;
use std::time::{Duration, Instant};

use alien_agent::{Agent, Channel, Https};
use alien_core::{Clock, Delivery, ErrorKind, SystemClock, memory};
use alien_release::Verifier;
use alien_release::agent::Ended;
use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use http::Request;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::authority::Authority;
use crate::world::{HOST, Vendor, digest, release};

/// Serves on a port of this machine.
async fn served(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = hyper_util::service::TowerToHyperService::new(router.clone());
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(hyper_util::rt::TokioIo::new(stream), service));
        }
    });
    format!("http://{address}")
}

async fn asked(https: &Https, path: &str) -> alien_core::Result<http::Response<Vec<u8>>> {
    https.exchange(Request::get(path).body(Vec::new()).unwrap(), 1000).await
}

#[tokio::test]
async fn answers_that_are_endless_elsewhere_or_broken_are_refused() {
    let endless = || async {
        let pieces = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 100]));
        Response::new(Body::from_stream(pieces))
    };
    let broken = || async {
        let pieces = [Ok(vec![b'{'; 10]), Err(std::io::Error::other("cut"))];
        Response::new(Body::from_stream(futures_util::stream::iter(pieces)))
    };
    let router = Router::new()
        .route("/endless", get(endless))
        .route("/broken", get(broken))
        .route("/away", get(|| async { Redirect::temporary("/endless").into_response() }));
    let https = Https::new(&served(router).await).unwrap();
    let error = asked(&https, "/endless").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    let error = asked(&https, "/broken").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("broke off"), "{error}");
    assert_eq!(asked(&https, "/away").await.unwrap().status(), 307);
    // Nobody listens there, and what answers speaks no TLS.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = asked(&Https::new(&format!("http://{closed}")).unwrap(), "/").await.unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

/// By the machine's clock: the agent asks first within half a minute.
#[tokio::test]
async fn a_release_reaches_an_agent_by_http() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let vendor = Vendor::on("by-http", Arc::clone(&clock)).await;
    let customer = vendor.customer("c0").await;
    let https = Https::new(&served(vendor.router()).await).unwrap();
    let second = vendor.publish(&release(b"second"), b"second").await;
    let (_, root) = vendor.delivery();
    let verifier = Verifier::new(root, customer.folder.join("trust"), https.repository().unwrap());
    let agent = Agent::builder(customer.state(), memory::agent(&customer.config));
    let agent = agent.clock(Arc::clone(&clock)).channel(https, HOST).verifier(verifier).open().unwrap();
    let begun = async {
        // A deployment that has not reported yet would pause the rollout.
        while vendor.agents.seen(customer.id).await.unwrap().is_none() {
            clock.sleep(Duration::from_millis(100)).await;
        }
        clock.sleep(Duration::from_millis(500)).await;
        vendor.begin(&second, crate::world::plan()).await;
        while customer.look().runs.is_none() || !customer.look().is_told {
            clock.sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        () = agent.run(std::future::pending()) => {}
        ended = vendor.fleet.worker().run(std::future::pending()) => ended.unwrap(),
        () = begun => {}
    }
    assert_eq!(customer.runs().await, digest(b"second"));
}

/// Serves a router over TLS on a port of `localhost`. A client that does not trust the certificate closes the connection.
fn served_by_tls(listener: TcpListener, tls: TlsAcceptor, router: Router) {
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (tls, router) = (tls.clone(), router.clone());
            tokio::spawn(async move {
                let Ok(stream) = tls.accept(stream).await else { return };
                let service = hyper_util::service::TowerToHyperService::new(router);
                let connection = hyper::server::conn::http1::Builder::new();
                let _ = connection.serve_connection(hyper_util::rt::TokioIo::new(stream), service).await;
            });
        }
    });
}

/// The customer's admin has set up again, because the vendor's root keys were stolen: the new root is at another manager.
#[tokio::test]
async fn after_a_record_with_another_manager_and_root_an_agent_takes_releases_of_these() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let vendor = Vendor::on("moved-from", Arc::clone(&clock)).await;
    let customer = vendor.customer("c0").await;
    let agent = customer.builder(&vendor, customer.state()).open().unwrap();
    // It trusts the root of before.
    let verifier = Verifier::new(vendor.delivery().1, customer.folder.join("trust"), vendor.files());
    verifier.with_clock(Arc::clone(&clock)).decide(1.into()).await.unwrap();

    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("localhost:{}", listener.local_addr().unwrap().port());
    let next = Vendor::at("moved-to", Arc::clone(&clock), &host).await;
    served_by_tls(listener, authority.acceptor("localhost"), next.router());
    let (manager, root) = next.delivery();
    let mut moved = customer.record.clone();
    moved.delivery = Delivery::Pull { manager, root };
    let given = async {
        assert!(agent.give(&customer.record).unwrap());
        clock.sleep(Duration::from_millis(500)).await;
        assert!(agent.give(&moved).unwrap());
        std::future::pending::<()>().await;
    };
    let began = Instant::now();
    tokio::select! {
        () = agent.run(std::future::pending()) => {}
        () = given => {}
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(5), "{took:?}");
    drop(agent);

    let state = customer.state();
    next.register(&moved, state.public_key()).await;
    let second = next.publish(&release(b"second"), b"second").await;
    let agent = Agent::builder(state, memory::agent(&customer.config)).clock(Arc::clone(&clock));
    let agent = agent.ca(authority.pem.as_bytes()).open().unwrap();
    let begun = async {
        while next.agents.seen(customer.id).await.unwrap().is_none() {
            clock.sleep(Duration::from_millis(100)).await;
        }
        next.begin(&second, crate::world::plan()).await;
        while customer.look().last.is_none() {
            clock.sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        () = agent.run(std::future::pending()) => {}
        ended = next.fleet.worker().run(std::future::pending()) => ended.unwrap(),
        () = begun => {}
    }
    assert_eq!(customer.look().last.map(|last| last.ended), Some(Ended::Done));
    assert_eq!(customer.runs().await, digest(b"second"));
}

/// A proxy that opens TLS has a certificate of an authority that only its own network knows.
#[tokio::test]
async fn a_certificate_of_an_authority_that_is_not_known_is_told_and_taken_once_it_is_given() {
    let authority = Authority::new();
    let tls = authority.acceptor("localhost");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    served_by_tls(listener, tls, Router::new().route("/v1", get(|| async { "here" })));
    let error = asked(&Https::new(&base).unwrap(), "/v1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("is not trusted") && error.to_string().contains("`--ca`"), "{error}");
    let https = Https::with_ca(&base, authority.pem.as_bytes()).unwrap();
    assert_eq!(asked(&https, "/v1").await.unwrap().body(), b"here");
}
