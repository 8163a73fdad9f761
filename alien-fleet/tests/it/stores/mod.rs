//! What every store promises. Each check takes an empty store, and [`suite`] runs all of them on one kind of store.

pub(crate) mod announcing;
pub(crate) mod changing;
pub(crate) mod listing;
pub(crate) mod model;
pub(crate) mod queues;
pub(crate) mod taking;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use alien_core::{Error, ErrorKind, Result};
use alien_fleet::store::{Document, InMemory, Key, Place, Store, Table, View};
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

/// A place for documents, empty at first. It ends with the value.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    /// Opens the store once more, as another part of the program does, or another program where the store is for many.
    async fn open(&self) -> Arc<dyn Store>;
}

/// Runs every check on a backend, each on a new one: `suite!(name, expression)`. The expression stands in a
/// module of its own, and may wait.
macro_rules! suite {
    ($name:ident, $backend:expr) => {
        $crate::stores::suite! { @each tests $name, $backend }
    };
    // Each check of the suite, as an argument of another arm.
    (@each $($arm:tt)+) => {
        $crate::stores::suite! { @$($arm)+;
            changing::what_is_put_is_read_and_what_is_removed_is_gone
            changing::documents_are_read_in_the_order_of_the_keys
            changing::a_change_of_several_tables_is_written_whole
            changing::a_change_that_fails_writes_nothing
            changing::a_change_that_panics_writes_nothing_and_stops_nobody
            changing::a_document_that_was_not_locked_is_neither_read_nor_replaced_nor_removed
            changing::a_change_reads_what_it_has_written
            changing::no_increment_is_lost
            changing::no_increment_is_lost_between_handles
            changing::changes_of_overlapping_keys_end_and_keep_the_sum
            changing::of_many_who_put_a_new_document_one_succeeds
            changing::of_many_who_lock_a_missing_document_each_sees_the_one_before
            changing::what_is_changed_together_is_read_together
            changing::a_change_that_is_dropped_is_written_whole_or_not_at_all
            changing::a_large_document_comes_back_as_it_was
            changing::ten_thousand_documents_are_changed_at_once
            listing::a_group_is_listed_by_id_as_bytes
            listing::pages_join_into_the_whole
            listing::groups_and_tables_stay_apart
            listing::any_text_is_a_group_and_an_id
            queues::the_next_place_follows_the_order_of_numbers
            queues::queues_of_other_groups_and_tables_stay_apart
            queues::a_document_moves_with_its_place
            taking::the_first_are_taken_in_the_order_of_the_queue
            taking::nobody_is_given_a_document_twice_until_it_is_time
            taking::writing_releases_what_was_taken
            taking::a_change_that_fails_releases_nothing
            taking::what_is_taken_stays_where_it_is
            taking::a_span_has_both_its_ends
            taking::many_takers_share_without_overlap
            announcing::only_an_announced_change_moves_the_number
            announcing::whoever_is_told_reads_what_was_announced
            announcing::a_change_that_fails_announces_nothing
            announcing::another_handle_is_told
            announcing::time_does_not_go_back_between_handles
            model::random_operations_agree_with_a_model
        }
    };
    // Each check given to a function of its name and the check itself, which gives a trial.
    (@trials $trial:expr; $($part:ident::$check:ident)+) => {
        vec![$($trial(stringify!($check), |backend| Box::pin($crate::stores::$part::$check(backend)))),+]
    };
    (@tests $name:ident, $backend:expr; $($part:ident::$check:ident)+) => {
        mod $name {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $check() {
                    let backend = $backend;
                    $crate::stores::in_time($crate::stores::$part::$check(&backend)).await;
                }
            )+
        }
    };
}
pub(crate) use suite;

/// Waits, and fails if something waits forever.
pub(crate) async fn in_time<T>(check: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(2), check).await.expect("it waits forever")
}

pub(crate) struct OneProcess(Arc<InMemory>);

impl OneProcess {
    pub(crate) fn new() -> Self {
        Self(Arc::new(InMemory::new()))
    }
}

#[async_trait]
impl Backend for OneProcess {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::clone(&self.0) as Arc<dyn Store>
    }
}

suite!(in_memory, super::OneProcess::new());

/// A key of the table and group that most checks use.
pub(crate) fn key(id: impl Into<String>) -> Key {
    Key::new(Table::Row, "shop/1", id)
}

pub(crate) const fn at(queue: u8, at: i64) -> Option<Place> {
    Some(Place { queue, at })
}

/// A second of the tests' own time.
pub(crate) fn second(number: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + number).unwrap()
}

pub(crate) fn value(document: &Document) -> Value {
    serde_json::from_str(&document.text).unwrap()
}

pub(crate) async fn change(
    store: &dyn Store,
    keys: impl IntoIterator<Item = Key>,
    change: impl FnMut(&mut View) -> Result<()> + Send + 'static,
) -> Result<()> {
    store.change(keys.into_iter().collect::<BTreeSet<_>>(), Box::new(change)).await
}

/// Puts documents, whether they are there or not.
pub(crate) async fn put(store: &dyn Store, documents: impl IntoIterator<Item = (Key, Value, Option<Place>)>) {
    let documents: Vec<_> = documents.into_iter().collect();
    let keys: Vec<_> = documents.iter().map(|(key, ..)| key.clone()).collect();
    let write = move |view: &mut View| {
        documents.iter().try_for_each(|(key, value, place)| view.put(key.clone(), value, *place))
    };
    change(store, keys, write).await.unwrap();
}

pub(crate) async fn remove(store: &dyn Store, gone: Key) {
    let locked = gone.clone();
    let write = move |view: &mut View| {
        view.remove(gone.clone());
        Ok(())
    };
    change(store, [locked], write).await.unwrap();
}

pub(crate) async fn read(store: &dyn Store, key: &Key) -> Option<Value> {
    store.read(std::slice::from_ref(key)).await.unwrap().remove(0).as_ref().map(value)
}

/// Adds to a number, which is 0 if it is not there.
pub(crate) fn add(view: &mut View, key: &Key, amount: i64) -> Result<()> {
    let number: i64 = view.get(key)?.unwrap_or_default();
    view.put(key.clone(), &(number + amount), None)
}

/// The ids of a whole group, in the order of the list.
pub(crate) async fn ids(store: &dyn Store, table: Table, group: &str) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = store.list(table, group, after.as_deref(), 1000).await.unwrap();
        let Some((last, _)) = page.last() else { return ids };
        after = Some(last.clone());
        ids.extend(page.into_iter().map(|(id, _)| id));
    }
}

pub(crate) fn refusal() -> Error {
    Error::new(ErrorKind::Conflict, "refused by the test")
}
