//! Who is told of a change, and the time.

use std::time::Duration;

use alien_core::SystemClock;
use alien_fleet::store::View;
use serde_json::json;

use super::{Backend, change, key, put, read, refusal};

fn announced(number: i64) -> impl FnMut(&mut View) -> alien_core::Result<()> + Send + 'static {
    move |view| {
        view.announce();
        view.put(key("a"), &number, None)
    }
}

pub(crate) async fn only_an_announced_change_moves_the_number(backend: &dyn Backend) {
    let store = backend.open().await;
    let mut told = store.announced();
    let first = *told.borrow_and_update();
    put(&*store, [(key("a"), json!(0), None)]).await;
    assert!(!told.has_changed().unwrap());
    change(&*store, [key("a")], announced(1)).await.unwrap();
    told.wait_for(|number| *number > first).await.unwrap();
    let second = *told.borrow_and_update();
    // One that writes nothing is announced as well.
    change(&*store, [key("a")], |view| {
        view.announce();
        Ok(())
    })
    .await
    .unwrap();
    told.wait_for(|number| *number > second).await.unwrap();
    let third = *told.borrow_and_update();
    put(&*store, [(key("a"), json!(0), None)]).await;
    // Long enough for a store that is told by another program.
    let late = tokio::time::timeout(Duration::from_millis(100), told.changed()).await;
    assert!(late.is_err(), "moved from {third} without a call to announce");
}

pub(crate) async fn whoever_is_told_reads_what_was_announced(backend: &dyn Backend) {
    let (store, reader) = (backend.open().await, backend.open().await);
    for number in 1..=20 {
        let mut told = reader.announced();
        let before = *told.borrow_and_update();
        let reads = async {
            told.wait_for(|number| *number > before).await.unwrap();
            read(&*reader, &key("a")).await
        };
        let (written, found) = tokio::join!(change(&*store, [key("a")], announced(number)), reads);
        written.unwrap();
        assert_eq!(found, Some(json!(number)));
    }
}

pub(crate) async fn a_change_that_fails_announces_nothing(backend: &dyn Backend) {
    let store = backend.open().await;
    let mut told = store.announced();
    told.borrow_and_update();
    let write = |view: &mut View| {
        view.announce();
        view.put(key("a"), &1, None)?;
        Err(refusal())
    };
    change(&*store, [key("a")], write).await.unwrap_err();
    assert!(tokio::time::timeout(Duration::from_millis(100), told.changed()).await.is_err());
}

pub(crate) async fn another_handle_is_told(backend: &dyn Backend) {
    let (store, other) = (backend.open().await, backend.open().await);
    let (mut told, mut elsewhere) = (store.announced(), other.announced());
    let (mine, theirs) = (*told.borrow_and_update(), *elsewhere.borrow_and_update());
    change(&*store, [key("a")], announced(1)).await.unwrap();
    elsewhere.wait_for(|number| *number > theirs).await.unwrap();
    told.wait_for(|number| *number > mine).await.unwrap();
    // And the other way.
    let mine = *told.borrow_and_update();
    change(&*other, [key("a")], announced(2)).await.unwrap();
    told.wait_for(|number| *number > mine).await.unwrap();
    // Who begins to watch now sees the present number.
    let present = *told.borrow();
    assert!(*store.announced().borrow() >= present);
}

pub(crate) async fn time_does_not_go_back_between_handles(backend: &dyn Backend) {
    let handles = [backend.open().await, backend.open().await];
    let mut last = handles[0].time(&SystemClock).await.unwrap();
    for turn in 0..20 {
        let now = handles[turn % 2].time(&SystemClock).await.unwrap();
        assert!(now >= last, "from {last} back to {now}");
        last = now;
    }
}
