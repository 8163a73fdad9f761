//! How groups are listed.

use alien_fleet::store::{Key, Table};
use serde_json::json;

use super::{Backend, ids, put, read};

/// Texts that a store may take for something else, or sort in another way than by bytes.
const ODD: [&str; 29] = [
    "", " ", "  ", "%", "%2F", "'", "''", "\"", "\\", "/", "//", "a", "a ", "a/", "a/b", "a0", "A", "B", "a%", "a_",
    "ab", "_", "\u{1}", "\t", "\n", "ä", "z", "ﬀ", "😀",
];

pub(crate) async fn a_group_is_listed_by_id_as_bytes(backend: &dyn Backend) {
    let store = backend.open().await;
    put(&*store, ODD.map(|id| (Key::new(Table::Record, "g", id), json!(id), None))).await;
    let mut expected = ODD.map(str::to_owned);
    expected.sort_unstable_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
    assert_eq!(ids(&*store, Table::Record, "g").await, expected);
    // The list has the documents of the ids.
    for (id, document) in store.list(Table::Record, "g", None, 100).await.unwrap() {
        assert_eq!(super::value(&document), json!(id));
    }
}

pub(crate) async fn pages_join_into_the_whole(backend: &dyn Backend) {
    let store = backend.open().await;
    put(&*store, (0..10).map(|number| (Key::new(Table::Release, "shop", format!("{number}")), json!(number), None)))
        .await;
    let page = async |after: Option<&str>, limit| {
        let page = store.list(Table::Release, "shop", after, limit).await.unwrap();
        page.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 4).await, ["0", "1", "2", "3"]);
    assert_eq!(page(Some("3"), 4).await, ["4", "5", "6", "7"]);
    assert_eq!(page(Some("7"), 4).await, ["8", "9"]);
    assert_eq!(page(Some("9"), 4).await, [""; 0]);
    assert_eq!(page(None, 0).await, [""; 0]);
    assert_eq!(page(None, usize::MAX).await.len(), 10);
    // A page may begin after an id that is not there.
    assert_eq!(page(Some("45"), 2).await, ["5", "6"]);
    assert_eq!(page(Some(""), 1).await, ["0"]);
    put(&*store, [(Key::new(Table::Release, "shop", ""), json!(""), None)]).await;
    assert_eq!(page(None, 1).await, [""]);
    assert_eq!(page(Some(""), 1).await, ["0"]);
}

pub(crate) async fn groups_and_tables_stay_apart(backend: &dyn Backend) {
    let store = backend.open().await;
    // Each but the first begins with one before it.
    let groups = ["", "a", "a/", "a/b", "ab", "a\u{1}", "a%", "a'", "A"];
    for table in [Table::Row, Table::Rollout, Table::Record] {
        let documents = groups.map(|group| (Key::new(table, group, "b"), json!([table.name(), group]), None));
        put(&*store, documents).await;
        put(&*store, groups.map(|group| (Key::new(table, group, "/b"), json!([table.name(), group]), None))).await;
    }
    for table in [Table::Row, Table::Rollout, Table::Record] {
        for group in groups {
            let listed = store.list(table, group, None, 100).await.unwrap();
            assert_eq!(listed.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["/b", "b"], "{table:?} {group}");
            assert!(listed.iter().all(|(_, document)| super::value(document) == json!([table.name(), group])));
            let after = store.list(table, group, Some("b"), 100).await.unwrap();
            assert_eq!(after, [], "the next group is not of this one");
        }
        assert_eq!(ids(&*store, table, "none").await, [""; 0]);
    }
    assert_eq!(ids(&*store, Table::Log, "a").await, [""; 0]);
}

pub(crate) async fn any_text_is_a_group_and_an_id(backend: &dyn Backend) {
    let store = backend.open().await;
    let keys = || ODD.into_iter().flat_map(|group| ODD.map(|id| Key::new(Table::Health, group, id)));
    put(&*store, keys().map(|key| (key.clone(), json!([key.group, key.id]), None))).await;
    for group in ODD {
        assert_eq!(ids(&*store, Table::Health, group).await.len(), ODD.len(), "{group:?}");
        for id in ["", "/", "a", "'", "😀"] {
            assert_eq!(read(&*store, &Key::new(Table::Health, group, id)).await, Some(json!([group, id])));
        }
    }
}
