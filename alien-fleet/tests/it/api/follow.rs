//! The log as a stream.

use std::time::Duration;

use alien_core::ErrorKind;
use alien_fleet::api::Client;
use alien_fleet::{Entry, Setting, Who};
use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

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

/// The events that arrive until there are so many, as `id` and the number in the data.
async fn events(served: &Served, query: &str, last: Option<&str>, count: usize) -> (String, Vec<(u64, u64)>) {
    let mut stream = UnixStream::connect(&served.path).await.unwrap();
    let last = last.map(|last| format!("last-event-id: {last}\r\n")).unwrap_or_default();
    let head = "host: localhost\r\nalien-operator: ann\r\naccept: text/event-stream";
    let call = format!("GET /v1/events/stream{query} HTTP/1.1\r\n{head}\r\n{last}\r\n");
    stream.write_all(call.as_bytes()).await.unwrap();
    let mut text = String::new();
    while text.matches("\ndata: ").count() < count || !text.ends_with("\n\n\r\n") {
        let mut part = [0; 4096];
        let length = stream.read(&mut part).await.unwrap();
        assert!(length > 0, "it ended: {text}");
        text.push_str(std::str::from_utf8(&part[..length]).unwrap());
    }
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let values = |name: &'static str| body.lines().filter_map(move |line| Some(line.strip_prefix(name)?.to_owned()));
    let ids = values("id: ").map(|id| id.parse().unwrap());
    let numbers = values("data: ").map(|data| serde_json::from_str::<Entry>(&data).unwrap().number);
    (head.to_owned(), ids.zip(numbers).collect())
}

#[tokio::test(start_paused = true)]
async fn who_was_cut_off_goes_on_after_the_last_event_without_loss_or_repetition() {
    let world = world(3).await;
    let served = Served::begin(&world.fleet).await;
    let (head, first) = events(&served, "", None, 3).await;
    assert!(head.to_lowercase().contains("content-type: text/event-stream"), "{head}");
    assert!(head.to_lowercase().contains("cache-control: no-cache"), "{head}");
    let mut seen = first;
    // It was cut, perhaps after more than was looked at; meanwhile more is written.
    for round in 0..3 {
        world.fleet.set(world.ids[0], Setting::Label("round".into(), round.to_string())).await.unwrap();
        let last = seen.last().unwrap().0;
        let (_, more) = events(&served, "?after=1", Some(&last.to_string()), 1).await;
        seen.extend(more);
    }
    let all = world.fleet.log(0, 1000).await.unwrap().len() as u64;
    assert!(all >= 6);
    assert_eq!(seen, (1..=all).map(|number| (number, number)).collect::<Vec<_>>());
    // Without an event, it begins where it was asked to.
    assert_eq!(events(&served, &format!("?after={}", all - 1), None, 1).await.1, [(all, all)]);
    served.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_id_of_an_event_is_a_number() {
    let world = world(0).await;
    let served = Served::begin(&world.fleet).await;
    for last in ["x", "-1", "1.5", "18446744073709551616"] {
        let call = format!("GET /v1/events/stream HTTP/1.1\r\nalien-operator: ann\r\nlast-event-id: {last}");
        let (status, answer) = super::raw(&served.path, &call, b"").await;
        assert_eq!((status, super::error(&answer).kind()), (400, ErrorKind::Input), "{last}: {answer}");
        assert!(answer.contains("Last-Event-ID"), "{answer}");
    }
    served.end().await;
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
