//! The calls as a document of OpenAPI 3.1, for programs in other languages.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

#[cfg(feature = "agents")]
use super::describe::AGENT;
use super::describe::TOKEN;
use super::table::Route;

/// Every call, as a document of OpenAPI 3.1: <https://spec.openapis.org/oas/v3.1.1.html>. It follows from the functions that carry
/// the calls out, and the types that they take and answer.
#[must_use]
pub fn openapi() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.into_generator();
    let (mut paths, mut schemes, mut tags) = (Map::new(), Map::new(), Vec::new());
    for group in groups() {
        for route in group.routes {
            let mut operation = route.operation(&mut generator);
            operation.insert("tags".to_owned(), json!([group.name]));
            let path = paths.entry(route.path).or_insert_with(|| json!({}));
            if let Some(path) = path.as_object_mut() {
                path.insert(route.method.to_ascii_lowercase(), operation.into());
            }
        }
        tags.push(json!({ "name": group.name, "description": group.what }));
        let scheme = json!({ "type": "http", "scheme": "bearer", "description": group.bearer });
        schemes.insert(group.scheme.to_owned(), scheme);
    }
    let (mut schemas, mut paths) = (Value::Object(generator.take_definitions(true)), Value::Object(paths));
    plain(&mut schemas);
    plain(&mut paths);
    let mut document = json!({
        "openapi": "3.1.1",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "alien-manager",
            "description": "The API of a fleet: releases, rollouts, deployments, the log, tokens; and what agents ask and report.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "tags": tags,
        "paths": paths,
        "components": { "schemas": schemas, "securitySchemes": schemes },
    });
    // The same text whether or not another crate of the program asks `serde_json` to preserve the order.
    document.sort_all_objects();
    document
}

/// Calls of the same callers.
struct Group {
    name: &'static str,
    what: &'static str,
    scheme: &'static str,
    bearer: &'static str,
    routes: Vec<Route>,
}

fn groups() -> Vec<Group> {
    vec![
        Group {
            name: "operators",
            what: "What operators do. A token that is for some products sees nothing of others.",
            scheme: TOKEN,
            bearer: "A token, as `alien manager token create` makes it. It has a role, for some products or for all.",
            routes: super::router::routes().list,
        },
        #[cfg(feature = "agents")]
        Group {
            name: "agents",
            what: "What agents of deployments that pull ask and report, where the manager answers agents. What they send is \
                   canonical JSON (RFC 8785), and signed.",
            scheme: AGENT,
            bearer: "The bearer that an agent got for its token request: for an hour, and for one deployment.",
            routes: super::agents::calls().list.into_iter().chain(super::agents::files().list).collect(),
        },
    ]
}

/// Patterns in the place of formats that JSON Schema does not have, or has without fractions of a second.
/// <https://json-schema.org/draft/2020-12/json-schema-validation#section-7.3.1>
const PATTERNS: [(&str, &str); 2] = [
    ("duration", r"^-?PT([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]{1,9})?S)?$"),
    ("partial-time", r"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?$"),
];

/// Leaves of each description, which is written for readers of the code, its first paragraph, without links; and of formats those
/// that every reader knows.
fn plain(value: &mut Value) {
    match value {
        Value::Object(form) => {
            if let Some(Value::String(text)) = form.get_mut("description") {
                *text = first_paragraph(text);
            }
            let format = form.get("format").and_then(Value::as_str);
            if let Some((_, pattern)) = PATTERNS.iter().find(|(name, _)| Some(*name) == format) {
                form.remove("format");
                form.insert("pattern".to_owned(), (*pattern).into());
            }
            // A set takes what stands twice as once.
            form.remove("uniqueItems");
            form.values_mut().for_each(plain);
        }
        Value::Array(all) => all.iter_mut().for_each(plain),
        _ => {}
    }
}

fn first_paragraph(text: &str) -> String {
    let first = text.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    let (mut plain, mut rest) = (String::new(), first.as_str());
    while let Some((before, after)) = rest.split_once("[`") {
        plain.push_str(before);
        let Some((name, after)) = after.split_once("`]") else { break };
        plain.push_str(&format!("`{name}`"));
        rest = match after.strip_prefix('(').and_then(|target| target.split_once(')')) {
            Some((_, after)) => after,
            None => after,
        };
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use jiff::civil::Time;
    use schemars::JsonSchema;
    use schemars::generate::SchemaSettings;
    use serde::Serialize;
    use serde_json::Value;

    use super::{first_paragraph, plain};

    /// Checks that the form of each value is that of its type in the document.
    fn fits<T: JsonSchema + Serialize>(values: &[T]) {
        let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value();
        plain(&mut schema);
        assert_eq!(schema.get("format"), None, "{schema}");
        let pattern = regex_lite::Regex::new(schema["pattern"].as_str().unwrap()).unwrap();
        for value in values {
            let Value::String(text) = serde_json::to_value(value).unwrap() else { panic!("it is a text") };
            assert!(pattern.is_match(&text), "{text}");
        }
    }

    #[test]
    fn a_duration_and_a_time_fit_their_patterns() {
        let from = |nanoseconds| SignedDuration::from_nanos(nanoseconds);
        fits(&[SignedDuration::ZERO, from(1), from(109_050_148_325), from(-61_000_000_000), SignedDuration::MAX]);
        fits(&[SignedDuration::from_hours(168), SignedDuration::from_mins(61), SignedDuration::MIN]);
        fits(&[Time::MIN, Time::MAX, jiff::civil::time(22, 0, 0, 0), jiff::civil::time(9, 30, 15, 5)]);
    }

    #[test]
    fn a_description_is_its_first_paragraph_without_links() {
        let text = "As [`Fleet::set`], or\nas [`add`](Self::add) of `x`.\n\n```\nlet a = 1;\n```";
        assert_eq!(first_paragraph(text), "As `Fleet::set`, or as `add` of `x`.");
        assert_eq!(first_paragraph("[`a`](b)"), "`a`");
        assert_eq!(first_paragraph("plain"), "plain");
    }
}
