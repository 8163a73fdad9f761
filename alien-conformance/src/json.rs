//! Random JSON, to fuzz parsers.

use proptest::prelude::*;
use serde_json::Value;

/// Any shallow JSON value, with names and words from stacks and documents.
pub fn any_value() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "id",
        "type",
        "lifecycle",
        "links",
        "code",
        "image",
        "zip",
        "profile",
        "name",
        "resources",
        "permissions",
        "profiles",
        "management",
        "extend",
        "function",
        "storage",
        "frozen",
        "live",
        "*",
        "storage/data-read",
        "automatic",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        let word = word.clone().prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(word, inner, 0..6).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

/// Replaces one part of a value, picked at random.
#[must_use]
pub fn with_part_replaced(mut value: Value, part: &prop::sample::Index, other: Value) -> Value {
    let mut pointers = Vec::new();
    collect(&value, String::new(), &mut pointers);
    let pointer = part.get(&pointers).clone();
    *value.pointer_mut(&pointer).unwrap() = other;
    value
}

/// Collects the JSON pointers of every part of a value.
fn collect(value: &Value, pointer: String, pointers: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                collect(item, format!("{pointer}/{n}"), pointers);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                collect(field, format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), pointers);
            }
        }
        _ => {}
    }
    pointers.push(pointer);
}
