//! Checks bodies against schemas. The type of a field is written `string`, `integer:int32`, `enum(A|B)`, `[T]` for a
//! list, `{T}` for a map, `#Schema` or `object`. A `!` at the end marks a field that only the cloud writes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// The schemas of an API by name. A nested object without its own name is listed as `Schema.field`, and the items of a
/// list as `Schema.field[]`.
#[derive(Debug)]
pub struct Schemas(Map<String, Value>);

impl Schemas {
    /// Reads `{schema: {field: type}}`.
    #[must_use]
    pub fn new(schemas: Map<String, Value>) -> Self {
        Self(schemas)
    }

    /// Returns what is wrong with a body: unknown fields, values of the wrong type, fields that only the cloud writes.
    /// A schema that is not listed is not checked.
    #[must_use]
    pub fn check(&self, schema: &str, body: &Value) -> Vec<String> {
        let mut problems = Vec::new();
        self.fields(schema, body, "", &mut problems);
        problems
    }

    fn fields(&self, schema: &str, value: &Value, at: &str, problems: &mut Vec<String>) {
        let here = if at.is_empty() { "the body" } else { at };
        let Some(fields) = value.as_object() else {
            problems.push(format!("`{here}` is not an object, but `{schema}` is"));
            return;
        };
        let Some(known) = self.0.get(schema).and_then(Value::as_object) else { return };
        for (name, value) in fields {
            let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
            match known.get(name).and_then(Value::as_str) {
                None => problems.push(format!("`{schema}` has no field `{at}`")),
                Some(kind) if kind.ends_with('!') => {
                    problems.push(format!("`{at}` of `{schema}` is read-only: only the cloud writes it"));
                }
                Some(kind) => self.value(&format!("{schema}.{name}"), kind, value, &at, problems),
            }
        }
    }

    /// `inline` is the key under which the schema of an unnamed nested object is listed.
    fn value(&self, inline: &str, kind: &str, value: &Value, at: &str, problems: &mut Vec<String>) {
        // JSON's null is the default of any field: <https://protobuf.dev/programming-guides/json/>.
        if value.is_null() || kind == "any" {
            return;
        }
        if let Some(schema) = kind.strip_prefix('#') {
            self.fields(schema, value, at, problems);
        } else if kind == "object" {
            self.fields(inline, value, at, problems);
        } else if let Some(item) = kind.strip_prefix('[').and_then(|kind| kind.strip_suffix(']')) {
            let Some(items) = value.as_array() else {
                problems.push(format!("`{at}` is a list"));
                return;
            };
            for (number, value) in items.iter().enumerate() {
                self.value(&format!("{inline}[]"), item, value, &format!("{at}[{number}]"), problems);
            }
        } else if let Some(item) = kind.strip_prefix('{').and_then(|kind| kind.strip_suffix('}')) {
            let Some(items) = value.as_object() else {
                problems.push(format!("`{at}` is a map"));
                return;
            };
            for (key, value) in items {
                self.value(inline, item, value, &format!("{at}.{key}"), problems);
            }
        } else if let Err(why) = check_scalar(kind, value) {
            problems.push(format!("`{at}` {why}"));
        }
    }
}

/// Checks a scalar in a body. Google's Rust clients send enums as numbers, and 64-bit integers either as numbers or as
/// strings.
fn check_scalar(kind: &str, value: &Value) -> Result<(), String> {
    let is = match (kind.split_once([':', '(']).map_or(kind, |(base, _)| base), value) {
        ("boolean", Value::Bool(_)) => return Ok(()),
        ("enum", Value::Number(number)) => number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        ("integer" | "number", Value::Number(number)) => return check_text(kind, &number.to_string()),
        ("string", Value::Number(number)) => {
            return if kind.ends_with("int64") {
                check_text(kind, &number.to_string())
            } else {
                Err(format!("is a {kind}"))
            };
        }
        ("string" | "enum", Value::String(text)) => return check_text(kind, text),
        ("number", Value::String(text)) => matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity"),
        _ => false,
    };
    if is { Ok(()) } else { Err(format!("is a {kind}")) }
}

/// Checks a scalar as text, from a query parameter or a JSON string.
pub(super) fn check_text(kind: &str, text: &str) -> Result<(), String> {
    if let Some(words) = kind.strip_prefix("enum(").and_then(|words| words.strip_suffix(')')) {
        return if words.split('|').any(|word| word == text) || (text.parse::<i32>().is_ok() && !text.is_empty()) {
            Ok(())
        } else {
            Err(format!("has no value `{text}`: {words}"))
        };
    }
    let is = match kind {
        "boolean" => matches!(text, "true" | "false"),
        "integer:int32" => text.parse::<i32>().is_ok(),
        "integer:uint32" => text.parse::<u32>().is_ok(),
        "string:int64" => text.parse::<i64>().is_ok(),
        "string:uint64" => text.parse::<u64>().is_ok(),
        "number:float" | "number:double" => text.parse::<f64>().is_ok(),
        "string:byte" => STANDARD.decode(text).is_ok(),
        "string:google-datetime" | "string:date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        "string:date" => text.parse::<jiff::civil::Date>().is_ok(),
        "string:google-duration" => text.strip_suffix('s').is_some_and(|seconds| seconds.parse::<f64>().is_ok()),
        "string:google-fieldmask" => !text.is_empty() && !text.contains([' ', '/']),
        // Formats that are not listed here are not checked.
        _ => true,
    };
    if is { Ok(()) } else { Err(format!("is a {kind}, not `{text}`")) }
}
