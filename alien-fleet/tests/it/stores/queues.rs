//! Where documents wait.

use alien_fleet::store::{Key, Span, Table};
use serde_json::json;

use super::{Backend, at, key, put, remove, second};

pub(crate) async fn the_next_place_follows_the_order_of_numbers(backend: &dyn Backend) {
    let store = backend.open().await;
    let next = async |after| store.next(Table::Row, "shop/1", 1, after).await.unwrap();
    assert_eq!(next(i64::MIN).await, None);
    let places = [0, -1, 256, -300, 255, i64::MAX, 3, -2];
    let documents = places.iter().enumerate();
    put(&*store, documents.map(|(number, place)| (key(format!("{number}")), json!(0), at(1, *place)))).await;
    // One without a place is in no queue.
    put(&*store, [(key("none"), json!(0), None)]).await;
    let (mut found, mut after) = (Vec::new(), i64::MIN);
    while let Some(place) = next(after).await {
        found.push(place);
        after = place;
    }
    assert_eq!(found, [-300, -2, -1, 0, 3, 255, 256, i64::MAX]);
    assert_eq!((next(i64::MAX).await, next(4).await, next(-301).await), (None, Some(255), Some(-300)));
}

pub(crate) async fn queues_of_other_groups_and_tables_stay_apart(backend: &dyn Backend) {
    let store = backend.open().await;
    let next = async |table, group: &str, queue| store.next(table, group, queue, i64::MIN).await.unwrap();
    let documents = [
        (Key::new(Table::Row, "a", "x"), json!(0), at(1, 10)),
        (Key::new(Table::Row, "a", "y"), json!(0), at(2, 20)),
        (Key::new(Table::Row, "a", "z"), json!(0), at(255, 25)),
        (Key::new(Table::Row, "a/", "x"), json!(0), at(1, 30)),
        (Key::new(Table::Row, "ab", "x"), json!(0), at(1, 40)),
        (Key::new(Table::Row, "", "x"), json!(0), at(1, 50)),
        (Key::new(Table::Rollout, "a", "x"), json!(0), at(1, 60)),
    ];
    put(&*store, documents.clone()).await;
    for (key, _, place) in &documents {
        let place = place.unwrap();
        assert_eq!(next(key.table, &key.group, place.queue).await, Some(place.at), "{key:?}");
        let span = Span { queue: place.queue, first: i64::MIN, last: i64::MAX };
        let taken = store.take(key.table, &key.group, span, 10, second(0), second(9)).await.unwrap();
        assert_eq!(taken.iter().map(|(id, _)| id).collect::<Vec<_>>(), [&key.id], "{key:?}");
    }
    assert_eq!(next(Table::Row, "a", 0).await, None);
    assert_eq!(next(Table::Row, "b", 1).await, None);
    assert_eq!(next(Table::Record, "a", 1).await, None);
}

pub(crate) async fn a_document_moves_with_its_place(backend: &dyn Backend) {
    let store = backend.open().await;
    let next = async |queue| store.next(Table::Row, "shop/1", queue, i64::MIN).await.unwrap();
    put(&*store, [(key("a"), json!(0), at(1, 10)), (key("b"), json!(0), at(1, 10))]).await;
    assert_eq!((next(1).await, next(2).await), (Some(10), None));
    put(&*store, [(key("a"), json!(0), at(1, 30))]).await;
    assert_eq!((next(1).await, next(2).await), (Some(10), None), "`b` is still there");
    put(&*store, [(key("b"), json!(0), at(2, 5))]).await;
    assert_eq!((next(1).await, next(2).await), (Some(30), Some(5)));
    put(&*store, [(key("a"), json!(0), None)]).await;
    assert_eq!((next(1).await, next(2).await), (None, Some(5)));
    remove(&*store, key("b")).await;
    assert_eq!((next(1).await, next(2).await), (None, None));
}
