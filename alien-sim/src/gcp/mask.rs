//! Update masks: <https://google.aip.dev/161>.

use serde_json::Value;

use super::fail::Fail;
use crate::schema;

/// Copies the fields of a mask from one body to another. Paths have the form `a.b`, and `*` copies everything present.
///
/// # Errors
///
/// If a path is none of the schema's fields, or goes through a list.
pub(crate) fn merge(schema: &str, mask: &str, from: &Value, into: &mut Value) -> Result<(), Fail> {
    let everything = mask.is_empty() || mask == "*";
    let own: Vec<String> = from.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    let masked: Vec<String> = mask.split(',').map(|path| camel(path.trim())).collect();
    for path in if everything { own } else { masked } {
        if !schema::has(schema, &path) {
            return Err(Fail::invalid(format!("Invalid update mask: `{path}` is not a field.")));
        }
        if [from, &*into].into_iter().any(|body| goes_through_a_list(body, &path)) {
            return Err(Fail::invalid(format!("Invalid update mask: `{path}` names a field of the items of a list.")));
        }
        let pointer = format!("/{}", path.replace('.', "/"));
        put(into, &path, from.pointer(&pointer).cloned());
    }
    Ok(())
}

/// A list can only be the last of a path: <https://google.aip.dev/161#specifying-specific-fields>.
fn goes_through_a_list(body: &Value, path: &str) -> bool {
    let mut parts = path.split('.');
    parts.next_back();
    let above = parts.scan(body, |here, part| {
        *here = here.get(part)?;
        Some(here.is_array())
    });
    above.into_iter().any(|is_list| is_list)
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

/// A mask without the fields that only the service writes, which services ignore in masks: <https://google.aip.dev/203#output-only>.
/// Without a mask, it names what is given. `None` if nothing is left.
pub(crate) fn writable(mask: &str, from: &Value, output_only: &[&str]) -> Option<String> {
    let everything = mask.is_empty() || mask == "*";
    let own = from.as_object().into_iter().flatten().map(|(name, _)| name.clone());
    let paths: Vec<String> =
        if everything { own.collect() } else { mask.split(',').map(|path| camel(path.trim())).collect() };
    let is_written = |path: &&String| !output_only.contains(&path.split('.').next().unwrap_or_default());
    let left: Vec<&str> = paths.iter().filter(is_written).map(String::as_str).collect();
    (!left.is_empty()).then(|| left.join(","))
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
