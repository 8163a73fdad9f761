//! Update masks: <https://google.aip.dev/161>.

use serde_json::Value;

use super::fail::Fail;
use crate::schema;

/// Copies the fields of a mask from one body to another. Paths have the form `a.b`, and `*` copies everything present.
///
/// # Errors
///
/// If a path does not start with a field of the schema.
pub(crate) fn merge(schema: &str, mask: &str, from: &Value, into: &mut Value) -> Result<(), Fail> {
    let everything = mask.is_empty() || mask == "*";
    let own: Vec<String> = from.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    let masked: Vec<String> = mask.split(',').map(|path| camel(path.trim())).collect();
    for path in if everything { own } else { masked } {
        let first = path.split('.').next().unwrap_or_default();
        if !schema::has(schema, first) {
            return Err(Fail::invalid(format!("Invalid update mask: `{path}` is not a field.")));
        }
        let pointer = format!("/{}", path.replace('.', "/"));
        put(into, &path, from.pointer(&pointer).cloned());
    }
    Ok(())
}

fn put(into: &mut Value, path: &str, value: Option<Value>) {
    if !into.is_object() {
        *into = Value::Object(serde_json::Map::new());
    }
    let Some(members) = into.as_object_mut() else { return };
    match path.split_once('.') {
        Some((first, rest)) => put(members.entry(first).or_insert(Value::Null), rest, value),
        None => {
            match value {
                Some(value) => members.insert(path.to_owned(), value),
                None => members.remove(path),
            };
        }
    }
}

/// Converts `push_config` to `pushConfig`: masks come in both forms.
fn camel(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    let mut upper = false;
    for c in path.chars() {
        if c == '_' {
            upper = true;
        } else if upper {
            text.extend(c.to_uppercase());
            upper = false;
        } else {
            text.push(c);
        }
    }
    text
}
