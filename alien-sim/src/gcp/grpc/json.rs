//! Reads REST JSON fields by the rules of Protocol Buffers: a missing field has its default. Source:
//! <https://protobuf.dev/programming-guides/json/>.

use prost_types::{Duration, Timestamp};
use serde_json::{Map, Value};

/// An object of the fields that are present.
pub(super) fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(fields.collect::<Map<_, _>>())
}

/// A string, unless it is empty.
pub(super) fn some_text(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| Value::from(text))
}

/// A list of strings, unless it is empty.
pub(super) fn some_texts(texts: &[String]) -> Option<Value> {
    (!texts.is_empty()).then(|| Value::from(texts))
}

/// Whole seconds. The REST API writes 64-bit numbers as strings.
pub(super) fn some_seconds(duration: Option<&Duration>) -> Option<Value> {
    duration.map(|duration| Value::from(duration.seconds.to_string()))
}

pub(super) fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(super) fn texts(value: &Value, name: &str) -> Vec<String> {
    items(value, name).filter_map(Value::as_str).map(str::to_owned).collect()
}

pub(super) fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

pub(super) fn flag(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or_default()
}

/// Reads a number, written as a number or as a string.
pub(super) fn number(value: &Value, name: &str) -> Option<i64> {
    let value = value.get(name)?;
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

pub(super) fn small_number(value: &Value, name: &str) -> Option<i32> {
    number(value, name).and_then(|number| number.try_into().ok())
}

pub(super) fn time(value: &Value, name: &str) -> Option<Timestamp> {
    value.get(name).and_then(Value::as_str)?.parse().ok()
}

pub(super) fn seconds(value: &Value, name: &str) -> Option<Duration> {
    Some(Duration { seconds: number(value, name)?, nanos: 0 })
}

pub(super) fn map(value: &Value, name: &str) -> std::collections::HashMap<String, String> {
    let fields = value.get(name).and_then(Value::as_object).into_iter().flatten();
    fields.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}
