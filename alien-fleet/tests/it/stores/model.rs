//! Random operations, against a model that does each in the simplest way.

use std::collections::{BTreeMap, BTreeSet};

use alien_core::ErrorKind;
use alien_fleet::store::{Document, Key, Place, Span, Store, Table, View};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::{Backend, refusal, second};

/// One of a few keys, so that operations meet.
type Which = u8;

#[derive(Debug, Clone)]
enum Write {
    Put(Which, u16, Option<Place>),
    Remove(Which),
}

#[derive(Debug, Clone)]
enum Operation {
    Change { locked: Vec<Which>, writes: Vec<Write>, fails: bool },
    Read(Vec<Which>),
    List { of: Which, after: Option<Which>, limit: usize },
    Take { of: Which, span: Span, limit: usize, lease: i64 },
    Next { of: Which, queue: u8, after: i64 },
    Wait(i64),
}

/// Groups and ids that begin with one another, in two tables.
fn key(case: u32, which: Which) -> Key {
    let table = [Table::Row, Table::Rollout][usize::from(which) % 2];
    let group = ["", "/", "a"][usize::from(which) / 2 % 3];
    let id = ["", "a", "/a", "b"][usize::from(which) / 6 % 4];
    Key::new(table, format!("{case}{group}"), id)
}

fn places() -> impl Strategy<Value = i64> {
    prop_oneof![4 => -2_i64..3, 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let which = || 0_u8..24;
    let place = || proptest::option::weighted(0.8, (0_u8..2, places()).prop_map(|(queue, at)| Place { queue, at }));
    let write = prop_oneof![
        4 => (which(), any::<u16>(), place()).prop_map(|(which, value, place)| Write::Put(which, value, place)),
        1 => which().prop_map(Write::Remove),
    ];
    let few = || proptest::collection::vec(which(), 0..6);
    // Mostly what is written is locked as well.
    let change = (few(), proptest::collection::vec(write, 0..6), 0_u8..10, 0_u8..10).prop_map(
        |(mut locked, writes, kind, chance)| {
            if chance > 0 {
                let written = writes.iter().map(|write| match write {
                    Write::Put(which, ..) | Write::Remove(which) => *which,
                });
                locked.extend(written);
            }
            Operation::Change { locked, writes, fails: kind == 0 }
        },
    );
    let operation = prop_oneof![
        6 => change,
        2 => few().prop_map(Operation::Read),
        2 => (which(), proptest::option::of(which()), 0_usize..5)
            .prop_map(|(of, after, limit)| Operation::List { of, after, limit }),
        4 => (which(), 0_u8..2, places(), places(), 0_usize..4, 1_i64..6).prop_map(
            |(of, queue, first, last, limit, lease)| {
                Operation::Take { of, span: Span { queue, first, last }, limit, lease }
            }
        ),
        2 => (which(), 0_u8..2, places()).prop_map(|(of, queue, after)| Operation::Next { of, queue, after }),
        2 => (1_i64..4).prop_map(Operation::Wait),
    ];
    proptest::collection::vec(operation, 1..40)
}

/// All documents in one map, looked through from end to end.
#[derive(Default)]
struct Model {
    documents: BTreeMap<Key, (Value, Option<Place>)>,
    taken: BTreeMap<Key, Timestamp>,
}

type Seen = (String, Value, Option<Place>);

impl Model {
    /// Whether the change is written.
    fn change(&mut self, case: u32, locked: &[Which], writes: &[Write], fails: bool) -> bool {
        let locked: BTreeSet<Key> = locked.iter().map(|which| key(case, *which)).collect();
        let last: BTreeMap<Key, Option<(Value, Option<Place>)>> = writes
            .iter()
            .map(|write| match write {
                Write::Put(which, value, place) => (key(case, *which), Some((json!(value), *place))),
                Write::Remove(which) => (key(case, *which), None),
            })
            .collect();
        if fails || last.keys().any(|key| !locked.contains(key) && self.documents.contains_key(key)) {
            return false;
        }
        for (key, document) in last {
            self.taken.remove(&key);
            match document {
                Some(document) => drop(self.documents.insert(key, document)),
                None => drop(self.documents.remove(&key)),
            }
        }
        true
    }

    fn of_group<'a>(&'a self, like: &'a Key) -> impl Iterator<Item = (&'a Key, &'a (Value, Option<Place>))> {
        self.documents.iter().filter(|(key, _)| key.table == like.table && key.group == like.group)
    }

    fn list(&self, like: &Key, after: Option<&str>, limit: usize) -> Vec<Seen> {
        let later = self.of_group(like).filter(|(key, _)| after.is_none_or(|after| key.id.as_str() > after));
        later.take(limit).map(|(key, (value, place))| (key.id.clone(), value.clone(), *place)).collect()
    }

    fn take(&mut self, like: &Key, span: Span, limit: usize, now: Timestamp, until: Timestamp) -> Vec<Seen> {
        let mut found: Vec<_> = self
            .of_group(like)
            .filter_map(|(key, (value, place))| Some((place.as_ref()?.at, key.clone(), value.clone(), *place)))
            .filter(|(at, _, _, place)| {
                place.is_some_and(|place| place.queue == span.queue) && (span.first..=span.last).contains(at)
            })
            .filter(|(_, key, ..)| self.taken.get(key).is_none_or(|until| *until <= now))
            .collect();
        found.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        found.truncate(limit);
        self.taken.extend(found.iter().map(|(_, key, ..)| (key.clone(), until)));
        found.into_iter().map(|(_, key, value, place)| (key.id, value, place)).collect()
    }

    fn next(&self, like: &Key, queue: u8, after: i64) -> Option<i64> {
        let places = self.of_group(like).filter_map(|(_, (_, place))| *place);
        places.filter(|place| place.queue == queue && place.at > after).map(|place| place.at).min()
    }
}

fn seen(documents: Vec<(String, Document)>) -> Vec<Seen> {
    documents.into_iter().map(|(id, document)| (id, super::value(&document), document.place)).collect()
}

async fn changed(store: &dyn Store, case: u32, locked: &[Which], writes: &[Write], fails: bool) -> bool {
    let locked = locked.iter().map(|which| key(case, *which)).collect();
    let writes = writes.to_vec();
    let write = move |view: &mut View| {
        for write in &writes {
            match write {
                Write::Put(which, value, place) => view.put(key(case, *which), value, *place)?,
                Write::Remove(which) => view.remove(key(case, *which)),
            }
        }
        if fails { Err(refusal()) } else { Ok(()) }
    };
    let done = store.change(locked, Box::new(write)).await;
    if let Err(error) = &done {
        let expected = if fails { ErrorKind::Conflict } else { ErrorKind::Internal };
        assert_eq!(error.kind(), expected, "{error}");
    }
    done.is_ok()
}

async fn agree(store: &dyn Store, case: u32, operations: &[Operation]) {
    let (mut model, mut clock) = (Model::default(), 0);
    for operation in operations {
        match operation {
            Operation::Change { locked, writes, fails } => {
                let expected = model.change(case, locked, writes, *fails);
                assert_eq!(changed(store, case, locked, writes, *fails).await, expected, "{operation:?}");
            }
            Operation::Read(which) => {
                let keys: Vec<_> = which.iter().map(|which| key(case, *which)).collect();
                let found = store.read(&keys).await.unwrap();
                let found: Vec<_> =
                    found.iter().map(|found| found.as_ref().map(|found| (super::value(found), found.place))).collect();
                let expected: Vec<_> = keys.iter().map(|key| model.documents.get(key).cloned()).collect();
                assert_eq!(found, expected, "{operation:?}");
            }
            Operation::List { of, after, limit } => {
                let (like, after) = (key(case, *of), after.map(|after| key(case, after).id));
                let found = store.list(like.table, &like.group, after.as_deref(), *limit).await.unwrap();
                assert_eq!(seen(found), model.list(&like, after.as_deref(), *limit), "{operation:?}");
            }
            Operation::Take { of, span, limit, lease } => {
                let (like, now, until) = (key(case, *of), second(clock), second(clock + lease));
                let found = store.take(like.table, &like.group, *span, *limit, now, until).await.unwrap();
                assert_eq!(seen(found), model.take(&like, *span, *limit, now, until), "{operation:?}");
            }
            Operation::Next { of, queue, after } => {
                let like = key(case, *of);
                let found = store.next(like.table, &like.group, *queue, *after).await.unwrap();
                assert_eq!(found, model.next(&like, *queue, *after), "{operation:?}");
            }
            Operation::Wait(seconds) => clock += seconds,
        }
    }
    for which in 0..6 {
        let like = key(case, which);
        let found = store.list(like.table, &like.group, None, 100).await.unwrap();
        assert_eq!(seen(found), model.list(&like, None, 100), "in the end");
    }
}

pub(crate) async fn random_operations_agree_with_a_model(backend: &dyn Backend) {
    let store = backend.open().await;
    let config = Config { cases: 100, failure_persistence: None, ..Config::default() };
    let cases = std::sync::atomic::AtomicU32::new(0);
    let runtime = Handle::current();
    let run = || {
        TestRunner::new(config).run(&operations(), |operations| {
            // Each case has groups of its own, so that none has to be emptied.
            let case = cases.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            runtime.block_on(agree(&*store, case, &operations));
            Ok(())
        })
    };
    tokio::task::block_in_place(run).unwrap();
}
