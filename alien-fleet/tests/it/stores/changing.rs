//! What a change writes, and what others see of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use alien_core::ErrorKind;
use alien_fleet::store::{Key, Store, Table, View};
use futures_util::FutureExt as _;
use futures_util::future::{join_all, try_join_all};
use serde_json::{Value, json};

use super::{Backend, add, at, change, ids, key, put, read, refusal, remove};

pub(crate) async fn what_is_put_is_read_and_what_is_removed_is_gone(backend: &dyn Backend) {
    let store = backend.open().await;
    assert_eq!(read(&*store, &key("a")).await, None);
    put(&*store, [(key("a"), json!({"n": 1}), None)]).await;
    assert_eq!(read(&*store, &key("a")).await, Some(json!({"n": 1})));
    put(&*store, [(key("a"), json!({"n": 2}), at(3, 4))]).await;
    let found = store.read(&[key("a")]).await.unwrap().remove(0).unwrap();
    assert_eq!((super::value(&found), found.place), (json!({"n": 2}), at(3, 4)));
    remove(&*store, key("a")).await;
    assert_eq!(read(&*store, &key("a")).await, None);
    // It can be put again.
    put(&*store, [(key("a"), json!(3), None)]).await;
    assert_eq!(read(&*store, &key("a")).await, Some(json!(3)));
}

pub(crate) async fn documents_are_read_in_the_order_of_the_keys(backend: &dyn Backend) {
    let store = backend.open().await;
    put(&*store, [(key("a"), json!("a"), None), (key("b"), json!("b"), None)]).await;
    let found = store.read(&[key("b"), key("none"), key("a"), key("b")]).await.unwrap();
    let found: Vec<_> = found.iter().map(|found| found.as_ref().map(super::value)).collect();
    assert_eq!(found, [Some(json!("b")), None, Some(json!("a")), Some(json!("b"))]);
    assert_eq!(store.read(&[]).await.unwrap(), []);
}

pub(crate) async fn a_change_of_several_tables_is_written_whole(backend: &dyn Backend) {
    let store = backend.open().await;
    let of = |table| Key::new(table, "g", "one");
    put(&*store, Table::ALL.map(|table| (of(table), json!("old"), at(1, 1)))).await;
    let write = move |view: &mut View| {
        view.put(of(Table::Record), &"new", at(1, 2))?;
        view.put(of(Table::Row), &"new", None)?;
        view.remove(of(Table::Health));
        view.put(Key::new(Table::Log, "g", "two"), &"added", None)
    };
    change(&*store, Table::ALL.map(of), write).await.unwrap();
    for table in Table::ALL {
        let expected = match table {
            Table::Record | Table::Row => Some(json!("new")),
            Table::Health => None,
            _ => Some(json!("old")),
        };
        assert_eq!(read(&*store, &of(table)).await, expected, "{table:?}");
    }
    assert_eq!(read(&*store, &Key::new(Table::Log, "g", "two")).await, Some(json!("added")));
}

pub(crate) async fn a_change_that_fails_writes_nothing(backend: &dyn Backend) {
    let store = backend.open().await;
    let other = Key::new(Table::Record, "", "r");
    put(&*store, [(key("a"), json!(1), at(0, 5)), (other.clone(), json!(1), None)]).await;
    let (kept, new) = (other.clone(), Key::new(Table::Log, "", "new"));
    let (put_too, removed) = (new.clone(), other.clone());
    let write = move |view: &mut View| {
        view.put(key("a"), &2, at(0, 9))?;
        view.remove(removed.clone());
        view.put(put_too.clone(), &1, at(0, 7))?;
        Err(refusal())
    };
    let error = change(&*store, [key("a"), other], write).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("refused by the test")), (ErrorKind::Conflict, true));
    assert_eq!(read(&*store, &key("a")).await, Some(json!(1)));
    assert_eq!(read(&*store, &kept).await, Some(json!(1)));
    assert_eq!(read(&*store, &new).await, None);
    assert_eq!(store.next(Table::Row, "shop/1", 0, i64::MIN).await.unwrap(), Some(5));
    assert_eq!(store.next(Table::Log, "", 0, i64::MIN).await.unwrap(), None);
}

pub(crate) async fn a_change_that_panics_writes_nothing_and_stops_nobody(backend: &dyn Backend) {
    let (store, other) = (backend.open().await, backend.open().await);
    put(&*store, [(key("a"), json!(1), None)]).await;
    for _ in 0..3 {
        let store = Arc::clone(&store);
        let write = |view: &mut View| {
            view.put(key("a"), &2, at(1, 1))?;
            view.announce();
            panic!("meant by the test");
        };
        // The panic goes on, or is told as an error.
        let done = tokio::spawn(async move { change(&*store, [key("a")], write).await }).await;
        assert!(!matches!(done, Ok(Ok(()))));
    }
    assert_eq!(read(&*other, &key("a")).await, Some(json!(1)));
    assert_eq!(other.next(Table::Row, "shop/1", 1, i64::MIN).await.unwrap(), None);
    change(&*other, [key("a")], |view| add(view, &key("a"), 1)).await.unwrap();
    change(&*store, [key("a")], |view| add(view, &key("a"), 1)).await.unwrap();
    assert_eq!(read(&*store, &key("a")).await, Some(json!(3)));
}

pub(crate) async fn a_document_that_was_not_locked_is_neither_read_nor_replaced_nor_removed(backend: &dyn Backend) {
    let store = backend.open().await;
    put(&*store, [(key("there"), json!("kept"), None)]).await;
    let error = change(&*store, [key("a")], |view| view.get::<Value>(&key("there")).map(drop)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
    let replaces = |view: &mut View| {
        view.put(key("a"), &"lost", None)?;
        view.put(key("there"), &"replaced", None)
    };
    let error = change(&*store, [key("a")], replaces).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
    let removes = |view: &mut View| {
        view.put(key("a"), &"lost", None)?;
        view.remove(key("there"));
        Ok(())
    };
    let error = change(&*store, [key("a")], removes).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
    assert_eq!(read(&*store, &key("there")).await, Some(json!("kept")));
    assert_eq!(read(&*store, &key("a")).await, None);
}

pub(crate) async fn a_change_reads_what_it_has_written(backend: &dyn Backend) {
    let store = backend.open().await;
    put(&*store, [(key("a"), json!(1), None)]).await;
    let write = |view: &mut View| {
        assert_eq!((view.get(&key("a"))?, view.get::<i64>(&key("b"))?), (Some(1), None));
        view.put(key("a"), &2, None)?;
        view.put(key("new"), &3, None)?;
        assert_eq!((view.get(&key("a"))?, view.get(&key("new"))?), (Some(2), Some(3)));
        view.remove(key("a"));
        assert_eq!(view.get::<i64>(&key("a"))?, None);
        view.put(key("a"), &4, None)
    };
    change(&*store, [key("a"), key("b")], write).await.unwrap();
    assert_eq!(read(&*store, &key("a")).await, Some(json!(4)));
    assert_eq!(ids(&*store, Table::Row, "shop/1").await, ["a", "new"]);
}

/// Many tasks, each with many increments, on these handles by turns.
async fn increments(handles: &[Arc<dyn Store>]) {
    const TASKS: usize = 8;
    const EACH: usize = 25;
    let tasks = (0..TASKS).map(|number| {
        let store = Arc::clone(&handles[number % handles.len()]);
        tokio::spawn(async move {
            for _ in 0..EACH {
                change(&*store, [key("sum")], |view| add(view, &key("sum"), 1)).await.unwrap();
            }
        })
    });
    try_join_all(tasks).await.unwrap();
    for store in handles {
        assert_eq!(read(&**store, &key("sum")).await, Some(json!(TASKS * EACH)));
    }
}

pub(crate) async fn no_increment_is_lost(backend: &dyn Backend) {
    increments(&[backend.open().await]).await;
}

pub(crate) async fn no_increment_is_lost_between_handles(backend: &dyn Backend) {
    increments(&[backend.open().await, backend.open().await]).await;
}

pub(crate) async fn changes_of_overlapping_keys_end_and_keep_the_sum(backend: &dyn Backend) {
    const PURSES: usize = 6;
    let purse = |number: usize| Key::new(Table::ALL[number % 3], format!("g{}", number % 2), format!("p{number}"));
    let handles = [backend.open().await, backend.open().await];
    put(&*handles[0], (0..PURSES).map(|number| (purse(number), json!(100), None))).await;
    let tasks = (0..12).map(|task| {
        let store = Arc::clone(&handles[task % 2]);
        tokio::spawn(async move {
            for step in 0..10 {
                // Each pair is locked from both of its ends, some with a third.
                let (from, to) = ((task + step) % PURSES, (task * 5 + step * 2 + 1) % PURSES);
                let keys = [from, to, (task + 3) % PURSES].map(purse);
                let write = move |view: &mut View| {
                    add(view, &purse(from), -1)?;
                    add(view, &purse(to), 1)
                };
                change(&*store, keys, write).await.unwrap();
            }
        })
    });
    try_join_all(tasks).await.unwrap();
    let found = handles[1].read(&(0..PURSES).map(purse).collect::<Vec<_>>()).await.unwrap();
    let sum: i64 = found.iter().map(|found| super::value(found.as_ref().unwrap()).as_i64().unwrap()).sum();
    assert_eq!(sum, 100 * i64::try_from(PURSES).unwrap());
}

pub(crate) async fn of_many_who_put_a_new_document_one_succeeds(backend: &dyn Backend) {
    let handles = [backend.open().await, backend.open().await];
    for round in 0..10 {
        let new = Key::new(Table::Log, "", format!("{round}"));
        let tasks = (0..6_usize).map(|task| {
            let (store, new) = (Arc::clone(&handles[task % 2]), new.clone());
            // Each locks a document of its own, and none the new one.
            let own = Key::new(Table::Row, "own", format!("{round}-{task}"));
            tokio::spawn(async move {
                let write = move |view: &mut View| {
                    view.put(own.clone(), &task, None)?;
                    view.put(new.clone(), &task, None)
                };
                change(&*store, [Key::new(Table::Row, "own", format!("{round}-{task}"))], write).await
            })
        });
        let done: Vec<_> = join_all(tasks).await.into_iter().map(Result::unwrap).collect();
        let winners: Vec<_> = (0..6).filter(|task| done[*task].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{done:?}");
        assert_eq!(read(&*handles[0], &new).await, Some(json!(winners[0])));
        for task in 0..6 {
            let own = read(&*handles[0], &Key::new(Table::Row, "own", format!("{round}-{task}"))).await;
            assert_eq!(own.is_some(), task == winners[0], "what a loser wrote beside it is not there");
        }
    }
}

pub(crate) async fn of_many_who_lock_a_missing_document_each_sees_the_one_before(backend: &dyn Backend) {
    let handles = [backend.open().await, backend.open().await];
    for round in 0..10 {
        let new = key(format!("{round}"));
        let tasks = (0..6_usize).map(|task| {
            let (store, new) = (Arc::clone(&handles[task % 2]), new.clone());
            tokio::spawn(async move {
                let written = new.clone();
                change(&*store, [new], move |view| add(view, &written, 1)).await.unwrap();
            })
        });
        try_join_all(tasks).await.unwrap();
        assert_eq!(read(&*handles[0], &new).await, Some(json!(6)));
    }
}

pub(crate) async fn what_is_changed_together_is_read_together(backend: &dyn Backend) {
    let (store, reader) = (backend.open().await, backend.open().await);
    let pair = [Key::new(Table::Product, "a", "x"), Key::new(Table::Log, "z", "y")];
    put(&*store, pair.clone().map(|key| (key, json!(0), None))).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let readers = (0..3).map(|_| {
        let (reader, pair, is_over) = (Arc::clone(&reader), pair.clone(), Arc::clone(&is_over));
        tokio::spawn(async move {
            let mut last = json!(0);
            while !is_over.load(Ordering::SeqCst) {
                let found = reader.read(&pair).await.unwrap();
                let [first, second] = [0, 1].map(|at| super::value(found[at].as_ref().unwrap()));
                assert_eq!(first, second);
                assert!(first.as_i64() >= last.as_i64(), "a read goes back from {last} to {first}");
                last = first;
                tokio::task::yield_now().await;
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    for number in 1..=150 {
        put(&*store, pair.clone().map(|key| (key, json!(number), None))).await;
    }
    is_over.store(true, Ordering::SeqCst);
    try_join_all(readers).await.unwrap();
}

pub(crate) async fn a_change_that_is_dropped_is_written_whole_or_not_at_all(backend: &dyn Backend) {
    let store = backend.open().await;
    let pair = [Key::new(Table::Row, "a", "x"), Key::new(Table::Record, "z", "y")];
    for number in 1..=30 {
        let keys: BTreeSet<Key> = pair.iter().cloned().collect();
        let written = pair.clone();
        let write = move |view: &mut View| written.iter().try_for_each(|key| view.put(key.clone(), &number, None));
        let begun = store.change(keys, Box::new(write));
        // Dropped after it was asked once.
        let _ = begun.now_or_never();
        let found = store.read(&pair).await.unwrap();
        assert_eq!(found[0], found[1]);
    }
    // Nothing stays locked.
    put(&*store, pair.clone().map(|key| (key, json!("end"), None))).await;
    let found = store.read(&pair).await.unwrap();
    assert!(found.iter().all(|found| super::value(found.as_ref().unwrap()) == json!("end")));
}

pub(crate) async fn a_large_document_comes_back_as_it_was(backend: &dyn Backend) {
    let store = backend.open().await;
    let large: String = (0..1_000_000_u32).map(|at| char::from(b'a' + u8::try_from(at % 23).unwrap())).collect();
    put(&*store, [(key("large"), json!(large), at(1, 1)), (key("small"), json!(1), None)]).await;
    assert_eq!(read(&*store, &key("large")).await, Some(json!(large)));
    let listed = store.list(Table::Row, "shop/1", None, 10).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(super::value(&listed[0].1), json!(large));
}

pub(crate) async fn ten_thousand_documents_are_changed_at_once(backend: &dyn Backend) {
    const COUNT: i64 = 10_000;
    let store = backend.open().await;
    let numbered = |number: i64| key(format!("{number:05}"));
    put(&*store, (0..COUNT).map(|number| (numbered(number), json!(number), at(1, number)))).await;
    let all = ids(&*store, Table::Row, "shop/1").await;
    assert_eq!(all.len(), 10_000);
    assert!(all.is_sorted());
    // Every second one goes, the others move.
    let write = move |view: &mut View| {
        for number in 0..COUNT {
            if number % 2 == 0 {
                view.remove(numbered(number));
            } else {
                view.put(numbered(number), &number, at(2, -number))?;
            }
        }
        Ok(())
    };
    change(&*store, (0..COUNT).map(numbered), write).await.unwrap();
    assert_eq!(ids(&*store, Table::Row, "shop/1").await.len(), 5000);
    assert_eq!(store.next(Table::Row, "shop/1", 1, i64::MIN).await.unwrap(), None);
    assert_eq!(store.next(Table::Row, "shop/1", 2, i64::MIN).await.unwrap(), Some(1 - COUNT));
}
