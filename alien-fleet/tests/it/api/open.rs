//! A store is opened, or the program is reached that holds it.

use std::time::Duration;

use alien_core::ErrorKind;
use alien_fleet::api::{Client, Socket, open, socket_of};
use alien_fleet::store::Embedded;
use alien_fleet::{ArtifactsInMemory, Clouds, Fleet, Who};
use tokio::sync::oneshot;

use super::failure;
use crate::folder::Folder;

#[tokio::test]
async fn whoever_comes_first_has_the_store_and_others_reach_it() {
    let folder = Folder::new();
    let store = folder.join("fleet.redb");
    let first = open(&store, Clouds::none()).acting_as(Who::claimed("ann")).artifacts(ArtifactsInMemory::default());
    let first = first.await.unwrap();
    let fleet = first.fleet.unwrap();
    assert_eq!((fleet.who(), first.client.who()), (&Who::claimed("ann"), &Who::claimed("ann")));
    let socket = Socket::bind(&socket_of(&store)).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(async move { socket.serve(&fleet, async { drop(stopped.await) }).await });

    let second = open(&store, Clouds::none()).acting_as(Who::claimed("bob")).await.unwrap();
    assert!(second.fleet.is_none());
    assert_eq!(second.client.who(), &Who::claimed("bob"));
    assert!(second.client.products().await.unwrap().is_empty());

    drop(first.client);
    stop.send(()).unwrap();
    served.await.unwrap();
    let third = open(&store, Clouds::none()).await.unwrap();
    assert!(third.fleet.is_some(), "the file is free again");
}

#[tokio::test]
async fn a_file_that_is_held_by_a_program_that_does_not_answer_is_told_with_what_to_do() {
    let folder = Folder::new();
    let store = folder.join("fleet.redb");
    let held = Embedded::open(&store).await.unwrap();
    // What a dead program has left does not count as an answer.
    drop(std::os::unix::net::UnixListener::bind(socket_of(&store)).unwrap());
    let error = failure(open(&store, Clouds::none()).patience(Duration::ZERO).await);
    assert_eq!(error.kind(), ErrorKind::Locked);
    let text = error.to_string();
    assert!(text.contains("does not answer at") && text.contains("wait until it has ended, or end it"), "{text}");
    if cfg!(target_os = "linux") {
        assert!(text.contains(&format!("(process {})", std::process::id())), "{text}");
    }
    drop(held);
    assert!(open(&store, Clouds::none()).await.unwrap().fleet.is_some());
}

#[tokio::test]
async fn if_the_holder_vanishes_the_store_is_opened() {
    let folder = Folder::new();
    let store = folder.join("fleet.redb");
    let held = Embedded::open(&store).await.unwrap();
    let opening = tokio::spawn(open(&store, Clouds::none()).into_future());
    // Until it has been refused once.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!opening.is_finished());
    drop(held);
    assert!(opening.await.unwrap().unwrap().fleet.is_some());
}

#[tokio::test]
async fn if_the_holder_begins_to_answer_it_is_reached() {
    let folder = Folder::new();
    let store = folder.join("fleet.redb");
    let fleet = Fleet::builder(Embedded::open(&store).await.unwrap(), Clouds::none()).open().await.unwrap();
    let opening = tokio::spawn(open(&store, Clouds::none()).into_future());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let socket = Socket::bind(&socket_of(&store)).await.unwrap();
    let served = tokio::spawn(async move { socket.serve(&fleet, std::future::pending()).await });
    let opened = opening.await.unwrap().unwrap();
    assert!(opened.fleet.is_none());
    assert!(Client::products(&opened.client).await.unwrap().is_empty());
    served.abort();
}
