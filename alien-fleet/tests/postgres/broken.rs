//! A database that is killed, cut off, or falls silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use alien_conformance::postgres::Postgres as Server;
use alien_core::{ErrorKind, SystemClock};
use alien_fleet::store::{Span, Store, Table};
use serde_json::json;

use crate::Schema;
use crate::proxy::{Mode, Proxy};
use crate::stores::{add, change, key, put, read, second};

/// Asks until the store works again: the database is back, and a broken connection may still be found.
async fn works_again(store: &dyn Store) {
    for _ in 0..200 {
        if store.time(&SystemClock).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the store does not work again");
}

pub(crate) async fn what_was_acknowledged_outlives_a_kill_of_the_server(mut server: Server) {
    const WRITERS: usize = 4;
    let schema = Schema::of(&server);
    let store = Arc::new(schema.hurried().await);
    let other = schema.hurried().await;
    let mut told = other.announced();
    for round in 0..3 {
        let is_over = Arc::new(AtomicBool::new(false));
        let acknowledged: Vec<_> = (0..WRITERS).map(|_| Arc::new(AtomicI64::new(0))).collect();
        let writers: Vec<_> = (0..WRITERS)
            .map(|number| {
                let (store, is_over) = (Arc::clone(&store), Arc::clone(&is_over));
                let acknowledged = Arc::clone(&acknowledged[number]);
                tokio::spawn(async move {
                    let count = key(format!("{round}-{number}"));
                    let mut uncertain = 0;
                    while !is_over.load(Ordering::SeqCst) {
                        let counted = count.clone();
                        let begun = Instant::now();
                        match change(&*store, [count.clone()], move |view| add(view, &counted, 1)).await {
                            Ok(()) => drop(acknowledged.fetch_add(1, Ordering::SeqCst)),
                            Err(error) => {
                                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                                assert!(begun.elapsed() < Duration::from_secs(30), "it fails in time");
                                uncertain += i64::from(error.was_sent());
                                tokio::time::sleep(Duration::from_millis(20)).await;
                            }
                        }
                    }
                    uncertain
                })
            })
            .collect();
        while acknowledged.iter().any(|count| count.load(Ordering::SeqCst) < 20) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.kill();
        let seen = *told.borrow_and_update();
        // While it is away, each call says so.
        assert_eq!(store.read(&[key("a")]).await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(store.list(Table::Row, "", None, 1).await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(store.next(Table::Row, "", 0, 0).await.unwrap_err().kind(), ErrorKind::Unavailable);
        let span = Span { queue: 0, first: 0, last: 9 };
        let taken = store.take(Table::Row, "", span, 1, second(0), second(1)).await;
        assert_eq!(taken.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(store.time(&SystemClock).await.unwrap_err().kind(), ErrorKind::Unavailable);
        is_over.store(true, Ordering::SeqCst);
        let mut most = Vec::new();
        for writer in writers {
            most.push(writer.await.unwrap());
        }
        tokio::task::block_in_place(|| server.restart());
        works_again(&*store).await;
        for (number, (acknowledged, uncertain)) in acknowledged.iter().zip(most).enumerate() {
            let least = acknowledged.load(Ordering::SeqCst);
            let found = read(&*store, &key(format!("{round}-{number}"))).await.unwrap().as_i64().unwrap();
            assert!(
                (least..=least + uncertain).contains(&found),
                "{least} acknowledged, {uncertain} not, {found} there"
            );
        }
        // Whoever listens hears again, of what it may have missed first.
        told.wait_for(|number| *number > seen).await.unwrap();
        let seen = *told.borrow_and_update();
        let announce = |view: &mut alien_fleet::store::View| {
            view.announce();
            Ok(())
        };
        change(&*store, [], announce).await.unwrap();
        told.wait_for(|number| *number > seen).await.unwrap();
    }
}

pub(crate) async fn a_change_whose_commit_is_cut_says_that_it_may_have_been_written(schema: Schema) {
    let behind = schema.store().await;
    let (before, after) = schema.url.rsplit_once(':').unwrap();
    let (port, database) = after.split_once('/').unwrap();
    let proxy = Proxy::before(port.parse().unwrap()).await;
    let store = Schema { url: format!("{before}:{}/{database}", proxy.port), ..schema.clone() }.hurried().await;
    put(&store, [(key("a"), json!(0), None)]).await;
    for (mode, expected) in [(Mode::CutBefore, 0), (Mode::CutAfter, 1)] {
        let called = Arc::new(AtomicI64::new(0));
        let calls = Arc::clone(&called);
        proxy.set(mode);
        let write = move |view: &mut alien_fleet::store::View| {
            calls.fetch_add(1, Ordering::SeqCst);
            add(view, &key("a"), 1)
        };
        let error = change(&store, [key("a")], write).await.unwrap_err();
        proxy.set(Mode::Pass);
        assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Unavailable, true), "{error}");
        assert!(error.to_string().contains("may have been written"), "{error}");
        assert_eq!(called.load(Ordering::SeqCst), 1, "what may have been written is not tried again");
        assert_eq!(read(&behind, &key("a")).await, Some(json!(expected)), "{mode:?}");
        // The next call has a connection that works.
        assert_eq!(read(&store, &key("a")).await, Some(json!(expected)));
    }
}

pub(crate) async fn a_database_that_falls_silent_is_given_up_in_time(schema: Schema) {
    let (before, after) = schema.url.rsplit_once(':').unwrap();
    let (port, database) = after.split_once('/').unwrap();
    let proxy = Proxy::before(port.parse().unwrap()).await;
    let store = Schema { url: format!("{before}:{}/{database}", proxy.port), ..schema.clone() }.hurried().await;
    put(&store, [(key("a"), json!(1), None)]).await;
    proxy.set(Mode::Silent);
    // First on a connection that is open, then on a new one.
    for _ in 0..2 {
        let begun = Instant::now();
        assert_eq!(store.read(&[key("a")]).await.unwrap_err().kind(), ErrorKind::Unavailable);
        let error = change(&store, [key("a")], |view| add(view, &key("a"), 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(begun.elapsed() < Duration::from_secs(30), "each call may take four seconds");
    }
    proxy.set(Mode::Pass);
    assert_eq!(read(&store, &key("a")).await, Some(json!(1)));
    change(&store, [key("a")], |view| add(view, &key("a"), 1)).await.unwrap();
    assert_eq!(read(&store, &key("a")).await, Some(json!(2)));
}
