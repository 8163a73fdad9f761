//! Tokens: what is kept of them, and when they end.

use std::sync::Arc;
use std::time::Duration;

use alien_core::{Clock, ErrorKind};
use alien_fleet::store::{InMemory, Store as _, Table};
use alien_fleet::{Clouds, Fleet, NewToken, Products, Role, TokenText, What};
use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};

use crate::api::{Served, failure, make, world};

#[tokio::test(start_paused = true)]
async fn a_token_that_is_revoked_is_refused_at_once_by_every_manager_and_its_streams_end() {
    let world = world(1).await;
    let (first, second) = (Served::begin(&world.fleet).await, Served::begin(&world.fleet).await);
    let (token, text) = first.token("ann", Role::Read, Products::All).await;
    let clients = [first.with(&text), second.with(&text)];
    let mut streams = Vec::new();
    for client in &clients {
        client.products().await.unwrap();
        let mut entries = client.follow(0);
        entries.next().await.unwrap().unwrap();
        streams.push(entries);
    }
    world.fleet.revoke_token(&token.id).await.unwrap();
    for client in &clients {
        let refused = failure(client.products().await);
        assert_eq!(refused.kind(), ErrorKind::Credentials);
        assert!(refused.to_string().contains("was revoked"), "{refused}");
    }
    for stream in streams {
        let rest = tokio::time::timeout(Duration::from_secs(1), stream.count()).await;
        assert!(rest.is_ok(), "the stream goes on");
    }
    // What is revoked already stays as it is, and is told once.
    world.fleet.revoke_token(&token.id).await.unwrap();
    let log = crate::world::log(&world).await;
    assert_eq!(log.iter().filter(|entry| matches!(entry.what, What::TokenRevoked { .. })).count(), 1);
    first.end().await;
    second.end().await;
}

/// A clock that is set by hand.
#[derive(Debug)]
struct Hand(std::sync::Mutex<Timestamp>);

#[async_trait::async_trait]
impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    async fn sleep(&self, _: Duration) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_token_ends_when_its_time_has_come_and_so_do_its_streams() {
    let clock = Arc::new(Hand(std::sync::Mutex::new(Timestamp::from_second(1_800_000_000).unwrap())));
    let fleet = Fleet::builder(InMemory::new(), Clouds::none()).clock(Arc::clone(&clock) as _).open().await.unwrap();
    let served = Served::begin(&fleet).await;
    let (token, text) = served.token("ann", Role::Read, Products::All).await;
    let client = served.with(&text);
    let mut stream = client.follow(0);
    assert_eq!(stream.next().await.unwrap().unwrap().number, 1);
    *clock.0.lock().unwrap() = token.expires - Duration::from_secs(1);
    client.products().await.unwrap();
    *clock.0.lock().unwrap() = token.expires;
    let refused = failure(client.products().await);
    assert_eq!(refused.kind(), ErrorKind::Credentials);
    assert!(refused.to_string().contains("has expired"), "{refused}");
    tokio::time::timeout(Duration::from_secs(10), stream.count()).await.unwrap();
    served.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_store_the_log_and_what_is_shown_have_no_text_of_a_token() {
    let kept = Arc::new(InMemory::new());
    let fleet = Fleet::builder(Arc::clone(&kept), Clouds::none()).open().await.unwrap();
    let (token, text) = make(&fleet, "ann", Role::Read, Products::All).await;
    let secret = text.reveal().rsplit('_').next().unwrap();
    let mut documents = 0;
    for table in Table::ALL {
        for (id, document) in kept.list(table, "", None, 1000).await.unwrap() {
            documents += 1;
            assert!(!id.contains(secret) && !document.text.contains(secret), "{table:?}: {document:?}");
        }
    }
    assert!(documents >= 3);
    assert!(!format!("{text:?} {token:?} {:?}", fleet.tokens().await.unwrap()).contains(secret));
    assert_eq!(fleet.caller(&text).await.unwrap().token(), Some(&token.id));
    assert_eq!(
        failure(fleet.caller(&TokenText::new(format!("{}x", text.reveal()))).await).kind(),
        ErrorKind::Credentials
    );
}

#[tokio::test]
async fn every_problem_of_a_new_token_is_told_at_once() {
    let fleet = Fleet::builder(InMemory::new(), Clouds::none()).open().await.unwrap();
    for name in ["", "ann bob", "ann (token 1)", &"x".repeat(65)] {
        let days = SignedDuration::from_hours(367 * 24);
        let new =
            NewToken { name: name.to_owned(), role: Role::Read, products: Products::Only([].into()), valid_for: days };
        assert_eq!(failure(fleet.make_token(&new).await).problems().len(), 3, "{name}");
    }
    assert!(fleet.tokens().await.unwrap().is_empty());
}
