//! Clients that are slow, many, or without end: others are answered meanwhile.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use alien_fleet::{Products, Role};
use alien_manager::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::api::{Served, answer, status, world};
use crate::world::product;

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

#[tokio::test(start_paused = true)]
async fn whoever_sends_a_head_byte_by_byte_or_nothing_is_cut_off() {
    let world = world(0).await;
    let limits = limits(|limits| limits.head = Duration::from_millis(300));
    let served = Served::within(&world.fleet, limits).await;
    let begun = Instant::now();
    // Neither a handshake nor, after one, a request.
    let mut silent = TcpStream::connect(served.address).await.unwrap();
    let mut slow = served.connect().await;
    slow.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    let drip = async {
        let mut bytes = Vec::new();
        loop {
            tokio::select! {
                read = slow.read_to_end(&mut bytes) => break drop(read),
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
            }
            // It may be closed.
            let _ = slow.write_all(b"x: y\r\n").await;
        }
    };
    drip.await;
    let mut bytes = Vec::new();
    let _ = silent.read_to_end(&mut bytes).await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    served.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_after_a_while_and_not_before() {
    let world = world(0).await;
    let limits = limits(|limits| limits.idle = Duration::from_millis(400));
    let served = Served::within(&world.fleet, limits).await;
    let mut kept = served.connect().await;
    let mut bytes = [0; 4096];
    for _ in 0..3 {
        kept.write_all(b"GET /healthz HTTP/1.1\r\nhost: m\r\n\r\n").await.unwrap();
        assert!(kept.read(&mut bytes).await.unwrap() > 0);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let end = tokio::time::timeout(Duration::from_secs(20), kept.read(&mut bytes)).await.expect("it stays open");
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    served.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_without_end_is_refused_and_takes_nothing_with_it() {
    let world = world(0).await;
    let served = Served::begin(&world.fleet).await;
    let (_, token) = served.token("ann", Role::Admin, Products::All).await;
    let head = format!(
        "POST /v1/rollouts/shop/1/orders HTTP/1.1\r\nhost: m\r\nauthorization: Bearer {}\r\ntransfer-encoding: chunked\r\n\r\n",
        token.reveal()
    );
    let mut stream = served.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let (mut read, mut write) = tokio::io::split(stream);
    let endless = tokio::spawn(async move {
        let mut sent = 0_u64;
        while write.write_all(chunk.as_bytes()).await.is_ok() {
            sent += 0x1000;
        }
        sent
    });
    let (head, _) =
        tokio::time::timeout(Duration::from_secs(20), answer(&mut read)).await.expect("it is read for ever");
    assert_eq!(status(&head), 413);
    let sent = tokio::time::timeout(Duration::from_secs(20), endless).await.expect("it is taken for ever").unwrap();
    assert!(sent < 64 << 20, "{sent} bytes were taken");
    assert_eq!(served.client("ann").await.products().await.unwrap(), [product()]);
    served.end().await;
}

#[tokio::test(start_paused = true)]
async fn requests_above_the_limit_of_an_address_are_sent_away_for_a_while_that_differs() {
    let world = world(0).await;
    let limits = limits(|limits| limits.per_address = 1);
    let served = Served::within(&world.fleet, limits).await;
    let (_, token) = served.token("ann", Role::Read, Products::All).await;
    // A stream is a request that goes on.
    let mut stream = served.connect().await;
    let head = format!("GET /v1/events/stream HTTP/1.1\r\nhost: m\r\nauthorization: Bearer {}\r\n\r\n", token.reveal());
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut bytes = [0; 4096];
    assert!(stream.read(&mut bytes).await.unwrap() > 0);
    let mut waits = std::collections::BTreeSet::new();
    for _ in 0..12 {
        let (head, body) = served.sent("GET /healthz", "", b"").await;
        assert_eq!(status(&head), 503, "{head}");
        let wait = head.lines().find_map(|line| line.to_lowercase().strip_prefix("retry-after: ").map(str::to_owned));
        let wait: u64 = wait.unwrap().parse().unwrap();
        assert!((1..=30).contains(&wait));
        assert_eq!(crate::api::error(&body).kind(), alien_core::ErrorKind::Throttled);
        waits.insert(wait);
    }
    assert!(waits.len() > 3, "{waits:?}");
    drop(stream);
    let begun = Instant::now();
    while served.sent("GET /healthz", "", b"").await.0.contains(" 503 ") {
        assert!(begun.elapsed() < Duration::from_secs(20), "the turn of who has gone is kept");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    served.end().await;
}

/// Opens a connection from an address of the loopback interface.
async fn connect_from(number: usize, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    // As many ports as there are for each address.
    let last = u8::try_from(2 + number / 20_000).unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
    socket.connect(to).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn many_idle_connections_leave_it_answering_and_the_oldest_make_room() {
    let world = world(0).await;
    // So many more as the limit of open files of this process lets, where somebody asks: both ends are in it.
    let idle = std::env::var("ALIEN_IDLE_CONNECTIONS").map_or(2000, |text| text.parse().unwrap());
    let limits = limits(|limits| {
        limits.connections = idle / 2;
        // What is slow is not what closes them here.
        limits.head = Duration::from_secs(300);
    });
    let served = Served::within(&world.fleet, limits).await;
    let client = served.client("ann").await;
    let mut open = Vec::with_capacity(idle);
    for number in 0..idle {
        open.push(connect_from(number, served.address).await);
        if number % 500 == 0 {
            assert_eq!(client.products().await.unwrap(), [product()]);
        }
    }
    let begun = Instant::now();
    assert_eq!(client.products().await.unwrap(), [product()]);
    assert!(begun.elapsed() < Duration::from_secs(10));
    // The first have made room.
    let mut bytes = [0; 1];
    let end = tokio::time::timeout(Duration::from_secs(20), open[0].read(&mut bytes)).await.expect("it stays open");
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    let last = tokio::time::timeout(Duration::from_millis(50), open[idle - 1].read(&mut bytes)).await;
    assert!(last.is_err(), "the last is closed, too");
    served.end().await;
}
