//! The socket: for its owner alone, one program at a time, gone at the end; and slow clients.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use alien_core::{CommandId, ErrorKind, Result};
use alien_fleet::api::{Client, Socket, serve, socket_of};
use alien_fleet::{Order, What, Who};
use tokio::sync::oneshot;

use super::{Served, error, failure, raw, world};
use crate::folder::Folder;
use crate::world::{World, plan, product};

async fn refused(path: &Path) -> alien_core::Error {
    failure(Socket::bind(path).await.map(drop))
}

#[tokio::test]
async fn the_socket_is_for_its_owner_alone_and_nothing_is_left_beside_it() {
    let folder = Folder::new();
    let path = socket_of(&folder.join("fleet.redb"));
    assert_eq!(path, folder.join("fleet.redb.sock"));
    let socket = Socket::bind(&path).await.unwrap();
    let made = fs::symlink_metadata(&path).unwrap();
    assert!(made.file_type().is_socket());
    assert_eq!(made.permissions().mode() & 0o777, 0o600);
    assert_eq!(folder.names(), ["fleet.redb.sock"]);
    drop(socket);
    assert!(folder.names().is_empty());
}

#[tokio::test]
async fn a_socket_of_a_dead_program_is_replaced_and_one_of_a_live_program_is_not() {
    let folder = Folder::new();
    let path = folder.join("s");
    // A listener of the standard library leaves its file behind, as a program does that is killed.
    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(folder.names(), ["s"]);
    let socket = Socket::bind(&path).await.unwrap();
    let error = refused(&path).await;
    assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
    assert!(UnixStream::connect(&path).is_ok(), "the first is still there");
    drop(socket);
    drop(Socket::bind(&path).await.unwrap());
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let folder = Folder::new();
    let path = folder.join("notes");
    fs::write(&path, "mine").unwrap();
    assert_eq!(refused(&path).await.kind(), ErrorKind::Input);
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    let long = folder.join("x".repeat(120));
    let error = refused(&long).await;
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.to_string().contains("too long"), "{error}");
    assert_eq!(refused(&folder.join("nowhere").join("s")).await.kind(), ErrorKind::Unavailable);
    assert_eq!(folder.names(), ["notes"]);
}

#[tokio::test]
async fn a_socket_that_took_the_place_of_another_is_not_removed_with_it() {
    let folder = Folder::new();
    let path = folder.join("s");
    let first = Socket::bind(&path).await.unwrap();
    fs::remove_file(&path).unwrap();
    let second = Socket::bind(&path).await.unwrap();
    drop(first);
    assert_eq!(folder.names(), ["s"]);
    drop(second);
    assert!(folder.names().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_socket_is_gone_when_the_server_has_shut_down() {
    let world = world(0).await;
    let folder = Folder::new();
    let store = folder.join("fleet.redb");
    let (stop, stopped) = oneshot::channel::<()>();
    let (fleet, at) = (world.fleet.clone(), store.clone());
    let served = tokio::spawn(async move { serve(&fleet, &at, async { drop(stopped.await) }).await });
    let client = Client::socket(socket_of(&store), Who::claimed("ann"));
    while client.products().await.is_err() {
        tokio::task::yield_now().await;
    }
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();
    assert!(folder.names().is_empty());
    let error = failure(client.products().await);
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!error.was_sent() && error.to_string().contains("fleet.redb.sock"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn who_acts_must_be_said() {
    let world = world(0).await;
    let served = Served::begin(&world.fleet).await;
    for head in ["HTTP/1.1", "HTTP/1.1\r\nalien-operator:", "HTTP/1.1\r\nalien-operator: a\tb"] {
        let (status, answer) = raw(&served.path, &format!("GET /v1/products {head}"), b"").await;
        assert_eq!((status, error(&answer).kind()), (401, ErrorKind::Credentials), "{head}: {answer}");
    }
    assert_eq!(failure(served.client("a\nb").await.products().await).kind(), ErrorKind::Input);
    assert_eq!(failure(served.client("").await.products().await).kind(), ErrorKind::Input);
    // Not in ASCII alone.
    assert_eq!(served.client("Zoë").await.products().await.unwrap(), [product()]);
    served.end().await;
}

/// Sends a part of a request, and reads what comes until the server ends the connection.
async fn begins(path: &Path, part: &'static str) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    // It is there before the clock goes on.
    stream.write_all(part.as_bytes()).unwrap();
    let read = std::thread::spawn(move || {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    while !read.is_finished() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    read.join().unwrap()
}

#[tokio::test(start_paused = true)]
async fn whoever_is_slow_is_cut_off() {
    // Its clock is wound on.
    let world = World::new(0).await;
    let served = Served::begin(&world.fleet).await;
    assert_eq!(begins(&served.path, "GET /v1/products HTTP/1.1\r\nhost:").await, "");
    let head = "PUT /v1/zips/x HTTP/1.1\r\nhost: localhost\r\nalien-operator: ann\r\ncontent-length: 10\r\n\r\nabc";
    let answer = begins(&served.path, head).await;
    assert!(answer.starts_with("HTTP/1.1 504 ") && answer.contains("nothing arrived for 30 seconds"), "{answer}");
    served.end().await;
}

#[tokio::test(start_paused = true)]
async fn only_so_many_are_served_at_once_and_others_wait() {
    let world = world(0).await;
    let served = Served::begin(&world.fleet).await;
    let mut open: Vec<_> = (0..128).map(|_| UnixStream::connect(&served.path).unwrap()).collect();
    let client = served.client("ann").await;
    let call = tokio::spawn(async move { client.products().await });
    assert!(
        tokio::time::timeout(Duration::from_millis(300), async {
            while !call.is_finished() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .is_err()
    );
    open.pop();
    assert_eq!(call.await.unwrap().unwrap(), [product()]);
    drop(open);
    served.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_has_begun_is_carried_out_although_its_caller_has_gone() {
    let world = world(1).await;
    world.account.set_latency(Duration::from_millis(500));
    let served = Served::begin(&world.fleet).await;
    let (id, api): (_, alien_core::ResourceId) = (world.ids[0], "api".parse().unwrap());
    let path = format!("/v1/deployments/{id}/commands/api");
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nalien-operator: ann\r\ncontent-length: 6\r\n\r\nsocket");
    let mut stream = UnixStream::connect(&served.path).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let (client, name) = (Client::local(&world.fleet), api.clone());
    let call = tokio::spawn(async move { client.dispatch(id, &name, CommandId::new(), b"process").await });
    // Both have begun, and wait for the cloud.
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(stream);
    call.abort();
    // The end waits for it.
    served.end().await;
    world.account.set_latency(Duration::ZERO);
    let begun = std::time::Instant::now();
    let lines = loop {
        let lines = world.fleet.logs(id, &api, None, 10).await.unwrap();
        if lines.len() == 2 || begun.elapsed() > Duration::from_secs(10) {
            break lines;
        }
    };
    let lines: BTreeSet<_> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(lines, BTreeSet::from(["command process", "command socket"]));
}

/// A program with a worker, on a thread and a runtime of its own.
fn program(path: PathBuf, deployments: usize, ready: std::sync::mpsc::Sender<()>, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let world = world(deployments).await;
        world.account.set_latency(Duration::from_millis(5));
        let published = world.publish(b"second").await;
        let plan = plan().bake(Duration::ZERO).parallel(1);
        world.begin(published.release.sequence(), plan).await;
        let socket = Socket::bind(&path).await.unwrap();
        ready.send(()).unwrap();
        let (stop, ends) = tokio::sync::watch::channel(false);
        let ends = || {
            let mut ends = ends.clone();
            async move { drop(ends.wait_for(|ends| *ends).await) }
        };
        let worker = world.fleet.worker().without_watch();
        tokio::join!(socket.serve(&world.fleet, ends()), async { worker.run(ends()).await.unwrap() }, async {
            drop(stopped.await);
            stop.send_replace(true);
        });
    });
}

#[tokio::test]
async fn a_pause_through_the_socket_stops_the_worker_of_another_program_before_its_next_claim() -> Result<()> {
    let folder = Folder::new();
    let path = folder.join("fleet.redb.sock");
    let (ready, is_ready) = std::sync::mpsc::channel();
    let (stop, stopped) = oneshot::channel();
    let at = path.clone();
    let program = std::thread::spawn(move || program(at, 40, ready, stopped));
    tokio::task::spawn_blocking(move || is_ready.recv().unwrap()).await.unwrap();
    let client = Client::socket(&path, Who::claimed("bob"));
    let id = client.rollouts(&product()).await?[0].id.clone();
    let claims = async || -> Result<(u64, u64)> {
        // The numbers of the order and of the last claim.
        let (mut ordered, mut claimed) = (0, 0);
        for entry in client.log(0, 10_000).await? {
            match entry.what {
                What::Ordered { .. } => ordered = entry.number,
                What::Claimed { .. } => claimed = entry.number,
                _ => {}
            }
        }
        Ok((ordered, claimed))
    };
    while claims().await?.1 == 0 {}
    client.order(&id, &Order::Pause("a customer complained".into())).await?;
    // As long as the worker would take for many more.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (ordered, claimed) = claims().await?;
    assert!(claimed > 0 && claimed < ordered, "claim {claimed} came after the order {ordered}");
    let status = client.status(&id).await?;
    let left = status.rollout.rows().values().filter(|row| row.outcome().is_none()).count();
    assert!(left > 10, "{left} are left");
    client.order(&id, &Order::Resume).await?;
    while claims().await?.1 < ordered {}
    client.order(&id, &Order::Cancel).await?;
    stop.send(()).unwrap();
    tokio::task::spawn_blocking(move || program.join().unwrap()).await.unwrap();
    Ok(())
}
