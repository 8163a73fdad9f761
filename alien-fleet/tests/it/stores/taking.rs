//! Who is given what out of a queue.

use std::sync::Arc;

use alien_fleet::store::{Span, Store, Table, View};
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Backend, at, change, ids, key, put, refusal, remove, second};

const ALL: Span = Span { queue: 1, first: i64::MIN, last: i64::MAX };

async fn take(store: &dyn Store, span: Span, limit: usize, now: Timestamp, until: Timestamp) -> Vec<String> {
    let taken = store.take(Table::Row, "shop/1", span, limit, now, until).await.unwrap();
    taken.into_iter().map(|(id, _)| id).collect()
}

pub(crate) async fn the_first_are_taken_in_the_order_of_the_queue(backend: &dyn Backend) {
    let store = backend.open().await;
    let places = [("e", 2), ("d", 2), ("a", 300), ("c", -5), ("b", 0)];
    put(&*store, places.map(|(id, place)| (key(id), json!({ "id": id }), at(1, place)))).await;
    assert_eq!(take(&*store, ALL, 0, second(0), second(9)).await, [""; 0]);
    assert_eq!(take(&*store, ALL, 2, second(0), second(9)).await, ["c", "b"]);
    let taken = store.take(Table::Row, "shop/1", ALL, 100, second(0), second(9)).await.unwrap();
    assert_eq!(taken.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["d", "e", "a"], "by id at one place");
    for (id, document) in taken {
        let place = places.iter().find(|(other, _)| *other == id).unwrap().1;
        assert_eq!((super::value(&document), document.place), (json!({ "id": id }), at(1, place)));
    }
}

pub(crate) async fn nobody_is_given_a_document_twice_until_it_is_time(backend: &dyn Backend) {
    let handles = [backend.open().await, backend.open().await];
    put(&*handles[0], [(key("a"), json!(0), at(1, 1)), (key("b"), json!(0), at(1, 2))]).await;
    assert_eq!(take(&*handles[0], ALL, 1, second(0), second(10)).await, ["a"]);
    // Whoever comes next, here or elsewhere, gets the next one.
    assert_eq!(take(&*handles[1], ALL, 1, second(0), second(20)).await, ["b"]);
    for store in &handles {
        let just_before = second(10) - SignedDuration::from_millis(1);
        assert_eq!(take(&**store, ALL, 9, just_before, second(30)).await, [""; 0]);
    }
    assert_eq!(take(&*handles[1], ALL, 9, second(10), second(30)).await, ["a"]);
    assert_eq!(take(&*handles[0], ALL, 9, second(20), second(30)).await, ["b"]);
    assert_eq!(take(&*handles[0], ALL, 9, second(30), second(40)).await, ["a", "b"]);
}

pub(crate) async fn writing_releases_what_was_taken(backend: &dyn Backend) {
    let (store, other) = (backend.open().await, backend.open().await);
    put(&*store, ["a", "b", "c", "d"].map(|id| (key(id), json!(0), at(1, 1)))).await;
    assert_eq!(take(&*store, ALL, 9, second(0), second(100)).await, ["a", "b", "c", "d"]);
    // Written at the same place, moved within, moved out, and removed.
    put(&*other, [(key("a"), json!(0), at(1, 1)), (key("b"), json!(1), at(1, 0)), (key("c"), json!(1), at(2, 1))])
        .await;
    remove(&*other, key("d")).await;
    assert_eq!(take(&*store, ALL, 9, second(1), second(100)).await, ["b", "a"]);
    assert_eq!(take(&*store, Span { queue: 2, ..ALL }, 9, second(1), second(100)).await, ["c"]);
    assert_eq!(take(&*store, ALL, 9, second(2), second(100)).await, [""; 0]);
    // One that comes again is another one.
    put(&*other, [(key("d"), json!(2), at(1, 1))]).await;
    assert_eq!(take(&*store, ALL, 9, second(2), second(100)).await, ["d"]);
}

pub(crate) async fn a_change_that_fails_releases_nothing(backend: &dyn Backend) {
    let store = backend.open().await;
    put(&*store, [(key("a"), json!(0), at(1, 1))]).await;
    assert_eq!(take(&*store, ALL, 9, second(0), second(100)).await, ["a"]);
    let write = |view: &mut View| {
        view.put(key("a"), &1, at(1, 1))?;
        Err(refusal())
    };
    change(&*store, [key("a")], write).await.unwrap_err();
    // Nor does a change that only locks it, or reads it.
    change(&*store, [key("a")], |view| view.get::<i64>(&key("a")).map(drop)).await.unwrap();
    store.read(&[key("a")]).await.unwrap();
    assert_eq!(take(&*store, ALL, 9, second(1), second(100)).await, [""; 0]);
}

pub(crate) async fn what_is_taken_stays_where_it_is(backend: &dyn Backend) {
    let store = backend.open().await;
    put(&*store, [(key("a"), json!(7), at(1, 1))]).await;
    assert_eq!(take(&*store, ALL, 9, second(0), second(100)).await, ["a"]);
    assert_eq!(store.next(Table::Row, "shop/1", 1, i64::MIN).await.unwrap(), Some(1));
    assert_eq!(ids(&*store, Table::Row, "shop/1").await, ["a"]);
    let found = store.read(&[key("a")]).await.unwrap().remove(0).unwrap();
    assert_eq!((super::value(&found), found.place), (json!(7), at(1, 1)));
}

pub(crate) async fn a_span_has_both_its_ends(backend: &dyn Backend) {
    let store = backend.open().await;
    let places = [("min", i64::MIN), ("minus", -1), ("zero", 0), ("one", 1), ("max", i64::MAX)];
    put(&*store, places.map(|(id, place)| (key(id), json!(0), at(1, place)))).await;
    let mut clock = 0;
    let mut of = async |first, last| {
        // Each time all are free again.
        clock += 10;
        take(&*store, Span { queue: 1, first, last }, 9, second(clock), second(clock + 10)).await
    };
    assert_eq!(of(i64::MIN, i64::MAX).await, ["min", "minus", "zero", "one", "max"]);
    assert_eq!(of(i64::MIN, i64::MIN).await, ["min"]);
    assert_eq!(of(i64::MIN, -1).await, ["min", "minus"]);
    assert_eq!(of(i64::MIN + 1, i64::MAX - 1).await, ["minus", "zero", "one"]);
    assert_eq!(of(0, 0).await, ["zero"]);
    assert_eq!(of(-1, 1).await, ["minus", "zero", "one"]);
    assert_eq!(of(2, i64::MAX).await, ["max"]);
    assert_eq!(of(2, i64::MAX - 1).await, [""; 0]);
    assert_eq!(of(1, -1).await, [""; 0]);
}

pub(crate) async fn many_takers_share_without_overlap(backend: &dyn Backend) {
    const COUNT: i64 = 200;
    let handles = [backend.open().await, backend.open().await];
    put(&*handles[0], (0..COUNT).map(|number| (key(format!("{number:03}")), json!(0), at(1, number / 3)))).await;
    let takers = (0..8_usize).map(|number| {
        let store = Arc::clone(&handles[number % 2]);
        tokio::spawn(async move {
            let mut all = Vec::new();
            // One that finds nothing may have been beside others; the second time it is over.
            let mut empty = 0;
            while empty < 2 {
                let taken = take(&*store, ALL, 7, second(0), second(1000)).await;
                assert!(taken.len() <= 7);
                empty = if taken.is_empty() { empty + 1 } else { 0 };
                all.extend(taken);
                tokio::task::yield_now().await;
            }
            all
        })
    });
    let mut taken: Vec<_> = try_join_all(takers).await.unwrap().into_iter().flatten().collect();
    // A store may step over what another taker looks at; none is left for good.
    taken.extend(take(&*handles[0], ALL, 1000, second(0), second(1000)).await);
    taken.sort_unstable();
    assert_eq!(taken, (0..COUNT).map(|number| format!("{number:03}")).collect::<Vec<_>>());
}
