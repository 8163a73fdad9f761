//! Documents and tables as text, to keep as snapshots and review when they change.

use std::fmt::Write as _;

use alien_core::adapter::{AccessControl, SubjectType};
use alien_core::{Kind, Layer, Prefix, Rendered, Set, Stack};
use serde_json::{Value, json};

/// The stack of the documentation, `examples/my-app.json`.
#[must_use]
pub fn my_app() -> Stack {
    Stack::from_json(include_str!("../../examples/my-app.json")).unwrap()
}

/// Passes every document of the example stack, its audit report and the reviewer's table to `keep`, with a name each.
pub fn documents<C: AccessControl>(target: fn(Prefix) -> C::Target, mut keep: impl FnMut(&str, String)) {
    let stack = my_app();
    let rendered: Rendered<C> = alien_core::render(&stack, &target("acme".parse().unwrap())).unwrap();
    for layer in Layer::ALL {
        let mut documents = rendered.documents.clone();
        documents.layers.keep(layer);
        keep(layer.name(), serde_json::to_string_pretty(&documents).unwrap());
    }
    keep("report", serde_json::to_string_pretty(&rendered.report).unwrap());
    keep("review", serde_json::to_string_pretty(&rendered.review(&stack)).unwrap());
}

/// Lists where the documents, the report and the reviewer's table of the example stack differ if an agent of the customer's own
/// account is trusted instead of the vendor. Each part has a path, its value for push, and its value for pull.
#[must_use]
pub fn pulled<C: AccessControl>(push: fn(Prefix) -> C::Target, pull: fn(Prefix) -> C::Target) -> String {
    let stack = my_app();
    let [push, pull] = [push, pull].map(|target| {
        let rendered: Rendered<C> = alien_core::render(&stack, &target("acme".parse().unwrap())).unwrap();
        json!({ "documents": rendered.documents, "report": rendered.report, "review": rendered.review(&stack) })
    });
    let mut text = String::new();
    differences("", Some(&push), Some(&pull), &mut text);
    text
}

/// Writes the smallest parts that differ.
fn differences(at: &str, push: Option<&Value>, pull: Option<&Value>, text: &mut String) {
    match (push, pull) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            for name in before.keys().chain(after.keys().filter(|name| !before.contains_key(*name))) {
                differences(&format!("{at}/{name}"), before.get(name), after.get(name), text);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            for n in 0..before.len().max(after.len()) {
                differences(&format!("{at}/{n}"), before.get(n), after.get(n), text);
            }
        }
        (before, after) if before == after => {}
        (before, after) => {
            let [before, after] = [before, after].map(|part| part.map_or_else(|| "nothing".into(), Value::to_string));
            writeln!(text, "{at}\n  push: {before}\n  pull: {after}").unwrap();
        }
    }
}

/// The rules that a customer can set above a deployment of [`my_app`], as JSON.
///
/// # Panics
///
/// If they do not render.
#[must_use]
pub fn guardrails<C: AccessControl>(target: fn(Prefix) -> C::Target) -> String {
    let reviewed = alien_core::review(&my_app(), &target("acme".parse().unwrap())).unwrap();
    serde_json::to_string_pretty(&reviewed.guardrails).unwrap()
}

/// Lists every permission set of a cloud: its permissions, where each is checked, and what it allows there.
#[must_use]
pub fn sets<C: AccessControl>() -> String {
    let mut text = String::new();
    let topics =
        Kind::ALL.iter().copied().map(SubjectType::Kind).chain([SubjectType::Deployment, SubjectType::Identity]);
    for topic in topics {
        for set in Set::ALL {
            let fits = match topic {
                SubjectType::Kind(kind) => set.fits(kind),
                SubjectType::Deployment | SubjectType::Identity => set == Set::Setup,
            };
            if !fits {
                continue;
            }
            let rows = C::set(topic, set);
            let none = if rows.is_empty() { "  (nothing)" } else { "" };
            writeln!(text, "{}/{}{none}", topic.name(), set.name()).unwrap();
            for row in rows {
                let reveals = if row.reveals.is_empty() { String::new() } else { format!(", shows {}", row.reveals) };
                writeln!(text, "  {} on {:?}: {}{reveals}", row.permission, row.on, row.effect.describe()).unwrap();
            }
        }
    }
    text
}
