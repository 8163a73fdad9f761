//! The log as a stream.

use std::time::Duration;

use alien_core::ErrorKind;
use alien_fleet::api::Client;
use alien_fleet::{Entry, Setting, Who};
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::{Served, failure, world};
use crate::folder::Folder;

#[tokio::test(start_paused = true)]
async fn entries_arrive_as_they_are_written_and_each_follows_from_the_one_before() {
    let world = world(2).await;
    let served = Served::begin(&world.fleet).await;
    let wanted = world.fleet.log(0, 1000).await.unwrap();
    for client in [Client::local(&world.fleet), served.client("ann").await] {
        let mut entries = client.follow(0);
        let mut last: Option<Entry> = None;
        for entry in &wanted {
            let found = entries.try_next().await.unwrap().unwrap();
            assert_eq!(found, *entry);
            found.follows(last.as_ref()).unwrap();
            last = Some(found);
        }
    }
    let mut entries = [
        Client::local(&world.fleet).follow(wanted.len() as u64),
        served.client("ann").await.follow(wanted.len() as u64),
    ];
    for round in 0..3 {
        world.fleet.set(world.ids[0], Setting::Label("round".into(), round.to_string())).await.unwrap();
        let first = entries[0].try_next().await.unwrap().unwrap();
        assert_eq!(first.number, wanted.len() as u64 + round + 1);
        assert_eq!(entries[1].try_next().await.unwrap().unwrap(), first);
    }
    served.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_the_server_shuts_down() {
    let world = world(0).await;
    let served = Served::begin(&world.fleet).await;
    let mut entries = served.client("ann").await.follow(0);
    assert_eq!(entries.try_next().await.unwrap().unwrap().number, 1);
    let begun = std::time::Instant::now();
    served.end().await;
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "what streams do not end by themselves is cut off after ten seconds"
    );
    assert_eq!(entries.try_next().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_leaves_gives_its_place_to_others() {
    let world = world(0).await;
    let served = Served::begin(&world.fleet).await;
    // More than are served at once.
    for _ in 0..200 {
        let mut entries = served.client("ann").await.follow(0);
        assert_eq!(entries.try_next().await.unwrap().unwrap().number, 1);
    }
    assert_eq!(served.client("ann").await.products().await.unwrap().len(), 1);
    served.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_nobody_fails() {
    let folder = Folder::new();
    let client = Client::socket(folder.join("nobody.sock"), Who::claimed("ann"));
    let entries: Vec<_> = client.follow(0).collect().await;
    assert_eq!(entries.len(), 1);
    assert_eq!(failure(entries.into_iter().next().unwrap()).kind(), ErrorKind::Unavailable);
}
