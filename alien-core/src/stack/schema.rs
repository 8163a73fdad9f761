//! The JSON Schema of a stack's JSON form.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::checked::Stack;
use crate::kind::Kind;
use crate::lifecycle::Lifecycle;
use crate::name::{ProfileName, ResourceId, StackName};
use crate::permission::SetName;
use crate::resource::{Existing, Settings};

/// The JSON Schema (draft 2020-12) of the form that [`Stack::from_json`](crate::Stack::from_json) reads.
///
/// It covers what a schema can express; [`Stack::from_json`](crate::Stack::from_json) checks the rest.
#[must_use]
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = form(&mut generator);
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("Stack"));
    schema.insert("$defs".to_owned(), generator.take_definitions(true).into());
    schema.into()
}

/// The form, as a part of another document.
impl JsonSchema for Stack {
    fn schema_name() -> Cow<'static, str> {
        "Stack".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        form(generator).into()
    }
}

fn form(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let id = generator.subschema_for::<ResourceId>();
    let lifecycle = generator.subschema_for::<Lifecycle>();
    let name = generator.subschema_for::<StackName>();
    let profile = generator.subschema_for::<ProfileName>();
    let existing = generator.subschema_for::<Existing>();
    let mut kinds = Vec::new();
    for kind in Kind::ALL.iter().copied() {
        let Value::Object(mut schema) = Settings::schema(kind, generator).into() else { continue };
        let mut properties = take_object(&mut schema, "properties");
        properties.insert("id".to_owned(), json!(id));
        properties.insert("type".to_owned(), json!({ "const": kind.name() }));
        properties.insert("lifecycle".to_owned(), json!(lifecycle));
        let links = "Resources that are set up before it, and whose addresses its code gets.";
        properties.insert("links".to_owned(), json!({ "type": "array", "items": id, "description": links }));
        schema.insert("properties".to_owned(), properties.into());
        let own = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        let required: Vec<Value> = ["id", "type", "lifecycle"].map(Value::from).into_iter().chain(own).collect();
        schema.insert("required".to_owned(), required.into());
        kinds.push(schema);
    }
    let sets = |wanted: fn(&SetName) -> bool| -> Value {
        let names: Vec<String> = SetName::all().filter(wanted).map(|set| set.to_string()).collect();
        json!({ "type": "array", "items": { "enum": names } })
    };
    let form = json!({
        "description": "A vendor's product: its resources, each frozen or live, and who may do what with them.",
        "type": "object",
        "additionalProperties": false,
        "required": ["version", "name", "resources"],
        "properties": {
            "version": { "description": "The version of this form.", "const": Stack::VERSION },
            "name": name,
            "resources": { "type": "array", "items": { "oneOf": kinds } },
            "existing": {
                "description": "What the customer has in place of resources. A vendor's stack has none.",
                "type": "object",
                "propertyNames": id,
                "additionalProperties": existing,
            },
            "permissions": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "profiles": {
                        "description": "What deployed code may do: profile, then a resource or `*`, then permission sets.",
                        "type": "object",
                        "propertyNames": profile,
                        "additionalProperties": {
                            "type": "object",
                            "propertyNames": { "anyOf": [{ "const": "*" }, id] },
                            "additionalProperties": sets(|name| name.set.is_for_profiles()),
                        },
                    },
                    "management": {
                        "description": "What the vendor may do: derived, or derived and extended.",
                        "anyOf": [
                            { "const": "automatic" },
                            {
                                "type": "object",
                                "additionalProperties": false,
                                "properties": {
                                    "extend": {
                                        "type": "object",
                                        "propertyNames": id,
                                        "additionalProperties": sets(|name| name.set.is_for_management()),
                                    },
                                },
                            },
                        ],
                    },
                },
            },
        },
    });
    match form {
        Value::Object(form) => form,
        _ => Map::new(),
    }
}

fn take_object(schema: &mut Map<String, Value>, key: &str) -> Map<String, Value> {
    match schema.remove(key) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}
