//! Several programs on one database.

use std::sync::Arc;
use std::time::{Duration, Instant};

use alien_core::ErrorKind;
use alien_fleet::store::{Key, Place, Span, Store, Table, View};
use futures_util::future::try_join_all;
use serde_json::json;

use crate::Schema;
use crate::stores::{add, at, change, ids, key, put, read, second, value};

pub(crate) async fn two_managers_neither_lose_a_change_nor_take_a_document_twice(schema: Schema) {
    const DOCUMENTS: i64 = 200;
    let managers = [Arc::new(schema.store().await), Arc::new(schema.store().await)];
    put(&*managers[0], (0..DOCUMENTS).map(|number| (key(format!("{number:03}")), json!(0), at(0, number)))).await;
    let all = Span { queue: 0, first: i64::MIN, last: i64::MAX };
    let sum = || Key::new(Table::Tail, "", "sum");
    let workers = (0..8_usize).map(|worker| {
        let manager = Arc::clone(&managers[worker % 2]);
        tokio::spawn(async move {
            let mut count = 0;
            loop {
                let taken = manager.take(Table::Row, "shop/1", all, 7, second(0), second(60)).await.unwrap();
                if taken.is_empty() {
                    return count;
                }
                for (id, document) in taken {
                    assert_eq!(value(&document), json!(0), "{id} was taken before");
                    count += 1;
                    let done = key(id);
                    let written = done.clone();
                    // What is done moves to another queue; all who do so write one more document.
                    let write = move |view: &mut View| {
                        let before: i64 = view.get(&written)?.unwrap_or_default();
                        view.put(written.clone(), &(before + 1), Some(Place { queue: 1, at: 0 }))?;
                        add(view, &sum(), 1)
                    };
                    change(&*manager, [done, sum()], write).await.unwrap();
                }
            }
        })
    });
    let counts = try_join_all(workers).await.unwrap();
    assert_eq!(counts.iter().sum::<i64>(), DOCUMENTS);
    assert_eq!(read(&*managers[1], &sum()).await, Some(json!(DOCUMENTS)));
    for id in ids(&*managers[0], Table::Row, "shop/1").await {
        assert_eq!(read(&*managers[0], &key(id)).await, Some(json!(1)));
    }
}

pub(crate) async fn a_lock_of_somebody_else_is_given_up_in_time(schema: Schema) {
    let store = schema.hurried().await;
    put(&store, [(key("a"), json!(1), None), (key("b"), json!(1), None)]).await;
    let mut operator = schema.sql().await;
    let lock = operator.transaction().await.unwrap();
    let rows = lock.query(&format!(r#"SELECT * FROM "{}"."row" WHERE id = 'a' FOR UPDATE"#, schema.name), &[]).await;
    assert_eq!(rows.unwrap().len(), 1);
    let begun = Instant::now();
    let error = change(&store, [key("a"), key("b")], |view| add(view, &key("a"), 1)).await.unwrap_err();
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Unavailable, false), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(30));
    // Others are not in the way, nor is reading.
    change(&store, [key("b")], |view| add(view, &key("b"), 1)).await.unwrap();
    assert_eq!(read(&store, &key("a")).await, Some(json!(1)));
    lock.rollback().await.unwrap();
    change(&store, [key("a")], |view| add(view, &key("a"), 1)).await.unwrap();
    assert_eq!(read(&store, &key("a")).await, Some(json!(2)));
}

pub(crate) async fn an_announcement_that_may_have_been_missed_counts(schema: Schema) {
    let (store, other) = (schema.store().await, schema.store().await);
    let mut told = store.announced();
    assert_eq!(*told.borrow_and_update(), 0);
    let operator = schema.sql().await;
    // Whatever listens is told to go.
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = $1";
    let listens = format!(r#"LISTEN "alien_fleet_{}""#, schema.name);
    assert_eq!(operator.query(end, &[&listens]).await.unwrap().len(), 2);
    told.wait_for(|number| *number == 1).await.unwrap();
    let announce = |view: &mut View| {
        view.announce();
        Ok(())
    };
    change(&other, [], announce).await.unwrap();
    told.wait_for(|number| *number == 2).await.unwrap();
}
